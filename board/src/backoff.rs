//! When to try a pin again that could not be had: after 1 s, then twice as long each time, up to a minute, for ever.
//!
//! Pure. A line that another program holds or a chip that comes late is found within a minute of being there, and
//! looking for it costs nothing that anybody would notice.

use std::time::Duration;

/// Wait after the first failure.
pub const FIRST: Duration = Duration::from_secs(1);
/// Longest wait.
pub const LONGEST: Duration = Duration::from_mins(1);

/// Counts failures in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// One more failure at `now`. When to try again.
    pub fn failed(&mut self, now: Duration) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1).min(31);
        now + FIRST.saturating_mul(factor).min(LONGEST)
    }

    /// Whether the last try failed.
    pub fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// It works.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_a_minute_and_starts_again_after_success() {
        let mut backoff = Backoff::default();
        let start = Duration::from_secs(100);
        let waits: Vec<u64> = (0..40)
            .map(|_| (backoff.failed(start).saturating_sub(start)).as_secs())
            .collect();
        assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(waits[8..].iter().all(|wait| *wait == 60));
        assert!(backoff.is_failing());
        backoff.reset();
        assert_eq!(backoff.failed(start).saturating_sub(start), FIRST);
    }
}
