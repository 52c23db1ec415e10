//! What upkeep has to do, and when: counts what came in since it last ran, and wakes its thread.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The stage is moved when it holds that many bytes.
const STAGED_BYTES_DUE: u64 = 2 << 20;

/// The stage is moved when it holds that many blobs.
const STAGED_BLOBS_DUE: u64 = 256;

/// Garbage is collected when that many blobs wait.
const GARBAGE_BLOBS_DUE: u64 = 256;

/// The same while the card is full, for mail waits outside.
const GARBAGE_BLOBS_DUE_FULL: u64 = 16;

/// Sums over what was committed since upkeep last looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Staged {
    pub(super) bytes: u64,
    pub(super) blobs: u64,
}

#[derive(Debug, Default)]
struct State {
    staged: Staged,
    garbage: u64,
    card_is_full: bool,
    /// Rises with every commit.
    commits: u64,
    stop: bool,
}

impl State {
    fn is_due(&self) -> bool {
        self.staged.bytes >= STAGED_BYTES_DUE
            || self.staged.blobs >= STAGED_BLOBS_DUE
            || self.garbage >= self.garbage_due()
    }

    fn garbage_due(&self) -> u64 {
        if self.card_is_full {
            GARBAGE_BLOBS_DUE_FULL
        } else {
            GARBAGE_BLOBS_DUE
        }
    }
}

/// Shared by the writer, which counts, and upkeep, which waits.
#[derive(Debug, Default)]
pub(super) struct Due {
    state: Mutex<State>,
    changed: Condvar,
}

/// Why [`Due::wait`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// Enough has gathered.
    Gathered,
    /// Something was committed, and then nothing for a while.
    Quiet,
    /// The store closes.
    Stop,
}

impl Due {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one commit.
    pub(super) fn add(&self, staged: Staged, garbage: u64) {
        let mut state = self.lock();
        state.staged.bytes += staged.bytes;
        state.staged.blobs += staged.blobs;
        state.garbage += garbage;
        state.commits += 1;
        if state.is_due() {
            self.changed.notify_all();
        }
    }

    /// Whether mail waits for the space that garbage takes.
    pub(super) fn set_card_is_full(&self, is_full: bool) {
        let mut state = self.lock();
        state.card_is_full = is_full;
        if state.is_due() {
            self.changed.notify_all();
        }
    }

    /// Whether enough has gathered.
    pub(super) fn is_due(&self) -> bool {
        self.lock().is_due()
    }

    /// Upkeep begins: what comes from now on is counted anew.
    pub(super) fn take(&self) {
        let mut state = self.lock();
        state.staged = Staged::default();
        state.garbage = 0;
    }

    /// Waits until there is something to do. `seen` is the count of commits at the last quiet moment.
    pub(super) fn wait(&self, quiet: Duration, seen: &mut u64) -> Reason {
        let mut state = self.lock();
        loop {
            if state.stop {
                return Reason::Stop;
            }
            if state.is_due() {
                return Reason::Gathered;
            }
            let before = state.commits;
            let (after, timeout) = self
                .changed
                .wait_timeout(state, quiet)
                .unwrap_or_else(PoisonError::into_inner);
            state = after;
            if timeout.timed_out() && state.commits == before && *seen != before {
                *seen = before;
                return Reason::Quiet;
            }
        }
    }

    /// Ends [`Due::wait`] for good.
    pub(super) fn stop(&self) {
        self.lock().stop = true;
        self.changed.notify_all();
    }
}
