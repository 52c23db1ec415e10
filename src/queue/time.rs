//! The queue's clock: it counts the time in which mail could have been sent.
//!
//! Within a run it follows the monotonic clock, whatever the wall clock does. For all the time between two runs it moves
//! on by what the wall clock says, one day at most, and not at all while the wall clock is not set: mail is tried for
//! too long rather than given up because a clock jumped. Its readings never go back, if they are saved with the queue.

use std::ops::Add;
use std::time::Duration;

use crate::clock::{Mono, Now, Wall};

/// The clock moves on by this at most for the time that the box was off.
pub const ABSENCE_MAX: Duration = Duration::from_hours(24);

/// A reading of the queue's clock: the time since it first ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueTime(pub Duration);

impl QueueTime {
    /// The span from `earlier` to `self`, or zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for QueueTime {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(rhs))
    }
}

/// What is saved with every change of the queue, and every hour or so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// The reading.
    pub time: QueueTime,
    /// The wall clock then, if it was set.
    pub wall: Option<Wall>,
}

/// The running clock.
#[derive(Clone, Copy, Debug)]
pub struct QueueClock {
    saved: Saved,
    start: Mono,
    absence: Absence,
}

/// How long the box was off.
#[derive(Clone, Copy, Debug)]
enum Absence {
    /// Not known before the wall clock is set.
    Unknown,
    Known(Duration),
}

impl QueueClock {
    /// Goes on from what was saved last, or begins.
    pub fn resume(saved: Saved, now: Now) -> Self {
        Self {
            saved,
            start: now.mono,
            absence: Absence::Unknown,
        }
    }

    /// What it shows now.
    pub fn read(&mut self, now: Now) -> QueueTime {
        let run = now.mono.since(self.start);
        self.saved.time + run + self.absence(run, now.wall)
    }

    /// What it shows now, to be saved.
    pub fn reading(&mut self, now: Now) -> Saved {
        Saved {
            time: self.read(now),
            wall: now.wall,
        }
    }

    /// Taken once, when the wall clock is first seen set: jumps after that do not count.
    fn absence(&mut self, run: Duration, wall: Option<Wall>) -> Duration {
        match (self.absence, wall) {
            (Absence::Known(absence), _) => absence,
            (Absence::Unknown, None) => Duration::ZERO,
            (Absence::Unknown, Some(wall)) => {
                let absence = absence(self.saved.wall, wall, run);
                self.absence = Absence::Known(absence);
                absence
            }
        }
    }
}

/// The time between the last reading that was saved and the start of this run, `run` before `wall`.
fn absence(saved: Option<Wall>, wall: Wall, run: Duration) -> Duration {
    let passed = saved.map_or(0, |saved| wall.0.saturating_sub(saved.0));
    let passed = Duration::from_secs(u64::try_from(passed).unwrap_or(0));
    passed.saturating_sub(run).min(ABSENCE_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: i64 = 1_800_000_000;

    fn now(mono: u64, wall: impl Into<Option<i64>>) -> Now {
        Now {
            mono: Mono(Duration::from_secs(mono)),
            wall: wall.into().map(|wall| Wall(START + wall)),
        }
    }

    fn saved(time: u64, wall: impl Into<Option<i64>>) -> Saved {
        Saved {
            time: QueueTime(Duration::from_secs(time)),
            wall: wall.into().map(|wall| Wall(START + wall)),
        }
    }

    /// A run that goes on from `before`; the readings seen at `nows`.
    fn check(before: Saved, nows: &[Now], expected: &[u64]) {
        let mut clock = QueueClock::resume(before, nows[0]);
        let seen: Vec<u64> = nows
            .iter()
            .map(|now| clock.read(*now).0.as_secs())
            .collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn jumps_within_a_run_do_not_count() {
        let nows = [
            now(7, 0),
            now(8, 9_000_000),
            now(9, -9_000_000),
            now(10, None),
        ];
        check(Saved::default(), &nows, &[0, 1, 2, 3]);
    }

    #[test]
    fn time_off_counts_up_to_a_day() {
        check(saved(50, 0), &[now(0, 600), now(5, 605)], &[650, 655]);
        check(saved(50, 0), &[now(0, 90_000_000)], &[86_450]);
        check(saved(50, 0), &[now(0, -90_000_000)], &[50]);
        check(saved(50, None), &[now(0, 600)], &[50]);
    }

    #[test]
    fn a_clock_that_is_set_late_tells_the_time_off_then() {
        let nows = [now(0, None), now(100, None), now(200, 1_200), now(300, 0)];
        check(saved(50, 0), &nows, &[50, 150, 1_250, 1_350]);
    }

    proptest! {
        #[test]
        fn readings_never_go_back_and_are_bounded(
            runs in prop::collection::vec(
                prop::collection::vec((0_u64..100_000, prop::option::of(any::<i32>())), 1..6), 1..6)
        ) {
            let mut saved = Saved::default();
            for steps in runs {
                let mut mono = 0;
                let mut clock = QueueClock::resume(saved, now(0, None));
                let begin = saved.time;
                for (step, wall) in steps {
                    mono += step;
                    let next = clock.reading(now(mono, wall.map(i64::from)));
                    prop_assert!(next.time >= saved.time);
                    let most = begin + Duration::from_secs(mono) + ABSENCE_MAX;
                    prop_assert!(next.time <= most);
                    saved = next;
                }
            }
        }
    }
}
