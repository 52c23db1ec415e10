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

/// Who waits for room in anna's account, with the size that is known.
fn waiting(house: &House) -> Vec<(String, Option<u64>)> {
    let store = &house.service.store;
    let anna = store.snapshot().unwrap().account_by_key("anna@home.test");
    let waiting = store.waiting(anna.unwrap().unwrap().id).unwrap();
    let row = |one: crate::store::types::Waiting| (one.from.unwrap().to_string(), one.bytes);
    waiting.into_iter().map(row).collect()
}

#[test]
fn whose_mail_waits_outside() {
    let mut house = house_with(Role::Receive, &Options::default(), Some(1));
    let mut other = House::connect(house.clock.clone(), house.service.clone());
    let say = |house: &mut House, lines: &[&str]| {
        let codes: Vec<String> = lines.iter().map(|line| house.code(line)).collect();
        codes.join(" ")
    };
    let to_anna = [
        "EHLO c",
        "MAIL FROM:<x@y.z>",
        "RCPT TO:<anna@home.test>",
        "DATA",
    ];
    // Full between RCPT and the end of the mail: its size is known.
    assert_eq!(say(&mut house, &to_anna), "250 250 250 354");
    assert_eq!(say(&mut other, &to_anna), "250 250 250 354");
    assert_eq!(other.code("a: b\r\n."), "250");
    assert_eq!(waiting(&house), []);
    assert_eq!(house.code("c: d\r\n."), "452");
    assert_eq!(waiting(&house), [("x@y.z".to_owned(), Some(6))]);
    // At RCPT it is what SIZE said; the largest is kept.
    let lines = ["MAIL FROM:<x@y.z> SIZE=900", "RCPT TO:<anna@home.test>"];
    assert_eq!(say(&mut house, &lines), "250 452");
    assert_eq!(waiting(&house), [("x@y.z".to_owned(), Some(900))]);
    // Room is made, and the mail comes in.
    let store = &house.service.store;
    let anna = store.snapshot().unwrap().account_by_key("anna@home.test");
    store.set_quota(anna.unwrap().unwrap().id, None).unwrap();
    assert_eq!(
        say(
            &mut house,
            &["RCPT TO:<anna@home.test>", "DATA", "c: d\r\n."]
        ),
        "250 354 250"
    );
    assert_eq!(waiting(&house), []);
}

#[test]
fn mail_waits_for_room_on_the_card_too() {
    let no_card = Options {
        capacity_bytes_max: Some(1),
        ..Options::default()
    };
    let mut house = house_with(Role::Receive, &no_card, None);
    for line in ["EHLO c", "MAIL FROM:<x@y.z>", "RCPT TO:<anna@home.test>"] {
        house.code(line);
    }
    assert_eq!(waiting(&house), [("x@y.z".to_owned(), None)]);
}
