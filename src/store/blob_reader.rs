//! Reading blobs in pieces.

use std::sync::Arc;

use super::blob;
use super::engine::Index;
use super::frames::{self, FRAME_BYTES};
use super::staged::Staged;
use super::tx::Snapshot;
use super::volume_tx::Header;
use super::volumes::Volumes;
use super::{Error, Result};
use crate::mail::ids::BlobId;

/// How often a read looks again when its blob was moved or its volume rewritten meanwhile.
const TRIES_MAX: usize = 5;

/// Reads a stored blob in pieces, each in a read transaction of its own. While one exists its blob stays readable,
/// even when the last message that refers to it goes.
#[derive(Debug)]
pub struct BlobReader {
    index: Arc<Index>,
    volumes: Arc<Volumes>,
    blob: u64,
    header: Header,
    /// The volume where it was found last.
    place: Option<u32>,
    /// The first frame as stored, until it is read: nearly every reader begins there, so it comes with the header.
    first: Option<Vec<u8>>,
    /// The frame read last, by number.
    frame: Option<(u64, Vec<u8>)>,
}

impl BlobReader {
    pub(super) fn open(index: Arc<Index>, volumes: Arc<Volumes>, id: BlobId) -> Result<Self> {
        index.pins.pin(id.0);
        let mut reader = Self {
            index,
            volumes,
            blob: id.0,
            header: Header {
                bytes: 0,
                digest: [0; 16],
                stored_bytes: 0,
            },
            place: None,
            first: None,
            frame: None,
        };
        let (header, first) = reader
            .look_up(
                |staged| Ok(Some((staged.header()?, staged.frame(0)?))),
                |volumes, place, blob| volumes.get(place).header_and_first(blob),
            )?
            .ok_or(Error::NotFound("blob"))?;
        reader.header = header;
        reader.first = first;
        Ok(reader)
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.header.bytes
    }

    /// First bytes of the SHA-256 over its plain bytes, as stored with it.
    pub fn digest(&self) -> [u8; 16] {
        self.header.digest
    }

    /// Appends up to `bytes_max` bytes from `offset` to `out`; returns how many (0 at the end).
    pub fn read_at(&mut self, offset: u64, bytes_max: usize, out: &mut Vec<u8>) -> Result<usize> {
        let before = out.len();
        let end = self.bytes().min(offset.saturating_add(bytes_max as u64));
        let mut at = offset;
        while at < end {
            let start = usize::try_from(at % FRAME_BYTES as u64).map_err(Error::io)?;
            let left = usize::try_from(end - at).map_err(Error::io)?;
            let frame = self.load(at / FRAME_BYTES as u64)?;
            let piece = frame.get(start..).unwrap_or_default();
            let piece = piece.get(..left).unwrap_or(piece);
            if piece.is_empty() {
                return Err(Error::Fault("blob is shorter than its header says".into()));
            }
            out.extend_from_slice(piece);
            at += piece.len() as u64;
        }
        Ok(out.len() - before)
    }

    fn load(&mut self, number: u64) -> Result<&[u8]> {
        if !matches!(&self.frame, Some((loaded, _)) if *loaded == number) {
            let stored = match self.first.take() {
                Some(first) if number == 0 => first,
                _ => self.stored_frame(number)?,
            };
            self.frame = Some((number, frames::decode(&stored)?));
        }
        Ok(self.frame.as_ref().map_or(&[], |(_, bytes)| bytes))
    }

    fn stored_frame(&mut self, number: u64) -> Result<Vec<u8>> {
        let piece = usize::try_from(number).map_err(Error::io)?;
        let frame = self.look_up(
            |staged| staged.frame(piece),
            |volumes, place, blob| {
                let number = u32::try_from(number).map_err(Error::io)?;
                volumes.get(place).frame(blob, number)
            },
        )?;
        frame.ok_or(Error::NotFound("blob"))
    }

    /// Finds the blob in the volume where it was last, or in the stage or the volume that the index names. It may move
    /// between the two looks: then it looks again.
    fn look_up<T>(
        &mut self,
        in_stage: impl Fn(&Staged) -> Result<Option<T>>,
        in_volume: impl Fn(&Volumes, u32, u64) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        if let Some(place) = self.place.take()
            && let Ok(Some(found)) = in_volume(&self.volumes, place, self.blob)
        {
            self.place = Some(place);
            return Ok(Some(found));
        }
        let mut result = Ok(None);
        let mut place = None;
        for _ in 0..TRIES_MAX {
            let snapshot: Snapshot = self.index.snapshot()?;
            if let Some(staged) = Staged::get(&snapshot, self.blob)? {
                return in_stage(&staged);
            }
            let place_before = place;
            place = blob::place(&snapshot, self.blob)?;
            drop(snapshot);
            let Some(found) = place else {
                return Ok(None);
            };
            if place_before == place {
                break;
            }
            result = in_volume(&self.volumes, found, self.blob);
            if matches!(result, Ok(Some(_))) {
                self.place = place;
                break;
            }
        }
        result
    }
}

impl Drop for BlobReader {
    fn drop(&mut self) {
        self.index.pins.unpin(self.blob);
    }
}
