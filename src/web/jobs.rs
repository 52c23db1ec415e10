//! Work that takes longer than a page: making room, backups, imports, surveys. A page begins it, and looks how far it is.
//!
//! Jobs run on blocking threads, one of a kind at a time for an account. What became of one is kept in memory, bounded.
//! They go on while the services restart within the process; when the daemon stops, those that can end early do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::spawn_blocking;

use super::problem::Said;
use crate::mail::ids::AccountId;

/// Jobs that are remembered; those that ended first are forgotten first.
pub const JOBS_MAX: usize = 64;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Makes room.
    Room,
    /// Puts back what making room took.
    Undo,
    /// Backs up, and tries the backup out.
    Backup,
    /// Brings old mail in.
    Import,
    /// Looks what an account's mail consists of.
    Survey,
}

/// Which job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What is under way, such as a mailbox's name.
    pub what: String,
    /// So much is done.
    pub done: u64,
    /// Of so much; 0 if that is not known.
    pub total: u64,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It did what it should; what that was, in words.
    Done(Vec<Said>),
    /// It did not; why.
    Failed(Vec<Said>),
}

/// A job as pages see it.
#[derive(Clone, Debug)]
pub struct Job {
    /// Which.
    pub id: JobId,
    /// What it does.
    pub kind: Kind,
    /// For whom.
    pub account: AccountId,
    /// How far it is.
    pub progress: Progress,
    /// How it ended; `None` while it runs.
    pub end: Option<End>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    jobs: BTreeMap<JobId, Job>,
}

/// All jobs. Clones are the same table.
#[derive(Clone, Debug, Default)]
pub struct Jobs {
    table: Arc<Mutex<Table>>,
    interrupted: Arc<AtomicBool>,
}

/// What a job tells while it runs.
#[derive(Debug)]
pub struct Handle {
    jobs: Jobs,
    id: JobId,
}

impl Handle {
    /// Tells how far it is.
    pub fn tell(&self, what: &str, done: u64, total: u64) {
        self.jobs.change(self.id, |job| {
            job.progress = Progress {
                what: what.to_owned(),
                done,
                total,
            };
        });
    }

    /// Whether it should end now, for the daemon stops.
    pub fn is_interrupted(&self) -> bool {
        self.jobs.interrupted.load(Ordering::SeqCst)
    }
}

/// Says that a job panicked, should it end without a word.
struct Guard(Handle);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.jobs.change(self.0.id, |job| {
            if job.end.is_none() {
                job.end = Some(End::Failed(vec![Said {
                    de: "Das ist unterwegs abgebrochen; das Protokoll der Box sagt mehr."
                        .to_owned(),
                    en: "This broke off; the box's log says more.".to_owned(),
                }]));
            }
        });
    }
}

impl Jobs {
    /// Begins a job, or gives the one of that kind that runs for the account already.
    pub fn begin(
        &self,
        kind: Kind,
        account: AccountId,
        work: impl FnOnce(&Handle) -> End + Send + 'static,
    ) -> JobId {
        let mut table = self.table();
        let running = |job: &&Job| job.kind == kind && job.account == account && job.end.is_none();
        if let Some(job) = table.jobs.values().find(running) {
            return job.id;
        }
        table.forget();
        table.next += 1;
        let id = JobId(table.next);
        let job = Job {
            id,
            kind,
            account,
            progress: Progress::default(),
            end: None,
        };
        table.jobs.insert(id, job);
        drop(table);
        let guard = Guard(Handle {
            jobs: self.clone(),
            id,
        });
        spawn_blocking(move || {
            let end = work(&guard.0);
            guard.0.jobs.change(id, |job| job.end = Some(end));
        });
        id
    }

    /// A job by its id.
    pub fn find(&self, id: JobId) -> Option<Job> {
        self.table().jobs.get(&id).cloned()
    }

    /// The latest of a kind for an account.
    pub fn latest(&self, kind: Kind, account: AccountId) -> Option<Job> {
        let table = self.table();
        let mut jobs = table.jobs.values().rev();
        jobs.find(|job| job.kind == kind && job.account == account)
            .cloned()
    }

    /// Whether any runs.
    pub fn is_busy(&self) -> bool {
        self.table().jobs.values().any(|job| job.end.is_none())
    }

    /// The daemon stops: has those end that look.
    pub fn interrupt(&self) {
        self.interrupted.store(true, Ordering::SeqCst);
    }

    fn change(&self, id: JobId, change: impl FnOnce(&mut Job)) {
        if let Some(job) = self.table().jobs.get_mut(&id) {
            change(job);
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Makes room for one more.
    fn forget(&mut self) {
        while self.jobs.len() >= JOBS_MAX {
            let ended = self.jobs.values().find(|job| job.end.is_some());
            let Some(id) = ended.map(|job| job.id) else {
                return;
            };
            self.jobs.remove(&id);
        }
    }
}
