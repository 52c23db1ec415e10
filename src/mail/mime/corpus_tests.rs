//! The messages in `tests/messages`, each scanned and compared with what mail-parser makes of it.

use std::path::{Path, PathBuf};

use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders, PartType};

use super::text::{Finder, TextDecoder, decode_words};
use super::*;

/// Where the structure is another on purpose, and why.
const STRUCTURE_DIFFERS: &[(&str, &str)] = &[
    ("broken-boundary", "IMAP knows no multipart without parts"),
    ("duplicate-headers", "the first field counts"),
    ("empty", "no byte is a message too"),
    (
        "no-boundary",
        "RFC 2045 5.2: an invalid type counts as missing",
    ),
    (
        "unclosed",
        "RFC 2046 5.1.2: an outer boundary ends an inner part",
    ),
];

/// Where the addresses are others on purpose, and why.
const ADDRESSES_DIFFER: &[(&str, &str)] = &[
    ("duplicate-headers", "the first From counts, all of To"),
    ("headers-only", "a last field without line end is one"),
    (
        "latin1-header",
        "8-bit text that is not UTF-8 is read as windows-1252",
    ),
    (
        "pop3-bare-lf",
        "8-bit text that is not UTF-8 is read as windows-1252",
    ),
    (
        "unterminated-quotes",
        "no address is made up from inside of quotes",
    ),
];

fn corpus() -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages");
    let entries = dir.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let is_message = |path: &PathBuf| path.extension().is_some_and(|e| e == "eml");
    let mut messages: Vec<_> = entries
        .filter(is_message)
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    messages.sort();
    assert!(messages.len() >= 25);
    messages
}

fn scan(message: &[u8]) -> Summary {
    let mut scanner = Scanner::new();
    scanner.push(message);
    scanner.finish().summary
}

/// The tree, a part a line: type, where the header starts, where the body starts and ends.
fn ours(part: &Part, indent: &str, lines: &mut Vec<String>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    lines.push(format!(
        "{indent}{}/{} {} {} {}",
        text(&part.media_type),
        text(&part.subtype),
        part.header_start,
        part.body_start,
        part.body_end,
    ));
    let deeper = format!("{indent} ");
    match &part.content {
        Content::Leaf => {}
        Content::Multipart(parts) => parts.iter().for_each(|part| ours(part, &deeper, lines)),
        Content::Message(message) => ours(&message.body, &deeper, lines),
    }
}

fn theirs(message: &Message<'_>, part: &MessagePart<'_>, indent: &str, lines: &mut Vec<String>) {
    let kind = part.content_type();
    let is_message = matches!(part.body, PartType::Message(_));
    let assumed = if is_message {
        "message/rfc822"
    } else {
        "text/plain"
    };
    let kind = kind.map_or_else(
        || assumed.to_owned(),
        |kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("?")).to_lowercase(),
    );
    let (header, body, end) = (part.offset_header, part.offset_body, part.offset_end);
    lines.push(format!("{indent}{kind} {header} {body} {end}"));
    let deeper = format!("{indent} ");
    if let PartType::Multipart(ids) = &part.body {
        for id in ids {
            theirs(message, &message.parts[*id as usize], &deeper, lines);
        }
    } else if let PartType::Message(inner) = &part.body {
        theirs(inner, &inner.parts[0], &deeper, lines);
    }
}

#[test]
fn structure_agrees_with_mail_parser() {
    let mut differing = Vec::new();
    for (name, bytes) in corpus() {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        ours(&scan(&bytes).body, "", &mut left);
        if let Some(message) = MessageParser::default().parse(&bytes) {
            theirs(&message, &message.parts[0], "", &mut right);
        }
        if left != right {
            println!("{name}:\n{left:#?}\n{right:#?}");
            differing.push(name);
        }
    }
    let expected: Vec<&str> = STRUCTURE_DIFFERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(differing, expected);
}

/// Addresses as `name <localpart@domain>`, groups left out, names decoded.
fn our_addresses(list: &[EnvelopeAddress]) -> Vec<String> {
    let text = |field: &Option<Vec<u8>>| decode_words(field.as_deref().unwrap_or_default());
    let real = list.iter().filter(|address| address.host.is_some());
    real.map(|a| format!("{} <{}@{}>", text(&a.name), text(&a.mailbox), text(&a.host)))
        .collect()
}

