//! `alias add|list|remove`.

use serde_json::json;

use super::account::local_address;
use super::operation::Format;
use super::output::table;
use super::{Context, Failure, Output, Result, parse_address};
use crate::mail::address::{Address, Domain};
use crate::store::types::Alias;

pub(super) fn add(
    from: &str,
    to: &[String],
    context: &Context,
    output: &mut dyn Output,
) -> Result<()> {
    let from = source(from, context)?;
    let targets = to
        .iter()
        .map(|text| parse_address(text))
        .collect::<Result<Vec<_>>>()?;
    if targets.is_empty() {
        return Err(Failure::Usage(
            "name at least one address that the mail goes to".to_owned(),
        ));
    }
    if context.store.snapshot()?.account_by_key(&from)?.is_some() {
        return Err(Failure::failed(format!(
            "{from} is an account; an alias needs a name of its own"
        )));
    }
    let alias = Alias { from, to: targets };
    context.store.set_alias(&alias)?;
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
    let from = source(from, context)?;
    if context.store.snapshot()?.alias(&from)?.is_none() {
        return Err(Failure::failed(format!("there is no alias {from}")));
    }
    context.store.remove_alias(&from)?;
    output.line(&format!("removed the alias {from}"))?;
    Ok(())
}

/// The key of an alias: an address at one of our domains, or `@domain` for the catch-all.
fn source(text: &str, context: &Context) -> Result<String> {
    let Some(domain) = text.strip_prefix('@') else {
        return Ok(local_address(text, context)?.lookup_key());
    };
    let parsed = Domain::parse(domain)
        .map_err(|e| Failure::Usage(format!("\"{text}\": {e}; @example.org is right")))?;
    if !context.settings.domains.contains(&parsed) {
        return Err(Failure::failed(format!(
            "{domain} is not a domain of this box"
        )));
    }
    Ok(format!("@{}", parsed.as_str()))
}

fn joined(addresses: &[Address]) -> String {
    addresses
        .iter()
        .map(Address::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
