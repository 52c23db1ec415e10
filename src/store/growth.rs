//! What was in use at the end of each day, for forecasts.

use super::types::{Sample, Subject};
use super::{Result, Snapshot, Store};
use crate::clock::Now;

/// Days that are remembered.
pub const GROWTH_DAYS_MAX: u32 = 90;

impl Store {
    /// Notes what is in use today, at most one commit a day. Nothing while the clock is not set. Call it every hour or so.
    pub fn note_growth(&self, now: Now) -> Result<()> {
        todo!("{now:?}")
    }
}

impl Snapshot {
    /// What was in use at the end of each remembered day, oldest first; days on which the box was off are missing.
    pub fn growth(&self, subject: Subject) -> Result<Vec<Sample>> {
        todo!("{subject:?}")
    }
}