fn their_addresses(list: Option<&mail_parser::Address<'_>>) -> Vec<String> {
    let show = |a: &mail_parser::Addr<'_>| {
        format!("{} <{}>", a.name().unwrap_or(""), a.address().unwrap_or(""))
    };
    list.map(|list| list.iter().map(show).collect())
        .unwrap_or_default()
}

#[test]
fn addresses_and_texts_agree_with_mail_parser() {
    let mut differing = Vec::new();
    for (name, bytes) in corpus() {
        let Some(message) = MessageParser::default().parse(&bytes) else {
            continue;
        };
        let ours = scan(&bytes).envelope;
        let text = |field: &Option<Vec<u8>>| decode_words(field.as_deref().unwrap_or_default());
        let left = [
            our_addresses(&ours.from),
            our_addresses(&ours.to),
            our_addresses(&ours.cc),
            vec![text(&ours.subject)],
        ];
        let right = [
            their_addresses(message.from()),
            their_addresses(message.to()),
            their_addresses(message.cc()),
            vec![message.subject().unwrap_or("").to_owned()],
        ];
        if left != right {
            println!("{name}:\n{left:#?}\n{right:#?}");
            differing.push(name);
        }
    }
    let expected: Vec<&str> = ADDRESSES_DIFFER.iter().map(|(name, _)| *name).collect();
    assert_eq!(differing, expected);
}

#[test]
fn pieces_of_any_size_give_the_same() {
    for (name, bytes) in corpus() {
        let whole = scan(&bytes);
        for size in [1, 2, 3, 5, 64, 1000] {
            let mut scanner = Scanner::new();
            bytes.chunks(size).for_each(|piece| scanner.push(piece));
            assert_eq!(scanner.finish().summary, whole, "{name} by {size}");
        }
        let encoded = whole.encode();
        assert_eq!(Summary::decode(&encoded), Ok(whole), "{name}");
    }
}

/// Whether any text part of that message has `text`, read in small pieces.
fn body_has(name: &str, text: &str) -> bool {
    let corpus = corpus();
    let (_, bytes) = corpus.iter().find(|(known, _)| known == name).unwrap();
    leaves(&scan(bytes).body).into_iter().any(|part| {
        let Some(mut decoder) = TextDecoder::new(&part) else {
            return false;
        };
        let range =
            usize::try_from(part.body_start).unwrap()..usize::try_from(part.body_end).unwrap();
        let mut finder = Finder::new(text);
        let mut found = false;
        for piece in bytes[range].chunks(3) {
            let mut folded = String::new();
            decoder.push(piece, &mut folded);
            found |= finder.push(&folded);
        }
        let mut folded = String::new();
        decoder.finish(&mut folded);
        found | finder.push(&folded)
    })
}

fn leaves(part: &Part) -> Vec<Part> {
    match &part.content {
        Content::Leaf => vec![part.clone()],
        Content::Multipart(parts) => parts.iter().flat_map(leaves).collect(),
        Content::Message(message) => leaves(&message.body),
    }
}

#[test]
fn bodies_are_searched_as_people_read_them() {
    assert!(body_has("alternative", "Gr\u{dc}\u{df}e AUS Ulm"));
    assert!(body_has("base64-attachment", "f\u{fc}r dich"));
    assert!(body_has("latin1-header", "Sch\u{f6}ne"));
    assert!(body_has("words-japanese", "\u{65e5}\u{672c}\u{8a9e}"));
    assert!(body_has("attached-message", "inner text"));
    assert!(body_has("format-flowed", "und gr\u{fc}\u{df}t"));
    assert!(!body_has("nested", "iVBOR"));
}

#[test]
fn large_message_streams_through() {
    let head = b"Subject: large\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n";
    let line = [&b"--"[..], &[b'x'; 74], b"\r\n"].concat();
    let piece = line.repeat(840);
    let mut scanner = Scanner::new();
    scanner.push(head);
    let pieces = 50 * 1024 * 1024 / piece.len() + 1;
    for _ in 0..pieces {
        scanner.push(&piece);
    }
    scanner.push(b"--b--\r\n");
    let summary = scanner.finish().summary;
    let part = summary.part(&[1]).unwrap();
    assert_eq!(part.octets(), (pieces * piece.len() - 2) as u64);
    assert_eq!(part.lines, (pieces * 840) as u64);
}
