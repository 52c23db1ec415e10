//! GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208 4.1).

use super::super::command::CommandBody;
use super::super::lexer::{Lexer, Parsed};

pub(super) fn get_quota(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    root(lexer).map(CommandBody::GetQuota)
}

pub(super) fn get_quota_root(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    lexer.space()?;
    lexer.mailbox().map(CommandBody::GetQuotaRoot)
}

pub(super) fn set_quota(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    let root = root(lexer)?;
    lexer.space()?;
    lexer.expect(b'(', "(")?;
    while !lexer.eat(b')') {
        lexer.name("a resource")?;
        lexer.space()?;
        lexer.number::<u64>("a limit")?;
        if !lexer.eat(b' ') && lexer.peek() != Some(b')') {
            return lexer.error("a space or )");
        }
    }
    Ok(CommandBody::SetQuota(root))
}

fn root(lexer: &mut Lexer<'_>) -> Parsed<Vec<u8>> {
    lexer.space()?;
    lexer
        .astring("a quota root")
        .map(std::borrow::Cow::into_owned)
}
