//! The bytes and texts of parts: read in pieces from the store, transfer encoding undone, as text if asked.

use crate::mail::mime::Part;
use crate::mail::mime::text::decode_charset;
use crate::mail::mime::transfer::{TransferDecoder, TransferEncoding};
use crate::store::{self, BlobReader};

/// Bytes read from the store at once.
pub(super) const PIECE_BYTES: usize = 64 << 10;

/// A part's body while it is read.
#[derive(Debug)]
pub(super) struct Body {
    /// What comes before.
    lead: Vec<u8>,
    reader: BlobReader,
    at: u64,
    end: u64,
    decoder: Option<TransferDecoder>,
}

impl Body {
    /// At the beginning of the part's body. What has an unknown encoding is given as it is stored.
    pub(super) fn new(reader: BlobReader, part: &Part) -> Self {
        let encoding = TransferEncoding::by_name(&part.encoding);
        Self {
            lead: Vec::new(),
            reader,
            at: part.body_start,
            end: part.body_end,
            decoder: Some(TransferDecoder::new(
                encoding.unwrap_or(TransferEncoding::Identity),
            )),
        }
    }

    /// All of a message as it is stored, after `prefix`.
    pub(super) fn raw(reader: BlobReader, prefix: Vec<u8>) -> Self {
        Self {
            lead: prefix,
            at: 0,
            end: reader.bytes(),
            reader,
            decoder: Some(TransferDecoder::new(TransferEncoding::Identity)),
        }
    }

    /// The next bytes; `None` at the end. A piece may be empty.
    pub(super) fn next_piece(&mut self) -> store::Result<Option<Vec<u8>>> {
        let mut piece = std::mem::take(&mut self.lead);
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        if left == 0 {
            let Some(decoder) = self.decoder.take() else {
                return Ok(None);
            };
            decoder.finish(&mut piece);
            return Ok(Some(piece));
        }
        let mut stored = Vec::new();
        let taken = self
            .reader
            .read_at(self.at, left.min(PIECE_BYTES), &mut stored)?;
        if taken == 0 {
            return Err(store::Error::Fault(
                "a blob is shorter than its record".into(),
            ));
        }
        self.at = self.at.saturating_add(taken as u64);
        if let Some(decoder) = &mut self.decoder {
            decoder.push(&stored, &mut piece);
        }
        Ok(Some(piece))
    }

    /// Up to `bytes_max` bytes, and whether that is all.
    pub(super) fn read_up_to(&mut self, bytes_max: usize) -> store::Result<(Vec<u8>, bool)> {
        let mut all = Vec::new();
        while let Some(piece) = self.next_piece()? {
            all.extend_from_slice(&piece);
            if all.len() > bytes_max {
                all.truncate(bytes_max);
                return Ok((all, false));
            }
        }
        Ok((all, true))
    }
}

/// Bytes of a text part as text.
pub(super) fn text_of(part: &Part, bytes: &[u8]) -> String {
    let label = part.param("charset").unwrap_or(b"us-ascii");
    let is_vague = label.eq_ignore_ascii_case(b"us-ascii") || label.eq_ignore_ascii_case(b"utf-8");
    let label = match std::str::from_utf8(bytes) {
        // Cut off within a character is not wrong.
        Err(error) if is_vague && error.error_len().is_some() => b"windows-1252",
        _ => label,
    };
    let text = decode_charset(label, bytes);
    text.strip_prefix('\u{feff}')
        .map_or_else(|| text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(charset: &str) -> Part {
        Part {
            params: vec![(b"charset".to_vec(), charset.as_bytes().to_vec())],
            ..Part::default()
        }
    }

    #[test]
    fn charsets() {
        assert_eq!(
            text_of(&part("iso-8859-1"), b"Gr\xfc\xdfe"),
            "Gr\u{fc}\u{df}e"
        );
        assert_eq!(
            text_of(&part("us-ascii"), "Gr\u{fc}\u{df}e".as_bytes()),
            "Gr\u{fc}\u{df}e"
        );
        assert_eq!(
            text_of(&part("us-ascii"), b"Gr\xfc\xdfe"),
            "Gr\u{fc}\u{df}e"
        );
        assert_eq!(text_of(&part("utf-8"), b"\xef\xbb\xbfab\xc3"), "ab\u{fffd}");
    }
}
