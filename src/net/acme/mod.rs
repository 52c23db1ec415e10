//! Certificates from an authority that everybody knows, by ACME (RFC 8555).
//!
//! A [`Keeper`] sees to it that there is one, from the first start to the last renewal, without a restart. `schedule` says when
//! to try, `names` for what, `order` tries, `kept` has the files, and `challenge` what the authority asks meanwhile. Until the
//! first success and after an end without renewal, the box's own certificate serves; nothing here can stop the daemon.

pub mod challenge;
pub mod kept;
mod names;
mod order;
pub mod schedule;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use instant_acme::{Account, AccountBuilder, AccountCredentials, Error, NewAccount};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::clock::{Clock, Wall};
use crate::dns::Resolver;
use crate::mail::address::{Address, Domain};
use crate::net::certificate::About;
use crate::net::shutdown::{Phase, Token};
use crate::net::tls::Tls;
use kept::Kept;
pub use order::Way;
use order::{Ending, Wish, has_type};
use schedule::{History, Pace};

/// How often it is looked whether something is due, at least: the clock may be set meanwhile.
const LOOK_INTERVAL: Duration = Duration::from_mins(1);

/// Shortest wait between two looks.
const LOOK_MIN: Duration = Duration::from_secs(1);

/// Longest time of a try.
const TRY_TIMEOUT: Duration = Duration::from_mins(15);

/// What is asked of whom.
#[derive(Clone, Debug)]
pub struct Settings {
    /// URL of the authority's directory.
    pub directory: String,
    /// Where the authority writes to.
    pub contact: Option<Address>,
    /// The box's name.
    pub hostname: Domain,
    /// Domains whose mail is stored here.
    pub domains: Vec<Domain>,
    /// Ways that there are ports for, the better one first.
    pub ways: Vec<Way>,
}

/// Why a try came to nothing.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Authority(#[from] Error),
    #[error("none of the names could be proved: {}", in_words(.0))]
    Unproved(BTreeMap<String, String>),
    #[error("what the authority sent is no certificate for the names")]
    Odd,
    #[error("a file cannot be read or written: {0}")]
    File(#[from] io::Error),
    #[error("it took longer than {} minutes", TRY_TIMEOUT.as_secs() / 60)]
    Timeout,
}

/// Names, each with what is wrong with it.
fn in_words(left_out: &BTreeMap<String, String>) -> String {
    let each = left_out.iter().map(|(name, why)| format!("{name}: {why}"));
    each.collect::<Vec<_>>().join("; ")
}

/// Keeps a certificate.
#[derive(Debug)]
pub struct Keeper {
    settings: Settings,
    /// All names that may be asked for.
    candidates: BTreeSet<String>,
    kept: Kept,
    tls: Arc<Tls>,
    resolver: Resolver,
    clock: Clock,
}

impl Keeper {
    /// Of the certificate that `tls` serves from `kept`.
    pub fn new(
        settings: Settings,
        kept: Kept,
        tls: Arc<Tls>,
        resolver: Resolver,
        clock: Clock,
    ) -> Self {
        Self {
            candidates: names::candidates(&settings.hostname, &settings.domains),
            settings,
            kept,
            tls,
            resolver,
            clock,
        }
    }

    /// Looks after it until the daemon stops.
    pub async fn run(self, mut token: Token) {
        if self.candidates.is_empty() || self.settings.ways.is_empty() {
            tracing::warn!(
                hostname = self.settings.hostname.as_str(),
                "no certificate by ACME: it takes a public hostname, and the port web or web_tls"
            );
            return;
        }
        let kept = self.kept.clone();
        let history = spawn_blocking(move || kept.history()).await;
        let history = history.unwrap_or_default();
        let mut history = history.of(&self.settings.directory, &self.candidates);
        loop {
            let before = history.clone();
            let wait = tokio::select! {
                () = token.reached(Phase::Draining) => None,
                wait = self.look(&mut history) => Some(wait),
            };
            let Some(wait) = wait else {
                if history.is_under_way {
                    self.save(&before).await;
                }
                return;
            };
            tokio::select! {
                () = token.reached(Phase::Draining) => return,
                () = sleep(wait) => {}
            }
        }
    }

    /// Tries if that is due; how long to wait for the next look.
    async fn look(&self, history: &mut History) -> Duration {
        // To a clock that is behind, what the authority says looks wrong, and a try in vain costs an hour.
        let Some(now) = self.clock.trusted() else {
            return LOOK_INTERVAL;
        };
        let held = self.held().await;
        if history.next_try(held.as_ref(), now) <= now {
            self.attempt(history, held.as_ref(), now).await;
        }
        let held = self.held().await;
        let now = self.clock.now().wall.unwrap_or(now);
        let hostname = self.settings.hostname.as_str();
        let bare = history.is_bare_for_long(hostname, held.as_ref(), now);
        self.tls.set_unrenewed(bare);
        let next = history.next_try(held.as_ref(), now);
        let mut wait = u64::try_from(next.0.saturating_sub(now.0)).unwrap_or(0);
        match held.map(|held| held.not_after.0.saturating_sub(now.0)) {
            Some(left) if left >= 0 => wait = wait.min(u64::try_from(left + 1).unwrap_or(wait)),
            // The box's own takes over.
            Some(_) => self.refresh().await,
            None => {}
        }
        Duration::from_secs(wait).clamp(LOOK_MIN, LOOK_INTERVAL)
    }

