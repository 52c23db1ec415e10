//! What DNS said when it was asked last, kept with its time so that a page never waits for name servers.
//!
//! Asking takes as long as name servers like, so it holds no place among those who read the store, and there is one at a
//! time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::all_facts;
use crate::clock::{Now, Wall};
use crate::dns::Resolver;
use crate::mail::address::Domain;
use crate::manage;
use crate::trust::publish::{self, Finding};
use crate::trust::signing::Keyring;
use crate::web::problem::Problem;
use crate::web::{Sources, Web};

/// How long a page waits for name servers before it says that the box still looks.
const WAIT_MAX: Duration = Duration::from_secs(6);

/// What was found, by domain. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(in crate::web) struct Checks(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    found: Mutex<BTreeMap<Domain, Found>>,
    is_looking: AtomicBool,
}

/// What DNS said about a domain.
#[derive(Clone, Debug)]
pub(in crate::web) struct Found {
    /// When, if the clock was set.
    pub(super) at: Option<Wall>,
    /// Of each record that can be asked for.
    pub(super) findings: Vec<Finding>,
}

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    Done,
    Busy,
}

impl Checks {
    /// What was found of a domain, if it was asked for since the start.
    pub(super) fn of(&self, domain: &Domain) -> Option<Found> {
        let found = self.0.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(domain).cloned()
    }

    fn note(&self, domain: Domain, found: Found) {
        let mut all = self.0.found.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(domain, found);
    }

    fn begin(&self) -> Option<Looking> {
        let was_looking = self.0.is_looking.swap(true, Ordering::SeqCst);
        (!was_looking).then(|| Looking(self.clone()))
    }
}

/// Nobody else asks while this exists.
struct Looking(Checks);

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.0.is_looking.store(false, Ordering::SeqCst);
    }
}

/// Asks about all domains, and has new keys sign that DNS has by now.
pub(super) async fn look(web: &Web) -> Result<Looked, Problem> {
    let Some(resolver) = web.sources.resolver.clone() else {
        return Err(Problem::wrong(
            "Die Box kann keine Namen nachschlagen. Prüfen Sie die Internetverbindung und starten Sie die Box neu.",
            "The box cannot look up names. Check the internet connection and start the box again.",
        ));
    };
    let Some(looking) = web.sources.kept.checks.begin() else {
        return Ok(Looked::Busy);
    };
    let (sources, now) = (Arc::clone(&web.sources), web.now());
    let work = spawn_blocking(move || {
        let _looking = looking;
        look_at_all(&sources, &resolver, now)
    });
    match timeout(WAIT_MAX, work).await {
        Ok(done) => {
            done.map_err(|_| Problem::Broken)??;
            Ok(Looked::Done)
        }
        // It goes on, and the page shows it later.
        Err(_) => Ok(Looked::Busy),
    }
}

fn look_at_all(sources: &Sources, resolver: &Resolver, now: Now) -> Result<(), Problem> {
    let keyring = Keyring::open(&sources.store, &sources.settings.domains);
    let mut serious = 0;
    for facts in all_facts(sources, now)? {
        let seen = publish::ask(resolver, &facts).map_err(|_| Problem::Broken)?;
        let findings = publish::findings(&facts, &seen);
        serious += findings.iter().filter(|found| found.is_serious()).count();
        let switched = manage::domain::follow(&keyring, &facts.domain, &findings, now);
        if let Err(error) = switched {
            tracing::error!(%error, "web: new keys do not sign yet");
        }
        let found = Found {
            at: now.wall,
            findings,
        };
        sources.kept.checks.note(facts.domain, found);
    }
    manage::checked::note_dns(&sources.store, serious)?;
    Ok(())
}
