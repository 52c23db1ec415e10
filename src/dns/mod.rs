//! DNS behind a small seam: what mail asks of it, answered by hickory or, in tests, by a zone given as text.
//!
//! The only module that names hickory. A question has an answer, no answer for good, or none for now; whoever asks never
//! confuses the last two. An answer says whether DNSSEC vouches for it; one that fails validation is [`Failure::Bogus`] and
//! counts as none for now (RFC 7672 2.1.2). Names are absolute: no search list, no hosts file.
//!
//! What DANE needs (MX, A, AAAA, TLSA) is validated here; TXT and PTR are not. [`network`] says what happens where the
//! system's servers know nothing of DNSSEC.

mod network;
mod serve;
mod system;
mod zone;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::mail::address::Domain;

/// How long a server has to answer.
const SERVER_TIMEOUT: Duration = Duration::from_secs(5);

/// How to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Servers to ask; empty for those of the system.
    pub servers: Vec<std::net::SocketAddr>,
    /// Whether answers are validated here (RFC 4035 4.3).
    pub dnssec: bool,
    /// File with DNSKEY records of trust anchors, instead of the root's that are built in.
    pub trust_anchor: Option<std::path::PathBuf>,
}

/// What was found, with at least one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// In no order that matters.
    pub records: Vec<T>,
    /// Whether DNSSEC vouches for them and for every alias on the way.
    pub is_authentic: bool,
    /// The name that they are of, if the one asked for is an alias of it.
    pub alias_of: Option<Domain>,
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

/// Why there is no resolver.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The file with trust anchors cannot be used.
    #[error("dns.trust_anchor {path}: {why}")]
    TrustAnchor {
        /// Which file.
        path: std::path::PathBuf,
        /// Why not.
        why: String,
    },
    /// The system refuses what asking needs.
    #[error("name servers cannot be asked: {0}")]
    System(String),
    /// A line of a zone in text.
    #[error("line {line} of the zone: {why}")]
    Zone {
        /// From 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
}

/// Asks. Cheap to clone; clones share a cache.
#[derive(Clone, Debug)]
pub struct Resolver(Arc<Inner>);

#[derive(Debug)]
enum Inner {
    System(Box<system::System>),
    Zone(zone::Served),
}

/// What may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Mx,
    A,
    Aaaa,
    Txt,
    Tlsa,
    Ptr,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Mx,
        Self::A,
        Self::Aaaa,
        Self::Txt,
        Self::Tlsa,
        Self::Ptr,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Mx => "MX",
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Txt => "TXT",
            Self::Tlsa => "TLSA",
            Self::Ptr => "PTR",
        }
    }
}

/// What one record says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Data {
    Mx(Mx),
    Address(IpAddr),
    Txt(Vec<u8>),
    Tlsa(Tlsa),
    Name(Domain),
}

impl Resolver {
    /// Asks the servers of the settings, or the system's. Reads the trust anchor and `/etc/resolv.conf`; asks nothing yet.
    pub fn new(settings: &Settings) -> Result<Self, SetupError> {
        let system = system::System::new(settings, SERVER_TIMEOUT)?;
        Ok(Self(Arc::new(Inner::System(Box::new(system)))))
    }

    /// Answers from a zone given as text, for tests; [`zone`] describes it.
    pub fn zone(text: &str) -> Result<Self, SetupError> {
        let zone = zone::Zone::parse(text)?;
        Ok(Self(Arc::new(Inner::Zone(zone::Served::new(zone)))))
    }

    /// MX records of `domain`, aliases followed.
    pub async fn mx(&self, domain: &Domain) -> Result<Answer<Mx>, Failure> {
        let answer = self.ask(domain.as_str(), Kind::Mx).await?;
        Ok(answer.filter_map(|data| {
            if let Data::Mx(mx) = data {
                Some(mx)
            } else {
                None
            }
        }))
    }

