//! Mails that the box itself writes to its people.
//!
//! Complete messages (RFC 5322, MIME), marked as automatic (RFC 3834), with the null sender as return path, so that
//! nothing answers them. They go beyond the quota and use the card's reserve: who is out of room has to hear of it.

use ring::digest::{SHA256, digest};

use super::local;
use crate::clock::Now;
use crate::mail::address::Domain;
use crate::mail::date::DateTime;
use crate::mail::flags::Flags;
use crate::mail::mime::Scanner;
use crate::mail::mime::text::encode_words;
use crate::mail::trace;
use crate::store::types::{Account, Filing, Language, Mailbox, QuotaRule};
use crate::store::{self, Append, Store};

/// Longest line of plain ASCII that is sent as it is (RFC 5322 2.1.1).
const LINE_BYTES_MAX: usize = 78;

/// Longest line of quoted-printable, its soft line break included (RFC 2045 6.7 rule 5).
const ENCODED_LINE_BYTES_MAX: usize = 76;

/// One such mail.
#[derive(Clone, Debug)]
pub struct Notice<'a> {
    /// Who gets it, in INBOX.
    pub to: &'a Account,
    /// Subject, any Unicode.
    pub subject: &'a str,
    /// Plain text; lines end with LF.
    pub text: &'a str,
}

/// Writes the mail into the store, not filed yet. It may use the card's reserve. From is `postmaster` of `domain`.
///
/// [`store::Error::NotFound`] if the account has no INBOX (any more).
pub fn compose(
    store: &Store,
    domain: &Domain,
    notice: &Notice<'_>,
    now: Now,
) -> store::Result<Append> {
    let inbox = local::inbox(store, notice.to.id)?;
    let bytes = render(domain, notice, &unique(notice, &inbox, now), now);
    let mut scanner = Scanner::new();
    scanner.push(&bytes);
    let mut blob = store.begin_own_blob()?;
    blob.write(&bytes)?;
    let mut prefix = trace::return_path(&None).into_bytes();
    prefix.extend(trace::delivered_to(&notice.to.address).into_bytes());
    Ok(Append {
        blob: blob.finish()?,
        summary: scanner.finish().summary.encode(),
        filings: vec![Filing {
            mailbox: inbox.id,
            flags: Flags::default(),
            internal_date: now.stamp(),
            prefix,
            quota: QuotaRule::Exceed,
        }],
        spool: Vec::new(),
    })
}

/// The left side of a Message-ID that no other mail has: the place that the mail is for is taken once only, and mails
/// written for the same place at the same time differ in their text.
fn unique(notice: &Notice<'_>, inbox: &Mailbox, now: Now) -> String {
    let place = format!("{}.{}.{}", inbox.id, inbox.uid_validity, inbox.uid_next);
    let facts = format!(
        "{place} {} {:?} {}\n{}",
        now.stamp().0,
        now.mono,
        notice.subject,
        notice.text
    );
    let digest = digest(&SHA256, facts.as_bytes());
    let bytes = digest.as_ref().iter().take(8);
    let hash = bytes.fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte));
    format!("{place}.{hash:016x}")
}

/// The whole message. Without a set clock it has no Date: none at all does less harm than a wrong one.
fn render(domain: &Domain, notice: &Notice<'_>, unique: &str, now: Now) -> Vec<u8> {
    let (encoding, body) = encoded(notice.text);
    let date = now.wall.map(|wall| trace::date(DateTime::utc(wall)));
    let mail = [
        date.unwrap_or_default(),
        trace::message_id(unique, domain.as_str()),
        format!("From: Heimpost <postmaster@{domain}>\r\n"),
        format!("To: <{}>\r\n", notice.to.address),
        format!("Subject: {}\r\n", unstructured(notice.subject)),
        // RFC 3834 5.
        "Auto-Submitted: auto-generated\r\n".to_owned(),
        "MIME-Version: 1.0\r\n".to_owned(),
        "Content-Type: text/plain; charset=utf-8\r\n".to_owned(),
        format!("Content-Language: {}\r\n", tag(notice.to.language)),
        format!("Content-Transfer-Encoding: {encoding}\r\n\r\n"),
        body,
    ];
    mail.concat().into_bytes()
}

/// A plain text with its Content-Transfer-Encoding.
pub fn encoded(text: &str) -> (&'static str, String) {
    if is_plain(text) {
        ("7bit", text.replace('\n', "\r\n"))
    } else {
        ("quoted-printable", quoted_printable(text))
    }
}

/// The value of Content-Language.
pub fn tag(language: Language) -> &'static str {
    match language {
        Language::De => "de",
        Language::En => "en",
    }
}

/// Whether a body needs no encoding.
fn is_plain(text: &str) -> bool {
    let fits = |b: u8| matches!(b, b' '..=b'~' | b'\n' | b'\t');
    text.bytes().all(fits)
        && text.ends_with('\n')
        && text.lines().all(|line| line.len() <= LINE_BYTES_MAX)
}

/// The value of an unstructured field: as it is if it is short plain text, else in encoded words (RFC 2047), one a line.
pub fn unstructured(text: &str) -> String {
    let fits = |b: u8| matches!(b, b' '..=b'~');
    let is_tidy = text.trim() == text && !text.contains("=?");
    if text.bytes().all(fits) && is_tidy && "Subject: ".len() + text.len() <= LINE_BYTES_MAX {
        return text.to_owned();
    }
    encode_words(text)
}

/// RFC 2045 6.7.
fn quoted_printable(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        quote_line(line, &mut out);
        out.push_str("\r\n");
    }
    out
}

fn quote_line(line: &str, out: &mut String) {
    let mut column = 0;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let is_last = chars.peek().is_none();
        let quoted = quote(c, is_last);
        // A character is kept whole; the soft break needs a column of its own.
        if column + quoted.len() > ENCODED_LINE_BYTES_MAX - 1 {
            out.push_str("=\r\n");
            column = 0;
        }
        out.push_str(&quoted);
        column += quoted.len();
    }
}

/// Rule 3: a space at the end of a line is encoded.
fn quote(c: char, is_last: bool) -> String {
    if matches!(c, '!'..='<' | '>'..='~') || c == ' ' && !is_last {
        return c.to_string();
    }
    let mut bytes = [0; 4];
    let mut quoted = String::new();
    for byte in c.encode_utf8(&mut bytes).bytes() {
        quoted.push('=');
        quoted.extend([byte >> 4, byte & 15].map(hex_digit));
    }
    quoted
}

fn hex_digit(nibble: u8) -> char {
    let digit = char::from_digit(nibble.into(), 16).unwrap_or('0');
    digit.to_ascii_uppercase()
}

#[cfg(test)]
mod tests;
