//! Messages: appending, flags, copying, moving, expunging, quotas.

use super::*;
use crate::store::change::{CHANGES_KEPT_MAX, Change, Heard};
use crate::store::expunge::EXPUNGE_ROWS_MAX;
use crate::wake::Wake;

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

#[test]
fn one_mail_for_many_shares_its_bytes() {
    let house = House::new();
    let (inbox, sent) = (house.mailbox("INBOX"), house.mailbox("Sent"));
    let gone = Mailbox {
        id: MailboxId(999),
        ..inbox.clone()
    };
    let to = [&inbox, &gone, &sent];
    let filings = to.map(|to| filing(to, Flags::default())).to_vec();
    let append = house.prepare(b"for all", filings);
    let results = house.store.append(vec![append], house.now()).unwrap();
    let ok: Vec<bool> = results[0].iter().map(Result::is_ok).collect();
    assert_eq!(ok, [true, false, true]);
    let snapshot = house.store.snapshot().unwrap();
    let blob = |result: &Result<Filed>| {
        let serial = result.as_ref().unwrap().serial;
        snapshot.record(serial).unwrap().unwrap().blob
    };
    assert_eq!(blob(&results[0][0]), blob(&results[0][2]));
}

#[test]
fn several_at_once_are_filed_all_or_none() {
    let house = House::new();
    let inbox = house.mailbox("INBOX");
    house.store.set_quota(house.account, Some(20)).unwrap();
    let appends = |count: usize| {
        let each = (0..count).map(|_| {
            let filings = vec![filing(&inbox, Flags::default())];
            house.prepare(b"ten bytes.", filings)
        });
        house.store.append_all(each.collect(), house.now())
    };
    assert_eq!(appends(2), Err(Error::OverQuota));
    assert!(house.uids(inbox.id).is_empty());
    assert_eq!(appends(1).unwrap().len(), 1);
}

#[test]
fn accepted_mail_may_exceed_the_quota() {
    let house = House::new();
    let inbox = house.mailbox("INBOX");
    house.store.set_quota(house.account, Some(0)).unwrap();
    let exceeding = Filing {
        quota: QuotaRule::Exceed,
        ..filing(&inbox, Flags::default())
    };
    let refused = filing(&inbox, Flags::default());
    let append = house.prepare(b"x", vec![exceeding, refused]);
    let results = house.store.append(vec![append], house.now()).unwrap();
    assert!(results[0][0].is_ok());
    assert_eq!(results[0][1], Err(Error::OverQuota));
}

#[test]
fn a_mailbox_learns_sixty_four_keywords() {
    let house = House::new();
    let inbox = house.mailbox("INBOX");
    house.fill(&inbox, 1);
    let add = |names: &[String]| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let given = flags(SystemFlags::empty(), &names);
        house
            .store
            .update_flags(inbox.id, &uids(&[1]), FlagAction::Add, &given, None)
    };
    let names: Vec<String> = (0..64).map(|n| format!("k{n}")).collect();
    add(&names).unwrap();
    let one_more = add(&["k64".to_owned()]);
    assert_eq!(one_more, Err(Error::Limit("keywords of a mailbox")));
    let row = house.store.snapshot().unwrap();
    let row = row.rows(inbox.id, uid(1), uid(1)).unwrap()[0];
    assert_eq!(row.flags.keywords, u64::MAX);
}

#[test]
fn the_log_of_expunges_knows_how_far_it_reaches() {
    let house = House::new();
    let inbox = house.mailbox("INBOX");
    let start = house.mailbox("INBOX").highest_modseq;
    let count = EXPUNGE_ROWS_MAX + 1;
    for _ in 0..count {
        house
            .append(&inbox, b"x", flags(SystemFlags::DELETED, &[]))
            .unwrap();
        house.store.expunge(inbox.id, None).unwrap();
    }
    let snapshot = house.store.snapshot().unwrap();
    assert_eq!(snapshot.expunged_since(inbox.id, start), Ok(None));
    let later = ModSeq::new(start.get() + 2).unwrap();
    let gone = snapshot.expunged_since(inbox.id, later).unwrap().unwrap();
    assert_eq!(gone.len(), EXPUNGE_ROWS_MAX as usize);
}

#[test]
fn sessions_hear_of_each_change_once() {
    let house = House::new();
    let inbox = house.mailbox("INBOX");
    let mut heard = house.store.subscribe(house.account, Wake::none());
    house.fill(&inbox, 1);
    assert_eq!(
        heard.poll(),
        Some(Heard::Change(Change::Messages(inbox.id)))
    );
    house
        .store
        .update_flags(
            inbox.id,
            &uids(&[1, 2]),
            FlagAction::Add,
            &Flags::default(),
            None,
        )
        .unwrap();
    assert_eq!(heard.poll(), None);
    let sent = house.mailbox("Sent");
    house
        .store
        .move_messages(inbox.id, &uids(&[1]), sent.id, house.now())
        .unwrap();
    let both = [heard.poll(), heard.poll()];
    for id in [inbox.id, sent.id] {
        assert!(both.contains(&Some(Heard::Change(Change::Messages(id)))));
    }
    for _ in 0..CHANGES_KEPT_MAX {
        house.fill(&inbox, 1);
        house.fill(&sent, 1);
    }
    let first = heard.poll();
    assert_eq!(first, Some(Heard::Lagged));
}
