//! One attempt: a mail to one destination, host by host until all recipients have their answer.
//!
//! RFC 5321 5.1: hosts are tried in order. A refusal for good is final; one for now may be otherwise at the next host. Once
//! a host may have taken the mail and nobody knows, no other is given it in the same attempt. What a connection may take has
//! its limits (`smtp::client::patience`); after [`ATTEMPT_TIME`] no other one is made.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::connect::Connector;
use super::line::{Line, Sent};
use super::message::{Form, Prepared};
use super::pool::Pool;
use super::targets::{ADDRESSES_MAX, Target, of_hosts, way};
use super::words::{Fault, Verdict, silence};
use super::{Worker, log};
use crate::clock::Mono;
use crate::mail::address::Domain;
use crate::mail::transport::BodyType;
use crate::maillog::Log;
use crate::net::shutdown::{self as stopping, Token};
use crate::queue::desk::Tried;
use crate::queue::hosts::Unroutable;
use crate::queue::plan::{Destination, Outcome};
use crate::smtp::client::envelope::{Envelope, Recipient};
use crate::smtp::client::extensions::Extensions;
use crate::smtp::client::outcome::{Cause, Fate, Loss, Need, Phase, SendError};
use crate::store::spool::SpoolMail;

/// Most hosts that are asked to take the mail in one attempt (RFC 5321 5.1 asks for two).
const ASKED_MAX: usize = 2;

/// After that time an attempt begins nothing more, neither a connection nor a transaction: its place is needed by others, and
/// what is left is due again soon.
pub(super) const ATTEMPT_TIME: Duration = Duration::from_mins(30);

/// What all attempts work with.
#[derive(Debug)]
pub(super) struct Tools {
    pub(super) worker: Worker,
    /// Whether the daemon stops.
    pub(super) token: Token,
    pub(super) connector: Connector,
    pub(super) pool: Pool,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) mail: Arc<SpoolMail>,
    pub(super) destination: Destination,
    /// Indices, at least one.
    pub(super) recipients: Vec<usize>,
}

/// An attempt under way.
struct Attempt<'a> {
    tools: &'a Tools,
    task: &'a Task,
    /// When it began.
    began: Mono,
    /// Recipients without a final answer.
    left: Vec<usize>,
    tried: BTreeMap<usize, Tried>,
    faults: Vec<(Fault, Target)>,
    /// Hosts that were asked to take it.
    asked: usize,
    as_is: Option<Prepared>,
    seven_bit: Option<Prepared>,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The next host may be tried.
    Next,
    /// Another connection to the same host: this one had been idle and is gone, or takes no more.
    Again,
    /// That is all for this attempt.
    Stop,
}

/// Makes the attempt; gives what came of it for each recipient. `None` if the daemon stops before a host is known.
pub(super) async fn carry_out(tools: &Tools, task: &Task) -> Option<BTreeMap<usize, Tried>> {
    let mut token = tools.token.clone();
    let targets = tokio::select! {
        targets = tools.targets(&task.destination) => targets,
        () = token.reached(stopping::Phase::Draining) => return None,
    };
    drop(token);
    let mut attempt = Attempt {
        tools,
        task,
        began: tools.worker.clock.now().mono,
        left: task.recipients.clone(),
        tried: BTreeMap::new(),
        faults: Vec::new(),
        asked: 0,
        as_is: None,
        seven_bit: None,
    };
    match targets {
        Ok(targets) => attempt.try_all(&targets).await,
        Err(verdict) => attempt.end_all(&verdict, None),
    }
    let tried = attempt.end();
    let worker = &tools.worker;
    log::tried(Log(&worker.store, worker.clock.now()), &task.mail, &tried);
    Some(tried)
}

