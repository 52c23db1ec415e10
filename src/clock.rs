//! The only reader of time.
//!
//! Everything else takes a [`Now`] as an argument, so that tests run days in microseconds. A Raspberry Pi has no
//! battery-backed clock and boots at 1970, or where it was switched off: wall time is therefore an `Option`, and code says
//! what happens without it. What breaks by a clock that is merely old asks for [`Clock::trusted`], and waits.
//! Deadlines within a run use [`Mono`]; dates that survive a restart use [`Wall`].

use std::ops::Add;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a clock that no time server has confirmed is waited for; from then on it is taken as it is.
pub const CONFIRMED_WITHIN: Duration = Duration::from_mins(10);

/// How long it may take without anybody having to know.
pub const CONFIRMED_SOON: Duration = Duration::from_mins(2);

/// There while systemd's time service runs.
const TIME_SERVICE: &str = "/run/systemd/timesync";

/// Made there once a time server has set or confirmed the clock since the machine started.
const CONFIRMED: &str = "synchronized";

/// Monotonic time: the span since this process (or a test) began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub Duration);

impl Mono {
    /// The span from `earlier` to `self`, or zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Mono {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(rhs))
    }
}

/// Wall time: whole seconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(pub i64);

impl Wall {
    /// 2026-01-01T00:00:00Z. A clock that shows less has not been set since the board was powered.
    pub const FLOOR: Self = Self(1_767_225_600);

    /// Whole days since 1970-01-01, UTC.
    pub fn day(self) -> i64 {
        self.0.div_euclid(86_400)
    }
}

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For deadlines and delays within this run.
    pub mono: Mono,
    /// For dates; `None` while the clock has not been set.
    pub wall: Option<Wall>,
}

impl Now {
    /// The wall time to stamp a record with: the real one, or [`Wall::FLOOR`] while the clock is not set.
    pub fn stamp(self) -> Wall {
        self.wall.unwrap_or(Wall::FLOOR)
    }
}

/// What the machine's time service says about the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    /// There is none that we know of; whoever keeps the clock is trusted.
    None,
    /// No time server has been reached since the machine started; the clock may be as old as its last moment.
    Asking,
    /// The clock is right.
    Confirmed,
}

/// How far the wall clock can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has not been set.
    Unset,
    /// No time server has been reached since the machine started. A board without a battery goes on then from where it
    /// was switched off, or from the day its system was made, so the time looks like one.
    Unconfirmed,
    /// A time server has confirmed it, or something else than systemd's time service keeps it.
    Right,
}

/// Reads the system's clocks, or a test's hand-driven ones.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { start: Instant },
    Virtual(Arc<VirtualTime>),
}

#[derive(Debug)]
struct VirtualTime {
    mono_millis: AtomicU64,
    wall_seconds: AtomicI64,
    is_confirmed: AtomicBool,
}

impl Clock {
    /// The clocks of this machine.
    #[expect(
        clippy::disallowed_methods,
        reason = "this module is the one reader of time"
    )]
    pub fn system() -> Self {
        Self(Source::System {
            start: Instant::now(),
        })
    }

    /// A clock that stands still until [`Clock::advance`] moves it, first showing `wall`, which is right.
    pub fn virtual_at(wall: Wall) -> Self {
        Self(Source::Virtual(Arc::new(VirtualTime {
            mono_millis: AtomicU64::new(0),
            wall_seconds: AtomicI64::new(wall.0),
            is_confirmed: AtomicBool::new(true),
        })))
    }

    /// As [`Clock::virtual_at`], where no time server has been reached until [`Clock::confirm`].
    pub fn unconfirmed_at(wall: Wall) -> Self {
        let clock = Self::virtual_at(wall);
        if let Source::Virtual(time) = &clock.0 {
            time.is_confirmed.store(false, Ordering::SeqCst);
        }
        clock
    }

    /// A time server has been reached, for a virtual clock.
    pub fn confirm(&self) {
        if let Source::Virtual(time) = &self.0 {
            time.is_confirmed.store(true, Ordering::SeqCst);
        }
    }

    /// Moves a virtual clock forward by whole milliseconds; the system's clock is left alone.
    pub fn advance(&self, by: Duration) {
        if let Source::Virtual(time) = &self.0 {
            let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            let before = time.mono_millis.fetch_add(millis, Ordering::SeqCst);
            let seconds = (before + millis) / 1000 - before / 1000;
            let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
            time.wall_seconds.fetch_add(seconds, Ordering::SeqCst);
        }
    }

    /// Reads both clocks.
    #[expect(
        clippy::disallowed_methods,
        reason = "this module is the one reader of time"
    )]
    pub fn now(&self) -> Now {
        match &self.0 {
            Source::System { start } => Now {
                mono: Mono(start.elapsed()),
                wall: wall_if_set(SystemTime::now()),
            },
            Source::Virtual(time) => Now {
                mono: Mono(Duration::from_millis(
                    time.mono_millis.load(Ordering::SeqCst),
                )),
                wall: Some(Wall(time.wall_seconds.load(Ordering::SeqCst))),
            },
        }
    }
}

