//! A message on its way in, by DATA or by BDAT (RFC 3030), and what is said at its end.
//!
//! Bytes go straight to the store's intake; nothing is held. The first thing that goes wrong (too large, malformed,
//! store full) drops what was stored; the rest is read to its real end, and only then said.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a command is out of order in every state but those that take it, and in new ones too"
)]

use crate::clock::Now;
use crate::delivery::intake::{Intake, Received};
use crate::delivery::local::{self, Envelope, Message};
use crate::delivery::submission;
use crate::mail::address::Address;
use crate::mail::date::DateTime;
use crate::mail::mime::Summary;
use crate::mail::trace::{self, Greeting, HOPS_MAX};
use crate::smtp::command::{self, Place};
use crate::smtp::data::{Dots, LineCheck, Malformed, Progress};
use crate::smtp::reply::{Detail, Reply};
use crate::store;

use super::dialog::{Dialect, Hello, Recipients, ok, out_of_order, store_refusal, too_large};
use super::inspection::{Complete, Inspection};
use super::{Context, Role, Service, State, Turn, told};

/// A message and its envelope.
#[derive(Debug)]
pub(super) struct Incoming {
    hello: Hello,
    envelope: Envelope,
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
        Self {
            hello: recipients.given.hello,
            envelope: Envelope {
                from: recipients.given.from,
                to: recipients.to,
            },
            lines: LineCheck::default(),
            bytes: 0,
            taking: Taking::Storing(Box::new((intake, Inspection::new(context)))),
        }
    }

    fn push(&mut self, bytes: &[u8], service: &Service) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        let Taking::Storing(storing) = &mut self.taking else {
            return;
        };
        let (intake, inspection) = storing.as_mut();
        self.lines.push(bytes);
        let refusal = if self.bytes > service.limits.message_bytes_max {
            Some(Refusal::TooLarge)
        } else if let Some(malformed) = self.lines.malformed() {
            Some(Refusal::Malformed(malformed))
        } else {
            inspection.write(bytes, intake).err().map(Refusal::Store)
        };
        if let Some(refusal) = refusal {
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

    /// Files it, after its verdict if it needs one. The reply is made after the commit.
    fn finish(self, context: &mut Context, now: Now) -> Turn {
        let refusal = match self.taking {
            Taking::Discarding(refusal) => refusal,
            Taking::Storing(_) if self.lines.ends_with_cr() => {
                Refusal::Malformed(Malformed::BareLineEnd)
            }
            Taking::Storing(storing) => {
                let (intake, inspection) = *storing;
                match inspection.finish(intake) {
                    Ok((received, digested)) => {
                        let complete = Complete {
                            hello: self.hello,
                            envelope: self.envelope,
                            received,
                            bytes: self.bytes,
                        };
                        return complete.proceed(digested, context, now);
                    }
                    Err(error) => Refusal::Store(error),
                }
            }
        };
        let reply = refused(&refusal, context);
        turn_away(self.hello, &self.envelope, self.bytes, reply, context, now)
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

/// What the verdict over a mail means for its filing.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// `Authentication-Results`, or nothing.
    pub(super) field: String,
    pub(super) place: local::Place,
}

/// Files a message and says so.
pub(super) fn file(mail: Complete, judged: Judged, context: &mut Context, now: Now) -> Turn {
    let Complete {
        hello,
        envelope,
        received,
        bytes,
    } = mail;
    match try_file(&hello, &envelope, received, judged, context, now) {
        Ok(reply) => Turn::new(State::Identified(hello), reply),
        Err(reply) => turn_away(hello, &envelope, bytes, reply, context, now),
    }
}

/// The message is not taken.
pub(super) fn turn_away(
    hello: Hello,
    envelope: &Envelope,
    bytes: u64,
    reply: Reply,
    context: &Context,
    now: Now,
) -> Turn {
    let Envelope { from, to } = envelope;
    told::not_taken(from, to, Some(bytes), &reply, context, now);
    Turn::new(State::Identified(hello), reply)
}

fn try_file(
    hello: &Hello,
    envelope: &Envelope,
    received: Received,
    judged: Judged,
    context: &mut Context,
    now: Now,
) -> Result<Reply, Reply> {
    if received.facts.hops > HOPS_MAX {
        let text = "Too many hops, this mail goes in circles";
        return Err(Reply::new(554, Detail(4, 6), text));
    }
    let id = context.draw_id();
    let mut head = judged.field.into_bytes();
    head.extend(received_field(hello, envelope, &id, context, now).into_bytes());
    let mut summary = received.summary;
    if context.service.role == Role::Submission
        && let Ok(mut decoded) = Summary::decode(&summary)
    {
        let hostname = &context.service.hostname;
        head.extend(submission::complete(
            &mut decoded.envelope,
            hostname,
            &id,
            now,
        ));
        summary = decoded.encode();
    }
    let message = Message {
        blob: received.blob,
        summary,
        head,
        place: judged.place,
    };
    match local::deliver(&context.service.store, envelope, message, now) {
        Ok(filed) => {
            let (bytes, copies) = (received.bytes, filed.len());
            told::taken(envelope, &id, bytes, copies, context);
            Ok(ok(&format!("Delivered as {id}")))
        }
        Err(error) => Err(store_refusal(&error)),
    }
}

/// The store does not even begin to take a mail.
fn not_begun(recipients: &Recipients, reply: &Reply, context: &Context, now: Now) {
    let given = &recipients.given;
    told::not_taken(&given.from, &recipients.to, given.size, reply, context, now);
}

fn received_field(
    hello: &Hello,
    envelope: &Envelope,
    id: &str,
    context: &Context,
    now: Now,
) -> String {
    let only: Option<&Address> = match envelope.to.as_slice() {
        [only] => Some(&only.address),
        _ => None,
    };
    let tls = context.tls.as_ref();
    trace::received(&trace::Received {
        helo: hello.name.as_str(),
        peer: context.peer.address.ip(),
        by: context.service.hostname.as_str(),
        greeting: match hello.dialect {
            Dialect::Smtp => Greeting::Helo,
            Dialect::Esmtp => Greeting::Ehlo,
        },
        tls: tls.map(|tls| (tls.version.as_str(), tls.cipher.as_str())),
        authenticated: context.login.is_some(),
        id,
        recipient: only,
        date: DateTime::utc(now.stamp()),
    })
}

impl Context {
    /// An identifier of a message that no other has: 10 bytes of a keyed hash, in hexadecimal.
    fn draw_id(&mut self) -> String {
        let drawn = self.nonces.draw();
        let bytes = drawn.iter().take(10);
        let id = bytes.fold(0_u128, |id, byte| id << 8 | u128::from(*byte));
        format!("{id:020x}")
    }
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
        match Intake::begin(&context.service.store, recipients.given.size) {
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
                match Intake::begin(&context.service.store, recipients.given.size) {
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
            let Envelope { from, to } = &incoming.envelope;
            told::not_taken(from, to, Some(incoming.bytes), &reply, context, now);
            Turn::new(State::Identified(incoming.hello), reply)
        }
    }
}
