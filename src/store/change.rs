//! The change bus: what sessions hear of each other's work.
//!
//! A change is broadcast after its commit and before the writer's call returns, in the order of commits. It says where
//! to look, not what to show: a session compares mod-sequences in a snapshot of its own. A subscriber who falls behind
//! loses single changes and gets [`Heard::Lagged`] instead, which means: look at everything.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::mail::ids::{AccountId, MailboxId};
use crate::wake::Wake;

/// Most changes kept for a subscriber that does not listen.
pub const CHANGES_KEPT_MAX: usize = 256;

/// Something that happened in one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Messages of this mailbox came, went or changed flags.
    Messages(MailboxId),
    /// A mailbox was created, renamed, deleted or (un)subscribed.
    Mailboxes,
    /// The account's [`Level`](super::types::Level) or the card's is another one.
    Level,
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
pub struct Subscription(Arc<Ear>);

impl Subscription {
    /// The next thing heard; `None` when there is nothing new.
    pub fn poll(&mut self) -> Option<Heard> {
        lock(&self.0.heard).pop_front()
    }
}

#[derive(Debug)]
struct Ear {
    heard: Mutex<VecDeque<Heard>>,
    wake: Wake,
}

impl Ear {
    fn tell(&self, change: Change) {
        let mut heard = lock(&self.heard);
        if heard.back() != Some(&Heard::Change(change)) && heard.front() != Some(&Heard::Lagged) {
            if heard.len() == CHANGES_KEPT_MAX {
                heard.clear();
                heard.push_back(Heard::Lagged);
            } else {
                heard.push_back(Heard::Change(change));
            }
        }
        drop(heard);
        self.wake.wake();
    }
}

/// The bus itself. Only the store's writer broadcasts on it, after each commit.
#[derive(Debug, Default)]
pub(super) struct Bus {
    ears: Mutex<BTreeMap<AccountId, Vec<Weak<Ear>>>>,
    /// Broadcasts so far, counted before anybody is told.
    count: AtomicU64,
}

impl Bus {
    pub(super) fn subscribe(&self, account: AccountId, wake: Wake) -> Subscription {
        let heard = Mutex::new(VecDeque::new());
        let ear = Arc::new(Ear { heard, wake });
        let mut ears = lock(&self.ears);
        ears.entry(account).or_default().push(Arc::downgrade(&ear));
        Subscription(ear)
    }

    /// Broadcasts so far.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    pub(super) fn broadcast(&self, account: AccountId, change: Change) {
        self.count.fetch_add(1, Ordering::SeqCst);
        let mut ears = lock(&self.ears);
        let Some(listening) = ears.get_mut(&account) else {
            return;
        };
        listening.retain(|ear| ear.upgrade().inspect(|ear| ear.tell(change)).is_some());
        if listening.is_empty() {
            ears.remove(&account);
        }
    }

    /// Tells the subscribers of every account.
    pub(super) fn broadcast_to_all(&self, change: Change) {
        let accounts: Vec<AccountId> = lock(&self.ears).keys().copied().collect();
        for account in accounts {
            self.broadcast(account, change);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
