//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677, RFC 9266): the messages; the hashing is `auth`'s.
//!
//! A client says in its GS2 header whether it binds the exchange to the TLS connection: `n` cannot, `y` could but was
//! not offered -PLUS, `p=` does. A `y` on a connection where -PLUS was offered means that someone took it out of the
//! list, and fails (RFC 5802 6). What the client binds to comes back in its last message and must be ours.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::{Context, Failure, Mechanism, Move, State, Turn, check_authorization, login_name};
use crate::auth::{Request, ScramParameters};
use crate::mail::secret::Secret;

/// Longest client nonce taken, in bytes.
const CLIENT_NONCE_BYTES_MAX: usize = 512;

/// The channel binding type that we have.
const BINDING_TYPE: &str = "tls-exporter";

/// A SCRAM exchange that waits for one of the client's two messages.
#[derive(Debug)]
pub(super) enum Scram {
    First(First),
    Final(Final),
}

/// Waits for `client-first-message`.
#[derive(Debug)]
pub(super) struct First {
    mechanism: Mechanism,
    context: Context,
}

/// Waits for `client-final-message`.
#[derive(Debug)]
pub(super) struct Final {
    mechanism: Mechanism,
    context: Context,
    login: String,
    /// Client's and server's nonce together.
    nonce: String,
    /// What `c=` must hold: the GS2 header and the binding data.
    binding: Vec<u8>,
    /// `client-first-message-bare "," server-first-message ","`.
    transcript: String,
}

impl Scram {
    pub(super) fn new(mechanism: Mechanism, context: Context) -> Self {
        Self::First(First { mechanism, context })
    }

    pub(super) fn respond(self, response: &[u8]) -> Turn {
        let message = std::str::from_utf8(response).map_err(|_| Failure::Malformed)?;
        match self {
            Self::First(state) => state.respond(message),
            Self::Final(state) => state.respond(message),
        }
    }
}

impl First {
    fn respond(self, message: &str) -> Turn {
        let first = ClientFirst::parse(message)?;
        let exporter = self.check_flag(first.flag)?;
        check_authorization(first.authorization.as_bytes(), &first.login)?;
        let parameters = (self.context.lookup)(&first.login).ok_or(Failure::Unavailable)?;

        let nonce = format!("{}{}", first.nonce, self.context.nonce);
        let server_first = server_first(&nonce, &parameters);
        let mut binding = first.gs2_header.as_bytes().to_vec();
        binding.extend_from_slice(exporter.as_ref().map_or(&[], |data| data.as_slice()));
        let next = Final {
            mechanism: self.mechanism,
            context: self.context,
            nonce,
            binding,
            transcript: format!("{},{server_first},", first.bare),
            login: first.login,
        };
        Ok((
            State::Scram(Scram::Final(next)),
            Move::Challenge(server_first.into_bytes()),
        ))
    }

    /// RFC 5802 6: the data to bind to, if any.
    fn check_flag(&self, flag: Flag<'_>) -> Result<Option<[u8; 32]>, Failure> {
        match (self.mechanism == Mechanism::ScramSha256Plus, flag) {
            (true, Flag::Uses(BINDING_TYPE)) => self
                .context
                .exporter
                .map(Some)
                .ok_or(Failure::ChannelBinding),
            (false, Flag::Unable) => Ok(None),
            (false, Flag::NotOffered) if self.context.exporter.is_none() => Ok(None),
            (false, Flag::NotOffered | Flag::Uses(_)) | (true, _) => Err(Failure::ChannelBinding),
        }
    }
}

