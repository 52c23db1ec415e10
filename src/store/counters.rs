//! The rows of the `counters` table: everything that a delivery counts up, close together so that one page takes it.

use std::num::{NonZeroU32, NonZeroU64};

use redb::ReadableTable;

use super::codec::{Packer, Unpacker, damaged};
use super::schema::{COUNTERS, OF_ACCOUNT, OF_MAILBOX, OF_STORE};
use super::tx::{Kind, ReadRows, Tx};
use super::types::{Level, Usage};
use super::{Error, Result};
use crate::clock::Now;
use crate::mail::flags::{FlagBits, SystemFlags};
use crate::mail::ids::{AccountId, DeviceId, MailboxId, ModSeq, Uid, UidValidity};

const TABLE: &str = "counters";

/// A row of the table.
pub(super) trait Counters: Sized {
    /// Its kind and identifier.
    type Id: Copy;
    fn key(id: Self::Id) -> (u8, u32);
    fn pack(&self, row: &mut Packer);
    fn unpack(row: &mut Unpacker<'_>) -> Result<Self>;

    /// `None` if there is no such row.
    fn find(rows: &impl ReadRows, id: Self::Id) -> Result<Option<Self>> {
        let table = rows.read(COUNTERS)?;
        let Some(row) = table.get(Self::key(id))? else {
            return Ok(None);
        };
        let mut row = Unpacker::new(TABLE, row.value());
        let counters = Self::unpack(&mut row)?;
        row.finish()?;
        Ok(Some(counters))
    }

    /// The row of something that exists.
    fn load(rows: &impl ReadRows, id: Self::Id) -> Result<Self> {
        Self::find(rows, id)?.ok_or_else(|| damaged(TABLE))
    }

    /// Writes the row.
    fn save(&self, tx: &Tx<'_>, id: Self::Id) -> Result<()> {
        let mut row = Packer::new();
        self.pack(&mut row);
        let mut table = tx.write(COUNTERS)?;
        table.insert(Self::key(id), row.finish().as_slice())?;
        Ok(())
    }

    /// Removes the row.
    fn remove(tx: &Tx<'_>, id: Self::Id) -> Result<()> {
        tx.write(COUNTERS)?.remove(Self::key(id))?;
        Ok(())
    }
}

/// What the store counts up for itself, besides the identifiers that `tx` gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StoreCounters {
    /// The highest UIDVALIDITY given.
    pub(super) uid_validity: u32,
}

impl Counters for StoreCounters {
    type Id = ();

    fn key((): ()) -> (u8, u32) {
        (OF_STORE, 0)
    }

    fn pack(&self, row: &mut Packer) {
        row.uint(self.uid_validity.into());
    }

    fn unpack(row: &mut Unpacker<'_>) -> Result<Self> {
        Ok(Self {
            uid_validity: row.u32()?,
        })
    }
}

pub(super) fn next_account(tx: &mut Tx<'_>) -> Result<AccountId> {
    short(tx.next_id(Kind::Account)?).map(AccountId)
}

pub(super) fn next_device(tx: &mut Tx<'_>) -> Result<DeviceId> {
    short(tx.next_id(Kind::Device)?).map(DeviceId)
}

pub(super) fn next_mailbox(tx: &mut Tx<'_>) -> Result<MailboxId> {
    short(tx.next_id(Kind::Mailbox)?).map(MailboxId)
}

fn short(id: u64) -> Result<u32> {
    u32::try_from(id).map_err(|_| Error::Limit("identifiers"))
}

/// A UIDVALIDITY above every one given before: the time, or one more than the last while the clock is not set.
pub(super) fn next_uid_validity(tx: &Tx<'_>, now: Now) -> Result<UidValidity> {
    let time = now.wall.and_then(|wall| u32::try_from(wall.0).ok());
    let mut counters = StoreCounters::find(tx, ())?.unwrap_or_default();
    let above = counters.uid_validity.checked_add(1);
    let above = above.ok_or(Error::Limit("UIDVALIDITY"))?;
    counters.uid_validity = above.max(time.unwrap_or(0));
    counters.save(tx, ())?;
    let given = NonZeroU32::new(counters.uid_validity);
    given.map(UidValidity).ok_or_else(|| damaged(TABLE))
}

/// Running totals of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AccountCounters {
    /// Highest mod-sequence given in it.
    pub(super) modseq: u64,
    pub(super) usage: Usage,
    /// Stepped by `level` whenever usage or quota change.
    pub(super) level: Level,
}

impl AccountCounters {
    pub(super) fn new() -> Self {
        Self {
            modseq: ModSeq::MIN.get(),
            usage: Usage::default(),
            level: Level::Ok,
        }
    }

