//! `check` and `recount`: whether the store is sound, and counters made true again.

use serde_json::json;

use super::operation::Format;
use super::{Context, Failure, Output, Result};

pub(super) fn check(format: Format, context: &Context, output: &mut dyn Output) -> Result<()> {
    let report = context.store.check()?;
    let violations: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
    match format {
        Format::Json => {
            let document = json!({
                "sound": report.is_sound(),
                "accounts": report.accounts,
                "mailboxes": report.mailboxes,
                "messages": report.messages,
                "blobs": report.blobs,
                "spooled": report.spooled,
                "violations": violations,
            });
            output.line(&document.to_string())?;
        }
        Format::Table => {
            for violation in &violations {
                output.line(violation)?;
            }
            output.line(&format!(
                "checked {} accounts, {} mailboxes, {} messages, {} mails in the spool, {} blobs",
                report.accounts, report.mailboxes, report.messages, report.spooled, report.blobs
            ))?;
        }
    }
    if report.is_sound() {
        return Ok(());
    }
    let hint = "; counters (invariants 2, 4, 5, 6) are repaired by `heimpost recount`";
    Err(Failure::failed(format!(
        "{} invariants do not hold{hint}",
        violations.len()
    )))
}

pub(super) fn recount(context: &Context, output: &mut dyn Output) -> Result<()> {
    let differences = context.store.recount()?;
    for difference in &differences {
        output.line(&format!("repaired {difference}"))?;
    }
    let result = match differences.len() {
        0 => "every counter was right".to_owned(),
        many => format!("{many} counters were wrong and are right"),
    };
    output.line(&result)?;
    Ok(())
}
