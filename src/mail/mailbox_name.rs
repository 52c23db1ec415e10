//! Mailbox names: the INBOX rule, hierarchy, modified UTF-7 (RFC 3501 5.1).
//!
//! A name is NFC (so that a Mac and a PC mean the same mailbox), its first level is spelled `INBOX` however a client
//! wrote it, and it has no level without a name. `%` and `*` are refused, since LIST could never name such a mailbox.

use unicode_normalization::UnicodeNormalization;

/// The hierarchy separator.
pub const SEPARATOR: char = '/';

/// Longest name, in bytes of UTF-8.
pub const MAILBOX_NAME_BYTES_MAX: usize = 500;

/// Most levels of one name.
pub const MAILBOX_LEVELS_MAX: usize = 20;

const INBOX: &str = "INBOX";

/// A valid mailbox name: NFC UTF-8, INBOX in capitals, no empty level, no control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxName(String);

/// Why a text is no mailbox name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MailboxNameError(pub String);

fn error<T>(text: &str) -> Result<T, MailboxNameError> {
    Err(MailboxNameError(text.to_owned()))
}

impl MailboxName {
    /// The INBOX.
    pub fn inbox() -> Self {
        Self(INBOX.to_owned())
    }

    /// From UTF-8 text (IMAP4rev2, UTF8=ACCEPT, files, command line).
    pub fn parse(text: &str) -> Result<Self, MailboxNameError> {
        let name: String = text.nfc().collect();
        if name.len() > MAILBOX_NAME_BYTES_MAX {
            return error("the mailbox name is longer than 500 bytes");
        }
        if name.chars().any(is_refused) {
            return error("the mailbox name has a control character, % or *");
        }
        if name.split(SEPARATOR).any(str::is_empty) {
            return error("the mailbox name has an empty level");
        }
        if name.split(SEPARATOR).count() > MAILBOX_LEVELS_MAX {
            return error("the mailbox name has more than 20 levels");
        }
        Ok(Self(with_inbox_in_capitals(name)))
    }

    /// From modified UTF-7 (RFC 3501 5.1.3). Bare 8-bit UTF-8 is taken as UTF-8, since clients send it; `&` then
    /// stands for itself.
    pub fn parse_utf7(bytes: &[u8]) -> Result<Self, MailboxNameError> {
        if bytes.is_ascii() {
            return match decode_utf7(bytes) {
                Some(text) => Self::parse(&text),
                None => error("the mailbox name is not valid modified UTF-7"),
            };
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::parse(text),
            Err(_) => error("the mailbox name is neither modified UTF-7 nor UTF-8"),
        }
    }

    /// As UTF-8.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As modified UTF-7.
    pub fn to_utf7(&self) -> String {
        encode_utf7(&self.0)
    }

    /// Whether this is the INBOX.
    pub fn is_inbox(&self) -> bool {
        self.0 == INBOX
    }

    /// The name one level up.
    pub fn parent(&self) -> Option<Self> {
        let (parent, _leaf) = self.0.rsplit_once(SEPARATOR)?;
        Some(Self(parent.to_owned()))
    }

    /// Whether `self` lies below `ancestor`.
    pub fn is_below(&self, ancestor: &Self) -> bool {
        self.below(ancestor).is_some()
    }

    /// `self`, which is `from` or lies below it, with `from` replaced by `to`.
    pub fn rebased(&self, from: &Self, to: &Self) -> Result<Self, MailboxNameError> {
        if self == from {
            return Ok(to.clone());
        }
        match self.below(from) {
            Some(rest) => Self::parse(&format!("{}{SEPARATOR}{rest}", to.0)),
            None => error("the mailbox does not lie below the one that is renamed"),
        }
    }

    fn below(&self, ancestor: &Self) -> Option<&str> {
        self.0.strip_prefix(&ancestor.0)?.strip_prefix(SEPARATOR)
    }
}

/// `name` as given to CREATE without one separator at its end, by which a client says that it will make mailboxes below
/// it (RFC 3501 6.3.3).
pub fn without_trailing_separator(name: &[u8]) -> &[u8] {
    name.strip_suffix(b"/").unwrap_or(name)
}

