//! MIME: structure, headers, text.

use heimpost::mail::mime::convert::{Lines, SevenBit, Survey};
use heimpost::mail::mime::header::{self, Selection};
use heimpost::mail::mime::surrogate::{Bytes, Surrogate, is_needed};
use heimpost::mail::mime::text::{self, Finder, TextDecoder};
use heimpost::mail::mime::transfer::{TransferDecoder, TransferEncoding};
use heimpost::mail::mime::{Content, Part, Scanned, Scanner, Summary, address_list};

use super::pieces;

fn scan<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Scanned {
    let mut scanner = Scanner::new();
    pieces.into_iter().for_each(|piece| scanner.push(piece));
    scanner.finish()
}

/// However the bytes come, the same is found; it survives being stored; and every offset lies in the message.
pub(super) fn scanner(data: &[u8]) {
    let scanned = scan([data]);
    assert_eq!(scan(pieces(data)), scanned);
    assert_eq!(scan(data.chunks(1)), scanned);
    let summary = scanned.summary;
    assert_eq!(Summary::decode(&summary.encode()).as_ref(), Ok(&summary));
    check_part(&summary.body, 0, data.len() as u64);
    for numbers in [&[][..], &[1], &[2, 1], &[1, 1, 1]] {
        if let Some(part) = summary.part(numbers) {
            assert!(part.octets() <= data.len() as u64);
        }
    }
}

fn check_part(part: &Part, from: u64, to: u64) {
    assert!(from <= part.header_start && part.header_start <= part.body_start);
    assert!(part.body_start <= part.body_end && part.body_end <= to);
    match &part.content {
        Content::Leaf => {}
        Content::Multipart(parts) => {
            let mut at = part.body_start;
            for part in parts {
                check_part(part, at, to);
                at = part.header_start;
            }
        }
        Content::Message(inner) => check_part(&inner.body, part.body_start, part.body_end),
    }
}

/// Whatever lies in a broken store: it is refused, or it is a summary.
pub(super) fn summary(data: &[u8]) {
    // Where the root begins is not written, since it is always 0.
    if let Ok(summary) = Summary::decode(data) {
        let bytes = summary.encode();
        let again = Summary::decode(&bytes).map(|summary| summary.encode());
        assert_eq!(again, Ok(bytes));
    }
    // Damage to a real one.
    let (damage, message) = data.split_at(data.len().min(4));
    let mut bytes = scan([message]).summary.encode();
    for pair in damage.chunks_exact(2) {
        let at = usize::from(pair[0]) % bytes.len();
        bytes[at] ^= pair[1];
    }
    let damaged = Summary::decode(&bytes);
    assert!(damaged.is_ok_and(|summary| !summary.encode().is_empty()) || !damage.is_empty());
}

pub(super) fn header(data: &[u8]) {
    let mut whole = Vec::new();
    for field in header::fields(data) {
        whole.extend_from_slice(field.raw);
        assert!(!field.unfolded().contains(&b'\n'));
    }
    assert!(data.starts_with(&whole), "fields lose or reorder bytes");
    let named = header::select(data, &["subject", "from"], Selection::Named);
    let others = header::select(data, &["subject", "from"], Selection::Others);
    assert_eq!(named.len() + others.len(), whole.len());
    for address in address_list::parse(data) {
        let empty = address.mailbox.is_none() && address.host.is_some();
        assert!(!empty, "a host without a mailbox");
    }
}

pub(super) fn words(data: &[u8]) {
    let decoded = text::decode_words(data);
    let folded = text::fold_case(&decoded);
    assert!(Finder::new(&decoded).push(&folded));
    let (label, rest) = data.split_at(data.len().min(12));
    text::decode_charset(label, rest);
    text::is_known_charset(label);
}

