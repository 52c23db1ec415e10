//! Header fields in ASCII: what RFC 6858 2 says of each.

use super::super::header::{Field, fields};
use super::super::text::{decode_words, encode_words};
use super::super::{Content, Param, Part, address_list, content};

/// What stands in for an address that has no ASCII form (RFC 6858 2.1). Nobody can reply to it.
const INVALID: &str = "<invalid@internationalized-address.invalid>";

/// Fields with addresses, `Return-Path` apart, which has no names.
const ADDRESS_FIELDS: &[&str] = &[
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "bcc",
    "resent-from",
    "resent-sender",
    "resent-to",
    "resent-cc",
    "resent-bcc",
];

/// Fields with any text.
const TEXT_FIELDS: &[&str] = &["subject", "comments", "content-description"];

/// What a header tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A part that is a message itself.
    Attached,
    Other,
}

impl Kind {
    pub(super) fn of(part: &Part) -> Self {
        match part.content {
            Content::Message(_) => Self::Attached,
            Content::Leaf | Content::Multipart(_) => Self::Other,
        }
    }
}

/// A header in ASCII. Fields that are so stay byte for byte; others are written anew, or left out if there is no way.
pub(super) fn rewrite(block: &[u8], kind: Kind) -> Vec<u8> {
    let mut out = Vec::with_capacity(block.len());
    let mut taken = 0;
    for field in fields(block) {
        taken += field.raw.len();
        if field.raw.is_ascii() && !is_global(field, kind) {
            out.extend_from_slice(field.raw);
            continue;
        }
        match value(field, kind) {
            Some(value) => {
                let parts = [field.name, b": ", value.as_bytes(), line_end(field.raw)];
                out.extend(parts.into_iter().flatten());
            }
            // The line end of the last field may belong to a boundary: then the field before does without one.
            None if line_end(field.raw).is_empty() => {
                out.truncate(out.len() - line_end(&out).len());
            }
            None => {}
        }
    }
    let rest = block.get(taken..).unwrap_or_default();
    out.extend(rest.iter().filter(|byte| byte.is_ascii()));
    out
}

/// What the rewritten header of `part` says, read as `read`; offsets and contents are left to the caller.
pub(super) fn described(part: &Part, read: Part) -> Part {
    let (media_type, subtype) = shown_type(part, Kind::of(part));
    // A multipart without a boundary was taken for text.
    let is_no_multipart = read.media_type == b"multipart" && part.is("text", "plain");
    Part {
        media_type: media_type.to_vec(),
        subtype: subtype.to_vec(),
        params: if is_no_multipart {
            Part::default().params
        } else {
            read.params
        },
        ..read
    }
}

fn line_end(text: &[u8]) -> &'static [u8] {
    let ends: [&[u8]; 2] = [b"\r\n", b"\n"];
    let found = ends.into_iter().find(|end| text.ends_with(end));
    found.unwrap_or_default()
}

fn is_global(field: Field<'_>, kind: Kind) -> bool {
    kind == Kind::Attached
        && field.is("content-type")
        && content::parse(field.raw, content::Assumed::Text).is("message", "global")
}

fn value(field: Field<'_>, kind: Kind) -> Option<String> {
    let is_one_of = |names: &[&str]| names.iter().any(|name| field.is(name));
    if is_one_of(ADDRESS_FIELDS) {
        return addresses(&field.unfolded());
    }
    if is_one_of(TEXT_FIELDS) {
        return Some(encode_words(&decode_words(&field.unfolded())));
    }
    if field.is("return-path") {
        return Some(INVALID.to_owned());
    }
    if field.is("content-type") {
        return content_type(field, kind);
    }
    let disposition = content::parse(field.raw, content::Assumed::Text).disposition?;
    parameters(&disposition.kind, &disposition.params)
}

