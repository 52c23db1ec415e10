//! A client of an IMAP session without a network: it speaks commands and believes every untagged response.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use heimpost::auth::{Auth, Hashing};
use heimpost::clock::{Clock, Now, Wall};
use heimpost::imap::session::{ImapSession, Services, Settings};
use heimpost::machine::{Answer, Event, Peer, Session, Wake};
use heimpost::mail::address::Address;
use heimpost::mail::ids::AccountId;
use heimpost::store::types::Language;
use heimpost::store::{NewAccount, Options, Store};

/// A store in memory with one account, `fred@heimpost.test`, password `correct horse`.
pub(super) struct House {
    pub(super) store: Store,
    pub(super) auth: Auth,
    pub(super) account: AccountId,
    clock: Clock,
}

/// One client.
pub(super) struct Client {
    session: ImapSession,
    woken: Arc<AtomicBool>,
    tag: u32,
    /// What was sent to it and not looked at.
    pub(super) received: Vec<u8>,
    pub(super) closed: bool,
    /// Its picture of the selected mailbox, in order of sequence numbers.
    pub(super) messages: Vec<Message>,
}

/// A message as the client knows it; UID 0 while it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) uid: u32,
    pub(super) flags: BTreeSet<String>,
}

impl House {
    pub(super) fn new(quota_bytes: Option<u64>) -> Self {
        Self::on(&Options::default(), quota_bytes)
    }

    pub(super) fn on(options: &Options, quota_bytes: Option<u64>) -> Self {
        let store = Store::in_memory(options).unwrap();
        let auth = Auth::new(store.clone());
        let clock = Clock::virtual_at(Wall(1_795_348_800));
        let new = NewAccount {
            address: Address::parse("fred@heimpost.test").unwrap(),
            owner: true,
            language: Language::En,
            quota_bytes,
        };
        let account = store.add_account(&new, clock.now()).unwrap().id;
        auth.set_password(account, "correct horse", Hashing::Scram)
            .unwrap();
        Self {
            store,
            auth,
            account,
            clock,
        }
    }

    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    pub(super) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// A client that is logged in.
    pub(super) fn client(&self) -> Client {
        let woken = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&woken);
        let peer = Peer {
            address: ([192, 0, 2, 1], 40_000).into(),
            tls: None,
            wake: Wake::new(move || flag.store(true, Ordering::SeqCst)),
        };
        let services = Services {
            store: self.store.clone(),
            auth: self.auth.clone(),
            settings: Arc::new(Settings {
                hostname: "heimpost.test".to_owned(),
                append_bytes_max: 1 << 20,
                plaintext_without_tls: true,
                starttls: true,
            }),
        };
        let mut client = Client {
            session: ImapSession::new(services, peer, [7; 32]),
            woken,
            tag: 0,
            received: Vec::new(),
            closed: false,
            messages: Vec::new(),
        };
        client.command(self, "LOGIN fred@heimpost.test \"correct horse\"");
        client
    }

    /// A client with INBOX open.
    pub(super) fn client_in_inbox(&self) -> Client {
        let mut client = self.client();
        client.command(self, "SELECT INBOX");
        client
    }
}

impl Client {
    /// Runs a command to its end and gives all that was sent.
    pub(super) fn command(&mut self, house: &House, text: &str) -> String {
        self.tag += 1;
        let line = format!("a{} {text}\r\n", self.tag);
        self.session.handle_input(line.as_bytes(), house.now());
        self.settle(house);
        self.hear(house)
    }

    /// Sends bytes and lets one piece of output come, as a slow client does.
    pub(super) fn send_and_take_a_piece(&mut self, house: &House, text: &str) {
        self.session.handle_input(text.as_bytes(), house.now());
        self.session.poll_output(&mut self.received, house.now());
    }

    /// Sends bytes and gives all that was sent back; the picture does not hear of it.
    pub(super) fn say(&mut self, house: &House, bytes: &str) -> String {
        if !self.closed {
            self.session.handle_input(bytes.as_bytes(), house.now());
            self.settle(house);
        }
        String::from_utf8_lossy(&std::mem::take(&mut self.received)).into_owned()
    }

    /// Does all that can be done, but tells nothing of it to the picture.
    pub(super) fn settle(&mut self, house: &House) {
        loop {
            let before = self.received.len();
            let mut piece = Vec::new();
            self.session.poll_output(&mut piece, house.now());
            self.received.append(&mut piece);
            if self.received.len() > before {
                continue;
            }
            match self.session.poll_event() {
                Some(Event::Authenticate(request)) => {
                    let outcome = verified(house, &request);
                    self.session.handle_answer(outcome, house.now());
                }
                Some(Event::Close) => self.closed = true,
                Some(Event::StartTls) => panic!("no TLS here"),
                Some(Event::Verify(_)) => panic!("IMAP judges no mail"),
                None if self.woken.swap(false, Ordering::SeqCst) => {
                    self.session.handle_wake(house.now());
                }
                None => return,
            }
        }
    }

    /// Rings if the session wanted to be called by now.
    pub(super) fn time_out(&mut self, house: &House) {
        let due = self.session.poll_timeout();
        if due.is_some_and(|(at, _)| at <= house.now().mono) {
            self.session.handle_timeout(house.now());
        }
        self.settle(house);
    }

    /// The daemon stops.
    pub(super) fn shut_down(&mut self, house: &House) {
        self.session.handle_shutdown(house.now());
        self.settle(house);
    }

    /// Reads what was sent, takes it into the picture, and asks for what it does not know yet.
    pub(super) fn hear(&mut self, house: &House) -> String {
        let text = self.read();
        if let Some(first) = self.messages.iter().position(|message| message.uid == 0) {
            let line = format!("f FETCH {}:* (UID FLAGS)\r\n", first + 1);
            self.session.handle_input(line.as_bytes(), house.now());
            self.settle(house);
            self.read();
        }
        text
    }

    fn read(&mut self) -> String {
        let bytes = std::mem::take(&mut self.received);
        let text = String::from_utf8(bytes).unwrap();
        text.lines().for_each(|line| self.believe(line));
        text
    }

    fn believe(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let Some(number) = words.get(1).and_then(|word| word.parse::<usize>().ok()) else {
            return;
        };
        match words.get(2) {
            Some(&"EXPUNGE") => {
                self.messages.remove(number - 1);
            }
            Some(&"EXISTS") => {
                assert!(
                    self.messages.len() <= number,
                    "EXISTS never shrinks: {line}"
                );
                self.messages.resize(number, Message::default());
            }
            Some(&"FETCH") => self.believe_fetch(number, line),
            _ => {}
        }
    }

    fn believe_fetch(&mut self, number: usize, line: &str) {
        let message = &mut self.messages[number - 1];
        if let Some((_, rest)) = line.split_once("UID ") {
            let uid = rest.split([' ', ')']).next().unwrap().parse().unwrap();
            assert!(message.uid == 0 || message.uid == uid, "{line}");
            message.uid = uid;
        }
        if let Some((_, rest)) = line.split_once("FLAGS (") {
            let (flags, _) = rest.split_once(')').unwrap();
            message.flags = flags.split_whitespace().map(str::to_owned).collect();
        }
    }
}

fn verified(house: &House, request: &heimpost::auth::Request) -> Answer {
    Answer::Authenticated(house.auth.verify(request, house.now()))
}
