//! Structure of messages: tables for what each rule means, properties for any bytes.

use proptest::prelude::*;

use super::*;

fn scan(message: &[u8]) -> Summary {
    let mut scanner = Scanner::new();
    scanner.push(message);
    scanner.finish().summary
}

/// The tree, a part a line: depth, type, header in quotes up to 20 bytes, body likewise, lines.
fn check(message: &str, expected: &[&str]) {
    let mut lines = Vec::new();
    show(&scan(message.as_bytes()).body, message, "", &mut lines);
    assert_eq!(lines, expected, "{message}");
    let lf = message.replace("\r\n", "\n");
    let mut bare = Vec::new();
    show(&scan(lf.as_bytes()).body, &lf, "", &mut bare);
    let expected: Vec<String> = expected
        .iter()
        .map(|line| line.replace("\\r", ""))
        .collect();
    assert_eq!(bare, expected, "{lf}");
}

fn show(part: &Part, message: &str, indent: &str, lines: &mut Vec<String>) {
    let at = |offset: u64| usize::try_from(offset).unwrap();
    let body = message.get(at(part.body_start)..at(part.body_end)).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let kind = format!("{}/{}", text(&part.media_type), text(&part.subtype));
    let deeper = format!("{indent} ");
    match &part.content {
        Content::Leaf => lines.push(format!("{indent}{kind} {body:?} {}", part.lines)),
        Content::Multipart(parts) => {
            lines.push(format!("{indent}{kind} {}", part.lines));
            for part in parts {
                show(part, message, &deeper, lines);
            }
        }
        Content::Message(inner) => {
            let subject = text(inner.envelope.subject.as_deref().unwrap_or(b"-"));
            lines.push(format!("{indent}{kind} {subject} {}", part.lines));
            show(&inner.body, message, &deeper, lines);
        }
    }
}

#[test]
fn single_parts() {
    check("", &["text/plain \"\" 0"]);
    check("\r\n", &["text/plain \"\" 0"]);
    check("A: b", &["text/plain \"\" 0"]);
    check("A: b\r\n\r\nx\r\ny", &["text/plain \"x\\r\\ny\" 2"]);
    check("\r\nx\r\n\r\n", &["text/plain \"x\\r\\n\\r\\n\" 2"]);
    check(
        "Content-Type: multipart/mixed\r\n\r\n--x\r\n",
        &["text/plain \"--x\\r\\n\" 1"],
    );
}

const MIXED: &str = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";

fn check_mixed(body: &str, expected: &[&str]) {
    check(&format!("{MIXED}{body}"), expected);
}

#[test]
fn boundaries() {
    check_mixed(
        "pre\r\n--b\r\n\r\none\r\n--b \t\r\nContent-Type: a/b\r\n\r\ntwo\r\n\r\n--b--\r\nepilogue\r\n--b\r\n",
        &[
            "multipart/mixed 12",
            " text/plain \"one\" 1",
            " a/b \"two\\r\\n\" 1",
        ],
    );
    check_mixed(
        "--b\r\n\r\none",
        &["multipart/mixed 3", " text/plain \"one\" 1"],
    );
    check_mixed(
        "--b\r\n\r\n\r\n--b--",
        &["multipart/mixed 4", " text/plain \"\" 0"],
    );
    check_mixed(
        "--b\r\n\r\n--b--",
        &["multipart/mixed 3", " text/plain \"\" 0"],
    );
    check_mixed("--b\r\n--b--", &["multipart/mixed 2", " text/plain \"\" 0"]);
    check_mixed(
        "--b\r\nX: y\r\n--b--",
        &["multipart/mixed 3", " text/plain \"\" 0"],
    );
    check_mixed(
        "--b\r\n\r\nx\r\n--bc\r\n-- b\r\n--b",
        &[
            "multipart/mixed 6",
            " text/plain \"x\\r\\n--bc\\r\\n-- b\" 3",
            " text/plain \"\" 0",
        ],
    );
}

#[test]
fn multipart_without_parts_has_one() {
    check_mixed(
        "just\r\ntext",
        &["multipart/mixed 2", " text/plain \"just\\r\\ntext\" 2"],
    );
    check_mixed("", &["multipart/mixed 0", " text/plain \"\" 0"]);
}

#[test]
fn nested_multiparts() {
    check_mixed(
        "--b\r\nContent-Type: multipart/alternative; boundary=bb\r\n\r\n--bb\r\n\r\n1\r\n--bb\r\n\r\n2\r\n--bb--\r\n\
         --b\r\n\r\n3\r\n--b--\r\n",
        &[
            "multipart/mixed 14",
            " multipart/alternative 7",
            "  text/plain \"1\" 1",
            "  text/plain \"2\" 1",
            " text/plain \"3\" 1",
        ],
    );
    // The inner one is not closed, and its boundary begins the outer one's.
    check(
        "Content-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\nContent-Type: multipart/x; boundary=b\r\n\r\n\
         --b\r\n\r\n1\r\n--bb\r\n\r\n2\r\n",
        &[
            "multipart/mixed 9",
            " multipart/x 3",
            "  text/plain \"1\" 1",
            " text/plain \"2\\r\\n\" 1",
        ],
    );
}

