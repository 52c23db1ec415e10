//! MIME structure of a message: what ENVELOPE, BODYSTRUCTURE and FETCH of a section need, found once at delivery.
//!
//! Any bytes are a message: nothing here fails or panics on them. A [`Summary`] holds the ENVELOPE data as raw header
//! text and the tree of [`Part`]s with byte offsets into the blob, so that later reads need no parsing. Offsets and
//! sizes count raw octets of the blob as received, without the prefix that the server puts in front of it.
//!
//! Text is bytes as they stand in the header, unfolded, with encoded words left encoded (RFC 3501 7.4.2). What is
//! case-insensitive (media types, parameter names, encodings, dispositions) is in lower case.

pub mod address_list;
mod codec;
mod content;
pub mod convert;
#[cfg(test)]
mod corpus_tests;
mod envelope;
pub mod filter;
pub mod header;
pub mod param;
mod scanner;
pub mod surrogate;
#[cfg(test)]
mod tests;
pub mod text;
pub mod transfer;
pub mod view;

pub use codec::DecodeError;
pub use envelope::HeaderFacts;
pub use scanner::{Scanned, Scanner};

/// Deepest nesting of parts and attached messages that is looked into; what lies deeper is opaque.
pub const DEPTH_MAX: usize = 24;

/// Most parts of one message; the last one then reaches to the end.
pub const PARTS_MAX: usize = 500;

/// Bytes of one header block that are parsed; fields beyond are passed over.
pub const HEADER_BYTES_MAX: usize = 128 * 1024;

/// Most parameters of one field that are kept.
pub const PARAMS_MAX: usize = 64;

/// Most addresses of one field that are kept.
pub const ADDRESSES_MAX: usize = 2000;

/// Bytes of header text that one summary keeps. Parts after that have their types and offsets, but no other text.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;

/// ENVELOPE and body structure of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// From its header fields.
    pub envelope: Envelope,
    /// The message itself as the root of the tree: its header is the message's header.
    pub body: Part,
}

/// The data of an ENVELOPE (RFC 3501 7.4.2). `None` means that the field is missing, empty text that it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// `Date`, as written.
    pub date: Option<Vec<u8>>,
    /// `Subject`, encoded words left as they are.
    pub subject: Option<Vec<u8>>,
    /// `From`.
    pub from: Vec<EnvelopeAddress>,
    /// `Sender`; the same as `from` if missing or empty.
    pub sender: Vec<EnvelopeAddress>,
    /// `Reply-To`; the same as `from` if missing or empty.
    pub reply_to: Vec<EnvelopeAddress>,
    /// `To`; empty means NIL.
    pub to: Vec<EnvelopeAddress>,
    /// `Cc`.
    pub cc: Vec<EnvelopeAddress>,
    /// `Bcc`.
    pub bcc: Vec<EnvelopeAddress>,
    /// `In-Reply-To`, as written.
    pub in_reply_to: Option<Vec<u8>>,
    /// `Message-ID`, as written.
    pub message_id: Option<Vec<u8>>,
}

/// One address structure of an ENVELOPE, or the mark of a group's begin or end (RFC 3501 7.4.2). Each `None` is NIL.
///
/// Begin of a group: only `mailbox`, which is the group's name. End of a group: nothing at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvelopeAddress {
    /// Display name, unquoted, encoded words left as they are.
    pub name: Option<Vec<u8>>,
    /// Source route (`@a,@b`), obsolete.
    pub route: Option<Vec<u8>>,
    /// Localpart, unquoted.
    pub mailbox: Option<Vec<u8>>,
    /// Domain. Never `None` in a real address: a text without `@` has an empty one.
    pub host: Option<Vec<u8>>,
}

/// A parameter of `Content-Type` or `Content-Disposition`: name in lower case and unquoted value, RFC 2231 sections
/// left as they stand (`filename*0*`).
pub type Param = (Vec<u8>, Vec<u8>);

/// One part of a message, or a whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Media type, such as `text`. It is `multipart` exactly if `content` is [`Content::Multipart`], and
    /// `message/rfc822` (or `message/global`) exactly if `content` is [`Content::Message`]: parts of those types that
    /// cannot be looked into are given as `application/octet-stream`.
    pub media_type: Vec<u8>,
    /// Media subtype, such as `plain`.
    pub subtype: Vec<u8>,
    /// Parameters of `Content-Type` in their order. Where that field is missing: `charset` = `us-ascii`.
    pub params: Vec<Param>,
    /// `Content-ID`.
    pub id: Option<Vec<u8>>,
    /// `Content-Description`.
    pub description: Option<Vec<u8>>,
    /// `Content-Transfer-Encoding`, `7bit` if missing.
    pub encoding: Vec<u8>,
    /// `Content-MD5`.
    pub md5: Option<Vec<u8>>,
    /// `Content-Disposition`.
    pub disposition: Option<Disposition>,
    /// Tags of `Content-Language`.
    pub language: Vec<Vec<u8>>,
    /// `Content-Location`.
    pub location: Option<Vec<u8>>,
    /// Offset in the blob of its header's first byte.
    pub header_start: u64,
    /// Offset behind the empty line that ends its header.
    pub body_start: u64,
    /// Offset behind its body; the line end in front of a boundary belongs to the boundary (RFC 2046 5.1.1).
    pub body_end: u64,
    /// Lines of its body; a last line without line end counts.
    pub lines: u64,
    /// What it consists of.
    pub content: Content,
}

