//! SMTP commands (RFC 5321 4.1.1 and extensions) as types, parsed from one line without its CRLF.
//!
//! Strict, apart from what harmless clients are known to do: spaces after `FROM:` and `TO:`, and at the end of a line.
//! Refused although some servers take it: addresses without angle brackets, control characters, bare CR or LF. Whether
//! a command fits the state and role is the session's matter.

#[cfg(test)]
mod tests;

use std::fmt;

use crate::mail::address::{Address, Path, ReversePath};

/// Longest command line, with its CRLF: 512 (RFC 5321 4.5.3.1.4) and what extensions add to MAIL (RFC 1870 3: 26,
/// RFC 6152 2: 17, RFC 4954 3: 500), rounded down.
pub const COMMAND_LINE_BYTES_MAX: usize = 1024;

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
    Rcpt(Recipient),
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

/// The argument of MAIL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Reverse-path.
    pub from: ReversePath,
    /// `SIZE=` (RFC 1870 6): how many bytes the client is about to send.
    pub size: Option<u64>,
    /// `BODY=` (RFC 6152 2).
    pub body: Option<Body>,
    /// Whether `AUTH=` was given (RFC 4954 5). Its value is of no use to a server that trusts no relay.
    pub auth: bool,
}

/// `BODY=`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// `7BIT`
    SevenBit,
    /// `8BITMIME`
    EightBitMime,
}

/// The forward-path of RCPT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// `<Postmaster>` (RFC 5321 4.1.1.3)
    Postmaster,
    /// An address.
    Address(Address),
}

impl Recipient {
    /// The address, if it is one.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Postmaster => None,
            Self::Address(address) => Some(address),
        }
    }
}

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
    /// An address that needs SMTPUTF8, which is not offered (RFC 6531 3.5).
    #[error("non-ASCII addresses are not supported")]
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
        "MAIL" => mail(rest).map(Command::Mail),
        "RCPT" => recipient(rest).map(Command::Rcpt),
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

/// What follows `keyword` and its colon (`FROM:`, `TO:`), without leading spaces.
fn after_keyword<'a>(rest: &'a str, keyword: &str) -> Option<&'a str> {
    let (word, path) = rest.split_once(':')?;
    word.eq_ignore_ascii_case(keyword)
        .then(|| path.trim_start_matches(' '))
}

fn mail(rest: &str) -> Result<Mail, CommandError> {
    let Some(path) = after_keyword(rest, "FROM") else {
        return Err(CommandError::Argument("the syntax is MAIL FROM:<address>"));
    };
    let (path, params) =
        Path::parse_prefix(path).map_err(|error| CommandError::Sender(error.to_string()))?;
    let from = match path {
        Path::Null => None,
        Path::Postmaster => return Err(CommandError::Sender("the domain is missing".to_owned())),
        Path::Address(address) => Some(ascii(address)?),
    };
    mail_params(from, params)
}

fn ascii(address: Address) -> Result<Address, CommandError> {
    if address.smtputf8_needed() {
        return Err(CommandError::NonAscii);
    }
    Ok(address)
}

fn mail_params(from: ReversePath, params: &str) -> Result<Mail, CommandError> {
    let mut mail = Mail {
        from,
        size: None,
        body: None,
        auth: false,
    };
    for (name, value) in parameters(params)? {
        let twice = match name.as_str() {
            "SIZE" => mail.size.replace(size(value)?).is_some(),
            "BODY" => mail.body.replace(body(value)?).is_some(),
            "AUTH" => std::mem::replace(&mut mail.auth, xtext(value)?),
            _ => return Err(CommandError::Parameter(name)),
        };
        if twice {
            return Err(CommandError::Argument("a parameter is given twice"));
        }
    }
    Ok(mail)
}

/// `esmtp-param`s: names in capitals, and values if there are any.
fn parameters(text: &str) -> Result<Vec<(String, Option<&str>)>, CommandError> {
    if !text.is_empty() && !text.starts_with([' ', '\t']) {
        return Err(CommandError::Argument("a space is missing behind the path"));
    }
    text.split_ascii_whitespace().map(parameter).collect()
}

fn parameter(word: &str) -> Result<(String, Option<&str>), CommandError> {
    let (name, value) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let keyword_char = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let value_char = |b: u8| b.is_ascii_graphic() && b != b'=';
    let valid = !name.is_empty() && !name.starts_with('-') && name.bytes().all(keyword_char);
    if !valid || value.is_some_and(|value| value.is_empty() || !value.bytes().all(value_char)) {
        return Err(CommandError::Argument("malformed parameter"));
    }
    Ok((name.to_ascii_uppercase(), value))
}

/// `size-value` of RFC 1870 6: up to 20 digits; one that does not fit is larger than any limit.
fn size(value: Option<&str>) -> Result<u64, CommandError> {
    match value {
        Some(digits) if digits.len() <= 20 && digits.bytes().all(|b| b.is_ascii_digit()) => {
            Ok(digits.parse().unwrap_or(u64::MAX))
        }
        _ => Err(CommandError::Argument("SIZE needs a count of bytes")),
    }
}

fn body(value: Option<&str>) -> Result<Body, CommandError> {
    match value {
        Some(value) if value.eq_ignore_ascii_case("7BIT") => Ok(Body::SevenBit),
        Some(value) if value.eq_ignore_ascii_case("8BITMIME") => Ok(Body::EightBitMime),
        Some(value) if value.eq_ignore_ascii_case("BINARYMIME") => {
            Err(CommandError::Parameter("BODY=BINARYMIME".to_owned()))
        }
        _ => Err(CommandError::Argument("BODY is 7BIT or 8BITMIME")),
    }
}

/// RFC 3461 4: `+` begins two capital hexadecimal digits.
fn xtext(value: Option<&str>) -> Result<bool, CommandError> {
    let hex = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
    let valid = value.is_some_and(|value| {
        value
            .split('+')
            .skip(1)
            .all(|piece| matches!(piece.as_bytes(), [high, low, ..] if hex(*high) && hex(*low)))
    });
    if valid {
        return Ok(true);
    }
    Err(CommandError::Argument("AUTH needs a mailbox or <>"))
}

fn recipient(rest: &str) -> Result<Recipient, CommandError> {
    let Some(path) = after_keyword(rest, "TO") else {
        return Err(CommandError::Argument("the syntax is RCPT TO:<address>"));
    };
    let (path, params) =
        Path::parse_prefix(path).map_err(|error| CommandError::Recipient(error.to_string()))?;
    if let Some((name, _)) = parameters(params)?.into_iter().next() {
        return Err(CommandError::Parameter(name));
    }
    match path {
        Path::Null => Err(CommandError::Recipient("it is empty".to_owned())),
        Path::Postmaster => Ok(Recipient::Postmaster),
        Path::Address(address) => ascii(address).map(Recipient::Address),
    }
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

impl Recipient {
    /// As it stands between the angle brackets.
    pub fn as_text(&self) -> String {
        match self {
            Self::Postmaster => "Postmaster".to_owned(),
            Self::Address(address) => address.to_string(),
        }
    }
}
