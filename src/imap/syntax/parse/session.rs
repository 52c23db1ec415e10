//! LOGIN, AUTHENTICATE (RFC 4959), ID (RFC 2971), ENABLE (RFC 5161).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::command::{Authenticate, CommandBody, ID_PAIRS_MAX, Login};
use super::super::error::ParseError;
use super::super::lexer::{Lexer, Parsed};
use crate::mail::secret::Secret;

/// Most names in one ENABLE.
const ENABLE_NAMES_MAX: usize = 32;

pub(super) fn login(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    lexer.space()?;
    let user = lexer.astring("a user name")?.into_owned();
    lexer.space()?;
    let password = Secret::new(lexer.astring("a password")?.into_owned());
    Ok(CommandBody::Login(Login { user, password }))
}

pub(super) fn authenticate(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    lexer.space()?;
    let mechanism = lexer.name("a mechanism")?;
    let initial = lexer
        .eat(b' ')
        .then(|| initial_response(lexer))
        .transpose()?;
    Ok(CommandBody::Authenticate(Authenticate {
        mechanism,
        initial,
    }))
}

/// RFC 4959 3: `=` stands for an empty response.
fn initial_response(lexer: &mut Lexer<'_>) -> Parsed<Secret<Vec<u8>>> {
    let before = lexer.clone();
    let text = lexer.take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
    match text {
        b"=" => Ok(Secret::new(Vec::new())),
        b"" => before.error("a base64 response or ="),
        text => match STANDARD.decode(text) {
            Ok(bytes) => Ok(Secret::new(bytes)),
            Err(_) => before.error("base64"),
        },
    }
}

pub(super) fn id(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    lexer.space()?;
    if lexer.nil() {
        return Ok(CommandBody::Id(Vec::new()));
    }
    lexer.expect(b'(', "( or NIL")?;
    let mut pairs = Vec::new();
    while !lexer.eat(b')') {
        if !pairs.is_empty() {
            lexer.space()?;
        }
        if pairs.len() == ID_PAIRS_MAX {
            return Err(ParseError::Limit("pairs in ID"));
        }
        let name = lexer.string()?.into_owned();
        lexer.space()?;
        pairs.push((name, lexer.nstring()?.map(std::borrow::Cow::into_owned)));
    }
    Ok(CommandBody::Id(pairs))
}

pub(super) fn enable(lexer: &mut Lexer<'_>) -> Parsed<CommandBody> {
    let mut names = Vec::new();
    while names.is_empty() || lexer.peek() == Some(b' ') {
        lexer.space()?;
        if names.len() == ENABLE_NAMES_MAX {
            return Err(ParseError::Limit("names in ENABLE"));
        }
        names.push(lexer.name("a capability")?);
    }
    Ok(CommandBody::Enable(names))
}
