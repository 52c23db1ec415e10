//! The rows that the store gives and takes, as callers see them. How they lie on disk is `schema`'s matter.

use std::net::IpAddr;

use crate::clock::Wall;
use crate::mail::address::{Address, ReversePath};
use crate::mail::flags::{FlagBits, Flags, Keyword, SpecialUse};
use crate::mail::ids::{AccountId, BlobId, DeviceId, MailboxId, ModSeq, Serial, Uid, UidValidity};
use crate::mail::mailbox_name::MailboxName;
use crate::mail::secret::Secret;

/// A language that people are written to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// German
    De,
    /// English
    En,
}

/// An account: one person's mailboxes and quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its identifier.
    pub id: AccountId,
    /// Its address and login name.
    pub address: Address,
    /// Whether it owns the box.
    pub owner: bool,
    /// Language of mail that the box writes to it.
    pub language: Language,
    /// Most bytes of mail, or `None` for the box's default.
    pub quota_bytes: Option<u64>,
    /// When it was made.
    pub created: Wall,
}

/// Running totals of one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Sum of the messages' sizes as clients see them; a copy counts again.
    pub bytes: u64,
    /// Number of messages.
    pub messages: u64,
}

/// How full something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Nothing to say.
    #[default]
    Ok,
    /// From `notice_percent` on.
    Notice,
    /// From `warning_percent` on.
    Warning,
    /// Mail is being deferred.
    Full,
    /// The store cannot write. Of the card only.
    Fault,
}

impl Level {
    /// Its one name in logs, commands, figures and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Full => "full",
            Self::Fault => "fault",
        }
    }
}

/// Where levels begin, in hundredths of the limit; notice below warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// [`Level::Notice`]
    pub notice_percent: u8,
    /// [`Level::Warning`]
    pub warning_percent: u8,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            notice_percent: 80,
            warning_percent: 95,
        }
    }
}

/// What can fill up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The card, or what `capacity_bytes_max` leaves of it.
    Card,
    /// An account's quota.
    Account(AccountId),
}

/// How full something is, in numbers and as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The word.
    pub level: Level,
    /// Bytes in use.
    pub used: u64,
    /// Bytes at which it is full: the quota, or what the card takes without its reserve. `None` for no limit.
    pub limit: Option<u64>,
}

/// What was in use at the end of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Days since 1970-01-01, UTC.
    pub day: u32,
    /// Bytes.
    pub bytes: u64,
}

/// A sender whose mail waits outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its address; `None` is the null sender.
    pub from: ReversePath,
    /// First and last try.
    pub first: Wall,
    /// See `first`.
    pub last: Wall,
    /// Size of the largest mail that was announced, if any was.
    pub bytes: Option<u64>,
    /// Number of tries.
    pub tries: u32,
}

/// What a password is checked against.
#[derive(Clone, Debug)]
pub enum Verifier {
    /// RFC 5803 keys; salt and count are the account's.
    Scram {
        /// `StoredKey`
        stored_key: [u8; 32],
        /// `ServerKey`
        server_key: Secret<[u8; 32]>,
    },
    /// An Argon2id PHC string.
    Argon2id(Secret<String>),
    /// A crypt(3) hash that another system made, until its password is first seen.
    Crypt(Secret<String>),
}

/// Length of the salt that an account is given, in bytes.
pub const SCRAM_SALT_BYTES: usize = 16;

/// PBKDF2 count that accounts are made with. RFC 7677 4 asks for at least 4096; a Pi Zero 2 W (1 GHz, no SHA
/// instructions, about 700,000 SHA-256 blocks a second on one core) takes about 0.1 s for this many.
pub const SCRAM_ITERATIONS: u32 = 30_000;

/// Everything that can let someone into an account.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The account.
    pub account: AccountId,
    /// Salt of all its SCRAM verifiers.
    pub salt: Vec<u8>,
    /// PBKDF2 count of all its SCRAM verifiers.
    pub iterations: u32,
    /// The account's own password (`None` as device) and its devices' app passwords.
    pub verifiers: Vec<(Option<DeviceId>, Verifier)>,
}

/// What POP3's DELE means for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pop3Delete {
    /// Removes the mail for everyone.
    Delete,
    /// Hides it from that device and removes it after that many days.
    Keep {
        /// 1 to 3650.
        days: u16,
    },
    /// Hides it from that device and files it under "Fetched" once every POP3 device of the account has fetched it
    /// or 30 days have passed.
    Move,
}

/// A device: an app password and its policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its identifier.
    pub id: DeviceId,
    /// Whose it is.
    pub account: AccountId,
    /// Name given by its owner, unique in the account.
    pub name: String,
    /// What DELE means for it.
    pub pop3_delete: Pop3Delete,
    /// When it was made.
    pub created: Wall,
    /// Last successful login by any protocol, to the quarter of an hour; see `store::login`.
    pub last_seen: Option<Wall>,
}

/// A login that was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// By which protocol, for people: `IMAP`.
    pub protocol: String,
    /// When.
    pub at: Wall,
    /// Where from.
    pub from: IpAddr,
    /// Version of TLS, such as `TLS1.3`; empty if the connection was in plain.
    pub tls: String,
}

