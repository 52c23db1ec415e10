//! Work that deliveries leave for later: moving the stage into a volume, removing garbage, settling.
//!
//! A move copies first, durably, and only then changes the index: a crash between leaves two copies, of which the
//! stage's counts; the volume's next opening for writing removes the other. Garbage goes the same way round: first from
//! its volume, then from the list. Upkeep runs in a thread of its own, or in the thread of whoever's commit made it due
//! ([`Upkeep`](super::Upkeep)).

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::blob;
use super::due::Reason;
use super::engine::Index;
use super::schema::EVENTS;
use super::space::Guard;
use super::staged::Staged;
use super::volume::Sync;
use super::volumes::Volumes;
use super::writer::Writer;
use super::{Error, Result};

/// Most blobs removed from a volume in one transaction.
const COLLECT_MAX: usize = 256;

/// Everything that works on the store's files.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) writer: Writer,
    pub(super) index: Arc<Index>,
    pub(super) volumes: Arc<Volumes>,
    pub(super) space: Guard,
    /// One at a time.
    pub(super) upkeep: Mutex<()>,
    /// Identifiers set aside for streamed blobs.
    pub(super) streamed_ids: Mutex<Range<u64>>,
}

impl Core {
    /// Moves the stage and collects garbage.
    pub(super) fn keep_up(&self) -> Result<()> {
        let _only = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        self.index.due.take();
        self.move_stage()?;
        while self.collect_some()? {}
        self.space.restore_ballast()?;
        self.follow_level();
        self.save_level()
    }

    /// Leaves nothing to do, and nothing for the next start to repair.
    pub(super) fn settle(&self) -> Result<()> {
        // They ride along with what is moved, if anything is.
        self.index.journal.want();
        self.keep_up()?;
        self.write_events()?;
        self.index.settle()
    }

    /// Writes what waits to be kept of what has happened.
    pub(super) fn write_events(&self) -> Result<()> {
        while self.index.journal.want() {
            self.writer.commit(|tx| tx.write(EVENTS).map(drop))?;
        }
        Ok(())
    }

    fn move_stage(&self) -> Result<()> {
        let snapshot = self.index.snapshot()?;
        if Staged::is_none(&snapshot)? {
            return Ok(());
        }
        let volume = self.volumes.for_filling()?;
        let _copying = self.volumes.copying();
        let (blobs, _) = volume.write(Sync::Now, |tx| {
            let mut blobs = Vec::new();
            Staged::for_each(&snapshot, |blob, staged| {
                for (number, frame) in (0_u32..).zip(staged.frames()) {
                    tx.put_frame(blob, number, frame?)?;
                }
                blobs.push(blob);
                tx.put_header(blob, staged.header()?)
            })?;
            Ok(blobs)
        })?;
        drop(snapshot);
        let number = volume.number;
        let noted = self
            .writer
            .commit(move |tx| blob::note_moved(tx, &blobs, number));
        if noted.is_err() {
            // The next move may go to another volume, and nothing would tell these copies from those that count.
            volume.start_over();
        }
        noted
    }

    /// Removes some garbage; whether there was any.
    fn collect_some(&self) -> Result<bool> {
        let snapshot = self.index.snapshot()?;
        let garbage = blob::garbage(&snapshot, &self.index.pins, COLLECT_MAX)?;
        if garbage.is_empty() {
            return Ok(false);
        }
        let mut by_volume: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        for &blob in &garbage {
            if let Some(volume) = blob::place(&snapshot, blob)? {
                by_volume.entry(volume).or_default().push(blob);
            }
        }
        drop(snapshot);
        let touched: Vec<u32> = by_volume.keys().copied().collect();
        for (number, blobs) in by_volume {
            self.volumes.get(number).write(Sync::Now, |tx| {
                blobs.iter().try_for_each(|blob| tx.delete(*blob))
            })?;
        }
        self.writer
            .commit(move |tx| blob::note_collected(tx, &garbage))?;
        for number in touched {
            self.rewrite_if_worth(number)?;
        }
        Ok(true)
    }

    /// As [`Core::keep_up`] or [`Core::settle`]; a fault is noted, for nobody waits for it.
    fn run(&self, work: impl FnOnce(&Self) -> Result<()>) {
        if let Err(error) = work(self) {
            self.index.note_fault(&error);
        }
    }

    /// Upkeep in the caller's thread, if it is due.
    pub(super) fn keep_up_if_due(&self) {
        if self.index.due.is_due() {
            self.run(Self::keep_up);
        }
    }
}

/// The thread that does upkeep. Dropping it ends the thread.
#[derive(Debug)]
pub(super) struct Keeper {
    core: Arc<Core>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread. `quiet` is the time without a commit after which it settles.
    pub(super) fn start(core: &Arc<Core>, quiet: Duration) -> Result<Self> {
        let inside = Arc::clone(core);
        let thread = thread::Builder::new()
            .name("store-upkeep".into())
            .spawn(move || {
                let mut seen = 0;
                loop {
                    match inside.index.due.wait(quiet, &mut seen) {
                        Reason::Gathered => inside.run(Core::keep_up),
                        Reason::Quiet => inside.run(Core::settle),
                        Reason::Stop => return,
                    }
                }
            })
            .map_err(Error::io)?;
        Ok(Self {
            core: Arc::clone(core),
            thread: Some(thread),
        })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.core.index.due.stop();
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            tracing::error!("store upkeep panicked");
        }
    }
}
