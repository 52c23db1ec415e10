//! Carries out what the queue wants done: finds hosts, talks to them, brings back what came of it.
//!
//! One task per job, as many as the plan allows. A connection that is still good is kept a little while for the next mail
//! to the same host. What a host is told is what was signed: converted first where the host needs it, then signed, then
//! sent. On shutdown a message under way has a moment to end; what is cut is due again.

use crate::clock::Clock;
use crate::mail::address::Domain;
use crate::net::outbound::Outbound;
use crate::net::shutdown::Token;
use crate::queue::desk::Desk;
use crate::queue::hosts::Finder;
use crate::queue::routes::Routes;
use crate::store::Store;
use crate::trust::signing::Keyring;

/// What a worker works with.
#[derive(Clone, Debug)]
pub struct Worker {
    /// What is to be done.
    pub desk: Desk,
    /// Where messages are.
    pub store: Store,
    /// Who takes them.
    pub finder: Finder,
    /// Which way.
    pub routes: Routes,
    /// Connections.
    pub outbound: Outbound,
    /// Signatures.
    pub keyring: Keyring,
    /// What the box calls itself.
    pub hostname: Domain,
    /// Port of other hosts: 25 but in tests.
    pub port: u16,
    /// Time.
    pub clock: Clock,
}

impl Worker {
    /// Works until the daemon stops.
    #[expect(clippy::unused_async, reason = "not written yet")]
    pub async fn run(self, token: Token) {
        let _ = token;
        todo!()
    }
}