/// The first byte chooses encoding and charset. The text does not depend on how the bytes come.
pub(super) fn text(data: &[u8]) {
    let (choice, body) = data.split_first().map_or((0, data), |(c, rest)| (*c, rest));
    let encoding = ["7bit", "base64", "quoted-printable", "x-odd"][usize::from(choice) % 4];
    let charsets = [
        "utf-8",
        "iso-2022-jp",
        "utf-16",
        "us-ascii",
        "gb18030",
        "odd",
    ];
    let charset = charsets[usize::from(choice) / 4 % 6];
    let head = format!(
        "Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    );
    let part = scan([head.as_bytes()]).summary.body;
    assert_eq!(decode(&part, pieces(body)), decode(&part, vec![body]));
    let Some(encoding) = TransferEncoding::by_name(encoding.as_bytes()) else {
        return;
    };
    assert_eq!(
        transfer(encoding, pieces(body)),
        transfer(encoding, vec![body])
    );
}

fn decode(part: &Part, pieces: Vec<&[u8]>) -> Option<String> {
    let mut decoder = TextDecoder::new(part)?;
    let mut out = String::new();
    for piece in pieces {
        decoder.push(piece, &mut out);
    }
    decoder.finish(&mut out);
    Some(out)
}

/// What is converted does not depend on how the bytes come, and is not converted again.
pub(super) fn convert(data: &[u8]) {
    let seven_bit_once = seven_bit(&[data]);
    assert_eq!(seven_bit(&pieces(data)), seven_bit_once);
    assert_eq!(
        seven_bit(&data.chunks(1).collect::<Vec<_>>()),
        seven_bit_once
    );
    assert_eq!(seven_bit(&[&seven_bit_once]), seven_bit_once);
    let lines_once = lines(&[data]);
    assert_eq!(lines(&pieces(data)), lines_once);
    assert_eq!(lines(&data.chunks(1).collect::<Vec<_>>()), lines_once);
    assert_eq!(lines(&[&lines_once]), lines_once);
}

/// Headers become ASCII at any depth, bodies stay, sizes are true, and pieces make no difference.
pub(super) fn surrogate(data: &[u8]) {
    let prefix = "Return-Path: <\u{fc}@x>\r\n".as_bytes();
    let stored = scan([data]).summary;
    let (whole, shown) = downgraded(prefix, data, &stored, usize::MAX);
    assert!(!is_needed(&shown, b""));
    let (mut before, mut after) = (Vec::new(), Vec::new());
    bodies(&stored.body, data, &mut before);
    bodies(&shown.body, &whole, &mut after);
    assert_eq!(before, after);
    check_ascii_headers(&shown.body, &whole);
    for size in [1, 7, 64] {
        assert_eq!(downgraded(prefix, data, &stored, size).0, whole);
    }
    assert_eq!(
        downgraded(b"", &whole, &shown, 1000),
        (whole, shown.clone())
    );
}

fn downgraded(prefix: &[u8], data: &[u8], summary: &Summary, size: usize) -> (Vec<u8>, Summary) {
    let mut stored = Bytes::new(prefix, data);
    let Ok((mut surrogate, shown)) = Surrogate::new(summary, &mut stored);
    let mut out = Vec::new();
    while let Ok(taken @ 1..) = surrogate.read_at(out.len() as u64, size, &mut stored, &mut out) {
        assert!(taken <= size);
    }
    assert_eq!(surrogate.bytes(), out.len() as u64);
    (out, shown)
}

fn slice(data: &[u8], from: u64, to: u64) -> &[u8] {
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
    &data[at(from)..at(to)]
}

fn check_ascii_headers(part: &Part, data: &[u8]) {
    assert!(slice(data, part.header_start, part.body_start).is_ascii());
    match &part.content {
        Content::Leaf => {}
        Content::Multipart(parts) => parts
            .iter()
            .for_each(|part| check_ascii_headers(part, data)),
        Content::Message(inner) => check_ascii_headers(&inner.body, data),
    }
}

fn bodies<'a>(part: &Part, data: &'a [u8], found: &mut Vec<(&'a [u8], u64)>) {
    match &part.content {
        Content::Leaf => found.push((slice(data, part.body_start, part.body_end), part.lines)),
        Content::Multipart(parts) => parts.iter().for_each(|part| bodies(part, data, found)),
        Content::Message(inner) => bodies(&inner.body, data, found),
    }
}

fn seven_bit(pieces: &[&[u8]]) -> Vec<u8> {
    let mut survey = Survey::new();
    for piece in pieces {
        survey.push(piece);
    }
    let mut conversion = SevenBit::new(survey.finish());
    let mut out = Vec::new();
    for piece in pieces {
        conversion.push(piece, &mut out);
    }
    conversion.finish(&mut out);
    out
}

fn lines(pieces: &[&[u8]]) -> Vec<u8> {
    let mut conversion = Lines::new();
    let mut out = Vec::new();
    for piece in pieces {
        conversion.push(piece, &mut out);
    }
    conversion.finish(&mut out);
    out
}

fn transfer(encoding: TransferEncoding, pieces: Vec<&[u8]>) -> Vec<u8> {
    let mut decoder = TransferDecoder::new(encoding);
    let mut out = Vec::new();
    for piece in pieces {
        decoder.push(piece, &mut out);
    }
    decoder.finish(&mut out);
    out
}
