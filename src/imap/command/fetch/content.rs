//! The bytes of a message as clients see them: as it is stored, or as it is shown to those that did not enable UTF-8
//! (RFC 6858).
//!
//! A literal is announced with its exact length and then produced in pieces. If reading fails in between, the rest is
//! padded, so that the peer never takes message bytes for responses or the other way round.

use crate::mail::mime::Summary;
use crate::store::types::MessageRecord;
use crate::store::{Error, MessageReader, Result, Store};

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
pub(in crate::imap::command) struct Content(MessageReader);

impl Content {
    /// Opens the message of `record`.
    pub(in crate::imap::command) fn open(store: &Store, record: &MessageRecord) -> Result<Self> {
        store.message(record).map(Self)
    }

    /// Opens what is shown in its place. Its size and its summary take the place of those in `record` and `summary`.
    pub(in crate::imap::command) fn open_surrogate(
        store: &Store,
        record: &mut MessageRecord,
        summary: &mut Summary,
    ) -> Result<Self> {
        let mut reader = store.message(record)?;
        *summary = reader.downgrade(summary)?;
        record.bytes = reader.bytes();
        Ok(Self(reader))
    }

    /// For those who read it their own way.
    pub(in crate::imap::command) fn into_reader(self) -> MessageReader {
        self.0
    }

    /// Where the offsets of its summary count from.
    pub(in crate::imap::command) fn origin(&self) -> u64 {
        self.0.origin()
    }

    /// All of it.
    pub(in crate::imap::command) fn whole(&self) -> Span {
        Span {
            from: 0,
            to: self.0.bytes(),
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
        match self.0.read_at(span.from, wanted, out)? {
            0 if wanted > 0 => Err(Error::Fault("a blob is shorter than its record".into())),
            taken => {
                let from = span.from.saturating_add(bytes(taken));
                span.from = from.min(span.to);
                Ok(())
            }
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
