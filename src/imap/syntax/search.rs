//! What SEARCH can look for (RFC 3501 6.4.4, RFC 7162 3.1.5): a tree of keys.
//!
//! Keys that are short for others are written out by the parser: `UNSEEN` is `Not(Flag(SEEN))`, `NEW` is
//! `And([Recent, Not(Flag(SEEN))])`.

use super::sequence::SequenceSet;
use crate::mail::date::Date;
use crate::mail::flags::{Keyword, SystemFlags};
pub use crate::search::plan::EnvelopeField;

/// Deepest nesting of keys (parentheses, OR, NOT).
pub const SEARCH_DEPTH_MAX: usize = 32;

/// Most keys in one SEARCH, at all depths together.
pub const SEARCH_KEYS_MAX: usize = 1000;

/// One search key; the whole program is an [`SearchKey::And`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchKey {
    /// All of these; of none: everything.
    And(Vec<Self>),
    /// One of the two.
    Or(Box<Self>, Box<Self>),
    /// Not this.
    Not(Box<Self>),
    /// `ALL`
    All,
    /// Sequence numbers.
    Sequence(SequenceSet),
    /// `UID`
    Uid(SequenceSet),
    /// Has that one system flag.
    Flag(SystemFlags),
    /// `KEYWORD`
    Keyword(Keyword),
    /// `RECENT`
    Recent,
    /// `BEFORE`, on the internal date.
    Before(Date),
    /// `ON`, on the internal date.
    On(Date),
    /// `SINCE`, on the internal date: that day or later.
    Since(Date),
    /// `SENTBEFORE`, on the Date field.
    SentBefore(Date),
    /// `SENTON`, on the Date field.
    SentOn(Date),
    /// `SENTSINCE`, on the Date field: that day or later.
    SentSince(Date),
    /// `LARGER`, in bytes.
    Larger(u64),
    /// `SMALLER`, in bytes.
    Smaller(u64),
    /// `FROM TO CC BCC SUBJECT`: that field of the ENVELOPE contains the needle.
    Envelope(EnvelopeField, Needle),
    /// `HEADER`: a field of that name whose text contains the needle; an empty needle asks whether the field is there.
    Header(String, Needle),
    /// `BODY`: the body text contains it.
    Body(Needle),
    /// `TEXT`: header or body text contains it.
    Text(Needle),
    /// `MODSEQ` (RFC 7162 3.1.5): at least that; entry names are accepted and mean the whole message.
    ModSeq(u64),
    /// `OLDER` (RFC 5032): internal date at least that many seconds ago.
    Older(u32),
    /// `YOUNGER` (RFC 5032): internal date at most that many seconds ago.
    Younger(u32),
}

/// Text to look for, in UTF-8, as the client wrote it; comparing folds case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needle(pub String);

impl SearchKey {
    /// Whether `MODSEQ` is among the keys: the answer then carries the highest mod-sequence found.
    pub fn asks_modseq(&self) -> bool {
        match self {
            Self::ModSeq(_) => true,
            Self::And(keys) => keys.iter().any(Self::asks_modseq),
            Self::Or(left, right) => left.asks_modseq() || right.asks_modseq(),
            Self::Not(key) => key.asks_modseq(),
            Self::All
            | Self::Sequence(_)
            | Self::Uid(_)
            | Self::Flag(_)
            | Self::Keyword(_)
            | Self::Recent
            | Self::Before(_)
            | Self::On(_)
            | Self::Since(_)
            | Self::SentBefore(_)
            | Self::SentOn(_)
            | Self::SentSince(_)
            | Self::Larger(_)
            | Self::Smaller(_)
            | Self::Envelope(..)
            | Self::Header(..)
            | Self::Body(_)
            | Self::Text(_)
            | Self::Older(_)
            | Self::Younger(_) => false,
        }
    }
}
