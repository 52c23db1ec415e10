//! The queue with its spool: the plan in memory, its rows in the store, and the reports that it owes.
//!
//! Synchronous and without a network: a worker takes a [`Job`], carries it out and brings back what came of it. What came
//! of it is saved, with the reports that it causes, in one commit; while a commit fails no further job is given, since
//! what was sent and is not known to have been is sent twice after a crash. Beginning a job writes nothing: a job that a
//! crash cut short is simply due again.
//!
//! The plan's lock is not held during commits: those of different mails go on at the same time and share a flush,
//! those of one mail follow each other. The plan keeps what decides who is next; rows are read when a job begins.

mod diagnosis;
mod figures;
mod reports;
mod rows;
mod unread;
mod unsaved;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::diagnosis::Contacts;
pub use self::diagnosis::Diagnosis;
pub use self::figures::{Figures, Listed, ListedRecipient, Turn};
use self::unread::Unread;
pub use self::unread::Unreadable;
use self::unsaved::Change;
use crate::clock::Now;
use crate::delivery::route::Router;
use crate::mail::address::Domain;
use crate::mail::ids::SpoolId;
use crate::mail::report::Status;
use crate::maillog::{self, Log, Sent, Tally};
use crate::queue::plan::{
    Attempt, Contact, Destination, Jitter, Limits, Outcome, Plan, Policy, State,
};
use crate::queue::routes::Routes;
use crate::queue::time::{QueueClock, QueueTime, Saved};
use crate::store::spool::{LastTry, SpoolMail};
use crate::store::types::Language;
use crate::store::{self, Store};
use crate::wake::Wake;

/// Rows that are taken in at a time.
const ROWS_AT_ONCE: usize = 256;

/// How often the clock's reading is saved while nothing else is.
const CLOCK_SAVED_EVERY: Duration = Duration::from_hours(1);

/// When to ask again while a commit fails.
const SAVED_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// When to ask again while the wall clock is not set: once it is, the time that the box was off counts at once.
const UNDATED_WAIT: Duration = Duration::from_mins(1);

/// What is said of a recipient that a job brought nothing back of.
const CUT: &str = "the connection broke";

const GONE: store::Error = store::Error::NotFound("the mail in the queue");

/// How the queue works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// When what is tried and told.
    pub policy: Policy,
    /// How much at a time.
    pub limits: Limits,
    /// What the box calls itself in reports.
    pub hostname: Domain,
    /// Language of reports to senders elsewhere.
    pub language: Language,
    /// Above this size only the header of a message comes back with a report.
    pub returned_bytes_max: u64,
    /// Where attempts are counted.
    pub tally: Tally,
}

/// The queue. Cheap to clone; clones are the same queue.
#[derive(Clone, Debug)]
pub struct Desk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    settings: Settings,
    routes: Routes,
    router: Router,
    state: Mutex<Queue>,
    /// A commit has ended.
    ended: Condvar,
    /// Who hears of work.
    wakes: Mutex<Vec<Wake>>,
    /// Who hears of whatever people are shown of the queue.
    watchers: Mutex<Vec<Wake>>,
}

/// What changes.
#[derive(Debug)]
struct Queue {
    plan: Plan,
    clock: QueueClock,
    /// The lowest number that a mail which is not in can have.
    unseen: SpoolId,
    /// What is not saved yet, by mail.
    unsaved: BTreeMap<SpoolId, Change>,
    /// Mails that a commit is under way for.
    saving: BTreeSet<SpoolId>,
    /// Mails whose commit failed.
    failed: BTreeSet<SpoolId>,
    /// Mails that could not be read.
    unread: BTreeMap<SpoolId, Unread>,
    saved: QueueTime,
    contacts: Contacts,
}

/// A mail to be given to one destination, for some of its recipients. Bring it back to [`Desk::finish`].
#[derive(Debug)]
pub struct Job {
    /// What the plan wants.
    pub attempt: Attempt,
    /// The mail.
    pub mail: SpoolMail,
}

/// What came of a job for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// For the plan.
    pub outcome: Outcome,
    /// The host that said so, if one was reached.
    pub host: Option<String>,
    /// Why, as a code. 4.4.1 without a host: no connection; 4.4.3: no answer from DNS; 4.7.8: no login at the smarthost.
    pub status: Status,
    /// The host's words (code, enhanced code and text), or ours.
    pub reply: String,
}

