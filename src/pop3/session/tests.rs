//! Sessions as dialogs: `C:` lines are sent, `S:` lines must come, in this order and no others. A reply that is not
//! told in words is a fault of the test's text, so every byte of every reply is compared.

mod limits;
mod login;

use super::*;
use crate::auth::Hashing;
use crate::clock::{Clock, Wall};
use crate::machine::Wake;
use crate::mail::address::Address;
use crate::mail::flags::{Flags, SystemFlags};
use crate::mail::ids::{AccountId, DeviceId, MailboxId, Uid};
use crate::mail::mailbox_name::MailboxName;
use crate::store::types::{Filing, FlagAction, Pop3Delete};
use crate::store::{Append, NewAccount, Options};

const PASSWORD: &str = "correct horse";

/// A house with one account.
struct House {
    store: Store,
    auth: Auth,
    clock: Clock,
    account: AccountId,
    inbox: MailboxId,
}

impl House {
    fn new() -> Self {
        let store = Store::in_memory(&Options::default()).unwrap();
        let (auth, clock) = (
            Auth::new(store.clone()),
            Clock::virtual_at(Wall(1_800_000_000)),
        );
        let new = NewAccount {
            address: Address::parse("anna@example.com").unwrap(),
            owner: true,
            language: Language::De,
            quota_bytes: None,
        };
        let account = store.add_account(&new, clock.now()).unwrap().id;
        auth.set_password(account, PASSWORD, Hashing::Scram)
            .unwrap();
        let inbox = store
            .snapshot()
            .unwrap()
            .mailbox_by_name(account, &MailboxName::inbox());
        let inbox = inbox.unwrap().unwrap().id;
        Self {
            store,
            auth,
            clock,
            account,
            inbox,
        }
    }

    fn with_mail(messages: &[&str]) -> Self {
        let house = Self::new();
        for message in messages {
            house.deliver(message);
        }
        house
    }

    fn deliver(&self, message: &str) {
        let mut writer = self.store.begin_blob(None).unwrap();
        writer.write(message.as_bytes()).unwrap();
        let append = Append {
            blob: writer.finish().unwrap(),
            summary: Vec::new(),
            filings: vec![Filing {
                mailbox: self.inbox,
                flags: Flags::default(),
                internal_date: Wall(1_800_000_000),
                prefix: b"Return-Path: <>\r\n".to_vec(),
                quota: crate::store::types::QuotaRule::Enforce,
            }],
            spool: Vec::new(),
        };
        self.store
            .append_all(vec![append], self.clock.now())
            .unwrap();
    }

    fn messages(&self) -> usize {
        self.store
            .snapshot()
            .unwrap()
            .rows(self.inbox, Uid::MIN, Uid::MAX)
            .unwrap()
            .len()
    }

    fn expunge(&self, uid: u32) {
        let (uids, deleted) = ([Uid::new(uid).unwrap()], SystemFlags::DELETED);
        let flags = Flags {
            system: deleted,
            keywords: Vec::new(),
        };
        self.store
            .update_flags(self.inbox, &uids, FlagAction::Add, &flags, None)
            .unwrap();
        self.store.expunge(self.inbox, Some(&uids)).unwrap();
    }

    fn device(&self, name: &str, policy: Pop3Delete) -> (DeviceId, String) {
        let added = self
            .auth
            .add_device(self.account, name, policy, self.clock.now());
        let (device, password) = added.unwrap();
        (device.id, password.expose().to_owned())
    }

    fn connect(&self, tls: Option<TlsInfo>, settings: Settings) -> Client<'_> {
        let peer = Peer {
            address: "192.0.2.7:4711".parse().unwrap(),
            tls,
            wake: Wake::none(),
        };
        let (store, auth) = (self.store.clone(), self.auth.clone());
        let session = Pop3::new(store, auth, peer, settings, &[7; 32], self.clock.now());
        Client {
            house: self,
            session,
        }
    }

    fn connect_tls(&self) -> Client<'_> {
        self.connect(Some(tls_info()), SAFE)
    }

    fn log_in(&self) -> Client<'_> {
        let mut client = self.connect_tls();
        client.run("USER anna@example.com\r\nPASS correct horse\r\n");
        client
    }
}

