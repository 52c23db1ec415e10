//! What is shown of which header; and for any message: headers of 7 bits at any depth, the structure that a client finds
//! in the bytes it gets, the same bodies, whatever the pieces.

use proptest::prelude::*;

use super::super::Scanner;
use super::*;

const PREFIX: &[u8] = b"Return-Path: <>\r\n";

fn scan(message: &[u8]) -> Summary {
    let mut scanner = Scanner::new();
    scanner.push(message);
    scanner.finish().summary
}

/// What is shown of a message, and what is told of that.
fn shown(prefix: &[u8], message: &[u8]) -> (Vec<u8>, Summary) {
    let mut stored = Bytes::new(prefix, message);
    let Ok((mut surrogate, summary)) = Surrogate::new(&scan(message), &mut stored);
    let whole = read(&mut surrogate, &mut stored, usize::MAX);
    assert_eq!(surrogate.bytes(), whole.len() as u64);
    (whole, summary)
}

fn read(surrogate: &mut Surrogate, stored: &mut Bytes<'_>, size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while let Ok(taken @ 1..) = surrogate.read_at(out.len() as u64, size, stored, &mut out) {
        assert!(taken <= size);
    }
    out
}

fn check(message: &str, expected: &str) {
    let (shown, _) = shown(b"", message.as_bytes());
    assert_eq!(String::from_utf8(shown).unwrap(), expected, "{message}");
    check_promises(b"", message.as_bytes(), Offsets::Same);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offsets {
    /// A client that parses what it gets finds what it is told.
    Same,
    /// Where nothing is left of a header that ends at a boundary, the boundary's line end looks like its own.
    Near,
}

fn check_promises(prefix: &[u8], message: &[u8], offsets: Offsets) {
    let (whole, told) = shown(prefix, message);
    assert!(
        headers(&told, &whole).is_ascii(),
        "{}",
        whole.escape_ascii()
    );
    assert_eq!(bodies(&told, &whole), bodies(&scan(message), message));
    if offsets == Offsets::Same {
        assert_eq!(scan(&whole), told, "{}", whole.escape_ascii());
    }
    let mut stored = Bytes::new(prefix, message);
    let Ok((mut surrogate, _)) = Surrogate::new(&scan(message), &mut stored);
    for size in [1, 2, 3, 7, 100] {
        assert_eq!(read(&mut surrogate, &mut stored, size), whole, "by {size}");
    }
    assert!(!is_needed(&told, b""));
    let (again, told_again) = {
        let mut stored = Bytes::new(b"", &whole);
        let Ok((mut surrogate, told_again)) = Surrogate::new(&told, &mut stored);
        (read(&mut surrogate, &mut stored, usize::MAX), told_again)
    };
    assert_eq!((again, told_again), (whole, told), "twice");
}

/// All headers at any depth.
fn headers(message: &Summary, bytes: &[u8]) -> Vec<u8> {
    let mut found = Vec::new();
    visit(&message.body, &mut |part| {
        found.extend_from_slice(slice(bytes, part.header_start, part.body_start));
    });
    found
}

/// The bodies of all leaves, and their lines.
fn bodies<'a>(message: &Summary, bytes: &'a [u8]) -> Vec<(&'a [u8], u64)> {
    let mut found = Vec::new();
    visit(&message.body, &mut |part| {
        if part.content == Content::Leaf {
            found.push((slice(bytes, part.body_start, part.body_end), part.lines));
        }
    });
    found
}

fn slice(bytes: &[u8], from: u64, to: u64) -> &[u8] {
    &bytes[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()]
}

fn visit(part: &Part, seen: &mut impl FnMut(&Part)) {
    seen(part);
    match &part.content {
        Content::Leaf => {}
        Content::Multipart(parts) => parts.iter().for_each(|part| visit(part, seen)),
        Content::Message(message) => visit(&message.body, seen),
    }
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
        "Return-Path: <\u{fc}@x.de>\r\nCc: Gr\u{fc}n: a@x.de, \u{fc}@x.de; c@x.de\r\n\r\n",
        "Return-Path: <invalid@internationalized-address.invalid>\r\n\
         Cc: =?utf-8?B?R3LDvG4=?=:\r\n a@x.de,\r\n =?utf-8?B?w7xAeC5kZQ==?=\r\n \
         <invalid@internationalized-address.invalid>;,\r\n c@x.de\r\n\r\n",
    );
}

