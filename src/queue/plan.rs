//! The schedule of outbound mail: which recipients are due, who goes first, what an outcome leads to.
//!
//! A mail's recipients for one destination go together in an [`Attempt`]; each recipient has a [`State`] of its own and
//! ends in exactly one that is final. Who has been due for longest goes first, after a head start by [`Priority`].
//! Nothing is tried before it is due, and no destination has more attempts under way than [`Limits`] says. While one
//! cannot be reached ([`Contact`]), one attempt tells for all mail that is due there; when it can be again, all goes.
//!
//! A recipient is given up only by an attempt that began after the mail's lifetime, never by time alone: a box that was
//! off tries once more. An attempt that a restart cut short counts as transient. A mail from the null sender is owed no
//! report (RFC 5321 4.5.5). All times are the queue's ([`QueueTime`]) and must not go back.
//!
//! Save the mail and what is owed in one transaction after each change; this is memory alone: 420 bytes for a mail to
//! one recipient, 200 for each further one (measured with 100,000 mails), destinations being shared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use self::lanes::{Lanes, Rank};
pub use self::recipient::{Next, Outcome, Recipient, State};
use super::time::QueueTime;
use crate::mail::address::Domain;
use crate::mail::ids::SpoolId;
use crate::mail::report::Event;
use crate::mail::transport::Priority;

mod lanes;
mod recipient;

/// The interval doubles no more often.
const DOUBLINGS_MAX: u32 = 30;

/// When what is tried again, and what is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// From the first attempt's end to the second attempt, at most; doubles with each further one.
    pub retry_first: Duration,
    /// Longest time between two attempts.
    pub retry_max: Duration,
    /// An attempt that begins at this age of the mail is the last.
    pub lifetime: Duration,
    /// The sender is told once that a mail of this age is late.
    pub delay_notice_after: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            // Sooner than the 30 minutes of RFC 5321 4.5.4.1: a host that greylists takes the mail after minutes.
            retry_first: Duration::from_mins(1),
            retry_max: Duration::from_hours(2),
            lifetime: Duration::from_hours(5 * 24),
            delay_notice_after: Duration::from_hours(4),
        }
    }
}

impl Policy {
    /// How long to wait after so many failures in a row, as far as nothing else is known.
    pub fn backoff(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(DOUBLINGS_MAX);
        let doubled = self.retry_first.saturating_mul(1 << doublings);
        doubled.min(self.retry_max)
    }
}

/// How much goes on at a time. Zero counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most attempts under way or not saved yet, so the most mails that a crash can have sent again.
    pub attempts_max: usize,
    /// Most attempts under way for one destination.
    pub per_destination_max: usize,
    /// Most recipients of one attempt.
    pub recipients_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attempts_max: 20,
            per_destination_max: 4,
            // What any server takes: RFC 5321 4.5.3.1.8.
            recipients_max: 100,
        }
    }
}

/// Chance, given by the caller: the part of a quarter of the interval by which a retry comes sooner, in 65,536ths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jitter(pub u16);

/// Where recipients go together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// The hosts that take mail for a domain.
    Domain(Domain),
    /// A smarthost, by its name in the settings.
    Smarthost(String),
}

/// Who hears what became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Its sender.
    Sender,
    /// Nobody: it has the null sender.
    Nobody,
}

/// Whether an attempt came through to a host that could have taken the mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// Yes, whatever that said.
    Reached,
    /// No, and another mail would not have either.
    Unreachable,
}

/// A spooled mail as the schedule sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Who hears of it.
    pub reader: Reader,
    /// Who goes first.
    pub priority: Priority,
    /// When it was spooled.
    pub arrived: QueueTime,
    /// Its recipients; known by their index from now on.
    pub recipients: Vec<Recipient>,
}

/// What is to be done: give a mail to one destination, for some of its recipients. Hand it back to [`Plan::finish`].
#[derive(Debug, PartialEq, Eq)]
pub struct Attempt {
    mail: SpoolId,
    destination: Arc<Destination>,
    recipients: Vec<usize>,
}

impl Attempt {
    /// Which mail.
    pub fn mail(&self) -> SpoolId {
        self.mail
    }

    /// Where to.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Indices of its recipients, ascending; at least one.
    pub fn recipients(&self) -> &[usize] {
        &self.recipients
    }
}

/// A report that the sender is to get; once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owed {
    /// Index of the recipient.
    pub recipient: usize,
    /// What to tell.
    pub event: Event,
}

/// The schedule of all spooled mail.
#[derive(Debug)]
pub struct Plan {
    policy: Policy,
    limits: Limits,
    mails: BTreeMap<SpoolId, Mail>,
    lanes: Lanes,
}

impl Plan {
    /// Of an empty spool.
    pub fn new(policy: Policy, limits: Limits) -> Self {
        Self {
            policy,
            limits,
            mails: BTreeMap::new(),
            lanes: Lanes::new(limits.attempts_max, limits.per_destination_max),
        }
    }

