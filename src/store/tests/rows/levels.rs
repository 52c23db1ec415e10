//! Levels of accounts and of the card: when they are stepped, who hears of it, what is taken at each.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::mail::ids::Serial;
use crate::store::change::{Change, Heard};
use crate::store::events::{Facts, Found, Kind, Query};
use crate::store::faulty::{Failure, FaultyDisk};
use crate::store::media::Directory;
use crate::store::spool::SpoolClock;
use crate::store::types::{Level, Login, Subject, Thresholds};
use crate::wake::Wake;

/// Bytes of the prefix that `filing` gives.
const PREFIX_BYTES: usize = 16;

impl House {
    /// Appends a message that counts that many bytes.
    fn append_bytes(&self, to: &str, bytes: usize) -> Result<Filed> {
        let body = vec![b'x'; bytes - PREFIX_BYTES];
        self.append(&self.mailbox(to), &body, Flags::default())
    }

    fn level(&self) -> Level {
        let fill = self.store.fill(Subject::Account(self.account));
        fill.unwrap().level
    }

    fn remove(&self, from: &str, numbers: &[u32]) {
        let mailbox = self.mailbox(from).id;
        let deleted = flags(SystemFlags::DELETED, &[]);
        let uids = uids(numbers);
        self.store
            .update_flags(mailbox, &uids, FlagAction::Add, &deleted, None)
            .unwrap();
        assert_eq!(self.store.expunge(mailbox, None).unwrap().0, uids);
    }
}

/// A store with an account that may have 1000 bytes.
fn small_house() -> House {
    let house = House::new();
    house.store.set_quota(house.account, Some(1000)).unwrap();
    house
}

fn counting() -> (Wake, Arc<AtomicU32>) {
    let count = Arc::new(AtomicU32::new(0));
    let inside = Arc::clone(&count);
    let wake = Wake::new(move || {
        inside.fetch_add(1, Ordering::SeqCst);
    });
    (wake, count)
}

#[test]
fn a_level_follows_the_mail_and_everyone_hears_of_it() {
    let house = small_house();
    let (wake, woken) = counting();
    house.store.on_level(wake);
    let mut changes = house.store.subscribe(house.account, Wake::none());
    let mut heard = || {
        let all = std::iter::from_fn(|| changes.poll());
        all.filter(|heard| *heard == Heard::Change(Change::Level))
            .count()
    };
    for (bytes, level, times) in [
        (700, Level::Ok, 0),
        (100, Level::Notice, 1),
        (100, Level::Notice, 0),
        (50, Level::Warning, 1),
        (49, Level::Warning, 0),
        (50, Level::Full, 1),
    ] {
        house.append_bytes("INBOX", bytes).unwrap();
        assert_eq!((house.level(), heard()), (level, times), "after {bytes}");
    }
    assert_eq!(woken.load(Ordering::SeqCst), 3);
    house.remove("INBOX", &[5]);
    assert_eq!(house.level(), Level::Full, "1000 bytes");
    house.remove("INBOX", &[4, 6]);
    assert_eq!(house.level(), Level::Notice, "900 bytes");
    house.store.set_quota(house.account, Some(900)).unwrap();
    assert_eq!(house.level(), Level::Full);
    house.store.set_quota(house.account, None).unwrap();
    assert_eq!(house.level(), Level::Ok);
    assert_eq!((woken.load(Ordering::SeqCst), heard()), (6, 1));
    let fills = house.store.fills().unwrap();
    let fill = house.store.fill(Subject::Account(house.account)).unwrap();
    assert_eq!(fills, [(house.account, fill)]);
}

#[test]
fn a_full_account_takes_mail_again_when_the_bytes_it_names_are_gone() {
    let house = small_house();
    for bytes in [900, 99, 25, 29, 30] {
        let taken = house.append_bytes("INBOX", bytes);
        assert_eq!(taken.is_ok(), bytes != 29 && bytes != 30, "{bytes}");
    }
    let admit = || house.store.admit(house.account, 1);
    assert_eq!(admit(), Err(Error::OverQuota));
    let fill = house.store.fill(Subject::Account(house.account)).unwrap();
    assert_eq!((fill.percent(), fill.bytes_to_free()), (Some(102), 55));
    house.remove("INBOX", &[3]);
    let fill = house.store.fill(Subject::Account(house.account)).unwrap();
    assert_eq!((fill.level, fill.bytes_to_free()), (Level::Full, 30));
    let house = house.reopen();
    assert_eq!(house.level(), Level::Full, "a restart changes nothing");
    house.remove("INBOX", &[2]);
    assert_eq!(house.level(), Level::Notice);
    house.append_bytes("INBOX", 30).unwrap();
}