/// A pattern or reference of LIST as UTF-8, from modified UTF-7 or UTF-8; wildcards stay as they are.
pub fn decoded_pattern(bytes: &[u8]) -> Result<String, MailboxNameError> {
    let text = if bytes.is_ascii() {
        decode_utf7(bytes)
    } else {
        String::from_utf8(bytes.to_vec()).ok()
    };
    match text {
        Some(text) => Ok(composed(&text)),
        None => error("the pattern is neither modified UTF-7 nor UTF-8"),
    }
}

/// A pattern or reference of LIST that is UTF-8, composed as names are.
pub fn composed(text: &str) -> String {
    text.nfc().collect()
}

/// Besides LIST's wildcards, what RFC 5198 2 keeps out of text: control characters and line separators.
fn is_refused(c: char) -> bool {
    c.is_control() || matches!(c, '%' | '*' | '\u{2028}' | '\u{2029}')
}

/// RFC 3501 5.1: INBOX is case-insensitive; its children follow it, so that `inbox/x` lies below it.
fn with_inbox_in_capitals(name: String) -> String {
    let (first, rest) = name.split_at(name.find(SEPARATOR).unwrap_or(name.len()));
    if first.eq_ignore_ascii_case(INBOX) {
        return format!("{INBOX}{rest}");
    }
    name
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// Strict: no shift that is superfluous, cut short or hides what has to stand for itself.
fn decode_utf7(bytes: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut rest = bytes;
    let mut after_shift = false;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'&' {
            text.push(char::from(byte));
            after_shift = false;
            continue;
        }
        let end = rest.iter().position(|b| *b == b'-')?;
        let (shifted, tail) = rest.split_at(end);
        rest = tail.get(1..)?;
        if shifted.is_empty() {
            text.push('&');
            after_shift = false;
            continue;
        }
        if after_shift {
            return None;
        }
        text.push_str(&decode_shifted(shifted)?);
        after_shift = true;
    }
    Some(text)
}

/// What stands between `&` and `-`: UTF-16 in base64 without padding.
fn decode_shifted(shifted: &[u8]) -> Option<String> {
    let mut units = Vec::new();
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in shifted {
        let value = BASE64.iter().position(|b| b == byte)?;
        bits = (bits << 6) | u32::try_from(value).ok()?;
        held += 6;
        if held >= 16 {
            held -= 16;
            units.push(u16::try_from(bits >> held).ok()?);
            bits &= (1 << held) - 1;
        }
    }
    if held >= 6 || bits != 0 {
        return None;
    }
    let text = String::from_utf16(&units).ok()?;
    let must_be_bare = |c: char| matches!(c, ' '..='~');
    (!text.chars().any(must_be_bare)).then_some(text)
}

fn encode_utf7(text: &str) -> String {
    let mut out = String::new();
    let mut shifted = String::new();
    for c in text.chars() {
        if !matches!(c, ' '..='~') {
            shifted.push(c);
            continue;
        }
        encode_shifted(&mut shifted, &mut out);
        out.push(c);
        if c == '&' {
            out.push('-');
        }
    }
    encode_shifted(&mut shifted, &mut out);
    out
}

