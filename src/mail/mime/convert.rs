//! A message of any bytes becomes one of 7 bits, as it streams through (RFC 6152 3, RFC 3030 3).
//!
//! Leaves of the MIME tree in 8bit or binary are encoded, text as quoted-printable and the rest as base64, and the fields
//! that say so are changed; everything else stays as it was. A header in UTF-8 cannot be converted and stays too.

/// Converts one message.
#[derive(Debug)]
pub struct SevenBit {}

impl SevenBit {
    /// At the beginning of a message.
    pub fn new() -> Self {
        todo!()
    }

    /// Takes the next piece, of any size, and appends what is ready to `out`.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let _ = (piece, out);
        todo!()
    }

    /// The message ends.
    pub fn finish(self, out: &mut Vec<u8>) {
        let _ = out;
        todo!()
    }
}
