//! Who may come in: credentials, verifying, throttling.
//!
//! Sessions describe what a peer presented as a [`Request`]; the driver has [`Auth::verify`] check it off the async
//! threads and hands the [`Outcome`] back. Unknown names cost the same time and get the same text as known ones: they
//! are checked against a decoy whose salt is made from the name and a secret of the store, so that it stays the same.

mod check;
pub mod crypt;
pub mod password;
#[cfg(test)]
mod tests;
mod throttle;
mod verifier;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

use crate::clock::{Mono, Now};
use crate::mail::address::Address;
use crate::mail::ids::{AccountId, DeviceId};
use crate::mail::secret::Secret;
use crate::store::types::{Device, Login, Pop3Delete, SCRAM_SALT_BYTES, Verifier};
use crate::store::{self, Snapshot, Store};
use check::{Found, SlowHashes, Subject};
use crypt::CryptHash;
use password::{APP_PASSWORD_BYTES, AppPassword, PasswordError, Prepared};
use throttle::{Attempt, Throttle};
use verifier::SaltedPassword;

/// Name of the store's setting that holds the key of the decoys' salts.
const DECOY_KEY_SETTING: &str = "auth.decoy_key";

/// The door: knows the store's credentials and remembers failures. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Auth(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    /// How a password is kept that was a crypt(3) hash before.
    hashing: Hashing,
    throttle: Mutex<Throttle>,
    decoy_key: Mutex<Option<Secret<[u8; 32]>>>,
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

/// How somebody came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Via {
    /// The protocol, for people.
    pub protocol: &'static str,
    /// Version of TLS; empty in plain.
    pub tls: String,
}

/// Salt and count that a SCRAM exchange with one name uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramParameters {
    /// Salt, raw.
    pub salt: Vec<u8>,
    /// PBKDF2 iterations.
    pub iterations: u32,
}

/// How an account's own password is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hashing {
    /// SCRAM-SHA-256 keys: every mechanism works.
    #[default]
    Scram,
    /// Argon2id: harder to guess for someone who has the card, and no SCRAM with this password.
    Argon2id,
}

/// Why a password could not be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It breaks a rule.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The store refuses or fails.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The system gives no random bytes, or no memory for hashing.
    #[error("no random bytes or memory for hashing a password")]
    Resources,
}

impl Auth {
    /// A door to `store`.
    pub fn new(store: Store) -> Self {
        Self::with_hashing(store, Hashing::default())
    }

    /// A door to `store` that keeps the passwords of others' hashes so when it first sees them.
    pub fn with_hashing(store: Store, hashing: Hashing) -> Self {
        Self(Arc::new(Inner {
            store,
            hashing,
            throttle: Mutex::default(),
            decoy_key: Mutex::default(),
        }))
    }

    /// The store behind it.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// SCRAM parameters for a login name; a stable fake for unknown names. `None` if the store cannot be asked.
    pub fn scram_parameters(&self, login: &str) -> Option<ScramParameters> {
        let (subject, _) = self.subject(login).ok()?;
        Some(subject.into_parameters())
    }

    /// Checks credentials. Blocks for the hashing (about 0.1 s on a small board); not for throttling.
    pub fn verify(&self, request: &Request, now: Now) -> Outcome {
        let attempt = request.attempt();
        if let Err(retry_after) = self.throttle().begin(&attempt, now.mono) {
            return Outcome::Throttled { retry_after };
        }
        match self.check(request) {
            Ok(Some(found)) => {
                self.throttle().succeeded(&attempt);
                Outcome::Granted(found.into())
            }
            Ok(None) => Outcome::Denied,
            Err(error) => {
                tracing::error!(%error, "credentials could not be checked");
                self.throttle().undecided(&attempt);
                Outcome::Unavailable
            }
        }
    }

    /// Remembers that somebody was let in, for people to look at; not while the clock is not set. Failing, it says so in
    /// the log. Blocks.
    pub fn remember(&self, who: &Identity, from: IpAddr, via: &Via, now: Now) {
        let Some(at) = now.wall else {
            return;
        };
        let login = Login {
            protocol: via.protocol.to_owned(),
            at,
            from,
            tls: via.tls.clone(),
        };
        let kept = self.0.store.remember_login(who.account, who.device, &login);
        if let Err(error) = kept {
            tracing::warn!(account = %who.account, %error, "login not remembered");
        }
    }

    /// How long [`Auth::verify`] would answer `request` with [`Outcome::Throttled`]; zero if it would check it.
    pub fn throttle_delay(&self, request: &Request, now: Mono) -> Duration {
        self.throttle().delay(&request.attempt(), now)
    }

    /// Sets an account's own password; its app passwords stay as they are.
    pub fn set_password(
        &self,
        id: AccountId,
        password: &str,
        hashing: Hashing,
    ) -> Result<(), Error> {
        let password = Prepared::chosen(password)?;
        let verifier = self.own_verifier(id, &password, hashing)?;
        Ok(self.0.store.set_password(id, verifier)?)
    }

    /// Sets an account's own password by the hash of another system. SCRAM does not know the account until the first
    /// login that shows the password.
    pub fn set_crypt(&self, id: AccountId, hash: CryptHash) -> Result<(), Error> {
        let verifier = Verifier::Crypt(hash.into_secret());
        Ok(self.0.store.set_password(id, verifier)?)
    }

    /// Adds a device to an account and gives its app password, which is not kept and cannot be shown again.
    pub fn add_device(
        &self,
        account: AccountId,
        name: &str,
        pop3_delete: Pop3Delete,
        now: Now,
    ) -> Result<(Device, AppPassword), Error> {
        let password = AppPassword::from_random(&random::<APP_PASSWORD_BYTES>()?);
        let verifier = self.scram_verifier(account, &password.prepared())?;
        let device = self
            .0
            .store
            .add_device(account, name, pop3_delete, verifier, now)?;
        Ok((device, password))
    }

