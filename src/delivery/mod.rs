//! Delivery: takes a message in and files it where its recipients want it.
//!
//! Protocols hand over bytes and envelope; what is stored, for whom and with which fields in front is decided here.

pub mod intake;
