//! SASL mechanisms as the server runs them (RFC 4422): PLAIN, LOGIN, SCRAM-SHA-256 and -PLUS, all in one shape.
//!
//! Pure: no IO, no clock, no randomness; nonces and account parameters are arguments. Responses and challenges are in the
//! form in which SMTP, IMAP and POP3 all carry them, base64 on one line without its line end, `=` for an
//! empty initial response and `*` to cancel. How a session uses it:
//!
//! ```
//! use heimpost::sasl::{Context, Exchange, Mechanism, Step};
//! # let context = Context {
//! #     lookup: Box::new(|_| None), from: [127, 0, 0, 1].into(), exporter: None, nonce: "n".into() };
//! // "AUTHENTICATE PLAIN" came, without an initial response. A session makes its context with
//! // Context::new(&auth, peer.address.ip(), tls.as_ref(), &nonces.draw()).
//! let mechanism = Mechanism::parse(b"plain").unwrap();
//! let (mut exchange, step) = Exchange::start(mechanism, None, context);
//! // Challenge: send "+ " (SMTP "334 ") and the text, then give the peer's next line to respond().
//! assert!(matches!(step, Step::Challenge(text) if text.is_empty()));
//! // Authenticate: emit Event::Authenticate(request), then give the driver's Outcome to finish().
//! let Step::Authenticate(_request) = exchange.respond(b"AGFubmEAc2VjcmV0") else { panic!() };
//! let step = exchange.finish(&heimpost::auth::Outcome::Denied);
//! // Step::Granted and Step::Failed end the exchange; SCRAM gives one more Challenge after finish() when let in.
//! assert!(matches!(step, Step::Failed(heimpost::sasl::Failure::Denied)));
//! ```

pub mod client;
mod plain;
mod scram;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ring::hmac;

use crate::auth::{Auth, Identity, Outcome, Request, ScramParameters};
use crate::machine::TlsInfo;

/// Longest response line taken, in base64 bytes. Sessions must allow a line this long while an exchange is under way.
pub const RESPONSE_BASE64_BYTES_MAX: usize = 4096;

/// Longest login name taken, in bytes (RFC 4616 2 needs 255, an address can have 320).
pub const LOGIN_BYTES_MAX: usize = 320;

/// Random bytes in a server nonce.
pub const NONCE_BYTES: usize = 18;

/// A mechanism that this server can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616
    Plain,
    /// draft-murchison-sasl-login: for old submission clients only.
    Login,
    /// RFC 7677
    ScramSha256,
    /// RFC 7677 bound to the TLS connection by tls-exporter (RFC 9266).
    ScramSha256Plus,
}

impl Mechanism {
    /// The mechanism of that registered name, case-insensitive.
    pub fn parse(name: &[u8]) -> Option<Self> {
        let all = [
            Self::ScramSha256Plus,
            Self::ScramSha256,
            Self::Plain,
            Self::Login,
        ];
        all.into_iter()
            .find(|known| known.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
        }
    }
}

/// The connection that an exchange would run over: decides which mechanisms may be offered and taken.
#[derive(Clone, Copy, Debug)]
pub struct Channel<'a> {
    /// TLS, if it runs.
    pub tls: Option<&'a TlsInfo>,
    /// The owner's setting: passwords may cross the wire as they are.
    pub plaintext_without_tls: bool,
}

impl Channel<'_> {
    /// Whether a password may come as it is (PLAIN, LOGIN, USER/PASS).
    pub fn allows_plaintext(self) -> bool {
        self.tls.is_some() || self.plaintext_without_tls
    }

    /// Whether `mechanism` may be used.
    pub fn allows(self, mechanism: Mechanism) -> bool {
        match mechanism {
            Mechanism::Plain | Mechanism::Login => self.allows_plaintext(),
            Mechanism::ScramSha256 => true,
            Mechanism::ScramSha256Plus => self.tls.is_some_and(|tls| tls.exporter.is_some()),
        }
    }

    /// What to offer here, strongest first. Without LOGIN, which submission adds for itself.
    pub fn offers(self) -> impl Iterator<Item = Mechanism> {
        let known = [
            Mechanism::ScramSha256Plus,
            Mechanism::ScramSha256,
            Mechanism::Plain,
        ];
        known
            .into_iter()
            .filter(move |mechanism| self.allows(*mechanism))
    }
}

