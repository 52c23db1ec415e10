//! Getting in, by LOGIN or a SASL exchange, and being put out when the password no longer holds.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::auth::{Identity, Outcome, Request};
use crate::clock::Now;
use crate::imap::command::capability;
use crate::imap::connection::Received;
use crate::imap::session::ImapSession;
use crate::imap::session::activity::Activity;
use crate::imap::session::alert::Alerts;
use crate::imap::session::state::{Enabled, State, User};
use crate::imap::syntax::command::Tag;
use crate::imap::syntax::render::{put, status};
use crate::imap::syntax::response::{Code, Completion};
use crate::machine::{Event, TlsInfo};
use crate::mail::ids::{AccountId, DeviceId};
use crate::mail::secret::Secret;
use crate::sasl::{Context, Exchange, Failure, Mechanism, Step};
use crate::store::change::{Change, Heard};
use crate::store::types::Verifier;
use crate::store::{self, Store};

/// Failed logins on one connection after which it ends.
pub const LOGIN_FAILURES_MAX: u32 = 5;

/// A SASL exchange that waits for the client.
#[derive(Debug)]
pub(super) struct Exchanging {
    tag: Tag,
    exchange: Exchange,
}

/// Credentials that the driver checks; without an exchange they came by LOGIN.
#[derive(Debug)]
pub(super) struct Verifying {
    tag: Tag,
    exchange: Option<Exchange>,
}

impl ImapSession {
    /// Has the credentials of LOGIN checked.
    pub(super) fn verify(&mut self, tag: Tag, request: Request) {
        self.ask(
            request,
            Verifying {
                tag,
                exchange: None,
            },
        );
    }

    fn ask(&mut self, request: Request, verifying: Verifying) {
        self.events.push_back(Event::Authenticate(request));
        self.activity = Activity::Verifying(Box::new(verifying));
    }

    /// Begins AUTHENTICATE.
    pub(super) fn begin_sasl(
        &mut self,
        tag: Tag,
        mechanism: Mechanism,
        initial: Option<Secret<Vec<u8>>>,
        out: &mut Vec<u8>,
    ) {
        let nonce = self.link.nonces.draw();
        let tls = self.link.tls.as_ref();
        let context = Context::new(&self.services.auth, self.link.address, tls, &nonce);
        let initial = initial.map(|bytes| BASE64_STANDARD.encode(bytes.expose()));
        let initial = initial.as_deref().map(str::as_bytes);
        let (exchange, step) = Exchange::start(mechanism, initial, context);
        self.take_sasl(tag, exchange, step, out);
    }

    /// Waits for the client's next line of an exchange.
    pub(super) fn step_sasl(&mut self, mut exchanging: Box<Exchanging>, out: &mut Vec<u8>) -> bool {
        match self.connection.receive(out) {
            None => {
                self.activity = Activity::Sasl(exchanging);
                return false;
            }
            Some(Received::Line(line)) => {
                let step = exchanging.exchange.respond(&line);
                self.take_sasl(exchanging.tag, exchanging.exchange, step, out);
            }
            Some(other) => self.refuse(other, out),
        }
        true
    }

    fn take_sasl(&mut self, tag: Tag, exchange: Exchange, step: Step, out: &mut Vec<u8>) {
        match step {
            Step::Challenge(text) => {
                put!(out, "+ {text}\r\n");
                self.connection.expect_line();
                self.activity = Activity::Sasl(Box::new(Exchanging { tag, exchange }));
            }
            Step::Authenticate(request) => {
                let exchange = Some(exchange);
                self.ask(request, Verifying { tag, exchange });
            }
            Step::Granted(identity) => self.granted(&tag, &identity, out),
            Step::Failed(failure) => self.failed(&tag, failure, out),
        }
    }

    /// The driver's answer to a question about credentials.
    pub(super) fn authenticated(&mut self, outcome: Outcome, _now: Now) {
        let activity = std::mem::replace(&mut self.activity, Activity::Ready);
        let Activity::Verifying(verifying) = activity else {
            self.activity = activity;
            return;
        };
        let mut out = std::mem::take(&mut self.pending);
        let tag = verifying.tag;
        match verifying.exchange {
            Some(mut exchange) => {
                let step = exchange.finish(&outcome);
                self.take_sasl(tag, exchange, step, &mut out);
            }
            None => match outcome {
                Outcome::Granted(identity) => self.granted(&tag, &identity, &mut out),
                Outcome::Denied => self.failed(&tag, Failure::Denied, &mut out),
                Outcome::Throttled { retry_after } => {
                    self.failed(&tag, Failure::Throttled { retry_after }, &mut out);
                }
                Outcome::Unavailable => self.failed(&tag, Failure::Unavailable, &mut out),
            },
        }
        self.pending = out;
    }

