//! Leaves fields out of a message's header while its bytes stream by.
//!
//! Everything else passes unchanged, and the body is not looked at. What is held is one field, up to
//! [`FIELD_BYTES_MAX`]; the result depends on the bytes alone, not on how they were cut into pieces.

use super::header;
use crate::mail::address::Domain;

/// Bytes of a field by which it is judged; what follows goes where they went.
pub const FIELD_BYTES_MAX: usize = 4 * 1024;

/// What is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unwanted {
    /// Every field of that name, such as `Bcc`.
    Named(&'static str),
    /// `Authentication-Results` that claim to be of that host (RFC 8601 5).
    ResultsOf(Domain),
}

/// Takes a message's bytes and gives those that stay.
#[derive(Debug)]
pub struct HeaderFilter {
    unwanted: Vec<Unwanted>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// At the first byte of a line, with the field that it may continue.
    LineStart(Field),
    /// A CR was the first byte of a line.
    AfterCr(Field),
    /// Within a line.
    Inside(Field),
    Body,
}

/// The field under way.
#[derive(Debug)]
enum Field {
    /// Not judged yet; empty before the first field.
    Held(Vec<u8>),
    Kept,
    Dropped,
}

impl HeaderFilter {
    /// At the first byte of a message.
    pub fn new(unwanted: Vec<Unwanted>) -> Self {
        Self {
            unwanted,
            state: State::LineStart(Field::Held(Vec::new())),
        }
    }

    /// Takes the next piece, of any size, and appends to `out` what stays. Up to a field may be held back.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut rest = piece;
        while let Some((&byte, after)) = rest.split_first() {
            let state = std::mem::replace(&mut self.state, State::Body);
            if matches!(state, State::Body) {
                out.extend_from_slice(rest);
                return;
            }
            self.state = self.take(state, byte, out);
            rest = after;
        }
    }

    /// No more pieces: what was held back is judged.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        match std::mem::replace(&mut self.state, State::Body) {
            State::LineStart(field) | State::Inside(field) => {
                self.settle(field, out);
            }
            State::AfterCr(field) => {
                self.settle(field, out);
                out.push(b'\r');
            }
            State::Body => {}
        }
    }

    fn take(&self, state: State, byte: u8, out: &mut Vec<u8>) -> State {
        match (state, byte) {
            (State::LineStart(field), b'\r') => State::AfterCr(field),
            (State::LineStart(field), b'\n') => {
                self.settle(field, out);
                out.push(b'\n');
                State::Body
            }
            (State::AfterCr(field), b'\n') => {
                self.settle(field, out);
                out.extend_from_slice(b"\r\n");
                State::Body
            }
            (State::AfterCr(field), byte) => {
                // A line that begins with CR and is not empty belongs to nothing.
                self.settle(field, out);
                let field = self.add(Field::Held(Vec::new()), b'\r', out);
                self.within(field, byte, out)
            }
            (State::LineStart(field), b' ' | b'\t') => self.within(field, byte, out),
            (State::LineStart(field), byte) => {
                self.settle(field, out);
                self.within(Field::Held(Vec::new()), byte, out)
            }
            (State::Inside(field), byte) => self.within(field, byte, out),
            (State::Body, byte) => {
                out.push(byte);
                State::Body
            }
        }
    }

    fn within(&self, field: Field, byte: u8, out: &mut Vec<u8>) -> State {
        let field = self.add(field, byte, out);
        if byte == b'\n' {
            State::LineStart(field)
        } else {
            State::Inside(field)
        }
    }

    fn add(&self, field: Field, byte: u8, out: &mut Vec<u8>) -> Field {
        match field {
            Field::Held(mut bytes) => {
                bytes.push(byte);
                if bytes.len() < FIELD_BYTES_MAX {
                    return Field::Held(bytes);
                }
                self.settle(Field::Held(bytes), out)
            }
            Field::Kept => {
                out.push(byte);
                Field::Kept
            }
            Field::Dropped => Field::Dropped,
        }
    }

    /// Judges a field that is held.
    fn settle(&self, field: Field, out: &mut Vec<u8>) -> Field {
        let Field::Held(bytes) = field else {
            return field;
        };
        if self.unwanted.iter().any(|unwanted| unwanted.is(&bytes)) {
            return Field::Dropped;
        }
        out.extend_from_slice(&bytes);
        Field::Kept
    }
}

