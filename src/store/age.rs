//! The slow clock: how long messages have lain where they lie, whatever the wall clock jumps to.
//!
//! It counts the seconds that passed while the wall clock was set and agreed with this run's own clock, and for all the
//! time between two runs one day at most: mail is kept too long rather than lost. Its readings are noted together with
//! the serial that the next message was going to get (`ages`). Every message that comes into a mailbox gets a higher
//! serial, so its serial alone tells how long it has lain there; the dates in records, which a wrong clock may have
//! written, do not count. The policy's wall time is the first date that was seen and moves with this clock.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redb::ReadableTable;

use super::codec::{Packer, Unpacker};
use super::counters::Counters;
use super::schema::{AGES, OF_AGE_CLOCK};
use super::tx::{IDS, Kind, ReadRows, Tx};
use super::{Result, Store};
use crate::clock::{Mono, Now, Wall};
use crate::mail::ids::Serial;

/// Seconds of a day.
pub(super) const DAY_SECONDS: u64 = 86_400;

/// The clock is written this often at most, since each commit wears the card and unsettles the store.
const STEP: Duration = Duration::from_hours(6);

/// The clock as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AgeClock {
    seconds: u64,
    /// The wall clock when it last moved.
    wall: Wall,
}

impl Counters for AgeClock {
    type Id = ();

    fn key((): ()) -> (u8, u32) {
        (OF_AGE_CLOCK, 0)
    }

    fn pack(&self, row: &mut Packer) {
        row.uint(self.seconds).int(self.wall.0);
    }

    fn unpack(row: &mut Unpacker<'_>) -> Result<Self> {
        Ok(Self {
            seconds: row.uint()?,
            wall: Wall(row.int()?),
        })
    }
}

impl AgeClock {
    /// What it shows at `wall`, if it may move by `allowance`.
    fn moved(self, wall: Wall, allowance: Duration) -> Self {
        let passed = u64::try_from(wall.0.saturating_sub(self.wall.0)).unwrap_or(0);
        Self {
            seconds: self.seconds + passed.min(allowance.as_secs()),
            wall,
        }
    }
}

/// A reading of the clock that was noted: a row of `ages`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Note {
    age: u64,
    /// Messages with serials below were there at that reading.
    serial: Serial,
    /// The policy's wall time then.
    wall: Wall,
}

impl Note {
    fn unpack(age: u64, row: &[u8]) -> Result<Self> {
        let mut row = Unpacker::new("ages", row);
        let note = Self {
            age,
            serial: Serial(row.uint()?),
            wall: Wall(row.int()?),
        };
        row.finish()?;
        Ok(note)
    }

    fn save(self, tx: &Tx<'_>) -> Result<()> {
        let mut row = Packer::new();
        row.uint(self.serial.0).int(self.wall.0);
        let mut table = tx.write(AGES)?;
        table.insert(self.age, row.finish().as_slice())?;
        Ok(())
    }

    /// The last one at or before `age`.
    fn last_to(rows: &impl ReadRows, age: u64) -> Result<Option<Self>> {
        let table = rows.read(AGES)?;
        let last = table.range(..=age)?.next_back().transpose()?;
        last.map(|(age, row)| Self::unpack(age.value(), row.value()))
            .transpose()
    }

    /// The policy's wall time at a later `age`.
    fn wall_at(self, age: u64) -> Wall {
        let since = i64::try_from(age.saturating_sub(self.age)).unwrap_or(i64::MAX);
        Wall(self.wall.0.saturating_add(since))
    }
}

/// How far the clock may move in a transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    time: Duration,
    /// In a run's first step: messages with serials below were there when the run began.
    there_at_start: Option<Serial>,
}

