//! One volume: a redb file of settled blobs.
//!
//! Every durable commit is quick-repair, so that a volume opens at once after any crash; pieces of a stream are
//! committed without durability and become durable with the next durable commit, whoever makes it. That is why
//! `under_way` exists: opening a volume for writing removes what it lists, unless the index refers to it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use redb::{
    Builder, Database, Durability, ReadOnlyDatabase, ReadTransaction, ReadableDatabase,
    ReadableTable,
};

use super::media::{Backend, Media, open_database};
use super::volume_tx::{
    BLOBS, FACTS, GENERATION, Header, LIVE_BYTES, PIECES, TAILS, UNDER_WAY, VolumeTx, header,
};
use super::{Error, Result};

/// Page cache of a volume that is only read.
const READ_CACHE_BYTES: usize = 1 << 20;

/// Page cache of a volume that is written: redb writes a page more than once if it must leave the cache before the
/// commit.
const WRITE_CACHE_BYTES: usize = 4 << 20;

/// Whether a commit survives a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sync {
    Now,
    WithNext,
}

enum Open {
    Closed,
    Reading(ReadOnlyDatabase),
    Writing(Database),
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Closed => "Closed",
            Self::Reading(_) => "Reading",
            Self::Writing(_) => "Writing",
        })
    }
}

#[derive(Debug)]
struct State {
    open: Open,
    /// Rises when the database is dropped after a fault: pieces that were not durable are lost then.
    life: u64,
}

/// Proof of a commit without durability, for [`Volume::make_durable`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    life: u64,
    number: u64,
}

impl Ticket {
    /// The [`Volume::life`] that it was made in.
    pub(super) fn life(self) -> u64 {
        self.life
    }
}

/// How a blob that is listed as under way stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody will ever refer to it here.
    Orphan,
    /// The index refers to it.
    Filed,
    /// Somebody in this process holds it.
    Held,
}

/// Knows how blobs stand that a volume lists as under way, and which copies are stray.
pub(super) trait Orphans: std::fmt::Debug + Send + std::marker::Sync {
    /// How a blob in that volume stands.
    fn standing(&self, volume: u32, blob: u64) -> Result<Standing>;
    /// The highest blob that was ever moved here from the stage: any higher (but streamed) one is a stray copy.
    fn moved_to(&self) -> Result<u64>;
    /// A volume failed and is opened anew.
    fn note_fault(&self, error: &Error);
}

/// A volume file, opened when needed.
#[derive(Debug)]
pub(super) struct Volume {
    pub(super) number: u32,
    media: Arc<dyn Media>,
    orphans: Arc<dyn Orphans>,
    state: RwLock<State>,
    /// Commits so far, and how many of them are durable.
    commits: AtomicU64,
    durable: Mutex<u64>,
    /// Streamed blobs that the index refers to now: the next commit takes them off `under_way`.
    filed: Mutex<Vec<u64>>,
}

/// The file name of a volume.
pub(super) fn file_name(number: u32) -> String {
    format!("volumes/{number:04}.redb")
}

/// The blobs with identifiers from here on were streamed; lower ones came through the stage.
pub(super) const STREAMED: u64 = 1 << 63;

impl Volume {
    pub(super) fn new(number: u32, media: Arc<dyn Media>, orphans: Arc<dyn Orphans>) -> Self {
        Self {
            number,
            media,
            orphans,
            state: RwLock::new(State {
                open: Open::Closed,
                life: 0,
            }),
            commits: AtomicU64::new(0),
            durable: Mutex::new(0),
            filed: Mutex::new(Vec::new()),
        }
    }

    /// Opens the file for writing, making it if there is none.
    pub(super) fn write_ready(&self) -> Result<()> {
        self.open_for_writing()
    }

