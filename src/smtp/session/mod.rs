//! The dialog of one SMTP connection as server, in the receive or the submission role.
//!
//! `mod` runs the turns (bytes to lines to commands, timeouts, the driver's answers); `dialog` has the commands of a
//! mail transaction, `auth` those of logging in, `incoming` takes a message, `inspection` has it judged, `filing` brings
//! it into the store, `told` has the mail log hear of it. Each [`State`] has only what belongs to it; a command consumes
//! it. What outlives transactions is in [`Context`].
//! Replies to pipelined commands (RFC 2920) come in order. A chunk's bytes and a refused message are always read to
//! their end, and never seen by the command parser.

mod auth;
mod dialog;
mod filing;
mod incoming;
mod inspection;
#[cfg(test)]
mod tests;
mod told;
mod wire;

use std::time::Duration;

use crate::auth::{Auth, Identity};
use crate::clock::{Mono, Now};
use crate::delivery::route::Router;
use crate::machine::{self, Answer, Event, Peer, TlsInfo};
use crate::mail::address::Domain;
use crate::maillog::Tally;
use crate::sasl::Nonces;
use crate::store::Store;
use crate::store::types::Language;

use super::command::{COMMAND_LINE_BYTES_MAX, Command, CommandError};
use super::data::Progress;
use super::reply::{Detail, Reply};
use dialog::{Hello, MailGiven, Recipients};
use incoming::{Chunk, Chunks, Data};
use inspection::Verifying;
use wire::{Line, Wire};

/// How long the peer may be silent (RFC 5321 4.5.3.2.7: at least 5 minutes).
pub const IDLE_TIMEOUT: Duration = Duration::from_mins(5);

/// Most commands refused before the connection is closed. Recipients that are refused count too.
pub const ERRORS_MAX: u32 = 25;

/// Most failed logins before the connection is closed.
pub const AUTH_FAILURES_MAX: u32 = 3;

/// Most mail transactions of a connection (RFC 9422 4.1, MAILMAX).
pub const TRANSACTIONS_MAX: u32 = 1000;

/// What a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Mail from other servers for recipients of ours; no AUTH (port 25).
    Receive,
    /// Mail from our users after AUTH (RFC 6409).
    Submission,
}

/// What is done about mail of others that its author's domain disowns (DMARC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checking {
    /// Nothing is checked.
    Off,
    /// It is marked.
    Mark,
    /// What the domain asks for: it is refused, filed in Junk, or marked.
    Obey,
}

/// Limits that owners may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest message, in bytes as stored.
    pub message_bytes_max: u64,
    /// Most recipients of one message.
    pub recipients_max: u32,
}

impl Limits {
    /// Most bytes of one message or chunk that are read. Beyond [`Limits::message_bytes_max`] they are discarded up to
    /// their end, so that it can be said why; beyond this the connection is closed.
    fn read_bytes_max(self) -> u64 {
        self.message_bytes_max.saturating_mul(4)
    }
}

/// All that the connections of a listener have in common. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Service {
    /// What it is for.
    pub role: Role,
    /// Our name.
    pub hostname: Domain,
    /// Limits.
    pub limits: Limits,
    /// Whether AUTH may be used without TLS.
    pub plaintext_without_tls: bool,
    /// Language of reports to senders elsewhere.
    pub language: Language,
    /// Whether what is submitted is filed in its author's Sent.
    pub keeps_sent: bool,
    /// Whether mail of others is judged.
    pub checking: Checking,
    /// Where mail goes.
    pub router: Router,
    /// Where mail is kept.
    pub store: Store,
    /// Who may send.
    pub auth: Auth,
    /// What became of mail, counted.
    pub tally: Tally,
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    context: Context,
    state: State,
    wire: Wire,
    event: Option<Event>,
    ending: Ending,
    deadline: Option<Mono>,
}

/// How far the end of the connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Both sides talk.
    Open,
    /// The peer sends no more; what it sent is acted on.
    PeerDone,
    /// We close once the output is written.
    Closing,
    /// The driver knows.
    Told,
}

/// What outlives a transaction.
#[derive(Debug)]
struct Context {
    service: Service,
    peer: Peer,
    tls: Option<TlsInfo>,
    login: Option<Identity>,
    nonces: Nonces,
    errors: u32,
    auth_failures: u32,
    transactions: u32,
}

/// Where the dialog stands.
#[derive(Debug)]
enum State {
    /// Before HELO or EHLO.
    Greeted,
    /// After it, no transaction.
    Identified(Hello),
    /// MAIL was taken.
    MailGiven(MailGiven),
    /// At least one RCPT was taken.
    Recipients(Recipients),
    /// Reading a message up to its dot.
    Data(Data),
    /// Reading the bytes of a BDAT.
    Chunk(Chunk),
    /// Between two chunks.
    Chunks(Chunks),
    /// The driver asks about a complete message.
    Verifying(Verifying),
    /// A challenge waits for its response.
    AuthExchange(auth::Exchange),
    /// The driver checks credentials.
    Authenticating(auth::Exchange),
    /// The driver starts TLS.
    StartingTls,
    /// Nothing is read any more.
    Closed,
}

