//! The beginning of APPEND, up to the announcement of its message (RFC 3501 6.3.11).
//!
//! The connection asks at every literal whether it is the message of an APPEND: that one streams, while all others are
//! collected into the command.

use super::super::command::{Append, AppendMessage, Tag, Wrapping};
use super::super::lexer::{Dialect, Lexer, Parsed, mailbox_name};
use super::flags::flag_list;
use super::{Rejected, tag};
use crate::mail::date::DateTime;

/// The APPEND whose message `input` announces with its last bytes; `None` if it is none, or not so far yet. An error is a
/// wrong mailbox name in a command that is right otherwise.
pub fn append_head(input: &[u8], dialect: Dialect) -> Option<Result<Append, Rejected>> {
    let mut lexer = Lexer::new(input, dialect);
    let tag = tag(&mut lexer).ok()?;
    let (name, message) = arguments(&mut lexer).ok()??;
    Some(append(tag, &name, message, dialect))
}

fn append(
    tag: Tag,
    name: &[u8],
    message: AppendMessage,
    dialect: Dialect,
) -> Result<Append, Rejected> {
    match mailbox_name(name, dialect) {
        Ok(mailbox) => Ok(Append {
            tag,
            mailbox,
            message,
        }),
        Err(error) => Err(Rejected {
            tag: Some(tag),
            error,
        }),
    }
}

fn arguments(lexer: &mut Lexer<'_>) -> Parsed<Option<(Vec<u8>, AppendMessage)>> {
    lexer.space()?;
    if lexer.name("a command")? != "APPEND" {
        return Ok(None);
    }
    lexer.space()?;
    let name = lexer.astring("a mailbox name")?.into_owned();
    lexer.space()?;
    Ok(Some((name, message(lexer)?)))
}

/// One message, up to the end of its literal's announcement.
fn message(lexer: &mut Lexer<'_>) -> Parsed<AppendMessage> {
    let mut message = AppendMessage::default();
    if lexer.peek() == Some(b'(') {
        message.flags = flag_list(lexer)?;
        lexer.space()?;
    }
    if lexer.peek() == Some(b'"') {
        message.internal_date = Some(date_time(lexer)?.wall);
        lexer.space()?;
    }
    if lexer.follows(b"UTF8 (") {
        message.wrapping = utf8_wrapping(lexer)?;
    }
    message.literal = lexer.literal_announcement()?;
    Ok(message)
}

/// RFC 6855 4, `append-data`, up to the literal's brace.
fn utf8_wrapping(lexer: &mut Lexer<'_>) -> Parsed<Wrapping> {
    lexer.name("UTF8")?;
    lexer.space()?;
    lexer.expect(b'(', "(")?;
    lexer.expect(b'~', "a literal8")?;
    Ok(Wrapping::Utf8)
}

fn date_time(lexer: &mut Lexer<'_>) -> Parsed<DateTime> {
    let before = lexer.clone();
    let text = lexer.string()?;
    let date = std::str::from_utf8(&text)
        .ok()
        .and_then(DateTime::parse_imap);
    date.map_or_else(|| before.error("a date and time"), Ok)
}
