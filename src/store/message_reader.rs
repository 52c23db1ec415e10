//! Reading messages in pieces: what the server put in front, then the blob; or what is shown in their place.

use super::blob_reader::BlobReader;
use super::{Error, Result};
use crate::mail::mime::Summary;
use crate::mail::mime::surrogate::{Stored, Surrogate};

/// Reads a message in pieces. While one exists its blob stays readable.
#[derive(Debug)]
pub struct MessageReader {
    stored: Whole,
    surrogate: Option<Box<Surrogate>>,
}

/// A message as stored.
#[derive(Debug)]
struct Whole {
    prefix: Vec<u8>,
    blob: BlobReader,
}

impl MessageReader {
    pub(super) fn new(prefix: Vec<u8>, blob: BlobReader) -> Self {
        Self {
            stored: Whole { prefix, blob },
            surrogate: None,
        }
    }

    /// Gives headers in ASCII from now on (RFC 6858). Returns the summary of that, by whose offsets the reader goes too.
    ///
    /// # Errors
    ///
    /// [`Error::Fault`] if the message cannot be read.
    pub fn downgrade(&mut self, summary: &Summary) -> Result<Summary> {
        let (surrogate, shown) = Surrogate::new(summary, &mut self.stored)?;
        self.surrogate = Some(Box::new(surrogate));
        Ok(shown)
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        match &self.surrogate {
            Some(surrogate) => surrogate.bytes(),
            None => self.stored.bytes(),
        }
    }

    /// Where the offsets of its summary count from.
    pub fn origin(&self) -> u64 {
        match &self.surrogate {
            Some(_) => 0,
            None => self.stored.prefix_bytes(),
        }
    }

    /// Appends up to `bytes_max` bytes from `offset` to `out`; returns how many, 0 only at the end.
    ///
    /// # Errors
    ///
    /// [`Error::Fault`] if the message cannot be read.
    pub fn read_at(&mut self, offset: u64, bytes_max: usize, out: &mut Vec<u8>) -> Result<usize> {
        match &mut self.surrogate {
            Some(surrogate) => surrogate.read_at(offset, bytes_max, &mut self.stored, out),
            None => self.stored.read_at(offset, bytes_max, out),
        }
    }
}

impl Stored for Whole {
    type Error = Error;

    fn prefix_bytes(&self) -> u64 {
        self.prefix.len() as u64
    }

    fn bytes(&self) -> u64 {
        self.prefix_bytes() + self.blob.bytes()
    }

    fn read_at(&mut self, offset: u64, bytes_max: usize, out: &mut Vec<u8>) -> Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        match self.prefix.get(from..) {
            Some(rest) if !rest.is_empty() => {
                let piece = rest.get(..bytes_max).unwrap_or(rest);
                out.extend_from_slice(piece);
                Ok(piece.len())
            }
            _ => {
                let offset = offset.saturating_sub(self.prefix_bytes());
                self.blob.read_at(offset, bytes_max, out)
            }
        }
    }
}
