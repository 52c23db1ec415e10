//! The hosts that take a domain's mail, in the order to try them, and what each has to prove (RFC 5321 5.1, RFC 7505,
//! RFC 7672, RFC 8461).
//!
//! DANE goes before MTA-STS, which goes before opportunistic TLS (RFC 8461 2). A name that does not exist is permanent,
//! a name server that does not answer is not. An MX that is an alias is looked up as what it is an alias of, though it
//! should be none (RFC 2181 10.3), and so are its DANE records; if there are none, those of the name in the MX count.

mod dane;

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::task::JoinSet;

use crate::clock::Now;
use crate::dns::{Failure, Mx, Resolver};
use crate::mail::address::Domain;
use crate::mail::report::{Class, Status};
use crate::net::outbound::Check;
use crate::queue::sts::Sts;
use crate::queue::sts::policy::{Mode, Policy};

use dane::Dane;

/// Hosts of a domain that are looked at: those with the lowest preferences.
pub const HOSTS_MAX: usize = 10;

/// Addresses of one host, of each of IPv6 and IPv4.
pub const ADDRESSES_MAX: usize = 4;

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
    own: Vec<Domain>,
    sts: Option<Sts>,
}

/// Where a domain's mail goes by DNS.
struct Exchangers {
    /// Sorted, the best first.
    hosts: Vec<Domain>,
    /// Whether DNSSEC vouches for that.
    is_authentic: bool,
}

/// What became of one host of several.
enum Looked {
    /// To be tried.
    Found(Host),
    /// It has no address.
    Gone,
    /// Not to be used for now.
    Later(Status, String),
}

impl Finder {
    /// `own` is what this host is called: an MX that leads back here is not tried, nor are worse ones (RFC 5321 5.1).
    pub fn new(resolver: Resolver, own: Vec<Domain>) -> Self {
        Self {
            resolver,
            own,
            sts: None,
        }
    }

    /// Heeds MTA-STS policies too.
    #[must_use]
    pub fn with_sts(mut self, sts: Sts) -> Self {
        self.sts = Some(sts);
        self
    }

    /// The hosts of a recipient's domain, at least one.
    pub async fn hosts(&self, domain: &Domain, now: Now) -> Result<Vec<Host>, Unroutable> {
        if let Some(address) = literal(domain) {
            return Ok(vec![Host {
                name: None,
                addresses: vec![address],
                security: Security::Opportunistic,
            }]);
        }
        let exchangers = self.exchangers(domain).await?;
        let (looked, policy) =
            tokio::join!(self.look_at(domain, exchangers), self.policy(domain, now));
        let looked = match policy {
            Some(policy) => looked.into_iter().map(|it| under(&policy, it)).collect(),
            None => looked,
        };
        usable(domain, looked)
    }

    async fn policy(&self, domain: &Domain, now: Now) -> Option<Policy> {
        Box::pin(self.sts.as_ref()?.policy(domain, now)).await
    }

    /// The addresses of a smarthost, or of its address literal. That it has none is for now: its name is a setting, and
    /// mail is not returned for a typing error there.
    pub async fn addresses(&self, host: &Domain) -> Result<Vec<IpAddr>, Unroutable> {
        if let Some(address) = literal(host) {
            return Ok(vec![address]);
        }
        match self.resolver.addresses(host).await {
            Ok(answer) => Ok(in_order(answer.records)),
            Err(failure) => Err(Unroutable::Transient(
                status(Class::Transient, 4, 3),
                failure.to_string(),
            )),
        }
    }

    async fn exchangers(&self, domain: &Domain) -> Result<Exchangers, Unroutable> {
        let answer = match self.resolver.mx(domain).await {
            Ok(answer) => answer,
            // The implicit MX, for want of any other (RFC 5321 5.1). That there is none is vouched for if the addresses
            // are: both are of the same zone.
            Err(Failure::NoRecord { .. }) => {
                return Ok(Exchangers {
                    hosts: self.without_own(domain, vec![(0, domain.clone())])?,
                    is_authentic: true,
                });
            }
            Err(Failure::NoName { .. }) => {
                let why = format!("there is no domain {domain}");
                return Err(Unroutable::Permanent(status(Class::Permanent, 1, 2), why));
            }
            Err(failure @ (Failure::Temporary { .. } | Failure::Bogus { .. })) => {
                let status = status(Class::Transient, 4, 3);
                return Err(Unroutable::Transient(status, failure.to_string()));
            }
        };
        let is_authentic = answer.is_authentic;
        let named = named(domain, answer.records)?;
        let named = in_turn(named, chance);
        Ok(Exchangers {
            hosts: self.without_own(domain, named)?,
            is_authentic,
        })
    }

    /// RFC 5321 5.1: from the own name on, all that is not better is dropped.
    fn without_own(
        &self,
        domain: &Domain,
        named: Vec<(u16, Domain)>,
    ) -> Result<Vec<Domain>, Unroutable> {
        let own = named.iter().filter(|(_, host)| self.own.contains(host));
        let worst = own.map(|(preference, _)| *preference).min();
        let is_better = |it: &(u16, Domain)| worst.is_none_or(|worst| it.0 < worst);
        let hosts = named.into_iter().filter(is_better).map(|(_, host)| host);
        let hosts: Vec<_> = hosts.take(HOSTS_MAX).collect();
        if hosts.is_empty() {
            let why = format!("mail for {domain} leads back here, where the domain is unknown");
            return Err(Unroutable::Permanent(status(Class::Permanent, 4, 6), why));
        }
        Ok(hosts)
    }

