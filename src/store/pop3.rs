//! What POP3's DELE means, device by device: marks on messages of INBOX, and what falls due by them.
//!
//! A mark says that a device has fetched a message, or hides it from that device. It vanishes with its message or its
//! device. Ages are counted by the slow clock (`age`): mail is kept too long rather than lost.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadableTable, ReadableTableMetadata};

use super::age::{self, DAY_SECONDS};
use super::codec::{Packer, Unpacker};
use super::device::{DeviceRow, devices};
use super::expunge::remove_rows;
use super::mailbox::{self, MailboxRow};
use super::record::{Stored, find_flags, scan_all};
use super::schema::POP3_MARKS;
use super::transfer::move_rows;
use super::tx::{ReadRows, Tx};
use super::types::{MessageRow, Pop3Delete};
use super::{Error, Pop3Update, Result, Snapshot, Store};
use crate::clock::Now;
use crate::mail::ids::{AccountId, DeviceId, MailboxId, Serial};
use crate::mail::mailbox_name::MailboxName;

/// The mailbox for mail that all POP3 devices have fetched.
pub const FETCHED: &str = "Fetched";
/// Longest time that [`Pop3Delete::Move`] waits for other devices, in days.
pub const MOVE_DAYS_MAX: u64 = 30;

/// Most messages removed or filed in one transaction.
const DUE_BATCH: usize = 100;

const BIT_FETCHED: u8 = 1;
const BIT_HIDDEN: u8 = 2;

/// A device's mark on a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) fetched: bool,
    /// When it was hidden from the device, by the age clock.
    pub(super) hidden: Option<u64>,
}

impl Mark {
    fn pack(self) -> Vec<u8> {
        let fetched = if self.fetched { BIT_FETCHED } else { 0 };
        let hidden = if self.hidden.is_some() { BIT_HIDDEN } else { 0 };
        let mut row = Packer::new();
        row.byte(fetched | hidden).uint(self.hidden.unwrap_or(0));
        row.finish()
    }

    fn unpack(row: &[u8]) -> Result<Self> {
        let mut row = Unpacker::new("pop3_marks", row);
        let bits = row.byte()?;
        let hidden = row.uint()?;
        row.finish()?;
        Ok(Self {
            fetched: bits & BIT_FETCHED != 0,
            hidden: (bits & BIT_HIDDEN != 0).then_some(hidden),
        })
    }
}

/// All marks on messages from serial `from` to serial `to`.
pub(super) fn marks(
    rows: &impl ReadRows,
    from: Serial,
    to: Serial,
) -> Result<Vec<(Serial, DeviceId, Mark)>> {
    let table = rows.read(POP3_MARKS)?;
    let mut marks = Vec::new();
    for entry in table.range((from.0, 0)..=(to.0, u32::MAX))? {
        let (key, row) = entry?;
        let (serial, device) = key.value();
        marks.push((Serial(serial), DeviceId(device), Mark::unpack(row.value())?));
    }
    Ok(marks)
}

fn find_mark(rows: &impl ReadRows, key: (u64, u32)) -> Result<Option<Mark>> {
    let table = rows.read(POP3_MARKS)?;
    let row = table.get(key)?;
    row.map(|row| Mark::unpack(row.value())).transpose()
}

fn mark(
    tx: &Tx<'_>,
    serial: Serial,
    device: DeviceId,
    change: impl FnOnce(&mut Mark),
) -> Result<()> {
    let key = (serial.0, device.0);
    let before = find_mark(tx, key)?;
    let mut mark = before.unwrap_or_default();
    change(&mut mark);
    if Some(mark) != before {
        tx.write(POP3_MARKS)?.insert(key, mark.pack().as_slice())?;
    }
    Ok(())
}

/// Removes the marks on a message that goes.
pub(super) fn forget_message(tx: &Tx<'_>, serial: Serial) -> Result<()> {
    for (_, device, _) in marks(tx, serial, serial)? {
        tx.write(POP3_MARKS)?.remove((serial.0, device.0))?;
    }
    Ok(())
}