#[test]
fn a_full_account_can_still_be_tidied() {
    let house = small_house();
    for bytes in [900, 99, 25] {
        house.append_bytes("INBOX", bytes).unwrap();
    }
    let (inbox, trash) = (house.mailbox("INBOX").id, house.mailbox("Trash").id);
    let copy = |number, to| {
        let copied = house.store.copy(inbox, &uids(&[number]), to, house.now());
        copied.map(|copied| copied.pairs.len())
    };
    assert_eq!(copy(3, house.mailbox("Archive").id), Err(Error::OverQuota));
    assert_eq!(copy(3, trash), Ok(1), "1049 bytes");
    assert_eq!(
        copy(1, trash),
        Ok(1),
        "however large, from below 1100 bytes"
    );
    assert_eq!(house.store.admit_into(trash, 1), Err(Error::OverQuota));
    assert_eq!(copy(3, trash), Err(Error::OverQuota));
    let full = house.append_bytes("Trash", 17);
    assert_eq!(full, Err(Error::OverQuota));
    let moved = house
        .store
        .move_messages(inbox, &uids(&[1, 2]), trash, house.now());
    assert_eq!(moved.map(|moved| moved.pairs.len()), Ok(2));
}

#[test]
fn a_move_does_not_fill_an_account_on_its_way() {
    let house = small_house();
    house.append_bytes("INBOX", 760).unwrap();
    let (inbox, trash) = (house.mailbox("INBOX").id, house.mailbox("Trash").id);
    house
        .store
        .move_messages(inbox, &uids(&[1]), trash, house.now())
        .unwrap();
    assert_eq!(house.level(), Level::Ok);
}

#[test]
fn other_thresholds_count_from_the_next_start() {
    let house = small_house();
    house.append_bytes("INBOX", 600).unwrap();
    let House {
        store,
        media,
        clock,
        account,
    } = house;
    drop(store);
    let options = Options {
        upkeep: Upkeep::Inline,
        thresholds: Thresholds {
            notice_percent: 50,
            warning_percent: 60,
        },
        ..Options::default()
    };
    let store = Store::open_on(media, &options, clock.now()).unwrap();
    let store = Checked::new(store);
    let fill = store.fill(Subject::Account(account)).unwrap();
    assert_eq!(fill.level, Level::Warning);
}

#[test]
fn an_account_that_may_have_nothing_is_full_from_the_start() {
    let house = House::new();
    let new = NewAccount {
        quota_bytes: Some(0),
        ..new_account("ben@haus.example")
    };
    let ben = house.store.add_account(&new, house.now()).unwrap().id;
    let fill = house.store.fill(Subject::Account(ben)).unwrap();
    assert_eq!(fill.level, Level::Full);
}

#[test]
fn a_store_that_cannot_write_says_so_until_it_can() {
    let disk = FaultyDisk::default();
    let clock = Clock::virtual_at(START);
    let media: Arc<dyn Media> = Arc::new(disk.clone());
    let store = open(&media, &clock);
    let card = || store.fill(Subject::Card).unwrap().level;
    assert_eq!(card(), Level::Ok);
    let (wake, woken) = counting();
    store.on_level(wake);
    disk.fail(0, u64::MAX / 2, Failure::Io);
    assert!(matches!(store.set_setting("a", b"1"), Err(Error::Fault(_))));
    assert!(store.health().failing);
    assert_eq!((card(), woken.load(Ordering::SeqCst)), (Level::Fault, 1));
    assert!(matches!(store.probe(), Err(Error::Fault(_))));
    assert_eq!(card(), Level::Fault);
    disk.heal();
    assert_eq!(card(), Level::Fault, "nothing was written yet");
    store.probe().unwrap();
    assert!(!store.health().failing);
    assert_eq!((card(), woken.load(Ordering::SeqCst)), (Level::Ok, 2));
}

