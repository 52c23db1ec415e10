//! Tests of the ballast: what lets people delete although other programs have taken all space.

use std::sync::Arc;

use super::files::{deliver, inbox, now, options};
use super::noise;
use crate::mail::flags::{Flags, SystemFlags};
use crate::mail::ids::{MailboxId, Uid};
use crate::store::faulty::FaultyDisk;
use crate::store::media::Media;
use crate::store::types::FlagAction;
use crate::store::{Error, Options, Store};

const MIB: u64 = 1 << 20;

/// Mails that are deleted at a time.
const COUNT: usize = 20;

/// Mail until some is refused.
fn fill(store: &Store, inbox: MailboxId, seeds: &mut impl Iterator<Item = u64>) {
    loop {
        let seed = seeds.next().unwrap();
        let bytes = if seed.is_multiple_of(3) {
            300_000
        } else {
            30_000
        };
        match deliver(store, inbox, &noise(seed, bytes)) {
            Ok(()) => {}
            Err(Error::Full) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Deletes the oldest mails; how many.
fn delete_some(store: &Store, inbox: MailboxId) -> usize {
    let rows = store.snapshot().unwrap();
    let rows = rows.rows(inbox, Uid::MIN, Uid::MAX).unwrap();
    let uids: Vec<Uid> = rows.iter().map(|row| row.uid).take(COUNT).collect();
    let deleted = Flags {
        system: SystemFlags::DELETED,
        keywords: Vec::new(),
    };
    store
        .update_flags(inbox, &uids, FlagAction::Add, &deleted, None)
        .unwrap();
    assert_eq!(store.expunge(inbox, None).unwrap().0, uids);
    uids.len()
}

#[test]
fn each_time_that_other_programs_take_all_there_is_a_ballast() {
    for reserve_bytes in [8 * MIB, 64 * MIB] {
        let disk = FaultyDisk::with_bytes(40 * MIB + reserve_bytes);
        let options = Options {
            reserve_bytes,
            volume_bytes_max: 112 * MIB,
            ..options()
        };
        let media: Arc<dyn Media> = Arc::new(disk.clone());
        let store = Store::open_on(Arc::clone(&media), &options, now()).unwrap();
        let inbox = inbox(&store);
        let mut seeds = 0..;
        for _ in 0..3 {
            fill(&store, inbox, &mut seeds);
            disk.leave_free(0);
            delete_some(&store, inbox);
            let free = media.free_bytes().unwrap().unwrap();
            assert!(free > 4 * MIB, "{free} bytes for the next deletes");
            // They give it all back, and mail takes what it may at once.
            disk.leave_free(u64::MAX);
        }
        assert_eq!(store.health().faults, 0, "{:?}", store.health());
        assert!(store.check().unwrap().is_sound());
    }
}

#[test]
fn a_volume_that_is_all_garbage_goes_even_while_it_is_filled() {
    let disk = FaultyDisk::with_bytes(60 * MIB);
    let options = Options {
        reserve_bytes: 8 * MIB,
        volume_bytes_max: 112 * MIB,
        ..options()
    };
    let media: Arc<dyn Media> = Arc::new(disk.clone());
    let store = Store::open_on(Arc::clone(&media), &options, now()).unwrap();
    let inbox = inbox(&store);
    fill(&store, inbox, &mut (0..));
    // So little is left that what is free inside the volume is of no use.
    disk.leave_free(2 * MIB);
    while delete_some(&store, inbox) > 0 {}
    store.settle().unwrap();
    let free = media.free_bytes().unwrap().unwrap();
    assert!(free > 20 * MIB, "{free} bytes came back");
    deliver(&store, inbox, &noise(1, 300_000)).unwrap();
    assert_eq!(store.health().faults, 0, "{:?}", store.health());
    assert!(store.check().unwrap().is_sound());
}
