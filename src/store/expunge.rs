//! Expunging, and the log of it that lets a client catch up (RFC 7162 3.2).
//!
//! Each expunge is one row of the log. A mailbox keeps the last [`EXPUNGE_ROWS_MAX`]; its counters remember up to
//! which mod-sequence rows were dropped.

use redb::ReadableTable;

use super::blob;
use super::codec::{Packer, Unpacker};
use super::counters::{Counters, MailboxCounters, is_deleted};
use super::message::Ledger;
use super::record::scan_all;
use super::schema::EXPUNGED;
use super::transfer::pick;
use super::tx::{ReadRows, Tx};
use super::types::MessageRow;
use super::{Result, Snapshot, Store};
use crate::mail::ids::{MailboxId, ModSeq, Uid};

/// Most rows that a mailbox keeps in its log of expunges.
pub const EXPUNGE_ROWS_MAX: u32 = 500;

/// Packs ascending UIDs as runs.
fn pack(uids: &[Uid]) -> Vec<u8> {
    let mut row = Packer::new();
    let mut end = 0;
    for run in uids.chunk_by(|a, b| a.get() + 1 == b.get()) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            continue;
        };
        row.uint((first.get() - end).into());
        row.uint((last.get() - first.get()).into());
        end = last.get();
    }
    row.finish()
}

pub(super) fn unpack(row: &[u8], uids: &mut Vec<Uid>) -> Result<()> {
    let mut row = Unpacker::new("expunged", row);
    let mut end = 0_u32;
    while !row.is_empty() {
        let (gap, more) = (row.u32()?, row.u32()?);
        let first = end.checked_add(gap).ok_or_else(|| row.damaged())?;
        end = first.checked_add(more).ok_or_else(|| row.damaged())?;
        uids.extend((first..=end).filter_map(Uid::new));
    }
    Ok(())
}

/// Remembers that these UIDs (ascending, at least one) went at `modseq`.
pub(super) fn log_expunged(
    tx: &Tx<'_>,
    ledger: &mut Ledger,
    modseq: ModSeq,
    uids: &[Uid],
) -> Result<()> {
    let mailbox = ledger.id.0;
    let mut table = tx.write(EXPUNGED)?;
    table.insert((mailbox, modseq.get()), pack(uids).as_slice())?;
    ledger.counters.expunge_rows += 1;
    while ledger.counters.expunge_rows > EXPUNGE_ROWS_MAX {
        let oldest = {
            let mut range = table.range((mailbox, 0)..=(mailbox, u64::MAX))?;
            let Some(oldest) = range.next().transpose()? else {
                break;
            };
            oldest.0.value().1
        };
        table.remove((mailbox, oldest))?;
        ledger.counters.expunge_rows -= 1;
        ledger.counters.expunge_floor = oldest;
    }
    Ok(())
}

/// Removes these messages for good.
pub(super) fn remove_rows(
    tx: &mut Tx<'_>,
    mailbox: MailboxId,
    rows: &[MessageRow],
) -> Result<ModSeq> {
    let mut ledger = Ledger::open(tx, mailbox)?;
    if rows.is_empty() {
        return Ok(ledger.counters.highest_modseq);
    }
    let modseq = ledger.next_modseq()?;
    for row in rows {
        let blob = ledger.remove(tx, row)?;
        blob::release(tx, blob)?;
    }
    let gone: Vec<Uid> = rows.iter().map(|row| row.uid).collect();
    log_expunged(tx, &mut ledger, modseq, &gone)?;
    ledger.close(tx)?;
    Ok(modseq)
}

fn expunge(
    tx: &mut Tx<'_>,
    mailbox: MailboxId,
    uids: Option<&[Uid]>,
) -> Result<(Vec<Uid>, ModSeq)> {
    let counters = Ledger::open(tx, mailbox)?.counters;
    let mut rows = match uids {
        _ if counters.deleted == 0 => Vec::new(),
        Some(uids) => pick(tx, mailbox, uids)?,
        None => scan_all(tx, mailbox)?,
    };
    rows.retain(|row| is_deleted(row.flags));
    let modseq = remove_rows(tx, mailbox, &rows)?;
    Ok((rows.iter().map(|row| row.uid).collect(), modseq))
}

/// Most messages expunged in one transaction when space is tight.
const TIGHT_BATCH: usize = 100;

impl Store {
    /// Expunges messages that have `\Deleted`: all, or those among `uids`. Returns the UIDs gone, ascending, and the
    /// mod-sequence of it (the mailbox's highest if none went).
    pub fn expunge(&self, mailbox: MailboxId, uids: Option<&[Uid]>) -> Result<(Vec<Uid>, ModSeq)> {
        if self.0.core.space.make_way()? {
            return self.expunge_in_batches(mailbox, uids);
        }
        let uids = uids.map(<[Uid]>::to_vec);
        self.0
            .commit(move |tx| expunge(tx, mailbox, uids.as_deref()))
    }

    /// The same in small transactions, for a card that is nearly full. A fault may come after some of them.
    fn expunge_in_batches(
        &self,
        mailbox: MailboxId,
        uids: Option<&[Uid]>,
    ) -> Result<(Vec<Uid>, ModSeq)> {
        let uids = if let Some(uids) = uids {
            uids.to_vec()
        } else {
            let rows = scan_all(&self.snapshot()?, mailbox)?;
            let deleted = rows.iter().filter(|row| is_deleted(row.flags));
            deleted.map(|row| row.uid).collect()
        };
        let none: &[Uid] = &[];
        let mut gone = Vec::new();
        let mut modseq = None;
        for batch in std::iter::once(none).chain(uids.chunks(TIGHT_BATCH)) {
            let batch = batch.to_vec();
            let (some, last) = self
                .0
                .commit(move |tx| expunge(tx, mailbox, Some(&batch)))?;
            gone.extend(some);
            modseq = Some(last);
        }
        Ok((gone, modseq.unwrap_or(ModSeq::MIN)))
    }
}

impl Snapshot {
    /// UIDs expunged from a mailbox after `since`, ascending; `None` if the log does not reach back so far.
    pub fn expunged_since(&self, mailbox: MailboxId, since: ModSeq) -> Result<Option<Vec<Uid>>> {
        let Some(counters) = MailboxCounters::find(self, mailbox)? else {
            return Ok(None);
        };
        if since.get() < counters.expunge_floor {
            return Ok(None);
        }
        let after = since.get().saturating_add(1);
        let mut uids = Vec::new();
        let table = self.read(EXPUNGED)?;
        for entry in table.range((mailbox.0, after)..=(mailbox.0, u64::MAX))? {
            unpack(entry?.1.value(), &mut uids)?;
        }
        uids.sort_unstable();
        Ok(Some(uids))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_round_trip() {
        for list in [vec![1], vec![1, 2, 3], vec![5, 7, 8, 9, 4_000_000_000]] {
            let uids: Vec<Uid> = list.into_iter().filter_map(Uid::new).collect();
            let mut unpacked = Vec::new();
            unpack(&pack(&uids), &mut unpacked).unwrap();
            assert_eq!(unpacked, uids);
        }
    }
}
