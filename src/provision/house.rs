//! What is wished of the store: the box's domain, time zone and language, and its first account.
//!
//! What the configuration file or the page says stays. Run again, it does nothing more; a power cut between its commits
//! leaves an account without a password, which the next run gives one.

use super::note::{Note, Problem};
use super::plan::Wishes;
use super::preseed::{Password, User};
use crate::auth::Auth;
use crate::clock::Now;
use crate::config::stored::{SETTING, Stored, Written};
use crate::config::{self, Settings};
use crate::mail::address::Address;
use crate::manage::account::{self, Office, hashing};
use crate::store::types::{Account, Language};
use crate::store::{self, NewAccount, Store};

/// Why the wishes were not granted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refuses or fails.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The store is not there for us.
    #[error("{0}")]
    Unavailable(String),
    /// The settings in the store cannot be.
    #[error(transparent)]
    Settings(#[from] config::Error),
    /// The account cannot be made.
    #[error(transparent)]
    Account(#[from] account::Error),
}

/// What has been done, for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Furnished {
    /// The account that was made.
    pub account: Option<Address>,
    /// What was not done.
    pub notes: Vec<Note>,
}

/// Grants the wishes.
pub fn furnish(
    store: &Store,
    written: &Written,
    wishes: &Wishes,
    now: Now,
) -> Result<Furnished, Error> {
    let stored = set(store, written, wishes)?;
    let settings = written.with(&stored)?;
    match &wishes.user {
        None => Ok(Furnished::default()),
        Some(user) => first_account(store, &settings, user, now),
    }
}

/// Sets what neither file nor page has set.
fn set(store: &Store, written: &Written, wishes: &Wishes) -> Result<Stored, Error> {
    let kept = store.snapshot()?.setting(SETTING)?;
    let before = Stored::parse(kept.as_deref().unwrap_or_default())?;
    let mut after = before.clone();
    let locked = written.locked();
    let mut set = |key: &str, value: Option<toml::Value>| {
        if value.is_some() && before.get(key).is_none() && !locked.contains(key) {
            after.set(key, value);
        }
    };
    let language = wishes.language.map(|language| match language {
        Language::De => "de",
        Language::En => "en",
    });
    set("language", language.map(Into::into));
    set("time_zone", wishes.time_zone.clone().map(Into::into));
    if wishes.user.is_some() {
        set("domains", Some(vec![wishes.home.clone()].into()));
    }
    if after != before {
        written.with(&after)?;
        store.set_setting(SETTING, &after.to_bytes())?;
    }
    Ok(after)
}

fn first_account(
    store: &Store,
    settings: &Settings,
    user: &User,
    now: Now,
) -> Result<Furnished, Error> {
    let domain = settings.domains.first().unwrap_or(&settings.hostname);
    let refused = |problem| Furnished {
        account: None,
        notes: vec![Note {
            key: "user.name".to_owned(),
            problem,
        }],
    };
    let Ok(address) = Address::parse(&format!("{}@{domain}", user.name)) else {
        return Ok(refused(Problem::UserName));
    };
    let auth = Auth::with_hashing(store.clone(), hashing(settings));
    let office = Office {
        store,
        auth: &auth,
        settings,
    };
    let accounts = store.snapshot()?.accounts()?;
    let id = match accounts.as_slice() {
        [] => {
            let new = NewAccount {
                address: address.clone(),
                owner: true,
                language: settings.language,
                quota_bytes: None,
            };
            store.add_account(&new, now)?.id
        }
        [only] if is_unfinished(store, only, &address)? => only.id,
        _ => return Ok(refused(Problem::HasAccount)),
    };
    match &user.password {
        Password::Plain(secret) => office.set_password(id, secret)?,
        Password::Hash(hash) => auth
            .set_crypt(id, hash.clone())
            .map_err(account::Error::Auth)?,
    }
    Ok(Furnished {
        account: Some(address),
        notes: Vec::new(),
    })
}

/// Whether the power was cut between the account and its password.
fn is_unfinished(store: &Store, account: &Account, address: &Address) -> store::Result<bool> {
    let credentials = store.snapshot()?.credentials(account.id)?;
    let has_none = credentials.is_some_and(|credentials| credentials.verifiers.is_empty());
    Ok(has_none && account.address.lookup_key() == address.lookup_key())
}
