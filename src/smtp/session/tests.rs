//! The session as a whole: every command in every state, splits at any byte, smuggling, limits, time. Dialogs that read
//! as such are in `tests/dialogs/smtp`.

mod house;
mod judged;
mod sending;
mod told;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::machine::Session as _;
use crate::store::Options;
use house::{House, house, house_with};

/// The ways into each state.
const STATES: [(&str, &[&str]); 5] = [
    ("greeted", &[]),
    ("identified", &["EHLO c"]),
    ("mail given", &["EHLO c", "MAIL FROM:<x@y.z>"]),
    (
        "recipients",
        &["EHLO c", "MAIL FROM:<x@y.z>", "RCPT TO:<anna@home.test>"],
    ),
    (
        "chunks",
        &[
            "EHLO c",
            "MAIL FROM:<x@y.z>",
            "RCPT TO:<anna@home.test>",
            "BDAT 2\r\n",
        ],
    ),
];

/// Each command and its code in each of [`STATES`], in the receive role.
const TABLE: [(&str, [&str; 5]); 16] = [
    ("EHLO c", ["250", "250", "250", "250", "250"]),
    ("HELO c", ["250", "250", "250", "250", "250"]),
    ("MAIL FROM:<>", ["503", "250", "503", "503", "503"]),
    (
        "RCPT TO:<ben@home.test>",
        ["503", "503", "250", "250", "503"],
    ),
    ("DATA", ["503", "503", "554", "354", "503"]),
    ("BDAT 0", ["503", "503", "554", "250", "250"]),
    ("BDAT 0 LAST", ["503", "503", "554", "250", "250"]),
    ("BDAT x", ["501", "501", "501", "501", "501"]),
    ("RSET", ["250", "250", "250", "250", "250"]),
    ("NOOP", ["250", "250", "250", "250", "250"]),
    ("HELP", ["214", "214", "214", "214", "214"]),
    ("VRFY anna", ["252", "252", "252", "252", "252"]),
    ("EXPN all", ["502", "502", "502", "502", "502"]),
    ("STARTTLS", ["220", "220", "220", "220", "220"]),
    ("AUTH PLAIN", ["502", "502", "502", "502", "502"]),
    ("QUIT", ["221", "221", "221", "221", "221"]),
];

#[test]
fn every_command_in_every_state() {
    for (command, codes) in TABLE {
        for ((state, way), expected) in STATES.into_iter().zip(codes) {
            let mut house = house(Role::Receive);
            for line in way {
                let code = house.code(line);
                assert!(
                    code.starts_with('2'),
                    "{line} on the way to {state}: {code}"
                );
            }
            assert_eq!(house.code(command), expected, "{command} in state {state}");
            let ended = matches!(command, "QUIT" | "BDAT x");
            assert_eq!(
                house.events.contains(&"close"),
                ended,
                "{command} in {state}"
            );
        }
    }
}

#[test]
fn transactions_end_with_greetings_and_rset() {
    for end in ["RSET", "EHLO c", "HELO c"] {
        let mut house = house(Role::Receive);
        for line in [
            "EHLO c",
            "MAIL FROM:<x@y.z>",
            "RCPT TO:<anna@home.test>",
            end,
        ] {
            house.code(line);
        }
        assert_eq!(house.code("DATA"), "503", "{end}");
        assert_eq!(house.code("MAIL FROM:<>"), "250", "{end}");
    }
}

const WHOLE_DIALOG: &str = "EHLO c\r\nMAIL FROM:<x@y.z> SIZE=20\r\nRCPT TO:<anna@home.test>\r\n\
    RCPT TO:<nobody@home.test>\r\nDATA\r\nSubject: a\r\n\r\n..dot\r\n.\r\nNOOP\r\nMAIL FROM:<>\r\n\
    RCPT TO:<anna@home.test>\r\nRCPT TO:<ben@home.test>\r\nBDAT 6\r\nA: b\r\nBDAT 5 LAST\r\n\r\n\
    x\r\nBDAT 5\r\nNOOP\nFOO\r\nNOOP\nQUIT\r\n";

