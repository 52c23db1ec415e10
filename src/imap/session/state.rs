//! Where a session stands (RFC 3501 3): each state with its own fields only.

use crate::imap::syntax::command::Access;
use crate::mail::ids::{AccountId, DeviceId, MailboxId};

/// The state of a session.
#[derive(Debug)]
pub enum State {
    /// Nobody is logged in.
    NotAuthenticated(NotAuthenticated),
    /// Logged in, no mailbox open.
    Authenticated(User),
    /// A mailbox is open.
    Selected(Box<Selected>),
    /// BYE was said.
    Logout,
}

/// Before login.
#[derive(Debug, Default)]
pub struct NotAuthenticated {
    /// Logins that failed on this connection.
    pub failures: u32,
}

/// Who is logged in, and what the client enabled.
#[derive(Debug)]
pub struct User {
    /// Account.
    pub account: AccountId,
    /// Device whose app password was used.
    pub device: Option<DeviceId>,
    /// Extensions switched on.
    pub enabled: Enabled,
}

/// Extensions that a client switched on (RFC 5161) or showed that it knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Enabled {
    /// CONDSTORE (RFC 7162 3.1): FETCH responses to flag changes carry MODSEQ.
    pub condstore: bool,
}

/// An open mailbox.
#[derive(Debug)]
pub struct Selected {
    /// Who opened it.
    pub user: User,
    /// Which.
    pub mailbox: MailboxId,
    /// How.
    pub access: Access,
}