impl Desk {
    /// Takes the spool in.
    pub fn open(
        store: &Store,
        settings: Settings,
        routes: Routes,
        router: Router,
        now: Now,
    ) -> store::Result<Self> {
        let saved = store.snapshot()?.spool_clock()?;
        let saved = Saved {
            time: QueueTime(saved.time),
            wall: saved.wall,
        };
        let queue = Queue {
            plan: Plan::new(settings.policy, settings.limits),
            clock: QueueClock::resume(saved, now),
            unseen: SpoolId(0),
            unsaved: BTreeMap::new(),
            saving: BTreeSet::new(),
            failed: BTreeSet::new(),
            unread: BTreeMap::new(),
            saved: saved.time,
            contacts: Contacts::default(),
        };
        let desk = Self(Arc::new(Inner {
            store: store.clone(),
            settings,
            routes,
            router,
            state: Mutex::new(queue),
            ended: Condvar::new(),
            wakes: Mutex::default(),
            watchers: Mutex::default(),
        }));
        // Whatever is asked of it asks for this again.
        if let Err(error) = desk.refresh(now) {
            tracing::error!(%error, "the queue cannot be read for now");
        }
        Ok(desk)
    }

    /// Takes in what was spooled since.
    pub fn refresh(&self, now: Now) -> store::Result<()> {
        loop {
            let from = self.queue().unseen;
            let rows = self.rows(from, ROWS_AT_ONCE)?;
            let Some((last, _)) = rows.last() else {
                return Ok(());
            };
            let last = *last;
            let mut queue = self.queue();
            let time = queue.clock.read(now);
            for (id, row) in &rows {
                // Another call may have been quicker.
                if *id < queue.unseen {
                    continue;
                }
                match row {
                    Ok(row) => queue.take_in(row, &self.0.routes, time),
                    Err(error) => drop(queue.put_off(*id, error, &self.0.settings.policy, time)),
                }
            }
            queue.unseen = queue.unseen.max(SpoolId(last.0.saturating_add(1)));
        }
    }

    /// What to do now, if anything; ask again until there is nothing. An error if what was done before cannot be saved,
    /// or the store cannot be read: ask again later. A mail that alone cannot be read is put off by itself.
    pub fn next(&self, now: Now) -> store::Result<Option<Job>> {
        self.save_failed(now)?;
        self.read_again(now)?;
        loop {
            let mut queue = self.queue();
            let time = queue.clock.read(now);
            let Some(attempt) = queue.plan.next(time) else {
                return Ok(None);
            };
            drop(queue);
            let id = attempt.mail();
            let row = self.row(id);
            let mut queue = self.queue();
            match row {
                Ok(Ok(Some(mail))) => {
                    queue.unread.remove(&id);
                    return Ok(Some(Job { attempt, mail }));
                }
                Ok(Ok(None)) => {
                    tracing::error!(%id, "a mail left the spool by itself");
                    queue.forget(attempt);
                }
                Ok(Err(error)) => {
                    let until = queue.put_off(id, &error, &self.0.settings.policy, time);
                    queue.plan.put_off(attempt, until);
                }
                Err(error) => {
                    queue.plan.put_back(attempt);
                    return Err(error);
                }
            }
        }
    }

    /// Time until [`Desk::next`] has something, if nothing else happens.
    pub fn next_due(&self, now: Now) -> Option<Duration> {
        let mut queue = self.queue();
        let time = queue.clock.read(now);
        if queue.failed_now(time).is_some() {
            return Some(SAVED_AGAIN_AFTER);
        }
        let due = [queue.plan.next_due(), queue.unread_due()];
        let due = due.into_iter().flatten().min();
        let due = due.map(|due| due.since(time));
        match now.wall {
            Some(_) => due,
            None => due.map(|wait| wait.min(UNDATED_WAIT)),
        }
    }

