//! Two POP3 devices and an IMAP client on one mailbox, under each policy of DELE.
//!
//! The devices speak through real sessions; what an IMAP client sees is read from the store.

use std::collections::BTreeSet;
use std::time::Duration;

use heimpost::auth::{Auth, Hashing};
use heimpost::clock::{Clock, Wall};
use heimpost::machine::{Answer, Event, Peer, Session, TlsInfo, Wake};
use heimpost::mail::address::Address;
use heimpost::mail::flags::Flags;
use heimpost::mail::ids::{AccountId, Uid};
use heimpost::mail::mailbox_name::MailboxName;
use heimpost::pop3::{Pop3, Settings};
use heimpost::store::types::{Filing, Language, Pop3Delete, QuotaRule};
use heimpost::store::{Append, NewAccount, Options, Store};

const OWN: &str = "correct horse";
const DAY: Duration = Duration::from_hours(24);

/// One account, its devices, and the mail in its INBOX.
struct House {
    store: Store,
    auth: Auth,
    clock: Clock,
    account: AccountId,
}

impl House {
    fn new(messages: u32) -> Self {
        let store = Store::in_memory(&Options::default()).unwrap();
        let (auth, clock) = (
            Auth::new(store.clone()),
            Clock::virtual_at(Wall(1_800_000_000)),
        );
        let new = NewAccount {
            address: Address::parse("anna@heimpost.test").unwrap(),
            owner: true,
            language: Language::De,
            quota_bytes: None,
        };
        let account = store.add_account(&new, clock.now()).unwrap().id;
        auth.set_password(account, OWN, Hashing::Scram).unwrap();
        let house = Self {
            store,
            auth,
            clock,
            account,
        };
        for number in 1..=messages {
            house.deliver(&format!("Subject: {number}\r\n\r\nbody {number}\r\n"));
        }
        house
    }

    fn deliver(&self, message: &str) {
        let mut writer = self.store.begin_blob(None).unwrap();
        writer.write(message.as_bytes()).unwrap();
        let snapshot = self.store.snapshot().unwrap();
        let inbox = snapshot.mailbox_by_name(self.account, &MailboxName::inbox());
        let filing = Filing {
            mailbox: inbox.unwrap().unwrap().id,
            flags: Flags::default(),
            internal_date: self.clock.now().stamp(),
            prefix: Vec::new(),
            quota: QuotaRule::Enforce,
        };
        drop(snapshot);
        let append = Append {
            blob: writer.finish().unwrap(),
            summary: Vec::new(),
            filings: vec![filing],
            spool: Vec::new(),
        };
        self.store
            .append_all(vec![append], self.clock.now())
            .unwrap();
    }

    /// An app password with that policy.
    fn device(&self, name: &str, policy: Pop3Delete) -> String {
        let added = self
            .auth
            .add_device(self.account, name, policy, self.clock.now());
        added.unwrap().1.expose().to_owned()
    }

    /// One POP3 session: logs in, sends `commands`, quits, and gives the numbers of the messages that it saw.
    fn pop3(&self, password: &str, commands: &[&str]) -> Vec<String> {
        let mut client = Client::connect(self);
        client.send(&format!("USER anna@heimpost.test\r\nPASS {password}"));
        let seen = client.send("UIDL");
        for command in commands {
            let reply = client.send(command);
            assert!(reply.starts_with("+OK"), "{command}: {reply}");
        }
        assert!(client.send("QUIT").starts_with("+OK bye"));
        let lines = seen.lines().filter_map(|line| line.split_once(' '));
        lines.skip(1).map(|(_, id)| id.to_owned()).collect()
    }

    /// What an IMAP client sees in a mailbox: how many messages.
    fn imap(&self, mailbox: &str) -> usize {
        let name = MailboxName::parse(mailbox).unwrap();
        let snapshot = self.store.snapshot().unwrap();
        let found = snapshot.mailbox_by_name(self.account, &name).unwrap();
        found.map_or(0, |mailbox| {
            snapshot.rows(mailbox.id, Uid::MIN, Uid::MAX).unwrap().len()
        })
    }

    fn days_pass(&self, days: u32) {
        for _ in 0..days {
            self.clock.advance(DAY);
            self.store.pop3_due(self.clock.now()).unwrap();
        }
    }
}

/// The peer and the driver in one.
struct Client<'a> {
    house: &'a House,
    session: Pop3,
}

impl<'a> Client<'a> {
    fn connect(house: &'a House) -> Self {
        let peer = Peer {
            address: ([192, 0, 2, 1], 40_000).into(),
            tls: Some(TlsInfo {
                version: "TLS1.3".to_owned(),
                cipher: "TLS_AES_256_GCM_SHA384".to_owned(),
                exporter: None,
            }),
            wake: Wake::none(),
        };
        let settings = Settings {
            plaintext_without_tls: false,
        };
        let (store, auth) = (house.store.clone(), house.auth.clone());
        let session = Pop3::new(store, auth, peer, settings, &[7; 32], house.clock.now());
        let mut client = Self { house, session };
        assert!(client.drain().starts_with("+OK"));
        client
    }

    fn send(&mut self, line: &str) -> String {
        let now = self.house.clock.now();
        self.session
            .handle_input(format!("{line}\r\n").as_bytes(), now);
        self.drain()
    }

