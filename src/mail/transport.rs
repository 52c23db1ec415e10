//! Words of outbound mail that spool, queue and SMTP share: what a message has in it, and who goes first.
//!
//! Vocabulary alone. The queue decides by it, the SMTP client says it in MAIL.

use std::time::Duration;

/// `BODY=` (RFC 6152 2, RFC 3030 3)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyType {
    /// ASCII in lines.
    SevenBit,
    /// Any bytes but NUL, in lines.
    EightBitMime,
    /// Any bytes.
    Binary,
}

/// Whether the header needs SMTPUTF8 (RFC 6532).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderType {
    /// ASCII.
    Ascii,
    /// UTF-8 somewhere.
    Utf8,
}

/// Who goes first of outbound mail that is due. None waits for ever: less urgent mail has its turn when it was due so
/// much earlier than the more urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// What the box tells its people, reports too.
    Notice,
    /// A person's mail; an hour behind notices.
    Mail,
    /// Mail to many; a day behind notices.
    Bulk,
}

impl Priority {
    /// How long after it was due a recipient's turn comes.
    pub fn behind(self) -> Duration {
        match self {
            Self::Notice => Duration::ZERO,
            Self::Mail => Duration::from_hours(1),
            Self::Bulk => Duration::from_hours(24),
        }
    }
}
