//! Each event as its line in the log, read from a subscriber.

use std::io;
use std::sync::{Mutex, PoisonError};

use tracing::subscriber::with_default;
use tracing_subscriber::fmt::MakeWriter;

use super::keep::split;
use super::*;
use crate::clock::{Clock, Wall};
use crate::store::Options;
use crate::store::events::Query;

/// What a subscriber writes.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut page = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        page.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Page {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn check(event: impl FnOnce(), expected: &str) {
    let page = Page::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(page.clone())
        .with_ansi(false)
        .without_time()
        .finish();
    with_default(subscriber, event);
    let written = page.0.lock().unwrap().clone();
    let written = String::from_utf8(written).unwrap();
    assert_eq!(written.trim_start(), format!("{expected}\n"));
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn store() -> Store {
    Store::in_memory(&Options::default()).unwrap()
}

fn log_of(store: &Store) -> Log<'_> {
    Log(store, Clock::virtual_at(Wall::FLOOR).now())
}

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

#[test]
fn taken_mail_says_who_whom_and_how_large() {
    let store = store();
    let log = log_of(&store);
    let tally = Tally::default();
    let (from, anna) = (Some(address("x@far.example")), address("anna@home.test"));
    let to = [&anna];
    let mail = Taken {
        id: "00ff",
        from: &from,
        to: &to,
        bytes: 1234,
        copies: 1,
        spooled: 2,
        peer: PEER,
    };
    check(
        || received(log, &tally, &mail),
        "INFO maillog: mail received id=00ff from=<x@far.example> to=<anna@home.test> bytes=1234 copies=1 spooled=2 peer=192.0.2.7",
    );
    check(
        || submitted(log, &tally, &mail, AccountId(3)),
        "INFO maillog: mail submitted id=00ff account=3 from=<x@far.example> to=<anna@home.test> bytes=1234 copies=1 spooled=2 \
         peer=192.0.2.7",
    );
    let counted = Tallied {
        received: 1,
        submitted: 1,
        ..Tallied::default()
    };
    assert_eq!(tally.read(), counted);
}

#[test]
fn mail_not_taken_says_why() {
    let store = store();
    let log = log_of(&store);
    let tally = Tally::default();
    let anna = address("anna@home.test");
    let many = [&anna; NAMED_MAX + 2];
    let mail = NotTaken {
        from: &None,
        to: many.get(..1).unwrap(),
        bytes: Some(9),
        peer: PEER,
        reply: "452 4.2.2 The mailbox\nis full",
    };
    check(
        || deferred(log, &tally, &mail, Cause::AccountFull),
        "INFO maillog: mail deferred from=<> to=<anna@home.test> bytes=9 peer=192.0.2.7 cause=\"account full\" \
         reply=452 4.2.2 The mailbox is full",
    );
    let mail = NotTaken {
        to: &many,
        bytes: None,
        reply: "550 5.1.1 No such mailbox here",
        ..mail
    };
    let ten = ["<anna@home.test>"; NAMED_MAX].join(",");
    check(
        || refused(log, &tally, &mail),
        &format!(
            "INFO maillog: mail refused from=<> to={ten} and 2 more peer=192.0.2.7 reply=550 5.1.1 No such mailbox here"
        ),
    );
    deferred(log, &tally, &mail, Cause::CardFull);
    deferred(log, &tally, &mail, Cause::Other);
    let counted = Tallied {
        refused: 1,
        deferred_account_full: 1,
        deferred_card_full: 1,
        deferred_other: 1,
        ..Tallied::default()
    };
    assert_eq!(tally.read(), counted);
}

#[test]
fn a_password_typed_as_name_is_not_shown() {
    let store = store();
    let log = log_of(&store);
    check(
        || login_failed(log, "anna@home.test", PEER, "wrong name or password"),
        "INFO maillog: login failed login=anna@home.test peer=192.0.2.7 why=\"wrong name or password\"",
    );
    check(
        || login_failed(log, "hunter2", PEER, "wrong name or password"),
        "INFO maillog: login failed login=? peer=192.0.2.7 why=\"wrong name or password\"",
    );
}

