//! The set of volumes: which one is filled, which are open, and which streamed blobs somebody holds.
//!
//! New blobs go to the volume with the highest number until it is full; that one is never rewritten, so that numbers
//! are never used again. Lock order: a volume's own locks before those of this module's lists.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::blob;
use super::engine::Index;
use super::media::Media;
use super::volume::{self, Orphans, Standing, Sync, Volume};
use super::volume_tx::Header;
use super::{Error, Result};

/// Most volumes kept open at once, apart from those in use.
const OPEN_MAX: usize = 4;

/// Bytes of a volume's file that are never counted as reusable.
const REST_BYTES: u64 = 4 << 20;

/// All volumes of a store.
#[derive(Debug)]
pub(super) struct Volumes {
    media: Arc<dyn Media>,
    held: Arc<Held>,
    volume_bytes_max: u64,
    /// Least recently used first.
    open: Mutex<Vec<Arc<Volume>>>,
    /// The volume that is filled.
    filling: Mutex<Option<u32>>,
}

/// Streamed blobs that a writer or a new blob in this process holds.
#[derive(Debug)]
struct Held {
    index: Arc<Index>,
    blobs: Mutex<BTreeSet<u64>>,
    /// Upkeep has copied blobs, or is about to, that the index does not point to yet. Should a fault make the volume
    /// be opened again meanwhile, they must stay.
    copying: AtomicBool,
}

impl Orphans for Held {
    fn standing(&self, volume: u32, blob: u64) -> Result<Standing> {
        // Looked up before the index: a blob is let go of only after the index refers to it.
        if self.copying.load(Ordering::SeqCst) || lock(&self.blobs).contains(&blob) {
            return Ok(Standing::Held);
        }
        match blob::place(&self.index.snapshot()?, blob)? {
            Some(place) if place == volume => Ok(Standing::Filed),
            _ => Ok(Standing::Orphan),
        }
    }

    fn moved_to(&self) -> Result<u64> {
        if self.copying.load(Ordering::SeqCst) {
            return Ok(u64::MAX);
        }
        blob::moved_to(&self.index.snapshot()?)
    }

    fn note_fault(&self, error: &Error) {
        self.index.note_failed_commit(error);
    }
}

/// While it exists, no copy is taken for a stray one.
#[derive(Debug)]
pub(super) struct Copying(Arc<Held>);

