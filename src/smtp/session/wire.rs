//! The bytes of the connection: lines out of a bounded buffer, output that waits for the driver.

use std::fmt;

use crate::machine::OUTPUT_PIECE_BYTES;
use crate::smtp::command::AUTH_LINE_BYTES_MAX;
use crate::smtp::reply::Reply;

/// Both directions.
#[derive(Default)]
pub(super) struct Wire {
    input: Vec<u8>,
    /// Bytes of `input` that were acted on.
    taken: usize,
    /// Bytes of `input` in which no line end was found yet.
    searched: usize,
    /// Whether the current line was too long and is being read to its end.
    discarding: bool,
    output: Vec<u8>,
}

/// What the peer sent up to a line end.
pub(super) enum Line {
    /// A line without its CRLF.
    Whole(Vec<u8>),
    /// A line that ends with LF alone. It is refused rather than waited for, and never acted on.
    BareLf,
    /// More than any command can have.
    TooLong,
}

/// Input may hold passwords, so only lengths are shown.
impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("pending_bytes", &self.pending().len())
            .field("output_bytes", &self.output.len())
            .finish_non_exhaustive()
    }
}

impl Wire {
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.input.drain(..self.taken);
            self.searched = self.searched.saturating_sub(self.taken);
            self.taken = 0;
        }
        self.input.extend_from_slice(bytes);
    }

    /// What was received and not acted on.
    pub(super) fn pending(&self) -> &[u8] {
        self.input.get(self.taken..).unwrap_or_default()
    }

    /// Counts `bytes` of the pending ones as acted on.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_add(bytes).min(self.input.len());
        self.searched = self.taken;
    }

    /// Forgets everything received and not acted on.
    pub(super) fn drop_input(&mut self) {
        *self = Self {
            output: std::mem::take(&mut self.output),
            ..Self::default()
        };
    }

    /// The next line; `None` until its end is there.
    pub(super) fn line(&mut self) -> Option<Line> {
        let found = self
            .input
            .get(self.searched..)?
            .iter()
            .position(|&byte| byte == b'\n');
        let Some(found) = found else {
            self.searched = self.input.len();
            self.discard_long_line();
            return None;
        };
        let end = self.searched + found;
        let line = self.input.get(self.taken..end).unwrap_or_default();
        let line = match line.split_last() {
            // With its CRLF.
            _ if self.discarding || line.len() + 1 > AUTH_LINE_BYTES_MAX => Line::TooLong,
            Some((b'\r', line)) => Line::Whole(line.to_vec()),
            _ => Line::BareLf,
        };
        self.consume(end + 1 - self.taken);
        self.discarding = false;
        Some(line)
    }

    fn discard_long_line(&mut self) {
        if self.pending().len() > AUTH_LINE_BYTES_MAX {
            self.discarding = true;
            self.consume(self.pending().len());
        }
    }

    pub(super) fn send(&mut self, reply: &Reply) {
        reply.render(&mut self.output);
    }

    /// Whether so much output waits that no more commands should be acted on.
    pub(super) fn is_full(&self) -> bool {
        self.output.len() >= OUTPUT_PIECE_BYTES
    }

    pub(super) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    pub(super) fn drain_output(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.output);
    }
}
