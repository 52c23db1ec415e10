//! LOGOUT (RFC 3501 6.1.3).

use crate::imap::command::Reply;
use crate::imap::syntax::response::Completion;

/// Ends the session; nothing is expunged.
pub fn run() -> Reply {
    Reply::Logout(Completion::ok("logged out"))
}
