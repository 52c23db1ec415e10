//! Address fields as ENVELOPE shows them (RFC 5322 3.4 with its obsolete forms, RFC 3501 7.4.2).
//!
//! Names stay undecoded. Nothing is refused: what is no address is given as a mailbox without a host, since people
//! want to see what stands in their mail.

use super::{ADDRESSES_MAX, EnvelopeAddress};

/// The addresses of an unfolded field, groups marked (see [`EnvelopeAddress`]).
pub fn parse(value: &[u8]) -> Vec<EnvelopeAddress> {
    let mut list = List::default();
    let mut rest = value;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'"' => rest = list.take_quoted(rest),
            b'(' => rest = list.take_comment(rest),
            b'<' => rest = list.take_angle(rest),
            b'[' => rest = list.take_literal(rest),
            b',' => list.end_address(),
            b';' => list.end_group(),
            b':' if !list.in_group && list.entry.at.is_none() => list.begin_group(),
            _ => list.entry.take(byte),
        }
        if list.done.len() >= ADDRESSES_MAX {
            break;
        }
    }
    list.end_address();
    if list.in_group {
        list.end_group();
    }
    list.done
}

#[derive(Default)]
struct List {
    done: Vec<EnvelopeAddress>,
    in_group: bool,
    entry: Entry,
}

/// The address under way.
#[derive(Default)]
struct Entry {
    /// What stands outside of brackets and comments, unquoted: a display name, or the address itself.
    text: Vec<u8>,
    /// Where in `text` the first unquoted `@` is.
    at: Option<usize>,
    /// Last comment; in old mail it holds the display name.
    comment: Vec<u8>,
    /// What stood in angle brackets.
    angle: Option<EnvelopeAddress>,
}

impl Entry {
    fn take(&mut self, byte: u8) {
        let byte = if byte == b'\t' { b' ' } else { byte };
        if byte == b' ' && (self.text.is_empty() || self.text.ends_with(b" ")) {
            return;
        }
        if byte == b'@' {
            self.at.get_or_insert(self.text.len());
        }
        self.text.push(byte);
    }

    fn into_address(self) -> Option<EnvelopeAddress> {
        // Not trimmed in front, so that `at` still fits; spaces there can only have been quoted.
        let text = self.text.trim_ascii_end();
        if let Some(angle) = self.angle {
            let name = if text.is_empty() {
                self.comment
            } else {
                text.to_vec()
            };
            return Some(EnvelopeAddress {
                name: non_empty(name),
                ..angle
            });
        }
        if text.is_empty() {
            return None;
        }
        let (mailbox, host) = match self.at.and_then(|at| text.split_at_checked(at)) {
            Some((mailbox, host)) => (mailbox, host.get(1..).unwrap_or_default()),
            None => (text, &b""[..]),
        };
        Some(EnvelopeAddress {
            name: non_empty(self.comment),
            route: None,
            mailbox: Some(mailbox.trim_ascii().to_vec()),
            host: Some(host.trim_ascii().to_vec()),
        })
    }
}

fn non_empty(text: Vec<u8>) -> Option<Vec<u8>> {
    (!text.is_empty()).then_some(text)
}

impl List {
    fn take_quoted<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let (content, rest) = quoted(rest, b'"');
        self.entry.text.extend_from_slice(&content);
        rest
    }

    fn take_comment<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let (content, rest) = comment(rest);
        self.entry.comment = content.trim_ascii().to_vec();
        rest
    }

    /// A domain literal, in which a colon begins no group.
    fn take_literal<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        self.entry.text.push(b'[');
        let end = rest.iter().position(|b| matches!(b, b']' | b',' | b'>'));
        let (inside, rest) = rest.split_at(end.unwrap_or(rest.len()));
        self.entry.text.extend_from_slice(inside);
        rest
    }

    fn take_angle<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let (angle, rest) = angle(rest);
        self.entry.angle.get_or_insert(angle);
        rest
    }

    fn end_address(&mut self) {
        self.done
            .extend(std::mem::take(&mut self.entry).into_address());
    }

    fn begin_group(&mut self) {
        self.in_group = true;
        let name = std::mem::take(&mut self.entry).text.trim_ascii().to_vec();
        self.done.push(EnvelopeAddress {
            mailbox: Some(name),
            ..EnvelopeAddress::default()
        });
    }

    /// A semicolon; outside of a group it is Outlook's comma.
    fn end_group(&mut self) {
        self.end_address();
        if std::mem::take(&mut self.in_group) {
            self.done.push(EnvelopeAddress::default());
        }
    }
}

