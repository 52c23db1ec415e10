//! What comes back of the original: all of it as it is, or its header (RFC 3461 6.2, RFC 6522 4, RFC 6533 5 and 6).

use super::{Form, HEADER_BYTES_MAX, PartType};

/// A message that comes back whole. These types take no encoding but the message's own (RFC 2046 5.2.1).
pub(super) fn whole_type(form: Form) -> PartType {
    match form {
        Form::SevenBit => ("message/rfc822", "7bit"),
        Form::EightBit | Form::Binary => ("message/rfc822", "8bit"),
        Form::Global => ("message/global", "8bit"),
    }
}

/// A header by itself.
pub(super) fn header_type(header: &str) -> PartType {
    if header.is_ascii() {
        ("text/rfc822-headers", "7bit")
    } else {
        ("message/global-headers", "8bit")
    }
}

/// The header of a message: whole lines up to the empty one, with CRLF, cut at [`HEADER_BYTES_MAX`]. Bytes that are no
/// UTF-8 are replaced, control characters too.
pub(super) fn header<E>(pieces: &mut dyn Iterator<Item = Result<Vec<u8>, E>>) -> Result<String, E> {
    let mut block = Vec::new();
    let mut seen = 0;
    while !has_ended(&block, seen) && block.len() < HEADER_BYTES_MAX {
        seen = block.len();
        match pieces.next() {
            Some(piece) => block.extend(piece?),
            None => break,
        }
    }
    let text = String::from_utf8_lossy(&block);
    let mut header = String::new();
    for line in text.split('\n').map(|line| line.trim_end_matches('\r')) {
        if line.is_empty() || header.len() + line.len() + 2 > HEADER_BYTES_MAX {
            break;
        }
        let clean = |c: char| if c.is_control() && c != '\t' { '?' } else { c };
        header.extend(line.chars().map(clean));
        header.push_str("\r\n");
    }
    Ok(header)
}

/// Whether an empty line is there; up to `seen` there was none.
fn has_ended(block: &[u8], seen: usize) -> bool {
    let tail = block.get(seen.saturating_sub(2)..).unwrap_or_default();
    block.starts_with(b"\n")
        || block.starts_with(b"\r\n")
        || tail.windows(2).any(|bytes| bytes == b"\n\n")
        || tail.windows(3).any(|bytes| bytes == b"\n\r\n")
}
