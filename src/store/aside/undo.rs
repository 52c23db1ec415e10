//! Undoing a run: its messages go back to their mailboxes with new UIDs, those that it moved go back to where they were.
//!
//! An account gets all of its messages back or none: none if that would make it full. It stays to be undone then.

use std::collections::{BTreeMap, BTreeSet};

use redb::ReadableTable;

use super::release::{Moves, end_if_empty};
use super::{ASIDE, ASIDE_MOVES, AsideRow, BATCH, RunId, RunRow, moves_of, rows_of};
use crate::clock::Now;
use crate::mail::flags::FlagBits;
use crate::mail::ids::{AccountId, MailboxId, Serial};
use crate::mail::mailbox_name::MailboxName;
use crate::store::mailbox::{self, MailboxRow};
use crate::store::message::Ledger;
use crate::store::record::{Stored, find_flags};
use crate::store::transfer::move_rows;
use crate::store::tx::{ReadRows, Tx};
use crate::store::types::{Fill, Level, MessageRow, Subject, Usage};
use crate::store::{Error, Result, Snapshot, Store};

/// What became of an account's part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is as it was.
    Back {
        /// Messages that were put back into their mailboxes.
        put_back: Usage,
        /// Messages that were moved back.
        moved_back: Usage,
    },
    /// Nothing was put back, because the account would be full then.
    WouldBeFull {
        /// What waits.
        waiting: Usage,
        /// How many bytes are too many.
        bytes_to_free: u64,
    },
}

/// What [`Store::undo_run`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// By account.
    pub accounts: BTreeMap<AccountId, Outcome>,
    /// Messages that had been released before and cannot come back.
    pub released: u64,
}

/// The mailbox that a message goes back to: its own, or that of its name, which is made again if need be.
fn home(tx: &mut Tx<'_>, row: &AsideRow, now: Now) -> Result<MailboxId> {
    let own = MailboxRow::find(tx, row.record.mailbox)?;
    if own.is_some_and(|own| own.account == row.account) {
        return Ok(row.record.mailbox);
    }
    if let Some(named) = mailbox::by_name(tx, row.account, &row.name)? {
        return Ok(named);
    }
    match mailbox::create_again(tx, row.account, &row.name, row.special_use, now) {
        // Too many mailboxes by now.
        Err(Error::Limit(_)) => inbox(tx, row.account),
        made => made,
    }
}

/// Puts back one message. The caller has its row removed.
fn put_back(tx: &mut Tx<'_>, row: AsideRow, now: Now) -> Result<()> {
    let home = home(tx, &row, now)?;
    let mut ledger = Ledger::open(tx, home)?;
    let keywords = match ledger.learn_bits(&row.keywords) {
        Ok(bits) => bits,
        // The mailbox has as many others by now.
        Err(Error::Limit(_)) => ledger.known_bits(&row.keywords),
        Err(error) => return Err(error),
    };
    let flags = FlagBits {
        system: row.system,
        keywords,
    };
    let modseq = ledger.next_modseq()?;
    // The row's reference to the blob becomes the record's.
    ledger.add(tx, row.record, flags, modseq)?;
    ledger.close(tx)
}

/// What a batch did, and where the next begins.
type Batch = (BTreeMap<AccountId, Usage>, Option<Serial>);

/// Puts back one batch, without those of accounts that would be full.
fn put_some_back(
    tx: &mut Tx<'_>,
    run: RunId,
    from: Serial,
    full: &BTreeSet<AccountId>,
    now: Now,
) -> Result<Batch> {
    let mut rows = rows_of(tx, run, from, BATCH)?;
    let next = next_after(&rows, |row| row.record.serial);
    rows.retain(|row| !full.contains(&row.account));
    let mut done: BTreeMap<AccountId, Usage> = BTreeMap::new();
    for row in rows {
        done.entry(row.account).or_default().count(row.record.bytes);
        tx.write(ASIDE)?.remove((run.0, row.record.serial.0))?;
        put_back(tx, row, now)?;
    }
    Ok((done, next))
}

/// The serial behind a batch; `None` after the last one.
fn next_after<T>(batch: &[T], serial: impl Fn(&T) -> Serial) -> Option<Serial> {
    let last = batch.last().filter(|_| batch.len() == BATCH)?;
    Some(Serial(serial(last).0 + 1))
}

/// A moved message that still lies where the run moved it.
fn find_moved(
    rows: &impl ReadRows,
    serial: Serial,
) -> Result<Option<(AccountId, MailboxId, MessageRow, u64)>> {
    let Some(record) = Stored::find(rows, serial)? else {
        return Ok(None);
    };
    let Some(mailbox) = MailboxRow::find(rows, record.mailbox)? else {
        return Ok(None);
    };
    let row = find_flags(rows, record.mailbox, record.uid)?;
    Ok(row.map(|row| (mailbox.account, record.mailbox, row, record.bytes)))
}

