//! Delivery: takes a message in and files it where its recipients want it.
//!
//! Protocols hand over bytes and envelope; what is stored, for whom and with which fields in front is decided here, and
//! no protocol is named. What is for other hosts is spooled in the same commit ([`outbound`]); [`route::Router`] says which
//! addresses that concerns.

pub mod confirm;
pub mod dsn;
pub mod handover;
pub mod intake;
pub mod local;
pub mod notice;
pub mod outbound;
pub mod report;
pub mod route;
pub mod sent;
pub mod submission;
