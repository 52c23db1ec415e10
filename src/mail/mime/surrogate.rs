//! Internationalized messages as clients of before RFC 6532 can read them (RFC 6858).
//!
//! A message counts as internationalized if an address in its ENVELOPE, in that of a message attached to it, or in what
//! the server put in front of it is in UTF-8, or if it has a `message/global`: that is what such clients cannot show,
//! reply to or parse. All its headers are then shown in ASCII, those of parts and of attached messages too; bodies and
//! the stored message stay as they are. UTF-8 or another charset in subjects and names alone has always been sent as it
//! came, clients cope with it, and it goes on so: it can be presented as it is, in the words of RFC 6858 2.3 and 2.4.
//!
//! A [`Surrogate`] knows where headers lie and how long they become. It holds one of them at a time, made again from
//! the stored one when it is read, so that memory is bounded whatever the message's size.

mod fields;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::ops::Range;

use super::content::{self, Assumed};
use super::envelope;
use super::header;
use super::{Content, Envelope, EnvelopeAddress, HEADER_BYTES_MAX, Part, Summary, TEXT_BYTES_MAX};
use fields::Kind;

/// Longest header that is written anew; fields beyond are left out.
pub const REWRITTEN_BYTES_MAX: u64 = 1024 * 1024;

/// Bytes read at once of what is only counted.
const READ_BYTES: usize = 32 * 1024;

/// A message's bytes as stored: what the server put in front of it, then the message.
pub trait Stored {
    /// Why it cannot be read.
    type Error;

    /// Length of what the server put in front of it.
    fn prefix_bytes(&self) -> u64;

    /// Length of all of it.
    fn bytes(&self) -> u64;

    /// Appends up to `bytes_max` bytes from `offset` to `out`; returns how many, 0 only at the end.
    ///
    /// # Errors
    ///
    /// If the message cannot be read.
    fn read_at(
        &mut self,
        offset: u64,
        bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, Self::Error>;
}

/// A message in memory.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a> {
    prefix: &'a [u8],
    message: &'a [u8],
}

impl<'a> Bytes<'a> {
    /// A message behind fields of the server's.
    pub fn new(prefix: &'a [u8], message: &'a [u8]) -> Self {
        Self { prefix, message }
    }
}

impl Stored for Bytes<'_> {
    type Error = Infallible;

    fn prefix_bytes(&self) -> u64 {
        self.prefix.len() as u64
    }

    fn bytes(&self) -> u64 {
        self.prefix_bytes() + self.message.len() as u64
    }

    fn read_at(
        &mut self,
        offset: u64,
        bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, Infallible> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let (text, from) = match from.checked_sub(self.prefix.len()) {
            Some(from) => (self.message, from),
            None => (self.prefix, from),
        };
        let rest = text.get(from..).unwrap_or_default();
        let piece = rest.get(..bytes_max).unwrap_or(rest);
        out.extend_from_slice(piece);
        Ok(piece.len())
    }
}

/// How the bytes of a message that is shown in place of an internationalized one come about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surrogate {
    bytes: u64,
    /// Headers that are not shown as they are stored, ascending.
    headers: Vec<Header>,
    /// The one read last, by its index.
    open: Option<(usize, Vec<u8>)>,
}

/// A header that is not shown as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Header {
    kind: Kind,
    stored: Range<u64>,
    shown: Range<u64>,
}

/// Whether such a client is shown a surrogate of a message, behind these fields of the server's.
pub fn is_needed(summary: &Summary, prefix: &[u8]) -> bool {
    !prefix.is_ascii() || is_internationalized(summary)
}

fn is_internationalized(message: &Summary) -> bool {
    let envelope = &message.envelope;
    let lists = [
        &envelope.from,
        &envelope.sender,
        &envelope.reply_to,
        &envelope.to,
        &envelope.cc,
        &envelope.bcc,
    ];
    lists.into_iter().flatten().any(has_utf8) || has_internationalized(&message.body)
}

fn has_internationalized(part: &Part) -> bool {
    match &part.content {
        Content::Leaf => false,
        Content::Multipart(parts) => parts.iter().any(has_internationalized),
        Content::Message(inner) => part.is("message", "global") || is_internationalized(inner),
    }
}

fn has_utf8(address: &EnvelopeAddress) -> bool {
    let is_utf8 = |text: &Vec<u8>| !text.is_ascii() && std::str::from_utf8(text).is_ok();
    address.host.is_some()
        && [&address.mailbox, &address.host]
            .into_iter()
            .flatten()
            .any(is_utf8)
}