/// A value that is no media type has no form in ASCII: without the field the same is assumed (RFC 2045 5.2).
fn content_type(field: Field<'_>, kind: Kind) -> Option<String> {
    let part = content::parse(field.raw, content::Assumed::Text);
    if part != content::parse(field.raw, content::Assumed::Message) {
        return None;
    }
    let (media_type, subtype) = shown_type(&part, kind);
    parameters(&[media_type, b"/", subtype].concat(), &part.params)
}

/// RFC 6532 3.7: a message that was brought into ASCII is no `message/global` any more, but one that every client knows.
/// Types that are no ASCII are what clients would take them for (RFC 2046 4).
fn shown_type(part: &Part, kind: Kind) -> (&[u8], &[u8]) {
    let (media_type, subtype) = (part.media_type.as_slice(), part.subtype.as_slice());
    match (media_type, subtype) {
        (b"message", b"global") if kind == Kind::Attached => (b"message", b"rfc822"),
        _ if media_type.is_ascii() && subtype.is_ascii() => (media_type, subtype),
        (b"text", _) => (b"text", b"plain"),
        (b"multipart", _) => (b"multipart", b"mixed"),
        _ => (b"application", b"octet-stream"),
    }
}

fn addresses(value: &[u8]) -> Option<String> {
    let mut out = String::new();
    let mut separator = "";
    for address in &address_list::parse(value) {
        match (&address.mailbox, &address.host) {
            (None, _) => {
                out.push(';');
                separator = ",\r\n ";
            }
            (Some(group), None) => {
                out.extend([separator, &phrase(&decode_words(group)), ":"]);
                separator = "\r\n ";
            }
            (Some(mailbox), Some(host)) => {
                out.extend([separator, &one(address.name.as_deref(), mailbox, host)]);
                separator = ",\r\n ";
            }
        }
    }
    (!out.is_empty()).then_some(out)
}

/// One address. If it has no ASCII form, its name tells it and nobody can reply (RFC 6858 2.1).
fn one(name: Option<&[u8]>, mailbox: &[u8], host: &[u8]) -> String {
    let name = name.map(decode_words);
    let local = String::from_utf8_lossy(mailbox);
    let text = if host.is_empty() {
        local.clone().into_owned()
    } else {
        format!("{local}@{}", String::from_utf8_lossy(host))
    };
    if !text.is_ascii() {
        let shown = name.map_or_else(|| text.clone(), |name| format!("{name} <{text}>"));
        return format!("{}\r\n {INVALID}", phrase(&shown));
    }
    if host.is_empty() {
        return phrase(&text);
    }
    let address = if local.bytes().all(|b| is_atext(b) || b == b'.') {
        text
    } else {
        format!("{}@{}", quoted(&local), String::from_utf8_lossy(host))
    };
    match name {
        Some(name) => format!("{}\r\n <{address}>", phrase(&name)),
        None => address,
    }
}

/// `phrase` (RFC 5322 3.2.5, RFC 2047 5 (3)).
fn phrase(text: &str) -> String {
    let is_plain = |b: u8| is_atext(b) || b == b' ';
    if !text.is_empty() && text.trim() == text && text.bytes().all(is_plain) && !text.contains("=?")
    {
        return text.to_owned();
    }
    if text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return quoted(text);
    }
    encode_words(text)
}

fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// RFC 5322 3.2.3.
fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// A word with parameters, those in UTF-8 as RFC 2231 4 has them. `None` if a name is no ASCII.
fn parameters(word: &[u8], params: &[Param]) -> Option<String> {
    let mut out = String::from_utf8(word.to_vec())
        .ok()
        .filter(|word| word.is_ascii())?;
    for (name, value) in params {
        let name = std::str::from_utf8(name)
            .ok()
            .filter(|name| name.is_ascii())?;
        match std::str::from_utf8(value) {
            Ok(text) if text.is_ascii() => out.extend([";\r\n ", name, "=", &quoted(text)]),
            Ok(text) if !name.contains('*') => {
                out.extend([";\r\n ", name, "*=utf-8''", &percent_encoded(text)]);
            }
            _ => {}
        }
    }
    Some(out)
}

fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'.' | b'-' | b'_' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
