//! Commands as types: what a client asked, parsed once and wholly.
//!
//! One struct per command that has arguments. An extension adds a variant to [`CommandBody`], a struct in a file of its
//! own and a line in the table of `parse`; what exists stays as it is. Passwords are [`Secret`], so that `Debug` of any
//! command may be logged.

use std::fmt;

use super::fetch::{FetchItem, FetchModifiers};
use super::search::SearchKey;
use super::sequence::SequenceSet;
use crate::clock::Wall;
use crate::mail::flags::Flags;
use crate::mail::mailbox_name::MailboxName;
use crate::mail::secret::Secret;
use crate::store::types::FlagAction;

/// A whole command.
#[derive(Clone, Debug)]
pub struct Command {
    /// The client's name for it.
    pub tag: Tag,
    /// What it asks.
    pub body: CommandBody,
}

/// A tag (RFC 3501 9): one or more ASTRING-CHAR without `+`, at most [`TAG_BYTES_MAX`] bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Tag(String);

/// Longest tag taken, in bytes.
pub const TAG_BYTES_MAX: usize = 64;

/// Every command.
#[derive(Clone, Debug)]
pub enum CommandBody {
    /// CAPABILITY
    Capability,
    /// NOOP
    Noop,
    /// LOGOUT
    Logout,
    /// ID (RFC 2971)
    Id(IdParameters),
    /// STARTTLS
    StartTls,
    /// AUTHENTICATE (RFC 4959)
    Authenticate(Authenticate),
    /// LOGIN
    Login(Login),
    /// ENABLE (RFC 5161): names in capitals, at least one.
    Enable(Vec<String>),
    /// SELECT and EXAMINE
    Select(Select),
    /// CREATE
    Create(Create),
    /// DELETE
    Delete(MailboxName),
    /// RENAME
    Rename(Rename),
    /// SUBSCRIBE
    Subscribe(MailboxName),
    /// UNSUBSCRIBE
    Unsubscribe(MailboxName),
    /// LIST
    List(List),
    /// LSUB
    Lsub(List),
    /// NAMESPACE (RFC 2342)
    Namespace,
    /// STATUS
    Status(Status),
    /// GETQUOTA (RFC 9208): name of a quota root.
    GetQuota(Vec<u8>),
    /// GETQUOTAROOT
    GetQuotaRoot(MailboxName),
    /// SETQUOTA: name of a quota root; its limits are not kept, as it is always refused.
    SetQuota(Vec<u8>),
    /// IDLE (RFC 2177)
    Idle,
    /// CHECK
    Check,
    /// CLOSE
    Close,
    /// UNSELECT (RFC 3691)
    Unselect,
    /// EXPUNGE
    Expunge,
    /// UID EXPUNGE (RFC 4315)
    UidExpunge(SequenceSet),
    /// SEARCH and UID SEARCH
    Search(Search),
    /// FETCH and UID FETCH
    Fetch(Fetch),
    /// STORE and UID STORE
    Store(Store),
    /// COPY and UID COPY
    Copy(Copy),
    /// MOVE and UID MOVE (RFC 6851)
    Move(Copy),
}

/// The beginning of an APPEND, all that stands before the bytes of its message. It is not a [`CommandBody`], since the
/// message streams (see `connection::Received`).
#[derive(Clone, Debug)]
pub struct Append {
    /// The command's tag.
    pub tag: Tag,
    /// Target.
    pub mailbox: MailboxName,
    /// The (first) message.
    pub message: AppendMessage,
}

/// One message of an APPEND, without its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppendMessage {
    /// Flags.
    pub flags: Flags,
    /// Internal date; `None` for now.
    pub internal_date: Option<Wall>,
    /// Announced length of its literal.
    pub literal: Literal,
    /// What its literal stands in.
    pub wrapping: Wrapping,
}

/// What the literal of an APPEND stands in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wrapping {
    /// Nothing.
    #[default]
    Bare,
    /// `UTF8 (~{n}...)` (RFC 6855 4). RFC 9755 4 dropped it again: what is in it is a message as any other.
    Utf8,
}

/// An announced literal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Literal {
    /// Length in bytes.
    pub bytes: u64,
    /// Who waits for whom.
    pub sync: Sync,
}

/// Whether the client waits before it sends a literal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// `{n}`: waits for a continuation request.
    #[default]
    Synchronizing,
    /// `{n+}` (RFC 7888): sends at once.
    NonSynchronizing,
}

/// Arguments of ID: names and values as sent; `NIL` is the empty list.
pub type IdParameters = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Most pairs in ID (RFC 2971 3.3).
pub const ID_PAIRS_MAX: usize = 30;

/// Arguments of AUTHENTICATE.
#[derive(Clone, Debug)]
pub struct Authenticate {
    /// Mechanism name in capitals.
    pub mechanism: String,
    /// Initial response, decoded; empty for `=`.
    pub initial: Option<Secret<Vec<u8>>>,
}

/// Arguments of LOGIN.
#[derive(Clone, Debug)]
pub struct Login {
    /// User name as sent.
    pub user: Vec<u8>,
    /// Password as sent.
    pub password: Secret<Vec<u8>>,
}

/// Arguments of SELECT and EXAMINE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select {
    /// Mailbox.
    pub mailbox: MailboxName,
    /// Which of the two.
    pub access: Access,
    /// Parameters in parentheses.
    pub parameters: SelectParameters,
}

