//! The store's invariants, numbered, and the check of all of them in one snapshot.
//!
//! Tests run it whenever their store closes ([`Checked`]); people run it as `heimpost check`. It reads every row of the
//! index and changes nothing. What counts up wrongly is repaired by `recount`; anything else is for people to see.

mod accounts;
mod aside;
mod blobs;
mod mailboxes;
mod messages;
mod spool;

use std::fmt;
use std::ops::Deref;
use std::thread;

use super::{Result, Snapshot, Store, events};

/// Most violations that a report lists.
pub const VIOLATIONS_MAX: usize = 1000;

/// What must hold, always, after every commit and every crash. The number is the one people see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// Every row can be read.
    Readable = 1,
    /// Every UID is below its mailbox's UIDNEXT.
    UidBelowNext = 2,
    /// Every row of `flags` has a record that names its mailbox and UID, and every record such a row.
    RowAndRecord = 3,
    /// A message's mod-sequence is at most its mailbox's highest, and that at most its account's counter.
    ModSeqOrder = 4,
    /// A mailbox's counters are what counting its messages gives.
    MailboxCounters = 5,
    /// An account's usage is what counting its messages gives.
    Usage = 6,
    /// Keyword bits lie within the mailbox's table, and the table has each keyword once and at most 64.
    Keywords = 7,
    /// Each mailbox has one name, one row and one row of counters, of an account that exists, and no other has any.
    MailboxNames = 8,
    /// Every mailbox's parent exists, and every account has an INBOX.
    Hierarchy = 9,
    /// No two mailboxes have the same UIDVALIDITY, and none has one above the counter.
    UidValidity = 10,
    /// Addresses lead to accounts one to one, and none is an alias's too.
    Addresses = 11,
    /// Where there are accounts, one is the owner.
    Owner = 12,
    /// Every device belongs to an account and has a name of its own there.
    Devices = 13,
    /// Every POP3 mark is on a message in INBOX, by a device of its account.
    Pop3Marks = 14,
    /// The log of expunges is counted, above its floor, not above the mailbox's highest mod-sequence, and names only
    /// UIDs that were given and are gone.
    ExpungeLog = 15,
    /// A mailbox that is being purged is no longer there.
    Purges = 16,
    /// Every blob is referred to as often as is counted.
    BlobReferences = 17,
    /// Every reference leads to a blob that can be read whole and has the digest that it was stored with.
    BlobPresent = 18,
    /// Every blob is in one place, and something refers to it or it waits for its removal.
    BlobWanted = 19,
    /// Every piece in a volume belongs to a blob, and the volume's count of bytes is right.
    VolumeWhole = 20,
    /// An account's level is one that its usage and its quota allow: stepping it changes nothing.
    Level = 21,
    /// What is set aside is no message of a mailbox any more, belongs to a run, and to an account that exists or is
    /// being removed.
    Aside = 22,
    /// What is remembered of growth, of warnings and of who waits is of the card or of an account that exists.
    Remembered = 23,
    /// Every spooled mail has recipients, counted from 0, and no recipient is without its mail.
    Spool = 24,
    /// What is remembered of copies in Sent is of an account that exists or is being removed.
    SentCopies = 25,
    /// Every event lies in its share, below the next identifier, and events and traffic are counted right.
    Events = 26,
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub invariant: Invariant,
    /// Where and how.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { invariant, text } = self;
        write!(f, "invariant {} ({invariant:?}): {text}", *invariant as u8)
    }
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Accounts seen.
    pub accounts: u64,
    /// Mailboxes seen.
    pub mailboxes: u64,
    /// Messages seen.
    pub messages: u64,
    /// Blobs seen.
    pub blobs: u64,
    /// Spooled mails seen.
    pub spooled: u64,
    /// What does not hold; the first [`VIOLATIONS_MAX`].
    pub violations: Vec<Violation>,
}

impl Report {
    /// Whether everything holds.
    pub fn is_sound(&self) -> bool {
        self.violations.is_empty()
    }

    /// Notes a violation unless `holds`.
    fn expect(&mut self, holds: bool, invariant: Invariant, text: impl FnOnce() -> String) {
        if !holds && self.violations.len() < VIOLATIONS_MAX {
            let text = text();
            self.violations.push(Violation { invariant, text });
        }
    }

    /// The value, or a violation if its row cannot be read.
    fn readable<T>(&mut self, value: Result<T>) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err(error) => {
                self.expect(false, Invariant::Readable, || error.to_string());
                None
            }
        }
    }
}

impl Snapshot {
    /// Checks every invariant that the index alone can tell.
    pub(super) fn check_rows(&self) -> Result<(Report, messages::References)> {
        let mut report = Report::default();
        accounts::check(self, &mut report)?;
        mailboxes::check(self, &mut report)?;
        let mut references = messages::check(self, &mut report)?;
        aside::check(self, &mut report, &mut references)?;
        spool::check(self, &mut report, &mut references)?;
        for text in report.readable(events::check(self)).unwrap_or_default() {
            report.expect(false, Invariant::Events, || text);
        }
        messages::check_references(self, &mut report, &references)?;
        Ok((report, references))
    }
}

impl Store {
    /// Checks every invariant. Reads the whole store; mail goes on meanwhile.
    pub fn check(&self) -> Result<Report> {
        let mut report = Report::default();
        blobs::check(self, &mut report)?;
        Ok(report)
    }
}

/// A store that must be sound when it closes. For tests, of this crate and of its protocols.
#[derive(Debug)]
pub struct Checked(Store);

impl Checked {
    /// Guards `store`.
    pub fn new(store: Store) -> Self {
        Self(store)
    }
}

impl Deref for Checked {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.0
    }
}

impl Drop for Checked {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        let report = self.0.check();
        let violations = report.map(|report| report.violations);
        assert_eq!(violations, Ok(Vec::new()), "the store is not sound");
        let differences = self.0.recount();
        assert_eq!(differences, Ok(Vec::new()), "the store counts wrongly");
    }
}
