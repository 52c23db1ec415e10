//! What follows DATA: lines with dots doubled, ended by CRLF.CRLF (RFC 5321 4.1.1.4, 4.5.2), and the same rules for
//! the bytes of BDAT, which have no end mark.
//!
//! Only CRLF . CRLF ends DATA. A bare CR or LF is never a line end, so what follows one can neither end the message nor
//! lose a dot; it marks the message as malformed, which is said after the real end. That is what keeps commands from
//! being smuggled inside a message past a server with another idea of line ends.

/// Longest line taken in a message. RFC 5321 4.5.3.1.6 asks for 1000; far longer ones are written by real programs and
/// cost us nothing, since lines are not held.
pub const DATA_LINE_BYTES_MAX: u64 = 1 << 20;

/// What is wrong with the bytes of a message. Kept: the first thing found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A CR without LF after it, or an LF without CR before it (RFC 5321 2.3.8).
    BareLineEnd,
    /// A byte of value 0 (RFC 6152 3 leaves it out; it cannot be carried in an IMAP literal).
    Nul,
    /// A line longer than [`DATA_LINE_BYTES_MAX`].
    LineTooLong,
}

/// Checks the lines of a message, whatever frames it.
#[derive(Clone, Debug, Default)]
pub struct LineCheck {
    after_cr: bool,
    line_bytes: u64,
    malformed: Option<Malformed>,
}

impl LineCheck {
    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.line_bytes += 1;
            match byte {
                b'\n' if self.after_cr => self.line_bytes = 0,
                b'\n' => self.note(Malformed::BareLineEnd),
                _ if self.after_cr => self.note(Malformed::BareLineEnd),
                0 => self.note(Malformed::Nul),
                _ if self.line_bytes > DATA_LINE_BYTES_MAX => self.note(Malformed::LineTooLong),
                _ => {}
            }
            self.after_cr = byte == b'\r';
        }
    }

    /// What was wrong so far.
    pub fn malformed(&self) -> Option<Malformed> {
        self.malformed
    }

    /// Whether the last byte was a CR that waits for its LF.
    pub fn ends_with_cr(&self) -> bool {
        self.after_cr
    }

    fn note(&mut self, what: Malformed) {
        self.malformed.get_or_insert(what);
    }
}

/// Takes the dots out of DATA and finds its end.
#[derive(Clone, Debug, Default)]
pub struct Dots(At);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// At the start of a line; DATA's own CRLF counts.
    #[default]
    LineStart,
    /// Inside a line.
    Line,
    /// Behind a CR that is part of the message.
    Cr,
    /// Behind a dot at the start of a line, which is held back.
    Dot,
    /// Behind CRLF . CR, of which the dot and the CR are held back.
    DotCr,
    /// Behind the end.
    End,
}

/// How far [`Dots::push`] got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All input belonged to the message.
    More,
    /// The message ended after that many bytes of the input; the rest are commands.
    Ended(usize),
}

impl Dots {
    /// Takes the next bytes and appends those of the message to `out`.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Progress {
        for (at, &byte) in input.iter().enumerate() {
            self.0 = step(self.0, byte, out);
            if self.0 == At::End {
                return Progress::Ended(at + 1);
            }
        }
        Progress::More
    }
}

