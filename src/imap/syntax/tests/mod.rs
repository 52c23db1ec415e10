//! The language against known answers, and against imap-codec as an oracle in both directions.

mod commands;
mod oracle;
mod responses;
