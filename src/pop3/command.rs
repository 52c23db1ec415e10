//! Commands as clients send them (RFC 1939, 2449, 2595, 5034, 6856), parsed once.

use crate::mail::secret::Secret;

/// A well-formed command.
#[derive(Clone, Debug)]
pub enum Command {
    /// `USER` with a login name.
    User(String),
    /// `PASS`
    Pass(Secret<String>),
    /// `AUTH` (RFC 5034).
    Auth {
        /// SASL mechanism as sent.
        mechanism: String,
        /// Initial response, in base64 as sent.
        initial: Option<String>,
    },
    /// `STLS` (RFC 2595).
    Stls,
    /// `UTF8` (RFC 6856).
    Utf8,
    /// `STAT`
    Stat,
    /// `LIST`, of one message or of all.
    List(Option<Number>),
    /// `UIDL`, of one message or of all.
    Uidl(Option<Number>),
    /// `RETR`
    Retr(Number),
    /// `TOP`
    Top {
        /// Which message.
        number: Number,
        /// Lines of its body.
        lines: u64,
    },
    /// `DELE`
    Dele(Number),
    /// `RSET`
    Rset,
    /// `NOOP`
    Noop,
    /// `CAPA` (RFC 2449).
    Capa,
    /// `LANG` (RFC 6856), with a language or asking for the list.
    Lang(Option<String>),
    /// `QUIT`
    Quit,
}

/// A message number as sent; whether there is such a message is the maildrop's matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number(pub u64);

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// No command of that name.
    Unknown,
    /// Arguments missing, wrong or too many.
    Arguments,
}

/// Parses one line without its line end.
pub fn parse(line: &[u8]) -> Result<Command, CommandError> {
    let (keyword, rest) = match line.iter().position(|byte| *byte == b' ') {
        Some(at) => (line.get(..at), line.get(at + 1..)),
        None => (Some(line), None),
    };
    let keyword = keyword.unwrap_or_default().to_ascii_uppercase();
    let rest = rest.unwrap_or_default();
    if keyword == b"PASS" {
        // RFC 1939 7: a password may contain spaces, so all after the first space is the password.
        return password(rest);
    }
    let text = std::str::from_utf8(rest).map_err(|_| CommandError::Arguments);
    let mut words = Words(text.unwrap_or_default().split_ascii_whitespace());
    let command = with_arguments(&keyword, &mut words)?;
    text?;
    words.end()?;
    Ok(command)
}

fn with_arguments(keyword: &[u8], words: &mut Words<'_>) -> Result<Command, CommandError> {
    Ok(match keyword {
        b"USER" => Command::User(words.word()?.to_owned()),
        b"AUTH" => Command::Auth {
            mechanism: words.word()?.to_owned(),
            initial: words.optional().map(str::to_owned),
        },
        b"STLS" => Command::Stls,
        b"UTF8" => Command::Utf8,
        b"STAT" => Command::Stat,
        b"LIST" => Command::List(words.optional_number()?),
        b"UIDL" => Command::Uidl(words.optional_number()?),
        b"RETR" => Command::Retr(words.number()?),
        b"TOP" => Command::Top {
            number: words.number()?,
            lines: words.number()?.0,
        },
        b"DELE" => Command::Dele(words.number()?),
        b"RSET" => Command::Rset,
        b"NOOP" => Command::Noop,
        b"CAPA" => Command::Capa,
        b"LANG" => Command::Lang(words.optional().map(str::to_owned)),
        b"QUIT" => Command::Quit,
        _ => return Err(CommandError::Unknown),
    })
}

fn password(bytes: &[u8]) -> Result<Command, CommandError> {
    let text = std::str::from_utf8(bytes).map_err(|_| CommandError::Arguments)?;
    if text.is_empty() {
        return Err(CommandError::Arguments);
    }
    Ok(Command::Pass(Secret::new(text.to_owned())))
}

struct Words<'a>(std::str::SplitAsciiWhitespace<'a>);

impl<'a> Words<'a> {
    fn optional(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    fn word(&mut self) -> Result<&'a str, CommandError> {
        self.optional().ok_or(CommandError::Arguments)
    }

    fn number(&mut self) -> Result<Number, CommandError> {
        parse_number(self.word()?)
    }

    fn optional_number(&mut self) -> Result<Option<Number>, CommandError> {
        self.optional().map(parse_number).transpose()
    }

    fn end(mut self) -> Result<(), CommandError> {
        match self.0.next() {
            None => Ok(()),
            Some(_) => Err(CommandError::Arguments),
        }
    }
}

/// Digits alone; more than fit are as good as the highest number.
fn parse_number(word: &str) -> Result<Number, CommandError> {
    if !word.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(CommandError::Arguments);
    }
    Ok(Number(word.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let shown = match parse(line.as_bytes()) {
            Ok(Command::Pass(password)) => format!("Pass({:?})", password.expose()),
            Ok(command) => format!("{command:?}"),
            Err(error) => format!("{error:?}"),
        };
        assert_eq!(shown, expected, "{line:?}");
    }

    #[test]
    fn commands() {
        check("USER anna@example.com", "User(\"anna@example.com\")");
        check("user  anna@example.com ", "User(\"anna@example.com\")");
        check("PASS  two words ", "Pass(\" two words \")");
        check("AUTH PLAIN", "Auth { mechanism: \"PLAIN\", initial: None }");
        check(
            "AUTH PLAIN =",
            "Auth { mechanism: \"PLAIN\", initial: Some(\"=\") }",
        );
        check("LIST", "List(None)");
        check("LIST ", "List(None)");
        check("list 0007", "List(Some(Number(7)))");
        check("TOP 1 0", "Top { number: Number(1), lines: 0 }");
        check(
            "RETR 99999999999999999999999",
            "Retr(Number(18446744073709551615))",
        );
        check("LANG", "Lang(None)");
        check("LANG *", "Lang(Some(\"*\"))");
        check("QUIT", "Quit");
    }

    #[test]
    fn refusals() {
        for line in ["", " ", "XTND", "APOP a b", "\u{e4}", "RETR\t1"] {
            check(line, "Unknown");
        }
        for line in [
            "USER", "USER a b", "PASS", "PASS ", "RETR", "RETR x", "RETR -1", "RETR 1 2", "TOP 1",
            "STAT 1", "AUTH",
        ] {
            check(line, "Arguments");
        }
        assert_eq!(parse(b"USER \xff").unwrap_err(), CommandError::Arguments);
        assert_eq!(parse(b"PASS \xff").unwrap_err(), CommandError::Arguments);
        assert_eq!(parse(b"NOOP \xff").unwrap_err(), CommandError::Arguments);
    }
}
