//! Blobs: the immutable bytes of messages, and where the index says that they are.
//!
//! A record refers to its blob by [`BlobId`] alone and moving a blob costs the index nothing per blob. Tables of the
//! index that belong to blobs:
//! - `stage`: bodies that came in lately (module `staged`).
//! - `places`: first blob -> volume, up to the next row. A blob that is not in the stage is in that volume. Streamed
//!   blobs have identifiers from 2^63 on and a row each.
//! - `moved`: () -> the highest blob that was moved out of the stage.
//! - `shared`: blob -> references, for blobs with more than one; any other blob of a record has one.
//! - `garbage`: blob -> (). Without references, to be removed from its volume (or the stage).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{ReadableTable, TableDefinition};

use super::space::Room;
use super::staged::{STAGE, Staged};
use super::tx::{IDS, Kind, ReadRows, Tx};
use super::volume::STREAMED;
use super::volume_tx::Header;
use super::volumes::Volumes;
use super::{Error, Result};
use crate::mail::ids::BlobId;

pub(super) const PLACES: TableDefinition<'_, u64, u32> = TableDefinition::new("places");
pub(super) const MOVED: TableDefinition<'_, (), u64> = TableDefinition::new("moved");
pub(super) const SHARED: TableDefinition<'_, u64, u32> = TableDefinition::new("shared");
pub(super) const GARBAGE: TableDefinition<'_, u64, ()> = TableDefinition::new("garbage");

/// About what a message takes in the index.
pub(super) const RECORD_BYTES: u64 = 1 << 10;

/// First bytes of a SHA-256.
pub(super) type Digest = [u8; 16];

/// Makes the tables of this module in a new store.
pub(super) fn create_tables(tx: &Tx<'_>) -> Result<()> {
    tx.write(STAGE)?;
    tx.write(PLACES)?;
    tx.write(MOVED)?;
    tx.write(SHARED)?;
    tx.write(GARBAGE)?;
    tx.write(IDS)?;
    Ok(())
}

/// A complete blob that no message refers to yet. Dropped without being filed, it is undone.
#[derive(Debug)]
pub struct NewBlob {
    pub(super) header: Header,
    pub(super) body: NewBody,
    /// What of the card it may use.
    pub(super) room: Room,
}

#[derive(Debug)]
pub(super) enum NewBody {
    Staged(Staged),
    Streamed(Streamed),
}

/// A published blob in a volume that the index does not know yet.
#[derive(Debug)]
pub(super) struct Streamed {
    pub(super) volumes: Arc<Volumes>,
    pub(super) volume: u32,
    pub(super) blob: u64,
    pub(super) filed: Arc<AtomicBool>,
}

impl Drop for Streamed {
    fn drop(&mut self) {
        let filed = self.filed.load(Ordering::SeqCst);
        self.volumes.let_go(self.volume, self.blob, filed);
    }
}

impl NewBlob {
    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.header.bytes
    }

    /// Bytes that it takes compressed.
    pub fn stored_bytes(&self) -> u64 {
        self.header.stored_bytes
    }

    /// Bytes that filing it adds to the store.
    pub(super) fn growth_bytes(&self) -> u64 {
        match &self.body {
            NewBody::Staged(staged) => RECORD_BYTES + staged.len() as u64,
            NewBody::Streamed(_) => RECORD_BYTES,
        }
    }

    /// First bytes of the SHA-256 over its plain bytes.
    pub fn digest(&self) -> [u8; 16] {
        self.header.digest
    }
}

/// Stores a blob in this transaction, with one reference. The caller writes the record that is the reference.
/// At most one transaction that files it may be committed.
pub(super) fn file(tx: &mut Tx<'_>, new: &NewBlob) -> Result<BlobId> {
    match &new.body {
        NewBody::Staged(staged) => {
            let id = tx.next_id(Kind::Blob)?;
            staged.put(tx, id)?;
            tx.count_staged(staged.len() as u64);
            Ok(BlobId(id))
        }
        NewBody::Streamed(streamed) => {
            tx.write(PLACES)?.insert(streamed.blob, streamed.volume)?;
            let filed = Arc::clone(&streamed.filed);
            tx.on_commit(move || filed.store(true, Ordering::SeqCst));
            Ok(BlobId(streamed.blob))
        }
    }
}

/// One more record refers to the blob.
pub(super) fn add_reference(tx: &Tx<'_>, id: BlobId) -> Result<()> {
    let mut shared = tx.write(SHARED)?;
    let references = shared.get(id.0)?.map_or(1, |row| row.value());
    shared.insert(id.0, references + 1)?;
    Ok(())
}

/// One record less refers to the blob; with the last one it goes: from the stage at once, from a volume soon.
pub(super) fn release(tx: &mut Tx<'_>, id: BlobId) -> Result<()> {
    match references(tx, id)? {
        0 | 1 => give_up(tx, id.0),
        2 => {
            tx.write(SHARED)?.remove(id.0)?;
            Ok(())
        }
        more => {
            tx.write(SHARED)?.insert(id.0, more - 1)?;
            Ok(())
        }
    }
}