impl Clock {
    /// Whether the wall clock is as right as it will get: confirmed by a time server, kept by something else than
    /// systemd's time service, or not confirmed for [`CONFIRMED_WITHIN`]. It may not be set even so.
    pub fn is_settled(&self) -> bool {
        is_settled(self.service(), self.now().mono)
    }

    /// How far the wall clock can be relied on.
    pub fn standing(&self) -> Standing {
        match (self.now().wall, self.service()) {
            (None, _) => Standing::Unset,
            (Some(_), Service::Asking) => Standing::Unconfirmed,
            (Some(_), Service::None | Service::Confirmed) => Standing::Right,
        }
    }

    /// Whether somebody should know: it is not set, or not confirmed after [`CONFIRMED_SOON`] by a box that `reaches_out`.
    /// In a house without internet no time server will ever confirm it, and nothing waits for that.
    pub fn is_in_trouble(&self, reaches_out: bool) -> bool {
        match self.standing() {
            Standing::Unset => true,
            Standing::Unconfirmed => reaches_out && self.now().mono.0 >= CONFIRMED_SOON,
            Standing::Right => false,
        }
    }

    fn service(&self) -> Service {
        match &self.0 {
            Source::System { .. } => service_in(Path::new(TIME_SERVICE)),
            Source::Virtual(time) if time.is_confirmed.load(Ordering::SeqCst) => Service::Confirmed,
            Source::Virtual(_) => Service::Asking,
        }
    }

    /// The wall time for what an old clock does harm to, such as asking for certificates and checking those of others.
    /// Mail comes in without it.
    pub fn trusted(&self) -> Option<Wall> {
        self.now().wall.filter(|_| self.is_settled())
    }
}

fn is_settled(service: Service, running: Mono) -> bool {
    match service {
        Service::None | Service::Confirmed => true,
        Service::Asking => running.0 >= CONFIRMED_WITHIN,
    }
}

fn service_in(directory: &Path) -> Service {
    if directory.join(CONFIRMED).exists() {
        Service::Confirmed
    } else if directory.is_dir() {
        Service::Asking
    } else {
        Service::None
    }
}

fn wall_if_set(time: SystemTime) -> Option<Wall> {
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let wall = Wall(i64::try_from(seconds).ok()?);
    (wall >= Wall::FLOOR).then_some(wall)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unset_clock_is_a_value() {
        assert_eq!(wall_if_set(UNIX_EPOCH), None);
        let set = UNIX_EPOCH + Duration::from_hours(500_000);
        assert_eq!(wall_if_set(set), Some(Wall(1_800_000_000)));
    }

    #[test]
    fn virtual_clock_moves_both_readings_together() {
        let clock = Clock::virtual_at(Wall(1_800_000_000));
        clock.advance(Duration::from_millis(600));
        clock.advance(Duration::from_millis(600));
        let now = clock.now();
        assert_eq!(now.mono, Mono(Duration::from_millis(1200)));
        assert_eq!(now.wall, Some(Wall(1_800_000_001)));
    }

    #[test]
    fn a_clock_that_no_time_server_confirmed_is_waited_for_but_not_for_ever() {
        let clock = Clock::unconfirmed_at(Wall(1_800_000_000));
        assert_eq!(clock.trusted(), None);
        assert!(clock.now().wall.is_some(), "mail comes in with it");
        clock.advance(
            CONFIRMED_WITHIN
                .checked_sub(Duration::from_secs(1))
                .unwrap(),
        );
        assert_eq!(clock.trusted(), None);
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.trusted(), Some(Wall(1_800_000_600)));

        let clock = Clock::unconfirmed_at(Wall(1_800_000_000));
        clock.confirm();
        assert_eq!(clock.trusted(), Some(Wall(1_800_000_000)));
    }

    #[test]
    fn trouble_is_a_clock_that_nobody_confirms_for_long() {
        let clock = Clock::unconfirmed_at(Wall(1_800_000_000));
        assert_eq!(clock.standing(), Standing::Unconfirmed);
        assert!(!clock.is_in_trouble(true));
        clock.advance(CONFIRMED_SOON);
        assert!(clock.is_in_trouble(true));
        assert!(!clock.is_in_trouble(false));
        clock.advance(CONFIRMED_WITHIN);
        assert!(
            clock.is_in_trouble(true),
            "it is relied on, but may be wrong"
        );
        clock.confirm();
        assert_eq!(clock.standing(), Standing::Right);
        assert!(!clock.is_in_trouble(true));
    }

    #[test]
    fn the_time_service_says_so_by_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let service = dir.path().join("timesync");
        assert_eq!(service_in(&service), Service::None);
        std::fs::create_dir(&service).unwrap();
        assert_eq!(service_in(&service), Service::Asking);
        std::fs::write(service.join("synchronized"), "").unwrap();
        assert_eq!(service_in(&service), Service::Confirmed);
    }
}