#[test]
fn attached_messages() {
    check_mixed(
        "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\ny\r\n--b--\r\n",
        &[
            "multipart/mixed 8",
            " message/rfc822 in 4",
            "  text/plain \"x\\r\\ny\" 2",
        ],
    );
    check(
        "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: in\r\n\r\nx\r\n--b\r\n\
         Content-Type: text/plain\r\n\r\ny\r\n--b--\r\n",
        &[
            "multipart/digest 10",
            " message/rfc822 in 3",
            "  text/plain \"x\" 1",
            " text/plain \"y\" 1",
        ],
    );
    check_mixed(
        "--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDo=\r\n--b--\r\n",
        &[
            "multipart/mixed 6",
            " application/octet-stream \"U3ViamVjdDo=\" 1",
        ],
    );
    check_mixed(
        "--b\r\nContent-Type: message/rfc822\r\n--b--\r\n",
        &[
            "multipart/mixed 3",
            " message/rfc822 - 0",
            "  text/plain \"\" 0",
        ],
    );
}

#[test]
fn numbers_name_parts() {
    let message = format!(
        "{MIXED}--b\r\n\r\n1\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n{MIXED_C}--c\r\n\r\n21\r\n--c\r\n\
         Content-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\n221\r\n--c--\r\n--b--\r\n"
    );
    let summary = scan(message.as_bytes());
    let body = |numbers: &[u32]| {
        let part = summary.part(numbers)?;
        let range =
            usize::try_from(part.body_start).unwrap()..usize::try_from(part.body_end).unwrap();
        message.get(range)
    };
    assert_eq!(body(&[1]), Some("1"));
    assert_eq!(body(&[2, 1]), Some("21"));
    assert_eq!(body(&[2, 2, 1]), Some("221"));
    assert_eq!(body(&[2, 2]), Some("Subject: s\r\n\r\n221"));
    for none in [&[0][..], &[3], &[1, 1], &[2, 3], &[2, 2, 2]] {
        assert_eq!(body(none), None, "{none:?}");
    }
    let single = scan(b"A: b\r\n\r\nx");
    assert_eq!(single.part(&[1]), Some(&single.body));
    assert_eq!(single.part(&[]), Some(&single.body));
}

const MIXED_C: &str = "Content-Type: multipart/mixed; boundary=c\r\n\r\n";

#[test]
fn limits_hold() {
    let level = |n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n");
    let deep = (0..100).map(level).collect::<Vec<_>>().concat();
    let deep = scan(deep.as_bytes());
    let (depth, last) = deepest(&deep.body);
    assert_eq!(
        (depth, last.is("application", "octet-stream")),
        (DEPTH_MAX, true)
    );
    let wide = format!("{MIXED}{}", "--b\r\n\r\nx\r\n".repeat(PARTS_MAX + 50));
    let body = scan(wide.as_bytes()).body;
    let Content::Multipart(parts) = &body.content else {
        panic!("no multipart")
    };
    assert_eq!(parts.len(), PARTS_MAX - 1);
    assert_eq!(parts.last().unwrap().body_end, body.body_end);
    let long = format!(
        "Subject: {}\r\nX: y\r\n\r\nbody",
        "x".repeat(2 * HEADER_BYTES_MAX)
    );
    let summary = scan(long.as_bytes());
    assert_eq!(summary.body.octets(), 4);
    assert!(summary.envelope.subject.unwrap().len() < HEADER_BYTES_MAX);
}

fn deepest(part: &Part) -> (usize, &Part) {
    match &part.content {
        Content::Leaf => (1, part),
        Content::Multipart(parts) => {
            let (depth, last) = deepest(parts.last().unwrap());
            (depth + 1, last)
        }
        Content::Message(message) => deepest(&message.body),
    }
}

#[test]
fn text_budget_drops_text_of_later_parts() {
    let part = format!(
        "--b\r\nContent-Type: a/b; n={}\r\n\r\nx\r\n",
        "y".repeat(10_000)
    );
    let summary = scan(format!("{MIXED}{}", part.repeat(100)).as_bytes());
    let encoded = summary.encode();
    assert!(
        encoded.len() < TEXT_BYTES_MAX + 100 * 32,
        "{}",
        encoded.len()
    );
    let last = summary.part(&[100]).unwrap();
    assert!(last.is("a", "b") && last.params.is_empty() && last.octets() == 3);
}