/// Removes the marks of a device that goes.
pub(super) fn forget_device(tx: &Tx<'_>, device: DeviceId) -> Result<()> {
    let mut all = marks(tx, Serial(0), Serial(u64::MAX))?;
    all.retain(|(_, of, _)| *of == device);
    for (serial, _, _) in all {
        tx.write(POP3_MARKS)?.remove((serial.0, device.0))?;
    }
    Ok(())
}

fn inbox(rows: &impl ReadRows, account: AccountId) -> Result<MailboxId> {
    let inbox = mailbox::by_name(rows, account, &MailboxName::inbox())?;
    inbox.ok_or(Error::NotFound("the account"))
}

/// The row of a message if it still lies in that INBOX.
fn find_in(rows: &impl ReadRows, inbox: MailboxId, serial: Serial) -> Result<Option<MessageRow>> {
    match Stored::find(rows, serial)? {
        Some(record) if record.mailbox == inbox => find_flags(rows, inbox, record.uid),
        Some(_) | None => Ok(None),
    }
}

fn find_all_in(
    rows: &impl ReadRows,
    inbox: MailboxId,
    serials: impl IntoIterator<Item = Serial>,
) -> Result<Vec<MessageRow>> {
    let mut found = Vec::new();
    for serial in serials.into_iter().collect::<BTreeSet<_>>() {
        found.extend(find_in(rows, inbox, serial)?);
    }
    found.sort_unstable_by_key(|row| row.uid);
    Ok(found)
}

/// Whether an update moved the age clock too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AgeClockMoved(bool);

/// RFC 1939 6, as the device's policy understands it.
fn carry_out_update(
    tx: &mut Tx<'_>,
    update: &Pop3Update,
    now: Now,
    allowance: age::Allowance,
) -> Result<AgeClockMoved> {
    let mut moved = AgeClockMoved(false);
    let inbox = inbox(tx, update.account)?;
    let deleted = find_all_in(tx, inbox, update.deleted.iter().copied())?;
    let Some(device) = update.device else {
        remove_rows(tx, inbox, &deleted)?;
        return Ok(moved);
    };
    if note_use(tx, update.account, device)? == Pop3Delete::Delete {
        remove_rows(tx, inbox, &deleted)?;
    } else if !deleted.is_empty() {
        let hidden = age::advance(tx, now, allowance)?;
        moved = AgeClockMoved(true);
        for row in &deleted {
            mark(tx, row.serial, device, |mark| {
                mark.hidden.get_or_insert(hidden);
            })?;
        }
    }
    for row in find_all_in(tx, inbox, update.fetched.iter().copied())? {
        mark(tx, row.serial, device, |mark| mark.fetched = true)?;
    }
    let seen = update.fetched.iter().chain(&update.deleted).copied();
    let candidates = find_all_in(tx, inbox, seen)?;
    let complete = pick_complete(tx, update.account, candidates)?;
    file_fetched(tx, update.account, inbox, &complete, now)?;
    Ok(moved)
}

/// Those messages that need not wait any longer for other devices.
fn pick_complete(
    rows: &impl ReadRows,
    account: AccountId,
    candidates: Vec<MessageRow>,
) -> Result<Vec<MessageRow>> {
    let devices = devices(rows, account)?.into_iter().collect();
    let mut complete = Vec::new();
    for row in candidates {
        let marks = marks(rows, row.serial, row.serial)?.into_iter();
        let marks: Vec<_> = marks.map(|(_, device, mark)| (device, mark)).collect();
        if is_filed_early(&devices, &marks) {
            complete.push(row);
        }
    }
    Ok(complete)
}

