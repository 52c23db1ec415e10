//! How full an account and the card are, as one word each: the value that everything in the house shows.
//!
//! An account's level is part of its counters and is stepped in the transaction that changes its usage or its quota, so
//! that it is as durable as they are. The card's is stepped whenever its space is counted. A level is entered at its
//! threshold and left [`LEAVE_POINTS`] below, so that nothing flutters.

use super::types::{Fill, Level, Subject, Thresholds};
use super::{Result, Store};
use crate::mail::ids::AccountId;
use crate::wake::Wake;

/// Points of a hundred below its threshold at which a level is left.
pub const LEAVE_POINTS: u64 = 3;

/// What COPY and APPEND into an account's Trash may use beyond the quota, in points of a hundred, so that programs
/// which delete by copying work in a full account.
pub const TRASH_ROOM_PERCENT: u64 = 10;

impl Level {
    /// The level after this one, with `used` of `limit` bytes taken. Never [`Level::Fault`].
    pub fn step(self, used: u64, limit: Option<u64>, thresholds: Thresholds) -> Self {
        todo!("{self:?} {used} {limit:?} {thresholds:?}")
    }
}

impl Fill {
    /// Hundredths in use, rounded down; `None` without a limit.
    pub fn percent(&self) -> Option<u64> {
        todo!()
    }

    /// Bytes that must go until mail is taken again; 0 if it is.
    pub fn bytes_to_free(&self) -> u64 {
        todo!()
    }
}

impl Store {
    /// How full the account or the card is.
    pub fn fill(&self, subject: Subject) -> Result<Fill> {
        todo!("{subject:?}")
    }

    /// Calls `wake` after each commit that changed a level, and when the card's changes. For as long as the store is
    /// open.
    pub fn on_level(&self, wake: Wake) {
        todo!("{wake:?}")
    }

    /// The fill of every account, by identifier.
    pub fn fills(&self) -> Result<Vec<(AccountId, Fill)>> {
        todo!()
    }
}
