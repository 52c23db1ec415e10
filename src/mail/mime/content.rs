//! The MIME fields of a header block (RFC 2045, 2183, 1864, 3282), as a [`Part`] without offsets.

use super::address_list::{comment, quoted};
use super::header::{Field, fields};
use super::{Disposition, PARAMS_MAX, Param, Part};

/// Longest boundary that is looked for. RFC 2046 5.1.1 allows 70.
pub(super) const BOUNDARY_BYTES_MAX: usize = 250;

/// Longest media type, subtype, encoding or disposition that is believed.
const WORD_BYTES_MAX: usize = 80;

/// What a part is if it does not say so itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assumed {
    /// `text/plain`
    Text,
    /// `message/rfc822`, in `multipart/digest` (RFC 2046 5.1.5)
    Message,
}

impl Assumed {
    /// What parts of a multipart are if they do not say so.
    pub(super) fn inside(multipart: &Part) -> Self {
        if multipart.is("multipart", "digest") {
            Self::Message
        } else {
            Self::Text
        }
    }
}

/// The part that `block` describes. The first field of each name counts.
pub(super) fn parse(block: &[u8], assumed: Assumed) -> Part {
    let mut part = Part::default();
    if assumed == Assumed::Message {
        set_type(&mut part, b"message", b"rfc822");
        part.params.clear();
    }
    let mut seen = Seen::default();
    for field in fields(block) {
        let is_mime = field
            .name
            .get(..8)
            .is_some_and(|p| p.eq_ignore_ascii_case(b"content-"));
        if is_mime {
            take(&mut part, &mut seen, field);
        }
    }
    part
}

/// Which fields were there whose lack a default hides.
#[derive(Default)]
struct Seen {
    content_type: bool,
    encoding: bool,
}

fn take(part: &mut Part, seen: &mut Seen, field: Field<'_>) {
    let value = field.unfolded();
    let set = |slot: &mut Option<Vec<u8>>| {
        slot.get_or_insert(value.clone());
    };
    match field.name.to_ascii_lowercase().as_slice() {
        b"content-type" if !std::mem::replace(&mut seen.content_type, true) => {
            take_type(part, &value);
        }
        b"content-transfer-encoding" if !std::mem::replace(&mut seen.encoding, true) => {
            take_encoding(part, &value);
        }
        b"content-id" => set(&mut part.id),
        b"content-description" => set(&mut part.description),
        b"content-md5" => set(&mut part.md5),
        b"content-location" => set(&mut part.location),
        b"content-disposition" if part.disposition.is_none() => {
            part.disposition = disposition(&value);
        }
        b"content-language" if part.language.is_empty() => part.language = languages(&value),
        _ => {}
    }
}

fn set_type(part: &mut Part, media_type: &[u8], subtype: &[u8]) {
    part.media_type = media_type.to_ascii_lowercase();
    part.subtype = subtype.to_ascii_lowercase();
}

/// A value that is no media type counts as missing (RFC 2045 5.2).
fn take_type(part: &mut Part, value: &[u8]) {
    let (essence, rest) = split_first_word(value);
    let mut halves = essence.splitn(2, |b| *b == b'/').map(<[u8]>::trim_ascii);
    let media_type = halves.next().unwrap_or_default();
    match halves.next() {
        Some(subtype) if is_word(media_type) && is_word(subtype) => {
            set_type(part, media_type, subtype);
            part.params = params(rest);
        }
        // `Content-Type: text; charset=...` occurs.
        None if media_type.eq_ignore_ascii_case(b"text") => {
            set_type(part, b"text", b"plain");
            part.params = params(rest);
        }
        _ => {}
    }
}

fn take_encoding(part: &mut Part, value: &[u8]) {
    let (encoding, _) = split_first_word(value);
    if is_word(&encoding) {
        part.encoding = encoding.to_ascii_lowercase();
    }
}

fn disposition(value: &[u8]) -> Option<Disposition> {
    let (kind, rest) = split_first_word(value);
    is_word(&kind).then(|| Disposition {
        kind: kind.to_ascii_lowercase(),
        params: params(rest),
    })
}

fn languages(value: &[u8]) -> Vec<Vec<u8>> {
    let tags = value.split(|b| *b == b',').map(<[u8]>::trim_ascii);
    tags.filter(|tag| is_token(tag))
        .take(PARAMS_MAX)
        .map(<[u8]>::to_vec)
        .collect()
}

/// `token` of RFC 2045 5.1, 8-bit bytes let through.
fn is_token(text: &[u8]) -> bool {
    let is_special = |b: u8| b"()<>@,;:\\\"/[]?=".contains(&b);
    !text.is_empty()
        && !text
            .iter()
            .any(|b| *b <= b' ' || *b == 0x7f || is_special(*b))
}

fn is_word(text: &[u8]) -> bool {
    text.len() <= WORD_BYTES_MAX && is_token(text)
}

/// What stands before the first `;`, without comments and white space around it, and the rest with its `;`. A bracket
/// inside a word begins no comment: boundaries have them.
fn split_first_word(value: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut word = Vec::new();
    let mut rest = value;
    while let Some((&byte, tail)) = rest.split_first() {
        match byte {
            b';' => break,
            b'(' if word.last().is_none_or(u8::is_ascii_whitespace) => rest = comment(tail).1,
            _ => {
                word.push(byte);
                rest = tail;
            }
        }
    }
    (word.trim_ascii().to_vec(), rest)
}