impl Tools {
    /// Where to go, in this order.
    async fn targets(&self, destination: &Destination) -> Result<Vec<Target>, Verdict> {
        match destination {
            Destination::Domain(domain) => {
                let now = self.worker.clock.now();
                let hosts = self.worker.finder.hosts(domain, now).await;
                let hosts = hosts.map_err(unroutable)?;
                let port = self.worker.port;
                Ok(of_hosts(&hosts, port))
            }
            Destination::Smarthost(name) => {
                let Some(smarthost) = self.worker.routes.smarthost(name) else {
                    let words = format!("the smarthost {name} is not in the settings any more");
                    return Err(Verdict::transient((3, 5), words));
                };
                let way = way(smarthost);
                let addresses = self.addresses(&smarthost.host).await?;
                let target = |ip| Target {
                    way: way.clone(),
                    address: SocketAddr::new(ip, smarthost.port),
                };
                Ok(addresses.into_iter().map(target).collect())
            }
        }
    }

    async fn addresses(&self, host: &Domain) -> Result<Vec<IpAddr>, Verdict> {
        // RFC 6761 6.3
        if host.as_str() == "localhost" {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let found = self.worker.finder.addresses(host).await;
        // A name that does not exist is the settings' fault or the provider's: no reason to give mail back.
        found.map_err(|why| match why {
            Unroutable::Permanent(status, words) | Unroutable::Transient(status, words) => {
                Verdict::transient((status.subject, status.detail), words)
            }
        })
    }
}

fn unroutable(why: Unroutable) -> Verdict {
    let (outcome, status, reply) = match why {
        Unroutable::Permanent(status, words) => (Outcome::Permanent, status, words),
        Unroutable::Transient(status, words) => (Outcome::Transient, status, words),
    };
    Verdict {
        outcome,
        status,
        reply,
    }
}

impl Attempt<'_> {
    async fn try_all(&mut self, targets: &[Target]) {
        for target in targets.iter().take(ADDRESSES_MAX) {
            let then = self.try_target(target).await;
            if then == Then::Stop || self.asked >= ASKED_MAX || self.is_long() {
                return;
            }
        }
    }

    fn is_long(&self) -> bool {
        self.tools.worker.clock.now().mono.since(self.began) >= ATTEMPT_TIME
    }

    async fn try_target(&mut self, target: &Target) -> Then {
        if let Some((line, address)) = self.tools.pool.take(&target.way).await {
            let way = target.way.clone();
            match self.give(line, &Target { way, address }, true).await {
                Then::Again => {}
                then @ (Then::Next | Then::Stop) => return then,
            }
        }
        // A host may limit each connection so much that it takes another one for every mail.
        match self.tools.connector.open(&target.way, target.address).await {
            Ok(line) => match self.give(line, target, false).await {
                Then::Again | Then::Next => Then::Next,
                Then::Stop => Then::Stop,
            },
            Err(fault) => {
                let ends = matches!(fault, Fault::Login(_));
                tracing::debug!(address = %target.address, ?fault, "no connection for mail");
                self.faults.push((fault, target.clone()));
                if ends { Then::Stop } else { Then::Next }
            }
        }
    }

    /// Gives the mail to a host, in as many transactions as it wants.
    async fn give(&mut self, mut line: Line, target: &Target, was_idle: bool) -> Then {
        let mut round = self.left.clone();
        let mut then = Then::Next;
        let mut has_taken = false;
        self.asked += 1;
        loop {
            let sent = match self.send(&mut line, &round).await {
                Ok(sent) => sent,
                Err(SendError::MailMax) if was_idle => {
                    self.asked -= 1;
                    tokio::spawn(line.quit());
                    return Then::Again;
                }
                Err(error) => {
                    self.end_all(&cannot(error), Some(target));
                    self.keep(target, line);
                    return Then::Stop;
                }
            };
            if was_idle && is_stale(&sent) {
                self.asked -= 1;
                return Then::Again;
            }
            let reports = line.client().extensions().dsn;
            let further = self.note(&round, &sent, target, reports);
            has_taken |= sent
                .fates
                .iter()
                .any(|fate| matches!(fate, Fate::Delivered(_)));
            if sent.fates.iter().any(Fate::is_unknown) {
                then = Then::Stop;
            }
            if !sent.is_ready {
                break;
            }
            if further.is_empty() || further.len() == round.len() || self.is_long() {
                if has_taken {
                    self.keep(target, line);
                } else {
                    // Whoever defers is asked anew: the server's process may hold on to what it knew.
                    tokio::spawn(line.quit());
                }
                break;
            }
            round = further;
        }
        if self.left.is_empty() {
            Then::Stop
        } else {
            then
        }
    }

