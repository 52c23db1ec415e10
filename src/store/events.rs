//! What an owner asks about, kept: a ring of events (who wrote whom, what was refused, levels, backups), and the traffic
//! of each quarter of an hour.
//!
//! The mail log (`maillog`) notes events as they happen; noting never waits and never fails. They are written along with
//! other commits, or by [`Store::save_events`] soon after: a crash loses the last few seconds, never a delivery's time.
//! What strangers cause (refusals, failed logins) has a share of the ring of its own, so that nobody outside can push out
//! the rest, and what repeats itself is counted instead of written again. Never text or subjects of mail, no passwords.

mod journal;
mod rows;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub(super) use self::journal::Journal;
pub(super) use self::rows::{Ring, age, check, write};
use super::{Result, Store};
use crate::clock::{Now, Wall};
use crate::wake::Wake;

/// Most rows of each share of the ring; the oldest go.
pub const EVENTS_MAX: u64 = 20_000;

/// Most bytes of each share's rows.
pub const EVENT_BYTES_MAX: u64 = 4 << 20;

/// Most bytes of a text in an event; the rest is cut off.
pub const EVENT_TEXT_BYTES_MAX: usize = 240;

/// Most recipients that an event names.
pub const EVENT_NAMES_MAX: usize = 10;

/// Most events that wait to be written; the oldest are dropped and counted.
pub const EVENTS_PENDING_MAX: usize = 1024;

/// Quarters of an hour with traffic that are remembered: five weeks of the busiest.
pub const TRAFFIC_ROWS_MAX: u64 = 35 * 96;

/// Most rows that one search looks at; it says where to go on.
pub const SEARCHED_MAX: usize = 5_000;

/// So many events have the next commit take them along.
const RIDERS_MIN: usize = 16;

/// So long events wait at most, if the store can write.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The same if strangers caused them all: they alone must not wear out the card.
const STRANGERS_WAIT_MAX: Duration = Duration::from_mins(5);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Another server's mail was taken.
    Received = 0,
    /// A mail of one of our users was taken.
    Submitted = 1,
    /// Mail was refused for good.
    Refused = 2,
    /// Mail was put off.
    Deferred = 3,
    /// Another host has taken a mail of ours.
    Sent = 4,
    /// A mail of ours is tried again.
    PutOff = 5,
    /// A mail of ours was refused for good.
    TurnedAway = 6,
    /// A smarthost does not let us in.
    SmarthostLogin = 7,
    /// A mail program could not file or copy for want of room.
    NoRoom = 8,
    /// Somebody could not log in.
    LoginFailed = 9,
    /// The card or an account went from one level to another.
    Level = 10,
    /// The box itself wrote a mail.
    HouseWrote = 11,
    /// Mails were set aside to make room.
    RoomMade = 12,
    /// Mails that had been set aside are gone for good.
    RoomReleased = 13,
    /// Mails that had been set aside were put back.
    RoomUndone = 14,
    /// The button was pressed.
    Button = 15,
    /// A mail was sent without a copy in Sent.
    SentNotKept = 16,
    /// Something is wrong with sending as a whole.
    SendingTrouble = 17,
    /// LED or button do not work.
    PanelTrouble = 18,
    /// A device got an app password.
    DeviceAdded = 19,
    /// A device's app password was revoked.
    DeviceRevoked = 20,
    /// A backup was made, or failed.
    Backup = 21,
    /// The box started.
    Started = 22,
    /// Events were lost: more happened than could be written.
    Lost = 23,
}

impl Kind {
    /// All, by number.
    pub const ALL: [Self; 24] = [
        Self::Received,
        Self::Submitted,
        Self::Refused,
        Self::Deferred,
        Self::Sent,
        Self::PutOff,
        Self::TurnedAway,
        Self::SmarthostLogin,
        Self::NoRoom,
        Self::LoginFailed,
        Self::Level,
        Self::HouseWrote,
        Self::RoomMade,
        Self::RoomReleased,
        Self::RoomUndone,
        Self::Button,
        Self::SentNotKept,
        Self::SendingTrouble,
        Self::PanelTrouble,
        Self::DeviceAdded,
        Self::DeviceRevoked,
        Self::Backup,
        Self::Started,
        Self::Lost,
    ];

    /// Whether anyone outside can cause it at will.
    pub fn is_strangers(self) -> bool {
        matches!(self, Self::Refused | Self::Deferred | Self::LoginFailed)
    }
}

/// What is known of an event; which parts there are depends on its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Who: a sender's address, or the account concerned. Empty for a null sender, or nobody.
    pub from: String,
    /// Whom: recipients' addresses.
    pub to: Vec<String>,
    /// Number of recipients beyond those.
    pub more: u32,
    /// The other side: an address on the network, or a host's name.
    pub peer: String,
    /// Bytes, if known.
    pub bytes: Option<u64>,
    /// A number of its own: mails, milliseconds.
    pub count: u64,
    /// The reason as a code: a reply's codes, a level's name.
    pub code: String,
    /// The reason in words.
    pub text: String,
    /// Our identifier of the mail.
    pub mail: String,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Rises with every event.
    pub id: u64,
    /// When, the last time; `None` if the clock was not set.
    pub at: Option<Wall>,
    /// What.
    pub kind: Kind,
    /// How often in a row.
    pub times: u32,
    /// The rest.
    pub facts: Facts,
}