/// An alias: mail to `from` goes to `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// `Address::lookup_key` of an address, or `@domain` for the catch-all.
    pub from: String,
    /// Where it goes; local or remote addresses, at least one.
    pub to: Vec<Address>,
}

/// A mailbox with its counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Its identifier (also RFC 8474 MAILBOXID).
    pub id: MailboxId,
    /// Whose it is.
    pub account: AccountId,
    /// Its name.
    pub name: MailboxName,
    /// Special use, if any.
    pub special_use: Option<SpecialUse>,
    /// Whether LSUB lists it.
    pub subscribed: bool,
    /// UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// UID that the next message gets.
    pub uid_next: Uid,
    /// Highest mod-sequence of any change in it.
    pub highest_modseq: ModSeq,
    /// Number of messages.
    pub messages: u32,
    /// Number of messages without `\Seen`.
    pub unseen: u32,
    /// Number of messages with `\Deleted`.
    pub deleted: u32,
    /// Sum of the messages' sizes.
    pub bytes: u64,
    /// Its keywords; the n-th is bit n of [`FlagBits::keywords`].
    pub keywords: Vec<Keyword>,
}

/// One line of a mailbox: all that a scan gives without reading records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// UID.
    pub uid: Uid,
    /// Flags.
    pub flags: FlagBits,
    /// Mod-sequence of its last change.
    pub modseq: ModSeq,
    /// Key of its record.
    pub serial: Serial,
}

/// A message's record: what stays as it was at delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRecord {
    /// Key.
    pub serial: Serial,
    /// Mailbox that it lies in.
    pub mailbox: MailboxId,
    /// UID there.
    pub uid: Uid,
    /// Its bytes as received.
    pub blob: BlobId,
    /// Header fields that the server put in front of the blob, with CRLF line ends; sizes, BODY[] and RETR include
    /// them.
    pub prefix: Vec<u8>,
    /// Bytes of prefix and blob together.
    pub bytes: u64,
    /// First bytes of the SHA-256 over the blob's plain bytes.
    pub digest: [u8; 16],
    /// Internal date.
    pub internal_date: Wall,
    /// When it came into this mailbox (RFC 8514).
    pub saved: Wall,
    /// ENVELOPE and BODYSTRUCTURE in the form of `mail::mime::Summary::encode`.
    pub summary: Vec<u8>,
}

/// What its record says of a message in numbers, which is quick to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageFacts {
    /// As [`MessageRecord::bytes`].
    pub bytes: u64,
    /// As [`MessageRecord::internal_date`].
    pub internal_date: Wall,
    /// As [`MessageRecord::saved`].
    pub saved: Wall,
}

/// Where and how a message shall be filed.
#[derive(Clone, Debug)]
pub struct Filing {
    /// Mailbox.
    pub mailbox: MailboxId,
    /// Flags from the start.
    pub flags: Flags,
    /// Internal date.
    pub internal_date: Wall,
    /// Header fields to put in front (see [`MessageRecord::prefix`]).
    pub prefix: Vec<u8>,
    /// What the account's quota means for it.
    pub quota: QuotaRule,
}

/// What an account's quota means for a filing. The room on the card counts in both cases (the house's own mail has the
/// reserve too: [`Store::begin_own_blob`](super::Store::begin_own_blob)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuotaRule {
    /// A full account ([`Level::Full`]) refuses it as `OverQuota`; Trash has some room beyond the quota.
    #[default]
    Enforce,
    /// It may go beyond the quota: mail whose recipient was already accepted, and for which others have room.
    Exceed,
}

/// Where a message was filed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filed {
    /// UIDVALIDITY of the mailbox.
    pub uid_validity: UidValidity,
    /// UID there.
    pub uid: Uid,
    /// Its serial.
    pub serial: Serial,
}

/// How STORE changes flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagAction {
    /// These and no others.
    Replace,
    /// These too.
    Add,
    /// No longer these.
    Remove,
}

impl FlagAction {
    /// The flags that a message with `before` has after it, `given` those of the command.
    pub fn apply(self, before: FlagBits, given: FlagBits) -> FlagBits {
        match self {
            Self::Replace => given,
            Self::Add => FlagBits {
                system: before.system.union(given.system),
                keywords: before.keywords | given.keywords,
            },
            Self::Remove => FlagBits {
                system: before.system.difference(given.system),
                keywords: before.keywords & !given.keywords,
            },
        }
    }
}

/// What a flag update did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlagUpdate {
    /// Messages whose flags are other than before, ascending by UID.
    pub changed: Vec<MessageRow>,
    /// Messages left alone because their mod-sequence is above UNCHANGEDSINCE (RFC 7162 3.1.3), ascending.
    pub modified: Vec<Uid>,
}

/// What COPY or MOVE did: pairs of old and new UID, ascending by old UID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// UIDVALIDITY of the target.
    pub uid_validity: UidValidity,
    /// Old and new UIDs; messages that were gone already are left out.
    pub pairs: Vec<(Uid, Uid)>,
}
