//! Opening and closing: what is behind a [`Store`] handle.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::age::Baseline;
use super::blob_reader::BlobReader;
use super::blob_writer::{BlobWriter, Host};
use super::counters::Counters;
use super::engine::{Health, INDEX, Index};
use super::events::Ring;
use super::level::CardLevel;
use super::media::{Directory, Media, Memory};
use super::space::{Guard, Room, Space};
use super::tx::{Kind, Snapshot, Tx};
use super::types::{Level, MessageRecord};
use super::upkeep::{Core, Keeper};
use super::volume::STREAMED;
use super::volumes::{self, Volumes};
use super::writer::Writer;
use super::{Error, MessageReader, Options, Result, Store, Upkeep, level, migrate, waiting};
use crate::clock::{Clock, Now, Wall};
use crate::mail::ids::BlobId;

/// Behind all handles of one store.
#[derive(Debug)]
pub(super) struct Inner {
    keeper: Option<Keeper>,
    pub(super) core: Arc<Core>,
    pub(super) index: Arc<Index>,
    pub(super) age: Baseline,
    pub(super) waiting: waiting::List,
}

impl Inner {
    fn open(media: Arc<dyn Media>, options: &Options) -> Result<Self> {
        ensure_has_index(&*media)?;
        let index = Arc::new(Index::open(Arc::clone(&media), options)?);
        let volumes = Arc::new(Volumes::new(
            Arc::clone(&media),
            Arc::clone(&index),
            options.volume_bytes_max,
        ));
        let core = Arc::new(Core {
            writer: Writer::start(Arc::clone(&index))?,
            index: Arc::clone(&index),
            space: Guard::new(media, Arc::clone(&volumes), options),
            volumes,
            upkeep: Mutex::new(()),
            streamed_ids: Mutex::default(),
        });
        let saved = core.writer.commit(prepare)?;
        core.space.resume_level(saved);
        core.index.due.set_card_is_full(saved >= Level::Full);
        core.space.restore_ballast()?;
        core.follow_level();
        if let Err(error) = core.remove_left_over() {
            tracing::warn!(%error, "volumes left over by a crash were not removed");
        }
        index.journal.resume(Ring::next(&index.snapshot()?)?);
        let age = Baseline::at_start(&index.snapshot()?)?;
        let waiting = waiting::List::load(&index.snapshot()?)?;
        let keeper = match options.upkeep {
            Upkeep::Thread { quiet } => Some(Keeper::start(&core, quiet)?),
            Upkeep::Inline => None,
        };
        Ok(Self {
            keeper,
            core,
            index,
            age,
            waiting,
        })
    }

    /// Runs `op` in the next transaction and returns once that is durable and the change bus was told. `op` may run
    /// several times: it must not keep what it saw in a run before.
    pub(super) fn commit<T: Send + 'static>(
        &self,
        op: impl FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.core.space.keep_afloat();
        let result = self.core.writer.commit(op);
        if self.keeper.is_none() {
            self.core.keep_up_if_due();
        }
        self.core.follow_level();
        result
    }
}

/// Volumes without an index are what is left of a store: a repair of the file system has put the index away, or a restore
/// was cut off. A new index would know nothing of them, and they would be removed as left over.
fn ensure_has_index(media: &dyn Media) -> Result<()> {
    if volumes::numbers(media)?.is_empty() {
        return Ok(());
    }
    match media
        .open_existing(INDEX)
        .and_then(|index| index.is_empty())
    {
        Ok(false) => Ok(()),
        Ok(true) => Err(Error::Fault(format!(
            "{INDEX} is empty, but volumes hold mail"
        ))),
        Err(error) => Err(Error::Fault(format!(
            "volumes hold mail, but {INDEX}: {error}"
        ))),
    }
}

/// Brings the index to this program's format and options; returns the card's level as saved.
fn prepare(tx: &mut Tx<'_>) -> Result<Level> {
    migrate::prepare(tx)?;
    level::step_all(tx)?;
    Ok(CardLevel::find(tx, ())?.unwrap_or_default().0)
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.keeper = None;
        if let Err(error) = self.core.settle() {
            tracing::error!(%error, "store could not be settled");
        }
    }
}