    /// Takes in a mail: a new one, or one as it was saved. What was under way then was cut short by a restart. A mail
    /// that is in already is not taken again.
    pub fn add(
        &mut self,
        id: SpoolId,
        mut mail: Mail,
        time: QueueTime,
        jitter: Jitter,
    ) -> Vec<Owed> {
        if self.mails.contains_key(&id) {
            return Vec::new();
        }
        self.share_destinations(&mut mail);
        let cut = mail.indices(|state| matches!(state, State::UnderWay { .. }));
        self.mails.insert(id, mail);
        let owed = self.step(id, &cut, |_| Outcome::Transient, (time, jitter));
        self.schedule(id);
        owed
    }

    /// The attempt to begin now, if any; call again until there is none.
    pub fn next(&mut self, time: QueueTime) -> Option<Attempt> {
        self.lanes.advance(time);
        let (rank, destination) = self.lanes.first()?;
        let id = rank.mail;
        let mail = self.mails.get_mut(&id)?;
        let is_due = |recipient: &Recipient| {
            let due = recipient.due().is_some_and(|due| due <= time);
            due && recipient.destination == destination
        };
        // Before what is ready leaves the lane: one that is empty for a moment forgets.
        self.lanes.begin(&destination);
        let mut recipients = Vec::new();
        for (index, recipient) in mail.recipients.iter_mut().enumerate() {
            if recipients.len() < self.limits.recipients_max.max(1) && is_due(recipient) {
                if let Some(due) = recipient.begin(time) {
                    let rank = Rank::new(mail.priority, due, id, index);
                    self.lanes.remove(&rank, &destination);
                }
                recipients.push(index);
            }
        }
        Some(Attempt {
            mail: id,
            destination,
            recipients,
        })
    }

    /// When to ask [`Plan::next`] again, if no attempt ends before.
    pub fn next_due(&self) -> Option<QueueTime> {
        self.lanes.next_due()
    }

    /// An attempt has ended. A recipient without an outcome counts as transient: the connection broke.
    pub fn finish(
        &mut self,
        attempt: Attempt,
        (contact, outcomes): (Contact, &BTreeMap<usize, Outcome>),
        time: QueueTime,
        jitter: Jitter,
    ) -> Vec<Owed> {
        let Attempt {
            mail,
            destination,
            recipients,
        } = attempt;
        let has_recovered = match contact {
            Contact::Reached => self.lanes.reached(&destination),
            Contact::Unreachable => {
                self.lanes.unreachable(&destination, &self.policy, time);
                false
            }
        };
        if has_recovered {
            self.hasten(&destination, time);
        }
        let outcome = |index| outcomes.get(&index).copied().unwrap_or(Outcome::Transient);
        let owed = self.step(mail, &recipients, outcome, (time, jitter));
        self.schedule(mail);
        self.lanes.end(&destination);
        owed
    }

    /// An attempt that could not even begin is as if it had not been asked for.
    pub fn put_back(&mut self, attempt: Attempt) {
        if let Some(mail) = self.mails.get_mut(&attempt.mail) {
            for index in attempt.recipients {
                if let Some(recipient) = mail.recipients.get_mut(index) {
                    recipient.put_back();
                }
            }
        }
        self.schedule(attempt.mail);
        self.lanes.end(&attempt.destination);
    }

    /// An attempt cannot even begin, nor can another of its mail: nothing of that is due before `until`.
    pub fn put_off(&mut self, attempt: Attempt, until: QueueTime) {
        let id = attempt.mail;
        self.put_back(attempt);
        let Some(mail) = self.mails.get_mut(&id) else {
            return;
        };
        let mut left = Vec::new();
        for (index, recipient) in mail.recipients.iter_mut().enumerate() {
            if let Some(due) = recipient.due().filter(|due| *due < until) {
                let rank = Rank::new(mail.priority, due, id, index);
                left.push((rank, Arc::clone(&recipient.destination)));
                recipient.state = State::Waiting { due: until };
            }
        }
        self.swap(id, left);
    }

    /// An attempt that has ended keeps its place among [`Limits::attempts_max`], though not at its destination, until
    /// [`Plan::free_place`]: while what came of it is being saved.
    pub fn keep_place(&mut self) {
        self.lanes.keep_place();
    }

    /// Gives back one such place.
    pub fn free_place(&mut self) {
        self.lanes.free_place();
    }

    /// Keeps back what waits, and what is under way if it has to be tried again. It is not given up
    /// while it is held.
    pub fn hold(&mut self, id: SpoolId) {
        self.want(id, Next::Hold, State::Held);
    }

    /// Makes due at once what waits or is held, at destinations that could not be reached too.
    pub fn retry(&mut self, id: SpoolId, time: QueueTime) {
        self.want(id, Next::Retry, State::Waiting { due: time });
        if let Some(mail) = self.mails.get(&id) {
            let waiting = mail.recipients.iter().filter(|one| one.due().is_some());
            for recipient in waiting {
                self.lanes.open(&recipient.destination);
            }
        }
    }

    /// Takes out what waits or is held, and what is under way if it had to be tried again. The sender is not told.
    pub fn remove(&mut self, id: SpoolId) {
        self.want(id, Next::Remove, State::Removed);
    }

