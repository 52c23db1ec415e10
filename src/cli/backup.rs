//! `backup` and `restore`: the whole store into a directory, and back.
//!
//! A backup runs in the daemon while mail flows, and takes the certificate authority along, so that devices go on to trust
//! a restored box. A restore makes a store where there is none, so it never goes to a
//! daemon, and nothing that exists is overwritten.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::connect::store_options;
use super::output::bytes_in_words;
use super::{Context, Failure, Output, Result};
use crate::clock::Clock;
use crate::config::Settings;
use crate::manage::backup::{self, TLS};
use crate::manage::owner::become_owner;
use crate::net::control;
use crate::store::Store;
use crate::store::backup::Generation;

/// Whether a backup is tried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trial {
    /// Restored beside it, checked and removed again.
    Wanted,
    /// Taken as it is.
    Unwanted,
}

pub(super) fn backup(
    dir: &str,
    trial: Trial,
    context: &Context,
    output: &mut dyn Output,
) -> Result<()> {
    let (store, path, now) = (&context.store, Path::new(dir), context.clock.now());
    let report = backup::back_up(store, &context.settings.data, path, now)
        .map_err(|error| failure(&error))?;
    output.line(&format!(
        "backed up {} to {dir}: {} files copied and read back, {} unchanged",
        bytes_in_words(report.bytes),
        report.copied,
        report.unchanged,
    ))?;
    if trial == Trial::Wanted {
        let messages = backup::try_out(store, path, now).map_err(|error| failure(&error))?;
        output.line(&format!(
            "tried out: {messages} messages were there again, and all is sound"
        ))?;
    }
    Ok(())
}

fn failure(error: &backup::Error) -> Failure {
    Failure::Failed(error.to_string())
}

/// Puts the backup in `dir` into the data directory of `settings`, and proves the result.
pub fn restore(
    (dir, generation): (&Path, Generation),
    settings: &Settings,
    clock: &Clock,
    output: &mut dyn Output,
) -> Result<()> {
    become_owner(&settings.data).map_err(|e| Failure::failed(e.to_string()))?;
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
    backup::copy_files(&dir.join(TLS), &settings.data.join(TLS))
        .map_err(|error| failure(&error))?;
    let options = store_options(settings);
    let store = Store::restore_from((dir, generation), &settings.data, &options, clock.now())?;
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
    if report.spooled > 0 {
        output.line(&format!(
            "Mail that waited to be sent is held ({}), for it may have been sent since the backup: see `heimpost queue list`, \
             then `queue retry` or `queue remove`.",
            report.spooled,
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::output::Lines;
    use crate::mail::address::Address;
    use crate::mail::transport::{BodyType, HeaderType, Priority};
    use crate::store::Append;
    use crate::store::spool::{NewSpool, NewSpoolRecipient};

    fn spool_one(store: &Store, clock: &Clock) {
        let append = Append {
            blob: store.begin_blob(None).unwrap().finish().unwrap(),
            summary: Vec::new(),
            filings: Vec::new(),
            spool: vec![NewSpool {
                prefix: Vec::new(),
                sender: None,
                account: None,
                priority: Priority::Mail,
                body: BodyType::SevenBit,
                header: HeaderType::Ascii,
                ret: None,
                envid: None,
                recipients: vec![NewSpoolRecipient {
                    address: Address::parse("b@x.example").unwrap(),
                    notify: None,
                    original: None,
                }],
            }],
        };
        store.append(vec![append], clock.now()).unwrap();
    }

    /// What `restore` says of a store with so many mails in its spool, after how many accounts and so on there are.
    fn check(spooled: usize, expected: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        let (mut settings, clock) = (Settings::desk(), Clock::system());
        settings.data = dir.path().join("before");
        let store = Store::open(&settings.data, &store_options(&settings), clock.now()).unwrap();
        (0..spooled).for_each(|_| spool_one(&store, &clock));
        store.backup(&dir.path().join("backup")).unwrap();
        settings.data = dir.path().join("after");
        fs::create_dir(&settings.data).unwrap();
        let mut said = Lines::default();
        let backup = dir.path().join("backup");
        restore((&backup, Generation::Newest), &settings, &clock, &mut said).unwrap();
        assert_eq!(said.0[1..], *expected);
    }

    #[test]
    fn a_restore_says_what_changed() {
        let uids = "Mail programs fetch their lists anew, for UIDVALIDITY has changed.";
        let held = "Mail that waited to be sent is held (2), for it may have been sent since the backup: see \
                    `heimpost queue list`, then `queue retry` or `queue remove`.";
        check(0, &[uids]);
        check(2, &[uids, held]);
    }
}
