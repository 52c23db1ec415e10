//! MAIL and RCPT with their parameters: SIZE (RFC 1870), BODY (RFC 6152, RFC 3030), AUTH (RFC 4954), RET, ENVID, NOTIFY,
//! ORCPT (RFC 3461), SMTPUTF8 (RFC 6531).
//!
//! Values are decoded here; a parameter that is given twice or wrongly makes the whole command wrong (501 5.5.4).
//! The same words are written by the client's `envelope`.

use crate::mail::address::{Address, Path, ReversePath};
use crate::mail::report::{Notify, Return};
use crate::mail::transport::BodyType;

use super::CommandError;

/// Longest ENVID, as written (RFC 3461 4.4).
const ENVID_BYTES_MAX: usize = 100;

/// Longest ORCPT, as written (RFC 3461 4.2).
const ORCPT_BYTES_MAX: usize = 500;

/// The argument of MAIL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Reverse-path.
    pub from: ReversePath,
    /// `SIZE=` (RFC 1870 6): how many bytes the client is about to send.
    pub size: Option<u64>,
    /// `BODY=` (RFC 6152 2, RFC 3030 3).
    pub body: Option<BodyType>,
    /// Whether `AUTH=` was given (RFC 4954 5). Its value is of no use to a server that trusts no relay.
    pub auth: bool,
    /// `RET=` (RFC 3461 4.3).
    pub ret: Option<Return>,
    /// `ENVID=`, decoded (RFC 3461 4.4).
    pub envid: Option<String>,
    /// `SMTPUTF8` (RFC 6531 3.4).
    pub smtputf8: bool,
}

/// The argument of RCPT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rcpt {
    /// Forward-path.
    pub to: Recipient,
    /// `NOTIFY=` (RFC 3461 4.1).
    pub notify: Option<Notify>,
    /// `ORCPT=`: address type in lower case, and the decoded address (RFC 3461 4.2).
    pub original: Option<(String, String)>,
}

/// The forward-path of RCPT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// `<Postmaster>` (RFC 5321 4.1.1.3)
    Postmaster,
    /// An address; whether it may be beyond ASCII depends on the transaction (RFC 6531 3.5).
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

    /// As it stands between the angle brackets.
    pub fn as_text(&self) -> String {
        match self {
            Self::Postmaster => "Postmaster".to_owned(),
            Self::Address(address) => address.to_string(),
        }
    }
}

/// What follows `MAIL`.
pub(super) fn mail(rest: &str) -> Result<Mail, CommandError> {
    let Some(path) = after_keyword(rest, "FROM") else {
        return Err(CommandError::Argument("the syntax is MAIL FROM:<address>"));
    };
    let (path, params) =
        Path::parse_prefix(path).map_err(|error| CommandError::Sender(error.to_string()))?;
    let from = match path {
        Path::Null => None,
        Path::Postmaster => return Err(CommandError::Sender("the domain is missing".to_owned())),
        Path::Address(address) => Some(address),
    };
    let mail = mail_params(from, params)?;
    match &mail.from {
        Some(from) if from.smtputf8_needed() && !mail.smtputf8 => Err(CommandError::NonAscii),
        _ => Ok(mail),
    }
}

/// What follows `RCPT`.
pub(super) fn rcpt(rest: &str) -> Result<Rcpt, CommandError> {
    let Some(path) = after_keyword(rest, "TO") else {
        return Err(CommandError::Argument("the syntax is RCPT TO:<address>"));
    };
    let (path, params) =
        Path::parse_prefix(path).map_err(|error| CommandError::Recipient(error.to_string()))?;
    let to = match path {
        Path::Null => return Err(CommandError::Recipient("it is empty".to_owned())),
        Path::Postmaster => Recipient::Postmaster,
        Path::Address(address) => Recipient::Address(address),
    };
    rcpt_params(to, params)
}

/// What follows `keyword` and its colon (`FROM:`, `TO:`), without leading spaces.
fn after_keyword<'a>(rest: &'a str, keyword: &str) -> Option<&'a str> {
    let (word, path) = rest.split_once(':')?;
    word.eq_ignore_ascii_case(keyword)
        .then(|| path.trim_start_matches(' '))
}

fn mail_params(from: ReversePath, params: &str) -> Result<Mail, CommandError> {
    let mut mail = Mail {
        from,
        size: None,
        body: None,
        auth: false,
        ret: None,
        envid: None,
        smtputf8: false,
    };
    for (name, value) in parameters(params)? {
        let twice = match name.as_str() {
            "SIZE" => mail.size.replace(size(value)?).is_some(),
            "BODY" => mail.body.replace(body(value)?).is_some(),
            "AUTH" => std::mem::replace(&mut mail.auth, auth(value)?),
            "RET" => mail.ret.replace(ret(value)?).is_some(),
            "ENVID" => mail.envid.replace(envid(value)?).is_some(),
            "SMTPUTF8" => std::mem::replace(&mut mail.smtputf8, smtputf8(value)?),
            _ => return Err(CommandError::Parameter(name)),
        };
        once(twice)?;
    }
    Ok(mail)
}

