//! Reading mbox files (RFC 4155, with the `>From ` quoting of mboxrd undone).
//!
//! A message begins at a `From ` line with a date that stands first in the file or behind an empty line. Asking for the
//! date keeps programs' files readable that did not quote every `From ` in a body.

use std::io::{self, BufRead};

use super::Pieces;
use super::status_fields::Status;
use crate::clock::Wall;
use crate::mail::date::DateTime;

/// Longest piece of a line that is held, in bytes; longer lines pass in pieces.
const LINE_PIECE_BYTES: u64 = 64 * 1024;
/// Longest header whose status fields are looked at, in bytes; the rest of a longer one passes as it is.
const HEADER_BYTES_MAX: usize = 1 << 20;

/// Reads messages one after the other.
#[derive(Debug)]
pub struct Mbox<R> {
    input: R,
    /// Bytes of the file taken so far.
    offset: u64,
    /// The next `From ` line's date, when it was read already.
    next: Option<Wall>,
    /// An empty line that belongs to the message only if no `From ` line follows.
    blank_held: bool,
    /// The last piece ended its line.
    line_ended: bool,
    /// Header of the message under way, to be given out first.
    header: Vec<u8>,
    ended: bool,
}

/// How a message begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Date of the `From ` line.
    pub date: Option<Wall>,
    /// Flags of its status fields.
    pub flags: crate::mail::flags::Flags,
    /// Its program had deleted it.
    pub expunged: bool,
}

/// A line or a piece of one.
enum Line {
    From(Wall),
    Text(Vec<u8>),
    End,
}

