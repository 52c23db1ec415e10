//! From bytes to whole commands (RFC 3501 2.2 and 4.3, RFC 7888): lines, literals, limits.
//!
//! A command is collected with its literals until its last line ends; then it is parsed once. The message of an APPEND
//! is the exception: it is handed on in pieces. Whatever goes over a limit is read to the end of its command and
//! discarded, never cut and handed to the parser. What comes out depends on the bytes alone, not on how they were cut
//! on their way (only the pieces of a message differ).

#[cfg(test)]
mod tests;

use crate::imap::syntax::command::{Append, Command, Literal, Tag, Wrapping};
use crate::imap::syntax::lexer::Dialect;
use crate::imap::syntax::literal::{ANNOUNCEMENT_BYTES_MAX, announced};
use crate::imap::syntax::parse::append::append_head;
use crate::imap::syntax::parse::{Rejected, command, tag_of};
use crate::imap::syntax::render::status::continuation;
use crate::imap::syntax::response::{Code, Completion, Condition};

/// Longest command, all its lines and literals together, in bytes.
pub const COMMAND_BYTES_MAX: usize = 128 * 1024;

/// Longest literal that is no message of an APPEND, in bytes.
pub const LITERAL_BYTES_MAX: u64 = 64 * 1024;

/// Most literals in one command.
pub const LITERALS_MAX: usize = 100;

/// Refused commands in a row after which the connection is given up.
pub const REFUSALS_MAX: u32 = 20;

/// Bytes kept that nobody has asked for yet, above which no more are wanted.
pub const INPUT_BYTES_MAX: usize = 64 * 1024;

/// Most bytes of a message handed on at once.
pub const PIECE_BYTES_MAX: usize = 64 * 1024;

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
    /// Something that is no command; answer it with this. An APPEND under way, and a command that waits for a line, is
    /// cancelled by it.
    Refused(Option<Tag>, Completion),
    /// Too many refusals: say BYE and close.
    Hopeless,
}

/// The receiving side of one connection.
#[derive(Debug, Default)]
pub struct Connection {
    /// Received and not looked at.
    input: Vec<u8>,
    /// The command so far.
    command: Vec<u8>,
    /// Where in it the line under way begins; what stands before may be a literal that looks like anything.
    line_start: usize,
    /// Its literals so far.
    literals: usize,
    phase: Phase,
    /// Of the APPEND under way.
    wrapping: Wrapping,
    dialect: Dialect,
    refusals: u32,
}

/// What the next bytes are.
#[derive(Debug, Default)]
enum Phase {
    /// A line of a command.
    #[default]
    Line,
    /// A line that belongs to the command under way.
    ExpectedLine,
    /// A literal that is collected; so many bytes are missing.
    Collecting(u64),
    /// The message of an APPEND, not yet accepted.
    Deciding(Literal),
    /// The message of an APPEND; so many bytes are missing.
    Streaming(u64),
    /// The rest of the line behind a message.
    Tail,
    /// Bytes that are discarded.
    Poisoned(Poison),
}

/// A command that is read to its end and discarded.
#[derive(Debug, Default)]
struct Poison {
    /// Bytes of a literal still to come.
    literal: u64,
    /// The last bytes of the line, to see whether it announces a literal.
    line_end: Vec<u8>,
    /// What to say at its end; `None` if that was said already.
    answer: Option<Answer>,
}

/// A completion and the tag to give it under.
type Answer = (Option<Tag>, Completion);

impl Connection {
    /// Takes bytes from the peer.
    pub fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// The next thing that is complete; writes continuation requests for literals to `out`.
    pub fn receive(&mut self, out: &mut Vec<u8>) -> Option<Received> {
        if self.refusals >= REFUSALS_MAX {
            return Some(Received::Hopeless);
        }
        while !self.input.is_empty() {
            let received = match std::mem::take(&mut self.phase) {
                Phase::Line => self.line(out),
                Phase::ExpectedLine => self.expected_line(),
                Phase::Collecting(missing) => self.collect(missing),
                Phase::Streaming(missing) => Some(self.stream(missing)),
                Phase::Tail => self.tail(),
                Phase::Poisoned(poison) => self.discard(poison),
                Phase::Deciding(literal) => {
                    self.phase = Phase::Deciding(literal);
                    return None;
                }
            };
            if received.is_some() {
                return received;
            }
        }
        None
    }

    /// The next line is no command but belongs to the one under way (AUTHENTICATE, IDLE).
    pub fn expect_line(&mut self) {
        self.phase = Phase::ExpectedLine;
    }

