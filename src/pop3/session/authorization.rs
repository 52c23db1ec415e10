//! The AUTHORIZATION state (RFC 1939 4): USER and PASS, AUTH, STLS, UTF8.

use super::{Command, Common, Line, Phase, Text, Transaction, Utf8};
use crate::auth::{Identity, Outcome, Request};
use crate::clock::Now;
use crate::machine::Event;
use crate::mail::ids::AccountId;
use crate::mail::secret::Secret;
use crate::pop3::LOGIN_FAILURES_MAX;
use crate::pop3::maildrop::Maildrop;
use crate::pop3::reply::{self, Code};
use crate::sasl::{Context, Exchange, Failure, Mechanism, Step};
use crate::space::{self, words};
use crate::store;
use crate::store::types::Level;

/// Where in the AUTHORIZATION state a session is.
#[derive(Debug)]
pub(super) enum Authorization {
    /// Takes commands.
    Idle {
        /// What USER said.
        login: Option<String>,
    },
    /// Takes the client's next line of a SASL exchange.
    Exchanging(Exchange),
    /// The driver checks credentials.
    Checking(Checking),
    /// The driver starts TLS.
    Handshaking,
}

/// How the credentials came that are being checked.
#[derive(Debug)]
pub(super) enum Checking {
    Password,
    Exchange(Exchange),
}

impl Authorization {
    pub(super) fn takes_lines(&self) -> bool {
        match self {
            Self::Idle { .. } | Self::Exchanging(_) => true,
            Self::Checking(_) | Self::Handshaking => false,
        }
    }

    pub(super) fn drops_input(&self) -> bool {
        matches!(self, Self::Handshaking)
    }
}

fn idle(login: Option<String>) -> Phase {
    Phase::Authorization(Authorization::Idle { login })
}

/// Carries out a command of the idle AUTHORIZATION state.
pub(super) fn command(
    command: Command,
    login: Option<String>,
    common: &mut Common,
    now: Now,
) -> Phase {
    match command {
        Command::User(name) => user(name, login, common),
        Command::Pass(password) => pass(password, login, common),
        Command::Auth { mechanism, initial } => {
            let exchange = auth(&mechanism, initial.as_deref(), common);
            match exchange {
                Ok((exchange, step)) => take_step(exchange, step, common, now),
                Err(text) => common.refuse(idle(login), text),
            }
        }
        Command::Stls => stls(login, common),
        Command::Utf8 => {
            common.utf8 = Utf8::Enabled;
            common.ok(Text::Utf8Enabled);
            idle(login)
        }
        Command::Quit => {
            common.ok(Text::Bye);
            common.over()
        }
        Command::Stat
        | Command::List(_)
        | Command::Uidl(_)
        | Command::Retr(_)
        | Command::Top { .. }
        | Command::Dele(_)
        | Command::Rset
        | Command::Noop
        | Command::Capa
        | Command::Lang(_) => common.refuse(idle(login), Text::NotNow),
    }
}

/// RFC 1939 7. The answer is the same for every name.
fn user(name: String, login: Option<String>, common: &mut Common) -> Phase {
    if !common.channel().allows_plaintext() {
        return common.refuse(idle(login), Text::TlsRequired);
    }
    common.ok(Text::PasswordPlease);
    idle(Some(name))
}

fn pass(password: Secret<String>, login: Option<String>, common: &mut Common) -> Phase {
    let Some(login) = login else {
        return common.refuse(idle(None), Text::UserFirst);
    };
    let from = common.from;
    common
        .events
        .push_back(Event::Authenticate(Request::Password {
            login,
            password,
            from,
        }));
    Phase::Authorization(Authorization::Checking(Checking::Password))
}

/// RFC 5034 4.
fn auth(name: &str, initial: Option<&str>, common: &mut Common) -> Result<(Exchange, Step), Text> {
    let wanted = Mechanism::parse(name.as_bytes());
    let offered = common
        .channel()
        .offers()
        .find(|offered| Some(*offered) == wanted);
    let Some(mechanism) = offered else {
        let text = match wanted {
            Some(Mechanism::Plain) => Text::TlsRequired,
            _ => Text::MechanismUnknown,
        };
        return Err(text);
    };
    let nonce = common.nonces.draw();
    let context = Context::new(&common.auth, common.from, common.tls.as_ref(), &nonce);
    let initial = initial.map(str::as_bytes);
    Ok(Exchange::start(mechanism, initial, context))
}