/// Appends `shifted` in base64 between `&` and `-`, and empties it.
fn encode_shifted(shifted: &mut String, out: &mut String) {
    if shifted.is_empty() {
        return;
    }
    out.push('&');
    let bytes: Vec<u8> = shifted.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let digit = |value: u32| char::from(*BASE64.get((value & 63) as usize).unwrap_or(&b'A'));
    for chunk in bytes.chunks(3) {
        let padded = chunk.iter().chain(&[0, 0]).take(3);
        let group = padded.fold(0_u32, |group, byte| (group << 8) | u32::from(*byte));
        // One, two, three bytes take two, three, four digits.
        for shift in [18, 12, 6, 0].into_iter().take(chunk.len() + 1) {
            out.push(digit(group >> shift));
        }
    }
    out.push('-');
    shifted.clear();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> MailboxName {
        MailboxName::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn inbox_has_one_spelling() {
        assert!(name("inBox").is_inbox());
        assert_eq!(name("inbox/Sub/inbox").as_str(), "INBOX/Sub/inbox");
        assert_eq!(name("Inboxes").as_str(), "Inboxes");
        assert!(name("inbox/a").is_below(&MailboxName::inbox()));
    }

    #[test]
    fn refuses_what_no_client_can_use() {
        let long = "a".repeat(MAILBOX_NAME_BYTES_MAX + 1);
        let deep = vec!["a"; MAILBOX_LEVELS_MAX + 1].join("/");
        for text in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            "a%",
            "a*b",
            "a\nb",
            "a\0",
            "a\u{85}",
            "a\u{2028}",
            &long,
            &deep,
        ] {
            assert!(MailboxName::parse(text).is_err(), "{text}");
        }
        let deepest = vec!["a"; MAILBOX_LEVELS_MAX].join("/");
        assert_eq!(name(&deepest).as_str(), deepest);
    }

    #[test]
    fn composed_and_decomposed_are_one() {
        assert_eq!(name("Entwu\u{308}rfe"), name("Entw\u{fc}rfe"));
    }

    fn check_utf7(utf7: &str, text: &str) {
        let parsed = MailboxName::parse_utf7(utf7.as_bytes());
        assert_eq!(parsed, Ok(name(text)), "{utf7}");
        assert_eq!(name(text).to_utf7(), utf7);
    }

    #[test]
    fn modified_utf7() {
        check_utf7("Entw&APw-rfe", "Entw\u{fc}rfe");
        check_utf7("Tom &- Jerry", "Tom & Jerry");
        // The example of RFC 3501 5.1.3.
        check_utf7(
            "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
            "~peter/mail/\u{53f0}\u{5317}/\u{65e5}\u{672c}\u{8a9e}",
        );
        check_utf7("&2D3eAA-", "\u{1f600}");
        check_utf7("&APw-&-&APw-", "\u{fc}&\u{fc}");
    }

    #[test]
    fn modified_utf7_is_strict() {
        for bytes in [
            "a&",
            "a&APw",
            "&AGE-",
            "&APw-&APw-",
            "&APx-",
            "&AP-",
            "&2D0-",
            "&AP/-",
            "&APwA-",
            "Tom & Jerry",
            "&AAo-",
        ] {
            assert!(
                MailboxName::parse_utf7(bytes.as_bytes()).is_err(),
                "{bytes}"
            );
        }
        assert!(MailboxName::parse_utf7(b"a\xff").is_err());
        let raw = MailboxName::parse_utf7("B\u{fc}cher & mehr".as_bytes());
        assert_eq!(raw, Ok(name("B\u{fc}cher & mehr")));
    }

    #[test]
    fn hierarchy() {
        assert_eq!(name("a/b/c").parent(), Some(name("a/b")));
        assert_eq!(name("a").parent(), None);
        assert!(name("a/b/c").is_below(&name("a")));
        assert!(!name("ab").is_below(&name("a")));
        assert!(!name("a").is_below(&name("a")));
        assert_eq!(
            name("a/b/c").rebased(&name("a/b"), &name("x")),
            Ok(name("x/c"))
        );
        assert_eq!(name("a").rebased(&name("a"), &name("x/y")), Ok(name("x/y")));
        assert!(name("ab").rebased(&name("a"), &name("x")).is_err());
        assert_eq!(without_trailing_separator(b"a/b/"), b"a/b");
    }

    proptest! {
        #[test]
        fn names_round_trip(text in "[a-z&/ \u{fc}\u{4e00}\u{1f600}-]{1,12}") {
            if let Ok(name) = MailboxName::parse(&text) {
                prop_assert_eq!(MailboxName::parse_utf7(name.to_utf7().as_bytes()), Ok(name));
            }
        }

        #[test]
        fn what_decodes_encodes_the_same(bytes in "[&A-Ea-e0-9,/-]{0,12}") {
            if let Some(text) = decode_utf7(bytes.as_bytes()) {
                prop_assert_eq!(encode_utf7(&text), bytes);
            }
        }
    }
}