#[test]
fn a_full_account_is_a_warning() {
    let store = store();
    let log = log_of(&store);
    let anna = address("anna@home.test");
    let fill = |level| Fill {
        level,
        used: 10,
        limit: Some(20),
    };
    check(
        || level_changed(log, Some(&anna), Level::Warning, &fill(Level::Full)),
        "WARN maillog: level changed of=anna@home.test level=\"full\" before=\"warning\" used=10 limit=20",
    );
    check(
        || level_changed(log, None, Level::Full, &fill(Level::Ok)),
        "INFO maillog: level changed of=card level=\"ok\" before=\"full\" used=10 limit=20",
    );
}

#[test]
fn what_the_box_does_by_itself() {
    let store = store();
    let log = log_of(&store);
    let anna = address("anna@home.test");
    check(
        || house_wrote(log, &anna, "Voll"),
        "INFO maillog: the box wrote a mail to=anna@home.test subject=Voll",
    );
    check(
        || room_made(log, &anna, 3, 4096),
        "INFO maillog: room made account=anna@home.test messages=3 bytes=4096",
    );
    check(
        || room_undone(log, &anna, 3, 4096),
        "INFO maillog: room undone account=anna@home.test messages=3 bytes=4096",
    );
    check(
        || no_room(log, AccountId(1), "APPEND"),
        "INFO maillog: no room account=1 what=\"APPEND\"",
    );
    check(
        || button_pressed(log, Duration::from_millis(3210), "make room"),
        "INFO maillog: button pressed held_millis=3210 meaning=make room",
    );
}

#[test]
fn lines_of_programs_stay_one_line_each() {
    check(
        || program_said("10-beep", "\u{1b}[2Jhello\r\nINFO maillog: forged"),
        "INFO maillog: program says program=10-beep line= [2Jhello  INFO maillog: forged",
    );
    let endless = "x".repeat(TEXT_CHARS_MAX + 1);
    let cut = "x".repeat(TEXT_CHARS_MAX);
    check(
        || program_said("p", &endless),
        &format!("INFO maillog: program says program=p line={cut}..."),
    );
    check(
        || program_ended("p", "exit status 3", Duration::from_secs(2)),
        "INFO maillog: program ended program=p outcome=exit status 3 seconds=2",
    );
}

#[test]
fn sending_without_a_copy() {
    let store = store();
    let log = log_of(&store);
    check(
        || sent_not_kept(log, AccountId(3), "the account's quota is reached"),
        "WARN maillog: no copy in Sent account=3 why=the account's quota is reached",
    );
}

#[test]
fn panel() {
    let store = store();
    let log = log_of(&store);
    check(
        || panel_trouble(log, "line 17 is busy"),
        "WARN maillog: panel trouble what=line 17 is busy",
    );
}

#[test]
fn replies_fall_into_codes_and_words() {
    for (reply, code, text) in [
        (
            "550 5.1.1 No such\r\nmailbox",
            "550 5.1.1",
            "No such  mailbox",
        ),
        ("452-4.2.2 full", "452 4.2.2", "full"),
        ("no answer", "", "no answer"),
        ("421", "421", ""),
        ("", "", ""),
    ] {
        assert_eq!(split(reply), (code.to_owned(), text.to_owned()), "{reply}");
    }
}

#[test]
fn what_is_logged_is_kept() {
    let store = store();
    let log = log_of(&store);
    let (tally, from) = (Tally::default(), None);
    let anna = address("anna@home.test");
    let mail = NotTaken {
        from: &from,
        to: &[&anna; NAMED_MAX + 2],
        bytes: Some(9),
        peer: PEER,
        reply: "550 5.7.1 No",
    };
    refused(log, &tally, &mail);
    login_failed(log, "hunter2", PEER, "wrong name or password");
    let query = Query {
        limit: 9,
        ..Query::default()
    };
    let kept = store.events(&query).unwrap().events;
    let facts: Vec<&Facts> = kept.iter().map(|event| &event.facts).collect();
    assert_eq!(
        (facts[0].from.as_str(), facts[0].peer.as_str()),
        ("?", "192.0.2.7")
    );
    let refused = (facts[1].from.as_str(), facts[1].to.len(), facts[1].more);
    assert_eq!(refused, ("", NAMED_MAX, 2));
    assert_eq!(
        (facts[1].code.as_str(), facts[1].text.as_str()),
        ("550 5.7.1", "No")
    );
}
