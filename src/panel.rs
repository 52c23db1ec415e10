//! The policy of LED and button: what the state of the house looks like, and what a press means.
//!
//! Pure: takes the state and the time, gives patterns and actions. The hardware is `board`'s matter, what is done about a
//! press is `app`'s. The worst condition wins; a short press makes its pattern quiet for [`QUIET_FOR`], unless it is a
//! fault, and anything worse that comes meanwhile is shown again. [`Remote`] is how commands reach a running panel.

pub mod remote;

use std::time::Duration;

use heimpost_board::{Count, Pattern, Press};

use crate::clock::Mono;
use crate::store::types::Level;
pub use remote::Remote;

/// How long a short press keeps the LED quiet.
pub const QUIET_FOR: Duration = Duration::from_hours(24);

/// How long the setup window is open after a long hold.
pub const SETUP_FOR: Duration = Duration::from_mins(10);

/// Trouble that is no matter of storage; the greatest is nearest to the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// There is no good backup that is new enough.
    Backup,
    /// The clock is not set, or no time server confirms it: certificates cannot be judged.
    Clock,
    /// The certificate has expired or will soon, or a new one cannot be used.
    Certificate,
    /// Mail to others does not get out.
    Delivery,
    /// The name servers do not answer.
    Dns,
    /// There is no way out of the house.
    Network,
}

impl Trouble {
    fn in_words(self) -> &'static str {
        match self {
            Self::Backup => "the last good backup on the USB stick is too old",
            Self::Clock => "no time server has set the clock",
            Self::Certificate => "the certificate runs out, or the new one cannot be used",
            Self::Delivery => "mail to others does not get out; `heimpost status` says why",
            Self::Dns => "mail to others does not get out: the name servers (DNS) do not answer",
            Self::Network => "mail to others does not get out: there is no network",
        }
    }
}

/// What the LED tells about; the greatest wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// Nothing to say.
    Fine,
    /// [`Level::Notice`]
    Notice,
    /// [`Level::Warning`]
    Warning,
    /// What keeps people's programs or other servers from us.
    Trouble(Trouble),
    /// New mail is deferred.
    Full,
    /// The setup window is open.
    Setup,
    /// Starting, stopping or making room.
    Busy,
    /// Store or card cannot be written.
    Fault,
}

impl Condition {
    /// Its pattern when nobody asked for quiet.
    pub fn pattern(self) -> Pattern {
        match self {
            Self::Fine => Pattern::Steady,
            Self::Notice => Pattern::Flashes(Count::Two),
            Self::Warning => Pattern::Flashes(Count::Three),
            Self::Full => Pattern::Flashes(Count::Four),
            Self::Trouble(_) => Pattern::Flashes(Count::Five),
            Self::Fault => Pattern::Flashes(Count::Six),
            Self::Busy => Pattern::Even,
            Self::Setup => Pattern::LongOn,
        }
    }

    /// In words, for `panel watch`.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Fine => "all is well",
            Self::Notice => "filling up",
            Self::Warning => "almost full",
            Self::Trouble(trouble) => trouble.in_words(),
            Self::Full => "full: new mail waits outside",
            Self::Setup => "the setup window is open",
            Self::Busy => "busy: do not unplug",
            Self::Fault => "store or card has a fault",
        }
    }
}

/// Whether all is well is told by light or by a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Steady light.
    Plain,
    /// A short tick.
    Quiet,
}

/// What the house is at; each is told as [`Condition::Busy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Nothing but mail.
    Usual,
    /// The store is being opened, or closed.
    Turning,
    /// Room is being made.
    MakingRoom,
}

/// What a press asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The LED is quiet now.
    Quieted,
    /// It stays as it is: a fault is not quieted.
    NotQuieted,
    /// Run the storage-full hook and say [`Policy::end_room`] when it is done.
    MakeRoom,
    /// The hook runs already, or the box starts or stops.
    AlreadyBusy,
    /// The setup window is open now.
    SetupOpened,
}

/// What the LED shows and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The worst that is.
    pub condition: Condition,
    /// What is shown for it.
    pub pattern: Pattern,
    /// Whether that is quiet because of a short press.
    pub acknowledged: bool,
}

/// A short press, while it counts.
#[derive(Clone, Copy, Debug)]
struct Acknowledged {
    /// The best that lasting conditions have been since; anything worse ends the quiet.
    best: Condition,
    until: Mono,
}

/// The setup window, while it is open.
#[derive(Clone, Copy, Debug)]
struct Window {
    /// Which one it is since the start of the process.
    number: u64,
    until: Mono,
}

/// The state of the panel.
#[derive(Clone, Debug)]
pub struct Policy {
    manner: Manner,
    level: Level,
    trouble: Option<Trouble>,
    work: Work,
    acknowledged: Option<Acknowledged>,
    setup: Option<Window>,
    /// Setup windows so far.
    windows: u64,
}

impl Policy {
    /// Of a box that is starting.
    pub fn new(manner: Manner) -> Self {
        Self {
            manner,
            level: Level::Ok,
            trouble: None,
            work: Work::Turning,
            acknowledged: None,
            setup: None,
            windows: 0,
        }
    }

