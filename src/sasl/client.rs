//! SASL mechanisms as the client runs them, towards a smarthost: PLAIN (RFC 4616), LOGIN and SCRAM-SHA-256 (RFC 5802,
//! RFC 7677), in one shape.
//!
//! Pure like the server's side: the nonce is an argument, lines are base64 without their line ends. [`Exchange::start`]
//! gives the initial response, [`Exchange::respond`] answers each challenge, and [`Exchange::finish`] must agree before
//! the server's word of success is believed: SCRAM proves the server too, and a server that skips its proof is not the
//! one that knows the password. PLAIN and LOGIN show the password to the server; the caller sees to TLS.

#[cfg(test)]
mod tests;

use std::num::NonZeroU32;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ring::{digest, hmac, pbkdf2};
use subtle::ConstantTimeEq;

use super::{Mechanism, NONCE_BYTES, RESPONSE_BASE64_BYTES_MAX};
use crate::auth::password::Prepared;
use crate::mail::secret::Secret;

/// Most PBKDF2 rounds that a server may ask for. More would only serve to keep the board busy.
pub const ITERATIONS_MAX: u32 = 1_000_000;

/// Fewest PBKDF2 rounds (RFC 7677 4). Fewer would make what an attacker records easier to guess from.
pub const ITERATIONS_MIN: u32 = 4096;

/// RFC 5802 7: no channel binding, no authorization identity.
const GS2_HEADER: &str = "n,,";

/// Who logs in. Debug does not show the password.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The account's name at the server.
    pub login: String,
    /// Its password.
    pub password: Secret<String>,
}

/// Why an exchange cannot go on. What the server said is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientFailure {
    /// This client does not run the mechanism.
    #[error("this login mechanism is not known here")]
    Mechanism,
    /// Name or password cannot be written in the mechanism's messages (empty, NUL, forbidden by SASLprep).
    #[error("name or password has characters that this login mechanism cannot carry")]
    Credentials,
    /// A challenge that the mechanism does not have at that point.
    #[error("the server's challenge is malformed")]
    Challenge,
    /// SCRAM: the nonce in the challenge does not begin with ours.
    #[error("the server answers another client's login")]
    Nonce,
    /// SCRAM: a number of rounds outside [`ITERATIONS_MIN`] to [`ITERATIONS_MAX`].
    #[error("the server asks for {0} rounds of PBKDF2")]
    Iterations(u32),
    /// SCRAM: the server's signature is wrong or was never sent.
    #[error("the server has not proved that it knows the password")]
    ServerSignature,
}

/// One exchange. Debug shows no secrets.
#[derive(Debug)]
pub struct Exchange(State);

#[derive(Debug)]
enum State {
    /// PLAIN: the one message, until it is asked for or was sent.
    Plain(Secret<Vec<u8>>),
    LoginName(Credentials),
    LoginPassword(Credentials),
    ScramFirst(First),
    ScramFinal(Final),
    /// Nothing is left to say, and the server's word counts.
    Complete,
    Failed,
}

/// Waits for `server-first-message`.
#[derive(Debug)]
struct First {
    credentials: Credentials,
    nonce: String,
    /// `client-first-message-bare`
    bare: String,
}

/// Waits for `server-final-message`.
#[derive(Debug)]
struct Final {
    server_signature: Secret<[u8; 32]>,
}

impl Exchange {
    /// Begins. `nonce` must be random and used once. For the initial response see [`Exchange::initial`].
    pub fn start(
        mechanism: Mechanism,
        credentials: &Credentials,
        nonce: &[u8; NONCE_BYTES],
    ) -> Result<Self, ClientFailure> {
        Self::start_with_nonce(mechanism, credentials, BASE64_STANDARD.encode(nonce))
    }

    fn start_with_nonce(
        mechanism: Mechanism,
        credentials: &Credentials,
        nonce: String,
    ) -> Result<Self, ClientFailure> {
        check(credentials)?;
        match mechanism {
            Mechanism::Plain => Ok(Self(State::Plain(plain(credentials)))),
            Mechanism::Login => Ok(Self(State::LoginName(credentials.clone()))),
            Mechanism::ScramSha256 => First::new(credentials, nonce)
                .map(State::ScramFirst)
                .map(Self),
            Mechanism::ScramSha256Plus => Err(ClientFailure::Mechanism),
        }
    }

