//! Each dialog is fed whole and byte by byte, with the same outcome.

use super::*;

/// What came of feeding a connection: one line per event, continuation requests as `+`.
fn run(input: &[u8], piece_bytes: usize) -> Vec<String> {
    let mut connection = Connection::default();
    let mut seen = Vec::new();
    for piece in input.chunks(piece_bytes) {
        connection.push(piece);
        drain(&mut connection, &mut seen);
    }
    seen
}

fn drain(connection: &mut Connection, seen: &mut Vec<String>) {
    let mut out = Vec::new();
    while let Some(received) = connection.receive(&mut out) {
        note_continuations(&mut out, seen);
        match received {
            Received::Command(command) => {
                if matches!(
                    command.body,
                    crate::imap::syntax::command::CommandBody::Idle
                ) {
                    connection.expect_line();
                }
                seen.push(format!("{} {}", command.tag, command.body.name()));
            }
            Received::Append(append) => {
                seen.push(format!("{} APPEND {}", append.tag, append.mailbox.as_str()));
                if append.mailbox.as_str() == "full" {
                    connection.refuse_literal();
                } else {
                    connection.accept_literal(&mut out);
                    note_continuations(&mut out, seen);
                }
            }
            Received::Literal(piece) => note_piece(&piece, seen),
            Received::AppendEnd => seen.push("end".to_owned()),
            Received::Line(line) => seen.push(format!("line {}", line.escape_ascii())),
            Received::Refused(tag, completion) => {
                let tag = tag.map_or_else(|| "*".to_owned(), |tag| tag.to_string());
                seen.push(format!(
                    "{tag} {:?}: {}",
                    completion.condition, completion.text
                ));
            }
            Received::Hopeless => {
                if seen.last().is_none_or(|last| last != "hopeless") {
                    seen.push("hopeless".to_owned());
                }
                return;
            }
        }
    }
    note_continuations(&mut out, seen);
}

fn note_continuations(out: &mut Vec<u8>, seen: &mut Vec<String>) {
    for _ in out
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        seen.push("+".to_owned());
    }
    out.clear();
}

/// Pieces of one literal are put together, since only their cuts may differ.
fn note_piece(piece: &[u8], seen: &mut Vec<String>) {
    let text = piece.escape_ascii().to_string();
    match seen.last_mut() {
        Some(last) if last.starts_with("literal ") => last.push_str(&text),
        _ => seen.push(format!("literal {text}")),
    }
}

#[track_caller]
fn check(input: impl AsRef<[u8]>, expected: &[&str]) {
    let input = input.as_ref();
    assert_eq!(run(input, input.len()), expected, "whole");
    assert_eq!(run(input, 1), expected, "byte by byte");
    assert_eq!(run(input, 7), expected, "by seven bytes");
}

#[test]
fn lines_are_commands() {
    check("a NOOP\r\nb capability\r\n", &["a NOOP", "b CAPABILITY"]);
}

#[test]
fn bad_lines_are_refused_and_the_next_is_read() {
    check(
        "a BOGUS\r\n\r\nb NOOP\nc NOOP\r\nd LOGIN x\r\n",
        &[
            "a Bad: unknown command",
            "* Bad: expected a tag at byte 0",
            "b Bad: expected the end of the line at byte 6",
            "c NOOP",
            "d Bad: expected a space at byte 9",
        ],
    );
}

#[test]
fn literals_are_collected() {
    check(
        "a LOGIN {4}\r\nfred {2}\r\npw\r\nb LOGIN {4+}\r\nfred {2+}\r\npw\r\nc NOOP\r\n",
        &["+", "+", "a LOGIN", "b LOGIN", "c NOOP"],
    );
}

#[test]
fn literal_content_is_never_an_announcement() {
    check(
        "a LOGIN fred {4+}\r\n{9+}\r\nb LOGIN fred {6+}\r\n{9+}\r\n\r\nc NOOP\r\n",
        &["a LOGIN", "b LOGIN", "c NOOP"],
    );
}

#[test]
fn append_streams_its_message() {
    check(
        "a APPEND INBOX (\\Seen) \"17-Jul-1996 02:44:25 -0700\" {7}\r\nab\r\ncd}\r\nb NOOP\r\n",
        &[
            "a APPEND INBOX",
            "+",
            "literal ab\\r\\ncd}",
            "end",
            "b NOOP",
        ],
    );
    check(
        "a APPEND {5+}\r\ninbox {3+}\r\nabc\r\n",
        &["a APPEND INBOX", "literal abc", "end"],
    );
    check("a APPEND INBOX {0+}\r\n\r\n", &["a APPEND INBOX", "end"]);
}

