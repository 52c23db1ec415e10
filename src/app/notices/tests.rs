//! Mails about levels, with a virtual clock and real stores.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::clock::{Clock, Wall};
use crate::config;
use crate::delivery::intake::Intake;
use crate::delivery::local::{self, Envelope, Message, Recipient};
use crate::delivery::outbound::{Claim, Leaving};
use crate::mail::ids::{AccountId, Uid};
use crate::mail::mailbox_name::MailboxName;
use crate::mail::mime::{Summary, text};
use crate::mail::transport::{BodyType, HeaderType};
use crate::store::types::{Language, Level};
use crate::store::{NewAccount, Options};

/// A box with the owner fred, who reads English, and anna, who reads German.
struct House {
    store: Store,
    clock: Clock,
    notices: Notices,
}

impl House {
    fn new(store: Store) -> Self {
        let clock = Clock::virtual_at(Wall(1_800_000_000));
        for (name, owner, language) in [
            ("fred@home.test", true, Language::En),
            ("anna@home.test", false, Language::De),
        ] {
            let new = NewAccount {
                address: Address::parse(name).unwrap(),
                owner,
                language,
                quota_bytes: None,
            };
            store.add_account(&new, clock.now()).unwrap();
        }
        Self::again(store, clock)
    }

    /// After a restart.
    fn again(store: Store, clock: Clock) -> Self {
        let mut settings = config::parse("none", "").unwrap();
        settings.domains = vec![Domain::parse("home.test").unwrap()];
        Self {
            notices: Notices::new(&store, &settings),
            store,
            clock,
        }
    }

    fn id(&self, name: &str) -> AccountId {
        let snapshot = self.store.snapshot().unwrap();
        let key = format!("{name}@home.test");
        snapshot.account_by_key(&key).unwrap().unwrap().id
    }

    fn recipient(&self, name: &str) -> Recipient {
        let address = Address::parse(&format!("{name}@home.test")).unwrap();
        let mut recipient = Recipient::new(address);
        recipient.targets.accounts.insert(self.id(name));
        recipient
    }

    /// A mail of a megabyte from outside, beside which the box's own count for nothing.
    fn deliver(&self, name: &str) -> store::Result<()> {
        let mut intake = Intake::begin(&self.store, None)?;
        intake.write(&self.noise())?;
        let received = intake.finish()?;
        let message = Message {
            blob: received.blob,
            summary: received.summary,
            head: Vec::new(),
            place: local::Place::Inbox,
            leaving: Leaving {
                head: Vec::new(),
                account: None,
                body: BodyType::SevenBit,
                header: HeaderType::Ascii,
                claim: Claim::Others,
            },
            copy: None,
            reports: Vec::new(),
        };
        let envelope = Envelope::new(None, [self.recipient(name)]);
        local::deliver(&self.store, &envelope, message, self.clock.now()).map(|_| ())
    }

    /// Gives the account a quota of which its mail is `percent` now, and writes what is due.
    fn at(&self, name: &str, percent: u64) {
        let used = self
            .store
            .fill(Subject::Account(self.id(name)))
            .unwrap()
            .used;
        let quota = used * 100 / percent;
        self.store.set_quota(self.id(name), Some(quota)).unwrap();
        self.turn();
    }

    /// Bytes that do not compress, other ones at each time.
    fn noise(&self) -> Vec<u8> {
        self.clock.advance(Duration::from_secs(1));
        let seed = self.clock.now().stamp().0.unsigned_abs();
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut noise = Vec::with_capacity(1 << 20);
        while noise.len() < 1 << 20 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            noise.extend(state.to_le_bytes());
        }
        noise
    }

    fn turn(&self) {
        self.notices.try_write_due(self.clock.now()).unwrap();
    }

    /// Subjects of the mails that the box wrote to `name`, in their order.
    fn subjects(&self, name: &str) -> Vec<String> {
        let snapshot = self.store.snapshot().unwrap();
        let inbox = snapshot.mailbox_by_name(self.id(name), &MailboxName::inbox());
        let rows = snapshot.rows(inbox.unwrap().unwrap().id, Uid::MIN, Uid::MAX);
        let rows = rows.unwrap().into_iter();
        let summaries = rows.map(|row| snapshot.record(row.serial).unwrap().unwrap().summary);
        let subjects = summaries.map(|summary| Summary::decode(&summary).unwrap().envelope.subject);
        let subjects = subjects.flatten();
        subjects
            .map(|subject| text::decode_words(&subject))
            .collect()
    }
}

fn in_memory() -> House {
    House::new(Store::in_memory(&Options::default()).unwrap())
}

