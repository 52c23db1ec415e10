//! Messages: appending, flags, copying, moving, expunging, quotas.

use super::*;

#[test]
fn a_message_is_filed_and_read_back() {
    let house = House::new();
    let inbox = house.mailbox("INBOX");
    let filed = house
        .append(&inbox, b"hello", flags(SystemFlags::FLAGGED, &["$Later"]))
        .unwrap();
    assert_eq!(filed.uid, Uid::MIN);
    let snapshot = house.store.snapshot().unwrap();
    let record = snapshot.record(filed.serial).unwrap().unwrap();
    assert_eq!(record.bytes, 16 + 5);
    assert_eq!(record.prefix, b"Received: here\r\n");
    assert_eq!(record.summary, b"summary");
    assert_eq!((record.internal_date, record.saved), (START, START));
    let inbox = house.mailbox("INBOX");
    assert_eq!((inbox.messages, inbox.unseen, inbox.bytes), (1, 1, 21));
    assert_eq!(inbox.keywords, [Keyword::new("$later").unwrap()]);
    assert_eq!(snapshot.usage(house.account).unwrap().bytes, 21);
}

#[test]
fn only_real_changes_of_flags_count() {
    let house = House::new();
    let inbox = house.mailbox("INBOX");
    house.fill(&inbox, 3);
    let update = |uids: &[Uid], action, given: &Flags, since| {
        let updated = house
            .store
            .update_flags(inbox.id, uids, action, given, since);
        updated.unwrap()
    };
    let seen = flags(SystemFlags::SEEN, &[]);
    let before = house.mailbox("INBOX").highest_modseq;
    let first = update(&uids(&[1, 2, 9]), FlagAction::Add, &seen, None);
    assert_eq!(first.changed.len(), 2);
    assert!(first.changed.iter().all(|row| row.modseq > before));
    let again = update(&uids(&[1, 2, 3]), FlagAction::Add, &seen, None);
    assert_eq!(again.changed.len(), 1);
    let nothing = update(&uids(&[1, 2, 3]), FlagAction::Add, &seen, None);
    assert!(nothing.changed.is_empty());
    assert_eq!(house.mailbox("INBOX").unseen, 0);
    let since = ModSeq::new(first.changed[0].modseq.get());
    let late = update(&uids(&[1, 2, 3]), FlagAction::Remove, &seen, since);
    assert_eq!(late.modified, uids(&[3]));
    assert_eq!(late.changed.len(), 2);
}

#[test]
fn copy_and_move_translate_keywords() {
    let house = House::new();
    let (inbox, sent) = (house.mailbox("INBOX"), house.mailbox("Sent"));
    house
        .append(&sent, b"x", flags(SystemFlags::empty(), &["other"]))
        .unwrap();
    house
        .append(&inbox, b"y", flags(SystemFlags::SEEN, &["a", "b"]))
        .unwrap();
    let copied = house
        .store
        .copy(inbox.id, &uids(&[1, 7]), sent.id, house.now())
        .unwrap();
    let pairs = vec![(uid(1), uid(2))];
    let uid_validity = sent.uid_validity;
    assert_eq!(
        copied,
        Copied {
            uid_validity,
            pairs
        }
    );
    let snapshot = house.store.snapshot().unwrap();
    let row = snapshot.rows(sent.id, uid(2), uid(2)).unwrap()[0];
    assert_eq!(row.flags.keywords, 0b110);
    let before = house.mailbox("INBOX").highest_modseq;
    house
        .store
        .move_messages(inbox.id, &uids(&[1]), sent.id, house.now())
        .unwrap();
    let snapshot = house.store.snapshot().unwrap();
    assert!(house.uids(inbox.id).is_empty());
    assert_eq!(house.uids(sent.id), [1, 2, 3]);
    let gone = snapshot.expunged_since(inbox.id, before);
    assert_eq!(gone, Ok(Some(uids(&[1]))));
}

#[test]
fn a_move_within_one_mailbox_gives_new_uids() {
    let house = House::new();
    let inbox = house.mailbox("INBOX");
    house.fill(&inbox, 3);
    house
        .store
        .move_messages(inbox.id, &uids(&[1, 2]), inbox.id, house.now())
        .unwrap();
    assert_eq!(house.uids(inbox.id), [3, 4, 5]);
    assert_eq!(house.mailbox("INBOX").messages, 3);
}

#[test]
fn expunge_takes_deleted_messages_only() {
    let house = House::new();
    let inbox = house.mailbox("INBOX");
    house.fill(&inbox, 4);
    let deleted = flags(SystemFlags::DELETED, &[]);
    house
        .store
        .update_flags(inbox.id, &uids(&[1, 2, 4]), FlagAction::Add, &deleted, None)
        .unwrap();
    let (gone, modseq) = house.store.expunge(inbox.id, Some(&uids(&[2, 3]))).unwrap();
    assert_eq!(gone, uids(&[2]));
    assert_eq!(
        house.store.expunge(inbox.id, None).unwrap().0,
        uids(&[1, 4])
    );
    assert_eq!(house.uids(inbox.id), [3]);
    let snapshot = house.store.snapshot().unwrap();
    assert_eq!(
        snapshot.expunged_since(inbox.id, modseq),
        Ok(Some(uids(&[1, 4])))
    );
}

#[test]
fn the_mail_that_fills_a_quota_is_taken_and_the_next_is_not() {
    let house = House::new();
    house.store.set_quota(house.account, Some(30)).unwrap();
    let inbox = house.mailbox("INBOX");
    for expected in [true, true, false] {
        let result = house.append(&inbox, b"12345", Flags::default());
        assert_eq!(result.is_ok(), expected, "{result:?}");
    }
    let copied = house
        .store
        .copy(inbox.id, &uids(&[1]), inbox.id, house.now());
    assert_eq!(copied, Err(Error::OverQuota));
    let moved = house.store.move_messages(
        inbox.id,
        &uids(&[1]),
        house.mailbox("Trash").id,
        house.now(),
    );
    assert!(moved.is_ok());
}
