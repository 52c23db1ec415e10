//! Sequence sets (RFC 3501 9).

use super::super::lexer::{Lexer, Parsed};
use super::super::sequence::{SequenceNumber, SequenceRange, SequenceSet};

pub(super) fn sequence_set(lexer: &mut Lexer<'_>) -> Parsed<SequenceSet> {
    let first = range(lexer)?;
    let mut rest = Vec::new();
    while lexer.eat(b',') {
        rest.push(range(lexer)?);
    }
    Ok(SequenceSet::new(first, rest))
}

fn range(lexer: &mut Lexer<'_>) -> Parsed<SequenceRange> {
    let from = number(lexer)?;
    let to = if lexer.eat(b':') {
        number(lexer)?
    } else {
        from
    };
    Ok(SequenceRange { from, to })
}

fn number(lexer: &mut Lexer<'_>) -> Parsed<SequenceNumber> {
    if lexer.eat(b'*') {
        return Ok(SequenceNumber::Largest);
    }
    lexer
        .nz_number("a message number or *")
        .map(SequenceNumber::Number)
}