#[test]
fn ordinary_mail_encodes_small() {
    let message = "Return-Path: <anna.muster@example.org>\r\nReceived: from x by y\r\n\
        Date: Sun, 22 Nov 2026 04:53:35 +0100\r\nFrom: Anna Muster <anna.muster@example.org>\r\n\
        To: Bernd Beispiel <bernd@heimpost.example>\r\nSubject: Re: Einladung zum Sommerfest\r\n\
        Message-ID: <d3b07384-d9a0-4c9b-8f4e-6b5b0e8d9f3a@example.org>\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/alternative; boundary=\"------------0R8nq3mYbKzQ9vT5wX2\"\r\n\r\n\
        --------------0R8nq3mYbKzQ9vT5wX2\r\nContent-Type: text/plain; charset=UTF-8; format=flowed\r\n\
        Content-Transfer-Encoding: 8bit\r\n\r\nHallo\r\n\r\n--------------0R8nq3mYbKzQ9vT5wX2\r\n\
        Content-Type: text/html; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>Hallo\r\n\r\n\
        --------------0R8nq3mYbKzQ9vT5wX2--\r\n";
    let summary = scan(message.as_bytes());
    let encoded = summary.encode();
    assert_eq!(Summary::decode(&encoded), Ok(summary));
    assert!(encoded.len() <= 270, "{}", encoded.len());
}

#[test]
fn damage_is_found() {
    let encoded = scan(MIXED.as_bytes()).encode();
    assert_eq!(Summary::decode(&[]), Err(DecodeError::Damaged));
    assert_eq!(Summary::decode(&[9]), Err(DecodeError::Version(9)));
    for end in 1..encoded.len() {
        assert_eq!(Summary::decode(&encoded[..end]), Err(DecodeError::Damaged));
    }
    let longer: Vec<u8> = encoded.iter().copied().chain([0]).collect();
    assert_eq!(Summary::decode(&longer), Err(DecodeError::Damaged));
}

/// Header starts, bodies and line counts nest and ascend.
fn check_order(part: &Part, from: u64, to: u64) {
    assert!(
        from <= part.header_start && part.header_start <= part.body_start,
        "{part:?}"
    );
    assert!(
        part.body_start <= part.body_end && part.body_end <= to,
        "{part:?}"
    );
    match &part.content {
        Content::Leaf => {}
        Content::Message(message) => check_order(&message.body, part.body_start, part.body_end),
        Content::Multipart(parts) => {
            let mut from = part.body_start;
            for part in parts {
                check_order(part, from, to);
                from = part.body_end;
            }
        }
    }
}

/// Texts that look like mail more often than random bytes do.
fn mailish() -> impl Strategy<Value = Vec<u8>> {
    let lines = [
        &b"\r\n"[..],
        &b"\n"[..],
        &b"--a\r\n"[..],
        &b"--a--\r\n"[..],
        &b"--ab\n"[..],
        &b"--ab--\r\n"[..],
        &b"text\r\n"[..],
        &b"\r"[..],
        &b"-"[..],
        &b"Subject: x\r\n folded\r\n"[..],
        &b"From: a@x.org, G: b@y.org;\r\n"[..],
        &b"Content-Type: multipart/mixed; boundary=a\r\n\r\n"[..],
        &b"Content-Type: multipart/digest; boundary=\"ab\"\r\n\r\n"[..],
        &b"Content-Type: message/rfc822\n\n"[..],
        &b"Content-Disposition: attachment; filename*0=x\r\n"[..],
    ];
    prop::collection::vec(prop::sample::select(lines.to_vec()), 0..40)
        .prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn splits_do_not_matter(message in mailish(), sizes in prop::collection::vec(1_usize..30, 1..20)) {
        let whole = scan(&message);
        let mut scanner = Scanner::new();
        let mut rest = message.as_slice();
        for size in sizes.iter().cycle() {
            let (piece, tail) = rest.split_at((*size).min(rest.len()));
            scanner.push(piece);
            rest = tail;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(scanner.finish().summary, whole);
    }

    #[test]
    fn offsets_are_in_order_and_encode(message in mailish()) {
        let summary = scan(&message);
        check_order(&summary.body, 0, message.len() as u64);
        prop_assert_eq!(summary.body.body_end, message.len() as u64);
        prop_assert_eq!(Summary::decode(&summary.encode()), Ok(summary));
    }

    #[test]
    fn any_bytes_are_a_message(message in prop::collection::vec(any::<u8>(), 0..300)) {
        let summary = scan(&message);
        check_order(&summary.body, 0, message.len() as u64);
        prop_assert_eq!(Summary::decode(&summary.encode()), Ok(summary));
    }

    #[test]
    fn garbage_decodes_to_an_error_or_a_summary(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let framed: Vec<u8> = [1].into_iter().chain(bytes).collect();
        if let Ok(summary) = Summary::decode(&framed) {
            prop_assert_eq!(Summary::decode(&summary.encode()), Ok(summary));
        }
    }
}
