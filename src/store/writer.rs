//! The writer: one thread that runs all changes of the index.
//!
//! Callers hand over closures. The thread takes all that wait, runs them in one transaction, commits once, tells the
//! change bus, then answers each (group commit; there is no delay to let a group form: it forms while the commit before
//! is flushed). A closure that fails or panics after it changed something spoils the transaction: it is aborted, and the
//! others run again without that one. Closures therefore may run several times and must not keep what they saw.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use redb::Database;

use super::engine::Index;
use super::events;
use super::tx::{IdPool, Tx};
use super::{Error, Result};

/// Most closures in one transaction.
const BATCH_MAX: usize = 256;

type Op = Box<dyn FnMut(&mut Tx<'_>) -> Result<()> + Send>;

struct Job {
    op: Op,
    answer: SyncSender<Result<()>>,
}

/// The callers' end of the writer thread. Dropping it ends the thread once its work is done.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(index: Arc<Index>) -> Result<Self> {
        let (jobs, waiting) = channel();
        let thread = thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || run(&index, &waiting))
            .map_err(Error::io)?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Runs `op` in a transaction and returns once that is durable. `op` may run several times.
    pub(super) fn commit<T: Send + 'static>(
        &self,
        mut op: impl FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let slot = Arc::new(Mutex::new(None));
        let inside = Arc::clone(&slot);
        let (answer, answered) = sync_channel(1);
        let op: Op = Box::new(move |tx| {
            let value = op(tx)?;
            *inside.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            Ok(())
        });
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(Job { op, answer }).map_err(|_| stopped())?;
        answered.recv().map_err(|_| stopped())??;
        let value = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.ok_or_else(stopped)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        // The last handle may be dropped by the writer itself, with a closure that held it.
        if thread.thread().id() != thread::current().id() && thread.join().is_err() {
            tracing::error!("store writer panicked");
        }
    }
}

fn stopped() -> Error {
    Error::Fault("the store's writer has stopped".into())
}

fn run(index: &Index, waiting: &Receiver<Job>) {
    let mut ids = IdPool::default();
    while let Ok(first) = waiting.recv() {
        let mut jobs = vec![first];
        jobs.extend(waiting.try_iter().take(BATCH_MAX - 1));
        let mut results = vec![Ok(()); jobs.len()];
        let run = index.with_database(|database| {
            run_batch((database, index), &mut ids, &mut jobs, &mut results)
        });
        if let Err(error) = run {
            ids = IdPool::default();
            index.recover(&error);
            for result in &mut results {
                if result.is_ok() {
                    *result = Err(error.clone());
                }
            }
        }
        if results.iter().any(is_fault) {
            index.check_usable();
        }
        for (job, result) in jobs.into_iter().zip(results) {
            let Job { op, answer } = job;
            drop(op);
            // A caller that no longer waits (it panicked) needs no answer.
            answer.send(result).ok();
        }
    }
}

fn is_fault(result: &Result<()>) -> bool {
    matches!(result, Err(Error::Fault(_)))
}

/// Runs the jobs that have not failed yet in one transaction, as often as it takes. An error is one of the commit.
fn run_batch(
    (database, index): (&Database, &Index),
    ids: &mut IdPool,
    jobs: &mut [Job],
    results: &mut [Result<()>],
) -> Result<()> {
    let mut rides = true;
    loop {
        let txn = database.begin_write()?;
        let mut tx = Tx::new(&txn, &index.pins, index.rules, ids.clone());
        let mut changed = false;
        let mut spoiled = false;
        for (job, result) in jobs.iter_mut().zip(results.iter_mut()) {
            if result.is_err() {
                continue;
            }
            let mark = tx.mark();
            *result = run_caught(&mut job.op, &mut tx);
            let own_change = tx.take_changed();
            changed |= own_change;
            if result.is_err() {
                tx.forget_since(mark);
                spoiled = own_change;
            }
            if spoiled {
                break;
            }
        }
        let riders = if changed && !spoiled && rides {
            index.journal.riders()
        } else {
            Vec::new()
        };
        if let Err(error) = events::write(&tx, &riders) {
            // Nobody's mail waits for the log.
            tracing::error!(%error, "events were not written");
            index.journal.confirm(&riders);
            (rides, spoiled) = (false, true);
        }
        let (ids_after, effects) = tx.into_parts();
        if spoiled {
            txn.abort()?;
            continue;
        }
        if !changed {
            return Ok(txn.abort()?);
        }
        index.note_change();
        txn.commit()?;
        index.note_committed();
        index.journal.confirm(&riders);
        *ids = ids_after;
        index.conclude(effects);
        return Ok(());
    }
}

fn run_caught(op: &mut Op, tx: &mut Tx<'_>) -> Result<()> {
    catch_unwind(AssertUnwindSafe(|| op(tx)))
        .unwrap_or_else(|_| Err(Error::Fault("a change to the store panicked".into())))
}
