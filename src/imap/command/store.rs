//! STORE and UID STORE (RFC 3501 6.4.6, RFC 7162 3.1.3): in batches, each durable before it is answered.
//!
//! With `.SILENT` the client works out the new flags for itself. It is right only if it knew the old ones: a message that
//! another session changed meanwhile stays unknown to the view, and the session tells it in full afterwards.

use std::collections::BTreeMap;

use crate::imap::command::{Ctx, Reply, read_only, store_failure};
use crate::imap::session::rows::rows_of;
use crate::imap::session::state::Selected;
use crate::imap::session::task::{Step, Task};
use crate::imap::session::{Services, tell};
use crate::imap::syntax::command::{Access, Numbering, Store, StoreAnswer};
use crate::imap::syntax::render::{flags, put};
use crate::imap::syntax::response::{Code, Completion};
use crate::imap::syntax::sequence::SequenceSet;
use crate::mail::flags::{FlagBits, Flags, Keyword};
use crate::mail::ids::{ModSeq, Uid};
use crate::store::Result;
use crate::store::types::MessageRow;

/// Messages changed in one commit.
const BATCH_MESSAGES: usize = 1000;

/// A STORE under way.
#[derive(Debug)]
pub struct StoreTask {
    store: Store,
    uids: Vec<Uid>,
    next: usize,
    /// Messages left alone because of UNCHANGEDSINCE, in the client's numbering.
    modified: Vec<u32>,
    /// Messages that another session expunged.
    gone: bool,
}

/// Begins to change flags.
pub fn run(store: Store, ctx: &mut Ctx<'_>) -> Reply {
    let selected = match ctx.selected() {
        Ok(selected) if selected.access == Access::ReadOnly => return read_only().into(),
        Ok(selected) => selected,
        Err(completion) => return completion.into(),
    };
    let uids = match selected.view.resolve(&store.set, store.numbering) {
        Ok(ranges) => selected.view.uids_of(&ranges),
        Err(beyond) => return Completion::bad(beyond.to_string()).into(),
    };
    if store.unchanged_since.is_some() {
        tell::enable_condstore(ctx.state, ctx.out);
    }
    Reply::Task(Box::new(Task::Store(StoreTask {
        store,
        uids,
        next: 0,
        modified: Vec::new(),
        gone: false,
    })))
}

impl StoreTask {
    /// Changes the next batch.
    pub fn step(&mut self, ctx: &mut Ctx<'_>) -> Step {
        let rest = self.uids.get(self.next..).unwrap_or_default();
        let batch = rest.get(..BATCH_MESSAGES).unwrap_or(rest).to_vec();
        if batch.is_empty() {
            return Step::Done(self.completion());
        }
        self.next += batch.len();
        let services = ctx.services;
        let Some(selected) = ctx.state.selected_mut() else {
            return Step::Done(Completion::bad("no mailbox is selected"));
        };
        match self.change(&batch, selected, services, ctx.out) {
            Ok(()) => Step::More,
            Err(error) => Step::Done(store_failure(&error)),
        }
    }

    fn change(
        &mut self,
        batch: &[Uid],
        selected: &mut Selected,
        services: &Services,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let before = rows_of(&services.store.snapshot()?, selected.mailbox, batch)?;
        self.gone |= before.len() < batch.len();
        let limit = match self.store.unchanged_since.map(ModSeq::new) {
            // Nothing is as old as 0: all are modified (RFC 7162 3.1.3).
            Some(None) => {
                self.leave_alone(batch, selected);
                return Ok(());
            }
            Some(limit) => limit,
            None => None,
        };
        let (action, given) = (self.store.action, &self.store.flags);
        let mailbox = selected.mailbox;
        let update = services
            .store
            .update_flags(mailbox, batch, action, given, limit)?;
        self.leave_alone(&update.modified, selected);
        let snapshot = services.store.snapshot()?;
        tell::know_keywords(selected, &snapshot, &update.changed, out)?;
        match self.store.answer {
            StoreAnswer::Silent => self.answer_silently(&before, &update.changed, selected, out),
            StoreAnswer::Told => {
                let mut rows = rows_of(&snapshot, mailbox, batch)?;
                rows.retain(|row| update.modified.binary_search(&row.uid).is_err());
                tell::know_keywords(selected, &snapshot, &rows, out)?;
                self.answer(&rows, selected, out);
            }
        }
        settle(&update.changed, selected);
        Ok(())
    }