fn give_up(tx: &mut Tx<'_>, blob: u64) -> Result<()> {
    if blob < STREAMED && !tx.pins().is_pinned(blob) && Staged::exists(tx, blob)? {
        let all = (blob, 0)..=(blob, u32::MAX);
        tx.write(STAGE)?.retain_in(all, |_, _| false)?;
    } else {
        tx.write(GARBAGE)?.insert(blob, ())?;
        tx.count_garbage();
    }
    Ok(())
}

/// Records that refer to the blob, as counted.
pub(super) fn references(rows: &impl ReadRows, id: BlobId) -> Result<u32> {
    Ok(rows.read(SHARED)?.get(id.0)?.map_or(1, |row| row.value()))
}

/// The volume that a blob is in, if it is not in the stage.
pub(super) fn place(rows: &impl ReadRows, blob: u64) -> Result<Option<u32>> {
    let places = rows.read(PLACES)?;
    if blob >= STREAMED {
        return Ok(places.get(blob)?.map(|row| row.value()));
    }
    let row = places.range(..=blob)?.next_back().transpose()?;
    Ok(row.map(|(_, volume)| volume.value()))
}

/// All rows of `places`.
pub(super) fn places(rows: &impl ReadRows) -> Result<BTreeMap<u64, u32>> {
    let places = rows.read(PLACES)?;
    let rows = places.iter()?;
    rows.map(|row| row.map(|(first, volume)| (first.value(), volume.value())))
        .collect::<std::result::Result<_, _>>()
        .map_err(Error::from)
}

/// The highest blob that was ever moved out of the stage.
pub(super) fn moved_to(rows: &impl ReadRows) -> Result<u64> {
    Ok(rows.read(MOVED)?.get(())?.map_or(0, |row| row.value()))
}

/// After these staged blobs (all there were, ascending) were copied into `volume`: takes them out of the stage.
pub(super) fn note_moved(tx: &mut Tx<'_>, blobs: &[u64], volume: u32) -> Result<()> {
    let (Some(&first), Some(&last)) = (blobs.first(), blobs.last()) else {
        return Ok(());
    };
    let mut gone = Vec::new();
    for &blob in blobs {
        if !Staged::exists(tx, blob)? {
            gone.push(blob);
        }
    }
    // Given up while they were copied: the copies are garbage.
    for blob in gone {
        tx.write(GARBAGE)?.insert(blob, ())?;
        tx.count_garbage();
    }
    tx.write(STAGE)?
        .retain_in(..=(last, u32::MAX), |_, _| false)?;
    if place(tx, first)? != Some(volume) {
        tx.write(PLACES)?.insert(first, volume)?;
    }
    tx.write(MOVED)?.insert((), last)?;
    Ok(())
}

/// After everything alive in volume `from` was copied into volume `to`.
pub(super) fn note_rewritten(tx: &Tx<'_>, from: u32, to: u32) -> Result<()> {
    let mut table = tx.write(PLACES)?;
    let mut moved = Vec::new();
    for row in table.iter()? {
        let (first, volume) = row?;
        if volume.value() == from {
            moved.push(first.value());
        }
    }
    for first in moved {
        table.insert(first, to)?;
    }
    Ok(())
}

/// Up to `limit` blobs that wait for removal, ascending, without those that are being read.
pub(super) fn garbage(rows: &impl ReadRows, pins: &Pins, limit: usize) -> Result<Vec<u64>> {
    let mut blobs = Vec::new();
    for row in rows.read(GARBAGE)?.iter()? {
        let blob = row?.0.value();
        if !pins.is_pinned(blob) {
            blobs.push(blob);
        }
        if blobs.len() == limit {
            break;
        }
    }
    Ok(blobs)
}

/// All blobs that wait for removal.
pub(super) fn all_garbage(rows: &impl ReadRows) -> Result<BTreeSet<u64>> {
    let garbage = rows.read(GARBAGE)?;
    let rows = garbage.iter()?.map(|row| Ok(row?.0.value()));
    rows.collect()
}

/// After these were removed from their volumes.
pub(super) fn note_collected(tx: &Tx<'_>, blobs: &[u64]) -> Result<()> {
    let mut garbage = tx.write(GARBAGE)?;
    let mut places = tx.write(PLACES)?;
    for &blob in blobs {
        garbage.remove(blob)?;
        if blob >= STREAMED {
            places.remove(blob)?;
        }
    }
    Ok(())
}

/// Blobs that are being read, so that an expunge does not cut off a slow client.
#[derive(Debug, Default)]
pub(super) struct Pins(Mutex<BTreeMap<u64, u32>>);

impl Pins {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn pin(&self, blob: u64) {
        *self.lock().entry(blob).or_insert(0) += 1;
    }

    pub(super) fn unpin(&self, blob: u64) {
        let mut pins = self.lock();
        match pins.get_mut(&blob) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                pins.remove(&blob);
            }
        }
    }

    fn is_pinned(&self, blob: u64) -> bool {
        self.lock().contains_key(&blob)
    }
}
