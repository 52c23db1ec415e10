//! Status responses (RFC 3501 7.1): what a completion says, and its response code.
//!
//! The text is for people and says what to do; everything a program needs is in the code. `syntax::render` writes them.

use std::borrow::Cow;

use super::sequence::SequenceSet;
use crate::mail::flags::Keyword;
use crate::mail::ids::{ModSeq, Uid, UidValidity};

/// The condition, code and text of a status response; tagged, it completes a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Which of the five.
    pub condition: Condition,
    /// Response code, if any.
    pub code: Option<Code>,
    /// Text for people: one line of printable ASCII; anything else is written as `?`.
    pub text: Cow<'static, str>,
}

/// The word of a status response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Done, or for information.
    Ok,
    /// Not done, or a warning.
    No,
    /// Not understood.
    Bad,
    /// The connection ends.
    Bye,
    /// Greeting of a connection that is authenticated already.
    PreAuth,
}

/// A response code (RFC 3501 7.1, RFC 5530 and the extensions').
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// `ALERT`: the client must show the text.
    Alert,
    /// `ALREADYEXISTS`
    AlreadyExists,
    /// `APPENDUID` (RFC 4315 3)
    AppendUid(UidValidity, SequenceSet),
    /// `AUTHENTICATIONFAILED`
    AuthenticationFailed,
    /// `BADCHARSET` with the charsets that are understood.
    BadCharset,
    /// `CANNOT`
    Cannot,
    /// `CAPABILITY` with the names.
    Capability(Vec<String>),
    /// `CLOSED` (RFC 7162 3.2.11): the mailbox that was selected is no longer.
    Closed,
    /// `COPYUID` (RFC 4315 3): UIDVALIDITY of the target, old and new UIDs.
    CopyUid(UidValidity, SequenceSet, SequenceSet),
    /// `DOWNGRADED` (RFC 6858 3): UIDs of messages that are not shown as they are stored.
    Downgraded(SequenceSet),
    /// `EXPUNGEISSUED`
    ExpungeIssued,
    /// `HASCHILDREN` (RFC 9051 7.1)
    HasChildren,
    /// `HIGHESTMODSEQ` (RFC 7162 3.1.2.1)
    HighestModSeq(ModSeq),
    /// `INUSE`
    InUse,
    /// `LIMIT`
    Limit,
    /// `MODIFIED` (RFC 7162 3.1.3): messages that a conditional STORE left alone.
    Modified(SequenceSet),
    /// `NONEXISTENT`
    NonExistent,
    /// `NOPERM`
    NoPerm,
    /// `OVERQUOTA` (RFC 9208 4.3.1)
    OverQuota,
    /// `PERMANENTFLAGS`: system flags are always among them, keywords as given.
    PermanentFlags(PermanentFlags),
    /// `PRIVACYREQUIRED`
    PrivacyRequired,
    /// `READ-ONLY`
    ReadOnly,
    /// `READ-WRITE`
    ReadWrite,
    /// `SERVERBUG`
    ServerBug,
    /// `TOOBIG` (RFC 4469 4.2)
    TooBig,
    /// `TRYCREATE`
    TryCreate,
    /// `UIDNEXT`
    UidNext(Uid),
    /// `UIDVALIDITY`
    UidValidity(UidValidity),
    /// `UNAVAILABLE`
    Unavailable,
    /// `UNSEEN`: sequence number of the first unseen message.
    Unseen(u32),
    /// A code of an extension, as it stands between the brackets.
    Other(String),
}

/// What a mailbox lets clients set for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PermanentFlags {
    /// Nothing (opened read-only).
    None,
    /// All system flags, these keywords, and new keywords (`\*`) if there is room.
    Some {
        /// Keywords of the mailbox.
        keywords: Vec<Keyword>,
        /// Whether more keywords can be made.
        more: bool,
    },
}

impl Completion {
    /// `OK text`
    pub fn ok(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Condition::Ok, text)
    }

    /// `NO text`
    pub fn no(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Condition::No, text)
    }

    /// `BAD text`
    pub fn bad(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Condition::Bad, text)
    }

    /// `BYE text`
    pub fn bye(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Condition::Bye, text)
    }

    /// The same with a response code.
    #[must_use]
    pub fn with(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    fn new(condition: Condition, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            condition,
            code: None,
            text: text.into(),
        }
    }
}