    fn granted(&mut self, tag: &Tag, identity: &Identity, out: &mut Vec<u8>) {
        // Subscribing comes first, so that no change of the password goes unheard.
        let changes = self
            .services
            .store
            .subscribe(identity.account, self.link.wake.clone());
        let verifier = match verifier(&self.services.store, identity.account, identity.device) {
            Ok(Some(verifier)) => verifier,
            Ok(None) => return self.failed(tag, Failure::Denied, out),
            Err(_) => return self.failed(tag, Failure::Unavailable, out),
        };
        tracing::info!(account = %identity.account, address = %self.link.address, "logged in");
        self.state = State::Authenticated(Box::new(User {
            account: identity.account,
            device: identity.device,
            enabled: Enabled::default(),
            verifier,
            changes,
            alerts: Alerts::default(),
        }));
        // What may be used has changed; naming it here saves a round trip (RFC 3501 6.2.3).
        let names = capability::names(&self.services, &self.link, &self.state);
        let completion = Completion::ok("logged in").with(Code::Capability(names));
        status::tagged(out, tag, &completion);
    }

    fn failed(&mut self, tag: &Tag, failure: Failure, out: &mut Vec<u8>) {
        tracing::debug!(%failure, "login failed");
        status::tagged(out, tag, &refusal(failure));
        if let State::NotAuthenticated(state) = &mut self.state {
            state.failures += 1;
            if state.failures >= LOGIN_FAILURES_MAX {
                self.close(out, &Completion::bye("too many failed logins"));
            }
        }
    }

    /// TLS runs: what the client was told before, it has to ask for again (RFC 3501 6.2.1).
    pub(super) fn tls_started(&mut self, info: TlsInfo, _now: Now) {
        self.link.tls = Some(info);
        if matches!(self.activity, Activity::StartingTls) {
            self.activity = Activity::Ready;
        }
    }
}

fn refusal(failure: Failure) -> Completion {
    let text = failure.to_string();
    match failure {
        // RFC 3501 6.2.2: a cancelled exchange is answered BAD.
        Failure::Cancelled | Failure::Malformed => Completion::bad(text),
        Failure::ChannelBinding | Failure::Denied => {
            Completion::no(text).with(Code::AuthenticationFailed)
        }
        // A code that does not make the client ask for another password (RFC 5530 3).
        Failure::Throttled { .. } | Failure::Unavailable => {
            Completion::no(text).with(Code::Unavailable)
        }
    }
}

/// Takes note of what happened in the account: whether mailboxes or messages changed. The goodbye, if the account or
/// the password by which the user came in is no more.
pub(super) fn listen(user: &mut User, store: &Store) -> Result<bool, Completion> {
    let (mut anything, mut account) = (false, false);
    while let Some(heard) = user.changes.poll() {
        match heard {
            Heard::Change(Change::Messages(_) | Change::Mailboxes) => anything = true,
            Heard::Change(Change::Level) => user.alerts.heard = true,
            Heard::Change(Change::Account) => account = true,
            Heard::Lagged => (anything, account, user.alerts.heard) = (true, true, true),
        }
    }
    if account && !may_stay(user, store) {
        return Err(Completion::bye(
            "the password was changed, please log in again",
        ));
    }
    Ok(anything)
}

/// A store that cannot be read puts nobody out.
fn may_stay(user: &User, store: &Store) -> bool {
    match verifier(store, user.account, user.device) {
        Ok(found) => found.is_some_and(|found| same(&found, &user.verifier)),
        Err(_) => true,
    }
}

fn verifier(
    store: &Store,
    account: AccountId,
    device: Option<DeviceId>,
) -> store::Result<Option<Verifier>> {
    let credentials = store.snapshot()?.credentials(account)?;
    let mut verifiers = credentials.into_iter().flat_map(|known| known.verifiers);
    let found = verifiers.find(|(of, _)| *of == device);
    Ok(found.map(|(_, verifier)| verifier))
}

fn same(left: &Verifier, right: &Verifier) -> bool {
    match (left, right) {
        (
            Verifier::Scram {
                stored_key: left, ..
            },
            Verifier::Scram {
                stored_key: right, ..
            },
        ) => left == right,
        (Verifier::Argon2id(left), Verifier::Argon2id(right))
        | (Verifier::Crypt(left), Verifier::Crypt(right)) => left.expose() == right.expose(),
        (Verifier::Scram { .. } | Verifier::Argon2id(_) | Verifier::Crypt(_), _) => false,
    }
}
