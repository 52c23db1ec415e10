//! How a message's rows are packed: its record, which stays as delivered, and its row in `flags`, which changes.

use redb::ReadableTable;

use super::codec::{Packer, Unpacker, damaged};
use super::schema::{FLAGS, FLAGS_BYTES, RECORDS};
use super::tx::{ReadRows, Tx};
use super::types::{MessageRecord, MessageRow};
use super::{Result, squeeze};
use crate::clock::Wall;
use crate::mail::flags::{FlagBits, SystemFlags};
use crate::mail::ids::{BlobId, MailboxId, ModSeq, Serial, Uid};

/// A record as it lies in the index: the text that only FETCH reads stays packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) serial: Serial,
    pub(super) mailbox: MailboxId,
    pub(super) uid: Uid,
    pub(super) blob: BlobId,
    pub(super) bytes: u64,
    pub(super) digest: [u8; 16],
    pub(super) internal_date: Wall,
    pub(super) saved: Wall,
    pub(super) text: Text,
}

/// Prefix and summary of a message, packed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    prefix_bytes: usize,
    packed: Vec<u8>,
}

impl Text {
    pub(super) fn pack(prefix: &[u8], summary: &[u8]) -> Self {
        Self {
            prefix_bytes: prefix.len(),
            packed: squeeze::squeeze(&[prefix, summary].concat()),
        }
    }

    /// Prefix and summary.
    fn unpack(&self) -> Result<(Vec<u8>, Vec<u8>)> {
        let mut prefix = squeeze::expand(&self.packed)?;
        if self.prefix_bytes > prefix.len() {
            return Err(damaged("records"));
        }
        let summary = prefix.split_off(self.prefix_bytes);
        Ok((prefix, summary))
    }
}

impl Stored {
    /// Packs a record; its serial is its key.
    pub(super) fn pack(&self) -> Vec<u8> {
        let date = self.internal_date.0;
        let mut row = Packer::new();
        row.uint(self.mailbox.0.into())
            .uint(self.uid.get().into())
            .uint(self.blob.0)
            .uint(self.bytes)
            .raw(&self.digest)
            .int(date.wrapping_sub(Wall::FLOOR.0))
            .int(self.saved.0.wrapping_sub(date))
            .uint(self.text.prefix_bytes as u64)
            .raw(&self.text.packed);
        row.finish()
    }

    pub(super) fn unpack(serial: Serial, row: &[u8]) -> Result<Self> {
        let mut row = Unpacker::new("records", row);
        let mailbox = MailboxId(row.u32()?);
        let uid = Uid::new(row.u32()?).ok_or_else(|| row.damaged())?;
        let blob = BlobId(row.uint()?);
        let bytes = row.uint()?;
        let digest = row.array()?;
        let internal_date = Wall(row.int()?.wrapping_add(Wall::FLOOR.0));
        let saved = Wall(row.int()?.wrapping_add(internal_date.0));
        let text = Text {
            prefix_bytes: row.len()?,
            packed: row.rest().to_vec(),
        };
        Ok(Self {
            serial,
            mailbox,
            uid,
            blob,
            bytes,
            digest,
            internal_date,
            saved,
            text,
        })
    }

    /// `None` if the message is gone.
    pub(super) fn find(rows: &impl ReadRows, serial: Serial) -> Result<Option<Self>> {
        let table = rows.read(RECORDS)?;
        let row = table.get(serial.0)?;
        row.map(|row| Self::unpack(serial, row.value())).transpose()
    }

    /// The record that a row in `flags` leads to.
    pub(super) fn load(rows: &impl ReadRows, serial: Serial) -> Result<Self> {
        Self::find(rows, serial)?.ok_or_else(|| damaged("records"))
    }

    pub(super) fn save(&self, tx: &Tx<'_>) -> Result<()> {
        let mut table = tx.write(RECORDS)?;
        table.insert(self.serial.0, self.pack().as_slice())?;
        Ok(())
    }

    /// The record with its text, as callers see it.
    pub(super) fn expand(self) -> Result<MessageRecord> {
        let (prefix, summary) = self.text.unpack()?;
        Ok(MessageRecord {
            serial: self.serial,
            mailbox: self.mailbox,
            uid: self.uid,
            blob: self.blob,
            prefix,
            bytes: self.bytes,
            digest: self.digest,
            internal_date: self.internal_date,
            saved: self.saved,
            summary,
        })
    }
}