/// What comes of a command.
#[derive(Debug)]
struct Turn {
    state: State,
    reply: Option<Reply>,
    event: Option<Event>,
}

impl Turn {
    fn new(state: State, reply: Reply) -> Self {
        Self {
            state,
            reply: Some(reply),
            event: None,
        }
    }
}

impl Session {
    /// A session with `peer`, greeting first. `seed` must be random and used for this connection only.
    pub fn new(service: Service, peer: Peer, seed: [u8; 32]) -> Self {
        let mut wire = Wire::default();
        let hostname = service.hostname.clone();
        wire.send(&Reply::plain(220, format!("{hostname} ESMTP Heimpost")));
        Self {
            context: Context {
                tls: peer.tls.clone(),
                service,
                peer,
                login: None,
                nonces: Nonces::new(&seed),
                errors: 0,
                auth_failures: 0,
                transactions: 0,
            },
            state: State::Greeted,
            wire,
            event: None,
            ending: Ending::Open,
            deadline: None,
        }
    }

    /// Acts on what was received, until more is needed, the driver has to do something, or enough output waits.
    fn advance(&mut self, now: Now) {
        while !self.wire.is_full() && self.event.is_none() && self.step(now) {}
    }

    /// One command, or the bytes at hand of a message; `false` if more input is needed.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "lines are read in all states but the few that say otherwise"
    )]
    fn step(&mut self, now: Now) -> bool {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Data(data) => self.read_data(data, now),
            State::Chunk(chunk) => self.read_chunk(chunk, now),
            state @ (State::Authenticating(_)
            | State::StartingTls
            | State::Verifying(_)
            | State::Closed) => {
                self.state = state;
                false
            }
            state => self.read_line(state, now),
        }
    }

    fn read_line(&mut self, state: State, now: Now) -> bool {
        let Some(line) = self.wire.line() else {
            self.state = state;
            return false;
        };
        self.take_line(state, line, now);
        true
    }

    fn read_data(&mut self, mut data: Data, now: Now) -> bool {
        let pending = self.wire.pending();
        if pending.is_empty() {
            self.state = State::Data(data);
            return false;
        }
        let all = pending.len();
        match data.push(pending, &self.context.service) {
            Progress::More if data.is_endless(&self.context.service) => {
                self.close(&dialog::too_large(&self.context));
            }
            Progress::More => {
                self.wire.consume(all);
                self.state = State::Data(data);
            }
            Progress::Ended(bytes) => {
                self.wire.consume(bytes);
                let turn = data.finish(&mut self.context, now);
                self.apply(turn);
            }
        }
        true
    }

    fn read_chunk(&mut self, mut chunk: Chunk, now: Now) -> bool {
        let used = chunk.push(self.wire.pending(), &self.context.service);
        self.wire.consume(used);
        if !chunk.is_complete() {
            self.state = State::Chunk(chunk);
            return false;
        }
        let turn = chunk.finish(&mut self.context, now);
        self.apply(turn);
        true
    }

    fn take_line(&mut self, state: State, line: Line, now: Now) {
        let turn = match (state, line) {
            (State::AuthExchange(exchange), Line::Whole(line)) => {
                exchange.respond(&line, &mut self.context)
            }
            (State::AuthExchange(exchange), Line::BareLf | Line::TooLong) => exchange.give_up(),
            (state, Line::Whole(line)) => self.take_command(state, &line, now),
            (state, Line::BareLf) => Turn::new(
                state,
                Reply::new(500, Detail(5, 2), "Lines must end with CRLF"),
            ),
            (state, Line::TooLong) => Turn::new(state, line_too_long()),
        };
        self.apply(turn);
    }

    fn take_command(&mut self, state: State, line: &[u8], now: Now) -> Turn {
        if line.len() + 2 > COMMAND_LINE_BYTES_MAX && !Command::is_auth(line) {
            return Turn::new(state, line_too_long());
        }
        match Command::parse(line) {
            Ok(command) => dialog::execute(state, command, &mut self.context, now),
            // Where the chunk ends cannot be told, so nothing behind it can be taken for a command.
            Err(error @ CommandError::Chunk) => Turn::new(State::Closed, refusal(&error)),
            Err(error) => Turn::new(state, refusal(&error)),
        }
    }

    /// Sends the reply and goes to the next state, unless the peer has made too many errors.
    fn apply(&mut self, turn: Turn) {
        let turn = self.without_injection(turn);
        self.state = turn.state;
        self.event = turn.event;
        if let Some(reply) = &turn.reply {
            self.wire.send(reply);
            self.context.errors += u32::from(reply.is_refusal());
        }
        if self.state_is_closed() {
            self.ending = Ending::Closing;
        } else if self.context.auth_failures >= AUTH_FAILURES_MAX {
            self.close(&Reply::new(421, Detail(7, 0), "Too many failed logins"));
        } else if self.context.errors >= ERRORS_MAX {
            self.close(&Reply::new(421, Detail(7, 0), "Too many errors"));
        }
    }

    /// RFC 3207 4.2: what was sent in plaintext must not be taken for something sent under TLS.
    fn without_injection(&self, turn: Turn) -> Turn {
        if !matches!(turn.event, Some(Event::StartTls)) || self.wire.pending().is_empty() {
            return turn;
        }
        let text = "Nothing may follow STARTTLS before its reply";
        Turn::new(State::Closed, Reply::new(501, Detail(5, 1), text))
    }

    /// Says why and closes. Whatever was under way is dropped.
    fn close(&mut self, reply: &Reply) {
        if matches!(self.ending, Ending::Closing | Ending::Told) {
            return;
        }
        self.wire.send(reply);
        self.wire.drop_input();
        self.state = State::Closed;
        self.ending = Ending::Closing;
        self.event = None;
    }

    fn waits_for_driver(&self) -> bool {
        matches!(
            self.state,
            State::Authenticating(_) | State::StartingTls | State::Verifying(_)
        )
    }

    fn tls_started(&mut self, tls: TlsInfo) {
        self.wire.drop_input();
        // RFC 3207 4.2: everything learnt before is forgotten.
        self.context.tls = Some(tls);
        self.context.login = None;
        self.state = State::Greeted;
    }
}

