//! Mailbox names: the INBOX rule, hierarchy, modified UTF-7 (RFC 3501 5.1).

/// The hierarchy separator.
pub const SEPARATOR: char = '/';

/// A valid mailbox name: NFC UTF-8, INBOX in capitals, no empty level, no control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxName(String);

/// Why a text is no mailbox name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MailboxNameError(pub String);

impl MailboxName {
    /// The INBOX.
    pub fn inbox() -> Self {
        Self("INBOX".to_owned())
    }
    /// From UTF-8 text (IMAP4rev2, UTF8=ACCEPT, files, command line).
    pub fn parse(_text: &str) -> Result<Self, MailboxNameError> {
        todo!()
    }
    /// From modified UTF-7 (RFC 3501 5.1.3). Bare 8-bit UTF-8 is taken as UTF-8, since clients send it.
    pub fn parse_utf7(_bytes: &[u8]) -> Result<Self, MailboxNameError> {
        todo!()
    }
    /// As UTF-8.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// As modified UTF-7.
    pub fn to_utf7(&self) -> String {
        todo!()
    }
    /// Whether this is the INBOX.
    pub fn is_inbox(&self) -> bool {
        self.0 == "INBOX"
    }
    /// The name one level up.
    pub fn parent(&self) -> Option<Self> {
        todo!()
    }
    /// Whether `self` lies below `ancestor`.
    pub fn is_below(&self, _ancestor: &Self) -> bool {
        todo!()
    }
    /// `self`, which is `from` or lies below it, with `from` replaced by `to`.
    pub fn rebased(&self, _from: &Self, _to: &Self) -> Result<Self, MailboxNameError> {
        todo!()
    }
}
