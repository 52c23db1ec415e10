//! Mails whose rows cannot be read: each is put off by itself, in memory alone, and looked at again after a time that
//! doubles, so that the rest of the queue goes on. What came of such a mail and cannot be saved for the same reason waits
//! with it.
//!
//! A fault of the card makes the index refuse all reading until it is opened anew, which a commit brings about; only what
//! cannot be read after that either is a fault of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Desk, Queue};
use crate::clock::Now;
use crate::mail::ids::SpoolId;
use crate::queue::plan::{Policy, Recipient};
use crate::queue::time::QueueTime;
use crate::store;
use crate::store::spool::SpoolMail;

/// How it went with one of them so far.
#[derive(Clone, Debug)]
pub(super) struct Unread {
    failures: u32,
    due: QueueTime,
    why: String,
}

/// A mail that cannot be read, as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Which.
    pub id: SpoolId,
    /// What the store said.
    pub why: String,
    /// When it is looked at again.
    pub again_in: Duration,
}

impl Desk {
    /// The mails that could not be read when they were looked at last, by their numbers.
    pub fn unreadable(&self, now: Now) -> Vec<Unreadable> {
        let mut queue = self.queue();
        let time = queue.clock.read(now);
        let unread = queue.unread.iter().map(|(id, unread)| {
            let planned = queue.plan.mail(*id);
            let planned =
                planned.and_then(|mail| mail.recipients.iter().filter_map(Recipient::due).min());
            Unreadable {
                id: *id,
                why: unread.why.clone(),
                again_in: planned.unwrap_or(unread.due).since(time),
            }
        });
        unread.collect()
    }

    /// Rows of up to `limit` mails that can be read, of those taken in, from number `from` on.
    pub(super) fn readable(
        &self,
        mut from: SpoolId,
        limit: usize,
        now: Now,
    ) -> store::Result<Vec<SpoolMail>> {
        let mut found = Vec::new();
        loop {
            let ids = self.queue().ids(from, limit);
            let Some(last) = ids.last() else {
                return Ok(found);
            };
            from = SpoolId(last.0.saturating_add(1));
            for id in ids {
                let row = self.row(id)?;
                self.queue().note_read(id, row.as_ref().err(), now);
                found.extend(row.ok().flatten());
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
    }

    /// Up to `limit` rows from number `from` on.
    pub(super) fn rows(
        &self,
        from: SpoolId,
        limit: usize,
    ) -> store::Result<Vec<(SpoolId, store::Result<SpoolMail>)>> {
        let read = || self.0.store.snapshot()?.spool_rows(from, limit);
        let rows = read().or_else(|_| {
            self.revive()?;
            read()
        })?;
        let mut found = Vec::new();
        for (id, row) in rows {
            if row.is_ok() {
                found.push((id, row));
            } else if let Some(row) = self.row(id)?.transpose() {
                found.push((id, row));
            }
        }
        Ok(found)
    }

    /// One row, `None` if it is gone. The outer error is that of the whole store, the inner one the row's own.
    pub(super) fn row(&self, id: SpoolId) -> store::Result<store::Result<Option<SpoolMail>>> {
        let read = || self.0.store.snapshot()?.spool_mail(id);
        let row = read();
        if row.is_ok() {
            return Ok(row);
        }
        self.revive()?;
        let row = read();
        if row.is_err() {
            self.revive()?;
        }
        Ok(row)
    }

    /// Has the index opened anew if it refuses to go on: the commit that finds out fails, the next one does not.
    fn revive(&self) -> store::Result<()> {
        let store = &self.0.store;
        store.probe().or_else(|_| store.probe())
    }

    /// Takes in what can be read by now of what never could.
    pub(super) fn read_again(&self, now: Now) -> store::Result<()> {
        loop {
            let mut queue = self.queue();
            let time = queue.clock.read(now);
            let mut alone = queue.read_alone();
            let due = alone.find(|(_, unread)| unread.due <= time);
            let Some(id) = due.map(|(id, _)| id) else {
                return Ok(());
            };
            drop(alone);
            drop(queue);
            // The log has why.
            drop(self.read_now(id, now)?);
        }
    }

    /// Looks at a mail at once that never could be read. The inner error is its own.
    pub(super) fn read_now(&self, id: SpoolId, now: Now) -> store::Result<store::Result<()>> {
        let row = self.row(id)?;
        let mut queue = self.queue();
        let time = queue.clock.read(now);
        if !queue.read_alone().any(|(other, _)| other == id) {
            // Another call was quicker.
            return Ok(Ok(()));
        }
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                queue.put_off(id, &error, &self.0.settings.policy, time);
                return Ok(Err(error));
            }
        };
        queue.unread.remove(&id);
        if let Some(row) = row {
            queue.take_in(&row, &self.0.routes, time);
        }
        Ok(Ok(()))
    }
}

impl Queue {
    /// Notes that a mail cannot be read; until when it is put off.
    pub(super) fn put_off(
        &mut self,
        id: SpoolId,
        error: &store::Error,
        policy: &Policy,
        time: QueueTime,
    ) -> QueueTime {
        tracing::error!(%id, %error, "a mail in the queue cannot be read; it is put off");
        let failures = self.unread.get(&id).map_or(0, |unread| unread.failures);
        let failures = failures.saturating_add(1);
        let due = time + policy.backoff(failures);
        let why = error.to_string();
        self.unread.insert(id, Unread { failures, due, why });
        due
    }

    /// Up to `limit` mails that were taken in and may be in the spool, by their numbers.
    fn ids(&self, from: SpoolId, limit: usize) -> Vec<SpoolId> {
        let unsaved = self.unsaved.range(from..).map(|(id, _)| *id);
        let saving = self.saving.range(from..).copied();
        let ended = unsaved.take(limit).chain(saving.take(limit));
        let ids: BTreeSet<SpoolId> = self.plan.ids(from).take(limit).chain(ended).collect();
        ids.into_iter().take(limit).collect()
    }

    /// Somebody looked at a mail; when that is looked at again stays.
    fn note_read(&mut self, id: SpoolId, error: Option<&store::Error>, now: Now) {
        let due = self.clock.read(now);
        match error {
            None => drop(self.unread.remove(&id)),
            Some(error) => {
                let why = error.to_string();
                let first = Unread {
                    failures: 0,
                    due,
                    why: why.clone(),
                };
                self.unread.entry(id).or_insert(first).why = why;
            }
        }
    }

    pub(super) fn is_put_off(&self, id: SpoolId, time: QueueTime) -> bool {
        let unread = self.unread.get(&id);
        unread.is_some_and(|unread| unread.due > time)
    }

    /// Those that were never read, so that neither plan nor commit leads to them.
    pub(super) fn read_alone(&self) -> impl Iterator<Item = (SpoolId, &Unread)> {
        let unread = self.unread.iter().map(|(id, unread)| (*id, unread));
        unread.filter(|(id, _)| {
            let is_changed = self.unsaved.contains_key(id) || self.saving.contains(id);
            self.plan.mail(*id).is_none() && !is_changed
        })
    }

    /// A mail whose change is to be saved now.
    pub(super) fn failed_now(&self, time: QueueTime) -> Option<SpoolId> {
        let mut failed = self.failed.iter().copied();
        failed.find(|id| !self.is_put_off(*id, time))
    }

    /// When one of these is due that the plan does not lead to.
    pub(super) fn unread_due(&self) -> Option<QueueTime> {
        let alone = self.read_alone().map(|(_, unread)| unread.due);
        let failed = self.failed.iter();
        let failed = failed.filter_map(|id| Some(self.unread.get(id)?.due));
        alone.chain(failed).min()
    }
}
