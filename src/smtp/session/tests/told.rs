//! Every mail that is taken or not is told once.

use super::house::{House, house, house_with};
use super::*;
use crate::maillog::Tallied;

fn check(mut house: House, lines: &[&str], expected: Tallied) {
    for line in lines {
        house.code(line);
    }
    assert_eq!(house.service.tally.read(), expected, "{lines:?}");
}

#[test]
fn what_other_servers_bring() {
    let none = Tallied::default();
    let start = ["EHLO c", "MAIL FROM:<x@y.z>"];
    let table: [(&[&str], Tallied); 6] = [
        (
            &[
                "RCPT TO:<anna@home.test>",
                "RCPT TO:<ben@home.test>",
                "DATA",
                "a: b\r\n.",
            ],
            Tallied {
                received: 1,
                ..none
            },
        ),
        (
            &["RCPT TO:<anna@home.test>", "BDAT 4 LAST\r\na: b"],
            Tallied {
                received: 1,
                ..none
            },
        ),
        // Unknown, relaying; what comes of having no recipient is not told again.
        (
            &["RCPT TO:<zoe@home.test>", "RCPT TO:<x@far.example>", "DATA"],
            Tallied { refused: 2, ..none },
        ),
        // A bare LF ends the mail as a whole.
        (
            &["RCPT TO:<anna@home.test>", "DATA", "a\nb\r\n."],
            Tallied { refused: 1, ..none },
        ),
        (
            &["RCPT TO:<anna@home.test>", "BDAT 2\r\n\n\n"],
            Tallied { refused: 1, ..none },
        ),
        // No mail at all.
        (&["RSET", "RCPT TO:<anna@home.test>", "FOO", "DATA"], none),
    ];
    for (lines, expected) in table {
        let lines: Vec<&str> = start.iter().chain(lines).copied().collect();
        check(house(Role::Receive), &lines, expected);
    }
    let large = ["EHLO c", "MAIL FROM:<x@y.z> SIZE=99999"];
    check(house(Role::Receive), &large, Tallied { refused: 1, ..none });
}

#[test]
fn what_our_users_send() {
    let none = Tallied::default();
    let lines = [
        "EHLO c",
        "MAIL FROM:<anna@home.test>",
        "AUTH PLAIN AGFubmEAeA==",
        "MAIL FROM:<ben@home.test>",
        "MAIL FROM:<anna@home.test>",
        "RCPT TO:<ben@home.test>",
        "DATA",
        "a: b\r\n.",
    ];
    let expected = Tallied {
        submitted: 1,
        refused: 2,
        ..none
    };
    check(house(Role::Submission), &lines, expected);
}

#[test]
fn who_has_no_room() {
    let lines = [
        "EHLO c",
        "MAIL FROM:<x@y.z>",
        "RCPT TO:<anna@home.test>",
        "DATA",
        "a: b\r\n.",
        "MAIL FROM:<x@y.z>",
        "RCPT TO:<anna@home.test>",
    ];
    let expected = Tallied {
        received: 1,
        deferred_account_full: 1,
        ..Tallied::default()
    };
    let small = house_with(Role::Receive, &Options::default(), Some(1));
    check(small, &lines, expected);
    let no_card = Options {
        capacity_bytes_max: Some(1),
        ..Options::default()
    };
    let expected = Tallied {
        deferred_card_full: 1,
        ..Tallied::default()
    };
    let full = house_with(Role::Receive, &no_card, None);
    check(full, &lines[..3], expected);
}
