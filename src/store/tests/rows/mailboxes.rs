//! Mailboxes: hierarchy, renaming, deleting, subscriptions.

use redb::ReadableTableMetadata;

use super::*;
use crate::mail::flags::SpecialUse;
use crate::store::mailbox;
use crate::store::schema::FLAGS;

#[test]
fn a_rename_takes_the_subtree_and_makes_parents() {
    let house = House::new();
    let create = |text| {
        let made = house
            .store
            .create_mailbox(house.account, &name(text), None, house.now());
        made.unwrap()
    };
    let deep = create("work/2026/may");
    house
        .store
        .set_subscribed(house.account, &name("work/2026/may"), true)
        .unwrap();
    let work = house.mailbox("work");
    let refused = house
        .store
        .rename_mailbox(work.id, &name("work/x"), house.now());
    assert!(matches!(refused, Err(Error::Refused(_))));
    let delete = house.store.delete_mailbox(work.id);
    assert!(matches!(delete, Err(Error::Refused(_))));
    house
        .store
        .rename_mailbox(work.id, &name("old/jobs"), house.now())
        .unwrap();
    let moved = house.mailbox("old/jobs/2026/may");
    assert_eq!((moved.id, moved.subscribed), (deep.id, true));
    assert_eq!(house.mailbox("old/jobs").id, work.id);
}

#[test]
fn renaming_inbox_moves_its_messages() {
    let house = House::new();
    let inbox = house.mailbox("INBOX");
    house.fill(&inbox, 2);
    house
        .store
        .rename_mailbox(inbox.id, &name("before"), house.now())
        .unwrap();
    assert!(house.uids(inbox.id).is_empty());
    assert_eq!(house.uids(house.mailbox("before").id), [1, 2]);
}

#[test]
fn a_name_made_again_has_a_higher_uid_validity() {
    let house = House::new();
    let make = || {
        let made = house
            .store
            .create_mailbox(house.account, &name("x"), None, house.now());
        made.unwrap()
    };
    let first = make();
    house.fill(&first, 250);
    house.store.delete_mailbox(first.id).unwrap();
    assert!(house.uids(first.id).is_empty());
    assert!(make().uid_validity > first.uid_validity);
    let usage = house.store.snapshot().unwrap().usage(house.account);
    assert_eq!(usage.unwrap().messages, 0);
}

#[test]
fn a_special_use_is_had_once() {
    let house = House::new();
    let create = |text, special| {
        house
            .store
            .create_mailbox(house.account, &name(text), special, house.now())
    };
    let second = create("Spam", Some(SpecialUse::Junk));
    assert_eq!(second, Err(Error::Exists("a mailbox of that special use")));
    let all = create("Everything", Some(SpecialUse::All));
    assert!(matches!(all, Err(Error::Refused(_))));
    let junk = house.mailbox("Junk");
    house.store.delete_mailbox(junk.id).unwrap();
    let made = create("Spam", Some(SpecialUse::Junk)).unwrap();
    assert_eq!(
        (made.special_use, made.subscribed),
        (Some(SpecialUse::Junk), false)
    );
}

#[test]
fn subscriptions_outlive_their_mailbox() {
    let house = House::new();
    let junk = house.mailbox("Junk");
    house.store.delete_mailbox(junk.id).unwrap();
    house
        .store
        .set_subscribed(house.account, &name("not/yet"), true)
        .unwrap();
    let orphans = || {
        house
            .store
            .snapshot()
            .unwrap()
            .orphan_subscriptions(house.account)
    };
    assert_eq!(orphans(), Ok(vec![name("Junk"), name("not/yet")]));
    house
        .store
        .set_subscribed(house.account, &name("Junk"), false)
        .unwrap();
    assert_eq!(orphans(), Ok(vec![name("not/yet")]));
}

#[test]
fn uid_validity_rises_without_a_clock() {
    let house = House::new();
    let unset = Now {
        wall: None,
        ..house.now()
    };
    let before = house.mailbox("INBOX").uid_validity;
    let made = house
        .store
        .create_mailbox(house.account, &name("a/b"), None, unset);
    assert!(made.unwrap().uid_validity > before);
}

#[test]
fn a_restored_store_has_higher_uid_validities() {
    let house = House::new();
    let all = || {
        let mailboxes = house.store.snapshot().unwrap().mailboxes(house.account);
        let validities = mailboxes.unwrap().into_iter().map(|m| m.uid_validity);
        validities.collect::<Vec<_>>()
    };
    let before = all();
    house.store.bump_uid_validity_all(house.now()).unwrap();
    let highest = before.iter().max().unwrap();
    assert!(all().iter().all(|after| after > highest));
}

#[test]
fn a_purge_goes_on_at_the_next_start() {
    let house = House::new();
    let junk = house.mailbox("Junk");
    house.fill(&junk, 130);
    let id = junk.id;
    house
        .store
        .0
        .commit(move |tx| mailbox::delete(tx, id))
        .unwrap();
    let left = |house: &House| house.store.snapshot().unwrap().read(FLAGS).unwrap().len();
    assert_eq!(left(&house).unwrap(), 130);
    let house = house.reopen();
    assert_eq!(left(&house).unwrap(), 0);
}
