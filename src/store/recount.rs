//! Counts mailboxes and accounts anew and repairs what differs: the cure for invariants 2, 4, 5, 6 and 21.

use std::fmt;

use super::change::Change;
use super::counters::{AccountCounters, Counters, MailboxCounters, is_deleted, is_unseen};
use super::mailbox::names;
use super::record::{Stored, scan_all};
use super::tx::{ReadRows, Tx};
use super::types::Usage;
use super::{Result, Store, level};
use crate::mail::ids::{AccountId, MailboxId, ModSeq};

/// What counting a mailbox's messages gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    messages: u32,
    unseen: u32,
    deleted: u32,
    bytes: u64,
    uid_last: u32,
    highest_modseq: ModSeq,
}

pub(super) fn count(rows: &impl ReadRows, id: MailboxId) -> Result<Counted> {
    let mut counted = Counted {
        messages: 0,
        unseen: 0,
        deleted: 0,
        bytes: 0,
        uid_last: 0,
        highest_modseq: ModSeq::MIN,
    };
    for row in scan_all(rows, id)? {
        counted.messages += 1;
        counted.unseen += u32::from(is_unseen(row.flags));
        counted.deleted += u32::from(is_deleted(row.flags));
        counted.bytes += Stored::load(rows, row.serial)?.bytes;
        counted.uid_last = row.uid.get();
        counted.highest_modseq = counted.highest_modseq.max(row.modseq);
    }
    Ok(counted)
}

impl Counted {
    /// Whether the stored counters say the same. UIDNEXT and the highest mod-sequence may be above what is left.
    pub(super) fn agrees(&self, stored: &MailboxCounters) -> bool {
        self.repaired(stored) == *stored
    }

    /// The stored counters made true.
    fn repaired(&self, stored: &MailboxCounters) -> MailboxCounters {
        MailboxCounters {
            uid_next: stored.uid_next.max(self.uid_last.saturating_add(1)),
            highest_modseq: stored.highest_modseq.max(self.highest_modseq),
            messages: self.messages,
            unseen: self.unseen,
            deleted: self.deleted,
            bytes: self.bytes,
            expunge_rows: stored.expunge_rows,
            expunge_floor: stored.expunge_floor,
        }
    }
}

/// A counter that was wrong and is repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Whose.
    pub what: String,
    /// What was stored.
    pub stored: String,
    /// What counting gave.
    pub counted: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            stored,
            counted,
        } = self;
        write!(f, "{what}: stored {stored}, counted {counted}")
    }
}

fn difference(what: String, stored: &impl fmt::Debug, counted: &impl fmt::Debug) -> Difference {
    Difference {
        what,
        stored: format!("{stored:?}"),
        counted: format!("{counted:?}"),
    }
}

fn recount_mailbox(
    tx: &mut Tx<'_>,
    account: AccountId,
    id: MailboxId,
) -> Result<Option<Difference>> {
    let Some(stored) = MailboxCounters::find(tx, id)? else {
        return Ok(None);
    };
    let repaired = count(tx, id)?.repaired(&stored);
    if repaired == stored {
        return Ok(None);
    }
    repaired.save(tx, id)?;
    tx.announce(account, Change::Messages(id));
    Ok(Some(difference(
        format!("mailbox {id}"),
        &stored,
        &repaired,
    )))
}

fn recount_account(tx: &mut Tx<'_>, id: AccountId) -> Result<Option<Difference>> {
    let Some(stored) = AccountCounters::find(tx, id)? else {
        return Ok(None);
    };
    let mut repaired = AccountCounters {
        usage: Usage::default(),
        ..stored
    };
    for (_, mailbox) in names(tx, id)? {
        let own = MailboxCounters::load(tx, mailbox)?;
        repaired.usage.bytes += own.bytes;
        repaired.usage.messages += u64::from(own.messages);
        repaired.modseq = repaired.modseq.max(own.highest_modseq.get());
    }
    repaired.level = repaired.level_at(level::quota(tx, id)?, tx.rules().thresholds);
    if repaired == stored {
        return Ok(None);
    }
    if repaired.level != stored.level {
        tx.announce(id, Change::Level);
    }
    repaired.save(tx, id)?;
    Ok(Some(difference(
        format!("account {id}"),
        &stored,
        &repaired,
    )))
}

impl Store {
    /// Counts every mailbox and account anew, repairs what differs and tells what did. One commit per mailbox, so mail
    /// goes on meanwhile.
    pub fn recount(&self) -> Result<Vec<Difference>> {
        let mut differences = Vec::new();
        for account in self.snapshot()?.accounts()? {
            let id = account.id;
            for (_, mailbox) in names(&self.snapshot()?, id)? {
                let recount = move |tx: &mut Tx<'_>| recount_mailbox(tx, id, mailbox);
                differences.extend(self.0.commit(recount)?);
            }
            differences.extend(self.0.commit(move |tx| recount_account(tx, id))?);
        }
        Ok(differences)
    }
}
