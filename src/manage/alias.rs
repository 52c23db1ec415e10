//! Aliases: more addresses that lead to accounts or elsewhere.

use super::account::{self, Office};
use crate::mail::address::{Address, Domain};
use crate::store::types::Alias;
use crate::store::{self, account::ALIAS_TARGETS_MAX};

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// That is no address.
    #[error("\"{0}\" is no address")]
    Malformed(String),
    /// The address is at no domain of this box.
    #[error("{0} is not at a domain of this box")]
    Elsewhere(String),
    /// It leads nowhere.
    #[error("an alias needs at least one address that its mail goes to")]
    NoTarget,
    /// It leads to too many addresses.
    #[error("an alias leads to {ALIAS_TARGETS_MAX} addresses at most")]
    TooManyTargets,
    /// There is an account of that address.
    #[error("{0} is an account; an alias needs a name of its own")]
    IsAccount(String),
    /// There is no such alias.
    #[error("there is no alias {0}")]
    Missing(String),
    /// The store refuses or fails.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Shorthand.
pub type Result<T> = std::result::Result<T, Error>;

impl Office<'_> {
    /// Adds or replaces the alias `from` (an address, or `@domain` for the catch-all) with these addresses.
    pub fn set_alias<'t>(self, from: &str, to: impl IntoIterator<Item = &'t str>) -> Result<Alias> {
        let from = self.alias_source(from)?;
        let to = to.into_iter().map(parse).collect::<Result<Vec<_>>>()?;
        if to.is_empty() {
            return Err(Error::NoTarget);
        }
        if to.len() > ALIAS_TARGETS_MAX {
            return Err(Error::TooManyTargets);
        }
        if self.store.snapshot()?.account_by_key(&from)?.is_some() {
            return Err(Error::IsAccount(from));
        }
        let alias = Alias { from, to };
        self.store.set_alias(&alias)?;
        Ok(alias)
    }

    /// Removes an alias; its key.
    pub fn remove_alias(self, from: &str) -> Result<String> {
        let from = self.alias_source(from)?;
        if self.store.snapshot()?.alias(&from)?.is_none() {
            return Err(Error::Missing(from));
        }
        self.store.remove_alias(&from)?;
        Ok(from)
    }

    /// The key of an alias: an address at one of our domains, or `@domain`.
    fn alias_source(self, text: &str) -> Result<String> {
        let Some(domain) = text.strip_prefix('@') else {
            let address = parse(text)?;
            return match self.is_here(&address) {
                Ok(()) => Ok(address.lookup_key()),
                Err(account::Error::Store(error)) => Err(error.into()),
                Err(_) => Err(Error::Elsewhere(address.to_string())),
            };
        };
        let parsed = Domain::parse(domain).map_err(|_| Error::Malformed(text.to_owned()))?;
        if !self.settings.domains.contains(&parsed) {
            return Err(Error::Elsewhere(text.to_owned()));
        }
        Ok(format!("@{}", parsed.as_str()))
    }
}

fn parse(text: &str) -> Result<Address> {
    Address::parse(text).map_err(|_| Error::Malformed(text.to_owned()))
}
