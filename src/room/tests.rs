//! The hook on a store in memory, with a clock that is driven by hand.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::Wall;
use crate::mail::flags::{Flags, SpecialUse};
use crate::mail::ids::{MailboxId, Uid};
use crate::store::check::Checked;
use crate::store::media::Memory;
use crate::store::types::{Filing, Language, Mailbox, QuotaRule};
use crate::store::{Append, NewAccount, Options, Upkeep};

/// 2026-11-22T00:00:00Z
pub(super) const NOW: Wall = Wall(1_795_305_600);
/// Seconds of a month, about.
pub(super) const MONTH: i64 = 30 * 86_400;
const DAY: Duration = Duration::from_hours(24);

/// A store that is checked when it closes, and a directory for programs.
pub(super) struct House {
    pub(super) store: Checked,
    clock: Clock,
    programs: tempfile::TempDir,
}

impl House {
    pub(super) fn new() -> Self {
        Self::with(&Options {
            upkeep: Upkeep::Inline,
            ..Options::default()
        })
    }

    fn with(options: &Options) -> Self {
        let clock = Clock::virtual_at(NOW);
        let store = Store::open_on(Arc::new(Memory::default()), options, clock.now()).unwrap();
        let programs = tempfile::tempdir().unwrap();
        fs::set_permissions(programs.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self {
            store: Checked::new(store),
            clock,
            programs,
        }
    }

    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Days with the daemon running.
    pub(super) fn pass_days(&self, days: u32) {
        for _ in 0..days {
            self.store.keep_age(self.now()).unwrap();
            self.clock.advance(DAY);
        }
        self.store.keep_age(self.now()).unwrap();
    }

    pub(super) fn policy(days: u32) -> Policy {
        Policy {
            trash_days: days,
            junk_days: days,
            fetched_days: days,
            archive_months: None,
            time_zone: TimeZone::UTC,
        }
    }

    fn hook(&self, policy: Policy) -> Hook {
        Hook {
            store: self.store.clone(),
            policy,
            programs: self.programs.path().to_owned(),
            helper: self.programs.path().join(".no-helper"),
            domain: Domain::parse("haus.example").unwrap(),
            clock: self.clock.clone(),
        }
    }

    fn press(&self, days: u32) -> Receipt {
        press(&self.hook(Self::policy(days)), self.now()).unwrap()
    }

    pub(super) fn add_account(&self, address: &str, language: Language) -> AccountId {
        let new = NewAccount {
            address: Address::parse(address).unwrap(),
            owner: false,
            language,
            quota_bytes: None,
        };
        self.store.add_account(&new, self.now()).unwrap().id
    }

    pub(super) fn create(&self, account: AccountId, name: &str) -> MailboxId {
        let name = MailboxName::parse(name).unwrap();
        let made = self.store.create_mailbox(account, &name, None, self.now());
        made.unwrap().id
    }

    pub(super) fn rename(&self, account: AccountId, from: &str, to: &str) {
        let id = self.mailbox(account, from).id;
        let to = MailboxName::parse(to).unwrap();
        self.store.rename_mailbox(id, &to, self.now()).unwrap();
    }

    pub(super) fn mailbox(&self, account: AccountId, name: &str) -> Mailbox {
        let name = MailboxName::parse(name).unwrap();
        let found = self
            .store
            .snapshot()
            .unwrap()
            .mailbox_by_name(account, &name);
        found.unwrap().unwrap()
    }

    pub(super) fn add(&self, account: AccountId, mailbox: &str, date: Wall, bytes: usize) {
        self.append(account, mailbox, date, &vec![b'x'; bytes]);
    }

    fn append(&self, account: AccountId, mailbox: &str, date: Wall, content: &[u8]) {
        let mut blob = self.store.begin_blob(None).unwrap();
        blob.write(content).unwrap();
        let append = Append {
            blob: blob.finish().unwrap(),
            summary: b"summary".to_vec(),
            filings: vec![Filing {
                mailbox: self.mailbox(account, mailbox).id,
                flags: Flags::default(),
                internal_date: date,
                prefix: Vec::new(),
                quota: QuotaRule::Enforce,
            }],
            spool: Vec::new(),
        };
        self.store.append_all(vec![append], self.now()).unwrap();
    }

    /// Number of messages by mailbox, empty ones left out.
    fn counts(&self, account: AccountId) -> Vec<(String, u32)> {
        let mailboxes = self.store.snapshot().unwrap().mailboxes(account).unwrap();
        let filled = mailboxes.into_iter().filter(|mailbox| mailbox.messages > 0);
        filled
            .map(|mailbox| (mailbox.name.as_str().to_owned(), mailbox.messages))
            .collect()
    }

    /// The last message of an account's INBOX as text, its transfer encoding undone.
    fn last_mail(&self, account: AccountId) -> String {
        let snapshot = self.store.snapshot().unwrap();
        let inbox = self.mailbox(account, "INBOX").id;
        let rows = snapshot.rows(inbox, Uid::MIN, Uid::MAX).unwrap();
        let record = snapshot
            .record(rows.last().unwrap().serial)
            .unwrap()
            .unwrap();
        let mut bytes = Vec::new();
        let mut reader = self.store.blob(record.blob).unwrap();
        while reader
            .read_at(bytes.len() as u64, 60_000, &mut bytes)
            .unwrap()
            > 0
        {}
        let parsed = mail_parser::MessageParser::default().parse(&bytes).unwrap();
        let subject = parsed.subject().unwrap_or_default();
        format!("{subject}\n\n{}", parsed.body_text(0).unwrap()).replace('\r', "")
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.programs.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn count(name: &str, messages: u32) -> (String, u32) {
    (name.to_owned(), messages)
}

#[test]
fn a_press_makes_room_tells_the_owner_and_can_be_undone() {
    let house = House::new();
    let anna = house.add_account("anna@haus.example", Language::En);
    let ben = house.add_account("ben@haus.example", Language::De);
    house.create(anna, "Fetched");
    for (account, mailbox) in [
        (anna, "Trash"),
        (anna, "Fetched"),
        (ben, "Junk"),
        (ben, "Sent"),
    ] {
        house.add(account, mailbox, NOW, 40_000);
    }
    house.pass_days(31);
    house.add(anna, "Trash", NOW, 10_000);
    let planned = dry_run(&house.hook(House::policy(30)), house.now()).unwrap();
    assert_eq!(
        planned.iter().map(|item| item.usage.messages).sum::<u64>(),
        3
    );
    let receipt = house.press(30);
    assert_eq!((receipt.messages, receipt.bytes), (3, 120_000));
    assert_eq!(house.counts(anna), [count("INBOX", 1), count("Trash", 1)]);
    assert_eq!(house.counts(ben), [count("Sent", 1)]);
    let mail = house.last_mail(anna);
    for part in [
        "Room made: 3 mails, 117 kB\n",
        "anna@haus.example\n- Fetched: 1 mail, 39 kB\n- Trash: 1 mail, 39 kB\n",
        "ben@haus.example\n- Junk: 1 mail, 39 kB\n",
        "heimpost room --undo",
    ] {
        assert!(mail.contains(part), "{part:?} is missing in {mail}");
    }
    let undone = undo(&house.store, house.now()).unwrap();
    assert_eq!(undone.accounts.len(), 2);
    let all = [count("Fetched", 1), count("INBOX", 1), count("Trash", 2)];
    assert_eq!(house.counts(anna), all);
    assert_eq!(house.counts(ben), [count("Junk", 1), count("Sent", 1)]);
    let nothing = undo(&house.store, house.now());
    assert_eq!(nothing, Err(Error::NotFound("anything to undo")));
}

#[test]
fn undoing_twice_undoes_the_press_before() {
    let house = House::new();
    let anna = house.add_account("anna@haus.example", Language::En);
    for _ in 0..2 {
        house.add(anna, "Trash", NOW, 100);
        house.press(0);
    }
    house.press(0);
    for left in [1, 2] {
        undo(&house.store, house.now()).unwrap();
        assert_eq!(house.mailbox(anna, "Trash").messages, left);
    }
}

#[test]
fn a_jump_of_the_clock_empties_nothing_and_a_day_brings_a_day() {
    let house = House::new();
    let anna = house.add_account("anna@haus.example", Language::En);
    for _ in 0..40 {
        house.add(anna, "Trash", NOW, 100);
        house.pass_days(1);
    }
    assert_eq!(house.press(30).messages, 10);
    let jumped = |house: &House| Now {
        wall: house.now().wall.map(|wall| Wall(wall.0 + 100 * MONTH)),
        ..house.now()
    };
    let press_jumped = |house: &House| {
        let hook = house.hook(House::policy(30));
        press(&hook, jumped(house)).unwrap().messages
    };
    assert_eq!(press_jumped(&house), 0);
    house.clock.advance(DAY);
    assert_eq!(press_jumped(&house), 1);
    assert_eq!(press_jumped(&house), 0);
    house.clock.advance(DAY);
    assert_eq!(press_jumped(&house), 1);
    assert_eq!(house.mailbox(anna, "Trash").messages, 28);
}

#[test]
fn if_nothing_can_go_the_receipt_says_what_would_help() {
    let house = House::new();
    let ben = house.add_account("ben@haus.example", Language::De);
    house.add(ben, "Sent", NOW, 5_000_000);
    house.add(ben, "Trash", NOW, 100);
    let receipt = house.press(30);
    assert!(receipt.is_empty() && receipt.run.is_none());
    let mail = house.last_mail(ben);
    for part in [
        "Platz schaffen: nichts konnte weg\n",
        "- Papierkorb (Trash): was dort 30 Tage liegt\n",
        "ben@haus.example\n- Sent: 1 Mail, 4,7 MB\n- Trash: 1 Mail, 100 Bytes\n",
    ] {
        assert!(mail.contains(part), "{part:?} is missing in {mail}");
    }
}

#[test]
fn archived_mail_comes_back_too() {
    let house = House::new();
    let anna = house.add_account("anna@haus.example", Language::En);
    for months in [1, 14, 26] {
        house.add(anna, "INBOX", Wall(NOW.0 - months * MONTH), 100);
    }
    let mut policy = House::policy(30);
    policy.archive_months = Some(12);
    let receipt = press(&house.hook(policy), house.now()).unwrap();
    assert_eq!((receipt.messages, receipt.archived.messages), (0, 2));
    let archived = [
        count("Archive/2024", 1),
        count("Archive/2025", 1),
        count("INBOX", 2),
    ];
    assert_eq!(house.counts(anna), archived);
    assert!(house.last_mail(anna).starts_with("Archived: 2 mails\n"));
    undo(&house.store, house.now()).unwrap();
    assert_eq!(house.counts(anna), [count("INBOX", 4)]);
}

#[test]
fn programs_hear_how_it_stands_and_the_receipt_of_them() {
    let house = House::new();
    let anna = house.add_account("anna@haus.example", Language::En);
    house.add(anna, "Trash", NOW, 1_000);
    let seen = house.programs.path().join(".seen");
    house.program("10-look", &format!("cat > {}; echo looked", seen.display()));
    house.program("20-fail", "exit 7");
    if rustix::process::geteuid().is_root() {
        // As root they would run as the hook user, whom this machine need not have.
        let report = press(&house.hook(House::policy(0)), house.now()).unwrap();
        assert_eq!(report.programs.ran.len() + report.programs.skipped.len(), 2);
        return;
    }
    let receipt = house.press(0);
    assert_eq!(receipt.programs.ran.len(), 2);
    let state: serde_json::Value = serde_json::from_slice(&fs::read(seen).unwrap()).unwrap();
    assert_eq!(state["accounts"][0]["address"], "anna@haus.example");
    let mail = house.last_mail(anna);
    assert!(
        mail.contains("- 10-look: done\n    looked\n- 20-fail: failed (status 7)\n"),
        "{mail}"
    );
}

#[test]
fn the_state_is_documented_json() {
    let house = House::new();
    let anna = house.add_account("anna@haus.example", Language::En);
    house.store.set_quota(anna, Some(10_000)).unwrap();
    house.add(anna, "INBOX", NOW, 8_500);
    house.add(anna, "Trash", NOW, 1_000);
    let receipt = house.press(0);
    let space = space::house(&house.store, house.now()).unwrap();
    let text = state::document(&space, &receipt, house.now());
    assert!(text.ends_with("}\n") && text.lines().count() == 1);
    let mut state: serde_json::Value = serde_json::from_str(&text).unwrap();
    state["card"] = serde_json::Value::Null;
    state["accounts"][0]["used"] = serde_json::Value::Null;
    state["accounts"][0]["percent"] = serde_json::Value::Null;
    let expected = serde_json::json!({
        "event": "storage-full",
        "time": "2026-11-22T00:00:00Z",
        "level": "notice",
        "card": null,
        "accounts": [{
            "address": "anna@haus.example", "level": "notice", "used": null, "limit": 10_000,
            "percent": null, "days_left": null,
        }],
        "receipt": {
            "messages": 1, "bytes": 1_000, "archived_messages": 0, "archived_bytes": 0,
            "released_messages": 0, "released_bytes": 0,
            "done": [{
                "account": "anna@haus.example", "mailbox": "Trash", "messages": 1,
                "bytes": 1_000, "moved_to": null,
            }],
        },
    });
    assert_eq!(state, expected);
}

#[test]
fn a_full_account_takes_mail_again() {
    let house = House::new();
    let anna = house.add_account("anna@haus.example", Language::En);
    house.store.set_quota(anna, Some(100_000)).unwrap();
    house.add(anna, "Trash", NOW, 60_000);
    house.add(anna, "INBOX", NOW, 60_000);
    assert_eq!(house.store.admit(anna, 1), Err(Error::OverQuota));
    house.press(0);
    assert_eq!(house.store.admit(anna, 1), Ok(()));
    let undone = undo(&house.store, house.now()).unwrap();
    assert!(matches!(
        undone.accounts.get(&anna),
        Some(Outcome::WouldBeFull { .. })
    ));
    assert_eq!(house.store.admit(anna, 1), Ok(()));
    house.store.set_quota(anna, None).unwrap();
    undo(&house.store, house.now()).unwrap();
    assert_eq!(house.mailbox(anna, "Trash").messages, 1);
}

#[test]
fn a_full_card_gets_its_space_at_once() {
    let house = House::with(&Options {
        upkeep: Upkeep::Inline,
        capacity_bytes_max: Some(40 << 20),
        reserve_bytes: 8 << 20,
        quota_default_bytes: None,
        volume_bytes_max: 4 << 20,
        ..Options::default()
    });
    let anna = house.add_account("anna@haus.example", Language::En);
    let mut mails = 0;
    while house.store.admit(anna, 600_000).is_ok() {
        house.add_noise(anna, "Trash", 500_000, mails);
        mails += 1;
    }
    assert!(mails > 20, "{mails}");
    assert_eq!(house.store.admit(anna, 1), Err(Error::Full));
    let receipt = house.press(0);
    assert_eq!(receipt.messages, mails);
    assert_eq!((receipt.released.messages, receipt.run), (mails, None));
    assert_eq!(house.store.admit(anna, 1), Ok(()));
    assert!(
        house
            .last_mail(anna)
            .contains("Deleted for good, because the card needed the space")
    );
    let gone = undo(&house.store, house.now());
    assert_eq!(gone, Err(Error::NotFound("anything to undo")));
}

impl House {
    /// A message that does not compress.
    fn add_noise(&self, account: AccountId, mailbox: &str, bytes: usize, seed: u64) {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut noise = Vec::with_capacity(bytes + 8);
        while noise.len() < bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            noise.extend_from_slice(&state.to_le_bytes());
        }
        self.append(account, mailbox, NOW, &noise);
    }
}

/// Everything about an account's mailboxes that the policy may not change.
type Seen = BTreeMap<MailboxId, (String, Option<SpecialUse>, u32, u32)>;

fn see(house: &House, account: AccountId) -> Seen {
    let mailboxes = house.store.snapshot().unwrap().mailboxes(account).unwrap();
    let row = |mailbox: Mailbox| {
        let name = mailbox.name.as_str().to_owned();
        let seen = (
            name,
            mailbox.special_use,
            mailbox.messages,
            mailbox.uid_next.get(),
        );
        (mailbox.id, seen)
    };
    mailboxes.into_iter().map(row).collect()
}

fn a_name() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("Trash"),
        Just("Junk"),
        Just("Fetched"),
        Just("fetched"),
        Just("Archive"),
        Just("INBOX"),
        Just("Papierkorb"),
        Just("Deleted Items"),
        Just("Spam"),
        Just("2024"),
        Just("Sent"),
    ];
    prop::collection::vec(part, 1..3).prop_map(|parts| parts.join("/"))
}

