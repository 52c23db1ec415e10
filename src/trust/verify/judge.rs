//! Asks DNS about a mail and says what came of it. The only async part; it always answers.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mail_auth::common::crypto::Algorithm;
use mail_auth::dkim::{DkimError, Signature};
use mail_auth::dmarc;
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::spf::verify::SpfParameters;
use mail_auth::{
    AuthenticatedMessage, DkimOutput, DkimResult, DmarcOutput, DmarcResult, DnsError, Error,
    MessageAuthenticator, SpfOutput, SpfResult,
};
use tokio::time::timeout;

use super::outage::{Heard, Outage, Patience};
use super::{
    AWAY_WAIT_MAX, Digested, Dkim, Dmarc, Identity, Outcome, POLICY_WAIT_MAX, PROOF_WAIT_MAX,
    Policy, Request, Spf, Verdict,
};
use crate::clock::Clock;
use crate::dns::Resolver;
use crate::mail::address::Domain;

/// Signatures of one mail that are looked at (RFC 6376 6.1); each costs a question and a check.
pub const SIGNATURES_MAX: usize = 8;

/// Characters of `b=` that tell signatures apart (RFC 6008 4).
const TAG_CHARACTERS: usize = 8;

/// Judges mail. Cheap to clone.
#[derive(Clone)]
pub struct Judge {
    resolver: Option<Resolver>,
    hostname: Domain,
    clock: Clock,
    waits: Waits,
    /// Of all clones.
    outage: Arc<Mutex<Outage>>,
}

/// Longest waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    /// For SPF and keys.
    pub(super) proof: Duration,
    /// The same, while DNS is away; and for the policy after nothing was answered.
    pub(super) away: Duration,
    /// For the policy.
    pub(super) policy: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            proof: PROOF_WAIT_MAX,
            away: AWAY_WAIT_MAX,
            policy: POLICY_WAIT_MAX,
        }
    }
}

impl Judge {
    /// One that asks on behalf of `hostname`.
    pub fn new(resolver: Resolver, hostname: Domain, clock: Clock) -> Self {
        Self {
            resolver: Some(resolver),
            hostname,
            clock,
            waits: Waits::default(),
            outage: Arc::default(),
        }
    }

    /// The same with other waits.
    #[cfg(test)]
    pub(super) fn waiting(self, waits: Waits) -> Self {
        Self { waits, ..self }
    }

    /// One without name servers: nothing can be checked.
    pub fn without_dns(hostname: Domain) -> Self {
        Self {
            resolver: None,
            hostname,
            clock: Clock::system(),
            waits: Waits::default(),
            outage: Arc::default(),
        }
    }

    /// Judges a mail. Takes [`super::WAIT_MAX`] at most; what is not known by then is `temperror`.
    pub async fn judge(&self, request: Request) -> Verdict {
        let unavailable = Verdict::unavailable(&request);
        let authenticator = self.resolver.as_ref().map(Resolver::authenticator);
        let Some(Ok(authenticator)) = authenticator else {
            return unavailable;
        };
        let court = self.clone();
        // A task of its own, so that a panic over what strangers wrote ends nothing else.
        let case = async move { court.hear(&authenticator, &request).await };
        tokio::spawn(case).await.unwrap_or_else(|error| {
            tracing::error!(%error, "judging a mail panicked");
            unavailable
        })
    }