    /// Asks about all hosts at once; their order stays.
    async fn look_at(&self, domain: &Domain, exchangers: Exchangers) -> Vec<Looked> {
        let mut asking = JoinSet::new();
        let is_authentic = exchangers.is_authentic;
        for (at, name) in exchangers.hosts.into_iter().enumerate() {
            let (finder, domain) = (self.clone(), domain.clone());
            asking.spawn(async move { (at, finder.look(&domain, name, is_authentic).await) });
        }
        let mut looked = asking.join_all().await;
        looked.sort_by_key(|(at, _)| *at);
        looked.into_iter().map(|(_, it)| it).collect()
    }

    async fn look(&self, domain: &Domain, name: Domain, is_authentic: bool) -> Looked {
        let answer = match self.resolver.addresses(&name).await {
            Ok(answer) => answer,
            Err(failure) if failure.is_temporary() => return later(failure.to_string()),
            Err(_) => return Looked::Gone,
        };
        let (name, dane) = if is_authentic && answer.is_authentic {
            self.dane(domain, name, answer.alias_of).await
        } else {
            (name, Dane::None)
        };
        let security = match dane {
            Dane::Later(why) => return later(why),
            Dane::Check(check) => Security::Required(check),
            Dane::None => Security::Opportunistic,
        };
        Looked::Found(Host {
            name: Some(name),
            addresses: in_order(answer.records),
            security,
        })
    }

    /// RFC 7672 2.2.2: the name that an alias ends at goes before the alias. With what DANE asks for comes the name of
    /// the host that it is about, which TLS is to be asked for.
    async fn dane(&self, domain: &Domain, name: Domain, end: Option<Domain>) -> (Domain, Dane) {
        if let Some(end) = end {
            let found = dane::look(&self.resolver, &end, &[&end, &name, domain]).await;
            if found != Dane::None {
                return (end, found);
            }
        }
        let found = dane::look(&self.resolver, &name, &[&name, domain]).await;
        (name, found)
    }
}

/// Name servers do not say, or not reliably.
fn later(why: String) -> Looked {
    Looked::Later(status(Class::Transient, 4, 3), why)
}

/// What a policy makes of a host. Where there is DANE, that is stronger (RFC 8461 2).
fn under(policy: &Policy, looked: Looked) -> Looked {
    let Looked::Found(mut host) = looked else {
        return looked;
    };
    let (Some(name), Security::Opportunistic) = (&host.name, &host.security) else {
        return Looked::Found(host);
    };
    match (policy.mode, policy.is_of(name)) {
        (Mode::None, _) | (Mode::Testing, true) => {}
        (Mode::Testing, false) => {
            tracing::info!(host = %name, "not named by the domain's MTA-STS policy, which is for testing");
        }
        (Mode::Enforce, true) => {
            host.security = Security::Required(Check::Names(vec![name.clone()]));
        }
        (Mode::Enforce, false) => {
            let why = format!("{name} is not a host that the domain's MTA-STS policy names");
            return Looked::Later(status(Class::Transient, 7, 5), why);
        }
    }
    Looked::Found(host)
}

/// The hosts to try of those looked at.
fn usable(domain: &Domain, looked: Vec<Looked>) -> Result<Vec<Host>, Unroutable> {
    let mut hosts = Vec::new();
    let mut later = None;
    for it in looked {
        match it {
            Looked::Found(host) => hosts.push(host),
            Looked::Gone => {}
            Looked::Later(status, why) => later = later.or(Some((status, why))),
        }
    }
    match later {
        _ if !hosts.is_empty() => Ok(hosts),
        Some((status, why)) => Err(Unroutable::Transient(status, why)),
        None => {
            let why = format!("no host of the domain {domain} has an address");
            Err(Unroutable::Permanent(status(Class::Permanent, 4, 4), why))
        }
    }
}

/// The hosts that MX records name. A null MX counts only if it is alone (RFC 7505 3).
fn named(domain: &Domain, records: Vec<Mx>) -> Result<Vec<(u16, Domain)>, Unroutable> {
    let named = records
        .into_iter()
        .filter_map(|mx| Some((mx.preference, mx.host?)));
    let named: Vec<_> = named.collect();
    if named.is_empty() {
        let why = format!("the domain {domain} takes no mail");
        return Err(Unroutable::Permanent(status(Class::Permanent, 1, 10), why));
    }
    Ok(named)
}

/// By preference; those that are alike in the order of lots (RFC 5321 5.1).
fn in_turn(named: Vec<(u16, Domain)>, mut chance: impl FnMut() -> u64) -> Vec<(u16, Domain)> {
    let mut drawn: Vec<_> = named.into_iter().map(|it| (it.0, chance(), it)).collect();
    drawn.sort();
    drawn.into_iter().map(|(_, _, it)| it).collect()
}

/// A random number; should the system have none, the order is that of the names.
fn chance() -> u64 {
    let mut bytes = [0; 8];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_or(0, |()| u64::from_be_bytes(bytes))
}

/// IPv6 first (RFC 6724 6, rule 6), so many of each that a host with many of one is reached by the other too.
fn in_order(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let (v6, v4): (Vec<_>, Vec<_>) = addresses.into_iter().partition(IpAddr::is_ipv6);
    let v6 = v6.into_iter().take(ADDRESSES_MAX);
    v6.chain(v4.into_iter().take(ADDRESSES_MAX)).collect()
}

/// The address in a literal (RFC 5321 4.1.3).
fn literal(domain: &Domain) -> Option<IpAddr> {
    let inside = domain.as_str().strip_prefix('[')?.strip_suffix(']')?;
    inside.strip_prefix("IPv6:").unwrap_or(inside).parse().ok()
}

fn status(class: Class, subject: u16, detail: u16) -> Status {
    Status {
        class,
        subject,
        detail,
    }
}
