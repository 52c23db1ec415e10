//! Text as `format=flowed` (RFC 3676): paragraphs in short lines that readers join again, quotes marked by depth.
//!
//! Writing and reading are each other's inverse for texts in the form that reading gives: no spaces at the end of lines,
//! quotes as `>> text`.

/// Characters of a line, with the space that says that it goes on (RFC 3676 4.2).
const LINE_CHARS_MAX: usize = 72;

/// The line between a text and a signature (RFC 3676 4.3). It ends with a space and flows nowhere.
const SIGNATURE_MARK: &str = "-- ";

/// Deepest quotes that are told apart.
const DEPTH_MAX: usize = 100;

/// How lines of a text belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Each line stands for itself.
    Fixed,
    /// A line that ends with a space goes on in the next (RFC 3676 4.1).
    Flowed,
    /// The same, and that space is not part of the text (`DelSp`).
    FlowedTight,
}

/// What somebody typed, each paragraph a line, as lines with CRLF. Quoted lines are not broken.
pub fn write(text: &str) -> String {
    let mut out = String::new();
    for line in text.trim_end().lines() {
        let line = clean(line);
        let (depth, content) = split_quote(&line, DEPTH_MAX);
        if depth == 0 {
            write_paragraph(&line, &mut out);
        } else {
            write_quote(depth, content, &mut out);
        }
    }
    out
}

fn clean(line: &str) -> String {
    let kept = line.chars().filter(|c| *c == '\t' || !c.is_control());
    let line: String = kept.collect();
    if line == SIGNATURE_MARK {
        return line;
    }
    line.trim_end_matches(' ').to_owned()
}

/// Counts and takes off quote marks, `depth_max` at most and also `> >`, and the space behind them (RFC 3676 4.4, 4.5).
pub fn split_quote(line: &str, depth_max: usize) -> (usize, &str) {
    let (mut depth, mut rest) = (0, line);
    while depth < depth_max {
        let spaced = if depth == 0 {
            rest
        } else {
            rest.strip_prefix(' ').unwrap_or(rest)
        };
        let Some(after) = spaced.strip_prefix('>') else {
            break;
        };
        (depth, rest) = (depth + 1, after);
    }
    let content = if depth > 0 {
        rest.strip_prefix(' ').unwrap_or(rest)
    } else {
        rest
    };
    (depth, content)
}

fn write_quote(depth: usize, content: &str, out: &mut String) {
    out.push_str(&">".repeat(depth));
    if !content.is_empty() {
        out.push(' ');
        out.push_str(content);
    }
    out.push_str("\r\n");
}

fn write_paragraph(line: &str, out: &mut String) {
    let mut rest = line;
    while let Some(at) = break_at(rest) {
        let (now, later) = rest.split_at(at);
        write_line(now, out);
        rest = later;
    }
    write_line(rest, out);
}

fn write_line(line: &str, out: &mut String) {
    // RFC 3676 4.4: what would be read as a quote, as stuffing, or by mbox files.
    if line.starts_with([' ', '>']) || line.starts_with("From ") {
        out.push(' ');
    }
    out.push_str(line);
    out.push_str("\r\n");
}

/// Where to break a line that is too long: behind the last space that fits, else behind the first one.
fn break_at(line: &str) -> Option<usize> {
    if line.chars().count() <= LINE_CHARS_MAX {
        return None;
    }
    let fits = line
        .char_indices()
        .nth(LINE_CHARS_MAX - 1)
        .map(|(at, _)| at)?;
    let is_good = |at: usize| line.get(..at).is_some_and(|now| now != SIGNATURE_MARK);
    let spaces = line.char_indices().filter(|(_, c)| *c == ' ');
    let spaces: Vec<usize> = spaces
        .map(|(at, _)| at + 1)
        .filter(|at| is_good(*at))
        .collect();
    let before = spaces.iter().rev().find(|at| **at <= fits);
    let found = before.or_else(|| spaces.first()).copied()?;
    (found < line.len()).then_some(found)
}

