//! FETCH and UID FETCH (RFC 3501 6.4.5, 7.4.2; RFC 7162 3.1.4): a task, one message after the other.
//!
//! Messages are read in small batches, each in a short snapshot; bodies stream in pieces. Neither a large message nor
//! many messages are ever whole in memory, and a slow client holds nothing open.

mod batch;
pub(in crate::imap::command) mod content;
mod header;
mod message;
mod section;

use std::collections::VecDeque;

use crate::imap::command::{Ctx, Reply, store_failure};
use crate::imap::session::state::Selected;
use crate::imap::session::task::{Step, Task};
use crate::imap::session::{Services, tell};
use crate::imap::syntax::command::{Access, Fetch, Numbering};
use crate::imap::syntax::fetch::FetchItem;
use crate::imap::syntax::lexer::Dialect;
use crate::imap::syntax::response::{Code, Completion};
use crate::imap::syntax::sequence::SequenceSet;
use crate::mail::ids::{ModSeq, Uid};
use crate::store::Error;
use batch::{Cursor, Found};
use message::{Answering, Progress};

pub use content::{HEADER_BYTES_MAX, READ_BYTES_MAX};

/// Most items of one FETCH.
pub const FETCH_ITEMS_MAX: usize = 100;

/// Most UIDs that one response tells as downgraded; RFC 6858 3 does not ask for all.
pub const DOWNGRADED_UIDS_MAX: usize = 1000;

/// What is asked of every message.
#[derive(Debug)]
struct Plan {
    items: Vec<FetchItem>,
    numbering: Numbering,
    changed_since: Option<ModSeq>,
    marks_seen: bool,
    needs: Needs,
    dialect: Dialect,
}

/// How much of a message has to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Needs {
    Row,
    Record,
    Content,
}

/// A FETCH under way.
#[derive(Debug)]
pub struct FetchTask {
    plan: Plan,
    cursor: Cursor,
    /// Messages read and not answered yet.
    batch: VecDeque<Found>,
    /// The message that is being answered.
    message: Option<Box<Answering>>,
    trouble: Trouble,
    /// UIDs of messages that others are shown in place of.
    downgraded: Vec<u32>,
}

/// What went wrong with single messages.
#[derive(Debug, Default, Clone, Copy)]
struct Trouble {
    /// Some were expunged by another session.
    gone: bool,
    /// Some cannot be read.
    unreadable: bool,
}

/// Begins to answer.
pub fn run(fetch: Fetch, ctx: &mut Ctx<'_>) -> Reply {
    let selected = match ctx.selected() {
        Ok(selected) => selected,
        Err(completion) => return completion.into(),
    };
    if fetch.items.len() > FETCH_ITEMS_MAX {
        return Completion::bad("too many items").into();
    }
    let ranges = match selected.view.resolve(&fetch.set, fetch.numbering) {
        Ok(ranges) => ranges,
        Err(beyond) => return Completion::bad(beyond.to_string()).into(),
    };
    let plan = Plan::new(fetch, selected);
    if plan.items.contains(&FetchItem::ModSeq) {
        tell::enable_condstore(ctx.state, ctx.out);
    }
    Reply::Task(Box::new(Task::Fetch(FetchTask {
        plan,
        cursor: Cursor::new(ranges),
        batch: VecDeque::new(),
        message: None,
        trouble: Trouble::default(),
        downgraded: Vec::new(),
    })))
}

impl Plan {
    fn new(fetch: Fetch, selected: &Selected) -> Self {
        let mut items = fetch.items;
        if fetch.numbering == Numbering::Uid && !items.contains(&FetchItem::Uid) {
            items.insert(0, FetchItem::Uid);
        }
        let changed_since = fetch.modifiers.changed_since;
        // RFC 7162 3.1.4.1: CHANGEDSINCE asks for MODSEQ too.
        if changed_since.is_some() && !items.contains(&FetchItem::ModSeq) {
            items.push(FetchItem::ModSeq);
        }
        let marks_seen =
            selected.access == Access::ReadWrite && items.iter().any(FetchItem::marks_seen);
        let needs = items.iter().map(needs).max().unwrap_or(Needs::Row);
        Self {
            items,
            numbering: fetch.numbering,
            changed_since: changed_since.and_then(ModSeq::new),
            marks_seen,
            needs,
            dialect: selected.user.enabled.dialect,
        }
    }
}

fn needs(item: &FetchItem) -> Needs {
    match item {
        FetchItem::Flags | FetchItem::Uid | FetchItem::ModSeq => Needs::Row,
        FetchItem::InternalDate
        | FetchItem::Size
        | FetchItem::Envelope
        | FetchItem::Body
        | FetchItem::BodyStructure => Needs::Record,
        FetchItem::Rfc822
        | FetchItem::Rfc822Header
        | FetchItem::Rfc822Text
        | FetchItem::Section(_) => Needs::Content,
    }
}

impl FetchTask {
    /// Does the next piece: a batch read, an item, or a piece of a body.
    pub fn step(&mut self, ctx: &mut Ctx<'_>) -> Step {
        let services = ctx.services;
        let Some(selected) = ctx.state.selected_mut() else {
            return Step::Done(Completion::bad("no mailbox is selected"));
        };
        if let Some(message) = self.message.take() {
            return self.answer(message, selected, ctx.out);
        }
        if let Some(found) = self.batch.pop_front() {
            self.open(found, services, ctx.out);
            return Step::More;
        }
        let batch = batch::load(
            &mut self.cursor,
            &self.plan,
            selected,
            services,
            (&mut self.trouble, ctx.out),
        );
        match batch {
            Ok(Some(batch)) => {
                self.batch = batch;
                Step::More
            }
            Ok(None) => Step::Done(self.completion()),
            Err(error) => Step::Done(store_failure(&error)),
        }
    }

    fn open(&mut self, found: Found, services: &Services, out: &mut Vec<u8>) {
        match Answering::begin(found, &self.plan, services, out) {
            Ok(message) => {
                if self.downgraded.len() < DOWNGRADED_UIDS_MAX {
                    self.downgraded.extend(message.downgraded().map(Uid::get));
                }
                self.message = Some(Box::new(message));
            }
            Err(Error::NotFound(_)) => self.trouble.gone = true,
            Err(error) => {
                tracing::error!(%error, "a message cannot be read");
                self.trouble.unreadable = true;
            }
        }
    }

    fn answer(
        &mut self,
        mut message: Box<Answering>,
        selected: &mut Selected,
        out: &mut Vec<u8>,
    ) -> Step {
        match message.step(&self.plan, selected, out) {
            Progress::More => {
                self.message = Some(message);
                Step::More
            }
            Progress::Done => Step::More,
            Progress::Broken => Step::Broken(unreadable()),
        }
    }

    /// RFC 2180 4.1.3, RFC 5530 3: messages gone meanwhile are left out and NO tells of it. A client that names UIDs
    /// knows that they may not exist.
    fn completion(&self) -> Completion {
        if self.trouble.unreadable {
            return unreadable();
        }
        if self.trouble.gone && self.plan.numbering == Numbering::Sequence {
            return Completion::no("some messages are gone").with(Code::ExpungeIssued);
        }
        let completion = Completion::ok("fetched");
        match SequenceSet::from_numbers(self.downgraded.iter().copied()) {
            Some(uids) => completion.with(Code::Downgraded(uids)),
            None => completion,
        }
    }
}

fn unreadable() -> Completion {
    Completion::no("a message cannot be read").with(Code::ServerBug)
}
