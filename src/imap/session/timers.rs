//! When a silent client is let go, and when an idle one is told that we are still here.
//!
//! Nothing runs while the session works or the driver does: only the client's own silence counts.

use std::time::Duration;

use crate::clock::Mono;
use crate::imap::session::activity::Activity;
use crate::imap::session::state::State;

/// Longest time from connecting to being logged in.
pub const LOGIN_WAIT_MAX: Duration = Duration::from_mins(3);

/// Longest silence of a client that is logged in (RFC 3501 5.4: at least 30 minutes).
pub const INACTIVITY_MAX: Duration = Duration::from_mins(30);

/// How often an idle client hears something. Below the 5 minutes after which some routers forget a connection.
pub const IDLE_KEEPALIVE: Duration = Duration::from_mins(4);

/// Longest silence in the middle of a message that is being appended.
pub const LITERAL_STALL_MAX: Duration = Duration::from_mins(5);

/// The points in time that deadlines count from.
#[derive(Debug, Default)]
pub(super) struct Timers {
    opened: Option<Mono>,
    heard: Mono,
    kept_alive: Mono,
}

/// What a deadline that has come means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ring {
    /// The session is over, for this reason.
    Over(&'static str),
    /// Say something to an idle client.
    KeepAlive,
}

impl Timers {
    /// The session's first turn starts the clock.
    pub(super) fn begin(&mut self, now: Mono) {
        if self.opened.is_none() {
            self.opened = Some(now);
            self.heard = now;
        }
    }

    /// The client sent something.
    pub(super) fn heard(&mut self, now: Mono) {
        self.heard = now;
        self.kept_alive = now;
    }

    /// The next deadline and why.
    pub(super) fn next(&self, state: &State, activity: &Activity) -> Option<(Mono, &'static str)> {
        let silence = (self.heard + INACTIVITY_MAX, "inactivity");
        match (activity, state) {
            (Activity::Idle(_), _) => {
                let keep = self.kept_alive.max(self.heard) + IDLE_KEEPALIVE;
                Some(silence.min((keep, "keep-alive")))
            }
            (Activity::Appending(_), _) => Some((self.heard + LITERAL_STALL_MAX, "literal")),
            (Activity::Ready | Activity::Sasl(_), State::NotAuthenticated(_)) => {
                Some((self.opened? + LOGIN_WAIT_MAX, "login"))
            }
            (Activity::Ready, _) => Some(silence),
            (
                Activity::Task(_)
                | Activity::Telling(_)
                | Activity::Sasl(_)
                | Activity::Verifying(_)
                | Activity::StartingTls
                | Activity::Closing,
                _,
            ) => None,
        }
    }

    /// What the deadline that was waited for means now; `None` if it moved on.
    pub(super) fn ring(&mut self, now: Mono, state: &State, activity: &Activity) -> Option<Ring> {
        let (at, why) = self.next(state, activity)?;
        if now < at {
            return None;
        }
        match why {
            "keep-alive" => {
                self.kept_alive = now;
                Some(Ring::KeepAlive)
            }
            "login" => Some(Ring::Over("not logged in in time")),
            "literal" => Some(Ring::Over("the message did not arrive in time")),
            _ => Some(Ring::Over("logged out after 30 minutes of silence")),
        }
    }
}
