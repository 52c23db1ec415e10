//! What one LED says: patterns made of counts and rhythm, and the player that turns them into levels.
//!
//! Pure: the player takes `now` and never reads a clock. No two flashes begin less than [`FLASH_DISTANCE_MIN`] apart,
//! whatever patterns follow each other, so there are never more than three in any second (WCAG 2.3.1). A pattern ends
//! at once when another is set, and the other begins after a pause that keeps its flashes from being counted together
//! with those before.

use std::fmt;
use std::time::Duration;

/// Least time from the beginning of one flash to that of the next.
pub const FLASH_DISTANCE_MIN: Duration = Duration::from_millis(500);

/// Dark time before a pattern begins, when the LED showed something else until then.
const PAUSE: Duration = Duration::from_millis(500);
/// The same before counted flashes: a pause that nobody takes for the one between two flashes of a group.
const PAUSE_BEFORE_COUNT: Duration = Duration::from_secs(1);

/// Flashes in a group. One cannot be told from a slow blink, and nobody counts beyond six.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Count {
    /// 2
    Two = 2,
    /// 3
    Three,
    /// 4
    Four,
    /// 5
    Five,
    /// 6
    Six,
}

/// What the LED shows until another pattern is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pattern {
    /// Nothing.
    #[default]
    Dark,
    /// Light.
    Steady,
    /// A tick of 50 ms every 30 s, for bedrooms.
    Quiet,
    /// Half a second on, half a second off.
    Even,
    /// 1.8 s on, 0.2 s off.
    LongOn,
    /// Groups of flashes, 200 ms on and 300 ms off, 2 s between groups.
    Flashes(Count),
    /// The button is down: dark, so that a finger sees that it is felt.
    Felt,
    /// Held for 3 s: light, until the button is released.
    Held,
    /// Held for 10 s: 300 ms on, 300 ms off.
    HeldLong,
}

/// Milliseconds of light and of darkness, one after the other, again and again.
type Rhythm = &'static [(u32, u32)];

const FLASH: (u32, u32) = (200, 300);
const LAST_FLASH: (u32, u32) = (200, 2000);

impl Pattern {
    /// `None` where the level never changes.
    const fn rhythm(self) -> Option<Rhythm> {
        match self {
            Self::Dark | Self::Steady | Self::Felt | Self::Held => None,
            Self::Quiet => Some(&[(50, 29_950)]),
            Self::Even => Some(&[(500, 500)]),
            Self::LongOn => Some(&[(1800, 200)]),
            Self::HeldLong => Some(&[(300, 300)]),
            Self::Flashes(Count::Two) => Some(&[FLASH, LAST_FLASH]),
            Self::Flashes(Count::Three) => Some(&[FLASH, FLASH, LAST_FLASH]),
            Self::Flashes(Count::Four) => Some(&[FLASH, FLASH, FLASH, LAST_FLASH]),
            Self::Flashes(Count::Five) => Some(&[FLASH, FLASH, FLASH, FLASH, LAST_FLASH]),
            Self::Flashes(Count::Six) => Some(&[FLASH, FLASH, FLASH, FLASH, FLASH, LAST_FLASH]),
        }
    }

    const fn is_lit_steadily(self) -> bool {
        matches!(self, Self::Steady | Self::Held)
    }

    const fn pause_before(self) -> Duration {
        match self {
            Self::Flashes(_) => PAUSE_BEFORE_COUNT,
            Self::Dark
            | Self::Steady
            | Self::Quiet
            | Self::Even
            | Self::LongOn
            | Self::Felt
            | Self::Held
            | Self::HeldLong => PAUSE,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dark => f.write_str("dark"),
            Self::Steady => f.write_str("steady on"),
            Self::Quiet => f.write_str("a short tick every 30 s"),
            Self::Even => f.write_str("even blinking, once a second"),
            Self::LongOn => f.write_str("long on, short off"),
            Self::Flashes(count) => write!(f, "{} flashes", *count as u8),
            Self::Felt => f.write_str("dark, button down"),
            Self::Held => f.write_str("steady on, button held for 3 s"),
            Self::HeldLong => f.write_str("quick blinking, button held for 10 s"),
        }
    }
}

/// A stretch of constant level.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    lit: bool,
    since: Duration,
    /// `None` for ever.
    until: Option<Duration>,
}

/// Plays one pattern at a time. All times are on one monotonic clock and do not go back.
#[derive(Clone, Debug, Default)]
pub struct Player {
    pattern: Pattern,
    /// Since when the LED has been dark when the pattern was set.
    dark_since: Option<Duration>,
    /// When the pattern begins; dark until then.
    begins: Duration,
}

impl Player {
    /// A dark LED.
    pub fn new() -> Self {
        Self::default()
    }

    /// The pattern that was set last.
    pub fn pattern(&self) -> Pattern {
        self.pattern
    }

    /// Shows `pattern` from now on. The one that is shown already goes on undisturbed.
    pub fn set(&mut self, pattern: Pattern, now: Duration) {
        if pattern == self.pattern {
            return;
        }
        let stretch = self.stretch(now);
        let dark_since = match (stretch.lit, self.dark_since) {
            (true, _) => Some(now),
            // Dark since before the pattern was set, or never lit at all.
            (false, before) if stretch.since <= self.begins => before,
            (false, _) => Some(stretch.since),
        };
        let earliest = dark_since.map_or(now, |since| since + pattern.pause_before());
        *self = Self {
            pattern,
            dark_since,
            begins: earliest.max(now),
        };
    }

    /// Whether the LED is lit at `now`.
    pub fn level(&self, now: Duration) -> bool {
        self.stretch(now).lit
    }

    /// When the level changes next, later than `now`; `None` if it stays as long as the pattern does.
    pub fn next_change(&self, now: Duration) -> Option<Duration> {
        self.stretch(now).until
    }

    /// The stretch of constant level around `now`.
    fn stretch(&self, now: Duration) -> Stretch {
        let dark = Stretch {
            lit: false,
            since: self.dark_since.unwrap_or_default(),
            until: None,
        };
        let waiting = now < self.begins;
        match self.pattern.rhythm() {
            None if !self.pattern.is_lit_steadily() => dark,
            _ if waiting => Stretch {
                until: Some(self.begins),
                ..dark
            },
            None => Stretch {
                lit: true,
                since: self.begins,
                until: None,
            },
            Some(rhythm) => find(rhythm, self.begins, now),
        }
    }
}

/// The stretch of `rhythm`, begun at `begins`, that `now` is in.
fn find(rhythm: Rhythm, begins: Duration, now: Duration) -> Stretch {
    let period: u32 = rhythm.iter().map(|(on, off)| on + off).sum();
    let rounds = now.saturating_sub(begins).as_millis() / u128::from(period);
    let past = Duration::from_millis(u64::from(period));
    let mut since = begins + past.saturating_mul(u32::try_from(rounds).unwrap_or(u32::MAX));
    for (on, off) in rhythm {
        for (lit, length) in [(true, *on), (false, *off)] {
            let until = since + Duration::from_millis(u64::from(length));
            if now < until {
                return Stretch {
                    lit,
                    since,
                    until: Some(until),
                };
            }
            since = until;
        }
    }
    // Only after 2^32 rounds: begin anew.
    Stretch {
        lit: false,
        since,
        until: Some(now + PAUSE),
    }
}

#[cfg(test)]
mod tests;
