//! What DELE means for each policy, with two POP3 devices and an IMAP client on one mailbox.

use std::time::Duration;

use super::*;
use crate::mail::ids::Serial;
use crate::store::Pop3Update;

const DAY: Duration = Duration::from_hours(24);

impl House {
    /// The UIDs that a device sees.
    fn drop_of(&self, device: Option<DeviceId>) -> Vec<u32> {
        let rows = self
            .store
            .snapshot()
            .unwrap()
            .maildrop(self.account, device);
        rows.unwrap().iter().map(|row| row.uid.get()).collect()
    }

    fn serials(&self, numbers: &[u32]) -> Vec<Serial> {
        let rows = self.store.snapshot().unwrap().maildrop(self.account, None);
        let rows = rows.unwrap().into_iter();
        let wanted = rows.filter(|row| numbers.contains(&row.uid.get()));
        wanted.map(|row| row.serial).collect()
    }

    /// A POP3 session.
    fn quit(&self, device: Option<DeviceId>, fetched: &[u32], deleted: &[u32]) {
        let update = Pop3Update {
            account: self.account,
            device,
            fetched: self.serials(fetched),
            deleted: self.serials(deleted),
        };
        self.store.pop3_update(&update, self.now()).unwrap();
    }

    fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.store.pop3_due(self.now()).unwrap();
    }

    fn messages(&self, mailbox: &str) -> Vec<u32> {
        let snapshot = self.store.snapshot().unwrap();
        let found = snapshot.mailbox_by_name(self.account, &name(mailbox));
        found
            .unwrap()
            .map_or_else(Vec::new, |found| self.uids(found.id))
    }
}

fn house_with_mail() -> House {
    let house = House::new();
    house.fill(&house.mailbox("INBOX"), 3);
    house
}

#[test]
fn delete_removes_for_all() {
    let house = house_with_mail();
    let phone = house.add_device("phone", Pop3Delete::Delete);
    house.quit(Some(phone), &[1], &[1]);
    house.quit(None, &[2], &[2]);
    assert_eq!(house.messages("INBOX"), [3]);
}

#[test]
fn keep_hides_from_one_device_and_removes_after_its_days() {
    let house = house_with_mail();
    let phone = house.add_device("phone", Pop3Delete::Keep { days: 30 });
    let tablet = house.add_device("tablet", Pop3Delete::Keep { days: 10 });
    house.quit(Some(phone), &[1, 2], &[1, 2]);
    assert_eq!(house.drop_of(Some(phone)), [3]);
    assert_eq!(house.drop_of(Some(tablet)), [1, 2, 3]);
    assert_eq!(house.drop_of(None), [1, 2, 3]);
    house.quit(Some(tablet), &[2, 3], &[2]);
    house.pass(DAY * 9);
    assert_eq!(house.messages("INBOX"), [1, 2, 3]);
    house.pass(DAY);
    assert_eq!(house.messages("INBOX"), [1, 3]);
    house.pass(DAY * 20);
    assert_eq!(house.messages("INBOX"), [3]);
}

#[test]
fn move_files_once_every_device_has_fetched() {
    let house = house_with_mail();
    let phone = house.add_device("phone", Pop3Delete::Move);
    let pc = house.add_device("pc", Pop3Delete::Keep { days: 365 });
    house.add_device("imap only", Pop3Delete::Move);
    house.quit(Some(pc), &[], &[]);
    house.quit(Some(phone), &[1, 2], &[1]);
    assert_eq!(house.drop_of(Some(phone)), [2, 3]);
    assert_eq!(house.messages("INBOX"), [1, 2, 3]);
    house.quit(Some(pc), &[1, 2], &[]);
    assert_eq!(house.messages("INBOX"), [2, 3]);
    assert_eq!(house.messages("Fetched"), [1]);
    assert!(house.mailbox("Fetched").subscribed);
}

#[test]
fn move_waits_thirty_days_at_most() {
    let house = house_with_mail();
    let phone = house.add_device("phone", Pop3Delete::Move);
    let pc = house.add_device("pc", Pop3Delete::Move);
    house.quit(Some(pc), &[], &[]);
    house.quit(Some(phone), &[1], &[1]);
    house.pass(DAY * 29);
    assert!(house.messages("Fetched").is_empty());
    house.pass(DAY);
    assert_eq!(house.messages("Fetched"), [1]);
}

#[test]
fn a_revoked_device_waits_for_nothing_and_hides_nothing() {
    let house = house_with_mail();
    let phone = house.add_device("phone", Pop3Delete::Move);
    let pc = house.add_device("pc", Pop3Delete::Keep { days: 5 });
    house.quit(Some(pc), &[3], &[3]);
    house.quit(Some(phone), &[1], &[1]);
    house.store.revoke_device(pc).unwrap();
    house.pass(Duration::from_mins(1));
    assert_eq!(house.messages("Fetched"), [1]);
    house.pass(DAY * 40);
    assert_eq!(house.messages("INBOX"), [2, 3]);
}

#[test]
fn an_imap_client_that_moves_a_mail_ends_its_marks() {
    let house = house_with_mail();
    let phone = house.add_device("phone", Pop3Delete::Keep { days: 1 });
    house.quit(Some(phone), &[1, 2], &[1, 2]);
    let (inbox, archive) = (house.mailbox("INBOX"), house.mailbox("Archive"));
    house
        .store
        .move_messages(inbox.id, &uids(&[1]), archive.id, house.now())
        .unwrap();
    house.pass(DAY * 2);
    assert_eq!(house.messages("INBOX"), [3]);
    assert_eq!(house.messages("Archive"), [1]);
}

#[test]
fn a_clock_that_is_not_set_or_jumps_empties_nothing() {
    let house = house_with_mail();
    let phone = house.add_device("phone", Pop3Delete::Keep { days: 2 });
    let unset = |house: &House| Now {
        wall: None,
        ..house.now()
    };
    let update = Pop3Update {
        account: house.account,
        device: Some(phone),
        fetched: Vec::new(),
        deleted: house.serials(&[1]),
    };
    house.store.pop3_update(&update, unset(&house)).unwrap();
    house.clock.advance(DAY * 100);
    house.store.pop3_due(unset(&house)).unwrap();
    assert_eq!(house.messages("INBOX"), [1, 2, 3]);
    house.pass(Duration::ZERO);
    let jumped = Now {
        wall: Some(Wall(START.0 * 2)),
        ..house.now()
    };
    house.store.pop3_due(jumped).unwrap();
    assert_eq!(house.messages("INBOX"), [1, 2, 3]);
}

#[test]
fn sessions_in_between_do_not_hold_up_the_age_clock() {
    let house = house_with_mail();
    let phone = house.add_device("phone", Pop3Delete::Keep { days: 2 });
    house.quit(Some(phone), &[1], &[1]);
    for _ in 0..48 {
        house.clock.advance(Duration::from_hours(1));
        house.quit(Some(phone), &[2], &[]);
    }
    house.pass(Duration::ZERO);
    assert_eq!(house.messages("INBOX"), [2, 3]);
}
