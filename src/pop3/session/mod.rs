//! The POP3 session: AUTHORIZATION and TRANSACTION as types, UPDATE as what QUIT does on the way out.
//!
//! Bytes are only collected when they come; lines are taken one at a time while output is drained, so a client may
//! pipeline (RFC 2449 6.6) and a long answer holds back the next command. While the driver checks credentials or shakes
//! hands for TLS no line is taken; what came before the handshake is dropped (RFC 2595 4).

mod authorization;
mod lines;
#[cfg(test)]
mod tests;
mod transaction;

use std::collections::VecDeque;
use std::net::IpAddr;

use self::authorization::Authorization;
use self::lines::{Line, Lines};
use self::transaction::Transaction;
use super::command::{self, Command, CommandError};
use super::reply::{self, Code, LANGUAGES, Text};
use super::shown::Utf8;
use super::{BAD_COMMANDS_MAX, COMMAND_BYTES_MAX, IDLE_MAX, Settings};
use crate::auth::Auth;
use crate::clock::{Mono, Now};
use crate::machine::{Answer, Event, OUTPUT_PIECE_BYTES, Peer, Session, TlsInfo};
use crate::sasl::{Channel, Mechanism, Nonces, RESPONSE_BASE64_BYTES_MAX};
use crate::store::Store;
use crate::store::types::Language;

/// A POP3 session (RFC 1939 3).
#[derive(Debug)]
pub struct Pop3 {
    common: Common,
    lines: Lines,
    phase: Phase,
    deadline: Mono,
}

/// The state that the session is in.
#[derive(Debug)]
enum Phase {
    Authorization(Authorization),
    Transaction(Transaction),
    /// Nothing is taken any more.
    Over,
}

/// What all states share.
#[derive(Debug)]
struct Common {
    store: Store,
    auth: Auth,
    from: IpAddr,
    tls: Option<TlsInfo>,
    settings: Settings,
    nonces: Nonces,
    language: Language,
    utf8: Utf8,
    bad_commands: u32,
    login_failures: u32,
    output: Vec<u8>,
    events: VecDeque<Event>,
}

impl Pop3 {
    /// A session with a new peer, its greeting ready. `seed` is random and used for this session alone.
    pub fn new(
        store: Store,
        auth: Auth,
        peer: Peer,
        settings: Settings,
        seed: &[u8; 32],
        now: Now,
    ) -> Self {
        let mut common = Common {
            store,
            auth,
            from: peer.address.ip(),
            tls: peer.tls,
            settings,
            nonces: Nonces::new(seed),
            language: Language::En,
            utf8: Utf8::Silent,
            bad_commands: 0,
            login_failures: 0,
            output: Vec::new(),
            events: VecDeque::new(),
        };
        common.ok(Text::Greeting);
        Self {
            common,
            lines: Lines::default(),
            phase: Phase::Authorization(Authorization::Idle { login: None }),
            deadline: now.mono + IDLE_MAX,
        }
    }

    /// Does the next bit of work; `false` if there is none.
    fn advance(&mut self, now: Now) -> bool {
        if let Phase::Transaction(transaction) = &mut self.phase
            && transaction.is_sending()
        {
            if transaction.send_piece(&mut self.common).is_err() {
                // The response cannot be ended well; a broken connection is all that tells the client.
                self.close();
            }
            self.deadline = now.mono + IDLE_MAX;
            return true;
        }
        if !self.takes_lines() {
            return false;
        }
        let Some(line) = self.lines.next(self.line_bytes_max()) else {
            return false;
        };
        self.deadline = now.mono + IDLE_MAX;
        self.take_line(line, now);
        true
    }

    fn takes_lines(&self) -> bool {
        match &self.phase {
            Phase::Authorization(authorization) => authorization.takes_lines(),
            Phase::Transaction(transaction) => !transaction.is_sending(),
            Phase::Over => false,
        }
    }

    fn line_bytes_max(&self) -> usize {
        match &self.phase {
            Phase::Authorization(Authorization::Exchanging(_)) => RESPONSE_BASE64_BYTES_MAX,
            Phase::Authorization(_) | Phase::Transaction(_) | Phase::Over => COMMAND_BYTES_MAX,
        }
    }

    fn take_line(&mut self, line: Line, now: Now) {
        let common = &mut self.common;
        self.phase = match (std::mem::replace(&mut self.phase, Phase::Over), line) {
            (Phase::Authorization(Authorization::Exchanging(exchange)), line) => {
                authorization::respond(exchange, &line, common, now)
            }
            (phase, Line::Whole(line)) => match command::parse(&line) {
                Ok(command) => take_command(phase, command, common, now),
                Err(CommandError::Unknown) => common.refuse(phase, Text::UnknownCommand),
                Err(CommandError::Arguments) => common.refuse(phase, Text::WrongArguments),
            },
            (phase, Line::TooLong) => common.refuse(phase, Text::LineTooLong),
        };
        if self.drops_input() {
            self.lines.clear();
        }
    }

    /// Whether what the peer sent, or sends now, is to be thrown away.
    fn drops_input(&self) -> bool {
        match &self.phase {
            // RFC 2595 4: nothing that came before the handshake may be taken for protected.
            Phase::Authorization(authorization) => authorization.drops_input(),
            Phase::Transaction(_) => false,
            Phase::Over => true,
        }
    }

    fn close(&mut self) {
        if !matches!(self.phase, Phase::Over) {
            self.phase = self.common.over();
        }
    }
}