impl Unwanted {
    fn is(&self, raw: &[u8]) -> bool {
        let Some(field) = header::fields(raw).next() else {
            return false;
        };
        match self {
            Self::Named(name) => field.is(name),
            Self::ResultsOf(host) => {
                field.is("Authentication-Results") && claims_to_be(field.value, host)
            }
        }
    }
}

/// Whether the authserv-id that `value` begins with (RFC 8601 2.2) is `host`. What cannot be read counts as a claim.
fn claims_to_be(value: &[u8], host: &Domain) -> bool {
    let Some(rest) = without_comments(value) else {
        return true;
    };
    let id: Vec<u8> = match rest.strip_prefix(b"\"") {
        Some(quoted) => {
            let text = quoted.split(|b| *b == b'"').next().unwrap_or_default();
            text.iter().copied().filter(|b| *b != b'\\').collect()
        }
        None => rest
            .split(|b| b.is_ascii_whitespace() || matches!(b, b';' | b'('))
            .next()
            .unwrap_or_default()
            .to_vec(),
    };
    let id = String::from_utf8_lossy(&id);
    let id = id.trim().trim_end_matches('.');
    id.eq_ignore_ascii_case(host.as_str()) || Domain::parse(id).is_ok_and(|id| id == *host)
}

/// What follows white space and comments; `None` if a comment does not end.
fn without_comments(value: &[u8]) -> Option<&[u8]> {
    let mut rest = value.trim_ascii_start();
    while rest.starts_with(b"(") {
        let end = comment_bytes(rest)?;
        rest = rest.get(end..).unwrap_or_default().trim_ascii_start();
    }
    Some(rest)
}

/// Length of the comment that `text` begins with (RFC 5322 3.2.2); comments nest.
fn comment_bytes(text: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(message: &str, cut: usize) -> String {
        let host = Domain::parse("mail.home.test").unwrap();
        let mut filter = HeaderFilter::new(vec![Unwanted::Named("Bcc"), Unwanted::ResultsOf(host)]);
        let mut out = Vec::new();
        for piece in message.as_bytes().chunks(cut) {
            filter.push(piece, &mut out);
        }
        filter.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn check(message: &str, expected: &str) {
        for cut in [1, 2, 3, 7, usize::MAX] {
            assert_eq!(filtered(message, cut), expected, "{message:?} cut at {cut}");
        }
    }

    #[test]
    fn unwanted_fields_go_with_their_continuations() {
        check(
            "A: b\r\nBcc: x@y.z,\r\n\tc@d.e\r\nC: d\r\n e\r\n\r\nBcc: body\r\n",
            "A: b\r\nC: d\r\n e\r\n\r\nBcc: body\r\n",
        );
        check("bCC : x\r\n", "");
        check("Bcc: x\r\nBcc:\r\n\r\n", "\r\n");
        check("A: b\nBcc: x\n y\n\nBcc: body", "A: b\n\nBcc: body");
        check("Bcc", "Bcc");
        check("A: b\r\n\r", "A: b\r\n\r");
        check("", "");
        check("\r\nBcc: body", "\r\nBcc: body");
        check("Bccs: x\r\n :y\r\n\r\n", "Bccs: x\r\n :y\r\n\r\n");
    }

    #[test]
    fn a_long_field_goes_or_stays_whole() {
        let long = "x".repeat(2 * FIELD_BYTES_MAX);
        check(
            &format!("Bcc: {long}\r\n {long}\r\nA: b\r\n\r\n"),
            "A: b\r\n\r\n",
        );
        let kept = format!("Cc: {long}\r\n {long}\r\nA: b\r\n\r\n");
        check(&kept, &kept);
    }

    #[test]
    fn results_of_ours_go() {
        let gone = [
            "mail.home.test; spf=pass",
            "MAIL.Home.Test;spf=pass",
            "mail.home.test",
            "mail.home.test. 1; spf=pass",
            "(c(o)m\\)ment) mail.home.test (x) 1; dkim=pass",
            "\"mail.home.test\"; dkim=pass",
            "\r\n mail.home.test;\r\n\tspf=pass",
            "(never ends mail.home.test",
        ];
        for value in gone {
            check(
                &format!("authentication-results: {value}\r\nA: b\r\n\r\n"),
                "A: b\r\n\r\n",
            );
        }
        for value in [
            "mx.other.test; spf=pass",
            "home.test",
            "; mail.home.test",
            "",
        ] {
            let field = format!("Authentication-Results: {value}\r\n\r\n");
            check(&field, &field);
        }
    }
}
