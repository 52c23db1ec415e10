//! What all connections of one dialog share: store, door, clock.

use std::path::Path;
use std::time::Duration;

use heimpost::auth::{Auth, Hashing};
use heimpost::clock::{Clock, Now, Wall};
use heimpost::delivery::confirm;
use heimpost::delivery::handover::{self, Author, Copies, House, Mail, Utf8};
use heimpost::delivery::intake::{Intake, Received};
use heimpost::delivery::local::{Envelope, Place, Recipient};
use heimpost::delivery::route::Router;
use heimpost::delivery::sent;
use heimpost::mail::address::{Address, Domain};
use heimpost::mail::flags::Flags;
use heimpost::mail::ids::AccountId;
use heimpost::mail::mailbox_name::MailboxName;
use heimpost::mail::mime::Summary;
use heimpost::store::types::{Filing, Language, QuotaRule};
use heimpost::store::{self, Append, NewAccount, Store};

use super::script::Options;

const PASSWORD: &str = "correct horse";

/// 2026-11-22T12:00:00Z
const BEGIN: Wall = Wall(1_795_348_800);

/// The surroundings of one dialog.
#[derive(Debug)]
pub(super) struct World {
    /// A store in memory.
    pub(super) store: Store,
    /// Its door.
    pub(super) auth: Auth,
    clock: Clock,
}

impl World {
    /// A store with the two accounts, and the mail that the options ask for.
    pub(super) fn new(options: &Options) -> Self {
        let capacity = options.values("capacity").first();
        let store = Store::in_memory(&store::Options {
            capacity_bytes_max: capacity.map(|bytes| bytes.parse().unwrap()),
            ..store::Options::default()
        });
        let store = store.unwrap();
        let world = Self {
            auth: Auth::new(store.clone()),
            store,
            clock: Clock::virtual_at(BEGIN),
        };
        let fred = world.account("fred@heimpost.test");
        world.account("anna@heimpost.test");
        for name in options.values("account") {
            world.account(name);
        }
        for quota in options.values("quota") {
            let (name, bytes) = quota.split_once(' ').unwrap();
            let bytes = Some(bytes.parse().unwrap());
            world.store.set_quota(world.id(name), bytes).unwrap();
        }
        for name in options.values("german") {
            let id = world.id(name);
            world.store.set_language(id, Language::De).unwrap();
        }
        for file in options.values("mail") {
            world.deliver(fred, file);
        }
        for file in options.values("submitted") {
            world.submit(fred, file);
        }
        for file in options.values("to-self") {
            world.send_to_self(fred, file);
        }
        world
    }

    /// The time.
    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Time passes.
    pub(super) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn id(&self, address: &str) -> AccountId {
        let account = self.store.snapshot().unwrap().account_by_key(address);
        account.unwrap().unwrap().id
    }

    fn account(&self, address: &str) -> AccountId {
        let new = NewAccount {
            address: Address::parse(address).unwrap(),
            owner: address.starts_with("fred"),
            language: Language::En,
            quota_bytes: None,
        };
        let account = self.store.add_account(&new, self.now()).unwrap();
        self.auth
            .set_password(account.id, PASSWORD, Hashing::Scram)
            .unwrap();
        account.id
    }

    fn take(&self, file: &str) -> Received {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages");
        let bytes = std::fs::read(dir.join(file)).unwrap();
        let mut intake = Intake::begin(&self.store, None).unwrap();
        intake.write(&bytes).unwrap();
        intake.finish().unwrap()
    }

    /// As if the account had sent it: a copy is in Sent.
    fn submit(&self, account: AccountId, file: &str) {
        let received = self.take(file);
        let summary = Summary::decode(&received.summary).unwrap();
        let copy = sent::copy(account, b"", b"Date: today\r\n", &summary);
        let append = Append {
            blob: received.blob,
            summary: received.summary,
            filings: Vec::new(),
            spool: Vec::new(),
        };
        sent::file(&self.store, append, Vec::new(), copy, self.now()).unwrap();
    }

    /// The account has sent it to itself, under the null reverse-path, and it arrived.
    fn send_to_self(&self, account: AccountId, file: &str) {
        let domain = Domain::parse("heimpost.test").unwrap();
        let mut recipient = Recipient::new(Address::parse("fred@heimpost.test").unwrap());
        recipient.targets.accounts.insert(account);
        let mail = Mail {
            envelope: &Envelope::new(None, [recipient]),
            smtputf8: Utf8::Unasked,
            received: self.take(file),
            id: "k7",
            author: Some(Author {
                account,
                keeps_copy: Copies::Kept,
                bcc: Vec::new(),
            }),
            place: Place::Inbox,
            head_here: Vec::new(),
            head_elsewhere: Vec::new(),
        };
        let house = House {
            store: &self.store,
            router: &Router::new(domain.clone(), []),
            names: confirm::House {
                hostname: &domain,
                language: Language::En,
            },
        };
        handover::hand_over(&house, mail, self.now()).unwrap();
    }

    fn deliver(&self, account: AccountId, file: &str) {
        let received = self.take(file);
        let snapshot = self.store.snapshot().unwrap();
        let inbox = snapshot.mailbox_by_name(account, &MailboxName::inbox());
        let append = Append {
            blob: received.blob,
            summary: received.summary,
            filings: vec![Filing {
                mailbox: inbox.unwrap().unwrap().id,
                flags: Flags::default(),
                internal_date: self.now().stamp(),
                prefix: Vec::new(),
                quota: QuotaRule::Enforce,
            }],
            spool: Vec::new(),
        };
        drop(snapshot);
        self.store.append_all(vec![append], self.now()).unwrap();
    }
}
