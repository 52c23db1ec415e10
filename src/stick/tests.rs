//! Backups to sticks that are directories, at a virtual time.

#![expect(
    clippy::unwrap_in_result,
    reason = "what a stick does to a backup is the result; all else that fails is the test's fault"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::plugged::{Stick, sticks};
use super::*;
use crate::clock::Clock;
use crate::config::{self, Settings};
use crate::mail::address::Address;
use crate::manage::backup::LastBackup;
use crate::store::backup::Generation;
use crate::store::types::Language;
use crate::store::{NewAccount, Options};

const NAME: &str = "BACKUP";

/// A box with a stick.
struct House {
    dir: tempfile::TempDir,
    settings: Settings,
    store: Store,
    clock: Clock,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = config::parse("t", "hostname = \"mail.home.test\"").unwrap();
        settings.data = dir.path().join("data");
        settings.backup.stick = Some(NAME.to_owned());
        fs::create_dir(dir.path().join("stick")).unwrap();
        let clock = Clock::virtual_at(Wall(1_800_000_000));
        let store = Store::open(&settings.data, &Options::default(), clock.now()).unwrap();
        fs::create_dir(settings.data.join("tls")).unwrap();
        fs::write(settings.data.join("tls/ca.pem"), "authority").unwrap();
        Self {
            dir,
            settings,
            store,
            clock,
        }
    }

    fn stick(&self) -> PathBuf {
        self.dir.path().join("stick")
    }

    fn add(&self, name: &str) {
        let new = NewAccount {
            address: Address::parse(name).unwrap(),
            owner: false,
            language: Language::En,
            quota_bytes: None,
        };
        self.store.add_account(&new, self.clock.now()).unwrap();
    }

    fn night(&self) -> Result<make::Made, Failure> {
        self.clock.advance(DAY);
        let stick = self.stick();
        let made = make::back_up(
            &self.store,
            &self.settings,
            (NAME, &stick),
            self.clock.now(),
        );
        made.unwrap()
    }

    fn standing(&self) -> Standing {
        let snapshot = self.store.snapshot().unwrap();
        Standing::load(&snapshot, &self.settings.backup)
            .unwrap()
            .unwrap()
    }

    /// Accounts of a backup.
    fn accounts(&self, backup: &Path, generation: Generation) -> Result<usize, store::Error> {
        let to = tempfile::tempdir_in(self.dir.path()).unwrap();
        let now = self.clock.now();
        let options = Options::default();
        let restored = Store::restore_from((backup, generation), to.path(), &options, now)?;
        Ok(restored.snapshot()?.accounts()?.len())
    }
}

fn files(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn each_night_there_are_this_one_and_the_one_before() {
    let house = House::new();
    for (night, name) in ["a@home.test", "b@home.test", "c@home.test"]
        .iter()
        .enumerate()
    {
        house.add(name);
        let made = house.night().unwrap();
        // The first is tried out, and then one a week.
        assert_eq!(made.messages.is_some(), night == 0, "{night}");
        let name = made.dir.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("mail.home.test-"), "{name}");
        let authority = fs::read_to_string(made.dir.join("tls/ca.pem")).unwrap();
        assert_eq!(authority, "authority");
        let newest = house.accounts(&made.dir, Generation::Newest).unwrap();
        assert_eq!(newest, night + 1);
        match house.accounts(&made.dir, Generation::Before) {
            Ok(before) => assert_eq!(before, night),
            Err(error) => assert_eq!(night, 0, "{error}"),
        }
        let good = house.standing().record.good.unwrap();
        assert_eq!(good.has_before, night > 0);
        assert_eq!(files(&made.dir).len(), 3 + night.min(1) * 2);
    }
    assert_eq!(files(&house.stick()).len(), 1);
    house.clock.advance(DAY * 5);
    assert_eq!(house.night().unwrap().messages, Some(0));
    let last = LastBackup::load(&house.store.snapshot().unwrap());
    assert_eq!(last.unwrap().unwrap().to, NAME);
}

#[test]
fn what_did_not_come_back_is_written_again() {
    let house = House::new();
    house.add("a@home.test");
    let made = house.night().unwrap();
    // A store restored from it begins a backup of its own, and leaves this one as it is.
    let other = House::new();
    let restored = Store::restore(
        &made.dir,
        &other.dir.path().join("restored"),
        &Options::default(),
        other.clock.now(),
    );
    assert_ne!(
        restored.unwrap().lineage().unwrap(),
        house.store.lineage().unwrap()
    );
    let damaged = files(&made.dir);
    let damaged = damaged.iter().find(|name| name.starts_with("index-"));
    let path = made.dir.join(damaged.unwrap());
    let mut bytes = fs::read(&path).unwrap();
    bytes[5000] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(house.accounts(&made.dir, Generation::Newest).is_err());
    house.add("b@home.test");
    let made = house.night().unwrap();
    assert_eq!(house.accounts(&made.dir, Generation::Newest).unwrap(), 2);
}

#[test]
fn others_are_left_alone_and_what_broke_off_is_cleared() {
    let house = House::new();
    let foreign = house.stick().join("mail.home.test-00000000");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("index-1.redb"), "of another box").unwrap();
    fs::write(foreign.join("manifest.json"), "{}").unwrap();
    let made = house.night().unwrap();
    assert_ne!(made.dir, foreign);
    let whole = files(&made.dir);
    fs::write(made.dir.join("volume-0001-9.redb"), "half").unwrap();
    fs::create_dir(made.dir.join("trial")).unwrap();
    house.night().unwrap();
    let kept = files(&made.dir);
    assert!(
        !kept.contains(&"volume-0001-9.redb".to_owned()) && !kept.contains(&"trial".to_owned())
    );
    assert_eq!(kept.len(), whole.len() + 2);
    assert_eq!(files(&foreign), ["index-1.redb", "manifest.json"]);
}