    fn drain(&mut self) -> String {
        let (mut out, now) = (Vec::new(), self.house.clock.now());
        loop {
            let before = out.len();
            self.session.poll_output(&mut out, now);
            if out.len() > before {
                continue;
            }
            match self.session.poll_event() {
                Some(Event::Authenticate(request)) => {
                    let outcome = self.house.auth.verify(&request, now);
                    self.session
                        .handle_answer(Answer::Authenticated(outcome), now);
                }
                Some(Event::StartTls) => panic!("TLS runs already"),
                Some(Event::Verify(_)) => panic!("POP3 takes no mail"),
                Some(Event::Close) | None => return String::from_utf8(out).unwrap(),
            }
        }
    }
}

#[test]
fn the_main_password_deletes_for_all() {
    let house = House::new(2);
    let phone = house.device("phone", Pop3Delete::Keep { days: 30 });
    assert_eq!(house.pop3(OWN, &["RETR 1", "DELE 1"]).len(), 2);
    assert_eq!(house.imap("INBOX"), 1);
    assert_eq!(house.pop3(&phone, &[]).len(), 1);
}

#[test]
fn delete_removes_for_all() {
    let house = House::new(2);
    let (pc, phone) = (
        house.device("pc", Pop3Delete::Delete),
        house.device("phone", Pop3Delete::Keep { days: 30 }),
    );
    house.pop3(&pc, &["RETR 2", "DELE 2"]);
    assert_eq!((house.imap("INBOX"), house.pop3(&phone, &[]).len()), (1, 1));
}

#[test]
fn keep_hides_from_one_device_and_removes_after_its_days() {
    let house = House::new(3);
    let policy = Pop3Delete::Keep { days: 30 };
    let (pc, phone) = (house.device("pc", policy), house.device("phone", policy));
    let all = house.pop3(&pc, &["RETR 1", "DELE 1", "RETR 2", "DELE 2"]);
    // The second device finds everything, under the same identifiers.
    assert_eq!(house.pop3(&phone, &["RETR 1", "DELE 1"]), all);
    assert_eq!(house.imap("INBOX"), 3);
    assert_eq!(house.pop3(&pc, &[]), all[2..]);
    assert_eq!(house.pop3(&phone, &[]), all[1..]);
    assert_eq!(house.pop3(OWN, &[]), all);
    house.days_pass(29);
    assert_eq!(house.imap("INBOX"), 3);
    house.days_pass(1);
    assert_eq!(house.imap("INBOX"), 1);
    assert_eq!(house.pop3(&phone, &[]), all[2..]);
}

#[test]
fn move_files_what_every_device_has_fetched() {
    let house = House::new(3);
    let (pc, phone) = (
        house.device("pc", Pop3Delete::Move),
        house.device("phone", Pop3Delete::Move),
    );
    let all = house.pop3(&phone, &[]);
    house.pop3(&pc, &["RETR 1", "DELE 1", "RETR 2", "DELE 2"]);
    assert_eq!((house.imap("INBOX"), house.imap("Fetched")), (3, 0));
    assert_eq!(house.pop3(&pc, &[]), all[2..]);
    // The phone leaves the first one, and has thereby fetched it.
    assert_eq!(house.pop3(&phone, &["RETR 1"]), all);
    assert_eq!((house.imap("INBOX"), house.imap("Fetched")), (2, 1));
    // It never fetches the second one.
    house.days_pass(29);
    assert_eq!((house.imap("INBOX"), house.imap("Fetched")), (2, 1));
    house.days_pass(1);
    assert_eq!((house.imap("INBOX"), house.imap("Fetched")), (1, 2));
}

#[test]
fn a_broken_connection_changes_nothing() {
    let house = House::new(2);
    let pc = house.device("pc", Pop3Delete::Delete);
    let mut client = Client::connect(&house);
    client.send(&format!("USER anna@heimpost.test\r\nPASS {pc}"));
    client.send("RETR 1\r\nDELE 1");
    client.session.handle_eof(house.clock.now());
    drop(client);
    assert_eq!((house.imap("INBOX"), house.pop3(&pc, &[]).len()), (2, 2));
}

#[test]
fn a_revoked_device_is_out_and_what_it_hid_is_shown_again() {
    let house = House::new(1);
    let policy = Pop3Delete::Keep { days: 1 };
    let pc = house.device("pc", policy);
    house.pop3(&pc, &["DELE 1"]);
    let devices = house
        .store
        .snapshot()
        .unwrap()
        .devices(house.account)
        .unwrap();
    house.store.revoke_device(devices[0].id).unwrap();
    let mut client = Client::connect(&house);
    let reply = client.send(&format!("USER anna@heimpost.test\r\nPASS {pc}"));
    assert!(reply.contains("-ERR [AUTH]"), "{reply}");
    let again = house.device("pc", policy);
    house.days_pass(2);
    assert_eq!((house.imap("INBOX"), house.pop3(&again, &[]).len()), (1, 1));
}

#[test]
fn identifiers_are_never_used_again() {
    let house = House::new(3);
    let mut known: BTreeSet<String> = house.pop3(OWN, &["DELE 1", "DELE 3"]).into_iter().collect();
    let left = house.pop3(OWN, &[]);
    assert!(left.iter().all(|id| known.contains(id)));
    for number in 1..=3 {
        house.deliver(&format!("Subject: {number}\r\n\r\nbody {number}\r\n"));
    }
    for id in house.pop3(OWN, &[]).into_iter().skip(left.len()) {
        assert!(known.insert(id));
    }
}
