//! What was in use at the end of each day, for forecasts.
//!
//! The first look at a day tells what was in use at the end of the day before: nothing comes in while the box is off. A
//! sample is never changed later, so a day costs one commit.

use redb::ReadableTable;

use super::counters::{AccountCounters, Counters};
use super::schema::{GROWTH, subject_key};
use super::tx::{ReadRows, Tx};
use super::types::{Sample, Subject};
use super::{Result, Snapshot, Store, events};
use crate::clock::{Now, Wall};

/// Days that are remembered.
pub const GROWTH_DAYS_MAX: u32 = 90;

/// The last day that has ended.
fn day_before(wall: Wall) -> Option<u32> {
    u32::try_from(wall.day() - 1).ok()
}

pub(super) fn samples(rows: &impl ReadRows, subject: Subject) -> Result<Vec<Sample>> {
    let (kind, id) = subject_key(subject);
    let table = rows.read(GROWTH)?;
    let mut samples = Vec::new();
    for entry in table.range((kind, id, 0)..=(kind, id, u32::MAX))? {
        let (key, bytes) = entry?;
        samples.push(Sample {
            day: key.value().2,
            bytes: bytes.value(),
        });
    }
    Ok(samples)
}

/// Adds a sample, and removes the oldest ones and those of days that have not come yet, which a wrong clock left.
fn add(tx: &Tx<'_>, subject: Subject, sample: Sample) -> Result<()> {
    let (kind, id) = subject_key(subject);
    let before = samples(tx, subject)?;
    let mut table = tx.write(GROWTH)?;
    let (kept, ahead): (Vec<Sample>, Vec<Sample>) =
        before.iter().partition(|old| old.day < sample.day);
    let kept_max = usize::try_from(GROWTH_DAYS_MAX - 1).unwrap_or(usize::MAX);
    let oldest = kept.iter().take(kept.len().saturating_sub(kept_max));
    for gone in oldest.chain(&ahead) {
        table.remove((kind, id, gone.day))?;
    }
    table.insert((kind, id, sample.day), sample.bytes)?;
    Ok(())
}

fn add_all(tx: &Tx<'_>, card: Sample) -> Result<()> {
    add(tx, Subject::Card, card)?;
    for account in super::account::list(tx)? {
        let bytes = AccountCounters::load(tx, account.id)?.usage.bytes;
        let sample = Sample { bytes, ..card };
        add(tx, Subject::Account(account.id), sample)?;
    }
    events::age(tx)
}

/// Forgets all samples of a subject.
pub(super) fn forget(tx: &Tx<'_>, subject: Subject) -> Result<()> {
    let (kind, id) = subject_key(subject);
    let mut table = tx.write(GROWTH)?;
    table.retain_in((kind, id, 0)..=(kind, id, u32::MAX), |_, _| false)?;
    Ok(())
}

impl Store {
    /// Notes once a day what was in use at the end of the day before. Nothing while the clock is not set. Call it every
    /// hour or so.
    pub fn note_growth(&self, now: Now) -> Result<()> {
        let Some(day) = now.wall.and_then(day_before) else {
            return Ok(());
        };
        let known = self.snapshot()?.growth(Subject::Card)?;
        if known.iter().any(|sample| sample.day == day) {
            return Ok(());
        }
        let bytes = self.0.core.count_space()?.used;
        self.0.commit(move |tx| add_all(tx, Sample { day, bytes }))
    }
}

impl Snapshot {
    /// What was in use at the end of each remembered day, oldest first; days on which the box was off are missing.
    pub fn growth(&self, subject: Subject) -> Result<Vec<Sample>> {
        samples(self, subject)
    }
}
