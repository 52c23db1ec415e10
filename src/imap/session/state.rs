//! Where a session stands (RFC 3501 3): each state with its own fields only.

use crate::imap::session::alert::Alerts;
use crate::imap::syntax::command::Access;
use crate::imap::syntax::lexer::Dialect;
use crate::imap::view::MailboxView;
use crate::mail::flags::Keyword;
use crate::mail::ids::{AccountId, DeviceId, MailboxId};
use crate::store::change::Subscription;
use crate::store::types::Verifier;

/// The state of a session.
#[derive(Debug)]
pub enum State {
    /// Nobody is logged in.
    NotAuthenticated(NotAuthenticated),
    /// Logged in, no mailbox open.
    Authenticated(Box<User>),
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
    /// What the password was checked against; when that changes, the session ends.
    pub verifier: Verifier,
    /// What happens in the account.
    pub changes: Subscription,
    /// What was told of the storage state.
    pub alerts: Alerts,
}

/// Extensions that a client switched on (RFC 5161) or showed that it knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Enabled {
    /// CONDSTORE (RFC 7162 3.1): FETCH responses to flag changes carry MODSEQ.
    pub condstore: bool,
    /// UTF8=ACCEPT (RFC 6855): UTF-8 in quoted strings both ways, and messages as they are.
    pub dialect: Dialect,
}

/// An open mailbox.
#[derive(Debug)]
pub struct Selected {
    /// Who opened it.
    pub user: Box<User>,
    /// Which.
    pub mailbox: MailboxId,
    /// How.
    pub access: Access,
    /// The client's picture of it.
    pub view: MailboxView,
    /// Its keywords as the client was told them; the n-th is bit n.
    pub keywords: Vec<Keyword>,
}

impl State {
    /// Closes the selected mailbox, if any; `None` if nobody is logged in.
    pub fn unselect(&mut self) -> Option<&mut User> {
        let state = std::mem::replace(self, Self::Logout);
        *self = match state {
            Self::Selected(selected) => Self::Authenticated(selected.user),
            other @ (Self::NotAuthenticated(_) | Self::Authenticated(_) | Self::Logout) => other,
        };
        match self {
            Self::Authenticated(user) => Some(user),
            Self::NotAuthenticated(_) | Self::Selected(_) | Self::Logout => None,
        }
    }

    /// Who is logged in.
    pub fn user(&self) -> Option<&User> {
        match self {
            Self::Authenticated(user) => Some(user),
            Self::Selected(selected) => Some(&selected.user),
            Self::NotAuthenticated(_) | Self::Logout => None,
        }
    }

    /// Who is logged in.
    pub fn user_mut(&mut self) -> Option<&mut User> {
        match self {
            Self::Authenticated(user) => Some(user),
            Self::Selected(selected) => Some(&mut selected.user),
            Self::NotAuthenticated(_) | Self::Logout => None,
        }
    }

    /// The selected mailbox.
    pub fn selected_mut(&mut self) -> Option<&mut Selected> {
        match self {
            Self::Selected(selected) => Some(selected),
            Self::NotAuthenticated(_) | Self::Authenticated(_) | Self::Logout => None,
        }
    }
}
