//! Internationalized messages as clients of before RFC 6532 can read them (RFC 6858).
//!
//! A message counts as internationalized if an address in its header, or in what the server put in front of it, is in
//! UTF-8: that is what such clients cannot show, reply to or parse. Its own header is then made anew in ASCII; the
//! stored message stays as it is. UTF-8 or another charset in subjects and names alone has always been sent as it came,
//! clients cope with it, and it goes on so; the same holds for the headers of parts and of attached messages.

use super::header::{Field, fields};
use super::text::{decode_words, encode_words};
use super::{
    Content, Envelope, EnvelopeAddress, Param, Part, Scanner, Summary, address_list, content,
};

/// What stands in for an address that has no ASCII form (RFC 6858 2.1). Nobody can reply to it.
const INVALID: &str = "<invalid@internationalized-address.invalid>";

/// Fields with addresses.
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

/// The header, and what it says, of a message that is shown in place of an internationalized one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surrogate {
    /// Fields and the empty line, ASCII; the body follows as it is.
    pub header: Vec<u8>,
    /// ENVELOPE data of that header.
    pub envelope: Envelope,
    /// Body structure: offsets are those of the stored message.
    pub body: Part,
}

/// Whether such a client is shown a surrogate of a message with that envelope, behind these fields of the server's.
pub fn is_needed(envelope: &Envelope, prefix: &[u8]) -> bool {
    let lists = [
        &envelope.from,
        &envelope.sender,
        &envelope.reply_to,
        &envelope.to,
        &envelope.cc,
        &envelope.bcc,
    ];
    !prefix.is_ascii() || lists.into_iter().flatten().any(is_internationalized)
}

fn is_internationalized(address: &EnvelopeAddress) -> bool {
    let is_utf8 = |text: &Vec<u8>| !text.is_ascii() && std::str::from_utf8(text).is_ok();
    address.host.is_some()
        && [&address.mailbox, &address.host]
            .into_iter()
            .flatten()
            .any(is_utf8)
}

/// Whether a part or attachment is a message of RFC 6532, which the structure of RFC 3501 has no words for.
pub fn has_global(part: &Part) -> bool {
    part.is("message", "global")
        || match &part.content {
            Content::Leaf => false,
            Content::Multipart(parts) => parts.iter().any(has_global),
            Content::Message(inner) => has_global(&inner.body),
        }
}

/// The structure with messages of RFC 6532 as parts that are not looked into (RFC 9755 5: `media-message` of RFC 3501
/// is `message/rfc822` alone).
#[must_use]
pub fn conventional(part: &Part) -> Part {
    let content = match &part.content {
        Content::Message(_) if part.is("message", "global") => Content::Leaf,
        Content::Leaf => Content::Leaf,
        Content::Multipart(parts) => Content::Multipart(parts.iter().map(conventional).collect()),
        Content::Message(inner) => Content::Message(Box::new(Summary {
            envelope: inner.envelope.clone(),
            body: conventional(&inner.body),
        })),
    };
    Part {
        content,
        ..part.clone()
    }
}

impl Surrogate {
    /// In place of the message whose whole header is `block`, the server's fields included.
    pub fn new(block: &[u8], summary: &Summary) -> Self {
        let header = header(block);
        let mut scanner = Scanner::new();
        scanner.push(&header);
        let shown = scanner.finish().summary;
        let body = Part {
            params: shown.body.params,
            id: shown.body.id,
            description: shown.body.description,
            disposition: shown.body.disposition,
            language: shown.body.language,
            location: shown.body.location,
            ..summary.body.clone()
        };
        Self {
            header,
            envelope: shown.envelope,
            body,
        }
    }
}

