//! `import`: old mailboxes into an account.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::output::bytes_in_words;
use super::{Context, Failure, Output, Progress, Result, account_at};
use crate::mail::mailbox_name::MailboxName;
use crate::transfer::import::Import;
use crate::transfer::{Error, Event, Report};

/// Where old mail lies.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Source {
    /// An mbox file, into one mailbox.
    Mbox {
        /// The file.
        path: String,
        /// The mailbox.
        into: String,
    },
    /// A Maildir tree, each of its mailboxes by name.
    Maildir {
        /// Its root.
        path: String,
    },
}

pub(super) fn import(
    account: &str,
    source: &Source,
    context: &Context,
    output: &mut dyn Output,
) -> Result<()> {
    let account = account_at(&context.store.snapshot()?, account)?;
    let import = Import::new(&context.store, account.id, &context.clock);
    let mut listener = |event| tell(event, output);
    let result = match source {
        Source::Mbox { path, into } => {
            let name = MailboxName::parse(into)
                .map_err(|e| Failure::Usage(format!("\"{into}\" is no mailbox name: {e}")))?;
            import.mbox(Path::new(path), &name, &mut listener)
        }
        Source::Maildir { path } => import.maildir(Path::new(path), &mut listener),
    };
    let report = result.map_err(|error| failure(&error))?;
    report_in_words(&report, "imported", "were there already", output)
}

/// Passes on what a transfer tells.
pub(super) fn tell(event: Event, output: &mut dyn Output) -> std::io::Result<()> {
    match event {
        Event::Progress {
            mailbox,
            done,
            total,
        } => output.progress(&Progress {
            what: mailbox,
            done,
            total: Some(total),
        }),
        Event::Problem(text) => output.line(&format!("passed over: {text}")),
    }
}

/// Says what a transfer did.
pub(super) fn report_in_words(
    report: &Report,
    done: &str,
    present: &str,
    output: &mut dyn Output,
) -> Result<()> {
    output.line(&format!(
        "{done} {} messages ({}) in {} mailboxes; {} {present}; {} problems",
        report.messages,
        bytes_in_words(report.bytes),
        report.mailboxes,
        report.present,
        report.problems,
    ))?;
    Ok(())
}

/// The failure that a transfer's error means, with what to do about it.
pub(super) fn failure(error: &Error) -> Failure {
    let hint = match error {
        Error::Store(crate::store::Error::OverQuota) => {
            "; raise the quota (account quota) and run the same command again, it goes on where it stopped"
        }
        Error::Store(crate::store::Error::Full) => {
            "; make room and run the same command again, it goes on where it stopped"
        }
        Error::Interrupted => "; run the same command again, it goes on where it stopped",
        Error::Store(_) | Error::Io { .. } | Error::Format { .. } => "",
    };
    Failure::Failed(format!("{error}{hint}"))
}
