//! SEARCH and UID SEARCH (RFC 3501 6.4.4, 7.2.5; RFC 5032; RFC 7162 3.1.5): a task.
//!
//! Each message is decided by as little as possible: its row, then its record with the cached ENVELOPE, and only if
//! that leaves it open, its header and body, which stream by in pieces. A step reads one window of rows, some records or
//! one piece. The answer goes out in pieces too.

mod compile;

use std::collections::VecDeque;

use crate::imap::command::fetch::content::Content;
use crate::imap::command::{Ctx, Reply, store_failure};
use crate::imap::session::rows::rows_of;
use crate::imap::session::state::Selected;
use crate::imap::session::task::{Step, Task};
use crate::imap::session::{Services, tell};
use crate::imap::syntax::command::{Numbering, Search};
use crate::imap::syntax::lexer::Dialect;
use crate::imap::syntax::render::put;
use crate::imap::syntax::response::Completion;
use crate::mail::ids::ModSeq;
use crate::mail::mime::Summary;
use crate::mail::mime::surrogate::is_needed;
use crate::search::plan::{Facts, Plan};
use crate::search::reading::Reading;
use crate::store::types::{MessageRecord, MessageRow};
use crate::store::{Error, Result, Snapshot};

/// Messages whose rows one step looks at.
const WINDOW_MESSAGES: u32 = 1000;

/// Messages whose records one step reads.
const RECORDS_MAX: usize = 64;

/// Numbers that one step writes.
const NUMBERS_MAX: usize = 4000;

/// A SEARCH under way.
#[derive(Debug)]
pub struct SearchTask {
    numbering: Numbering,
    dialect: Dialect,
    plan: Plan,
    asks_modseq: bool,
    /// Sequence number of the next message to look at.
    next: u32,
    /// Messages that their rows did not decide.
    open: VecDeque<Candidate>,
    /// The message whose bytes are read.
    reading: Option<(Candidate, Box<Reading>)>,
    found: Vec<u32>,
    highest: Option<ModSeq>,
    answer: Answer,
}

/// A message that may match.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    seq: u32,
    row: MessageRow,
}

/// What its record says of a message.
#[derive(Debug)]
struct Message {
    record: MessageRecord,
    summary: Summary,
    /// Its bytes, if they are open already.
    content: Option<Content>,
}

/// How much of the answer is written.
#[derive(Debug)]
enum Answer {
    /// Still looking.
    None,
    /// So many numbers.
    Numbers(usize),
}

/// Begins to look.
pub fn run(search: &Search, ctx: &mut Ctx<'_>) -> Reply {
    let today = ctx.now;
    let selected = match ctx.selected() {
        Ok(selected) => selected,
        Err(completion) => return completion.into(),
    };
    let plan = compile::compile(&search.key, selected, today);
    let dialect = selected.user.enabled.dialect;
    let asks_modseq = search.key.asks_modseq();
    if asks_modseq {
        tell::enable_condstore(ctx.state, ctx.out);
    }
    Reply::Task(Box::new(Task::Search(SearchTask {
        numbering: search.numbering,
        dialect,
        plan,
        asks_modseq,
        next: 1,
        open: VecDeque::new(),
        reading: None,
        found: Vec::new(),
        highest: None,
        answer: Answer::None,
    })))
}

impl SearchTask {
    /// Does the next piece.
    pub fn step(&mut self, ctx: &mut Ctx<'_>) -> Step {
        let services = ctx.services;
        let Some(selected) = ctx.state.selected_mut() else {
            return Step::Done(Completion::bad("no mailbox is selected"));
        };
        if let Answer::Numbers(written) = self.answer {
            return self.write(written, ctx.out);
        }
        match self.look(selected, services) {
            Ok(()) => Step::More,
            Err(error) => Step::Done(store_failure(&error)),
        }
    }

    fn look(&mut self, selected: &Selected, services: &Services) -> Result<()> {
        if let Some((candidate, reading)) = self.reading.take() {
            self.read(candidate, reading);
            return Ok(());
        }
        if !self.open.is_empty() {
            return self.look_at_records(services);
        }
        if self.next <= selected.view.exists() {
            return self.look_at_rows(selected, services);
        }
        self.found.sort_unstable();
        self.answer = Answer::Numbers(0);
        Ok(())
    }

