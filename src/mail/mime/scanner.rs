//! Finds the structure of a message while its bytes stream by.
//!
//! Holds one header block, the head of one line and the tree found so far, whatever the message's size. The result
//! depends on the bytes alone, not on how they were cut into pieces. Boundaries of all open multiparts are looked for
//! in every line, headers included, so that unclosed parts end where an outer one goes on (RFC 2046 5.1.2).

use super::content::{self, Assumed, BOUNDARY_BYTES_MAX};
use super::envelope::{self, HeaderFacts};
use super::{
    Content, DEPTH_MAX, Envelope, HEADER_BYTES_MAX, PARTS_MAX, Part, Summary, TEXT_BYTES_MAX,
};

/// Bytes of a line that are compared with boundaries: dashes, boundary, dashes, line end.
const HEAD_BYTES: usize = 2 + BOUNDARY_BYTES_MAX + 2 + 2;

/// Takes a message's bytes and gives its [`Summary`].
#[derive(Debug)]
pub struct Scanner {
    /// Bytes taken so far.
    offset: u64,
    line: Line,
    /// End of the last whole line.
    last: Ended,
    section: Section,
    /// Open parts from the outermost in; never empty before `finish`.
    open: Vec<Open>,
    parts: usize,
    text_left: usize,
    facts: HeaderFacts,
}

/// What a scan gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// The structure.
    pub summary: Summary,
    /// What the message's own header shows.
    pub facts: HeaderFacts,
}

/// The line under way.
#[derive(Debug, Default)]
struct Line {
    bytes: u64,
    /// Its first bytes, if it begins like a boundary.
    head: Vec<u8>,
    /// Whether there is anything but white space beyond `head`.
    more: bool,
    /// Its last two bytes so far.
    tail: [u8; 2],
}

/// A position, and how many lines lie before it.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    offset: u64,
    lines: u64,
}

/// Where a line ended.
#[derive(Clone, Copy, Debug, Default)]
struct Ended {
    /// Before its line end: there a body ends if a boundary follows.
    inside: Mark,
    /// After its line end.
    outside: Mark,
}

#[derive(Debug)]
enum Section {
    /// Lines of the innermost part's header, and where among them the line under way begins.
    Header {
        block: Vec<u8>,
        line_at: usize,
    },
    Body,
}

/// A part whose end was not seen yet.
#[derive(Debug)]
struct Open {
    part: Part,
    assumed: Assumed,
    /// Lines before its body.
    lines_before: u64,
    /// Of a message, not of a part in a multipart.
    envelope: Option<Box<Envelope>>,
    inside: Inside,
}

#[derive(Debug)]
enum Inside {
    Leaf,
    Multipart(Multipart),
    Message(Option<Box<Summary>>),
}