    /// A mail that is in.
    pub fn mail(&self, id: SpoolId) -> Option<&Mail> {
        self.mails.get(&id)
    }

    /// All mails that are in, by their ids.
    pub fn mails(&self) -> impl Iterator<Item = (SpoolId, &Mail)> {
        self.mails.iter().map(|(id, mail)| (*id, mail))
    }

    /// The numbers of those that are in, from one on.
    pub fn ids(&self, from: SpoolId) -> impl Iterator<Item = SpoolId> {
        self.mails.range(from..).map(|(id, _)| *id)
    }

    /// Lets go of a mail if all of its recipients have ended: it can leave the spool.
    pub fn take_ended(&mut self, id: SpoolId) -> Option<Mail> {
        let mail = self.mails.get(&id)?;
        let has_ended = mail.recipients.iter().all(|one| one.state.is_final());
        if has_ended {
            self.mails.remove(&id)
        } else {
            None
        }
    }

    /// Has one copy of each destination for all mail, so that a mail costs little memory.
    fn share_destinations(&self, mail: &mut Mail) {
        let mut own: BTreeSet<Arc<Destination>> = BTreeSet::new();
        for recipient in &mut mail.recipients {
            let to = &recipient.destination;
            let known = self.lanes.known(to).or_else(|| own.get(to)).cloned();
            match known {
                Some(known) => recipient.destination = known,
                None => drop(own.insert(Arc::clone(to))),
            }
        }
    }

    /// Recipients that were under way have an outcome.
    fn step(
        &mut self,
        id: SpoolId,
        ended: &[usize],
        outcome: impl Fn(usize) -> Outcome,
        (time, jitter): (QueueTime, Jitter),
    ) -> Vec<Owed> {
        let Some(mail) = self.mails.get_mut(&id) else {
            return Vec::new();
        };
        let mut owed = Vec::new();
        for index in ended {
            let Some(recipient) = mail.recipients.get_mut(*index) else {
                continue;
            };
            let age = recipient::Age {
                policy: &self.policy,
                arrived: mail.arrived,
                time,
                jitter,
            };
            let event = recipient.end(outcome(*index), &age);
            // RFC 5321 4.5.5: never to the null sender.
            if let Some(event) = event.filter(|_| mail.reader == Reader::Sender) {
                owed.push(Owed {
                    recipient: *index,
                    event,
                });
            }
        }
        owed
    }

    /// Puts whatever of a mail waits into the lanes; what is there already stays.
    fn schedule(&mut self, id: SpoolId) {
        let Some(mail) = self.mails.get(&id) else {
            return;
        };
        for (index, recipient) in mail.recipients.iter().enumerate() {
            if let Some(due) = recipient.due() {
                let rank = Rank::new(mail.priority, due, id, index);
                let stop = recipient.stop(mail.arrived, &self.policy);
                self.lanes.insert(rank, stop, &recipient.destination);
            }
        }
    }

    /// Makes due all that waits for a destination: what was tried of it since a host there was reached last was in
    /// vain for the same reason.
    fn hasten(&mut self, destination: &Arc<Destination>, time: QueueTime) {
        let mut hastened = Vec::new();
        for (id, mail) in &mut self.mails {
            for (index, recipient) in mail.recipients.iter_mut().enumerate() {
                let is_later = recipient.due().filter(|due| *due > time);
                if let Some(due) = is_later.filter(|_| recipient.destination == *destination) {
                    let rank = Rank::new(mail.priority, due, *id, index);
                    self.lanes.remove(&rank, destination);
                    recipient.state = State::Waiting { due: time };
                    hastened.push(*id);
                }
            }
        }
        hastened.dedup();
        for id in hastened {
            self.schedule(id);
        }
    }

    /// What the owner wants with a mail: `state` for what waits or is held, `next` for what is under way.
    fn want(&mut self, id: SpoolId, next: Next, state: State) {
        let Some(mail) = self.mails.get_mut(&id) else {
            return;
        };
        let mut left = Vec::new();
        for (index, recipient) in mail.recipients.iter_mut().enumerate() {
            let before = recipient.due();
            recipient.want(next, state);
            if let Some(due) = before.filter(|_| before != recipient.due()) {
                let rank = Rank::new(mail.priority, due, id, index);
                left.push((rank, Arc::clone(&recipient.destination)));
            }
        }
        self.swap(id, left);
    }

    /// Has whatever of a mail waits in the lanes, and no longer what has `left`.
    fn swap(&mut self, id: SpoolId, left: Vec<(Rank, Arc<Destination>)>) {
        // In before out, for the same reason as in `next`.
        self.schedule(id);
        for (rank, destination) in left {
            self.lanes.remove(&rank, &destination);
        }
    }
}

impl Mail {
    fn indices(&self, is_wanted: impl Fn(&State) -> bool) -> Vec<usize> {
        let all = self.recipients.iter().enumerate();
        let wanted = all.filter(|(_, recipient)| is_wanted(&recipient.state));
        wanted.map(|(index, _)| index).collect()
    }
}

#[cfg(test)]
mod tests;