fn take_command(phase: Phase, command: Command, common: &mut Common, now: Now) -> Phase {
    match (command, phase) {
        (Command::Capa, phase) => common.capabilities(phase),
        (Command::Lang(tag), phase) => common.language(tag.as_deref(), phase),
        (command, Phase::Authorization(Authorization::Idle { login })) => {
            authorization::command(command, login, common, now)
        }
        (command, Phase::Transaction(transaction)) => transaction.command(&command, common, now),
        // No line is taken in these.
        (_, phase @ (Phase::Authorization(_) | Phase::Over)) => phase,
    }
}

impl Session for Pop3 {
    fn handle_input(&mut self, input: &[u8], _now: Now) {
        if !self.drops_input() {
            self.lines.push(input);
        }
    }

    fn handle_eof(&mut self, _now: Now) {
        self.close();
    }

    fn handle_timeout(&mut self, now: Now) {
        // RFC 1939 3: closed without a word, and without the UPDATE state.
        if now.mono >= self.deadline {
            self.close();
        }
    }

    fn handle_answer(&mut self, answer: Answer, now: Now) {
        self.deadline = now.mono + IDLE_MAX;
        let phase = std::mem::replace(&mut self.phase, Phase::Over);
        self.phase = match (answer, phase) {
            (Answer::TlsStarted(tls), Phase::Authorization(Authorization::Handshaking)) => {
                self.common.tls = Some(tls);
                self.common.language = Language::En;
                Phase::Authorization(Authorization::Idle { login: None })
            }
            (
                Answer::Authenticated(outcome),
                Phase::Authorization(Authorization::Checking(checking)),
            ) => authorization::checked(checking, &outcome, &mut self.common, now),
            (Answer::TlsStarted(_) | Answer::Authenticated(_) | Answer::Verified(_), phase) => {
                phase
            }
        };
    }

    fn handle_wake(&mut self, _now: Now) {
        // The session keeps what it saw at login, so nothing that changes concerns it.
    }

    fn handle_shutdown(&mut self, _now: Now) {
        // POP3 has no word that a client does not ask for.
        self.close();
    }

    fn poll_output(&mut self, out: &mut Vec<u8>, now: Now) {
        let full = out.len().saturating_add(OUTPUT_PIECE_BYTES);
        loop {
            out.append(&mut self.common.output);
            if out.len() >= full || !self.advance(now) {
                break;
            }
        }
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.common.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<(Mono, &'static str)> {
        match &self.phase {
            Phase::Authorization(authorization) if !authorization.takes_lines() => None,
            Phase::Authorization(_) | Phase::Transaction(_) => Some((self.deadline, "idle")),
            Phase::Over => None,
        }
    }

    fn wants_input(&self) -> bool {
        self.takes_lines() && !self.lines.has_line()
    }
}

impl Common {
    fn ok(&mut self, text: Text) {
        reply::ok(&mut self.output, self.language, text);
    }

    fn err(&mut self, text: Text) {
        reply::err(&mut self.output, self.language, text);
    }

    fn err_code(&mut self, code: Code, text: Text) {
        reply::err_code(&mut self.output, self.language, code, text);
    }

    /// Answers what cannot be carried out; after too many of them the connection is closed.
    fn refuse(&mut self, phase: Phase, text: Text) -> Phase {
        self.bad_commands += 1;
        if self.bad_commands < BAD_COMMANDS_MAX {
            self.err(text);
            return phase;
        }
        self.err(Text::TooManyErrors);
        self.over()
    }

    fn over(&mut self) -> Phase {
        self.events.push_back(Event::Close);
        Phase::Over
    }

    fn channel(&self) -> Channel<'_> {
        Channel {
            tls: self.tls.as_ref(),
            plaintext_without_tls: self.settings.plaintext_without_tls,
        }
    }

    /// CAPA (RFC 2449 5).
    fn capabilities(&mut self, phase: Phase) -> Phase {
        self.ok(Text::Capabilities);
        let mechanisms: Vec<_> = self.channel().offers().map(Mechanism::name).collect();
        let mut lines = vec!["TOP".to_owned(), "UIDL".to_owned()];
        if self.channel().allows_plaintext() {
            lines.push("USER".to_owned());
        }
        lines.push(format!("SASL {}", mechanisms.join(" ")));
        if self.tls.is_none() && matches!(phase, Phase::Authorization(_)) {
            lines.push("STLS".to_owned());
        }
        let always = [
            "PIPELINING",
            "RESP-CODES",
            "AUTH-RESP-CODE",
            // RFC 2449 6.7: how long mail stays that the client leaves here. No device's policy removes any mail
            // before a client deletes it; the policy says what DELE means, not how long mail is kept without it.
            "EXPIRE NEVER",
            "LANG",
            "UTF8 USER",
            "IMPLEMENTATION Heimpost",
        ];
        lines.extend(always.map(str::to_owned));
        reply::lines(&mut self.output, lines);
        phase
    }

    /// LANG (RFC 6856 3.2).
    fn language(&mut self, tag: Option<&str>, phase: Phase) -> Phase {
        let Some(tag) = tag else {
            self.ok(Text::Languages);
            let lines = LANGUAGES.map(|(_, tag, name)| format!("{tag} {name}"));
            reply::lines(&mut self.output, lines);
            return phase;
        };
        let known = LANGUAGES
            .iter()
            .find(|(_, known, _)| known.eq_ignore_ascii_case(tag));
        let default = matches!(tag, "*" | "i-default").then_some(Language::En);
        let found = known.map(|(language, _, _)| *language).or(default);
        let (status, text) = match found {
            Some(_) => ("+OK", Text::LanguageChanged),
            None => ("-ERR", Text::LanguageUnknown),
        };
        self.language = found.unwrap_or(self.language);
        let (tag, text) = (reply::tag(self.language), text.render(self.language));
        reply::line(&mut self.output, &format!("{status} {tag} {text}"));
        phase
    }
}
