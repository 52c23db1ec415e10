//! Mails that cannot be read: they wait alone, and are sent once they can be.

use super::*;

const GARBAGE: &[u8] = b"\xff\xff\xff";

impl House {
    fn only_id(&self) -> SpoolId {
        self.desk.list(SpoolId(0), 9, self.now()).unwrap()[0]
            .mail
            .id
    }

    /// What the list says of mails that cannot be read: how often it was looked, and when it is again.
    fn unread(&self) -> Vec<Unreadable> {
        self.desk.list(SpoolId(0), 9, self.now()).unwrap();
        self.desk.unreadable(self.now())
    }

    fn tries(&self, to: &str) -> u32 {
        self.tries.get(to).copied().unwrap_or(0)
    }
}

/// Two mails, the first of which is damaged before or after the desk has it; then it is whole again.
fn damaged(is_taken_in: bool) {
    let mut house = house();
    house.send(&["a@good.test", "b@well.test"]);
    let id = house.only_id();
    house.send(&["c@good.test"]);
    let row = house.store.swap_spool_row(id, GARBAGE.to_vec());
    if !is_taken_in {
        house.restart();
    }
    house.run(HOUR);
    assert_eq!((house.tries("c@good.test"), house.tries.len()), (1, 1));
    let unread = house.unread();
    assert_eq!((unread[0].id, unread.len()), (id, 1));
    assert!(unread[0].why.contains("spool"), "{unread:?}");
    assert!(unread[0].again_in > Duration::from_mins(1), "{unread:?}");
    assert_eq!(house.desk.figures(house.now()).waiting, 1);
    assert!(matches!(
        house.desk.retry(id, house.now()),
        Err(store::Error::Fault(_))
    ));
    house.send(&["d@good.test"]);
    house.run(Duration::from_secs(1));
    assert_eq!(house.tries("d@good.test"), 1);
    // Not for ever.
    house.store.swap_spool_row(id, row);
    house.run(HOUR * 3);
    assert_eq!(
        (house.tries("a@good.test"), house.tries("b@well.test")),
        (1, 1)
    );
    assert!(house.is_empty());
    assert_eq!(house.unread(), []);
}

#[test]
fn one_that_is_damaged_waits_alone() {
    damaged(true);
    damaged(false);
}

#[test]
fn the_owner_has_one_read_again_at_once() {
    let mut house = house();
    house.send(&["a@good.test"]);
    let id = house.only_id();
    let row = house.store.swap_spool_row(id, GARBAGE.to_vec());
    house.restart();
    house.run(DAY);
    house.store.swap_spool_row(id, row);
    assert!(house.next().is_none());
    house.desk.retry(id, house.now()).unwrap();
    house.run(Duration::from_secs(1));
    assert!(house.is_empty());
}

#[test]
fn what_came_of_one_waits_with_it() {
    let mut house = house();
    house.send(&["a@no.test"]);
    let id = house.only_id();
    let job = house.next().unwrap();
    house.send(&["b@good.test"]);
    let row = house.store.swap_spool_row(id, GARBAGE.to_vec());
    let tried = house.carry_out(&job);
    assert!(house.desk.finish(job, tried, house.now()).is_err());
    house.run(HOUR);
    assert_eq!(house.tries("b@good.test"), 1);
    assert_eq!(house.unread()[0].id, id);
    house.store.swap_spool_row(id, row);
    house.run(HOUR * 3);
    assert!(house.is_empty());
    assert_eq!(house.tries("a@no.test"), 1);
    house.check_told(&[("a@no.test failed", 1)]);
}

#[test]
fn a_card_that_cannot_be_read_for_a_while_holds_nothing_up_later() {
    // What is read is read from the disk.
    let options = Options {
        cache_bytes: 0,
        ..options()
    };
    let mut house = house_on(FaultyDisk::default(), &options);
    house.send(&["a@good.test", "b@well.test"]);
    house.send(&["c@good.test"]);
    house.disk.spoil(b"Received: by us");
    assert!(!matches!(house.desk.next(house.now()), Ok(Some(_))));
    house.disk.heal();
    house.run(HOUR);
    assert!(house.is_empty());
    assert_eq!(house.tries.len(), 3);
    assert_eq!(house.unread(), []);
}
