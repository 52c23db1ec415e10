//! One recipient: its states and what leads from one to the next.

use std::sync::Arc;
use std::time::Duration;

use super::{Destination, Jitter, Policy};
use crate::mail::report::{Event, Notify};
use crate::queue::time::QueueTime;

/// A recipient of a spooled mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Where it goes.
    pub destination: Arc<Destination>,
    /// What the sender wants to hear.
    pub notify: Notify,
    /// Where it stands.
    pub state: State,
    /// How often it was tried, the attempt under way included.
    pub attempts: u32,
    /// Whether the delay was told, or would have been to another sender than the null one.
    pub delay_told: bool,
}

/// Where a recipient stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// For its next attempt.
    Waiting {
        /// Not before.
        due: QueueTime,
    },
    /// In an attempt.
    UnderWay {
        /// Since when.
        began: QueueTime,
        /// What happens if it was in vain.
        next: Next,
    },
    /// Kept back by the owner until he lets it go on.
    Held,
    /// The next host has taken it. Final.
    Delivered,
    /// Refused for good. Final.
    Failed,
    /// Given up after the mail's lifetime. Final.
    Expired,
    /// Taken out by the owner. Final.
    Removed,
}

/// What happens after an attempt with a transient outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is tried again, or given up.
    Retry,
    /// It is kept back.
    Hold,
    /// It is taken out.
    Remove,
}

/// How an attempt ended for a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// In its mailbox, or handed over to something that is no mail.
    Delivered,
    /// Taken by a host that knows DSN and was told NOTIFY: it reports (RFC 3461 5.2.1).
    PassedOn,
    /// Taken by a host that does not know DSN (RFC 3461 5.2.2).
    Relayed,
    /// Not now.
    Transient,
    /// Never.
    Permanent,
}

/// What a transient outcome is judged by.
pub(super) struct Age<'a> {
    pub(super) policy: &'a Policy,
    pub(super) arrived: QueueTime,
    pub(super) time: QueueTime,
    pub(super) jitter: Jitter,
}

impl State {
    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        match self {
            Self::Waiting { .. } | Self::UnderWay { .. } | Self::Held => false,
            Self::Delivered | Self::Failed | Self::Expired | Self::Removed => true,
        }
    }
}

impl Recipient {
    /// Of a new mail, due at once.
    pub fn new(destination: Arc<Destination>, notify: Notify, arrived: QueueTime) -> Self {
        Self {
            destination,
            notify,
            state: State::Waiting { due: arrived },
            attempts: 0,
            delay_told: false,
        }
    }

    /// When it is due, if it waits.
    pub fn due(&self) -> Option<QueueTime> {
        if let State::Waiting { due } = self.state {
            Some(due)
        } else {
            None
        }
    }

    /// An attempt begins if it waits; gives when it was due.
    pub(super) fn begin(&mut self, time: QueueTime) -> Option<QueueTime> {
        let due = self.due()?;
        self.attempts = self.attempts.saturating_add(1);
        self.state = State::UnderWay {
            began: time,
            next: Next::Retry,
        };
        Some(due)
    }

    /// The attempt did not happen.
    pub(super) fn put_back(&mut self) {
        if let State::UnderWay { began, next } = self.state {
            self.attempts = self.attempts.saturating_sub(1);
            self.state = match next {
                Next::Retry => State::Waiting { due: began },
                Next::Hold => State::Held,
                Next::Remove => State::Removed,
            };
        }
    }

    /// From then on it has to be tried, since its sender is to be told of the delay, or it is to be given up.
    pub(super) fn stop(&self, arrived: QueueTime, policy: &Policy) -> QueueTime {
        let end = arrived + policy.lifetime;
        if self.notify.delay && !self.delay_told {
            end.min(arrived + policy.delay_notice_after)
        } else {
            end
        }
    }

    /// The owner wants `state` for it, or `next` if it is under way. What is final stays.
    pub(super) fn want(&mut self, next: Next, state: State) {
        self.state = match (self.state, state) {
            // It keeps its place.
            (State::Waiting { due }, State::Waiting { due: now }) => {
                State::Waiting { due: due.min(now) }
            }
            (State::Waiting { .. } | State::Held, state) => state,
            (State::UnderWay { began, .. }, _) => State::UnderWay { began, next },
            (ended, _) => ended,
        };
    }

    /// The attempt has ended; gives what the sender wants to hear of it.
    pub(super) fn end(&mut self, outcome: Outcome, age: &Age<'_>) -> Option<Event> {
        let State::UnderWay { began, next } = self.state else {
            return None;
        };
        let success = |event| self.notify.success.then_some(event);
        let (state, event) = match outcome {
            Outcome::Delivered => (State::Delivered, success(Event::Delivered)),
            Outcome::Relayed => (State::Delivered, success(Event::Relayed)),
            Outcome::PassedOn => (State::Delivered, None),
            Outcome::Permanent => (State::Failed, self.failure(Event::Failed)),
            Outcome::Transient => match next {
                Next::Hold => (State::Held, None),
                Next::Remove => (State::Removed, None),
                Next::Retry if began >= age.end() => (State::Expired, self.failure(Event::Expired)),
                Next::Retry => {
                    let event = self.delay(age);
                    let due = age.next_due(self);
                    (State::Waiting { due }, event)
                }
            },
        };
        self.state = state;
        event
    }

    fn failure(&self, event: Event) -> Option<Event> {
        self.notify.failure.then_some(event)
    }

    /// Told once, when it is late.
    fn delay(&mut self, age: &Age<'_>) -> Option<Event> {
        if !self.notify.delay || self.delay_told || age.time < age.notice() {
            return None;
        }
        self.delay_told = true;
        Some(Event::Delayed)
    }
}

impl Age<'_> {
    /// From then on an attempt is the last.
    fn end(&self) -> QueueTime {
        self.arrived + self.policy.lifetime
    }

    /// From then on the mail is late.
    fn notice(&self) -> QueueTime {
        self.arrived + self.policy.delay_notice_after
    }

    /// When to try again: after the interval; sooner if the sender has to be told of the delay, or given up, before.
    fn next_due(&self, recipient: &Recipient) -> QueueTime {
        let is_to_be_told = recipient.notify.delay && !recipient.delay_told;
        let notice = is_to_be_told.then(|| self.notice());
        let interval = self.interval(recipient.attempts);
        let soonest = self.time + interval.min(self.policy.retry_first);
        let stops = [notice, Some(self.end())].into_iter().flatten();
        let due = stops
            .filter(|stop| *stop > self.time)
            .fold(self.time + interval, QueueTime::min);
        due.max(soonest)
    }

    /// The interval after so many attempts, a second at least.
    fn interval(&self, attempts: u32) -> Duration {
        let longest = self.policy.backoff(attempts).max(Duration::from_secs(1));
        let quarter = longest / 4;
        longest.saturating_sub((quarter / (1 << 16)) * u32::from(self.jitter.0))
    }
}
