//! What pages are made of, and how they get at it: reading the store on a blocking thread, few at a time.
//!
//! A page never blocks an async thread, and a panic while a page is made is that request's alone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::change::Changer;
use super::drawer::Drawer;
use super::events::Hub;
use super::jobs::Jobs;
use super::mail::told::Told;
use super::mail::writing::Writing;
use super::owner::Years;
use super::owner::domain::checks::Checks;
use super::person::storage::Surveys;
use super::problem::Problem;
use super::session::Sessions;
use super::setup::Access;
use super::words::Lang;
use crate::auth::Auth;
use crate::clock::{Clock, Now};
use crate::config::Settings;
use crate::dns::Resolver;
use crate::maillog::Tally;
use crate::net::Counters;
use crate::net::gate::Gate;
use crate::net::limits::Limiter;
use crate::net::outbound::Outbound;
use crate::net::tls::Tls;
use crate::panel::Remote;
use crate::queue::desk::Desk;
use crate::stick::recover::Recovery;
use crate::store::{self, Store};

/// Readings of the store at once.
const READS_MAX: usize = 2;

/// Time that the store has for an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// What the pages are made of.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The store.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// What the network has counted.
    pub counters: Counters,
    /// What became of mail.
    pub tally: Tally,
    /// The queue.
    pub desk: Desk,
    /// Connections now.
    pub limiter: Limiter,
    /// Names of all services.
    pub services: Vec<&'static str>,
    /// Certificates, and what authorities ask for them.
    pub tls: Arc<Tls>,
    /// Passwords.
    pub auth: Auth,
    /// The way to check one.
    pub gate: Gate,
    /// LED and button.
    pub panel: Remote,
    /// Names; `None` if nothing can be asked.
    pub resolver: Option<Resolver>,
    /// Connections to other hosts.
    pub outbound: Outbound,
    /// Settings in force.
    pub settings: Arc<Settings>,
    /// Changes them.
    pub changer: Changer,
    /// What outlives a restart of the services.
    pub kept: Kept,
}

/// What outlives a restart of the services within the process: who is logged in. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Who is logged in.
    pub sessions: Sessions,
    /// Passwords that were just made.
    pub drawer: Drawer,
    /// Who sets the box up.
    pub setup: Access,
    /// What people did with mail a moment ago.
    pub(super) told: Told,
    /// What DNS said when it was asked last.
    pub(super) checks: Checks,
    /// Mails that are being written.
    pub(super) writing: Writing,
    /// Work that takes longer than a page.
    pub jobs: Jobs,
    /// What people's mail consists of.
    pub surveys: Surveys,
    /// Beginning with the backup on a stick.
    pub recovery: Recovery,
    trouble: Arc<Mutex<Option<Trouble>>>,
}

/// Why settings made on the page do not hold; the cause in English, with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// None of them does: they cannot be read, or nothing starts with them.
    Ignored(String),
    /// The last change does not: nothing started with it, and what was before holds again.
    TakenBack(String),
}

impl Trouble {
    /// What that means, before the cause.
    pub fn in_words(&self, lang: Lang) -> &'static str {
        match self {
            Self::Ignored(_) => lang.t(
                "Die hier gemachten Einstellungen gelten gerade nicht:",
                "The settings made here are not in force:",
            ),
            Self::TakenBack(_) => lang.t(
                "Mit der letzten Änderung startete die Box nicht. Es gilt wieder, was vorher galt. Der Grund:",
                "The box did not start with the last change. What held before holds again. The cause:",
            ),
        }
    }

    /// The cause.
    pub fn cause(&self) -> &str {
        let (Self::Ignored(cause) | Self::TakenBack(cause)) = self;
        cause
    }
}

impl Kept {
    /// Why the settings made on the page do not hold, if they do not.
    pub fn settings_trouble(&self) -> Option<Trouble> {
        let trouble = self.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that.
    pub fn note_settings_trouble(&self, trouble: Option<Trouble>) {
        let noted = self.trouble.lock();
        *noted.unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

/// The state of all handlers.
#[derive(Clone, Debug)]
pub struct Web {
    /// What pages are made of.
    pub sources: Arc<Sources>,
    pub(super) hub: Hub,
    pub(super) years: Years,
    reads: Arc<Semaphore>,
}

impl Web {
    pub(super) fn new(sources: Sources) -> Self {
        Self {
            hub: Hub::of(&sources),
            years: Years::default(),
            sources: Arc::new(sources),
            reads: Arc::new(Semaphore::new(READS_MAX)),
        }
    }

    /// Grows with every change that a live page may hear of.
    pub(super) fn changes(&self) -> u64 {
        let store = self.sources.store.changes();
        store.wrapping_add(self.hub.changes())
    }

    /// The time.
    pub(super) fn now(&self) -> Now {
        self.sources.clock.now()
    }

    /// Reads or writes the store on a blocking thread, with a limit on the time for it; what has begun is carried out
    /// even when nobody waits any more.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Sources, Now) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let done = self.run_unhurried(work);
        timeout(READ_TIMEOUT, done)
            .await
            .unwrap_or(Err(Problem::Busy))
    }

    /// As [`Web::run`], without a limit on the time.
    pub(super) async fn run_unhurried<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Sources, Now) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let sources = Arc::clone(&self.sources);
        let slot = Arc::clone(&self.reads).acquire_owned().await;
        let slot = slot.map_err(|_| Problem::Busy)?;
        let now = sources.clock.now();
        let work = spawn_blocking(move || {
            let done = work(&sources, now);
            drop(slot);
            done
        });
        match work.await {
            Ok(done) => done,
            Err(error) => {
                if error.is_panic() {
                    self.sources.counters.panicked();
                    tracing::error!("a request of the web port panicked");
                }
                Err(Problem::Broken)
            }
        }
    }

    /// Reads only; `None` if that fails or takes too long.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Sources, Now) -> store::Result<T> + Send + 'static,
    ) -> Option<T> {
        let read = self.run(|sources, now| Ok(work(sources, now)?));
        let told = |problem: &Problem| tracing::warn!(%problem, "web: the store cannot be read");
        read.await.inspect_err(told).ok()
    }
}