    /// One transaction, for the recipients with these indices.
    async fn send(&mut self, line: &mut Line, round: &[usize]) -> Result<Sent, SendError> {
        let mail = Arc::clone(&self.task.mail);
        let form = form(mail.new.body, line.client().extensions());
        let (form, prepared) = match self.fitting(form).await {
            Ok(fitting) => fitting,
            Err(error) => {
                tracing::error!(%error, mail = mail.id.0, "a spooled mail cannot be read");
                return Err(SendError::NotReady);
            }
        };
        let envelope = envelope(&mail, round, form, prepared.bytes());
        // Before anything is opened for it.
        envelope.check(line.client().extensions())?;
        match prepared.pieces().await {
            Ok(mut pieces) => line.send(envelope, &mut pieces).await,
            Err(error) => {
                tracing::error!(%error, mail = mail.id.0, "a spooled mail cannot be read");
                Err(SendError::NotReady)
            }
        }
    }

    /// In that form, or converted all the same if lines are too long for many hosts. What others wrote stays as it is: it
    /// may be signed.
    async fn fitting(&mut self, form: Form) -> crate::store::Result<(Form, Prepared)> {
        let prepared = self.prepared(form).await?;
        let is_own = self.task.mail.new.account.is_some();
        if form == Form::AsIs && is_own && prepared.has_long_lines() {
            return Ok((Form::SevenBit, self.prepared(Form::SevenBit).await?));
        }
        Ok((form, prepared))
    }

    async fn prepared(&mut self, form: Form) -> crate::store::Result<Prepared> {
        let slot = match form {
            Form::AsIs => &mut self.as_is,
            Form::SevenBit => &mut self.seven_bit,
        };
        if let Some(prepared) = slot {
            return Ok(prepared.clone());
        }
        let Worker {
            store,
            keyring,
            clock,
            ..
        } = &self.tools.worker;
        let prepared = Prepared::new(&self.task.mail, form, (store, keyring), clock.now()).await?;
        *slot = Some(prepared.clone());
        Ok(prepared)
    }

    /// Notes what became of each recipient; gives those that the host takes with another transaction.
    fn note(&mut self, round: &[usize], sent: &Sent, target: &Target, reports: bool) -> Vec<usize> {
        let host = target.way.host.as_str();
        let mut further = Vec::new();
        for (index, fate) in round.iter().zip(&sent.fates) {
            let asked = self.task.mail.new.recipients.get(*index);
            let reports = reports && asked.is_some_and(|one| one.notify.is_some());
            let verdict = Verdict::of_fate(fate, reports);
            let verdict = match self.task.destination {
                Destination::Smarthost(_) => verdict.of_smarthost(fate),
                Destination::Domain(_) => verdict,
            };
            let tried = verdict.of_host(Some(host));
            if tried.outcome != Outcome::Transient {
                self.left.retain(|left| left != index);
            }
            if is_too_many(fate) {
                further.push(*index);
            }
            self.tried.insert(*index, tried);
        }
        further
    }

    /// The connection may be good for another mail.
    fn keep(&self, target: &Target, line: Line) {
        let way = target.way.clone();
        if let Some(line) = self.tools.pool.put(way, target.address, line) {
            tokio::spawn(line.quit());
        }
    }

    /// The same for all that are left.
    fn end_all(&mut self, verdict: &Verdict, target: Option<&Target>) {
        let host = target.map(|target| target.way.host.as_str());
        for index in std::mem::take(&mut self.left) {
            let tried = verdict.clone().of_host(host);
            self.tried.insert(index, tried);
        }
    }

    /// Those who were not asked about have the most telling fault.
    fn end(mut self) -> BTreeMap<usize, Tried> {
        self.left.retain(|index| !self.tried.contains_key(index));
        if !self.left.is_empty() {
            let (verdict, target) = self.fault();
            self.end_all(&verdict, target.as_ref());
        }
        self.tried
    }