/// Moves the clock to now as far as it may, and returns its reading. It stands while the wall clock is not set.
pub(super) fn advance(tx: &Tx<'_>, now: Now, allowance: Allowance) -> Result<u64> {
    let stored = AgeClock::find(tx, ())?;
    let Some(wall) = now.wall else {
        return Ok(stored.map_or(0, |clock| clock.seconds));
    };
    let before = stored.unwrap_or(AgeClock { seconds: 0, wall });
    let clock = before.moved(wall, allowance.time);
    if stored == Some(clock) {
        return Ok(clock.seconds);
    }
    clock.save(tx, ())?;
    let last = Note::last_to(tx, u64::MAX)?;
    let begin = last.map_or(wall, |last| last.wall_at(before.seconds));
    // Whatever came in the runs before came before the clock moves on from there.
    if let Some(serial) = allowance.there_at_start {
        let note = Note {
            age: before.seconds,
            serial,
            wall: begin,
        };
        note.save(tx)?;
    }
    let is_due = |last: Note| clock.seconds >= last.age + STEP.as_secs();
    if last.is_none_or(is_due) {
        let passed = i64::try_from(clock.seconds - before.seconds).unwrap_or(i64::MAX);
        let note = Note {
            age: clock.seconds,
            serial: Serial(tx.peek_id(Kind::Serial)?),
            wall: Wall(begin.0.saturating_add(passed)),
        };
        note.save(tx)?;
    }
    Ok(clock.seconds)
}

/// When this process last moved the clock, and what was there before it ran.
#[derive(Debug)]
pub(super) struct Baseline {
    moved: Mutex<Option<Mono>>,
    /// The serial that was next when the store was opened.
    there_at_start: Serial,
}

impl Baseline {
    /// That of a store that has just been opened.
    pub(super) fn at_start(rows: &impl ReadRows) -> Result<Self> {
        let ids = rows.read(IDS)?;
        let next = ids.get(Kind::Serial as u8)?;
        Ok(Self {
            moved: Mutex::default(),
            there_at_start: Serial(next.map_or(1, |next| next.value())),
        })
    }

    fn moved(&self) -> Option<Mono> {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far the clock may move now: as long as it stood in this run, and one day for all the time before.
    pub(super) fn allowance(&self, now: Now) -> Allowance {
        match self.moved() {
            Some(before) => Allowance {
                time: now.mono.since(before),
                there_at_start: None,
            },
            None => Allowance {
                time: Duration::from_secs(DAY_SECONDS),
                there_at_start: Some(self.there_at_start),
            },
        }
    }

    /// Whether the clock was moved a short while ago.
    fn is_fresh(&self, now: Now) -> bool {
        let before = self.moved();
        before.is_some_and(|before| now.mono.since(before) < STEP)
    }

    /// The clock was moved.
    pub(super) fn set(&self, now: Now) {
        if now.wall.is_some() {
            *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Some(now.mono);
        }
    }
}

impl Store {
    /// The slow clock's reading, a few hours old at most.
    pub(super) fn age(&self, now: Now) -> Result<u64> {
        if self.0.age.is_fresh(now) {
            let stored = AgeClock::find(&self.snapshot()?, ())?;
            return Ok(stored.map_or(0, |clock| clock.seconds));
        }
        let allowance = self.0.age.allowance(now);
        let age = self.0.commit(move |tx| advance(tx, now, allowance))?;
        self.0.age.set(now);
        Ok(age)
    }

    /// Keeps the slow clock going: a commit every six hours at most. Call it every hour or so, and once at the start.
    pub fn keep_age(&self, now: Now) -> Result<()> {
        self.age(now).map(drop)
    }

    /// Messages with serials below have lain in their mailboxes for at least `days`, by the slow clock: jumps of the
    /// wall clock make nothing older, and a box that was off ages its mail by one day at most. `None` if none has, or
    /// while the wall clock is not set.
    pub fn lain_for(&self, days: u32, now: Now) -> Result<Option<Serial>> {
        if days == 0 {
            return Ok(Some(Serial(u64::MAX)));
        }
        if now.wall.is_none() {
            return Ok(None);
        }
        let Some(then) = self.age(now)?.checked_sub(u64::from(days) * DAY_SECONDS) else {
            return Ok(None);
        };
        let note = Note::last_to(&self.snapshot()?, then)?;
        Ok(note.map(|note| note.serial))
    }

    /// The date by which dates of mail are old: today's, but never further on than the slow clock allows, so that it
    /// moves at most one day a day. `None` while the wall clock is not set.
    pub fn policy_wall(&self, now: Now) -> Result<Option<Wall>> {
        let Some(wall) = now.wall else {
            return Ok(None);
        };
        let age = self.age(now)?;
        let last = Note::last_to(&self.snapshot()?, u64::MAX)?;
        Ok(last.map(|last| last.wall_at(age).min(wall)))
    }
}