    fn own_verifier(
        &self,
        id: AccountId,
        password: &Prepared,
        hashing: Hashing,
    ) -> Result<Verifier, Error> {
        match hashing {
            Hashing::Scram => self.scram_verifier(id, password),
            Hashing::Argon2id => verifier::argon2id(password, &random()?).ok_or(Error::Resources),
        }
    }

    /// Keeps a password that matched a crypt(3) hash as any other from now on. Failing, it is tried again at the next
    /// login. One that SASLprep forbids stays as it is.
    fn renew(&self, id: AccountId, subject: &Subject, typed: &str) {
        let (Some(hash), Ok(password)) = (subject.crypt_hash(), Prepared::presented(typed)) else {
            return;
        };
        let verifier = self.own_verifier(id, &password, self.0.hashing);
        let kept =
            verifier.and_then(|verifier| Ok(self.0.store.replace_crypt(id, hash, verifier)?));
        match kept {
            Ok(true) => {
                tracing::info!(account = %id, "a password from outside is kept as any other now");
            }
            Ok(false) => {}
            Err(error) => tracing::warn!(account = %id, %error, "a password stays a foreign hash"),
        }
    }

    fn scram_verifier(&self, id: AccountId, password: &Prepared) -> Result<Verifier, Error> {
        let credentials = self.0.store.snapshot()?.credentials(id)?;
        let subject = Subject::from(credentials.ok_or(store::Error::NotFound("account"))?);
        Ok(SaltedPassword::derive(password, &subject.into_parameters()).verifier())
    }

    fn check(&self, request: &Request) -> store::Result<Option<Found>> {
        let (subject, slow) = self.subject(request.login())?;
        Ok(match request {
            Request::Password { password, .. } => {
                let found = subject.check_password(password.expose(), &slow);
                if let Some(found) = found.filter(|found| found.by_crypt) {
                    self.renew(found.account, &subject, password.expose());
                }
                found
            }
            Request::Scram {
                auth_message,
                proof,
                ..
            } => subject.check_proof(auth_message, proof.expose()),
        })
    }

    /// The account of that login name, or a decoy. Both are worked out always, so that both take the same time.
    fn subject(&self, login: &str) -> store::Result<(Subject, SlowHashes)> {
        let decoy = Subject::decoy(self.decoy_salt(login)?);
        let snapshot = self.0.store.snapshot()?;
        let slow = slow_hashes(&snapshot)?;
        let account = match lookup_key(login) {
            Some(key) => snapshot.account_by_key(&key)?,
            None => None,
        };
        let credentials = match account {
            Some(account) => snapshot.credentials(account.id)?,
            None => None,
        };
        Ok((credentials.map_or(decoy, Subject::from), slow))
    }

    fn decoy_salt(&self, login: &str) -> store::Result<Vec<u8>> {
        let name = lookup_key(login).unwrap_or_else(|| login.to_lowercase());
        let mac = verifier::hmac_sha256(self.decoy_key()?.expose(), name.as_bytes());
        Ok(mac.into_iter().take(SCRAM_SALT_BYTES).collect())
    }

    fn decoy_key(&self) -> store::Result<Secret<[u8; 32]>> {
        let mut held = self
            .0
            .decoy_key
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &*held {
            return Ok(key.clone());
        }
        let kept = self.0.store.snapshot()?.setting(DECOY_KEY_SETTING)?;
        let key = match kept.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) {
            Some(key) => key,
            None => self.make_decoy_key()?,
        };
        Ok(held.insert(Secret::new(key)).clone())
    }

    fn make_decoy_key(&self) -> store::Result<[u8; 32]> {
        let key = random().map_err(|error| store::Error::Fault(error.to_string()))?;
        self.0.store.set_setting(DECOY_KEY_SETTING, &key)?;
        Ok(key)
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.0
            .throttle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Found> for Identity {
    fn from(found: Found) -> Self {
        Self {
            account: found.account,
            device: found.device,
            server_signature: found.server_signature,
        }
    }
}

impl Request {
    /// Login name as sent.
    pub fn login(&self) -> &str {
        match self {
            Self::Password { login, .. } | Self::Scram { login, .. } => login,
        }
    }

    /// Where from.
    pub fn from(&self) -> IpAddr {
        let (Self::Password { from, .. } | Self::Scram { from, .. }) = self;
        *from
    }

    fn attempt(&self) -> Attempt {
        Attempt::new(self.from(), lookup_key(self.login()))
    }
}

fn lookup_key(login: &str) -> Option<String> {
    let address = Address::parse(login).ok()?;
    Some(address.lookup_key())
}

fn slow_hashes(snapshot: &Snapshot) -> store::Result<SlowHashes> {
    let mut slow = SlowHashes::default();
    for account in snapshot.accounts()? {
        let credentials = snapshot.credentials(account.id)?;
        for (_, verifier) in credentials.into_iter().flat_map(|found| found.verifiers) {
            match verifier {
                Verifier::Argon2id(_) => slow.argon2 = true,
                Verifier::Crypt(hash) => slow.crypt = Some(hash),
                Verifier::Scram { .. } => {}
            }
        }
    }
    Ok(slow)
}

/// Makes a password for an account whose owner chose none: as hard to guess as an app password.
pub fn make_password() -> Result<AppPassword, Error> {
    Ok(AppPassword::from_random(&random::<APP_PASSWORD_BYTES>()?))
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], Error> {
    let mut bytes = [0; BYTES];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::Resources)?;
    Ok(bytes)
}
