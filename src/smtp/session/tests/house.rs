//! A box with a few accounts, and one connection to it whose driver's duties are done at once.

use super::super::*;
use crate::auth::Outcome;
use crate::clock::{Clock, Wall};
use crate::machine::{Session as _, Wake};
use crate::mail::address::Address;
use crate::mail::ids::{SpoolId, Uid};
use crate::mail::mailbox_name::MailboxName;
use crate::store::spool::SpoolMail;
use crate::store::types::{Alias, Language};
use crate::store::{NewAccount, Options};
use crate::trust::verify::Verdict;

/// A box with the accounts anna and ben at home.test, and one connection to it.
pub(super) struct House {
    pub(super) clock: Clock,
    pub(super) service: Service,
    pub(super) session: Session,
    /// Events that were asked for.
    pub(super) events: Vec<&'static str>,
    /// What came of judging mail, if anything did.
    pub(super) verdict: Option<Verdict>,
}

fn tls_info() -> TlsInfo {
    TlsInfo {
        version: "TLS1.3".to_owned(),
        cipher: "TLS_AES_128_GCM_SHA256".to_owned(),
        exporter: None,
    }
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

pub(super) fn house(role: Role) -> House {
    house_with(role, &Options::default(), None)
}

pub(super) fn house_with(role: Role, options: &Options, quota_bytes: Option<u64>) -> House {
    let clock = Clock::virtual_at(Wall(1_800_000_000));
    let store = Store::in_memory(options).unwrap();
    for name in ["anna@home.test", "ben@home.test"] {
        let new = NewAccount {
            address: Address::parse(name).unwrap(),
            owner: false,
            language: Language::En,
            quota_bytes,
        };
        store.add_account(&new, clock.now()).unwrap();
    }
    let service = Service {
        role,
        hostname: domain("mail.home.test"),
        limits: Limits {
            message_bytes_max: 2000,
            recipients_max: 100,
        },
        plaintext_without_tls: role == Role::Submission,
        language: Language::En,
        keeps_sent: true,
        checking: Checking::Off,
        router: Router::new(domain("home.test"), []),
        auth: Auth::new(store.clone()),
        store,
        tally: Tally::default(),
    };
    House::connect(clock, service)
}

impl House {
    pub(super) fn connect(clock: Clock, service: Service) -> Self {
        let peer = Peer {
            address: ([192, 0, 2, 7], 4000).into(),
            tls: None,
            wake: Wake::none(),
        };
        Self::connect_from(clock, service, peer)
    }

    pub(super) fn connect_from(clock: Clock, service: Service, peer: Peer) -> Self {
        let session = Session::new(service.clone(), peer, [7; 32]);
        let mut house = Self {
            clock,
            service,
            session,
            events: Vec::new(),
            verdict: None,
        };
        assert_eq!(house.settle(), "220 mail.home.test ESMTP Heimpost\r\n");
        house
    }

    /// Does what a driver does until nothing is left to do; anna's login is always right.
    pub(super) fn settle(&mut self) -> String {
        let mut out = Vec::new();
        loop {
            let before = out.len();
            self.session.poll_output(&mut out, self.clock.now());
            if out.len() > before {
                continue;
            }
            let answer = match self.session.poll_event() {
                None => return String::from_utf8(out).unwrap(),
                Some(Event::Close) => {
                    self.events.push("close");
                    continue;
                }
                Some(Event::StartTls) => {
                    self.events.push("tls");
                    Answer::TlsStarted(tls_info())
                }
                Some(Event::Verify(request)) => {
                    self.events.push("verify");
                    let verdict = self.verdict.clone();
                    let unavailable = || Verdict::unavailable(&request);
                    Answer::Verified(verdict.unwrap_or_else(unavailable))
                }
                Some(Event::Authenticate(_)) => {
                    let snapshot = self.service.store.snapshot().unwrap();
                    let anna = snapshot.account_by_key("anna@home.test").unwrap().unwrap();
                    Answer::Authenticated(Outcome::Granted(Identity {
                        account: anna.id,
                        device: None,
                        server_signature: None,
                    }))
                }
            };
            self.session.handle_answer(answer, self.clock.now());
        }
    }

    pub(super) fn say(&mut self, bytes: &[u8]) -> String {
        let mut out = String::new();
        if self.session.wants_input() {
            self.session.handle_input(bytes, self.clock.now());
            out.push_str(&self.settle());
        }
        out
    }

    pub(super) fn say_by_bytes(&mut self, bytes: &[u8]) -> String {
        bytes.chunks(1).map(|byte| self.say(byte)).collect()
    }

    /// The code of the last reply.
    pub(super) fn code(&mut self, line: &str) -> String {
        let said = self.say(format!("{line}\r\n").as_bytes());
        let last = said.lines().last().unwrap_or_default();
        last.split(' ').next().unwrap_or_default().to_owned()
    }

    /// Number of mails in a mailbox.
    pub(super) fn count(&self, account: &str, mailbox: &str) -> usize {
        let snapshot = self.service.store.snapshot().unwrap();
        let account = snapshot.account_by_key(account).unwrap().unwrap().id;
        let name = MailboxName::parse(mailbox).unwrap();
        let mailbox = snapshot.mailbox_by_name(account, &name).unwrap().unwrap();
        snapshot.rows(mailbox.id, Uid::MIN, Uid::MAX).unwrap().len()
    }

    /// What lies in an account's INBOX, as clients see it.
    pub(super) fn inbox(&self, name: &str) -> Vec<String> {
        let snapshot = self.service.store.snapshot().unwrap();
        let account = snapshot.account_by_key(name).unwrap().unwrap().id;
        let inbox = snapshot.mailbox_by_name(account, &MailboxName::inbox());
        let rows = snapshot
            .rows(inbox.unwrap().unwrap().id, Uid::MIN, Uid::MAX)
            .unwrap();
        let text = |serial| {
            let record = snapshot.record(serial).unwrap().unwrap();
            let mut bytes = record.prefix.clone();
            let mut blob = self.service.store.blob(record.blob).unwrap();
            blob.read_at(0, 1 << 20, &mut bytes).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        rows.into_iter().map(|row| text(row.serial)).collect()
    }

    pub(super) fn alias(&self, from: &str, to: &[&str]) {
        let to = to.iter().map(|to| Address::parse(to).unwrap()).collect();
        let from = from.to_owned();
        self.service.store.set_alias(&Alias { from, to }).unwrap();
    }

    pub(super) fn spool(&self) -> Vec<SpoolMail> {
        let snapshot = self.service.store.snapshot().unwrap();
        snapshot.spool(SpoolId(0), 100).unwrap()
    }
}