    fn fault(&self) -> (Verdict, Option<Target>) {
        if !self.faults.is_empty() && self.faults.iter().all(|(fault, _)| fault.is_silence()) {
            let port = self
                .faults
                .first()
                .map_or(0, |(_, target)| target.address.port());
            return (silence(port), None);
        }
        let verdicts = self.faults.iter().map(|(fault, target)| {
            let verdict = Verdict::of_fault(fault, target.address);
            let verdict = match self.task.destination {
                Destination::Smarthost(_) => verdict.for_now(),
                Destination::Domain(_) => verdict,
            };
            // One host that may take it later outweighs all that never will.
            let weight = (verdict.outcome == Outcome::Transient, fault.rank());
            let reached = (!matches!(fault, Fault::Connect(_))).then(|| target.clone());
            (weight, verdict, reached)
        });
        let told = verdicts.max_by_key(|(weight, ..)| *weight);
        told.map_or_else(
            || (Verdict::transient((3, 0), "no host was tried"), None),
            |(_, verdict, target)| (verdict, target),
        )
    }
}

/// What the host needs.
fn form(body: BodyType, extensions: &Extensions) -> Form {
    let takes = match body {
        BodyType::SevenBit => true,
        BodyType::EightBitMime => extensions.eight_bit_mime,
        BodyType::Binary => extensions.binarymime,
    };
    if takes { Form::AsIs } else { Form::SevenBit }
}

fn envelope(mail: &SpoolMail, round: &[usize], form: Form, size_bytes: u64) -> Envelope {
    let recipient = |index: &usize| {
        let new = mail.new.recipients.get(*index)?;
        Some(Recipient {
            address: new.address.clone(),
            notify: new.notify,
            original: new.original.clone(),
        })
    };
    Envelope {
        from: mail.new.sender.clone(),
        recipients: round.iter().filter_map(recipient).collect(),
        size_bytes,
        body: match form {
            Form::AsIs => mail.new.body,
            Form::SevenBit => BodyType::SevenBit,
        },
        header: mail.new.header,
        ret: mail.new.ret,
        envid: mail.new.envid.clone(),
    }
}

/// Why a mail is not given to a host that is there.
fn cannot(error: SendError) -> Verdict {
    match error {
        SendError::TooLarge { limit_bytes } => {
            let words = format!(
                "the mail is too large for the host, which takes up to {limit_bytes} bytes"
            );
            Verdict::permanent((3, 4), words)
        }
        SendError::Needs(Need::Smtputf8) => Verdict::permanent(
            (6, 7),
            "the mail has addresses or a header in UTF-8 (SMTPUTF8), which the host does not take",
        ),
        SendError::NotReady
        | SendError::MailMax
        | SendError::NoRecipients
        | SendError::Needs(Need::EightBitMime | Need::BinaryMime) => {
            Verdict::transient((3, 0), format!("not sent: {error}"))
        }
    }
}

/// An idle connection that the server had closed, or closes now: nobody was asked anything.
fn is_stale(sent: &Sent) -> bool {
    let stale = |fate: &Fate| match fate {
        Fate::Transient(Cause::Lost(_, Loss::TooSlow)) => false,
        Fate::Transient(Cause::Lost(phase, _)) => *phase != Phase::End,
        Fate::Transient(Cause::Refused(Phase::Mail, reply)) => reply.code() == 421,
        Fate::Delivered(_) | Fate::Transient(_) | Fate::Permanent(_) => false,
    };
    !sent.is_ready && sent.fates.iter().all(stale)
}

/// RFC 5321 4.5.3.1.10, RFC 9422 4.2: another transaction takes them.
fn is_too_many(fate: &Fate) -> bool {
    match fate {
        Fate::Transient(Cause::RecipientsMax) => true,
        Fate::Transient(Cause::Refused(Phase::Rcpt, reply)) => {
            let says_so = reply
                .enhanced()
                .is_some_and(|said| (said.subject, said.detail) == (5, 3));
            matches!(reply.code(), 452 | 552) && (says_so || reply.enhanced().is_none())
        }
        Fate::Delivered(_) | Fate::Transient(_) | Fate::Permanent(_) => false,
    }
}
