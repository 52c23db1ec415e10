//! Appending: new messages come in, each to any number of mailboxes that share its blob.

use super::blob::{self, RECORD_BYTES};
use super::level::{Allowance, quota};
use super::message::Ledger;
use super::record::{Stored, Text};
use super::space::Room;
use super::spool;
use super::tx::{ReadRows, Tx};
use super::types::{Filed, Filing, QuotaRule};
use super::{Append, Error, Result, Store};
use crate::clock::Now;
use crate::mail::flags::FlagBits;
use crate::mail::ids::{AccountId, BlobId, MailboxId, Serial, Uid};

/// About what a recipient of a spooled mail takes in the index.
const SPOOL_RECIPIENT_BYTES: u64 = 256;

/// An append whose texts are packed already, so that the writer has less to do.
pub(super) struct Ready {
    append: Append,
    /// One per filing.
    texts: Vec<Text>,
    now: Now,
}

impl Ready {
    fn new(append: Append, now: Now) -> Self {
        let filings = append.filings.iter();
        let texts = filings.map(|filing| Text::pack(&filing.prefix, &append.summary));
        Self {
            texts: texts.collect(),
            append,
            now,
        }
    }

    /// Files the message everywhere it goes and spools it, unless every filing was refused. The outer error is a fault or
    /// the spool's refusal; inner ones changed nothing.
    pub(super) fn carry_out(&self, tx: &mut Tx<'_>) -> Result<Vec<Result<Filed>>> {
        self.carry_out_with(tx, &mut None)
    }

    /// The same; `blob` is what the message's blob is filed as, once it is.
    pub(super) fn carry_out_with(
        &self,
        tx: &mut Tx<'_>,
        blob: &mut Option<BlobId>,
    ) -> Result<Vec<Result<Filed>>> {
        let mut results = Vec::with_capacity(self.texts.len());
        for filing in self.filings() {
            results.push(self.file_at(tx, filing, blob)?);
        }
        if results.is_empty() || results.iter().any(Result::is_ok) {
            self.spool(tx, blob)?;
        }
        Ok(results)
    }

    /// Its filings with their texts.
    pub(super) fn filings(&self) -> impl Iterator<Item = (&Filing, &Text)> {
        self.append.filings.iter().zip(&self.texts)
    }

    /// Files the message once. The outer error is a fault; the inner one changed nothing.
    pub(super) fn file_at(
        &self,
        tx: &mut Tx<'_>,
        (filing, text): (&Filing, &Text),
        blob: &mut Option<BlobId>,
    ) -> Result<Result<Filed>> {
        match self.prepare(tx, filing) {
            Err(Error::Fault(fault)) => Err(Error::Fault(fault)),
            Err(refusal) => Ok(Err(refusal)),
            Ok((ledger, flags)) => {
                let record = self.record(self.refer(tx, blob)?, filing, text);
                Ok(Ok(file(tx, ledger, record, flags)?))
            }
        }
    }

    /// Spools the message to all whom it is sent to.
    pub(super) fn spool(&self, tx: &mut Tx<'_>, blob: &mut Option<BlobId>) -> Result<()> {
        spool::admit(tx, &self.append.spool, self.append.blob.room)?;
        for new in &self.append.spool {
            let id = self.refer(tx, blob)?;
            spool::enter(tx, new, (id, self.append.blob.bytes()), self.now)?;
        }
        Ok(())
    }

    /// All checks of a filing, none of its changes.
    fn prepare(&self, rows: &impl ReadRows, filing: &Filing) -> Result<(Ledger, FlagBits)> {
        let mut ledger = Ledger::open(rows, filing.mailbox)?;
        if filing.quota == QuotaRule::Enforce {
            Allowance::of_mailbox(rows, &ledger)?.take(self.bytes(filing))?;
        }
        let flags = FlagBits {
            system: filing.flags.system,
            keywords: ledger.learn_bits(&filing.flags.keywords)?,
        };
        Ok((ledger, flags))
    }

    /// Stores the blob for its first user, and counts a reference for every other.
    fn refer(&self, tx: &mut Tx<'_>, stored: &mut Option<BlobId>) -> Result<BlobId> {
        if let Some(blob) = *stored {
            blob::add_reference(tx, blob)?;
            return Ok(blob);
        }
        Ok(*stored.insert(blob::file(tx, &self.append.blob)?))
    }