impl<R: BufRead> Mbox<R> {
    /// Begins to read; an error of kind `InvalidData` if the file does not begin as an mbox.
    pub fn new(mut input: R) -> io::Result<Self> {
        let start = input.fill_buf()?;
        if !start.is_empty() && !start.starts_with(b"From ") {
            let problem = "does not begin with \"From \", so it is no mbox file";
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        Ok(Self {
            input,
            offset: 0,
            next: None,
            blank_held: true,
            line_ended: true,
            header: Vec::new(),
            ended: false,
        })
    }

    /// Bytes of the file read so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next message's beginning; its bytes then come from [`Pieces::read`]. `None` at the end of the file.
    pub fn next_message(&mut self) -> io::Result<Option<Head>> {
        while self.next.is_none() {
            match self.line()? {
                Line::From(date) => self.next = Some(date),
                Line::Text(_) => {}
                Line::End => return Ok(None),
            }
        }
        let date = self.next.take();
        self.ended = false;
        self.blank_held = false;
        self.read_header(date).map(Some)
    }

    fn read_header(&mut self, date: Option<Wall>) -> io::Result<Head> {
        let mut status = Status::default();
        self.header.clear();
        let mut dropping = false;
        while self.header.len() < HEADER_BYTES_MAX {
            match self.line()? {
                Line::From(date) => {
                    self.next = Some(date);
                    self.ended = true;
                    break;
                }
                Line::End => {
                    self.ended = true;
                    break;
                }
                Line::Text(line) => {
                    let folded = line.first().is_some_and(|b| matches!(b, b' ' | b'\t'));
                    dropping = if folded { dropping } else { status.take(&line) };
                    if !dropping {
                        self.header.extend_from_slice(&line);
                    }
                    if self.blank_held || line == b"\r\n" {
                        break;
                    }
                }
            }
        }
        Ok(Head {
            date,
            flags: status.flags,
            expunged: status.expunged,
        })
    }

    /// The next line, with CRLF for its end; empty lines are held back until it is known that they belong to the message.
    fn line(&mut self) -> io::Result<Line> {
        let mut line = Vec::new();
        let read =
            io::Read::take(&mut self.input, LINE_PIECE_BYTES).read_until(b'\n', &mut line)?;
        self.offset += read as u64;
        if read == 0 {
            return Ok(Line::End);
        }
        let at_start = std::mem::replace(&mut self.line_ended, line.ends_with(b"\n"));
        if at_start
            && self.blank_held
            && let Some(date) = from_line(&line)
        {
            return Ok(Line::From(date));
        }
        let mut text = Vec::with_capacity(line.len() + 4);
        if at_start && std::mem::take(&mut self.blank_held) {
            text.extend_from_slice(b"\r\n");
        }
        if at_start && matches!(line.as_slice(), b"\n" | b"\r\n") {
            self.blank_held = true;
            return Ok(Line::Text(text));
        }
        let line = if at_start { unquoted(&line) } else { &line };
        push_line(line, &mut text);
        Ok(Line::Text(text))
    }
}

impl<R: BufRead> Pieces for Mbox<R> {
    fn read(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        if !self.header.is_empty() {
            out.append(&mut self.header);
            return Ok(true);
        }
        if self.ended {
            return Ok(false);
        }
        match self.line()? {
            Line::Text(text) => out.extend_from_slice(&text),
            Line::From(date) => {
                self.next = Some(date);
                self.ended = true;
            }
            Line::End => self.ended = true,
        }
        Ok(!self.ended)
    }
}

/// The date of a `From ` line; `None` if it is none.
fn from_line(line: &[u8]) -> Option<Wall> {
    let rest = line.strip_prefix(b"From ")?;
    let sender_end = rest.iter().position(|b| *b == b' ')?;
    let date = DateTime::parse_lenient(rest.get(sender_end..)?)?;
    Some(date.wall)
}

/// The line without the one `>` that quotes a `From ` (or a quoted one).
fn unquoted(line: &[u8]) -> &[u8] {
    let quotes = line.iter().take_while(|b| **b == b'>').count();
    let quoted = quotes > 0
        && line
            .get(quotes..)
            .is_some_and(|rest| rest.starts_with(b"From "));
    if quoted {
        line.get(1..).unwrap_or_default()
    } else {
        line
    }
}

/// Appends `line` with CRLF in place of its LF, if it has one.
pub(super) fn push_line(line: &[u8], out: &mut Vec<u8>) {
    match line.strip_suffix(b"\n") {
        Some(text) => {
            out.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
            out.extend_from_slice(b"\r\n");
        }
        None => out.extend_from_slice(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::flags::SystemFlags;

    fn messages(text: &str) -> Vec<(Head, String)> {
        let mut mbox = Mbox::new(text.as_bytes()).unwrap();
        let mut found = Vec::new();
        while let Some(head) = mbox.next_message().unwrap() {
            let mut body = Vec::new();
            while mbox.read(&mut body).unwrap() {}
            found.push((head, String::from_utf8(body).unwrap()));
        }
        assert_eq!(mbox.offset(), text.len() as u64);
        found
    }

    const FROM: &str = "From a@example.org Sun Nov 22 03:53:35 2026\n";

    #[test]
    fn two_messages() {
        let text = format!("{FROM}Subject: a\n\nHi\n\n{FROM}Subject: b\n\n\nlast\n");
        let found = messages(&text);
        let bodies: Vec<&str> = found.iter().map(|(_, body)| body.as_str()).collect();
        assert_eq!(
            bodies,
            ["Subject: a\r\n\r\nHi\r\n", "Subject: b\r\n\r\n\r\nlast\r\n"]
        );
        assert!(
            found
                .iter()
                .all(|(head, _)| head.date == Some(Wall(1_795_319_615)))
        );
    }

    #[test]
    fn status_fields_become_flags() {
        let text = format!("{FROM}Subject: a\nStatus: RO\nX-Status: F\nTo: b\n\nHi\n");
        let found = messages(&text);
        assert_eq!(found[0].1, "Subject: a\r\nTo: b\r\n\r\nHi\r\n");
        assert_eq!(
            found[0].0.flags.system,
            SystemFlags::SEEN.union(SystemFlags::FLAGGED)
        );
    }

    #[test]
    fn from_in_a_body_is_no_separator() {
        let text = format!("{FROM}S: a\n\n>From quoted\n>>From twice\n\nFrom here on no date\n");
        let found = messages(&text);
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].1,
            "S: a\r\n\r\nFrom quoted\r\n>From twice\r\n\r\nFrom here on no date\r\n"
        );
    }

    #[test]
    fn header_only_and_empty_messages() {
        let text = format!("{FROM}Subject: a\n\n{FROM}\n{FROM}\n\nbody\n");
        let bodies: Vec<String> = messages(&text).into_iter().map(|(_, body)| body).collect();
        assert_eq!(bodies, ["Subject: a\r\n", "", "\r\n\r\nbody\r\n"]);
    }

    #[test]
    fn long_lines_pass_in_pieces() {
        let long = "From x".repeat(60_000);
        let text = format!("{FROM}Subject: a\n\n{long}\n");
        assert_eq!(
            messages(&text)[0].1,
            format!("Subject: a\r\n\r\n{long}\r\n")
        );
    }

    #[test]
    fn what_is_no_mbox_is_refused() {
        let error = Mbox::new(&b"Return-Path: <a@b>\n"[..]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(messages("").is_empty());
    }
}