    fn leave_alone(&mut self, uids: &[Uid], selected: &Selected) {
        let numbers = uids.iter().filter_map(|uid| match self.store.numbering {
            Numbering::Uid => Some(uid.get()),
            Numbering::Sequence => selected.view.seq(*uid),
        });
        self.modified.extend(numbers);
    }

    fn answer(&self, rows: &[MessageRow], selected: &mut Selected, out: &mut Vec<u8>) {
        for row in rows {
            let Some(seq) = selected.view.seq(row.uid) else {
                continue;
            };
            put!(out, "* {seq} FETCH (");
            self.put_uid(row.uid, out);
            out.extend_from_slice(b"FLAGS (");
            flags::of_message(out, row.flags, &selected.keywords);
            out.push(b')');
            if selected.user.enabled.condstore {
                put!(out, " MODSEQ ({})", row.modseq);
            }
            out.extend_from_slice(b")\r\n");
            selected.view.know(row.uid, row.modseq);
        }
    }

    fn answer_silently(
        &self,
        before: &[MessageRow],
        changed: &[MessageRow],
        selected: &mut Selected,
        out: &mut Vec<u8>,
    ) {
        let given = bits(&self.store.flags, &selected.keywords);
        let before: BTreeMap<Uid, &MessageRow> = before.iter().map(|row| (row.uid, row)).collect();
        for row in changed {
            let foreseen = before.get(&row.uid).is_some_and(|old| {
                selected.view.knows(old) && row.flags == self.store.action.apply(old.flags, given)
            });
            if !foreseen {
                continue;
            }
            selected.view.know(row.uid, row.modseq);
            // The client needs the new mod-sequence even so (RFC 7162 3.1.3).
            if selected.user.enabled.condstore
                && let Some(seq) = selected.view.seq(row.uid)
            {
                put!(out, "* {seq} FETCH (");
                self.put_uid(row.uid, out);
                put!(out, "MODSEQ ({}))\r\n", row.modseq);
            }
        }
    }

    fn put_uid(&self, uid: Uid, out: &mut Vec<u8>) {
        if self.store.numbering == Numbering::Uid {
            put!(out, "UID {uid} ");
        }
    }

    fn completion(&mut self) -> Completion {
        self.modified.sort_unstable();
        if let Some(set) = SequenceSet::from_numbers(self.modified.iter().copied()) {
            return Completion::ok("some messages were changed since").with(Code::Modified(set));
        }
        // RFC 2180 4.2.2: the client still numbers messages that are gone. By UID they just do not exist.
        if self.gone && self.store.numbering == Numbering::Sequence {
            return Completion::no("some messages are gone").with(Code::ExpungeIssued);
        }
        Completion::ok("flags stored")
    }
}

/// The client knows all of one batch's changes, which have one mod-sequence.
fn settle(changed: &[MessageRow], selected: &mut Selected) {
    if let Some(first) = changed.first()
        && changed.iter().all(|row| selected.view.knows(row))
    {
        selected.view.advance(first.modseq);
    }
}

fn bits(flags: &Flags, known: &[Keyword]) -> FlagBits {
    let bits = known.iter().zip(0_u32..);
    let bits = bits.filter(|(keyword, _)| flags.keywords.contains(keyword));
    FlagBits {
        system: flags.system,
        keywords: bits.fold(0, |all, (_, bit)| all | 1_u64.checked_shl(bit).unwrap_or(0)),
    }
}