/// The mailbox that moved messages came from, or INBOX if that is gone.
fn origin(rows: &impl ReadRows, account: AccountId, origin: MailboxId) -> Result<MailboxId> {
    let row = MailboxRow::find(rows, origin)?;
    if row.is_some_and(|row| row.account == account) {
        return Ok(origin);
    }
    inbox(rows, account)
}

fn inbox(rows: &impl ReadRows, account: AccountId) -> Result<MailboxId> {
    let inbox = mailbox::by_name(rows, account, &MailboxName::inbox())?;
    inbox.ok_or(Error::NotFound("the account"))
}

/// Moves one batch back. Messages that people have moved or removed since stay as they are.
fn move_some_back(tx: &mut Tx<'_>, run: RunId, now: Now) -> Result<Batch> {
    let moves = moves_of(tx, run, Serial(0), BATCH)?;
    let mut groups: BTreeMap<(MailboxId, MailboxId), Vec<MessageRow>> = BTreeMap::new();
    let mut done: BTreeMap<AccountId, Usage> = BTreeMap::new();
    for (serial, from) in &moves {
        tx.write(ASIDE_MOVES)?.remove((run.0, serial.0))?;
        if let Some((account, mailbox, row, bytes)) = find_moved(tx, *serial)? {
            let target = origin(tx, account, *from)?;
            groups.entry((mailbox, target)).or_default().push(row);
            done.entry(account).or_default().count(bytes);
        }
    }
    for ((from, to), mut rows) in groups {
        rows.sort_unstable_by_key(|row| row.uid);
        move_rows(tx, from, &rows, to, now)?;
    }
    Ok((done, next_after(&moves, |(serial, _)| *serial)))
}

/// Adds up what batches did, until there are no more.
fn all_batches(
    mut batch: impl FnMut(Serial) -> Result<Batch>,
) -> Result<BTreeMap<AccountId, Usage>> {
    let mut sums: BTreeMap<AccountId, Usage> = BTreeMap::new();
    let mut from = Some(Serial(0));
    while let Some(begin) = from {
        let (done, next) = batch(begin)?;
        for (account, usage) in done {
            sums.entry(account).or_default().add(usage);
        }
        from = next;
    }
    Ok(sums)
}

impl Store {
    /// Undoes a run as far as that is possible, a hundred messages at a time. After a fault it can be called again.
    /// [`Error::NotFound`] if there is no such run (any more).
    pub fn undo_run(&self, run: RunId, now: Now) -> Result<Undone> {
        let snapshot = self.snapshot()?;
        let released = RunRow::load(&snapshot, run)?.released;
        let mut accounts = BTreeMap::new();
        for (account, waiting) in snapshot.aside_of(run)? {
            if let Some(outcome) = self.refused(account, waiting)? {
                accounts.insert(account, outcome);
            }
        }
        drop(snapshot);
        self.0.core.space.make_way()?;
        let full: BTreeSet<AccountId> = accounts.keys().copied().collect();
        let put_back = all_batches(|from| {
            let full = full.clone();
            self.0
                .commit(move |tx| put_some_back(tx, run, from, &full, now))
        })?;
        let moved_back = all_batches(|_| self.0.commit(move |tx| move_some_back(tx, run, now)))?;
        self.0
            .commit(move |tx| end_if_empty(tx, run, Moves::Kept))?;
        for account in put_back.keys().chain(moved_back.keys()) {
            let of = |sums: &BTreeMap<AccountId, Usage>| sums.get(account).copied();
            accounts.entry(*account).or_insert_with(|| Outcome::Back {
                put_back: of(&put_back).unwrap_or_default(),
                moved_back: of(&moved_back).unwrap_or_default(),
            });
        }
        Ok(Undone { accounts, released })
    }

    /// Why these messages cannot come back.
    fn refused(&self, account: AccountId, waiting: Usage) -> Result<Option<Outcome>> {
        let fill = self.fill(Subject::Account(account))?;
        let used = fill.used.saturating_add(waiting.bytes);
        let thresholds = self.snapshot()?.rules().thresholds;
        let level = fill.level.step(used, fill.limit, thresholds);
        let after = Fill {
            level,
            used,
            ..fill
        };
        Ok((level >= Level::Full).then(|| Outcome::WouldBeFull {
            waiting,
            bytes_to_free: after.bytes_to_free(),
        }))
    }
}

impl Snapshot {
    /// What a run has set aside and could put back, by account.
    pub fn aside_of(&self, run: RunId) -> Result<BTreeMap<AccountId, Usage>> {
        let mut sums: BTreeMap<AccountId, Usage> = BTreeMap::new();
        for entry in self.read(ASIDE)?.range((run.0, 0)..=(run.0, u64::MAX))? {
            let (key, row) = entry?;
            let row = AsideRow::unpack(Serial(key.value().1), row.value())?;
            sums.entry(row.account).or_default().count(row.record.bytes);
        }
        Ok(sums)
    }
}
