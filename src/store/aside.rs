//! Messages that are set aside: out of their mailbox and of the account's usage, their blob kept so that they can be put
//! back.
//!
//! Each belongs to a *run*, one pass of making room. Setting aside is an expunge to everybody (UIDs are logged, POP3
//! marks go, sessions are told) but for the blob: the record's reference becomes that of the row in `aside`. A run also
//! remembers which messages it moved (`aside_moves`). [`undo`] brings a run back, [`release`] gives its blobs up. A
//! message is in `records` or in `aside`, never in both; numbers of runs are never used again.

pub mod release;
pub mod undo;

use std::collections::BTreeMap;

use redb::ReadableTable;

use super::codec::{Packer, Unpacker};
use super::expunge::log_expunged;
use super::mailbox::{self, MailboxRow, special_use_code, special_use_of};
use super::message::Ledger;
use super::record::{Stored, find_flags};
use super::schema::{ASIDE, ASIDE_MOVES, ASIDE_RUNS};
use super::transfer::{move_rows, pick};
use super::tx::{Kind, ReadRows, Tx};
use super::types::{MessageRow, Usage};
use super::{Error, Result, Snapshot, Store};
use crate::clock::{Now, Wall};
use crate::mail::flags::{Flags, Keyword, SpecialUse, SystemFlags};
use crate::mail::ids::{AccountId, MailboxId, Serial, Uid};
use crate::mail::mailbox_name::MailboxName;

/// Most days that messages stay set aside, by the slow clock.
pub const ASIDE_DAYS_MAX: u32 = 30;

/// Most messages set aside, put back, moved or released in one transaction, so that little free space is enough.
const BATCH: usize = 100;

const NO_RUN: Error = Error::NotFound("the run");

impl Usage {
    /// One message more.
    fn count(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.messages += 1;
    }

    /// Those of `other` too.
    pub fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.messages += other.messages;
    }
}

/// One pass of making room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u32);

/// A run that can still be undone, perhaps in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// When it was begun.
    pub began: Wall,
    /// Why, in a word.
    pub reason: String,
    /// Messages of it that are gone for good.
    pub released: u64,
}

/// A message that is set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Whose.
    pub account: AccountId,
    /// The name that its mailbox had.
    pub mailbox: MailboxName,
    /// Its flags.
    pub flags: Flags,
    /// Its size.
    pub bytes: u64,
    /// First bytes of the SHA-256 over its blob.
    pub digest: [u8; 16],
    /// Its internal date.
    pub internal_date: Wall,
}

/// A row of `aside_runs`: began int, slow clock's seconds then uint, reason text, released uint.
#[derive(Clone, Debug)]
pub(super) struct RunRow {
    began: Wall,
    age: u64,
    reason: String,
    released: u64,
}

impl RunRow {
    fn save(&self, tx: &Tx<'_>, run: RunId) -> Result<()> {
        let mut row = Packer::new();
        row.int(self.began.0)
            .uint(self.age)
            .text(&self.reason)
            .uint(self.released);
        let mut table = tx.write(ASIDE_RUNS)?;
        table.insert(run.0, row.finish().as_slice())?;
        Ok(())
    }

    fn unpack(row: &[u8]) -> Result<Self> {
        let mut row = Unpacker::new("aside_runs", row);
        let unpacked = Self {
            began: Wall(row.int()?),
            age: row.uint()?,
            reason: row.text()?.to_owned(),
            released: row.uint()?,
        };
        row.finish()?;
        Ok(unpacked)
    }

    pub(super) fn find(rows: &impl ReadRows, run: RunId) -> Result<Option<Self>> {
        let table = rows.read(ASIDE_RUNS)?;
        let row = table.get(run.0)?;
        row.map(|row| Self::unpack(row.value())).transpose()
    }

    fn load(rows: &impl ReadRows, run: RunId) -> Result<Self> {
        Self::find(rows, run)?.ok_or(NO_RUN)
    }
}

/// All runs, oldest first.
fn runs(rows: &impl ReadRows) -> Result<Vec<(RunId, RunRow)>> {
    let table = rows.read(ASIDE_RUNS)?;
    let mut runs = Vec::new();
    for entry in table.iter()? {
        let (run, row) = entry?;
        runs.push((RunId(run.value()), RunRow::unpack(row.value())?));
    }
    Ok(runs)
}

/// Whether nothing is left of a run.
fn is_empty(rows: &impl ReadRows, run: RunId) -> Result<bool> {
    let is_empty = rows_of(rows, run, Serial(0), 1)?.is_empty();
    Ok(is_empty && moves_of(rows, run, Serial(0), 1)?.is_empty())
}

