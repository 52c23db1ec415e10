//! Rewriting of volumes that are mostly garbage: redb's files do not shrink by themselves.
//!
//! What is alive is copied into another volume, listed there as under way; then one commit of the index points to the
//! copies; then the old file goes. A crash before that commit leaves copies that the index does not point to: the next
//! opening of their volume removes them.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use super::upkeep::Core;
use super::volume::{STREAMED, Sync, Volume};
use super::{Error, Result, blob};

/// Files smaller than that are not worth it.
const FILE_BYTES_MIN: u64 = 8 << 20;

/// Encoded bytes copied in one transaction.
const BATCH_BYTES: u64 = 1 << 20;

impl Core {
    /// Rewrites a volume if more than half of its file is garbage and the card has room for both meanwhile. An empty
    /// one just goes. The caller does upkeep alone.
    pub(super) fn rewrite_if_worth(&self, number: u32) -> Result<()> {
        self.rewrite_above(number, FILE_BYTES_MIN)
    }

    /// Does all that waits and rewrites every volume that is mostly garbage, however small.
    pub(super) fn make_room(&self) -> Result<()> {
        self.keep_up()?;
        let _only = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        for number in self.volumes.numbers()? {
            self.rewrite_above(number, 0)?;
        }
        self.remove_left_over()
    }

    fn rewrite_above(&self, number: u32, file_bytes_min: u64) -> Result<()> {
        let is_filling = self.volumes.is_filling(number);
        // What is free inside the one that is being filled is used by new blobs, unless there is no room around it.
        if is_filling && !self.space.is_tight()? {
            return Ok(());
        }
        let volume = self.volumes.get(number);
        let (live_bytes, _) = volume.facts()?;
        let file_bytes = self.volumes.file_bytes(number)?;
        let is_hollow = file_bytes >= file_bytes_min && live_bytes < file_bytes / 2;
        let worth = is_hollow || live_bytes == 0;
        // One that somebody holds a new blob in has to wait.
        if !worth
            || !volume.under_way()?.is_empty()
            || live_bytes > 0 && !self.space.has_room_to_copy(live_bytes)?
        {
            return Ok(());
        }
        if is_filling {
            self.volumes.fill_another()?;
        }
        self.rewrite(&volume, live_bytes)
    }

    pub(super) fn rewrite(&self, from: &Arc<Volume>, live_bytes: u64) -> Result<()> {
        let to = self.volumes.for_filling_with(live_bytes)?;
        let blobs = self.blobs_of(from)?;
        let _copying = self.volumes.copying();
        let life = to.life();
        let mut rest = blobs.as_slice();
        while !rest.is_empty() {
            let mut bytes = 0;
            let count = rest.iter().take_while(|(_, stored_bytes)| {
                let fits = bytes < BATCH_BYTES;
                bytes += stored_bytes;
                fits
            });
            let (batch, later) = rest.split_at(count.count());
            to.write(Sync::WithNext, |tx| {
                for (blob, _) in batch {
                    tx.begin(*blob)?;
                    from.copy_blob(*blob, tx)?;
                }
                Ok(())
            })?;
            rest = later;
        }
        let ((), ticket) = to.write(Sync::Now, |_| Ok(()))?;
        if ticket.life() != life {
            return Err(Error::Fault("volume failed while it was rewritten".into()));
        }
        let (old, new) = (from.number, to.number);
        let noted = self
            .writer
            .commit(move |tx| blob::note_rewritten(tx, old, new));
        // A commit that failed may have reached the disk all the same.
        if let Err(error) = noted
            && self.placed()?.contains(&old)
        {
            return Err(error);
        }
        for (blob, _) in blobs {
            to.note_filed(blob);
        }
        tracing::info!(old, new, live_bytes, "volume rewritten");
        self.volumes.remove(old)
    }

    /// Removes volumes that a crash left after all that is alive in them was copied elsewhere.
    pub(super) fn remove_left_over(&self) -> Result<()> {
        let numbers = self.volumes.numbers()?;
        // The last is the one that is filled, or will be.
        let Some((_, earlier)) = numbers.split_last() else {
            return Ok(());
        };
        let placed = self.placed()?;
        for &number in earlier.iter().filter(|number| !placed.contains(number)) {
            // Whatever is held now may be on its way into it, and the index not know yet.
            if self.volumes.is_idle(number)? && !self.placed()?.contains(&number) {
                tracing::info!(number, "volume left over by a crash removed");
                self.volumes.remove(number)?;
            }
        }
        Ok(())
    }

    /// Volumes that the index says have blobs.
    fn placed(&self) -> Result<BTreeSet<u32>> {
        let places = blob::places(&self.index.snapshot()?)?;
        Ok(places.into_values().collect())
    }

    /// The blobs that the index says are in this volume, with their stored bytes. Stray copies are left out.
    fn blobs_of(&self, volume: &Volume) -> Result<Vec<(u64, u64)>> {
        let snapshot = self.index.snapshot()?;
        let moved_to = blob::moved_to(&snapshot)?;
        let mut blobs = Vec::new();
        volume.for_each(|blob, header| {
            let is_stray = blob < STREAMED && blob > moved_to;
            if !is_stray && blob::place(&snapshot, blob)? == Some(volume.number) {
                blobs.push((blob, header.stored_bytes));
            }
            Ok(())
        })?;
        Ok(blobs)
    }
}