    /// The next mod-sequence.
    pub(super) fn next_modseq(&mut self) -> Result<ModSeq> {
        self.modseq += 1;
        // RFC 7162 3.1: 63 bits.
        let fits = NonZeroU64::new(self.modseq).filter(|m| m.get() < 1 << 63);
        fits.map(ModSeq).ok_or(Error::Limit("mod-sequences"))
    }
}

impl Counters for AccountCounters {
    type Id = AccountId;

    fn key(id: AccountId) -> (u8, u32) {
        (OF_ACCOUNT, id.0)
    }

    fn pack(&self, row: &mut Packer) {
        row.uint(self.modseq)
            .uint(self.usage.bytes)
            .uint(self.usage.messages);
        self.level.pack(row);
    }

    fn unpack(row: &mut Unpacker<'_>) -> Result<Self> {
        Ok(Self {
            modseq: row.uint()?,
            usage: Usage {
                bytes: row.uint()?,
                messages: row.uint()?,
            },
            level: Level::unpack(row)?,
        })
    }
}

/// Running totals of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MailboxCounters {
    pub(super) uid_next: u32,
    pub(super) highest_modseq: ModSeq,
    pub(super) messages: u32,
    pub(super) unseen: u32,
    pub(super) deleted: u32,
    pub(super) bytes: u64,
    /// Rows of it in `expunged`.
    pub(super) expunge_rows: u32,
    /// The log of expunges is complete above this mod-sequence.
    pub(super) expunge_floor: u64,
}

impl MailboxCounters {
    pub(super) fn new() -> Self {
        Self {
            uid_next: 1,
            highest_modseq: ModSeq::MIN,
            messages: 0,
            unseen: 0,
            deleted: 0,
            bytes: 0,
            expunge_rows: 0,
            expunge_floor: 0,
        }
    }

    /// Gives the next UID.
    pub(super) fn take_uid(&mut self) -> Result<Uid> {
        let uid = Uid::new(self.uid_next).ok_or_else(|| damaged(TABLE))?;
        // UIDNEXT itself must stay a valid UID.
        self.uid_next = self
            .uid_next
            .checked_add(1)
            .ok_or(Error::Limit("UIDs of a mailbox"))?;
        Ok(uid)
    }

    /// Counts a message that came.
    pub(super) fn add(&mut self, flags: FlagBits, bytes: u64) {
        self.messages += 1;
        self.bytes += bytes;
        self.count_flags(flags);
    }

    /// Counts a message's flags that are new.
    pub(super) fn count_flags(&mut self, flags: FlagBits) {
        self.unseen += u32::from(is_unseen(flags));
        self.deleted += u32::from(is_deleted(flags));
    }

    /// Counts a message that went.
    pub(super) fn subtract(&mut self, flags: FlagBits, bytes: u64) {
        // Saturating: wrong counters are for `check` to report, not a reason to keep the mail.
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.discount_flags(flags);
    }

    /// Takes back a message's flags that are old.
    pub(super) fn discount_flags(&mut self, flags: FlagBits) {
        self.unseen = self.unseen.saturating_sub(u32::from(is_unseen(flags)));
        self.deleted = self.deleted.saturating_sub(u32::from(is_deleted(flags)));
    }
}

pub(super) fn is_unseen(flags: FlagBits) -> bool {
    !flags.system.contains(SystemFlags::SEEN)
}

pub(super) fn is_deleted(flags: FlagBits) -> bool {
    flags.system.contains(SystemFlags::DELETED)
}

impl Counters for MailboxCounters {
    type Id = MailboxId;

    fn key(id: MailboxId) -> (u8, u32) {
        (OF_MAILBOX, id.0)
    }

    fn pack(&self, row: &mut Packer) {
        row.uint(self.uid_next.into())
            .uint(self.highest_modseq.get())
            .uint(self.messages.into())
            .uint(self.unseen.into())
            .uint(self.deleted.into())
            .uint(self.bytes)
            .uint(self.expunge_rows.into())
            .uint(self.expunge_floor);
    }

    fn unpack(row: &mut Unpacker<'_>) -> Result<Self> {
        Ok(Self {
            uid_next: row.u32()?,
            highest_modseq: ModSeq::new(row.uint()?).ok_or_else(|| row.damaged())?,
            messages: row.u32()?,
            unseen: row.u32()?,
            deleted: row.u32()?,
            bytes: row.uint()?,
            expunge_rows: row.u32()?,
            expunge_floor: row.uint()?,
        })
    }
}
