//! Logins at smarthosts: a password in a file is read each time, and one that failed is not tried again and again.
//!
//! Providers lock accounts after a few wrong passwords. So after a login that was refused for good the same password waits
//! for [`HOLD`]; another password is tried at once. No mail is lost over it: all of it waits.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::OwnedMutexGuard;

use super::blocking;
use super::line::Line;
use super::words::Fault;
use crate::clock::{Mono, Now};
use crate::mail::address::Domain;
use crate::mail::secret::Secret;
use crate::maillog;
use crate::queue::presets::Preset;
use crate::queue::relay::{Login, Password};
use crate::sasl::NONCE_BYTES;
use crate::sasl::client::{ClientFailure, Credentials};
use crate::smtp::client::Event;
use crate::smtp::client::outcome::{Ended, LoginError, LoginFailure};
use crate::smtp::client::reply::Class;
use crate::store::types::Language;

/// How long a password that was refused is not tried again.
pub(super) const HOLD: Duration = Duration::from_mins(10);

/// Longest first line of a password file.
const PASSWORD_BYTES_MAX: u64 = 4096;

/// What is known of logins. Cheap to clone; clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Logins {
    all: Arc<Mutex<BTreeMap<(Domain, String), Slot>>>,
    /// Of hints in the log.
    language: Language,
}

/// One login at one host: whose turn it is, and the failure that holds it back.
type Slot = Arc<tokio::sync::Mutex<Option<Failure>>>;

/// A login that failed for good.
#[derive(Debug)]
pub(super) struct Failure {
    password: Secret<String>,
    until: Mono,
    words: String,
}

/// The right to log in; nobody else does meanwhile.
#[derive(Debug)]
pub(super) struct Turn {
    host: Domain,
    login: Login,
    language: Language,
    failure: OwnedMutexGuard<Option<Failure>>,
}

impl Logins {
    pub(super) fn new(language: Language) -> Self {
        Self {
            all: Arc::default(),
            language,
        }
    }

    /// Waits for the turn.
    pub(super) async fn turn(&self, host: &Domain, login: &Login) -> Turn {
        let slot = {
            let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            Slot::clone(all.entry((host.clone(), login.user.clone())).or_default())
        };
        Turn {
            host: host.clone(),
            login: login.clone(),
            language: self.language,
            failure: slot.lock_owned().await,
        }
    }
}

impl Turn {
    /// What to log in with, unless it is known to fail.
    pub(super) async fn credentials(&self, now: Now) -> Result<Credentials, Fault> {
        let password = self.password().await?;
        match &*self.failure {
            Some(failure)
                if now.mono < failure.until && failure.password.expose() == password.expose() =>
            {
                Err(Fault::Login(failure.words.clone()))
            }
            Some(_) | None => Ok(Credentials {
                login: self.login.user.clone(),
                password,
            }),
        }
    }

    async fn password(&self) -> Result<Secret<String>, Fault> {
        let file = match &self.login.password {
            Password::Given(password) => return Ok(password.clone()),
            Password::File(file) => file.clone(),
        };
        let shown = file.display().to_string();
        let read = blocking(move || first_line(&file), io::Error::other).await;
        read.map_err(|error| {
            tracing::warn!(file = %shown, %error, "the password of a smarthost cannot be read");
            let words = format!("the password file for {} cannot be read", self.host);
            Fault::NoLogin(words)
        })
    }

    /// Logs in.
    pub(super) async fn log_in(mut self, line: &mut Line, with: &Credentials) -> Result<(), Fault> {
        let result = authenticate(line, with).await;
        let result = result.map_err(|denial| self.fault(denial));
        *self.failure = match &result {
            Err(Fault::Login(words)) => Some(self.failed(with, words, line.now())),
            _ => None,
        };
        result
    }

    fn fault(&self, denial: Denial) -> Fault {
        match denial {
            Denial::Chance(words) => Fault::NoLogin(words),
            Denial::NotBegun(error @ LoginError::Client(ClientFailure::Credentials)) => {
                Fault::Login(self.words(&error.to_string()))
            }
            // The password was not looked at, so nothing is known against it.
            Denial::NotBegun(error) => Fault::NoLogin(self.words(&error.to_string())),
            Denial::Failed(LoginFailure::Refused(reply)) if reply.class() == Class::Permanent => {
                Fault::Login(self.words(&reply.to_string()))
            }
            Denial::Failed(LoginFailure::Refused(reply)) => {
                Fault::NoLogin(self.words(&reply.to_string()))
            }
            Denial::Failed(LoginFailure::Client(failure)) => {
                Fault::Login(self.words(&failure.to_string()))
            }
            Denial::Ended(ended) => Fault::Ended(ended),
        }
    }

    fn words(&self, why: &str) -> String {
        format!(
            "login as {} at {} failed: {why}",
            self.login.user, self.host
        )
    }

    fn failed(&self, with: &Credentials, words: &str, now: Now) -> Failure {
        let hint = Preset::of_host(&self.host).map_or("", |preset| preset.hint(self.language));
        maillog::smarthost_login_failed(words, hint);
        Failure {
            password: with.password.clone(),
            until: now.mono + HOLD,
            words: words.to_owned(),
        }
    }
}

/// Why there was no login.
#[derive(Debug)]
pub(super) enum Denial {
    /// The system has no randomness; in words.
    Chance(String),
    /// It was not even begun.
    NotBegun(LoginError),
    /// It failed.
    Failed(LoginFailure),
    /// The connection ended.
    Ended(Ended),
}

/// Logs in, whatever is known of logins before.
pub(super) async fn authenticate(line: &mut Line, with: &Credentials) -> Result<(), Denial> {
    line.set_computes(true);
    let result = exchange(line, with).await;
    line.set_computes(false);
    result
}

async fn exchange(line: &mut Line, with: &Credentials) -> Result<(), Denial> {
    let nonce = nonce().map_err(|error| Denial::Chance(error.to_string()))?;
    let now = line.now();
    let begun = line.client().login(with, &nonce, now);
    begun.map_err(Denial::NotBegun)?;
    loop {
        match line.event().await {
            Event::LoggedIn => return line.ready().await.map_err(Denial::Ended),
            Event::LoginFailed(failure) => return Err(Denial::Failed(failure)),
            Event::Closed(ended) => return Err(Denial::Ended(ended)),
            Event::Ready
            | Event::StartTls
            | Event::TlsRefused(_)
            | Event::WantsBody
            | Event::Sent(_) => {}
        }
    }
}

/// The password, without the end of its line.
pub(super) fn first_line(file: &Path) -> io::Result<Secret<String>> {
    let mut line = String::new();
    let mut reader = BufReader::new(File::open(file)?).take(PASSWORD_BYTES_MAX);
    reader.read_line(&mut line)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(Secret::new(line))
}

fn nonce() -> io::Result<[u8; NONCE_BYTES]> {
    let mut nonce = [0; NONCE_BYTES];
    let filled = SystemRandom::new().fill(&mut nonce);
    filled.map_err(|_| io::Error::other("no randomness"))?;
    Ok(nonce)
}
