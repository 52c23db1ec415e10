//! Reading a spooled mail in pieces, as it will be sent: its prefix, then its blob.

use crate::store::{BlobReader, Result};

/// Reads a spooled mail. While one exists the mail's bytes stay readable, even when the mail goes.
#[derive(Debug)]
pub struct SpoolReader {
    prefix: Vec<u8>,
    blob: BlobReader,
}

impl SpoolReader {
    pub(super) fn new(prefix: Vec<u8>, blob: BlobReader) -> Self {
        Self { prefix, blob }
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.blob.bytes().saturating_add(self.prefix.len() as u64)
    }

    /// Appends up to `bytes_max` bytes from `offset` to `out`; returns how many (0 at the end, and there alone).
    pub fn read_at(&mut self, offset: u64, bytes_max: usize, out: &mut Vec<u8>) -> Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let front = self.prefix.get(start..).unwrap_or_default();
        let front = front.get(..bytes_max).unwrap_or(front);
        out.extend_from_slice(front);
        let taken = front.len();
        if taken == bytes_max {
            return Ok(taken);
        }
        let at = offset.saturating_add(taken as u64);
        let at = at.saturating_sub(self.prefix.len() as u64);
        let more = self.blob.read_at(at, bytes_max - taken, out)?;
        Ok(taken + more)
    }
}