/// A line as it was written, with the depth of its quote.
struct Line {
    depth: usize,
    text: String,
}

/// A text as somebody would type it: paragraphs joined, quotes as `>> text`.
pub fn read(text: &str, format: Format) -> String {
    let mut lines: Vec<Line> = Vec::new();
    let mut flows = false;
    for line in text.lines() {
        let (mut line, goes_on) = read_line(line, format);
        let is_mark = line.text == SIGNATURE_MARK;
        match lines.last_mut() {
            Some(last) if flows && last.depth == line.depth && !is_mark => {
                last.text.push_str(&line.text);
            }
            _ => lines.push(Line {
                depth: line.depth,
                text: std::mem::take(&mut line.text),
            }),
        }
        flows = goes_on;
    }
    let mut out = String::new();
    for line in &lines {
        out.push_str(&">".repeat(line.depth));
        if line.depth > 0 && !line.text.is_empty() {
            out.push(' ');
        }
        out.push_str(&line.text);
        out.push('\n');
    }
    out
}

/// One line, and whether it goes on in the next.
fn read_line(line: &str, format: Format) -> (Line, bool) {
    if format == Format::Fixed {
        let line = Line {
            depth: 0,
            text: line.to_owned(),
        };
        return (line, false);
    }
    let stuffed = line.trim_start_matches('>');
    let depth = line.len() - stuffed.len();
    let mut text = stuffed.strip_prefix(' ').unwrap_or(stuffed).to_owned();
    let goes_on = text.ends_with(' ') && text != SIGNATURE_MARK;
    if goes_on && format == Format::FlowedTight {
        text.pop();
    }
    (Line { depth, text }, goes_on)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(typed: &str, written: &str) {
        assert_eq!(write(typed), written.replace('\n', "\r\n"));
    }

    #[test]
    fn texts() {
        check("Hello\r\n\r\nAnna  \r\n", "Hello\n\nAnna\n");
        check("> a\n>> b\n> > c\n>", "> a\n>> b\n>> c\n>\n");
        check(" in\nFrom here\n-- \nAnna", "  in\n From here\n-- \nAnna\n");
        check("nul\0 and \u{7}bell", "nul and bell\n");
        check("", "");
        let long = "word ".repeat(20);
        let (first, second) = ("word ".repeat(14), "word ".repeat(6));
        check(&long, &format!("{first}\n{}\n", second.trim_end()));
        let endless = "x".repeat(200);
        check(&endless, &format!("{endless}\n"));
        check(&format!("-- {endless} y"), &format!("-- {endless} \ny\n"));
    }

    #[test]
    fn what_others_wrote() {
        assert_eq!(read("on \r\ne\r\n", Format::FlowedTight), "one\n");
        assert_eq!(
            read("> a \r\n> b\r\n>> c \r\nd\r\n", Format::Flowed),
            "> a b\n>> c \nd\n"
        );
        assert_eq!(read(" a \n b", Format::Fixed), " a \n b\n");
        assert_eq!(read("x \n-- \nAnna", Format::Flowed), "x \n-- \nAnna\n");
    }

    proptest! {
        #[test]
        fn what_is_typed_comes_back(
            lines in prop::collection::vec("(>{1,2} )?[a-c-]{1,90}( [ >a-c]{1,30}[a-c])*|-- | ?>?x|From x", 0..8)
        ) {
            let typed = lines.join("\n");
            let normal = |text: &str| read(&write(text), Format::Flowed);
            let once = normal(&typed);
            prop_assert_eq!(&normal(&once), &once);
            let words = |text: &str| -> String {
                text.chars().filter(|c| !matches!(c, ' ' | '\n')).collect()
            };
            prop_assert_eq!(words(&once), words(&typed));
            prop_assert_eq!(once.lines().count(), typed.trim_end().lines().count());
        }
    }
}