/// The device's policy; remembers that it speaks POP3.
fn note_use(tx: &Tx<'_>, account: AccountId, id: DeviceId) -> Result<Pop3Delete> {
    let devices = devices(tx, account)?;
    let found = devices.into_iter().find(|(device, _)| *device == id);
    let (_, mut row) = found.ok_or(Error::NotFound("the device"))?;
    if !row.pop3_used {
        row.pop3_used = true;
        row.save(tx, account, id)?;
    }
    Ok(row.pop3_delete)
}

type Devices = BTreeMap<DeviceId, DeviceRow>;

/// Whether a `Move` device has deleted the message and every POP3 device of the account has fetched it.
fn is_filed_early(devices: &Devices, marks: &[(DeviceId, Mark)]) -> bool {
    let has_deleted = |id: &DeviceId| {
        let mark = marks.iter().find(|(of, _)| of == id);
        mark.is_some_and(|(_, mark)| mark.hidden.is_some())
    };
    let has_it = |id: &DeviceId| marks.iter().any(|(of, _)| of == id);
    let mut movers = devices
        .iter()
        .filter(|(_, row)| row.pop3_delete == Pop3Delete::Move);
    let mut speakers = devices.iter().filter(|(_, row)| row.pop3_used);
    movers.any(|(id, _)| has_deleted(id)) && speakers.all(|(id, _)| has_it(id))
}

/// Files messages of INBOX under [`FETCHED`], which is made if it is not there.
fn file_fetched(
    tx: &mut Tx<'_>,
    account: AccountId,
    inbox: MailboxId,
    rows: &[MessageRow],
    now: Now,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let name = MailboxName::parse(FETCHED).map_err(|e| Error::Fault(e.0))?;
    let target = match mailbox::by_name(tx, account, &name)? {
        Some(target) => target,
        None => mailbox::create_subscribed(tx, account, &name, now)?,
    };
    move_rows(tx, inbox, rows, target, now)?;
    Ok(())
}

/// What is to be done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    File,
    Remove,
}

/// What the marks on one message make of it at `age`. Filing wins over removing: it loses nothing.
fn verdict(devices: &Devices, marks: &[(DeviceId, Mark)], age: u64) -> Option<Due> {
    if is_filed_early(devices, marks) {
        return Some(Due::File);
    }
    let due = marks.iter().filter_map(|(device, mark)| {
        let days = age.saturating_sub(mark.hidden?) / DAY_SECONDS;
        match devices.get(device)?.pop3_delete {
            Pop3Delete::Keep { days: limit } => (days >= limit.into()).then_some(Due::Remove),
            Pop3Delete::Move => (days >= MOVE_DAYS_MAX).then_some(Due::File),
            // Its policy was another when it hid the message, and meant no removal.
            Pop3Delete::Delete => None,
        }
    });
    due.min()
}

/// A message that something is due for.
type DueMessage = (AccountId, MailboxId, Serial, Due);

fn find_due(rows: &impl ReadRows, age: u64) -> Result<Vec<DueMessage>> {
    let all = marks(rows, Serial(0), Serial(u64::MAX))?;
    let mut known: BTreeMap<AccountId, Devices> = BTreeMap::new();
    let mut due = Vec::new();
    for of_message in all.chunk_by(|a, b| a.0 == b.0) {
        let Some(&(serial, _, _)) = of_message.first() else {
            continue;
        };
        if of_message.iter().all(|(_, _, mark)| mark.hidden.is_none()) {
            continue;
        }
        let Some((account, inbox)) = place(rows, serial)? else {
            continue;
        };
        let devices = match known.entry(account) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(devices(rows, account)?.into_iter().collect()),
        };
        let marks: Vec<_> = of_message.iter().map(|(_, d, m)| (*d, *m)).collect();
        let found = verdict(devices, &marks, age);
        due.extend(found.map(|what| (account, inbox, serial, what)));
    }
    due.sort_unstable_by_key(|(account, _, serial, what)| (*account, *what, *serial));
    Ok(due)
}

