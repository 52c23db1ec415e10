//! Sends one message, or its top, as a multi-line response (RFC 1939 3): in pieces, dot-stuffed, lines ended by CRLF.

use std::ops::ControlFlow;

use crate::store::{MessageReader, Result};

/// Bytes read from the store at once.
const READ_BYTES: usize = 32 * 1024;

/// How much of a message goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it.
    Whole,
    /// The header, the empty line and so many lines of the body.
    Top { lines: u64 },
}

/// A message on its way out.
#[derive(Debug)]
pub(super) struct Retrieval {
    reader: MessageReader,
    offset: u64,
    writer: Writer,
}

impl Retrieval {
    pub(super) fn new(reader: MessageReader, extent: Extent) -> Self {
        Self {
            reader,
            offset: 0,
            writer: Writer::new(extent),
        }
    }

    /// Appends the next piece; breaks when it was the last.
    pub(super) fn piece(&mut self, out: &mut Vec<u8>) -> Result<ControlFlow<()>> {
        let mut bytes = Vec::new();
        let read = self.reader.read_at(self.offset, READ_BYTES, &mut bytes)?;
        self.offset += read as u64;
        let enough = self.writer.write(&bytes, out).is_break();
        if enough || read == 0 {
            self.writer.finish(out);
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Makes lines of a multi-line response from a message's bytes, however they are cut.
#[derive(Debug)]
struct Writer {
    extent: Extent,
    section: Section,
    /// Bytes of the line under way.
    line_bytes: usize,
    /// Its last byte.
    last: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Header,
    Body,
}

impl Writer {
    fn new(extent: Extent) -> Self {
        Self {
            extent,
            section: Section::Header,
            line_bytes: 0,
            last: 0,
        }
    }

    /// Appends `bytes`; breaks when the extent is reached.
    fn write(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> ControlFlow<()> {
        for segment in bytes.split_inclusive(|byte| *byte == b'\n') {
            // RFC 1939 3: a line that begins with the termination octet gets another in front.
            if self.line_bytes == 0 && segment.first() == Some(&b'.') {
                out.push(b'.');
            }
            let Some(text) = segment.strip_suffix(b"\n") else {
                self.text(segment, out);
                continue;
            };
            self.text(text, out);
            self.end_line(out)?;
        }
        ControlFlow::Continue(())
    }

    fn text(&mut self, text: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(text);
        self.line_bytes = self.line_bytes.saturating_add(text.len());
        self.last = text.last().copied().unwrap_or(self.last);
    }

    fn end_line(&mut self, out: &mut Vec<u8>) -> ControlFlow<()> {
        let has_cr = self.line_bytes > 0 && self.last == b'\r';
        out.extend_from_slice(if has_cr { b"\n" } else { b"\r\n" });
        let is_empty = self.line_bytes == usize::from(has_cr);
        self.line_bytes = 0;
        self.count_line(is_empty)
    }

    fn count_line(&mut self, is_empty: bool) -> ControlFlow<()> {
        let Extent::Top { lines } = &mut self.extent else {
            return ControlFlow::Continue(());
        };
        match self.section {
            Section::Header if is_empty => self.section = Section::Body,
            Section::Header => return ControlFlow::Continue(()),
            Section::Body => *lines = lines.saturating_sub(1),
        }
        if *lines == 0 {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Ends the last line if the message does not, and the response.
    fn finish(&self, out: &mut Vec<u8>) {
        if self.line_bytes > 0 {
            out.extend_from_slice(if self.last == b'\r' { b"\n" } else { b"\r\n" });
        }
        out.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn render(pieces: &[&[u8]], extent: Extent) -> Vec<u8> {
        let (mut writer, mut out) = (Writer::new(extent), Vec::new());
        for piece in pieces {
            if writer.write(piece, &mut out).is_break() {
                break;
            }
        }
        writer.finish(&mut out);
        out
    }

    fn check(message: &str, extent: Extent, expected: &str) {
        let out = render(&[message.as_bytes()], extent);
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{message:?}");
    }

    #[test]
    fn whole_messages() {
        let whole = |message: &str, expected: &str| check(message, Extent::Whole, expected);
        whole("A: b\r\n\r\ntext\r\n", "A: b\r\n\r\ntext\r\n.\r\n");
        whole(
            "A: b\r\n\r\n.\r\n..\r\n.x\r\n",
            "A: b\r\n\r\n..\r\n...\r\n..x\r\n.\r\n",
        );
        whole("no end", "no end\r\n.\r\n");
        whole("cr\r", "cr\r\n.\r\n");
        whole("", ".\r\n");
        whole(".", "..\r\n.\r\n");
        // Nothing in a message ends the response, for clients that end lines at LF either.
        whole("a\n.\r\nb\r.\r\n", "a\r\n..\r\nb\r.\r\n.\r\n");
    }

    #[test]
    fn tops() {
        let top = |lines, expected: &str| {
            check(
                "A: b\r\nC: d\r\n\r\n1\r\n.2\r\n\r\n4",
                Extent::Top { lines },
                expected,
            );
        };
        top(0, "A: b\r\nC: d\r\n\r\n.\r\n");
        top(1, "A: b\r\nC: d\r\n\r\n1\r\n.\r\n");
        top(3, "A: b\r\nC: d\r\n\r\n1\r\n..2\r\n\r\n.\r\n");
        top(u64::MAX, "A: b\r\nC: d\r\n\r\n1\r\n..2\r\n\r\n4\r\n.\r\n");
        check(
            "A: b\n\nx\ny\n",
            Extent::Top { lines: 1 },
            "A: b\r\n\r\nx\r\n.\r\n",
        );
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(
            message in prop::collection::vec(prop::sample::select(b"a.\r\n".to_vec()), 0..40),
            cut in 0_usize..40,
            lines in prop::option::of(0_u64..4),
        ) {
            let extent = lines.map_or(Extent::Whole, |lines| Extent::Top { lines });
            let (head, tail) = message.split_at(cut.min(message.len()));
            prop_assert_eq!(render(&[head, tail], extent), render(&[&message], extent));
        }

        /// A client that ends lines at LF or at CRLF finds the end where it is, and the same lines.
        #[test]
        fn only_the_last_line_is_a_dot(
            message in prop::collection::vec(prop::sample::select(b"a.\r\n".to_vec()), 0..40),
        ) {
            let out = render(&[&message], Extent::Whole);
            let lines: Vec<&[u8]> = out.split_inclusive(|byte| *byte == b'\n').collect();
            let (last, others) = lines.split_last().unwrap();
            prop_assert_eq!(*last, b".\r\n");
            prop_assert!(others.iter().all(|line| line.ends_with(b"\r\n") && *line != b".\r\n"));
        }
    }
}