    /// Runs `op` in a transaction of its own. Other writers of this volume wait meanwhile.
    pub(super) fn write<T>(
        &self,
        sync: Sync,
        op: impl FnOnce(&mut VolumeTx<'_>) -> Result<T>,
    ) -> Result<(T, Ticket)> {
        self.open_for_writing()?;
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let life = state.life;
        let Open::Writing(database) = &state.open else {
            return Err(Error::Fault("volume was closed meanwhile".into()));
        };
        let result = self.write_on(database, sync, op);
        let broken = result.is_err() && database.begin_write().is_err();
        drop(state);
        if let Err(error) = &result
            && broken
        {
            self.close_after_fault(life);
            self.orphans.note_fault(error);
        }
        let (value, number) = result?;
        Ok((value, Ticket { life, number }))
    }

    fn write_on<T>(
        &self,
        database: &Database,
        sync: Sync,
        op: impl FnOnce(&mut VolumeTx<'_>) -> Result<T>,
    ) -> Result<(T, u64)> {
        let mut txn = database.begin_write()?;
        match sync {
            Sync::Now => txn.set_quick_repair(true),
            Sync::WithNext => txn.set_durability(Durability::None)?,
        }
        let filed = std::mem::take(&mut *lock(&self.filed));
        let mut tx = VolumeTx::open(&txn)?;
        for blob in filed {
            tx.note_filed(blob)?;
        }
        let value = op(&mut tx)?;
        tx.close()?;
        txn.commit()?;
        Ok((value, self.commits.fetch_add(1, Ordering::SeqCst) + 1))
    }

    /// Makes a commit durable, and with it all that were made so far: whoever comes while one is under way shares the
    /// next. Fails if a fault lost it.
    pub(super) fn make_durable(&self, ticket: Ticket) -> Result<()> {
        let mut durable = lock(&self.durable);
        if *durable < ticket.number {
            let upto = self.commits.load(Ordering::SeqCst);
            self.write(Sync::Now, |_| Ok(()))?;
            *durable = upto;
        }
        if self.life() == ticket.life {
            Ok(())
        } else {
            Err(Error::Fault("volume failed before this was durable".into()))
        }
    }

    /// Rises when pieces that were not durable were lost.
    pub(super) fn life(&self) -> u64 {
        self.state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .life
    }

    /// The index refers to this streamed blob now.
    pub(super) fn note_filed(&self, blob: u64) {
        lock(&self.filed).push(blob);
    }

    /// Begins a read transaction and hands it to `op`.
    fn read<T>(&self, op: impl FnOnce(&ReadTransaction) -> Result<T>) -> Result<T> {
        self.open_for_reading()?;
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let txn = match &state.open {
            Open::Reading(database) => database.begin_read()?,
            Open::Writing(database) => database.begin_read()?,
            Open::Closed => return Err(Error::Fault("volume was closed meanwhile".into())),
        };
        op(&txn)
    }

    /// What is known of a blob, if it is here, and its first frame, if it has any.
    pub(super) fn header_and_first(&self, blob: u64) -> Result<Option<(Header, Option<Vec<u8>>)>> {
        self.read(|txn| {
            let row = txn.open_table(BLOBS)?.get(blob)?;
            let Some(header) = row.map(|row| header(row.value())) else {
                return Ok(None);
            };
            Ok(Some((header, frame(txn, blob, 0)?)))
        })
    }

    /// An encoded frame of a blob, if it is here.
    pub(super) fn frame(&self, blob: u64, number: u32) -> Result<Option<Vec<u8>>> {
        self.read(|txn| frame(txn, blob, number))
    }

    /// Copies a whole blob into another volume.
    pub(super) fn copy_blob(&self, blob: u64, to: &mut VolumeTx<'_>) -> Result<()> {
        self.read(|txn| {
            let all = (blob, 0)..=(blob, u32::MAX);
            for row in txn.open_table(PIECES)?.range(all.clone())? {
                let (key, piece) = row?;
                to.put_piece(key.value(), piece.value())?;
            }
            for row in txn.open_table(TAILS)?.range(all)? {
                let (key, tail) = row?;
                to.put_tail(key.value(), tail.value())?;
            }
            match txn.open_table(BLOBS)?.get(blob)? {
                Some(row) => to.put_header(blob, header(row.value())),
                None => Err(Error::NotFound("blob")),
            }
        })
    }

    /// Calls `see` for every complete blob, ascending, until it fails.
    pub(super) fn for_each(&self, mut see: impl FnMut(u64, Header) -> Result<()>) -> Result<()> {
        self.read(|txn| {
            for row in txn.open_table(BLOBS)?.iter()? {
                let (blob, row) = row?;
                see(blob.value(), header(row.value()))?;
            }
            Ok(())
        })
    }

    /// Rises with every change, also when a blob that was here already is filed. Notes what was filed first.
    pub(super) fn generation(&self) -> Result<u64> {
        if !lock(&self.filed).is_empty() {
            self.write(Sync::WithNext, |_| Ok(()))?;
        }
        Ok(self.facts()?.1)
    }

    /// Streamed blobs that the index may not refer to.
    pub(super) fn under_way(&self) -> Result<BTreeSet<u64>> {
        self.read(|txn| {
            let table = txn.open_table(UNDER_WAY)?;
            let rows = table.iter()?.map(|row| Ok(row?.0.value()));
            rows.collect()
        })
    }

    /// What contradicts itself within the volume: pieces without a blob, counts that are wrong.
    pub(super) fn audit(&self) -> Result<Vec<String>> {
        let mut owners = self.under_way()?;
        let mut live_bytes = 0;
        self.for_each(|blob, header| {
            owners.insert(blob);
            live_bytes += header.stored_bytes;
            Ok(())
        })?;
        let mut found = Vec::new();
        self.read(|txn| {
            for table in [PIECES, TAILS] {
                for row in txn.open_table(table)?.iter()? {
                    let (blob, piece) = row?.0.value();
                    if !owners.contains(&blob) {
                        found.push(format!("piece {piece} of blob {blob} belongs to nothing"));
                    }
                }
            }
            Ok(())
        })?;
        let (counted, _) = self.facts()?;
        if counted != live_bytes {
            found.push(format!(
                "{live_bytes} bytes of blobs, counted are {counted}"
            ));
        }
        Ok(found)
    }

    /// Stored bytes of all blobs, and the generation.
    pub(super) fn facts(&self) -> Result<(u64, u64)> {
        self.read(|txn| {
            let facts = txn.open_table(FACTS)?;
            let fact = |key| Ok::<_, Error>(facts.get(key)?.map_or(0, |row| row.value()));
            Ok((fact(LIVE_BYTES)?, fact(GENERATION)?))
        })
    }

    fn open_for_reading(&self) -> Result<()> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if !matches!(state.open, Open::Closed) {
            return Ok(());
        }
        drop(state);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if !matches!(state.open, Open::Closed) {
            return Ok(());
        }
        let device = self
            .media
            .open_existing(&file_name(self.number))
            .map_err(Error::io)?;
        match builder(READ_CACHE_BYTES).open_read_only_with_backend(Backend(device)) {
            Ok(database) => {
                state.open = Open::Reading(database);
                Ok(())
            }
            // Not closed cleanly: only a writer may put that right.
            Err(_) => self.open_in(&mut state),
        }
    }

    fn open_for_writing(&self) -> Result<()> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if matches!(state.open, Open::Writing(_)) {
            return Ok(());
        }
        drop(state);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(state.open, Open::Writing(_)) {
            return Ok(());
        }
        self.open_in(&mut state)
    }