const SAFE: Settings = Settings {
    plaintext_without_tls: false,
};

fn tls_info() -> TlsInfo {
    TlsInfo {
        version: "TLS1.3".to_owned(),
        cipher: "TLS_AES_256_GCM_SHA384".to_owned(),
        exporter: Some([0xe5; 32]),
    }
}

/// The peer and the driver in one.
struct Client<'a> {
    house: &'a House,
    session: Pop3,
}

impl Client<'_> {
    /// Sends `input` and gives what comes back; events that people would see are in angle brackets.
    fn run(&mut self, input: &str) -> String {
        self.session
            .handle_input(input.as_bytes(), self.house.clock.now());
        String::from_utf8(self.drain()).unwrap()
    }

    fn drain(&mut self) -> Vec<u8> {
        let (mut out, now) = (Vec::new(), self.house.clock.now());
        loop {
            let before = out.len();
            self.session.poll_output(&mut out, now);
            if out.len() > before {
                continue;
            }
            let answer = match self.session.poll_event() {
                None => return out,
                Some(Event::Close) => {
                    out.extend_from_slice(b"<close>");
                    return out;
                }
                Some(Event::StartTls) => {
                    out.extend_from_slice(b"<tls>\r\n");
                    Answer::TlsStarted(tls_info())
                }
                Some(Event::Authenticate(request)) => {
                    Answer::Authenticated(self.house.auth.verify(&request, now))
                }
                Some(Event::Verify(_)) => panic!("POP3 takes no mail"),
            };
            self.session.handle_answer(answer, now);
        }
    }

    fn dialog(&mut self, script: &str) {
        let (mut sent, mut expected) = (String::new(), String::new());
        for line in script.lines().map(str::trim_start).chain(["C: "]) {
            if let Some(text) = line.strip_prefix("S: ") {
                expected.push_str(text);
                expected.push_str(if text == "<close>" { "" } else { "\r\n" });
            } else if let Some(text) = line.strip_prefix("C: ") {
                if !expected.is_empty() {
                    assert_eq!(self.run(&std::mem::take(&mut sent)), expected, "{script}");
                    expected.clear();
                }
                sent.push_str(text);
                sent.push_str("\r\n");
            }
        }
    }
}

const ONE: &str = "Subject: one\r\n\r\n.first\r\nsecond\r\n";

const TWO: &str = "Subject: two\r\n\r\nbody\r\n";

#[test]
fn a_session_from_greeting_to_update() {
    let house = House::with_mail(&[ONE, TWO]);
    house.connect_tls().dialog(
        "S: +OK Heimpost POP3 ready
         C: USER Anna@Example.com
         S: +OK password please
         C: PASS correct horse
         S: +OK 2 messages
         C: STAT
         S: +OK 2 88
         C: LIST
         S: +OK listing follows
         S: 1 49
         S: 2 39
         S: .
         C: LIST 2
         S: +OK 2 39
         C: LIST 3
         S: -ERR no such message
         C: RETR 1
         S: +OK 49 octets
         S: Return-Path: <>
         S: Subject: one
         S:
         S: ..first
         S: second
         S: .
         C: TOP 1 1
         S: +OK 49 octets
         S: Return-Path: <>
         S: Subject: one
         S:
         S: ..first
         S: .
         C: DELE 1
         S: +OK message marked as deleted
         C: DELE 1
         S: -ERR no such message
         C: RETR 1
         S: -ERR no such message
         C: STAT
         S: +OK 1 39
         C: RSET
         S: +OK nothing is marked as deleted
         C: DELE 2
         S: +OK message marked as deleted
         C: NOOP
         S: +OK done
         C: LIST
         S: +OK listing follows
         S: 1 49
         S: .
         C: QUIT
         S: +OK bye
         S: <close>"
            .replace("S:\n", "S: \n")
            .as_str(),
    );
    assert_eq!(house.messages(), 1);
}