    /// Bytes that the message counts with prefix.
    fn bytes(&self, filing: &Filing) -> u64 {
        self.append.blob.bytes() + filing.prefix.len() as u64
    }

    fn record(&self, blob: BlobId, filing: &Filing, text: &Text) -> Stored {
        Stored {
            // Serial and UID are the ledger's to give.
            serial: Serial(0),
            mailbox: filing.mailbox,
            uid: Uid::MIN,
            blob,
            bytes: self.bytes(filing),
            digest: self.append.blob.digest(),
            internal_date: filing.internal_date,
            saved: self.now.stamp(),
            text: text.clone(),
        }
    }
}

/// Bytes that an append adds to the store.
fn growth_bytes(append: &Append) -> u64 {
    let spool = append.spool.iter().map(|new| {
        let recipients = new.recipients.len() as u64;
        RECORD_BYTES.saturating_add(recipients.saturating_mul(SPOOL_RECIPIENT_BYTES))
    });
    append.blob.growth_bytes().saturating_add(spool.sum())
}

fn file(tx: &mut Tx<'_>, mut ledger: Ledger, record: Stored, flags: FlagBits) -> Result<Filed> {
    let modseq = ledger.next_modseq()?;
    let filed = ledger.add(tx, record, flags, modseq)?;
    ledger.close(tx)?;
    Ok(filed)
}

impl Store {
    /// Whether `bytes` more would be taken for `account` now: [`Error::OverQuota`] or [`Error::Full`] if not. A
    /// message is taken until the account is full, even if it ends above the quota (see [`Store::append`]).
    pub fn admit(&self, account: AccountId, bytes: u64) -> Result<()> {
        self.0.core.admit_bytes(bytes, Room::Mail)?;
        Allowance::of_account(&self.snapshot()?, account)?.take(bytes)
    }

    /// As [`Store::admit`], for a mailbox: Trash has some room beyond the quota.
    pub fn admit_into(&self, mailbox: MailboxId, bytes: u64) -> Result<()> {
        self.0.core.admit_bytes(bytes, Room::Mail)?;
        let snapshot = self.snapshot()?;
        let ledger = Ledger::open(&snapshot, mailbox)?;
        Allowance::of_mailbox(&snapshot, &ledger)?.take(bytes)
    }

    /// Most bytes of mail that an account may have: its own quota or the box's default; `None` for no limit.
    pub fn quota_bytes(&self, account: AccountId) -> Result<Option<u64>> {
        quota(&self.snapshot()?, account)
    }

    pub(super) fn ready(&self, appends: Vec<Append>, now: Now) -> Result<Vec<Ready>> {
        for room in [Room::Mail, Room::House] {
            let own = appends.iter().filter(|append| append.blob.room == room);
            let growth: Vec<u64> = own.map(growth_bytes).collect();
            if !growth.is_empty() {
                self.0.core.admit_bytes(growth.into_iter().sum(), room)?;
            }
        }
        let appends = appends.into_iter();
        Ok(appends.map(|append| Ready::new(append, now)).collect())
    }

    /// Files messages, all in one commit. The outer result is about the commit; the inner ones are per filing, in
    /// order of `appends` and their filings. Refused is what goes to a full account ([`Level::Full`]), so that one
    /// message may end above the quota; Trash takes [`TRASH_ROOM_PERCENT`] more even then.
    ///
    /// What is spooled with them goes in the same commit. If the spool has no room ([`Error::Limit`]), nothing is done.
    ///
    /// [`Level::Full`]: super::types::Level::Full
    /// [`TRASH_ROOM_PERCENT`]: super::level::TRASH_ROOM_PERCENT
    pub fn append(&self, appends: Vec<Append>, now: Now) -> Result<Vec<Vec<Result<Filed>>>> {
        let ready = self.ready(appends, now)?;
        self.0
            .commit(move |tx| ready.iter().map(|append| append.carry_out(tx)).collect())
    }

    /// As [`Store::append`], but if one filing fails, none is done (APPEND with several messages, RFC 3502).
    pub fn append_all(&self, appends: Vec<Append>, now: Now) -> Result<Vec<Vec<Filed>>> {
        let ready = self.ready(appends, now)?;
        self.0.commit(move |tx| {
            let all = ready.iter();
            all.map(|append| append.carry_out(tx)?.into_iter().collect())
                .collect()
        })
    }
}