#[test]
fn pipelined_commands_are_answered_in_order() {
    let mut whole = house(Role::Receive);
    let said = whole.say(WHOLE_DIALOG.as_bytes());
    let codes: Vec<&str> = said
        .lines()
        .filter(|line| line.as_bytes().get(3) == Some(&b' '))
        .filter_map(|line| line.get(..3))
        .collect();
    // The BDAT behind LAST belongs to no mail: its five bytes are read, then it is refused. A line with LF alone too.
    let expected = "250 250 250 550 354 250 250 250 250 250 250 250 503 500 500 221";
    assert_eq!(codes.join(" "), expected, "{said}");
    let inbox = whole.inbox("anna@home.test");
    assert_eq!(inbox.len(), 2);
    assert!(inbox[0].starts_with("Return-Path: <x@y.z>\r\nDelivered-To: anna@home.test\r\n"));
    assert!(inbox[0].contains(" for <anna@home.test>;"), "{}", inbox[0]);
    assert!(
        inbox[0].ends_with("\r\nSubject: a\r\n\r\n.dot\r\n"),
        "{}",
        inbox[0]
    );
    assert!(inbox[1].starts_with("Return-Path: <>\r\n"));
    assert!(!inbox[1].contains(" for <"), "{}", inbox[1]);
    assert!(inbox[1].ends_with("\r\nA: b\r\n\r\nx\r\n"), "{}", inbox[1]);
    assert_eq!(whole.inbox("ben@home.test").len(), 1);
}

#[test]
fn bytes_may_come_one_by_one() {
    let mut whole = house(Role::Receive);
    let mut single = house(Role::Receive);
    let expected = whole.say(WHOLE_DIALOG.as_bytes());
    assert_eq!(single.say_by_bytes(WHOLE_DIALOG.as_bytes()), expected);
    assert_eq!(
        single.inbox("anna@home.test"),
        whole.inbox("anna@home.test")
    );
}

/// Lines that mostly make sense, so that random dialogs get far.
fn any_line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("EHLO c\r\n".to_owned()),
        Just("MAIL FROM:<x@y.z>\r\n".to_owned()),
        Just("RCPT TO:<anna@home.test>\r\n".to_owned()),
        Just("DATA\r\n".to_owned()),
        Just(".\r\n".to_owned()),
        Just("\n.\r\n".to_owned()),
        Just("BDAT 7\r\n1234567".to_owned()),
        Just("BDAT 4 LAST\r\nQ\r\n\r".to_owned()),
        Just("RSET\r\n".to_owned()),
        Just("AUTH PLAIN AGFubmEAeA==\r\n".to_owned()),
        Just("AUTH LOGIN\r\n".to_owned()),
        Just("*\r\n".to_owned()),
        "[a-z. ]{0,12}\r?\n",
        "[A-Z]{4} ?[ -~]{0,12}\r\n",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn splits_change_nothing(
        lines in prop::collection::vec(any_line(), 0..14),
        submission in any::<bool>(),
        cuts in prop::collection::vec(1_usize..30, 1..6),
    ) {
        let role = if submission { Role::Submission } else { Role::Receive };
        let text = format!("EHLO c\r\n{}", lines.concat());
        let expected = house(role).say(text.as_bytes());
        let mut pieces = house(role);
        let mut rest = text.as_bytes();
        let mut said = String::new();
        for cut in cuts.iter().cycle() {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            said.push_str(&pieces.say(piece));
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(said, expected);
    }
}

#[test]
fn smuggled_commands_stay_in_the_message() {
    for end in [
        "\n.\n",
        "\n.\r\n",
        "\r\n.\n",
        "\r.\r\n",
        "\r\n.\r",
        "\r\n\0.\r\n",
    ] {
        let mut house = house(Role::Receive);
        for line in [
            "EHLO c",
            "MAIL FROM:<x@y.z>",
            "RCPT TO:<anna@home.test>",
            "DATA",
        ] {
            house.code(line);
        }
        let inner = "MAIL FROM:<evil@y.z>\r\nRCPT TO:<ben@home.test>\r\nDATA\r\nx\r\n.\r\n";
        let said = house.say(format!("Subject: a\r\n\r\na{end}{inner}").as_bytes());
        assert!(said.starts_with("554 5.6.0 "), "{end:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{end:?}: {said}");
        assert!(house.inbox("anna@home.test").is_empty());
        assert!(house.inbox("ben@home.test").is_empty());
    }
}

