//! The words that commands are made of (RFC 3501 9): atoms, strings, literals, numbers, spaces.
//!
//! A [`Lexer`] walks over the bytes of one whole command, literals and final CRLF included. Every method either takes
//! what it is named after or fails and says what it expected where; it never looks back further than that.

use std::borrow::Cow;
use std::num::{NonZeroU32, NonZeroU64};
use std::str::FromStr;

use super::command::{Literal, Sync};
use super::error::ParseError;
use super::literal::announced;
use crate::mail::mailbox_name::MailboxName;

/// Result of taking something from a command.
pub type Parsed<T> = Result<T, ParseError>;

/// How a client writes mailbox names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Modified UTF-7 (RFC 3501 5.1.3); UTF-8 is understood too.
    #[default]
    Utf7,
    /// UTF-8 (RFC 9051, RFC 6855), after ENABLE; `&` stands for itself.
    Utf8,
}

/// The bytes of a command, and how far they are taken.
#[derive(Clone, Debug)]
pub struct Lexer<'a> {
    rest: &'a [u8],
    bytes: usize,
    dialect: Dialect,
}

impl<'a> Lexer<'a> {
    /// A lexer at the beginning of `input`.
    pub fn new(input: &'a [u8], dialect: Dialect) -> Self {
        Self {
            rest: input,
            bytes: input.len(),
            dialect,
        }
    }

    /// How mailbox names are written.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// A syntax error at this place.
    pub fn error<T>(&self, expected: &'static str) -> Parsed<T> {
        let at = self.bytes - self.rest.len();
        Err(ParseError::Syntax { expected, at })
    }

    /// The next byte, not taken.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Whether what follows begins so, without case; nothing is taken.
    pub fn follows(&self, word: &[u8]) -> bool {
        let head = self.rest.get(..word.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(word))
    }