/// A row of `aside`: account uint, mailbox's name text and special use byte, system flags byte, number of keywords uint,
/// keywords text, record as in `records`. The key has the serial that it had.
#[derive(Clone, Debug)]
pub(super) struct AsideRow {
    pub(super) account: AccountId,
    name: MailboxName,
    special_use: Option<SpecialUse>,
    system: SystemFlags,
    keywords: Vec<Keyword>,
    pub(super) record: Stored,
}

impl AsideRow {
    fn of(ledger: &Ledger, message: &MessageRow, record: Stored) -> Self {
        Self {
            account: ledger.row.account,
            name: ledger.row.name.clone(),
            special_use: ledger.row.special_use,
            system: message.flags.system,
            keywords: ledger.keywords_of(message.flags.keywords),
            record,
        }
    }

    fn save(&self, tx: &Tx<'_>, run: RunId) -> Result<()> {
        let mut row = Packer::new();
        row.uint(self.account.0.into())
            .text(self.name.as_str())
            .byte(special_use_code(self.special_use))
            .byte(self.system.bits())
            .uint(self.keywords.len() as u64);
        for keyword in &self.keywords {
            row.text(keyword.as_str());
        }
        row.raw(&self.record.pack());
        let key = (run.0, self.record.serial.0);
        tx.write(ASIDE)?.insert(key, row.finish().as_slice())?;
        Ok(())
    }

    pub(super) fn unpack(serial: Serial, row: &[u8]) -> Result<Self> {
        let mut row = Unpacker::new("aside", row);
        let account = AccountId(row.u32()?);
        let name = MailboxName::parse(row.text()?).map_err(|_| row.damaged())?;
        let special_use = special_use_of(row.byte()?).ok_or_else(|| row.damaged())?;
        let system = SystemFlags::from_bits(row.byte()?);
        let mut keywords = Vec::new();
        for _ in 0..row.uint()? {
            keywords.push(Keyword::new(row.text()?).ok_or_else(|| row.damaged())?);
        }
        Ok(Self {
            account,
            name,
            special_use,
            system,
            keywords,
            record: Stored::unpack(serial, row.rest())?,
        })
    }
}

/// Up to `limit` rows of a run with serials from `from` on.
fn rows_of(rows: &impl ReadRows, run: RunId, from: Serial, limit: usize) -> Result<Vec<AsideRow>> {
    let table = rows.read(ASIDE)?;
    let mut found = Vec::new();
    for entry in table
        .range((run.0, from.0)..=(run.0, u64::MAX))?
        .take(limit)
    {
        let (key, row) = entry?;
        found.push(AsideRow::unpack(Serial(key.value().1), row.value())?);
    }
    Ok(found)
}

/// Up to `limit` messages that a run moved, with the mailbox that each was moved from.
fn moves_of(
    rows: &impl ReadRows,
    run: RunId,
    from: Serial,
    limit: usize,
) -> Result<Vec<(Serial, MailboxId)>> {
    let table = rows.read(ASIDE_MOVES)?;
    let mut found = Vec::new();
    for entry in table
        .range((run.0, from.0)..=(run.0, u64::MAX))?
        .take(limit)
    {
        let (key, origin) = entry?;
        found.push((Serial(key.value().1), MailboxId(origin.value())));
    }
    Ok(found)
}

fn set_aside(tx: &mut Tx<'_>, run: RunId, mailbox: MailboxId, uids: &[Uid]) -> Result<Usage> {
    RunRow::load(tx, run)?;
    let messages = pick(tx, mailbox, uids)?;
    let mut usage = Usage::default();
    if messages.is_empty() {
        return Ok(usage);
    }
    let mut ledger = Ledger::open(tx, mailbox)?;
    let modseq = ledger.next_modseq()?;
    for message in &messages {
        let record = Stored::load(tx, message.serial)?;
        usage.count(record.bytes);
        // The record's reference to the blob becomes this row's.
        ledger.remove(tx, message)?;
        AsideRow::of(&ledger, message, record).save(tx, run)?;
    }
    let gone: Vec<Uid> = messages.iter().map(|message| message.uid).collect();
    log_expunged(tx, &mut ledger, modseq, &gone)?;
    ledger.close(tx)?;
    Ok(usage)
}

