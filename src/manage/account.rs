//! Accounts: made, and given passwords.
//!
//! An account that has been made without a password lets nobody in, so that a crash between the two steps does no harm.

use crate::auth::crypt::CryptHash;
use crate::auth::password::{PasswordError, Prepared};
use crate::auth::{self, Auth, Hashing};
use crate::clock::Now;
use crate::config::{PasswordStorage, Settings};
use crate::mail::address::Address;
use crate::mail::ids::AccountId;
use crate::mail::secret::Secret;
use crate::store::types::Account;
use crate::store::{self, NewAccount, Store};

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is at no domain of this box.
    #[error("{0} is not at a domain of this box")]
    Elsewhere(Address),
    /// There is such an account.
    #[error("there is an account {0} already")]
    Exists(Address),
    /// There is an alias of that name.
    #[error("{0} is an alias; remove it first")]
    IsAlias(Address),
    /// It owns the box, and there are other accounts.
    #[error("{0} owns the box; make another account the owner first (account add --owner)")]
    Owner(Address),
    /// The password cannot be one.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// It cannot be hashed or kept.
    #[error(transparent)]
    Auth(#[from] auth::Error),
    /// The store refuses or fails.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Shorthand.
pub type Result<T> = std::result::Result<T, Error>;

/// A password that a person chose, or one made here that must be shown.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The password.
    pub secret: Secret<String>,
    /// Whether it was made here.
    pub made: bool,
}

impl Chosen {
    /// `given` by the rules for passwords, or a new one of 128 random bits.
    pub fn new(given: Option<&Secret<String>>) -> Result<Self> {
        let Some(secret) = given else {
            let made = auth::make_password()?;
            return Ok(Self {
                secret: Secret::new(made.expose().to_owned()),
                made: true,
            });
        };
        Prepared::chosen(secret.expose())?;
        Ok(Self {
            secret: secret.clone(),
            made: false,
        })
    }
}

/// How the settings want passwords to be kept.
pub fn hashing(settings: &Settings) -> Hashing {
    match settings.auth.password_storage {
        PasswordStorage::Scram => Hashing::Scram,
        PasswordStorage::Argon2id => Hashing::Argon2id,
    }
}

/// What accounts are made with.
#[derive(Clone, Copy, Debug)]
pub struct Office<'a> {
    /// The store.
    pub store: &'a Store,
    /// Makes verifiers.
    pub auth: &'a Auth,
    /// Domains, and how passwords are kept.
    pub settings: &'a Settings,
}

impl Office<'_> {
    /// Makes an account with a password. The first one owns the box whatever `new` says. Blocks while it hashes.
    pub fn add(self, new: &NewAccount, password: &Chosen, now: Now) -> Result<Account> {
        self.is_here(&new.address)?;
        self.is_free(&new.address)?;
        let account = self.store.add_account(new, now)?;
        self.set_password(account.id, &password.secret)?;
        Ok(account)
    }

    /// Makes an account whose password another system has hashed. The first one owns the box whatever `new` says.
    pub fn add_with_hash(self, new: &NewAccount, hash: CryptHash, now: Now) -> Result<Account> {
        self.is_here(&new.address)?;
        self.is_free(&new.address)?;
        let account = self.store.add_account(new, now)?;
        self.auth.set_crypt(account.id, hash)?;
        Ok(account)
    }

    /// Sets an account's own password. Blocks while it hashes.
    pub fn set_password(self, id: AccountId, secret: &Secret<String>) -> Result<()> {
        let hashing = hashing(self.settings);
        Ok(self.auth.set_password(id, secret.expose(), hashing)?)
    }

    /// Gives an account another address at a domain of this box; mail, devices and passwords stay.
    pub fn rename(self, id: AccountId, to: &Address) -> Result<()> {
        self.is_here(to)?;
        let taken = self.store.snapshot()?.account_by_key(&to.lookup_key())?;
        if taken.is_none_or(|account| account.id != id) {
            self.is_free(to)?;
        }
        Ok(self.store.rename_account(id, to)?)
    }

    /// Removes an account with all its mail; not one that owns the box while there are others.
    pub fn remove(self, account: &Account) -> Result<()> {
        if account.owner && self.store.snapshot()?.accounts()?.len() > 1 {
            return Err(Error::Owner(account.address.clone()));
        }
        Ok(self.store.remove_account(account.id)?)
    }

    /// Whether an address is at a domain of this box.
    pub fn is_here(self, address: &Address) -> Result<()> {
        if self.settings.domains.contains(address.domain()) {
            return Ok(());
        }
        Err(Error::Elsewhere(address.clone()))
    }

    fn is_free(self, address: &Address) -> Result<()> {
        let (snapshot, key) = (self.store.snapshot()?, address.lookup_key());
        if snapshot.account_by_key(&key)?.is_some() {
            return Err(Error::Exists(address.clone()));
        }
        if snapshot.alias(&key)?.is_some() {
            return Err(Error::IsAlias(address.clone()));
        }
        Ok(())
    }
}