/// Finds salt and count for a login name; `None` if the store cannot be asked.
pub type Lookup = Box<dyn Fn(&str) -> Option<ScramParameters> + Send>;

/// What an exchange needs to know of the world.
pub struct Context {
    /// SCRAM parameters by login name.
    pub lookup: Lookup,
    /// Where the peer comes from.
    pub from: IpAddr,
    /// The connection's `tls-exporter` value: present exactly when SCRAM-SHA-256-PLUS was offered.
    pub exporter: Option<[u8; 32]>,
    /// The server's part of the SCRAM nonce: printable ASCII without commas, never used before.
    pub nonce: String,
}

impl Context {
    /// For an exchange over a real connection.
    pub fn new(
        auth: &Auth,
        from: IpAddr,
        tls: Option<&TlsInfo>,
        nonce: &[u8; NONCE_BYTES],
    ) -> Self {
        let auth = auth.clone();
        Self {
            lookup: Box::new(move |login| auth.scram_parameters(login)),
            from,
            exporter: tls.and_then(|tls| tls.exporter),
            nonce: BASE64_STANDARD.encode(nonce),
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

/// Server nonces from one random seed per connection: deterministic, each one new, none tells of another.
#[derive(Clone)]
pub struct Nonces {
    key: hmac::Key,
    drawn: u64,
}

impl Nonces {
    /// Nonces from `seed`, which must be random and used for one connection only.
    pub fn new(seed: &[u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, seed),
            drawn: 0,
        }
    }

    /// The next nonce.
    pub fn draw(&mut self) -> [u8; NONCE_BYTES] {
        self.drawn += 1;
        let tag = hmac::sign(&self.key, &self.drawn.to_be_bytes());
        let mut nonce = [0; NONCE_BYTES];
        for (to, from) in nonce.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        nonce
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonces(***)")
    }
}

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Send this base64 text as a challenge; the peer's next line goes to [`Exchange::respond`].
    Challenge(String),
    /// Have these credentials checked; what comes of it goes to [`Exchange::finish`].
    Authenticate(Request),
    /// The peer is let in.
    Granted(Identity),
    /// It is not.
    Failed(Failure),
}

/// Why an exchange ended without success. None tells whether an account exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The peer sent `*`.
    #[error("authentication cancelled")]
    Cancelled,
    /// A response that is no base64 or breaks the mechanism's syntax or limits: the peer's fault, not a wrong
    /// password.
    #[error("malformed authentication response")]
    Malformed,
    /// The channel binding is another than ours: the client was led to believe that -PLUS is not offered, chose a type
    /// that we lack, or speaks through someone in the middle.
    #[error("channel binding does not match")]
    ChannelBinding,
    /// Wrong name or password, or acting for someone else was asked for.
    #[error("wrong name or password")]
    Denied,
    /// Too many failures lately.
    #[error("too many failed logins, try again later")]
    Throttled {
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// The store cannot be asked.
    #[error("temporary failure, try again later")]
    Unavailable,
}

/// One run of one mechanism.
#[derive(Debug)]
pub struct Exchange(State);

#[derive(Debug)]
enum State {
    Plain(plain::Plain),
    Login(plain::Login),
    Scram(scram::Scram),
    /// Credentials are being checked.
    Checking(Mechanism),
    /// The SCRAM client owes its empty response to the server's signature.
    Signed(Identity),
    Over,
}

/// What a mechanism does with one decoded response: the state after it and the step.
type Turn = Result<(State, Move), Failure>;

#[derive(Debug)]
enum Move {
    Challenge(Vec<u8>),
    Authenticate(Request),
    Granted(Identity),
}

impl Exchange {
    /// Begins an exchange. Check [`Channel::allows`] before.
    pub fn start(mechanism: Mechanism, initial: Option<&[u8]>, context: Context) -> (Self, Step) {
        let mut exchange = Self(match mechanism {
            Mechanism::Plain => State::Plain(plain::Plain::new(context)),
            Mechanism::Login => State::Login(plain::Login::new(context)),
            Mechanism::ScramSha256 | Mechanism::ScramSha256Plus => {
                State::Scram(scram::Scram::new(mechanism, context))
            }
        });
        let step = match (initial, &exchange.0) {
            // RFC 4954 4, RFC 4959 3, RFC 5034 4: "=" is an initial response of no bytes.
            (Some(b"="), _) => exchange.respond(b""),
            (Some(initial), _) => exchange.respond(initial),
            (None, State::Login(login)) => Step::Challenge(encode(login.prompt())),
            (None, _) => Step::Challenge(String::new()),
        };
        (exchange, step)
    }

