//! Cuts a message into headers, bodies of leaves and what lies between them, while its bytes stream by.
//!
//! All its bytes come out as events, in their order, and events depend on the bytes alone (where a body is cut into
//! pieces apart). The tree is the one that [`super::super::Scanner`] finds, but for `message/global`, which may be
//! encoded as a whole and so is a leaf here (RFC 6532 3.7). Held at a time: one header, one line that may be a
//! boundary, the boundaries around.

use super::super::content::{self, Assumed};
use super::super::header::fields;
use super::super::{HEADER_BYTES_MAX, Part};

/// Multiparts inside each other that are looked into.
const OPEN_MAX: usize = 100;

/// Longest line that may be a boundary, white space behind it included.
const DELIMITER_BYTES_MAX: usize = 1024;

/// What comes by next.
#[derive(Debug)]
pub(super) enum Event<'a> {
    Header(Header<'a>),
    /// Of the leaf whose header came last.
    Body(&'a [u8]),
    BodyEnd(Ends),
    /// Boundaries, and the rest of a header that is too long.
    Verbatim(&'a [u8]),
    /// Preamble or epilogue, which nobody shows (RFC 2046 5.1.1).
    Filler(&'a [u8]),
}

/// The header of a message or of a part.
#[derive(Debug)]
pub(super) struct Header<'a> {
    pub(super) part: &'a Part,
    pub(super) role: Role,
    pub(super) kind: Kind,
    pub(super) fields: &'a [u8],
    /// What follows the fields: the empty line if there is one, or fields that are not looked at.
    pub(super) rest: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Message,
    Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Leaf,
    Container,
    /// A container too deep to be looked into.
    Opaque,
}

/// What a body ends at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mail) enum Ends {
    /// A boundary, with the line end before it.
    Boundary,
    Message,
}

#[derive(Debug)]
pub(super) struct Walk {
    open: Vec<Multipart>,
    section: Section,
    /// The last line end of a body, which belongs to the boundary if one follows.
    line_end: Vec<u8>,
    line: Line,
}

#[derive(Debug)]
struct Multipart {
    boundary: Vec<u8>,
    inside: Assumed,
    closed: bool,
}

#[derive(Debug)]
enum Section {
    Header(Block),
    /// What follows the part of a header that was looked at, up to the empty line; then comes this.
    Beyond(After, Blank),
    Leaf,
    Filler,
    Opaque,
}

/// A header under way.
#[derive(Debug)]
struct Block {
    bytes: Vec<u8>,
    /// Where the line under way begins.
    line_at: usize,
    role: Role,
    assumed: Assumed,
}

#[derive(Clone, Copy, Debug)]
enum After {
    Leaf,
    Filler,
    Opaque,
    Message,
}

/// Whether the line under way is empty so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blank {
    Yes,
    No,
}

/// The line of a body under way.
#[derive(Debug)]
enum Line {
    Start,
    /// It may be a boundary.
    Held(Vec<u8>),
    Passing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delimiter {
    Next,
    Close,
}

impl Walk {
    /// At the first byte of a message.
    pub(super) fn new() -> Self {
        Self {
            open: Vec::new(),
            section: Section::Header(Block::new(Role::Message, Assumed::Text)),
            line_end: Vec::new(),
            line: Line::Start,
        }
    }

    pub(super) fn push(&mut self, piece: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        for fragment in piece.split_inclusive(|b| *b == b'\n') {
            match &mut self.section {
                Section::Header(_) => self.push_header(fragment, sink),
                Section::Beyond(..) => self.push_beyond(fragment, sink),
                Section::Leaf | Section::Filler | Section::Opaque => {
                    self.push_body(fragment, sink);
                }
            }
        }
    }

