//! Which leaf is encoded how, and the header fields that say so.

use super::super::Part;
use super::super::header::fields;
use super::super::transfer::TransferEncoding;
use super::encode::Encoder;
use super::findings::{Bytes, Charset, Density, Findings, Leaf};
use super::walk::{Ends, Event, Header, Kind, Role};

/// What is to come out.
#[derive(Debug)]
pub(super) enum Aim {
    SevenBit(Findings),
    Lines,
}

/// Makes the bytes that come out of what comes by.
#[derive(Debug)]
pub(super) struct Rewriter {
    aim: Aim,
    /// Leaves begun.
    leaves: usize,
    body: Option<Encoder>,
}

/// What happens to a leaf or container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Keep,
    /// Its body stays, its label does not fit any more.
    Label(&'static str),
    Encode(Encoding, Charset),
    /// Encoded it is, but not in all its bytes.
    Again(TransferEncoding),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    QuotedPrintable,
    Base64,
}

impl Rewriter {
    pub(super) fn new(aim: Aim) -> Self {
        Self {
            aim,
            leaves: 0,
            body: None,
        }
    }

    pub(super) fn take(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Header(header) => self.take_header(&header, out),
            Event::Body(bytes) => match &mut self.body {
                Some(encoder) => encoder.push(bytes, out),
                None => out.extend_from_slice(bytes),
            },
            Event::BodyEnd(ends) => self.end_body(ends, out),
            Event::Verbatim(bytes) => out.extend_from_slice(bytes),
            Event::Filler(bytes) => self.give_filler(bytes, out),
        }
    }

    fn take_header(&mut self, header: &Header<'_>, out: &mut Vec<u8>) {
        let change = match header.kind {
            Kind::Leaf => self.leaf(header.part),
            Kind::Container => self.container(header.part),
            Kind::Opaque => Change::Keep,
        };
        self.body = change.encoder();
        change.rewrite(header, out);
        out.extend_from_slice(header.rest);
    }

    fn end_body(&mut self, ends: Ends, out: &mut Vec<u8>) {
        if let Some(encoder) = self.body.take() {
            encoder.finish(ends, out);
        }
    }

    fn give_filler(&self, bytes: &[u8], out: &mut Vec<u8>) {
        let is_ascii = |b: &u8| b.is_ascii() && *b != 0;
        match self.aim {
            Aim::Lines => out.extend_from_slice(bytes),
            // Nobody shows it (RFC 2046 5.1.1), and there is no way to encode it. The
            // star is no character of boundaries.
            Aim::SevenBit(_) => {
                out.extend(bytes.iter().map(|b| if is_ascii(b) { *b } else { b'*' }));
            }
        }
    }

    fn leaf(&mut self, part: &Part) -> Change {
        let number = self.leaves;
        self.leaves += 1;
        match &self.aim {
            Aim::Lines if part.encoding == b"binary" => by_type(part, Charset::Ascii),
            Aim::Lines => Change::Keep,
            Aim::SevenBit(findings) => match findings.leaf(number) {
                Some(leaf) => by_finding(part, leaf),
                None if is_beyond_seven_bit(part) => by_type(part, Charset::Ascii),
                None => Change::Keep,
            },
        }
    }

    /// RFC 2045 6.4: a container is not encoded, and says the most that is in it.
    fn container(&self, part: &Part) -> Change {
        match self.aim {
            Aim::Lines if part.encoding == b"binary" => Change::Label("8bit"),
            Aim::SevenBit(_) if is_beyond_seven_bit(part) => Change::Label("7bit"),
            Aim::Lines | Aim::SevenBit(_) => Change::Keep,
        }
    }
}

fn is_beyond_seven_bit(part: &Part) -> bool {
    matches!(part.encoding.as_slice(), b"8bit" | b"binary")
}