    async fn hear(&self, authenticator: &MessageAuthenticator, request: &Request) -> Verdict {
        let patience = self.outage().patience(self.clock.now().mono);
        let wait = match patience {
            Patience::Usual => self.waits.proof,
            Patience::Short => self.waits.away,
        };
        let identity = request.identity();
        let (message, mut dkim) = prepare(&request.message);
        let spf = ask_spf(authenticator, (&self.hostname, wait), request, &identity);
        let signatures = ask_dkim(authenticator, &message, wait);
        let (spf, signatures) = Box::pin(async { tokio::join!(spf, signatures) }).await;
        let parameters = DmarcParameters::new(&message, &signatures, identity.domain(), &spf);
        let proved = heard(&spf, &signatures);
        let wait = match proved {
            Heard::Something => self.waits.policy,
            Heard::Nothing => self.waits.away,
        };
        let asked = timeout(wait, authenticator.verify_dmarc(parameters));
        let dmarc = Box::pin(asked).await.map_or_else(
            |_| Dmarc {
                outcome: Outcome::TempError,
                domain: author_domain(&message),
                policy: Policy::None,
            },
            |output| dmarc_of(&output),
        );
        let heard = if dmarc.outcome == Outcome::TempError {
            proved
        } else {
            Heard::Something
        };
        self.outage().note(patience, heard, self.clock.now().mono);
        dkim.splice(0..0, signatures.iter().map(dkim_of));
        Verdict {
            spf: Spf {
                outcome: spf_outcome(spf.result()),
                identity,
            },
            dkim,
            dmarc,
        }
    }

    fn outage(&self) -> MutexGuard<'_, Outage> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge").finish_non_exhaustive()
    }
}

/// The header as mail-auth sees it, with the hashes that were made of the body; and results of signatures that are not
/// looked at.
fn prepare(digested: &Digested) -> (AuthenticatedMessage<'_>, Vec<Dkim>) {
    let parsed = AuthenticatedMessage::parse_with_opts(&digested.header, None, true);
    let mut message = parsed.unwrap_or_default();
    let mut refused = Vec::new();
    if digested.is_cut {
        if !message.dkim_headers.is_empty() {
            refused.push(Dkim::nameless(
                Outcome::PermError,
                "the header is too large",
            ));
        }
        message.dkim_headers.clear();
        message.errors.clear();
    }
    for (canonicalization, algorithm, _, hash) in &mut message.body_hashes {
        let kind = (*canonicalization, *algorithm);
        let made = digested.hashes.iter().find(|(made, _)| *made == kind);
        *hash = made.map(|(_, hash)| hash.clone()).unwrap_or_default();
    }
    // RFC 8301 3.1
    message.dkim_headers.retain(|header| {
        let is_obsolete = header.header.a == Algorithm::RsaSha1;
        if is_obsolete && refused.len() < SIGNATURES_MAX {
            refused.push(Dkim {
                outcome: Outcome::PermError,
                reason: Some("SHA-1 proves nothing".to_owned()),
                ..named(&header.header)
            });
        }
        !is_obsolete
    });
    message.dkim_headers.truncate(SIGNATURES_MAX);
    message.errors.truncate(SIGNATURES_MAX);
    (message, refused)
}

async fn ask_spf(
    authenticator: &MessageAuthenticator,
    (hostname, wait): (&Domain, Duration),
    request: &Request,
    identity: &Identity,
) -> SpfOutput {
    let (helo, host) = (request.helo.as_str(), hostname.as_str());
    let peer = request.peer.to_canonical();
    let sender = request.from.as_ref().map(ToString::to_string);
    let parameters = match &sender {
        Some(sender) => SpfParameters::verify_mail_from(peer, helo, host, sender),
        // RFC 7208 2.4
        None => SpfParameters::verify_ehlo(peer, helo, host),
    };
    let asked = timeout(wait, authenticator.verify_spf(parameters));
    Box::pin(asked).await.unwrap_or_else(|_| {
        SpfOutput::new(identity.domain().to_owned()).with_result(SpfResult::TempError)
    })
}

async fn ask_dkim<'m>(
    authenticator: &MessageAuthenticator,
    message: &'m AuthenticatedMessage<'m>,
    wait: Duration,
) -> Vec<DkimOutput<'m>> {
    let asked = timeout(wait, authenticator.verify_dkim(message));
    Box::pin(asked).await.unwrap_or_else(|_| {
        let late = || Error::Dns(DnsError::Resolver("no answer in time".to_owned()));
        let headers = message.dkim_headers.iter();
        headers
            .map(|header| DkimOutput::temp_err(late()).with_signature(&header.header))
            .collect()
    })
}