impl machine::Session for Session {
    fn handle_input(&mut self, input: &[u8], now: Now) {
        if self.state_is_closed() {
            return;
        }
        self.deadline = Some(now.mono + IDLE_TIMEOUT);
        self.wire.receive(input);
        self.advance(now);
    }

    fn handle_eof(&mut self, _now: Now) {
        if self.ending == Ending::Open {
            self.ending = Ending::PeerDone;
        }
    }

    fn handle_timeout(&mut self, now: Now) {
        if self.deadline.is_some_and(|deadline| deadline <= now.mono) {
            self.close(&Reply::new(
                421,
                Detail(4, 2),
                "Silent for too long, closing",
            ));
        }
    }

    fn handle_answer(&mut self, answer: Answer, now: Now) {
        self.deadline = Some(now.mono + IDLE_TIMEOUT);
        match (std::mem::replace(&mut self.state, State::Closed), answer) {
            (State::StartingTls, Answer::TlsStarted(tls)) => self.tls_started(tls),
            (State::Authenticating(exchange), Answer::Authenticated(outcome)) => {
                let turn = exchange.finish(&outcome, &mut self.context);
                self.apply(turn);
            }
            (State::Verifying(verifying), Answer::Verified(verdict)) => {
                let turn = verifying.finish(&verdict, &mut self.context, now);
                self.apply(turn);
            }
            (state, _) => self.state = state,
        }
        self.advance(now);
    }

    fn handle_wake(&mut self, _now: Now) {}

    fn handle_shutdown(&mut self, _now: Now) {
        self.close(&Reply::new(
            421,
            Detail(3, 2),
            "Shutting down, try again later",
        ));
    }

    fn poll_output(&mut self, out: &mut Vec<u8>, now: Now) {
        // The first call is the one for the greeting.
        self.deadline.get_or_insert(now.mono + IDLE_TIMEOUT);
        if !self.wire.has_output() {
            self.advance(now);
        }
        self.wire.drain_output(out);
    }

    fn poll_event(&mut self) -> Option<Event> {
        if self.wire.has_output() {
            return None;
        }
        if let Some(event) = self.event.take() {
            return Some(event);
        }
        let done = match self.ending {
            Ending::Open | Ending::Told => false,
            Ending::PeerDone => !self.waits_for_driver(),
            Ending::Closing => true,
        };
        done.then(|| {
            self.ending = Ending::Told;
            self.state = State::Closed;
            Event::Close
        })
    }

    fn poll_timeout(&self) -> Option<(Mono, &'static str)> {
        if self.waits_for_driver() || self.state_is_closed() {
            return None;
        }
        self.deadline.map(|deadline| (deadline, "silent peer"))
    }

    fn wants_input(&self) -> bool {
        self.ending == Ending::Open && !self.waits_for_driver() && !self.wire.is_full()
    }
}

impl Session {
    fn state_is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }
}

fn line_too_long() -> Reply {
    Reply::new(500, Detail(5, 2), "Line too long")
}

/// The reply to a line that is no command.
fn refusal(error: &CommandError) -> Reply {
    let (code, detail) = match error {
        CommandError::Unknown => (500, Detail(5, 1)),
        CommandError::BadBytes(_) => (500, Detail(5, 2)),
        CommandError::Argument(_) | CommandError::Chunk => (501, Detail(5, 4)),
        CommandError::Parameter(_) => (555, Detail(5, 4)),
        CommandError::Sender(_) => (501, Detail(1, 7)),
        CommandError::Recipient(_) => (501, Detail(1, 3)),
        // RFC 6531 3.5
        CommandError::NonAscii => (553, Detail(6, 7)),
    };
    let mut text = error.to_string();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Reply::new(code, detail, text)
}