    /// A job is done. `tried` has its recipients' indices; one that is missing counts as transient. On an error nothing
    /// is forgotten: it is saved before [`Desk::next`] gives another job. Until this returns the job has its place among
    /// those that go on at a time: however slow the card, a crash has no more mails sent again than that.
    pub fn finish(&self, job: Job, tried: BTreeMap<usize, Tried>, now: Now) -> store::Result<()> {
        for index in job.attempt.recipients() {
            let outcome = tried.get(index).map(|tried| tried.outcome);
            count(
                &self.0.settings.tally,
                outcome.unwrap_or(Outcome::Transient),
            );
        }
        let id = job.attempt.mail();
        let mut queue = self.queue();
        let time = queue.clock.read(now);
        let before = queue.contacts.diagnosis();
        queue.conclude(job.attempt, tried, (time, now));
        queue.plan.keep_place();
        let after = queue.contacts.diagnosis();
        drop(queue);
        let _place = Place(self);
        if let Some(after) = after.filter(|after| before.as_ref() != Some(after)) {
            maillog::sending_trouble(Log(&self.0.store, now), &after.in_words());
        }
        let saved = self.save(id, now);
        wake_all(&self.0.watchers);
        saved
    }

    /// Keeps a mail back. [`store::Error::NotFound`] if it is not there (any more), as of all that follow.
    pub fn hold(&self, mail: SpoolId, now: Now) -> store::Result<()> {
        self.want(mail, now, |plan, _| plan.hold(mail))
    }

    /// Tries a mail at once, held or not, whatever is known of its destinations.
    pub fn retry(&self, mail: SpoolId, now: Now) -> store::Result<()> {
        self.want(mail, now, |plan, time| plan.retry(mail, time))
    }

    /// Takes a mail out; its sender is not told. What is under way may still arrive.
    pub fn remove(&self, mail: SpoolId, now: Now) -> store::Result<()> {
        self.want(mail, now, |plan, _| plan.remove(mail))
    }

    /// Saves the clock's reading if nothing was saved for an hour. Call it now and then.
    pub fn keep_clock(&self, now: Now) -> store::Result<()> {
        let mut queue = self.queue();
        let reading = queue.clock.reading(now);
        if reading.time.since(queue.saved) < CLOCK_SAVED_EVERY {
            return Ok(());
        }
        drop(queue);
        let clock = unsaved::clock(reading);
        self.0
            .store
            .update_spool(clock, Vec::new(), Vec::new(), now)?;
        self.queue().note_saved(reading.time);
        Ok(())
    }

    /// Calls `wake` when there may be work before [`Desk::next_due`] said: new mail, or the owner's wish.
    pub fn on_work(&self, wake: Wake) {
        self.0.store.on_spool(wake.clone());
        let wakes = self.0.wakes.lock();
        wakes.unwrap_or_else(PoisonError::into_inner).push(wake);
    }

    /// Has those who heed [`Desk::on_work`] look what is due, as after a clock was moved.
    pub fn poke(&self) {
        wake_all(&self.0.wakes);
    }

    /// Calls `wake` whenever what people are shown of the queue may have changed.
    pub fn on_change(&self, wake: Wake) {
        self.0.store.on_spool(wake.clone());
        let watchers = self.0.watchers.lock();
        watchers.unwrap_or_else(PoisonError::into_inner).push(wake);
    }

    fn want(
        &self,
        mail: SpoolId,
        now: Now,
        want: impl FnOnce(&mut Plan, QueueTime),
    ) -> store::Result<()> {
        self.refresh(now)?;
        let is_unread = self.queue().read_alone().any(|(id, _)| id == mail);
        if is_unread {
            self.read_now(mail, now)??;
        }
        let mut queue = self.queue();
        let time = queue.clock.read(now);
        if queue.plan.mail(mail).is_none() {
            return Err(GONE);
        }
        want(&mut queue.plan, time);
        queue.note_wanted(mail);
        drop(queue);
        let saved = self.save(mail, now);
        self.poke();
        wake_all(&self.0.watchers);
        saved
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic elsewhere leaves the plan whole: it is changed by one call at a time.
        let state = self.0.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake_all(wakes: &Mutex<Vec<Wake>>) {
    let wakes = wakes.lock();
    for wake in wakes.unwrap_or_else(PoisonError::into_inner).iter() {
        wake.wake();
    }
}

/// Of a job that is done and not saved yet.
struct Place<'a>(&'a Desk);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.queue().plan.free_place();
    }
}