fn spf_outcome(result: SpfResult) -> Outcome {
    match result {
        SpfResult::Pass => Outcome::Pass,
        SpfResult::Fail => Outcome::Fail,
        SpfResult::SoftFail => Outcome::SoftFail,
        SpfResult::Neutral => Outcome::Neutral,
        SpfResult::TempError => Outcome::TempError,
        SpfResult::PermError => Outcome::PermError,
        SpfResult::None => Outcome::None,
    }
}

fn named(signature: &Signature) -> Dkim {
    let tag = crate::trust::base64(&signature.b);
    Dkim {
        outcome: Outcome::None,
        domain: signature.d.clone(),
        selector: signature.s.clone(),
        tag: tag.chars().take(TAG_CHARACTERS).collect(),
        reason: None,
    }
}

fn dkim_of(output: &DkimOutput<'_>) -> Dkim {
    let (outcome, why) = match output.result() {
        DkimResult::Pass => (Outcome::Pass, None),
        DkimResult::None => (Outcome::None, None),
        DkimResult::Fail(why) => (Outcome::Fail, Some(why)),
        DkimResult::Neutral(why) => (neutral(why), Some(why)),
        DkimResult::PermError(why) => (Outcome::PermError, Some(why)),
        DkimResult::TempError(why) => (Outcome::TempError, Some(why)),
    };
    let reason = why.map(ToString::to_string);
    match output.signature() {
        Some(signature) => Dkim {
            outcome,
            reason,
            ..named(signature)
        },
        None => Dkim::nameless(outcome, &reason.unwrap_or_default()),
    }
}

/// RFC 8601 2.7.1: a body that was changed is a failure; a signature that cannot be used is neither.
fn neutral(why: &Error) -> Outcome {
    match why {
        Error::Dkim(DkimError::FailedBodyHashMatch) => Outcome::Fail,
        Error::Dkim(DkimError::SignatureLength) => Outcome::Policy,
        Error::Dkim(_)
        | Error::Dkim2(_)
        | Error::Dns(_)
        | Error::Crypto(_)
        | Error::Io(_)
        | Error::ParseError
        | Error::MissingParameters
        | Error::NoHeadersFound
        | Error::Base64
        | Error::NotAligned => Outcome::Neutral,
    }
}

fn dmarc_of(output: &DmarcOutput) -> Dmarc {
    Dmarc {
        outcome: match output.result() {
            DmarcResult::Pass => Outcome::Pass,
            DmarcResult::Fail(_) => Outcome::Fail,
            DmarcResult::TempError(_) => Outcome::TempError,
            DmarcResult::PermError(_) => Outcome::PermError,
            DmarcResult::None => Outcome::None,
        },
        domain: output.domain().to_owned(),
        policy: match output.policy() {
            dmarc::Policy::Reject => Policy::Reject,
            dmarc::Policy::Quarantine => Policy::Quarantine,
            dmarc::Policy::None | dmarc::Policy::Unspecified => Policy::None,
        },
    }
}

/// Whether DNS has answered for SPF or a signature: SPF asks one of each mail, DKIM one for each signature.
fn heard(spf: &SpfOutput, signatures: &[DkimOutput<'_>]) -> Heard {
    let has_key =
        |output: &DkimOutput<'_>| matches!(output.result(), DkimResult::Pass | DkimResult::Fail(_));
    if spf.result() != SpfResult::TempError || signatures.iter().any(has_key) {
        Heard::Something
    } else {
        Heard::Nothing
    }
}

fn author_domain(message: &AuthenticatedMessage<'_>) -> String {
    let domain = message.from().rsplit_once('@');
    domain.map_or_else(String::new, |(_, domain)| domain.to_owned())
}
