//! Parsers of commands, one file per family. [`COMMANDS`] and [`UID_COMMANDS`] are the only lists of them.

pub mod append;
mod fetch;
mod flags;
mod mailbox;
mod quota;
mod search;
mod sequence;
mod session;
mod store;

use super::command::{Command, CommandBody, Tag};
use super::error::ParseError;
use super::lexer::{Dialect, Lexer, Parsed};

type Parser = fn(&mut Lexer<'_>) -> Parsed<CommandBody>;

/// Every command by name, with the parser of what follows the name. APPEND is not here: see [`append`].
const COMMANDS: &[(&str, Parser)] = &[
    ("AUTHENTICATE", session::authenticate),
    ("CAPABILITY", |_| Ok(CommandBody::Capability)),
    ("CHECK", |_| Ok(CommandBody::Check)),
    ("CLOSE", |_| Ok(CommandBody::Close)),
    ("COPY", store::copy),
    ("CREATE", mailbox::create),
    ("DELETE", mailbox::delete),
    ("ENABLE", session::enable),
    ("EXAMINE", mailbox::examine),
    ("EXPUNGE", |_| Ok(CommandBody::Expunge)),
    ("FETCH", fetch::fetch),
    ("GETQUOTA", quota::get_quota),
    ("GETQUOTAROOT", quota::get_quota_root),
    ("ID", session::id),
    ("IDLE", |_| Ok(CommandBody::Idle)),
    ("LIST", mailbox::list),
    ("LOGIN", session::login),
    ("LOGOUT", |_| Ok(CommandBody::Logout)),
    ("LSUB", mailbox::lsub),
    ("MOVE", store::move_),
    ("NAMESPACE", |_| Ok(CommandBody::Namespace)),
    ("NOOP", |_| Ok(CommandBody::Noop)),
    ("RENAME", mailbox::rename),
    ("SEARCH", search::search),
    ("SELECT", mailbox::select),
    ("SETQUOTA", quota::set_quota),
    ("STARTTLS", |_| Ok(CommandBody::StartTls)),
    ("STATUS", mailbox::status),
    ("STORE", store::store),
    ("SUBSCRIBE", mailbox::subscribe),
    ("UID", uid),
    ("UNSELECT", |_| Ok(CommandBody::Unselect)),
    ("UNSUBSCRIBE", mailbox::unsubscribe),
];

/// Every command that may stand behind `UID`.
const UID_COMMANDS: &[(&str, Parser)] = &[
    ("COPY", store::uid_copy),
    ("EXPUNGE", store::uid_expunge),
    ("FETCH", fetch::uid_fetch),
    ("MOVE", store::uid_move),
    ("SEARCH", search::uid_search),
    ("STORE", store::uid_store),
];

/// Bytes that are no command, with the tag to answer under where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The tag, if there was one.
    pub tag: Option<Tag>,
    /// What is wrong.
    pub error: ParseError,
}

/// Parses one whole command: all its lines and literals, final CRLF included.
pub fn command(input: &[u8], dialect: Dialect) -> Result<Command, Rejected> {
    let mut lexer = Lexer::new(input, dialect);
    let tag = match tag(&mut lexer) {
        Ok(tag) => tag,
        Err(error) => return Err(Rejected { tag: None, error }),
    };
    match body(&mut lexer) {
        Ok(body) => Ok(Command { tag, body }),
        Err(error) => Err(Rejected {
            tag: Some(tag),
            error,
        }),
    }
}

/// The tag at the beginning of `input`, if there is one.
pub fn tag_of(input: &[u8]) -> Option<Tag> {
    tag(&mut Lexer::new(input, Dialect::default())).ok()
}

fn tag(lexer: &mut Lexer<'_>) -> Parsed<Tag> {
    let before = lexer.clone();
    let bytes = lexer.take_while(|byte| byte != b' ' && byte != b'\r' && byte != b'\n');
    Tag::new(bytes).map_or_else(|| before.error("a tag"), Ok)
}

fn body(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    lexer.space()?;
    let body = one_of(COMMANDS, lexer)?;
    lexer.end()?;
    Ok(body)
}

fn uid(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    lexer.space()?;
    one_of(UID_COMMANDS, lexer)
}

fn one_of(commands: &[(&str, Parser)], lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    let name = lexer.name("a command")?;
    let found = commands.iter().find(|(known, _)| *known == name);
    let (_, parser) = found.ok_or(ParseError::UnknownCommand)?;
    parser(lexer)
}

/// A list in parentheses with at least one element, separated by single spaces.
fn list<T>(
    lexer: &mut Lexer<'_>,
    mut element: impl FnMut(&mut Lexer<'_>) -> Parsed<T>,
) -> Parsed<Vec<T>> {
    lexer.expect(b'(', "(")?;
    let mut elements = vec![element(lexer)?];
    while lexer.eat(b' ') {
        elements.push(element(lexer)?);
    }
    lexer.expect(b')', "a space or )")?;
    Ok(elements)
}
