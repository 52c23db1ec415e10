//! Header blocks: their fields, in order, found by name and unfolded (RFC 5322 2.2).
//!
//! A block is whatever stands before the first empty line. Line ends may be CRLF or bare LF. Lines that are no field
//! (no colon, or a continuation of nothing) are kept as fields without a name, so that nothing is lost when a block is
//! copied, and found by no name.

/// One field of a header block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Name as written, without white space around; empty for a line that is no field.
    pub name: &'a [u8],
    /// What follows the colon, still folded, with its last line end.
    pub value: &'a [u8],
    /// All of it as it stands, name and line ends included.
    pub raw: &'a [u8],
}

/// Walks through the fields of a block; ends at the empty line or at the end of the bytes.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

/// The fields of `block` in their order.
pub fn fields(block: &[u8]) -> Fields<'_> {
    Fields { rest: block }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let mut end = line_bytes(self.rest);
        if is_blank(self.rest.get(..end)?) {
            return None;
        }
        while let Some(rest) = self.rest.get(end..) {
            if !rest.first().is_some_and(|b| is_wsp(*b)) || is_blank(rest) {
                break;
            }
            end += line_bytes(rest);
        }
        let (raw, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(field(raw))
    }
}

fn field(raw: &[u8]) -> Field<'_> {
    let colon = raw.iter().position(|b| *b == b':' || *b == b'\n');
    let split = colon.and_then(|at| raw.split_at_checked(at));
    let nameless = Field {
        name: b"",
        value: raw,
        raw,
    };
    let Some((name, value)) = split else {
        return nameless;
    };
    // RFC 5322 4.5: white space before the colon is obsolete syntax.
    let name = name.trim_ascii_end();
    match value.strip_prefix(b":") {
        Some(value) if !name.is_empty() && name.iter().all(u8::is_ascii_graphic) => {
            Field { name, value, raw }
        }
        _ => nameless,
    }
}

/// Length of the first line with its line end.
fn line_bytes(text: &[u8]) -> usize {
    let end = text.iter().position(|b| *b == b'\n');
    end.map_or(text.len(), |at| at + 1)
}

/// Whether `text` begins with an empty line, or there is nothing.
fn is_blank(text: &[u8]) -> bool {
    text.is_empty() || text.starts_with(b"\n") || text.starts_with(b"\r\n")
}

fn is_wsp(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

impl Field<'_> {
    /// Whether it has that name, compared without case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The value unfolded (see [`unfold`]).
    pub fn unfolded(&self) -> Vec<u8> {
        unfold(self.value)
    }
}

/// The first field of that name, unfolded.
pub fn find(block: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut found = fields(block).filter(|field| field.is(name));
    found.next().map(|field| field.unfolded())
}

/// A value without its line ends (RFC 5322 2.2.3) and without white space around it. NUL, which IMAP cannot carry in
/// strings, and stray CRs are dropped.
pub fn unfold(value: &[u8]) -> Vec<u8> {
    let kept = value.trim_ascii().iter().copied();
    kept.filter(|b| !matches!(b, b'\r' | b'\n' | 0)).collect()
}

/// Which fields FETCH BODY[HEADER.FIELDS] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Those that are named (`HEADER.FIELDS`).
    Named,
    /// All others (`HEADER.FIELDS.NOT`).
    Others,
}

/// The selected fields as they stand, in their order (RFC 3501 6.4.5). The empty line is left to the caller, who may
/// take fields from several blocks.
pub fn select<N: AsRef<[u8]>>(block: &[u8], names: &[N], selection: Selection) -> Vec<u8> {
    let mut out = Vec::new();
    for field in fields(block) {
        let named = names
            .iter()
            .any(|name| field.name.eq_ignore_ascii_case(name.as_ref()));
        if named == (selection == Selection::Named) {
            out.extend_from_slice(field.raw);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &[u8] = b"From x Sun\r\n\
        Subject: eins\r\n\tzwei \r\n\
        TO : a@x.org\n\
        X-Empty:\r\n\
        subject: drei\r\n\
        \r\n\
        Not: header\r\n";

    fn names(block: &[u8]) -> Vec<&str> {
        fields(block)
            .map(|field| std::str::from_utf8(field.name).unwrap())
            .collect()
    }

    #[test]
    fn fields_in_order() {
        assert_eq!(names(BLOCK), ["", "Subject", "TO", "X-Empty", "subject"]);
        assert_eq!(names(b""), [""; 0]);
        assert_eq!(names(b"\nA: b"), [""; 0]);
        assert_eq!(names(b" lost\nA: b"), ["", "A"]);
        assert_eq!(names(b"A: b\n \n c\nB:"), ["A", "B"]);
    }

    #[test]
    fn raw_fields_make_up_the_block() {
        let raw: Vec<u8> = fields(BLOCK).flat_map(|field| field.raw.to_vec()).collect();
        assert!(BLOCK.starts_with(&raw));
        assert_eq!(&BLOCK[raw.len()..], b"\r\nNot: header\r\n");
    }

    #[test]
    fn finds_and_unfolds() {
        assert_eq!(find(BLOCK, "SUBJECT").as_deref(), Some(&b"eins\tzwei"[..]));
        assert_eq!(find(BLOCK, "to").as_deref(), Some(&b"a@x.org"[..]));
        assert_eq!(find(BLOCK, "x-empty").as_deref(), Some(&b""[..]));
        assert_eq!(find(BLOCK, "Not"), None);
        assert_eq!(find(BLOCK, ""), Some(b"From x Sun".to_vec()));
        assert_eq!(unfold(b" a\0\r b\r\n"), b"a b");
    }

    #[test]
    fn selects() {
        let named = select(BLOCK, &["to", "X-EMPTY", "Nothing"], Selection::Named);
        assert_eq!(named, b"TO : a@x.org\nX-Empty:\r\n");
        let others = select(BLOCK, &["subject"], Selection::Others);
        assert_eq!(others, b"From x Sun\r\nTO : a@x.org\nX-Empty:\r\n");
    }
}
