//! Mail addresses (RFC 5321 4.1.2, RFC 6531 3.3): localpart, domain, reverse-path.

use std::fmt;

/// A mail address: a localpart at a domain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    localpart: Localpart,
    domain: Domain,
}

/// The part before the `@`, unquoted, case kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Localpart(String);

/// A domain in lower-case A-label form, or an address literal with its brackets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(String);

/// The reverse-path of an envelope: an address or the null sender `<>`.
pub type ReversePath = Option<Address>;

/// Why a text is no address, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(pub String);

impl Address {
    /// Parses `localpart@domain` without angle brackets.
    pub fn parse(_text: &str) -> Result<Self, AddressError> {
        todo!()
    }
    /// From its parts.
    pub fn new(localpart: Localpart, domain: Domain) -> Self {
        Self { localpart, domain }
    }
    /// The localpart.
    pub fn localpart(&self) -> &Localpart {
        &self.localpart
    }
    /// The domain.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }
    /// The form that accounts and aliases are looked up by: localpart in lower case, `@`, domain.
    pub fn lookup_key(&self) -> String {
        todo!()
    }
    /// The address without its subaddress: `name+tag@d` gives `name@d`; `None` without a tag.
    pub fn without_subaddress(&self) -> Option<Self> {
        todo!()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}

impl Localpart {
    /// Unquoted text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Domain {
    /// Parses a domain name (A-label or U-label) or an address literal.
    pub fn parse(_text: &str) -> Result<Self, AddressError> {
        todo!()
    }
    /// Lower-case A-label form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
