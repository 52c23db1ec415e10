//! Tests of a card that fills up: its level, what is taken, and other programs that fill it behind the store's back.

use std::sync::Arc;

use super::files::{deliver, deliver_after, inbox, now, options};
use super::{new_blob, noise};
use crate::mail::flags::{Flags, SystemFlags};
use crate::mail::ids::{MailboxId, Uid};
use crate::store::faulty::FaultyDisk;
use crate::store::media::Media;
use crate::store::types::{Filing, FlagAction, Level, QuotaRule, Subject};
use crate::store::{Append, Error, Options, Pop3Update, Store};

const MIB: u64 = 1 << 20;

fn open(disk: &FaultyDisk, options: &Options) -> Store {
    let media: Arc<dyn Media> = Arc::new(disk.clone());
    Store::open_on(media, options, now()).unwrap()
}

/// Delivers mails of `bytes` until one is refused; how many were taken.
fn fill(store: &Store, inbox: MailboxId, bytes: usize) -> u32 {
    let mails = 0..100_000;
    let refused = mails
        .into_iter()
        .find(|seed| deliver(store, inbox, &noise(u64::from(*seed), bytes)) == Err(Error::Full));
    refused.unwrap()
}

fn level(store: &Store) -> Level {
    store.fill(Subject::Card).unwrap().level
}

fn rows(store: &Store, mailbox: MailboxId) -> Vec<Uid> {
    let rows = store.snapshot().unwrap();
    let rows = rows.rows(mailbox, Uid::MIN, Uid::MAX).unwrap();
    rows.iter().map(|row| row.uid).collect()
}

fn delete(store: &Store, mailbox: MailboxId, uids: &[Uid]) {
    let deleted = Flags {
        system: SystemFlags::DELETED,
        keywords: Vec::new(),
    };
    store
        .update_flags(mailbox, uids, FlagAction::Add, &deleted, None)
        .unwrap();
    assert_eq!(store.expunge(mailbox, None).unwrap().0, uids);
}

#[test]
fn a_card_that_refuses_mail_says_that_it_is_full_until_it_takes_some_again() {
    let disk = FaultyDisk::with_bytes(60 * MIB);
    let options = Options {
        reserve_bytes: 8 * MIB,
        ..options()
    };
    let store = open(&disk, &options);
    let inbox = inbox(&store);
    assert_eq!(level(&store), Level::Ok);
    fill(&store, inbox, 300_000);
    assert_eq!(level(&store), Level::Full);
    assert_eq!(deliver(&store, inbox, b"small"), Err(Error::Full));
    drop(store);
    let store = open(&disk, &options);
    assert_eq!(level(&store), Level::Full, "a restart changes nothing");
    let mut own = 0;
    while let Ok(writer) = store.begin_own_blob() {
        if deliver_after(writer, &store, inbox, &noise(own, 30_000)).is_err() {
            break;
        }
        own += 1;
    }
    assert!(own > 50, "the house's own mail uses the reserve: {own}");
    let free = store.space().unwrap().free;
    assert!(free > 2 * MIB, "but not what deletes need: {free}");
    for uids in rows(&store, inbox).chunks(20) {
        delete(&store, inbox, uids);
        store.settle().unwrap();
        let taken = deliver(&store, inbox, b"small");
        assert_eq!(taken.is_ok(), level(&store) < Level::Full);
    }
    store.make_room().unwrap();
    assert_eq!(level(&store), Level::Ok);
    assert_eq!(store.health().faults, 0);
    assert!(store.check().unwrap().is_sound());
}

#[test]
fn other_programs_may_fill_the_card_at_any_moment() {
    for left in [0, 3 * MIB, 6 * MIB] {
        // One volume, in which every other mail is garbage, and no hole of that takes a larger mail's pages.
        let disk = FaultyDisk::with_bytes(200 * MIB);
        let options = Options {
            volume_bytes_max: 112 * MIB,
            reserve_bytes: 8 * MIB,
            ..options()
        };
        let store = open(&disk, &options);
        let inbox = inbox(&store);
        for seed in 0..1200 {
            deliver(&store, inbox, &noise(seed, 25_000)).unwrap();
        }
        let every_other: Vec<Uid> = rows(&store, inbox).into_iter().step_by(2).collect();
        delete(&store, inbox, &every_other);
        store.settle().unwrap();
        disk.leave_free(left);
        // Room inside the volume is of no use to the index, nor where the file has holes.
        for seed in 0..60 {
            let taken = deliver(&store, inbox, &noise(seed, 500_000));
            assert!(matches!(taken, Ok(()) | Err(Error::Full)), "{taken:?}");
        }
        assert_eq!(level(&store), Level::Full, "{left}");
        for some in rows(&store, inbox).chunks(50) {
            let (first, others) = some.split_first().unwrap();
            let moved = store.move_messages(inbox, &[*first], inbox, now());
            assert_eq!(moved.unwrap().pairs.len(), 1);
            delete(&store, inbox, others);
            store.settle().unwrap();
        }
        assert_eq!(store.health().faults, 0, "{left}: {:?}", store.health());
        disk.leave_free(100 * MIB);
        deliver(&store, inbox, &noise(7, 2_000_000)).unwrap();
        assert!(store.check().unwrap().is_sound());
    }
}

/// Removes messages of INBOX in one call.
type Removal = fn(&Store, MailboxId, &[Uid]);

fn pop3(store: &Store, inbox: MailboxId, uids: &[Uid]) {
    let snapshot = store.snapshot().unwrap();
    let rows = snapshot.rows(inbox, Uid::MIN, Uid::MAX).unwrap();
    let wanted = rows.iter().filter(|row| uids.contains(&row.uid));
    let serials: Vec<_> = wanted.map(|row| row.serial).collect();
    let update = Pop3Update {
        account: snapshot.mailbox(inbox).unwrap().unwrap().account,
        device: None,
        fetched: serials.clone(),
        deleted: serials,
    };
    store.pop3_update(&update, now()).unwrap();
}

#[test]
fn many_mails_can_be_deleted_when_only_volumes_have_room() {
    for removal in [delete as Removal, pop3] {
        let disk = FaultyDisk::with_bytes(200 * MIB);
        let options = Options {
            volume_bytes_max: 112 * MIB,
            reserve_bytes: 16 * MIB,
            ..options()
        };
        let store = open(&disk, &options);
        let inbox = inbox(&store);
        for seed in 0..60 {
            deliver(&store, inbox, &noise(seed, 500_000)).unwrap();
        }
        delete(&store, inbox, &rows(&store, inbox));
        store.settle().unwrap();
        for _ in 0..20 {
            let append = |seed| Append {
                blob: new_blob(&store, b"small"),
                summary: noise(seed, 600),
                filings: vec![Filing {
                    mailbox: inbox,
                    flags: Flags::default(),
                    internal_date: now().stamp(),
                    prefix: Vec::new(),
                    quota: QuotaRule::Exceed,
                }],
            };
            let filed = store.append((0..500).map(append).collect(), now());
            filed.unwrap();
        }
        store.settle().unwrap();
        disk.leave_free(5 * MIB);
        // Spread, so that every page has to be written anew.
        let some: Vec<Uid> = rows(&store, inbox).into_iter().step_by(4).collect();
        removal(&store, inbox, &some);
        assert_eq!(rows(&store, inbox).len(), 7_500);
        assert_eq!(store.health().faults, 0, "{:?}", store.health());
    }
}