    /// The initial response, for the command that starts the exchange; `None` if the server speaks first. When it is
    /// not sent there, the server's first challenge is empty and [`Exchange::respond`] gives it.
    pub fn initial(&self) -> Option<Secret<String>> {
        match &self.0 {
            State::Plain(message) => Some(encode(message.expose())),
            State::ScramFirst(first) => Some(encode(first.message().as_bytes())),
            State::LoginName(_)
            | State::LoginPassword(_)
            | State::ScramFinal(_)
            | State::Complete
            | State::Failed => None,
        }
    }

    /// The initial response was sent.
    pub fn initial_sent(&mut self) {
        if matches!(self.0, State::Plain(_)) {
            self.0 = State::Complete;
        }
    }

    /// The response to a challenge line. PBKDF2 runs in here: some 10 ms to a second of computing.
    pub fn respond(&mut self, challenge: &str) -> Result<Secret<String>, ClientFailure> {
        let challenge = decode(challenge)?;
        match std::mem::replace(&mut self.0, State::Failed) {
            State::Plain(message) if challenge.is_empty() => {
                self.0 = State::Complete;
                Ok(encode(message.expose()))
            }
            // The texts of the two questions differ from server to server; their order does not.
            State::LoginName(credentials) => {
                let line = encode(credentials.login.as_bytes());
                self.0 = State::LoginPassword(credentials);
                Ok(line)
            }
            State::LoginPassword(credentials) => {
                self.0 = State::Complete;
                Ok(encode(credentials.password.expose().as_bytes()))
            }
            State::ScramFirst(first) if challenge.is_empty() => {
                let line = encode(first.message().as_bytes());
                self.0 = State::ScramFirst(first);
                Ok(line)
            }
            State::ScramFirst(first) => {
                let (next, message) = first.respond(&challenge)?;
                self.0 = State::ScramFinal(next);
                Ok(encode(message.as_bytes()))
            }
            State::ScramFinal(state) => {
                state.verify(&challenge)?;
                self.0 = State::Complete;
                Ok(encode(b""))
            }
            State::Plain(_) | State::Complete | State::Failed => Err(ClientFailure::Challenge),
        }
    }

    /// The server says that the login succeeded: whether that may be believed.
    pub fn finish(self) -> Result<(), ClientFailure> {
        match self.0 {
            State::Complete => Ok(()),
            State::ScramFirst(_) | State::ScramFinal(_) => Err(ClientFailure::ServerSignature),
            State::Plain(_) | State::LoginName(_) | State::LoginPassword(_) | State::Failed => {
                Err(ClientFailure::Challenge)
            }
        }
    }
}

fn check(credentials: &Credentials) -> Result<(), ClientFailure> {
    let fits = |text: &str| !text.is_empty() && !text.contains('\0');
    if fits(&credentials.login) && fits(credentials.password.expose()) {
        Ok(())
    } else {
        Err(ClientFailure::Credentials)
    }
}

/// RFC 4616 2
fn plain(credentials: &Credentials) -> Secret<Vec<u8>> {
    let message = format!("\0{}\0{}", credentials.login, credentials.password.expose());
    Secret::new(message.into_bytes())
}

impl First {
    fn new(credentials: &Credentials, nonce: String) -> Result<Self, ClientFailure> {
        // RFC 5802 5.1: the name too is prepared, then "=" and "," are escaped.
        let login = stringprep::saslprep(&credentials.login)
            .map_err(|_| ClientFailure::Credentials)?
            .replace('=', "=3D")
            .replace(',', "=2C");
        Ok(Self {
            credentials: credentials.clone(),
            bare: format!("n={login},r={nonce}"),
            nonce,
        })
    }

    fn message(&self) -> String {
        format!("{GS2_HEADER}{}", self.bare)
    }

