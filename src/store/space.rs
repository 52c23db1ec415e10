//! Admission: growth is refused before the card is full, so that deleting always works.
//!
//! Free is what the file system has left, or what `capacity_bytes_max` leaves, whichever is less, and what the volume
//! that is being filled can use again. Below the reserve mail is refused ([`Error::Full`]); deletes, flags and the
//! owner's own actions go on. Deletes need free pages too: redb writes new pages before it frees old ones. A file of
//! dead weight, the ballast, is there to be removed when even those run out, and made again when space returns.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::media::Media;
use super::volumes::Volumes;
use super::{Error, Options, Result};

/// Bytes of the ballast: 500 messages spread over a store could be deleted with them, 100 at a time.
pub const BALLAST_BYTES: u64 = 8 << 20;

/// Below this many free bytes the ballast goes and deletes are made in small transactions.
pub const TIGHT_BYTES: u64 = 16 << 20;

/// Below this many bytes left on the card itself, whoever took the rest, the ballast goes before any commit.
const SINKING_BYTES: u64 = 4 << 20;

/// After this many admitted bytes the free ones are counted anew.
const LOOK_AGAIN_BYTES: u64 = 1 << 20;

/// How full the card is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that the store may take in all.
    pub capacity: u64,
    /// Bytes that its files take, the ballast left out.
    pub used: u64,
    /// Bytes that it could still grow by, the reserve included.
    pub free: u64,
    /// Free bytes that mail may not take.
    pub reserve: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ballast {
    /// A run before may have left it.
    Unknown,
    There,
    Gone,
}

/// Keeps count of free space and of the ballast.
#[derive(Debug)]
pub(super) struct Guard {
    media: Arc<dyn Media>,
    volumes: Arc<Volumes>,
    capacity_bytes_max: Option<u64>,
    reserve_bytes: u64,
    /// Free bytes as counted last; up to [`LOOK_AGAIN_BYTES`] were admitted since.
    counted: Mutex<Option<u64>>,
    admitted: AtomicU64,
    ballast: Mutex<Ballast>,
}

impl Guard {
    pub(super) fn new(media: Arc<dyn Media>, volumes: Arc<Volumes>, options: &Options) -> Self {
        Self {
            media,
            volumes,
            capacity_bytes_max: options.capacity_bytes_max,
            reserve_bytes: options.reserve_bytes,
            counted: Mutex::new(None),
            admitted: AtomicU64::new(0),
            ballast: Mutex::new(Ballast::Unknown),
        }
    }

    /// Counts everything.
    pub(super) fn look(&self) -> Result<Space> {
        let used = self.media.used_bytes().map_err(Error::io)?;
        let on_card = self.media.free_bytes().map_err(Error::io)?;
        let in_bounds = self
            .capacity_bytes_max
            .map(|most| most.saturating_sub(used));
        let free = on_card.into_iter().chain(in_bounds).min();
        let free = free.unwrap_or(u64::MAX / 2);
        let free = free.saturating_add(self.volumes.reusable_bytes());
        Ok(Space {
            capacity: self
                .capacity_bytes_max
                .unwrap_or(u64::MAX)
                .min(used.saturating_add(free)),
            used,
            free,
            reserve: self.reserve_bytes,
        })
    }

    /// Whether there is room for that many bytes more above the reserve: [`Error::Full`] if not.
    pub(super) fn admit(&self, bytes: u64) -> Result<()> {
        let mut last = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let admitted = self.admitted.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let needed = self.reserve_bytes.saturating_add(bytes);
        let is_fresh =
            |free: &u64| admitted < LOOK_AGAIN_BYTES && *free >= needed && !self.is_sinking();
        let free = if let Some(free) = last.filter(is_fresh) {
            free
        } else {
            self.admitted.store(0, Ordering::Relaxed);
            self.look()?.free
        };
        *last = Some(free);
        if free < needed {
            return Err(Error::Full);
        }
        Ok(())
    }

    /// Before a delete: whether space is so tight that it must come in small transactions. Gives up the ballast then.
    pub(super) fn make_way(&self) -> Result<bool> {
        if self.look()?.free >= TIGHT_BYTES.min(self.reserve_bytes) {
            return Ok(false);
        }
        self.set_ballast(0)?;
        Ok(true)
    }

    /// Makes the ballast again if space has returned. Called by upkeep.
    pub(super) fn restore_ballast(&self) -> Result<()> {
        if self.ballast() == Ballast::There {
            return Ok(());
        }
        let needed = self.reserve_bytes.saturating_add(BALLAST_BYTES);
        // A file of its own cannot use what is free inside a volume.
        let on_card = self.media.free_bytes().map_err(Error::io)?;
        if self.look()?.free >= needed && on_card.is_none_or(|bytes| bytes >= needed) {
            self.set_ballast(BALLAST_BYTES)?;
        }
        Ok(())
    }

    /// Before any commit: gives up the ballast if another program has taken even the reserve, so that flags, moves and
    /// deletes go on.
    pub(super) fn keep_afloat(&self) {
        if self.ballast() != Ballast::Gone
            && self.is_sinking()
            && let Err(error) = self.set_ballast(0)
        {
            tracing::warn!(%error, "the ballast cannot be removed");
        }
    }

    fn is_sinking(&self) -> bool {
        matches!(self.media.free_bytes(), Ok(Some(free)) if free < SINKING_BYTES)
    }

    fn ballast(&self) -> Ballast {
        *self.ballast.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_ballast(&self, bytes: u64) -> Result<()> {
        let mut ballast = self.ballast.lock().unwrap_or_else(PoisonError::into_inner);
        self.media.set_ballast(bytes).map_err(Error::io)?;
        *ballast = match bytes {
            0 => Ballast::Gone,
            _ => Ballast::There,
        };
        Ok(())
    }
}