    /// Of a box that starts again, and knows what it was told before.
    #[must_use]
    pub fn again(&self, manner: Manner) -> Self {
        Self {
            acknowledged: self.acknowledged,
            setup: self.setup,
            windows: self.windows,
            ..Self::new(manner)
        }
    }

    /// The house's worst level at `now`, and the worst trouble besides.
    pub fn handle_state(&mut self, level: Level, trouble: Option<Trouble>, now: Mono) {
        self.handle_timeout(now);
        self.level = level;
        self.trouble = trouble;
        let lasting = self.lasting();
        if let Some(acknowledged) = &mut self.acknowledged {
            if lasting > acknowledged.best {
                self.acknowledged = None;
            } else {
                acknowledged.best = lasting;
            }
        }
    }

    /// A press, and what is to be done about it.
    pub fn handle_press(&mut self, press: Press, now: Mono) -> Action {
        self.handle_timeout(now);
        match press {
            Press::Short => self.acknowledge(now),
            Press::Hold if self.begin_room() => Action::MakeRoom,
            Press::Hold => Action::AlreadyBusy,
            Press::Long => {
                self.open_setup(now + SETUP_FOR);
                Action::SetupOpened
            }
        }
    }

    /// Forgets what is over at `now`.
    pub fn handle_timeout(&mut self, now: Mono) {
        self.acknowledged = self.acknowledged.filter(|held| now < held.until);
        self.setup = self.setup.filter(|window| now < window.until);
    }

    /// When to call [`Self::handle_timeout`] at the latest.
    pub fn poll_timeout(&self) -> Option<Mono> {
        let quiet = self.acknowledged.map(|held| held.until);
        let setup = self.setup.map(|window| window.until);
        quiet.into_iter().chain(setup).min()
    }

    /// The store is being opened or closed.
    pub fn begin_turning(&mut self) {
        self.work = Work::Turning;
    }

    /// The store is open, and the state known.
    pub fn end_turning(&mut self) {
        self.work = Work::Usual;
    }

    /// Room is being made; `false` if there is other work.
    pub fn begin_room(&mut self) -> bool {
        let is_free = self.work == Work::Usual;
        if is_free {
            self.work = Work::MakingRoom;
        }
        is_free
    }

    /// Room has been made. The box may be stopping meanwhile, and is then busy for longer.
    pub fn end_room(&mut self) {
        if self.work == Work::MakingRoom {
            self.work = Work::Usual;
        }
    }

    /// Whether somebody has proved to stand before the box.
    pub fn setup_is_open(&self) -> bool {
        self.setup.is_some()
    }

    /// Opens the setup window, a new one even if there is one.
    pub fn open_setup(&mut self, until: Mono) {
        self.windows += 1;
        self.setup = Some(Window {
            number: self.windows,
            until,
        });
    }

    /// Which setup window is open at `now`, if any.
    pub fn setup_window(&self, now: Mono) -> Option<u64> {
        let window = self.setup.filter(|window| now < window.until);
        window.map(|window| window.number)
    }

    /// Keeps the setup window open until then, if not for longer.
    pub fn extend_setup(&mut self, until: Mono) {
        if let Some(window) = &mut self.setup {
            window.until = window.until.max(until);
        }
    }

    /// Closes the setup window.
    pub fn close_setup(&mut self) {
        self.setup = None;
    }

    /// What the LED shows.
    pub fn view(&self) -> View {
        let condition = self.condition();
        let acknowledged = self.acknowledged.is_some() && condition < Condition::Setup;
        let is_quiet =
            acknowledged || (condition == Condition::Fine && self.manner == Manner::Quiet);
        View {
            condition,
            pattern: if is_quiet {
                Pattern::Quiet
            } else {
                condition.pattern()
            },
            acknowledged,
        }
    }

    fn acknowledge(&mut self, now: Mono) -> Action {
        let best = self.lasting();
        if best == Condition::Fault {
            return Action::NotQuieted;
        }
        self.acknowledged = Some(Acknowledged {
            best,
            until: now + QUIET_FOR,
        });
        Action::Quieted
    }

    /// The worst of what is and lasts, apart from what passes by itself.
    fn lasting(&self) -> Condition {
        let storage = match self.level {
            Level::Ok => Condition::Fine,
            Level::Notice => Condition::Notice,
            Level::Warning => Condition::Warning,
            Level::Full => Condition::Full,
            Level::Fault => Condition::Fault,
        };
        let trouble = self.trouble.map(Condition::Trouble);
        trouble.map_or(storage, |trouble| trouble.max(storage))
    }

    fn condition(&self) -> Condition {
        let busy = (self.work != Work::Usual).then_some(Condition::Busy);
        let setup = self.setup.map(|_| Condition::Setup);
        let passing = busy.max(setup).unwrap_or(Condition::Fine);
        self.lasting().max(passing)
    }
}

#[cfg(test)]
mod tests;
