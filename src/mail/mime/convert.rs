//! A message of any bytes becomes one of 7 bits, or one of lines, as it streams through (RFC 6152 3, RFC 3030 3).
//!
//! Leaves of the MIME tree are encoded, text as quoted-printable and the rest as base64, and the fields that say so are
//! changed (RFC 2045 6). Everything else stays byte for byte: parts that are 7 bits already, boundaries, header fields.
//! A header in UTF-8 cannot be converted and stays too (RFC 6532). What lies between the parts of a multipart cannot be
//! encoded either and loses what is not ASCII, and so does the body of a multipart that has no parts at all.
//!
//! What a header says of a body is not always true, and it is sent before the body is seen. So converting to 7 bits
//! takes two passes over the same bytes: a [`Survey`] finds what each leaf really is, [`SevenBit`] converts. Converting
//! to lines, on intake, is done in one, by what the parts say: [`Lines`]. Memory is bounded in each.

mod encode;
mod findings;
mod rewrite;
#[cfg(test)]
mod tests;
mod walk;

pub(in crate::mail) use encode::Encoder;
pub use findings::{Findings, Survey};
pub(in crate::mail) use walk::Ends;

use rewrite::{Aim, Rewriter};
use walk::Walk;

/// Converts one message to 7 bits, in lines of at most 998 bytes, its header fields apart.
#[derive(Debug)]
pub struct SevenBit(Conversion);

/// Converts one message so that parts declared as binary are lines of text; what is 8bit stays so.
#[derive(Debug)]
pub struct Lines(Conversion);

#[derive(Debug)]
struct Conversion {
    walk: Walk,
    rewriter: Rewriter,
}

impl SevenBit {
    /// At the beginning of a message in which a [`Survey`] found that.
    pub fn new(findings: Findings) -> Self {
        Self(Conversion::new(Aim::SevenBit(findings)))
    }

    /// Takes the next piece, of any size, and appends what is ready to `out`.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        self.0.push(piece, out);
    }

    /// The message ends; appends the rest to `out`.
    pub fn finish(self, out: &mut Vec<u8>) {
        self.0.finish(out);
    }
}

impl Lines {
    /// At the beginning of a message.
    pub fn new() -> Self {
        Self(Conversion::new(Aim::Lines))
    }

    /// Takes the next piece, of any size, and appends what is ready to `out`.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        self.0.push(piece, out);
    }

    /// The message ends; appends the rest to `out`.
    pub fn finish(self, out: &mut Vec<u8>) {
        self.0.finish(out);
    }
}

impl Default for Lines {
    fn default() -> Self {
        Self::new()
    }
}

impl Conversion {
    fn new(aim: Aim) -> Self {
        Self {
            walk: Walk::new(),
            rewriter: Rewriter::new(aim),
        }
    }

    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let rewriter = &mut self.rewriter;
        self.walk
            .push(piece, &mut |event| rewriter.take(event, out));
    }

    fn finish(mut self, out: &mut Vec<u8>) {
        let rewriter = &mut self.rewriter;
        self.walk.finish(&mut |event| rewriter.take(event, out));
    }
}