/// Which events are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Part of an address, a host, a code or a reason; case counts for nothing. Empty for any.
    pub text: String,
    /// Of these kinds; empty for any.
    pub kinds: Vec<Kind>,
    /// From here on, and before there.
    pub during: Option<(Wall, Wall)>,
    /// Only those with a lower identifier.
    pub before: Option<u64>,
    /// Most events.
    pub limit: usize,
}

/// What was found, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The events.
    pub events: Vec<Event>,
    /// Where to go on ([`Query::before`]), if there may be more.
    pub next: Option<u64>,
}

/// Mail and logins of a span of time, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Mails taken from other servers.
    pub received: u64,
    /// Mails taken from our users.
    pub submitted: u64,
    /// Mails and recipients refused.
    pub refused: u64,
    /// Mails and recipients put off.
    pub deferred: u64,
    /// Recipients for whom another host took a mail.
    pub sent: u64,
    /// Recipients for whom another host refused one.
    pub turned_away: u64,
    /// Failed logins.
    pub logins_failed: u64,
}

impl Traffic {
    /// Counts an event.
    fn count(&mut self, event: &Event) {
        let recipients = event.facts.to.len() as u64 + u64::from(event.facts.more);
        let times = u64::from(event.times);
        match event.kind {
            Kind::Received => self.received += times,
            Kind::Submitted => self.submitted += times,
            Kind::Refused => self.refused += times,
            Kind::Deferred => self.deferred += times,
            Kind::Sent => self.sent += recipients,
            Kind::TurnedAway => self.turned_away += recipients,
            Kind::LoginFailed => self.logins_failed += times,
            Kind::PutOff
            | Kind::SmarthostLogin
            | Kind::NoRoom
            | Kind::Level
            | Kind::HouseWrote
            | Kind::RoomMade
            | Kind::RoomReleased
            | Kind::RoomUndone
            | Kind::Button
            | Kind::SentNotKept
            | Kind::SendingTrouble
            | Kind::PanelTrouble
            | Kind::DeviceAdded
            | Kind::DeviceRevoked
            | Kind::Backup
            | Kind::Started
            | Kind::Lost => {}
        }
    }

    fn add(&mut self, other: Self) {
        self.received += other.received;
        self.submitted += other.submitted;
        self.refused += other.refused;
        self.deferred += other.deferred;
        self.sent += other.sent;
        self.turned_away += other.turned_away;
        self.logins_failed += other.logins_failed;
    }
}

impl Query {
    fn fits(&self, event: &Event) -> bool {
        let is_of_kind = self.kinds.is_empty() || self.kinds.contains(&event.kind);
        let is_in_time = self.during.is_none_or(|(from, to)| {
            let at = event.at.unwrap_or(Wall(0));
            from <= at && at < to
        });
        is_of_kind && is_in_time && self.finds(&event.facts)
    }

    fn finds(&self, facts: &Facts) -> bool {
        if self.text.is_empty() {
            return true;
        }
        let wanted = self.text.to_lowercase();
        let single = [
            &facts.from,
            &facts.peer,
            &facts.code,
            &facts.text,
            &facts.mail,
        ];
        let mut texts = single.into_iter().chain(&facts.to);
        texts.any(|text| text.to_lowercase().contains(&wanted))
    }
}

impl Store {
    /// Notes that something has happened. Returns at once; [`Store::save_events`] or another commit writes it.
    pub fn note(&self, kind: Kind, facts: Facts, now: Now) {
        self.0.index.journal.note(kind, facts, now);
    }

    /// Writes events that have waited for long enough. Call it every few seconds.
    pub fn save_events(&self, now: Now) -> Result<()> {
        if !self.0.index.journal.is_due(now) {
            return Ok(());
        }
        self.0.core.write_events()
    }

    /// Events that fit, newest first, those included that are not written yet.
    pub fn events(&self, query: &Query) -> Result<Found> {
        let pending = self.0.index.journal.pending();
        rows::find(&self.snapshot()?, pending, query)
    }

    /// Mail and logins from one time to before another, to the quarter of an hour.
    pub fn traffic(&self, from: Wall, to: Wall) -> Result<Traffic> {
        let pending = self.0.index.journal.pending();
        let (mut sum, written) = rows::traffic(&self.snapshot()?, from, to)?;
        for event in pending.iter().filter(|event| event.id >= written) {
            if event.at.is_some_and(|at| from <= at && at < to) {
                sum.count(event);
            }
        }
        Ok(sum)
    }

    /// Calls `wake` after each event.
    pub fn on_event(&self, wake: Wake) {
        self.0.index.journal.on_event(wake);
    }
}
