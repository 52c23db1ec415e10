//! `alias add|list|remove`.

use serde_json::json;

use super::operation::Format;
use super::output::table;
use super::{Context, Output, Result};
use crate::mail::address::Address;
use crate::store::types::Alias;

pub(super) fn add(
    from: &str,
    to: &[String],
    context: &Context,
    output: &mut dyn Output,
) -> Result<()> {
    let to = to.iter().map(String::as_str);
    let alias = context.office().set_alias(from, to)?;
    output.line(&format!(
        "mail to {} goes to {}",
        alias.from,
        joined(&alias.to)
    ))?;
    Ok(())
}

pub(super) fn list(format: Format, context: &Context, output: &mut dyn Output) -> Result<()> {
    let aliases = context.store.snapshot()?.aliases()?;
    match format {
        Format::Table => {
            let mut rows = vec![vec!["FROM".to_owned(), "TO".to_owned()]];
            rows.extend(
                aliases
                    .iter()
                    .map(|alias| vec![alias.from.clone(), joined(&alias.to)]),
            );
            table(output, &rows)?;
        }
        Format::Json => {
            let in_json = |alias: &Alias| {
                let to: Vec<String> = alias.to.iter().map(Address::to_string).collect();
                json!({ "from": alias.from, "to": to })
            };
            let list: Vec<_> = aliases.iter().map(in_json).collect();
            output.line(&json!(list).to_string())?;
        }
    }
    Ok(())
}

pub(super) fn remove(from: &str, context: &Context, output: &mut dyn Output) -> Result<()> {
    let from = context.office().remove_alias(from)?;
    output.line(&format!("removed the alias {from}"))?;
    Ok(())
}

fn joined(addresses: &[Address]) -> String {
    addresses
        .iter()
        .map(Address::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
