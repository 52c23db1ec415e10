//! One message on its way: MAIL, RCPT, then DATA or BDAT, pipelined where that is offered (RFC 2920, RFC 3030).
//!
//! [`Transaction::send_next`] writes the next command as soon as it may be sent and notes which reply is due for it;
//! [`Transaction::take`] gives the replies to those in order. Each recipient has a slot that is settled once. With
//! CHUNKING the message waits until a recipient was accepted, so that none travels in vain; with DATA the server's
//! leave comes in between anyway.

use std::collections::{BTreeSet, VecDeque};

use super::body::{Body, Framing};
use super::envelope::{Envelope, Recipient};
use super::extensions::{Extensions, Limits};
use super::outcome::{Cause, Fate, Loss, Phase};
use super::reply::{Class, Reply};
use crate::mail::address::Domain;
use crate::mail::transport::BodyType;

/// Most commands whose replies are outstanding. Bounds what both sides have to hold.
const PIPELINED_MAX: usize = 100;

/// How many bytes a chunk has at least, but for the last.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

/// A transaction under way.
#[derive(Debug)]
pub(super) struct Transaction {
    envelope: Envelope,
    slots: Vec<Slot>,
    due: VecDeque<Due>,
    next: Next,
    mail: Mail,
    body: Body,
    transfer: Transfer,
    /// Bytes for the next chunk.
    chunk: Vec<u8>,
    /// Whether the caller was told that the message is wanted.
    told: bool,
    /// Whether the server forgets the transaction by itself.
    ended: bool,
}

/// One recipient.
#[derive(Debug)]
enum Slot {
    Waiting,
    Accepted,
    Settled(Fate),
}

/// A reply that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Mail,
    Rcpt(usize),
    Data,
    Chunk,
    End,
}