    /// Takes the literal of [`Received::Append`]; writes the continuation request if the client waits for it.
    pub fn accept_literal(&mut self, out: &mut Vec<u8>) {
        if let Phase::Deciding(literal) = self.phase {
            if literal.waits() {
                continuation(out, "go ahead");
            }
            self.phase = streaming(literal.bytes);
        }
    }

    /// Does not take the literal of [`Received::Append`], or no more of it: what the client sends of it anyway is read
    /// and discarded. The caller answers the command.
    pub fn refuse_literal(&mut self) {
        self.phase = match self.phase {
            Phase::Deciding(literal) if literal.waits() => Phase::Line,
            Phase::Deciding(Literal { bytes, .. }) | Phase::Streaming(bytes) => {
                Phase::Poisoned(Poison {
                    literal: bytes,
                    ..Poison::default()
                })
            }
            Phase::Tail => Phase::Poisoned(Poison::default()),
            Phase::Line | Phase::ExpectedLine | Phase::Collecting(_) | Phase::Poisoned(_) => return,
        };
    }

    /// How the client writes mailbox names from now on.
    pub fn set_dialect(&mut self, dialect: Dialect) {
        self.dialect = dialect;
    }

    /// Drops everything received (STARTTLS, RFC 3501 6.2.1). `false` if there was something.
    pub fn clear(&mut self) -> bool {
        let was_empty = self.input.is_empty() && self.command.is_empty();
        *self = Self::default();
        was_empty
    }

    /// Whether it can take more bytes: `false` while what is kept reaches a limit.
    pub fn wants_input(&self) -> bool {
        self.input.len() < INPUT_BYTES_MAX
    }

    /// Takes up to the next line end, which is included; the `bool` says whether it was there.
    fn take_line(&mut self) -> (Vec<u8>, bool) {
        let end = self.input.iter().position(|byte| *byte == b'\n');
        let bytes = end.map_or(self.input.len(), |at| at + 1);
        (self.take(bytes), end.is_some())
    }

    fn take(&mut self, bytes: usize) -> Vec<u8> {
        let rest = self.input.split_off(bytes.min(self.input.len()));
        std::mem::replace(&mut self.input, rest)
    }

    fn line(&mut self, out: &mut Vec<u8>) -> Option<Received> {
        let (bytes, complete) = self.take_line();
        self.command.extend_from_slice(&bytes);
        if self.command.len() > COMMAND_BYTES_MAX {
            return self.poison(self.too_big("the command is too long"), complete);
        }
        if !complete {
            return None;
        }
        match announced(self.current_line()) {
            Some(literal) => self.announced(literal, out),
            None => Some(self.parsed()),
        }
    }

    fn current_line(&self) -> &[u8] {
        self.command.get(self.line_start..).unwrap_or_default()
    }

    fn parsed(&mut self) -> Received {
        let input = self.take_command();
        match command(&input, self.dialect) {
            Ok(command) => {
                self.refusals = 0;
                Received::Command(command)
            }
            Err(rejected) => self.refused(rejected),
        }
    }

    fn refused(&mut self, rejected: Rejected) -> Received {
        self.refusal(rejected.tag, rejected.error.completion())
    }

    fn refusal(&mut self, tag: Option<Tag>, completion: Completion) -> Received {
        if completion.condition == Condition::Bad {
            self.refusals += 1;
        }
        Received::Refused(tag, completion)
    }

    /// The command so far, which makes room for the next one.
    fn take_command(&mut self) -> Vec<u8> {
        self.literals = 0;
        self.line_start = 0;
        std::mem::take(&mut self.command)
    }

    fn announced(&mut self, literal: Literal, out: &mut Vec<u8>) -> Option<Received> {
        match append_head(&self.command, self.dialect) {
            Some(Ok(append)) => {
                self.take_command();
                self.refusals = 0;
                self.wrapping = append.message.wrapping;
                self.phase = Phase::Deciding(literal);
                return Some(Received::Append(append));
            }
            Some(Err(rejected)) => {
                self.take_command();
                self.phase = Phase::Deciding(literal);
                self.refuse_literal();
                return Some(self.refused(rejected));
            }
            None => {}
        }
        self.literals += 1;
        if literal.bytes > LITERAL_BYTES_MAX {
            return self.poison(self.too_big("the literal is too long"), true);
        }
        if self.literals > LITERALS_MAX {
            return self.poison(self.too_big("too many literals"), true);
        }
        if literal.waits() {
            continuation(out, "go ahead");
        }
        self.line_start = self.command.len();
        self.phase = collecting(literal.bytes);
        None
    }

    fn collect(&mut self, missing: u64) -> Option<Received> {
        let bytes = self.take(usize::try_from(missing).unwrap_or(usize::MAX));
        self.command.extend_from_slice(&bytes);
        self.line_start = self.command.len();
        self.phase = collecting(missing - len(&bytes));
        None
    }

