//! Our client and our own server, in memory and in virtual time: what one says the other understands, in any pieces.

use proptest::prelude::*;

use super::*;
use crate::auth::{Auth, Hashing};
use crate::delivery::route::Router;
use crate::machine::{self, Answer, Peer, Session as _, TlsInfo, Wake};
use crate::mail::ids::{SpoolId, Uid};
use crate::mail::mailbox_name::MailboxName;
use crate::mail::report::{Notify, Return};
use crate::maillog::Tally;
use crate::smtp::session::{Checking, Limits, Role, Service, Session};
use crate::store::spool::SpoolMail;
use crate::store::types::Language;
use crate::store::{NewAccount, Options, Store};
use crate::trust::verify::Verdict;

/// A client and a server with the accounts anna and ben.
struct Pair {
    clock: Clock,
    service: Service,
    client: Client,
    server: Session,
    /// Most bytes that travel at once.
    piece: usize,
    /// What travels to the client and to the server.
    to_client: Vec<u8>,
    to_server: Vec<u8>,
    events: Vec<String>,
}

fn service(role: Role, clock: &Clock) -> Service {
    let store = Store::in_memory(&Options::default()).unwrap();
    let auth = Auth::new(store.clone());
    for name in ["anna@home.test", "ben@home.test"] {
        let new = NewAccount {
            address: Address::parse(name).unwrap(),
            owner: false,
            language: Language::En,
            quota_bytes: None,
        };
        let account = store.add_account(&new, clock.now()).unwrap();
        auth.set_password(account.id, "tanstaaf", Hashing::Scram)
            .unwrap();
    }
    Service {
        role,
        hostname: Domain::parse("mail.home.test").unwrap(),
        limits: Limits {
            message_bytes_max: 1 << 20,
            recipients_max: 100,
        },
        plaintext_without_tls: false,
        language: Language::En,
        keeps_sent: false,
        checking: Checking::Obey,
        router: Router::new(Domain::parse("home.test").unwrap(), []),
        auth,
        store,
        tally: Tally::default(),
    }
}

