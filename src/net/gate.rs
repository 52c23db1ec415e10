//! Checks credentials for sessions: few at a time, and slowly after failures.
//!
//! Hashing a password is made to cost time and memory; a board that hashes for everyone who asks does nothing else. The
//! wait after a failure is spent asleep, holding no slot and no thread.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::auth::{Auth, Outcome, Request, Via};
use crate::clock::{Clock, Now};
use crate::maillog::{self, Log};
use crate::net::Counters;

/// Credentials checked at once; each may take 20 MiB and a core.
pub const CHECKS_MAX: usize = 2;

/// Longest wait for a free slot; after it the answer is "unavailable".
pub const QUEUE_WAIT_MAX: Duration = Duration::from_secs(20);

/// Wait before "denied" is answered.
pub const DENIED_DELAY: Duration = Duration::from_secs(1);

/// Longest wait before "throttled" is answered; longer ones are the peer's to keep.
pub const THROTTLED_DELAY_MAX: Duration = Duration::from_secs(5);

type Check = dyn Fn(&Request, &Via, Now) -> Outcome + Send + Sync;

/// The way to `Auth::verify`. Clones share the slots.
#[derive(Clone)]
pub struct Gate {
    check: Arc<Check>,
    slots: Arc<Semaphore>,
    clock: Clock,
    counters: Counters,
}

impl Gate {
    /// A gate in front of `auth`.
    pub fn new(auth: Auth, clock: Clock, counters: Counters) -> Self {
        Self::with(
            move |request, via, now| {
                let outcome = auth.verify(request, now);
                if let Outcome::Granted(who) = &outcome {
                    auth.remember(who, request.from(), via, now);
                }
                if let Some(why) = why_not(&outcome) {
                    let log = Log(auth.store(), now);
                    maillog::login_failed(log, request.login(), request.from(), why);
                }
                outcome
            },
            clock,
            counters,
        )
    }

    /// A gate in front of any check.
    pub fn with(
        check: impl Fn(&Request, &Via, Now) -> Outcome + Send + Sync + 'static,
        clock: Clock,
        counters: Counters,
    ) -> Self {
        Self {
            check: Arc::new(check),
            slots: Arc::new(Semaphore::new(CHECKS_MAX)),
            clock,
            counters,
        }
    }

    /// Checks `request`, which came that way, when a slot is free, and keeps a failed answer back for a while.
    pub async fn pass(&self, request: Request, via: Via) -> Outcome {
        let outcome = self.check_in_turn(request, via).await;
        if why_not(&outcome).is_some() {
            self.counters.login_failed();
        }
        let delay = delay_of(&outcome);
        if !delay.is_zero() {
            sleep(delay).await;
        }
        outcome
    }

    async fn check_in_turn(&self, request: Request, via: Via) -> Outcome {
        let slot = timeout(QUEUE_WAIT_MAX, Arc::clone(&self.slots).acquire_owned()).await;
        let Ok(Ok(slot)) = slot else {
            tracing::warn!("no slot to check credentials in time");
            return Outcome::Unavailable;
        };
        let (check, now) = (Arc::clone(&self.check), self.clock.now());
        // The slot goes along, so that it is held until the hashing is over even if the connection is gone.
        let checked = tokio::task::spawn_blocking(move || {
            let outcome = check(&request, &via, now);
            drop(slot);
            outcome
        });
        checked.await.unwrap_or_else(|error| {
            if error.is_panic() {
                self.counters.panicked();
                tracing::error!("checking credentials panicked");
            }
            Outcome::Unavailable
        })
    }
}

/// What the mail log says of a failed login.
fn why_not(outcome: &Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Granted(_) => None,
        Outcome::Denied => Some("wrong name or password"),
        Outcome::Throttled { .. } => Some("too many failures"),
        Outcome::Unavailable => Some("not checked"),
    }
}

fn delay_of(outcome: &Outcome) -> Duration {
    match outcome {
        Outcome::Granted(_) | Outcome::Unavailable => Duration::ZERO,
        Outcome::Denied => DENIED_DELAY,
        Outcome::Throttled { retry_after } => (*retry_after).min(THROTTLED_DELAY_MAX),
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}
