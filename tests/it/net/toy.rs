//! A session small enough to see through, and a box to run it in.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use heimpost::auth::{Identity, Outcome, Request, Via};
use heimpost::clock::{Clock, Mono, Now};
use heimpost::machine::{Answer, Event, OUTPUT_PIECE_BYTES, Peer, Session, TlsInfo, Wake};
use heimpost::mail::address::Domain;
use heimpost::mail::ids::AccountId;
use heimpost::mail::secret::Secret;
use heimpost::net::Counters;
use heimpost::net::ca::Subject;
use heimpost::net::driver::{Deadlines, Entry, Open, Shared};
use heimpost::net::gate::Gate;
use heimpost::net::tls::{Certificate, Tls};
use heimpost::trust::verify::{self, Digest, Judge};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Bytes that `big` answers with.
pub(super) const BIG_BYTES: u64 = 8 << 20;

/// What tests see of a session from outside.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Bytes of `big` produced so far.
    pub produced: Arc<AtomicU64>,
    /// The wake of the last session opened.
    pub wake: Arc<Mutex<Option<Wake>>>,
    /// Sessions dropped.
    pub dropped: Arc<AtomicU64>,
}

/// `echo X`, `big`, `tls`, `starttls`, `auth X`, `timer`, `panic`, `deaf`, `quit`.
pub(super) struct Toy {
    seen: Seen,
    tls: Option<TlsInfo>,
    input: Vec<u8>,
    output: Vec<u8>,
    big_left: u64,
    events: VecDeque<Event>,
    waiting: bool,
    deaf: bool,
    deadline: Option<Mono>,
}

impl Toy {
    fn new(peer: &Peer, seen: &Seen) -> Self {
        *seen.wake.lock().unwrap() = Some(peer.wake.clone());
        Self {
            seen: seen.clone(),
            tls: peer.tls.clone(),
            input: Vec::new(),
            output: b"hello\n".to_vec(),
            big_left: 0,
            events: VecDeque::new(),
            waiting: false,
            deaf: false,
            deadline: None,
        }
    }

    fn ask(&mut self, event: Event) {
        self.waiting = true;
        self.events.push_back(event);
    }

    fn say(&mut self, words: &str) {
        self.output.extend_from_slice(words.as_bytes());
        self.output.push(b'\n');
    }

    fn next_line(&mut self, now: Now) {
        let Some(end) = self.input.iter().position(|&byte| byte == b'\n') else {
            return;
        };
        let line: Vec<u8> = self.input.drain(..=end).collect();
        let line = String::from_utf8(line).unwrap();
        let (word, rest) = line
            .trim_end()
            .split_once(' ')
            .unwrap_or_else(|| (line.trim_end(), ""));
        self.command(word, rest, now);
    }

    fn command(&mut self, word: &str, rest: &str, now: Now) {
        match word {
            "echo" => self.say(rest),
            "big" => self.big_left = BIG_BYTES,
            "tls" => {
                let exporter = self.tls.as_ref().and_then(|tls| tls.exporter);
                self.say(&format!("{exporter:?}"));
            }
            "starttls" => {
                self.input.clear();
                self.say("begin");
                self.ask(Event::StartTls);
            }
            "auth" => self.ask(Event::Authenticate(Request::Password {
                login: rest.to_owned(),
                password: Secret::new(String::new()),
                from: "127.0.0.1".parse().unwrap(),
            })),
            "verify" => {
                let mut message = Digest::default();
                message.push(format!("From: {rest}\r\n\r\n").as_bytes());
                self.ask(Event::Verify(Box::new(verify::Request {
                    peer: [192, 0, 2, 1].into(),
                    helo: "toy".to_owned(),
                    from: None,
                    message: message.finish(),
                })));
            }
            "timer" => self.deadline = Some(now.mono + Duration::from_millis(5)),
            "panic" => panic!("as told"),
            "deaf" => {
                self.deaf = true;
                self.say("what did you say?");
            }
            "quit" => {
                self.say("bye");
                self.events.push_back(Event::Close);
            }
            _ => self.say("what?"),
        }
    }
}

