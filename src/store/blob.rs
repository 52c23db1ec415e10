//! Blobs: the immutable bytes of messages.
//!
//! Tables of the index that belong to blobs:
//! - `stage`: (blob, piece) -> bytes. A blob in the stage is one byte string (see [`Staged`]), cut by the ladder.
//! - `shared`: blob -> references. Only blobs that more than one record refers to have a row; any other has one.
//!
//! A record refers to its blob by [`BlobId`] alone, so that moving a blob costs the index nothing per blob.

use std::sync::Arc;

use redb::{ReadableTable, TableDefinition};

use super::engine::Index;
use super::frames::{self, Encoder, FRAME_BYTES};
use super::tx::{Kind, ReadRows, Tx};
use super::{Error, Result};
use crate::mail::ids::BlobId;

/// Bodies that came in lately.
const STAGE: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("stage");
/// References of blobs that have more than one.
const SHARED: TableDefinition<'_, u64, u32> = TableDefinition::new("shared");

/// First bytes of a SHA-256.
pub(super) type Digest = [u8; 16];

/// Makes the tables of this module in a new store.
pub(super) fn create_tables(tx: &mut Tx<'_>) -> Result<()> {
    tx.write(STAGE)?;
    tx.write(SHARED)?;
    Ok(())
}

/// Takes the bytes of one message, in pieces. Dropped without [`BlobWriter::finish`], all is undone.
#[derive(Debug)]
pub struct BlobWriter {
    encoder: Encoder,
    hash: Hash,
    pending: Vec<u8>,
    frames: Vec<u8>,
    bytes: u64,
}

struct Hash(ring::digest::Context);

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hash")
    }
}

impl BlobWriter {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            encoder: Encoder::new()?,
            hash: Hash(ring::digest::Context::new(&ring::digest::SHA256)),
            pending: Vec::new(),
            frames: Vec::new(),
            bytes: 0,
        })
    }

    /// Takes the next piece.
    pub fn write(&mut self, mut piece: &[u8]) -> Result<()> {
        self.hash.0.update(piece);
        self.bytes += piece.len() as u64;
        while !piece.is_empty() {
            let room = FRAME_BYTES - self.pending.len();
            let (now, later) = piece.split_at(room.min(piece.len()));
            self.pending.extend_from_slice(now);
            piece = later;
            if self.pending.len() == FRAME_BYTES {
                self.end_frame()?;
            }
        }
        Ok(())
    }

    fn end_frame(&mut self) -> Result<()> {
        let frame = self.encoder.encode(&self.pending)?;
        self.pending.clear();
        push_frame(&mut self.frames, &frame);
        Ok(())
    }

    /// Bytes taken so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// No more pieces.
    pub fn finish(mut self) -> Result<NewBlob> {
        if !self.pending.is_empty() {
            self.end_frame()?;
        }
        let mut digest = Digest::default();
        for (to, from) in digest.iter_mut().zip(self.hash.0.finish().as_ref()) {
            *to = *from;
        }
        Ok(NewBlob {
            bytes: self.bytes,
            digest,
            frames: self.frames,
        })
    }
}

fn push_frame(frames: &mut Vec<u8>, frame: &[u8]) {
    let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    frames.extend_from_slice(&len.to_le_bytes());
    frames.extend_from_slice(frame);
}

/// A complete blob that no message refers to yet. Dropped without being filed, it is undone.
#[derive(Debug)]
pub struct NewBlob {
    bytes: u64,
    digest: Digest,
    frames: Vec<u8>,
}

impl NewBlob {
    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// First bytes of the SHA-256 over its plain bytes.
    pub(super) fn digest(&self) -> Digest {
        self.digest
    }
}

/// Stores a blob in this transaction, with one reference. The caller writes the record that is the reference.
pub(super) fn file(tx: &mut Tx<'_>, new: &NewBlob) -> Result<BlobId> {
    let id = tx.next_id(Kind::Blob)?;
    let mut value = Vec::with_capacity(24 + new.frames.len());
    value.extend_from_slice(&new.bytes.to_le_bytes());
    value.extend_from_slice(&new.digest);
    value.extend_from_slice(&new.frames);
    let mut stage = tx.write(STAGE)?;
    for (part, piece) in (0_u32..).zip(frames::cut(&value)) {
        stage.insert((id, part), piece)?;
    }
    Ok(BlobId(id))
}

