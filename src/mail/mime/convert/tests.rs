//! What converts to what; and for any message: the same parts with the same contents, in 7 bits, whatever the pieces.

use std::path::Path;

use mail_parser::{Message, MessageParser, MimeHeaders, PartType};
use proptest::prelude::*;

use super::super::transfer::{TransferDecoder, TransferEncoding};
use super::super::{Content, Part, Scanner};
use super::*;

/// The pieces that a message comes in.
fn survey<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Findings {
    let mut survey = Survey::new();
    pieces.into_iter().for_each(|piece| survey.push(piece));
    survey.finish()
}

fn seven_bit_by(message: &[u8], size: usize) -> Vec<u8> {
    let mut conversion = SevenBit::new(survey(message.chunks(size)));
    let mut out = Vec::new();
    for piece in message.chunks(size) {
        conversion.push(piece, &mut out);
    }
    conversion.finish(&mut out);
    out
}

fn seven_bit(message: &[u8]) -> Vec<u8> {
    seven_bit_by(message, message.len().max(1))
}

fn lines_by(message: &[u8], size: usize) -> Vec<u8> {
    let mut conversion = Lines::new();
    let mut out = Vec::new();
    for piece in message.chunks(size) {
        conversion.push(piece, &mut out);
    }
    conversion.finish(&mut out);
    out
}

fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\n", "\\n\n")
}

fn check(message: &[u8], expected: &[u8]) {
    assert_eq!(show(&seven_bit(message)), show(expected));
    check_promises(message);
}

fn check_lines(message: &[u8], expected: &[u8]) {
    let converted = lines_by(message, message.len().max(1));
    assert_eq!(show(&converted), show(expected));
    for size in [1, 2, 3, 7] {
        assert_eq!(lines_by(message, size), converted, "by {size}");
    }
    assert_eq!(lines_by(&converted, 100), converted, "twice");
}

#[test]
fn seven_bit_stays() {
    for message in [
        "",
        "\r\n",
        "Subject: x",
        "Subject: x\r\n\r\n",
        "Subject: x\r\n\r\ntext\r\n-- \r\nbye",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n\r\na\r\n--b--\r\nepi\r\n",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: y\r\n--b--",
        "Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nz\r\n",
        "Content-Transfer-Encoding: quoted-printable\r\n\r\na=3Db=\r\n\r\n",
        "Content-Transfer-Encoding: x-odd\r\n\r\nabc\r\n",
    ] {
        check(message.as_bytes(), message.as_bytes());
        check_lines(message.as_bytes(), message.as_bytes());
        assert!(survey([message.as_bytes()]).are_seven_bit());
    }
}

#[test]
fn text_becomes_quoted_printable() {
    check(
        b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\
          Content-Transfer-Encoding:\r\n 8bit\r\nX: y\r\n\r\n-- Gr\xfc\xdfe aus Ulm = \r\nund Umgebung\r\n",
        b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\
          Content-Transfer-Encoding: quoted-printable\r\nX: y\r\n\r\n=2D- Gr=FC=DFe aus Ulm =3D=20\r\nund Umgebung\r\n",
    );
}

#[test]
fn long_lines_are_broken_softly() {
    let line = format!("Gr\u{fc}\u{df}e {}--b\r\n", "x".repeat(59));
    check(
        format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{line}--b--\r\n")
            .as_bytes(),
        format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
             Gr=C3=BC=C3=9Fe {}=\r\n=2D-b\r\n--b--\r\n",
            "x".repeat(59)
        )
        .as_bytes(),
    );
}

#[test]
fn text_of_other_scripts_becomes_base64() {
    check(
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\u{65e5}\u{672c}\u{8a9e}\r\n"
            .as_bytes(),
        b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
          Content-Transfer-Encoding: base64\r\n\r\n5pel5pys6KqeDQo=\r\n",
    );
}

#[test]
fn mail_without_mime_is_labelled() {
    check(
        "Subject: x\r\n\r\nSch\u{f6}ne Gr\u{fc}\u{df}e aus Ulm und Umgebung, Anna".as_bytes(),
        b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
          Content-Transfer-Encoding: quoted-printable\r\n\r\n\
          Sch=C3=B6ne Gr=C3=BC=C3=9Fe aus Ulm und Umgebung, Anna=\r\n",
    );
    check(
        b"Subject: x\r\n\r\nviele Gr\xfc\xdfe, und bis bald\r\n",
        b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n\
          Content-Transfer-Encoding: quoted-printable\r\n\r\nviele Gr=FC=DFe, und bis bald\r\n",
    );
}

#[test]
fn containers_are_looked_into() {
    check(
        b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n\
          f\xfcr alte\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
          MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\
          \x00\r\xff\n\r\n\r\n--b\r\nContent-Transfer-Encoding: 8bit\r\n\r\nplain\r\n--b--\r\n\xfc",
        b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
          f*r alte\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
          MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n\
          AA3/Cg0K\r\n--b\r\nContent-Transfer-Encoding: 7bit\r\n\r\nplain\r\n--b--\r\n*",
    );
}

