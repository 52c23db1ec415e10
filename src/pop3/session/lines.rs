//! Cuts what the peer sent into lines, each within a limit; what is longer is read to its end and thrown away.

/// One line without its line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(Vec<u8>),
    TooLong,
}

/// Bytes that were not taken yet: at most what the driver reads at once, and one line.
#[derive(Debug, Default)]
pub(super) struct Lines {
    held: Vec<u8>,
    tail: Tail,
}

/// What the bytes up to the next line end are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tail {
    #[default]
    Line,
    /// The rest of a line that is too long.
    Excess,
}

impl Lines {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn has_line(&self) -> bool {
        self.held.contains(&b'\n')
    }

    /// The next line, of at most `bytes_max` bytes with its end. A bare LF ends a line too.
    pub(super) fn next(&mut self, bytes_max: usize) -> Option<Line> {
        let Some(end) = self.held.iter().position(|byte| *byte == b'\n') else {
            if self.held.len() >= bytes_max {
                self.held.clear();
                self.tail = Tail::Excess;
            }
            return None;
        };
        let mut line: Vec<u8> = self.held.drain(..=end).collect();
        let tail = std::mem::take(&mut self.tail);
        if tail == Tail::Excess || line.len() > bytes_max {
            return Some(Line::TooLong);
        }
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some(Line::Whole(line))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BYTES_MAX: usize = 8;

    fn cut(pieces: &[&[u8]]) -> Vec<Line> {
        let (mut lines, mut cut) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.push(piece);
            while let Some(line) = lines.next(BYTES_MAX) {
                cut.push(line);
            }
        }
        cut
    }

    #[test]
    fn lines_and_limits() {
        let whole = |text: &str| Line::Whole(text.as_bytes().to_vec());
        assert_eq!(
            cut(&[b"NOOP\r\nA\n\r\n"]),
            [whole("NOOP"), whole("A"), whole("")]
        );
        assert_eq!(cut(&[b"123456\r\n"]), [whole("123456")]);
        assert_eq!(cut(&[b"1234567\r\nA\r\n"]), [Line::TooLong, whole("A")]);
        assert_eq!(
            cut(&[b"12345678", b"90", b"1\r\nA\r\n"]),
            [Line::TooLong, whole("A")]
        );
        assert_eq!(cut(&[b"no end"]), []);
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(
            bytes in prop::collection::vec(prop::sample::select(b"ab\r\n".to_vec()), 0..60),
            at in 0_usize..60,
        ) {
            let (head, tail) = bytes.split_at(at.min(bytes.len()));
            prop_assert_eq!(cut(&[head, tail]), cut(&[&bytes]));
        }
    }
}
