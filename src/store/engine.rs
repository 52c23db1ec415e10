//! What is behind a [`Store`] handle: the index, its writer, and how they are opened and closed.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use redb::{Builder, Database, ReadableDatabase, WriteTransaction};

use super::blob::{self, BlobReader, BlobWriter};
use super::change::Bus;
use super::media::{Backend, Directory, Media, Memory};
use super::pop3::AgeBaseline;
use super::tx::{Effects, Snapshot, Tx};
use super::writer::Writer;
use super::{Error, Options, Result, Store, migrate};
use crate::clock::Now;
use crate::mail::ids::BlobId;

const INDEX: &str = "index.redb";

impl Error {
    /// A fault told by the operating system or a library.
    pub(super) fn io(error: impl std::fmt::Display) -> Self {
        Self::Fault(error.to_string())
    }
}

macro_rules! faults {
    ($($error:ty),*) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::io(error)
            }
        })*
    };
}

faults!(
    redb::CommitError,
    redb::DatabaseError,
    redb::SetDurabilityError,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError
);

/// The index database. redb refuses to write after an IO error until it is opened again: [`Index::recover`].
#[derive(Debug)]
pub(super) struct Index {
    media: Arc<dyn Media>,
    cache_bytes: usize,
    database: Mutex<Option<Arc<Database>>>,
    pub(super) bus: Bus,
}

impl Index {
    fn open(media: Arc<dyn Media>, options: &Options) -> Result<Self> {
        let index = Self {
            media,
            cache_bytes: options.cache_bytes,
            database: Mutex::new(None),
            bus: Bus::default(),
        };
        index.database()?;
        Ok(index)
    }

    /// The open database; opens it again after a fault.
    fn database(&self) -> Result<Arc<Database>> {
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(database) = &*database {
            return Ok(Arc::clone(database));
        }
        let device = self.media.open(INDEX).map_err(Error::io)?;
        let opened = Builder::new()
            .set_cache_size(self.cache_bytes)
            .create_with_backend(Backend(device))?;
        Ok(Arc::clone(database.insert(Arc::new(opened))))
    }

    pub(super) fn begin_write(&self) -> Result<WriteTransaction> {
        Ok(self.database()?.begin_write()?)
    }

    pub(super) fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot::new(self.database()?.begin_read()?))
    }

    /// Tells everyone what became durable.
    pub(super) fn conclude(&self, effects: Effects) {
        for call in effects.calls {
            call();
        }
        for (account, change) in effects.changes {
            self.bus.broadcast(account, change);
        }
    }

    /// Drops the database after a fault, so that its next user opens it anew.
    pub(super) fn recover(&self, error: &Error) {
        tracing::error!(%error, "store fault; opening the index again");
        *self.database.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Behind all handles of one store.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) writer: Writer,
    pub(super) index: Arc<Index>,
    pub(super) options: Options,
    pub(super) age: AgeBaseline,
}

impl Inner {
    /// Runs `op` in the next transaction and returns once that is durable and the change bus was told. `op` may run
    /// several times: it must not keep what it saw in a run before.
    pub(super) fn commit<T: Send + 'static>(
        &self,
        op: impl FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer.commit(op)
    }
}

impl Store {
    /// Opens the store in `dir`, making it if the directory has none. [`Error::InUse`] if another process has it.
    pub fn open(dir: &Path, options: &Options, now: Now) -> Result<Self> {
        Self::open_on(Arc::new(Directory::new(dir)?), options, now)
    }

    /// Whether `dir` holds a store, open or not.
    pub fn exists(dir: &Path) -> bool {
        dir.join(INDEX).exists()
    }

    /// A store in memory that forgets everything, for tests.
    pub fn in_memory(options: &Options) -> Result<Self> {
        let now = crate::clock::Clock::virtual_at(crate::clock::Wall::FLOOR).now();
        Self::open_on(Arc::new(Memory::default()), options, now)
    }

    /// Opens the store on any media.
    pub fn open_on(media: Arc<dyn Media>, options: &Options, _now: Now) -> Result<Self> {
        let index = Arc::new(Index::open(media, options)?);
        let writer = Writer::start(Arc::clone(&index))?;
        let inner = Inner {
            writer,
            index,
            options: options.clone(),
            age: AgeBaseline::default(),
        };
        inner.commit(migrate::prepare)?;
        inner.commit(|tx| blob::create_tables(tx))?;
        let store = Self(Arc::new(inner));
        store.purge()?;
        Ok(store)
    }

    /// A consistent view for reading.
    pub fn snapshot(&self) -> Result<Snapshot> {
        self.0.index.snapshot()
    }

    /// Begins a blob. `bytes_expected` (SIZE, literal length) lets a refusal come early; it is no promise.
    pub fn begin_blob(&self, _bytes_expected: Option<u64>) -> Result<BlobWriter> {
        BlobWriter::new()
    }

    /// Opens a blob for reading.
    pub fn blob(&self, id: BlobId) -> Result<BlobReader> {
        BlobReader::open(Arc::clone(&self.0.index), id)
    }
}
