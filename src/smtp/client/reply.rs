//! Replies as a client reads them (RFC 5321 4.2): bytes in any pieces to code, enhanced status code and lines.
//!
//! Tolerant where harmless servers differ: a line may end with LF alone, be longer than the protocol's 512 bytes, lack
//! the text and its space, or hold bytes that are no ASCII. Strict where taking a guess could turn a refusal into a
//! success: lines of one reply with different codes, codes outside 2yz to 5yz and a CR inside a line end the reading.
//! After an error nothing more can be read, since it cannot be told where the next reply begins.

#[cfg(test)]
mod tests;

use std::fmt;

use crate::mail::report::Status;

/// Longest line taken, with its line end. RFC 5321 4.5.3.1.5 allows 512; servers that quote policies send more.
pub const LINE_BYTES_MAX: usize = 4096;

/// Most lines of one reply. EHLO is the longest that servers have reason for.
pub const LINES_MAX: usize = 128;

/// What the first digit of a reply says (RFC 5321 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 2yz: done.
    Done,
    /// 3yz: go on.
    GoOn,
    /// 4yz: not now.
    Transient,
    /// 5yz: never.
    Permanent,
}

/// Most bytes of text that are kept of one reply. Each of a mail's recipients may have one, and lines behind that are
/// nobody's reading.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    class: Class,
    enhanced: Option<Status>,
    lines: Vec<String>,
}

/// Why bytes are no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// A line that does not begin with a code of three digits and a space, a hyphen or its end.
    #[error("a line is no SMTP reply")]
    Garbage,
    /// A code that no final reply of SMTP has, such as 199 or 600.
    #[error("reply code {0} is outside 200 to 599")]
    Code(u16),
    /// The lines of one reply have different codes (RFC 5321 4.2.1).
    #[error("reply code {0} goes on with {1}")]
    MixedCodes(u16, u16),
    /// A CR that no LF follows, or a NUL.
    #[error("a reply line has a bare CR or a NUL")]
    BadByte,
    /// A line longer than [`LINE_BYTES_MAX`].
    #[error("a reply line is longer than {LINE_BYTES_MAX} bytes")]
    LineTooLong,
    /// A reply with more lines than [`LINES_MAX`].
    #[error("a reply has more than {LINES_MAX} lines")]
    TooManyLines,
}

impl Reply {
    /// Its code, 200 to 599.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// What its first digit says.
    pub fn class(&self) -> Class {
        self.class
    }

    /// The enhanced status code, if its lines begin with one of the reply's class.
    pub fn enhanced(&self) -> Option<Status> {
        self.enhanced
    }

    /// The text of each line, without codes, in all up to [`TEXT_BYTES_MAX`]: what is more is left out. At least one;
    /// characters that could harm a log are replaced.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

/// Codes and text in one line, for logs and DSNs.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        for line in self.lines.iter().filter(|line| !line.is_empty()) {
            write!(f, " {line}")?;
        }
        Ok(())
    }
}

/// Reads replies out of bytes. Holds no more than one reply and what was pushed behind it.
#[derive(Debug, Default)]
pub struct Replies {
    input: Vec<u8>,
    /// Bytes of `input` that were read.
    taken: usize,
    /// Bytes of `input` in which no line end was found yet.
    searched: usize,
    begun: Option<Reply>,
    failed: Option<ReplyError>,
}