impl Surrogate {
    /// In place of a stored message with that summary; and the surrogate's own summary, whose offsets count from the
    /// first byte that is shown. Reads all headers, once.
    ///
    /// # Errors
    ///
    /// If the message cannot be read.
    pub fn new<S: Stored>(summary: &Summary, stored: &mut S) -> Result<(Self, Summary), S::Error> {
        let mut walk = Walk {
            origin: stored.prefix_bytes(),
            stored,
            headers: Vec::new(),
            bytes: Shift::default(),
            lines: Shift::default(),
            emptied: None,
            text_left: TEXT_BYTES_MAX,
        };
        let shown = walk.message(summary, 0)?;
        let surrogate = Self {
            bytes: walk.bytes.of(walk.stored.bytes()),
            headers: walk.headers,
            open: None,
        };
        Ok((surrogate, shown))
    }

    /// Length of all that is shown.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends up to `bytes_max` bytes that are shown from `offset` on to `out`; returns how many, 0 only at the end.
    ///
    /// # Errors
    ///
    /// If the stored message, which must be that of [`Self::new`], cannot be read.
    pub fn read_at<S: Stored>(
        &mut self,
        offset: u64,
        bytes_max: usize,
        stored: &mut S,
        out: &mut Vec<u8>,
    ) -> Result<usize, S::Error> {
        let index = self.headers.partition_point(|h| h.shown.end <= offset);
        let next = self.headers.get(index);
        if next.is_some_and(|header| header.shown.start <= offset) {
            return self.read_header(index, offset, bytes_max, stored, out);
        }
        let before = index.checked_sub(1).and_then(|at| self.headers.get(at));
        let (stored_from, shown_from) = before.map_or((0, 0), |h| (h.stored.end, h.shown.end));
        let room = next.map_or(self.bytes, |header| header.shown.start);
        let room = usize::try_from(room.saturating_sub(offset)).unwrap_or(usize::MAX);
        stored.read_at(
            stored_from + (offset - shown_from),
            bytes_max.min(room),
            out,
        )
    }

    fn read_header<S: Stored>(
        &mut self,
        index: usize,
        offset: u64,
        bytes_max: usize,
        stored: &mut S,
        out: &mut Vec<u8>,
    ) -> Result<usize, S::Error> {
        let Some(header) = self.headers.get(index) else {
            return Ok(0);
        };
        let block = match self.open.take() {
            Some((open, block)) if open == index => block,
            _ => fields::rewrite(&read_block(stored, &header.stored)?, header.kind),
        };
        let from = usize::try_from(offset - header.shown.start).unwrap_or(usize::MAX);
        let piece = block.get(from..).unwrap_or_default();
        let piece = piece.get(..bytes_max).unwrap_or(piece);
        out.extend_from_slice(piece);
        let taken = piece.len();
        self.open = Some((index, block));
        Ok(taken)
    }
}

/// A header as stored. Of one that is too long the fields that fit, and an empty line.
fn read_block<S: Stored>(stored: &mut S, range: &Range<u64>) -> Result<Vec<u8>, S::Error> {
    let bytes = range.end - range.start;
    let wanted = usize::try_from(bytes.min(REWRITTEN_BYTES_MAX)).unwrap_or(usize::MAX);
    let mut block = Vec::new();
    while block.len() < wanted {
        let at = range.start + block.len() as u64;
        if stored.read_at(at, wanted - block.len(), &mut block)? == 0 {
            break;
        }
    }
    if bytes > REWRITTEN_BYTES_MAX {
        let last = header::fields(&block).last();
        block.truncate(block.len() - last.map_or(0, |field| field.raw.len()));
        block.extend_from_slice(b"\r\n");
    }
    Ok(block)
}

/// What was added and what was taken away so far.
#[derive(Clone, Copy, Debug, Default)]
struct Shift {
    more: u64,
    less: u64,
}

impl Shift {
    fn of(self, count: u64) -> u64 {
        count.saturating_add(self.more).saturating_sub(self.less)
    }

    fn since(self, earlier: Self) -> Self {
        Self {
            more: self.more.saturating_sub(earlier.more),
            less: self.less.saturating_sub(earlier.less),
        }
    }

    fn replace(&mut self, less: u64, more: u64) {
        self.less += less;
        self.more += more;
    }
}

