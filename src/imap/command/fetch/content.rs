//! The bytes of a message as clients see them: the server's prefix, then the blob; or a header made in place of them, then
//! the body (RFC 6858).
//!
//! A literal is announced with its exact length and then produced in pieces. If reading fails in between, the rest is
//! padded, so that the peer never takes message bytes for responses or the other way round.

use crate::store::types::MessageRecord;
use crate::store::{BlobReader, Error, Result, Store};

/// Most bytes of a message read at once.
pub const READ_BYTES_MAX: usize = 64 * 1024;

/// Longest header that is searched for fields; what lies beyond is not seen by HEADER.FIELDS.
pub const HEADER_BYTES_MAX: u64 = 1024 * 1024;

/// A range of a message's bytes: from `from` up to, not including, `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::imap::command) struct Span {
    /// First byte.
    pub(in crate::imap::command) from: u64,
    /// End; not below `from`.
    pub(in crate::imap::command) to: u64,
}

impl Span {
    /// Its length.
    pub(in crate::imap::command) fn bytes(self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// Its part from `offset`, at most `bytes_max` long; empty when `offset` lies beyond (RFC 3501 6.4.5).
    #[must_use]
    pub(in crate::imap::command) fn part(self, offset: u64, bytes_max: u64) -> Self {
        let from = self.from.saturating_add(offset).min(self.to);
        let to = from.saturating_add(bytes_max).min(self.to);
        Self { from, to }
    }
}

/// A message opened for reading.
#[derive(Debug)]
pub(in crate::imap::command) struct Content {
    prefix: Vec<u8>,
    blob: BlobReader,
    /// Bytes of the blob that are not shown.
    skipped: u64,
}

impl Content {
    /// Opens the message of `record`.
    pub(in crate::imap::command) fn open(store: &Store, record: &MessageRecord) -> Result<Self> {
        let blob = store.blob(record.blob)?;
        Ok(Self {
            prefix: record.prefix.clone(),
            blob,
            skipped: 0,
        })
    }

    /// Shows `header` in place of the message's own, which ends at `body_start` of the blob.
    pub(in crate::imap::command) fn replace_header(&mut self, header: Vec<u8>, body_start: u64) {
        self.prefix = header;
        self.skipped = body_start.min(self.blob.bytes());
    }

    /// Bytes at the beginning of the blob that are not shown.
    pub(in crate::imap::command) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Length of the prefix.
    pub(in crate::imap::command) fn prefix_bytes(&self) -> u64 {
        bytes(self.prefix.len())
    }

    /// All of it.
    pub(in crate::imap::command) fn whole(&self) -> Span {
        Span {
            from: 0,
            to: self
                .prefix_bytes()
                .saturating_add(self.blob.bytes() - self.skipped),
        }
    }

    /// Appends the beginning of `span`, up to [`READ_BYTES_MAX`], and cuts it off `span`.
    pub(in crate::imap::command) fn read(
        &mut self,
        span: &mut Span,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let wanted = usize::try_from(span.bytes()).unwrap_or(usize::MAX);
        let wanted = wanted.min(READ_BYTES_MAX);
        let from = usize::try_from(span.from).unwrap_or(usize::MAX);
        let taken = match self.prefix.get(from..) {
            Some(rest) if !rest.is_empty() => {
                let piece = rest.get(..wanted).unwrap_or(rest);
                out.extend_from_slice(piece);
                piece.len()
            }
            _ => self.read_blob(span.from, wanted, out)?,
        };
        span.from = span.from.saturating_add(bytes(taken)).min(span.to);
        Ok(())
    }

    fn read_blob(&mut self, from: u64, wanted: usize, out: &mut Vec<u8>) -> Result<usize> {
        let offset = from
            .saturating_sub(self.prefix_bytes())
            .saturating_add(self.skipped);
        match self.blob.read_at(offset, wanted, out)? {
            0 if wanted > 0 => Err(Error::Fault("a blob is shorter than its record".into())),
            taken => Ok(taken),
        }
    }

    /// Reads `span` whole; for headers, hence at most [`HEADER_BYTES_MAX`].
    pub(in crate::imap::command) fn read_all(&mut self, span: Span) -> Result<Vec<u8>> {
        let mut rest = span.part(0, HEADER_BYTES_MAX);
        let mut all = Vec::new();
        while rest.bytes() > 0 {
            self.read(&mut rest, &mut all)?;
        }
        Ok(all)
    }
}

fn bytes(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_clamped() {
        let span = Span { from: 10, to: 20 };
        assert_eq!(span.part(0, 5), Span { from: 10, to: 15 });
        assert_eq!(span.part(8, 5), Span { from: 18, to: 20 });
        assert_eq!(span.part(10, 5), Span { from: 20, to: 20 });
        assert_eq!(span.part(u64::MAX, u64::MAX), Span { from: 20, to: 20 });
    }
}