/// RFC 2595 4.
fn stls(login: Option<String>, common: &mut Common) -> Phase {
    if common.tls.is_some() {
        return common.refuse(idle(login), Text::TlsRunning);
    }
    // RFC 6856 2.1: no STLS after UTF8.
    if common.utf8 == Utf8::Enabled {
        return common.refuse(idle(login), Text::TlsAfterUtf8);
    }
    common.ok(Text::TlsBegins);
    common.events.push_back(Event::StartTls);
    Phase::Authorization(Authorization::Handshaking)
}

/// Takes the client's next line of an exchange.
pub(super) fn respond(mut exchange: Exchange, line: &Line, common: &mut Common, now: Now) -> Phase {
    let step = match line {
        Line::Whole(line) => exchange.respond(line),
        Line::TooLong => Step::Failed(Failure::Malformed),
    };
    take_step(exchange, step, common, now)
}

/// Takes what came of the credentials.
pub(super) fn checked(
    checking: Checking,
    outcome: &Outcome,
    common: &mut Common,
    now: Now,
) -> Phase {
    match (checking, outcome) {
        (Checking::Exchange(mut exchange), outcome) => {
            let step = exchange.finish(outcome);
            take_step(exchange, step, common, now)
        }
        (Checking::Password, Outcome::Granted(identity)) => granted(identity, common, now),
        (Checking::Password, Outcome::Denied) => failed(Failure::Denied, common),
        (Checking::Password, Outcome::Throttled { retry_after }) => {
            let retry_after = *retry_after;
            failed(Failure::Throttled { retry_after }, common)
        }
        (Checking::Password, Outcome::Unavailable) => failed(Failure::Unavailable, common),
    }
}

fn take_step(exchange: Exchange, step: Step, common: &mut Common, now: Now) -> Phase {
    match step {
        Step::Challenge(text) => {
            reply::line(&mut common.output, &format!("+ {text}"));
            Phase::Authorization(Authorization::Exchanging(exchange))
        }
        Step::Authenticate(request) => {
            common.events.push_back(Event::Authenticate(request));
            Phase::Authorization(Authorization::Checking(Checking::Exchange(exchange)))
        }
        Step::Granted(identity) => granted(&identity, common, now),
        Step::Failed(failure) => failed(failure, common),
    }
}

fn granted(identity: &Identity, common: &mut Common, now: Now) -> Phase {
    match Maildrop::open(
        &common.store,
        identity.account,
        identity.device,
        common.utf8,
    ) {
        Ok(maildrop) => {
            let messages = maildrop.len();
            tracing::info!(account = %identity.account, device = ?identity.device, messages, "maildrop opened");
            welcome(identity.account, messages, common, now);
            Phase::Transaction(Transaction::new(maildrop))
        }
        Err(error) => {
            tracing::error!(account = %identity.account, %error, "maildrop not opened");
            common.err_code(Code::SysTemp, Text::TemporaryFault);
            idle(None)
        }
    }
}

/// The reply to a login: the number of messages, and why mail does not come in any more or soon will not.
fn welcome(account: AccountId, messages: usize, common: &mut Common, now: Now) {
    let text = Text::Maildrop { messages };
    match alert(account, common, now) {
        Ok(Some(alert)) => {
            let text = text.render(common.language);
            reply::line(&mut common.output, &format!("+OK {text}. {alert}"));
        }
        Ok(None) => common.ok(text),
        Err(error) => {
            tracing::warn!(%error, "the storage state cannot be read");
            common.ok(text);
        }
    }
}

fn alert(account: AccountId, common: &Common, now: Now) -> store::Result<Option<String>> {
    let state = space::of_account(&common.store, account, now)?;
    if state.fill.level < Level::Warning {
        return Ok(None);
    }
    let account = common.store.snapshot()?.account(account)?;
    Ok(account.and_then(|account| words::alert(&state, &account, common.language)))
}

fn failed(failure: Failure, common: &mut Common) -> Phase {
    match failure {
        // RFC 3206 4 and 5: what the credentials are to blame for, and what they are not.
        Failure::Denied => common.err_code(Code::Auth, Text::WrongCredentials),
        Failure::ChannelBinding => common.err_code(Code::Auth, Text::ExchangeBinding),
        Failure::Throttled { retry_after } => {
            let seconds = retry_after.as_secs() + 1;
            common.err_code(Code::SysTemp, Text::TooManyFailures { seconds });
        }
        Failure::Unavailable => common.err_code(Code::SysTemp, Text::TemporaryFault),
        Failure::Cancelled => common.err(Text::ExchangeCancelled),
        Failure::Malformed => common.err(Text::ExchangeMalformed),
    }
    common.login_failures += 1;
    if common.login_failures >= LOGIN_FAILURES_MAX {
        return common.over();
    }
    idle(None)
}
