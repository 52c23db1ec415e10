//! DNS behind a small seam: what mail asks of it, answered by hickory or, in tests, by a zone given as text.
//!
//! The only module that names hickory. A question has an answer, no answer for good, or none for now; whoever asks never
//! confuses the last two. An answer says whether DNSSEC vouches for it; one that fails validation is [`Failure::Bogus`] and
//! counts as none for now (RFC 7672 2.1.2). Names are absolute: no search list, no hosts file.

use std::net::IpAddr;
use std::sync::Arc;

use crate::mail::address::Domain;

/// How to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Servers to ask; empty for those of the system.
    pub servers: Vec<std::net::SocketAddr>,
    /// Whether answers are validated here (RFC 4035 4.3).
    pub dnssec: bool,
    /// File with DS or DNSKEY records of trust anchors, instead of the root's that are built in.
    pub trust_anchor: Option<std::path::PathBuf>,
}

/// What was found, with at least one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// In no order that matters.
    pub records: Vec<T>,
    /// Whether DNSSEC vouches for them and for every alias on the way.
    pub is_authentic: bool,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There is no such name (NXDOMAIN).
    #[error("the name {name} does not exist")]
    NoName {
        /// Which.
        name: String,
    },
    /// The name has no record of that kind (NODATA).
    #[error("{name} has no {kind} record")]
    NoRecord {
        /// Which.
        name: String,
        /// `MX`, `A`, ...
        kind: &'static str,
    },
    /// Nobody answered, or not well.
    #[error("{name}: no answer from the name servers: {why}")]
    Temporary {
        /// Which.
        name: String,
        /// What happened.
        why: String,
    },
    /// The answer is not what its owner signed.
    #[error("{name}: the answer fails DNSSEC validation")]
    Bogus {
        /// Which.
        name: String,
    },
}

impl Failure {
    /// Whether asking again later may help.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Temporary { .. } | Self::Bogus { .. })
    }
}

/// An MX record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mx {
    /// Lower goes first.
    pub preference: u16,
    /// The host; `None` is the null MX (RFC 7505).
    pub host: Option<Domain>,
}

/// A TLSA record (RFC 6698 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlsa {
    /// Certificate usage.
    pub usage: u8,
    /// Selector.
    pub selector: u8,
    /// Matching type.
    pub matching: u8,
    /// Certificate association data.
    pub data: Vec<u8>,
}

/// Asks. Cheap to clone; clones share a cache.
#[derive(Clone, Debug)]
pub struct Resolver(Arc<Inner>);

#[derive(Debug)]
enum Inner {
    // hickory and the zone of tests
}

impl Resolver {
    /// MX records of `domain`, aliases followed.
    #[expect(clippy::unused_async, reason = "not written yet")]
    pub async fn mx(&self, domain: &Domain) -> Result<Answer<Mx>, Failure> {
        let _ = (domain, &self.0);
        todo!()
    }

    /// A and AAAA records of a host, IPv6 first.
    #[expect(clippy::unused_async, reason = "not written yet")]
    pub async fn addresses(&self, host: &Domain) -> Result<Answer<IpAddr>, Failure> {
        let _ = host;
        todo!()
    }

    /// TXT records, the strings of each joined.
    #[expect(clippy::unused_async, reason = "not written yet")]
    pub async fn txt(&self, name: &str) -> Result<Answer<Vec<u8>>, Failure> {
        let _ = name;
        todo!()
    }

    /// TLSA records of a name such as `_25._tcp.mail.example.org`.
    #[expect(clippy::unused_async, reason = "not written yet")]
    pub async fn tlsa(&self, name: &str) -> Result<Answer<Tlsa>, Failure> {
        let _ = name;
        todo!()
    }

    /// Names of an address (PTR).
    #[expect(clippy::unused_async, reason = "not written yet")]
    pub async fn names(&self, address: IpAddr) -> Result<Answer<Domain>, Failure> {
        let _ = address;
        todo!()
    }
}