/// The parameters of `;name=value;name="value"`. What is no parameter is passed over.
fn params(rest: &[u8]) -> Vec<Param> {
    let mut found = Vec::new();
    let mut rest = rest;
    while found.len() < PARAMS_MAX {
        let Some(tail) = rest.strip_prefix(b";") else {
            break;
        };
        let end = tail.iter().position(|b| matches!(b, b'=' | b';'));
        let (name, tail) = tail.split_at(end.unwrap_or(tail.len()));
        let name = name.trim_ascii().to_ascii_lowercase();
        let Some(tail) = tail.strip_prefix(b"=") else {
            rest = tail;
            continue;
        };
        let (value, tail) = param_value(tail);
        rest = tail;
        if is_token(&name) {
            found.push((name, value));
        }
    }
    found
}

/// A value up to its `;`. One without quotes may have spaces in it, since file names are written so.
fn param_value(tail: &[u8]) -> (Vec<u8>, &[u8]) {
    let tail = tail.trim_ascii_start();
    let Some(body) = tail.strip_prefix(b"\"") else {
        return split_first_word(tail);
    };
    let (value, tail) = quoted(body, b'"');
    (value, split_first_word(tail).1)
}

/// The boundary of a multipart part, if it has one that can be looked for.
pub(super) fn boundary(part: &Part) -> Option<Vec<u8>> {
    // RFC 2046 5.1.1: a boundary does not end with white space.
    let boundary = part.param("boundary")?.trim_ascii_end();
    let fits = !boundary.is_empty() && boundary.len() <= BOUNDARY_BYTES_MAX;
    fits.then(|| boundary.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The part's type, parameters and disposition in one line.
    fn check(block: &str, expected: &str) {
        let part = parse(block.as_bytes(), Assumed::Text);
        let mut line = format!("{}/{}", show(&part.media_type), show(&part.subtype));
        push_params(&mut line, &part.params);
        line.push_str(" | ");
        line.push_str(&show(&part.encoding));
        if let Some(disposition) = &part.disposition {
            line.push_str(" | ");
            line.push_str(&show(&disposition.kind));
            push_params(&mut line, &disposition.params);
        }
        assert_eq!(line, expected, "{block}");
    }

    fn show(text: &[u8]) -> String {
        String::from_utf8_lossy(text).into_owned()
    }

    fn push_params(line: &mut String, params: &[Param]) {
        for (name, value) in params {
            line.extend([" ", &show(name), "=[", &show(value), "]"]);
        }
    }

    #[test]
    fn types_and_params() {
        check("", "text/plain charset=[us-ascii] | 7bit");
        check(
            "Content-Type: TEXT/HTML; Charset=\"utf-8\"\r\n",
            "text/html charset=[utf-8] | 7bit",
        );
        check(
            "Content-Type: text / plain (really); format=flowed (x) ; delsp=\"yes\" (y)\n",
            "text/plain format=[flowed] delsp=[yes] | 7bit",
        );
        check(
            "Content-type: multipart/mixed;\r\n boundary=\"=_a;b\\\"c\"\r\n",
            "multipart/mixed boundary=[=_a;b\"c] | 7bit",
        );
        check(
            "Content-Type: application/pdf; name=two words.pdf; x\n",
            "application/pdf name=[two words.pdf] | 7bit",
        );
        check(
            "Content-Type: a/b; f*0*=utf-8''x%20; f*1=y\n",
            "a/b f*0*=[utf-8''x%20] f*1=[y] | 7bit",
        );
        check(
            "Content-Type: a/b; n=\"no end; x=y\n",
            "a/b n=[no end; x=y] | 7bit",
        );
    }

    #[test]
    fn invalid_types_count_as_missing() {
        for value in ["", "text plain", "/", "a/", "text/a/b", "a b/c", "=?x?="] {
            check(
                &format!("Content-Type: {value}\n"),
                "text/plain charset=[us-ascii] | 7bit",
            );
        }
        check(
            "Content-Type: text; charset=x\n",
            "text/plain charset=[x] | 7bit",
        );
    }

    #[test]
    fn first_field_counts() {
        check("Content-Type: a/b\nContent-Type: c/d\n", "a/b | 7bit");
        check(
            "Content-Type: bad\nContent-Type: c/d\n",
            "text/plain charset=[us-ascii] | 7bit",
        );
    }

    #[test]
    fn other_fields() {
        check(
            "Content-Transfer-Encoding: BASE64 (x)\nContent-Disposition: Attachment; FileName=a.txt\n",
            "text/plain charset=[us-ascii] | base64 | attachment filename=[a.txt]",
        );
        let part = parse(
            b"Content-ID: <1@x>\nContent-Language: de, en-GB,\nContent-MD5: Q2h\n\
              Content-Location: http://x/\nContent-Description: =?utf-8?Q?=C3?=\n",
            Assumed::Message,
        );
        assert!(part.is("message", "rfc822") && part.params.is_empty());
        assert_eq!(part.id.as_deref(), Some(&b"<1@x>"[..]));
        assert_eq!(part.language, [b"de".to_vec(), b"en-GB".to_vec()]);
        assert_eq!(part.md5.as_deref(), Some(&b"Q2h"[..]));
        assert_eq!(part.location.as_deref(), Some(&b"http://x/"[..]));
        assert_eq!(part.description.as_deref(), Some(&b"=?utf-8?Q?=C3?="[..]));
    }

    #[test]
    fn params_are_limited() {
        let block = format!("Content-Type: a/b{}\n", "; a=b".repeat(PARAMS_MAX + 5));
        assert_eq!(
            parse(block.as_bytes(), Assumed::Text).params.len(),
            PARAMS_MAX
        );
    }
}
