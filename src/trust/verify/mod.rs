//! Judges mail of others: may this host send for that domain (SPF, RFC 7208), does a signature hold (DKIM, RFC 6376,
//! RFC 8463), and does either speak for the domain in From (DMARC, RFC 7489, RFC 9989)?
//!
//! [`Digest`] takes in what must be known of a message while it streams by; [`Judge`] asks DNS and answers within
//! [`WAIT_MAX`], whatever happens, and sooner while DNS is [`AWAY`]; [`Verdict`] is what came of it. Trouble of ours or of DNS is `temperror` and is never
//! held against a mail. SHA-1 (RFC 8301) and signatures of a part of the body (`l=`) prove nothing.

mod digest;
mod judge;
mod outage;
mod results;
#[cfg(test)]
pub(super) mod tests;

use std::net::IpAddr;
use std::time::Duration;

use crate::mail::address::ReversePath;

pub use digest::{Digest, Digested, HEADER_BYTES_MAX};
pub use judge::{Judge, SIGNATURES_MAX};
pub use outage::AWAY;

/// Longest wait for SPF, and for the keys of all signatures.
pub const PROOF_WAIT_MAX: Duration = Duration::from_secs(12);

/// Longest wait for the policy of the domain in From, after that.
pub const POLICY_WAIT_MAX: Duration = Duration::from_secs(8);

/// Longest wait for SPF and keys while DNS is away, and for a policy after nothing else was answered.
pub const AWAY_WAIT_MAX: Duration = Duration::from_secs(2);

/// Longest that a mail waits for its verdict.
pub const WAIT_MAX: Duration = PROOF_WAIT_MAX.saturating_add(POLICY_WAIT_MAX);

/// A mail to be judged.
#[derive(Debug)]
pub struct Request {
    /// The client's address.
    pub peer: IpAddr,
    /// What it called itself.
    pub helo: String,
    /// Reverse-path.
    pub from: ReversePath,
    /// The message.
    pub message: Digested,
}

/// Result of a method (RFC 8601 2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was nothing to check.
    None,
    /// Proved.
    Pass,
    /// Refuted.
    Fail,
    /// Refuted, says a domain that is not sure itself.
    SoftFail,
    /// Neither.
    Neutral,
    /// Proved, in a way that is not accepted here.
    Policy,
    /// It could not be checked now.
    TempError,
    /// It cannot be checked.
    PermError,
}

/// Whose SPF record was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The domain of the reverse-path.
    MailFrom(String),
    /// The client's name, for the null sender (RFC 7208 2.4).
    Helo(String),
}

/// Result of SPF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spf {
    /// Result.
    pub outcome: Outcome,
    /// Of whom.
    pub identity: Identity,
}

/// Result of one DKIM signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dkim {
    /// Result.
    pub outcome: Outcome,
    /// Who signed (`d=`), empty if that cannot be read.
    pub domain: String,
    /// With which key (`s=`).
    pub selector: String,
    /// Beginning of the signature (`b=`), which tells it from others (RFC 6008).
    pub tag: String,
    /// Why it does not pass.
    pub reason: Option<String>,
}

/// What a domain wants done with mail that is not its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Nothing.
    None,
    /// That it is filed where it does no harm.
    Quarantine,
    /// That it is refused.
    Reject,
}

/// Result of DMARC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dmarc {
    /// Result.
    pub outcome: Outcome,
    /// The domain in From, empty if there is not exactly one.
    pub domain: String,
    /// What it asks for.
    pub policy: Policy,
}

/// What came of a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// SPF.
    pub spf: Spf,
    /// DKIM, a result for each signature that was looked at.
    pub dkim: Vec<Dkim>,
    /// DMARC.
    pub dmarc: Dmarc,
}

impl Verdict {
    /// What the domain in From wants done with this mail: something only if DMARC failed for certain.
    pub fn disposition(&self) -> Policy {
        match self.dmarc.outcome {
            Outcome::Fail => self.dmarc.policy,
            Outcome::None
            | Outcome::Pass
            | Outcome::SoftFail
            | Outcome::Neutral
            | Outcome::Policy
            | Outcome::TempError
            | Outcome::PermError => Policy::None,
        }
    }

    /// Nothing could be checked.
    pub fn unavailable(request: &Request) -> Self {
        Self {
            spf: Spf {
                outcome: Outcome::TempError,
                identity: request.identity(),
            },
            dkim: vec![Dkim::nameless(Outcome::TempError, "not checked")],
            dmarc: Dmarc {
                outcome: Outcome::TempError,
                domain: String::new(),
                policy: Policy::None,
            },
        }
    }
}

impl Dkim {
    fn nameless(outcome: Outcome, reason: &str) -> Self {
        Self {
            outcome,
            domain: String::new(),
            selector: String::new(),
            tag: String::new(),
            reason: Some(reason.to_owned()),
        }
    }
}

impl Request {
    fn identity(&self) -> Identity {
        match &self.from {
            Some(address) => Identity::MailFrom(address.domain().to_string()),
            None => Identity::Helo(self.helo.clone()),
        }
    }
}

impl Identity {
    fn domain(&self) -> &str {
        match self {
            Self::MailFrom(domain) | Self::Helo(domain) => domain,
        }
    }
}
