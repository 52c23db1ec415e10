//! DKIM signatures (RFC 6376, RFC 8463): with two keys per domain, RSA and Ed25519.
//!
//! Keys are made here when they are first needed ([`keys`]) and kept in the store; nothing waits for them at the start.
//! The body is hashed as it streams through; a message is never whole in memory. Signatures cover the whole body and
//! the header fields that people see, once more than they occur, so that none can be added ([`signature`]). New keys
//! sign only after DNS has them ([`rotation`]).

mod keys;
mod rotation;
mod signature;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use mail_auth::common::crypto::{HashContext, HashImpl, Sha256};
use mail_auth::dkim::Canonicalization;
use mail_auth::dkim::canonicalize::BodyHasher;

use crate::clock::Now;
use crate::mail::address::Domain;
use crate::mail::mime::{address_list, header};
use crate::store::{self, Store};
use crate::trust::message::Head;
pub use keys::KeyError;
use keys::Signers;
use rotation::KeySet;
pub use rotation::{Place, Published};

/// Longest time that keys which sign no more stay published, since mail may be on its way for days.
pub const OLD_KEYS_DAYS: i64 = 7;

/// Times that a change of keys is tried again after somebody else made another one.
const TRIES_MAX: u32 = 8;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The keys themselves.
    #[error("DKIM keys of {domain}: {cause}")]
    Keys {
        /// Whose.
        domain: Domain,
        /// What is wrong.
        cause: KeyError,
    },
    /// The domain is not one of this box.
    #[error("{0} is not a domain of this box")]
    Stranger(Domain),
}

/// Keys of the box's domains. Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub struct Keyring(Arc<Ring>);

#[derive(Debug)]
struct Ring {
    store: Store,
    domains: Vec<Domain>,
    /// Keys ready to sign, with the row of the store that they come from.
    ready: Mutex<BTreeMap<Domain, Ready>>,
}

#[derive(Debug)]
struct Ready {
    row: Vec<u8>,
    signers: Arc<Signers>,
}

impl Keyring {
    /// Of these domains. Keys are made when they are first asked for.
    pub fn open(store: &Store, domains: &[Domain]) -> Self {
        Self(Arc::new(Ring {
            store: store.clone(),
            domains: domains.to_vec(),
            ready: Mutex::default(),
        }))
    }

    /// Header fields to put in front of a message whose bytes (CRLF lines, as they are sent) come from `pieces`: a
    /// DKIM-Signature for each key of the domain in From, nothing if that is not ours. The first error of `pieces` ends
    /// it. Keys that are missing are made, which takes seconds; without keys a mail leaves unsigned.
    pub fn sign<E>(
        &self,
        pieces: &mut dyn Iterator<Item = Result<Vec<u8>, E>>,
        now: Now,
    ) -> Result<Vec<u8>, E> {
        let mut head = Head::default();
        let mut body = BodyHasher::new(Sha256::hasher(), Canonicalization::Relaxed, 0);
        for piece in pieces {
            if let Some(bytes) = head.push(&piece?) {
                body.write(bytes);
            }
        }
        let Some(domain) = self.author(&head) else {
            return Ok(Vec::new());
        };
        let (context, _) = body.finish();
        let signers = match self.signers(&domain, now) {
            Ok(signers) => signers,
            Err(error) => {
                tracing::error!(%error, "a mail leaves without a signature");
                return Ok(Vec::new());
            }
        };
        let body_hash = context.complete();
        Ok(signature::fields(
            &signers,
            &domain,
            &head.bytes,
            body_hash.as_ref(),
            now.wall,
        ))
    }

    /// What of `domain` has to be published, the newest keys first. Makes keys if there are none.
    pub fn published(&self, domain: &Domain, now: Now) -> Result<Vec<Published>, Error> {
        let set = self.set(domain, now)?.1;
        Ok(set.published(now.wall))
    }

    /// Makes new keys, which sign once [`Keyring::switch`] is told that they are published; `false` if there are such.
    pub fn rotate(&self, domain: &Domain, now: Now) -> Result<bool, Error> {
        let set = self.set(domain, now)?.1;
        if set.next.is_some() {
            return Ok(false);
        }
        let pair = make(domain, &set.bases(), now)?;
        self.change(domain, now, |set| set.add(pair.clone()))
    }

