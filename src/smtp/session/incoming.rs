//! A message on its way in, by DATA or by BDAT (RFC 3030), and what is said at its end.
//!
//! Bytes go straight to the store's intake; nothing is held. Of BINARYMIME the binary parts become base64, since the store
//! has lines only. The first thing that goes wrong (too large, malformed,
//! store full) drops what was stored; the rest is read to its real end, and only then said.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a command is out of order in every state but those that take it, and in new ones too"
)]

use crate::clock::Now;
use crate::delivery::confirm;
use crate::delivery::dsn::HEADER_BYTES_MAX;
use crate::delivery::intake::Intake;
use crate::delivery::local::Envelope;
use crate::mail::mime::convert::Lines;
use crate::mail::transport::BodyType;
use crate::smtp::command::{self, Place};
use crate::smtp::data::{Dots, LineCheck, Malformed, Progress};
use crate::smtp::reply::{Detail, Reply};
use crate::store;

use super::dialog::{Hello, Recipients, ok, out_of_order, store_refusal, too_large};
use super::filing::Complete;
use super::inspection::Inspection;
use super::{Context, Service, State, Turn, told};

/// A message and its envelope.
#[derive(Debug)]
pub(super) struct Incoming {
    hello: Hello,
    envelope: Envelope,
    smtputf8: bool,
    /// Makes lines of what has none, with BODY=BINARYMIME.
    converter: Option<Lines>,
    lines: LineCheck,
    bytes: u64,
    taking: Taking,
}

/// What becomes of the bytes.
#[derive(Debug)]
enum Taking {
    Storing(Box<(Intake, Inspection)>),
    /// They are read and discarded, and this is why.
    Discarding(Refusal),
}

#[derive(Clone, Debug)]
enum Refusal {
    TooLarge,
    Malformed(Malformed),
    Store(store::Error),
}

impl Incoming {
    fn new(recipients: Recipients, intake: Intake, context: &Context) -> Self {
        let mail = recipients.given.mail;
        Self {
            hello: recipients.given.hello,
            envelope: Envelope {
                from: mail.from,
                to: recipients.to,
                ret: mail.ret,
                envid: mail.envid,
            },
            smtputf8: mail.smtputf8,
            converter: (mail.body == Some(BodyType::Binary)).then(Lines::new),
            lines: LineCheck::default(),
            bytes: 0,
            taking: Taking::Storing(Box::new((intake, Inspection::new(context)))),
        }
    }

    fn push(&mut self, bytes: &[u8], service: &Service) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        if let Taking::Storing(storing) = &mut self.taking {
            storing.1.see(bytes);
        }
        if self.bytes > service.limits.message_bytes_max {
            self.refuse(Refusal::TooLarge);
        } else if let Some(converter) = &mut self.converter {
            let mut lines = Vec::new();
            converter.push(bytes, &mut lines);
            self.store(&lines);
        } else {
            self.store(bytes);
        }
    }

    /// Takes bytes as they are stored.
    fn store(&mut self, bytes: &[u8]) {
        let Taking::Storing(storing) = &mut self.taking else {
            return;
        };
        let (intake, inspection) = storing.as_mut();
        self.lines.push(bytes);
        if let Some(malformed) = self.lines.malformed() {
            self.refuse(Refusal::Malformed(malformed));
        } else if let Err(error) = inspection.write(bytes, intake) {
            self.refuse(Refusal::Store(error));
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        if self.refusal().is_none() {
            self.taking = Taking::Discarding(refusal);
        }
    }

    /// What stops it so far.
    fn refusal(&self) -> Option<&Refusal> {
        match &self.taking {
            Taking::Storing(_) => None,
            Taking::Discarding(refusal) => Some(refusal),
        }
    }

    /// It has come to its end. The reply is made after the commit.
    fn finish(mut self, context: &mut Context, now: Now) -> Turn {
        if let Some(converter) = self.converter.take() {
            let mut lines = Vec::new();
            converter.finish(&mut lines);
            self.store(&lines);
        }
        let taken = match self.taking {
            Taking::Discarding(refusal) => Err(refusal),
            Taking::Storing(_) if self.lines.ends_with_cr() => {
                Err(Refusal::Malformed(Malformed::BareLineEnd))
            }
            Taking::Storing(storing) => {
                let (intake, inspection) = *storing;
                inspection.finish(intake).map_err(Refusal::Store)
            }
        };
        match taken {
            Ok((received, digested)) => {
                let complete = Complete {
                    hello: self.hello,
                    envelope: self.envelope,
                    smtputf8: self.smtputf8,
                    received,
                    bytes: self.bytes,
                };
                complete.proceed(digested, context, now)
            }
            Err(refusal) => {
                let reply = refused(&refusal, context);
                let Envelope { from, to, .. } = &self.envelope;
                told::not_taken(from, to, Some(self.bytes), &reply, context, now);
                Turn::new(State::Identified(self.hello), reply)
            }
        }
    }
}

fn refused(refusal: &Refusal, context: &Context) -> Reply {
    match refusal {
        Refusal::TooLarge => too_large(context),
        Refusal::Store(error) => store_refusal(error),
        Refusal::Malformed(Malformed::BareLineEnd) => {
            // RFC 5321 2.3.8
            let text = "Message refused: lines must end with CRLF, bare CR or LF found";
            Reply::new(554, Detail(6, 0), text)
        }
        Refusal::Malformed(Malformed::Nul) => {
            Reply::new(554, Detail(6, 0), "Message refused: it has a NUL byte")
        }
        Refusal::Malformed(Malformed::LineTooLong) => {
            Reply::new(554, Detail(6, 0), "Message refused: a line is too long")
        }
    }
}