/// What a part consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// Bytes of its own, perhaps encoded.
    #[default]
    Leaf,
    /// Parts, at least one.
    Multipart(Vec<Part>),
    /// A message (`message/rfc822`, `message/global`).
    Message(Box<Summary>),
}

/// `Content-Disposition` (RFC 2183).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposition {
    /// Such as `attachment`.
    pub kind: Vec<u8>,
    /// Parameters in their order.
    pub params: Vec<Param>,
}

impl Default for Part {
    /// An empty `text/plain` part, as RFC 2045 5.2 assumes where nothing is said.
    fn default() -> Self {
        Self {
            media_type: b"text".to_vec(),
            subtype: b"plain".to_vec(),
            params: vec![(b"charset".to_vec(), b"us-ascii".to_vec())],
            id: None,
            description: None,
            encoding: b"7bit".to_vec(),
            md5: None,
            disposition: None,
            language: Vec::new(),
            location: None,
            header_start: 0,
            body_start: 0,
            body_end: 0,
            lines: 0,
            content: Content::Leaf,
        }
    }
}

impl Part {
    /// Size of its body in octets, as stored (still encoded).
    pub fn octets(&self) -> u64 {
        self.body_end.saturating_sub(self.body_start)
    }

    /// Whether it is of that media type; both in lower case.
    pub fn is(&self, media_type: &str, subtype: &str) -> bool {
        self.media_type == media_type.as_bytes() && self.subtype == subtype.as_bytes()
    }

    /// The first parameter of `Content-Type` of that name, which is in lower case.
    pub fn param(&self, name: &str) -> Option<&[u8]> {
        let found = self
            .params
            .iter()
            .find(|(known, _)| known == name.as_bytes());
        found.map(|(_, value)| value.as_slice())
    }

    /// Bytes of header text that it keeps, media type and encoding left out.
    fn text_bytes(&self) -> usize {
        let disposition = self.disposition.as_ref();
        let texts = [&self.id, &self.description, &self.md5, &self.location];
        texts
            .into_iter()
            .map(|text| text.as_ref().map_or(0, Vec::len))
            .sum::<usize>()
            + self.language.iter().map(Vec::len).sum::<usize>()
            + params_bytes(&self.params)
            + disposition.map_or(0, |d| d.kind.len() + params_bytes(&d.params))
    }

    /// Forgets all header text but media type and encoding.
    fn drop_text(&mut self) {
        self.params.clear();
        self.id = None;
        self.description = None;
        self.md5 = None;
        self.disposition = None;
        self.language.clear();
        self.location = None;
    }

    fn make_opaque(&mut self) {
        self.media_type = b"application".to_vec();
        self.subtype = b"octet-stream".to_vec();
    }

    fn make_plain_text(&mut self) {
        let plain = Self::default();
        self.media_type = plain.media_type;
        self.subtype = plain.subtype;
        self.params = plain.params;
    }

    /// The parts that numbers below this one name (RFC 3501 6.4.5).
    fn numbered(&self) -> &[Self] {
        match &self.content {
            Content::Leaf => &[],
            Content::Multipart(parts) => parts,
            Content::Message(message) => message.numbered(),
        }
    }
}

impl Summary {
    /// The part that IMAP calls by these numbers, such as 4.2.1 (RFC 3501 6.4.5); the body itself for none.
    pub fn part(&self, numbers: &[u32]) -> Option<&Part> {
        let Some((first, rest)) = numbers.split_first() else {
            return Some(&self.body);
        };
        let mut part = nth(self.numbered(), *first)?;
        for number in rest {
            part = nth(part.numbered(), *number)?;
        }
        Some(part)
    }

    /// Part 1 of a message that is not multipart is its body.
    fn numbered(&self) -> &[Part] {
        match &self.body.content {
            Content::Multipart(parts) => parts,
            Content::Leaf | Content::Message(_) => std::slice::from_ref(&self.body),
        }
    }
}

impl Envelope {
    /// Bytes of header text that it keeps, with some for each address; lists that repeat `from` count nothing.
    fn text_bytes(&self) -> usize {
        let texts = [
            &self.date,
            &self.subject,
            &self.in_reply_to,
            &self.message_id,
        ];
        let lists = [&self.sender, &self.reply_to, &self.to, &self.cc, &self.bcc];
        let lists = lists.into_iter().filter(|list| **list != self.from);
        texts
            .into_iter()
            .map(|text| text.as_ref().map_or(0, Vec::len))
            .sum::<usize>()
            + lists
                .chain([&self.from])
                .flatten()
                .map(EnvelopeAddress::text_bytes)
                .sum::<usize>()
    }
}

impl EnvelopeAddress {
    fn text_bytes(&self) -> usize {
        let texts = [&self.name, &self.route, &self.mailbox, &self.host];
        8 + texts
            .into_iter()
            .map(|text| text.as_ref().map_or(0, Vec::len))
            .sum::<usize>()
    }
}

fn params_bytes(params: &[Param]) -> usize {
    params
        .iter()
        .map(|(name, value)| 2 + name.len() + value.len())
        .sum()
}

/// Numbers count from 1.
fn nth(parts: &[Part], number: u32) -> Option<&Part> {
    parts.get(usize::try_from(number.checked_sub(1)?).ok()?)
}