    /// New keys take over; those before stay published for [`OLD_KEYS_DAYS`]. `false` if there are none.
    pub fn switch(&self, domain: &Domain, now: Now) -> Result<bool, Error> {
        self.change(domain, now, |set| set.switch(now.stamp()))
    }

    /// Domains of this box that have keys waiting to be published.
    pub fn waiting(&self) -> Result<Vec<Domain>, Error> {
        let mut waiting = Vec::new();
        for domain in &self.0.domains {
            if let Some(row) = self.row(domain)?
                && parse(domain, &row)?.next.is_some()
            {
                waiting.push(domain.clone());
            }
        }
        Ok(waiting)
    }

    /// The domain in From, if it is ours and the header is whole.
    fn author(&self, head: &Head) -> Option<Domain> {
        let from = header::find(&head.bytes, "From").filter(|_| !head.is_cut)?;
        let author = address_list::parse(&from).into_iter().next()?;
        let domain = Domain::parse(std::str::from_utf8(&author.host?).ok()?).ok()?;
        self.0.domains.contains(&domain).then_some(domain)
    }

    fn signers(&self, domain: &Domain, now: Now) -> Result<Arc<Signers>, Error> {
        let (row, set) = self.set(domain, now)?;
        let mut ready = self.0.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = ready.get(domain).filter(|known| known.row == row) {
            return Ok(Arc::clone(&known.signers));
        }
        let signers = set.active.signers().map_err(|cause| Error::Keys {
            domain: domain.clone(),
            cause,
        })?;
        let signers = Arc::new(signers);
        let now_ready = Ready {
            row,
            signers: Arc::clone(&signers),
        };
        ready.insert(domain.clone(), now_ready);
        Ok(signers)
    }

    /// The domain's keys and the row that they come from; made if there are none.
    fn set(&self, domain: &Domain, now: Now) -> Result<(Vec<u8>, KeySet), Error> {
        if !self.0.domains.contains(domain) {
            return Err(Error::Stranger(domain.clone()));
        }
        if let Some(row) = self.row(domain)? {
            let set = parse(domain, &row)?;
            return Ok((row, set));
        }
        tracing::info!(%domain, "making keys for DKIM");
        let pair = make(domain, &[], now)?;
        let new = KeySet::new(pair).encode();
        // Whoever came first wins, so that what was shown once stays right.
        self.0.store.replace_setting(&name(domain), None, &new)?;
        let row = self.row(domain)?.unwrap_or(new);
        let set = parse(domain, &row)?;
        Ok((row, set))
    }

    /// Changes the keys by `change`, which says whether it did something.
    fn change(
        &self,
        domain: &Domain,
        now: Now,
        mut change: impl FnMut(&mut KeySet) -> bool,
    ) -> Result<bool, Error> {
        for _ in 0..TRIES_MAX {
            let (row, mut set) = self.set(domain, now)?;
            if !change(&mut set) {
                return Ok(false);
            }
            set.forget_old(now.wall);
            let store = &self.0.store;
            if store.replace_setting(&name(domain), Some(&row), &set.encode())? {
                return Ok(true);
            }
        }
        Err(Error::Keys {
            domain: domain.clone(),
            cause: KeyError::NotMade("others change them all the time".to_owned()),
        })
    }

    fn row(&self, domain: &Domain) -> store::Result<Option<Vec<u8>>> {
        self.0.store.snapshot()?.setting(&name(domain))
    }
}

/// New keys, with other selectors than those that are taken.
fn make(domain: &Domain, taken: &[String], now: Now) -> Result<keys::Pair, Error> {
    keys::Pair::make(rotation::base(now.stamp(), taken)).map_err(|cause| Error::Keys {
        domain: domain.clone(),
        cause,
    })
}

fn parse(domain: &Domain, row: &[u8]) -> Result<KeySet, Error> {
    KeySet::decode(row).map_err(|cause| Error::Keys {
        domain: domain.clone(),
        cause,
    })
}

/// The name of the setting that holds a domain's keys.
fn name(domain: &Domain) -> String {
    format!("dkim/{domain}")
}