fn place(rows: &impl ReadRows, serial: Serial) -> Result<Option<(AccountId, MailboxId)>> {
    let Some(record) = Stored::find(rows, serial)? else {
        return Ok(None);
    };
    let row = MailboxRow::find(rows, record.mailbox)?;
    Ok(row.map(|row| (row.account, record.mailbox)))
}

/// Carries out what is due for messages of one account, all the same.
fn carry_out(tx: &mut Tx<'_>, batch: &[DueMessage], now: Now) -> Result<()> {
    let Some(&(account, inbox, _, what)) = batch.first() else {
        return Ok(());
    };
    let rows = find_all_in(tx, inbox, batch.iter().map(|(_, _, serial, _)| *serial))?;
    match what {
        Due::File => file_fetched(tx, account, inbox, &rows, now),
        Due::Remove => remove_rows(tx, inbox, &rows).map(drop),
    }
}

/// The same in small updates: first what was fetched, then what was deleted.
fn in_pieces(update: &Pop3Update) -> Vec<Pop3Update> {
    let none = || Pop3Update {
        fetched: Vec::new(),
        deleted: Vec::new(),
        ..*update
    };
    let fetched = update.fetched.chunks(DUE_BATCH).map(|some| Pop3Update {
        fetched: some.to_vec(),
        ..none()
    });
    let deleted = update.deleted.chunks(DUE_BATCH).map(|some| Pop3Update {
        deleted: some.to_vec(),
        ..none()
    });
    std::iter::once(none())
        .chain(fetched)
        .chain(deleted)
        .collect()
}

impl Store {
    /// Carries out a session's UPDATE state by the device's policy, in one commit, or in small ones on
    /// a card that is nearly full: a fault may come after some of them then. Call it at every QUIT, even with
    /// nothing fetched or deleted: it remembers which devices speak POP3.
    pub fn pop3_update(&self, update: &Pop3Update, now: Now) -> Result<()> {
        let pieces = if self.0.core.space.make_way()? {
            in_pieces(update)
        } else {
            vec![update.clone()]
        };
        for wanted in pieces {
            let allowance = self.0.age.allowance(now);
            let moved = self
                .0
                .commit(move |tx| carry_out_update(tx, &wanted, now, allowance))?;
            if moved == AgeClockMoved(true) {
                self.0.age.set(now);
            }
        }
        Ok(())
    }

    /// Removes or files what devices' policies have due by now: `Keep` after its days, `Move` after all devices have
    /// fetched or 30 days. Nothing is due while the clock is not set. Call it every hour or so.
    pub fn pop3_due(&self, now: Now) -> Result<()> {
        if now.wall.is_none() {
            return Ok(());
        }
        if self.snapshot()?.read(POP3_MARKS)?.is_empty()? {
            return Ok(());
        }
        let age = self.age(now)?;
        let due = find_due(&self.snapshot()?, age)?;
        for same in due.chunk_by(|a, b| (a.0, a.3) == (b.0, b.3)) {
            for batch in same.chunks(DUE_BATCH) {
                let batch = batch.to_vec();
                self.0.commit(move |tx| carry_out(tx, &batch, now))?;
            }
        }
        Ok(())
    }
}

impl Snapshot {
    /// The INBOX as that device's POP3 session sees it (what it hid left out), by UID.
    pub fn maildrop(
        &self,
        account: AccountId,
        device: Option<DeviceId>,
    ) -> Result<Vec<MessageRow>> {
        let mut rows = scan_all(self, inbox(self, account)?)?;
        let serials = || rows.iter().map(|row| row.serial);
        let (Some(device), Some(first), Some(last)) = (device, serials().min(), serials().max())
        else {
            return Ok(rows);
        };
        let marks = marks(self, first, last)?.into_iter();
        let hidden: BTreeSet<Serial> = marks
            .filter(|(_, of, mark)| *of == device && mark.hidden.is_some())
            .map(|(serial, _, _)| serial)
            .collect();
        rows.retain(|row| !hidden.contains(&row.serial));
        Ok(rows)
    }
}
