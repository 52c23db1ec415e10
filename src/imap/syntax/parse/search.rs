//! SEARCH keys (RFC 3501 6.4.4, RFC 5032, RFC 7162 3.1.5) and their charset.

use std::borrow::Cow;

use super::super::command::{CommandBody, Numbering, Search};
use super::super::error::ParseError;
use super::super::lexer::{Dialect, Lexer, Parsed};
use super::super::search::{EnvelopeField, Needle, SEARCH_DEPTH_MAX, SEARCH_KEYS_MAX, SearchKey};
use super::flags::keyword;
use super::sequence::sequence_set;
use crate::mail::date::Date;
use crate::mail::flags::SystemFlags;
use crate::mail::mime::text::{decode_charset, is_known_charset};

/// Keys that are one word.
const FLAG_KEYS: &[(&str, &str, SystemFlags)] = &[
    ("ANSWERED", "UNANSWERED", SystemFlags::ANSWERED),
    ("DELETED", "UNDELETED", SystemFlags::DELETED),
    ("DRAFT", "UNDRAFT", SystemFlags::DRAFT),
    ("FLAGGED", "UNFLAGGED", SystemFlags::FLAGGED),
    ("SEEN", "UNSEEN", SystemFlags::SEEN),
];

/// Keys that look into one field of the envelope.
const ENVELOPE_KEYS: &[(&str, EnvelopeField)] = &[
    ("BCC", EnvelopeField::Bcc),
    ("CC", EnvelopeField::Cc),
    ("FROM", EnvelopeField::From),
    ("SUBJECT", EnvelopeField::Subject),
    ("TO", EnvelopeField::To),
];

/// What text is read as when no charset is named. US-ASCII would do by RFC 3501 6.4.4, but clients that send UTF-8 often
/// leave the name out.
const CHARSET_DEFAULT: &[u8] = b"UTF-8";

pub(super) fn search(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    arguments(lexer, Numbering::Sequence)
}

pub(super) fn uid_search(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    arguments(lexer, Numbering::Uid)
}

fn arguments(lexer: &mut Lexer<'_>, numbering: Numbering) -> Parsed<CommandBody> {
    lexer.space()?;
    let mut keys = Keys {
        left: SEARCH_KEYS_MAX,
        charset: charset(lexer)?,
    };
    let key = keys.all_of(lexer, 0)?;
    Ok(CommandBody::Search(Search { numbering, key }))
}

fn charset(lexer: &mut Lexer<'_>) -> Parsed<Vec<u8>> {
    if !lexer.follows(b"CHARSET ") {
        return Ok(CHARSET_DEFAULT.to_vec());
    }
    // RFC 6855 3: the labels would contradict each other.
    if lexer.dialect() == Dialect::Utf8 {
        return Err(ParseError::Text("no CHARSET after ENABLE UTF8=ACCEPT"));
    }
    lexer.name("CHARSET")?;
    lexer.space()?;
    let charset = lexer.astring("a charset")?.into_owned();
    if !is_known_charset(&charset) {
        return Err(ParseError::Charset);
    }
    lexer.space()?;
    Ok(charset)
}

/// Counts keys, so that a short command cannot make a big tree, and knows how to read their text.
struct Keys {
    left: usize,
    charset: Vec<u8>,
}

impl Keys {
    fn all_of(&mut self, lexer: &mut Lexer<'_>, depth: usize) -> Parsed<SearchKey> {
        let mut keys = vec![self.key(lexer, depth)?];
        while lexer.eat(b' ') {
            keys.push(self.key(lexer, depth)?);
        }
        Ok(SearchKey::And(keys))
    }

    fn key(&mut self, lexer: &mut Lexer<'_>, depth: usize) -> Parsed<SearchKey> {
        if depth > SEARCH_DEPTH_MAX {
            return Err(ParseError::Limit("levels of search keys"));
        }
        self.left = self
            .left
            .checked_sub(1)
            .ok_or(ParseError::Limit("search keys"))?;
        match lexer.peek() {
            Some(b'(') => self.group(lexer, depth),
            Some(b'*' | b'0'..=b'9') => sequence_set(lexer).map(SearchKey::Sequence),
            _ => self.word(lexer, depth),
        }
    }

    fn group(&mut self, lexer: &mut Lexer<'_>, depth: usize) -> Parsed<SearchKey> {
        lexer.expect(b'(', "(")?;
        let key = self.all_of(lexer, depth + 1)?;
        lexer.expect(b')', "a space or )")?;
        Ok(key)
    }

    fn word(&mut self, lexer: &mut Lexer<'_>, depth: usize) -> Parsed<SearchKey> {
        let before = lexer.clone();
        let name = lexer.name("a search key")?;
        match name.as_str() {
            "NOT" => {
                lexer.space()?;
                Ok(not(self.key(lexer, depth + 1)?))
            }
            "OR" => {
                lexer.space()?;
                let left = self.key(lexer, depth + 1)?;
                lexer.space()?;
                let right = self.key(lexer, depth + 1)?;
                Ok(SearchKey::Or(Box::new(left), Box::new(right)))
            }
            name => match self.leaf(name, lexer)? {
                Some(key) => Ok(key),
                None => before.error("a search key"),
            },
        }
    }

