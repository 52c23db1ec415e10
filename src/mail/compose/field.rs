//! Header fields from their parts, folded and encoded.

use std::fmt::Write as _;

use super::{Line, MessageId, Party};
use crate::mail::mime::text::encode_words;

/// Longest line with an encoded word in it (RFC 2047 2); others are folded there too.
const FOLDED_BYTES_MAX: usize = 76;

/// Longest word of a header that is not encoded.
const WORD_BYTES_MAX: usize = 60;

/// Bytes of one piece of a long parameter (RFC 2231 3).
const PIECE_BYTES_MAX: usize = 50;

/// A field of words that are kept whole; `name` has its colon.
fn folded(name: &str, words: &[String]) -> String {
    let mut out = name.to_owned();
    let mut column = name.len();
    for word in words {
        // The first word stays with the name, so that no line is empty.
        if column > name.len() && column + 1 + word.len() > FOLDED_BYTES_MAX {
            out.push_str("\r\n");
            column = 0;
        }
        out.push(' ');
        out.push_str(word);
        column += 1 + word.len();
    }
    out.push_str("\r\n");
    out
}

/// A list of addresses; nothing for nobody.
pub(super) fn parties(name: &str, parties: &[Party]) -> String {
    if parties.is_empty() {
        return String::new();
    }
    let mut words = Vec::new();
    for (at, party) in parties.iter().enumerate() {
        let comma = if at + 1 < parties.len() { "," } else { "" };
        if party.name.as_str().is_empty() {
            words.push(format!("{}{comma}", party.address));
        } else {
            words.extend(phrase(&party.name));
            words.push(format!("<{}>{comma}", party.address));
        }
    }
    folded(name, &words)
}

/// A display name: as it is, quoted, or encoded.
fn phrase(name: &Line) -> Vec<String> {
    let name = name.as_str();
    let is_atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    if is_readable(name) && name.bytes().all(|b| b == b' ' || is_atom(b)) {
        return name.split(' ').map(str::to_owned).collect();
    }
    if is_readable(name) && name.len() <= WORD_BYTES_MAX {
        return vec![quoted(name)];
    }
    encoded(name)
}

/// Whether words of it can stand as they are: ASCII, with single spaces, and nothing that reads as encoded.
fn is_readable(text: &str) -> bool {
    let is_plain = text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    is_plain
        && !text.contains("=?")
        && text
            .split(' ')
            .all(|word| !word.is_empty() && word.len() <= WORD_BYTES_MAX)
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn encoded(text: &str) -> Vec<String> {
    encode_words(text)
        .split("\r\n ")
        .map(str::to_owned)
        .collect()
}

/// A text for people.
pub(super) fn text(name: &str, text: &Line) -> String {
    let text = text.as_str();
    if text.is_empty() {
        return format!("{name}\r\n");
    }
    if is_readable(text) {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        return folded(name, &words);
    }
    folded(name, &encoded(text))
}

/// A list of Message-IDs; nothing for none.
pub(super) fn ids(name: &str, ids: &[MessageId]) -> String {
    if ids.is_empty() {
        return String::new();
    }
    let words: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
    folded(name, &words)
}

/// A field with one parameter, which is a text (RFC 2045 5.1, RFC 2231 3 and 4); without it if the text is empty.
pub(super) fn with_param(field: &str, param: &str, value: &Line) -> String {
    let value = value.as_str();
    if value.is_empty() {
        return format!("{field}\r\n");
    }
    let is_short = value.len() <= PIECE_BYTES_MAX;
    if is_short && value.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        return format!("{field};\r\n {param}={}\r\n", quoted(value));
    }
    let pieces = escaped_pieces(value);
    let mut out = field.to_owned();
    match pieces.as_slice() {
        [only] => {
            let _written = write!(out, ";\r\n {param}*=utf-8''{only}");
        }
        several => {
            for (at, piece) in several.iter().enumerate() {
                let charset = if at == 0 { "utf-8''" } else { "" };
                let _written = write!(out, ";\r\n {param}*{at}*={charset}{piece}");
            }
        }
    }
    out.push_str("\r\n");
    out
}

/// RFC 2231 7, `attribute-char`; the rest is escaped. No piece ends within a character: some readers decode each alone.
fn escaped_pieces(value: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for c in value.chars() {
        let piece = escaped(c);
        match pieces.last_mut() {
            Some(last) if last.len() + piece.len() <= PIECE_BYTES_MAX => last.push_str(&piece),
            _ => pieces.push(piece),
        }
    }
    pieces
}

fn escaped(c: char) -> String {
    if c.is_ascii_alphanumeric() || "!#$&+-.^_`{|}~".contains(c) {
        return c.to_string();
    }
    let mut bytes = [0; 4];
    let bytes = c.encode_utf8(&mut bytes).bytes();
    bytes.fold(String::new(), |mut out, byte| {
        let _written = write!(out, "%{byte:02X}");
        out
    })
}