impl Drop for Copying {
    fn drop(&mut self) {
        self.0.copying.store(false, Ordering::SeqCst);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Volumes {
    pub(super) fn new(media: Arc<dyn Media>, index: Arc<Index>, volume_bytes_max: u64) -> Self {
        Self {
            media,
            held: Arc::new(Held {
                index,
                blobs: Mutex::new(BTreeSet::new()),
                copying: AtomicBool::new(false),
            }),
            volume_bytes_max,
            open: Mutex::new(Vec::new()),
            filling: Mutex::new(None),
        }
    }

    /// To be held from before blobs are copied until the index points to the copies. Upkeep's alone.
    pub(super) fn copying(&self) -> Copying {
        self.held.copying.store(true, Ordering::SeqCst);
        Copying(Arc::clone(&self.held))
    }

    /// A volume by number. Its file is opened with its first use.
    pub(super) fn get(&self, number: u32) -> Arc<Volume> {
        let mut open = lock(&self.open);
        if let Some(at) = open.iter().position(|volume| volume.number == number) {
            let volume = open.remove(at);
            open.push(Arc::clone(&volume));
            return volume;
        }
        if open.len() >= OPEN_MAX
            && let Some(idle) = open
                .iter()
                .position(|volume| Arc::strong_count(volume) == 1)
        {
            open.remove(idle);
        }
        let orphans = Arc::<Held>::clone(&self.held);
        let volume = Arc::new(Volume::new(number, Arc::clone(&self.media), orphans));
        open.push(Arc::clone(&volume));
        volume
    }

    /// Numbers of all volume files, ascending.
    pub(super) fn numbers(&self) -> Result<Vec<u32>> {
        numbers(&*self.media)
    }

    /// The volume that new blobs go to.
    pub(super) fn for_filling(&self) -> Result<Arc<Volume>> {
        let mut filling = lock(&self.filling);
        let number = match *filling {
            Some(number) => number,
            None => self.numbers()?.last().copied().unwrap_or(1),
        };
        let mut volume = self.get(number);
        volume.write_ready()?;
        let (live_bytes, _) = volume.facts()?;
        if live_bytes >= self.volume_bytes_max {
            volume = self.get(number + 1);
            volume.write_ready()?;
        }
        *filling = Some(volume.number);
        Ok(volume)
    }

    /// The volume that new blobs go to, if that many bytes more fit into it, or else the next.
    pub(super) fn for_filling_with(&self, bytes: u64) -> Result<Arc<Volume>> {
        let volume = self.for_filling()?;
        let (live_bytes, _) = volume.facts()?;
        if live_bytes == 0 || live_bytes + bytes <= self.volume_bytes_max {
            return Ok(volume);
        }
        let mut filling = lock(&self.filling);
        let next = self.get(volume.number + 1);
        next.write_ready()?;
        *filling = Some(next.number);
        Ok(next)
    }

    /// From now on new blobs go to a volume of their own.
    pub(super) fn fill_another(&self) -> Result<()> {
        let last = self.numbers()?.last().copied().unwrap_or(0);
        let mut filling = lock(&self.filling);
        let next = self.get(last + 1);
        next.write_ready()?;
        *filling = Some(next.number);
        Ok(())
    }

    /// Whether new blobs go to this volume. Any of them might, as long as none has been chosen.
    pub(super) fn is_filling(&self, number: u32) -> bool {
        lock(&self.filling).is_none_or(|filling| filling == number)
    }

    /// Whether nothing is on its way into this volume.
    pub(super) fn is_idle(&self, number: u32) -> Result<bool> {
        let is_idle = lock(&self.held.blobs).is_empty() && *lock(&self.filling) != Some(number);
        Ok(is_idle && self.get(number).under_way()?.is_empty())
    }

    /// Bytes that a volume's file takes.
    pub(super) fn file_bytes(&self, number: u32) -> Result<u64> {
        let name = volume::file_name(number);
        self.media.file_bytes(&name).map_err(Error::io)
    }

    /// Bytes in the volume that is filled which its file has and no blob uses: new ones go there first.
    pub(super) fn reusable_bytes(&self) -> u64 {
        let chosen = *lock(&self.filling);
        // After a start the last one will be, once there is something to put there.
        let last = || self.numbers().ok()?.last().copied();
        let Some(number) = chosen.or_else(last) else {
            return 0;
        };
        let file = self.file_bytes(number);
        let live = self.get(number).facts();
        match (file, live) {
            // A sixteenth for the trees.
            (Ok(file), Ok((live, _))) => file.saturating_sub(live + live / 16 + REST_BYTES),
            _ => 0,
        }
    }

    /// Lets go of a published blob: undoes it unless a record refers to it.
    pub(super) fn let_go(&self, number: u32, blob: u64, filed: bool) {
        let volume = self.get(number);
        let done = self.settle_standing(&volume, blob, filed);
        lock(&self.held.blobs).remove(&blob);
        if let Err(error) = done {
            tracing::warn!(%error, blob, "blob left behind; the volume's next opening removes it");
        }
    }

    fn settle_standing(&self, volume: &Volume, blob: u64, filed: bool) -> Result<()> {
        // A commit of the index that failed may have reached the disk all the same: only the index knows.
        let snapshot = (!filed).then(|| self.held.index.snapshot()).transpose()?;
        let place = snapshot.map(|snapshot| blob::place(&snapshot, blob));
        if filed || place.transpose()?.flatten() == Some(volume.number) {
            volume.note_filed(blob);
            return Ok(());
        }
        volume.write(Sync::WithNext, |tx| tx.delete(blob)).map(drop)
    }

    /// Removes a volume's file.
    pub(super) fn remove(&self, number: u32) -> Result<()> {
        let mut open = lock(&self.open);
        if let Some(at) = open.iter().position(|volume| volume.number == number) {
            open.remove(at).close();
        }
        self.media
            .remove(&volume::file_name(number))
            .map_err(Error::io)
    }
}

/// Numbers of all volume files there, ascending.
pub(super) fn numbers(media: &dyn Media) -> Result<Vec<u32>> {
    let names = media.list("volumes/").map_err(Error::io)?;
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| number(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn number(name: &str) -> Option<u32> {
    name.strip_prefix("volumes/")?
        .strip_suffix(".redb")?
        .parse()
        .ok()
}

/// A blob on its way into a volume. Dropped before it is published, it is undone.
#[derive(Debug)]
pub(super) struct Stream {
    volumes: Arc<Volumes>,
    volume: Arc<Volume>,
    life: u64,
    blob: u64,
    frames: u32,
    published: bool,
}

impl Stream {
    pub(super) fn begin(volumes: &Arc<Volumes>, blob: u64) -> Result<Self> {
        let volume = volumes.for_filling()?;
        lock(&volumes.held.blobs).insert(blob);
        Ok(Self {
            volumes: Arc::clone(volumes),
            life: volume.life(),
            volume,
            blob,
            frames: 0,
            published: false,
        })
    }

    /// Streams and published blobs that are held now, this one included.
    pub(super) fn streams(&self) -> usize {
        lock(&self.volumes.held.blobs).len()
    }

    /// Writes frames, not durable yet.
    pub(super) fn put(&mut self, frames: &[Vec<u8>]) -> Result<()> {
        self.write(frames, None).map(drop)
    }

    /// Writes the last frames and makes the blob durable. From here on whoever holds it undoes it.
    pub(super) fn publish(
        mut self,
        frames: &[Vec<u8>],
        header: Header,
    ) -> Result<(Arc<Volumes>, u32, u64)> {
        let ticket = self.write(frames, Some(header))?;
        self.volume.make_durable(ticket)?;
        self.published = true;
        Ok((Arc::clone(&self.volumes), self.volume.number, self.blob))
    }

    fn write(&mut self, frames: &[Vec<u8>], header: Option<Header>) -> Result<volume::Ticket> {
        let (blob, first) = (self.blob, self.frames);
        let ((), ticket) = self.volume.write(Sync::WithNext, |tx| {
            if first == 0 {
                tx.begin(blob)?;
            }
            for (number, frame) in (first..).zip(frames) {
                tx.put_frame(blob, number, frame)?;
            }
            header.map_or(Ok(()), |header| tx.put_header(blob, header))
        })?;
        self.frames += u32::try_from(frames.len()).map_err(Error::io)?;
        if ticket.life() == self.life {
            Ok(ticket)
        } else {
            Err(Error::Fault("volume failed under a stream".into()))
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if !self.published {
            self.volumes.let_go(self.volume.number, self.blob, false);
        }
    }
}