    /// Takes `byte` if it comes next.
    pub fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.skip(1);
        }
        found
    }

    /// Takes `byte` or fails.
    pub fn expect(&mut self, byte: u8, expected: &'static str) -> Parsed<()> {
        if self.eat(byte) {
            return Ok(());
        }
        self.error(expected)
    }

    /// Takes one space.
    pub fn space(&mut self) -> Parsed<()> {
        self.expect(b' ', "a space")
    }

    /// Takes the CRLF that ends the command, with nothing behind it.
    pub fn end(&mut self) -> Parsed<()> {
        if self.rest == b"\r\n" {
            self.skip(2);
            return Ok(());
        }
        self.error("the end of the line")
    }

    /// Takes all bytes that `belongs` is true for, perhaps none.
    pub fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !belongs(*byte));
        let (taken, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn take_some(
        &mut self,
        belongs: impl Fn(u8) -> bool,
        expected: &'static str,
    ) -> Parsed<&'a [u8]> {
        match self.take_while(belongs) {
            [] => self.error(expected),
            taken => Ok(taken),
        }
    }

    /// An atom.
    pub fn atom(&mut self, expected: &'static str) -> Parsed<&'a [u8]> {
        self.take_some(is_atom_char, expected)
    }

    /// An atom in capitals, as text.
    pub fn name(&mut self, expected: &'static str) -> Parsed<String> {
        let atom = self.atom(expected)?.to_ascii_uppercase();
        Ok(String::from_utf8_lossy(&atom).into_owned())
    }

    /// A word of letters, digits and dots in capitals, such as `BODY.PEEK`: unlike an atom it ends before `[`.
    pub fn dotted_name(&mut self, expected: &'static str) -> Parsed<String> {
        let belongs = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
        let word = self.take_some(belongs, expected)?.to_ascii_uppercase();
        Ok(String::from_utf8_lossy(&word).into_owned())
    }

    /// A number that fits `T`.
    pub fn number<T: FromStr>(&mut self, expected: &'static str) -> Parsed<T> {
        let before = self.clone();
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        let number = std::str::from_utf8(digits)
            .ok()
            .and_then(|text| text.parse().ok());
        number.map_or_else(|| before.error(expected), Ok)
    }

    /// `nz-number`
    pub fn nz_number(&mut self, expected: &'static str) -> Parsed<NonZeroU32> {
        self.number(expected)
    }

    /// `nz-number64` (RFC 9051 9)
    pub fn nz_number64(&mut self, expected: &'static str) -> Parsed<NonZeroU64> {
        self.number(expected)
    }

    /// A string: quoted or literal.
    pub fn string(&mut self) -> Parsed<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal().map(Cow::Borrowed),
            _ => self.error("a string"),
        }
    }

    /// A string or NIL.
    pub fn nstring(&mut self) -> Parsed<Option<Cow<'a, [u8]>>> {
        if self.nil() {
            return Ok(None);
        }
        self.string().map(Some)
    }

    /// Takes NIL if it comes next.
    pub fn nil(&mut self) -> bool {
        let found = self.follows(b"NIL");
        if found {
            self.skip(3);
        }
        found
    }

    /// An atom (with `]`) or a string.
    pub fn astring(&mut self, expected: &'static str) -> Parsed<Cow<'a, [u8]>> {
        self.string_or(is_astring_char, expected)
    }

    /// A mailbox pattern of LIST: an atom with wildcards or a string.
    pub fn list_mailbox(&mut self) -> Parsed<Cow<'a, [u8]>> {
        let belongs = |byte| is_astring_char(byte) || matches!(byte, b'%' | b'*');
        self.string_or(belongs, "a mailbox pattern")
    }

    /// 8-bit bytes in bare words are let through, since clients send UTF-8 so.
    fn string_or(
        &mut self,
        belongs: impl Fn(u8) -> bool,
        expected: &'static str,
    ) -> Parsed<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => self
                .take_some(|byte| belongs(byte) || !byte.is_ascii(), expected)
                .map(Cow::Borrowed),
        }
    }

    /// A mailbox name.
    pub fn mailbox(&mut self) -> Parsed<MailboxName> {
        let name = self.astring("a mailbox name")?;
        mailbox_name(&name, self.dialect)
    }

    /// The announcement of a literal that ends the input: `{n}` or `{n+}`, then CRLF and nothing more.
    pub fn literal_announcement(&mut self) -> Parsed<Literal> {
        if self.peek() != Some(b'{') {
            return self.error("a literal");
        }
        let line_end = self.rest.iter().position(|byte| *byte == b'\n');
        match (announced(self.rest), line_end) {
            (Some(literal), Some(at)) if at + 1 == self.rest.len() => {
                self.skip(at + 1);
                Ok(literal)
            }
            _ => self.error("a literal at the end of the line"),
        }
    }

    fn literal(&mut self) -> Parsed<&'a [u8]> {
        let head = self.take_while(|byte| byte != b'\n');
        self.expect(b'\n', "a line end behind the length of the literal")?;
        let literal = announced(&[head, b"\n"].concat());
        let bytes = literal.and_then(|literal| usize::try_from(literal.bytes).ok());
        match bytes.and_then(|bytes| self.rest.split_at_checked(bytes)) {
            Some((text, rest)) if !text.contains(&0) => {
                self.rest = rest;
                Ok(text)
            }
            _ => self.error("a literal without NUL"),
        }
    }

    /// A quoted string. After ENABLE it is UTF-8 (RFC 6855 3); before, 8-bit bytes are let through.
    fn quoted(&mut self) -> Parsed<Cow<'a, [u8]>> {
        let text = self.quoted_bytes()?;
        match (self.dialect, std::str::from_utf8(&text)) {
            (Dialect::Utf8, Err(_)) => Err(ParseError::Text("a quoted string is not UTF-8")),
            (Dialect::Utf8, Ok(_)) | (Dialect::Utf7, _) => Ok(text),
        }
    }

    /// RFC 3501 9, `quoted`. Only `"` and `\` may be escaped.
    fn quoted_bytes(&mut self) -> Parsed<Cow<'a, [u8]>> {
        self.expect(b'"', "a quoted string")?;
        let plain = self.take_while(is_quoted_char);
        if self.eat(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_vec();
        loop {
            if self.eat(b'"') {
                return Ok(Cow::Owned(text));
            }
            self.expect(b'\\', "the end of the quoted string")?;
            match self.peek() {
                Some(byte @ (b'"' | b'\\')) => text.push(byte),
                _ => return self.error("\" or \\ behind a \\"),
            }
            self.skip(1);
            text.extend_from_slice(self.take_while(is_quoted_char));
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }
}

/// A mailbox name as written in `dialect`.
pub fn mailbox_name(name: &[u8], dialect: Dialect) -> Parsed<MailboxName> {
    let parsed = match (dialect, std::str::from_utf8(name)) {
        (Dialect::Utf8, Ok(text)) => MailboxName::parse(text),
        (Dialect::Utf7, _) | (Dialect::Utf8, Err(_)) => MailboxName::parse_utf7(name),
    };
    parsed.map_err(|error| ParseError::MailboxName(error.to_string()))
}

/// RFC 3501 9, `ATOM-CHAR`.
pub fn is_atom_char(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte)
}

/// RFC 3501 9, `ASTRING-CHAR`.
pub fn is_astring_char(byte: u8) -> bool {
    is_atom_char(byte) || byte == b']'
}

fn is_quoted_char(byte: u8) -> bool {
    !matches!(byte, b'"' | b'\\' | b'\r' | b'\n' | 0)
}

impl Literal {
    /// Whether the client waits for a continuation request.
    pub fn waits(self) -> bool {
        self.sync == Sync::Synchronizing
    }
}