impl Queue {
    fn take_in(&mut self, row: &SpoolMail, routes: &Routes, time: QueueTime) {
        let mail = rows::mail(row, routes, time);
        let jitter = jitter(row.id, time);
        // Nothing in a row is under way, so nothing is owed.
        self.plan.add(row.id, mail, time, jitter);
        if let Some(ended) = self.plan.take_ended(row.id) {
            self.unsaved
                .insert(row.id, Change::of(&ended).that_is_over());
            self.failed.insert(row.id);
        }
    }

    /// What came of an attempt, into the plan and into what is to be saved.
    fn conclude(
        &mut self,
        attempt: Attempt,
        mut tried: BTreeMap<usize, Tried>,
        (time, now): (QueueTime, Now),
    ) {
        let (id, recipients) = (attempt.mail(), attempt.recipients().to_vec());
        let seen = diagnosis::Seen::of(recipients.iter().map(|index| tried.get(index)));
        self.contacts.note(attempt.destination(), seen, time);
        let contact = contact(attempt.destination(), seen);
        let outcomes: BTreeMap<usize, Outcome> = tried
            .iter()
            .map(|(index, tried)| (*index, tried.outcome))
            .collect();
        let jitter = jitter(id, time);
        let owed = self
            .plan
            .finish(attempt, (contact, &outcomes), time, jitter);
        let Some(mail) = self.plan.mail(id) else {
            return;
        };
        let mut change = Change::of(mail);
        for index in recipients {
            let last = last_try(tried.remove(&index), now);
            change.tried(index, mail, last);
        }
        change.owe(owed);
        self.put_down(id, change);
    }

    fn note_wanted(&mut self, id: SpoolId) {
        if let Some(mail) = self.plan.mail(id) {
            let mut change = Change::of(mail);
            for (index, recipient) in mail.recipients.iter().enumerate() {
                if !recipient.state.is_final() || recipient.state == State::Removed {
                    change.moved(index, mail);
                }
            }
            self.put_down(id, change);
        }
    }

    /// Has a change saved with the next commit of its mail.
    fn put_down(&mut self, id: SpoolId, mut change: Change) {
        if self.plan.take_ended(id).is_some() {
            change = change.that_is_over();
        }
        match self.unsaved.get_mut(&id) {
            Some(before) => before.follow(change),
            None => drop(self.unsaved.insert(id, change)),
        }
    }

    fn forget(&mut self, attempt: Attempt) {
        let id = attempt.mail();
        self.unread.remove(&id);
        self.plan.put_back(attempt);
        self.plan.remove(id);
        self.plan.take_ended(id);
    }

    fn note_saved(&mut self, time: QueueTime) {
        self.saved = self.saved.max(time);
    }
}

/// Whether other mail for this destination would have fared as badly.
fn contact(destination: &Destination, seen: diagnosis::Seen) -> Contact {
    match (seen, destination) {
        (diagnosis::Seen::NoConnection | diagnosis::Seen::NoNames, _)
        | (diagnosis::Seen::NoLogin, Destination::Smarthost(_)) => Contact::Unreachable,
        _ => Contact::Reached,
    }
}

fn count(tally: &Tally, outcome: Outcome) {
    tally.attempted(match outcome {
        Outcome::Delivered | Outcome::PassedOn | Outcome::Relayed => Sent::Taken,
        Outcome::Transient => Sent::PutOff,
        Outcome::Permanent => Sent::Refused,
    });
}

fn last_try(tried: Option<Tried>, now: Now) -> LastTry {
    match tried {
        Some(tried) => LastTry {
            at: now.wall,
            host: tried.host,
            status: tried.status.to_string(),
            reply: tried.reply,
        },
        None => LastTry {
            at: now.wall,
            host: None,
            status: "4.4.2".to_owned(),
            reply: CUT.to_owned(),
        },
    }
}

/// Spreads the retries of different mails; the same in every run.
fn jitter(id: SpoolId, time: QueueTime) -> Jitter {
    // SplitMix64's step: any bits come out well mixed.
    let mut bits = id.0 ^ u64::from(time.0.subsec_nanos()) ^ time.0.as_secs().rotate_left(32);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Jitter(u16::try_from(bits >> 48).unwrap_or(0))
}