/// How a mailbox is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// SELECT
    ReadWrite,
    /// EXAMINE
    ReadOnly,
}

/// Parameters of SELECT (RFC 4466 2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectParameters {
    /// `CONDSTORE` (RFC 7162 3.1.8)
    pub condstore: bool,
}

/// Arguments of CREATE. A trailing hierarchy separator is dropped (RFC 3501 6.3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    /// Mailbox.
    pub mailbox: MailboxName,
}

/// Arguments of RENAME.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    /// Name now.
    pub from: MailboxName,
    /// Name then.
    pub to: MailboxName,
}

/// Arguments of LIST and LSUB, decoded to UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Reference name; it is put in front of the pattern.
    pub reference: String,
    /// Pattern with `%` and `*`; empty asks for the hierarchy separator.
    pub pattern: String,
}

/// Arguments of STATUS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Mailbox.
    pub mailbox: MailboxName,
    /// Items, at least one.
    pub items: Vec<StatusItem>,
}

/// An item of STATUS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatusItem {
    /// `MESSAGES`
    Messages,
    /// `RECENT`
    Recent,
    /// `UIDNEXT`
    UidNext,
    /// `UIDVALIDITY`
    UidValidity,
    /// `UNSEEN`
    Unseen,
    /// `SIZE` (RFC 8438): sum of the messages' sizes in bytes.
    Size,
    /// `HIGHESTMODSEQ` (RFC 7162 3.1.7)
    HighestModSeq,
    /// `DELETED` (RFC 9208 4.1.4)
    Deleted,
    /// `DELETED-STORAGE` (RFC 9208 4.1.4): bytes that an expunge would free.
    DeletedStorage,
    /// `APPENDLIMIT` (RFC 7889 3)
    AppendLimit,
}

/// What a sequence set counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// Message sequence numbers.
    Sequence,
    /// UIDs (the command was prefixed with `UID`).
    Uid,
}

/// Arguments of SEARCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// What the answer counts.
    pub numbering: Numbering,
    /// What to look for.
    pub key: SearchKey,
}

/// Arguments of FETCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// What `set` counts.
    pub numbering: Numbering,
    /// Messages.
    pub set: SequenceSet,
    /// Items, at least one, macros written out.
    pub items: Vec<FetchItem>,
    /// Modifiers.
    pub modifiers: FetchModifiers,
}

/// Arguments of STORE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// What `set` counts.
    pub numbering: Numbering,
    /// Messages.
    pub set: SequenceSet,
    /// `UNCHANGEDSINCE` (RFC 7162 3.1.3); 0 is allowed and changes nothing.
    pub unchanged_since: Option<u64>,
    /// What to do with the flags.
    pub action: FlagAction,
    /// Whether the new flags are told.
    pub answer: StoreAnswer,
    /// The flags.
    pub flags: Flags,
}

/// Whether STORE answers with the new flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreAnswer {
    /// `FLAGS`: untagged FETCH responses.
    Told,
    /// `FLAGS.SILENT`
    Silent,
}

/// Arguments of COPY and MOVE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// What `set` counts.
    pub numbering: Numbering,
    /// Messages.
    pub set: SequenceSet,
    /// Target.
    pub mailbox: MailboxName,
}

impl Tag {
    /// `None` unless `bytes` are a tag.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let valid = !bytes.is_empty()
            && bytes.len() <= TAG_BYTES_MAX
            && bytes.iter().all(|b| is_tag_char(*b));
        let text = std::str::from_utf8(bytes).ok().filter(|_| valid)?;
        Some(Self(text.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_tag_char(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"(){%*\"\\+".contains(&byte)
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl CommandBody {
    /// The command's name for logs and answers.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Capability => "CAPABILITY",
            Self::Noop => "NOOP",
            Self::Logout => "LOGOUT",
            Self::Id(_) => "ID",
            Self::StartTls => "STARTTLS",
            Self::Authenticate(_) => "AUTHENTICATE",
            Self::Login(_) => "LOGIN",
            Self::Enable(_) => "ENABLE",
            Self::Select(select) => match select.access {
                Access::ReadWrite => "SELECT",
                Access::ReadOnly => "EXAMINE",
            },
            Self::Create(_) => "CREATE",
            Self::Delete(_) => "DELETE",
            Self::Rename(_) => "RENAME",
            Self::Subscribe(_) => "SUBSCRIBE",
            Self::Unsubscribe(_) => "UNSUBSCRIBE",
            Self::List(_) => "LIST",
            Self::Lsub(_) => "LSUB",
            Self::Namespace => "NAMESPACE",
            Self::Status(_) => "STATUS",
            Self::GetQuota(_) => "GETQUOTA",
            Self::GetQuotaRoot(_) => "GETQUOTAROOT",
            Self::SetQuota(_) => "SETQUOTA",
            Self::Idle => "IDLE",
            Self::Check => "CHECK",
            Self::Close => "CLOSE",
            Self::Unselect => "UNSELECT",
            Self::Expunge => "EXPUNGE",
            Self::UidExpunge(_) => "UID EXPUNGE",
            Self::Search(_) => "SEARCH",
            Self::Fetch(_) => "FETCH",
            Self::Store(_) => "STORE",
            Self::Copy(_) => "COPY",
            Self::Move(_) => "MOVE",
        }
    }
}
