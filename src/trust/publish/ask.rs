//! Asks DNS what it says about a domain. Blocks; not for async threads.

use std::io;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::timeout;

use super::compare::Said;
use super::{Data, Facts, Seen, State, findings, records};
use crate::clock::Now;
use crate::dns::{Failure, Resolver};
use crate::mail::address::Domain;
use crate::trust::signing::{Error, Keyring, Place, Published};
use crate::trust::sts_policy;

/// Longest wait for one answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);

/// Addresses of a host whose names are asked for.
const ADDRESSES_MAX: usize = 8;

/// What DNS says about everything that `facts` want published.
pub fn ask(resolver: &Resolver, facts: &Facts) -> io::Result<Seen> {
    run(look(resolver, facts))
}

/// Lets new keys of DKIM sign whose records DNS has by now; gives the domains.
pub fn follow(keyring: &Keyring, resolver: &Resolver, now: Now) -> Result<Vec<Domain>, Error> {
    let mut switched = Vec::new();
    for domain in keyring.waiting()? {
        let mut keys = keyring.published(&domain, now)?;
        keys.retain(|key| key.place == Place::Next);
        if domain.is_public()
            && are_published(resolver, &domain, keys)
            && keyring.switch(&domain, now)?
        {
            switched.push(domain);
        }
    }
    Ok(switched)
}

fn are_published(resolver: &Resolver, domain: &Domain, keys: Vec<Published>) -> bool {
    let facts = Facts {
        hostname: domain.clone(),
        domain: domain.clone(),
        keys,
        ways: super::Ways::default(),
        tls_key: None,
        sts_record: None,
        issuer: None,
        services: Vec::new(),
    };
    let Ok(seen) = ask(resolver, &facts) else {
        return false;
    };
    let found = findings(&facts, &seen);
    let mut keys = found.iter().filter(|one| one.is_key(Place::Next));
    keys.all(|key| key.state == State::Ok)
}

impl super::Finding {
    /// Whether it is about a key in that place.
    pub fn is_key(&self, place: Place) -> bool {
        self.record.purpose == super::Purpose::Dkim(place)
    }
}

fn run<T>(work: impl Future<Output = T>) -> io::Result<T> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(work))
}

async fn look(resolver: &Resolver, facts: &Facts) -> Seen {
    let (domain, hostname) = (&facts.domain, &facts.hostname);
    let sts_host = Domain::parse(&sts_policy::host(domain)).unwrap_or_else(|_| domain.clone());
    let tlsa_name = format!("_25._tcp.{hostname}");
    let (mx, host, sts_host, tlsa) = Box::pin(async {
        tokio::join!(
            in_time(domain.as_str(), resolver.mx(domain)),
            in_time(hostname.as_str(), resolver.addresses(hostname)),
            in_time(sts_host.as_str(), resolver.addresses(&sts_host)),
            in_time(&tlsa_name, resolver.tlsa(&tlsa_name)),
        )
    })
    .await;
    let mut seen = Seen {
        mx,
        host,
        names: Vec::new(),
        texts: std::collections::BTreeMap::new(),
        sts_host,
        tlsa,
    };
    let addresses = seen.host.as_ref().map_or(&[][..], |host| &host.records);
    for address in addresses.iter().copied().take(ADDRESSES_MAX) {
        let names = in_time(&address.to_string(), resolver.names(address)).await;
        seen.names.push((address, names));
    }
    for record in records(facts) {
        if let Data::Txt(_) = record.data {
            let said = in_time(&record.name, resolver.txt(&record.name)).await;
            seen.texts.insert(record.name, said);
        }
    }
    seen
}

async fn in_time<T>(name: &str, asked: impl Future<Output = Said<T>>) -> Said<T> {
    let answer = timeout(ANSWER_WAIT_MAX, Box::pin(asked)).await;
    answer.unwrap_or_else(|_| {
        Err(Failure::Temporary {
            name: name.to_owned(),
            why: format!("no answer within {} s", ANSWER_WAIT_MAX.as_secs()),
        })
    })
}
