//! What one client believes about its selected mailbox: sequence number <-> UID, and what it was told already.
//!
//! Pure: it is given rows of the store and says what to tell the client. The store keeps one modification counter, so
//! that the view needs no copy of flags: four bytes a message, plus the highest mod-sequence that the client's picture
//! includes. A comparison (`Pass`) walks the mailbox in windows, each read in a snapshot of its own, so that neither
//! 100,000 rows nor the answer to them are ever whole in memory.
//!
//! `\Recent` is not kept: RFC 9051 (appendix E, item 11) dropped it, because a flag that only one session may see cannot be
//! told to several devices; RFC 3501 2.3.2 lets a server that cannot tell treat messages as not recent: RECENT is 0.

use std::collections::BTreeMap;

use crate::imap::syntax::command::Numbering;
use crate::imap::syntax::sequence::{NumberRange, SequenceNumber, SequenceSet};
use crate::mail::ids::{ModSeq, Uid};
use crate::store::types::MessageRow;

/// Messages compared in one step of a pass.
pub const PASS_WINDOW_MESSAGES: usize = 1000;

/// A session's picture of its selected mailbox.
#[derive(Debug, Clone)]
pub struct MailboxView {
    /// UIDs in order of sequence number, strictly ascending.
    uids: Vec<Uid>,
    /// The client was told every change up to this mod-sequence.
    told: ModSeq,
    /// Later states of single messages that the client knows of, because it made or fetched them.
    known: BTreeMap<Uid, ModSeq>,
    /// Messages are gone that the client still numbers.
    withheld: bool,
}

/// Whether EXPUNGE may be sent now (RFC 3501 7.4.1: not while FETCH, STORE or SEARCH is answered).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expunges {
    /// Tell them and renumber.
    Tell,
    /// Keep the numbers; tell them in a later pass.
    Withhold,
}

/// A comparison under way; see [`MailboxView::begin`].
#[derive(Debug)]
pub struct Pass {
    target: ModSeq,
    expunges: Expunges,
    /// Index of the first message not compared yet.
    next: usize,
    withheld: bool,
    finished: bool,
}

/// What to tell the client after one step: first `expunged` in this order, then `flags`, then `exists`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Sequence numbers and UIDs gone, descending, so that each number is right when it is read.
    pub expunged: Vec<(u32, Uid)>,
    /// Messages with flags that the client does not know, by their sequence numbers after the expunges.
    pub flags: Vec<(u32, MessageRow)>,
    /// The new number of messages, if any came.
    pub exists: Option<u32>,
}

/// A sequence number beyond the messages that there are (RFC 9051 6.4: answered BAD).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are only {exists} messages")]
pub struct Beyond {
    /// Number of messages.
    pub exists: u32,
}

impl MailboxView {
    /// A picture that has `rows` (ascending by UID) and every change up to `highest`.
    pub fn new(rows: &[MessageRow], highest: ModSeq) -> Self {
        Self {
            uids: rows.iter().map(|row| row.uid).collect(),
            told: highest,
            known: BTreeMap::new(),
            withheld: false,
        }
    }

    /// Number of messages that the client knows of.
    pub fn exists(&self) -> u32 {
        u32::try_from(self.uids.len()).unwrap_or(u32::MAX)
    }

    /// The mod-sequence up to which the client's picture is complete.
    pub fn told(&self) -> ModSeq {
        self.told
    }

    /// UID of a sequence number (from 1).
    pub fn uid(&self, seq: u32) -> Option<Uid> {
        let index = usize::try_from(seq.checked_sub(1)?).ok()?;
        self.uids.get(index).copied()
    }

    /// Sequence number of a UID.
    pub fn seq(&self, uid: Uid) -> Option<u32> {
        let index = self.uids.binary_search(&uid).ok()?;
        u32::try_from(index + 1).ok()
    }

    /// UID of the last message.
    pub fn last_uid(&self) -> Option<Uid> {
        self.uids.last().copied()
    }

    /// UIDs of the sequence numbers `first` to `last`, clamped to what exists.
    pub fn uids_between(&self, first: u32, last: u32) -> &[Uid] {
        let from = usize::try_from(first.saturating_sub(1)).unwrap_or(usize::MAX);
        let to = usize::try_from(last).unwrap_or(usize::MAX);
        let to = to.min(self.uids.len());
        self.uids.get(from..to).unwrap_or_default()
    }

