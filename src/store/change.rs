//! The change bus: what sessions hear of each other's work.
//!
//! A change is broadcast after its commit and before the writer's call returns, in the order of commits. It says where
//! to look, not what to show: a session compares mod-sequences in a snapshot of its own. A subscriber who falls behind
//! loses single changes and gets [`Heard::Lagged`] instead, which means: look at everything.

use crate::mail::ids::MailboxId;

/// Most changes kept for a subscriber that does not listen.
pub const CHANGES_KEPT_MAX: usize = 256;

/// Something that happened in one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Messages of this mailbox came, went or changed flags.
    Messages(MailboxId),
    /// A mailbox was created, renamed, deleted or (un)subscribed.
    Mailboxes,
    /// The account itself was removed or its credentials changed.
    Account,
}

/// What [`Subscription::poll`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The next change.
    Change(Change),
    /// Changes were lost; anything may have changed.
    Lagged,
}

/// A subscriber's end of the bus; dropping it unsubscribes.
#[derive(Debug)]
pub struct Subscription;

impl Subscription {
    /// The next thing heard; `None` when there is nothing new.
    pub fn poll(&mut self) -> Option<Heard> {
        todo!()
    }
}
