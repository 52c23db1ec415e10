//! Cuts a message that streams by into header and body.
//!
//! The header is kept up to a limit; where the body begins is found however the bytes are cut into pieces.

use crate::mail::mime;

/// Bytes of a header that are kept.
pub(super) const HEADER_BYTES_MAX: usize = mime::HEADER_BYTES_MAX;

/// The header of a message whose lines end with CRLF.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// The header with the empty line at its end, or the first bytes of a larger one.
    pub(super) bytes: Vec<u8>,
    /// Whether bytes of it are missing.
    pub(super) is_cut: bool,
    line: Line,
}

/// What came of the line under way.
#[derive(Clone, Copy, Debug, Default)]
enum Line {
    #[default]
    Nothing,
    Cr,
    Something,
    /// The empty line was seen; everything after it is body.
    Over,
}

impl Head {
    /// Takes the next piece; gives what of it is body once the header is complete.
    pub(super) fn push<'a>(&mut self, piece: &'a [u8]) -> Option<&'a [u8]> {
        if matches!(self.line, Line::Over) {
            return Some(piece);
        }
        let end = self.line.header_end(piece);
        let (head, body) = piece.split_at(end.unwrap_or(piece.len()));
        let room = HEADER_BYTES_MAX.saturating_sub(self.bytes.len());
        self.is_cut |= head.len() > room;
        self.bytes
            .extend_from_slice(head.get(..room).unwrap_or(head));
        end.map(|_| body)
    }
}

impl Line {
    /// Where the body begins, if that is in `piece`.
    fn header_end(&mut self, piece: &[u8]) -> Option<usize> {
        for (at, byte) in piece.iter().enumerate() {
            *self = match (*self, byte) {
                (Self::Nothing, b'\r') => Self::Cr,
                (Self::Nothing | Self::Cr, b'\n') => {
                    *self = Self::Over;
                    return Some(at + 1);
                }
                (_, b'\n') => Self::Nothing,
                _ => Self::Something,
            };
        }
        None
    }
}
