//! Sessions of each protocol, from each state that they can start in, on a store in memory that must be sound after.

use std::sync::Arc;

use heimpost::auth::{Auth, Hashing};
use heimpost::clock::{Clock, Wall};
use heimpost::delivery::intake::Intake;
use heimpost::delivery::route::Router;
use heimpost::imap::session::{ImapSession, Services, Settings};
use heimpost::mail::address::{Address, Domain};
use heimpost::mail::flags::Flags;
use heimpost::mail::ids::AccountId;
use heimpost::mail::mailbox_name::MailboxName;
use heimpost::maillog::Tally;
use heimpost::pop3::{self, Pop3};
use heimpost::smtp::{self, Checking, Limits, Role, Service};
use heimpost::store::check::Checked;
use heimpost::store::types::{Filing, Language, QuotaRule};
use heimpost::store::{Append, NewAccount, Options, Store, Upkeep};

use super::dialog::{Caller, Dialog, Door, tls_info};

/// Base64 of `NUL fred@heimpost.test NUL correct horse`.
const PLAIN: &str = "AGZyZWRAaGVpbXBvc3QudGVzdABjb3JyZWN0IGhvcnNl";

/// The mails of fred's INBOX.
const MAILS: &[&[u8]] = &[
    include_bytes!("../../messages/nested.eml"),
    include_bytes!("../../messages/words-german.eml"),
    include_bytes!("../../messages/pop3-dots.eml"),
    include_bytes!("../../messages/empty.eml"),
];

/// A store in memory with the account `fred@heimpost.test`, password `correct horse`.
struct House {
    store: Checked,
    auth: Auth,
    clock: Clock,
    fred: AccountId,
}

impl House {
    fn new() -> Self {
        let options = Options {
            upkeep: Upkeep::Inline,
            ..Options::default()
        };
        let store = Store::in_memory(&options).unwrap();
        let clock = Clock::virtual_at(Wall(1_795_348_800));
        let new = NewAccount {
            address: Address::parse("fred@heimpost.test").unwrap(),
            owner: true,
            language: Language::En,
            quota_bytes: Some(1 << 20),
        };
        let fred = store.add_account(&new, clock.now()).unwrap().id;
        let auth = Auth::new(store.clone());
        auth.set_password(fred, "correct horse", Hashing::Scram)
            .unwrap();
        Self {
            store: Checked::new(store),
            auth,
            clock,
            fred,
        }
    }

    fn with_mails() -> Self {
        let house = Self::new();
        for mail in MAILS {
            house.deliver(mail);
        }
        house
    }

    fn deliver(&self, mail: &[u8]) {
        let mut intake = Intake::begin(&self.store, None).unwrap();
        intake.write(mail).unwrap();
        let received = intake.finish().unwrap();
        let snapshot = self.store.snapshot().unwrap();
        let inbox = snapshot.mailbox_by_name(self.fred, &MailboxName::inbox());
        drop(snapshot);
        let append = Append {
            blob: received.blob,
            summary: received.summary,
            filings: vec![Filing {
                mailbox: inbox.unwrap().unwrap().id,
                flags: Flags::default(),
                internal_date: self.clock.now().stamp(),
                prefix: b"Return-Path: <>\r\n".to_vec(),
                quota: QuotaRule::Enforce,
            }],
            spool: Vec::new(),
        };
        self.store
            .append_all(vec![append], self.clock.now())
            .unwrap();
    }

    fn guarded(&self) -> Door {
        Door::Guarded(self.auth.clone())
    }

    fn smtp(&self, role: Role, door: Door) -> Dialog {
        let service = Service {
            role,
            hostname: Domain::parse("heimpost.test").unwrap(),
            limits: Limits {
                message_bytes_max: 4000,
                recipients_max: 5,
            },
            plaintext_without_tls: role == Role::Submission,
            language: Language::En,
            keeps_sent: true,
            checking: Checking::Obey,
            router: Router::new(Domain::parse("heimpost.test").unwrap(), []),
            store: self.store.clone(),
            auth: self.auth.clone(),
            tally: Tally::default(),
        };
        let caller = Caller::new(None);
        let session = smtp::Session::new(service, caller.peer.clone(), [7; 32]);
        Dialog::begin(Box::new(session), caller, self.clock.clone(), door)
    }

    fn imap(&self, caller: Caller, door: Door) -> Dialog {
        let services = Services {
            store: self.store.clone(),
            auth: self.auth.clone(),
            settings: Arc::new(Settings {
                hostname: "heimpost.test".to_owned(),
                append_bytes_max: 4000,
                plaintext_without_tls: true,
                starttls: true,
            }),
        };
        let session = ImapSession::new(services, caller.peer.clone(), [7; 32]);
        Dialog::begin(Box::new(session), caller, self.clock.clone(), door)
    }

    fn pop3(&self, caller: Caller, door: Door) -> Dialog {
        let settings = pop3::Settings {
            plaintext_without_tls: true,
        };
        let (store, auth) = (self.store.clone(), self.auth.clone());
        let (peer, now) = (caller.peer.clone(), self.clock.now());
        let session = Pop3::new(store, auth, peer, settings, &[7; 32], now);
        Dialog::begin(Box::new(session), caller, self.clock.clone(), door)
    }
}

pub(super) fn smtp_receive(data: &[u8]) {
    let house = House::new();
    house.smtp(Role::Receive, house.guarded()).run(data);
}

pub(super) fn smtp_submission_login(data: &[u8]) {
    let house = House::new();
    house.smtp(Role::Submission, house.guarded()).run(data);
}

pub(super) fn smtp_submission(data: &[u8]) {
    let house = House::new();
    let mut dialog = house.smtp(Role::Submission, Door::Open(house.fred));
    let login = format!("EHLO fuzz.test\r\nAUTH PLAIN {PLAIN}\r\n");
    dialog.prepare(&login, "235 ");
    dialog.door = house.guarded();
    dialog.run(data);
}

pub(super) fn imap_not_authenticated(data: &[u8]) {
    let house = House::new();
    house.imap(Caller::new(None), house.guarded()).run(data);
}

pub(super) fn imap_authenticated(data: &[u8]) {
    let house = House::new();
    let mut dialog = house.imap(Caller::new(Some(tls_info())), Door::Open(house.fred));
    dialog.prepare("a LOGIN fred@heimpost.test x\r\n", "a OK ");
    dialog.run(data);
}

pub(super) fn imap_selected(data: &[u8]) {
    let house = House::with_mails();
    let mut dialog = house.imap(Caller::new(Some(tls_info())), Door::Open(house.fred));
    let prepare = concat!(
        "a LOGIN fred@heimpost.test x\r\n",
        "b CREATE Work\r\n",
        "c SELECT INBOX\r\n",
        "d STORE 1 FLAGS (\\Seen $Forwarded)\r\n",
    );
    dialog.prepare(prepare, "d OK ");
    dialog.run(data);
}

pub(super) fn pop3_authorization(data: &[u8]) {
    let house = House::new();
    house.pop3(Caller::new(None), house.guarded()).run(data);
}

pub(super) fn pop3_transaction(data: &[u8]) {
    let house = House::with_mails();
    let mut dialog = house.pop3(Caller::new(Some(tls_info())), Door::Open(house.fred));
    dialog.prepare("USER fred@heimpost.test\r\nPASS x\r\n", "+OK ");
    dialog.run(data);
}
