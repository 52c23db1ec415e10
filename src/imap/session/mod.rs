//! One IMAP session as a machine: commands from [`Connection`], answers and events for the driver.
//!
//! One thing is under way at a time ([`Activity`]); while it is, input waits. Order of every command: run, tell what
//! changed, tagged line. Every write is committed by the store before its answer is written here.

mod activity;
pub mod alert;
mod login;
pub mod rows;
pub mod state;
pub mod task;
pub mod tell;
mod timers;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use crate::auth::Auth;
use crate::clock::{Mono, Now};
use crate::imap::command::{Ctx, capability};
use crate::imap::connection::Connection;
use crate::imap::syntax::render::status;
use crate::imap::syntax::response::{Code, Completion};
use crate::machine::{Answer, Event, OUTPUT_PIECE_BYTES, Peer, Session, TlsInfo, Wake};
use crate::sasl::Nonces;
use crate::store::Store;
use activity::Activity;
use state::{NotAuthenticated, State};
use timers::Timers;

pub use login::LOGIN_FAILURES_MAX;
pub use timers::{IDLE_KEEPALIVE, INACTIVITY_MAX, LITERAL_STALL_MAX, LOGIN_WAIT_MAX};

/// What every session of a listener shares.
#[derive(Clone, Debug)]
pub struct Services {
    /// The store.
    pub store: Store,
    /// The door.
    pub auth: Auth,
    /// Settings.
    pub settings: Arc<Settings>,
}

/// What the owner sets about IMAP.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This host's name, for the greeting.
    pub hostname: String,
    /// Largest message that APPEND takes, in bytes (RFC 7889).
    pub append_bytes_max: u64,
    /// Whether passwords may cross an unencrypted connection.
    pub plaintext_without_tls: bool,
    /// Whether STARTTLS can be offered.
    pub starttls: bool,
}

/// Facts about a connection.
#[derive(Debug)]
pub struct Link {
    /// The client's address.
    pub address: IpAddr,
    /// TLS, once it is there.
    pub tls: Option<TlsInfo>,
    /// How the store wakes this session.
    pub wake: Wake,
    /// For SCRAM.
    pub nonces: Nonces,
}

/// One client's session.
#[derive(Debug)]
pub struct ImapSession {
    services: Services,
    link: Link,
    connection: Connection,
    state: State,
    activity: Activity,
    timers: Timers,
    /// Something changed in the account that was not looked at yet.
    heard: bool,
    /// Output that is ready before it is polled.
    pending: Vec<u8>,
    events: VecDeque<Event>,
}

impl ImapSession {
    /// A session with a peer; its greeting is the first output. `seed` is random and used for this session alone.
    pub fn new(services: Services, peer: Peer, seed: [u8; 32]) -> Self {
        let link = Link {
            address: peer.address.ip(),
            tls: peer.tls,
            wake: peer.wake,
            nonces: Nonces::new(&seed),
        };
        let mut session = Self {
            services,
            link,
            connection: Connection::default(),
            state: State::NotAuthenticated(NotAuthenticated::default()),
            activity: Activity::Ready,
            timers: Timers::default(),
            heard: false,
            pending: Vec::new(),
            events: VecDeque::new(),
        };
        session.greet();
        session
    }

    /// The greeting names the capabilities, which saves a client a round trip (RFC 3501 7.1).
    fn greet(&mut self) {
        let mut out = Vec::new();
        let text = format!("{} Heimpost ready", self.services.settings.hostname);
        let names = capability::names(&self.services, &self.link, &self.state);
        let greeting = Completion::ok(text).with(Code::Capability(names));
        status::untagged(&mut out, &greeting);
        self.pending = out;
    }

    /// Says BYE and asks to close; whatever was under way ends.
    fn close(&mut self, out: &mut Vec<u8>, goodbye: &Completion) {
        if matches!(self.activity, Activity::Closing) {
            return;
        }
        status::untagged(out, goodbye);
        self.hang_up();
    }

    fn hang_up(&mut self) {
        self.state = State::Logout;
        self.activity = Activity::Closing;
        self.events.push_back(Event::Close);
    }

    /// As [`Self::close`], between turns.
    fn close_later(&mut self, goodbye: &Completion) {
        let mut out = std::mem::take(&mut self.pending);
        self.close(&mut out, goodbye);
        self.pending = out;
    }

    fn ctx<'a>(&'a mut self, out: &'a mut Vec<u8>, now: Now) -> Ctx<'a> {
        Ctx {
            services: &self.services,
            link: &self.link,
            state: &mut self.state,
            out,
            now,
        }
    }
}

/// A turn of the driver ends only when `poll_output` has nothing left to do; hence a task is never under way when the
/// other calls come, and what they write stands between whole responses.
impl Session for ImapSession {
    fn handle_input(&mut self, input: &[u8], now: Now) {
        self.timers.heard(now.mono);
        // Plain bytes around STARTTLS are an attempt to inject commands (RFC 3501 6.2.1).
        if !matches!(self.activity, Activity::StartingTls | Activity::Closing) {
            self.connection.push(input);
        }
    }

    fn handle_eof(&mut self, _now: Now) {
        self.hang_up();
    }

    fn handle_timeout(&mut self, now: Now) {
        match self.timers.ring(now.mono, &self.state, &self.activity) {
            Some(timers::Ring::Over(text)) => self.close_later(&Completion::bye(text)),
            Some(timers::Ring::KeepAlive) => {
                // Keeps translation tables of routers and phones from forgetting an idle connection.
                status::untagged(&mut self.pending, &Completion::ok("Still here"));
            }
            None => {}
        }
    }

    fn handle_answer(&mut self, answer: Answer, now: Now) {
        match answer {
            Answer::TlsStarted(info) => self.tls_started(info, now),
            Answer::Authenticated(outcome) => self.authenticated(outcome, now),
            // Never asked for.
            Answer::Verified(_) => {}
        }
    }

    fn handle_wake(&mut self, _now: Now) {
        match self.listen() {
            Ok(()) => {}
            Err(goodbye) => self.close_later(&goodbye),
        }
    }

    fn handle_shutdown(&mut self, _now: Now) {
        self.close_later(&Completion::bye("the server is shutting down"));
    }

    fn poll_output(&mut self, out: &mut Vec<u8>, now: Now) {
        self.timers.begin(now.mono);
        out.append(&mut self.pending);
        while out.len() < OUTPUT_PIECE_BYTES && self.advance(out, now) {}
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<(Mono, &'static str)> {
        self.timers.next(&self.state, &self.activity)
    }

    fn wants_input(&self) -> bool {
        self.activity.wants_input() && self.connection.wants_input()
    }
}