impl Pair {
    fn new(role: Role, piece: usize) -> Self {
        let clock = Clock::virtual_at(Wall(1_800_000_000));
        let service = service(role, &clock);
        let peer = Peer {
            address: ([192, 0, 2, 7], 4000).into(),
            tls: None,
            wake: Wake::none(),
        };
        Self {
            client: Client::new(hostname(), Security::Plaintext, clock.now()),
            server: Session::new(service.clone(), peer, [7; 32]),
            service,
            clock,
            piece,
            to_client: Vec::new(),
            to_server: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Lets both talk until neither has anything to say; gives the client's events since.
    fn settle(&mut self) -> Vec<String> {
        while self.run_server() | self.run_client() {}
        std::mem::take(&mut self.events)
    }

    fn run_server(&mut self) -> bool {
        let now = self.clock.now();
        let mut moved = false;
        if self.server.wants_input() && !self.to_server.is_empty() {
            let size = self.piece.min(self.to_server.len());
            let piece: Vec<u8> = self.to_server.drain(..size).collect();
            self.server.handle_input(&piece, now);
            moved = true;
        }
        let before = self.to_client.len();
        self.server.poll_output(&mut self.to_client, now);
        if self.to_client.len() > before {
            return true;
        }
        match self.server.poll_event() {
            None => moved,
            Some(machine::Event::Authenticate(request)) => {
                let outcome = self.service.auth.verify(&request, now);
                self.server
                    .handle_answer(Answer::Authenticated(outcome), now);
                true
            }
            Some(machine::Event::Verify(request)) => {
                let verdict = Verdict::unavailable(&request);
                self.server.handle_answer(Answer::Verified(verdict), now);
                true
            }
            // The client's side starts it for both.
            Some(machine::Event::StartTls) => true,
            Some(machine::Event::Close) => {
                self.events.push("server closes".to_owned());
                true
            }
        }
    }

    fn run_client(&mut self) -> bool {
        let now = self.clock.now();
        let size = self.piece.min(self.to_client.len());
        let piece: Vec<u8> = self.to_client.drain(..size).collect();
        self.client.handle_input(&piece, now);
        let before = self.to_server.len();
        self.client.poll_output(&mut self.to_server, now);
        if self.to_server.len() > before {
            return true;
        }
        match self.client.poll_event() {
            None => size > 0,
            Some(Event::StartTls) => {
                self.start_tls();
                true
            }
            Some(event) => {
                self.events.push(render(event));
                true
            }
        }
    }

    fn start_tls(&mut self) {
        let now = self.clock.now();
        assert!(self.to_client.is_empty() && self.to_server.is_empty());
        let tls = TlsInfo {
            version: "TLS1.3".to_owned(),
            cipher: "TLS_AES_128_GCM_SHA256".to_owned(),
            exporter: None,
        };
        self.server.handle_answer(Answer::TlsStarted(tls), now);
        self.client.tls_started(now);
    }

    /// Sends a message in pieces as they are taken.
    fn send(&mut self, words: &[&str], message: &[u8]) -> Vec<String> {
        self.send_as(envelope(words), message)
    }

    fn send_as(&mut self, envelope: Envelope, message: &[u8]) -> Vec<String> {
        self.client.send(envelope, self.clock.now()).unwrap();
        let mut events = self.settle();
        if events.last().is_some_and(|event| event == "wants body") {
            for piece in message.chunks(10_000) {
                assert!(self.client.takes_body());
                self.client.body(piece, self.clock.now());
                events.extend(self.settle());
            }
            self.client.body_end(self.clock.now());
            events.extend(self.settle());
        }
        events
    }

    /// What lies in an account's INBOX behind the trace fields.
    fn inbox(&self, name: &str) -> Vec<Vec<u8>> {
        let snapshot = self.service.store.snapshot().unwrap();
        let account = snapshot.account_by_key(name).unwrap().unwrap().id;
        let inbox = snapshot.mailbox_by_name(account, &MailboxName::inbox());
        let rows = snapshot.rows(inbox.unwrap().unwrap().id, Uid::MIN, Uid::MAX);
        let blob = |serial| {
            let record = snapshot.record(serial).unwrap().unwrap();
            let mut bytes = Vec::new();
            let mut blob = self.service.store.blob(record.blob).unwrap();
            blob.read_at(0, 1 << 20, &mut bytes).unwrap();
            bytes
        };
        let rows = rows.unwrap();
        rows.into_iter().map(|row| blob(row.serial)).collect()
    }
}

/// With TLS, as anna.
fn logged_in(piece: usize) -> Pair {
    let mut pair = Pair::new(Role::Submission, piece);
    pair.settle();
    pair.client.start_tls(pair.clock.now()).unwrap();
    pair.settle();
    let credentials = Credentials {
        login: "anna@home.test".to_owned(),
        password: Secret::new("tanstaaf".to_owned()),
    };
    let now = pair.clock.now();
    pair.client.login(&credentials, &[5; 18], now).unwrap();
    assert_eq!(pair.settle(), ["logged in", "ready"]);
    pair
}

const MESSAGE: &[u8] = b"Subject: a\r\n\r\n.\r\n..b\r\nlast\r\n";

#[test]
fn mail_is_received() {
    for piece in [1, 7, usize::MAX] {
        let mut pair = Pair::new(Role::Receive, piece);
        assert_eq!(pair.settle(), ["ready"]);
        assert!(pair.client.extensions().chunking);
        pair.client.start_tls(pair.clock.now()).unwrap();
        assert_eq!(pair.settle(), ["ready"]);
        assert_eq!(pair.client.security(), Security::Tls);

        let to = [
            "x@y.z",
            "anna@home.test",
            "nobody@home.test",
            "ben@home.test",
        ];
        let events = pair.send(&to, MESSAGE);
        let sent = events[1].split("; ").map(|fate| fate.split(' '));
        let sent: Vec<String> = sent
            .map(|words| words.take(4).collect::<Vec<_>>().join(" "))
            .collect();
        assert!(sent[0].starts_with("sent delivered 250"), "{events:?}");
        assert_eq!(sent[1], "permanent RCPT 550 5.1.1");
        assert!(sent[2].starts_with("delivered 250"), "{events:?}");
        assert_eq!(events[2], "ready");
        for name in ["anna@home.test", "ben@home.test"] {
            assert_eq!(pair.inbox(name), [MESSAGE], "{name}");
        }

        // The connection is used again, after a message that nobody takes too.
        let events = pair.send(&["x@y.z", "nobody@home.test"], MESSAGE);
        assert!(
            events[0].starts_with("sent permanent RCPT 550"),
            "{events:?}"
        );
        pair.send(
            &["x@y.z", "anna@home.test", "8bit"],
            "\u{fc}\r\n".as_bytes(),
        );
        assert_eq!(pair.inbox("anna@home.test").len(), 2);
        pair.client.quit(pair.clock.now());
        let mut events = pair.settle();
        events.sort();
        assert_eq!(events, ["closed", "server closes"]);
    }
}

/// The same by DATA, which our server's clients without CHUNKING use.
#[test]
fn dots_come_through_data() {
    for piece in [1, usize::MAX] {
        let mut pair = Pair::new(Role::Receive, piece);
        pair.settle();
        pair.client.extensions.chunking = false;
        let events = pair.send(&["x@y.z", "anna@home.test"], MESSAGE);
        assert!(events[1].starts_with("sent delivered 250"), "{events:?}");
        assert_eq!(pair.inbox("anna@home.test"), [MESSAGE]);
        pair.client.extensions.pipelining = false;
        pair.send(&["x@y.z", "anna@home.test"], MESSAGE);
        assert_eq!(pair.inbox("anna@home.test").len(), 2);
    }
}

#[test]
fn large_messages_arrive_by_every_way() {
    let message = "A: b\r\n\r\n".to_owned() + &".123456789abcd\r\n".repeat(20_000);
    for (chunking, pipelining) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut pair = Pair::new(Role::Receive, 5000);
        pair.settle();
        pair.client.extensions.chunking = chunking;
        pair.client.extensions.pipelining = pipelining;
        let events = pair.send(&["x@y.z", "anna@home.test"], message.as_bytes());
        assert!(events[1].starts_with("sent delivered 250"), "{events:?}");
        assert!(pair.inbox("anna@home.test") == [message.as_bytes()]);
    }
}

/// More than are pipelined at once, and more than the server takes.
#[test]
fn many_recipients() {
    let mut pair = Pair::new(Role::Receive, usize::MAX);
    pair.settle();
    let names: Vec<String> = (0..110).map(|at| format!("anna+{at}@home.test")).collect();
    let mut words = vec!["x@y.z"];
    words.extend(names.iter().map(String::as_str));
    for tried in [100, 110] {
        let events = pair.send(&words, MESSAGE);
        let fates: Vec<&str> = events[1].split("; ").collect();
        assert_eq!(fates.len(), 110);
        let taken = fates.iter().filter(|fate| fate.contains("delivered 250"));
        assert_eq!(taken.count(), 100);
        let too_many = fates.iter().filter(|fate| fate.ends_with("too many"));
        assert_eq!(too_many.count(), 110 - tried);
        // Then the server's limit shows in its replies.
        pair.client.extensions.limits.rcpt_max = None;
        pair.client.extensions.chunking = false;
        if tried == 110 {
            assert!(
                fates[109].starts_with("transient RCPT 452"),
                "{}",
                fates[109]
            );
        }
    }
}

#[test]
fn our_submission_lets_us_in() {
    for (keep, password, expected) in [
        ("SCRAM-SHA-256", "tanstaaf", ["logged in", "ready"]),
        ("PLAIN", "tanstaaf", ["logged in", "ready"]),
        ("LOGIN", "tanstaaf", ["logged in", "ready"]),
        ("SCRAM-SHA-256", "wrong", ["no login: 535", "ready"]),
        ("PLAIN", "wrong", ["no login: 535", "ready"]),
    ] {
        let mut pair = Pair::new(Role::Submission, 3);
        pair.settle();
        pair.client.start_tls(pair.clock.now()).unwrap();
        pair.settle();
        let offered = &mut pair.client.extensions.auth;
        offered.retain(|mechanism| mechanism.name() == keep);
        assert_eq!(offered.len(), 1, "{keep}");
        let credentials = Credentials {
            login: "anna@home.test".to_owned(),
            password: Secret::new(password.to_owned()),
        };
        let now = pair.clock.now();
        pair.client.login(&credentials, &[5; 18], now).unwrap();
        let events = pair.settle();
        assert_eq!(events.len(), 2, "{keep}: {events:?}");
        for (event, expected) in events.iter().zip(expected) {
            assert!(event.starts_with(expected), "{keep}: {events:?}");
        }
        if password == "tanstaaf" {
            let events = pair.send(&["anna@home.test", "ben@home.test"], MESSAGE);
            assert!(events[1].starts_with("sent delivered"), "{events:?}");
            assert_eq!(pair.inbox("ben@home.test").len(), 1);
        }
    }
}

/// Silence ends the connection on one side, and the other notices.
#[test]
fn the_server_gives_up_on_an_idle_client() {
    let mut pair = Pair::new(Role::Receive, usize::MAX);
    pair.settle();
    assert_eq!(pair.client.poll_timeout(), None);
    let (deadline, _) = pair.server.poll_timeout().unwrap();
    pair.clock.advance(deadline.since(pair.clock.now().mono));
    pair.server.handle_timeout(pair.clock.now());
    let events = pair.settle();
    assert!(events.contains(&"server closes".to_owned()), "{events:?}");
    assert!(
        events
            .iter()
            .any(|event| event.starts_with("closed idle 421 4.4.2")),
        "{events:?}"
    );
}

/// What a sender wants to hear, and what is beyond ASCII, reaches our submission as our client was given it.
#[test]
fn wishes_and_utf8_survive_the_trip() {
    for piece in [1, usize::MAX] {
        let mut pair = logged_in(piece);
        let mut envelope = envelope(&[
            "anna@home.test",
            "j\u{fc}rgen+x@far.test",
            "y@far.test",
            "utf8",
            "8bit",
        ]);
        envelope.ret = Some(Return::Full);
        envelope.envid = Some("a+b=c d".to_owned());
        let success = Notify {
            success: true,
            ..Notify::default()
        };
        let wishes = [
            (Notify::NEVER, "utf-8", "j\u{fc}+=@far.test"),
            (success, "rfc822", "\"y +\"@far.test"),
        ];
        for (to, (notify, kind, original)) in envelope.recipients.iter_mut().zip(wishes) {
            to.notify = Some(notify);
            to.original = Some((kind.to_owned(), original.to_owned()));
        }
        let events = pair.send_as(
            envelope.clone(),
            "Subject: \u{fc}\r\n\r\n\u{fc}\r\n".as_bytes(),
        );
        assert!(events[1].starts_with("sent delivered"), "{events:?}");
        let spool = pair.service.store.snapshot().unwrap();
        let [mail] = <[SpoolMail; 1]>::try_from(spool.spool(SpoolId(0), 9).unwrap()).unwrap();
        let got = Envelope {
            from: mail.new.sender,
            recipients: mail
                .new
                .recipients
                .into_iter()
                .map(|to| Recipient {
                    address: to.address,
                    notify: to.notify,
                    original: to.original,
                })
                .collect(),
            size_bytes: envelope.size_bytes,
            body: mail.new.body,
            header: mail.new.header,
            ret: mail.new.ret,
            envid: mail.new.envid,
        };
        assert_eq!(got, envelope);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the message, it arrives as it should be on the wire, by either way.
    #[test]
    fn any_message_arrives(text in "[a.\r\n]{0,40}", chunks in any::<bool>(), piece in 1_usize..20) {
        let mut pair = Pair::new(Role::Receive, piece);
        pair.settle();
        pair.client.extensions.chunking = chunks;
        let message = format!("A: b\r\n\r\n{text}");
        let events = pair.send(&["x@y.z", "anna@home.test"], message.as_bytes());
        prop_assert!(events[1].starts_with("sent delivered 250"), "{:?}", events);
        let mut lines = message.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
        if !lines.ends_with("\r\n") {
            lines.push_str("\r\n");
        }
        prop_assert_eq!(pair.inbox("anna@home.test"), vec![lines.into_bytes()]);
    }

    /// Whatever a server says, nothing panics, and each message that was taken has one fate.
    #[test]
    fn any_replies(
        replies in prop::collection::vec("(220|250|250|354|334|421|450|550)[ -][A-Z0-9 ]{0,9}\r\n", 0..14),
        junk in "[ -~\r\n]{0,6}",
    ) {
        let clock = Clock::virtual_at(Wall(1_800_000_000));
        let mut client = Client::new(hostname(), Security::Plaintext, clock.now());
        let (mut taken, mut sent, mut closed) = (0, 0, 0);
        for reply in replies.iter().map(String::as_bytes).chain([junk.as_bytes(), b""]) {
            if reply.is_empty() {
                client.handle_eof();
            }
            client.handle_input(reply, clock.now());
            let mut out = Vec::new();
            client.poll_output(&mut out, clock.now());
            while let Some(event) = client.poll_event() {
                prop_assert_eq!(closed, 0);
                match event {
                    Event::Ready => {
                        let envelope = envelope(&["a@b.c", "x@y.z", "u@y.z"]);
                        taken += usize::from(client.send(envelope, clock.now()).is_ok());
                    }
                    Event::WantsBody => client.body_end(clock.now()),
                    Event::Sent(fates) => {
                        prop_assert_eq!(fates.len(), 2);
                        sent += 1;
                    }
                    Event::Closed(_) => closed += 1,
                    Event::StartTls
                    | Event::TlsRefused(_)
                    | Event::LoggedIn
                    | Event::LoginFailed(_) => prop_assert!(false, "not asked for"),
                }
                client.poll_output(&mut out, clock.now());
            }
        }
        prop_assert_eq!((taken, closed), (sent, 1));
    }
}