fn rcpt_params(to: Recipient, params: &str) -> Result<Rcpt, CommandError> {
    let mut rcpt = Rcpt {
        to,
        notify: None,
        original: None,
    };
    for (name, value) in parameters(params)? {
        let twice = match name.as_str() {
            "NOTIFY" => rcpt.notify.replace(notify(value)?).is_some(),
            "ORCPT" => rcpt.original.replace(orcpt(value)?).is_some(),
            _ => return Err(CommandError::Parameter(name)),
        };
        once(twice)?;
    }
    Ok(rcpt)
}

fn once(twice: bool) -> Result<(), CommandError> {
    if twice {
        return Err(CommandError::Argument("a parameter is given twice"));
    }
    Ok(())
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
    // RFC 6531 3.3: values may have UTF-8; which of them do is their own matter.
    let value_char = |b: u8| (b.is_ascii_graphic() && b != b'=') || !b.is_ascii();
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

fn body(value: Option<&str>) -> Result<BodyType, CommandError> {
    let known = [
        ("7BIT", BodyType::SevenBit),
        ("8BITMIME", BodyType::EightBitMime),
        ("BINARYMIME", BodyType::Binary),
    ];
    let wrong = CommandError::Argument("BODY is 7BIT, 8BITMIME or BINARYMIME");
    one_of(value, known).ok_or(wrong)
}

fn ret(value: Option<&str>) -> Result<Return, CommandError> {
    let known = [("FULL", Return::Full), ("HDRS", Return::Headers)];
    one_of(value, known).ok_or(CommandError::Argument("RET is FULL or HDRS"))
}

fn one_of<T, const N: usize>(value: Option<&str>, known: [(&str, T); N]) -> Option<T> {
    let value = value?;
    let mut known = known.into_iter();
    let found = known.find(|(name, _)| value.eq_ignore_ascii_case(name));
    found.map(|(_, meaning)| meaning)
}

fn auth(value: Option<&str>) -> Result<bool, CommandError> {
    match value.and_then(xtext) {
        Some(_) => Ok(true),
        None => Err(CommandError::Argument("AUTH needs a mailbox or <>")),
    }
}

fn smtputf8(value: Option<&str>) -> Result<bool, CommandError> {
    match value {
        None => Ok(true),
        Some(_) => Err(CommandError::Argument("SMTPUTF8 takes no value")),
    }
}

/// RFC 3461 4.4: graphic characters and spaces.
fn envid(value: Option<&str>) -> Result<String, CommandError> {
    value
        .filter(|value| value.len() <= ENVID_BYTES_MAX)
        .and_then(xtext)
        .filter(|text| is_printable(text))
        .ok_or(CommandError::Argument("ENVID is no xtext or too long"))
}

/// RFC 3461 4.1: `NEVER` alone, or a list of the others.
fn notify(value: Option<&str>) -> Result<Notify, CommandError> {
    const WRONG: CommandError =
        CommandError::Argument("NOTIFY is NEVER or a list of SUCCESS, FAILURE and DELAY");
    let value = value.ok_or(WRONG)?;
    let mut notify = Notify::NEVER;
    if value.eq_ignore_ascii_case("NEVER") {
        return Ok(notify);
    }
    for word in value.split(',') {
        match word.to_ascii_uppercase().as_str() {
            "SUCCESS" => notify.success = true,
            "FAILURE" => notify.failure = true,
            "DELAY" => notify.delay = true,
            _ => return Err(WRONG),
        }
    }
    Ok(notify)
}

/// RFC 3461 4.2; RFC 6533 3 for the type `utf-8`.
fn orcpt(value: Option<&str>) -> Result<(String, String), CommandError> {
    const WRONG: CommandError =
        CommandError::Argument("ORCPT needs an address type and an encoded address");
    let value = value.ok_or(WRONG)?;
    let (of_type, encoded) = value.split_once(';').ok_or(WRONG)?;
    let is_atom = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if of_type.is_empty() || !of_type.bytes().all(is_atom) || value.len() > ORCPT_BYTES_MAX {
        return Err(WRONG);
    }
    let of_type = of_type.to_ascii_lowercase();
    let address = if of_type == "utf-8" {
        utf8_address(encoded)
    } else {
        xtext(encoded).filter(|text| is_printable(text))
    };
    let address = address.filter(|address| !address.is_empty());
    Ok((of_type, address.ok_or(WRONG)?))
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' '..=b'~'))
}

/// RFC 3461 4: `+` begins two capital hexadecimal digits. `None` too if what it encodes is no text.
fn xtext(value: &str) -> Option<String> {
    let mut pieces = value.split('+');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        bytes.push(u8::try_from(capital_hex(digits)?).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    let text = String::from_utf8(bytes).ok()?;
    value.is_ascii().then_some(text)
}

/// RFC 6533 3: `utf-8-addr-xtext` and `utf-8-addr-unitext`, in which `\x{HEX}` stands for a character.
fn utf8_address(value: &str) -> Option<String> {
    let mut pieces = value.split("\\x{");
    let mut text = pieces.next()?.to_owned();
    for piece in pieces {
        let (digits, rest) = piece.split_once('}')?;
        text.push(char::from_u32(capital_hex(digits)?)?);
        text.push_str(rest);
    }
    let stray = value.contains('+') || value.replace("\\x{", "").contains('\\');
    (!stray && !text.chars().any(char::is_control)).then_some(text)
}

fn capital_hex(digits: &str) -> Option<u32> {
    let hex = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
    let valid = (1..=6).contains(&digits.len()) && digits.bytes().all(hex);
    u32::from_str_radix(digits, 16).ok().filter(|_| valid)
}
