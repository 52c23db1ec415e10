//! FETCH: items, sections, partials, modifiers (RFC 3501 6.4.5, RFC 4466 2.4, RFC 7162 3.1.4).

use std::num::NonZeroU32;

use super::super::command::{CommandBody, Fetch, Numbering};
use super::super::error::ParseError;
use super::super::fetch::{
    FetchItem, FetchModifiers, FieldNames, Partial, Section, SectionAccess, SectionItem,
    SectionPiece,
};
use super::super::lexer::{Lexer, Parsed};
use super::list;
use super::sequence::sequence_set;

/// Most numbers in one section; parts are never nested so deep.
const SECTION_NUMBERS_MAX: usize = 100;

/// Most items in one FETCH.
const FETCH_ITEMS_MAX: usize = 200;

const PLAIN_ITEMS: &[(&str, FetchItem)] = &[
    ("BODYSTRUCTURE", FetchItem::BodyStructure),
    ("ENVELOPE", FetchItem::Envelope),
    ("FLAGS", FetchItem::Flags),
    ("INTERNALDATE", FetchItem::InternalDate),
    ("MODSEQ", FetchItem::ModSeq),
    ("RFC822", FetchItem::Rfc822),
    ("RFC822.HEADER", FetchItem::Rfc822Header),
    ("RFC822.SIZE", FetchItem::Size),
    ("RFC822.TEXT", FetchItem::Rfc822Text),
    ("UID", FetchItem::Uid),
];

pub(super) fn fetch(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    fetch_arguments(lexer, Numbering::Sequence).map(CommandBody::Fetch)
}

pub(super) fn uid_fetch(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    fetch_arguments(lexer, Numbering::Uid).map(CommandBody::Fetch)
}

fn fetch_arguments(lexer: &mut Lexer<'_>, numbering: Numbering) -> Parsed<Fetch> {
    lexer.space()?;
    let set = sequence_set(lexer)?;
    lexer.space()?;
    let items = items(lexer)?;
    if items.len() > FETCH_ITEMS_MAX {
        return Err(ParseError::Limit("items in FETCH"));
    }
    let modifiers = if lexer.eat(b' ') {
        modifiers(lexer)?
    } else {
        FetchModifiers::default()
    };
    Ok(Fetch {
        numbering,
        set,
        items,
        modifiers,
    })
}

fn items(lexer: &mut Lexer<'_>) -> Parsed<Vec<FetchItem>> {
    if lexer.peek() == Some(b'(') {
        return list(lexer, item);
    }
    let mut ahead = lexer.clone();
    let expanded = match ahead.dotted_name("a FETCH item")?.as_str() {
        "ALL" => FetchItem::all(),
        "FAST" => FetchItem::fast(),
        "FULL" => FetchItem::full(),
        _ => return Ok(vec![item(lexer)?]),
    };
    *lexer = ahead;
    Ok(expanded)
}

fn item(lexer: &mut Lexer<'_>) -> Parsed<FetchItem> {
    let before = lexer.clone();
    let name = lexer.dotted_name("a FETCH item")?;
    match (name.as_str(), lexer.peek()) {
        ("BODY", Some(b'[')) => section_item(lexer, SectionAccess::Read),
        ("BODY.PEEK", Some(b'[')) => section_item(lexer, SectionAccess::Peek),
        ("BODY", _) => Ok(FetchItem::Body),
        _ => {
            let found = PLAIN_ITEMS.iter().find(|(known, _)| *known == name);
            found.map_or_else(
                || before.error("a FETCH item"),
                |(_, item)| Ok(item.clone()),
            )
        }
    }
}

fn section_item(lexer: &mut Lexer<'_>, access: SectionAccess) -> Parsed<FetchItem> {
    lexer.expect(b'[', "[")?;
    let section = section(lexer)?;
    lexer.expect(b']', "]")?;
    let partial = if lexer.peek() == Some(b'<') {
        Some(partial(lexer)?)
    } else {
        None
    };
    Ok(FetchItem::Section(SectionItem {
        section,
        partial,
        access,
    }))
}

fn section(lexer: &mut Lexer<'_>) -> Parsed<Section> {
    let mut part: Vec<NonZeroU32> = Vec::new();
    while lexer.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        if part.len() == SECTION_NUMBERS_MAX {
            return Err(ParseError::Limit("numbers in a section"));
        }
        part.push(lexer.nz_number("a part number")?);
        if !lexer.eat(b'.') {
            let piece = SectionPiece::Whole;
            return Ok(Section { part, piece });
        }
    }
    if part.is_empty() && lexer.peek() == Some(b']') {
        let piece = SectionPiece::Whole;
        return Ok(Section { part, piece });
    }
    let piece = piece(lexer, &part)?;
    Ok(Section { part, piece })
}

fn piece(lexer: &mut Lexer<'_>, part: &[NonZeroU32]) -> Parsed<SectionPiece> {
    let before = lexer.clone();
    match lexer.dotted_name("a section")?.as_str() {
        "HEADER" => Ok(SectionPiece::Header),
        "HEADER.FIELDS" => field_names(lexer).map(SectionPiece::HeaderFields),
        "HEADER.FIELDS.NOT" => field_names(lexer).map(SectionPiece::HeaderFieldsNot),
        "TEXT" => Ok(SectionPiece::Text),
        "MIME" if !part.is_empty() => Ok(SectionPiece::Mime),
        _ => before.error("a section"),
    }
}

fn field_names(lexer: &mut Lexer<'_>) -> Parsed<FieldNames> {
    lexer.space()?;
    list(lexer, |lexer| {
        lexer
            .astring("a field name")
            .map(std::borrow::Cow::into_owned)
    })
}

fn partial(lexer: &mut Lexer<'_>) -> Parsed<Partial> {
    lexer.expect(b'<', "<")?;
    let offset = lexer.number("an offset")?;
    lexer.expect(b'.', ".")?;
    let bytes_max = lexer.nz_number64("a length")?;
    lexer.expect(b'>', ">")?;
    Ok(Partial { offset, bytes_max })
}

fn modifiers(lexer: &mut Lexer<'_>) -> Parsed<FetchModifiers> {
    let mut modifiers = FetchModifiers::default();
    list(lexer, |lexer| {
        let before = lexer.clone();
        match lexer.name("a modifier")?.as_str() {
            "CHANGEDSINCE" => {
                lexer.space()?;
                modifiers.changed_since = Some(lexer.number("a mod-sequence")?);
                Ok(())
            }
            _ => before.error("CHANGEDSINCE"),
        }
    })?;
    Ok(modifiers)
}