/// One more record refers to the blob.
pub(super) fn add_reference(tx: &mut Tx<'_>, id: BlobId) -> Result<()> {
    let mut shared = tx.write(SHARED)?;
    let references = shared.get(id.0)?.map_or(1, |row| row.value());
    shared.insert(id.0, references + 1)?;
    Ok(())
}

/// One record less refers to the blob; with the last one it goes.
pub(super) fn release(tx: &mut Tx<'_>, id: BlobId) -> Result<()> {
    let references = tx.read(SHARED)?.get(id.0)?.map_or(1, |row| row.value());
    match references {
        0 | 1 => {
            let mut stage = tx.write(STAGE)?;
            stage.retain_in((id.0, 0)..=(id.0, u32::MAX), |_, _| false)?;
        }
        2 => {
            tx.write(SHARED)?.remove(id.0)?;
        }
        more => {
            tx.write(SHARED)?.insert(id.0, more - 1)?;
        }
    }
    Ok(())
}

/// Records that refer to the blob, as counted.
pub(super) fn references(rows: &impl ReadRows, id: BlobId) -> Result<u32> {
    Ok(rows.read(SHARED)?.get(id.0)?.map_or(1, |row| row.value()))
}

/// A staged blob: its plain length (8 bytes), its digest (16 bytes), then each frame with its length (4 bytes).
struct Staged(Vec<u8>);

impl Staged {
    fn read(rows: &impl ReadRows, id: BlobId) -> Result<Option<Self>> {
        let mut bytes = Vec::new();
        for row in rows.read(STAGE)?.range((id.0, 0)..=(id.0, u32::MAX))? {
            bytes.extend_from_slice(row?.1.value());
        }
        Ok((!bytes.is_empty()).then_some(Self(bytes)))
    }

    fn plain_bytes(&self) -> Result<u64> {
        let field = self.0.first_chunk().ok_or_else(damaged)?;
        Ok(u64::from_le_bytes(*field))
    }

    fn frame(&self, number: u64) -> Result<&[u8]> {
        let mut rest = self.0.get(24..).ok_or_else(damaged)?;
        let mut left = number;
        loop {
            let (len, after) = rest.split_first_chunk().ok_or_else(damaged)?;
            let len = usize::try_from(u32::from_le_bytes(*len)).map_err(|_| damaged())?;
            let (frame, after) = after.split_at_checked(len).ok_or_else(damaged)?;
            if left == 0 {
                return Ok(frame);
            }
            left -= 1;
            rest = after;
        }
    }
}

fn damaged() -> Error {
    Error::Fault("staged blob is cut short".into())
}

/// Reads a stored blob in pieces, each in a read transaction of its own.
#[derive(Debug)]
pub struct BlobReader {
    index: Arc<Index>,
    id: BlobId,
    bytes: u64,
    /// The frame read last, by number.
    frame: Option<(u64, Vec<u8>)>,
}

impl BlobReader {
    pub(super) fn open(index: Arc<Index>, id: BlobId) -> Result<Self> {
        let staged = Staged::read(&index.snapshot()?, id)?.ok_or(Error::NotFound("blob"))?;
        Ok(Self {
            bytes: staged.plain_bytes()?,
            index,
            id,
            frame: None,
        })
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends up to `bytes_max` bytes from `offset` to `out`; returns how many (0 at the end).
    pub fn read_at(&mut self, offset: u64, bytes_max: usize, out: &mut Vec<u8>) -> Result<usize> {
        let before = out.len();
        let end = self.bytes.min(offset.saturating_add(bytes_max as u64));
        let mut at = offset;
        while at < end {
            let start = usize::try_from(at % FRAME_BYTES as u64).map_err(Error::io)?;
            let left = usize::try_from(end - at).map_err(Error::io)?;
            let frame = self.load(at / FRAME_BYTES as u64)?;
            let piece = frame.get(start..).unwrap_or_default();
            let piece = piece.get(..left).unwrap_or(piece);
            if piece.is_empty() {
                return Err(damaged());
            }
            out.extend_from_slice(piece);
            at += piece.len() as u64;
        }
        Ok(out.len() - before)
    }

    fn load(&mut self, number: u64) -> Result<&[u8]> {
        if !matches!(&self.frame, Some((loaded, _)) if *loaded == number) {
            let staged = Staged::read(&self.index.snapshot()?, self.id)?;
            let staged = staged.ok_or(Error::NotFound("blob"))?;
            self.frame = Some((number, frames::decode(staged.frame(number)?)?));
        }
        Ok(self.frame.as_ref().map_or(&[], |(_, bytes)| bytes))
    }
}
