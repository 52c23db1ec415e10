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
            frame: None,
        };
        reader.header = reader
            .look_up(
                |staged| staged.header().map(Some),
                |volumes, place, blob| volumes.get(place).header(blob),
            )?
            .ok_or(Error::NotFound("blob"))?;
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
            let piece = usize::try_from(number).map_err(Error::io)?;
            let frame = self.look_up(
                |staged| staged.frames().nth(piece).transpose().map(own),
                |volumes, place, blob| {
                    let number = u32::try_from(number).map_err(Error::io)?;
                    let frame = volumes.get(place).frame(blob, number)?;
                    Ok((!frame.is_empty()).then_some(frame))
                },
            )?;
            let frame = frame.ok_or(Error::NotFound("blob"))?;
            self.frame = Some((number, frames::decode(&frame)?));
        }
        Ok(self.frame.as_ref().map_or(&[], |(_, bytes)| bytes))
    }

    /// Finds the blob in the stage or in its volume. It may move between the two looks: then it looks again.
    fn look_up<T>(
        &self,
        in_stage: impl Fn(&Staged) -> Result<Option<T>>,
        in_volume: impl Fn(&Volumes, u32, u64) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
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
            let Some(place) = place else {
                return Ok(None);
            };
            if place_before == Some(place) {
                break;
            }
            result = in_volume(&self.volumes, place, self.blob);
            if matches!(result, Ok(Some(_))) {
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

fn own(frame: Option<&[u8]>) -> Option<Vec<u8>> {
    frame.map(<[u8]>::to_vec)
}