/// Packs a message's row in `flags`; mailbox and UID are its key.
fn pack_flags(row: &MessageRow) -> [u8; FLAGS_BYTES] {
    let mut packed = [0; FLAGS_BYTES];
    let (system, rest) = packed.split_at_mut(1);
    let (keywords, rest) = rest.split_at_mut(8);
    let (modseq, serial) = rest.split_at_mut(8);
    system.copy_from_slice(&[row.flags.system.bits()]);
    keywords.copy_from_slice(&row.flags.keywords.to_le_bytes());
    modseq.copy_from_slice(&row.modseq.get().to_le_bytes());
    serial.copy_from_slice(&row.serial.0.to_le_bytes());
    packed
}

/// Unpacks a message's row in `flags`.
pub(super) fn unpack_flags(uid: u32, row: &[u8; FLAGS_BYTES]) -> Result<MessageRow> {
    let mut row = Unpacker::new("flags", row);
    let system = SystemFlags::from_bits(row.byte()?);
    let keywords = u64::from_le_bytes(row.array()?);
    let modseq = ModSeq::new(u64::from_le_bytes(row.array()?));
    let serial = Serial(u64::from_le_bytes(row.array()?));
    Ok(MessageRow {
        uid: Uid::new(uid).ok_or_else(|| row.damaged())?,
        flags: FlagBits { system, keywords },
        modseq: modseq.ok_or_else(|| row.damaged())?,
        serial,
    })
}

/// One message's row; `None` if it is gone.
pub(super) fn find_flags(
    rows: &impl ReadRows,
    mailbox: MailboxId,
    uid: Uid,
) -> Result<Option<MessageRow>> {
    let table = rows.read(FLAGS)?;
    let row = table.get((mailbox.0, uid.get()))?;
    row.map(|row| unpack_flags(uid.get(), row.value()))
        .transpose()
}

/// The rows of those messages that are there, in the order given.
pub(super) fn find_all_flags(
    rows: &impl ReadRows,
    mailbox: MailboxId,
    uids: &[Uid],
) -> Result<Vec<MessageRow>> {
    let table = rows.read(FLAGS)?;
    let mut found = Vec::with_capacity(uids.len());
    for uid in uids {
        if let Some(row) = table.get((mailbox.0, uid.get()))? {
            found.push(unpack_flags(uid.get(), row.value())?);
        }
    }
    Ok(found)
}

pub(super) fn save_all_flags(tx: &Tx<'_>, mailbox: MailboxId, rows: &[MessageRow]) -> Result<()> {
    let mut table = tx.write(FLAGS)?;
    for row in rows {
        table.insert((mailbox.0, row.uid.get()), &pack_flags(row))?;
    }
    Ok(())
}

pub(super) fn save_flags(tx: &Tx<'_>, mailbox: MailboxId, row: &MessageRow) -> Result<()> {
    save_all_flags(tx, mailbox, std::slice::from_ref(row))
}

/// Messages of a mailbox from UID `from` to UID `to`, ascending.
pub(super) fn scan(
    rows: &impl ReadRows,
    mailbox: MailboxId,
    from: Uid,
    to: Uid,
) -> Result<Vec<MessageRow>> {
    if from > to {
        return Ok(Vec::new());
    }
    let table = rows.read(FLAGS)?;
    let mut found = Vec::new();
    for entry in table.range((mailbox.0, from.get())..=(mailbox.0, to.get()))? {
        let (key, row) = entry?;
        found.push(unpack_flags(key.value().1, row.value())?);
    }
    Ok(found)
}

/// Up to `count` messages of a mailbox below UID `before`, descending.
pub(super) fn scan_down(
    rows: &impl ReadRows,
    mailbox: MailboxId,
    before: Uid,
    count: usize,
) -> Result<Vec<MessageRow>> {
    let table = rows.read(FLAGS)?;
    let below = table.range((mailbox.0, 0)..(mailbox.0, before.get()))?;
    let mut found = Vec::new();
    for entry in below.rev().take(count) {
        let (key, row) = entry?;
        found.push(unpack_flags(key.value().1, row.value())?);
    }
    Ok(found)
}

/// Up to `count` messages of a mailbox above UID `after`, ascending.
pub(super) fn scan_up(
    rows: &impl ReadRows,
    mailbox: MailboxId,
    after: Uid,
    count: usize,
) -> Result<Vec<MessageRow>> {
    let Some(first) = after.get().checked_add(1) else {
        return Ok(Vec::new());
    };
    let table = rows.read(FLAGS)?;
    let above = table.range((mailbox.0, first)..=(mailbox.0, u32::MAX))?;
    let mut found = Vec::new();
    for entry in above.take(count) {
        let (key, row) = entry?;
        found.push(unpack_flags(key.value().1, row.value())?);
    }
    Ok(found)
}

/// All messages of a mailbox, ascending.
pub(super) fn scan_all(rows: &impl ReadRows, mailbox: MailboxId) -> Result<Vec<MessageRow>> {
    scan(rows, mailbox, Uid::MIN, Uid::MAX)
}