impl Host for Core {
    fn next_streamed(&self) -> Result<u64> {
        let mut ids = self
            .streamed_ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if ids.is_empty() {
            *ids = self.writer.commit(|tx| tx.next_ids(Kind::StreamedBlob))?;
        }
        Ok(STREAMED | ids.next().unwrap_or_default())
    }

    fn admit(&self, bytes: u64, room: Room) -> Result<()> {
        self.admit_bytes(bytes, room)
    }

    fn volumes(&self) -> &Arc<Volumes> {
        &self.volumes
    }
}

impl Store {
    /// Opens the store in `dir`, making it if the directory has none. [`super::Error::InUse`] if another process has
    /// it.
    pub fn open(dir: &Path, options: &Options, now: Now) -> Result<Self> {
        Self::open_on(Arc::new(Directory::new(dir)?), options, now)
    }

    /// Whether `dir` holds a store, open or not.
    pub fn exists(dir: &Path) -> bool {
        dir.join(INDEX).exists() || Self::is_replaced(dir)
    }

    /// A store in memory that forgets everything, for tests.
    pub fn in_memory(options: &Options) -> Result<Self> {
        let now = Clock::virtual_at(Wall::FLOOR).now();
        Self::open_on(Arc::new(Memory::default()), options, now)
    }

    /// Opens the store on any media.
    pub fn open_on(media: Arc<dyn Media>, options: &Options, _now: Now) -> Result<Self> {
        let store = Self(Arc::new(Inner::open(media, options)?));
        store.purge()?;
        Ok(store)
    }

    /// Does all that waits, so that a crash from here on costs the next start nothing. Happens by itself when the
    /// store is quiet and when it closes.
    pub fn settle(&self) -> Result<()> {
        self.0.core.settle()
    }

    /// Gives back what can be given back of the space that removed mail took.
    pub fn make_room(&self) -> Result<()> {
        self.0.core.make_room()
    }

    /// What went wrong so far.
    pub fn health(&self) -> Health {
        self.0.index.health()
    }

    /// A consistent view for reading.
    pub fn snapshot(&self) -> Result<Snapshot> {
        self.0.index.snapshot()
    }

    /// How full the card is.
    pub fn space(&self) -> Result<Space> {
        let space = self.0.core.space.look();
        self.0.core.follow_level();
        space
    }

    /// Begins a blob. `bytes_expected` (SIZE, literal length) lets a refusal come early; it is no promise.
    /// [`super::Error::Full`] if there is no room for that many bytes.
    pub fn begin_blob(&self, bytes_expected: Option<u64>) -> Result<BlobWriter> {
        self.begin(bytes_expected.unwrap_or_default(), Room::Mail)
    }

    /// Begins a blob of the house's own (warnings, receipts): it may use the reserve, but for what deletes need. Filed
    /// with [`QuotaRule::Exceed`](super::types::QuotaRule::Exceed) it goes beyond the quota too.
    pub fn begin_own_blob(&self) -> Result<BlobWriter> {
        self.begin(0, Room::House)
    }

    fn begin(&self, bytes: u64, room: Room) -> Result<BlobWriter> {
        self.0.core.admit_bytes(bytes, room)?;
        BlobWriter::new(Arc::<Core>::clone(&self.0.core), room)
    }

    /// Opens a blob for reading.
    pub fn blob(&self, id: BlobId) -> Result<BlobReader> {
        let volumes = Arc::clone(&self.0.core.volumes);
        BlobReader::open(Arc::clone(&self.0.index), volumes, id)
    }

    /// Opens a message for reading: the server's fields, then its blob.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if it is gone.
    pub fn message(&self, record: &MessageRecord) -> Result<MessageReader> {
        Ok(MessageReader::new(
            record.prefix.clone(),
            self.blob(record.blob)?,
        ))
    }
}
