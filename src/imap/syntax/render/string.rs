//! Strings in responses (RFC 3501 4.3, 5.1): quoted where that is possible, as literals where not.

use super::put;
use crate::imap::syntax::lexer::{Dialect, is_astring_char};
use crate::mail::mailbox_name::MailboxName;

/// Longest quoted string written, in bytes; longer ones go out as literals.
pub const QUOTED_BYTES_MAX: usize = 1000;

/// A string.
pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    let plain = |byte: &u8| matches!(byte, 0x20..=0x7E);
    if text.len() <= QUOTED_BYTES_MAX && text.iter().all(plain) {
        quoted(out, text);
    } else {
        literal(out, text);
    }
}

/// A string, or NIL for nothing.
pub fn nstring(out: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        Some(text) => string(out, text),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// An atom if possible, else a string.
pub fn astring(out: &mut Vec<u8>, text: &[u8]) {
    let bare = !text.is_empty()
        && !text.eq_ignore_ascii_case(b"NIL")
        && text.iter().all(|byte| is_astring_char(*byte));
    if bare {
        out.extend_from_slice(text);
    } else {
        string(out, text);
    }
}

/// A mailbox name.
pub fn mailbox(out: &mut Vec<u8>, name: &MailboxName, dialect: Dialect) {
    match dialect {
        Dialect::Utf7 => astring(out, name.to_utf7().as_bytes()),
        Dialect::Utf8 if name.as_str().is_ascii() => astring(out, name.as_str().as_bytes()),
        Dialect::Utf8 => quoted(out, name.as_str().as_bytes()),
    }
}

fn quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// NUL may not stand in a literal (RFC 3501 9, `CHAR8`); it becomes `?`.
fn literal(out: &mut Vec<u8>, text: &[u8]) {
    put!(out, "{{{}}}\r\n", text.len());
    out.extend(
        text.iter()
            .map(|byte| if *byte == 0 { b'?' } else { *byte }),
    );
}