#[derive(Debug)]
struct Multipart {
    boundary: Vec<u8>,
    parts: Vec<Part>,
    /// Its end was seen; what follows is epilogue.
    closed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delimiter {
    Next,
    Close,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl Scanner {
    /// At the first byte of a message.
    pub fn new() -> Self {
        Self {
            offset: 0,
            line: Line::default(),
            last: Ended::default(),
            section: Section::header(),
            open: vec![Open::message(0)],
            parts: 1,
            text_left: TEXT_BYTES_MAX,
            facts: HeaderFacts::default(),
        }
    }

    /// Takes the next piece, of any size.
    pub fn push(&mut self, piece: &[u8]) {
        for fragment in piece.split_inclusive(|b| *b == b'\n') {
            self.offset += fragment.len() as u64;
            self.line.push(fragment);
            if let Section::Header { block, .. } = &mut self.section {
                let room = HEADER_BYTES_MAX - block.len();
                block.extend_from_slice(fragment.get(..room).unwrap_or(fragment));
            }
            if fragment.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    /// No more pieces.
    pub fn finish(mut self) -> Scanned {
        if self.line.bytes > 0 {
            self.end_line();
        }
        let end = self.last.outside;
        let mut summary = Summary::default();
        while !self.open.is_empty() {
            if let Some(message) = self.close(end) {
                summary = message;
            }
        }
        Scanned {
            summary,
            facts: self.facts,
        }
    }

    fn end_line(&mut self) {
        let ended = self.ended();
        let is_blank = ended.inside.offset == self.last.outside.offset;
        if let Some((at, delimiter)) = self.delimiter() {
            self.take_delimiter(at, delimiter, ended.outside);
        } else if let Section::Header { block, line_at } = &mut self.section {
            *line_at = block.len();
            if is_blank {
                self.end_header(ended.outside);
            }
        }
        self.last = ended;
        self.line.clear();
    }

    fn ended(&self) -> Ended {
        let line_end = self.line.line_end_bytes();
        let before = self.last.outside.lines;
        let is_blank = self.line.bytes == line_end;
        Ended {
            inside: Mark {
                offset: self.offset - line_end,
                lines: if is_blank { before } else { before + 1 },
            },
            outside: Mark {
                offset: self.offset,
                lines: before + 1,
            },
        }
    }

    /// The open multipart that this line delimits. If several fit, the longest boundary is meant: one may begin like
    /// another.
    fn delimiter(&self) -> Option<(usize, Delimiter)> {
        let text = self.line.head.strip_prefix(b"--")?;
        if self.parts >= PARTS_MAX {
            return None;
        }
        let mut best: Option<(usize, Delimiter)> = None;
        let mut best_bytes = 0;
        for (at, open) in self.open.iter().enumerate().rev() {
            let Inside::Multipart(multipart) = &open.inside else {
                continue;
            };
            if multipart.boundary.len() > best_bytes
                && let Some(delimiter) = multipart.delimiter(text, self.line.more)
            {
                best = Some((at, delimiter));
                best_bytes = multipart.boundary.len();
            }
        }
        best
    }

    fn take_delimiter(&mut self, at: usize, delimiter: Delimiter, next: Mark) {
        if let Section::Header { block, line_at } = &mut self.section {
            block.truncate(*line_at);
        }
        while self.open.len() > at + 1 {
            self.close(self.last.inside);
        }
        let Some(open) = self.open.last_mut() else {
            return;
        };
        let assumed = Assumed::inside(&open.part);
        match (delimiter, &mut open.inside) {
            (Delimiter::Close, Inside::Multipart(multipart)) => multipart.closed = true,
            _ => self.begin(Open::part(next.offset, assumed)),
        }
    }

    fn begin(&mut self, open: Open) {
        self.open.push(open);
        self.parts += 1;
        self.section = Section::header();
    }

    /// The innermost part's header is complete; its body starts at `start`.
    fn end_header(&mut self, start: Mark) {
        let depth = self.open.len();
        let may_nest = depth < DEPTH_MAX && self.parts < PARTS_MAX;
        let section = std::mem::replace(&mut self.section, Section::Body);
        let (Section::Header { block, .. }, Some(open)) = (section, self.open.last_mut()) else {
            return;
        };
        open.take_header(&block, start, may_nest);
        self.facts.has_8bit_in_parts |= depth > 1 && !block.is_ascii();
        if let Some(slot) = &mut open.envelope {
            let (envelope, facts) = envelope::parse(&block);
            if depth == 1 {
                self.facts = facts;
            }
            if let Some(left) = self.text_left.checked_sub(envelope.text_bytes()) {
                self.text_left = left;
                **slot = envelope;
            }
        }
        match self.text_left.checked_sub(open.part.text_bytes()) {
            Some(left) => self.text_left = left,
            None => open.part.drop_text(),
        }
        if matches!(open.inside, Inside::Message(_)) {
            let inner = Open::message(open.part.body_start);
            self.begin(inner);
        }
    }

    /// Ends the innermost part and hands it to the one around it; gives the whole message if there is none.
    fn close(&mut self, end: Mark) -> Option<Summary> {
        while matches!(self.section, Section::Header { .. }) {
            self.end_header(end);
        }
        let (envelope, body) = self.open.pop()?.close(end);
        match self.open.last_mut().map(|outer| &mut outer.inside) {
            Some(Inside::Multipart(multipart)) => multipart.parts.push(body),
            Some(Inside::Message(slot)) => *slot = Some(Box::new(Summary { envelope, body })),
            Some(Inside::Leaf) => {}
            None => return Some(Summary { envelope, body }),
        }
        None
    }
}

impl Section {
    fn header() -> Self {
        Self::Header {
            block: Vec::new(),
            line_at: 0,
        }
    }
}

impl Open {
    fn part(header_start: u64, assumed: Assumed) -> Self {
        let part = Part {
            header_start,
            ..Part::default()
        };
        Self {
            part,
            assumed,
            lines_before: 0,
            envelope: None,
            inside: Inside::Leaf,
        }
    }

    fn message(header_start: u64) -> Self {
        Self {
            envelope: Some(Box::default()),
            ..Self::part(header_start, Assumed::Text)
        }
    }

    /// Takes what the header says; a body that cannot be looked into gets another type (see [`Part::media_type`]).
    fn take_header(&mut self, block: &[u8], start: Mark, may_nest: bool) {
        let header_start = self.part.header_start;
        self.part = Part {
            header_start,
            body_start: start.offset.max(header_start),
            ..content::parse(block, self.assumed)
        };
        self.lines_before = start.lines;
        if self.part.media_type == b"multipart" {
            self.take_multipart(may_nest);
        } else if self.part.is("message", "rfc822") || self.part.is("message", "global") {
            // RFC 2046 5.2.1 allows no encoding that would have to be undone first.
            let is_plain = matches!(self.part.encoding.as_slice(), b"7bit" | b"8bit" | b"binary");
            if is_plain && may_nest {
                self.inside = Inside::Message(None);
            } else {
                self.part.make_opaque();
            }
        }
    }

    fn take_multipart(&mut self, may_nest: bool) {
        match content::boundary(&self.part) {
            Some(boundary) if may_nest => {
                self.inside = Inside::Multipart(Multipart {
                    boundary,
                    parts: Vec::new(),
                    closed: false,
                });
            }
            Some(_) => self.part.make_opaque(),
            // Without a boundary the type is not valid, which counts as missing (RFC 2045 5.2).
            None => self.part.make_plain_text(),
        }
    }

    fn close(self, end: Mark) -> (Envelope, Part) {
        let mut part = self.part;
        // An empty body ends before the line end that its header still has.
        part.body_end = end.offset.max(part.body_start).max(self.inside.end());
        if part.body_end > part.body_start {
            part.lines = end.lines.saturating_sub(self.lines_before);
        }
        part.content = match self.inside {
            Inside::Leaf => Content::Leaf,
            Inside::Multipart(multipart) => Content::Multipart(multipart.finish(&part)),
            Inside::Message(message) => Content::Message(message.unwrap_or_default()),
        };
        (self.envelope.map(|boxed| *boxed).unwrap_or_default(), part)
    }
}

impl Inside {
    /// Where the last thing inside ends.
    fn end(&self) -> u64 {
        match self {
            Self::Leaf => 0,
            Self::Multipart(multipart) => multipart.parts.last().map_or(0, |part| part.body_end),
            Self::Message(message) => message.as_ref().map_or(0, |message| message.body.body_end),
        }
    }
}

impl Multipart {
    /// Whether a line, of which `text` follows the dashes, delimits this multipart.
    fn delimiter(&self, text: &[u8], more: bool) -> Option<Delimiter> {
        if self.closed {
            return None;
        }
        let rest = text.strip_prefix(self.boundary.as_slice())?;
        if rest.starts_with(b"--") {
            return Some(Delimiter::Close);
        }
        (rest.trim_ascii().is_empty() && !more).then_some(Delimiter::Next)
    }

    /// IMAP knows no multipart without parts: if no boundary was seen, the whole body is its one part.
    fn finish(self, around: &Part) -> Vec<Part> {
        if !self.parts.is_empty() {
            return self.parts;
        }
        vec![Part {
            header_start: around.body_start,
            body_start: around.body_start,
            body_end: around.body_end,
            lines: around.lines,
            ..Part::default()
        }]
    }
}

impl Line {
    fn push(&mut self, fragment: &[u8]) {
        let may_delimit = self.head.first().map_or(self.bytes == 0, |b| *b == b'-');
        if may_delimit && (self.bytes > 0 || fragment.starts_with(b"-")) {
            let room = HEAD_BYTES.saturating_sub(self.head.len());
            let (head, beyond) = fragment.split_at(room.min(fragment.len()));
            self.head.extend_from_slice(head);
            self.more |= !beyond.trim_ascii().is_empty();
        }
        self.bytes += fragment.len() as u64;
        self.tail = match fragment {
            [.., a, b] => [*a, *b],
            [b] => [self.tail[1], *b],
            [] => self.tail,
        };
    }

    fn line_end_bytes(&self) -> u64 {
        match (self.bytes, self.tail) {
            (2.., [b'\r', b'\n']) => 2,
            (1.., [_, b'\n']) => 1,
            _ => 0,
        }
    }

    fn clear(&mut self) {
        self.bytes = 0;
        self.head.clear();
        self.more = false;
        self.tail = [0; 2];
    }
}
