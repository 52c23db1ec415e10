//! Whose mail waits outside because an account was full.
//!
//! Kept in memory, so that a refusal costs the card nothing, and saved now and then ([`Store::save_waiting`]): a crash
//! forgets the last minutes of it. A row goes when mail of that sender is taken, or after [`WAITING_DAYS_MAX`].

use super::types::Waiting;
use super::{Result, Store};
use crate::clock::Now;
use crate::mail::address::ReversePath;
use crate::mail::ids::AccountId;

/// Days after which a sender has given up (RFC 5321 4.5.4.1: at least 4 to 5).
pub const WAITING_DAYS_MAX: u32 = 7;

/// Most senders that are remembered per account.
pub const WAITING_MAX: usize = 100;

impl Store {
    /// Mail of `bytes` (if the peer said) from `from` was deferred.
    pub fn note_deferred(
        &self,
        account: AccountId,
        from: &ReversePath,
        bytes: Option<u64>,
        now: Now,
    ) {
        todo!("{account:?} {from:?} {bytes:?} {now:?}")
    }

    /// Mail from `from` was taken.
    pub fn note_taken(&self, account: AccountId, from: &ReversePath) {
        todo!("{account:?} {from:?}")
    }

    /// Who waits, the latest try first.
    pub fn waiting(&self, account: AccountId) -> Result<Vec<Waiting>> {
        todo!("{account:?}")
    }

    /// Writes to the card what has changed, and forgets who has given up. Call it every few minutes.
    pub fn save_waiting(&self, now: Now) -> Result<()> {
        todo!("{now:?}")
    }
}
