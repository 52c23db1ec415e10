//! A message on its way into DATA or BDAT, in any pieces: line ends made right, dots doubled (RFC 5321 4.5.2).
//!
//! A bare CR or LF never leaves this box in text (RFC 5321 2.3.8): a next server with another idea of line ends could
//! see the end of the message in it, and commands behind. Each becomes CRLF. Bytes of BINARYMIME go as they are.

/// What is done to the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// DATA.
    Dots,
    /// BDAT with text.
    Text,
    /// BDAT with anything.
    Binary,
}

/// Remembers where the last piece ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    framing: Framing,
    at: At,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    LineStart,
    Line,
    /// Behind a CR that is not written yet.
    Cr,
}

impl Body {
    pub(super) fn new(framing: Framing) -> Self {
        let at = At::LineStart;
        Self { framing, at }
    }

    /// Appends the next bytes to `out` as they have to be sent.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.framing == Framing::Binary {
            out.extend_from_slice(bytes);
            return;
        }
        out.reserve(bytes.len());
        for &byte in bytes {
            self.push_byte(byte, out);
        }
    }

    fn push_byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.at == At::Cr || byte == b'\n' {
            out.extend_from_slice(b"\r\n");
            let ended_here = byte == b'\n';
            self.at = At::LineStart;
            if ended_here {
                return;
            }
        }
        match (byte, self.at) {
            (b'\r', _) => {
                self.at = At::Cr;
                return;
            }
            (b'.', At::LineStart) if self.framing == Framing::Dots => out.push(b'.'),
            _ => {}
        }
        out.push(byte);
        self.at = At::Line;
    }

    /// Appends what ends the message: the end of its last line and, in DATA, the dot.
    pub(super) fn finish(self, out: &mut Vec<u8>) {
        if self.framing == Framing::Binary {
            return;
        }
        if self.at != At::LineStart {
            out.extend_from_slice(b"\r\n");
        }
        if self.framing == Framing::Dots {
            out.extend_from_slice(b".\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::smtp::data::{Dots, LineCheck, Progress};

    fn send(framing: Framing, pieces: &[&[u8]]) -> Vec<u8> {
        let mut body = Body::new(framing);
        let mut out = Vec::new();
        for piece in pieces {
            body.push(piece, &mut out);
        }
        body.finish(&mut out);
        out
    }

    fn check(message: &str, dots: &str, text: &str) {
        let sent = |framing| String::from_utf8(send(framing, &[message.as_bytes()])).unwrap();
        assert_eq!(sent(Framing::Dots), dots, "{message:?}");
        assert_eq!(sent(Framing::Text), text, "{message:?}");
        assert_eq!(sent(Framing::Binary), message, "{message:?}");
    }

    #[test]
    fn lines_and_dots() {
        check("", ".\r\n", "");
        check("a\r\n", "a\r\n.\r\n", "a\r\n");
        check("a", "a\r\n.\r\n", "a\r\n");
        check(".\r\n..a\r\n", "..\r\n...a\r\n.\r\n", ".\r\n..a\r\n");
        check("a\n.\nb", "a\r\n..\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n");
        check("a\r.\rb\r", "a\r\n..\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n");
        check("\r\r\n\n\r", "\r\n\r\n\r\n\r\n.\r\n", "\r\n\r\n\r\n\r\n");
    }

    proptest! {
        /// Our own server finds the end where it is, and the message whole.
        #[test]
        fn data_comes_through(text in "[a.\r\n]{0,24}", cut in 0_usize..25) {
            let (first, second) = text.as_bytes().split_at(cut.min(text.len()));
            let sent = send(Framing::Dots, &[first, second]);
            prop_assert_eq!(&sent, &send(Framing::Dots, &[text.as_bytes()]));
            let mut message = Vec::new();
            let progress = Dots::default().push(&sent, &mut message);
            prop_assert_eq!(progress, Progress::Ended(sent.len()));
            prop_assert_eq!(&message, &send(Framing::Text, &[text.as_bytes()]));
            let mut lines = LineCheck::default();
            lines.push(&message);
            prop_assert_eq!(lines.malformed(), None);
        }
    }
}
