//! The tables of a volume, and changing them.
//!
//! Tables of a volume (`volumes/NNNN.redb`):
//! - `blobs`: blob -> (plain bytes, digest, stored bytes).
//! - `pieces`: (blob, frame * 8 + piece) -> bytes. Pieces of a frame, cut by the ladder.
//! - `tails`: (blob, frame) -> the end of a frame where that is short; short values share pages there.
//! - `under_way`: blob -> (). Blobs that were streamed in and that the index does not refer to yet.
//! - `facts`: [`FORMAT`], [`LIVE_BYTES`], [`GENERATION`] -> value.

use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use super::blob::Digest;
use super::{Result, frames};

pub(super) const BLOBS: TableDefinition<'_, u64, (u64, [u8; 16], u64)> =
    TableDefinition::new("blobs");
pub(super) const PIECES: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("pieces");
pub(super) const TAILS: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("tails");
pub(super) const UNDER_WAY: TableDefinition<'_, u64, ()> = TableDefinition::new("under_way");
pub(super) const FACTS: TableDefinition<'_, u8, u64> = TableDefinition::new("facts");

/// Fact: version of this layout.
const FORMAT: u8 = 0;
/// Fact: sum of the stored bytes of all blobs.
pub(super) const LIVE_BYTES: u8 = 1;
/// Fact: rises with every durable commit that changed something. A backup compares it.
pub(super) const GENERATION: u8 = 2;

const FORMAT_NOW: u64 = 1;

/// Ends of frames below this many bytes go to `tails`.
const TAIL_BYTES: usize = 2_000;

/// What a volume knows of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) bytes: u64,
    pub(super) digest: Digest,
    pub(super) stored_bytes: u64,
}

pub(super) fn header((bytes, digest, stored_bytes): (u64, Digest, u64)) -> Header {
    Header {
        bytes,
        digest,
        stored_bytes,
    }
}

/// A volume's tables in a write transaction.
pub(super) struct VolumeTx<'t> {
    blobs: Table<'t, u64, (u64, [u8; 16], u64)>,
    pieces: Table<'t, (u64, u32), &'static [u8]>,
    tails: Table<'t, (u64, u32), &'static [u8]>,
    under_way: Table<'t, u64, ()>,
    facts: Table<'t, u8, u64>,
    live_change: i64,
    changed: bool,
}

impl<'t> VolumeTx<'t> {
    pub(super) fn open(txn: &'t WriteTransaction) -> Result<Self> {
        Ok(Self {
            blobs: txn.open_table(BLOBS)?,
            pieces: txn.open_table(PIECES)?,
            tails: txn.open_table(TAILS)?,
            under_way: txn.open_table(UNDER_WAY)?,
            facts: txn.open_table(FACTS)?,
            live_change: 0,
            changed: false,
        })
    }

    /// Stores an encoded frame.
    pub(super) fn put_frame(&mut self, blob: u64, number: u32, frame: &[u8]) -> Result<()> {
        for (part, piece) in (0_u32..).zip(frames::cut(frame)) {
            if piece.len() < TAIL_BYTES {
                self.tails.insert((blob, number), piece)?;
            } else {
                self.pieces.insert((blob, number * 8 + part), piece)?;
            }
        }
        Ok(())
    }

    /// Stores a piece as it lay elsewhere.
    pub(super) fn put_piece(&mut self, key: (u64, u32), piece: &[u8]) -> Result<()> {
        self.pieces.insert(key, piece)?;
        Ok(())
    }

    /// Stores a tail as it lay elsewhere.
    pub(super) fn put_tail(&mut self, key: (u64, u32), tail: &[u8]) -> Result<()> {
        self.tails.insert(key, tail)?;
        Ok(())
    }

    /// Completes a blob. One that was here already (a move that is done again) is replaced.
    pub(super) fn put_header(&mut self, blob: u64, header: Header) -> Result<()> {
        let Header {
            bytes,
            digest,
            stored_bytes,
        } = header;
        let before = self.blobs.insert(blob, (bytes, digest, stored_bytes))?;
        let before = before.map_or(0, |row| row.value().2);
        self.live_change += signed(stored_bytes) - signed(before);
        self.changed = true;
        Ok(())
    }

    /// Notes the layout's version in a new volume.
    pub(super) fn put_format(&mut self) -> Result<()> {
        self.facts.insert(FORMAT, FORMAT_NOW)?;
        Ok(())
    }

    /// Lists a blob whose pieces follow.
    pub(super) fn begin(&mut self, blob: u64) -> Result<()> {
        self.under_way.insert(blob, ())?;
        Ok(())
    }

    /// The index refers to this streamed blob now.
    pub(super) fn note_filed(&mut self, blob: u64) -> Result<()> {
        self.changed |= self.under_way.remove(blob)?.is_some();
        Ok(())
    }

    /// Removes a blob with all its pieces, complete or not.
    pub(super) fn delete(&mut self, blob: u64) -> Result<()> {
        let row = self.blobs.remove(blob)?.map_or(0, |row| row.value().2);
        self.live_change -= signed(row);
        self.changed = true;
        let all = (blob, 0)..=(blob, u32::MAX);
        self.pieces.retain_in(all.clone(), |_, _| false)?;
        self.tails.retain_in(all, |_, _| false)?;
        self.under_way.remove(blob)?;
        Ok(())
    }

    pub(super) fn close(mut self) -> Result<()> {
        if self.changed {
            let live = self.facts.get(LIVE_BYTES)?.map_or(0, |row| row.value());
            let live = live.saturating_add_signed(self.live_change);
            self.facts.insert(LIVE_BYTES, live)?;
            let generation = self.facts.get(GENERATION)?.map_or(0, |row| row.value());
            self.facts.insert(GENERATION, generation + 1)?;
        }
        Ok(())
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
