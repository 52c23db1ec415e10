//! COPY and MOVE within an account: new rows for the same blob.
//!
//! Both are all or nothing and work within one mailbox too. Keywords go by name, since each mailbox numbers its own.

use super::blob;
use super::expunge::log_expunged;
use super::level::Allowance;
use super::message::Ledger;
use super::record::{Stored, find_all_flags, scan_all};
use super::tx::{ReadRows, Tx};
use super::types::{Copied, MessageRow};
use super::{Error, Result, Store};
use crate::clock::Now;
use crate::mail::flags::FlagBits;
use crate::mail::ids::{MailboxId, Uid};

/// Most messages that one COPY or MOVE takes.
pub const TRANSFER_MESSAGES_MAX: usize = 100_000;

/// The rows of those messages that are (still) there, ascending, each once.
pub(super) fn pick(
    rows: &impl ReadRows,
    mailbox: MailboxId,
    uids: &[Uid],
) -> Result<Vec<MessageRow>> {
    let mut uids = uids.to_vec();
    uids.sort_unstable();
    uids.dedup();
    find_all_flags(rows, mailbox, &uids)
}

/// The two mailboxes of a transfer, which must be one account's.
fn open_pair(rows: &impl ReadRows, from: MailboxId, to: MailboxId) -> Result<(Ledger, Ledger)> {
    let (source, target) = (Ledger::open(rows, from)?, Ledger::open(rows, to)?);
    if source.row.account != target.row.account {
        return Err(Error::NotFound("the mailbox"));
    }
    Ok((source, target))
}

/// Flags as the target numbers them. Learns all keywords that the messages need before anything is changed.
fn translate(source: &Ledger, target: &mut Ledger, rows: &[MessageRow]) -> Result<Vec<FlagBits>> {
    let used = rows.iter().fold(0, |bits, row| bits | row.flags.keywords);
    target.learn_bits(&source.keywords_of(used))?;
    let flags = rows.iter().map(|row| FlagBits {
        system: row.flags.system,
        keywords: target.known_bits(&source.keywords_of(row.flags.keywords)),
    });
    Ok(flags.collect())
}

fn copy(
    tx: &mut Tx<'_>,
    (from, to): (MailboxId, MailboxId),
    uids: &[Uid],
    now: Now,
) -> Result<Copied> {
    let (source, mut target) = open_pair(tx, from, to)?;
    let rows = pick(tx, from, uids)?;
    refuse_too_many(&rows)?;
    let mut allowance = Allowance::of_mailbox(tx, &target)?;
    for row in &rows {
        allowance.take(Stored::load(tx, row.serial)?.bytes)?;
    }
    let copied = file(tx, &source, &mut target, &rows, Reference::Another, now)?;
    if !rows.is_empty() {
        target.close(tx)?;
    }
    Ok(copied)
}

/// Where a filed row's reference to its blob comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reference {
    /// It is one more.
    Another,
    /// It is that of the row it was filed from, which goes.
    Inherited,
}

/// Files the messages in the target, which stays open.
fn file(
    tx: &mut Tx<'_>,
    source: &Ledger,
    target: &mut Ledger,
    rows: &[MessageRow],
    reference: Reference,
    now: Now,
) -> Result<Copied> {
    let flags = translate(source, target, rows)?;
    let mut copied = Copied {
        uid_validity: target.row.uid_validity,
        pairs: Vec::new(),
    };
    if rows.is_empty() {
        return Ok(copied);
    }
    let modseq = target.next_modseq()?;
    for (row, flags) in rows.iter().zip(flags) {
        let mut record = Stored::load(tx, row.serial)?;
        record.saved = now.stamp();
        if reference == Reference::Another {
            blob::add_reference(tx, record.blob)?;
        }
        let filed = target.add(tx, record, flags, modseq)?;
        copied.pairs.push((row.uid, filed.uid));
    }
    Ok(copied)
}

fn refuse_too_many(rows: &[MessageRow]) -> Result<()> {
    if rows.len() > TRANSFER_MESSAGES_MAX {
        return Err(Error::Limit("messages in one copy or move"));
    }
    Ok(())
}

/// Moves messages: first they come to the target, then they leave the source, so that one mailbox can be both.
pub(super) fn move_rows(
    tx: &mut Tx<'_>,
    from: MailboxId,
    rows: &[MessageRow],
    to: MailboxId,
    now: Now,
) -> Result<Copied> {
    refuse_too_many(rows)?;
    let (source, mut target) = open_pair(tx, from, to)?;
    let copied = file(tx, &source, &mut target, rows, Reference::Inherited, now)?;
    if rows.is_empty() {
        return Ok(copied);
    }
    // For a moment the account has these messages twice.
    target.close_midway(tx)?;
    let mut source = Ledger::open(tx, from)?;
    let modseq = source.next_modseq()?;
    for row in rows {
        source.remove(tx, row)?;
    }
    let gone: Vec<Uid> = rows.iter().map(|row| row.uid).collect();
    log_expunged(tx, &mut source, modseq, &gone)?;
    source.close(tx)?;
    Ok(copied)
}

/// Moves every message of a mailbox.
pub(super) fn move_all(tx: &mut Tx<'_>, from: MailboxId, to: MailboxId, now: Now) -> Result<()> {
    let rows = scan_all(tx, from)?;
    move_rows(tx, from, &rows, to, now)?;
    Ok(())
}

impl Store {
    /// Copies messages to another (or the same) mailbox of the account, all or none. [`Error::OverQuota`] if the
    /// account is full before the last of them; Trash takes [`TRASH_ROOM_PERCENT`] more even then.
    ///
    /// [`TRASH_ROOM_PERCENT`]: super::level::TRASH_ROOM_PERCENT
    pub fn copy(&self, from: MailboxId, uids: &[Uid], to: MailboxId, now: Now) -> Result<Copied> {
        let uids = uids.to_vec();
        self.0.commit(move |tx| copy(tx, (from, to), &uids, now))
    }

    /// Moves messages to another mailbox of the account in one step, all or none. Never fails for quota.
    pub fn move_messages(
        &self,
        from: MailboxId,
        uids: &[Uid],
        to: MailboxId,
        now: Now,
    ) -> Result<Copied> {
        self.0.core.space.make_way()?;
        let uids = uids.to_vec();
        self.0.commit(move |tx| {
            let rows = pick(tx, from, &uids)?;
            move_rows(tx, from, &rows, to, now)
        })
    }
}
