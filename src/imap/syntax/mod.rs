//! The language of IMAP (RFC 3501, RFC 9051 and extensions): commands as types, and how they are written.
//!
//! Bytes in, types out, and back: no session, no store, no IO. What a client sends is parsed once here and cannot be
//! wrong afterwards.

pub mod command;
pub mod error;
pub mod fetch;
pub mod lexer;
pub mod literal;
pub mod parse;
pub mod pattern;
pub mod render;
pub mod response;
pub mod search;
pub mod sequence;

use command::Command;
use lexer::Dialect;
use parse::Rejected;

/// Parses one whole command in the default dialect: all its lines and literals, final CRLF included.
pub fn parse_command(input: &[u8]) -> Result<Command, Rejected> {
    parse::command(input, Dialect::default())
}

#[cfg(test)]
mod tests;
