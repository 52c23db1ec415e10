//! Admission: growth is refused before the card is full, so that deleting always works.
//!
//! Free is what the file system has left, or what `capacity_bytes_max` leaves, whichever is less, and what the volume
//! that is being filled can use again, as long as the card has some room around it. Below the reserve mail is refused ([`Error::Full`]); deletes, flags, the house's
//! own mail and the owner's own actions go on. How full the card is as a [`Level`] is stepped with each count; at
//! [`Level::Full`] no mail is taken, however small, until that is left, so that whoever says "full" is right. Deletes need free pages too: redb writes new pages before it frees old ones. A file of
//! dead weight, the ballast, is there to be removed when even those run out, and made again when space returns.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::counters::Counters;
use super::level::CardLevel;
use super::media::Media;
use super::tx::Tx;
use super::types::{Fill, Level, Thresholds};
use super::upkeep::Core;
use super::volumes::Volumes;
use super::{Error, Options, Result};

/// Bytes of the ballast: 500 messages spread over a store could be deleted with them, 100 at a time.
pub const BALLAST_BYTES: u64 = 8 << 20;

/// Below this many free bytes the ballast goes and deletes are made in small transactions.
pub const TIGHT_BYTES: u64 = 16 << 20;

/// Below this many bytes left on the card itself, whoever took the rest, the ballast goes before any commit.
const SINKING_BYTES: u64 = 4 << 20;

/// What a copy of a volume needs besides the bytes of its blobs.
const COPY_BYTES_MIN: u64 = 1 << 20;

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

/// What of the card something may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// All but the reserve, and nothing while the card is full.
    Mail,
    /// The reserve too, but for what deletes need.
    House,
}

/// What was counted.
#[derive(Clone, Copy, Debug)]
struct Count {
    space: Space,
    /// Bytes of mail and index, and at how many mail is refused, if at any.
    used: u64,
    limit: Option<u64>,
    /// Bytes that mail may still take.
    for_mail: u64,
}