#[test]
fn refused_append_leaves_no_trace() {
    check(
        "a APPEND full {7}\r\nb NOOP\r\n",
        &["a APPEND full", "b NOOP"],
    );
    check(
        "a APPEND full {8+}\r\nx NOOP\r\n more {4+}\r\nevil\r\nb NOOP\r\n",
        &["a APPEND full", "b NOOP"],
    );
    check(
        "a APPEND a//b {8+}\r\nx NOOP\r\n\r\nb NOOP\r\n",
        &["a No: the mailbox name has an empty level", "b NOOP"],
    );
}

#[test]
fn text_behind_a_message_cancels_it() {
    check(
        "a APPEND INBOX {1+}\r\nx trailing {4+}\r\nevil\r\nb NOOP\r\n",
        &[
            "a APPEND INBOX",
            "literal x",
            "* Bad: expected the end of the line behind the message",
            "b NOOP",
        ],
    );
}

#[test]
fn too_long_line_is_poison_not_cut() {
    let long = "x".repeat(COMMAND_BYTES_MAX);
    check(
        format!("a LOGIN {long}\r\nb NOOP\r\n"),
        &["a Bad: the command is too long", "b NOOP"],
    );
    check(
        format!("a LOGIN {long} {{8+}}\r\nx NOOP\r\n\r\nb NOOP\r\n"),
        &["a Bad: the command is too long", "b NOOP"],
    );
    check(
        format!("a LOGIN {long} {{8}}\r\nb NOOP\r\n"),
        &["a Bad: the command is too long", "b NOOP"],
    );
}

#[test]
fn too_long_literal_is_poison_not_cut() {
    let bytes = LITERAL_BYTES_MAX + 1;
    check(
        format!("a LOGIN {{{bytes}}}\r\nb NOOP\r\n"),
        &["a Bad: the literal is too long", "b NOOP"],
    );
    let evil = "x NOOP\r\n".repeat(usize::try_from(bytes).unwrap() / 8 + 1);
    check(
        format!("a LOGIN {{{}+}}\r\n{evil} pw\r\nb NOOP\r\n", evil.len()),
        &["a Bad: the literal is too long", "b NOOP"],
    );
}

#[test]
fn too_many_literals_are_poison() {
    let many = " {1+}\r\nx".repeat(LITERALS_MAX + 1);
    check(
        format!("a SEARCH SUBJECT{many} {{3+}}\r\nabc\r\nb NOOP\r\n"),
        &["a Bad: too many literals", "b NOOP"],
    );
}

#[test]
fn expected_lines_are_no_commands() {
    check(
        "a IDLE\r\nDONE\r\nb NOOP\r\n",
        &["a IDLE", "line DONE", "b NOOP"],
    );
    check(
        "a IDLE\r\nDONE\nb NOOP\r\n",
        &["a IDLE", "* Bad: the line does not end with CRLF", "b NOOP"],
    );
}

#[test]
fn refusals_in_a_row_end_it() {
    let many = "x\r\n".repeat(usize::try_from(REFUSALS_MAX).unwrap());
    let mut expected = vec!["x Bad: expected a space at byte 1"; many.len() / 3];
    expected.push("hopeless");
    check(format!("{many}a NOOP\r\n"), &expected);
}

#[test]
fn starttls_drops_what_came_too_early() {
    let mut connection = Connection::default();
    connection.push(b"a STARTTLS\r\nb LOGIN evil evil\r\n");
    let first = connection.receive(&mut Vec::new());
    assert!(matches!(first, Some(Received::Command(_))));
    assert!(!connection.clear());
    assert!(connection.receive(&mut Vec::new()).is_none());
    assert!(connection.clear());
}

/// Pieces of commands, right and wrong, from which streams are made.
const PIECES: &[&str] = &[
    "a NOOP\r\n",
    "b IDLE\r\n",
    "DONE\r\n",
    "c LOGIN {3+}\r\nabc {2}\r\nde\r\n",
    "d APPEND INBOX {5+}\r\n12345\r\n",
    "e APPEND INBOX {5}\r\n12345",
    "f APPEND full {5+}\r\n12345\r\n",
    "g APPEND full {5}\r\n",
    " x {4+}\r\n",
    "\r\n",
    "\n",
    "h LOGIN {99999+}\r\n",
    "{7}\r\n",
    "}\r\n",
    "\0\u{ff}",
];

proptest::proptest! {
    /// What comes out depends on the bytes alone, not on how they were cut.
    #[test]
    fn cuts_change_nothing(
        pieces in proptest::collection::vec(0..PIECES.len(), 1..20),
        piece_bytes in 1usize..40,
    ) {
        let input: String = pieces.iter().filter_map(|index| PIECES.get(*index)).copied().collect();
        let whole = run(input.as_bytes(), input.len());
        assert_eq!(run(input.as_bytes(), piece_bytes), whole, "{input:?}");
    }
}
