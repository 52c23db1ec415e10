//! The envelope that a client sends, and the commands that carry it: MAIL and RCPT with their parameters.
//!
//! Parameters go out only where the server offers them. What a message cannot do without is checked by
//! [`Envelope::check`] before anything is sent.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use crate::mail::address::{Address, ReversePath};
use crate::mail::report::{Notify, Return};
use crate::mail::transport::{BodyType, HeaderType};

use super::extensions::{Extensions, Size};
use super::outcome::{Need, SendError};

/// Longest ENVID, as written (RFC 3461 4.4).
pub const ENVID_BYTES_MAX: usize = 100;

/// Longest ORCPT, as written (RFC 3461 4.2).
pub const ORCPT_BYTES_MAX: usize = 500;

/// One message for some recipients of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Reverse-path.
    pub from: ReversePath,
    /// Forward-paths, at least one.
    pub recipients: Vec<Recipient>,
    /// About how many bytes the message has (RFC 1870 5).
    pub size_bytes: u64,
    /// What its body has in it.
    pub body: BodyType,
    /// What its header has in it.
    pub header: HeaderType,
    /// `RET=`, if the sender gave it.
    pub ret: Option<Return>,
    /// `ENVID=`, decoded.
    pub envid: Option<String>,
}

/// One forward-path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Where it goes.
    pub address: Address,
    /// `NOTIFY=`, if the sender gave it.
    pub notify: Option<Notify>,
    /// `ORCPT=`: the type and the address that the sender wrote, decoded.
    pub original: Option<(String, String)>,
}

impl Envelope {
    /// Whether a server with these extensions can be given the message at all.
    pub fn check(&self, extensions: &Extensions) -> Result<(), SendError> {
        if self.recipients.is_empty() {
            return Err(SendError::NoRecipients);
        }
        if let Size::Max(limit_bytes) = extensions.size
            && self.size_bytes > limit_bytes
        {
            return Err(SendError::TooLarge { limit_bytes });
        }
        if self.smtputf8_needed() && !extensions.smtputf8 {
            return Err(SendError::Needs(Need::Smtputf8));
        }
        match self.body {
            BodyType::EightBitMime if !extensions.eight_bit_mime => {
                Err(SendError::Needs(Need::EightBitMime))
            }
            BodyType::Binary if !extensions.binarymime => Err(SendError::Needs(Need::BinaryMime)),
            BodyType::SevenBit | BodyType::EightBitMime | BodyType::Binary => Ok(()),
        }
    }

    /// RFC 6531 3.2: any address of the envelope or the header.
    fn smtputf8_needed(&self) -> bool {
        let mut addresses = self
            .from
            .iter()
            .chain(self.recipients.iter().map(|recipient| &recipient.address));
        self.header == HeaderType::Utf8 || addresses.any(Address::smtputf8_needed)
    }

    /// MAIL with its CRLF.
    pub(super) fn mail(&self, extensions: &Extensions) -> String {
        let from = self.from.as_ref().map(Address::to_string);
        let mut line = format!("MAIL FROM:<{}>", from.unwrap_or_default());
        if extensions.size != Size::Unknown {
            // Writing to a String cannot fail.
            let _written = write!(line, " SIZE={}", self.size_bytes);
        }
        line.push_str(match self.body {
            BodyType::SevenBit => "",
            BodyType::EightBitMime => " BODY=8BITMIME",
            BodyType::Binary => " BODY=BINARYMIME",
        });
        if self.smtputf8_needed() {
            line.push_str(" SMTPUTF8");
        }
        if extensions.dsn {
            self.add_dsn(&mut line);
        }
        line.push_str("\r\n");
        line
    }

    fn add_dsn(&self, line: &mut String) {
        line.push_str(match self.ret {
            None => "",
            Some(Return::Full) => " RET=FULL",
            Some(Return::Headers) => " RET=HDRS",
        });
        let envid = self.envid.as_deref().map(xtext);
        if let Some(envid) = envid.filter(|envid| (1..=ENVID_BYTES_MAX).contains(&envid.len())) {
            line.push_str(" ENVID=");
            line.push_str(&envid);
        }
    }
}

impl Recipient {
    /// A recipient without parameters.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            notify: None,
            original: None,
        }
    }

    /// RCPT with its CRLF.
    pub(super) fn rcpt(&self, extensions: &Extensions) -> String {
        let mut line = format!("RCPT TO:<{}>", self.address);
        if extensions.dsn {
            self.add_dsn(&mut line);
        }
        line.push_str("\r\n");
        line
    }

    fn add_dsn(&self, line: &mut String) {
        if let Some(notify) = self.notify {
            line.push_str(" NOTIFY=");
            line.push_str(&wishes(notify));
        }
        let original = self.original.as_ref();
        let original = original.and_then(|(kind, address)| orcpt(kind, address));
        if let Some(original) = original.filter(|text| text.len() <= ORCPT_BYTES_MAX) {
            line.push_str(" ORCPT=");
            line.push_str(&original);
        }
    }
}

/// The value of NOTIFY.
fn wishes(notify: Notify) -> String {
    if notify == Notify::NEVER {
        return "NEVER".to_owned();
    }
    let all = [
        (notify.success, "SUCCESS"),
        (notify.failure, "FAILURE"),
        (notify.delay, "DELAY"),
    ];
    let named = all.into_iter().filter_map(|(on, name)| on.then_some(name));
    named.collect::<Vec<_>>().join(",")
}

/// RFC 3461 4.2, and RFC 6533 3 for an address beyond ASCII. A type that is no atom goes nowhere.
fn orcpt(kind: &str, address: &str) -> Option<String> {
    let is_atom = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if kind.is_empty() || !kind.bytes().all(is_atom) {
        return None;
    }
    if address.is_ascii() && !kind.eq_ignore_ascii_case("utf-8") {
        return Some(format!("{kind};{}", xtext(address)));
    }
    let mut text = String::from("utf-8;");
    for c in address.chars() {
        if c.is_ascii_graphic() && !matches!(c, '+' | '=' | '\\') {
            text.push(c);
        } else {
            let _written = write!(text, "\\x{{{:X}}}", u32::from(c));
        }
    }
    Some(text)
}

/// RFC 3461 4: what could break out of a parameter is written as `+` and two hex digits.
fn xtext(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b'+' | b'=') {
            text.push(char::from(byte));
        } else {
            let _written = write!(text, "+{byte:02X}");
        }
    }
    text
}
