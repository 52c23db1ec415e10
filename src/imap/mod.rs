//! IMAP: the protocol by which people's mail programs read their mailboxes (RFC 3501 and extensions).
//!
//! Two layers: [`syntax`] and `connection` turn bytes into whole commands, `session` and `command` carry them out on
//! the store. No sockets, no clock, no randomness.

pub mod command;
pub mod connection;
pub mod session;
pub mod syntax;
pub mod view;
