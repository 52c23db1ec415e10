//! What changed and is not in the store yet: one [`Change`] per mail, saved as a whole with the reports that it causes.
//!
//! A commit that failed may have come through all the same. Before it is tried again the rows are read: what stands in
//! them already is not reported a second time, since states and reports are of one commit.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use super::{Desk, rows};
use crate::clock::Now;
use crate::mail::ids::SpoolId;
use crate::mail::report::{Event, Return};
use crate::queue::plan::{Mail, Owed};
use crate::queue::time::{QueueTime, Saved};
use crate::store;
use crate::store::spool::{LastTry, SpoolClock, SpoolMail, SpoolState, SpoolUpdate};

/// What changed of one mail.
#[derive(Clone, Debug)]
pub(super) struct Change {
    arrived: QueueTime,
    states: BTreeMap<usize, New>,
    owed: Vec<Owed>,
    is_over: bool,
}

/// The new state of a recipient.
#[derive(Clone, Debug)]
struct New {
    /// Without what came of its last attempt.
    state: SpoolState,
    /// What came of it; without, what the row says.
    last: Option<LastTry>,
}

impl Change {
    /// Of nothing yet.
    pub(super) fn of(mail: &Mail) -> Self {
        Self {
            arrived: mail.arrived,
            states: BTreeMap::new(),
            owed: Vec::new(),
            is_over: false,
        }
    }

    /// It leaves the spool.
    pub(super) fn that_is_over(mut self) -> Self {
        self.is_over = true;
        self
    }

    /// A recipient was tried.
    pub(super) fn tried(&mut self, index: usize, mail: &Mail, last: LastTry) {
        self.enter(index, mail, Some(last));
    }

    /// A recipient stands elsewhere without having been tried.
    pub(super) fn moved(&mut self, index: usize, mail: &Mail) {
        self.enter(index, mail, None);
    }

    fn enter(&mut self, index: usize, mail: &Mail, last: Option<LastTry>) {
        if let Some(recipient) = mail.recipients.get(index) {
            let state = rows::state(recipient);
            self.states.insert(index, New { state, last });
        }
    }

    pub(super) fn owe(&mut self, owed: Vec<Owed>) {
        self.owed.extend(owed);
    }

    /// What has happened since.
    pub(super) fn follow(&mut self, later: Self) {
        for (index, mut new) in later.states {
            let before = self.states.remove(&index);
            new.last = new.last.or_else(|| before.and_then(|before| before.last));
            self.states.insert(index, new);
        }
        self.owed.extend(later.owed);
        self.is_over |= later.is_over;
    }

    /// Whether the row is needed to save it.
    fn needs_row(&self) -> bool {
        !self.owed.is_empty() || self.states.values().any(|new| new.last.is_none())
    }

    /// The states to be saved, given the row, if it is needed.
    fn states(&self, row: Option<&SpoolMail>) -> Vec<(usize, SpoolState)> {
        let full = |(index, new): (&usize, &New)| {
            let before = row.and_then(|row| row.states.get(*index)?.last.clone());
            let last = new.last.clone().or(before);
            let state = SpoolState {
                last,
                ..new.state.clone()
            };
            (*index, state)
        };
        self.states.iter().map(full).collect()
    }

    /// What is owed of recipients and does not stand in the row as told yet.
    fn owed<'a>(
        &'a self,
        row: &'a SpoolMail,
        states: &'a [(usize, SpoolState)],
    ) -> impl Iterator<Item = (Owed, &'a SpoolState)> {
        self.owed.iter().filter_map(|owed| {
            let (_, state) = states.iter().find(|(index, _)| *index == owed.recipient)?;
            let saved = row.states.get(owed.recipient)?;
            let is_saved = match owed.event {
                // The owner may have moved it since.
                Event::Delayed => saved.delay_told,
                Event::Failed | Event::Expired | Event::Delivered | Event::Relayed => {
                    saved == state
                }
            };
            (!is_saved).then_some((*owed, state))
        })
    }
}

pub(super) fn clock(reading: Saved) -> SpoolClock {
    SpoolClock {
        time: reading.time.0,
        wall: reading.wall,
    }
}

impl Desk {
    /// Saves what could not be saved before.
    pub(super) fn save_failed(&self, now: Now) -> store::Result<()> {
        loop {
            let mut queue = self.queue();
            let time = queue.clock.read(now);
            let Some(id) = queue.failed_now(time) else {
                return Ok(());
            };
            drop(queue);
            let saved = self.save(id, now);
            if saved.is_err() && !self.queue().is_put_off(id, time) {
                return saved;
            }
        }
    }

    /// Saves what changed of a mail, after whatever commit of it is under way. If it fails for a row that cannot be read,
    /// the mail is put off.
    pub(super) fn save(&self, id: SpoolId, now: Now) -> store::Result<()> {
        let mut queue = self.queue();
        while queue.saving.contains(&id) {
            let waited = self.0.ended.wait(queue);
            queue = waited.unwrap_or_else(PoisonError::into_inner);
        }
        let Some(change) = queue.unsaved.remove(&id) else {
            queue.failed.remove(&id);
            return Ok(());
        };
        queue.saving.insert(id);
        let reading = queue.clock.reading(now);
        drop(queue);
        let saved = self.commit(id, &change, reading, now);
        let is_unreadable = saved.is_err() && matches!(self.row(id), Ok(Err(_)));
        let mut queue = self.queue();
        queue.saving.remove(&id);
        match &saved {
            Ok(()) => {
                queue.failed.remove(&id);
                queue.unread.remove(&id);
                queue.note_saved(reading.time);
            }
            Err(error) => {
                queue.keep(id, change);
                if is_unreadable {
                    queue.put_off(id, error, &self.0.settings.policy, reading.time);
                }
            }
        }
        self.0.ended.notify_all();
        saved
    }

    /// A report for which the card has no room even in its reserve goes with the header of the mail alone.
    fn commit(&self, id: SpoolId, change: &Change, reading: Saved, now: Now) -> store::Result<()> {
        let saved = self.commit_with(id, change, (reading, Return::Full), now);
        if change.owed.is_empty() || saved != Err(store::Error::Full) {
            return saved;
        }
        tracing::warn!(%id, "no room for a report with the whole mail; it goes with the header");
        self.commit_with(id, change, (reading, Return::Headers), now)
    }

    /// `most` is what of the mail goes with its report at most.
    fn commit_with(
        &self,
        id: SpoolId,
        change: &Change,
        (reading, most): (Saved, Return),
        now: Now,
    ) -> store::Result<()> {
        let row = if change.needs_row() {
            match self.0.store.snapshot()?.spool_mail(id)? {
                Some(row) => Some(row),
                // A commit came through that was thought to have failed.
                None => return Ok(()),
            }
        } else {
            None
        };
        let states = change.states(row.as_ref());
        let mut reports = Vec::new();
        if let Some(row) = &row {
            let owed: Vec<_> = change.owed(row, &states).collect();
            reports = self.reports(row, (&owed, most), (change.arrived, reading.time), now)?;
        }
        let update = SpoolUpdate {
            mail: id,
            arrived: change.arrived.0,
            states,
            is_over: change.is_over,
        };
        self.0
            .store
            .update_spool(clock(reading), vec![update], reports, now)
    }
}

impl super::Queue {
    /// What could not be saved, before what has happened since.
    fn keep(&mut self, id: SpoolId, mut change: Change) {
        if let Some(later) = self.unsaved.remove(&id) {
            change.follow(later);
        }
        self.unsaved.insert(id, change);
        self.failed.insert(id);
    }
}
