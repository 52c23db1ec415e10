//! What the bytes of each leaf really are, whatever its header says.

use super::walk::{Event, Kind, Walk};

/// Leaves of one message that findings are kept of; more are converted by what they say.
const LEAVES_MAX: usize = 10_000;

/// Longest line without its line end (RFC 5322 2.1.1).
pub(super) const LINE_BYTES_MAX: u64 = 998;

/// Reads a message before [`super::SevenBit`] converts it.
#[derive(Debug)]
pub struct Survey {
    walk: Walk,
    counts: Counts,
}

/// What a [`Survey`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    leaves: Vec<Leaf>,
    is_filler_ascii: bool,
}

/// What one leaf is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf {
    /// ASCII without NUL, in lines that are not too long.
    Clean,
    /// The same, but for CR and LF that are no line end: harmless in text only.
    Bare,
    /// Anything else.
    Dirty(Bytes),
}

/// What bytes a leaf has that is not clean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bytes {
    pub(super) charset: Charset,
    pub(super) density: Density,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    Ascii,
    Utf8,
    Unknown,
}

/// Which encoding of text is shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Density {
    /// Quoted-printable.
    Sparse,
    /// Base64.
    Dense,
}

#[derive(Debug, Default)]
struct Counts {
    leaves: Vec<Leaf>,
    open: Counter,
    has_8bit_filler: bool,
}

/// Counts one leaf.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not depend on each other"
)]
struct Counter {
    bytes: u64,
    quoted: u64,
    line_bytes: u64,
    has_long_line: bool,
    has_nul: bool,
    has_bare: bool,
    after_cr: bool,
    has_8bit: bool,
    is_not_utf8: bool,
    /// The begin of a character.
    cut: Vec<u8>,
}

impl Survey {
    /// At the first byte of a message.
    pub fn new() -> Self {
        Self {
            walk: Walk::new(),
            counts: Counts::default(),
        }
    }

    /// Takes the next piece, of any size.
    pub fn push(&mut self, piece: &[u8]) {
        let counts = &mut self.counts;
        self.walk.push(piece, &mut |event| counts.take(event));
    }

    /// The message ends.
    pub fn finish(mut self) -> Findings {
        let counts = &mut self.counts;
        self.walk.finish(&mut |event| counts.take(event));
        Findings {
            leaves: self.counts.leaves,
            is_filler_ascii: !self.counts.has_8bit_filler,
        }
    }
}

impl Default for Survey {
    fn default() -> Self {
        Self::new()
    }
}

impl Findings {
    /// Whether the bodies are 7 bits in short lines already, so that there is no need to convert. Header fields may
    /// have 8 bits even so.
    pub fn are_seven_bit(&self) -> bool {
        let is_clean = |leaf: &Leaf| *leaf == Leaf::Clean;
        self.is_filler_ascii && self.leaves.len() < LEAVES_MAX && self.leaves.iter().all(is_clean)
    }

    /// What the leaf of that number is, if it was looked at; the first one is 0.
    pub(super) fn leaf(&self, number: usize) -> Option<Leaf> {
        self.leaves.get(number).copied()
    }
}

impl Counts {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Header(header) if header.kind == Kind::Leaf => self.open = Counter::default(),
            Event::Body(bytes) => self.open.push(bytes),
            Event::BodyEnd(_) if self.leaves.len() < LEAVES_MAX => {
                self.leaves.push(std::mem::take(&mut self.open).finish());
            }
            Event::Filler(bytes) => self.has_8bit_filler |= !bytes.is_ascii(),
            Event::Header(_) | Event::BodyEnd(_) | Event::Verbatim(_) => {}
        }
    }
}

impl Counter {
    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.count(*byte);
        }
        if !bytes.is_ascii() || !self.cut.is_empty() {
            self.check_utf8(bytes);
        }
    }

    fn count(&mut self, byte: u8) {
        let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
        self.has_bare |= after_cr != (byte == b'\n');
        self.bytes += 1;
        match byte {
            b'\n' => self.line_bytes = 0,
            b'\r' => {}
            _ => self.line_bytes += 1,
        }
        self.has_long_line |= self.line_bytes > LINE_BYTES_MAX;
        self.has_nul |= byte == 0;
        self.has_8bit |= byte >= 0x80;
        if byte >= 0x7f || byte < b' ' && !matches!(byte, b'\r' | b'\n' | b'\t') {
            self.quoted += 1;
        }
    }

    fn check_utf8(&mut self, bytes: &[u8]) {
        if self.is_not_utf8 {
            return;
        }
        let mut text = std::mem::take(&mut self.cut);
        text.extend_from_slice(bytes);
        if let Err(error) = std::str::from_utf8(&text) {
            match error.error_len() {
                None => self.cut = text.split_off(error.valid_up_to()),
                Some(_) => self.is_not_utf8 = true,
            }
        }
    }

    fn finish(self) -> Leaf {
        if !self.has_8bit && !self.has_nul && !self.has_long_line {
            return if self.has_bare || self.after_cr {
                Leaf::Bare
            } else {
                Leaf::Clean
            };
        }
        let is_utf8 = !self.is_not_utf8 && self.cut.is_empty();
        let charset = match (self.has_8bit, is_utf8) {
            (false, _) => Charset::Ascii,
            (true, true) => Charset::Utf8,
            (true, false) => Charset::Unknown,
        };
        // Three bytes for each quoted one against four for three of any.
        let density = if self.quoted * 6 > self.bytes {
            Density::Dense
        } else {
            Density::Sparse
        };
        Leaf::Dirty(Bytes { charset, density })
    }
}
