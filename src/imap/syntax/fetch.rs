//! What FETCH can ask for (RFC 3501 6.4.5, RFC 7162 3.1.4). Macros are written out by the parser.

use std::num::{NonZeroU32, NonZeroU64};

/// One data item of FETCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchItem {
    /// `FLAGS`
    Flags,
    /// `UID`
    Uid,
    /// `INTERNALDATE`
    InternalDate,
    /// `RFC822.SIZE`
    Size,
    /// `ENVELOPE`
    Envelope,
    /// `BODY`: the structure without extension data.
    Body,
    /// `BODYSTRUCTURE`
    BodyStructure,
    /// `MODSEQ` (RFC 7162 3.1.4.2)
    ModSeq,
    /// `RFC822`: as `BODY[]`, answered as `RFC822`.
    Rfc822,
    /// `RFC822.HEADER`: as `BODY.PEEK[HEADER]`, answered as `RFC822.HEADER`.
    Rfc822Header,
    /// `RFC822.TEXT`: as `BODY[TEXT]`, answered as `RFC822.TEXT`.
    Rfc822Text,
    /// `BODY[...]` and `BODY.PEEK[...]`
    Section(SectionItem),
}

/// `BODY[section]<partial>`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionItem {
    /// Which bytes of the message.
    pub section: Section,
    /// Which bytes of the section; `None` for all.
    pub partial: Option<Partial>,
    /// Whether `\Seen` is set by it.
    pub access: SectionAccess,
}

/// Whether a FETCH of a section marks the message as seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionAccess {
    /// `BODY`: sets `\Seen`.
    Read,
    /// `BODY.PEEK`: leaves the flags alone.
    Peek,
}

/// A section of a message (RFC 3501 9, `section-spec`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Part numbers from the outside in; empty for the message itself.
    pub part: Vec<NonZeroU32>,
    /// Which piece of that part.
    pub piece: SectionPiece,
}

/// A piece of a message or part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SectionPiece {
    /// `BODY[]`, `BODY[1.2]`: all of the message, or the body of the part.
    Whole,
    /// `HEADER`: header of the message, or of the `message/rfc822` part.
    Header,
    /// `HEADER.FIELDS (names)`
    HeaderFields(FieldNames),
    /// `HEADER.FIELDS.NOT (names)`
    HeaderFieldsNot(FieldNames),
    /// `TEXT`: body of the message, or of the `message/rfc822` part.
    Text,
    /// `MIME`: header of the part; the parser takes it only after a part number.
    Mime,
}

/// Names of header fields as the client wrote them; at least one.
pub type FieldNames = Vec<Vec<u8>>;

/// `<offset.length>` of a section (RFC 9051 6.4.5 allows 63 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    /// First byte, from 0.
    pub offset: u64,
    /// Most bytes.
    pub bytes_max: NonZeroU64,
}

/// Modifiers of FETCH (RFC 4466 2.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchModifiers {
    /// `CHANGEDSINCE` (RFC 7162 3.1.4.1); never 0 in the grammar, taken as "all" if it is.
    pub changed_since: Option<u64>,
}

impl FetchItem {
    /// The items of the macro `FAST` (RFC 3501 6.4.5).
    pub fn fast() -> Vec<Self> {
        vec![Self::Flags, Self::InternalDate, Self::Size]
    }

    /// The items of the macro `ALL`.
    pub fn all() -> Vec<Self> {
        let mut items = Self::fast();
        items.push(Self::Envelope);
        items
    }

    /// The items of the macro `FULL`.
    pub fn full() -> Vec<Self> {
        let mut items = Self::all();
        items.push(Self::Body);
        items
    }

    /// Whether fetching it sets `\Seen`.
    pub fn marks_seen(&self) -> bool {
        match self {
            Self::Rfc822 | Self::Rfc822Text => true,
            Self::Section(item) => item.access == SectionAccess::Read,
            Self::Flags
            | Self::Uid
            | Self::InternalDate
            | Self::Size
            | Self::Envelope
            | Self::Body
            | Self::BodyStructure
            | Self::ModSeq
            | Self::Rfc822Header => false,
        }
    }
}
