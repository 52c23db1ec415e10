//! Mails of the box, as another's parser reads them.

use mail_parser::{MessageParser, MimeHeaders};
use proptest::prelude::*;

use super::*;
use crate::clock::{Clock, Wall};
use crate::mail::address::Address;
use crate::mail::ids::AccountId;

fn account(language: Language) -> Account {
    Account {
        id: AccountId(1),
        address: Address::parse("anna@home.test").unwrap(),
        owner: true,
        language,
        quota_bytes: None,
        created: Wall::FLOOR,
    }
}

fn now() -> Now {
    Clock::virtual_at(Wall(1_800_000_000)).now()
}

fn rendered(subject: &str, text: &str) -> String {
    let to = account(Language::De);
    let notice = Notice {
        to: &to,
        subject,
        text,
    };
    let domain = Domain::parse("home.test").unwrap();
    String::from_utf8(render(&domain, &notice, "1.2.3.k", now())).unwrap()
}

/// What another's parser makes of it.
fn parsed(subject: &str, text: &str) -> (String, String) {
    let mail = rendered(subject, text);
    for line in mail.split("\r\n") {
        assert!(line.len() <= LINE_BYTES_MAX, "{line}");
        assert!(
            line.bytes().all(|b| matches!(b, b'\t' | b' '..=b'~')),
            "{line}"
        );
    }
    let message = MessageParser::default().parse(mail.as_bytes()).unwrap();
    let body = message.body_text(0).unwrap().replace("\r\n", "\n");
    (message.subject().unwrap_or_default().to_owned(), body)
}

#[test]
fn the_whole_mail() {
    insta::assert_snapshot!(rendered("Alles gut", "Hallo\nWelt\n").replace("\r\n", "\n"), @r"
    Date: Fri, 15 Jan 2027 08:00:00 +0000
    Message-ID: <1.2.3.k@home.test>
    From: Heimpost <postmaster@home.test>
    To: <anna@home.test>
    Subject: Alles gut
    Auto-Submitted: auto-generated
    MIME-Version: 1.0
    Content-Type: text/plain; charset=utf-8
    Content-Language: de
    Content-Transfer-Encoding: 7bit

    Hallo
    Welt
    ");
    let mail = rendered("Größe", "Grüße\n");
    let message = MessageParser::default().parse(mail.as_bytes()).unwrap();
    assert_eq!(message.subject(), Some("Größe"));
    assert_eq!(message.message_id(), Some("1.2.3.k@home.test"));
    assert_eq!(message.date().unwrap().to_timestamp(), 1_800_000_000);
    let from = message.from().unwrap().first().unwrap();
    assert_eq!(from.name(), Some("Heimpost"));
    assert_eq!(from.address(), Some("postmaster@home.test"));
    let to = message.to().unwrap().first().unwrap();
    assert_eq!(to.address(), Some("anna@home.test"));
    assert_eq!(message.content_language().as_text(), Some("de"));
    assert_eq!(message.content_type().unwrap().subtype(), Some("plain"));
    let auto = message.header("Auto-Submitted").unwrap().as_text();
    assert_eq!(auto, Some("auto-generated"));
}

#[test]
fn texts_come_through() {
    let long = "Ihr Postfach ist voll, und das wird in diesem langen Absatz ohne Umbruch erklärt. "
        .repeat(5);
    for (subject, text) in [
        ("", ""),
        ("Plain", "no line end"),
        ("=?utf-8?q?tricky?=", "a = b\n.\n\ttab \n"),
        (
            "Das Postfach straße@home.test ist zu 81 % voll – bitte löschen Sie etwas",
            &long,
        ),
    ] {
        let mut ended = text.to_owned();
        if !text.is_empty() && !text.ends_with('\n') {
            ended.push('\n');
        }
        assert_eq!(parsed(subject, text), (subject.to_owned(), ended));
    }
}

proptest! {
    #[test]
    fn any_text_comes_through(subject in "[^\\pC]{0,120}", text in "([^\\pC]{0,120}\n){0,5}") {
        let subject = subject.trim();
        let (got_subject, got_text) = parsed(subject, &text);
        prop_assert_eq!(got_subject, subject);
        prop_assert_eq!(got_text, text);
    }
}

#[test]
fn without_a_clock_there_is_no_date() {
    let to = account(Language::En);
    let notice = Notice {
        to: &to,
        subject: "a",
        text: "b\n",
    };
    let domain = Domain::parse("home.test").unwrap();
    let now = Now {
        wall: None,
        ..now()
    };
    let mail = String::from_utf8(render(&domain, &notice, "k", now)).unwrap();
    assert!(!mail.contains("Date:"), "{mail}");
    assert!(mail.contains("Content-Language: en\r\n"), "{mail}");
}