#[test]
fn messages_with_utf8_headers_are_encoded_whole() {
    check(
        "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\nContent-Type: message/global\r\n\r\n\
         Subject: Gr\u{fc}\u{df}e aus Ulm und Umgebung\r\n\r\nx\r\n--b--\r\n"
            .as_bytes(),
        b"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\nContent-Type: message/global\r\n\
          Content-Transfer-Encoding: quoted-printable\r\n\r\n\
          Subject: Gr=C3=BC=C3=9Fe aus Ulm und Umgebung\r\n\r\nx\r\n--b--\r\n",
    );
}

#[test]
fn what_lies_about_its_encoding_is_encoded_again() {
    check(
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\na=3D\xfc=\r\nb\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\na=3D=FCb\r\n",
    );
    check(
        b"Content-Transfer-Encoding: base64\r\n\r\nSGFs\xfcbG8=\r\n",
        b"Content-Transfer-Encoding: base64\r\n\r\nSGFsbG8=\r\n",
    );
    check(
        b"MIME-Version: 1\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: 8-bit\r\n\r\n\xfc\r\n",
        b"MIME-Version: 1\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n/A0K\r\n",
    );
    let long = format!(
        "Content-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        "SGFs".repeat(600)
    );
    check_promises(long.as_bytes());
}

#[test]
fn binary_becomes_lines_and_8bit_stays() {
    check_lines(
        b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n\
          --b\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xfc\xdfe\r\n\
          --b\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: BINARY\r\n\r\n\x00\n\r\x00\r\n\
          --b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: binary\r\n\r\na\r\n\xfc\nb \r\n--b--\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
          --b\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xfc\xdfe\r\n\
          --b\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAoNAA==\r\n\
          --b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
          a\r\n=FC=0Ab=20\r\n--b--\r\n",
    );
}

#[test]
fn a_multipart_without_parts_is_filler() {
    let message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n\
          --b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n\x80\r\n--b--\r\n";
    assert_eq!(contents(message), []);
    check_promises(message);
    let starred = b"boundary=c\r\n\r\n*\r\n--b--\r\n";
    assert!(seven_bit(message).ends_with(starred));
}

#[test]
fn header_beyond_the_limit_passes() {
    let head = format!("X: {}\r\nLong: a\r\n", "x".repeat(90)).repeat(1200);
    let message =
        format!("Content-Type: text/plain\r\n{head}\r\nGr\u{fc}\u{df}e aus Ulm und Umgebung\r\n");
    let converted = seven_bit(message.as_bytes());
    assert!(converted.ends_with(b"\r\n\r\nGr=C3=BC=C3=9Fe aus Ulm und Umgebung\r\n"));
    let added = "MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n".len();
    assert_eq!(converted.len(), message.len() + added + 8);
    for size in [1, 3, 1000, 70_000] {
        assert!(
            seven_bit_by(message.as_bytes(), size) == converted,
            "by {size}"
        );
    }
}

/// Type and decoded bytes of each leaf. `message/global` counts as a leaf, since it may be encoded. What the scanner
/// makes the one part of a multipart without parts is filler.
fn contents(message: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut scanner = Scanner::new();
    scanner.push(message);
    let mut found = Vec::new();
    collect(&scanner.finish().summary.body, message, &mut found);
    found
}

fn collect(part: &Part, message: &[u8], found: &mut Vec<(String, Vec<u8>)>) {
    let kind = [part.media_type.as_slice(), b"/", &part.subtype].concat();
    let kind = String::from_utf8_lossy(&kind).into_owned();
    match &part.content {
        Content::Multipart(parts) => parts
            .iter()
            .filter(|inner| inner.body_start > part.body_start)
            .for_each(|inner| collect(inner, message, found)),
        Content::Message(inner) if kind == "message/rfc822" => collect(&inner.body, message, found),
        Content::Message(_) => found.push((
            "application/octet-stream".to_owned(),
            decoded(part, message),
        )),
        Content::Leaf => found.push((kind, decoded(part, message))),
    }
}

fn decoded(part: &Part, message: &[u8]) -> Vec<u8> {
    let at = |offset: u64| usize::try_from(offset).unwrap();
    let body = &message[at(part.body_start)..at(part.body_end)];
    let encoding = TransferEncoding::by_name(&part.encoding).unwrap_or(TransferEncoding::Identity);
    let mut decoder = TransferDecoder::new(encoding);
    let mut out = Vec::new();
    decoder.push(body, &mut out);
    decoder.finish(&mut out);
    out
}

/// What mail-parser makes of each leaf.
fn parsed(message: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(message) = MessageParser::default().parse(message) {
        parse_parts(&message, &mut found);
    }
    found
}