#[test]
fn nothing_survives_starttls() {
    let mut house = house(Role::Receive);
    let said = house.say(b"EHLO c\r\nSTARTTLS\r\nMAIL FROM:<x@y.z>\r\n");
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("501 5.5.1"), "{said}");
    assert_eq!(house.events, ["close"]);

    let mut house = house::house(Role::Receive);
    house.code("EHLO c");
    assert_eq!(house.code("STARTTLS"), "220");
    assert_eq!(house.events, ["tls"]);
    assert_eq!(house.code("MAIL FROM:<>"), "503");
    assert!(!house.say(b"EHLO c\r\n").contains("STARTTLS"));
    assert_eq!(house.code("STARTTLS"), "503");
}

#[test]
fn large_messages_are_read_to_their_end() {
    let mut house = house(Role::Receive);
    for line in [
        "EHLO c",
        "MAIL FROM:<x@y.z>",
        "RCPT TO:<anna@home.test>",
        "DATA",
    ] {
        house.code(line);
    }
    let body = "0123456789\r\n".repeat(170);
    assert_eq!(house.say(body.as_bytes()), "");
    let said = house.say(b"NOOP\r\n.\r\nNOOP\r\n");
    assert!(
        said.starts_with("552 5.3.4 ") && said.ends_with("250 2.0.0 OK\r\n"),
        "{said}"
    );
    assert_eq!(house.code("MAIL FROM:<x@y.z> SIZE=2001"), "552");
    assert_eq!(house.code("MAIL FROM:<x@y.z> SIZE=2000"), "250");
    assert!(house.inbox("anna@home.test").is_empty());
}

#[test]
fn endless_messages_are_not_read_to_their_end() {
    let mut house = house(Role::Receive);
    for line in [
        "EHLO c",
        "MAIL FROM:<x@y.z>",
        "RCPT TO:<anna@home.test>",
        "DATA",
    ] {
        house.code(line);
    }
    assert_eq!(house.say(&[b'a'; 8000]), "");
    assert!(house.say(b"a").starts_with("552 5.3.4 "));
    assert_eq!(house.events, ["close"]);

    let mut house = house::house(Role::Receive);
    assert_eq!(house.code("BDAT 8001"), "552");
    assert_eq!(house.events, ["close"]);
}

#[test]
fn loops_are_cut() {
    let mut house = house(Role::Receive);
    house.service.limits.message_bytes_max = 100_000;
    let mut house = House::connect(house.clock, house.service);
    for (hops, code) in [(100, "250"), (101, "554")] {
        for line in [
            "EHLO c",
            "MAIL FROM:<x@y.z>",
            "RCPT TO:<anna@home.test>",
            "DATA",
        ] {
            house.code(line);
        }
        house.say("Received: by x; today\r\n".repeat(hops).as_bytes());
        assert_eq!(house.code("\r\n."), code);
    }
}

#[test]
fn errors_and_lines_are_limited() {
    let mut house = house(Role::Receive);
    let long = "a".repeat(20_000);
    assert!(house.say(long.as_bytes()).is_empty());
    assert_eq!(house.code("NOOP"), "500");
    assert_eq!(house.code(&format!("NOOP {}", "a".repeat(1273))), "250");
    assert_eq!(house.code(&format!("NOOP {}", "a".repeat(1274))), "500");
    assert!(house.say(b"NOOP\n").starts_with("500 5.5.2"));
    for _ in 3..ERRORS_MAX - 1 {
        assert_eq!(house.code("WHAT"), "500");
    }
    assert_eq!(house.code("WHAT"), "421");
    assert_eq!(house.events, ["close"]);
}

#[test]
fn silence_and_shutdown_end_it() {
    let mut house = house(Role::Receive);
    house.code("EHLO c");
    house.clock.advance(Duration::from_secs(299));
    house.session.handle_timeout(house.clock.now());
    assert_eq!(house.settle(), "");
    let (deadline, _) = house.session.poll_timeout().unwrap();
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(deadline, house.clock.now().mono);
    house.session.handle_timeout(house.clock.now());
    assert!(house.settle().starts_with("421 4.4.2 "));
    assert_eq!(house.events, ["close"]);

    let mut house = house::house(Role::Receive);
    house.session.handle_shutdown(house.clock.now());
    assert!(house.settle().starts_with("421 4.3.2 "));
    assert_eq!(house.events, ["close"]);
}

