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

/// Packs a record; its serial is its key.
pub(super) fn pack_record(record: &MessageRecord) -> Vec<u8> {
    let date = record.internal_date.0;
    let mut row = Packer::new();
    row.uint(record.mailbox.0.into())
        .uint(record.uid.get().into())
        .uint(record.blob.0)
        .uint(record.bytes)
        .raw(&record.digest)
        .int(date.wrapping_sub(Wall::FLOOR.0))
        .int(record.saved.0.wrapping_sub(date))
        .uint(record.prefix.len() as u64)
        .raw(&squeeze::squeeze(&[&record.prefix, &record.summary]));
    row.finish()
}

/// Unpacks a record.
pub(super) fn unpack_record(serial: Serial, row: &[u8]) -> Result<MessageRecord> {
    let mut row = Unpacker::new("records", row);
    let mailbox = MailboxId(row.u32()?);
    let uid = Uid::new(row.u32()?).ok_or_else(|| row.damaged())?;
    let blob = BlobId(row.uint()?);
    let bytes = row.uint()?;
    let digest = row.array()?;
    let internal_date = Wall(row.int()?.wrapping_add(Wall::FLOOR.0));
    let saved = Wall(row.int()?.wrapping_add(internal_date.0));
    let prefix_bytes = row.len()?;
    let mut prefix = squeeze::expand(row.rest())?;
    if prefix_bytes > prefix.len() {
        return Err(row.damaged());
    }
    let summary = prefix.split_off(prefix_bytes);
    Ok(MessageRecord {
        serial,
        mailbox,
        uid,
        blob,
        prefix,
        bytes,
        digest,
        internal_date,
        saved,
        summary,
    })
}

/// A message's record; `None` if it is gone.
pub(super) fn find_record(rows: &impl ReadRows, serial: Serial) -> Result<Option<MessageRecord>> {
    let table = rows.read(RECORDS)?;
    let row = table.get(serial.0)?;
    row.map(|row| unpack_record(serial, row.value()))
        .transpose()
}

/// The record that a row in `flags` leads to.
pub(super) fn load_record(rows: &impl ReadRows, serial: Serial) -> Result<MessageRecord> {
    find_record(rows, serial)?.ok_or_else(|| damaged("records"))
}

pub(super) fn save_record(tx: &Tx<'_>, record: &MessageRecord) -> Result<()> {
    let mut table = tx.write(RECORDS)?;
    table.insert(record.serial.0, pack_record(record).as_slice())?;
    Ok(())
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

pub(super) fn save_flags(tx: &Tx<'_>, mailbox: MailboxId, row: &MessageRow) -> Result<()> {
    let mut table = tx.write(FLAGS)?;
    table.insert((mailbox.0, row.uid.get()), &pack_flags(row))?;
    Ok(())
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

/// All messages of a mailbox, ascending.
pub(super) fn scan_all(rows: &impl ReadRows, mailbox: MailboxId) -> Result<Vec<MessageRow>> {
    scan(rows, mailbox, Uid::MIN, Uid::MAX)
}