impl Replies {
    /// Takes the next bytes. Ask for replies before pushing more.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        self.input.drain(..self.taken);
        self.searched -= self.taken;
        self.taken = 0;
        self.input.extend_from_slice(bytes);
    }

    /// The next whole reply; `None` until its end is there. An error stays.
    pub fn next_reply(&mut self) -> Option<Result<Reply, ReplyError>> {
        if let Some(error) = self.failed {
            return Some(Err(error));
        }
        let read = self.read().transpose();
        if let Some(Err(error)) = read {
            self.failed = Some(error);
            self.input = Vec::new();
            (self.taken, self.searched) = (0, 0);
        }
        read
    }

    /// Whether nothing is held: no bytes, no half a reply, no error.
    pub fn is_empty(&self) -> bool {
        self.taken == self.input.len() && self.begun.is_none() && self.failed.is_none()
    }

    fn read(&mut self) -> Result<Option<Reply>, ReplyError> {
        while let Some(line) = self.line()? {
            let line = Line::parse(&line)?;
            let goes_on = line.goes_on;
            let reply = match self.begun.take() {
                None => line.begin(),
                Some(reply) => line.add_to(reply)?,
            };
            if !goes_on {
                return Ok(Some(reply));
            }
            self.begun = Some(reply);
        }
        Ok(None)
    }

    /// The next line without its line end.
    fn line(&mut self) -> Result<Option<Vec<u8>>, ReplyError> {
        let unsearched = self.input.get(self.searched..).unwrap_or_default();
        let Some(found) = unsearched.iter().position(|&byte| byte == b'\n') else {
            self.searched = self.input.len();
            let pending = self.searched - self.taken;
            return if pending >= LINE_BYTES_MAX {
                Err(ReplyError::LineTooLong)
            } else {
                Ok(None)
            };
        };
        let end = self.searched + found;
        let line = self.input.get(self.taken..end).unwrap_or_default();
        if line.len() + 1 > LINE_BYTES_MAX {
            return Err(ReplyError::LineTooLong);
        }
        // RFC 5321 2.3.8 has CRLF alone end a line; here LF can do no harm, since replies carry no foreign text.
        let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        self.taken = end + 1;
        self.searched = self.taken;
        Ok(Some(line))
    }
}

/// One line of a reply.
struct Line {
    code: u16,
    class: Class,
    goes_on: bool,
    enhanced: Option<Status>,
    /// With the enhanced status code.
    whole: String,
    /// Without it.
    text: String,
}

impl Line {
    fn parse(line: &[u8]) -> Result<Self, ReplyError> {
        if line.iter().any(|byte| matches!(byte, b'\r' | 0)) {
            return Err(ReplyError::BadByte);
        }
        let (code, rest) = line.split_at_checked(3).ok_or(ReplyError::Garbage)?;
        let code = number(code).ok_or(ReplyError::Garbage)?;
        let class = class_of(code)?;
        let (goes_on, text) = match rest.split_first() {
            // RFC 5321 4.2: clients should take a code without text.
            None => (false, rest),
            Some((b' ', text)) => (false, text),
            Some((b'-', text)) => (true, text),
            Some(_) => return Err(ReplyError::Garbage),
        };
        let whole = printable(text);
        let (enhanced, text) = split_enhanced(code, &whole);
        Ok(Self {
            code,
            class,
            goes_on,
            enhanced,
            text: text.to_owned(),
            whole,
        })
    }

    fn begin(self) -> Reply {
        Reply {
            code: self.code,
            class: self.class,
            enhanced: self.enhanced,
            lines: vec![self.text],
        }
    }

    fn add_to(self, mut reply: Reply) -> Result<Reply, ReplyError> {
        if self.code != reply.code {
            return Err(ReplyError::MixedCodes(reply.code, self.code));
        }
        if reply.lines.len() >= LINES_MAX {
            return Err(ReplyError::TooManyLines);
        }
        // RFC 2034 4: each line repeats it. What differs from the first line's is text.
        let repeats = self.enhanced == reply.enhanced;
        let text = if repeats { self.text } else { self.whole };
        let kept: usize = reply.lines.iter().map(String::len).sum();
        let has_room = kept.saturating_add(text.len()) <= TEXT_BYTES_MAX;
        reply
            .lines
            .push(if has_room { text } else { String::new() });
        Ok(reply)
    }
}

fn class_of(code: u16) -> Result<Class, ReplyError> {
    match code / 100 {
        2 => Ok(Class::Done),
        3 => Ok(Class::GoOn),
        4 => Ok(Class::Transient),
        5 => Ok(Class::Permanent),
        _ => Err(ReplyError::Code(code)),
    }
}

fn number(digits: &[u8]) -> Option<u16> {
    let all_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| all_digits)?;
    text.parse().ok()
}

/// RFC 2034 4: `class "." subject "." detail`, then a space or the end. A class that is not the reply's makes it text.
fn split_enhanced(code: u16, text: &str) -> (Option<Status>, &str) {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match Status::parse(word) {
        Some(enhanced) if enhanced.class.digit() == code / 100 => (Some(enhanced), rest),
        _ => (None, text),
    }
}

/// The text of a foreign server ends up in logs and DSNs: no control characters. UTF-8 is kept (RFC 6531 3.7.4.1).
fn printable(text: &[u8]) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = String::from_utf8_lossy(text).chars().map(clean).collect();
    text.trim_end().to_owned()
}
