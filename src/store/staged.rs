//! A blob in the stage: one byte string in the index, cut by the ladder.
//!
//! The string: plain length (8 bytes, little-endian like all numbers here), digest (16), then for each frame its
//! length (4) and the encoded frame.

use redb::{ReadableTable, TableDefinition};

use super::blob::Digest;
use super::tx::{ReadRows, Tx};
use super::volume_tx::Header;
use super::{Error, Result, frames};

/// (blob, piece) -> bytes.
pub(super) const STAGE: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("stage");

/// Most bytes of encoded frames that go through the stage: one incompressible frame, and a little.
pub(super) const STAGED_BYTES_MAX: usize = 72 << 10;

const HEADER_BYTES: usize = 24;

/// A whole staged blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Staged(Vec<u8>);

impl Staged {
    /// Room for a header, to be completed by [`Staged::finish`].
    pub(super) fn begin() -> Self {
        Self(vec![0; HEADER_BYTES])
    }

    /// Takes the next encoded frame.
    pub(super) fn push(&mut self, frame: &[u8]) {
        let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&len.to_le_bytes());
        self.0.extend_from_slice(frame);
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn finish(&mut self, bytes: u64, digest: Digest) {
        let fields = bytes.to_le_bytes().into_iter().chain(digest);
        for (to, from) in self.0.iter_mut().zip(fields) {
            *to = from;
        }
    }

    /// Writes it to the stage.
    pub(super) fn put(&self, tx: &Tx<'_>, blob: u64) -> Result<()> {
        let mut stage = tx.write(STAGE)?;
        for (part, piece) in (0_u32..).zip(frames::cut(&self.0)) {
            stage.insert((blob, part), piece)?;
        }
        Ok(())
    }

    /// Reads it from the stage, if it is there.
    pub(super) fn get(rows: &impl ReadRows, blob: u64) -> Result<Option<Self>> {
        let mut bytes = Vec::new();
        for row in rows.read(STAGE)?.range((blob, 0)..=(blob, u32::MAX))? {
            bytes.extend_from_slice(row?.1.value());
        }
        Ok((!bytes.is_empty()).then_some(Self(bytes)))
    }

    /// Whether the stage is empty.
    pub(super) fn is_none(rows: &impl ReadRows) -> Result<bool> {
        Ok(rows.read(STAGE)?.iter()?.next().is_none())
    }

    /// Whether it is in the stage.
    pub(super) fn exists(rows: &impl ReadRows, blob: u64) -> Result<bool> {
        Ok(rows.read(STAGE)?.get((blob, 0))?.is_some())
    }

    /// Calls `see` for every staged blob, ascending, until it fails.
    pub(super) fn for_each(
        rows: &impl ReadRows,
        mut see: impl FnMut(u64, Self) -> Result<()>,
    ) -> Result<()> {
        let mut under_way: Option<(u64, Vec<u8>)> = None;
        for row in rows.read(STAGE)?.iter()? {
            let (key, piece) = row?;
            let (blob, _) = key.value();
            match &mut under_way {
                Some((at, bytes)) if *at == blob => bytes.extend_from_slice(piece.value()),
                _ => {
                    let next = (blob, piece.value().to_vec());
                    if let Some((at, bytes)) = under_way.replace(next) {
                        see(at, Self(bytes))?;
                    }
                }
            }
        }
        under_way.map_or(Ok(()), |(at, bytes)| see(at, Self(bytes)))
    }

    pub(super) fn header(&self) -> Result<Header> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or_else(damaged)?;
        Ok(Header {
            bytes: u64::from_le_bytes(*bytes),
            digest: *rest.first_chunk().ok_or_else(damaged)?,
            stored_bytes: rest.len() as u64,
        })
    }

    /// One of its encoded frames, if it has that many.
    pub(super) fn frame(&self, number: usize) -> Result<Option<Vec<u8>>> {
        let frame = self.frames().nth(number).transpose()?;
        Ok(frame.map(<[u8]>::to_vec))
    }

    /// Its encoded frames, in order. One that is cut short ends the row with an error.
    pub(super) fn frames(&self) -> impl Iterator<Item = Result<&[u8]>> {
        let mut rest = self.0.get(HEADER_BYTES..).unwrap_or_default();
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let frame = split_frame(rest).ok_or_else(damaged);
            rest = frame.as_ref().map_or(&[], |(_, after)| after);
            Some(frame.map(|(frame, _)| frame))
        })
    }
}

fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, after) = bytes.split_first_chunk()?;
    after.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)
}

fn damaged() -> Error {
    Error::Fault("staged blob is cut short".into())
}