    fn stream(&mut self, missing: u64) -> Received {
        let bytes_max = usize::try_from(missing).unwrap_or(usize::MAX);
        let bytes = self.take(bytes_max.min(PIECE_BYTES_MAX));
        self.phase = streaming(missing - len(&bytes));
        Received::Literal(bytes)
    }

    /// Behind the message nothing may stand but the end of what it stands in, and the line end.
    fn tail(&mut self) -> Option<Received> {
        let (bytes, complete) = self.take_line();
        self.command.extend_from_slice(&bytes);
        let end: &[u8] = match self.wrapping {
            Wrapping::Bare => b"\r\n",
            Wrapping::Utf8 => b")\r\n",
        };
        if self.command == end {
            self.take_command();
            Some(Received::AppendEnd)
        } else if !complete && end.starts_with(&self.command) {
            self.phase = Phase::Tail;
            None
        } else {
            let text = "expected the end of the line behind the message";
            self.poison((None, Completion::bad(text)), complete)
        }
    }

    fn expected_line(&mut self) -> Option<Received> {
        let (bytes, complete) = self.take_line();
        self.command.extend_from_slice(&bytes);
        if self.command.len() > COMMAND_BYTES_MAX {
            let answer = (None, Completion::bad("the line is too long"));
            return self.poison(answer, complete);
        }
        if !complete {
            self.phase = Phase::ExpectedLine;
            return None;
        }
        let line = self.take_command();
        match line.strip_suffix(b"\r\n") {
            Some(line) => Some(Received::Line(line.to_vec())),
            None => Some(self.refusal(None, Completion::bad("the line does not end with CRLF"))),
        }
    }

    fn too_big(&self, text: &'static str) -> Answer {
        (
            tag_of(&self.command),
            Completion::bad(text).with(Code::TooBig),
        )
    }

    /// Gives up the command so far. What its line announces is discarded; if its line is not complete, the rest too.
    fn poison(&mut self, answer: Answer, complete: bool) -> Option<Received> {
        let literal = announced(self.current_line()).filter(|literal| !literal.waits());
        let line = self.current_line().to_vec();
        self.take_command();
        if complete && literal.is_none() {
            let (tag, completion) = answer;
            return Some(self.refusal(tag, completion));
        }
        self.phase = Phase::Poisoned(Poison {
            literal: literal.map_or(0, |literal| literal.bytes),
            line_end: if complete {
                Vec::new()
            } else {
                last_bytes(line)
            },
            answer: Some(answer),
        });
        None
    }

    fn discard(&mut self, mut poison: Poison) -> Option<Received> {
        if poison.literal > 0 {
            let bytes = self.take(usize::try_from(poison.literal).unwrap_or(usize::MAX));
            poison.literal -= len(&bytes);
            self.phase = Phase::Poisoned(poison);
            return None;
        }
        let (bytes, complete) = self.take_line();
        poison.line_end.extend_from_slice(&bytes);
        if !complete {
            poison.line_end = last_bytes(poison.line_end);
            self.phase = Phase::Poisoned(poison);
            return None;
        }
        match announced(&poison.line_end) {
            Some(literal) if !literal.waits() => {
                poison.literal = literal.bytes;
                poison.line_end.clear();
                self.phase = Phase::Poisoned(poison);
                None
            }
            _ => {
                let (tag, completion) = poison.answer?;
                Some(self.refusal(tag, completion))
            }
        }
    }
}

fn len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn collecting(missing: u64) -> Phase {
    if missing == 0 {
        Phase::Line
    } else {
        Phase::Collecting(missing)
    }
}

fn streaming(missing: u64) -> Phase {
    if missing == 0 {
        Phase::Tail
    } else {
        Phase::Streaming(missing)
    }
}

/// The end of a line, as far as it may belong to the announcement of a literal. A length with more digits than are kept
/// is shortened to one that means the same: the same number, or one beyond 64 bits.
fn last_bytes(mut line: Vec<u8>) -> Vec<u8> {
    let surplus = line.len().saturating_sub(ANNOUNCEMENT_BYTES_MAX);
    let end = line.split_off(surplus);
    let digits = line.iter().rposition(|byte| *byte == b'{').map(|at| at + 1);
    let Some(cut) = digits.and_then(|at| line.get(at..)) else {
        return end;
    };
    let (more, kept) = end.split_at(end.len().min(2));
    if end.contains(&b'{') || !cut.iter().chain(more).all(u8::is_ascii_digit) {
        return end;
    }
    let small = cut.iter().chain(more).all(|digit| *digit == b'0');
    let head: &[u8] = if small { b"{0" } else { b"{9" };
    [head, kept].concat()
}
