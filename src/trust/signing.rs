//! DKIM signatures (RFC 6376, RFC 8463): with two keys per domain, RSA and Ed25519.
//!
//! Keys are made here and kept in the store. The body is hashed as it streams through; a message is never whole in memory.

use crate::clock::Now;
use crate::mail::address::Domain;
use crate::store::{self, Store};

/// Keys of the box's domains. Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub struct Keyring {}

impl Keyring {
    /// Loads the keys of these domains; missing ones are made.
    pub fn open(store: &Store, domains: &[Domain], now: Now) -> store::Result<Self> {
        let _ = (store, domains, now);
        todo!()
    }

    /// Header fields to put in front of a message whose bytes (CRLF lines, as they are sent) come from `pieces`: a
    /// DKIM-Signature for each key of the domain in From, nothing if that is not ours. The first error of `pieces` ends it.
    pub fn sign<E>(
        &self,
        pieces: &mut dyn Iterator<Item = Result<Vec<u8>, E>>,
        now: Now,
    ) -> Result<Vec<u8>, E> {
        let _ = (pieces, now);
        todo!()
    }
}
