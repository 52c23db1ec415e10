//! When will it be full? From the growth of the last weeks.

use crate::store::types::Sample;

/// Days until `limit` is reached at the pace of `samples` (oldest first), the last of which is near `today`.
pub fn days_left(samples: &[Sample], today: u32, used: u64, limit: u64) -> Option<u32> {
    todo!("{samples:?} {today} {used} {limit}")
}