    fn open_in(&self, state: &mut State) -> Result<()> {
        state.open = Open::Closed;
        let name = file_name(self.number);
        let builder = builder(WRITE_CACHE_BYTES);
        let database = open_database(&*self.media, &name, &builder, begin)?;
        self.make_ready(&database)?;
        state.open = Open::Writing(database);
        Ok(())
    }

    /// Removes what a crash left.
    fn make_ready(&self, database: &Database) -> Result<()> {
        let moved_to = self.orphans.moved_to()?.min(STREAMED - 1);
        let strays = Self::strays(&database.begin_read()?, moved_to)?;
        if strays.is_empty() {
            return Ok(());
        }
        let mut txn = database.begin_write()?;
        txn.set_quick_repair(true);
        let mut tx = VolumeTx::open(&txn)?;
        for blob in strays.copies {
            tx.delete(blob)?;
        }
        for blob in strays.under_way {
            match self.orphans.standing(self.number, blob)? {
                Standing::Orphan => tx.delete(blob)?,
                Standing::Filed => tx.note_filed(blob)?,
                Standing::Held => {}
            }
        }
        tx.close()?;
        Ok(txn.commit()?)
    }

    fn strays(txn: &ReadTransaction, moved_to: u64) -> Result<Strays> {
        let mut strays = Strays::default();
        for row in txn.open_table(UNDER_WAY)?.iter()? {
            strays.under_way.push(row?.0.value());
        }
        for row in txn.open_table(BLOBS)?.range(moved_to + 1..STREAMED)? {
            strays.copies.push(row?.0.value());
        }
        Ok(strays)
    }

    /// Drops the database unless someone did already; the next use opens it.
    fn close_after_fault(&self, life: u64) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.life == life {
            state.open = Open::Closed;
            state.life += 1;
        }
    }

    /// Has the next use open the file anew, which removes what the index does not refer to. As after a fault, pieces that
    /// are not durable may be lost.
    pub(super) fn start_over(&self) {
        self.close_after_fault(self.life());
    }

    /// Closes the file; the next use opens it.
    pub(super) fn close(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.open = Open::Closed;
    }
}

#[derive(Default)]
struct Strays {
    under_way: Vec<u64>,
    copies: Vec<u64>,
}

impl Strays {
    fn is_empty(&self) -> bool {
        self.under_way.is_empty() && self.copies.is_empty()
    }
}

/// Makes the tables of a new volume.
fn begin(database: &Database) -> Result<()> {
    let mut txn = database.begin_write()?;
    txn.set_quick_repair(true);
    let mut tx = VolumeTx::open(&txn)?;
    tx.put_format()?;
    tx.close()?;
    Ok(txn.commit()?)
}

fn builder(cache_bytes: usize) -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes);
    builder
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn frame(txn: &ReadTransaction, blob: u64, number: u32) -> Result<Option<Vec<u8>>> {
    let mut frame = Vec::new();
    let pieces = (blob, number * 8)..=(blob, number * 8 + 7);
    for row in txn.open_table(PIECES)?.range(pieces)? {
        frame.extend_from_slice(row?.1.value());
    }
    if let Some(tail) = txn.open_table(TAILS)?.get((blob, number))? {
        frame.extend_from_slice(tail.value());
    }
    Ok((!frame.is_empty()).then_some(frame))
}
