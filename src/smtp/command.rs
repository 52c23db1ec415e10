//! SMTP commands (RFC 5321 4.1.1 and extensions) as types, parsed from one line without its CRLF.
//!
//! Strict, apart from what harmless clients are known to do: spaces after `FROM:` and `TO:`, and at the end of a line.
//! Refused although some servers take it: addresses without angle brackets, control characters, bare CR or LF. Whether
//! a command fits the state and role is the session's matter.

mod envelope;
#[cfg(test)]
mod tests;

use std::fmt;

pub use envelope::{Mail, Rcpt, Recipient};

/// Longest command line, with its CRLF: 512 (RFC 5321 4.5.3.1.4) and what extensions add to MAIL (RFC 1870 3: 26,
/// RFC 6152 2: 17, RFC 4954 3: 500, RET and ENVID of RFC 3461 4.3 and 4.4: 116, RFC 6531 3.1: 10), rounded up. RCPT with
/// NOTIFY and ORCPT stays below.
pub const COMMAND_LINE_BYTES_MAX: usize = 1280;

/// Longest line of an authentication exchange, with its CRLF (RFC 4954 4).
pub const AUTH_LINE_BYTES_MAX: usize = 12_288;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `HELO` with the client's name.
    Helo(ClientName),
    /// `EHLO` with the client's name.
    Ehlo(ClientName),
    /// `MAIL FROM`
    Mail(Mail),
    /// `RCPT TO`
    Rcpt(Rcpt),
    /// `DATA`
    Data,
    /// `BDAT` (RFC 3030 2)
    Bdat(Chunk),
    /// `RSET`
    Rset,
    /// `NOOP`
    Noop,
    /// `QUIT`
    Quit,
    /// `VRFY`
    Vrfy,
    /// `EXPN`
    Expn,
    /// `HELP`
    Help,
    /// `STARTTLS` (RFC 3207)
    StartTls,
    /// `AUTH` (RFC 4954)
    Auth {
        /// Name of the mechanism as sent.
        mechanism: String,
        /// Initial response, if one was given.
        initial: Option<InitialResponse>,
    },
}

/// The initial response of AUTH in base64, or `=`. Debug shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct InitialResponse(Vec<u8>);

/// What a client calls itself: a domain or address literal, checked for form only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientName(String);

/// The argument of BDAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Bytes that follow the command.
    pub bytes: u64,
    /// Whether the message ends with them.
    pub place: Place,
}

/// Whether more chunks follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// More chunks follow.
    Middle,
    /// `LAST`
    Last,
}