impl Session for Toy {
    fn handle_input(&mut self, input: &[u8], _now: Now) {
        self.input.extend_from_slice(input);
    }

    fn handle_eof(&mut self, _now: Now) {
        self.events.push_back(Event::Close);
    }

    fn handle_timeout(&mut self, now: Now) {
        assert!(self.deadline.is_some_and(|deadline| deadline <= now.mono));
        self.deadline = None;
        self.say("time");
    }

    fn handle_answer(&mut self, answer: Answer, _now: Now) {
        self.waiting = false;
        match answer {
            Answer::TlsStarted(info) => self.tls = Some(info),
            Answer::Authenticated(Outcome::Granted(_)) => self.say("granted"),
            Answer::Authenticated(_) => self.say("not granted"),
            Answer::Verified(verdict) => self.say(verdict.spf.outcome.name()),
        }
    }

    fn handle_wake(&mut self, _now: Now) {
        self.say("woken");
    }

    fn handle_shutdown(&mut self, _now: Now) {
        if !self.deaf {
            self.say("stopping");
            self.events.push_back(Event::Close);
        }
    }

    fn poll_output(&mut self, out: &mut Vec<u8>, now: Now) {
        if self.output.is_empty() && self.big_left == 0 && !self.waiting {
            self.next_line(now);
        }
        out.append(&mut self.output);
        let piece = self.big_left.min(OUTPUT_PIECE_BYTES as u64);
        out.resize(out.len() + usize::try_from(piece).unwrap(), b'.');
        self.big_left -= piece;
        self.seen.produced.fetch_add(piece, Ordering::SeqCst);
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<(Mono, &'static str)> {
        self.deadline.map(|deadline| (deadline, "toy"))
    }

    fn wants_input(&self) -> bool {
        !self.waiting
    }
}

impl Drop for Toy {
    fn drop(&mut self) {
        self.seen.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

/// Opens toys that report to `seen`.
pub(super) fn open(seen: &Seen) -> Open {
    let seen = seen.clone();
    Arc::new(move |peer, _| Ok(Box::new(Toy::new(&peer, &seen))))
}

/// What connections share, with a self-made certificate under `dir`. `auth alice` is granted.
pub(super) fn shared(dir: &Path, deadlines: Deadlines) -> Shared {
    let (clock, counters) = (Clock::system(), Counters::default());
    let certificate = Certificate::Made {
        directory: dir.to_owned(),
        subject: subject(),
    };
    let tls = Tls::open(certificate, clock.now(), counters.clone()).unwrap();
    Shared {
        gate: Gate::with(check, clock.clone(), counters.clone()),
        judge: Judge::without_dns(Domain::parse("toy.example").unwrap()),
        clock,
        tls: Arc::new(tls),
        counters,
        deadlines,
    }
}

pub(super) fn subject() -> Subject {
    Subject {
        hostname: "toy.example".to_owned(),
        ..Subject::default()
    }
}

fn check(request: &Request, _via: &Via, _now: Now) -> Outcome {
    match request {
        Request::Password { login, .. } if login == "alice" => Outcome::Granted(Identity {
            account: AccountId(1),
            device: None,
            server_signature: None,
        }),
        Request::Password { .. } | Request::Scram { .. } => Outcome::Unavailable,
    }
}

/// A client that trusts the authority of `tls` and nobody else.
pub(super) fn client(tls: &Tls) -> ClientConfig {
    client_trusting(&tls.authority_pem().unwrap())
}

/// A client that trusts the authority whose certificate is `pem`, and nobody else.
pub(crate) fn client_trusting(pem: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// A connection without TLS from [`peer_address`].
pub(super) fn entry() -> Entry {
    Entry {
        service: "toy",
        address: peer_address(),
        tls: None,
    }
}

pub(super) fn peer_address() -> SocketAddr {
    "192.0.2.7:1024".parse().unwrap()
}