fn a_standard_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever mailboxes are called and whatever was renamed to what: only those three lose mail, and INBOX to the
    /// archive if that is on.
    #[test]
    fn nothing_else_is_touched(
        made in prop::collection::vec(a_name(), 0..6),
        renamed in prop::collection::vec((a_standard_name(), a_name()), 0..4),
        archive_months in prop_oneof![Just(None), Just(Some(1_u32))],
    ) {
        let house = House::new();
        let account = house.add_account("anna@haus.example", Language::En);
        for name in made {
            let name = MailboxName::parse(&name).unwrap();
            // A name that is taken is left as it is.
            house.store.create_mailbox(account, &name, None, house.now()).ok();
        }
        for (from, to) in renamed {
            let (from, to) = (MailboxName::parse(from).unwrap(), MailboxName::parse(&to).unwrap());
            let found = house.store.snapshot().unwrap().mailbox_by_name(account, &from).unwrap();
            if let Some(found) = found {
                house.store.rename_mailbox(found.id, &to, house.now()).ok();
            }
        }
        for (name, ..) in see(&house, account).into_values() {
            house.add(account, &name, Wall(NOW.0 - 24 * MONTH), 100);
            house.add(account, &name, NOW, 100);
        }
        let before = see(&house, account);
        let mut policy = House::policy(0);
        policy.archive_months = archive_months;
        let items = dry_run(&house.hook(policy.clone()), house.now()).unwrap();
        let mut receipt = Receipt::default();
        carry_out(&house.hook(policy), &mut receipt, house.now()).unwrap();
        let after = see(&house, account);
        let is_archiving = items.iter().any(|item| matches!(item.action, Action::Archive(_)));
        // A mailbox with a purpose of its own takes no archived mail, whatever it is called.
        let has_its_own = |name: &str, special_use: &Option<SpecialUse>| {
            special_use.is_some() && name.contains("/20")
        };
        let is_in_the_way = before.values().any(|(name, special_use, ..)| has_its_own(name, special_use));
        prop_assert!(is_archiving == archive_months.is_some() || is_in_the_way);
        for (id, (name, special_use, messages, uid_next)) in &before {
            let may_go = matches!(special_use, Some(SpecialUse::Trash | SpecialUse::Junk))
                || (special_use.is_none() && name == "Fetched");
            let (_, use_after, messages_after, next_after) = &after[id];
            prop_assert_eq!(special_use, use_after);
            if name == "INBOX" {
                let archived = u32::from(is_archiving);
                prop_assert_eq!(messages - archived, *messages_after);
            } else if may_go {
                prop_assert_eq!(*messages_after, 0);
            } else {
                let came = next_after - uid_next;
                let is_archive = items.iter().any(|item| {
                    matches!(&item.action, Action::Archive(to) if to.as_str() == name.as_str())
                });
                prop_assert_eq!(messages + came, *messages_after);
                prop_assert!(came == 0 || is_archive, "{} got mail", name);
            }
        }
        let has_new = after.keys().any(|id| !before.contains_key(id));
        prop_assert!(!has_new || archive_months.is_some());
        undo(&house.store, house.now()).ok();
        let total = |seen: &Seen| seen.values().map(|(_, _, messages, _)| messages).sum::<u32>();
        prop_assert_eq!(total(&see(&house, account)), total(&before));
    }
}
