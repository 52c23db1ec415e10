//! AUTH (RFC 4954): the dialog around `sasl::client`.

use crate::sasl::Mechanism;
use crate::sasl::client::{ClientFailure, Exchange};

use super::Security;
use super::outcome::{LoginError, LoginFailure};
use super::reply::{Class, Reply};

/// Longest AUTH command with an initial response, with its CRLF (RFC 4954 4).
const AUTH_COMMAND_BYTES_MAX: usize = 512;

/// Strongest first.
const PREFERENCE: [Mechanism; 3] = [Mechanism::ScramSha256, Mechanism::Plain, Mechanism::Login];

/// A login under way.
#[derive(Debug)]
pub(super) enum Login {
    Exchange(Exchange),
    /// We sent `*`.
    Cancelled(ClientFailure),
}

/// What comes of a reply.
#[derive(Debug)]
pub(super) enum Turn {
    GoOn(Login),
    LoggedIn,
    /// The connection can be used for another login.
    Failed(LoginFailure),
    /// The server says success and has not earned it.
    Unproved(ClientFailure),
    Unexpected(Login, Reply),
}

/// The strongest mechanism of those offered that may be used.
pub(super) fn choose(offered: &[Mechanism], security: Security) -> Result<Mechanism, LoginError> {
    let mut known = PREFERENCE
        .into_iter()
        .filter(|mechanism| offered.contains(mechanism));
    let strongest = known.next().ok_or(LoginError::NotOffered)?;
    if strongest == Mechanism::ScramSha256 || security == Security::Tls {
        Ok(strongest)
    } else {
        Err(LoginError::NeedsTls)
    }
}

/// Sends AUTH.
pub(super) fn begin(mechanism: Mechanism, mut exchange: Exchange, out: &mut Vec<u8>) -> Login {
    let name = mechanism.name();
    let initial = exchange.initial();
    let command = initial.map(|initial| format!("AUTH {name} {}\r\n", initial.expose()));
    match command.filter(|command| command.len() <= AUTH_COMMAND_BYTES_MAX) {
        Some(command) => {
            exchange.initial_sent();
            out.extend_from_slice(command.as_bytes());
        }
        None => out.extend_from_slice(format!("AUTH {name}\r\n").as_bytes()),
    }
    Login::Exchange(exchange)
}

impl Login {
    /// Takes a reply; appends what has to be said to `out`.
    pub(super) fn take(self, reply: Reply, out: &mut Vec<u8>) -> Turn {
        match (self, reply.class()) {
            (Self::Exchange(exchange), Class::GoOn) => respond(exchange, &reply, out),
            (Self::Exchange(exchange), Class::Done) => match exchange.finish() {
                Ok(()) => Turn::LoggedIn,
                Err(failure) => Turn::Unproved(failure),
            },
            (Self::Exchange(_), Class::Transient | Class::Permanent) => {
                Turn::Failed(LoginFailure::Refused(reply))
            }
            (Self::Cancelled(failure), Class::Transient | Class::Permanent) => {
                Turn::Failed(LoginFailure::Client(failure))
            }
            (Self::Cancelled(failure), Class::Done) => Turn::Unproved(failure),
            (state @ Self::Cancelled(_), Class::GoOn) => Turn::Unexpected(state, reply),
        }
    }
}

fn respond(mut exchange: Exchange, reply: &Reply, out: &mut Vec<u8>) -> Turn {
    let challenge = reply.lines().first().map_or("", String::as_str);
    match exchange.respond(challenge) {
        Ok(line) => {
            out.extend_from_slice(line.expose().as_bytes());
            out.extend_from_slice(b"\r\n");
            Turn::GoOn(Login::Exchange(exchange))
        }
        Err(failure) => {
            out.extend_from_slice(b"*\r\n");
            Turn::GoOn(Login::Cancelled(failure))
        }
    }
}
