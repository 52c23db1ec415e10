//! What goes, from which mailboxes, by which dates.

use super::*;
use crate::mail::flags::{Flags, SystemFlags};
use crate::room::tests::{House, MONTH, NOW};
use crate::store::types::Language;

fn wall(text: &str) -> Wall {
    let stamp: Timestamp = text.parse().unwrap();
    Wall(stamp.as_second())
}

fn facts(internal_date: Wall, saved: Wall) -> MessageFacts {
    MessageFacts {
        bytes: 1,
        internal_date,
        saved,
    }
}

#[test]
fn impossible_dates_give_way_to_when_it_came() {
    let saved = wall("2026-05-01T12:00:00Z");
    for (internal, expected) in [
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ("2026-05-02T11:00:00Z", "2026-05-02T11:00:00Z"),
        ("2026-05-02T13:00:00Z", "2026-05-01T12:00:00Z"),
        ("2080-01-01T00:00:00Z", "2026-05-01T12:00:00Z"),
        ("1970-01-01T00:00:00Z", "2026-05-01T12:00:00Z"),
    ] {
        assert_eq!(
            date(&facts(wall(internal), saved)),
            wall(expected),
            "{internal}"
        );
    }
}

#[test]
fn months_and_years_are_those_of_the_calendar_here() {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let before = months_before(wall("2026-03-31T10:00:00Z"), 1, &TimeZone::UTC);
    assert_eq!(before, Some(wall("2026-02-28T10:00:00Z")));
    let midnight = wall("2025-12-31T23:30:00Z");
    assert_eq!(year(midnight, &berlin), Some(2026));
    assert_eq!(year(midnight, &TimeZone::UTC), Some(2025));
}

#[test]
fn roles_go_by_use_and_by_one_name() {
    let house = House::new();
    let account = house.add_account("anna@haus.example", Language::En);
    house.create(account, "Fetched");
    house.create(account, "Trash/Old");
    house.rename(account, "Sent", "Fetched old");
    house.rename(account, "Trash", "Papierkorb");
    house.create(account, "Trash");
    let snapshot = house.store.snapshot().unwrap();
    let roles: Vec<_> = snapshot
        .mailboxes(account)
        .unwrap()
        .into_iter()
        .filter_map(|mailbox| Some((mailbox.name.as_str().to_owned(), role(&mailbox)?)))
        .collect();
    let expected = [
        ("Fetched", Role::Fetched),
        ("INBOX", Role::Inbox),
        ("Junk", Role::Junk),
        ("Papierkorb", Role::Trash),
    ];
    let expected = expected.map(|(name, role)| (name.to_owned(), role));
    assert_eq!(roles, expected);
    let ben = house.add_account("ben@haus.example", Language::En);
    house.rename(ben, "Sent", "Fetched");
    assert_eq!(role(&house.mailbox(ben, "Fetched")), None);
}

#[test]
fn the_archive_is_where_the_account_has_it() {
    let house = House::new();
    let account = house.add_account("anna@haus.example", Language::En);
    let name = |house: &House| {
        let mailboxes = house.store.snapshot().unwrap().mailboxes(account).unwrap();
        archive_name(&mailboxes, 2024).map(|name| name.as_str().to_owned())
    };
    assert_eq!(name(&house), Some("Archive/2024".to_owned()));
    house.rename(account, "Archive", "INBOX/Alt");
    assert_eq!(name(&house), Some("INBOX/Alt/2024".to_owned()));
    house
        .store
        .delete_mailbox(house.mailbox(account, "INBOX/Alt").id)
        .unwrap();
    assert_eq!(name(&house), Some("Archive/2024".to_owned()));
    // Mail must never be archived into what is emptied.
    house.rename(account, "Trash", "Archive/2024");
    assert_eq!(name(&house), None);
}

#[test]
fn inbox_is_archived_by_the_date_of_its_mail() {
    let house = House::new();
    let account = house.add_account("anna@haus.example", Language::En);
    for date in [
        "2023-12-31T23:30:00Z",
        "2024-06-01T00:00:00Z",
        "2026-10-01T00:00:00Z",
        "2040-01-01T00:00:00Z",
    ] {
        house.add(account, "INBOX", wall(date), 100);
    }
    let mut policy = House::policy(30);
    assert!(plan(&house.store, &policy, house.now()).unwrap().is_empty());
    policy.archive_months = Some(12);
    policy.time_zone = TimeZone::get("Europe/Berlin").unwrap();
    let items = plan(&house.store, &policy, house.now()).unwrap();
    let found: Vec<_> = items
        .iter()
        .map(|item| (item.name.as_str(), item.action.clone(), item.uids.len()))
        .collect();
    // 23:30 UTC is already 2024 in Berlin.
    let to = Action::Archive(MailboxName::parse("Archive/2024").unwrap());
    assert_eq!(found, [("INBOX", to, 2)]);
    let jumped = Now {
        wall: Some(Wall(NOW.0 + 20 * MONTH)),
        ..house.now()
    };
    let after_jump = plan(&house.store, &policy, jumped).unwrap();
    assert_eq!(after_jump, items);
}

#[test]
fn without_a_clock_only_what_needs_none_goes() {
    let house = House::new();
    let account = house.add_account("anna@haus.example", Language::En);
    house.add(account, "Trash", NOW, 100);
    house.pass_days(40);
    let unset = Now {
        wall: None,
        ..house.now()
    };
    let count = |days, now| plan(&house.store, &House::policy(days), now).unwrap().len();
    assert_eq!((count(30, unset), count(30, house.now())), (0, 1));
    assert_eq!(count(0, unset), 1);
}

#[test]
fn flags_change_nothing_about_it() {
    let house = House::new();
    let account = house.add_account("anna@haus.example", Language::En);
    house.add(account, "Junk", NOW, 100);
    let junk = house.mailbox(account, "Junk").id;
    let flags = Flags {
        system: SystemFlags::FLAGGED,
        keywords: Vec::new(),
    };
    let action = crate::store::types::FlagAction::Add;
    house
        .store
        .update_flags(junk, &[Uid::MIN], action, &flags, None)
        .unwrap();
    assert_eq!(
        plan(&house.store, &House::policy(0), house.now())
            .unwrap()
            .len(),
        1
    );
}