/// Opens a place for it in the store.
fn open(recipients: &Recipients, context: &Context) -> store::Result<Intake> {
    let intake = Intake::begin(&context.service.store, recipients.given.mail.size)?;
    let is_told = recipients.to.iter().any(confirm::wants);
    Ok(intake.with_head(if is_told { HEADER_BYTES_MAX } else { 0 }))
}

/// The store does not even begin to take a mail.
fn not_begun(recipients: &Recipients, reply: &Reply, context: &Context, now: Now) {
    let command::Mail { from, size, .. } = &recipients.given.mail;
    told::not_taken(from, &recipients.to, *size, reply, context, now);
}

/// DATA under way.
#[derive(Debug)]
pub(super) struct Data {
    incoming: Incoming,
    dots: Dots,
    piece: Vec<u8>,
}

impl Data {
    /// Takes the DATA command.
    pub(super) fn begin(recipients: Recipients, context: &Context, now: Now) -> Turn {
        match open(&recipients, context) {
            Ok(intake) => {
                let data = Self {
                    incoming: Incoming::new(recipients, intake, context),
                    dots: Dots::default(),
                    piece: Vec::new(),
                };
                Turn::new(State::Data(data), Reply::plain(354, "End with CRLF.CRLF"))
            }
            Err(error) => {
                let reply = store_refusal(&error);
                not_begun(&recipients, &reply, context, now);
                Turn::new(State::Recipients(recipients), reply)
            }
        }
    }

    pub(super) fn push(&mut self, input: &[u8], service: &Service) -> Progress {
        self.piece.clear();
        let progress = self.dots.push(input, &mut self.piece);
        self.incoming.push(&self.piece, service);
        progress
    }

    /// Whether so much came that its end is not waited for any longer.
    pub(super) fn is_endless(&self, service: &Service) -> bool {
        self.incoming.bytes > service.limits.read_bytes_max()
    }

    pub(super) fn finish(self, context: &mut Context, now: Now) -> Turn {
        self.incoming.finish(context, now)
    }
}

/// Between two chunks of a message.
#[derive(Debug)]
pub(super) struct Chunks(Incoming);

impl Chunks {
    pub(super) fn into_hello(self) -> Hello {
        self.0.hello
    }
}

/// The bytes of one BDAT. They are read in any case (RFC 3030 2), since the client may have sent them already.
#[derive(Debug)]
pub(super) struct Chunk {
    left: u64,
    place: Place,
    target: Target,
}

#[derive(Debug)]
enum Target {
    Message(Box<Incoming>),
    /// Nothing takes them; afterwards it goes on with this state and reply.
    Nothing(Box<State>, Reply),
}

impl Chunk {
    /// Takes the BDAT command.
    pub(super) fn begin(state: State, chunk: command::Chunk, context: &Context, now: Now) -> Self {
        let target = match state {
            State::Chunks(chunks) => Target::Message(Box::new(chunks.0)),
            State::Recipients(recipients) => {
                match open(&recipients, context) {
                    Ok(intake) => {
                        Target::Message(Box::new(Incoming::new(recipients, intake, context)))
                    }
                    Err(error) => {
                        let reply = store_refusal(&error);
                        not_begun(&recipients, &reply, context, now);
                        // RFC 3030 2: a failed BDAT ends the transaction.
                        let state = State::Identified(recipients.given.hello);
                        Target::Nothing(Box::new(state), reply)
                    }
                }
            }
            State::MailGiven(_) => {
                let reply = Reply::new(554, Detail(5, 1), "No valid recipients");
                Target::Nothing(Box::new(state), reply)
            }
            other => Target::Nothing(Box::new(other), out_of_order("Send MAIL and RCPT first")),
        };
        Self {
            left: chunk.bytes,
            place: chunk.place,
            target,
        }
    }

    /// Takes what belongs to it of `input`; how many bytes that were.
    pub(super) fn push(&mut self, input: &[u8], service: &Service) -> usize {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let bytes = input.get(..left).unwrap_or(input);
        if let Target::Message(incoming) = &mut self.target {
            incoming.push(bytes, service);
        }
        self.left = self.left.saturating_sub(bytes.len() as u64);
        bytes.len()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.left == 0
    }

    pub(super) fn finish(self, context: &mut Context, now: Now) -> Turn {
        match (self.target, self.place) {
            (Target::Nothing(state, reply), _) => Turn::new(*state, reply),
            (Target::Message(incoming), Place::Last) => incoming.finish(context, now),
            (Target::Message(incoming), Place::Middle) => between(*incoming, context, now),
        }
    }
}

/// Each chunk has its own reply; a refusal ends the transaction (RFC 3030 2).
fn between(incoming: Incoming, context: &Context, now: Now) -> Turn {
    match incoming.refusal() {
        None => {
            let reply = ok(&format!("{} bytes so far", incoming.bytes));
            Turn::new(State::Chunks(Chunks(incoming)), reply)
        }
        Some(refusal) => {
            let reply = refused(refusal, context);
            let Envelope { from, to, .. } = &incoming.envelope;
            told::not_taken(from, to, Some(incoming.bytes), &reply, context, now);
            Turn::new(State::Identified(incoming.hello), reply)
        }
    }
}
