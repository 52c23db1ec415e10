//! The dialog of one SMTP connection as client: greeting, EHLO, STARTTLS, AUTH, then any number of messages, QUIT.
//!
//! The machine has the house's shape: bytes and time come in by `handle_*`, bytes and events go out by `poll_*`; requests
//! are calls that are allowed after [`Event::Ready`]. The driver reads from the server also while it writes, since
//! replies to pipelined commands come any time, and after each call drains [`Client::poll_output`], then
//! [`Client::poll_event`].
//!
//! A message is never held: after [`Event::WantsBody`] the caller gives pieces by [`Client::body`] while
//! [`Client::takes_body`] and ends them by [`Client::body_end`]. [`Event::Sent`] comes exactly once for each message that
//! [`Client::send`] took, whatever happens, and may come before the last piece. After [`Event::Closed`] nothing comes.
//! `reply` reads the server, `envelope` writes commands, `opening` goes as far as [`Event::Ready`], `login` runs AUTH,
//! `transaction` one message, `patience` ends what drags on.

mod body;
pub mod envelope;
pub mod extensions;
mod login;
mod opening;
pub mod outcome;
pub mod patience;
pub mod reply;
#[cfg(test)]
mod tests;
mod transaction;

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use crate::clock::{Mono, Now};
use crate::machine::OUTPUT_PIECE_BYTES;
use crate::mail::address::Domain;
use crate::sasl::NONCE_BYTES;
use crate::sasl::client::{Credentials, Exchange};

use envelope::Envelope;
use extensions::Extensions;
use login::{Login, Turn};
use outcome::{Ended, Fate, LoginError, LoginFailure, Loss, Phase, SendError, TlsError};
use patience::Patience;
use reply::{Class, Replies, Reply};
use transaction::{Step, Transaction};

/// Code of a server that closes the connection, in answer to anything (RFC 5321 3.8).
const CLOSING: u16 = 421;

/// Whether others can read the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// They can.
    Plaintext,
    /// TLS runs.
    Tls,
}

/// What the driver has to do or know.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A request may be made.
    Ready,
    /// Hand the stream over to TLS, then call [`Client::tls_started`]. If the handshake fails, the connection is lost.
    StartTls,
    /// The server has refused STARTTLS; [`Event::Ready`] follows.
    TlsRefused(Reply),
    /// AUTH succeeded; [`Event::Ready`] follows.
    LoggedIn,
    /// AUTH failed; [`Event::Ready`] or, if the server cannot be trusted, [`Event::Closed`] follows.
    LoginFailed(LoginFailure),
    /// The message is wanted.
    WantsBody,
    /// What became of each recipient, in the envelope's order.
    Sent(Vec<Fate>),
    /// The connection is over: close it.
    Closed(Ended),
}

/// One connection.
pub struct Client {
    hostname: Domain,
    security: Security,
    extensions: Extensions,
    logged_in: bool,
    transactions: u32,
    /// Of all recipients so far, as far as the server counts them.
    domains: BTreeSet<Domain>,
    replies: Replies,
    output: Vec<u8>,
    events: VecDeque<Event>,
    state: State,
    patience: Patience,
    deadline: Option<Mono>,
}

/// Where the dialog stands.
#[derive(Debug)]
enum State {
    /// The server speaks first.
    Greeting,
    Ehlo,
    /// EHLO was not understood.
    Helo,
    Ready,
    /// STARTTLS was sent.
    AskingTls,
    /// The driver starts TLS.
    StartingTls,
    Login(Login),
    Transaction(Box<Transaction>),
    /// RSET was sent.
    Resetting,
    /// QUIT was sent.
    Quitting,
    Closed,
}

