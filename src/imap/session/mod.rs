//! One IMAP session as a machine: commands from [`Connection`], answers and events for the driver.
//!
//! One thing is under way at a time ([`Activity`]); while it is, input waits. Order of every command: run, tell what
//! changed, tagged line.

pub mod state;
pub mod task;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use crate::auth::Auth;
use crate::clock::{Mono, Now};
use crate::imap::command::{Ctx, Reply};
use crate::imap::connection::{Connection, Received};
use crate::imap::syntax::command::{Command, Tag};
use crate::imap::syntax::render::status;
use crate::imap::syntax::response::Completion;
use crate::machine::{Answer, Event, OUTPUT_PIECE_BYTES, Peer, Session, TlsInfo, Wake};
use crate::store::Store;
use state::{NotAuthenticated, State};
use task::{Step, Task};

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
    /// Fresh random bytes for a SCRAM nonce.
    pub nonce: [u8; 18],
}

/// One client's session.
#[derive(Debug)]
pub struct ImapSession {
    services: Services,
    link: Link,
    connection: Connection,
    state: State,
    activity: Activity,
    /// Output that is ready before it is polled.
    pending: Vec<u8>,
    events: VecDeque<Event>,
}

/// What is under way.
#[derive(Debug)]
enum Activity {
    /// The next command may be read.
    Ready,
    /// A command answers in pieces.
    Task(Tag, Box<Task>),
    /// The connection ends.
    Closing,
}

impl ImapSession {
    /// A session with a peer; its greeting is the first output. `nonce` is random and used for this session alone.
    pub fn new(services: Services, peer: Peer, nonce: [u8; 18]) -> Self {
        let link = Link {
            address: peer.address.ip(),
            tls: peer.tls,
            wake: peer.wake,
            nonce,
        };
        let mut session = Self {
            services,
            link,
            connection: Connection::default(),
            state: State::NotAuthenticated(NotAuthenticated::default()),
            activity: Activity::Ready,
            pending: Vec::new(),
            events: VecDeque::new(),
        };
        let greeting = Completion::ok("Heimpost ready");
        status::untagged(&mut session.pending, &greeting);
        session
    }

    /// Takes the next step; `false` when there is nothing to do.
    fn advance(&mut self, out: &mut Vec<u8>, now: Now) -> bool {
        match &self.activity {
            Activity::Closing => false,
            Activity::Task(..) => self.step_task(out, now),
            Activity::Ready => match self.connection.receive(out) {
                Some(received) => self.take(received, out, now),
                None => return false,
            },
        }
    }

    fn step_task(&mut self, out: &mut Vec<u8>, now: Now) -> bool {
        let Activity::Task(tag, mut task) = std::mem::replace(&mut self.activity, Activity::Ready)
        else {
            return false;
        };
        match task.step(&mut self.ctx(out, now)) {
            Step::More => self.activity = Activity::Task(tag, task),
            Step::Done(completion) => status::tagged(out, &tag, &completion),
        }
        true
    }

    fn take(&mut self, received: Received, out: &mut Vec<u8>, now: Now) -> bool {
        match received {
            Received::Command(command) => self.run(command, out, now),
            Received::Refused(Some(tag), completion) => status::tagged(out, &tag, &completion),
            Received::Refused(None, completion) => status::untagged(out, &completion),
            Received::Hopeless => self.close(out, "too many errors"),
            Received::Append(_)
            | Received::Literal(_)
            | Received::AppendEnd
            | Received::Line(_) => {}
        }
        true
    }

    fn run(&mut self, command: Command, out: &mut Vec<u8>, now: Now) {
        let reply = crate::imap::command::run(command.body, &mut self.ctx(out, now));
        match reply {
            Reply::Done(completion) => status::tagged(out, &command.tag, &completion),
            Reply::Task(task) => self.activity = Activity::Task(command.tag, task),
        }
    }

    fn close(&mut self, out: &mut Vec<u8>, text: &'static str) {
        status::untagged(out, &Completion::bye(text));
        self.state = State::Logout;
        self.activity = Activity::Closing;
        self.events.push_back(Event::Close);
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

impl Session for ImapSession {
    fn handle_input(&mut self, input: &[u8], _now: Now) {
        self.connection.push(input);
    }

    fn handle_eof(&mut self, _now: Now) {
        self.activity = Activity::Closing;
        self.events.push_back(Event::Close);
    }

    fn handle_timeout(&mut self, _now: Now) {}

    fn handle_answer(&mut self, _answer: Answer, _now: Now) {}

    fn handle_wake(&mut self, _now: Now) {}

    fn handle_shutdown(&mut self, _now: Now) {
        let mut out = std::mem::take(&mut self.pending);
        self.close(&mut out, "the server is shutting down");
        self.pending = out;
    }

    fn poll_output(&mut self, out: &mut Vec<u8>, now: Now) {
        out.append(&mut self.pending);
        while out.len() < OUTPUT_PIECE_BYTES && self.advance(out, now) {}
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<(Mono, &'static str)> {
        None
    }

    fn wants_input(&self) -> bool {
        match self.activity {
            Activity::Ready => self.connection.wants_input(),
            Activity::Task(..) | Activity::Closing => false,
        }
    }
}
