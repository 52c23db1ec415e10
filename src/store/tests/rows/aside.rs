//! Setting aside, undoing, releasing, and the slow clock that says what is old.

use std::time::Duration;

use super::*;
use crate::mail::ids::Serial;
use crate::store::aside::RunId;
use crate::store::aside::undo::Outcome;
use crate::store::types::Usage;

const DAY: Duration = Duration::from_hours(24);

impl House {
    fn begin(&self) -> RunId {
        self.store.begin_run("test", self.now()).unwrap()
    }

    fn set_aside(&self, run: RunId, mailbox: &str, numbers: &[u32]) -> u64 {
        let mailbox = self.mailbox(mailbox).id;
        let done = self.store.set_aside(run, mailbox, &uids(numbers));
        done.unwrap().messages
    }

    fn usage(&self) -> Usage {
        let snapshot = self.store.snapshot().unwrap();
        snapshot.usage(self.account).unwrap()
    }

    fn undo(&self, run: RunId) -> Option<Outcome> {
        let undone = self.store.undo_run(run, self.now()).unwrap();
        undone.accounts.get(&self.account).copied()
    }

    fn aside(&self) -> u64 {
        let aside = self.store.snapshot().unwrap().aside().unwrap();
        aside.values().map(|usage| usage.messages).sum()
    }

    fn runs(&self) -> usize {
        self.store.snapshot().unwrap().runs().unwrap().len()
    }

    /// UIDs of messages that have lain in a mailbox for that many days.
    fn lain_for(&self, mailbox: &str, days: u32) -> Vec<u32> {
        let Some(before) = self.store.lain_for(days, self.now()).unwrap() else {
            return Vec::new();
        };
        let snapshot = self.store.snapshot().unwrap();
        let rows = snapshot.rows(self.mailbox(mailbox).id, Uid::MIN, Uid::MAX);
        let old = rows.unwrap().into_iter().filter(|row| row.serial < before);
        old.map(|row| row.uid.get()).collect()
    }
}

fn put_back(messages: u64) -> impl Fn(Option<Outcome>) -> bool {
    move |outcome| matches!(outcome, Some(Outcome::Back { put_back, .. }) if put_back.messages == messages)
}

#[test]
fn set_aside_is_gone_and_comes_back_as_it_was() {
    let house = House::new();
    let trash = house.mailbox("Trash");
    let flagged = flags(SystemFlags::FLAGGED, &["$Work", "blue"]);
    house.append(&trash, b"one", flagged).unwrap();
    house.fill(&trash, 3);
    let before = house.usage();
    let records = |house: &House, number| {
        let snapshot = house.store.snapshot().unwrap();
        let mailbox = house.mailbox("Trash");
        let rows = snapshot.rows(mailbox.id, uid(number), uid(number)).unwrap();
        let record = snapshot.record(rows[0].serial).unwrap().unwrap();
        (
            record.internal_date,
            record.saved,
            record.digest,
            rows[0].flags,
        )
    };
    let first = records(&house, 1);
    let run = house.begin();
    assert_eq!(house.set_aside(run, "Trash", &[1, 3, 9]), 2);
    assert_eq!(house.uids(trash.id), [2, 4]);
    assert_eq!(house.usage().messages, before.messages - 2);
    let snapshot = house.store.snapshot().unwrap();
    let gone = snapshot
        .expunged_since(trash.id, trash.highest_modseq)
        .unwrap();
    assert!(gone.unwrap().ends_with(&uids(&[1, 3])));
    drop(snapshot);
    let house = house.reopen();
    house.clock.advance(DAY);
    assert!(put_back(2)(house.undo(run)));
    assert_eq!(house.uids(trash.id), [2, 4, 5, 6]);
    assert_eq!(records(&house, 5), first);
    assert_eq!(house.usage(), before);
    assert_eq!((house.aside(), house.runs()), (0, 0));
    assert_eq!(
        house.store.undo_run(run, house.now()),
        Err(Error::NotFound("the run"))
    );
}

#[test]
fn a_mailbox_that_is_gone_is_made_again() {
    let house = House::new();
    house.fill(&house.mailbox("Junk"), 2);
    let run = house.begin();
    house.set_aside(run, "Junk", &[1, 2]);
    house
        .store
        .delete_mailbox(house.mailbox("Junk").id)
        .unwrap();
    assert!(put_back(2)(house.undo(run)));
    let junk = house.mailbox("Junk");
    assert_eq!(junk.messages, 2);
    assert_eq!(junk.special_use, Some(crate::mail::flags::SpecialUse::Junk));
    assert!(junk.subscribed);
}