    /// UIDs of ranges of sequence numbers.
    pub fn uids_of(&self, ranges: &[NumberRange]) -> Vec<Uid> {
        let ranges = ranges.iter();
        let uids = ranges.flat_map(|range| self.uids_between(range.from, range.to));
        uids.copied().collect()
    }

    /// Sequence numbers (first, last) of the messages with UIDs from `from` to `to`; `None` if there are none.
    pub fn seqs_of(&self, from: Uid, to: Uid) -> Option<(u32, u32)> {
        let first = self.uids.partition_point(|uid| *uid < from);
        let end = self.uids.partition_point(|uid| *uid <= to);
        let some = first < end;
        let seqs = || Some((u32::try_from(first + 1).ok()?, u32::try_from(end).ok()?));
        some.then(seqs).flatten()
    }

    /// The sequence numbers that a set of numbers or UIDs means, ascending and without overlap. UIDs that do not exist
    /// are passed over (RFC 3501 6.4.8).
    pub fn resolve(&self, set: &SequenceSet, by: Numbering) -> Result<Vec<NumberRange>, Beyond> {
        match by {
            Numbering::Sequence => self.resolve_numbers(set),
            Numbering::Uid => Ok(self.resolve_uids(set)),
        }
    }

    fn resolve_numbers(&self, set: &SequenceSet) -> Result<Vec<NumberRange>, Beyond> {
        let exists = self.exists();
        // `1:*` is how clients say "all", also of an empty mailbox: it is no error then.
        if exists == 0
            && set
                .elements()
                .all(|range| range.to == SequenceNumber::Largest)
        {
            return Ok(Vec::new());
        }
        let ranges = set.ranges(exists);
        let fits = ranges.iter().all(|range| range.to <= exists);
        fits.then_some(ranges).ok_or(Beyond { exists })
    }

    fn resolve_uids(&self, set: &SequenceSet) -> Vec<NumberRange> {
        let ranges = set.ranges(self.last_uid().map_or(0, Uid::get)).into_iter();
        let seqs = ranges.filter_map(|range| {
            let (from, to) = self.seqs_of(Uid::new(range.from)?, Uid::new(range.to)?)?;
            Some(NumberRange { from, to })
        });
        seqs.collect()
    }

    /// Remembers that the client knows the state of `uid` as of `modseq`, so that no pass tells it again.
    pub fn know(&mut self, uid: Uid, modseq: ModSeq) {
        if modseq > self.told {
            self.known.insert(uid, modseq);
        }
    }

    /// The session itself made the change with this mod-sequence, and the client knows all of it. If nothing else can
    /// have happened in between, the picture is complete up to there and no pass has to find that out.
    pub fn advance(&mut self, modseq: ModSeq) {
        if self.told.get().checked_add(1) == Some(modseq.get()) {
            self.told = modseq;
            self.known.retain(|_, at| *at > modseq);
        }
    }

    /// The session itself removed these messages (ascending) by a change that took `steps` mod-sequences up to
    /// `modseq`. What to tell, if nothing else can have happened in between; `None` if only a pass can find out.
    pub fn removed(&mut self, gone: &[Uid], modseq: ModSeq, steps: u64) -> Option<Changes> {
        let next = self.told.get().checked_add(steps)?;
        if gone.is_empty() || self.withheld || next != modseq.get() {
            return None;
        }
        let index = |uid: &Uid| self.uids.binary_search(uid).ok();
        let indices: Vec<usize> = gone.iter().filter_map(index).collect();
        let expunged = self.remove(0, &indices);
        self.told = modseq;
        self.known.retain(|_, at| *at > modseq);
        Some(Changes {
            expunged,
            ..Changes::default()
        })
    }

    /// Whether the client knows the state that `row` shows, or will hear no more of it.
    pub fn knows(&self, row: &MessageRow) -> bool {
        row.modseq <= self.told || self.known.get(&row.uid).is_some_and(|at| row.modseq <= *at)
    }

    /// Whether a pass would have something to look for, given the mailbox's highest mod-sequence.
    pub fn is_behind(&self, highest: ModSeq, expunges: Expunges) -> bool {
        highest > self.told || (self.withheld && expunges == Expunges::Tell)
    }

