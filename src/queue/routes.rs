//! Which way mail leaves: to the hosts of the recipient's domain, or to a smarthost by its sender.
//!
//! Pure. The most exact rule wins: the sender's address, then its domain, then the default smarthost, then DNS. The null
//! sender goes by the default: what it reports about may have come by anyone.

use crate::mail::address::{Address, ReversePath};
use crate::queue::plan::Destination;
use crate::queue::relay::{Relay, Smarthost};

/// The owner's rules.
#[derive(Clone, Debug)]
pub struct Routes {
    relay: Relay,
}

impl Routes {
    /// By these settings.
    pub fn new(relay: Relay) -> Self {
        Self { relay }
    }

    /// Where mail of `sender` to `recipient` goes.
    pub fn destination(&self, sender: &ReversePath, recipient: &Address) -> Destination {
        let _ = (&self.relay, sender, recipient);
        todo!()
    }

    /// The smarthost of that name in the settings.
    pub fn smarthost(&self, name: &str) -> Option<&Smarthost> {
        let _ = name;
        todo!()
    }
}