/// Why a line is no command that this server takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such command.
    #[error("command not recognized")]
    Unknown,
    /// The line has bytes that no command may have.
    #[error("{0}")]
    BadBytes(&'static str),
    /// A known command with a wrong argument; says what is wrong.
    #[error("{0}")]
    Argument(&'static str),
    /// BDAT whose count cannot be told, so that the next command cannot be found.
    #[error("BDAT needs a count of bytes and perhaps LAST")]
    Chunk,
    /// A parameter of MAIL or RCPT that this server does not know.
    #[error("parameter {0} is not supported here")]
    Parameter(String),
    /// The reverse-path.
    #[error("bad sender address: {0}")]
    Sender(String),
    /// The forward-path.
    #[error("bad recipient address: {0}")]
    Recipient(String),
    /// An address that needs SMTPUTF8 in a transaction without it (RFC 6531 3.5).
    #[error("an address beyond ASCII needs SMTPUTF8")]
    NonAscii,
}

impl Command {
    /// Parses a line without its CRLF.
    pub fn parse(line: &[u8]) -> Result<Self, CommandError> {
        if line.iter().any(|&byte| byte == b'\r' || byte == b'\n') {
            return Err(CommandError::BadBytes(
                "lines end with CRLF and nothing else",
            ));
        }
        if line
            .iter()
            .any(|&byte| byte.is_ascii_control() && byte != b'\t')
        {
            return Err(CommandError::BadBytes("control characters are not allowed"));
        }
        let Ok(text) = std::str::from_utf8(line) else {
            return Err(CommandError::BadBytes(
                "the line is neither ASCII nor UTF-8",
            ));
        };
        let text = text.trim_end_matches([' ', '\t']);
        let (verb, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        parse_verb(&verb.to_ascii_uppercase(), rest.trim_start())
    }

    /// Whether a line is an AUTH command, for which a longer limit holds.
    pub fn is_auth(line: &[u8]) -> bool {
        let mut words = line.splitn(2, |byte| matches!(byte, b' ' | b'\t'));
        let verb = words.next().unwrap_or_default();
        verb.eq_ignore_ascii_case(b"AUTH") && words.next().is_some()
    }
}

fn parse_verb(verb: &str, rest: &str) -> Result<Command, CommandError> {
    match verb {
        "HELO" => client_name(rest).map(Command::Helo),
        "EHLO" => client_name(rest).map(Command::Ehlo),
        "MAIL" => envelope::mail(rest).map(Command::Mail),
        "RCPT" => envelope::rcpt(rest).map(Command::Rcpt),
        "DATA" => bare(rest, Command::Data),
        "BDAT" => chunk(rest).map(Command::Bdat),
        "RSET" => bare(rest, Command::Rset),
        // RFC 5321 4.1.1.9: a parameter string is ignored.
        "NOOP" => Ok(Command::Noop),
        "QUIT" => bare(rest, Command::Quit),
        "VRFY" => named(rest, Command::Vrfy),
        "EXPN" => named(rest, Command::Expn),
        "HELP" => Ok(Command::Help),
        "STARTTLS" => bare(rest, Command::StartTls),
        "AUTH" => auth(rest),
        _ => Err(CommandError::Unknown),
    }
}

fn bare(rest: &str, command: Command) -> Result<Command, CommandError> {
    if rest.is_empty() {
        return Ok(command);
    }
    Err(CommandError::Argument("this command takes no argument"))
}

fn named(rest: &str, command: Command) -> Result<Command, CommandError> {
    if rest.is_empty() {
        return Err(CommandError::Argument("a name is missing"));
    }
    Ok(command)
}

/// Underscores and single labels are let through, since clients at home have such names (RFC 5321 4.1.4: a wrong name
/// is no reason to refuse mail).
fn client_name(rest: &str) -> Result<ClientName, CommandError> {
    let name_char = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    if rest.is_empty() || rest.len() > 255 || !rest.bytes().all(name_char) {
        return Err(CommandError::Argument(
            "a domain or address literal is needed",
        ));
    }
    Ok(ClientName(rest.to_owned()))
}

fn chunk(rest: &str) -> Result<Chunk, CommandError> {
    let mut words = rest.split_ascii_whitespace();
    let count = words.next().unwrap_or_default();
    if count.is_empty() || !count.bytes().all(|b| b.is_ascii_digit()) {
        return Err(CommandError::Chunk);
    }
    let bytes = count.parse().map_err(|_| CommandError::Chunk)?;
    let place = match words.next() {
        None => Place::Middle,
        Some(word) if word.eq_ignore_ascii_case("LAST") => Place::Last,
        Some(_) => return Err(CommandError::Chunk),
    };
    match words.next() {
        None => Ok(Chunk { bytes, place }),
        Some(_) => Err(CommandError::Chunk),
    }
}

fn auth(rest: &str) -> Result<Command, CommandError> {
    let mut words = rest.split_ascii_whitespace();
    let Some(mechanism) = words.next() else {
        return Err(CommandError::Argument("the name of a mechanism is missing"));
    };
    let initial = words
        .next()
        .map(|word| InitialResponse(word.as_bytes().to_vec()));
    if words.next().is_some() {
        return Err(CommandError::Argument(
            "AUTH takes a mechanism and an initial response",
        ));
    }
    Ok(Command::Auth {
        mechanism: mechanism.to_owned(),
        initial,
    })
}

impl InitialResponse {
    /// As sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for InitialResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl ClientName {
    /// As sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
