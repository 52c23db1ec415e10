//! Plain text for reading: quotes folded, paragraphs of `format=flowed` joined (RFC 3676), addresses of the web as links.

use maud::{Markup, html};

use super::people::deceives;
use crate::mail::flowed;
use crate::web::words::Lang;

/// Deepest quotes that are shown as such.
const QUOTES_MAX: usize = 6;

/// Quotes of more lines are folded.
const QUOTE_LINES_SHOWN: usize = 3;

/// How lines of a text belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Each line stands for itself.
    Fixed,
    /// A line that ends with a space goes on in the next (RFC 3676 4.1).
    Flowed,
    /// The same, and that space is not part of the text (`DelSp`).
    FlowedTight,
}

/// A line with the number of its quote marks.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    depth: usize,
    text: String,
}

/// The text as part of a page.
pub(super) fn render(text: &str, format: Format, lang: Lang) -> Markup {
    let lines = join(text.lines().map(split), format);
    html! { div.text { (render_lines(&lines, 0, lang)) } }
}

/// Counts and takes off quote marks, and the space that may follow.
fn split(line: &str) -> Line {
    let line = line.trim_end_matches('\r');
    let (depth, text) = flowed::split_quote(line, usize::MAX);
    Line {
        depth: depth.min(QUOTES_MAX),
        text: text
            .chars()
            .filter(|c| !deceives(*c) && (*c == '\t' || !c.is_control()))
            .collect(),
    }
}

fn join(lines: impl Iterator<Item = Line>, format: Format) -> Vec<Line> {
    if format == Format::Fixed {
        return lines.collect();
    }
    let mut joined: Vec<Line> = Vec::new();
    let mut flows = false;
    for mut line in lines {
        if line.depth == 0 && line.text.starts_with(' ') {
            line.text.remove(0);
        }
        // RFC 3676 4.3: the mark of a signature ends with a space and flows nowhere.
        let is_mark = line.text == "-- ";
        let goes_on = line.text.ends_with(' ') && !is_mark;
        if goes_on && format == Format::FlowedTight {
            line.text.pop();
        }
        match joined.last_mut() {
            Some(last) if flows && last.depth == line.depth && !is_mark => {
                last.text.push_str(&line.text);
            }
            _ => joined.push(line),
        }
        flows = goes_on;
    }
    joined
}

fn render_lines(lines: &[Line], depth: usize, lang: Lang) -> Markup {
    let runs = lines.chunk_by(|left, right| (left.depth > depth) == (right.depth > depth));
    html! {
        @for run in runs {
            @if run.first().is_some_and(|line| line.depth > depth) { (render_quote(run, depth + 1, lang)) }
            @else { p { (render_run(run)) } }
        }
    }
}

fn render_quote(lines: &[Line], depth: usize, lang: Lang) -> Markup {
    let inside = html! { blockquote { (render_lines(lines, depth, lang)) } };
    if lines.len() <= QUOTE_LINES_SHOWN {
        return inside;
    }
    html! {
        details.quote {
            summary { (lang.t("Zitat", "Quoted text")) " (" (lines.len()) " " (lang.t("Zeilen", "lines")) ")" }
            (inside)
        }
    }
}

/// Lines of one depth; empty ones at either end say nothing beside a quote.
fn render_run(lines: &[Line]) -> Markup {
    let texts: Vec<&str> = lines.iter().map(|line| line.text.trim_end()).collect();
    let text = texts.join("\n");
    link(text.trim_matches('\n'))
}

/// Text with its links.
pub(super) fn link(text: &str) -> Markup {
    let mut rest = text;
    let mut out = Vec::new();
    while let Some(at) = find_link(rest) {
        let (before, from) = rest.split_at(at);
        let (url, after) = from.split_at(url_bytes(from));
        let is_word = before
            .chars()
            .next_back()
            .is_some_and(char::is_alphanumeric);
        out.push(html! { (before) });
        if is_word || !has_host(url) {
            out.push(html! { (url) });
        } else {
            out.push(html! { a href=(url) rel="noreferrer noopener" target="_blank" { (url) } });
        }
        rest = after;
    }
    out.push(html! { (rest) });
    html! { @for piece in &out { (piece) } }
}

fn find_link(text: &str) -> Option<usize> {
    let starts = ["https://", "http://"];
    starts.iter().filter_map(|start| text.find(start)).min()
}

fn has_host(url: &str) -> bool {
    let host = url.split_once("://").map_or("", |(_, rest)| rest);
    host.starts_with(|c: char| c.is_alphanumeric() || c == '[')
}

/// Length of the address at the start of `text`, without what ends a sentence or closes a bracket around it.
fn url_bytes(text: &str) -> usize {
    let ends = |c: char| c.is_whitespace() || c.is_control() || "<>\"`{}|\\^".contains(c);
    let mut url = text
        .get(..text.find(ends).unwrap_or(text.len()))
        .unwrap_or(text);
    while let Some(last) = url.chars().next_back() {
        let is_closing = last == ')' && url.matches(')').count() > url.matches('(').count();
        if !is_closing && !".,;:!?'*_]".contains(last) {
            break;
        }
        url = url.strip_suffix(last).unwrap_or_default();
    }
    url.len().max("http://".len()).min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::types::Language;

    fn shown(text: &str, format: Format) -> String {
        render(text, format, Lang(Language::En)).into_string()
    }

    #[test]
    fn lines_and_links() {
        assert_eq!(
            shown("a <b>\nsee (https://x.org/a_(b)).", Format::Fixed),
            "<div class=\"text\"><p>a &lt;b&gt;\nsee (<a href=\"https://x.org/a_(b)\" \
             rel=\"noreferrer noopener\" target=\"_blank\">https://x.org/a_(b)</a>).</p></div>"
        );
        for no_link in [
            "javascript:alert(1)",
            "xhttps://a",
            "http://",
            "https://\"",
            "http:// a",
        ] {
            assert!(!shown(no_link, Format::Fixed).contains("<a"), "{no_link}");
        }
    }

    #[test]
    fn long_quotes_are_folded() {
        let text = shown("Hi\n> a\n>> b\n> c\n> d\nBye", Format::Fixed);
        assert!(
            text.contains("<details class=\"quote\"><summary>Quoted text (4 lines)"),
            "{text}"
        );
        assert!(text.contains("<blockquote><p>b</p></blockquote>"), "{text}");
        assert!(!shown("> a\nyes", Format::Fixed).contains("<details"));
    }

    #[test]
    fn flowed_text_is_joined() {
        let lines = |text: &str, format| -> Vec<String> {
            join(text.lines().map(split), format)
                .into_iter()
                .map(|line| line.text)
                .collect()
        };
        assert_eq!(
            lines("one \ntwo\nthree", Format::Flowed),
            ["one two", "three"]
        );
        assert_eq!(lines("on \ne", Format::FlowedTight), ["one"]);
        assert_eq!(
            lines("> one \n> two\nthree", Format::Flowed),
            ["one two", "three"]
        );
        assert_eq!(
            lines(" >no quote\n-- \nAnna", Format::Flowed),
            [">no quote", "-- ", "Anna"]
        );
    }

    #[test]
    fn deep_quotes_end_somewhere() {
        let text = ">".repeat(10_000) + " deep\n";
        assert!(shown(&text.repeat(5), Format::Fixed).contains("deep"));
    }
}
