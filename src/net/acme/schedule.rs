//! When to try next. Pure: what there is, what was tried, the time.
//!
//! A certificate is renewed at two thirds of its life. A try that failed, or did not prove every name, is followed by the next
//! after an hour, then two, four, and so on up to a day: authorities count (Let's Encrypt: five failures per name and
//! hour). What was tried is remembered over restarts.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Wall;
use crate::net::certificate::About;

/// Wait after the first failure; each further one doubles it.
pub const RETRY_FIRST: Duration = Duration::from_hours(1);

/// Longest wait.
pub const RETRY_MAX: Duration = Duration::from_hours(24);

/// How long the box's name may be without a certificate before somebody should look after it.
pub const PATIENCE: Duration = Duration::from_hours(24);

/// What was tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// Of which authority: URL of its directory.
    pub directory: String,
    /// For which names.
    pub names: BTreeSet<String>,
    /// When the last try began, in seconds since 1970.
    pub last_try: Option<i64>,
    /// Tries in a row that came to nothing.
    pub failures: u32,
    /// Tries in a row that left names out.
    pub gaps: u32,
    /// Since when the box's name has had no certificate, in seconds since 1970.
    pub bare_since: Option<i64>,
    /// Why the last try failed, or what it left out, for people.
    pub last_problem: Option<String>,
    /// Whether a try has begun and not ended.
    #[serde(skip)]
    pub is_under_way: bool,
}

/// How soon after a failure the next try may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As often as there were failures before.
    Usual,
    /// The authority asks for patience.
    Slow,
}

impl History {
    /// What it is worth for this authority and these names: others are begun anew.
    #[must_use]
    pub fn of(self, directory: &str, names: &BTreeSet<String>) -> Self {
        if self.directory == directory && self.names == *names {
            return self;
        }
        Self {
            directory: directory.to_owned(),
            names: names.clone(),
            ..Self::default()
        }
    }

    /// When to try next; a time that has passed is now. `held` is the certificate that there is.
    pub fn next_try(&self, held: Option<&About>, now: Wall) -> Wall {
        let Some(held) = held.filter(|held| !self.is_foreign(held)) else {
            return self.not_before(self.failures, now);
        };
        let renewal = due(held).max(self.not_before(self.failures, now));
        let is_whole = self.names.iter().all(|name| held.covers(name));
        if is_whole {
            return renewal;
        }
        let completion = self.not_before(self.gaps.max(self.failures), now);
        renewal.min(completion)
    }

    /// A try begins. It counts as failed until it is known how it ends, so that a box that dies of it does not try again and
    /// again.
    pub fn begin(&mut self, now: Wall) {
        self.is_under_way = true;
        self.last_try = Some(now.0);
        self.failures = self.failures.saturating_add(1);
    }

    /// It succeeded, or found nothing to do. `missing` names were left out; `problem` says which and why.
    pub fn succeed(&mut self, missing: usize, problem: Option<String>) {
        self.is_under_way = false;
        self.last_problem = problem;
        self.failures = 0;
        self.gaps = if missing == 0 {
            0
        } else {
            self.gaps.saturating_add(1)
        };
    }

    /// It failed.
    pub fn fail(&mut self, problem: String, pace: Pace) {
        self.is_under_way = false;
        self.last_problem = Some(problem);
        if pace == Pace::Slow {
            self.failures = self.failures.max(SLOW);
        }
    }

    /// Notes whether `hostname` has a certificate; whether it has had none for longer than [`PATIENCE`].
    pub fn is_bare_for_long(&mut self, hostname: &str, held: Option<&About>, now: Wall) -> bool {
        let is_fine = held.is_some_and(|held| held.covers(hostname) && now <= held.not_after);
        if is_fine {
            self.bare_since = None;
            return false;
        }
        let since = self.bare_since.filter(|since| *since <= now.0);
        let since = *self.bare_since.insert(since.unwrap_or(now.0));
        now.0 >= since.saturating_add(seconds(PATIENCE))
    }

    /// The earliest after so many tries. A last try in the future was made by a clock that was wrong.
    fn not_before(&self, tries: u32, now: Wall) -> Wall {
        let last = self.last_try.filter(|last| *last <= now.0);
        match last {
            Some(last) if tries > 0 => Wall(last.saturating_add(seconds(backoff(tries)))),
            Some(_) | None => now,
        }
    }

    /// Whether it has none of the names: what another configuration left.
    fn is_foreign(&self, held: &About) -> bool {
        !self.names.iter().any(|name| held.covers(name))
    }
}

/// As many failures as make the wait the longest.
const SLOW: u32 = 6;

/// When a certificate is to be renewed.
pub fn due(held: &About) -> Wall {
    let life = held.not_after.0.saturating_sub(held.not_before.0);
    Wall(held.not_before.0.saturating_add(life / 3 * 2))
}