#[test]
fn half_a_command_is_not_acted_on() {
    let mut house = house(Role::Receive);
    for line in [
        "EHLO c",
        "MAIL FROM:<x@y.z>",
        "RCPT TO:<anna@home.test>",
        "DATA",
    ] {
        house.code(line);
    }
    house.say(b"Subject: a\r\n\r\nb\r\n.");
    house.session.handle_eof(house.clock.now());
    assert_eq!(house.settle(), "");
    assert_eq!(house.events, ["close"]);
    assert!(house.inbox("anna@home.test").is_empty());
}

#[test]
fn submission_completes_and_checks_senders() {
    let mut house = house(Role::Submission);
    house.code("EHLO c");
    assert_eq!(house.code("MAIL FROM:<anna@home.test>"), "530");
    assert_eq!(house.code("AUTH PLAIN AGFubmEAeA=="), "235");
    assert_eq!(house.code("AUTH PLAIN AGFubmEAeA=="), "503");
    assert_eq!(house.code("MAIL FROM:<ben@home.test>"), "550");
    assert_eq!(house.code("MAIL FROM:<x@y.z>"), "550");
    assert_eq!(house.code("MAIL FROM:<anna+x@home.test> AUTH=<>"), "250");
    assert_eq!(house.code("RCPT TO:<ben@home.test>"), "250");
    assert_eq!(house.code("DATA"), "354");
    assert_eq!(house.code("Subject: a\r\n\r\nb\r\n."), "250");
    let inbox = house.inbox("ben@home.test");
    let text = inbox.first().unwrap();
    assert!(text.contains(" with ESMTPA\r\n id "), "{text}");
    assert!(
        text.contains("\r\nDate: Fri, 15 Jan 2027 08:00:00 +0000\r\nMessage-ID: <"),
        "{text}"
    );
}

#[test]
fn full_mailboxes_are_told_at_rcpt() {
    let mut house = house_with(Role::Receive, &Options::default(), Some(1200));
    let mail = |house: &mut House, to: &[&str]| {
        assert_eq!(house.code("RSET"), "250");
        assert_eq!(house.code("MAIL FROM:<x@y.z>"), "250");
        let rcpt = |house: &mut House, to: &&str| house.code(&format!("RCPT TO:<{to}@home.test>"));
        to.iter()
            .map(|to| rcpt(house, to))
            .collect::<Vec<_>>()
            .join(" ")
    };
    house.code("EHLO c");
    let body = format!("Subject: a\r\n\r\n{}\r\n.", "b".repeat(900));
    for _ in 0..2 {
        if mail(&mut house, &["anna"]) == "250" {
            house.code("DATA");
            house.code(&body);
        }
    }
    assert_eq!(mail(&mut house, &["anna"]), "452");
    assert_eq!(mail(&mut house, &["anna", "ben"]), "452 250");
    assert_eq!(house.code("DATA"), "354");
    assert_eq!(house.code(&body), "250");
    assert_eq!(house.inbox("ben@home.test").len(), 1);
}

#[test]
fn a_mail_larger_than_the_room_is_put_off_and_one_larger_than_the_limit_refused() {
    let options = Options {
        capacity_bytes_max: Some(20 << 20),
        reserve_bytes: 16 << 20,
        ..Options::default()
    };
    let small = house_with(Role::Receive, &options, None);
    let mut service = small.service.clone();
    service.limits.message_bytes_max = 50 << 20;
    let mut house = House::connect(small.clock, service);
    house.code("EHLO c");
    for (size, expected) in [(60 << 20, "552"), (10 << 20, "452"), (1 << 10, "250")] {
        let mail = format!("MAIL FROM:<x@y.z> SIZE={size}");
        assert_eq!(house.code(&mail), expected, "{size}");
    }
    assert_eq!(house.code("RCPT TO:<anna@home.test>"), "250");
}