#[test]
fn renamed_mailboxes_get_their_own_back() {
    let house = House::new();
    house.fill(&house.mailbox("Junk"), 2);
    let run = house.begin();
    house.set_aside(run, "Junk", &[1, 2]);
    let junk = house.mailbox("Junk").id;
    house
        .store
        .rename_mailbox(junk, &name("Spam"), house.now())
        .unwrap();
    assert!(put_back(2)(house.undo(run)));
    assert_eq!(house.mailbox("Spam").messages, 2);
}

#[test]
fn many_messages_go_and_come_in_batches() {
    let house = House::new();
    house.fill(&house.mailbox("Trash"), 250);
    let all: Vec<u32> = (1..=250).collect();
    let run = house.begin();
    assert_eq!(house.set_aside(run, "Trash", &all), 250);
    assert_eq!(house.aside(), 250);
    assert!(put_back(250)(house.undo(run)));
    assert_eq!(house.mailbox("Trash").messages, 250);
}

#[test]
fn moved_messages_go_back_unless_somebody_touched_them() {
    let house = House::new();
    let inbox = house.mailbox("INBOX");
    house.fill(&inbox, 4);
    let run = house.begin();
    let year = name("Archive/2025");
    let moved = house
        .store
        .move_in_run(run, (inbox.id, &year), &uids(&[1, 2, 3]), house.now());
    assert_eq!(moved.unwrap().messages, 3);
    let archive = house.mailbox("Archive/2025");
    assert_eq!((archive.messages, archive.subscribed), (3, true));
    let sent = house.mailbox("Sent").id;
    house
        .store
        .move_messages(archive.id, &uids(&[2]), sent, house.now())
        .unwrap();
    let outcome = house.undo(run);
    let back = |moved_back: Usage| moved_back.messages == 2;
    assert!(matches!(outcome, Some(Outcome::Back { moved_back, .. }) if back(moved_back)));
    assert_eq!(house.uids(inbox.id), [4, 5, 6]);
    assert_eq!(house.mailbox("Sent").messages, 1);
    assert_eq!(house.runs(), 0);
}

#[test]
fn undo_never_makes_an_account_full() {
    let house = House::new();
    let trash = house.mailbox("Trash");
    house
        .append(&trash, &vec![b'x'; 60_000], Flags::default())
        .unwrap();
    let run = house.begin();
    house.set_aside(run, "Trash", &[1]);
    let inbox = house.mailbox("INBOX");
    house
        .append(&inbox, &vec![b'y'; 60_000], Flags::default())
        .unwrap();
    house.store.set_quota(house.account, Some(100_000)).unwrap();
    let refused = house.undo(run);
    assert!(
        matches!(refused, Some(Outcome::WouldBeFull { waiting, bytes_to_free })
            if waiting.messages == 1 && bytes_to_free > 20_000),
        "{refused:?}"
    );
    assert_eq!((house.aside(), house.mailbox("Trash").messages), (1, 0));
    house.store.set_quota(house.account, None).unwrap();
    assert!(put_back(1)(house.undo(run)));
}

#[test]
fn what_was_set_aside_goes_after_thirty_days() {
    let house = House::new();
    house.fill(&house.mailbox("Trash"), 2);
    let run = house.begin();
    house.set_aside(run, "Trash", &[1]);
    let jump = Now {
        wall: Some(Wall(START.0 * 2)),
        ..house.now()
    };
    house.store.release_aside(jump).unwrap();
    assert_eq!(house.aside(), 1);
    for _ in 0..30 {
        house.clock.advance(DAY);
        assert_eq!(house.aside(), 1);
        house.store.release_aside(house.now()).unwrap();
    }
    assert_eq!((house.aside(), house.runs()), (0, 0));
    assert_eq!(house.mailbox("Trash").messages, 1);
}