    /// A key without keys below it; `None` if the name is unknown.
    fn leaf(&self, name: &str, lexer: &mut Lexer<'_>) -> Parsed<Option<SearchKey>> {
        if let Some(key) = self.text_key(name, lexer)? {
            return Ok(Some(key));
        }
        for family in [flag_key, date_key, number_key] {
            if let Some(key) = family(name, lexer)? {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    fn text_key(&self, name: &str, lexer: &mut Lexer<'_>) -> Parsed<Option<SearchKey>> {
        let found = ENVELOPE_KEYS.iter().find(|(known, _)| *known == name);
        if let Some((_, field)) = found {
            return Ok(Some(SearchKey::Envelope(*field, self.needle(lexer)?)));
        }
        Ok(Some(match name {
            "HEADER" => {
                let Needle(field) = self.needle(lexer)?;
                SearchKey::Header(field, self.needle(lexer)?)
            }
            "BODY" => SearchKey::Body(self.needle(lexer)?),
            "TEXT" => SearchKey::Text(self.needle(lexer)?),
            _ => return Ok(None),
        }))
    }

    fn needle(&self, lexer: &mut Lexer<'_>) -> Parsed<Needle> {
        lexer.space()?;
        let bytes = lexer.astring("a string")?;
        Ok(Needle(decode_charset(&self.charset, &bytes)))
    }
}

fn not(key: SearchKey) -> SearchKey {
    SearchKey::Not(Box::new(key))
}

fn flag_key(name: &str, lexer: &mut Lexer<'_>) -> Parsed<Option<SearchKey>> {
    for (has, has_not, flag) in FLAG_KEYS {
        if name == *has {
            return Ok(Some(SearchKey::Flag(*flag)));
        }
        if name == *has_not {
            return Ok(Some(not(SearchKey::Flag(*flag))));
        }
    }
    Ok(Some(match name {
        "ALL" => SearchKey::All,
        "RECENT" => SearchKey::Recent,
        "OLD" => not(SearchKey::Recent),
        "NEW" => SearchKey::And(vec![
            SearchKey::Recent,
            not(SearchKey::Flag(SystemFlags::SEEN)),
        ]),
        "KEYWORD" => SearchKey::Keyword(spaced(lexer, keyword)?),
        "UNKEYWORD" => not(SearchKey::Keyword(spaced(lexer, keyword)?)),
        _ => return Ok(None),
    }))
}

fn date_key(name: &str, lexer: &mut Lexer<'_>) -> Parsed<Option<SearchKey>> {
    let key: fn(Date) -> SearchKey = match name {
        "BEFORE" => SearchKey::Before,
        "ON" => SearchKey::On,
        "SINCE" => SearchKey::Since,
        "SENTBEFORE" => SearchKey::SentBefore,
        "SENTON" => SearchKey::SentOn,
        "SENTSINCE" => SearchKey::SentSince,
        _ => return Ok(None),
    };
    Ok(Some(key(spaced(lexer, date)?)))
}

fn number_key(name: &str, lexer: &mut Lexer<'_>) -> Parsed<Option<SearchKey>> {
    Ok(Some(match name {
        "UID" => SearchKey::Uid(spaced(lexer, sequence_set)?),
        "LARGER" => SearchKey::Larger(spaced(lexer, |lexer| lexer.number("a size"))?),
        "SMALLER" => SearchKey::Smaller(spaced(lexer, |lexer| lexer.number("a size"))?),
        "OLDER" => SearchKey::Older(spaced(lexer, |lexer| lexer.nz_number("seconds"))?.get()),
        "YOUNGER" => SearchKey::Younger(spaced(lexer, |lexer| lexer.nz_number("seconds"))?.get()),
        "MODSEQ" => SearchKey::ModSeq(spaced(lexer, modseq)?),
        _ => return Ok(None),
    }))
}

/// RFC 7162 3.1.5: an entry name and type may stand in front of the number; a message has one mod-sequence for all
/// its flags, so that they change nothing.
fn modseq(lexer: &mut Lexer<'_>) -> Parsed<u64> {
    if lexer.peek() == Some(b'"') {
        lexer.string()?;
        lexer.space()?;
        let before = lexer.clone();
        if !["PRIV", "SHARED", "ALL"].contains(&lexer.name("an entry type")?.as_str()) {
            return before.error("priv, shared or all");
        }
        lexer.space()?;
    }
    lexer.number("a mod-sequence")
}

fn date(lexer: &mut Lexer<'_>) -> Parsed<Date> {
    let before = lexer.clone();
    let text: Cow<'_, [u8]> = lexer.astring("a date")?;
    let date = std::str::from_utf8(&text).ok().and_then(Date::parse_imap);
    date.map_or_else(|| before.error("a date such as 1-Feb-2026"), Ok)
}

fn spaced<'a, T>(
    lexer: &mut Lexer<'a>,
    argument: impl Fn(&mut Lexer<'a>) -> Parsed<T>,
) -> Parsed<T> {
    lexer.space()?;
    argument(lexer)
}