#[test]
fn a_failure_is_remembered_and_the_last_good_one_too() {
    let house = House::new();
    house.night().unwrap();
    let good = house.standing().record.good;
    // Pulled out: the directory where it was mounted is not there, or cannot be written.
    fs::rename(house.stick(), house.dir.path().join("pulled")).unwrap();
    let failure = house.night().unwrap_err();
    assert_eq!(failure.reason, Reason::Write);
    let standing = house.standing();
    assert_eq!(standing.record.good, good);
    assert_eq!(standing.failure(), Some(&failure));
    assert_eq!(standing.age(house.clock.now()), Some(DAY));
    fs::rename(house.dir.path().join("pulled"), house.stick()).unwrap();
    house.night().unwrap();
    assert_eq!(house.standing().failure(), None);
}

#[test]
fn too_old_counts_from_the_naming_and_then_from_the_last_good_one() {
    let house = House::new();
    let backup = &house.settings.backup;
    let follow = || Standing::follow(&house.store, backup, house.clock.now()).unwrap();
    let is_overdue = || follow().unwrap().is_overdue(house.clock.now());
    assert!(!is_overdue());
    house.clock.advance(DAY * 3);
    assert!(!is_overdue());
    house.clock.advance(Duration::from_secs(1));
    assert!(is_overdue());
    house.night().unwrap();
    assert!(!is_overdue());
    house.clock.advance(DAY * 3 + Duration::from_secs(1));
    assert!(is_overdue());
    let other = BackupSettings {
        stick: Some("OTHER".to_owned()),
        ..backup.clone()
    };
    let now = house.clock.now();
    let standing = Standing::follow(&house.store, &other, now)
        .unwrap()
        .unwrap();
    assert!(standing.record.good.is_none() && !standing.is_overdue(now));
    let none = BackupSettings {
        stick: None,
        ..other
    };
    assert_eq!(Standing::follow(&house.store, &none, now).unwrap(), None);
}

/// A system with these devices: label, UUID, name, and place below `sys/devices`.
fn system(devices: &[(&str, &str, &str, &str)], own: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    let mut numbers = BTreeMap::new();
    for (number, (label, uuid, name, place)) in devices.iter().enumerate() {
        let place = at(&format!("sys/devices/{place}"));
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("size"), "2048\n").unwrap();
        if name.ends_with(|c: char| c.is_ascii_digit()) {
            fs::write(place.join("partition"), "1\n").unwrap();
        }
        symlink(&place, at(&format!("sys/class/block/{name}"))).unwrap();
        symlink(&place, at(&format!("sys/dev/block/8:{number}"))).unwrap();
        numbers.insert(*name, number);
        let target = format!("../../{name}");
        symlink(&target, at(&format!("dev/disk/by-uuid/{uuid}"))).unwrap();
        if !label.is_empty() {
            symlink(&target, at(&format!("dev/disk/by-label/{label}"))).unwrap();
        }
    }
    let number = numbers.get(own).unwrap();
    let mounts =
        format!("24 1 0:22 / /proc rw - proc proc rw\n36 1 8:{number} / / rw - ext4 x rw\n");
    fs::write(at("proc/self/mountinfo"), mounts).unwrap();
    dir
}

#[test]
fn what_hangs_on_usb_is_offered_but_for_the_own_disk() {
    let devices = [
        (
            r"Anna\x27s\x20stick",
            "1111-1111",
            "sda1",
            "pci/usb1/1-1/host0/block/sda/sda1",
        ),
        ("", "2222-2222", "sdb", "pci/usb1/1-2/host1/block/sdb"),
        (
            "rootfs",
            "3333",
            "sdc2",
            "pci/usb2/2-1/host2/block/sdc/sdc2",
        ),
        (
            "bootfs",
            "4444",
            "sdc1",
            "pci/usb2/2-1/host2/block/sdc/sdc1",
        ),
        ("disk", "5555", "sdd1", "pci/ata1/host3/block/sdd/sdd1"),
    ];
    let system = system(&devices, "sdc2");
    let stick = |label: Option<&str>, uuid: &str| Stick {
        label: label.map(str::to_owned),
        uuid: uuid.to_owned(),
        bytes: 1 << 20,
    };
    let expected = [
        stick(None, "2222-2222"),
        stick(Some("Anna's stick"), "1111-1111"),
    ];
    assert_eq!(sticks(system.path()), expected);
    assert!(expected[1].is_named("Anna's stick") && expected[1].is_named("1111-1111"));
    assert!(!expected[0].is_named(""));
    assert_eq!(sticks(&system.path().join("nothing")), []);
}

#[test]
fn every_reason_has_a_name_and_words() {
    for (reason, name) in REASONS {
        assert_eq!(Reason::named(name), Some(reason));
        assert_eq!(reason.name(), name);
        let failure = Failure {
            room: (reason == Reason::Full).then_some((3 << 20, 1 << 20)),
            ..Failure::new(reason, "")
        };
        let words = [Language::De, Language::En]
            .map(|language| words::problem(&failure, "KEY 7", language));
        assert_ne!(words[0], words[1]);
        assert!(words.iter().all(|text| text.contains("KEY 7")), "{words:?}");
    }
    assert_eq!(Reason::named("other"), None);
}