    /// Takes the peer's next line, without its line end.
    pub fn respond(&mut self, line: &[u8]) -> Step {
        let state = std::mem::replace(&mut self.0, State::Over);
        match decode(line).and_then(|response| take(state, &response)) {
            Ok((state, step)) => {
                self.0 = state;
                match step {
                    Move::Challenge(bytes) => Step::Challenge(encode(&bytes)),
                    Move::Authenticate(request) => Step::Authenticate(request),
                    Move::Granted(identity) => Step::Granted(identity),
                }
            }
            Err(failure) => Step::Failed(failure),
        }
    }

    /// Takes what came of [`Step::Authenticate`].
    pub fn finish(&mut self, outcome: &Outcome) -> Step {
        let State::Checking(mechanism) = std::mem::replace(&mut self.0, State::Over) else {
            return Step::Failed(Failure::Malformed);
        };
        match outcome {
            Outcome::Granted(identity) => self.granted(mechanism, identity),
            Outcome::Denied => Step::Failed(Failure::Denied),
            Outcome::Throttled { retry_after } => Step::Failed(Failure::Throttled {
                retry_after: *retry_after,
            }),
            Outcome::Unavailable => Step::Failed(Failure::Unavailable),
        }
    }

    fn granted(&mut self, mechanism: Mechanism, identity: &Identity) -> Step {
        match (mechanism, identity.server_signature) {
            (Mechanism::Plain | Mechanism::Login, _) => Step::Granted(identity.clone()),
            (Mechanism::ScramSha256 | Mechanism::ScramSha256Plus, Some(signature)) => {
                self.0 = State::Signed(identity.clone());
                Step::Challenge(encode(&scram::server_final(&signature)))
            }
            (Mechanism::ScramSha256 | Mechanism::ScramSha256Plus, None) => {
                Step::Failed(Failure::Unavailable)
            }
        }
    }
}

fn take(state: State, response: &[u8]) -> Turn {
    match state {
        State::Plain(plain) => plain.respond(response),
        State::Login(login) => login.respond(response),
        State::Scram(scram) => scram.respond(response),
        // RFC 5802 5: the client has nothing to add to the server's signature.
        State::Signed(identity) if response.is_empty() => {
            Ok((State::Over, Move::Granted(identity)))
        }
        State::Signed(_) | State::Checking(_) | State::Over => Err(Failure::Malformed),
    }
}

fn decode(line: &[u8]) -> Result<Vec<u8>, Failure> {
    if line == b"*" {
        return Err(Failure::Cancelled);
    }
    if line.len() > RESPONSE_BASE64_BYTES_MAX {
        return Err(Failure::Malformed);
    }
    BASE64_STANDARD.decode(line).map_err(|_| Failure::Malformed)
}

fn encode(challenge: &[u8]) -> String {
    BASE64_STANDARD.encode(challenge)
}

/// A login name as a response gives it.
fn login_name(bytes: &[u8]) -> Result<String, Failure> {
    let text = std::str::from_utf8(bytes).map_err(|_| Failure::Malformed)?;
    if text.is_empty() || text.len() > LOGIN_BYTES_MAX || text.contains('\0') {
        return Err(Failure::Malformed);
    }
    Ok(text.to_owned())
}

/// Nobody acts for another here: an authorization identity may only repeat the login name.
fn check_authorization(identity: &[u8], login: &str) -> Result<(), Failure> {
    if identity.is_empty() || identity.eq_ignore_ascii_case(login.as_bytes()) {
        return Ok(());
    }
    Err(Failure::Denied)
}
