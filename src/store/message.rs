//! The [`Ledger`] that every change of a mailbox's messages goes through, and reading messages.

use super::change::Change;
use super::counters::{AccountCounters, Counters, MailboxCounters};
use super::mailbox::MailboxRow;
use super::record::{Stored, save_flags, scan, scan_down, scan_up};
use super::schema::{FLAGS, RECORDS};
use super::tx::{Kind, ReadRows, Tx};
use super::types::{Filed, MessageFacts, MessageRecord, MessageRow};
use super::{Error, Result, Snapshot, level, pop3};
use crate::mail::flags::{FlagBits, KEYWORDS_PER_MAILBOX_MAX, Keyword};
use crate::mail::ids::{BlobId, MailboxId, ModSeq, Serial, Uid};

/// A mailbox's row and all totals that its messages count in, while messages come, go or change. Loaded once, changed
/// in memory, written back once by [`Ledger::close`].
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) id: MailboxId,
    pub(super) row: MailboxRow,
    pub(super) counters: MailboxCounters,
    pub(super) account: AccountCounters,
    keywords_before: usize,
}

impl Ledger {
    pub(super) fn open(rows: &impl ReadRows, id: MailboxId) -> Result<Self> {
        let row = MailboxRow::load(rows, id)?;
        Ok(Self {
            id,
            counters: MailboxCounters::load(rows, id)?,
            account: AccountCounters::load(rows, row.account)?,
            keywords_before: row.keywords.len(),
            row,
        })
    }

    /// Writes everything back, steps the account's level and tells the bus.
    pub(super) fn close(self, tx: &mut Tx<'_>) -> Result<()> {
        let (account, counters) = (self.row.account, self.account);
        self.close_midway(tx)?;
        level::save_stepped(tx, account, counters)
    }

    /// The same without the level: another ledger of the same account follows, and what it is between the two is
    /// nobody's business.
    pub(super) fn close_midway(self, tx: &mut Tx<'_>) -> Result<()> {
        if self.row.keywords.len() != self.keywords_before {
            self.row.save(tx, self.id)?;
        }
        self.counters.save(tx, self.id)?;
        self.account.save(tx, self.row.account)?;
        tx.announce(self.row.account, Change::Messages(self.id));
        Ok(())
    }

    /// The mod-sequence of a change that is about to be made.
    pub(super) fn next_modseq(&mut self) -> Result<ModSeq> {
        let modseq = self.account.next_modseq()?;
        self.counters.highest_modseq = modseq;
        Ok(modseq)
    }

    /// Bits of the keywords that this mailbox knows; others are passed over.
    pub(super) fn known_bits(&self, keywords: &[Keyword]) -> u64 {
        let known = |k| self.row.keywords.iter().position(|own| own == k);
        let bits = keywords.iter().filter_map(known);
        bits.fold(0, |all, bit| all | 1 << bit)
    }

    /// Bits of keywords, which the mailbox learns if need be. [`Error::Limit`] changes nothing.
    pub(super) fn learn_bits(&mut self, keywords: &[Keyword]) -> Result<u64> {
        let before = self.row.keywords.len();
        for keyword in keywords {
            if !self.row.keywords.contains(keyword) {
                self.row.keywords.push(keyword.clone());
            }
        }
        if self.row.keywords.len() > KEYWORDS_PER_MAILBOX_MAX {
            self.row.keywords.truncate(before);
            return Err(Error::Limit("keywords of a mailbox"));
        }
        Ok(self.known_bits(keywords))
    }

    /// Keywords by name of bits in this mailbox.
    pub(super) fn keywords_of(&self, bits: u64) -> Vec<Keyword> {
        let named = self.row.keywords.iter().enumerate();
        let set = named.filter(|(bit, _)| bits & 1 << bit != 0);
        set.map(|(_, keyword)| keyword.clone()).collect()
    }

    /// Writes a message's rows and counts it. The caller has added the blob's reference. Returns its UID and serial.
    pub(super) fn add(
        &mut self,
        tx: &mut Tx<'_>,
        mut record: Stored,
        flags: FlagBits,
        modseq: ModSeq,
    ) -> Result<Filed> {
        record.serial = Serial(tx.next_id(Kind::Serial)?);
        record.mailbox = self.id;
        record.uid = self.counters.take_uid()?;
        record.save(tx)?;
        let row = MessageRow {
            uid: record.uid,
            flags,
            modseq,
            serial: record.serial,
        };
        save_flags(tx, self.id, &row)?;
        self.counters.add(flags, record.bytes);
        self.account.usage.bytes += record.bytes;
        self.account.usage.messages += 1;
        Ok(Filed {
            uid_validity: self.row.uid_validity,
            uid: record.uid,
            serial: record.serial,
        })
    }

    /// Removes a message's rows and marks and discounts it. The caller decides what becomes of the blob.
    pub(super) fn remove(&mut self, tx: &Tx<'_>, row: &MessageRow) -> Result<BlobId> {
        let record = Stored::load(tx, row.serial)?;
        tx.write(FLAGS)?.remove((self.id.0, row.uid.get()))?;
        tx.write(RECORDS)?.remove(row.serial.0)?;
        pop3::forget_message(tx, row.serial)?;
        self.counters.subtract(row.flags, record.bytes);
        let usage = &mut self.account.usage;
        usage.bytes = usage.bytes.saturating_sub(record.bytes);
        usage.messages = usage.messages.saturating_sub(1);
        Ok(record.blob)
    }
}

impl Snapshot {
    /// Messages of a mailbox from UID `from` to UID `to`, ascending. None if the mailbox is gone.
    pub fn rows(&self, mailbox: MailboxId, from: Uid, to: Uid) -> Result<Vec<MessageRow>> {
        // Messages of a deleted mailbox lie there until they are purged.
        if MailboxRow::find(self, mailbox)?.is_none() {
            return Ok(Vec::new());
        }
        scan(self, mailbox, from, to)
    }

    /// Up to `count` messages of a mailbox below UID `before`, descending. None if the mailbox is gone.
    pub fn rows_before(
        &self,
        mailbox: MailboxId,
        before: Uid,
        count: usize,
    ) -> Result<Vec<MessageRow>> {
        if MailboxRow::find(self, mailbox)?.is_none() {
            return Ok(Vec::new());
        }
        scan_down(self, mailbox, before, count)
    }

    /// Up to `count` messages of a mailbox above UID `after`, ascending. None if the mailbox is gone.
    pub fn rows_after(
        &self,
        mailbox: MailboxId,
        after: Uid,
        count: usize,
    ) -> Result<Vec<MessageRow>> {
        if MailboxRow::find(self, mailbox)?.is_none() {
            return Ok(Vec::new());
        }
        scan_up(self, mailbox, after, count)
    }

    /// A message's facts; `None` if it is gone.
    pub fn facts(&self, serial: Serial) -> Result<Option<MessageFacts>> {
        let stored = Stored::find(self, serial)?;
        Ok(stored.map(|stored| MessageFacts {
            bytes: stored.bytes,
            internal_date: stored.internal_date,
            saved: stored.saved,
        }))
    }

    /// A message's record; `None` if it is gone.
    pub fn record(&self, serial: Serial) -> Result<Option<MessageRecord>> {
        let stored = Stored::find(self, serial)?;
        stored.map(Stored::expand).transpose()
    }
}
