//! The announcement of a literal at the end of a line (RFC 3501 4.3, RFC 7888): `{n}` or `{n+}`, then CRLF.

use super::command::{Literal, Sync};

/// Bytes of the longest announcement that is understood, CRLF included: `{`, 20 digits, `+}`, CRLF.
pub const ANNOUNCEMENT_BYTES_MAX: usize = 25;

/// The literal that the end of `line` announces, if it does. A length beyond 64 bits counts as the largest there is.
pub fn announced(line: &[u8]) -> Option<Literal> {
    let inner = line.strip_suffix(b"}\r\n")?;
    let (inner, sync) = match inner.strip_suffix(b"+") {
        Some(inner) => (inner, Sync::NonSynchronizing),
        None => (inner, Sync::Synchronizing),
    };
    let brace = inner.iter().rposition(|byte| *byte == b'{')?;
    let digits = inner.get(brace + 1..)?;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let bytes = std::str::from_utf8(digits)
        .ok()?
        .parse()
        .unwrap_or(u64::MAX);
    Some(Literal { bytes, sync })
}
