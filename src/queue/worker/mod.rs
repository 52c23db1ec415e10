//! Carries out what the queue wants done: finds hosts, talks to them, brings back what came of it.
//!
//! One task per job, as many as the plan allows; a panic ends that job alone. A connection that is still good is kept a
//! little while for the next mail to the same host (`pool`). What a host is told is what was signed: converted first where
//! the host needs it, then signed, then sent (`message`). On shutdown a message under way has the daemon's grace period
//! to end, and what only looks for hosts is given up at once; what is cut is due again.

mod connect;
mod job;
mod line;
mod log;
mod logins;
mod message;
mod pool;
mod targets;
#[cfg(test)]
mod tests;
pub mod trial;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet, spawn_blocking};
use tokio::time::sleep;

use self::connect::Connector;
use self::job::{Task, Tools};
use self::line::Line;
use self::logins::Logins;
use self::pool::Pool;
pub use self::words::PORT_BLOCKED;
use crate::clock::Clock;
use crate::mail::address::Domain;
use crate::net::Counters;
use crate::net::outbound::Outbound;
use crate::net::shutdown::{Phase, Token};
use crate::queue::desk::{Desk, Job, Tried};
use crate::queue::hosts::Finder;
use crate::queue::routes::Routes;
use crate::store::types::Language;
use crate::store::{self, Store};
use crate::trust::signing::Keyring;
use crate::wake::Wake;

/// How long to wait before the store is asked again after it failed.
const FAILED_WAIT: Duration = Duration::from_secs(10);

/// What a worker works with.
#[derive(Clone, Debug)]
pub struct Worker {
    /// What is to be done.
    pub desk: Desk,
    /// Where messages are.
    pub store: Store,
    /// Who takes them.
    pub finder: Finder,
    /// Which way.
    pub routes: Routes,
    /// Connections.
    pub outbound: Outbound,
    /// Signatures.
    pub keyring: Keyring,
    /// What the box calls itself.
    pub hostname: Domain,
    /// Port of other hosts: 25 but in tests.
    pub port: u16,
    /// Of hints for the owner.
    pub language: Language,
    /// Time.
    pub clock: Clock,
    /// Where panics are counted.
    pub counters: Counters,
}

/// A worker at work.
struct Running {
    tools: Arc<Tools>,
    jobs: JoinSet<()>,
    wake: Arc<Notify>,
}

impl Worker {
    /// Works until the daemon stops.
    pub async fn run(self, mut token: Token) {
        let wake = Arc::new(Notify::new());
        let asked = Arc::clone(&wake);
        self.desk.on_work(Wake::new(move || asked.notify_one()));
        let mut running = Running::new((self, token.clone()), wake);
        loop {
            let wait = running.begin().await;
            tokio::select! {
                () = token.reached(Phase::Draining) => break,
                () = running.wake.notified() => {}
                Some(_) = running.jobs.join_next() => {}
                () = at_most(wait) => {}
            }
        }
        running.end(token).await;
    }
}

impl Running {
    fn new((worker, token): (Worker, Token), wake: Arc<Notify>) -> Self {
        let connector = Connector {
            outbound: worker.outbound.clone(),
            logins: Logins::new(worker.language),
            hostname: worker.hostname.clone(),
            clock: worker.clock.clone(),
        };
        let tools = Tools {
            worker,
            token,
            connector,
            pool: Pool::default(),
        };
        Self {
            tools: Arc::new(tools),
            jobs: JoinSet::new(),
            wake,
        }
    }