/// Output may hold passwords, so only its length is shown.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("security", &self.security)
            .field("state", &self.state)
            .field("output_bytes", &self.output.len())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A connection that was just made, over TLS from the start or not. `hostname` is what it calls itself.
    pub fn new(hostname: Domain, security: Security, now: Now) -> Self {
        let mut client = Self {
            hostname,
            security,
            extensions: Extensions::default(),
            logged_in: false,
            transactions: 0,
            domains: BTreeSet::new(),
            replies: Replies::default(),
            output: Vec::new(),
            events: VecDeque::new(),
            state: State::Greeting,
            patience: Patience::request(now.mono),
            deadline: None,
        };
        client.arm(now);
        client
    }

    /// What the server offers. Changes with TLS, so look again after each [`Event::Ready`].
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Whether TLS runs.
    pub fn security(&self) -> Security {
        self.security
    }

    /// Whether nothing more is said or heard; output and events may be left.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Asks for TLS.
    pub fn start_tls(&mut self, now: Now) -> Result<(), TlsError> {
        if !matches!(self.state, State::Ready) {
            return Err(TlsError::NotReady);
        }
        if self.security == Security::Tls || !self.extensions.starttls {
            return Err(TlsError::NotOffered);
        }
        self.patience = Patience::request(now.mono);
        self.say("STARTTLS\r\n", State::AskingTls, now);
        Ok(())
    }

    /// TLS runs now. Everything learnt before is forgotten (RFC 3207 4.2).
    pub fn tls_started(&mut self, now: Now) {
        if matches!(self.state, State::StartingTls) {
            self.security = Security::Tls;
            self.extensions = Extensions::default();
            self.logged_in = false;
            self.say_hello(now);
        }
    }

    /// Logs in by the strongest mechanism that the server offers; without TLS only by one that does not show the
    /// password. `nonce` must be random and used once. SCRAM computes for up to a second when its challenge comes:
    /// the driver calls [`Client::handle_input`] off its async threads.
    pub fn login(
        &mut self,
        credentials: &Credentials,
        nonce: &[u8; NONCE_BYTES],
        now: Now,
    ) -> Result<(), LoginError> {
        // RFC 4954 4: one login for a connection.
        if !matches!(self.state, State::Ready) || self.logged_in {
            return Err(LoginError::NotReady);
        }
        let mechanism = login::choose(&self.extensions.auth, self.security)?;
        let exchange = Exchange::start(mechanism, credentials, nonce)?;
        let login = login::begin(mechanism, exchange, &mut self.output);
        self.patience = Patience::request(now.mono);
        self.say("", State::Login(login), now);
        Ok(())
    }

    /// Begins to send a message. On an error nothing was sent.
    pub fn send(&mut self, envelope: Envelope, now: Now) -> Result<(), SendError> {
        if !matches!(self.state, State::Ready) {
            return Err(SendError::NotReady);
        }
        let limit = self.extensions.limits.mail_max;
        if limit.is_some_and(|limit| self.transactions >= limit) {
            return Err(SendError::MailMax);
        }
        envelope.check(&self.extensions)?;
        let is_taken = transaction::taken(&envelope, &self.extensions.limits, &mut self.domains);
        if !is_taken.contains(&true) {
            return Err(SendError::MailMax);
        }
        self.transactions += 1;
        self.patience = Patience::message(envelope.recipients.len(), envelope.size_bytes, now.mono);
        let transaction = Transaction::new(envelope, &is_taken, &self.extensions);
        self.say("", State::Transaction(Box::new(transaction)), now);
        self.proceed();
        Ok(())
    }

    /// Whether another piece of the message should be given now: the last one is on its way.
    pub fn takes_body(&self) -> bool {
        let has_room = self.output.len() < OUTPUT_PIECE_BYTES;
        matches!(&self.state, State::Transaction(transaction) if transaction.takes_body() && has_room)
    }

    /// Gives a piece of the message, best of up to 64 KiB. Dropped if the server wants no more of it.
    pub fn body(&mut self, bytes: &[u8], now: Now) {
        if let State::Transaction(transaction) = &mut self.state {
            transaction.body(bytes, &mut self.output);
            self.proceed();
            self.arm(now);
        }
    }

    /// That was all of the message.
    pub fn body_end(&mut self, now: Now) {
        if let State::Transaction(transaction) = &mut self.state {
            transaction.body_end(&mut self.output);
            self.proceed();
            self.arm(now);
        }
    }

    /// Gives up at once, without a word: for a message whose rest cannot be read, and for shutdown. What was sent of a
    /// message is void without its end.
    pub fn abandon(&mut self) {
        self.lose(Loss::Abandoned);
    }

    /// Says goodbye.
    pub fn quit(&mut self, now: Now) {
        if matches!(self.state, State::Ready) {
            self.say("QUIT\r\n", State::Quitting, now);
        }
    }

    /// Takes bytes that the server sent.
    pub fn handle_input(&mut self, bytes: &[u8], now: Now) {
        if matches!(self.state, State::StartingTls) && !bytes.is_empty() {
            self.lose(Loss::Injected);
        }
        if matches!(self.state, State::Closed) {
            return;
        }
        self.replies.push(bytes);
        while !matches!(self.state, State::Closed) {
            match self.replies.next_reply() {
                None => break,
                Some(Err(error)) => self.lose(Loss::Broken(error)),
                Some(Ok(reply)) => {
                    self.take(reply, now);
                    self.proceed();
                    self.arm(now);
                }
            }
        }
    }

    /// The server has closed the connection, or it broke.
    pub fn handle_eof(&mut self) {
        self.lose(Loss::Cut);
    }

    /// Appends what has to be written to the server.
    pub fn poll_output(&mut self, out: &mut Vec<u8>, now: Now) {
        if self.output.is_empty() {
            return;
        }
        out.append(&mut self.output);
        self.proceed();
        self.arm(now);
    }

    /// What happened; `None` too while output waits.
    pub fn poll_event(&mut self) -> Option<Event> {
        if self.output.is_empty() {
            self.events.pop_front()
        } else {
            None
        }
    }

    fn phase(&self) -> Phase {
        match &self.state {
            State::Greeting => Phase::Greeting,
            State::Ehlo | State::Helo => Phase::Hello,
            State::AskingTls | State::StartingTls => Phase::StartTls,
            State::Login(_) => Phase::Login,
            State::Transaction(transaction) => transaction.phase(),
            State::Resetting => Phase::Reset,
            State::Quitting => Phase::Quit,
            State::Ready | State::Closed => Phase::Idle,
        }
    }

    fn say(&mut self, command: &str, state: State, now: Now) {
        self.output.extend_from_slice(command.as_bytes());
        self.state = state;
        self.arm(now);
    }

    fn ready(&mut self) {
        self.patience = Patience::OneReply;
        self.state = State::Ready;
        self.events.push_back(Event::Ready);
    }

    /// One reply, in whatever state.
    fn take(&mut self, reply: Reply, now: Now) {
        if reply.code() == CLOSING {
            self.shut_down(reply);
            return;
        }
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Greeting => self.take_greeting(reply, now),
            State::Ehlo => self.take_ehlo(reply, now),
            State::Helo => self.take_helo(reply),
            State::AskingTls => self.take_tls(reply),
            State::Login(login) => self.take_login(login, reply, now),
            State::Transaction(mut transaction) => {
                let step = transaction.take(reply, &mut self.output);
                self.state = State::Transaction(transaction);
                if let Step::Unexpected(reply) = step {
                    self.lose(Loss::Unexpected(reply));
                }
            }
            State::Resetting if reply.class() == Class::Done => self.ready(),
            // Whatever it says to QUIT.
            State::Quitting => self.end(Ended::Quit),
            state @ (State::Ready | State::StartingTls | State::Resetting | State::Closed) => {
                self.state = state;
                self.lose(Loss::Unexpected(reply));
            }
        }
    }

    fn take_login(&mut self, login: Login, reply: Reply, now: Now) {
        match login.take(reply, &mut self.output) {
            Turn::GoOn(login) => self.state = State::Login(login),
            Turn::LoggedIn => {
                self.logged_in = true;
                self.events.push_back(Event::LoggedIn);
                self.ready();
            }
            Turn::Failed(failure) => {
                self.events.push_back(Event::LoginFailed(failure));
                self.ready();
            }
            Turn::Unproved(failure) => {
                let failure = LoginFailure::Client(failure);
                self.events.push_back(Event::LoginFailed(failure));
                self.say("QUIT\r\n", State::Quitting, now);
            }
            Turn::Unexpected(login, reply) => self.unexpected(State::Login(login), reply),
        }
    }

    /// Lets a transaction send what it may, and ends it when it is over.
    fn proceed(&mut self) {
        let State::Transaction(transaction) = &mut self.state else {
            return;
        };
        while self.output.len() < OUTPUT_PIECE_BYTES
            && transaction.send_next(&self.extensions, &mut self.output)
        {}
        if transaction.tell_wanted() {
            self.events.push_back(Event::WantsBody);
        }
        if transaction.is_over() {
            self.finish();
        }
    }

    fn finish(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Ready);
        let State::Transaction(transaction) = state else {
            self.state = state;
            return;
        };
        self.patience = Patience::OneReply;
        let needs_reset = transaction.needs_reset();
        self.events.push_back(Event::Sent(transaction.fates()));
        if needs_reset {
            self.output.extend_from_slice(b"RSET\r\n");
            self.state = State::Resetting;
        } else {
            self.ready();
        }
    }

    /// The server does not want us. RFC 5321 3.1: it waits for QUIT all the same.
    fn refused(&mut self, phase: Phase, reply: Reply) {
        self.output.extend_from_slice(b"QUIT\r\n");
        self.end(Ended::Refused(phase, reply));
    }

    fn unexpected(&mut self, state: State, reply: Reply) {
        self.state = state;
        self.lose(Loss::Unexpected(reply));
    }

    fn shut_down(&mut self, reply: Reply) {
        let phase = self.phase();
        if let State::Transaction(transaction) = &mut self.state {
            transaction.shut_down(&reply);
        }
        self.output.clear();
        self.end_unless_quit(Ended::Refused(phase, reply));
    }

    fn lose(&mut self, loss: Loss) {
        let phase = self.phase();
        if let State::Transaction(transaction) = &mut self.state {
            transaction.lose(&loss);
        }
        self.output.clear();
        self.end_unless_quit(Ended::Lost(phase, loss));
    }

    fn end_unless_quit(&mut self, ended: Ended) {
        match self.state {
            State::Closed => {}
            State::Quitting => self.end(Ended::Quit),
            State::Greeting
            | State::Ehlo
            | State::Helo
            | State::Ready
            | State::AskingTls
            | State::StartingTls
            | State::Login(_)
            | State::Transaction(_)
            | State::Resetting => self.end(ended),
        }
    }

    fn end(&mut self, ended: Ended) {
        if let State::Transaction(transaction) = std::mem::replace(&mut self.state, State::Closed) {
            self.events.push_back(Event::Sent(transaction.fates()));
        }
        self.events.push_back(Event::Closed(ended));
        self.deadline = None;
    }
}
