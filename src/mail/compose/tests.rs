//! Messages as they are written, read back by the scanner and by mail-parser.

use mail_parser::{MessageParser, MimeHeaders};
use proptest::prelude::*;

use super::recipients::{Wrong, parse, shown_in_field};
use super::*;
use crate::clock::Wall;
use crate::mail::mime::text::decode_words;
use crate::mail::mime::transfer::{TransferDecoder, TransferEncoding};
use crate::mail::mime::{Content, Part, Scanner, Summary};

const UNIQUE: &str = "00112233445566778899aabbccddeeff";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn party(name: &str, text: &str) -> Party {
    Party {
        name: Line::new(name),
        address: address(text),
    }
}

fn head(subject: &str, to: Vec<Party>) -> Head {
    Head {
        from: party("Anna", "anna@home.test"),
        to,
        cc: Vec::new(),
        subject: Line::new(subject),
        date: Some(DateTime::utc(Wall(1_800_000_000))),
        message_id: MessageId::new("k7", "home.test"),
        thread: Thread::default(),
    }
}

type Attached<'a> = (Attachment, &'a [u8]);

fn write(head: &Head, text: &str, attached: &[Attached<'_>]) -> Vec<u8> {
    let is_message = |one: &Attached<'_>| matches!(one.0, Attachment::Message { .. });
    let shape = match attached {
        [] => Shape::Text,
        some if some.iter().any(is_message) => Shape::Messages(Boundary::new(UNIQUE)),
        _ => Shape::Files(Boundary::new(UNIQUE)),
    };
    let mut out = Vec::new();
    let mut writer = Writer::begin(head, text, shape, &mut out);
    for (attachment, bytes) in attached {
        writer.attach(attachment, &mut out);
        for piece in bytes.chunks(7) {
            writer.push(piece, &mut out);
        }
    }
    writer.finish(&mut out);
    out
}

fn scan(message: &[u8]) -> Summary {
    let mut scanner = Scanner::new();
    scanner.push(message);
    scanner.finish().summary
}

fn decoded(message: &[u8], part: &Part) -> Vec<u8> {
    let range = usize::try_from(part.body_start).unwrap()..usize::try_from(part.body_end).unwrap();
    let mut decoder = TransferDecoder::new(TransferEncoding::by_name(&part.encoding).unwrap());
    let mut out = Vec::new();
    decoder.push(&message[range], &mut out);
    decoder.finish(&mut out);
    out
}

fn parts(summary: &Summary) -> &[Part] {
    match &summary.body.content {
        Content::Multipart(parts) => parts,
        Content::Leaf | Content::Message(_) => std::slice::from_ref(&summary.body),
    }
}

fn assert_lines_fit(message: &[u8]) {
    let text = String::from_utf8_lossy(message).into_owned();
    assert!(!text.replace("\r\n", "").contains(['\r', '\n', '\0']));
    assert!(text.split("\r\n").all(|line| line.len() <= 998));
    let header = text.split_once("\r\n\r\n").unwrap().0;
    for line in header.split("\r\n") {
        assert!(
            line.len() <= 78 || !line.trim_start().contains(' '),
            "{line}"
        );
    }
}

#[test]
fn a_small_mail() {
    let to = vec![
        party("Bob Meier", "bob@x.test"),
        party("", "c@x.test"),
        party("D, E.", "d@x.test"),
        party("J\u{fc}rgen", "j@x.test"),
    ];
    let message = write(&head("Hello there", to), "Hi Bob\n\nAnna\n", &[]);
    let expected = "Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n\
        From: Anna <anna@home.test>\r\n\
        To: Bob Meier <bob@x.test>, c@x.test, \"D, E.\" <d@x.test>,\r\n \
        =?utf-8?B?SsO8cmdlbg==?= <j@x.test>\r\n\
        Subject: Hello there\r\n\
        Message-ID: <k7@home.test>\r\n\
        MIME-Version: 1.0\r\n\
        Content-Type: text/plain; charset=utf-8; format=flowed\r\n\
        Content-Transfer-Encoding: 7bit\r\n\
        \r\n\
        Hi Bob\r\n\
        \r\n\
        Anna\r\n";
    assert_eq!(String::from_utf8(message).unwrap(), expected);
}

#[test]
fn nothing_gets_out_of_its_line() {
    let evil = "x\r\nBcc: victim@x.test\r\n\r\n<script>\0\u{2028}y\n";
    let mut head = head(evil, vec![party(evil, "bob@x.test")]);
    head.from.name = Line::new(evil);
    head.message_id = MessageId::new(evil, evil);
    let file = Attachment::File {
        name: Line::new(evil),
        kind: MediaType::new("text/html\r\nX: y"),
    };
    let message = write(&head, "text", &[(file, b"data")]);
    assert_lines_fit(&message);
    let summary = scan(&message);
    assert!(summary.envelope.bcc.is_empty());
    assert_eq!(summary.envelope.to.len(), 1);
    let [_, file] = parts(&summary) else {
        panic!("two parts");
    };
    assert!(file.is("application", "octet-stream"));
    assert_eq!(decoded(&message, file), b"data");
}

#[test]
fn threads() {
    let id = |text: &str| MessageId::all(text.as_bytes());
    let thread = Thread::answering(b"<c@x>", b"<a@x>\r\n <b@x>", b"<b@x>");
    assert_eq!(thread.in_reply_to, id("<c@x>").pop());
    assert_eq!(thread.references, id("<a@x><b@x><c@x>"));
    let thread = Thread::answering(b" <c@x> (old)", b"", b"<b@x> <d@x>");
    assert_eq!(thread.references, id("<b@x><c@x>"));
    let many: Vec<String> = (0..99).map(|n| format!("<{n}@x> ")).collect();
    let many = many.concat();
    let thread = Thread::answering(b"<c@x>", many.as_bytes(), b"");
    assert_eq!(thread.references.len(), REFERENCES_MAX);
    assert_eq!(thread.references.first(), id("<0@x>").first());
    assert_eq!(thread.references.last(), id("<c@x>").first());
    for bad in ["", "c@x", "<a b>", "<\u{fc}@x>", "<>", "<a"] {
        assert_eq!(
            Thread::answering(bad.as_bytes(), b"<a@x>", b""),
            Thread::default()
        );
    }
}

#[test]
fn attached_messages_stay_as_they_are() {
    let original = b"Subject: \xc3\xbc\nA: b\r\n\r\ntext\r--\rmore\0\n.";
    let attachment = Attachment::Message {
        name: Line::new("a.eml"),
    };
    let file = Attachment::File {
        name: Line::new("b.bin"),
        kind: MediaType::new(""),
    };
    let message = write(
        &head("Fwd", Vec::new()),
        "see",
        &[(attachment, original), (file, b"")],
    );
    assert_lines_fit(&message);
    let summary = scan(&message);
    assert_eq!(summary.body.encoding, b"8bit");
    let [_, inner, _] = parts(&summary) else {
        panic!("three parts");
    };
    let Content::Message(inside) = &inner.content else {
        panic!("a message");
    };
    assert_eq!(
        inside.envelope.subject.as_deref(),
        Some("\u{fc}".as_bytes())
    );
    let expected = b"Subject: \xc3\xbc\r\nA: b\r\n\r\ntext\r\n--\r\nmore\r\n.";
    assert_eq!(decoded(&message, inner), expected);
}

#[test]
fn typed_addresses() {
    let shown = |typed: &str| parse(typed).map(|found| shown_in_field(&found));
    for (typed, expected) in [
        ("", ""),
        (" , ;", ""),
        ("bob@x.test", "bob@x.test"),
        ("Bob <bob@x.test>, c@x.test", "Bob <bob@x.test>, c@x.test"),
        (
            "a@x.test;b@x.test\r\nc@x.test",
            "a@x.test, b@x.test, c@x.test",
        ),
        ("\"Meier, Bob\" <bob@x.test>", "\"Meier, Bob\" <bob@x.test>"),
        ("Team: a@x.test, b@x.test;", "a@x.test, b@x.test"),
        ("a@x.test, A@X.test", "a@x.test"),
        (
            "j\u{fc}rgen@m\u{fc}ller.test",
            "j\u{fc}rgen@xn--mller-kva.test",
        ),
    ] {
        assert_eq!(shown(typed).as_deref(), Ok(expected), "{typed}");
    }
    for (typed, wrong) in [
        ("bob", "bob"),
        ("a@x.test, bob@", "bob"),
        ("a@x.test, b@x..test", "b@x..test"),
        ("<a@x.test> b@x.test\0, c d", "c d"),
    ] {
        let expected = Err(Wrong::Address(wrong.to_owned()));
        assert_eq!(shown(typed), expected, "{typed}");
    }
    let many: Vec<String> = (0..10_000).map(|n| format!("a{n}@x.test,")).collect();
    let many = many.concat();
    assert_eq!(shown(&many), Err(Wrong::TooMany));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Two readers that know nothing of the writer see what was meant.
    #[test]
    fn what_is_written_reads_as_meant(
        subject in "\\PC{0,120}|[ -~]{0,200}",
        name in "\\PC{0,40}|[ -~]{0,90}",
        text in "([ -~\u{e4}\u{20ac}]{0,120}\n){0,6}",
        file in "\\PC{0,60}|[ -~]{1,200}",
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        count in 0_usize..3,
    ) {
        let parties = vec![party(&name, "bob@x.test"), party("", "c.d@x.test")];
        let head = head(&subject, parties);
        let attachment = Attachment::File {
            name: Line::new(&file),
            kind: MediaType::new("image/png; x=y"),
        };
        let attached: Vec<Attached<'_>> = (0..count).map(|_| (attachment.clone(), bytes.as_slice())).collect();
        let message = write(&head, &text, &attached);
        assert_lines_fit(&message);
        prop_assert!(message.is_ascii());

        let summary = scan(&message);
        let envelope = &summary.envelope;
        let read = |value: &Option<Vec<u8>>| decode_words(value.as_deref().unwrap_or_default());
        prop_assert_eq!(read(&envelope.subject), head.subject.as_str());
        prop_assert_eq!(envelope.to.len(), 2);
        prop_assert_eq!(recipients::party(&envelope.to[0]), head.to.first().cloned());
        let found = parts(&summary);
        prop_assert_eq!(found.len(), count + 1);
        let body = String::from_utf8(decoded(&message, &found[0])).unwrap();
        prop_assert_eq!(body, flowed::write(&text));
        for part in &found[1..] {
            prop_assert_eq!(&decoded(&message, part), &bytes);
        }

        let oracle = MessageParser::default().parse(&message).unwrap();
        prop_assert_eq!(oracle.subject().unwrap_or_default(), head.subject.as_str());
        let to = oracle.to().unwrap().as_list().unwrap();
        prop_assert_eq!(to[0].address.as_deref(), Some("bob@x.test"));
        prop_assert_eq!(to[0].name.as_deref().unwrap_or_default(), head.to[0].name.as_str());
        prop_assert_eq!(oracle.attachment_count(), count);
        for part in oracle.attachments() {
            prop_assert_eq!(part.contents(), bytes.as_slice());
            let called = Line::new(&file);
            prop_assert_eq!(part.attachment_name().unwrap_or_default(), called.as_str());
        }
    }
}