fn backoff(tries: u32) -> Duration {
    let doubled = 1_u32.checked_shl(tries.saturating_sub(1));
    RETRY_FIRST
        .saturating_mul(doubled.unwrap_or(u32::MAX))
        .min(RETRY_MAX)
}

fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;
    const DAY: i64 = 24 * HOUR;
    const T: i64 = 1_800_000_000;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// Issued at `T`, for 90 days.
    fn held(covered: &[&str]) -> About {
        About {
            names: names(covered),
            issuer: String::new(),
            is_self_issued: false,
            not_before: Wall(T),
            not_after: Wall(T + 90 * DAY),
        }
    }

    fn history(last_try: Option<i64>, failures: u32, gaps: u32) -> History {
        History {
            names: names(&["mail.a", "mta-sts.a"]),
            last_try,
            failures,
            gaps,
            ..History::default()
        }
    }

    /// Seconds from `now` to the next try.
    fn wait(history: &History, held: Option<&About>, now: i64) -> i64 {
        history.next_try(held, Wall(now)).0 - now
    }

    #[test]
    fn without_any_it_is_tried_at_once_and_then_ever_more_slowly() {
        assert_eq!(wait(&history(None, 0, 0), None, T), 0);
        let hours = [1, 2, 4, 8, 16, 24, 24];
        for (failures, hours) in (1..).zip(hours) {
            assert_eq!(wait(&history(Some(T), failures, 0), None, T), hours * HOUR);
        }
        assert_eq!(wait(&history(Some(T), u32::MAX, 0), None, T), DAY);
    }

    #[test]
    fn a_whole_one_is_renewed_at_two_thirds() {
        let whole = held(&["mail.a", "mta-sts.a", "old.a"]);
        assert_eq!(wait(&history(Some(T), 0, 0), Some(&whole), T), 60 * DAY);
        let failed = history(Some(T + 60 * DAY), 2, 0);
        let now = T + 60 * DAY + HOUR;
        assert_eq!(wait(&failed, Some(&whole), now), HOUR);
    }

    #[test]
    fn missing_names_are_tried_again_but_not_more_often_than_failures() {
        let part = held(&["mail.a"]);
        assert_eq!(wait(&history(Some(T), 0, 1), Some(&part), T), HOUR);
        assert_eq!(wait(&history(Some(T), 0, 9), Some(&part), T), DAY);
        assert_eq!(wait(&history(Some(T), 3, 1), Some(&part), T), 4 * HOUR);
        // Renewal does not wait for the gap.
        let now = T + 60 * DAY;
        let history = history(Some(now - HOUR), 0, 9);
        assert_eq!(wait(&history, Some(&part), now), 0);
    }

    #[test]
    fn one_for_other_names_counts_for_nothing() {
        let other = held(&["mail.b"]);
        assert_eq!(wait(&history(Some(T), 0, 0), Some(&other), T), 0);
    }

    #[test]
    fn a_clock_that_was_ahead_delays_nothing() {
        assert_eq!(wait(&history(Some(T + 400 * DAY), 5, 0), None, T), 0);
    }

    #[test]
    fn other_names_or_another_authority_begin_anew() {
        let old = history(Some(T), 5, 5);
        assert_eq!(old.clone().of("", &old.names.clone()), old);
        let more = names(&["mail.a", "mta-sts.a", "mail.b"]);
        assert_eq!(old.clone().of("", &more).failures, 0);
        assert_eq!(old.clone().of("https://other", &old.names).last_try, None);
    }

    #[test]
    fn a_try_counts_as_failed_until_it_ends() {
        let mut history = history(None, 0, 0);
        history.begin(Wall(T));
        assert_eq!(wait(&history, None, T), HOUR);
        history.succeed(1, None);
        assert_eq!((history.failures, history.gaps), (0, 1));
        history.begin(Wall(T));
        history.fail(String::new(), Pace::Usual);
        assert_eq!(wait(&history, None, T), HOUR);
        history.fail(String::new(), Pace::Slow);
        assert_eq!(wait(&history, None, T), DAY);
    }

    #[test]
    fn a_name_is_bare_for_long_after_a_day() {
        let (mut history, whole) = (history(None, 0, 0), held(&["mail.a"]));
        let mut is_bare = |held, now| history.is_bare_for_long("mail.a", held, Wall(now));
        assert!(!is_bare(None, T));
        assert!(!is_bare(None, T + DAY - 1));
        assert!(is_bare(None, T + DAY));
        assert!(!is_bare(Some(&whole), T + DAY));
        assert!(!is_bare(Some(&whole), T + 90 * DAY + 1));
        assert!(is_bare(Some(&whole), T + 92 * DAY));
    }
}
