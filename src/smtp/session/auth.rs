//! AUTH (RFC 4954): the dialog around `sasl`'s machines.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a command is out of order in every state but those that take it, and in new ones too"
)]

use crate::auth::{Identity, Outcome};
use crate::machine::Event;
use crate::sasl::{self, Channel, Failure, Mechanism, Step};
use crate::smtp::reply::{Detail, Reply};

use super::dialog::{Hello, out_of_order};
use super::{Context, Role, State, Turn};

/// An exchange under way.
#[derive(Debug)]
pub(super) struct Exchange {
    hello: Hello,
    machine: sasl::Exchange,
}

impl Context {
    pub(super) fn channel(&self) -> Channel<'_> {
        Channel {
            tls: self.tls.as_ref(),
            plaintext_without_tls: self.service.plaintext_without_tls,
        }
    }
}

/// Takes an AUTH command.
pub(super) fn start(
    state: State,
    mechanism: &str,
    initial: Option<&[u8]>,
    context: &mut Context,
) -> Turn {
    let mechanism = match check(&state, mechanism, context) {
        Ok(mechanism) => mechanism,
        Err(reply) => return Turn::new(state, reply),
    };
    let State::Identified(hello) = state else {
        return Turn::new(state, out_of_order("AUTH is not possible now"));
    };
    let nonce = context.nonces.draw();
    let from = context.peer.address.ip();
    let tls = context.tls.as_ref();
    let world = sasl::Context::new(&context.service.auth, from, tls, &nonce);
    let (machine, step) = sasl::Exchange::start(mechanism, initial, world);
    Exchange { hello, machine }.turn(step, context)
}

fn check(state: &State, mechanism: &str, context: &Context) -> Result<Mechanism, Reply> {
    if context.service.role == Role::Receive {
        return Err(Reply::new(
            502,
            Detail(5, 1),
            "AUTH is not available on this port",
        ));
    }
    if context.login.is_some() {
        return Err(out_of_order("Already authenticated"));
    }
    match state {
        State::Identified(_) => {}
        State::Greeted => return Err(out_of_order("Send EHLO first")),
        _ => return Err(out_of_order("AUTH is not possible during a mail")),
    }
    if !context.channel().allows_plaintext() {
        let text = "Encryption required; issue STARTTLS first";
        return Err(Reply::new(538, Detail(7, 11), text));
    }
    Mechanism::parse(mechanism.as_bytes())
        .filter(|mechanism| context.channel().allows(*mechanism))
        .ok_or_else(|| Reply::new(504, Detail(5, 4), "This mechanism is not offered"))
}

impl Exchange {
    /// Takes the peer's response.
    pub(super) fn respond(mut self, line: &[u8], context: &mut Context) -> Turn {
        let step = self.machine.respond(line);
        self.turn(step, context)
    }

    /// Takes what the driver found.
    pub(super) fn finish(mut self, outcome: &Outcome, context: &mut Context) -> Turn {
        let step = self.machine.finish(outcome);
        self.turn(step, context)
    }

    /// Ends it for a line that is none.
    pub(super) fn give_up(self) -> Turn {
        let reply = Reply::new(
            500,
            Detail(5, 6),
            "Authentication line malformed or too long",
        );
        Turn::new(State::Identified(self.hello), reply)
    }

    fn turn(self, step: Step, context: &mut Context) -> Turn {
        match step {
            Step::Challenge(text) => Turn::new(State::AuthExchange(self), Reply::plain(334, text)),
            Step::Authenticate(request) => Turn {
                state: State::Authenticating(self),
                reply: None,
                event: Some(Event::Authenticate(request)),
            },
            Step::Granted(identity) => self.granted(identity, context),
            Step::Failed(failure) => {
                context.auth_failures += u32::from(is_guess(failure));
                Turn::new(State::Identified(self.hello), refusal(failure))
            }
        }
    }

    fn granted(self, identity: Identity, context: &mut Context) -> Turn {
        tracing::debug!(account = %identity.account, "smtp: authenticated");
        context.login = Some(identity);
        let reply = Reply::new(235, Detail(7, 0), "Authentication successful");
        Turn::new(State::Identified(self.hello), reply)
    }
}

/// Whether it counts towards closing the connection.
fn is_guess(failure: Failure) -> bool {
    match failure {
        Failure::Denied | Failure::ChannelBinding | Failure::Throttled { .. } => true,
        Failure::Cancelled | Failure::Malformed | Failure::Unavailable => false,
    }
}

/// RFC 4954 4, 6.
fn refusal(failure: Failure) -> Reply {
    let (code, detail) = match failure {
        Failure::Cancelled => (501, Detail(7, 0)),
        Failure::Malformed => (501, Detail(5, 2)),
        Failure::ChannelBinding | Failure::Denied => (535, Detail(7, 8)),
        Failure::Throttled { .. } | Failure::Unavailable => (454, Detail(7, 0)),
    };
    let text = match failure {
        Failure::Cancelled => "Authentication cancelled",
        Failure::Malformed => "Malformed authentication response",
        Failure::ChannelBinding => "Channel binding does not match",
        Failure::Denied => "Wrong name or password",
        Failure::Throttled { .. } => "Too many failed logins, try again later",
        Failure::Unavailable => "Temporary authentication failure",
    };
    Reply::new(code, detail, text)
}
