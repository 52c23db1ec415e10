//! The queue with its spool: the plan in memory, its rows in the store, and the reports that it owes.
//!
//! Synchronous and without a network: a worker takes a [`Job`], carries it out and brings back what came of it. What came
//! of it is saved, with the reports that it causes, in one commit; until that succeeds no further job is given, since
//! what was sent and is not known to have been is sent twice after a crash. Beginning a job writes nothing: a job that a
//! crash cut short is simply due again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Now, Wall};
use crate::delivery::route::Router;
use crate::mail::address::Domain;
use crate::mail::ids::SpoolId;
use crate::mail::report::Status;
use crate::queue::plan::{Attempt, Limits, Outcome, Policy};
use crate::queue::routes::Routes;
use crate::store::spool::SpoolMail;
use crate::store::{self, Store};

/// How the queue works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// When what is tried and told.
    pub policy: Policy,
    /// How much at a time.
    pub limits: Limits,
    /// What the box calls itself in reports.
    pub hostname: Domain,
    /// Above this size only the header of a message comes back with a report.
    pub returned_bytes_max: u64,
}

/// The queue. Cheap to clone; clones are the same queue.
#[derive(Clone, Debug)]
pub struct Desk(Arc<Inner>);

#[derive(Debug)]
struct Inner {}

/// A mail to be given to one destination, for some of its recipients. Bring it back to [`Desk::finish`].
#[derive(Debug)]
pub struct Job {
    /// What the plan wants.
    pub attempt: Attempt,
    /// The mail.
    pub mail: SpoolMail,
}

/// What came of a job for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// For the plan.
    pub outcome: Outcome,
    /// The host that said so, if one was reached.
    pub host: Option<String>,
    /// Why, as a code.
    pub status: Status,
    /// The host's words (code, enhanced code and text), or ours.
    pub reply: String,
}

/// A spooled mail as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The mail with its recipients' states and last attempts.
    pub mail: SpoolMail,
    /// Where each recipient's mail goes: a domain, or the name of a smarthost.
    pub destinations: Vec<String>,
    /// In how much time each recipient is tried, if it waits.
    pub due: Vec<Option<Duration>>,
    /// Until when it is tried, if the clock is set.
    pub until: Option<Wall>,
}

impl Desk {
    /// Takes the spool in.
    pub fn open(
        store: &Store,
        settings: Settings,
        routes: Routes,
        router: Router,
        now: Now,
    ) -> store::Result<Self> {
        let _ = (store, settings, routes, router, now);
        todo!()
    }

    /// Takes in what was spooled since.
    pub fn refresh(&self, now: Now) -> store::Result<()> {
        let _ = (now, &self.0);
        todo!()
    }

    /// What to do now, if anything; ask again until there is nothing.
    pub fn next(&self, now: Now) -> store::Result<Option<Job>> {
        let _ = now;
        todo!()
    }

    /// Time until [`Desk::next`] has something, if nothing else happens.
    pub fn next_due(&self, now: Now) -> Option<Duration> {
        let _ = now;
        todo!()
    }

    /// A job is done. `tried` has its recipients' indices; one that is missing counts as transient.
    pub fn finish(&self, job: Job, tried: BTreeMap<usize, Tried>, now: Now) -> store::Result<()> {
        let _ = (job, tried, now);
        todo!()
    }

    /// Keeps a mail back. [`store::Error::NotFound`] if it is not there (any more), as of all that follow.
    pub fn hold(&self, mail: SpoolId, now: Now) -> store::Result<()> {
        let _ = (mail, now);
        todo!()
    }

    /// Tries a mail at once, held or not.
    pub fn retry(&self, mail: SpoolId, now: Now) -> store::Result<()> {
        let _ = (mail, now);
        todo!()
    }

    /// Takes a mail out; its sender is not told.
    pub fn remove(&self, mail: SpoolId, now: Now) -> store::Result<()> {
        let _ = (mail, now);
        todo!()
    }

    /// All mails that are in, oldest first.
    pub fn list(&self, now: Now) -> store::Result<Vec<Listed>> {
        let _ = now;
        todo!()
    }
}
