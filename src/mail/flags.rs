//! Message flags, keywords, and the special use of a mailbox.

use std::fmt;

/// The system flags of a message that clients can set (RFC 3501 2.3.2), as a set. `\Recent` is not among them.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct SystemFlags(u8);

impl SystemFlags {
    /// `\Seen`
    pub const SEEN: Self = Self(1);
    /// `\Answered`
    pub const ANSWERED: Self = Self(1 << 1);
    /// `\Flagged`
    pub const FLAGGED: Self = Self(1 << 2);
    /// `\Deleted`
    pub const DELETED: Self = Self(1 << 3);
    /// `\Draft`
    pub const DRAFT: Self = Self(1 << 4);

    /// Every flag with its IMAP name, in the order in which they are listed.
    pub const NAMED: [(Self, &'static str); 5] = [
        (Self::ANSWERED, "\\Answered"),
        (Self::FLAGGED, "\\Flagged"),
        (Self::DELETED, "\\Deleted"),
        (Self::SEEN, "\\Seen"),
        (Self::DRAFT, "\\Draft"),
    ];

    /// The set with no flag.
    pub const fn empty() -> Self {
        Self(0)
    }

    /// The bits as stored; bits beyond the five flags are dropped.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0b1_1111)
    }

    /// The bits to store.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether all of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without `other`.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The flag of that IMAP name, case-insensitive; `None` if it is no system flag that a client can set.
    pub fn by_name(name: &str) -> Option<Self> {
        let found = Self::NAMED
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name));
        found.map(|(flag, _)| *flag)
    }
}

impl fmt::Debug for SystemFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Self::NAMED.iter().filter(|(flag, _)| self.contains(*flag));
        f.debug_set().entries(names.map(|(_, name)| name)).finish()
    }
}

/// A keyword: a flag that clients invent, such as `$Forwarded`. Compared without case, shown as first written.
#[derive(Clone, Debug)]
pub struct Keyword(String);

/// Longest keyword taken, in bytes.
pub const KEYWORD_BYTES_MAX: usize = 64;

impl Keyword {
    /// `None` unless `name` is an IMAP atom (RFC 3501 9, `flag-keyword`) of at most [`KEYWORD_BYTES_MAX`] bytes.
    pub fn new(name: &str) -> Option<Self> {
        let is_atom_char = |b: u8| b.is_ascii_graphic() && !b"(){%*\"\\]".contains(&b);
        let valid =
            !name.is_empty() && name.len() <= KEYWORD_BYTES_MAX && name.bytes().all(is_atom_char);
        valid.then(|| Self(name.to_owned()))
    }

    /// As first written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Keyword {}

/// Flags of one message as stored: system flags, and keywords as bits into the mailbox's keyword table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FlagBits {
    /// System flags.
    pub system: SystemFlags,
    /// Bit `n` set: the message has the `n`-th keyword of its mailbox.
    pub keywords: u64,
}

/// Most keywords one mailbox can know; the bits of [`FlagBits::keywords`].
pub const KEYWORDS_PER_MAILBOX_MAX: usize = 64;

/// Flags by name, as a client gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// System flags.
    pub system: SystemFlags,
    /// Keywords, each once.
    pub keywords: Vec<Keyword>,
}

/// Special use of a mailbox (RFC 6154 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpecialUse {
    /// `\All`
    All,
    /// `\Archive`
    Archive,
    /// `\Drafts`
    Drafts,
    /// `\Flagged`
    Flagged,
    /// `\Junk`
    Junk,
    /// `\Sent`
    Sent,
    /// `\Trash`
    Trash,
}

impl SpecialUse {
    /// Every special use with its IMAP attribute.
    pub const NAMED: [(Self, &'static str); 7] = [
        (Self::All, "\\All"),
        (Self::Archive, "\\Archive"),
        (Self::Drafts, "\\Drafts"),
        (Self::Flagged, "\\Flagged"),
        (Self::Junk, "\\Junk"),
        (Self::Sent, "\\Sent"),
        (Self::Trash, "\\Trash"),
    ];

    /// The IMAP attribute.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::All => "\\All",
            Self::Archive => "\\Archive",
            Self::Drafts => "\\Drafts",
            Self::Flagged => "\\Flagged",
            Self::Junk => "\\Junk",
            Self::Sent => "\\Sent",
            Self::Trash => "\\Trash",
        }
    }

    /// The special use of that attribute, case-insensitive.
    pub fn by_attribute(name: &str) -> Option<Self> {
        let found = Self::NAMED
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name));
        found.map(|(special, _)| *special)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_flags_by_name() {
        assert_eq!(SystemFlags::by_name("\\seen"), Some(SystemFlags::SEEN));
        assert_eq!(SystemFlags::by_name("\\Recent"), None);
    }

    #[test]
    fn keyword_is_an_atom() {
        assert!(Keyword::new("$Forwarded").is_some());
        assert!(Keyword::new("\\Seen").is_none());
        assert!(Keyword::new("two words").is_none());
        assert_eq!(Keyword::new("Later"), Keyword::new("LATER"));
    }

    #[test]
    fn special_use_attributes_round_trip() {
        for (special, name) in SpecialUse::NAMED {
            assert_eq!(special.attribute(), name);
            assert_eq!(SpecialUse::by_attribute(name), Some(special));
        }
    }
}
