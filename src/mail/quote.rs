//! What an answer takes over from the mail that it answers: its text with quote marks, and text from HTML.

/// Most bytes of a text that are quoted.
pub const QUOTED_BYTES_MAX: usize = 64 << 10;

/// Elements whose content is no text.
const SILENT: [&str; 4] = ["script", "style", "head", "title"];

/// Elements that stand on lines of their own.
const BLOCKS: [&str; 19] = [
    "address",
    "article",
    "blockquote",
    "br",
    "dd",
    "div",
    "dl",
    "dt",
    "h1",
    "h2",
    "h3",
    "h4",
    "hr",
    "li",
    "p",
    "pre",
    "table",
    "tr",
    "ul",
];

/// The text with a quote mark in front of each line, without its signature and the empty lines at its ends.
pub fn quote(text: &str) -> String {
    let mut out = String::new();
    for line in without_signature(text).trim_matches(['\r', '\n']).lines() {
        let line = line.trim_end();
        let is_bare = line.is_empty() || line.starts_with('>');
        out.push_str(if is_bare { ">" } else { "> " });
        out.push_str(line);
        out.push('\n');
        if out.len() > QUOTED_BYTES_MAX {
            out.push_str("> [...]\n");
            break;
        }
    }
    out
}

/// RFC 3676 4.3
fn without_signature(text: &str) -> &str {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_end_matches(['\r', '\n']) == "-- " {
            return text.get(..at).unwrap_or(text);
        }
        at += line.len();
    }
    text
}

/// The text of a page: no markup, lines where blocks begin and end. For reading it is not good enough.
pub fn from_html(html: &str) -> String {
    let mut page = Page::default();
    let mut rest = html;
    while let Some((text, tail)) = rest.split_once('<') {
        page.text(text);
        if let Some(comment) = tail.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, rest)| rest);
            continue;
        }
        let Some((tag, after)) = tail.split_once('>') else {
            rest = "";
            break;
        };
        rest = page.tag(tag, after);
    }
    page.text(rest);
    page.finish()
}

#[derive(Default)]
struct Page {
    out: String,
}

impl Page {
    fn text(&mut self, text: &str) {
        for word in text.split_inclusive(char::is_whitespace) {
            let bare = word.trim_end();
            self.out.push_str(&unescape(bare));
            let is_open = !self.out.is_empty() && !self.out.ends_with([' ', '\n']);
            if bare.len() < word.len() && is_open {
                self.out.push(' ');
            }
        }
    }

    /// Takes a tag; gives what comes after it, or after what it silences.
    fn tag<'a>(&mut self, tag: &str, after: &'a str) -> &'a str {
        let name = tag.trim_start_matches('/');
        let name = name.split(|c: char| !c.is_ascii_alphanumeric()).next();
        let name = name.unwrap_or_default().to_ascii_lowercase();
        if BLOCKS.contains(&name.as_str()) {
            self.line(&name);
        }
        if SILENT.contains(&name.as_str()) && !tag.starts_with('/') {
            return skip_to_end(&name, after);
        }
        after
    }

    fn line(&mut self, name: &str) {
        while self.out.ends_with(' ') {
            self.out.pop();
        }
        if name == "br" || name == "p" || !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }

    /// At most one empty line at a time.
    fn finish(self) -> String {
        let mut out = String::new();
        let mut empty = 0;
        for line in self.out.trim().lines() {
            let line = line.trim_end();
            empty = if line.is_empty() { empty + 1 } else { 0 };
            if empty < 2 {
                out.push_str(line);
                out.push('\n');
            }
        }
        out
    }
}

/// What follows `</name`.
fn skip_to_end<'a>(name: &str, text: &'a str) -> &'a str {
    let mut rest = text;
    while let Some((_, tail)) = rest.split_once("</") {
        let found = tail.get(..name.len());
        if found.is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return tail.split_once('>').map_or("", |(_, rest)| rest);
        }
        rest = tail;
    }
    ""
}

/// The characters that mail programs escape, and those given by number.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once('&') {
        out.push_str(before);
        let named = tail.split_once(';').and_then(|(name, after)| {
            let known = entity(name)?;
            Some((known, after))
        });
        let (c, after) = named.unwrap_or(('&', tail));
        out.push(c);
        rest = after;
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    let by_number = |digits: &str, radix| {
        let number = u32::from_str_radix(digits, radix).ok()?;
        char::from_u32(number).filter(|c| !c.is_control())
    };
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        "auml" => Some('\u{e4}'),
        "ouml" => Some('\u{f6}'),
        "uuml" => Some('\u{fc}'),
        "Auml" => Some('\u{c4}'),
        "Ouml" => Some('\u{d6}'),
        "Uuml" => Some('\u{dc}'),
        "szlig" => Some('\u{df}'),
        "euro" => Some('\u{20ac}'),
        _ => {
            let number = name.strip_prefix('#')?;
            match number.strip_prefix(['x', 'X']) {
                Some(digits) => by_number(digits, 16),
                None => by_number(number, 10),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes() {
        for (text, expected) in [
            ("", ""),
            ("\r\nHi\r\n\r\n> old\r\n\r\n", "> Hi\n>\n>> old\n"),
            ("Hi\n-- \nBob\n", "> Hi\n"),
            ("-- \nBob", ""),
        ] {
            assert_eq!(quote(text), expected, "{text:?}");
        }
        let long = quote(&"x\n".repeat(QUOTED_BYTES_MAX));
        assert!(long.len() < QUOTED_BYTES_MAX + 20 && long.ends_with("[...]\n"));
    }

    #[test]
    fn text_of_pages() {
        for (html, expected) in [
            ("<p>Hi <b>Anna</b>,</p><p>a\n  b</p>", "Hi Anna,\n\na b\n"),
            ("a<br>b<BR/>c", "a\nb\nc\n"),
            (
                "<style>x{}</style><script>if (a</b) </SCRIPT>y<!-- <p>no -->z",
                "yz\n",
            ),
            (
                "&lt;b&gt; &amp;amp; &#228;&#xe4;&uuml; &x; &",
                "<b> &amp; \u{e4}\u{e4}\u{fc} &x; &\n",
            ),
            ("<div>a</div><div>b</div><ul><li>c</li></ul>", "a\nb\nc\n"),
            ("a<b", "a\n"),
            ("<script>never", "\n"),
            ("", ""),
        ] {
            assert_eq!(from_html(html).trim_end(), expected.trim_end(), "{html}");
        }
    }
}