#[test]
fn texts_and_parameters_are_encoded_and_the_rest_is_left_out() {
    check(
        "Received: a\r\n\tb\r\nSubject: Gr\u{fc}\u{df}e\r\nMessage-ID: <\u{fc}@x>\r\nX-Y: z\n\
         Content-Type: text/plain; name=\"\u{fc} 1.txt\"; charset=utf-8\r\n\
         Content-Disposition: attachment; filename=\u{fc}\r\n\r\n\u{fc}",
        "Received: a\r\n\tb\r\nSubject: =?utf-8?B?R3LDvMOfZQ==?=\r\nX-Y: z\n\
         Content-Type: text/plain;\r\n name*=utf-8''%C3%BC%201.txt;\r\n charset=\"utf-8\"\r\n\
         Content-Disposition: attachment;\r\n filename*=utf-8''%C3%BC\r\n\r\n\u{fc}",
    );
    check(
        "Content-Type: text/pl\u{e4}in\r\nContent-Type: \u{e4}\r\n\r\n",
        "Content-Type: text/plain\r\n\r\n",
    );
    check(
        "Content-Type: appl/\u{e4}; a=b\r\n\r\n",
        "Content-Type: application/octet-stream;\r\n a=\"b\"\r\n\r\n",
    );
}

#[test]
fn a_field_without_line_end_goes_with_that_of_the_one_before() {
    check("Subject: \u{fc}", "Subject: =?utf-8?B?w7w=?=");
    check("A: b\r\nX: \u{fc}", "A: b");
    check("A: b\nX: \u{fc}\n", "A: b\n");
    check("X: \u{fc}", "");
    check("From \u{fc} Sun\r\nA: b\r\n\r\n", "A: b\r\n\r\n");
}

#[test]
fn headers_of_parts_and_attached_messages() {
    check(
        "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npr\u{e4}\r\n\
         --b\r\nContent-Disposition: attachment;\r\n filename=\"\u{fc}.txt\"\r\nX: \u{fc}\r\n\r\nGr\u{fc}n\r\n\
         --b\r\nContent-Type: message/global; name=x\r\nContent-Description: \u{fc}\r\n\r\n\
         From: \u{fc}@x.de\r\nMessage-ID: <\u{fc}@x>\r\n\r\nHallo\r\n\
         --b\r\nContent-Type: message/rfc822\r\n\r\nA: b\r\nX: \u{fc}\r\n--b--\r\n",
        "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npr\u{e4}\r\n\
         --b\r\nContent-Disposition: attachment;\r\n filename*=utf-8''%C3%BC.txt\r\n\r\nGr\u{fc}n\r\n\
         --b\r\nContent-Type: message/rfc822;\r\n name=\"x\"\r\nContent-Description: =?utf-8?B?w7w=?=\r\n\r\n\
         From: =?utf-8?B?w7xAeC5kZQ==?=\r\n <invalid@internationalized-address.invalid>\r\n\r\nHallo\r\n\
         --b\r\nContent-Type: message/rfc822\r\n\r\nA: b\r\n--b--\r\n",
    );
}

#[test]
fn nothing_may_be_left_of_a_header() {
    let message = "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nX: \u{fc}\r\n--b--";
    let (whole, told) = shown(b"", message.as_bytes());
    assert!(whole.ends_with(b"\r\n\r\n--b\r\n\r\n\r\n--b--"));
    let attached = told.part(&[1]).unwrap();
    assert_eq!((attached.octets(), attached.lines), (0, 0));
    check_promises(b"", message.as_bytes(), Offsets::Near);
    check(
        "Content-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\n\r\n\u{fc}",
        "Content-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\n\r\n",
    );
}

#[test]
fn an_encoded_message_is_no_header() {
    let encoded =
        "Content-Type: message/global\r\nContent-Transfer-Encoding: base64\r\n\r\nVG8=\r\n";
    check(encoded, encoded);
    assert!(!is_needed(&scan(encoded.as_bytes()), b""));
}

#[test]
fn fields_of_the_server_are_part_of_the_header() {
    let prefix = "Return-Path: <\u{fc}@x.de>\r\nReceived: for \u{fc}\r\n".as_bytes();
    let message = "To: a@x.de\r\n\r\n\u{fc}\r\n".as_bytes();
    let (whole, told) = shown(prefix, message);
    let expected = "Return-Path: <invalid@internationalized-address.invalid>\r\n\
                    To: a@x.de\r\n\r\n\u{fc}\r\n";
    assert_eq!(String::from_utf8(whole).unwrap(), expected);
    assert_eq!(told, scan(expected.as_bytes()));
}

#[test]
fn needed_for_addresses_only() {
    let needed = |message: &str| is_needed(&scan(message.as_bytes()), PREFIX);
    let attached = |header: &str| format!("Content-Type: message/rfc822\r\n\r\n{header}\r\n\r\n");
    assert!(needed("To: a@x.de, \u{fc}@x.de\r\n"));
    assert!(needed("From: a@\u{fc}.de\r\n"));
    assert!(needed(&attached("From: a@\u{fc}.de")));
    assert!(needed(&attached(&attached("Cc: \u{fc}@x.de"))));
    assert!(needed(
        "Content-Type: message/global\r\n\r\nSubject: x\r\n\r\n"
    ));
    assert!(!needed("From: J\u{f6}rg <j@x.de>\r\nSubject: \u{fc}\r\n"));
    assert!(!needed(&attached(
        "From: J\u{f6}rg <j@x.de>\r\nSubject: \u{fc}"
    )));
    assert!(!is_needed(&scan(b"From: \xfc@x.de\r\n"), PREFIX));
    let prefix = "Return-Path: <\u{fc}@x.de>\r\n".as_bytes();
    assert!(is_needed(&Summary::default(), prefix));
}

