//! MTA-STS policies of other domains (RFC 8461): announced by DNS, fetched by HTTPS, kept in the store.
//!
//! A policy that is kept holds until its `max_age` is over, whatever the network says meanwhile: who suppresses its
//! record or its host takes nothing away. It is fetched again when its record has another id, and once a day, or at half
//! its age if that is sooner. While the box does not know the time, policies hold and none is fetched.

pub mod policy;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{Mono, Now};
use crate::dns::Resolver;
use crate::mail::address::Domain;
use crate::net::https::{self, Place};
use crate::net::outbound::Outbound;
use crate::store::device::SETTING_BYTES_MAX;
use crate::store::{self, Store};

use policy::Policy;

/// Where a domain has its policy (RFC 8461 3.3).
const PATH: &str = "/.well-known/mta-sts.txt";

/// The setting that keeps all policies.
const SETTING: &str = "mta-sts.policies";

/// Policies kept; beyond that the one fetched first goes.
const POLICIES_MAX: usize = 256;

/// Longest time until a policy is fetched again, in seconds.
const REFRESH_SECONDS: u64 = 24 * 60 * 60;

/// How long a domain is left alone whose policy could not be fetched (RFC 8461 3.3).
const LEAVE_ALONE: Duration = Duration::from_mins(5);

/// Domains whose policy could not be fetched that are remembered.
const FAILED_MAX: usize = 1024;

/// Knows policies. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    resolver: Resolver,
    outbound: Outbound,
    store: Store,
    port: u16,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    policies: BTreeMap<String, Kept>,
    failed: BTreeMap<String, Mono>,
}

/// A policy as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    id: String,
    /// Seconds since 1970.
    fetched: i64,
    policy: Policy,
}

impl Kept {
    /// Its age in seconds; a clock that went back makes none.
    fn age(&self, now: Now) -> u64 {
        let since = now.wall.map_or(0, |wall| wall.0 - self.fetched);
        u64::try_from(since).unwrap_or(0)
    }

    fn holds(&self, now: Now) -> bool {
        self.age(now) < self.policy.max_age
    }

    fn is_due(&self, now: Now) -> bool {
        self.age(now) >= REFRESH_SECONDS.min(self.policy.max_age / 2)
    }
}

impl Sts {
    /// With the policies that the store keeps. `port` is that of HTTPS but in tests.
    pub fn new(
        resolver: Resolver,
        outbound: Outbound,
        store: Store,
        port: u16,
    ) -> Result<Self, store::Error> {
        let kept = store.snapshot()?.setting(SETTING)?;
        // What cannot be read is fetched again.
        let policies = kept.and_then(|kept| serde_json::from_slice(&kept).ok());
        Ok(Self(Arc::new(Inner {
            resolver,
            outbound,
            store,
            port,
            known: Mutex::new(Known {
                policies: policies.unwrap_or_default(),
                failed: BTreeMap::new(),
            }),
        })))
    }

    /// The policy of a domain, fetched if that is due; `None` without one that holds.
    pub async fn policy(&self, domain: &Domain, now: Now) -> Option<Policy> {
        let record = format!("_mta-sts.{domain}");
        let records = self.0.resolver.txt(&record).await;
        let id = records.ok().and_then(|it| policy::id_of(&it.records));
        let kept = self.kept(domain, now);
        let Some(id) = id else {
            return kept.map(|kept| kept.policy);
        };
        let is_current = kept
            .as_ref()
            .is_some_and(|kept| kept.id == id && !kept.is_due(now));
        if is_current || now.wall.is_none() || self.failed_lately(domain, now) {
            return kept.map(|kept| kept.policy);
        }
        match self.fetch(domain).await {
            Ok(policy) => {
                self.keep(domain, id, policy.clone(), now).await;
                Some(policy)
            }
            Err(why) => {
                tracing::warn!(%domain, why, "the MTA-STS policy cannot be fetched");
                self.remember_failure(domain, now);
                kept.map(|kept| kept.policy)
            }
        }
    }

    /// Fetches again what is due of the policies kept (RFC 8461 10.2), and drops what holds no more.
    pub async fn refresh(&self, now: Now) {
        let due: Vec<_> = {
            let known = self.known();
            let due = known.policies.iter().filter(|(_, kept)| kept.is_due(now));
            due.map(|(domain, _)| domain.clone()).collect()
        };
        for domain in due.iter().filter_map(|it| Domain::parse(it).ok()) {
            self.policy(&domain, now).await;
        }
        self.known().policies.retain(|_, kept| kept.holds(now));
    }

    async fn fetch(&self, domain: &Domain) -> Result<Policy, String> {
        let host = format!("mta-sts.{domain}");
        let host = Domain::parse(&host).map_err(|error| error.to_string())?;
        let found = self.0.resolver.addresses(&host).await;
        let place = Place {
            addresses: found.map_err(|error| error.to_string())?.records,
            host,
            port: self.0.port,
            path: PATH,
        };
        let text = https::text(&self.0.outbound, &place).await;
        let text = text.map_err(|error| error.to_string())?;
        Policy::parse(&text).map_err(|error| error.to_string())
    }

    fn kept(&self, domain: &Domain, now: Now) -> Option<Kept> {
        let kept = self.known().policies.get(domain.as_str()).cloned();
        kept.filter(|kept| kept.holds(now))
    }

    async fn keep(&self, domain: &Domain, id: String, policy: Policy, now: Now) {
        let kept = Kept {
            id,
            fetched: now.stamp().0,
            policy,
        };
        let bytes = {
            let mut known = self.known();
            known.failed.remove(domain.as_str());
            known.policies.insert(domain.as_str().to_owned(), kept);
            known.encode()
        };
        let store = self.0.store.clone();
        let written = tokio::task::spawn_blocking(move || store.set_setting(SETTING, &bytes)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "MTA-STS policies are not kept");
        }
    }

    fn failed_lately(&self, domain: &Domain, now: Now) -> bool {
        let failed = self.known().failed.get(domain.as_str()).copied();
        failed.is_some_and(|at| now.mono.since(at) < LEAVE_ALONE)
    }

    fn remember_failure(&self, domain: &Domain, now: Now) {
        let mut known = self.known();
        let lately = |at: Mono| now.mono.since(at) < LEAVE_ALONE;
        known.failed.retain(|_, at| lately(*at));
        if known.failed.len() < FAILED_MAX {
            known.failed.insert(domain.as_str().to_owned(), now.mono);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// As they are kept; the oldest go until all have room.
    fn encode(&mut self) -> Vec<u8> {
        loop {
            let bytes = serde_json::to_vec(&self.policies).unwrap_or_default();
            let has_room = bytes.len() <= SETTING_BYTES_MAX;
            if has_room && self.policies.len() <= POLICIES_MAX {
                return bytes;
            }
            let oldest = self.policies.iter().min_by_key(|(_, kept)| kept.fetched);
            let Some(oldest) = oldest.map(|(domain, _)| domain.clone()) else {
                return bytes;
            };
            self.policies.remove(&oldest);
        }
    }
}
