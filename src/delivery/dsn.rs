//! Delivery status notifications: the mail that tells a sender what became of his (RFC 3461, 3464, 6522, 6533).
//!
//! Three parts: words for the person, in his language, with the remote server's own; fields for programs; the original
//! message or its header. The report has the null sender for its return path, so that nothing answers it, and its
//! reader is a [`Address`]: there is none to the null sender. Text from peers cannot break out of its place. The
//! original comes in pieces and leaves in pieces.

use crate::clock::{Now, Wall};
use crate::mail::address::{Address, Domain};
use crate::mail::date::DateTime;
use crate::mail::report::{Event, Return, Status};
use crate::mail::trace;
use crate::store::types::Language;

use super::notice;

mod fields;
mod original;
mod words;

/// Most bytes of a remote server's reply, or of another text of a peer, that are shown.
const TEXT_BYTES_MAX: usize = 512;

/// Most bytes of a header that is given back.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;

/// A report to be written.
#[derive(Clone, Debug)]
pub struct Dsn<'a> {
    /// The sender of the original.
    pub to: &'a Address,
    /// His language.
    pub language: Language,
    /// This host's name.
    pub reporting: &'a Domain,
    /// Whose postmaster writes.
    pub domain: &'a Domain,
    /// No other mail's: hexadecimal or the like, which the author of the original cannot foresee, 64 bytes at most. In
    /// Message-ID and between the parts.
    pub unique: &'a str,
    /// When the original came, if the clock was set.
    pub arrived: Option<Wall>,
    /// Its ENVID, decoded (RFC 3461 4.4).
    pub envelope_id: Option<&'a str>,
    /// Its subject, decoded.
    pub subject: Option<&'a str>,
    /// At least one.
    pub recipients: &'a [Recipient<'a>],
    /// What comes back of it.
    pub original: Original,
}

/// What is told of one recipient.
#[derive(Clone, Debug)]
pub struct Recipient<'a> {
    /// Where it was sent.
    pub address: &'a Address,
    /// Its ORCPT: address type and decoded address (RFC 3461 4.2).
    pub original: Option<(&'a str, &'a str)>,
    /// What happened.
    pub event: Event,
    /// Why, as the remote server said or as we know.
    pub status: Status,
    /// The host that said so.
    pub remote: Option<&'a str>,
    /// Its reply: the code, the enhanced code and the text; lines end with LF or CRLF.
    pub reply: Option<&'a str>,
    /// When it was tried last, if the clock was set.
    pub last_attempt: Option<Wall>,
    /// Until when it is tried, if it is late and the clock is set.
    pub retry_until: Option<Wall>,
}

/// The original message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Original {
    /// How much of it its sender wants back.
    pub returned: Return,
    /// Its size.
    pub bytes: u64,
    /// Above this size only its header comes back.
    pub whole_bytes_max: u64,
    /// What is in it.
    pub form: Form,
}

/// What bytes a message has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// ASCII in lines.
    SevenBit,
    /// Any bytes but NUL in lines (RFC 6152).
    EightBit,
    /// Any bytes (RFC 3030); comes back as its header alone.
    Binary,
    /// Its header has UTF-8 (RFC 6532).
    Global,
}

/// Writes the whole report piece by piece to `out`. `original` gives the pieces of the original message; it is read as
/// far as it is needed. Without a set clock there is no Date.
///
/// The first error of either ends it.
pub fn write<E>(
    dsn: &Dsn<'_>,
    original: &mut dyn Iterator<Item = Result<Vec<u8>, E>>,
    now: Now,
    out: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    if dsn.comes_back_whole() {
        let of_type = original::whole_type(dsn.original.form);
        out(head(dsn, of_type, now).as_bytes())?;
        for piece in original {
            out(&piece?)?;
        }
    } else {
        let header = original::header(original)?;
        let of_type = original::header_type(&header);
        out(head(dsn, of_type, now).as_bytes())?;
        out(header.as_bytes())?;
    }
    out(format!("\r\n--{}--\r\n", boundary(dsn)).as_bytes())
}

impl Dsn<'_> {
    /// RFC 3461 4.3: only with a failure, and only on request.
    fn comes_back_whole(&self) -> bool {
        let original = self.original;
        self.recipients.iter().any(|one| one.event.is_failure())
            && original.returned == Return::Full
            && original.bytes <= original.whole_bytes_max
            && original.form != Form::Binary
    }
}

/// The type of a part and its Content-Transfer-Encoding.
type PartType = (&'static str, &'static str);

/// All up to the content of the third part.
fn head(dsn: &Dsn<'_>, original: PartType, now: Now) -> String {
    let fields = fields::render(dsn);
    let status = fields::part_type(&fields);
    let (encoding, text) = notice::encoded(&words::text(dsn));
    let delimiter = format!("--{}\r\n", boundary(dsn));
    [
        header(dsn, now),
        outer_encoding(status, original).to_owned(),
        "\r\n".to_owned(),
        delimiter.clone(),
        "Content-Type: text/plain; charset=utf-8\r\n".to_owned(),
        format!("Content-Language: {}\r\n", notice::tag(dsn.language)),
        format!("Content-Transfer-Encoding: {encoding}\r\n\r\n{text}\r\n"),
        delimiter.clone(),
        part_header(status),
        fields,
        "\r\n".to_owned(),
        delimiter,
        part_header(original),
    ]
    .concat()
}

fn header(dsn: &Dsn<'_>, now: Now) -> String {
    let date = now.wall.map(|wall| trace::date(DateTime::utc(wall)));
    [
        date.unwrap_or_default(),
        trace::message_id(dsn.unique, dsn.domain.as_str()),
        format!("From: Heimpost <postmaster@{}>\r\n", dsn.domain),
        format!("To: <{}>\r\n", dsn.to),
        format!("Subject: {}\r\n", notice::unstructured(words::subject(dsn))),
        // RFC 3834 5.
        "Auto-Submitted: auto-replied\r\n".to_owned(),
        "MIME-Version: 1.0\r\n".to_owned(),
        // RFC 6522 3, RFC 6533 3: the type is the same for both kinds of fields.
        "Content-Type: multipart/report; report-type=delivery-status;\r\n".to_owned(),
        format!(" boundary=\"{}\"\r\n", boundary(dsn)),
    ]
    .concat()
}

fn boundary(dsn: &Dsn<'_>) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let unique: String = dsn.unique.chars().filter(fits).take(64).collect();
    // RFC 2045 6.7: `=_` is in no quoted-printable text.
    format!("=_{unique}")
}

/// RFC 2045 6.4: the whole says so if a part has 8-bit bytes.
fn outer_encoding((_, status): PartType, (_, original): PartType) -> &'static str {
    if status == "8bit" || original == "8bit" {
        "Content-Transfer-Encoding: 8bit\r\n"
    } else {
        ""
    }
}

fn part_header((of_type, encoding): PartType) -> String {
    format!("Content-Type: {of_type}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n")
}

/// Text of a peer for one line: control characters become spaces, what is too long is cut.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_control() || c.is_whitespace()) {
        let gap = usize::from(!line.is_empty() && !word.is_empty());
        if gap == 1 {
            line.push(' ');
        }
        for c in word.chars() {
            if line.len() + c.len_utf8() > TEXT_BYTES_MAX {
                return line;
            }
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests;
