//! Names of files from parameters (RFC 2183 2.3, RFC 2231): in pieces, in other charsets, or as encoded words, which is
//! wrong (RFC 2047 5) and frequent.

use super::text::{decode_charset, decode_words};
use super::{Param, Part};

/// Most pieces of one value (RFC 2231 3).
const PIECES_MAX: usize = 64;

/// What a part says that it is called as a file, as it stands: it may have slashes or anything else.
pub fn file_name(part: &Part) -> Option<String> {
    let disposition = part.disposition.as_ref();
    let name = disposition.and_then(|disposition| value(&disposition.params, "filename"));
    let name = name.or_else(|| value(&part.params, "name"));
    name.filter(|name| !name.is_empty())
}

/// The value of the parameter of that name, which is in lower case, decoded.
pub fn value(params: &[Param], name: &str) -> Option<String> {
    let find = |name: &str| {
        let mut named = params.iter().filter(|(known, _)| known == name.as_bytes());
        named.next().map(|(_, value)| value.as_slice())
    };
    if let Some(whole) = find(&format!("{name}*")) {
        let (label, text) = split_label(whole);
        return Some(decode_charset(label, &unescape(text)));
    }
    if let Some(pieces) = join(&find, name) {
        return Some(pieces);
    }
    find(name).map(decode_words)
}

/// RFC 2231 3 and 4.1: `name*0`, `name*1*` and so on; those with a star at the end are escaped.
fn join<'a>(find: &impl Fn(&str) -> Option<&'a [u8]>, name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut label: &[u8] = b"utf-8";
    for number in 0..PIECES_MAX {
        if let Some(escaped) = find(&format!("{name}*{number}*")) {
            let text = if number == 0 {
                let (given, text) = split_label(escaped);
                label = given;
                text
            } else {
                escaped
            };
            bytes.extend(unescape(text));
        } else if let Some(plain) = find(&format!("{name}*{number}")) {
            bytes.extend_from_slice(plain);
        } else if number == 0 {
            return None;
        } else {
            break;
        }
    }
    Some(decode_charset(label, &bytes))
}

/// Charset and text of `charset'language'text`; UTF-8 if there is none.
fn split_label(value: &[u8]) -> (&[u8], &[u8]) {
    let mut fields = value.splitn(3, |b| *b == b'\'');
    match (fields.next(), fields.next(), fields.next()) {
        (Some(label), Some(_), Some(text)) if !label.is_empty() => (label, text),
        (Some(_), Some(_), Some(text)) => (b"utf-8", text),
        _ => (b"utf-8", value),
    }
}

/// `%41` as `A`; what is no escape stays.
fn unescape(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = (byte == b'%').then(|| Some(digit(tail.first())? * 16 + digit(tail.get(1))?));
        if let Some(value) = escaped.flatten().and_then(|value| u8::try_from(value).ok()) {
            out.push(value);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            out.push(byte);
            rest = tail;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(params: &[(&str, &str)], expected: Option<&str>) {
        let params: Vec<Param> = params
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        assert_eq!(
            value(&params, "filename").as_deref(),
            expected,
            "{params:?}"
        );
    }

    #[test]
    fn names_in_all_their_forms() {
        check(&[("filename", "a.pdf")], Some("a.pdf"));
        check(
            &[("filename", "=?utf-8?Q?Gr=C3=BC=C3=9Fe.pdf?=")],
            Some("Gr\u{fc}\u{df}e.pdf"),
        );
        check(
            &[("filename*", "iso-8859-1'de'Gr%FC%DFe%2Epdf")],
            Some("Gr\u{fc}\u{df}e.pdf"),
        );
        check(&[("filename*", "no%20label")], Some("no label"));
        check(
            &[
                ("filename*0*", "utf-8''Gr%C3%BC"),
                ("filename*1", "\u{df}e%41"),
                ("filename*3", "x"),
            ],
            Some("Gr\u{fc}\u{df}e%41"),
        );
        check(
            &[("filename", "old.pdf"), ("filename*", "utf-8''new.pdf")],
            Some("new.pdf"),
        );
        check(&[("filename*", "utf-8''%zz%4")], Some("%zz%4"));
        check(&[("name", "x")], None);
    }
}