/// What stands in angle brackets, of which the first was taken, and what follows the last.
fn angle(rest: &[u8]) -> (EnvelopeAddress, &[u8]) {
    let mut entry = Entry::default();
    let mut route = None;
    let mut rest = rest;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'>' => break,
            b'"' => {
                let (content, after) = quoted(rest, b'"');
                entry.text.extend_from_slice(&content);
                rest = after;
            }
            b'(' => rest = comment(rest).1,
            b'[' => {
                let (inside, after) = quoted(rest, b']');
                entry.text.push(b'[');
                entry.text.extend_from_slice(&inside);
                entry.text.push(b']');
                rest = after;
            }
            b':' if entry.text.starts_with(b"@") => route = Some(std::mem::take(&mut entry).text),
            _ => entry.take(byte),
        }
    }
    let address = entry.into_address().unwrap_or_else(|| EnvelopeAddress {
        mailbox: Some(Vec::new()),
        host: Some(Vec::new()),
        ..EnvelopeAddress::default()
    });
    (EnvelopeAddress { route, ..address }, rest)
}

/// The content up to `close`, backslashes resolved, and what follows; all of it if there is no `close`.
pub(super) fn quoted(rest: &[u8], close: u8) -> (Vec<u8>, &[u8]) {
    let mut content = Vec::new();
    let mut bytes = rest.iter();
    while let Some(byte) = bytes.next() {
        match *byte {
            b'\\' => content.extend(bytes.next()),
            end if end == close => break,
            other => content.push(other),
        }
    }
    (content, bytes.as_slice())
}

/// The content of a comment whose `(` was taken, nested ones kept with their brackets, and what follows it.
pub(super) fn comment(rest: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut content = Vec::new();
    let mut depth = 1_usize;
    let mut bytes = rest.iter();
    while let Some(byte) = bytes.next() {
        match *byte {
            b'\\' => {
                content.extend(bytes.next());
                continue;
            }
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        content.push(*byte);
    }
    (content, bytes.as_slice())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Each address as `name|route|mailbox|host`, `~` for NIL.
    fn check(value: &str, expected: &[&str]) {
        let text = |field: &Option<Vec<u8>>| match field {
            Some(field) => String::from_utf8_lossy(field).into_owned(),
            None => "~".to_owned(),
        };
        let line =
            |a: &EnvelopeAddress| [&a.name, &a.route, &a.mailbox, &a.host].map(text).join("|");
        let found: Vec<String> = parse(value.as_bytes()).iter().map(line).collect();
        assert_eq!(found, expected, "{value}");
    }

    #[test]
    fn ordinary_addresses() {
        check("a@x.org", &["~|~|a|x.org"]);
        check("<a@x.org>", &["~|~|a|x.org"]);
        check(
            "Anna  Muster\t<a@x.org> , b@y.org",
            &["Anna Muster|~|a|x.org", "~|~|b|y.org"],
        );
        check(
            "\"Muster, \\\"A\\\"\" <a@x.org>",
            &["Muster, \"A\"|~|a|x.org"],
        );
        check(
            "=?utf-8?Q?J=C3=BCrgen?= <j@x.org>",
            &["=?utf-8?Q?J=C3=BCrgen?=|~|j|x.org"],
        );
        check("a@x.org (Anna (M.))", &["Anna (M.)|~|a|x.org"]);
        check(
            "a@[IPv6:::1], <b@[10.0.0.1]>",
            &["~|~|a|[IPv6:::1]", "~|~|b|[10.0.0.1]"],
        );
        check("\"a@b\"@x.org", &["~|~|a@b|x.org"]);
        check("J. R. \"Bob\" D <j@x.org>", &["J. R. Bob D|~|j|x.org"]);
    }

    #[test]
    fn groups_and_routes() {
        check(
            "undisclosed-recipients:;",
            &["~|~|undisclosed-recipients|~", "~|~|~|~"],
        );
        check(
            "The List: a@x.org, B <b@y.org>; c@z.org",
            &[
                "~|~|The List|~",
                "~|~|a|x.org",
                "B|~|b|y.org",
                "~|~|~|~",
                "~|~|c|z.org",
            ],
        );
        check("open: a@x.org", &["~|~|open|~", "~|~|a|x.org", "~|~|~|~"]);
        check("R <@r.org,@s.org:a@x.org>", &["R|@r.org,@s.org|a|x.org"]);
    }

    #[test]
    fn broken_ones_still_show_something() {
        check("", &[]);
        check(" , ,", &[]);
        check("root", &["~|~|root|"]);
        check("<>", &["~|~||"]);
        check("a@x.org <a@x.org>", &["a@x.org|~|a|x.org"]);
        check("Anna <a@x.org", &["Anna|~|a|x.org"]);
        check(
            "\"Anna <a@x.org>, b@y.org",
            &["~|~|Anna <a@x.org>, b@y.org|"],
        );
        check("(only a comment", &[]);
        check("a@x.org; b@y.org", &["~|~|a|x.org", "~|~|b|y.org"]);
        check("@x.org", &["~|~||x.org"]);
    }

    #[test]
    fn number_is_limited() {
        let many = "a@x.org,".repeat(ADDRESSES_MAX + 10);
        assert_eq!(parse(many.as_bytes()).len(), ADDRESSES_MAX);
    }

    proptest! {
        #[test]
        fn any_bytes_parse(value in "[a-c@<>,:;()\"\\\\\\[\\] ]{0,40}") {
            parse(value.as_bytes());
        }
    }
}
