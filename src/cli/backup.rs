//! `backup` and `restore`: the whole store into a directory, and back.
//!
//! A backup runs in the daemon while mail flows. A restore makes a store where there is none, so it never goes to a
//! daemon, and nothing that exists is overwritten.

use std::path::Path;

use super::connect::{become_owner, store_options};
use super::output::bytes_in_words;
use super::{Context, Failure, Output, Result};
use crate::clock::Clock;
use crate::config::Settings;
use crate::net::control;
use crate::store::Store;

pub(super) fn backup(dir: &str, context: &Context, output: &mut dyn Output) -> Result<()> {
    let report = context.store.backup(Path::new(dir))?;
    output.line(&format!(
        "backed up {} to {dir}: {} files copied and read back, {} unchanged",
        bytes_in_words(report.bytes),
        report.copied,
        report.unchanged,
    ))?;
    Ok(())
}

/// Puts the backup in `dir` into the data directory of `settings`, and proves the result.
pub fn restore(
    dir: &Path,
    settings: &Settings,
    clock: &Clock,
    output: &mut dyn Output,
) -> Result<()> {
    become_owner(&settings.data)?;
    let data = settings.data.display();
    if control::connect(&settings.data)?.is_some() {
        return Err(Failure::failed(format!(
            "a daemon serves {data}; stop it first"
        )));
    }
    if Store::exists(&settings.data) {
        return Err(Failure::failed(format!(
            "{data} holds a store already; move it away first, or restore elsewhere with --data DIR"
        )));
    }
    let store = Store::restore(dir, &settings.data, &store_options(settings), clock.now())?;
    let report = store.check()?;
    if let Some(violation) = report.violations.first() {
        return Err(Failure::failed(format!(
            "the restored store is not sound: {violation}"
        )));
    }
    output.line(&format!(
        "restored {} accounts, {} mailboxes, {} messages to {data}; checked and sound",
        report.accounts, report.mailboxes, report.messages,
    ))?;
    output.line("Mail programs fetch their lists anew, for UIDVALIDITY has changed.")?;
    Ok(())
}
