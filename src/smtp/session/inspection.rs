//! What a message goes through on its way to the intake, and the wait for the verdict over mail of others.
//!
//! Header fields that must not stay are left out as the bytes come. What must be known to judge a mail is taken from the
//! bytes as they came. The mail is filed when the driver brings the verdict; until then it is on the disk and belongs to
//! nobody, and an end of the connection drops it: the peer was told nothing and tries again.

use std::net::IpAddr;

use crate::clock::Now;
use crate::delivery::intake::{Intake, Received};
use crate::delivery::local::Place;
use crate::delivery::outbound;
use crate::machine::Event;
use crate::mail::compose::DRAFT_FIELD;
use crate::mail::mime::filter::{HeaderFilter, Unwanted};
use crate::smtp::reply::{Detail, Reply};
use crate::store;
use crate::trust::verify::{Digest, Digested, Policy, Request, Verdict};

use super::filing::{Complete, Judged, two_authors};
use super::{Checking, Context, Role, Service, State, Turn};

/// Stands in front of the intake.
#[derive(Debug)]
pub(super) struct Inspection {
    filter: HeaderFilter,
    kept: Vec<u8>,
    digest: Option<Digest>,
}

impl Inspection {
    pub(super) fn new(context: &Context) -> Self {
        let Service { role, hostname, .. } = &context.service;
        let unwanted = match role {
            // RFC 8601 5
            Role::Receive => vec![Unwanted::ResultsOf(hostname.clone())],
            // RFC 5322 3.6.3: its author's program should have left it out.
            Role::Submission => vec![
                Unwanted::Named("Bcc"),
                Unwanted::Named("Resent-Bcc"),
                Unwanted::Named(DRAFT_FIELD),
            ],
        };
        Self {
            filter: HeaderFilter::new(unwanted),
            kept: Vec::new(),
            digest: context.judges().then(Digest::default),
        }
    }

    /// Takes bytes as they came.
    pub(super) fn see(&mut self, bytes: &[u8]) {
        if let Some(digest) = &mut self.digest {
            digest.push(bytes);
        }
    }

    /// Takes bytes as they are stored, and passes on to `intake` what stays of them.
    pub(super) fn write(&mut self, bytes: &[u8], intake: &mut Intake) -> store::Result<()> {
        self.kept.clear();
        self.filter.push(bytes, &mut self.kept);
        intake.write(&self.kept)
    }

    /// The message is complete; gives what there is to judge.
    pub(super) fn finish(
        mut self,
        mut intake: Intake,
    ) -> store::Result<(Received, Option<Digested>)> {
        self.kept.clear();
        self.filter.finish(&mut self.kept);
        intake.write(&self.kept)?;
        Ok((intake.finish()?, self.digest.map(Digest::finish)))
    }
}

impl Context {
    /// Whether mail of this connection is judged: that of others, not what programs on this machine hand in.
    fn judges(&self) -> bool {
        let is_ours = self.peer.address.ip().to_canonical().is_loopback();
        self.service.role == Role::Receive && self.service.checking != Checking::Off && !is_ours
    }
}

impl Complete {
    /// Files it, after its verdict if there is something to judge, unless its header speaks against it.
    pub(super) fn proceed(
        self,
        digested: Option<Digested>,
        context: &mut Context,
        now: Now,
    ) -> Turn {
        if let Err(reply) = self.check(context) {
            return self.turn_away(reply, context, now);
        }
        let Some(message) = digested else {
            return self.file(&Judged::default(), context, now);
        };
        let request = Request {
            peer: context.peer.address.ip(),
            helo: self.hello.name.as_str().to_owned(),
            from: self.envelope.from.clone(),
            message,
        };
        Turn {
            state: State::Verifying(Verifying(Box::new(self))),
            reply: None,
            event: Some(Event::Verify(Box::new(request))),
        }
    }
}

/// Whether an address is of the network at home (RFC 1918, RFC 3927, RFC 4193).
fn is_of_home(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// A message that waits for its verdict.
#[derive(Debug)]
pub(super) struct Verifying(Box<Complete>);

impl Verifying {
    /// The verdict is there.
    pub(super) fn finish(self, verdict: &Verdict, context: &mut Context, now: Now) -> Turn {
        let policy = match context.service.checking {
            // A router that hides where connections come from makes SPF fail for all.
            Checking::Obey if is_of_home(context.peer.address.ip()) => Policy::None,
            // DMARC has no verdict over those (RFC 7489 6.6.1), whoever they claim to be of.
            Checking::Obey if self.0.received.facts.from_fields > 1 => {
                return self.0.turn_away(two_authors(), context, now);
            }
            Checking::Obey => verdict.disposition(),
            Checking::Mark | Checking::Off => Policy::None,
        };
        let field = verdict.field(&context.service.hostname);
        let place = match policy {
            Policy::None => Place::Inbox,
            Policy::Quarantine if outbound::only_forwards(&self.0.envelope.to) => {
                let text = "Not forwarded: this mail looks forged by the rules of its author's domain (DMARC)";
                return self
                    .0
                    .turn_away(Reply::new(550, Detail(7, 1), text), context, now);
            }
            Policy::Quarantine => Place::Junk,
            Policy::Reject => {
                let reply = Reply::new(550, Detail(7, 1), verdict.refusal());
                return self.0.turn_away(reply, context, now);
            }
        };
        self.0.file(&Judged { field, place }, context, now)
    }
}
