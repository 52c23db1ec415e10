//! Giving up what was set aside: when it is too old, when the card needs the space, when its account is gone.

use redb::ReadableTable;

use super::{
    ASIDE, ASIDE_DAYS_MAX, ASIDE_MOVES, ASIDE_RUNS, AsideRow, BATCH, RunId, RunRow, moves_of,
    rows_of, runs,
};
use crate::clock::Now;
use crate::mail::ids::{AccountId, Serial};
use crate::store::age::DAY_SECONDS;
use crate::store::tx::{ReadRows, Tx};
use crate::store::types::{Level, Subject, Usage};
use crate::store::{Result, Store, blob};

/// Level of the card from which on what was set aside gives way.
pub const RELEASE_LEVEL: Level = Level::Warning;

/// What becomes of the note which messages a run moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moves {
    /// It stays, so that they can be moved back.
    Kept,
    /// It goes too.
    Forgotten,
}

/// Removes the row of a run that has nothing left.
pub(super) fn end_if_empty(tx: &Tx<'_>, run: RunId, moves: Moves) -> Result<()> {
    let is_empty = rows_of(tx, run, Serial(0), 1)?.is_empty();
    let has_moves = moves == Moves::Kept && !moves_of(tx, run, Serial(0), 1)?.is_empty();
    if is_empty && !has_moves {
        tx.write(ASIDE_RUNS)?.remove(run.0)?;
    }
    Ok(())
}

fn release_row(tx: &mut Tx<'_>, run: RunId, row: &AsideRow) -> Result<()> {
    tx.write(ASIDE)?.remove((run.0, row.record.serial.0))?;
    blob::release(tx, row.record.blob)
}

/// Releases one batch of a run; what that was, and whether there may be more.
fn release_some(tx: &mut Tx<'_>, run: RunId) -> Result<(Usage, bool)> {
    let Some(mut row) = RunRow::find(tx, run)? else {
        return Ok((Usage::default(), false));
    };
    let batch = rows_of(tx, run, Serial(0), BATCH)?;
    let mut usage = Usage::default();
    for message in &batch {
        release_row(tx, run, message)?;
        usage.count(message.record.bytes);
    }
    row.released += usage.messages;
    row.save(tx, run)?;
    Ok((usage, batch.len() == BATCH))
}

/// Forgets one batch of what a run moved; whether there may be more.
fn forget_some_moves(tx: &Tx<'_>, run: RunId) -> Result<bool> {
    let batch = moves_of(tx, run, Serial(0), BATCH)?;
    let mut table = tx.write(ASIDE_MOVES)?;
    for (serial, _) in &batch {
        table.remove((run.0, serial.0))?;
    }
    Ok(batch.len() == BATCH)
}

/// Removes one batch of what was set aside of an account that is gone; whether there was any.
pub(in crate::store) fn forget_account(tx: &mut Tx<'_>, account: AccountId) -> Result<bool> {
    let mut batch = Vec::new();
    {
        let table = tx.read(ASIDE)?;
        for entry in table.iter()? {
            let (key, row) = entry?;
            let (run, serial) = key.value();
            let row = AsideRow::unpack(Serial(serial), row.value())?;
            if row.account == account {
                batch.push((RunId(run), row));
            }
            if batch.len() == BATCH {
                break;
            }
        }
    }
    for (run, row) in &batch {
        release_row(tx, *run, row)?;
        end_if_empty(tx, *run, Moves::Kept)?;
    }
    Ok(!batch.is_empty())
}

impl Store {
    /// Releases what was set aside [`ASIDE_DAYS_MAX`] days ago, and while the card's level is [`RELEASE_LEVEL`] or
    /// worse, the oldest run first, until it is not. The space comes back at once. Call it every minute or so: it costs
    /// nothing while nothing is set aside.
    pub fn release_aside(&self, now: Now) -> Result<Usage> {
        let runs = runs(&self.snapshot()?)?;
        let mut released = Usage::default();
        if runs.is_empty() {
            return Ok(released);
        }
        let age = self.age(now)?;
        for (run, row) in runs {
            let days = age.saturating_sub(row.age) / DAY_SECONDS;
            let moves = if days >= u64::from(ASIDE_DAYS_MAX) {
                Moves::Forgotten
            } else if self.needs_space()? {
                Moves::Kept
            } else {
                continue;
            };
            let usage = self.release_run(run, moves)?;
            released.add(usage);
            if usage.messages > 0 {
                self.make_room()?;
            }
        }
        Ok(released)
    }

    fn needs_space(&self) -> Result<bool> {
        Ok(self.fill(Subject::Card)?.level >= RELEASE_LEVEL)
    }

    /// Releases a run whole, a hundred messages at a time.
    fn release_run(&self, run: RunId, moves: Moves) -> Result<Usage> {
        self.0.core.space.make_way()?;
        let mut released = Usage::default();
        loop {
            let (usage, more) = self.0.commit(move |tx| release_some(tx, run))?;
            released.add(usage);
            if !more {
                break;
            }
        }
        if moves == Moves::Forgotten {
            while self.0.commit(move |tx| forget_some_moves(tx, run))? {}
        }
        self.0.commit(move |tx| end_if_empty(tx, run, moves))?;
        Ok(released)
    }
}