    /// Begins all that is due; gives how long nothing more is, if nothing happens meanwhile.
    async fn begin(&mut self) -> Option<Duration> {
        let worker = &self.tools.worker;
        let (desk, now) = (worker.desk.clone(), worker.clock.now());
        let due = spawn_blocking(move || due(&desk, now)).await;
        let next = match due {
            Ok(Ok((jobs, next))) => {
                for job in jobs {
                    self.jobs.spawn(carry_out(Arc::clone(&self.tools), job));
                }
                next
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "the queue cannot go on for now");
                Some(FAILED_WAIT)
            }
            Err(error) => {
                panicked(worker, &error);
                Some(FAILED_WAIT)
            }
        };
        let now = worker.clock.now().mono;
        close(self.tools.pool.expired(now));
        let expiry = self.tools.pool.next_expiry(now);
        next.into_iter().chain(expiry).min()
    }

    /// Lets what is under way end within the grace period.
    async fn end(mut self, mut token: Token) {
        let pool = &self.tools.pool;
        close(pool.clear());
        while !self.jobs.is_empty() {
            tokio::select! {
                () = token.reached(Phase::Aborting) => {
                    self.jobs.shutdown().await;
                }
                _ = self.jobs.join_next() => close(pool.clear()),
            }
        }
    }
}

/// All jobs that are due, and when there are more.
fn due(desk: &Desk, now: crate::clock::Now) -> store::Result<(Vec<Job>, Option<Duration>)> {
    // What was taken in before goes on.
    if let Err(error) = desk.refresh(now) {
        tracing::error!(%error, "new mail in the queue cannot be read for now");
    }
    let mut jobs = Vec::new();
    loop {
        match desk.next(now) {
            Ok(Some(job)) => jobs.push(job),
            Ok(None) => return Ok((jobs, desk.next_due(now))),
            Err(error) if jobs.is_empty() => return Err(error),
            // What was given has to be brought back.
            Err(error) => {
                tracing::error!(%error, "no more of the queue for now");
                return Ok((jobs, Some(FAILED_WAIT)));
            }
        }
    }
}

async fn carry_out(tools: Arc<Tools>, job: Job) {
    let task = Task {
        mail: Arc::new(job.mail.clone()),
        destination: job.attempt.destination().clone(),
        recipients: job.attempt.recipients().to_vec(),
    };
    let at_work = Arc::clone(&tools);
    let attempt = async move { job::carry_out(&at_work, &task).await };
    bring_back(tools, job, attempt).await;
}

/// Makes the attempt and brings the job back, whatever becomes of it.
async fn bring_back(
    tools: Arc<Tools>,
    job: Job,
    attempt: impl Future<Output = Option<BTreeMap<usize, Tried>>> + Send + 'static,
) {
    // A task of its own, so that a panic leaves the job to be brought back. Aborted with this one.
    let mut inner = JoinSet::new();
    inner.spawn(attempt);
    let worker = &tools.worker;
    let tried = match inner.join_next().await {
        Some(Ok(Some(tried))) => tried,
        // The daemon stops. Beginning an attempt has written nothing, so it is due again after the next start.
        Some(Ok(None)) => return,
        Some(Err(error)) => {
            panicked(worker, &error);
            BTreeMap::new()
        }
        None => BTreeMap::new(),
    };
    let (desk, clock) = (worker.desk.clone(), worker.clock.clone());
    let finished = spawn_blocking(move || desk.finish(job, tried, clock.now())).await;
    match finished {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "what came of an attempt was not saved"),
        Err(error) => panicked(worker, &error),
    }
}

fn panicked(worker: &Worker, error: &JoinError) {
    if error.is_panic() {
        worker.counters.panicked();
        tracing::error!("an attempt to send panicked");
    }
}

/// Says goodbye on connections that are not needed any more.
fn close(lines: Vec<Line>) {
    for line in lines {
        tokio::spawn(line.quit());
    }
}

async fn at_most(wait: Option<Duration>) {
    match wait {
        Some(wait) => sleep(wait).await,
        None => std::future::pending().await,
    }
}

/// Work that blocks, off the async threads; `failed` makes an error of a panic.
async fn blocking<T: Send + 'static, E: Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
    failed: impl FnOnce(String) -> E,
) -> Result<T, E> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(failed(error.to_string())))
}
