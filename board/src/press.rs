//! What a finger meant: edges of a contact that bounces become a short press, a hold or a long hold.
//!
//! Pure: takes edges with their time and never reads a clock. A press acts on release, and counts only after a release
//! was seen: a button that is down from the start, or longer than [`STUCK_AFTER`], is a fault and no press. The
//! classifier debounces by itself, for lines where the kernel does not. Ask [`Classifier::poll_timeout`] when to call
//! [`Classifier::handle_timeout`]; calling it late or more often changes nothing.

use std::collections::VecDeque;
use std::time::Duration;

/// The contact has its level when it kept it for this long.
pub const BOUNCE: Duration = Duration::from_millis(20);
/// Held this long, a press is a hold.
pub const HOLD_AFTER: Duration = Duration::from_secs(3);
/// Held this long, a hold is a long hold.
pub const HOLD_LONG_AFTER: Duration = Duration::from_secs(10);
/// Held this long, it was no finger.
pub const STUCK_AFTER: Duration = Duration::from_secs(20);

/// The contact of the button, whatever its wiring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Open.
    Released,
    /// Closed.
    Pressed,
}

impl From<bool> for Level {
    fn from(pressed: bool) -> Self {
        if pressed {
            Self::Pressed
        } else {
            Self::Released
        }
    }
}

/// A threshold that a held button has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// [`HOLD_AFTER`]
    Hold,
    /// [`HOLD_LONG_AFTER`]
    Long,
}

/// A finished press.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Press {
    /// Shorter than [`HOLD_AFTER`].
    Short,
    /// From [`HOLD_AFTER`] to below [`HOLD_LONG_AFTER`].
    Hold,
    /// From [`HOLD_LONG_AFTER`] to below [`STUCK_AFTER`].
    Long,
}

/// What the classifier has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The button is down, after it was up.
    Down,
    /// It has been held for so long.
    Threshold(Hold),
    /// It is up again: act.
    Press(Press),
    /// It is down from the start, or for too long; no press.
    Stuck,
    /// It is up again after [`Event::Stuck`].
    Freed,
}

/// What the debounced contact is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Its level at the start is not known for sure yet.
    New,
    Up,
    Down {
        since: Duration,
        passed: Option<Hold>,
    },
    Stuck,
}

/// Turns edges into presses.
#[derive(Clone, Debug)]
pub struct Classifier {
    /// The level that was told last, and since when.
    level: Level,
    since: Duration,
    /// Whether that level has been acted on.
    settled: bool,
    phase: Phase,
    events: VecDeque<Event>,
}

impl Classifier {
    /// For a contact that has `level` now.
    pub fn new(level: Level, now: Duration) -> Self {
        Self {
            level,
            since: now,
            settled: false,
            phase: Phase::New,
            events: VecDeque::new(),
        }
    }

    /// The contact has `level` since `now`. A level that it has already is ignored.
    pub fn handle_edge(&mut self, level: Level, now: Duration) {
        self.handle_timeout(now);
        if level != self.level {
            self.level = level;
            self.since = now;
            self.settled = false;
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Duration) {
        if !self.settled && now >= self.since + BOUNCE {
            self.settled = true;
            self.settle();
        }
        if let Some((since, passed)) = self.held() {
            self.pass_thresholds(since, passed, now);
        }
    }

    /// When to call [`Self::handle_timeout`] at the latest; `None` while nothing is going on.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if !self.settled {
            return Some(self.since + BOUNCE);
        }
        self.held().map(|(since, passed)| since + after(passed))
    }

    /// The next finding, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether the contact's level at the start is not known for sure yet.
    pub fn is_new(&self) -> bool {
        self.phase == Phase::New
    }

    /// Whether the button is down in a way that is no press.
    pub fn is_stuck(&self) -> bool {
        self.phase == Phase::Stuck
    }

    /// A button that is down for sure: since when, and what it has passed. While it bounces, no threshold is passed.
    fn held(&self) -> Option<(Duration, Option<Hold>)> {
        match self.phase {
            Phase::Down { since, passed } if self.settled => Some((since, passed)),
            Phase::New | Phase::Up | Phase::Down { .. } | Phase::Stuck => None,
        }
    }

    /// The contact has kept its level.
    fn settle(&mut self) {
        let (phase, event) = match (self.phase, self.level) {
            (Phase::New, Level::Released) => (Phase::Up, None),
            (Phase::New, Level::Pressed) => (Phase::Stuck, Some(Event::Stuck)),
            (Phase::Up, Level::Pressed) => (self.down(), Some(Event::Down)),
            (Phase::Down { passed, .. }, Level::Released) => {
                (Phase::Up, Some(Event::Press(press(passed))))
            }
            (Phase::Stuck, Level::Released) => (Phase::Up, Some(Event::Freed)),
            // Bounced, and is again what it was.
            (phase @ Phase::Up, Level::Released)
            | (phase @ (Phase::Down { .. } | Phase::Stuck), Level::Pressed) => (phase, None),
        };
        self.phase = phase;
        self.events.extend(event);
    }

    fn down(&self) -> Phase {
        Phase::Down {
            since: self.since,
            passed: None,
        }
    }

    fn pass_thresholds(&mut self, since: Duration, passed: Option<Hold>, now: Duration) {
        if now < since + after(passed) {
            return;
        }
        let next = match passed {
            None => Hold::Hold,
            Some(Hold::Hold) => Hold::Long,
            Some(Hold::Long) => {
                self.phase = Phase::Stuck;
                self.events.push_back(Event::Stuck);
                return;
            }
        };
        self.events.push_back(Event::Threshold(next));
        self.phase = Phase::Down {
            since,
            passed: Some(next),
        };
        self.pass_thresholds(since, Some(next), now);
    }
}

/// How long after the press the threshold after `passed` comes.
const fn after(passed: Option<Hold>) -> Duration {
    match passed {
        None => HOLD_AFTER,
        Some(Hold::Hold) => HOLD_LONG_AFTER,
        Some(Hold::Long) => STUCK_AFTER,
    }
}

/// What it was that ended after this threshold.
const fn press(passed: Option<Hold>) -> Press {
    match passed {
        None => Press::Short,
        Some(Hold::Hold) => Press::Hold,
        Some(Hold::Long) => Press::Long,
    }
}

#[cfg(test)]
mod tests;
