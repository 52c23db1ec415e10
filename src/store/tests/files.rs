//! Tests of what happens to the store's files: rewriting, room on the card, backup and restore.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::rows::spool::mail;
use super::{file, new_blob, noise, open, read_all};
use crate::clock::{Clock, Now, Wall};
use crate::mail::address::Address;
use crate::mail::flags::Flags;
use crate::mail::ids::{BlobId, MailboxId, SpoolId, Uid};
use crate::store::media::{Media, Memory};
use crate::store::spool::{SpoolClock, SpoolStage, SpoolUpdate};
use crate::store::types::{Filing, Language, QuotaRule};
use crate::store::{Append, BlobWriter, Error, NewAccount, Options, Store, Upkeep, blob};

pub(super) fn now() -> Now {
    Clock::virtual_at(Wall(1_800_000_000)).now()
}

pub(super) fn options() -> Options {
    Options {
        upkeep: Upkeep::Inline,
        volume_bytes_max: 1 << 20,
        ..Options::default()
    }
}

#[test]
fn rewritten_volume_keeps_what_is_alive() {
    let media: Arc<dyn Media> = Arc::new(Memory::default());
    let store = open(&media);
    let blobs: Vec<(BlobId, Vec<u8>)> = (0..40)
        .map(|n| {
            let bytes = noise(n, if n % 4 == 0 { 200_000 } else { 30_000 });
            (file(&store, new_blob(&store, &bytes)), bytes)
        })
        .collect();
    store.settle().unwrap();
    let numbers = store.0.core.volumes.numbers().unwrap();
    assert!(numbers.len() > 1, "{numbers:?}");
    let (dead, alive): (Vec<_>, Vec<_>) = blobs.into_iter().partition(|(id, _)| id.0 % 3 == 0);
    for (id, _) in dead {
        store.0.commit(move |tx| blob::release(tx, id)).unwrap();
    }
    store.settle().unwrap();
    for number in &numbers[..numbers.len() - 1] {
        let volume = store.0.core.volumes.get(*number);
        store.0.core.rewrite(&volume, 1 << 20).unwrap();
    }
    let after = store.0.core.volumes.numbers().unwrap();
    assert!(
        numbers[..numbers.len() - 1]
            .iter()
            .all(|old| !after.contains(old))
    );
    for (id, bytes) in &alive {
        assert_eq!(read_all(&store, *id), *bytes);
    }
    drop(store);
    let store = open(&media);
    for (id, bytes) in &alive {
        assert_eq!(read_all(&store, *id), *bytes);
    }
}

#[test]
fn without_its_index_no_volume_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &options(), now()).unwrap();
    let bytes = noise(1, 200_000);
    let id = file(&store, new_blob(&store, &bytes));
    drop(store);
    let (index, aside) = (dir.path().join("index.redb"), dir.path().join("aside"));
    std::fs::rename(&index, &aside).unwrap();
    let refused = || {
        let error = Store::open(dir.path(), &options(), now()).unwrap_err();
        assert!(error.to_string().contains("index.redb"), "{error}");
    };
    refused();
    assert!(!index.exists());
    std::fs::write(&index, "").unwrap();
    refused();
    std::fs::rename(&aside, &index).unwrap();
    let store = Store::open(dir.path(), &options(), now()).unwrap();
    assert_eq!(read_all(&store, id), bytes);
}

pub(super) fn inbox(store: &Store) -> MailboxId {
    inbox_of(store, "anna")
}

pub(super) fn inbox_of(store: &Store, name: &str) -> MailboxId {
    let new = NewAccount {
        address: Address::parse(&format!("{name}@example.org")).unwrap(),
        owner: true,
        language: Language::De,
        quota_bytes: None,
    };
    let account = store.add_account(&new, now()).unwrap();
    let mailboxes = store.snapshot().unwrap().mailboxes(account.id).unwrap();
    let inbox = mailboxes.iter().find(|mailbox| mailbox.name.is_inbox());
    inbox.unwrap().id
}

pub(super) fn deliver(store: &Store, mailbox: MailboxId, bytes: &[u8]) -> Result<(), Error> {
    deliver_after(
        store.begin_blob(Some(bytes.len() as u64))?,
        store,
        mailbox,
        bytes,
    )
}

pub(super) fn deliver_after(
    mut writer: BlobWriter,
    store: &Store,
    mailbox: MailboxId,
    bytes: &[u8],
) -> Result<(), Error> {
    let filing = Filing {
        mailbox,
        flags: Flags::default(),
        internal_date: now().stamp(),
        prefix: Vec::new(),
        quota: QuotaRule::Exceed,
    };
    writer.write(bytes)?;
    let append = Append {
        blob: writer.finish()?,
        summary: Vec::new(),
        filings: vec![filing],
        spool: Vec::new(),
    };
    store.append(vec![append], now()).map(drop)
}

#[test]
fn full_store_refuses_mail_and_takes_deletes() {
    let full = Options {
        capacity_bytes_max: Some(20 << 20),
        reserve_bytes: 8 << 20,
        ..options()
    };
    let store = Store::open_on(Arc::new(Memory::default()), &full, now()).unwrap();
    let inbox = inbox(&store);
    let mut taken = 0_u64;
    let refusal = loop {
        match deliver(&store, inbox, &noise(taken, 400_000)) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refusal, Error::Full);
    assert!((4..40).contains(&taken), "{taken}");
    let space = store.space().unwrap();
    assert!(
        space.free < space.reserve + 500_000 && space.used <= 20 << 20,
        "{space:?}"
    );
    assert_eq!(store.begin_blob(Some(1 << 20)).err(), Some(Error::Full));
    let uids: Vec<Uid> = (1..=u32::try_from(taken).unwrap())
        .filter_map(Uid::new)
        .collect();
    let deleted = Flags {
        system: crate::mail::flags::SystemFlags::DELETED,
        keywords: Vec::new(),
    };
    let action = crate::store::types::FlagAction::Add;
    store
        .update_flags(inbox, &uids, action, &deleted, None)
        .unwrap();
    assert_eq!(store.expunge(inbox, None).unwrap().0, uids);
    store.settle().unwrap();
    assert!(store.check().unwrap().is_sound());
}

