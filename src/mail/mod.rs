//! The vocabulary of mail: addresses, mailbox names, flags, identifiers, dates, MIME structure, reports.
//!
//! No IO, no clock, no store, nothing of ours below it. Values are parsed once at the edge and cannot be wrong inside.

pub mod address;
pub mod compose;
pub mod date;
pub mod flags;
pub mod flowed;
pub mod ids;
pub mod mailbox_name;
pub mod mime;
pub mod quote;
pub mod report;
pub mod secret;
pub mod trace;
pub mod transport;
