//! What the store remembers for warnings: growth, what was told, who waits.

use std::time::Duration;

use super::*;
use crate::mail::address::ReversePath;
use crate::store::growth::GROWTH_DAYS_MAX;
use crate::store::types::{Level, Sample, Subject, Waiting};
use crate::store::waiting::{WAITING_DAYS_MAX, WAITING_IN_ALL_MAX, WAITING_MAX};

const DAY: Duration = Duration::from_hours(24);

/// The day of [`START`].
const FIRST_DAY: u32 = 20_833;

fn growth(house: &House) -> Vec<Sample> {
    let subject = Subject::Account(house.account);
    house.store.snapshot().unwrap().growth(subject).unwrap()
}

#[test]
fn a_day_leaves_one_sample_of_its_end() {
    let house = House::new();
    let inbox = house.mailbox("INBOX");
    let note = || house.store.note_growth(house.now()).unwrap();
    note();
    house.append(&inbox, b"12345", Flags::default()).unwrap();
    note();
    let sample = |day, bytes| Sample { day, bytes };
    assert_eq!(growth(&house), [sample(FIRST_DAY - 1, 0)]);
    house.clock.advance(DAY);
    note();
    house.append(&inbox, b"12345", Flags::default()).unwrap();
    house.clock.advance(3 * DAY);
    let house = house.reopen();
    house.store.note_growth(house.now()).unwrap();
    let expected = [
        sample(FIRST_DAY - 1, 0),
        sample(FIRST_DAY, 21),
        sample(FIRST_DAY + 3, 42),
    ];
    assert_eq!(growth(&house), expected);
    let card = house.store.snapshot().unwrap().growth(Subject::Card);
    assert_eq!(card.unwrap().len(), 3);
}

#[test]
fn growth_needs_a_clock_and_forgets_wrong_and_old_days() {
    let house = House::new();
    let at = |day: u32| Now {
        wall: Some(Wall(i64::from(day) * 86_400)),
        ..house.now()
    };
    let unset = Now {
        wall: None,
        ..house.now()
    };
    house.store.note_growth(unset).unwrap();
    assert_eq!(growth(&house), []);
    for day in (0..100).chain([5000, 100]) {
        house.store.note_growth(at(FIRST_DAY + day)).unwrap();
    }
    let days: Vec<u32> = growth(&house).iter().map(|sample| sample.day).collect();
    let last = FIRST_DAY + 99;
    assert_eq!(days.first(), Some(&(last - GROWTH_DAYS_MAX + 1)));
    assert_eq!((days.last(), days.len()), (Some(&last), 90));
}

#[test]
fn what_was_told_is_noted_with_the_mail_that_told_it() {
    let house = House::new();
    let subject = Subject::Account(house.account);
    house.store.set_quota(house.account, Some(0)).unwrap();
    let told = || house.store.snapshot().unwrap().told(subject).unwrap();
    assert_eq!(told(), Level::Ok);
    let mail = |mailbox: &Mailbox| {
        let mut blob = house.store.begin_own_blob().unwrap();
        blob.write(b"The mailbox is full.").unwrap();
        Append {
            blob: blob.finish().unwrap(),
            summary: Vec::new(),
            filings: vec![filing(mailbox, Flags::default())],
            spool: Vec::new(),
        }
    };
    let inbox = house.mailbox("INBOX");
    let gone = Mailbox {
        id: MailboxId(999),
        ..inbox.clone()
    };
    let mails = vec![mail(&inbox), mail(&gone)];
    let refused = house.store.tell(subject, Level::Full, mails, house.now());
    assert_eq!(refused, Err(Error::NotFound("the mailbox")));
    assert_eq!((told(), house.uids(inbox.id)), (Level::Ok, vec![]));
    let mails = vec![mail(&inbox)];
    house
        .store
        .tell(subject, Level::Full, mails, house.now())
        .unwrap();
    assert_eq!((told(), house.uids(inbox.id)), (Level::Full, vec![1]));
    house
        .store
        .tell(subject, Level::Ok, Vec::new(), house.now())
        .unwrap();
    assert_eq!(told(), Level::Ok);
    let nobody = Subject::Account(AccountId(999));
    let refused = house
        .store
        .tell(nobody, Level::Full, Vec::new(), house.now());
    assert_eq!(refused, Err(Error::NotFound("the account")));
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it is a reverse-path, which may be null"
)]
fn sender(text: &str) -> ReversePath {
    Some(address(text))
}

