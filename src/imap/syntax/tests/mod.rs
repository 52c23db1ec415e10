//! The language against known answers, and against imap-codec as an oracle in both directions.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else comes fails the test"
)]

mod commands;
mod oracle;
mod responses;
