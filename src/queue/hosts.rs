//! The hosts that take a domain's mail, in the order to try them, and what each has to prove (RFC 5321 5.1, RFC 7505,
//! RFC 7672, RFC 8461).
//!
//! DANE goes before MTA-STS, which goes before opportunistic TLS (RFC 8461 2). A name that does not exist is permanent,
//! a name server that does not answer is not.

use std::net::IpAddr;

use crate::clock::Now;
use crate::dns::Resolver;
use crate::mail::address::Domain;
use crate::mail::report::Status;
use crate::net::outbound::Check;

/// A host to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name; an address literal has none.
    pub name: Option<Domain>,
    /// Its addresses, in the order to try them; at least one.
    pub addresses: Vec<IpAddr>,
    /// How it is to be talked to.
    pub security: Security,
}

/// How a host is to be talked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS if it offers it, whatever the certificate; plaintext if not, or if the handshake fails.
    Opportunistic,
    /// TLS that passes this check, or not at all.
    Required(Check),
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unroutable {
    /// For good.
    Permanent(Status, String),
    /// For now.
    Transient(Status, String),
}

/// Finds hosts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Finder {
    resolver: Resolver,
}

impl Finder {
    /// `own` is what this host is called: an MX that leads back here is not tried, nor are worse ones (RFC 5321 5.1).
    pub fn new(resolver: Resolver, own: Vec<Domain>) -> Self {
        let _ = own;
        Self { resolver }
    }

    /// The hosts of a recipient's domain, at least one.
    #[expect(clippy::unused_async, reason = "not written yet")]
    pub async fn hosts(&self, domain: &Domain, now: Now) -> Result<Vec<Host>, Unroutable> {
        let _ = (&self.resolver, domain, now);
        todo!()
    }

    /// The addresses of a smarthost.
    #[expect(clippy::unused_async, reason = "not written yet")]
    pub async fn addresses(&self, host: &Domain) -> Result<Vec<IpAddr>, Unroutable> {
        let _ = host;
        todo!()
    }
}
