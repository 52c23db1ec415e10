//! Messages come and go: appending, and the [`Ledger`] that every change of a mailbox's messages goes through.

use super::account::AccountRow;
use super::blob;
use super::change::Change;
use super::counters::{AccountCounters, Counters, MailboxCounters};
use super::mailbox::MailboxRow;
use super::record::{find_record, load_record, save_flags, save_record, scan};
use super::schema::{FLAGS, RECORDS};
use super::tx::{Kind, ReadRows, Tx};
use super::types::{Filed, Filing, MessageRecord, MessageRow, QuotaRule};
use super::{Append, Error, Result, Snapshot, Store, pop3};
use crate::clock::Now;
use crate::mail::flags::{FlagBits, KEYWORDS_PER_MAILBOX_MAX, Keyword};
use crate::mail::ids::{AccountId, BlobId, MailboxId, ModSeq, Serial, Uid};

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

    /// Writes everything back and tells the bus.
    pub(super) fn close(self, tx: &mut Tx<'_>) -> Result<()> {
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
        mut record: MessageRecord,
        flags: FlagBits,
        modseq: ModSeq,
    ) -> Result<Filed> {
        record.serial = Serial(tx.next_id(Kind::Serial)?);
        record.mailbox = self.id;
        record.uid = self.counters.take_uid()?;
        save_record(tx, &record)?;
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
        let record = load_record(tx, row.serial)?;
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

/// The quota of an account: its own or the store's.
pub(super) fn quota(
    rows: &impl ReadRows,
    ledger: &Ledger,
    default_bytes: Option<u64>,
) -> Result<Option<u64>> {
    let own = AccountRow::load(rows, ledger.row.account)?.quota_bytes;
    Ok(own.or(default_bytes))
}

/// One message may take the usage over the quota, so that a mailbox can be filled to the brim; the next is refused.
pub(super) fn refuse_over_quota(used_bytes: u64, quota_bytes: Option<u64>) -> Result<()> {
    match quota_bytes {
        Some(quota) if used_bytes >= quota => Err(Error::OverQuota),
        Some(_) | None => Ok(()),
    }
}

/// Files one append everywhere it goes. The outer error is a fault; inner ones changed nothing.
fn append_one(
    tx: &mut Tx<'_>,
    append: &Append,
    quota_default: Option<u64>,
    now: Now,
) -> Result<Vec<Result<Filed>>> {
    let mut stored = None;
    let mut results = Vec::with_capacity(append.filings.len());
    for filing in &append.filings {
        let ledger = match prepare(tx, filing, quota_default) {
            Err(Error::Fault(fault)) => return Err(Error::Fault(fault)),
            Err(refusal) => {
                results.push(Err(refusal));
                continue;
            }
            Ok(prepared) => prepared,
        };
        let blob = match stored {
            Some(blob) => {
                blob::add_reference(tx, blob)?;
                blob
            }
            None => *stored.insert(blob::file(tx, &append.blob)?),
        };
        results.push(Ok(file(tx, ledger, append, filing, blob, now)?));
    }
    Ok(results)
}

/// All checks of a filing, none of its changes.
fn prepare(
    rows: &impl ReadRows,
    filing: &Filing,
    quota_default: Option<u64>,
) -> Result<(Ledger, FlagBits)> {
    let mut ledger = Ledger::open(rows, filing.mailbox)?;
    if filing.quota == QuotaRule::Enforce {
        let quota = quota(rows, &ledger, quota_default)?;
        refuse_over_quota(ledger.account.usage.bytes, quota)?;
    }
    let flags = FlagBits {
        system: filing.flags.system,
        keywords: ledger.learn_bits(&filing.flags.keywords)?,
    };
    Ok((ledger, flags))
}

fn file(
    tx: &mut Tx<'_>,
    (mut ledger, flags): (Ledger, FlagBits),
    append: &Append,
    filing: &Filing,
    blob: BlobId,
    now: Now,
) -> Result<Filed> {
    let record = MessageRecord {
        // Serial, mailbox and UID are the ledger's to give.
        serial: Serial(0),
        mailbox: filing.mailbox,
        uid: Uid::MIN,
        blob,
        prefix: filing.prefix.clone(),
        bytes: append.blob.bytes() + filing.prefix.len() as u64,
        digest: append.blob.digest(),
        internal_date: filing.internal_date,
        saved: now.stamp(),
        summary: append.summary.clone(),
    };
    let modseq = ledger.next_modseq()?;
    let filed = ledger.add(tx, record, flags, modseq)?;
    ledger.close(tx)?;
    Ok(filed)
}

impl Store {
    /// Whether `bytes` more would be taken for `account` now: [`Error::OverQuota`] or [`Error::Full`] if not. A
    /// message is taken while the usage is below the quota, even if it ends above (see [`Store::append`]).
    pub fn admit(&self, account: AccountId, _bytes: u64) -> Result<()> {
        let snapshot = self.snapshot()?;
        let row = AccountRow::load(&snapshot, account)?;
        let used = AccountCounters::load(&snapshot, account)?.usage.bytes;
        let quota = row.quota_bytes.or(self.0.options.quota_default_bytes);
        refuse_over_quota(used, quota)
    }

    /// Most bytes of mail that an account may have: its own quota or the box's default; `None` for no limit.
    pub fn quota_bytes(&self, account: AccountId) -> Result<Option<u64>> {
        let row = AccountRow::load(&self.snapshot()?, account)?;
        Ok(row.quota_bytes.or(self.0.options.quota_default_bytes))
    }

    /// Files messages, all in one commit. The outer result is about the commit; the inner ones are per filing, in
    /// order of `appends` and their filings. Refused is who has reached the quota already, so that one message may end
    /// above it.
    pub fn append(&self, appends: Vec<Append>, now: Now) -> Result<Vec<Vec<Result<Filed>>>> {
        let quota = self.0.options.quota_default_bytes;
        self.0.commit(move |tx| {
            let each = appends.iter();
            each.map(|append| append_one(tx, append, quota, now))
                .collect()
        })
    }

    /// As [`Store::append`], but if one filing fails, none is done (APPEND with several messages, RFC 3502).
    pub fn append_all(&self, appends: Vec<Append>, now: Now) -> Result<Vec<Vec<Filed>>> {
        let quota = self.0.options.quota_default_bytes;
        self.0.commit(move |tx| {
            let each = appends.iter();
            each.map(|append| append_one(tx, append, quota, now)?.into_iter().collect())
                .collect()
        })
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

    /// A message's record; `None` if it is gone.
    pub fn record(&self, serial: Serial) -> Result<Option<MessageRecord>> {
        find_record(self, serial)
    }
}
