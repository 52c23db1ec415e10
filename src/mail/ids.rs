//! Identifiers as types of their own, so that a UID can never stand where a serial belongs.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// An account; never used again after the account is removed.
    AccountId(u32)
}
id! {
    /// A device (app password) of one account; unique in the whole store, never used again.
    DeviceId(u32)
}
id! {
    /// A mailbox; unique in the whole store, kept when it is renamed, never used again.
    MailboxId(u32)
}
id! {
    /// A message in one mailbox; unique in the whole store, never used again. A copy or a move makes a new one.
    Serial(u64)
}
id! {
    /// A stored blob: the immutable bytes of a message.
    BlobId(u64)
}
id! {
    /// A mail in the spool; never used again.
    SpoolId(u64)
}
id! {
    /// UID of a message in its mailbox (RFC 3501 2.3.1.1); strictly ascending, never used again.
    Uid(NonZeroU32)
}
id! {
    /// UIDVALIDITY of a mailbox (RFC 3501 2.3.1.1).
    UidValidity(NonZeroU32)
}
id! {
    /// Modification sequence (RFC 7162 3.1); one counter per account, so that it rises over all its mailboxes.
    ModSeq(NonZeroU64)
}

impl Uid {
    /// The first UID of a mailbox.
    pub const MIN: Self = Self(NonZeroU32::MIN);

    /// The highest UID there can be; as the end of a range, all that follow.
    pub const MAX: Self = Self(NonZeroU32::MAX);

    /// The value as a plain number.
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// `None` for zero, which is no UID.
    pub fn new(value: u32) -> Option<Self> {
        NonZeroU32::new(value).map(Self)
    }
}

impl ModSeq {
    /// The value of a mailbox that nothing ever happened in.
    pub const MIN: Self = Self(NonZeroU64::MIN);

    /// The value as a plain number.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// `None` for zero, which is no mod-sequence of a message.
    pub fn new(value: u64) -> Option<Self> {
        NonZeroU64::new(value).map(Self)
    }
}
