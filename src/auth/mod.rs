//! Who may come in: credentials, verifying, throttling.
//!
//! Sessions describe what a peer presented as a [`Request`]; the driver has [`Auth::verify`] check it off the async
//! threads and hands the [`Outcome`] back. Unknown names cost the same time and get the same text as known ones.

use std::net::IpAddr;
use std::time::Duration;

use crate::clock::Now;
use crate::mail::ids::{AccountId, DeviceId};
use crate::mail::secret::Secret;
use crate::store::Store;

/// The door: knows the store's credentials and remembers failures. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Auth {
    _store: Store,
}

/// What a peer presented.
#[derive(Clone, Debug)]
pub enum Request {
    /// A name and a password (SASL PLAIN and LOGIN, IMAP LOGIN, POP3 USER/PASS).
    Password {
        /// Login name as sent: an address, case-insensitive.
        login: String,
        /// Password as sent.
        password: Secret<String>,
        /// Where from, for throttling.
        from: IpAddr,
    },
    /// The client's proof of a SCRAM exchange, with all that checking it needs.
    Scram {
        /// Login name as sent.
        login: String,
        /// RFC 5802 3 `AuthMessage`.
        auth_message: Vec<u8>,
        /// `ClientProof`.
        proof: Secret<[u8; 32]>,
        /// Where from, for throttling.
        from: IpAddr,
    },
}

/// What came of a [`Request`].
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Let in.
    Granted(Identity),
    /// Wrong name or password; which of the two is not told.
    Denied,
    /// Too many failures lately; nothing was checked.
    Throttled {
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// The store cannot be asked; the credentials may be right.
    Unavailable,
}

/// Who was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub account: AccountId,
    /// The device whose app password matched; `None` for the account's own password.
    pub device: Option<DeviceId>,
    /// SCRAM `ServerSignature` to send back, after a SCRAM proof.
    pub server_signature: Option<[u8; 32]>,
}

/// Salt and count that a SCRAM exchange with one name uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramParameters {
    /// Salt, raw.
    pub salt: Vec<u8>,
    /// PBKDF2 iterations.
    pub iterations: u32,
}

impl Auth {
    /// A door to `store`.
    pub fn new(store: Store) -> Self {
        Self { _store: store }
    }

    /// SCRAM parameters for a login name; a stable fake for unknown names.
    pub fn scram_parameters(&self, _login: &str) -> Option<ScramParameters> {
        todo!()
    }

    /// Checks credentials. Blocks for the hashing (about 0.1 s on a small board); not for throttling.
    pub fn verify(&self, _request: &Request, _now: Now) -> Outcome {
        todo!()
    }
}