/// The card's level, and how much of it others know.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    now: Level,
    told: Level,
    saved: Level,
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
    thresholds: Thresholds,
    level: Mutex<Known>,
    /// Free bytes for mail as counted last; up to [`LOOK_AGAIN_BYTES`] were admitted since.
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
            thresholds: options.thresholds,
            level: Mutex::default(),
            counted: Mutex::new(None),
            admitted: AtomicU64::new(0),
            ballast: Mutex::new(Ballast::Unknown),
        }
    }

    /// Counts everything.
    pub(super) fn look(&self) -> Result<Space> {
        Ok(self.count()?.space)
    }

    /// Counts everything and steps the level.
    fn count(&self) -> Result<Count> {
        let used = self.media.used_bytes().map_err(Error::io)?;
        let free = self.free_for_files(used)?;
        let has_limit = free.is_some();
        // Without room around it, what is free inside a volume is no room: the index cannot use it, nor does redb
        // always: pieces may need pages where the file has a hole.
        let reusable = if has_limit && !self.is_sinking() {
            self.volumes.reusable_bytes().min(used)
        } else {
            0
        };
        let free = free.unwrap_or(u64::MAX / 2).saturating_add(reusable);
        let space = Space {
            capacity: self
                .capacity_bytes_max
                .unwrap_or(u64::MAX)
                .min(used.saturating_add(free)),
            used,
            free,
            reserve: self.reserve_bytes,
        };
        let kept = self.reserve_bytes.saturating_add(self.owed_bytes()?);
        let used = used - reusable;
        let limit = used.saturating_add(free).saturating_sub(kept);
        let count = Count {
            space,
            used,
            limit: has_limit.then_some(limit),
            for_mail: free.saturating_sub(kept),
        };
        let mut level = self.lock_level();
        level.now = level.now.step(used, count.limit, self.thresholds);
        Ok(count)
    }

    /// Bytes that the files, which take `used`, can still grow by; `None` without a limit.
    fn free_for_files(&self, used: u64) -> Result<Option<u64>> {
        let on_card = self.media.free_bytes().map_err(Error::io)?;
        let in_bounds = self
            .capacity_bytes_max
            .map(|most| most.saturating_sub(used));
        Ok(on_card.into_iter().chain(in_bounds).min())
    }

    /// Whether the card itself has less room left than is kept from mail, whatever is free inside volumes.
    pub(super) fn is_tight(&self) -> Result<bool> {
        let used = self.media.used_bytes().map_err(Error::io)?;
        let free = self.free_for_files(used)?;
        let kept = self.reserve_bytes.saturating_add(self.owed_bytes()?);
        Ok(free.is_some_and(|free| free < kept))
    }

    /// Whether a volume's blobs of that many bytes could be copied while the old file is still there. What is free
    /// inside a volume does not count: a copy that runs out of space takes whoever writes there with it.
    pub(super) fn has_room_to_copy(&self, bytes: u64) -> Result<bool> {
        let used = self.media.used_bytes().map_err(Error::io)?;
        // A sixteenth for the trees.
        let needed = bytes.saturating_add(bytes / 16 + COPY_BYTES_MIN);
        let free = self.free_for_files(used)?;
        Ok(free.is_none_or(|free| free >= needed))
    }

    /// How full the card is.
    fn fill(&self) -> Result<Fill> {
        let count = self.count()?;
        Ok(Fill {
            level: self.lock_level().now,
            used: count.used,
            limit: count.limit,
        })
    }

    /// Whether there is room for that many bytes more: [`Error::Full`] if not.
    fn admit(&self, bytes: u64, room: Room) -> Result<()> {
        match room {
            Room::Mail => self.admit_mail(bytes),
            Room::House => self.admit_house(bytes),
        }
    }

    fn admit_mail(&self, bytes: u64) -> Result<()> {
        let mut last = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let admitted = self.admitted.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let is_fresh = admitted < LOOK_AGAIN_BYTES
            && self.lock_level().now < Level::Full
            && last.is_some_and(|free| free >= bytes)
            && !self.is_sinking();
        if is_fresh {
            return Ok(());
        }
        self.admitted.store(0, Ordering::Relaxed);
        self.restore_ballast()?;
        let count = self.count()?;
        *last = Some(count.for_mail);
        if count.for_mail < bytes {
            self.note_refused(count, bytes);
            return Err(Error::Full);
        }
        if self.lock_level().now >= Level::Full {
            return Err(Error::Full);
        }
        Ok(())
    }

    /// A card that is so full that what does not fit would fill it is full: else small mail would be refused at a
    /// warning.
    fn note_refused(&self, count: Count, bytes: u64) {
        let stays_full = Level::Full.step(count.used, count.limit, self.thresholds) == Level::Full;
        if stays_full {
            let would_use = count.used.saturating_add(bytes);
            let mut level = self.lock_level();
            level.now = level.now.step(would_use, count.limit, self.thresholds);
        }
    }

    fn admit_house(&self, bytes: u64) -> Result<()> {
        let kept = SINKING_BYTES.min(self.reserve_bytes);
        if self.look()?.free < kept.saturating_add(bytes) {
            return Err(Error::Full);
        }
        Ok(())
    }

    fn lock_level(&self) -> MutexGuard<'_, Known> {
        self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over the level that a run before has saved.
    pub(super) fn resume_level(&self, saved: Level) {
        *self.lock_level() = Known {
            now: saved,
            told: saved,
            saved,
        };
    }

    /// Before a delete: whether space is so tight that it must come in small transactions. Each finds enough room in
    /// what makes a card sink, so the ballast goes no earlier: while it is there, nobody else can take its room.
    /// The index needs that space, so what is free inside a volume does not count.
    pub(super) fn make_way(&self) -> Result<bool> {
        let used = self.media.used_bytes().map_err(Error::io)?;
        let free = self.free_for_files(used)?;
        if free.is_none_or(|free| free >= TIGHT_BYTES.min(self.reserve_bytes)) {
            return Ok(false);
        }
        self.keep_afloat();
        Ok(true)
    }

    /// Makes the ballast again if space has returned. Called by upkeep, and when a card that is full is counted.
    pub(super) fn restore_ballast(&self) -> Result<()> {
        if self.ballast() == Ballast::There {
            return Ok(());
        }
        // Mail and index may have gone a little into the reserve, and a full card stays as it is for long.
        let needed = (self.reserve_bytes / 2).saturating_add(BALLAST_BYTES);
        // A file of its own cannot use what is free inside a volume.
        let used = self.media.used_bytes().map_err(Error::io)?;
        let free = self.free_for_files(used)?;
        if free.is_none_or(|free| free >= needed)
            && let Err(error) = self.set_ballast(BALLAST_BYTES)
        {
            tracing::warn!(%error, "another program was quicker to take the ballast's room");
        }
        Ok(())
    }

    /// Bytes on the card that mail leaves for a ballast that was given up, so that it comes back with the space.
    fn owed_bytes(&self) -> Result<u64> {
        let on_card = self.media.free_bytes().map_err(Error::io)?;
        Ok(match self.ballast() {
            Ballast::Gone if on_card.is_some() => BALLAST_BYTES,
            Ballast::Gone | Ballast::Unknown | Ballast::There => 0,
        })
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

impl Core {
    /// Whether there is room on the card for that many bytes more: [`Error::Full`] if not.
    pub(super) fn admit_bytes(&self, bytes: u64, room: Room) -> Result<()> {
        let admitted = self.space.admit(bytes, room);
        self.follow_level();
        admitted
    }

    /// How full the card is.
    pub(super) fn count_space(&self) -> Result<Fill> {
        let fill = self.space.fill();
        self.follow_level();
        fill
    }

    /// Tells everyone of a level that changed, and saves it.
    pub(super) fn follow_level(&self) {
        let mut level = self.space.lock_level();
        let now = level.now;
        let before = std::mem::replace(&mut level.told, now);
        drop(level);
        if now == before {
            return;
        }
        self.index.due.set_card_is_full(now >= Level::Full);
        self.index.tell_card_level();
        if let Err(error) = self.save_level() {
            tracing::warn!(%error, "the card's level is not saved yet");
        }
    }

    /// Saves the level if the index has another one.
    pub(super) fn save_level(&self) -> Result<()> {
        let Known { now, saved, .. } = *self.space.lock_level();
        if now == saved {
            return Ok(());
        }
        self.space.keep_afloat();
        self.writer
            .commit(move |tx: &mut Tx<'_>| CardLevel(now).save(tx, ()))?;
        self.space.lock_level().saved = now;
        Ok(())
    }
}
