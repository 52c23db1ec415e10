//! `export`: an account's mail into files.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::import::{failure, report_in_words, tell};
use super::{Context, Output, Result, account_at};
use crate::transfer::export::Export;

/// What kind of files an export makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum Kind {
    /// A directory per mailbox, a file per message
    Maildir,
    /// A file per mailbox
    Mbox,
}

pub(super) fn export(
    account: &str,
    dir: &str,
    kind: Kind,
    context: &Context,
    output: &mut dyn Output,
) -> Result<()> {
    let account = account_at(&context.store.snapshot()?, account)?;
    let dir = Path::new(dir);
    let export = Export::new(&context.store, account.id);
    let mut listener = |event| tell(event, output);
    let result = match kind {
        Kind::Maildir => export.maildir(dir, &mut listener),
        Kind::Mbox => export.mbox(dir, &mut listener),
    };
    let report = result.map_err(|error| failure(&error))?;
    report_in_words(&report, "exported", "were there already", output)
}
