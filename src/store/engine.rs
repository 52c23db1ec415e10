//! The index database: how it is opened, written, and opened again after a fault.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use redb::{Builder, Database, ReadableDatabase};

use super::blob::Pins;
use super::change::{Bus, Change};
use super::due::Due;
use super::events::Journal;
use super::level::Rules;
use super::media::{Media, open_database};
use super::tx::{Effects, Snapshot};
use super::{Error, Options, Result, Store};
use crate::wake::Wake;

pub(super) const INDEX: &str = "index.redb";

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

/// What went wrong so far, for the owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Number of faults since the store was opened. The store goes on after each.
    pub faults: u64,
    /// What the last one said.
    pub last_fault: Option<String>,
    /// Whether the last attempt to make something durable failed. Until one succeeds the card is at
    /// [`Level::Fault`](super::types::Level::Fault); [`Store::probe`] is an attempt.
    pub failing: bool,
}

/// The index database. redb refuses to write after an IO error until it is opened again: [`Index::recover`].
#[derive(Debug)]
pub(super) struct Index {
    media: Arc<dyn Media>,
    cache_bytes: usize,
    /// Held for reading by every transaction that writes, so that nobody opens the file again under it.
    database: RwLock<Option<Database>>,
    /// Whether anything was committed since the last settle.
    unsettled: AtomicBool,
    health: Mutex<Health>,
    /// Who hears of changed levels.
    level_wakes: Mutex<Vec<Wake>>,
    /// Who hears of spooled mail.
    spool_wakes: Mutex<Vec<Wake>>,
    pub(super) rules: Rules,
    pub(super) bus: Bus,
    pub(super) pins: Pins,
    pub(super) due: Due,
    pub(super) journal: Journal,
}

impl Index {
    pub(super) fn open(media: Arc<dyn Media>, options: &Options) -> Result<Self> {
        let index = Self {
            media,
            cache_bytes: options.cache_bytes,
            database: RwLock::new(None),
            unsettled: AtomicBool::new(false),
            health: Mutex::new(Health::default()),
            level_wakes: Mutex::default(),
            spool_wakes: Mutex::default(),
            rules: Rules::new(options),
            bus: Bus::default(),
            pins: Pins::default(),
            due: Due::default(),
            journal: Journal::default(),
        };
        index.with_database(|_| Ok(()))?;
        Ok(index)
    }

    /// Lends the database to a user who finishes with it before returning. Opens it if a fault closed it.
    pub(super) fn with_database<T>(
        &self,
        mut user: impl FnMut(&Database) -> Result<T>,
    ) -> Result<T> {
        loop {
            let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(database) = &*database {
                return user(database);
            }
            drop(database);
            let mut database = self
                .database
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            if database.is_none() {
                let mut builder = Builder::new();
                builder.set_cache_size(self.cache_bytes);
                *database = Some(open_database(&*self.media, INDEX, &builder, |_| Ok(()))?);
            }
        }
    }

    /// Something is about to be committed: the next settle has work.
    pub(super) fn note_change(&self) {
        self.unsettled.store(true, Ordering::SeqCst);
    }

    pub(super) fn snapshot(&self) -> Result<Snapshot> {
        self.with_database(|database| Ok(Snapshot::new(database.begin_read()?, self.rules)))
    }

    /// An empty quick-repair commit, after which a crash costs the next start nothing. Nothing if nothing happened.
    pub(super) fn settle(&self) -> Result<()> {
        if !self.unsettled.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        self.commit_nothing()
    }

    /// An empty commit that is durable, and with it everything before.
    pub(super) fn commit_nothing(&self) -> Result<()> {
        let committed = self.with_database(|database| {
            let mut txn = database.begin_write()?;
            txn.set_quick_repair(true);
            Ok(txn.commit()?)
        });
        match &committed {
            Ok(()) => self.note_committed(),
            Err(error) => self.recover(error),
        }
        committed
    }

    /// Tells everyone what became durable.
    pub(super) fn conclude(&self, effects: Effects) {
        for call in effects.calls {
            call();
        }
        let mut changed_level = false;
        for (account, change) in effects.changes {
            changed_level |= change == Change::Level;
            self.bus.broadcast(account, change);
        }
        if changed_level {
            wake_all(&self.level_wakes);
        }
        if effects.has_spooled {
            wake_all(&self.spool_wakes);
        }
        self.due.add(effects.staged, effects.garbage);
    }

    /// Calls `wake` after every change of a level.
    pub(super) fn on_level(&self, wake: Wake) {
        lock(&self.level_wakes).push(wake);
    }

    /// Calls `wake` after every commit that spooled a mail.
    pub(super) fn on_spool(&self, wake: Wake) {
        lock(&self.spool_wakes).push(wake);
    }

    /// Tells everyone that the card's level is another one.
    pub(super) fn tell_card_level(&self) {
        self.bus.broadcast_to_all(Change::Level);
        wake_all(&self.level_wakes);
    }

    /// After an error of a commit: reports it and makes sure that the next one has a database that works.
    pub(super) fn recover(&self, error: &Error) {
        self.note_failed_commit(error);
        self.check_usable();
    }

    /// Nothing can be written for now.
    pub(super) fn note_failed_commit(&self, error: &Error) {
        self.note_fault(error);
        self.set_failing(true);
    }

    /// Something became durable.
    pub(super) fn note_committed(&self) {
        self.set_failing(false);
    }

    fn set_failing(&self, failing: bool) {
        let before = std::mem::replace(&mut self.lock_health().failing, failing);
        if before != failing {
            self.tell_card_level();
        }
    }

    /// Drops the database if it refuses to go on, so that its next user opens it anew.
    pub(super) fn check_usable(&self) {
        let mut database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if database
            .as_ref()
            .is_some_and(|open| open.begin_write().is_err())
        {
            *database = None;
        }
    }

    /// Counts a fault and remembers what it said.
    pub(super) fn note_fault(&self, error: &Error) {
        tracing::error!(%error, "store fault");
        let mut health = self.lock_health();
        health.faults += 1;
        health.last_fault = Some(error.to_string());
    }

    pub(super) fn health(&self) -> Health {
        self.lock_health().clone()
    }

    fn lock_health(&self) -> MutexGuard<'_, Health> {
        lock(&self.health)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A wake may come back for another snapshot, so the list is not held.
fn wake_all(wakes: &Mutex<Vec<Wake>>) {
    let wakes = lock(wakes).clone();
    for wake in wakes {
        wake.wake();
    }
}

impl Store {
    /// Tries to make an empty commit durable, which tells whether the store can write. Call it now and then while
    /// [`Health::failing`].
    pub fn probe(&self) -> Result<()> {
        self.0.core.space.keep_afloat();
        self.0.index.commit_nothing()
    }
}
