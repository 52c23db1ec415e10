//! Tests of a card that fills up: its level, what is taken, and other programs that fill it behind the store's back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use super::files::{deliver, deliver_after, inbox, inbox_of, now, options};
use super::rows::spool::mail;
use super::{new_blob, noise};
use crate::mail::flags::{Flags, SystemFlags};
use crate::mail::ids::{MailboxId, SpoolId, Uid};
use crate::store::faulty::FaultyDisk;
use crate::store::media::Media;
use crate::store::spool::{SpoolClock, SpoolUpdate};
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
    try_rows(store, mailbox).unwrap()
}

fn try_rows(store: &Store, mailbox: MailboxId) -> Result<Vec<Uid>, Error> {
    let rows = store.snapshot()?.rows(mailbox, Uid::MIN, Uid::MAX)?;
    Ok(rows.iter().map(|row| row.uid).collect())
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

/// Spools a mail on its own.
fn spool(store: &Store, seed: u64) -> Result<(), Error> {
    let mut writer = store.begin_blob(None)?;
    writer.write(&noise(seed, 30_000))?;
    let append = Append {
        blob: writer.finish()?,
        summary: Vec::new(),
        filings: Vec::new(),
        spool: vec![mail(&["b@x.example", "c@y.example"])],
    };
    store.append(vec![append], now()).map(drop)
}

#[test]
fn mail_leaves_the_spool_of_a_full_card() {
    let disk = FaultyDisk::with_bytes(40 * MIB);
    let options = Options {
        reserve_bytes: 8 * MIB,
        ..options()
    };
    let store = open(&disk, &options);
    let inbox = inbox(&store);
    let taken = (0..10_000).find(|seed| spool(&store, *seed) == Err(Error::Full));
    assert!(taken.unwrap() > 300, "{taken:?}");
    disk.leave_free(0);
    let mails = store.snapshot().unwrap().spool(SpoolId(0), usize::MAX);
    for (number, mail) in mails.unwrap().into_iter().enumerate() {
        let mut state = mail.states[0].clone();
        state.attempts += 1;
        let update = SpoolUpdate {
            mail: mail.id,
            arrived: Duration::ZERO,
            states: vec![(0, state)],
            is_over: number % 4 > 0,
        };
        let updated = store.update_spool(SpoolClock::default(), vec![update], Vec::new(), now());
        assert_eq!(updated, Ok(()), "mail {number}");
    }
    store.make_room().unwrap();
    let left = store.snapshot().unwrap().spool_len().unwrap();
    assert_eq!(left, taken.unwrap().div_ceil(4));
    assert_eq!(store.health().faults, 0);
    assert!(store.check().unwrap().is_sound());
    disk.leave_free(30 * MIB);
    assert_eq!(deliver(&store, inbox, b"small"), Ok(()));
}

#[test]
fn a_full_card_takes_mail_again_without_waiting_for_a_quiet_moment() {
    let options = Options {
        reserve_bytes: 8 * MIB,
        ..options()
    };
    let store = open(&FaultyDisk::with_bytes(60 * MIB), &options);
    let inbox = inbox(&store);
    let mails = fill(&store, inbox, 300_000);
    assert!(mails < 256, "{mails} mails would be collected anyway");
    for uids in rows(&store, inbox).chunks(20) {
        delete(&store, inbox, uids);
    }
    assert_eq!(deliver(&store, inbox, b"small"), Ok(()));
}

#[test]
fn other_programs_may_fill_the_card_at_any_moment() {
    for left in [0, 5 * MIB] {
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
        for _ in 0..12 {
            let append = |seed| Append {
                blob: new_blob(&store, b"small"),
                summary: noise(seed, 1_400),
                filings: vec![Filing {
                    mailbox: inbox,
                    flags: Flags::default(),
                    internal_date: now().stamp(),
                    prefix: Vec::new(),
                    quota: QuotaRule::Exceed,
                }],
                spool: Vec::new(),
            };
            let filed = store.append((0..500).map(append).collect(), now());
            filed.unwrap();
        }
        store.settle().unwrap();
        disk.leave_free(5 * MIB);
        // Spread, so that every page has to be written anew.
        let some: Vec<Uid> = rows(&store, inbox).into_iter().step_by(4).collect();
        removal(&store, inbox, &some);
        assert_eq!(rows(&store, inbox).len(), 4_500);
        assert_eq!(store.health().faults, 0, "{:?}", store.health());
    }
}

/// What one client does while the card fills: delivers mails of all sizes, and deletes its oldest now and then. Returns
/// how many of its mails are left, how many were refused, and how many times a fault was told.
fn client(store: &Store, inbox: MailboxId, seed: u64) -> (usize, usize, usize) {
    let (mut kept, mut refused, mut faults) = (0, 0, 0);
    for round in 0..60_u64 {
        let bytes = [2_000, 20_000, 90_000, 600_000][usize::try_from(round % 4).unwrap()];
        match deliver(store, inbox, &noise(seed * 1000 + round, bytes)) {
            Ok(()) => kept += 1,
            Err(Error::Full) => refused += 1,
            Err(Error::Fault(_)) => faults += 1,
            Err(error) => panic!("{error}"),
        }
        // A fault closes the database under whoever reads just then.
        let all = try_rows(store, inbox).unwrap_or_default();
        let oldest = all.first().copied();
        if let Some(oldest) = oldest.filter(|_| round % 5 == 4) {
            let action = FlagAction::Add;
            let deleted = Flags {
                system: SystemFlags::DELETED,
                keywords: Vec::new(),
            };
            let marked = store.update_flags(inbox, &[oldest], action, &deleted, None);
            let gone = marked.and_then(|_| store.expunge(inbox, None));
            match gone {
                Ok((gone, _)) => kept -= gone.len(),
                Err(_) => faults += 1,
            }
        }
    }
    (kept, refused, faults)
}

/// Several clients, while other programs take the card down to each of `left` bytes and give it back.
fn clients_on_a_filling_card(left: &[u64]) -> u64 {
    let disk = FaultyDisk::with_bytes(50 * MIB);
    let options = Options {
        volume_bytes_max: 16 * MIB,
        reserve_bytes: 12 * MIB,
        ..options()
    };
    let store = open(&disk, &options);
    let inboxes: Vec<MailboxId> = (0..6).map(|n| inbox_of(&store, &n.to_string())).collect();
    let ended = AtomicBool::new(false);
    let kept: Vec<(usize, usize, usize)> = thread::scope(|scope| {
        let store = &store;
        let clients: Vec<_> = (0..)
            .zip(&inboxes)
            .map(|(seed, inbox)| scope.spawn(move || client(store, *inbox, seed)))
            .collect();
        let others = scope.spawn(|| {
            for bytes in left.iter().cycle() {
                disk.leave_free(*bytes);
                thread::yield_now();
                if ended.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        let kept: Vec<_> = clients.into_iter().map(ScopedJoinHandle::join).collect();
        ended.store(true, Ordering::SeqCst);
        others.join().unwrap();
        kept.into_iter().map(Result::unwrap).collect()
    });
    disk.leave_free(50 * MIB);
    store.probe().unwrap();
    assert!(kept.iter().any(|(_, refused, _)| *refused > 0));
    for ((kept, _, faults), inbox) in kept.iter().zip(&inboxes) {
        // What ended in a fault may have happened.
        let found = rows(&store, *inbox).len();
        let differs = found.abs_diff(*kept);
        assert!(differs <= *faults, "{found} of {kept}, {faults} faults");
    }
    assert!(store.check().unwrap().is_sound());
    assert_eq!(store.recount(), Ok(Vec::new()));
    for inbox in &inboxes {
        delete(&store, *inbox, &rows(&store, *inbox));
    }
    store.make_room().unwrap();
    deliver(&store, inboxes[0], &noise(7, 2_000_000)).unwrap();
    store.health().faults
}

#[test]
fn many_clients_on_a_full_card_lose_nothing() {
    assert_eq!(clients_on_a_filling_card(&[]), 0);
    clients_on_a_filling_card(&[50 * MIB, 20 * MIB, 5 * MIB, 0, MIB]);
}