fn parse_parts(message: &Message<'_>, found: &mut Vec<String>) {
    for part in &message.parts {
        let kind = part.content_type();
        let kind = kind.map_or_else(
            || "text/plain".to_owned(),
            |kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()),
        );
        match &part.body {
            PartType::Text(text) | PartType::Html(text) => found.push(format!("{kind} {text:?}")),
            PartType::Binary(bytes) | PartType::InlineBinary(bytes) => {
                found.push(format!("{kind} {}", bytes.escape_ascii()));
            }
            PartType::Message(inner) => parse_parts(inner, found),
            PartType::Multipart(parts) => found.push(format!("{kind} of {}", parts.len())),
        }
    }
}

/// What holds for any message. Boundaries must be ASCII.
fn check_promises(message: &[u8]) {
    let converted = seven_bit(message);
    for size in [1, 2, 3, 5, 64, 1000] {
        assert!(
            seven_bit_by(message, size) == converted,
            "by {size}: {}",
            show(message)
        );
    }
    assert_eq!(contents(&converted), contents(message), "{}", show(message));
    let again = survey([converted.as_slice()]);
    assert_eq!(show(&seven_bit(&converted)), show(&converted), "twice");
    let is_clean = |leaf| matches!(leaf, findings::Leaf::Clean | findings::Leaf::Bare);
    assert!(
        (0..).map_while(|at| again.leaf(at)).all(is_clean),
        "{}",
        show(&converted)
    );
}

fn corpus() -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages");
    let entries = dir.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut messages: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|e| e == "eml"))
        .map(|path| (path.display().to_string(), std::fs::read(path).unwrap()))
        .collect();
    messages.sort();
    messages
}

#[test]
fn corpus_keeps_its_contents() {
    let mut converted = 0;
    for (name, message) in corpus() {
        println!("{name}");
        check_promises(&message);
        assert_eq!(parsed(&seven_bit(&message)), parsed(&message), "{name}");
        converted += usize::from(!survey([message.as_slice()]).are_seven_bit());
    }
    assert!(converted >= 3, "{converted}");
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        "[a-zA-Z0-9=. -]{0,90}".prop_map(String::into_bytes),
        "[a-z\u{e4}\u{df}\u{4e00} =-]{0,60}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..40),
        (900_usize..1100).prop_map(|n| vec![b'x'; n]),
    ];
    let end = prop_oneof![8 => Just(&b"\r\n"[..]), 1 => Just(&b"\n"[..]), 1 => Just(&b""[..])];
    prop::collection::vec((line, end), 0..5).prop_map(|lines| {
        lines
            .iter()
            .flat_map(|(line, end)| [line.as_slice(), end])
            .collect::<Vec<_>>()
            .concat()
    })
}

fn entity() -> impl Strategy<Value = Vec<u8>> {
    let kinds = [
        "",
        "Content-Type: text/plain; charset=utf-8\r\n",
        "Content-Type: image/png\r\n",
    ];
    let encodings = [
        "",
        "8bit",
        "binary",
        "7bit",
        "base64",
        "quoted-printable",
        "x-odd",
    ];
    let leaf = (
        prop::sample::select(kinds.to_vec()),
        prop::sample::select(encodings.to_vec()),
        body(),
    )
        .prop_map(|(kind, encoding, body)| {
            let encoding = match encoding {
                "" => String::new(),
                name => format!("Content-Transfer-Encoding: {name}\r\n"),
            };
            [kind.as_bytes(), encoding.as_bytes(), b"\r\n", &body].concat()
        });
    leaf.prop_recursive(3, 12, 3, |inner| {
        let parts = prop::collection::vec(inner.clone(), 1..4);
        let multipart = (parts, "[a-d]{1,2}", body()).prop_map(|(parts, boundary, filler)| {
            let mut out = format!(
                "Content-Type: multipart/mixed; boundary={boundary}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
            )
            .into_bytes();
            out.extend(filler);
            for part in parts {
                out.extend(format!("\r\n--{boundary}\r\n").into_bytes());
                out.extend(part);
            }
            out.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
            out
        });
        let message = inner.prop_map(|inner| [b"Content-Type: message/rfc822\r\n\r\n", inner.as_slice()].concat());
        prop_oneof![3 => multipart, 1 => message]
    })
}

proptest! {
    #[test]
    fn any_message_keeps_its_contents(message in entity()) {
        check_promises(&message);
    }

    #[test]
    fn any_message_becomes_lines(message in entity(), size in 1_usize..9) {
        let converted = lines_by(&message, 10_000);
        prop_assert_eq!(&lines_by(&message, size), &converted);
        prop_assert_eq!(contents(&converted), contents(&message));
        prop_assert_eq!(lines_by(&converted, 10_000), converted);
    }
}