impl Final {
    /// RFC 5802 7: `channel-binding "," nonce ["," extensions] "," proof`.
    fn respond(mut self, message: &str) -> Turn {
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or(Failure::Malformed)?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next().and_then(|text| text.strip_prefix("c="));
        let nonce = attributes.next().and_then(|text| text.strip_prefix("r="));
        let binding = BASE64_STANDARD.decode(binding.ok_or(Failure::Malformed)?);
        if binding.map_err(|_| Failure::Malformed)? != self.binding {
            return Err(Failure::ChannelBinding);
        }
        if nonce != Some(&self.nonce) {
            return Err(Failure::Malformed);
        }
        let proof = BASE64_STANDARD
            .decode(proof)
            .map_err(|_| Failure::Malformed)?;
        let proof: [u8; 32] = proof.try_into().map_err(|_| Failure::Malformed)?;
        self.transcript.push_str(without_proof);
        let request = Request::Scram {
            login: self.login,
            auth_message: self.transcript.into_bytes(),
            proof: Secret::new(proof),
            from: self.context.from,
        };
        Ok((State::Checking(self.mechanism), Move::Authenticate(request)))
    }
}

/// RFC 5802 7 `server-final-message` of success.
pub(super) fn server_final(signature: &[u8; 32]) -> Vec<u8> {
    format!("v={}", BASE64_STANDARD.encode(signature)).into_bytes()
}

fn server_first(nonce: &str, parameters: &ScramParameters) -> String {
    let salt = BASE64_STANDARD.encode(&parameters.salt);
    format!("r={nonce},s={salt},i={}", parameters.iterations)
}

/// RFC 5802 7 `gs2-cbind-flag`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flag<'a> {
    Unable,
    NotOffered,
    Uses(&'a str),
}

#[derive(Debug)]
struct ClientFirst<'a> {
    flag: Flag<'a>,
    authorization: String,
    gs2_header: &'a str,
    bare: &'a str,
    login: String,
    nonce: &'a str,
}

impl<'a> ClientFirst<'a> {
    /// RFC 5802 7: `gs2-cbind-flag "," [authzid] "," username "," nonce ["," extensions]`.
    fn parse(message: &'a str) -> Result<Self, Failure> {
        let (flag, rest) = message.split_once(',').ok_or(Failure::Malformed)?;
        let (authorization, bare) = rest.split_once(',').ok_or(Failure::Malformed)?;
        let gs2_header = message.strip_suffix(bare).ok_or(Failure::Malformed)?;
        // A mandatory extension ("m=") would stand first, and we know none.
        let mut attributes = bare.split(',');
        let login = attributes.next().and_then(|text| text.strip_prefix("n="));
        let nonce = attributes.next().and_then(|text| text.strip_prefix("r="));
        Ok(Self {
            flag: parse_flag(flag)?,
            authorization: parse_authorization(authorization)?,
            gs2_header,
            bare,
            login: login_name(unescape(login.ok_or(Failure::Malformed)?)?.as_bytes())?,
            nonce: nonce
                .filter(|nonce| is_nonce(nonce))
                .ok_or(Failure::Malformed)?,
        })
    }
}

fn parse_flag(text: &str) -> Result<Flag<'_>, Failure> {
    match (text, text.strip_prefix("p=")) {
        ("n", _) => Ok(Flag::Unable),
        ("y", _) => Ok(Flag::NotOffered),
        (_, Some(name)) if !name.is_empty() => Ok(Flag::Uses(name)),
        _ => Err(Failure::Malformed),
    }
}

fn parse_authorization(text: &str) -> Result<String, Failure> {
    match (text, text.strip_prefix("a=")) {
        ("", _) => Ok(String::new()),
        (_, Some(name)) if !name.is_empty() => unescape(name),
        _ => Err(Failure::Malformed),
    }
}

/// RFC 5802 5.1: `=2C` is a comma, `=3D` an equals sign, and no other `=` may stand in a name.
fn unescape(name: &str) -> Result<String, Failure> {
    let mut pieces = name.split('=');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        if let Some(rest) = piece.strip_prefix("2C") {
            text.push(',');
            text.push_str(rest);
        } else if let Some(rest) = piece.strip_prefix("3D") {
            text.push('=');
            text.push_str(rest);
        } else {
            return Err(Failure::Malformed);
        }
    }
    Ok(text)
}

fn is_nonce(nonce: &str) -> bool {
    let length = 1..=CLIENT_NONCE_BYTES_MAX;
    length.contains(&nonce.len()) && nonce.bytes().all(|byte| byte.is_ascii_graphic())
}