#[test]
fn each_crossing_is_told_once_to_both() {
    let house = in_memory();
    house.deliver("anna").unwrap();
    let steps: [(u64, Option<(&str, &str)>); 12] = [
        (79, None),
        (
            80,
            Some((
                "Ihr Postfach ist zu 80 % voll",
                "The mailbox anna@home.test is 80 % full",
            )),
        ),
        (85, None),
        // Within the hysteresis, and back.
        (78, None),
        (
            96,
            Some((
                "Ihr Postfach ist fast voll (96 %)",
                "The mailbox anna@home.test is almost full (96 %)",
            )),
        ),
        (
            101,
            Some((
                "Ihr Postfach ist voll: neue Mails müssen warten",
                "The mailbox anna@home.test is full: new mail has to wait",
            )),
        ),
        (98, None),
        (
            96,
            Some((
                "Ihr Postfach nimmt wieder Mails an",
                "The mailbox anna@home.test takes mail again",
            )),
        ),
        (
            120,
            Some((
                "Ihr Postfach ist voll: neue Mails müssen warten",
                "The mailbox anna@home.test is full: new mail has to wait",
            )),
        ),
        (
            10,
            Some((
                "Ihr Postfach hat wieder genug Platz",
                "The mailbox anna@home.test has enough room again",
            )),
        ),
        // A level that is skipped is not told.
        (
            110,
            Some((
                "Ihr Postfach ist voll: neue Mails müssen warten",
                "The mailbox anna@home.test is full: new mail has to wait",
            )),
        ),
        (110, None),
    ];
    let (mut german, mut english): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for (percent, expected) in steps {
        if let Some((de, en)) = expected {
            german.push(de);
            english.push(en);
        }
        house.at("anna", percent);
        house.turn();
        assert_eq!(house.subjects("anna"), german, "{percent}");
        assert_eq!(house.subjects("fred"), english, "{percent}");
    }
}

#[test]
fn an_owner_hears_once_of_an_account_of_his_own() {
    let house = in_memory();
    house.deliver("fred").unwrap();
    house.at("fred", 90);
    house.at("fred", 90);
    assert_eq!(house.subjects("fred"), ["Your mailbox is 90 % full"]);
    assert!(house.subjects("anna").is_empty());
}

#[test]
fn a_fall_that_is_noted_only_is_told_again_on_the_way_up() {
    let house = in_memory();
    house.deliver("fred").unwrap();
    for percent in [96, 85, 96] {
        house.at("fred", percent);
    }
    let almost = "Your mailbox is almost full (96 %)";
    assert_eq!(house.subjects("fred"), [almost, almost]);
}

fn open(dir: &Path, clock: &Clock) -> Store {
    Store::open(dir, &Options::default(), clock.now()).unwrap()
}

#[test]
fn a_restart_tells_nothing_again_and_forgets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::virtual_at(Wall(1_800_000_000));
    let house = House::new(open(dir.path(), &clock));
    house.deliver("anna").unwrap();
    house.at("anna", 101);
    let told = ["Ihr Postfach ist voll: neue Mails müssen warten"];
    assert_eq!(house.subjects("anna"), told);
    drop(house);
    clock.advance(Duration::from_mins(1));
    let house = House::again(open(dir.path(), &clock), clock.clone());
    house.turn();
    assert_eq!(house.subjects("anna"), told);
    // The level changes, and the box stops before the next turn.
    house.store.set_quota(house.id("anna"), None).unwrap();
    drop(house);
    let house = House::again(open(dir.path(), &clock), clock);
    house.turn();
    let told = [told[0], "Ihr Postfach hat wieder genug Platz"];
    assert_eq!(house.subjects("anna"), told);
}

#[test]
fn a_full_card_is_told_to_the_owner_from_the_reserve() {
    let store = Store::in_memory(&Options {
        capacity_bytes_max: Some(20 << 20),
        reserve_bytes: 16 << 20,
        ..Options::default()
    });
    let house = House::new(store.unwrap());
    let fill = house.store.fill(Subject::Card).unwrap();
    assert_eq!(fill.level, Level::Ok, "{fill:?}");
    let mut delivered = 0;
    while house.store.fill(Subject::Card).unwrap().level < Level::Full {
        let _refused = house.deliver("anna");
        delivered += 1;
        assert!(delivered < 100);
    }
    house.turn();
    house.turn();
    let told = ["The memory card is full: new mail has to wait"];
    assert_eq!(house.subjects("fred"), told);
    assert!(house.subjects("anna").is_empty());
}

#[test]
fn whose_mail_waits_is_listed() {
    let house = in_memory();
    let bob = Some(Address::parse("bob@example.org").unwrap());
    house.deliver("anna").unwrap();
    let (anna, now) = (house.id("anna"), house.clock.now());
    house.store.note_deferred(anna, &bob, Some(5 << 20), now);
    house.at("anna", 101);
    let snapshot = house.store.snapshot().unwrap();
    let inbox = snapshot.mailbox_by_name(house.id("fred"), &MailboxName::inbox());
    let rows = snapshot.rows(inbox.unwrap().unwrap().id, Uid::MIN, Uid::MAX);
    let record = snapshot.record(rows.unwrap()[0].serial).unwrap().unwrap();
    let mut mail = Vec::new();
    let mut blob = house.store.blob(record.blob).unwrap();
    blob.read_at(0, 1 << 20, &mut mail).unwrap();
    let mail = String::from_utf8(mail).unwrap();
    assert!(
        mail.contains("- bob@example.org, since 15 Jan 2027 "),
        "{mail}"
    );
    let prefix = String::from_utf8(record.prefix).unwrap();
    let expected = "Return-Path: <>\r\nDelivered-To: fred@home.test\r\n";
    assert_eq!(prefix, expected);
}