#[test]
fn only_quit_deletes() {
    let house = House::with_mail(&[ONE, TWO]);
    let now = || house.clock.now();
    for end in 0..3 {
        let mut client = house.log_in();
        assert_eq!(client.run("DELE 1\r\nDELE 2\r\n").matches("+OK").count(), 2);
        match end {
            0 => client.session.handle_eof(now()),
            1 => client.session.handle_shutdown(now()),
            _ => {
                house.clock.advance(IDLE_MAX);
                client.session.handle_timeout(now());
            }
        }
        assert_eq!(client.drain(), b"<close>");
        assert_eq!(client.run("QUIT\r\n"), "");
        assert_eq!(house.messages(), 2);
    }
}

#[test]
fn idle_time_counts_from_the_last_command() {
    let house = House::new();
    let mut client = house.log_in();
    house.clock.advance(IDLE_MAX / 2);
    client.run("NOOP\r\n");
    let (deadline, _) = client.session.poll_timeout().unwrap();
    assert_eq!(deadline, house.clock.now().mono + IDLE_MAX);
    house.clock.advance(IDLE_MAX / 2);
    client.run("half a comm");
    assert_eq!(client.session.poll_timeout().unwrap().0, deadline);
}

#[test]
fn unique_ids_are_serial_and_digest() {
    let house = House::with_mail(&[ONE, TWO, ONE]);
    let list = |house: &House| house.log_in().run("UIDL\r\n");
    let first = list(&house);
    let ids: Vec<_> = first
        .lines()
        .filter_map(|line| line.split_once(' '))
        .skip(1)
        .collect();
    assert_eq!(ids.len(), 3);
    for (number, id) in &ids {
        assert_eq!(id.len(), 32, "{number}");
        let one = format!("UIDL {number}\r\n");
        assert_eq!(house.log_in().run(&one), format!("+OK {number} {id}\r\n"));
    }
    let (serials, digests): (Vec<_>, Vec<_>) = ids.iter().map(|(_, id)| id.split_at(16)).unzip();
    assert!(serials[0] < serials[1] && serials[1] < serials[2]);
    assert_eq!(digests[0], digests[2]);
    assert_ne!(digests[0], digests[1]);
    house.expunge(1);
    let rest = list(&house);
    assert!(rest.contains(ids[1].1) && rest.contains(ids[2].1) && !rest.contains(ids[0].1));
}

#[test]
fn a_message_that_goes_meanwhile_keeps_its_number() {
    let house = House::with_mail(&[ONE, TWO]);
    let mut client = house.log_in();
    client.run("STAT\r\n");
    house.expunge(1);
    house.deliver(TWO);
    client.dialog(
        "C: STAT
         S: +OK 2 88
         C: RETR 1
         S: -ERR message was removed meanwhile
         C: TOP 1 0
         S: -ERR message was removed meanwhile
         C: DELE 1
         S: +OK message marked as deleted
         C: LIST
         S: +OK listing follows
         S: 2 39
         S: .
         C: QUIT
         S: +OK bye
         S: <close>",
    );
    assert_eq!(house.messages(), 2);
}

#[test]
fn a_message_that_goes_before_it_is_listed_is_passed_over() {
    let house = House::with_mail(&[ONE, TWO]);
    let mut client = house.log_in();
    house.expunge(1);
    client.dialog(
        "C: LIST
         S: +OK listing follows
         S: 2 39
         S: .
         C: RETR 1
         S: -ERR no such message
         C: STAT
         S: +OK 1 39",
    );
}

#[test]
fn languages() {
    let house = House::new();
    let mut client = house.log_in();
    client.dialog(
        "C: LANG
         S: +OK languages follow
         S: en English
         S: de Deutsch
         S: .
         C: LANG DE
         S: +OK de Sprache gewechselt
         C: DELE 1
         S: -ERR diese Nachricht gibt es nicht
         C: LANG fr
         S: -ERR de diese Sprache gibt es hier nicht
         C: XTND
         S: -ERR unbekannter Befehl
         C: LANG *
         S: +OK en language changed
         C: XTND
         S: -ERR unknown command",
    );
}
