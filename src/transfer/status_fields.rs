//! The header fields in which mbox programs keep flags: `Status`, `X-Status`, `X-Keywords`, `X-Mozilla-Status`.
//!
//! Read and dropped at import, written at export, so that flags survive the round trip and messages come out as they
//! went in.

use crate::mail::flags::{Flags, Keyword, SystemFlags};

/// Letters of `Status` and `X-Status` that mean a flag (`O`, old, means none).
const LETTERS: [(u8, SystemFlags); 5] = [
    (b'R', SystemFlags::SEEN),
    (b'A', SystemFlags::ANSWERED),
    (b'F', SystemFlags::FLAGGED),
    (b'D', SystemFlags::DELETED),
    (b'T', SystemFlags::DRAFT),
];

/// Bits of `X-Mozilla-Status` (hexadecimal) that mean a flag.
const MOZILLA_BITS: [(u16, SystemFlags); 3] = [
    (0x0001, SystemFlags::SEEN),
    (0x0002, SystemFlags::ANSWERED),
    (0x0004, SystemFlags::FLAGGED),
];
/// The bit of `X-Mozilla-Status` that marks a message as deleted and not yet compacted away.
const MOZILLA_EXPUNGED: u16 = 0x0008;

/// What the status fields of one message said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// Flags.
    pub(super) flags: Flags,
    /// The message was deleted by its program and is only still there because the file was not compacted.
    pub(super) expunged: bool,
}

impl Status {
    /// Takes in `line` if it is a status field; `false` if it is any other line.
    pub(super) fn take(&mut self, line: &[u8]) -> bool {
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            return false;
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("Status") || is("X-Status") {
            self.take_letters(value);
        } else if is("X-Keywords") {
            self.take_keywords(value);
        } else if is("X-Mozilla-Status") {
            self.take_mozilla(value);
        } else {
            return is("X-Mozilla-Status2") || is("X-Mozilla-Keys") || is("X-UID");
        }
        true
    }

    fn take_letters(&mut self, value: &[u8]) {
        for (letter, flag) in LETTERS {
            if value.contains(&letter) {
                self.flags.system = self.flags.system.union(flag);
            }
        }
    }

    fn take_keywords(&mut self, value: &[u8]) {
        let text = String::from_utf8_lossy(value);
        for keyword in text.split_ascii_whitespace().filter_map(Keyword::new) {
            if !self.flags.keywords.contains(&keyword) {
                self.flags.keywords.push(keyword);
            }
        }
    }

    fn take_mozilla(&mut self, value: &[u8]) {
        let text = String::from_utf8_lossy(value);
        let bits = u16::from_str_radix(&text, 16).unwrap_or(0);
        for (bit, flag) in MOZILLA_BITS {
            if bits & bit != 0 {
                self.flags.system = self.flags.system.union(flag);
            }
        }
        self.expunged |= bits & MOZILLA_EXPUNGED != 0;
    }
}

/// The fields to write for `flags`, with LF line ends.
pub(super) fn render(flags: &Flags) -> String {
    let letters = |wanted: &[u8]| -> String {
        let set = LETTERS
            .iter()
            .filter(|(letter, flag)| wanted.contains(letter) && flags.system.contains(*flag));
        set.map(|(letter, _)| char::from(*letter)).collect()
    };
    let mut fields = format!("Status: {}O\n", letters(b"R"));
    let more = letters(b"AFDT");
    if !more.is_empty() {
        fields.extend(["X-Status: ", &more, "\n"]);
    }
    if !flags.keywords.is_empty() {
        let names: Vec<&str> = flags.keywords.iter().map(Keyword::as_str).collect();
        fields.extend(["X-Keywords: ", &names.join(" "), "\n"]);
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let flags = Flags {
            system: SystemFlags::SEEN
                .union(SystemFlags::FLAGGED)
                .union(SystemFlags::DRAFT),
            keywords: vec![
                Keyword::new("$Forwarded").unwrap(),
                Keyword::new("todo").unwrap(),
            ],
        };
        let mut status = Status::default();
        for line in render(&flags).lines() {
            assert!(status.take(line.as_bytes()), "{line}");
        }
        assert_eq!(status.flags, flags);
    }

    #[test]
    fn mozilla_bits() {
        let mut status = Status::default();
        assert!(status.take(b"X-Mozilla-Status: 000b"));
        assert_eq!(
            status.flags.system,
            SystemFlags::SEEN.union(SystemFlags::ANSWERED)
        );
        assert!(status.expunged);
        assert!(!status.take(b"Subject: Status: R"));
    }
}
