//! What people are shown of the queue: its mails one by one, and how it is as a whole.

use std::time::Duration;

use super::{Desk, Diagnosis, GONE};
use crate::clock::{Now, Wall};
use crate::mail::ids::SpoolId;
use crate::mail::mime::header;
use crate::mail::mime::text::decode_words;
use crate::queue::plan::{Destination, Mail, State};
use crate::queue::time::QueueTime;
use crate::store;
use crate::store::spool::SpoolMail;

/// Bytes of a mail in which its subject is looked for.
const HEADER_BYTES_MAX: usize = 16 << 10;

/// For rounding.
const HALF_A_SECOND: Duration = Duration::from_millis(500);

/// A spooled mail as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The mail with its recipients' last attempts.
    pub mail: SpoolMail,
    /// Where its recipients stand now, in their order; none once all have ended.
    pub recipients: Vec<ListedRecipient>,
    /// Until when it is tried, if the clock is set.
    pub until: Option<Wall>,
}

/// A recipient of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRecipient {
    /// A domain, or the name of a smarthost.
    pub destination: String,
    /// When it is tried.
    pub turn: Turn,
}

/// When a recipient is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// In that time; zero is as soon as there is a free place, or its destination can be reached.
    In(Duration),
    /// Right now.
    Now,
    /// When the owner lets it.
    Held,
    /// Never again.
    Over,
}

/// How the queue is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Mails with a recipient who waits or is tried right now.
    pub waiting: u64,
    /// Mails that are kept back whole.
    pub held: u64,
    /// Recipients who wait or are tried right now.
    pub recipients: u64,
    /// Age of the oldest mail that waits, and its number.
    pub oldest: Option<(Duration, SpoolId)>,
    /// What is wrong with sending as a whole.
    pub diagnosis: Option<Diagnosis>,
}

impl Desk {
    /// Up to `limit` mails from number `from` on, oldest first, but those of [`Desk::unreadable`].
    pub fn list(&self, from: SpoolId, limit: usize, now: Now) -> store::Result<Vec<Listed>> {
        self.refresh(now)?;
        let rows = self.readable(from, limit, now)?;
        let mut queue = self.queue();
        let time = queue.clock.read(now);
        let lifetime = self.0.settings.policy.lifetime;
        let listed = rows.into_iter().map(|row| match queue.plan.mail(row.id) {
            Some(mail) => Listed {
                recipients: recipients(mail, time),
                until: until(mail.arrived + lifetime, time, now),
                mail: row,
            },
            // It has ended, and is about to leave the spool.
            None => Listed {
                recipients: Vec::new(),
                until: None,
                mail: row,
            },
        });
        Ok(listed.collect())
    }

    /// How the queue is. Looks at each mail.
    pub fn figures(&self, now: Now) -> Figures {
        let mut queue = self.queue();
        let time = queue.clock.read(now);
        let mut figures = Figures::default();
        for (id, mail) in queue.plan.mails() {
            figures.count(id, mail, time);
        }
        figures.waiting += queue.read_alone().count() as u64;
        if let Some((age, id)) = figures.oldest {
            let policy = self.0.settings.policy;
            let arrived = queue.plan.mail(id).map_or(time, |mail| mail.arrived);
            let is_stuck =
                age >= policy.delay_notice_after && queue.contacts.nothing_taken_since(arrived);
            let stuck = || is_stuck.then_some(Diagnosis::Stuck);
            figures.diagnosis = queue.contacts.diagnosis().or_else(stuck);
        }
        figures
    }

    /// A mail's subject, decoded. [`store::Error::NotFound`] if the mail is gone.
    pub fn subject(&self, mail: &SpoolMail) -> store::Result<Option<String>> {
        let mut bytes = Vec::new();
        let mut reader = self.0.store.read_spooled(mail)?;
        reader.read_at(0, HEADER_BYTES_MAX, &mut bytes)?;
        Ok(header::find(&bytes, "subject").map(|subject| decode_words(&subject)))
    }

    /// One mail as it is in the spool. [`store::Error::NotFound`] if it is gone.
    pub fn mail(&self, id: SpoolId) -> store::Result<SpoolMail> {
        self.0.store.snapshot()?.spool_mail(id)?.ok_or(GONE)
    }
}

impl Figures {
    fn count(&mut self, id: SpoolId, mail: &Mail, time: QueueTime) {
        let is_waiting =
            |state: &State| matches!(state, State::Waiting { .. } | State::UnderWay { .. });
        let states = mail.recipients.iter().map(|one| one.state);
        let waiting = states.clone().filter(is_waiting).count() as u64;
        let mut states = states;
        if waiting > 0 {
            self.waiting += 1;
            self.recipients += waiting;
            let age = time.since(mail.arrived);
            if self.oldest.is_none_or(|(oldest, _)| age > oldest) {
                self.oldest = Some((age, id));
            }
        } else if states.any(|state| state == State::Held) {
            self.held += 1;
        }
    }
}

fn recipients(mail: &Mail, time: QueueTime) -> Vec<ListedRecipient> {
    let recipients = mail.recipients.iter();
    let listed = recipients.map(|one| ListedRecipient {
        destination: name(&one.destination),
        turn: turn(one.state, time),
    });
    listed.collect()
}

/// A time of the queue's clock as one of the wall clock, to the nearest second.
pub(super) fn until(end: QueueTime, time: QueueTime, now: Now) -> Option<Wall> {
    let left = (end.since(time) + HALF_A_SECOND).as_secs();
    let left = i64::try_from(left).unwrap_or(i64::MAX);
    now.wall.map(|wall| Wall(wall.0.saturating_add(left)))
}

fn name(destination: &Destination) -> String {
    match destination {
        Destination::Domain(domain) => domain.as_str().to_owned(),
        Destination::Smarthost(name) => name.clone(),
    }
}

fn turn(state: State, time: QueueTime) -> Turn {
    match state {
        State::Waiting { due } => Turn::In(due.since(time)),
        State::UnderWay { .. } => Turn::Now,
        State::Held => Turn::Held,
        State::Delivered | State::Failed | State::Expired | State::Removed => Turn::Over,
    }
}
