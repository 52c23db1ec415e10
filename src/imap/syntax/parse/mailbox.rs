//! Commands on mailboxes: SELECT, EXAMINE, CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, LIST, LSUB, STATUS.

use super::super::command::{
    Access, CommandBody, Create, List, Rename, Select, SelectParameters, Status, StatusItem,
};
use super::super::error::ParseError;
use super::super::lexer::{Dialect, Lexer, Parsed, mailbox_name};
use super::super::pattern::PATTERN_BYTES_MAX;
use super::list as parenthesized;
use crate::mail::mailbox_name::{composed, decoded_pattern, without_trailing_separator};

const STATUS_ITEMS: &[(&str, StatusItem)] = &[
    ("APPENDLIMIT", StatusItem::AppendLimit),
    ("DELETED", StatusItem::Deleted),
    ("DELETED-STORAGE", StatusItem::DeletedStorage),
    ("HIGHESTMODSEQ", StatusItem::HighestModSeq),
    ("MESSAGES", StatusItem::Messages),
    ("RECENT", StatusItem::Recent),
    ("SIZE", StatusItem::Size),
    ("UIDNEXT", StatusItem::UidNext),
    ("UIDVALIDITY", StatusItem::UidValidity),
    ("UNSEEN", StatusItem::Unseen),
];

pub(super) fn select(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    open(lexer, Access::ReadWrite)
}

pub(super) fn examine(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    open(lexer, Access::ReadOnly)
}

fn open(lexer: &mut Lexer<'_>, access: Access) -> Parsed<CommandBody> {
    lexer.space()?;
    let name = lexer.astring("a mailbox name")?;
    let parameters = if lexer.eat(b' ') {
        select_parameters(lexer)?
    } else {
        SelectParameters::default()
    };
    Ok(CommandBody::Select(Select {
        mailbox: mailbox_name(&name, lexer.dialect())?,
        access,
        parameters,
    }))
}

fn select_parameters(lexer: &mut Lexer<'_>) -> Parsed<SelectParameters> {
    let mut parameters = SelectParameters::default();
    parenthesized(lexer, |lexer| {
        let before = lexer.clone();
        match lexer.name("a parameter")?.as_str() {
            "CONDSTORE" => parameters.condstore = true,
            _ => return before.error("CONDSTORE"),
        }
        Ok(())
    })?;
    Ok(parameters)
}

pub(super) fn create(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    lexer.space()?;
    let name = lexer.astring("a mailbox name")?;
    let mailbox = mailbox_name(without_trailing_separator(&name), lexer.dialect())?;
    Ok(CommandBody::Create(Create { mailbox }))
}

pub(super) fn delete(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    lexer.space()?;
    lexer.mailbox().map(CommandBody::Delete)
}

pub(super) fn rename(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    lexer.space()?;
    let from = lexer.astring("a mailbox name")?;
    lexer.space()?;
    let to = lexer.astring("a mailbox name")?;
    Ok(CommandBody::Rename(Rename {
        from: mailbox_name(&from, lexer.dialect())?,
        to: mailbox_name(without_trailing_separator(&to), lexer.dialect())?,
    }))
}

pub(super) fn subscribe(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    lexer.space()?;
    lexer.mailbox().map(CommandBody::Subscribe)
}

pub(super) fn unsubscribe(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    lexer.space()?;
    lexer.mailbox().map(CommandBody::Unsubscribe)
}

pub(super) fn list(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    list_arguments(lexer).map(CommandBody::List)
}

pub(super) fn lsub(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    list_arguments(lexer).map(CommandBody::Lsub)
}

fn list_arguments(lexer: &mut Lexer<'_>) -> Parsed<List> {
    lexer.space()?;
    let reference = lexer.astring("a reference name")?;
    lexer.space()?;
    let pattern = lexer.list_mailbox()?;
    Ok(List {
        reference: mailbox_text(&reference, lexer.dialect())?,
        pattern: mailbox_text(&pattern, lexer.dialect())?,
    })
}

fn mailbox_text(bytes: &[u8], dialect: Dialect) -> Parsed<String> {
    let text = decoded(bytes, dialect)?;
    if text.len() > PATTERN_BYTES_MAX {
        return Err(ParseError::Limit("bytes in a mailbox pattern"));
    }
    Ok(text)
}

fn decoded(bytes: &[u8], dialect: Dialect) -> Parsed<String> {
    match (dialect, std::str::from_utf8(bytes)) {
        (Dialect::Utf8, Ok(text)) => Ok(composed(text)),
        (Dialect::Utf7, _) | (Dialect::Utf8, Err(_)) => {
            decoded_pattern(bytes).map_err(|error| ParseError::MailboxName(error.to_string()))
        }
    }
}

pub(super) fn status(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    lexer.space()?;
    let name = lexer.astring("a mailbox name")?;
    lexer.space()?;
    let items = parenthesized(lexer, status_item)?;
    Ok(CommandBody::Status(Status {
        mailbox: mailbox_name(&name, lexer.dialect())?,
        items,
    }))
}

fn status_item(lexer: &mut Lexer<'_>) -> Parsed<StatusItem> {
    let before = lexer.clone();
    let name = lexer.name("a status item")?;
    let found = STATUS_ITEMS.iter().find(|(known, _)| *known == name);
    found.map_or_else(
        || before.error("a known status item"),
        |(_, item)| Ok(*item),
    )
}
