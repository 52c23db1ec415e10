//! Patterns of LIST and LSUB (RFC 3501 6.3.8): `*` is any text, `%` any text without a hierarchy separator.

use crate::mail::mailbox_name::SEPARATOR;

/// Longest pattern and longest reference, in bytes of UTF-8; no name is so long.
pub const PATTERN_BYTES_MAX: usize = 600;

/// A pattern to compare mailbox names with, in UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Token>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// `*`
    Any,
    /// `%`
    Level,
    /// A character that stands for itself.
    Char(char),
}

const INBOX: &str = "INBOX";

impl Pattern {
    /// From reference and pattern joined. A first level that spells INBOX is taken in any case (RFC 3501 5.1).
    pub fn new(text: &str) -> Self {
        let first = text.split(SEPARATOR).next().unwrap_or_default();
        let inbox = first.eq_ignore_ascii_case(INBOX);
        let in_inbox = |index: usize| inbox && index < INBOX.len();
        let token = |(index, c): (usize, char)| match c {
            '*' => Token::Any,
            '%' => Token::Level,
            c if in_inbox(index) => Token::Char(c.to_ascii_uppercase()),
            c => Token::Char(c),
        };
        let mut tokens: Vec<Token> = text.char_indices().map(token).collect();
        tokens.dedup_by(|next, before| *before == Token::Any && *next == Token::Any);
        Self(tokens)
    }

    /// Whether the pattern ends in `%`.
    pub fn ends_with_percent(&self) -> bool {
        self.0.last() == Some(&Token::Level)
    }

    /// Whether `name` matches. Keeps a set of states, so that no pattern takes more than its length times the name's.
    pub fn matches(&self, name: &str) -> bool {
        let mut states = vec![false; self.0.len() + 1];
        if let Some(first) = states.first_mut() {
            *first = true;
        }
        self.skip_wildcards(&mut states);
        for c in name.chars() {
            states = self.after(&states, c);
            if !states.contains(&true) {
                return false;
            }
        }
        states.last() == Some(&true)
    }

    /// The states reached by reading `c`: a wildcard may keep it, a character must be it.
    fn after(&self, states: &[bool], c: char) -> Vec<bool> {
        let mut next = vec![false; states.len()];
        for (index, token) in self.0.iter().enumerate() {
            if states.get(index) != Some(&true) {
                continue;
            }
            let reached = match token {
                Token::Any => Some(index),
                Token::Level => (c != SEPARATOR).then_some(index),
                Token::Char(wanted) => (*wanted == c).then_some(index + 1),
            };
            if let Some(state) = reached.and_then(|index| next.get_mut(index)) {
                *state = true;
            }
        }
        self.skip_wildcards(&mut next);
        next
    }

    /// A wildcard may stand for nothing.
    fn skip_wildcards(&self, states: &mut [bool]) {
        for (index, token) in self.0.iter().enumerate() {
            let here = states.get(index) == Some(&true);
            if let (true, Token::Any | Token::Level) = (here, token)
                && let Some(state) = states.get_mut(index + 1)
            {
                *state = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, name: &str, expected: bool) {
        assert_eq!(
            Pattern::new(pattern).matches(name),
            expected,
            "{pattern} {name}"
        );
    }

    #[test]
    fn wildcards() {
        check("*", "a/b", true);
        check("%", "a/b", false);
        check("%", "a", true);
        check("a/%", "a/b", true);
        check("a/%", "a", false);
        check("a*", "a", true);
        check("%/%", "a/b", true);
        check("%/%", "a/b/c", false);
        check("*c", "a/b/c", true);
        check("*b", "a/b/c", false);
        check("", "", true);
        check("%%", "abc", true);
        check("ä%", "äb", true);
    }

    #[test]
    fn inbox_in_any_case() {
        check("inbox", "INBOX", true);
        check("Inbox/%", "INBOX/x", true);
        check("inb%", "INBOX", false);
        check("inboxes", "inboxes", true);
        check("drafts", "Drafts", false);
    }

    #[test]
    fn hostile_pattern_is_cheap() {
        check(&"%a*".repeat(500), &"a".repeat(499), false);
    }
}