fn step(at: At, byte: u8, out: &mut Vec<u8>) -> At {
    match (at, byte) {
        (At::LineStart, b'.') => return At::Dot,
        (At::Dot, b'\r') => return At::DotCr,
        (At::DotCr, b'\n') | (At::End, _) => return At::End,
        // The dot was a doubled one or stood alone in front of text; either way it is dropped (RFC 5321 4.5.2).
        (At::Dot | At::LineStart | At::Line | At::Cr, _) => {}
        // Not the end after all: the CR that was held back is a bare one.
        (At::DotCr, _) => out.push(b'\r'),
    }
    out.push(byte);
    match (at, byte) {
        (_, b'\r') => At::Cr,
        (At::Cr, b'\n') => At::LineStart,
        _ => At::Line,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Message, unread rest and what is wrong.
    type Taken = (Vec<u8>, Option<Vec<u8>>, Option<Malformed>);

    fn take(pieces: &[&[u8]]) -> Taken {
        let mut dots = Dots::default();
        let mut lines = LineCheck::default();
        let mut message = Vec::new();
        let mut rest: Option<Vec<u8>> = None;
        for piece in pieces {
            if let Some(rest) = &mut rest {
                rest.extend_from_slice(piece);
                continue;
            }
            let before = message.len();
            if let Progress::Ended(used) = dots.push(piece, &mut message) {
                rest = Some(piece[used..].to_vec());
            }
            lines.push(&message[before..]);
        }
        (message, rest, lines.malformed())
    }

    fn check(input: &str, message: &str, rest: &str) {
        let (got, after, malformed) = take(&[input.as_bytes()]);
        assert_eq!(String::from_utf8_lossy(&got), message);
        assert_eq!(after.as_deref(), Some(rest.as_bytes()), "{input:?}");
        assert_eq!(malformed, None, "{input:?}");
    }

    #[test]
    fn dots_are_undoubled_and_the_end_found() {
        check(".\r\n", "", "");
        check("a\r\n.\r\nQUIT\r\n", "a\r\n", "QUIT\r\n");
        check("..\r\n.\r\n", ".\r\n", "");
        check("...a\r\n..b\r\n.\r\n", "..a\r\n.b\r\n", "");
        check(".a\r\n.\r\n", "a\r\n", "");
        check("a.\r\n.\r\n", "a.\r\n", "");
    }

    #[test]
    fn nothing_else_is_an_end() {
        for end in [
            "\n.\n",
            "\n.\r\n",
            "\r.\r\n",
            "\r\n.\n",
            "\r\n.\r",
            "\r.\r",
            "\n.\r",
            "\r\n\0.\r\n",
            "\r\n.\r\r\n",
            "\r\r\n.\0\r\n",
        ] {
            let input = format!("a{end}MAIL FROM:<x@y>\r\n");
            let (message, rest, malformed) = take(&[input.as_bytes()]);
            assert_eq!(rest, None, "{input:?}");
            assert!(malformed.is_some(), "{input:?}");
            assert!(message.ends_with(b"MAIL FROM:<x@y>\r\n"), "{input:?}");
        }
    }

    #[test]
    fn long_lines_are_noticed() {
        let limit = usize::try_from(DATA_LINE_BYTES_MAX).unwrap();
        let mut lines = LineCheck::default();
        lines.push(&vec![b'a'; limit - 2]);
        lines.push(b"\r\n");
        assert_eq!(lines.malformed(), None);
        lines.push(&vec![b'a'; limit + 1]);
        assert_eq!(lines.malformed(), Some(Malformed::LineTooLong));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(
            text in "[a.\r\n]{0,24}",
            tail in "(\r\n\\.\r\nNOOP\r\n)?",
            cut in 0_usize..36,
        ) {
            let all = format!("{text}{tail}");
            let (first, second) = all.as_bytes().split_at(cut.min(all.len()));
            prop_assert_eq!(take(&[first, second]), take(&[all.as_bytes()]));
        }

        #[test]
        fn stuffed_messages_come_back(lines in prop::collection::vec("[a.]{0,4}", 0..6)) {
            let mut message = String::new();
            let mut stuffed = String::new();
            for line in &lines {
                if line.starts_with('.') {
                    stuffed.push('.');
                }
                for text in [&mut message, &mut stuffed] {
                    text.push_str(line);
                    text.push_str("\r\n");
                }
            }
            let (got, rest, malformed) = take(&[stuffed.as_bytes(), b".\r\n"]);
            prop_assert_eq!(got, message.into_bytes());
            prop_assert_eq!(rest, Some(Vec::new()));
            prop_assert_eq!(malformed, None);
        }
    }
}
