//! STORE (RFC 7162 3.1.3), COPY, MOVE (RFC 6851), UID EXPUNGE (RFC 4315).

use super::super::command::{CommandBody, Copy, Numbering, Store, StoreAnswer};
use super::super::lexer::{Lexer, Parsed, mailbox_name};
use super::flags::flags;
use super::sequence::sequence_set;
use crate::store::types::FlagAction;

pub(super) fn store(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    store_arguments(lexer, Numbering::Sequence).map(CommandBody::Store)
}

pub(super) fn uid_store(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    store_arguments(lexer, Numbering::Uid).map(CommandBody::Store)
}

fn store_arguments(lexer: &mut Lexer<'_>, numbering: Numbering) -> Parsed<Store> {
    lexer.space()?;
    let set = sequence_set(lexer)?;
    lexer.space()?;
    let unchanged_since = unchanged_since(lexer)?;
    let (action, answer) = action(lexer)?;
    lexer.space()?;
    Ok(Store {
        numbering,
        set,
        unchanged_since,
        action,
        answer,
        flags: flags(lexer)?,
    })
}

fn unchanged_since(lexer: &mut Lexer<'_>) -> Parsed<Option<u64>> {
    if lexer.peek() != Some(b'(') {
        return Ok(None);
    }
    lexer.expect(b'(', "(")?;
    let before = lexer.clone();
    if lexer.name("UNCHANGEDSINCE")? != "UNCHANGEDSINCE" {
        return before.error("UNCHANGEDSINCE");
    }
    lexer.space()?;
    let since = lexer.number("a mod-sequence")?;
    lexer.expect(b')', ")")?;
    lexer.space()?;
    Ok(Some(since))
}

fn action(lexer: &mut Lexer<'_>) -> Parsed<(FlagAction, StoreAnswer)> {
    let action = if lexer.eat(b'+') {
        FlagAction::Add
    } else if lexer.eat(b'-') {
        FlagAction::Remove
    } else {
        FlagAction::Replace
    };
    let before = lexer.clone();
    match lexer.dotted_name("FLAGS")?.as_str() {
        "FLAGS" => Ok((action, StoreAnswer::Told)),
        "FLAGS.SILENT" => Ok((action, StoreAnswer::Silent)),
        _ => before.error("FLAGS or FLAGS.SILENT"),
    }
}

pub(super) fn copy(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    copy_arguments(lexer, Numbering::Sequence).map(CommandBody::Copy)
}

pub(super) fn uid_copy(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    copy_arguments(lexer, Numbering::Uid).map(CommandBody::Copy)
}

pub(super) fn move_(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    copy_arguments(lexer, Numbering::Sequence).map(CommandBody::Move)
}

pub(super) fn uid_move(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    copy_arguments(lexer, Numbering::Uid).map(CommandBody::Move)
}

fn copy_arguments(lexer: &mut Lexer<'_>, numbering: Numbering) -> Parsed<Copy> {
    lexer.space()?;
    let set = sequence_set(lexer)?;
    lexer.space()?;
    let name = lexer.astring("a mailbox name")?;
    Ok(Copy {
        numbering,
        set,
        mailbox: mailbox_name(&name, lexer.dialect())?,
    })
}

pub(super) fn uid_expunge(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    lexer.space()?;
    sequence_set(lexer).map(CommandBody::UidExpunge)
}
