//! From bytes to whole commands (RFC 3501 2.2, RFC 7888): lines, literals, limits.

use crate::imap::syntax::command::{Append, Command, Tag};
use crate::imap::syntax::response::Completion;

/// What a client sent, in order.
#[derive(Debug)]
pub enum Received {
    /// A whole command.
    Command(Command),
    /// The beginning of an APPEND. Answer with [`Connection::accept_literal`] or [`Connection::refuse_literal`] before
    /// the next call; until then nothing more is received.
    Append(Append),
    /// The next bytes of an accepted literal.
    Literal(Vec<u8>),
    /// The accepted literal and its command are complete.
    AppendEnd,
    /// The line that [`Connection::expect_line`] asked for, without its CRLF.
    Line(Vec<u8>),
    /// Something that is no command; answer it with this. An APPEND under way is cancelled by it.
    Refused(Option<Tag>, Completion),
    /// Too many refusals: say BYE and close.
    Hopeless,
}

/// The receiving side of one connection.
#[derive(Debug, Default)]
pub struct Connection {
    input: Vec<u8>,
}

impl Connection {
    /// Takes bytes from the peer.
    pub fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// The next thing that is complete; writes continuation requests for literals to `out`.
    pub fn receive(&mut self, _out: &mut Vec<u8>) -> Option<Received> {
        None
    }

    /// The next line is no command but belongs to the one under way (AUTHENTICATE, IDLE).
    pub fn expect_line(&mut self) {}

    /// Takes the literal of [`Received::Append`]; writes the continuation request if the client waits for it.
    pub fn accept_literal(&mut self, _out: &mut Vec<u8>) {}

    /// Does not take the literal of [`Received::Append`]: what the client sends of it anyway is read and discarded.
    /// The caller answers the command.
    pub fn refuse_literal(&mut self) {}

    /// Drops everything received (STARTTLS, RFC 3501 6.2.1). `false` if there was something.
    pub fn clear(&mut self) -> bool {
        let was_empty = self.input.is_empty();
        self.input.clear();
        was_empty
    }

    /// Whether it can take more bytes: `false` while what is kept reaches a limit.
    pub fn wants_input(&self) -> bool {
        true
    }
}
