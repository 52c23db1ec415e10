//! Backups to a USB stick: which stick the owner has named, what was made there and how old that is.
//!
//! Root mounts the stick each night and asks the daemon for the backup (`make`); what became of it is remembered in the
//! store's settings ([`Record`]), so that page, `status`, figures, LED and mails tell the same ([`Standing`], `words`).
//! How old the last good one may be counts from the moment that the stick was named, and only while the clock is set.

pub mod make;
pub mod plugged;
pub mod recover;
pub mod words;

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{Now, Wall};
use crate::config::BackupSettings;
use crate::maillog::{self, Log};
use crate::store::{self, Snapshot, Store};

/// File in the data directory that asks root for a backup now.
pub const WANTED: &str = "backup-wanted";

/// Name of the store's setting that remembers.
const SETTING: &str = "backup.stick";

/// Tries to save while others save too.
const TRIES_MAX: usize = 8;

const DAY: Duration = Duration::from_hours(24);

/// Why there was no good backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// No such stick is plugged in.
    NotThere,
    /// Several sticks have that name.
    Several,
    /// It is the disk that the box itself runs from.
    System,
    /// Its file system is none that the box writes.
    FileSystem,
    /// It cannot be mounted.
    Mount,
    /// It is write-protected.
    ReadOnly,
    /// What was written does not come back, or its file system is broken.
    Damaged,
    /// There is too little room.
    Full,
    /// Writing failed, or it was pulled out.
    Write,
    /// What was restored for a trial is not sound.
    Unsound,
    /// The command ended without a word.
    BrokenOff,
}

/// All reasons, with their names for commands.
const REASONS: [(Reason, &str); 11] = [
    (Reason::NotThere, "not-there"),
    (Reason::Several, "several"),
    (Reason::System, "system"),
    (Reason::FileSystem, "file-system"),
    (Reason::Mount, "mount"),
    (Reason::ReadOnly, "read-only"),
    (Reason::Damaged, "damaged"),
    (Reason::Full, "full"),
    (Reason::Write, "write"),
    (Reason::Unsound, "unsound"),
    (Reason::BrokenOff, "broken-off"),
];

impl Reason {
    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        let found = REASONS.iter().find(|(_, known)| *known == name);
        found.map(|(reason, _)| *reason)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        let found = REASONS.iter().find(|(reason, _)| *reason == self);
        found.map_or("", |(_, name)| name)
    }
}

/// Why there was no good backup, with what is known about that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind of reason.
    pub reason: Reason,
    /// What the system said; may be empty.
    pub cause: String,
    /// Bytes that are needed and bytes that there are, if room is the reason.
    pub room: Option<(u64, u64)>,
}

impl Failure {
    /// One that is not about room.
    pub fn new(reason: Reason, cause: impl Into<String>) -> Self {
        Self {
            reason,
            cause: cause.into(),
            room: None,
        }
    }
}

/// A backup that is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Good {
    /// When it was made, seconds since 1970; `None` if the clock was not set.
    pub at: Option<i64>,
    /// Its bytes.
    pub bytes: u64,
    /// Whether the one before it is still on the stick.
    pub has_before: bool,
    /// When one was last restored for a trial, seconds since 1970.
    pub tried: Option<i64>,
    /// Messages that were there again then.
    pub messages: u64,
}

/// How the last attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When, seconds since 1970.
    pub at: Option<i64>,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
}

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Of which stick.
    pub name: String,
    /// When it was named, seconds since 1970; `None` while the clock is not set.
    pub since: Option<i64>,
    /// The last good backup.
    pub good: Option<Good>,
    /// The last attempt.
    pub last: Option<Attempt>,
    /// Whether the owners were written to that it is too old.
    pub told: bool,
}

impl Record {
    fn parse(bytes: Option<&[u8]>, name: &str) -> Self {
        let kept: Option<Self> = bytes.and_then(|bytes| serde_json::from_slice(bytes).ok());
        kept.filter(|kept| kept.name == name)
            .unwrap_or_else(|| Self {
                name: name.to_owned(),
                ..Self::default()
            })
    }

    /// Changes what is remembered of the stick with that name; gives it as it is then.
    fn change(store: &Store, name: &str, change: impl Fn(&mut Self)) -> store::Result<Self> {
        for _ in 0..TRIES_MAX {
            let kept = store.snapshot()?.setting(SETTING)?;
            let mut record = Self::parse(kept.as_deref(), name);
            change(&mut record);
            let bytes = serde_json::to_vec(&record)
                .map_err(|error| store::Error::Fault(error.to_string()))?;
            if kept.as_deref() == Some(&*bytes)
                || store.replace_setting(SETTING, kept.as_deref(), &bytes)?
            {
                return Ok(record);
            }
        }
        Err(store::Error::InUse)
    }
}

/// How it stands with the stick that is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What is remembered, with the stick's name.
    pub record: Record,
    /// How old the last good backup may be.
    pub limit: Duration,
}

impl Standing {
    /// As it is remembered; `None` if no stick is named.
    pub fn load(snapshot: &Snapshot, settings: &BackupSettings) -> store::Result<Option<Self>> {
        let Some(name) = &settings.stick else {
            return Ok(None);
        };
        let kept = snapshot.setting(SETTING)?;
        let record = Record::parse(kept.as_deref(), name);
        Ok(Some(Self::of(record, settings)))
    }

    /// As [`Standing::load`], and remembers since when that stick is named.
    pub fn follow(
        store: &Store,
        settings: &BackupSettings,
        now: Now,
    ) -> store::Result<Option<Self>> {
        let Some(name) = &settings.stick else {
            return Ok(None);
        };
        let noted = Record::change(store, name, |record| {
            record.since = record.since.or_else(|| seconds(now));
        });
        Ok(Some(Self::of(noted?, settings)))
    }

    fn of(record: Record, settings: &BackupSettings) -> Self {
        Self {
            record,
            limit: DAY * settings.age_max_days,
        }
    }

    /// Age of the last good backup, if there is one and both times are known.
    pub fn age(&self, now: Now) -> Option<Duration> {
        since(self.record.good.as_ref()?.at?, now)
    }

    /// Whether there should have been a good one since.
    pub fn is_overdue(&self, now: Now) -> bool {
        let made = self.record.good.as_ref().and_then(|good| good.at);
        let begun = made.or(self.record.since);
        let age = begun.and_then(|begun| since(begun, now));
        age.is_some_and(|age| age > self.limit)
    }

    /// Why the last attempt failed, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        self.record.last.as_ref()?.failure.as_ref()
    }
}

fn seconds(now: Now) -> Option<i64> {
    now.wall.map(|Wall(seconds)| seconds)
}

fn since(then: i64, now: Now) -> Option<Duration> {
    let seconds = seconds(now)?.saturating_sub(then);
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// Remembers that there was no good backup, and tells the log.
pub fn note_failure(
    store: &Store,
    name: &str,
    failure: &Failure,
    now: Now,
) -> store::Result<Record> {
    let words = words::problem(failure, name, store::types::Language::En);
    maillog::backed_up(Log(store, now), name, 0, Err(&words));
    Record::change(store, name, |record| {
        record.last = Some(Attempt {
            at: seconds(now),
            failure: Some(failure.clone()),
        });
    })
}

/// Remembers whether the owners were written to that the last good one is too old.
pub fn note_told(store: &Store, name: &str, told: bool) -> store::Result<Record> {
    Record::change(store, name, |record| record.told = told)
}
