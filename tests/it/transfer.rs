//! Mail in and out of files: what goes in comes out, flags and dates kept, and a second run changes nothing.

use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use heimpost::clock::{Clock, Wall};
use heimpost::mail::address::Address;
use heimpost::mail::flags::{Flags, Keyword, SystemFlags};
use heimpost::mail::ids::{AccountId, Uid};
use heimpost::mail::mailbox_name::MailboxName;
use heimpost::store::types::Language;
use heimpost::store::{NewAccount, Options, Store};
use heimpost::transfer::export::Export;
use heimpost::transfer::import::Import;
use heimpost::transfer::{Event, Report};

const DATE: i64 = 1_700_000_000;

struct House {
    store: Store,
    account: AccountId,
    clock: Clock,
}

/// A message as it is compared: text, internal date, flags.
type Seen = (String, i64, Flags);

impl House {
    fn new() -> Self {
        let store = Store::in_memory(&Options::default()).unwrap();
        let clock = Clock::virtual_at(Wall(1_795_000_000));
        let new = NewAccount {
            address: Address::parse("anna@example.org").unwrap(),
            owner: true,
            language: Language::En,
            quota_bytes: None,
        };
        let account = store.add_account(&new, clock.now()).unwrap().id;
        Self {
            store,
            account,
            clock,
        }
    }

    fn import_mbox(&self, path: &Path, into: &str) -> Report {
        let name = MailboxName::parse(into).unwrap();
        let import = Import::new(&self.store, self.account, &self.clock);
        import.mbox(path, &name, &mut no_problem).unwrap()
    }

    fn import_maildir(&self, root: &Path) -> Report {
        Import::new(&self.store, self.account, &self.clock)
            .maildir(root, &mut no_problem)
            .unwrap()
    }

    fn export_maildir(&self, root: &Path) -> Report {
        Export::new(&self.store, self.account)
            .maildir(root, &mut no_problem)
            .unwrap()
    }

    fn messages(&self, mailbox: &str) -> Vec<Seen> {
        let snapshot = self.store.snapshot().unwrap();
        let name = MailboxName::parse(mailbox).unwrap();
        let mailbox = snapshot
            .mailbox_by_name(self.account, &name)
            .unwrap()
            .unwrap_or_else(|| panic!("{mailbox} is missing"));
        let rows = snapshot.rows(mailbox.id, Uid::MIN, Uid::MAX).unwrap();
        let seen = |row: &heimpost::store::types::MessageRow| {
            let record = snapshot.record(row.serial).unwrap().unwrap();
            let mut blob = self.store.blob(record.blob).unwrap();
            let mut text = record.prefix.clone();
            while blob
                .read_at((text.len() - record.prefix.len()) as u64, 1000, &mut text)
                .unwrap()
                > 0
            {}
            let mut keywords = mailbox.keywords.clone();
            let mut bit = 0;
            keywords.retain(|_| {
                bit += 1;
                row.flags.keywords & (1 << (bit - 1)) != 0
            });
            let flags = Flags {
                system: row.flags.system,
                keywords,
            };
            (
                String::from_utf8(text).unwrap(),
                record.internal_date.0,
                flags,
            )
        };
        rows.iter().map(seen).collect()
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "a listener may refuse, this one does not"
)]
fn no_problem(event: Event) -> std::io::Result<()> {
    match event {
        Event::Progress { done, total, .. } => assert!(done <= total),
        Event::Problem(text) => panic!("{text}"),
    }
    Ok(())
}

fn write_dated(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(DATE as u64))
        .unwrap();
}