/// Goes through a message in the order of its bytes.
struct Walk<'a, S> {
    stored: &'a mut S,
    /// Where the offsets of the stored summary count from.
    origin: u64,
    headers: Vec<Header>,
    bytes: Shift,
    lines: Shift,
    /// Where a header without a line end ended of which nothing is left: a line less for what ends there.
    emptied: Option<u64>,
    text_left: usize,
}

/// A header as it is shown.
struct Shown {
    start: u64,
    /// As much of it as is parsed.
    block: Vec<u8>,
}

impl<S: Stored> Walk<'_, S> {
    /// The message whose header begins at `from` of the stored bytes.
    fn message(&mut self, message: &Summary, from: u64) -> Result<Summary, S::Error> {
        let header = self.header(&message.body, from)?;
        let (envelope, _) = envelope::parse(&header.block);
        let envelope = match self.text_left.checked_sub(envelope.text_bytes()) {
            Some(left) => {
                self.text_left = left;
                envelope
            }
            None => Envelope::default(),
        };
        let body = self.part(&message.body, &header, Assumed::Text)?;
        Ok(Summary { envelope, body })
    }

    fn part(&mut self, part: &Part, header: &Shown, assumed: Assumed) -> Result<Part, S::Error> {
        let read = content::parse(&header.block, assumed);
        let mut shown = fields::described(part, read);
        match self.text_left.checked_sub(shown.text_bytes()) {
            Some(left) => self.text_left = left,
            None => shown.drop_text(),
        }
        shown.header_start = header.start;
        shown.body_start = self.shown(part.body_start);
        let lines_before = self.lines;
        shown.content = self.content(part)?;
        shown.body_end = self.shown(part.body_end);
        shown.lines = self.lines.since(lines_before).of(part.lines);
        if self.emptied == Some(self.origin + part.body_end) {
            shown.lines = shown.lines.saturating_sub(1);
        }
        Ok(shown)
    }

    fn content(&mut self, part: &Part) -> Result<Content, S::Error> {
        Ok(match &part.content {
            Content::Leaf => Content::Leaf,
            Content::Multipart(parts) => {
                let assumed = Assumed::inside(part);
                let inner = parts.iter().map(|inner| {
                    let header = self.header(inner, self.origin + inner.header_start)?;
                    self.part(inner, &header, assumed)
                });
                Content::Multipart(inner.collect::<Result<_, _>>()?)
            }
            Content::Message(message) => {
                let from = self.origin + message.body.header_start;
                Content::Message(Box::new(self.message(message, from)?))
            }
        })
    }

    /// Where an offset of the stored summary is shown, all before it being done.
    fn shown(&self, offset: u64) -> u64 {
        self.bytes.of(self.origin + offset)
    }

    /// Takes the header that reaches from `from` to the part's body.
    fn header(&mut self, part: &Part, from: u64) -> Result<Shown, S::Error> {
        let stored = from..(self.origin + part.body_start).max(from);
        let start = self.bytes.of(from);
        let kind = Kind::of(part);
        let block = read_block(self.stored, &stored)?;
        let mut rewritten = fields::rewrite(&block, kind);
        let stored_bytes = stored.end - stored.start;
        if rewritten != block || stored_bytes > REWRITTEN_BYTES_MAX {
            if rewritten.is_empty() && !block.ends_with(b"\n") {
                self.emptied = Some(stored.end);
            }
            let lines = self.lines_of(&stored, &block)?;
            self.lines.replace(lines, newlines(&rewritten));
            self.bytes.replace(stored_bytes, rewritten.len() as u64);
            self.headers.push(Header {
                kind,
                shown: start..start + rewritten.len() as u64,
                stored,
            });
        }
        rewritten.truncate(HEADER_BYTES_MAX);
        Ok(Shown {
            start,
            block: rewritten,
        })
    }

    /// Line ends of a header that begins like `block`.
    fn lines_of(&mut self, stored: &Range<u64>, block: &[u8]) -> Result<u64, S::Error> {
        if stored.end - stored.start <= REWRITTEN_BYTES_MAX {
            return Ok(newlines(block));
        }
        let mut lines = 0;
        let mut at = stored.start;
        while at < stored.end {
            let wanted = usize::try_from(stored.end - at).unwrap_or(usize::MAX);
            let mut piece = Vec::new();
            let taken = self
                .stored
                .read_at(at, wanted.min(READ_BYTES), &mut piece)?;
            if taken == 0 {
                break;
            }
            lines += newlines(&piece);
            at += taken as u64;
        }
        Ok(lines)
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}