/// A store that the program of its time made and left cut off; `tests/stores/README.md` says what is in each.
fn unpack_store(version: u32, to: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/stores/{version}"));
    for name in ["index.redb", "volumes/0001.redb"] {
        let packed = std::fs::read(from.join(format!("{name}.zst"))).unwrap();
        let bytes = zstd::bulk::decompress(&packed, 16 << 20).unwrap();
        std::fs::write(to.join(name), bytes).unwrap();
    }
}

#[test]
fn a_store_of_version_1_gets_levels_and_keeps_all_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let media: Arc<dyn Media> = Arc::new(Directory::new(dir.path()).unwrap());
    unpack_store(1, dir.path());
    let store = Checked::new(open(&media, &Clock::virtual_at(START)));
    let snapshot = store.snapshot().unwrap();
    let accounts = snapshot.accounts().unwrap();
    let levels: Vec<(String, Level, u64)> = accounts
        .iter()
        .zip(store.fills().unwrap())
        .map(|(account, (_, fill))| (account.address.to_string(), fill.level, fill.used))
        .collect();
    let expected = [
        ("anna@haus.example", Level::Warning, 97_167),
        ("ben@haus.example", Level::Full, 436),
        ("carl@haus.example", Level::Ok, 0),
    ];
    assert_eq!(
        levels,
        expected.map(|(who, level, used)| (who.to_owned(), level, used))
    );
    assert_eq!(snapshot.setting("color"), Ok(Some(b"blue".to_vec())));
    assert_eq!(snapshot.aliases().unwrap().len(), 1);
    let report = store.check().unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.messages, report.blobs), (24, 23));
    assert!(snapshot.record(Serial(1)).unwrap().is_some());
}

#[test]
fn a_store_of_version_2_gets_a_spool_and_keeps_all_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let media: Arc<dyn Media> = Arc::new(Directory::new(dir.path()).unwrap());
    unpack_store(2, dir.path());
    let store = Checked::new(open(&media, &Clock::virtual_at(START)));
    let snapshot = store.snapshot().unwrap();
    assert_eq!(
        (snapshot.spool_len(), snapshot.spool_clock()),
        (Ok(0), Ok(SpoolClock::default()))
    );
    let fills = store.fills().unwrap();
    let levels: Vec<(Level, u64)> = fills
        .iter()
        .map(|(_, fill)| (fill.level, fill.used))
        .collect();
    assert_eq!(levels, [(Level::Notice, 110_380), (Level::Ok, 38)]);
    assert_eq!(snapshot.setting("color"), Ok(Some(b"green".to_vec())));
    assert_eq!(snapshot.aliases().unwrap().len(), 1);
    let runs = snapshot.runs().unwrap();
    assert_eq!(snapshot.aside_messages(runs[0].id).unwrap().len(), 2);
    let report = store.check().unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.messages, report.blobs, report.spooled), (15, 14, 0));
    store
        .undo_run(runs[0].id, Clock::virtual_at(START).now())
        .unwrap();
}

#[test]
fn a_store_of_version_3_remembers_logins_and_events_and_keeps_all_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let media: Arc<dyn Media> = Arc::new(Directory::new(dir.path()).unwrap());
    unpack_store(3, dir.path());
    let store = Checked::new(open(&media, &Clock::virtual_at(START)));
    let snapshot = store.snapshot().unwrap();
    let anna = snapshot.owner().unwrap().unwrap().id;
    let phone = snapshot.devices(anna).unwrap()[0].clone();
    assert_eq!(phone.pop3_delete, Pop3Delete::Keep { days: 7 });
    assert!(phone.last_seen.is_some());
    assert_eq!(snapshot.logins(anna), Ok(Vec::new()));
    let report = store.check().unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.messages, report.blobs, report.spooled), (22, 9, 1));
    let login = Login {
        protocol: "IMAP".to_owned(),
        at: START,
        from: "192.0.2.7".parse().unwrap(),
        tls: String::new(),
    };
    store.remember_login(anna, Some(phone.id), &login).unwrap();
    let seen = store.snapshot().unwrap().devices(anna).unwrap()[0].last_seen;
    assert_eq!(seen, Some(START));
    let query = Query {
        limit: 9,
        ..Query::default()
    };
    assert_eq!(store.events(&query), Ok(Found::default()));
    let now = Clock::virtual_at(START).now();
    store.note(Kind::Started, Facts::default(), now);
    store.settle().unwrap();
    assert_eq!(store.events(&query).unwrap().events.len(), 1);
}
