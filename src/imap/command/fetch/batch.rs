//! Reads the next messages of a FETCH in one short snapshot, and marks them as seen if their text is asked for.

use std::collections::VecDeque;

use crate::imap::command::fetch::{Needs, Plan, Trouble};
use crate::imap::session::rows::rows_of;
use crate::imap::session::state::Selected;
use crate::imap::session::{Services, tell};
use crate::imap::syntax::sequence::NumberRange;
use crate::imap::view::MailboxView;
use crate::mail::flags::{Flags, SystemFlags};
use crate::mail::ids::Uid;
use crate::store::Result;
use crate::store::types::{FlagAction, MessageRecord, MessageRow};

/// Messages read at once when their rows say all.
const ROWS_MAX: usize = 1000;

/// Messages read at once when their records are needed.
const RECORDS_MAX: usize = 64;

/// Messages read at once when they are marked as seen: none is marked before it is sent.
const SEEN_MAX: usize = 1;

/// A message to answer.
#[derive(Debug)]
pub(super) struct Found {
    /// Its sequence number.
    pub(super) seq: u32,
    /// Its row.
    pub(super) row: MessageRow,
    /// Its record, if needed.
    pub(super) record: Option<MessageRecord>,
    /// Whether this FETCH marked it as seen.
    pub(super) marked: bool,
}

/// Where in the client's set the FETCH stands.
#[derive(Debug)]
pub(super) struct Cursor {
    ranges: VecDeque<NumberRange>,
}

impl Cursor {
    pub(super) fn new(ranges: Vec<NumberRange>) -> Self {
        Self {
            ranges: ranges.into(),
        }
    }

    /// The next UIDs, ascending; none at the end.
    fn take(&mut self, count: usize, view: &MailboxView) -> Vec<Uid> {
        let mut uids = Vec::new();
        while uids.len() < count
            && let Some(range) = self.ranges.front_mut()
        {
            let room = u32::try_from(count - uids.len()).unwrap_or(u32::MAX);
            let last = range.to.min(range.from.saturating_add(room - 1));
            uids.extend_from_slice(view.uids_between(range.from, last));
            if last == range.to {
                self.ranges.pop_front();
            } else {
                range.from = last + 1;
            }
        }
        uids
    }
}

/// The next messages; `None` at the end.
pub(super) fn load(
    cursor: &mut Cursor,
    plan: &Plan,
    selected: &mut Selected,
    services: &Services,
    (trouble, out): (&mut Trouble, &mut Vec<u8>),
) -> Result<Option<VecDeque<Found>>> {
    let uids = cursor.take(plan.batch_messages(), &selected.view);
    if uids.is_empty() {
        return Ok(None);
    }
    let snapshot = services.store.snapshot()?;
    let mut rows = rows_of(&snapshot, selected.mailbox, &uids)?;
    trouble.gone |= rows.len() < uids.len();
    if let Some(since) = plan.changed_since {
        rows.retain(|row| row.modseq > since);
    }
    tell::know_keywords(selected, &snapshot, &rows, out)?;
    let marked = if plan.marks_seen {
        mark_seen(&mut rows, selected, services)
    } else {
        Vec::new()
    };
    let found = rows.into_iter().filter_map(|row| {
        let seq = selected.view.seq(row.uid)?;
        Some((seq, row, marked.binary_search(&row.uid).is_ok()))
    });
    let mut batch = VecDeque::new();
    for (seq, row, marked) in found {
        let record = match plan.needs {
            Needs::Row => None,
            Needs::Record | Needs::Content => {
                let Some(record) = snapshot.record(row.serial)? else {
                    trouble.gone = true;
                    continue;
                };
                Some(record)
            }
        };
        batch.push_back(Found {
            seq,
            row,
            record,
            marked,
        });
    }
    Ok(Some(batch))
}

/// Sets `\Seen` where it is missing and gives the UIDs. That it cannot be set is no reason not to read mail.
fn mark_seen(rows: &mut [MessageRow], selected: &Selected, services: &Services) -> Vec<Uid> {
    let unseen = rows
        .iter()
        .filter(|row| !row.flags.system.contains(SystemFlags::SEEN));
    let unseen: Vec<Uid> = unseen.map(|row| row.uid).collect();
    if unseen.is_empty() {
        return unseen;
    }
    let seen = Flags {
        system: SystemFlags::SEEN,
        keywords: Vec::new(),
    };
    let add = FlagAction::Add;
    let update = services
        .store
        .update_flags(selected.mailbox, &unseen, add, &seen, None);
    let changed = match update {
        Ok(update) => update.changed,
        Err(error) => {
            tracing::warn!(%error, "messages cannot be marked as seen");
            return Vec::new();
        }
    };
    for row in rows.iter_mut() {
        if let Ok(index) = changed.binary_search_by_key(&row.uid, |new| new.uid)
            && let Some(new) = changed.get(index)
        {
            *row = *new;
        }
    }
    changed.iter().map(|row| row.uid).collect()
}

impl Plan {
    fn batch_messages(&self) -> usize {
        match self.needs {
            Needs::Row => ROWS_MAX,
            Needs::Content if self.marks_seen => SEEN_MAX,
            Needs::Record | Needs::Content => RECORDS_MAX,
        }
    }
}
