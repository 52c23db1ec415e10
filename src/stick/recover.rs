//! A box that begins with the backup on a stick: what was asked for, what was found, and how far it is.
//!
//! Whoever sets the box up asks (`web`), root mounts the stick, for reading only, and has the daemon do what was asked
//! (`cli`); both meet here. The backup becomes a store beside the one of the box, is checked there, and takes its place at
//! the restart that follows (`store::replace`). Only a box without accounts is replaced. A power cut before that leaves
//! the box as it was.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Reason;
use crate::clock::{Mono, Now};
use crate::config::Settings;
use crate::manage::backup::{self, TLS};
use crate::store::backup::{Generation, kept};
use crate::store::{self, Options, Store};
use crate::wake::Wake;

/// File in the data directory that asks root for the stick.
pub const WANTED: &str = "restore-wanted";

/// The unit that looks for it, from the root of the system.
const UNIT: &str = "usr/lib/systemd/system/heimpost-restore.path";

/// How long root may take to begin.
const PATIENCE: Duration = Duration::from_mins(1);

/// Room beyond the backup's own bytes, for the store to work in.
const MARGIN_BYTES: u64 = 64 << 20;

/// Backups that are looked at on a stick.
const BACKUPS_MAX: usize = 32;

/// A backup that was found on a stick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its directory's name on the stick.
    pub dir: String,
    /// Which of the two there.
    pub generation: Generation,
    /// Name of the box that it is of.
    pub of: String,
    /// When it was made, seconds since 1970, as far as the stick tells.
    pub made: Option<i64>,
    /// Its bytes.
    pub bytes: u64,
    /// Accounts in it, if that can be read.
    pub accounts: Option<u64>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Accounts.
    pub accounts: u64,
    /// Their messages.
    pub messages: u64,
    /// Mails that waited to be sent, and are held.
    pub held: u64,
}

/// Why nothing came of it. The box is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Root could not hand the stick over.
    #[error("the stick cannot be used: {}", .0.name())]
    Stick(Reason),
    /// Root did not begin.
    #[error("the stick was not handed over in time")]
    Silence,
    /// There is an account by now.
    #[error("the box has an account already")]
    HasAccount,
    /// The backup asked for is not there any more.
    #[error("the backup is not on the stick any more")]
    Gone,
    /// The card has too little room.
    #[error("the card has too little room: {needed} bytes are needed, {free} are free")]
    Room {
        /// Bytes needed.
        needed: u64,
        /// Bytes there are.
        free: u64,
    },
    /// It cannot be read whole, or is not sound.
    #[error("the backup is of no use: {0}")]
    Backup(String),
    /// The card fails.
    #[error("the card cannot be written: {0}")]
    Card(String),
}

/// Where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing was asked for.
    #[default]
    Idle,
    /// Root is asked for a stick, to look what is on it.
    Looking,
    /// These backups are on it.
    Found(Vec<Found>),
    /// Root is asked for the stick again, for this one.
    Waiting(Found),
    /// It is being copied and checked.
    Copying(Found),
    /// It takes the box's place with the restart that was asked for.
    Restored(Restored),
    /// It did not work.
    Failed(Trouble),
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    /// UUID of the stick.
    stick: String,
    /// When root was asked.
    asked: Option<Mono>,
    /// Whether what was restored is the box by now.
    is_over: bool,
}

/// All of that. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Recovery(Arc<Mutex<State>>);

/// What it works with.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The store of the box, which must be without accounts.
    pub store: &'a Store,
    /// Settings in force.
    pub settings: &'a Settings,
    /// How to open a store by them.
    pub options: &'a Options,
}

/// Whether root looks for [`WANTED`] where these settings have it.
pub fn can_ask(settings: &Settings) -> bool {
    let wanted = format!("PathExists={}\n", settings.data.join(WANTED).display());
    let unit = fs::read_to_string(settings.backup.system.join(UNIT));
    unit.is_ok_and(|unit| unit.contains(&wanted))
}

impl Recovery {
    /// Where it stands at `now`.
    pub fn phase(&self, now: Mono) -> Phase {
        let mut state = self.state();
        let is_late = state.asked.is_some_and(|asked| now.since(asked) > PATIENCE);
        if is_late && matches!(state.phase, Phase::Looking | Phase::Waiting(_)) {
            state.phase = Phase::Failed(Trouble::Silence);
        }
        state.phase.clone()
    }

    /// Whether a backup is about to take the box's place.
    pub fn is_busy(&self) -> bool {
        let state = self.state();
        match state.phase {
            Phase::Waiting(_) | Phase::Copying(_) => true,
            Phase::Restored(_) => !state.is_over,
            Phase::Idle | Phase::Looking | Phase::Found(_) | Phase::Failed(_) => false,
        }
    }

    /// Notes that what was restored is the box by now.
    pub fn note_over(&self) {
        self.state().is_over = true;
    }

    /// Asks what is on the stick with this UUID.
    pub fn look(&self, stick: &str, data: &Path, now: Mono) -> io::Result<()> {
        let mut state = self.state();
        stick.clone_into(&mut state.stick);
        state.ask(Phase::Looking, data, now)
    }

    /// Asks for the backup of that number among those found. `false` if there is none.
    pub fn choose(&self, number: usize, data: &Path, now: Mono) -> io::Result<bool> {
        let mut state = self.state();
        let Phase::Found(found) = &state.phase else {
            return Ok(false);
        };
        let Some(chosen) = found.get(number).cloned() else {
            return Ok(false);
        };
        state.ask(Phase::Waiting(chosen), data, now).map(|()| true)
    }

