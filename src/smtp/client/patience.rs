//! How long a server may take in all, however busy it seems meanwhile.
//!
//! Each reply has the time of [`super::outcome::Phase::timeout`], as a whole: lines that drip in win nothing. A server
//! that uses up that time again and again could still hold a connection for days, so what takes several replies has an
//! end too. Only the wait for the answer to a whole message is never cut short: whoever hangs up there may have been
//! given a second copy to deliver (RFC 5321 4.5.3.2.6).

use std::time::Duration;

use super::outcome::{Loss, Phase};
use super::{Client, State};
use crate::clock::{Mono, Now};

/// For a request that takes a few replies: greeting and EHLO, STARTTLS with the EHLO after it, or a login. It leaves two
/// of them the 5 minutes that RFC 5321 4.5.3.2 gives each.
pub const REQUEST_TIME_MAX: Duration = Duration::from_mins(10);

/// For a transaction with an empty message to nobody: MAIL, DATA, and some more.
const TRANSACTION_TIME_BASE: Duration = Duration::from_mins(10);

/// What each recipient adds. Hosts that let strangers wait at RCPT do so for a few seconds.
const RECIPIENT_TIME: Duration = Duration::from_secs(30);

/// Slowest transfer, in bytes for a second: 16 mails at a time through an uplink of 16 KiB/s.
const BYTES_PER_SECOND_MIN: u64 = 1024;

/// What a server has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// The time of the next reply.
    OneReply,
    /// So long for all of a request.
    Request(Mono),
    /// So long for the message to be taken in.
    Message {
        until: Mono,
        /// Once more when its end was sent: chunks may still be on their way.
        span: Duration,
    },
    /// So long for the answers to the chunks before the last one.
    Rest(Mono),
}

impl Patience {
    /// For a request that begins.
    pub(super) fn request(now: Mono) -> Self {
        Self::Request(now + REQUEST_TIME_MAX)
    }

    /// For a transaction that begins.
    pub(super) fn message(recipients: usize, bytes: u64, now: Mono) -> Self {
        let span = transaction_time_max(recipients, bytes);
        let until = now + span;
        Self::Message { until, span }
    }

    /// The end of the message was sent.
    pub(super) fn after_end(self, now: Mono) -> Self {
        match self {
            Self::Message { span, .. } => Self::Rest(now + span),
            Self::OneReply | Self::Request(_) | Self::Rest(_) => self,
        }
    }

    /// When it is at its end, whatever the next reply may take.
    pub(super) fn until(self) -> Option<Mono> {
        match self {
            Self::OneReply => None,
            Self::Request(until) | Self::Message { until, .. } | Self::Rest(until) => Some(until),
        }
    }
}

impl Client {
    /// The time that [`Client::poll_timeout`] named has come.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.deadline.is_none_or(|deadline| now.mono < deadline) {
            return;
        }
        let is_exhausted = self.patience_ends().is_some_and(|end| end <= now.mono);
        self.lose(if is_exhausted {
            Loss::TooSlow
        } else {
            Loss::Silent
        });
    }

    /// When to call [`Client::handle_timeout`], and why (for the log).
    pub fn poll_timeout(&self) -> Option<(Mono, &'static str)> {
        self.deadline
            .map(|deadline| (deadline, self.phase().name()))
    }

    /// The deadline counts from now on.
    pub(super) fn arm(&mut self, now: Now) {
        if matches!(&self.state, State::Transaction(transaction) if transaction.end_is_sent()) {
            self.patience = self.patience.after_end(now.mono);
        }
        let reply = self.phase().timeout().map(|span| now.mono + span);
        let most = self.patience_ends();
        self.deadline = reply.map(|reply| most.map_or(reply, |most| reply.min(most)));
    }

    /// RFC 5321 4.5.3.2.6: the answer to the whole message is waited for in any case.
    fn patience_ends(&self) -> Option<Mono> {
        let until = self.patience.until();
        until.filter(|_| self.phase() != Phase::End)
    }
}

/// How long a transaction may take until the message's end is sent.
pub fn transaction_time_max(recipients: usize, bytes: u64) -> Duration {
    let recipients = u32::try_from(recipients).unwrap_or(u32::MAX);
    let transfer = Duration::from_secs(bytes / BYTES_PER_SECOND_MIN);
    TRANSACTION_TIME_BASE + RECIPIENT_TIME.saturating_mul(recipients) + transfer
}
