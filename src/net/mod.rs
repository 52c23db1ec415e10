//! The tokio shell: sockets, TLS, timers, limits, and the order of stopping.
//!
//! Everything that a protocol session must not touch is here. `listener` accepts and refuses, `stream` and `tls` make
//! bytes of packets, `driver` runs one session on one connection, `gate` checks credentials for it, `control` serves
//! the local command line, and `shutdown` ends it all in order. Protocols are seen only as `machine::Session`; which
//! session serves which port is decided by `app`.
//! Invariants: no session call runs on an async thread; a panic ends one connection; every wait has a deadline or ends
//! with the daemon; nothing that a peer sent is ever logged, but for what `maillog` lets through.

pub mod acme;
pub mod ca;
pub mod certificate;
pub mod control;
pub mod driver;
pub mod files;
pub mod gate;
pub mod https;
pub mod limits;
pub mod listener;
pub mod outbound;
mod probe;
pub mod shutdown;
pub mod stream;
pub mod tls;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What the network side has counted since the start. Cheap to clone; all clones count together.
#[derive(Clone, Debug, Default)]
pub struct Counters(Arc<Cells>);

#[derive(Debug, Default)]
struct Cells {
    accepted: Mutex<BTreeMap<&'static str, u64>>,
    refused: AtomicU64,
    handshakes_failed: AtomicU64,
    logins_failed: AtomicU64,
    panics: AtomicU64,
}

/// One reading of the [`Counters`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections refused for a limit.
    pub refused: u64,
    /// TLS handshakes that failed or took too long.
    pub handshakes_failed: u64,
    /// Logins refused, or not checked for want of time.
    pub logins_failed: u64,
    /// Sessions ended by a panic: a bug of ours each.
    pub panics: u64,
}

impl Counters {
    /// Reads all counters.
    pub fn read(&self) -> Counted {
        Counted {
            accepted: self.sessions().values().sum(),
            refused: self.0.refused.load(Ordering::Relaxed),
            handshakes_failed: self.0.handshakes_failed.load(Ordering::Relaxed),
            logins_failed: self.0.logins_failed.load(Ordering::Relaxed),
            panics: self.0.panics.load(Ordering::Relaxed),
        }
    }

    /// Connections accepted, by the name of their service.
    pub fn sessions(&self) -> BTreeMap<&'static str, u64> {
        let accepted = self.0.accepted.lock();
        accepted.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn accepted(&self, service: &'static str) {
        let accepted = self.0.accepted.lock();
        let mut accepted = accepted.unwrap_or_else(PoisonError::into_inner);
        *accepted.entry(service).or_default() += 1;
    }

    pub(crate) fn login_failed(&self) {
        self.0.logins_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self) {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn handshake_failed(&self) {
        self.0.handshakes_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn panicked(&self) {
        self.0.panics.fetch_add(1, Ordering::Relaxed);
    }
}
