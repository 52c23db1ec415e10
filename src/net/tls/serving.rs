//! Which certificate a client gets, by the name that it asks for.
//!
//! A certificate that everybody knows names the box's public names only. Devices in the house that trust the box's own
//! authority go on asking for its local names, and get its own certificate for them.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::EXPIRY_TROUBLE;
use crate::clock::Now;
use crate::net::certificate::Loaded;

/// A certificate whose end is nearer than this part of its life is trouble, if that is less than [`EXPIRY_TROUBLE`].
const TROUBLE_PART: u32 = 6;

/// The certificates in use: one at least.
#[derive(Clone, Debug)]
pub(super) enum Serving {
    /// The box's own alone.
    Made(Loaded),
    /// The owner's alone.
    Given(Loaded),
    /// From an authority that everybody knows, and the box's own for other names.
    Both {
        /// Everybody's.
        known: Loaded,
        /// The box's own.
        made: Loaded,
    },
}

impl Serving {
    /// The one for a client that asks for `host`, or for nothing.
    fn choose(&self, host: Option<&str>) -> &Loaded {
        match (self, host) {
            (Self::Both { known, made }, Some(host)) if !known.about.covers(host) => made,
            (Self::Made(one) | Self::Given(one) | Self::Both { known: one, .. }, _) => one,
        }
    }

    /// Whether one of them is expected to be accepted for `host` by anybody at this time.
    pub(super) fn vouches_for(&self, host: &str, now: Now) -> bool {
        let (Self::Given(loaded) | Self::Both { known: loaded, .. }) = self else {
            return false;
        };
        let about = &loaded.about;
        let is_in_time = now
            .wall
            .is_some_and(|wall| (about.not_before..=about.not_after).contains(&wall));
        is_in_time && !about.is_self_issued && about.covers(host)
    }

    pub(super) fn ends_soon(&self, now: Now) -> bool {
        let about = &self.choose(None).about;
        let ahead = EXPIRY_TROUBLE.min(about.life() / TROUBLE_PART);
        now.wall
            .is_some_and(|wall| wall.0.saturating_add(seconds(ahead)) >= about.not_after.0)
    }
}

fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

/// What is in use now; may change at any time.
pub(super) struct Current(RwLock<Arc<Serving>>);

impl Current {
    pub(super) fn new(serving: Serving) -> Self {
        Self(RwLock::new(Arc::new(serving)))
    }

    pub(super) fn set(&self, serving: Serving) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(serving);
    }

    pub(super) fn get(&self) -> Arc<Serving> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.get().choose(hello.server_name()).key))
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Current").field(&self.get()).finish()
    }
}