    /// Begins a comparison. `highest` is the mailbox's highest mod-sequence, read before any of the rows.
    pub fn begin(&self, highest: ModSeq, expunges: Expunges) -> Pass {
        Pass {
            target: highest.max(self.told),
            expunges,
            next: 0,
            withheld: false,
            finished: false,
        }
    }

    /// The UIDs (first, last) whose rows the next step needs; `None` when the pass is finished.
    pub fn wanted(&self, pass: &Pass) -> Option<(Uid, Uid)> {
        if pass.finished {
            return None;
        }
        match self.window(pass) {
            [first, .., last] => Some((*first, *last)),
            [only] => Some((*only, *only)),
            [] => Some((self.first_unknown(), Uid::MAX)),
        }
    }

    /// Compares the rows asked for by [`Self::wanted`] and takes over what they show.
    pub fn step(&mut self, pass: &mut Pass, rows: &[MessageRow]) -> Changes {
        let window = self.window(pass).len();
        if window == 0 {
            return self.finish(pass, rows);
        }
        let gone = missing(self.window(pass), rows);
        let mut changes = Changes::default();
        match pass.expunges {
            Expunges::Tell => changes.expunged = self.remove(pass.next, &gone),
            Expunges::Withhold => pass.withheld |= !gone.is_empty(),
        }
        changes.flags = self.unknown(rows);
        pass.next += window - changes.expunged.len();
        changes
    }

    /// The messages of the next step.
    fn window(&self, pass: &Pass) -> &[Uid] {
        let rest = self.uids.get(pass.next..).unwrap_or_default();
        rest.get(..PASS_WINDOW_MESSAGES).unwrap_or(rest)
    }

    fn first_unknown(&self) -> Uid {
        let after = |last: Uid| Uid::new(last.get().saturating_add(1));
        self.last_uid().and_then(after).unwrap_or(Uid::MIN)
    }

    /// Removes the messages at indices `gone` (ascending, relative to `base`) and names them descending.
    fn remove(&mut self, base: usize, gone: &[usize]) -> Vec<(u32, Uid)> {
        let (Some(first), Some(last)) = (gone.first(), gone.last()) else {
            return Vec::new();
        };
        let named = gone.iter().rev().filter_map(|index| {
            let uid = self.uids.get(base + index)?;
            Some((u32::try_from(base + index + 1).ok()?, *uid))
        });
        let named: Vec<_> = named.collect();
        let touched = base + first..=base + last;
        let mut index = *first;
        let kept = self.uids.get(touched.clone()).unwrap_or_default().iter();
        let kept = kept.filter(|_| {
            index += 1;
            gone.binary_search(&(index - 1)).is_err()
        });
        let kept: Vec<Uid> = kept.copied().collect();
        self.uids.splice(touched, kept);
        named
    }

    fn unknown(&self, rows: &[MessageRow]) -> Vec<(u32, MessageRow)> {
        let unknown = rows.iter().filter(|row| !self.knows(row));
        unknown
            .filter_map(|row| Some((self.seq(row.uid)?, *row)))
            .collect()
    }

    /// Takes in new messages and ends the pass.
    fn finish(&mut self, pass: &mut Pass, rows: &[MessageRow]) -> Changes {
        let before = self.uids.len();
        let last = self.last_uid();
        let new = rows.iter().map(|row| row.uid);
        self.uids.extend(new.filter(|uid| Some(*uid) > last));
        pass.finished = true;
        self.told = pass.target;
        self.withheld = pass.withheld;
        self.known.retain(|_, at| *at > pass.target);
        Changes {
            exists: (self.uids.len() > before).then(|| self.exists()),
            ..Changes::default()
        }
    }
}

/// Indices of those of `uids` that `rows` lack; both ascending.
fn missing(uids: &[Uid], rows: &[MessageRow]) -> Vec<usize> {
    let mut rows = rows.iter().peekable();
    let gone = uids.iter().enumerate().filter(|(_, uid)| {
        while rows.next_if(|row| row.uid < **uid).is_some() {}
        rows.next_if(|row| row.uid == **uid).is_none()
    });
    gone.map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests;
