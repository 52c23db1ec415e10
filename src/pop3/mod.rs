//! POP3 as the server speaks it: RFC 1939 with CAPA (2449), STLS (2595), AUTH (5034), response codes (2449, 3206), UTF8
//! and LANG (6856), and implicit TLS (8314). [`Pop3`] is the session; it touches no socket, clock or thread.
//!
//! - A session sees the maildrop as it was at login. Nothing locks it: other sessions go on, and a message that they
//!   remove meanwhile keeps its number here and answers RETR with `-ERR`.
//! - DELE and the marks of what was fetched take effect at QUIT alone, in one commit. Whatever else ends the connection
//!   deletes nothing.
//! - UIDL is 16 hexadecimal digits of the serial and 16 of the blob's digest: the same for ever, restores included.
//! - Lines go out with CRLF. A bare LF in a message becomes CRLF, since clients that end lines at LF could else be led to
//!   take mail for replies; sizes are those that IMAP gives too, so for such (malformed) messages they
//!   do not count the added octets. RFC 1939 11 knows the difference.
//! - A message with addresses in UTF-8 gets headers in ASCII for a client that did not say UTF8, and sizes to match
//!   (RFC 6856 2.1, RFC 6858; `mail::mime::surrogate`). Other header bytes above 127 go out as they are, as ever.

pub mod command;
mod maildrop;
mod reply;
mod retrieval;
mod session;
mod shown;

use std::time::Duration;

pub use session::Pop3;

/// Longest command line, line end included. Clients keep to 255 (RFC 2449 4); a PASS with the longest password needs
/// more.
pub const COMMAND_BYTES_MAX: usize = 512;

/// Commands that are unknown, malformed, too long or out of place before the connection is closed.
pub const BAD_COMMANDS_MAX: u32 = 20;

/// Failed logins before the connection is closed.
pub const LOGIN_FAILURES_MAX: u32 = 5;

/// Time without a command after which the connection is closed (RFC 1939 3 wants at least 10 minutes).
pub const IDLE_MAX: Duration = Duration::from_mins(10);

/// How to run sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The owner's setting: passwords may cross the wire as they are.
    pub plaintext_without_tls: bool,
}