    async fn attempt(&self, history: &mut History, held: Option<&About>, now: Wall) {
        history.begin(now);
        self.save(history).await;
        let tried = timeout(TRY_TIMEOUT, Box::pin(self.obtain(held, now))).await;
        match tried.unwrap_or(Err(Failure::Timeout)) {
            Ok(left_out) => {
                let problem = (!left_out.is_empty()).then(|| in_words(&left_out));
                history.succeed(left_out.len(), problem);
            }
            Err(failure) => {
                tracing::warn!(error = %failure, tries = history.failures, "no certificate by ACME");
                let pace = if asks_for_patience(&failure) {
                    Pace::Slow
                } else {
                    Pace::Usual
                };
                history.fail(failure.to_string(), pace);
            }
        }
        self.save(history).await;
    }

    /// A certificate, in use when this returns, if there is news; names that it lacks, and why.
    async fn obtain(
        &self,
        held: Option<&About>,
        now: Wall,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let hostname = &self.settings.hostname;
        let names = names::pointing_here(&self.candidates, hostname, &self.resolver).await;
        let elsewhere = self.candidates.difference(&names);
        let mut left_out: BTreeMap<String, String> = elsewhere
            .filter(|name| !names::is_optional(name))
            .map(|name| (name.clone(), "does not lead to this box".to_owned()))
            .collect();
        let is_due = held.is_none_or(|held| schedule::due(held) <= now);
        let is_news = |names: &BTreeSet<String>| {
            is_due || held.is_none_or(|held| names.iter().any(|name| !held.covers(name)))
        };
        if !is_news(&names) {
            return Ok(left_out);
        }
        let account = self.account().await?;
        let kept = self.kept.clone();
        let key = blocking(move || kept.key()).await?;
        let wish = Wish {
            account: &account,
            challenges: self.tls.challenges(),
            ways: &self.settings.ways,
            key: &key,
        };
        let got = wish.fulfil(names, is_news).await?;
        left_out.extend(got.left_out);
        match got.ending {
            Ending::Issued(pem) => self.install(pem).await?,
            Ending::NothingNew => {}
            Ending::Unproved => return Err(Failure::Unproved(left_out)),
        }
        Ok(left_out)
    }

    async fn install(&self, pem: String) -> Result<(), Failure> {
        let about = About::of_pem(pem.as_bytes()).ok_or(Failure::Odd)?;
        if !self.candidates.iter().any(|name| about.covers(name)) {
            return Err(Failure::Odd);
        }
        let kept = self.kept.clone();
        blocking(move || kept.save_certificate(&pem)).await?;
        self.refresh().await;
        let names = about.names.into_iter().collect::<Vec<_>>().join(" ");
        tracing::info!(issuer = about.issuer, names, "got a certificate by ACME");
        Ok(())
    }

    /// The account, made at the first time. One that the authority does not know any more is made again.
    async fn account(&self) -> Result<Account, Failure> {
        let contact = self.contact();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let (kept, directory) = (self.kept.clone(), self.settings.directory.clone());
        let stored = blocking(move || kept.account(&directory)).await?;
        if let Some(credentials) = stored {
            let account = builder().await?.from_credentials(credentials).await?;
            match account.update_contacts(&contact).await {
                Err(error) if is_unknown_account(&error) => {
                    tracing::info!("the certificate authority has forgotten the account");
                }
                Err(error) => return Err(error.into()),
                Ok(()) => return Ok(account),
            }
        }
        let wanted = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let directory = self.settings.directory.clone();
        let created = builder().await?.create(&wanted, directory, None).await;
        let (account, credentials): (_, AccountCredentials) = created?;
        let kept = self.kept.clone();
        blocking(move || kept.save_account(&credentials)).await?;
        Ok(account)
    }

    fn contact(&self) -> Option<String> {
        let contact = self.settings.contact.as_ref();
        contact.map(|address| format!("mailto:{address}"))
    }

    /// Has what is in the files served, or the box's own instead.
    async fn refresh(&self) {
        let (tls, now) = (Arc::clone(&self.tls), self.clock.now());
        if spawn_blocking(move || tls.refresh(now)).await.is_err() {
            tracing::error!("looking at the certificate panicked");
        }
    }

    async fn held(&self) -> Option<About> {
        let kept = self.kept.clone();
        spawn_blocking(move || kept.certificate()).await.ok()?
    }

    async fn save(&self, history: &History) {
        let (kept, history) = (self.kept.clone(), history.clone());
        if let Err(error) = blocking(move || kept.save_history(&history)).await {
            tracing::warn!(%error, "what was tried for a certificate was not saved");
        }
    }
}

/// The system's authorities are read anew each time.
async fn builder() -> Result<AccountBuilder, Failure> {
    let built = spawn_blocking(Account::builder).await;
    Ok(built.map_err(io::Error::other)??)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

fn is_unknown_account(error: &Error) -> bool {
    has_type(error, "accountDoesNotExist")
}

fn asks_for_patience(failure: &Failure) -> bool {
    matches!(failure, Failure::Authority(error) if has_type(error, "rateLimited"))
}