#[test]
fn an_account_takes_what_was_set_aside_with_it() {
    let house = House::new();
    let other = house.add_account("ben@haus.example");
    let snapshot = house.store.snapshot().unwrap();
    let inbox = snapshot
        .mailbox_by_name(other, &name("INBOX"))
        .unwrap()
        .unwrap();
    drop(snapshot);
    house.fill(&inbox, 150);
    house.fill(&house.mailbox("Trash"), 1);
    let run = house.begin();
    let all: Vec<u32> = (1..=150).collect();
    house.store.set_aside(run, inbox.id, &uids(&all)).unwrap();
    house.set_aside(run, "Trash", &[1]);
    assert_eq!(house.aside(), 151);
    house.store.remove_account(other).unwrap();
    assert_eq!(house.aside(), 1);
}

#[test]
fn a_copy_elsewhere_keeps_its_blob() {
    let house = House::new();
    let (trash, sent) = (house.mailbox("Trash"), house.mailbox("Sent"));
    house.fill(&trash, 1);
    house
        .store
        .copy(trash.id, &uids(&[1]), sent.id, house.now())
        .unwrap();
    let run = house.begin();
    house.set_aside(run, "Trash", &[1]);
    house.store.expunge(sent.id, None).unwrap();
    house.clock.advance(DAY * 40);
    house.store.release_aside(house.now()).unwrap();
    assert_eq!(house.mailbox("Sent").messages, 1);
}

#[test]
fn age_counts_from_when_a_message_came_into_its_mailbox() {
    let house = House::new();
    house.store.keep_age(house.now()).unwrap();
    for _ in 0..5 {
        house.fill(&house.mailbox("Trash"), 1);
        house.clock.advance(DAY);
        house.store.keep_age(house.now()).unwrap();
    }
    assert_eq!(house.lain_for("Trash", 0), [1, 2, 3, 4, 5]);
    assert_eq!(house.lain_for("Trash", 2), [1, 2, 3]);
    assert_eq!(house.lain_for("Trash", 4), [1]);
    // Notes were a day apart here: when the first message came is known to the day.
    assert!(house.lain_for("Trash", 5).is_empty());
}

#[test]
fn a_clock_that_jumps_ages_nothing() {
    let house = House::new();
    house.fill(&house.mailbox("Trash"), 2);
    house.store.keep_age(house.now()).unwrap();
    house.clock.advance(DAY * 29);
    house.store.keep_age(house.now()).unwrap();
    let jumped = |house: &House| Now {
        wall: house.now().wall.map(|wall| Wall(wall.0 * 2)),
        ..house.now()
    };
    assert_eq!(house.store.lain_for(30, jumped(&house)), Ok(None));
    house.clock.advance(Duration::from_hours(23));
    assert_eq!(house.store.lain_for(30, jumped(&house)), Ok(None));
    house.clock.advance(Duration::from_hours(7));
    let old = house.store.lain_for(30, jumped(&house)).unwrap();
    assert!(old > Some(Serial(2)), "{old:?}");
    let unset = Now {
        wall: None,
        ..house.now()
    };
    assert_eq!(house.store.lain_for(30, unset), Ok(None));
}

#[test]
fn a_box_that_was_off_ages_its_mail_by_a_day() {
    let house = House::new();
    house.store.keep_age(house.now()).unwrap();
    house.fill(&house.mailbox("Trash"), 2);
    house.clock.advance(Duration::from_mins(1));
    house.store.settle().unwrap();
    let mut house = house;
    for days in 1..=3 {
        house.clock.advance(DAY * 100);
        house = house.reopen();
        house.fill(&house.mailbox("Trash"), 1);
        assert_eq!(house.lain_for("Trash", days), [1, 2], "day {days}");
        assert!(house.lain_for("Trash", days + 1).is_empty());
    }
}

#[test]
fn policy_dates_move_a_day_a_day() {
    let house = House::new();
    assert_eq!(house.store.policy_wall(house.now()), Ok(Some(START)));
    let years = Now {
        wall: Some(Wall(START.0 + 300_000_000)),
        ..house.now()
    };
    assert_eq!(house.store.policy_wall(years), Ok(Some(START)));
    let mut day_later = years;
    day_later.mono = day_later.mono + DAY;
    day_later.wall = day_later.wall.map(|wall| Wall(wall.0 + 86_400));
    let expected = Wall(START.0 + 86_400);
    assert_eq!(house.store.policy_wall(day_later), Ok(Some(expected)));
    let back = Now {
        wall: Some(Wall(START.0 - 1_000)),
        ..day_later
    };
    assert_eq!(
        house.store.policy_wall(back),
        Ok(Some(Wall(START.0 - 1_000)))
    );
}