fn names(waiting: &[Waiting]) -> Vec<String> {
    let names = waiting.iter().map(|waiting| &waiting.from);
    names
        .map(|from| {
            from.as_ref()
                .map_or_else(|| "<>".to_owned(), ToString::to_string)
        })
        .collect()
}

#[test]
fn who_waits_is_remembered_until_taken() {
    let house = House::new();
    let defer = |from: &ReversePath, bytes| {
        house.clock.advance(Duration::from_mins(1));
        house
            .store
            .note_deferred(house.account, from, bytes, house.now());
    };
    let (ben, carl) = (sender("Ben@far.example"), sender("carl@far.example"));
    defer(&ben, Some(5000));
    defer(&carl, None);
    defer(&None, Some(1));
    defer(&sender("ben@far.example"), Some(4000));
    house.store.note_taken(house.account, &carl);
    house.store.save_waiting(house.now()).unwrap();
    let house = house.reopen();
    let waiting = house.store.waiting(house.account).unwrap();
    assert_eq!(names(&waiting), ["Ben@far.example", "<>"]);
    let expected = Waiting {
        from: ben.clone(),
        first: Wall(START.0 + 60),
        last: Wall(START.0 + 240),
        bytes: Some(5000),
        tries: 2,
    };
    assert_eq!(waiting[0], expected);
    house.store.note_taken(house.account, &ben);
    house.store.save_waiting(house.now()).unwrap();
    let house = house.reopen();
    let waiting = house.store.waiting(house.account).unwrap();
    assert_eq!(names(&waiting), ["<>"]);
    house.clock.advance(DAY * WAITING_DAYS_MAX);
    house.store.save_waiting(house.now()).unwrap();
    assert_eq!(house.store.waiting(house.account), Ok(vec![]));
}

#[test]
fn a_flood_of_senders_displaces_only_those_who_tried_once() {
    let house = House::new();
    let ben = sender("ben@far.example");
    let defer = |account, from: &ReversePath| {
        house.store.note_deferred(account, from, None, house.now());
    };
    defer(house.account, &ben);
    defer(house.account, &ben);
    for number in 0..2 * WAITING_MAX {
        house.clock.advance(Duration::from_secs(1));
        defer(house.account, &sender(&format!("n{number}@flood.example")));
    }
    let waiting = house.store.waiting(house.account).unwrap();
    assert_eq!(waiting.len(), WAITING_MAX);
    assert!(names(&waiting).contains(&"ben@far.example".to_owned()));
    assert!(names(&waiting).contains(&"n199@flood.example".to_owned()));
    let others: Vec<AccountId> = (100..130).map(AccountId).collect();
    for account in &others {
        for number in 0..WAITING_MAX {
            defer(*account, &sender(&format!("n{number}@flood.example")));
        }
    }
    let lists = others.iter().chain([&house.account]);
    let in_all: usize = lists
        .map(|account| house.store.waiting(*account).unwrap().len())
        .sum();
    assert_eq!(in_all, WAITING_IN_ALL_MAX);
    // None of the others exists: `check` would find their rows.
    house.store.save_waiting(house.now()).unwrap();
}

#[test]
fn a_removed_account_is_remembered_nowhere() {
    let house = House::new();
    let ben = house.add_account("ben@haus.example");
    let subject = Subject::Account(ben);
    house.store.note_growth(house.now()).unwrap();
    house
        .store
        .tell(subject, Level::Notice, Vec::new(), house.now())
        .unwrap();
    house
        .store
        .note_deferred(ben, &sender("a@far.example"), None, house.now());
    house.store.save_waiting(house.now()).unwrap();
    house.store.remove_account(ben).unwrap();
    let snapshot = house.store.snapshot().unwrap();
    assert_eq!(snapshot.growth(subject), Ok(vec![]));
    assert_eq!(snapshot.told(subject), Ok(Level::Ok));
    assert_eq!(house.store.waiting(ben), Ok(vec![]));
}