#[test]
fn a_long_header_loses_its_last_fields() {
    let long = "X: y\r\n".repeat(usize::try_from(REWRITTEN_BYTES_MAX).unwrap() / 6);
    let message = format!(
        "Content-Type: message/rfc822\r\n\r\nFrom: \u{fc}@x.de\r\n{long}To: \u{fc}@x.de\r\n\r\nbody\r\n"
    );
    let (whole, told) = shown(PREFIX, message.as_bytes());
    assert!(whole.is_ascii() && whole.ends_with(b"X: y\r\n\r\nbody\r\n"));
    assert_eq!(told.body.octets(), (whole.len() - PREFIX.len() - 32) as u64);
    assert_eq!(told.body.lines, newlines(&whole) - 3);
}

#[test]
fn header_text_that_is_told_is_bounded() {
    let name = "n".repeat(9000);
    let part = format!("--b\r\nContent-Type: text/plain; name=\"{name}\"; x=\u{fc}\r\n\r\n");
    let message = format!(
        "From: \u{fc}@x.de\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n",
        part.repeat(40)
    );
    check_promises(PREFIX, message.as_bytes(), Offsets::Same);
    let (_, told) = shown(PREFIX, message.as_bytes());
    assert!(told.encode().len() < TEXT_BYTES_MAX + 10_000);
}

#[test]
fn the_corpus_keeps_its_promises() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages");
    for entry in dir.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "eml") {
            println!("{}", path.display());
            let message = std::fs::read(path).unwrap();
            check_promises(PREFIX, &message, Offsets::Same);
        }
    }
}

/// A field that may be in UTF-8.
fn field() -> impl Strategy<Value = String> {
    let names = "(From|To|Return-Path|Subject|X-Y|Message-ID|Content-ID|Content-Disposition|Content-Description|)";
    (
        names,
        "[a-z<>@,:;\"=/()\u{fc}\u{4f8b} ]{0,30}",
        "\r\n|\r\n \u{fc}\r\n",
    )
        .prop_map(|(name, value, end)| format!("{name}: {value}{end}"))
}

fn fields_of_any() -> impl Strategy<Value = String> {
    prop::collection::vec(field(), 0..4).prop_map(|fields| fields.concat())
}

/// A part with its header, well formed as far as its parts go.
fn part() -> impl Strategy<Value = String> {
    // In a digest it is a header, of which something is left.
    let text = "a\r\n[a-z\u{fc}\r\n]{0,20}";
    let leaf = (fields_of_any(), text).prop_map(|(fields, body)| format!("{fields}\r\n{body}"));
    leaf.prop_recursive(4, 12, 3, |inner| {
        let attached = (fields_of_any(), "(rfc822|global)", inner.clone());
        let attached = attached.prop_map(|(fields, subtype, message)| {
            format!("{fields}Content-Type: message/{subtype}; name=\u{fc}\r\n\r\n{message}")
        });
        let parts = prop::collection::vec(inner, 1..4);
        let multipart = (fields_of_any(), "(mixed|digest|m\u{fc})", "[b-z]{3}", parts);
        let multipart = multipart.prop_map(|(fields, subtype, boundary, parts)| {
            let head = format!("Content-Type: multipart/{subtype}; boundary={boundary}\r\n");
            let parts = parts
                .iter()
                .map(|part| format!("--{boundary}\r\n{part}\r\n"));
            let parts = parts.collect::<String>();
            format!("{head}{fields}\r\n{parts}--{boundary}--\r\n")
        });
        prop_oneof![attached, multipart]
    })
}

proptest! {
    #[test]
    fn any_message_is_shown_with_headers_in_ascii(message in part()) {
        check_promises(PREFIX, message.as_bytes(), Offsets::Same);
    }

    #[test]
    fn any_bytes_are_too(lines in prop::collection::vec(
        "(From: \u{fc}@x|To: a@x|X: \u{fc}|X: y|\u{fc}| \u{fc}|--b|--c|--b--|--c--|a|Content-Type: message/(rfc822|global)|Content-Type: multipart/(mixed|digest); boundary=(b|c|\u{fc})|Content-Type: \u{fc}/b|Content-Transfer-Encoding: \u{fc}|)(\r\n|\n|\r\n\r\n|)",
        0..20,
    )) {
        check_promises(PREFIX, lines.concat().as_bytes(), Offsets::Near);
    }
}
