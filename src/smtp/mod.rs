//! SMTP as a server speaks it (RFC 5321 and extensions), sans IO: `command` and `reply` are the syntax, `data` the
//! framing of messages, `session` the dialog in both roles. `client` is the other side, for mail that leaves.
//!
//! Everything here is deterministic: bytes, time, random seed and the driver's answers come in, bytes and events go
//! out. Extensions are announced only where they work.

pub mod client;
pub mod command;
pub mod data;
pub mod reply;
pub mod session;

pub use session::{Checking, Limits, Role, Service, Session};
