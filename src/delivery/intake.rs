//! One incoming message on its way into the store (SMTP DATA and BDAT, IMAP APPEND, import).
//!
//! Its bytes go to the blob and through the MIME scanner at the same time, so that nothing is read twice and a large
//! message is never whole in memory. Dropped before it is finished, an intake leaves nothing behind.

use crate::mail::mime::{HeaderFacts, Scanner};
use crate::store::{BlobWriter, NewBlob, Result, Store};

/// Takes the bytes of one message.
#[derive(Debug)]
pub struct Intake {
    blob: BlobWriter,
    scanner: Scanner,
    has_8bit: bool,
    head: Vec<u8>,
    head_bytes_max: usize,
}

/// A message that was taken in whole and is not filed yet.
#[derive(Debug)]
pub struct Received {
    /// Its bytes.
    pub blob: NewBlob,
    /// `mail::mime::Summary::encode` of it, for [`crate::store::Append`].
    pub summary: Vec<u8>,
    /// Its length in bytes.
    pub bytes: u64,
    /// What its header shows: hop count, which fields a submission has to be given, addresses of `From`.
    pub facts: HeaderFacts,
    /// Whether it has a byte above 127 anywhere.
    pub has_8bit: bool,
    /// Its first bytes, as many as [`Intake::with_head`] asked for.
    pub head: Vec<u8>,
}

impl Intake {
    /// Begins a message. `bytes_expected` (SIZE, literal length) lets a refusal come early; it is no promise.
    pub fn begin(store: &Store, bytes_expected: Option<u64>) -> Result<Self> {
        Ok(Self {
            blob: store.begin_blob(bytes_expected)?,
            scanner: Scanner::new(),
            has_8bit: false,
            head: Vec::new(),
            head_bytes_max: 0,
        })
    }

    /// Gives the message's first bytes back with it, up to that many.
    #[must_use]
    pub fn with_head(mut self, bytes_max: usize) -> Self {
        self.head_bytes_max = bytes_max;
        self
    }

    /// Takes the next piece, of any size. After an error the intake is of no more use.
    pub fn write(&mut self, piece: &[u8]) -> Result<()> {
        self.has_8bit |= !piece.is_ascii();
        let room = self.head_bytes_max.saturating_sub(self.head.len());
        self.head
            .extend_from_slice(piece.get(..room).unwrap_or(piece));
        self.scanner.push(piece);
        self.blob.write(piece)
    }

    /// Bytes taken so far.
    pub fn bytes(&self) -> u64 {
        self.blob.bytes()
    }

    /// No more pieces.
    pub fn finish(self) -> Result<Received> {
        let bytes = self.blob.bytes();
        let scanned = self.scanner.finish();
        Ok(Received {
            blob: self.blob.finish()?,
            summary: scanned.summary.encode(),
            bytes,
            facts: scanned.facts,
            has_8bit: self.has_8bit,
            head: self.head,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::mime::Summary;
    use crate::store::Options;

    #[test]
    fn blob_and_summary_are_of_the_same_bytes() {
        let store = Store::in_memory(&Options::default()).unwrap();
        let mut intake = Intake::begin(&store, Some(40)).unwrap().with_head(14);
        for piece in [
            "Received: x\r\nSub",
            "ject: Gruss\r",
            "\n\r\nHal",
            "",
            "lo\r\n",
        ] {
            intake.write(piece.as_bytes()).unwrap();
        }
        let received = intake.finish().unwrap();
        assert_eq!((received.bytes, received.blob.bytes()), (38, 38));
        assert!(!received.has_8bit);
        assert_eq!(received.head, b"Received: x\r\nS");
        assert_eq!((received.facts.hops, received.facts.has_date), (1, false));
        let summary = Summary::decode(&received.summary).unwrap();
        assert_eq!(summary.envelope.subject.as_deref(), Some(&b"Gruss"[..]));
        assert_eq!(summary.body.octets(), 7);
    }
}