    /// The message ends.
    pub(super) fn finish(mut self, sink: &mut impl FnMut(Event<'_>)) {
        if let Section::Header(block) = &self.section
            && block.line_at < block.bytes.len()
        {
            self.end_header_line(sink);
        }
        if let Line::Held(held) = std::mem::replace(&mut self.line, Line::Start) {
            self.end_held(&held, sink);
        }
        if matches!(self.section, Section::Header(_)) {
            self.end_header(sink);
        }
        self.release_line_end(sink);
        self.end_body(Ends::Message, sink);
    }

    fn push_header(&mut self, fragment: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        let Section::Header(block) = &mut self.section else {
            return;
        };
        let room = HEADER_BYTES_MAX.saturating_sub(block.bytes.len());
        let (head, beyond) = fragment.split_at(room.min(fragment.len()));
        block.bytes.extend_from_slice(head);
        if head.ends_with(b"\n") {
            self.end_header_line(sink);
        }
        if let Section::Header(block) = &self.section
            && block.bytes.len() >= HEADER_BYTES_MAX
        {
            self.cut_header(sink);
        }
        if !beyond.is_empty() {
            self.push_beyond(beyond, sink);
        }
    }

    fn end_header_line(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        let Section::Header(block) = &mut self.section else {
            return;
        };
        let line = block.bytes.get(block.line_at..).unwrap_or_default();
        if let Some(found) = delimiter(&self.open, line) {
            let line = block.bytes.split_off(block.line_at);
            self.end_header(sink);
            self.take_delimiter(found, &line, sink);
        } else if matches!(line, b"\n" | b"\r\n") {
            self.end_header(sink);
        } else {
            block.line_at = block.bytes.len();
        }
    }

    /// Takes the fields up to the empty line, or all if there is none.
    fn end_header(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        let Section::Header(block) = std::mem::replace(&mut self.section, Section::Filler) else {
            return;
        };
        let line_at = block.line_at;
        let after = self.take_header(&block, line_at, sink);
        self.begin(after);
    }

    /// The header is too long: its last field, which may go on, and what follows are not looked at.
    fn cut_header(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        let Section::Header(block) = std::mem::replace(&mut self.section, Section::Filler) else {
            return;
        };
        let last = fields(&block.bytes).last().map_or(0, |f| f.raw.len());
        let after = self.take_header(&block, block.bytes.len() - last, sink);
        let line = block.bytes.get(block.line_at..).unwrap_or_default();
        let blank = if matches!(line, b"" | b"\r") {
            Blank::Yes
        } else {
            Blank::No
        };
        self.section = Section::Beyond(after, blank);
    }

    fn take_header(
        &mut self,
        block: &Block,
        fields_end: usize,
        sink: &mut impl FnMut(Event<'_>),
    ) -> After {
        let (fields, rest) = block.bytes.split_at(fields_end.min(block.bytes.len()));
        let part = content::parse(fields, block.assumed);
        let after = self.after(&part);
        let kind = match after {
            After::Leaf => Kind::Leaf,
            After::Filler | After::Message => Kind::Container,
            After::Opaque => Kind::Opaque,
        };
        sink(Event::Header(Header {
            part: &part,
            role: block.role,
            kind,
            fields,
            rest,
        }));
        after
    }

    /// What follows that part's header; opens it if it is a multipart.
    fn after(&mut self, part: &Part) -> After {
        if part.is("message", "rfc822") {
            let is_encoded = matches!(part.encoding.as_slice(), b"base64" | b"quoted-printable");
            return if is_encoded {
                After::Leaf
            } else {
                After::Message
            };
        }
        if part.media_type != b"multipart" {
            return After::Leaf;
        }
        // Without a boundary the type is not valid, which counts as missing (RFC 2045 5.2).
        let Some(boundary) = content::boundary(part) else {
            return After::Leaf;
        };
        if self.open.len() >= OPEN_MAX {
            return After::Opaque;
        }
        self.open.push(Multipart {
            boundary,
            inside: Assumed::inside(part),
            closed: false,
        });
        After::Filler
    }

    fn begin(&mut self, after: After) {
        self.line = Line::Start;
        self.section = match after {
            After::Leaf => Section::Leaf,
            After::Filler => Section::Filler,
            After::Opaque => Section::Opaque,
            After::Message => Section::Header(Block::new(Role::Message, Assumed::Text)),
        };
    }

    fn push_beyond(&mut self, fragment: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        sink(Event::Verbatim(fragment));
        let Section::Beyond(after, blank) = &mut self.section else {
            return;
        };
        let after = *after;
        let text = fragment.trim_ascii_end();
        if !text.is_empty() || fragment.starts_with(b" ") || fragment.starts_with(b"\t") {
            *blank = Blank::No;
        }
        if fragment.ends_with(b"\n") && std::mem::replace(blank, Blank::Yes) == Blank::Yes {
            self.begin(after);
        }
    }

    fn push_body(&mut self, fragment: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        if matches!(self.line, Line::Start) {
            let may_delimit = fragment.starts_with(b"-") && self.open.iter().any(|m| !m.closed);
            if may_delimit {
                self.line = Line::Held(Vec::new());
            } else {
                self.release_line_end(sink);
                self.line = Line::Passing;
            }
        }
        let Line::Held(held) = &mut self.line else {
            self.pass(fragment, sink);
            return;
        };
        held.extend_from_slice(fragment);
        if fragment.ends_with(b"\n") || held.len() > DELIMITER_BYTES_MAX {
            let held = std::mem::take(held);
            self.end_held(&held, sink);
        }
    }

    /// A line is known to be a boundary or not to be one.
    fn end_held(&mut self, held: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        self.line = Line::Passing;
        let (head, rest) = held.split_at(held.len().min(DELIMITER_BYTES_MAX));
        match delimiter(&self.open, head) {
            Some(found @ (_, Delimiter::Close)) => self.take_delimiter(found, head, sink),
            Some(found) if rest.is_empty() => self.take_delimiter(found, head, sink),
            _ => {
                self.release_line_end(sink);
                self.pass(head, sink);
            }
        }
        if !rest.is_empty() {
            self.pass(rest, sink);
        }
    }

    /// Gives bytes of a line that is no boundary, its line end held back.
    fn pass(&mut self, bytes: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        if self.line_end == b"\r" && bytes != b"\n" {
            self.release_line_end(sink);
        }
        let end = [&b"\r\n"[..], b"\n", b"\r"]
            .into_iter()
            .find(|end| bytes.ends_with(end));
        let text = bytes.len() - end.map_or(0, <[u8]>::len);
        let (text, end) = bytes.split_at(text);
        self.give(text, sink);
        self.line_end.extend_from_slice(end);
        if bytes.ends_with(b"\n") {
            self.line = Line::Start;
        }
    }

    fn release_line_end(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        let line_end = std::mem::take(&mut self.line_end);
        self.give(&line_end, sink);
    }

    fn give(&self, bytes: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        if bytes.is_empty() {
            return;
        }
        sink(match self.section {
            Section::Leaf => Event::Body(bytes),
            Section::Filler => Event::Filler(bytes),
            Section::Header(_) | Section::Beyond(..) | Section::Opaque => Event::Verbatim(bytes),
        });
    }

    fn end_body(&self, ends: Ends, sink: &mut impl FnMut(Event<'_>)) {
        if matches!(self.section, Section::Leaf) {
            sink(Event::BodyEnd(ends));
        }
    }

    fn take_delimiter(
        &mut self,
        (at, delimiter): (usize, Delimiter),
        line: &[u8],
        sink: &mut impl FnMut(Event<'_>),
    ) {
        self.end_body(Ends::Boundary, sink);
        let line_end = std::mem::take(&mut self.line_end);
        sink(Event::Verbatim(&line_end));
        sink(Event::Verbatim(line));
        self.open.truncate(at + 1);
        let Some(multipart) = self.open.last_mut() else {
            return;
        };
        self.section = match delimiter {
            Delimiter::Next => Section::Header(Block::new(Role::Part, multipart.inside)),
            Delimiter::Close => {
                multipart.closed = true;
                Section::Filler
            }
        };
        self.line = if line.ends_with(b"\n") {
            Line::Start
        } else {
            Line::Passing
        };
    }
}

/// The open multipart that this line delimits: as the scanner has it, the one with the longest boundary, the innermost
/// of equal ones.
fn delimiter(open: &[Multipart], line: &[u8]) -> Option<(usize, Delimiter)> {
    let text = line.strip_prefix(b"--")?;
    let mut best: Option<(usize, Delimiter)> = None;
    let mut best_bytes = 0;
    for (at, multipart) in open.iter().enumerate().rev() {
        if multipart.boundary.len() > best_bytes
            && let Some(delimiter) = multipart.delimiter(text)
        {
            best = Some((at, delimiter));
            best_bytes = multipart.boundary.len();
        }
    }
    best
}

impl Multipart {
    fn delimiter(&self, text: &[u8]) -> Option<Delimiter> {
        if self.closed {
            return None;
        }
        let rest = text.strip_prefix(self.boundary.as_slice())?;
        if rest.starts_with(b"--") {
            return Some(Delimiter::Close);
        }
        rest.trim_ascii().is_empty().then_some(Delimiter::Next)
    }
}

impl Block {
    fn new(role: Role, assumed: Assumed) -> Self {
        Self {
            bytes: Vec::new(),
            line_at: 0,
            role,
            assumed,
        }
    }
}