/// Fields in ASCII stay as they are; others are written anew, or left out if there is no way (RFC 6858 2.4).
fn header(block: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for field in fields(block) {
        let raw = field.raw.trim_ascii_end();
        if raw.is_empty() {
            // White space alone would read as the header's end.
        } else if raw.is_ascii() {
            out.extend_from_slice(raw);
            out.extend_from_slice(b"\r\n");
        } else if let Some(value) = value(field) {
            out.extend_from_slice(field.name);
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

fn value(field: Field<'_>) -> Option<String> {
    let is_one_of = |names: &[&str]| names.iter().any(|name| field.is(name));
    if is_one_of(ADDRESS_FIELDS) {
        return addresses(&field.unfolded());
    }
    if is_one_of(TEXT_FIELDS) {
        return Some(encode_words(&decode_words(&field.unfolded())));
    }
    let part = content::parse(field.raw, content::Assumed::Text);
    if field.is("content-type") {
        let kind = [part.media_type.as_slice(), b"/", &part.subtype].concat();
        return parameters(&kind, &part.params);
    }
    let disposition = part.disposition?;
    parameters(&disposition.kind, &disposition.params)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn summary(block: &[u8]) -> Summary {
        let mut scanner = Scanner::new();
        scanner.push(block);
        scanner.finish().summary
    }

    fn check(block: &str, expected: &str) {
        let shown = Surrogate::new(block.as_bytes(), &summary(block.as_bytes()));
        assert_eq!(
            String::from_utf8(shown.header).unwrap(),
            expected,
            "{block}"
        );
    }

    #[test]
    fn addresses_tell_whom_they_stand_for() {
        check(
            "From: J\u{f6}rg <j\u{f6}rg@x.de>\r\nTo: Anna <anna@x.de>, \"b c\"@x.de,\r\n b@\u{fc}.de\r\n\r\n",
            "From: =?utf-8?B?SsO2cmcgPGrDtnJnQHguZGU+?=\r\n <invalid@internationalized-address.invalid>\r\n\
             To: Anna\r\n <anna@x.de>,\r\n \"b c\"@x.de,\r\n =?utf-8?B?YkDDvC5kZQ==?=\r\n \
             <invalid@internationalized-address.invalid>\r\n\r\n",
        );
        check(
            "Cc: Gr\u{fc}n: a@x.de, \u{fc}@x.de; c@x.de\r\n",
            "Cc: =?utf-8?B?R3LDvG4=?=:\r\n a@x.de,\r\n =?utf-8?B?w7xAeC5kZQ==?=\r\n \
             <invalid@internationalized-address.invalid>;,\r\n c@x.de\r\n\r\n",
        );
    }

    #[test]
    fn texts_and_parameters_are_encoded_and_the_rest_is_left_out() {
        check(
            "Return-Path: <\u{fc}@x.de>\r\nReceived: a\r\n\tb\r\nSubject: Gr\u{fc}\u{df}e\r\n\
             Message-ID: <\u{fc}@x>\r\nX-Y: z\nContent-Type: text/plain; name=\"\u{fc} 1.txt\"; charset=utf-8\r\n\
             Content-Disposition: attachment; filename=\u{fc}\r\n",
            "Received: a\r\n\tb\r\nSubject: =?utf-8?B?R3LDvMOfZQ==?=\r\nX-Y: z\r\n\
             Content-Type: text/plain;\r\n name*=utf-8''%C3%BC%201.txt;\r\n charset=\"utf-8\"\r\n\
             Content-Disposition: attachment;\r\n filename*=utf-8''%C3%BC\r\n\r\n",
        );
    }

    #[test]
    fn needed_for_addresses_only() {
        let needed = |block: &[u8]| is_needed(&summary(block).envelope, b"Return-Path: <>\r\n");
        assert!(needed("To: a@x.de, \u{fc}@x.de\r\n".as_bytes()));
        assert!(needed("From: a@\u{fc}.de\r\n".as_bytes()));
        assert!(!needed(
            "From: J\u{f6}rg <j@x.de>\r\nSubject: \u{fc}\r\n".as_bytes()
        ));
        assert!(!needed(b"From: \xfc@x.de\r\n"));
        assert!(is_needed(
            &Envelope::default(),
            "Return-Path: <\u{fc}@x.de>\r\n".as_bytes()
        ));
    }

    #[test]
    fn structure_and_envelope_are_those_of_the_new_header() {
        let block = "From: \u{fc}@x.de\r\nContent-Type: multipart/mixed; boundary=b; name=\u{fc}\r\n\r\n\
                     --b\r\nContent-Type: message/global\r\n\r\nSubject: x\r\n\r\ny\r\n--b--\r\n";
        let original = summary(block.as_bytes());
        let shown = Surrogate::new(block.as_bytes(), &original);
        let from = shown.envelope.from.first().unwrap();
        assert_eq!(
            from.host.as_deref(),
            Some(&b"internationalized-address.invalid"[..])
        );
        assert_eq!(shown.body.param("boundary"), Some(&b"b"[..]));
        assert_eq!(shown.body.param("name*"), Some(&b"utf-8''%C3%BC"[..]));
        assert_eq!(shown.body.content, original.body.content);
        assert!(has_global(&shown.body));
        let conventional = Summary {
            envelope: Envelope::default(),
            body: conventional(&shown.body),
        };
        assert_eq!(conventional.part(&[1]).unwrap().content, Content::Leaf);
    }

    proptest! {
        #[test]
        fn any_header_becomes_ascii_and_stays_so(
            lines in prop::collection::vec(("(From|To|Subject|X-Y|Content-Type|Message-ID|)", "[a-z<>@,:;\"=/()\u{fc} ]{0,30}"), 0..6),
        ) {
            let lines = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
            let block = lines.collect::<String>();
            let shown = Surrogate::new(block.as_bytes(), &summary(block.as_bytes()));
            prop_assert!(shown.header.is_ascii());
            prop_assert!(!is_needed(&shown.envelope, b""));
            let again = Surrogate::new(&shown.header, &summary(&shown.header));
            prop_assert_eq!(again.header, shown.header);
        }
    }
}