    /// RFC 5802 3, 7: checks `server-first-message`, gives `client-final-message`.
    fn respond(&self, challenge: &[u8]) -> Result<(Final, String), ClientFailure> {
        let server_first = std::str::from_utf8(challenge).map_err(|_| ClientFailure::Challenge)?;
        let parameters = ServerFirst::parse(server_first, &self.nonce)?;
        let password = Prepared::presented(self.credentials.password.expose())
            .map_err(|_| ClientFailure::Credentials)?;
        let salted = salted_password(&password, &parameters);

        let binding = BASE64_STANDARD.encode(GS2_HEADER);
        let without_proof = format!("c={binding},r={}", parameters.nonce);
        let auth_message = format!("{},{server_first},{without_proof}", self.bare);
        let client_key = hmac_sha256(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, &client_key);
        let mut proof = hmac_sha256(stored_key.as_ref(), auth_message.as_bytes());
        for (byte, key) in proof.iter_mut().zip(client_key) {
            *byte ^= key;
        }
        let server_key = hmac_sha256(&salted, b"Server Key");
        let signature = hmac_sha256(&server_key, auth_message.as_bytes());
        let message = format!("{without_proof},p={}", BASE64_STANDARD.encode(proof));
        let server_signature = Secret::new(signature);
        Ok((Final { server_signature }, message))
    }
}

impl Final {
    /// RFC 5802 7 `server-final-message`: `v=` and the signature, or `e=` and an error.
    fn verify(&self, challenge: &[u8]) -> Result<(), ClientFailure> {
        let text = std::str::from_utf8(challenge).map_err(|_| ClientFailure::Challenge)?;
        let signature = text
            .split(',')
            .next()
            .and_then(|text| text.strip_prefix("v="));
        let signature = signature
            .and_then(|text| BASE64_STANDARD.decode(text).ok())
            .ok_or(ClientFailure::ServerSignature)?;
        if signature.ct_eq(self.server_signature.expose()).into() {
            Ok(())
        } else {
            Err(ClientFailure::ServerSignature)
        }
    }
}

struct ServerFirst<'a> {
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: NonZeroU32,
}

impl<'a> ServerFirst<'a> {
    /// RFC 5802 7: `nonce "," salt "," iteration-count ["," extensions]`.
    fn parse(message: &'a str, client_nonce: &str) -> Result<Self, ClientFailure> {
        // A mandatory extension ("m=") would stand first, and we know none.
        let mut attributes = message.split(',');
        let mut attribute = |name| attributes.next().and_then(|text| text.strip_prefix(name));
        let nonce: &str = attribute("r=").ok_or(ClientFailure::Challenge)?;
        let salt = attribute("s=").and_then(|text: &str| BASE64_STANDARD.decode(text).ok());
        let rounds = attribute("i=").and_then(|text: &str| text.parse().ok());
        let rounds: u32 = rounds.ok_or(ClientFailure::Challenge)?;
        match nonce.strip_prefix(client_nonce) {
            Some(added) if !added.is_empty() => {}
            _ => return Err(ClientFailure::Nonce),
        }
        Ok(Self {
            nonce,
            salt: salt
                .filter(|salt| !salt.is_empty())
                .ok_or(ClientFailure::Challenge)?,
            iterations: NonZeroU32::new(rounds)
                .filter(|rounds| (ITERATIONS_MIN..=ITERATIONS_MAX).contains(&rounds.get()))
                .ok_or(ClientFailure::Iterations(rounds))?,
        })
    }
}

fn salted_password(password: &Prepared, parameters: &ServerFirst<'_>) -> [u8; 32] {
    let mut salted = [0; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        parameters.iterations,
        &parameters.salt,
        password.as_bytes(),
        &mut salted,
    );
    salted
}

fn hmac_sha256(key: &[u8], data: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

fn encode(message: &[u8]) -> Secret<String> {
    Secret::new(BASE64_STANDARD.encode(message))
}

fn decode(challenge: &str) -> Result<Vec<u8>, ClientFailure> {
    if challenge.len() > RESPONSE_BASE64_BYTES_MAX {
        return Err(ClientFailure::Challenge);
    }
    BASE64_STANDARD
        .decode(challenge)
        .map_err(|_| ClientFailure::Challenge)
}
