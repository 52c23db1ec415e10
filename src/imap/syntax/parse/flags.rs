//! Flags as clients give them (RFC 3501 9, `flag-list`).

use super::super::lexer::{Lexer, Parsed, is_atom_char};
use crate::mail::flags::{Flags, Keyword, SystemFlags};

/// `(flags)`, perhaps none.
pub(super) fn flag_list(lexer: &mut Lexer<'_>) -> Parsed<Flags> {
    lexer.expect(b'(', "(")?;
    let mut flags = Flags::default();
    if lexer.eat(b')') {
        return Ok(flags);
    }
    bare_flags(lexer, &mut flags)?;
    lexer.expect(b')', "a space or )")?;
    Ok(flags)
}

/// Flags with or without parentheses, as STORE takes them.
pub(super) fn flags(lexer: &mut Lexer<'_>) -> Parsed<Flags> {
    if lexer.peek() == Some(b'(') {
        return flag_list(lexer);
    }
    let mut flags = Flags::default();
    bare_flags(lexer, &mut flags)?;
    Ok(flags)
}

fn bare_flags(lexer: &mut Lexer<'_>, flags: &mut Flags) -> Parsed<()> {
    flag(lexer, flags)?;
    while lexer.eat(b' ') {
        flag(lexer, flags)?;
    }
    Ok(())
}

/// `\Recent` and flags that nobody has defined cannot be set (RFC 3501 9, `flag` and `flag-extension`).
fn flag(lexer: &mut Lexer<'_>, flags: &mut Flags) -> Parsed<()> {
    if lexer.peek() != Some(b'\\') {
        let keyword = keyword(lexer)?;
        if !flags.keywords.contains(&keyword) {
            flags.keywords.push(keyword);
        }
        return Ok(());
    }
    let before = lexer.clone();
    let name = lexer.take_while(|byte| is_atom_char(byte) || byte == b'\\');
    match std::str::from_utf8(name)
        .ok()
        .and_then(SystemFlags::by_name)
    {
        Some(flag) => flags.system = flags.system.union(flag),
        None => return before.error("a flag that clients can set"),
    }
    Ok(())
}

/// A keyword.
pub(super) fn keyword(lexer: &mut Lexer<'_>) -> Parsed<Keyword> {
    let before = lexer.clone();
    let name = lexer.atom("a flag")?;
    let keyword = std::str::from_utf8(name).ok().and_then(Keyword::new);
    keyword.map_or_else(|| before.error("a keyword of at most 64 bytes"), Ok)
}