/// Whether quoted-printable suits it: types of message/ that are leaves are reports, which are text.
fn is_text(part: &Part) -> bool {
    matches!(
        part.media_type.as_slice(),
        b"text" | b"message" | b"multipart"
    )
}

fn by_type(part: &Part, charset: Charset) -> Change {
    let encoding = if is_text(part) {
        Encoding::QuotedPrintable
    } else {
        Encoding::Base64
    };
    Change::Encode(encoding, charset)
}

fn by_finding(part: &Part, leaf: Leaf) -> Change {
    match leaf {
        Leaf::Bare if part.encoding == b"binary" => by_type(part, Charset::Ascii),
        Leaf::Bare | Leaf::Clean if is_beyond_seven_bit(part) => Change::Label("7bit"),
        Leaf::Bare | Leaf::Clean => Change::Keep,
        Leaf::Dirty(bytes) => match part.encoding.as_slice() {
            b"base64" => Change::Again(TransferEncoding::Base64),
            b"quoted-printable" => Change::Again(TransferEncoding::QuotedPrintable),
            // An encoding that nobody knows is none, if it leaves such bytes.
            _ => dirty(part, bytes),
        },
    }
}

fn dirty(part: &Part, bytes: Bytes) -> Change {
    match bytes.density {
        Density::Sparse => by_type(part, bytes.charset),
        Density::Dense => Change::Encode(Encoding::Base64, bytes.charset),
    }
}

impl Change {
    fn encoder(self) -> Option<Encoder> {
        match self {
            Self::Keep | Self::Label(_) => None,
            Self::Encode(Encoding::Base64, _) => Some(Encoder::base64()),
            Self::Encode(Encoding::QuotedPrintable, _) => Some(Encoder::quoted_printable()),
            Self::Again(encoding) => Some(Encoder::again(encoding)),
        }
    }

    /// What `Content-Transfer-Encoding` says from now on.
    fn label(self) -> Option<&'static str> {
        match self {
            Self::Keep | Self::Again(_) => None,
            Self::Label(label) => Some(label),
            Self::Encode(Encoding::QuotedPrintable, _) => Some("quoted-printable"),
            Self::Encode(Encoding::Base64, _) => Some("base64"),
        }
    }

    fn rewrite(self, header: &Header<'_>, out: &mut Vec<u8>) {
        let Some(label) = self.label() else {
            out.extend_from_slice(header.fields);
            return;
        };
        let mut is_said = false;
        for field in fields(header.fields) {
            if !field.is("content-transfer-encoding") {
                out.extend_from_slice(field.raw);
            } else if !std::mem::replace(&mut is_said, true) {
                push_field("Content-Transfer-Encoding", label, out);
            }
        }
        if !is_said {
            self.add_fields(header, label, out);
        }
    }

    /// Says what the body is where nothing was said (RFC 1428 4).
    fn add_fields(self, header: &Header<'_>, label: &str, out: &mut Vec<u8>) {
        let has = |name: &str| fields(header.fields).any(|field| field.is(name));
        if header.role == Role::Message && !has("mime-version") {
            push_field("MIME-Version", "1.0", out);
        }
        let charset = match self {
            Self::Encode(_, Charset::Utf8) => Some("text/plain; charset=utf-8"),
            Self::Encode(_, Charset::Unknown) => Some("text/plain; charset=unknown-8bit"),
            Self::Encode(_, Charset::Ascii) | Self::Keep | Self::Label(_) | Self::Again(_) => None,
        };
        if let Some(value) = charset
            && header.part.is("text", "plain")
            && !has("content-type")
        {
            push_field("Content-Type", value, out);
        }
        push_field("Content-Transfer-Encoding", label, out);
    }
}

/// A field, in a line of its own.
fn push_field(name: &str, value: &str, out: &mut Vec<u8>) {
    if out.last().is_some_and(|b| *b != b'\n') {
        out.extend_from_slice(b"\r\n");
    }
    for text in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(text.as_bytes());
    }
}