fn move_noted(
    tx: &mut Tx<'_>,
    run: RunId,
    (from, to): (MailboxId, &MailboxName),
    uids: &[Uid],
    now: Now,
) -> Result<Usage> {
    RunRow::load(tx, run)?;
    let messages = pick(tx, from, uids)?;
    let mut usage = Usage::default();
    if messages.is_empty() {
        return Ok(usage);
    }
    let account = MailboxRow::load(tx, from)?.account;
    let target = match mailbox::by_name(tx, account, to)? {
        Some(target) => target,
        None => mailbox::create_subscribed(tx, account, to, now)?,
    };
    let moved = move_rows(tx, from, &messages, target, now)?;
    for (_, uid) in moved.pairs {
        let Some(message) = find_flags(tx, target, uid)? else {
            continue;
        };
        usage.count(Stored::load(tx, message.serial)?.bytes);
        tx.write(ASIDE_MOVES)?
            .insert((run.0, message.serial.0), from.0)?;
    }
    Ok(usage)
}

/// Adds up what transactions did, one batch of UIDs each.
fn in_batches(uids: &[Uid], mut batch: impl FnMut(Vec<Uid>) -> Result<Usage>) -> Result<Usage> {
    let mut sum = Usage::default();
    for uids in uids.chunks(BATCH) {
        sum.add(batch(uids.to_vec())?);
    }
    Ok(sum)
}

impl Store {
    /// Begins a run. `reason` is for people who look at the list of runs.
    pub fn begin_run(&self, reason: &str, now: Now) -> Result<RunId> {
        let row = RunRow {
            began: now.stamp(),
            age: self.age(now)?,
            reason: reason.to_owned(),
            released: 0,
        };
        self.0.commit(move |tx| {
            let number = tx.next_id(Kind::AsideRun)?;
            let run = u32::try_from(number).map_err(|_| Error::Limit("runs"))?;
            row.save(tx, RunId(run))?;
            Ok(RunId(run))
        })
    }

    /// Sets those messages aside that are still there. A fault may come after some of them, a hundred at a time.
    pub fn set_aside(&self, run: RunId, mailbox: MailboxId, uids: &[Uid]) -> Result<Usage> {
        self.0.core.space.make_way()?;
        in_batches(uids, |uids| {
            self.0.commit(move |tx| set_aside(tx, run, mailbox, &uids))
        })
    }

    /// Moves those messages that are still there to the mailbox `to` of the same account, which is made if it is not
    /// there, so that undoing the run brings them back. A fault may come after some of them.
    pub fn move_in_run(
        &self,
        run: RunId,
        (from, to): (MailboxId, &MailboxName),
        uids: &[Uid],
        now: Now,
    ) -> Result<Usage> {
        self.0.core.space.make_way()?;
        in_batches(uids, |uids| {
            let to = to.clone();
            self.0
                .commit(move |tx| move_noted(tx, run, (from, &to), &uids, now))
        })
    }
}

impl Snapshot {
    /// The runs that can still be undone, oldest first.
    pub fn runs(&self) -> Result<Vec<Run>> {
        let mut left = Vec::new();
        for (id, row) in runs(self)? {
            if !is_empty(self, id)? {
                left.push(Run {
                    id,
                    began: row.began,
                    reason: row.reason,
                    released: row.released,
                });
            }
        }
        Ok(left)
    }

    /// What a run has set aside, in the order in which it would be put back.
    pub fn aside_messages(&self, run: RunId) -> Result<Vec<Aside>> {
        let rows = rows_of(self, run, Serial(0), usize::MAX)?;
        let message = |row: AsideRow| Aside {
            account: row.account,
            mailbox: row.name,
            flags: Flags {
                system: row.system,
                keywords: row.keywords,
            },
            bytes: row.record.bytes,
            digest: row.record.digest,
            internal_date: row.record.internal_date,
        };
        Ok(rows.into_iter().map(message).collect())
    }

    /// Whether a run holds the message that had that serial.
    pub(super) fn is_aside(&self, run: RunId, serial: Serial) -> Result<bool> {
        Ok(self.read(ASIDE)?.get((run.0, serial.0))?.is_some())
    }

    /// What is set aside in all runs, by account.
    pub fn aside(&self) -> Result<BTreeMap<AccountId, Usage>> {
        let mut sums: BTreeMap<AccountId, Usage> = BTreeMap::new();
        for entry in self.read(ASIDE)?.iter()? {
            let (key, row) = entry?;
            let row = AsideRow::unpack(Serial(key.value().1), row.value())?;
            sums.entry(row.account).or_default().count(row.record.bytes);
        }
        Ok(sums)
    }
}