    fn look_at_rows(&mut self, selected: &Selected, services: &Services) -> Result<()> {
        let last = self.next.saturating_add(WINDOW_MESSAGES - 1);
        let uids = selected.view.uids_between(self.next, last);
        self.next = last.saturating_add(1);
        let rows = rows_of(&services.store.snapshot()?, selected.mailbox, uids)?;
        for row in rows {
            let Some(seq) = selected.view.seq(row.uid) else {
                continue;
            };
            let candidate = Candidate { seq, row };
            match self.plan.test(&Facts::of_row(seq, &row)) {
                Some(true) => self.matches(&candidate),
                Some(false) => {}
                None => self.open.push_back(candidate),
            }
        }
        Ok(())
    }

    fn look_at_records(&mut self, services: &Services) -> Result<()> {
        let snapshot = services.store.snapshot()?;
        for _ in 0..RECORDS_MAX {
            let Some(candidate) = self.open.pop_front() else {
                return Ok(());
            };
            // Gone meanwhile: it matches nothing.
            let Some(message) = message(&snapshot, &candidate)? else {
                continue;
            };
            let Some(message) = there(self.shown(message, services))? else {
                continue;
            };
            let facts = Facts::of_row(candidate.seq, &candidate.row);
            match self
                .plan
                .test(&facts.with_record(&message.record, &message.summary))
            {
                Some(true) => self.matches(&candidate),
                Some(false) => {}
                None => {
                    let reading = self.begin_reading(&candidate, message, services);
                    self.reading = there(reading)?.map(|reading| (candidate, Box::new(reading)));
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// What is looked for is looked for in what FETCH shows this client, its size included.
    fn shown(&self, mut message: Message, services: &Services) -> Result<Message> {
        let Message {
            record, summary, ..
        } = &mut message;
        if self.dialect == Dialect::Utf7 && is_needed(summary, &record.prefix) {
            let content = Content::open_surrogate(&services.store, record, summary)?;
            message.content = Some(content);
        }
        Ok(message)
    }

    fn begin_reading(
        &self,
        candidate: &Candidate,
        message: Message,
        services: &Services,
    ) -> Result<Reading> {
        let content = match message.content {
            Some(content) => content,
            None => Content::open(&services.store, &message.record)?,
        };
        Reading::begin(
            (candidate.seq, candidate.row),
            (message.record, message.summary),
            content.into_reader(),
            &self.plan,
        )
    }

    fn read(&mut self, candidate: Candidate, mut reading: Box<Reading>) {
        match reading.step(&self.plan) {
            Ok(Some(true)) => self.matches(&candidate),
            Ok(Some(false)) => {}
            Ok(None) => self.reading = Some((candidate, reading)),
            Err(error) => {
                tracing::error!(%error, "a message cannot be searched");
            }
        }
    }

    fn matches(&mut self, candidate: &Candidate) {
        self.found.push(match self.numbering {
            Numbering::Sequence => candidate.seq,
            Numbering::Uid => candidate.row.uid.get(),
        });
        self.highest = self.highest.max(Some(candidate.row.modseq));
    }

    fn write(&mut self, written: usize, out: &mut Vec<u8>) -> Step {
        if written == 0 {
            out.extend_from_slice(b"* SEARCH");
        }
        let rest = self.found.get(written..).unwrap_or_default();
        for number in rest.iter().take(NUMBERS_MAX) {
            put!(out, " {number}");
        }
        if rest.len() > NUMBERS_MAX {
            self.answer = Answer::Numbers(written + NUMBERS_MAX);
            return Step::More;
        }
        // RFC 7162 3.1.5: only if something was found.
        if let (true, Some(highest)) = (self.asks_modseq, self.highest) {
            put!(out, " (MODSEQ {highest})");
        }
        out.extend_from_slice(b"\r\n");
        Step::Done(Completion::ok("SEARCH done"))
    }
}

fn message(snapshot: &Snapshot, candidate: &Candidate) -> Result<Option<Message>> {
    let Some(record) = snapshot.record(candidate.row.serial)? else {
        return Ok(None);
    };
    match Summary::decode(&record.summary) {
        Ok(summary) => Ok(Some(Message {
            record,
            summary,
            content: None,
        })),
        Err(error) => Err(Error::Fault(format!("a message's summary: {error}"))),
    }
}

/// What is gone meanwhile matches nothing.
fn there<T>(opened: Result<T>) -> Result<Option<T>> {
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