fn old_maildir(root: &Path) {
    for dir in ["cur", "new", "tmp"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    write_dated(&root.join("cur/1.a:2,FS"), "Subject: a\n\nbody a\n");
    write_dated(
        &root.join("new/2.b"),
        "Subject: b\n\nFrom here\n>From there\n",
    );
    write_dated(
        &root.join(".Entw&APw-rfe.2024/cur/3.c:2,Dab"),
        "Subject: c\n\n",
    );
    write_dated(
        &root.join(".Entw&APw-rfe.2024/dovecot-keywords"),
        "0 $Label1\n1 later\n",
    );
}

#[test]
fn a_maildir_comes_in_with_flags_dates_and_mailboxes() {
    let (house, old) = (House::new(), tempfile::tempdir().unwrap());
    old_maildir(old.path());
    let report = house.import_maildir(old.path());
    assert_eq!(
        (report.messages, report.present, report.mailboxes),
        (3, 0, 2)
    );
    let inbox = house.messages("INBOX");
    assert_eq!(inbox[0].0, "Subject: a\r\n\r\nbody a\r\n");
    assert_eq!(inbox[0].1, DATE);
    assert_eq!(
        inbox[0].2.system,
        SystemFlags::FLAGGED.union(SystemFlags::SEEN)
    );
    let drafts = house.messages("Entw\u{fc}rfe/2024");
    let keywords = ["$Label1", "later"].map(|name| Keyword::new(name).unwrap());
    assert_eq!(
        drafts[0].2,
        Flags {
            system: SystemFlags::DRAFT,
            keywords: keywords.to_vec()
        }
    );
}

#[test]
fn a_second_import_brings_only_what_is_missing() {
    let (house, old) = (House::new(), tempfile::tempdir().unwrap());
    old_maildir(old.path());
    house.import_maildir(old.path());
    write_dated(&old.path().join("cur/4.d:2,S"), "Subject: d\n\n");
    write_dated(&old.path().join("cur/5.twin:2,S"), "Subject: a\n\nbody a\n");
    let report = house.import_maildir(old.path());
    assert_eq!((report.messages, report.present), (2, 3));
    assert_eq!(house.messages("INBOX").len(), 4);
}

#[test]
fn an_exported_maildir_imports_to_the_same() {
    let (house, old, out) = (
        House::new(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    old_maildir(old.path());
    house.import_maildir(old.path());
    assert_eq!(house.export_maildir(out.path()).messages, 3);
    let again = house.export_maildir(out.path());
    assert_eq!((again.messages, again.present), (0, 3));
    let other = House::new();
    assert_eq!(other.import_maildir(out.path()).messages, 3);
    for mailbox in ["INBOX", "Entw\u{fc}rfe/2024"] {
        assert_eq!(
            house.messages(mailbox),
            other.messages(mailbox),
            "{mailbox}"
        );
    }
}

#[test]
fn an_exported_mbox_imports_to_the_same() {
    let (house, old, out) = (
        House::new(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    old_maildir(old.path());
    house.import_maildir(old.path());
    let report = Export::new(&house.store, house.account)
        .mbox(out.path(), &mut no_problem)
        .unwrap();
    assert_eq!(report.messages, 3);
    let other = House::new();
    for mailbox in ["INBOX", "Entw\u{fc}rfe/2024"] {
        let path = out.path().join(format!("{mailbox}.mbox"));
        assert_eq!(other.import_mbox(&path, mailbox).present, 0);
        assert_eq!(other.import_mbox(&path, mailbox).messages, 0);
        assert_eq!(
            house.messages(mailbox),
            other.messages(mailbox),
            "{mailbox}"
        );
    }
}

#[test]
fn a_full_account_ends_the_import_and_a_larger_quota_goes_on() {
    let (house, old) = (House::new(), tempfile::tempdir().unwrap());
    for n in 0..5 {
        let body = "x".repeat(600_000);
        write_dated(
            &old.path().join(format!("cur/{n}.a")),
            &format!("Subject: {n}\n\n{body}\n"),
        );
    }
    house
        .store
        .set_quota(house.account, Some(1_500_000))
        .unwrap();
    let import = Import::new(&house.store, house.account, &house.clock);
    let error = import.maildir(old.path(), &mut no_problem).unwrap_err();
    assert!(error.to_string().contains("quota"), "{error}");
    let there = house.messages("INBOX").len() as u64;
    assert!(there > 0 && there < 5, "{there}");
    house.store.set_quota(house.account, None).unwrap();
    let report = house.import_maildir(old.path());
    assert_eq!((report.messages, report.present), (5 - there, there));
}