/// What is sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Mail,
    Rcpt(usize),
    /// DATA, or the first chunk.
    Message,
    /// What the caller gives.
    Body,
    /// The last chunk.
    LastChunk,
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mail {
    Waiting,
    Accepted,
    Refused,
    /// Refused, but then a recipient was accepted: nobody knows what the server would deliver.
    Confused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transfer {
    Data,
    Chunks,
}

/// What comes of a reply.
#[derive(Debug)]
pub(super) enum Step {
    /// See [`Transaction::is_over`].
    GoOn,
    /// The connection cannot be used any more.
    Unexpected(Reply),
}

/// Which recipients the server takes in this transaction (RFC 9422 4.2, 4.3): so many, and those whose domains it had
/// on this connection, in `domains`, or whose are not too many more.
pub(super) fn taken(
    envelope: &Envelope,
    limits: &Limits,
    domains: &mut BTreeSet<Domain>,
) -> Vec<bool> {
    let most = |limit: Option<u32>| {
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        limit.unwrap_or(usize::MAX)
    };
    let (rcpt_max, domain_max) = (most(limits.rcpt_max), most(limits.rcpt_domain_max));
    let mut count = 0;
    let mut is_taken = |recipient: &Recipient| {
        let domain = recipient.address.domain();
        let fits = domains.len() < domain_max || domains.contains(domain);
        if count >= rcpt_max || !fits {
            return false;
        }
        count += 1;
        if limits.rcpt_domain_max.is_some() {
            domains.insert(domain.clone());
        }
        true
    };
    envelope.recipients.iter().map(&mut is_taken).collect()
}

impl Transaction {
    /// The envelope must have passed [`Envelope::check`]; `is_taken` says of each recipient whether it is tried.
    pub(super) fn new(envelope: Envelope, is_taken: &[bool], extensions: &Extensions) -> Self {
        let transfer = if extensions.chunking {
            Transfer::Chunks
        } else {
            Transfer::Data
        };
        let framing = match (transfer, envelope.body) {
            (Transfer::Data, _) => Framing::Dots,
            (Transfer::Chunks, BodyType::Binary) => Framing::Binary,
            (Transfer::Chunks, BodyType::SevenBit | BodyType::EightBitMime) => Framing::Text,
        };
        let slot = |is_taken: &bool| {
            if *is_taken {
                Slot::Waiting
            } else {
                Slot::Settled(Fate::Transient(Cause::RecipientsMax))
            }
        };
        Self {
            slots: is_taken.iter().map(slot).collect(),
            envelope,
            due: VecDeque::new(),
            next: Next::Mail,
            mail: Mail::Waiting,
            body: Body::new(framing),
            transfer,
            chunk: Vec::new(),
            told: false,
            ended: false,
        }
    }

    /// What is waited for, for the timeout.
    pub(super) fn phase(&self) -> Phase {
        self.due.front().map_or(Phase::Body, |due| due.phase())
    }

    /// Whether the server may have the whole message.
    pub(super) fn end_is_sent(&self) -> bool {
        self.due.contains(&Due::End)
    }

    /// Nothing more is sent or due.
    pub(super) fn is_over(&self) -> bool {
        self.next == Next::Nothing && self.due.is_empty()
    }

    /// Whether the server still holds a transaction that RSET has to end.
    pub(super) fn needs_reset(&self) -> bool {
        !self.ended
    }

    /// Whether the caller should give the next piece of the message.
    pub(super) fn takes_body(&self) -> bool {
        self.next == Next::Body && self.chunk.len() < CHUNK_BYTES
    }

    /// Whether the caller has yet to be told that the message is wanted; true once.
    pub(super) fn tell_wanted(&mut self) -> bool {
        let tell = self.next == Next::Body && !self.told;
        self.told |= tell;
        tell
    }

    /// Takes a piece of the message. When the server wants no more of it, it is dropped.
    pub(super) fn body(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.next != Next::Body {
            return;
        }
        match self.transfer {
            Transfer::Data => self.body.push(bytes, out),
            Transfer::Chunks => self.body.push(bytes, &mut self.chunk),
        }
    }

    /// That was all of the message.
    pub(super) fn body_end(&mut self, out: &mut Vec<u8>) {
        if self.next != Next::Body {
            return;
        }
        match self.transfer {
            Transfer::Data => {
                self.body.finish(out);
                self.due.push_back(Due::End);
                self.next = Next::Nothing;
            }
            Transfer::Chunks => {
                self.body.finish(&mut self.chunk);
                self.next = Next::LastChunk;
            }
        }
    }

    /// Writes the next command if it may be sent now; `false` if not.
    pub(super) fn send_next(&mut self, extensions: &Extensions, out: &mut Vec<u8>) -> bool {
        let pipelined = extensions.pipelining && self.due.len() < PIPELINED_MAX;
        if !self.due.is_empty() && !pipelined {
            return false;
        }
        match self.next {
            Next::Mail => {
                let mail = self.envelope.mail(extensions);
                self.send(&mail, Due::Mail, Next::Rcpt(0), out);
                true
            }
            Next::Rcpt(at) => {
                self.send_rcpt(at, extensions, out);
                true
            }
            Next::Message => self.begin_message(extensions, out),
            Next::Body if self.chunk.len() >= CHUNK_BYTES => {
                self.send_chunk(Due::Chunk, Next::Body, out);
                true
            }
            Next::LastChunk => {
                self.send_chunk(Due::End, Next::Nothing, out);
                true
            }
            Next::Body | Next::Nothing => false,
        }
    }

    fn send(&mut self, command: &str, due: Due, next: Next, out: &mut Vec<u8>) {
        out.extend_from_slice(command.as_bytes());
        self.due.push_back(due);
        self.next = next;
    }

    fn send_rcpt(&mut self, at: usize, extensions: &Extensions, out: &mut Vec<u8>) {
        let all = self.slots.iter().zip(&self.envelope.recipients);
        let mut untried = all.enumerate().skip(at);
        match untried.find(|(_, (slot, _))| matches!(slot, Slot::Waiting)) {
            Some((at, (_, recipient))) => {
                let rcpt = recipient.rcpt(extensions);
                self.send(&rcpt, Due::Rcpt(at), Next::Rcpt(at + 1), out);
            }
            None => self.next = Next::Message,
        }
    }

    fn begin_message(&mut self, extensions: &Extensions, out: &mut Vec<u8>) -> bool {
        let waits = self.transfer == Transfer::Chunks || !extensions.pipelining;
        if waits && !self.due.is_empty() {
            return false;
        }
        if self.due.is_empty() && !self.has_accepted() {
            self.next = Next::Nothing;
            return false;
        }
        match self.transfer {
            Transfer::Data => self.send("DATA\r\n", Due::Data, Next::Nothing, out),
            Transfer::Chunks => self.next = Next::Body,
        }
        true
    }

    fn send_chunk(&mut self, due: Due, next: Next, out: &mut Vec<u8>) {
        let last = if due == Due::End { " LAST" } else { "" };
        let command = format!("BDAT {}{last}\r\n", self.chunk.len());
        self.send(&command, due, next, out);
        out.append(&mut self.chunk);
    }

    fn has_accepted(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot, Slot::Accepted))
    }

    /// Takes the reply that is due next.
    pub(super) fn take(&mut self, reply: Reply, out: &mut Vec<u8>) -> Step {
        let refused = matches!(reply.class(), Class::Transient | Class::Permanent);
        let Some(due) = self.due.pop_front() else {
            // Amid DATA: some servers say so when they have read enough. The rest would be taken for commands.
            if refused {
                self.settle(&Fate::refused(Phase::Body, reply.clone()));
            }
            return Step::Unexpected(reply);
        };
        match (due, reply.class()) {
            (Due::Data, Class::GoOn) => self.take_leave(reply, out),
            (Due::Mail | Due::Rcpt(_) | Due::Chunk | Due::End, Class::GoOn)
            | (Due::Data, Class::Done) => {
                self.due.push_front(due);
                Step::Unexpected(reply)
            }
            (Due::Mail, Class::Done) => {
                self.mail = Mail::Accepted;
                Step::GoOn
            }
            (Due::Chunk, Class::Done) => Step::GoOn,
            (Due::Rcpt(at), _) => {
                self.take_rcpt(at, reply);
                Step::GoOn
            }
            (Due::End, Class::Done) => {
                self.ended = true;
                self.settle_accepted(&Fate::Delivered(reply));
                Step::GoOn
            }
            (
                Due::Mail | Due::Data | Due::Chunk | Due::End,
                Class::Transient | Class::Permanent,
            ) => {
                self.take_refusal(due, reply);
                Step::GoOn
            }
        }
    }

    /// 354
    fn take_leave(&mut self, reply: Reply, out: &mut Vec<u8>) -> Step {
        if self.has_accepted() {
            self.next = Next::Body;
            return Step::GoOn;
        }
        if self.mail == Mail::Confused {
            self.due.push_front(Due::Data);
            return Step::Unexpected(reply);
        }
        // RFC 2920 3.1: the server waits for a message though it has nobody to give it to.
        self.send(".\r\n", Due::End, Next::Nothing, out);
        Step::GoOn
    }

    fn take_rcpt(&mut self, at: usize, reply: Reply) {
        let accepted = reply.class() == Class::Done;
        if accepted && self.mail == Mail::Refused {
            self.mail = Mail::Confused;
        }
        if let Some(slot @ Slot::Waiting) = self.slots.get_mut(at) {
            *slot = if accepted {
                Slot::Accepted
            } else {
                Slot::Settled(Fate::refused(Phase::Rcpt, reply))
            };
        }
    }

    fn take_refusal(&mut self, due: Due, reply: Reply) {
        // RFC 5321 4.1.1.4: after the dot the server forgets, whatever it says. A chunk it does not (RFC 3030 2).
        self.ended |= due == Due::End && self.transfer == Transfer::Data;
        if due == Due::Mail {
            self.mail = Mail::Refused;
        }
        self.settle(&Fate::refused(due.phase(), reply));
        self.next = Next::Nothing;
        self.chunk = Vec::new();
    }

    fn settle(&mut self, fate: &Fate) {
        for slot in &mut self.slots {
            if !matches!(slot, Slot::Settled(_)) {
                *slot = Slot::Settled(fate.clone());
            }
        }
    }

    fn settle_accepted(&mut self, fate: &Fate) {
        for slot in &mut self.slots {
            if matches!(slot, Slot::Accepted) {
                *slot = Slot::Settled(fate.clone());
            }
        }
    }

    /// The server closes the connection (421): those undecided may be tried again.
    pub(super) fn shut_down(&mut self, reply: &Reply) {
        let cause = Cause::Refused(self.phase(), reply.clone());
        self.settle(&Fate::Transient(cause));
    }

    /// The connection is lost.
    pub(super) fn lose(&mut self, loss: &Loss) {
        // Once the end was sent, the server may have taken the message, whichever reply was read last.
        let phase = if self.end_is_sent() {
            Phase::End
        } else {
            self.phase()
        };
        self.settle(&Fate::Transient(Cause::Lost(phase, loss.clone())));
    }

    /// What became of each recipient, in the envelope's order.
    pub(super) fn fates(self) -> Vec<Fate> {
        let fate = |slot| match slot {
            Slot::Settled(fate) => fate,
            Slot::Waiting | Slot::Accepted => {
                Fate::Transient(Cause::Lost(Phase::End, Loss::Abandoned))
            }
        };
        self.slots.into_iter().map(fate).collect()
    }
}

impl Due {
    fn phase(self) -> Phase {
        match self {
            Self::Mail => Phase::Mail,
            Self::Rcpt(_) => Phase::Rcpt,
            Self::Data => Phase::Data,
            Self::Chunk => Phase::Body,
            Self::End => Phase::End,
        }
    }
}
