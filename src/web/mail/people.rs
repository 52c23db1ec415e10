//! Header text for people: names, addresses, subjects. What could make a line look like another one (control characters,
//! changes of direction) is taken out.

use crate::mail::mime::text::decode_words;
use crate::mail::mime::{Envelope, EnvelopeAddress};
use crate::web::words::Lang;

/// Most characters of one name, address or subject that are shown.
const SHOWN_CHARS_MAX: usize = 400;

/// Header text decoded, without what could deceive.
pub(super) fn clean(text: &[u8]) -> String {
    clean_text(&decode_words(text))
}

/// Text without what could deceive, and not endless.
pub(super) fn clean_text(text: &str) -> String {
    let spaced = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c });
    let kept = spaced.filter(|c| !c.is_control() && !deceives(*c));
    let text: String = kept.take(SHOWN_CHARS_MAX).collect();
    text.trim().to_owned()
}

/// Whether a character changes the direction of text (Unicode UAX 9) or is not seen at all.
pub(super) fn deceives(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The subject, or words for none.
pub(in crate::web) fn subject(envelope: &Envelope, lang: Lang) -> String {
    let text = envelope.subject.as_deref().map(clean).unwrap_or_default();
    if text.is_empty() {
        return lang.t("(ohne Betreff)", "(no subject)").to_owned();
    }
    text
}

/// The address itself; empty for the mark of a group.
pub(super) fn address(address: &EnvelopeAddress) -> String {
    let part = |text: &Option<Vec<u8>>| text.as_deref().map(clean).unwrap_or_default();
    let (mailbox, host) = (part(&address.mailbox), part(&address.host));
    match (address.host.is_some(), host.is_empty()) {
        (false, _) => String::new(),
        (true, true) => mailbox,
        (true, false) => format!("{mailbox}@{host}"),
    }
}

/// The name as lists show it: the display name unless it claims to be another address, else the address.
pub(in crate::web) fn short(from: &EnvelopeAddress) -> String {
    let name = from.name.as_deref().map(clean).unwrap_or_default();
    let plain = address(from);
    let claims = name.contains('@') && !name.eq_ignore_ascii_case(&plain);
    if name.is_empty() || claims {
        plain
    } else {
        name
    }
}

/// The names of several, the marks of groups left out; those beyond `count_max` as "+ 3".
pub(super) fn several(list: &[EnvelopeAddress], count_max: usize) -> String {
    let names: Vec<String> = real(list)
        .map(short)
        .filter(|name| !name.is_empty())
        .collect();
    let shown: Vec<&str> = names.iter().take(count_max).map(String::as_str).collect();
    match names.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} + {more}", shown.join(", ")),
    }
}

/// Those that are addresses, not marks of groups.
pub(super) fn real(list: &[EnvelopeAddress]) -> impl Iterator<Item = &EnvelopeAddress> {
    list.iter().filter(|address| address.host.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::mime::address_list;

    fn check(field: &str, expected: &str) {
        let list = address_list::parse(field.as_bytes());
        assert_eq!(several(&list, 2), expected, "{field}");
    }

    #[test]
    fn names_are_shown_unless_they_lie() {
        check("Anna Muster <anna@example.org>", "Anna Muster");
        check("anna@example.org", "anna@example.org");
        check("\"bank@example.org\" <x@evil.example>", "x@evil.example");
        check("a@x.org, b@x.org, c@x.org, d@x.org", "a@x.org, b@x.org + 2");
        check("Freunde: Bob <b@x.org>;", "Bob");
        check("=?utf-8?Q?J=C3=BCrgen?= <j@x.org>", "J\u{fc}rgen");
        check("", "");
    }

    #[test]
    fn nothing_turns_text_around() {
        let text = "exe\u{202e}gpj.\u{200b}\u{7}  x\r\ny";
        assert_eq!(clean_text(text), "exegpj.  x  y");
    }
}