    /// A and AAAA records of a host, IPv6 first. If one of the questions has no answer for now, what the other found
    /// is still good, unless DNSSEC vouches for it: then who suppresses one could make the host look unsigned.
    pub async fn addresses(&self, host: &Domain) -> Result<Answer<IpAddr>, Failure> {
        let (v6, v4) = tokio::join!(
            self.ask(host.as_str(), Kind::Aaaa),
            self.ask(host.as_str(), Kind::A)
        );
        let both = match (v6, v4) {
            (Ok(mut v6), Ok(v4)) => {
                v6.records.extend(v4.records);
                v6.is_authentic &= v4.is_authentic && v6.alias_of == v4.alias_of;
                v6
            }
            (Ok(found), Err(other)) | (Err(other), Ok(found)) => {
                if found.is_authentic && other.is_temporary() {
                    return Err(other);
                }
                found
            }
            (Err(v6), Err(v4)) => return Err(weightier(v6, v4)),
        };
        Ok(both.filter_map(|data| {
            if let Data::Address(address) = data {
                Some(address)
            } else {
                None
            }
        }))
    }

    /// TXT records, the strings of each joined. Never authentic: nobody who asks for them cares.
    pub async fn txt(&self, name: &str) -> Result<Answer<Vec<u8>>, Failure> {
        let answer = self.ask(name, Kind::Txt).await?;
        Ok(answer.filter_map(|data| {
            if let Data::Txt(text) = data {
                Some(text)
            } else {
                None
            }
        }))
    }

    /// TLSA records of a name such as `_25._tcp.mail.example.org`.
    pub async fn tlsa(&self, name: &str) -> Result<Answer<Tlsa>, Failure> {
        let answer = self.ask(name, Kind::Tlsa).await?;
        Ok(answer.filter_map(|data| {
            if let Data::Tlsa(tlsa) = data {
                Some(tlsa)
            } else {
                None
            }
        }))
    }

    /// Names of an address (PTR), those that are no host names left out. Never authentic.
    pub async fn names(&self, address: IpAddr) -> Result<Answer<Domain>, Failure> {
        let answer = self.ask(&reverse_name(address), Kind::Ptr).await?;
        Ok(answer.filter_map(|data| {
            if let Data::Name(name) = data {
                Some(name)
            } else {
                None
            }
        }))
    }

    /// mail-auth on the same servers, as they are now, and the same cache: cheap, to be called for each mail. Its lookups
    /// are not validated. For a zone, a name server on loopback is started at the first call, which must be within tokio
    /// and serves while that runtime lives.
    pub fn authenticator(&self) -> Result<mail_auth::MessageAuthenticator, SetupError> {
        let plain = match &*self.0 {
            Inner::System(system) => system.network().plain(),
            Inner::Zone(zone) => {
                let address = zone.address();
                let settings = Settings {
                    servers: vec![address.map_err(|error| SetupError::System(error.to_string()))?],
                    dnssec: false,
                    trust_anchor: None,
                };
                let system = system::System::new(&settings, SERVER_TIMEOUT)?;
                system.network().plain()
            }
        };
        Ok(mail_auth::MessageAuthenticator(plain))
    }

    async fn ask(&self, name: &str, kind: Kind) -> Result<Answer<Data>, Failure> {
        match &*self.0 {
            Inner::System(system) => {
                let network = system.network();
                Box::pin(network.ask(name, kind)).await
            }
            Inner::Zone(served) => served.zone().ask(name, kind),
        }
    }
}

impl<T> Answer<T> {
    fn filter_map<U>(self, f: impl FnMut(T) -> Option<U>) -> Answer<U> {
        Answer {
            records: self.records.into_iter().filter_map(f).collect(),
            is_authentic: self.is_authentic,
            alias_of: self.alias_of,
        }
    }
}

/// Of two failures for one host, the one to tell: what may pass goes first, then "no such record", which a name has
/// whose other question was answered by NXDOMAIN in error.
fn weightier(a: Failure, b: Failure) -> Failure {
    let rank = |failure: &Failure| match failure {
        Failure::Bogus { .. } => 3,
        Failure::Temporary { .. } => 2,
        Failure::NoRecord { .. } => 1,
        Failure::NoName { .. } => 0,
    };
    if rank(&b) >= rank(&a) { b } else { a }
}

/// The name whose PTR records name an address (RFC 1035 3.5, RFC 3596 2.5).
fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let nibbles = v6.octets().into_iter().rev();
            let nibbles = nibbles.map(|byte| format!("{:x}.{:x}.", byte & 15, byte >> 4));
            format!("{}ip6.arpa", nibbles.collect::<String>())
        }
    }
}
