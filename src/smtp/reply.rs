//! SMTP replies (RFC 5321 4.2): code, enhanced status code (RFC 2034, RFC 3463), text in one or more lines.
//!
//! Whatever the text, what is rendered is well-formed: printable ASCII, no line longer than the protocol allows, the
//! code in front of each line. Texts are for the peer's postmaster and its users; causes for our log are not in them.

use std::fmt;

/// Longest reply line, with its CRLF (RFC 5321 4.5.3.1.5).
pub const REPLY_LINE_BYTES_MAX: usize = 512;

/// An enhanced status code without its class, which is the reply code's first digit (RFC 3463 2): subject and detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detail(pub u16, pub u16);

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    detail: Option<Detail>,
    lines: Vec<String>,
}

impl Reply {
    /// A reply with an enhanced status code. Only classes 2, 4 and 5 have them (RFC 2034 4).
    pub fn new(code: u16, detail: Detail, text: impl Into<String>) -> Self {
        Self {
            code,
            detail: Some(detail),
            lines: vec![text.into()],
        }
    }

    /// A reply without one: the greeting, the answer to HELO and EHLO, and class 3 (RFC 2034 4).
    pub fn plain(code: u16, text: impl Into<String>) -> Self {
        Self {
            code,
            detail: None,
            lines: vec![text.into()],
        }
    }

    /// Adds a line.
    #[must_use]
    pub fn line(mut self, text: impl Into<String>) -> Self {
        self.lines.push(text.into());
        self
    }

    /// The reply code.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Whether it refuses what was asked (4yz and 5yz).
    pub fn is_refusal(&self) -> bool {
        self.code >= 400
    }

    /// The enhanced status code, without its class.
    pub fn detail(&self) -> Option<Detail> {
        self.detail
    }

    fn enhanced(&self) -> String {
        let Some(Detail(subject, detail)) = self.detail else {
            return String::new();
        };
        format!("{}.{subject}.{detail} ", self.code / 100)
    }

    /// Appends it as it goes over the wire.
    pub fn render(&self, out: &mut Vec<u8>) {
        let enhanced = self.enhanced();
        for (at, line) in self.lines.iter().enumerate() {
            let mark = if at + 1 == self.lines.len() { ' ' } else { '-' };
            let head = format!("{:03}{mark}{enhanced}", self.code);
            let room = REPLY_LINE_BYTES_MAX.saturating_sub(head.len() + 2);
            out.extend_from_slice(head.as_bytes());
            out.extend(line.chars().map(printable).take(room));
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Code, enhanced code and first line, for the log.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.enhanced())?;
        f.write_str(self.lines.first().map_or("", String::as_str))
    }
}

/// Text that quotes the peer must not break lines or smuggle bytes.
fn printable(c: char) -> u8 {
    let byte = u8::try_from(c).unwrap_or(b'?');
    if (b' '..=b'~').contains(&byte) {
        byte
    } else {
        b'?'
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reply: &Reply, expected: &str) {
        let mut out = Vec::new();
        reply.render(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn renders_lines() {
        check(&Reply::plain(354, "Go on"), "354 Go on\r\n");
        check(
            &Reply::new(550, Detail(1, 1), "No such mailbox"),
            "550 5.1.1 No such mailbox\r\n",
        );
        check(
            &Reply::plain(250, "mail.example")
                .line("PIPELINING")
                .line("SIZE 5"),
            "250-mail.example\r\n250-PIPELINING\r\n250 SIZE 5\r\n",
        );
        check(
            &Reply::new(250, Detail(0, 0), "a").line("b"),
            "250-2.0.0 a\r\n250 2.0.0 b\r\n",
        );
    }

    #[test]
    fn text_cannot_break_the_line() {
        check(
            &Reply::new(501, Detail(5, 4), "x\r\n250 y\u{e9}"),
            "501 5.5.4 x??250 y?\r\n",
        );
        let mut out = Vec::new();
        Reply::new(500, Detail(5, 2), "a".repeat(2000)).render(&mut out);
        assert_eq!(out.len(), REPLY_LINE_BYTES_MAX);
    }
}