    /// Forgets what was found or failed.
    pub fn forget(&self) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Found(_) | Phase::Failed(_)) {
            state.phase = Phase::Idle;
        }
    }

    /// UUID of the stick that root is asked for now.
    pub fn wanted(&self) -> Option<String> {
        let state = self.state();
        let is_wanted = matches!(state.phase, Phase::Looking | Phase::Waiting(_));
        is_wanted.then(|| state.stick.clone())
    }

    /// The stick cannot be handed over.
    pub fn refused(&self, reason: Reason) {
        if self.wanted().is_some() {
            self.state().phase = Phase::Failed(Trouble::Stick(reason));
        }
    }

    /// Does what was asked for with the stick's directory of backups at `mounted`. Once a backup is ready to take the box's
    /// place, `restart` is told.
    pub fn work(
        &self,
        mounted: &Path,
        place: Place<'_>,
        now: Now,
        restart: &Wake,
    ) -> Result<Phase, Trouble> {
        let chosen = {
            let mut state = self.state();
            match state.phase.clone() {
                Phase::Looking => None,
                Phase::Waiting(chosen) => {
                    state.phase = Phase::Copying(chosen.clone());
                    Some(chosen)
                }
                phase @ (Phase::Idle
                | Phase::Found(_)
                | Phase::Copying(_)
                | Phase::Restored(_)
                | Phase::Failed(_)) => return Ok(phase),
            }
        };
        let done = match chosen {
            None => Ok(Phase::Found(found(mounted))),
            Some(chosen) => restore(&chosen, mounted, place, now).map(Phase::Restored),
        };
        let phase = done
            .as_ref()
            .map_or_else(|trouble| Phase::Failed(trouble.clone()), Clone::clone);
        self.state().phase = phase;
        if matches!(done, Ok(Phase::Restored(_))) {
            restart.wake();
        }
        done
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn ask(&mut self, phase: Phase, data: &Path, now: Mono) -> io::Result<()> {
        self.phase = phase;
        self.asked = Some(now);
        fs::write(data.join(WANTED), "")
    }
}

/// All backups on a stick, those made last first.
fn found(mounted: &Path) -> Vec<Found> {
    let entries = fs::read_dir(mounted).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    let mut all = Vec::new();
    for dir in names.into_iter().take(BACKUPS_MAX) {
        for one in kept(&mounted.join(&dir)) {
            all.push(Found {
                of: dir
                    .rsplit_once('-')
                    .map_or(dir.as_str(), |(of, _)| of)
                    .to_owned(),
                dir: dir.clone(),
                generation: one.generation,
                made: one.made,
                bytes: one.bytes,
                accounts: one.accounts,
            });
        }
    }
    all.sort_by_key(|one| std::cmp::Reverse(one.made));
    all
}

fn restore(
    chosen: &Found,
    mounted: &Path,
    place: Place<'_>,
    now: Now,
) -> Result<Restored, Trouble> {
    let data = &place.settings.data;
    let from = mounted.join(&chosen.dir);
    let is_there = kept(&from)
        .iter()
        .any(|one| one.generation == chosen.generation && one.bytes == chosen.bytes);
    if !is_there {
        return Err(Trouble::Gone);
    }
    ensure_empty(place.store)?;
    Store::clear_beside(data).map_err(card)?;
    let restored = room(data, chosen.bytes)
        .and_then(|()| {
            fill(
                &Store::beside(data),
                (&from, chosen.generation),
                place.options,
                now,
            )
        })
        // An account that was made meanwhile stays.
        .and_then(|restored| ensure_empty(place.store).map(|()| restored))
        .and_then(|restored| Store::take_over(data).map(|()| restored).map_err(card));
    if restored.is_err()
        && let Err(error) = Store::clear_beside(data)
    {
        tracing::warn!(%error, "what was restored half stays until the next start");
    }
    restored
}

/// Puts the backup there, and proves it.
fn fill(
    beside: &Path,
    (from, generation): (&Path, Generation),
    options: &Options,
    now: Now,
) -> Result<Restored, Trouble> {
    let store = Store::restore_from((from, generation), beside, options, now)
        .map_err(|error| bad(&error))?;
    let report = store.check().map_err(|error| bad(&error))?;
    if let Some(violation) = report.violations.first() {
        return Err(bad(violation));
    }
    backup::copy_files(&from.join(TLS), &beside.join(TLS)).map_err(|error| bad(&error))?;
    Ok(Restored {
        accounts: report.accounts,
        messages: report.messages,
        held: report.spooled,
    })
}

fn ensure_empty(store: &Store) -> Result<(), Trouble> {
    let accounts = store.snapshot().and_then(|snapshot| snapshot.accounts());
    if accounts.map_err(card)?.is_empty() {
        Ok(())
    } else {
        Err(Trouble::HasAccount)
    }
}

fn room(data: &Path, bytes: u64) -> Result<(), Trouble> {
    let stat = rustix::fs::statvfs(data).map_err(|error| Trouble::Card(error.to_string()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let needed = bytes.saturating_add(MARGIN_BYTES);
    if free < needed {
        return Err(Trouble::Room { needed, free });
    }
    Ok(())
}

fn bad(why: &impl ToString) -> Trouble {
    Trouble::Backup(why.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn card(why: store::Error) -> Trouble {
    Trouble::Card(why.to_string())
}