#[test]
fn mails_of_unknown_size_are_refused_before_the_reserve_is_touched() {
    let full = Options {
        capacity_bytes_max: Some(40 << 20),
        reserve_bytes: 8 << 20,
        ..Options::default()
    };
    for bytes in [30_000, 70_000, 900_000, 3_000_000] {
        let store = Store::open_on(Arc::new(Memory::default()), &full, now()).unwrap();
        let inbox = inbox(&store);
        let refusal = (0..20_000).find_map(|n| {
            let writer = store.begin_blob(None);
            writer
                .and_then(|writer| deliver_after(writer, &store, inbox, &noise(n, bytes)))
                .err()
        });
        assert_eq!(refusal, Some(Error::Full), "{bytes}");
        let space = store.space().unwrap();
        assert!(
            space.free + (4 << 20) >= space.reserve,
            "{bytes}: {space:?}"
        );
    }
}

fn digests(store: &Store, mailbox: MailboxId) -> Vec<[u8; 16]> {
    let snapshot = store.snapshot().unwrap();
    let rows = snapshot.rows(mailbox, Uid::MIN, Uid::MAX).unwrap();
    let records = rows
        .iter()
        .map(|row| snapshot.record(row.serial).unwrap().unwrap());
    records.map(|record| record.digest).collect()
}

/// Spools a mail to two, one of whom has it already.
fn spool(store: &Store) {
    let append = Append {
        blob: new_blob(store, b"to be sent"),
        summary: Vec::new(),
        filings: Vec::new(),
        spool: vec![mail(&["b@x.example", "c@x.example"])],
    };
    store.append(vec![append], now()).unwrap();
    let mail = store.snapshot().unwrap().spool(SpoolId(0), 1).unwrap();
    let mut state = mail[0].states[1].clone();
    state.stage = SpoolStage::Delivered;
    let update = SpoolUpdate {
        mail: mail[0].id,
        arrived: Duration::ZERO,
        states: vec![(1, state)],
        is_over: false,
    };
    store
        .update_spool(SpoolClock::default(), vec![update], Vec::new(), now())
        .unwrap();
}

fn restored(backup: &Path, dir: &Path) -> Store {
    let store = Store::restore(backup, dir, &options(), now()).unwrap();
    let violations = store.check().unwrap().violations;
    assert!(violations.is_empty(), "{violations:?}");
    store
}

#[test]
fn backup_comes_back_whole_and_skips_unchanged_volumes() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let store = Store::open(&path("store"), &options(), now()).unwrap();
    assert_eq!(
        Store::open(&path("store"), &options(), now()).err(),
        Some(Error::InUse)
    );
    let inbox = inbox(&store);
    for (n, len) in (0..20).zip((3_000..).step_by(20_000)) {
        deliver(&store, inbox, &noise(n, len)).unwrap();
    }
    spool(&store);
    let first = store.backup(&path("backup")).unwrap();
    assert_eq!(first.unchanged, 0);
    deliver(&store, inbox, b"one more, staged").unwrap();
    let second = store.backup(&path("backup")).unwrap();
    assert!(
        second.unchanged > 0 && second.copied < first.copied,
        "{second:?}"
    );
    let expected = digests(&store, inbox);
    let spooled = store.snapshot().unwrap();
    let spooled = spooled.spool(SpoolId(0), usize::MAX).unwrap();
    let before = store.snapshot().unwrap().mailbox(inbox).unwrap().unwrap();
    let copy = restored(&path("backup"), &path("restored"));
    assert_eq!(digests(&copy, inbox), expected);
    let tables = |store: &Store| store.snapshot().unwrap().tables();
    assert_eq!(tables(&copy), tables(&store));
    let held = copy.snapshot().unwrap();
    let held = held.spool(SpoolId(0), usize::MAX).unwrap();
    let stages: Vec<SpoolStage> = held[0].states.iter().map(|state| state.stage).collect();
    assert_eq!(stages, [SpoolStage::Held, SpoolStage::Delivered]);
    assert_eq!((held.len(), &held[0].new), (1, &spooled[0].new));
    let after = copy.snapshot().unwrap().mailbox(inbox).unwrap().unwrap();
    assert!(after.uid_validity > before.uid_validity);
    deliver(&copy, inbox, &noise(99, 100_000)).unwrap();
    let again = Store::restore(&path("backup"), &path("store"), &options(), now());
    assert!(matches!(again, Err(Error::Exists(_))));
    let volume = std::fs::read_dir(path("backup"))
        .unwrap()
        .find_map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name()?.to_str()?.to_owned();
            name.starts_with("volume-").then_some(path)
        });
    let mut bytes = std::fs::read(volume.as_ref().unwrap()).unwrap();
    bytes[5_000] ^= 1;
    std::fs::write(volume.unwrap(), bytes).unwrap();
    let damaged = Store::restore(&path("backup"), &path("third"), &options(), now());
    assert!(matches!(damaged, Err(Error::Fault(_))));
}
