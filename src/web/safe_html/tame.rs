//! HTML of strangers as plain, well-formed HTML: known elements and attributes, quoted, each one closed, nothing nested
//! deeply.
//!
//! This is not what makes it safe to show (ammonia does that with the result) but what makes it cheap to read: a parser of
//! HTML can be driven to work and memory without bounds by unclosed and misnested elements, and by elements with many
//! attributes. One pass, linear in the input, and what goes on to the parser is written here.

/// Most elements open at a time; deeper ones are left out, their content is kept.
const DEPTH_MAX: usize = 100;

/// Most of those that a parser opens again by itself when they are closed in the wrong order.
const STYLED_DEPTH_MAX: usize = 16;

/// Most elements; what follows is cut off.
const ELEMENTS_MAX: usize = 30_000;

/// Most attributes of one element that are looked at.
const ATTRIBUTES_MAX: usize = 40;

/// Elements that hold others or text.
const CONTAINERS: &[&str] = &[
    "a",
    "abbr",
    "address",
    "article",
    "aside",
    "b",
    "big",
    "blockquote",
    "caption",
    "center",
    "cite",
    "code",
    "colgroup",
    "dd",
    "del",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "font",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "i",
    "ins",
    "kbd",
    "li",
    "main",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "section",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
];

/// Elements that hold nothing.
const VOIDS: &[&str] = &["br", "col", "hr", "img", "wbr"];

/// Elements that a parser opens again by itself (HTML standard, 13.2.4.3).
const STYLED: &[&str] = &[
    "a", "b", "big", "code", "em", "font", "i", "s", "small", "strike", "strong", "tt", "u",
];

/// Elements whose content is no text of the mail.
const SKIPPED: &[&str] = &[
    "script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "svg", "math",
    "template", "select", "object", "applet", "audio", "video", "canvas", "frameset",
];

/// Attributes that may say something harmless.
const ATTRIBUTES: &[&str] = &[
    "align",
    "alt",
    "bgcolor",
    "border",
    "cellpadding",
    "cellspacing",
    "class",
    "color",
    "colspan",
    "dir",
    "face",
    "height",
    "href",
    "lang",
    "nowrap",
    "reversed",
    "rowspan",
    "size",
    "span",
    "src",
    "start",
    "style",
    "type",
    "valign",
    "value",
    "width",
];

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tamed {
    /// The elements and texts.
    pub(super) html: String,
    /// What stood in style elements, as it stood.
    pub(super) style: String,
    /// Whether some image is not in the mail itself.
    pub(super) has_remote: bool,
    /// Whether it is too much.
    pub(super) is_cut: bool,
}

/// Tames `html`.
pub(super) fn tame(html: &str) -> Tamed {
    let mut tamer = Tamer::default();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (text, tail) = rest.split_at(at);
        tamer.text(text);
        if tamer.elements >= ELEMENTS_MAX {
            tamer.out.is_cut = true;
            rest = "";
            break;
        }
        rest = tamer.markup(tail);
    }
    tamer.text(rest);
    tamer.close_to(0);
    tamer.out
}

#[derive(Default)]
struct Tamer {
    out: Tamed,
    open: Vec<&'static str>,
    elements: usize,
}

/// A start tag: name in lower case, attributes as they stand.
struct Tag<'a> {
    name: String,
    attributes: Vec<(String, &'a str)>,
}

impl Tamer {
    fn text(&mut self, text: &str) {
        escape(text, &mut self.out.html);
    }

    /// Takes what begins with `<`; gives the rest.
    fn markup<'a>(&mut self, from: &'a str) -> &'a str {
        let after = from.get(1..).unwrap_or_default();
        if let Some(comment) = after.strip_prefix("!--") {
            return end_of_comment(comment);
        }
        if after.starts_with(['!', '?']) {
            return behind(after, ">");
        }
        if let Some(end) = after.strip_prefix('/') {
            if end.starts_with(|c: char| c.is_ascii_alphabetic()) {
                self.end(&name_of(end));
            }
            return behind(end, ">");
        }
        if after.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let (tag, rest) = start_tag(after);
            return self.start(&tag, rest);
        }
        self.out.html.push_str("&lt;");
        after
    }

    fn start<'a>(&mut self, tag: &Tag<'_>, rest: &'a str) -> &'a str {
        if let Some(skipped) = known(SKIPPED, &tag.name) {
            let (content, rest) = content_of(rest, skipped);
            if skipped == "style" {
                self.out.style.push_str(content);
                self.out.style.push('\n');
            }
            return rest;
        }
        self.elements += 1;
        if let Some(void) = known(VOIDS, &tag.name) {
            self.close_implied(void);
            self.write(void, tag);
        } else if let Some(container) = known(CONTAINERS, &tag.name) {
            self.close_implied(container);
            if self.may_open(container) {
                self.open.push(container);
                self.write(container, tag);
            }
        }
        rest
    }

    fn may_open(&self, name: &str) -> bool {
        let is_styled = |name: &str| STYLED.contains(&name);
        let styled = self.open.iter().filter(|open| is_styled(open)).count();
        self.open.len() < DEPTH_MAX && !(is_styled(name) && styled >= STYLED_DEPTH_MAX)
    }

    /// Closes the innermost element of that name and all within it, unless a cell of a table lies between.
    fn end(&mut self, name: &str) {
        let is_table = TABLE.contains(&name);
        for (at, open) in self.open.iter().enumerate().rev() {
            if *open == name {
                return self.close_to(at);
            }
            if !is_table && matches!(*open, "td" | "th" | "table") || *open == "table" {
                return;
            }
        }
    }

    /// Closes what a parser would close by itself when `name` begins.
    fn close_implied(&mut self, name: &str) {
        let mut close_to = None;
        for (at, open) in self.open.iter().enumerate().rev() {
            if implies_end(name, open) {
                close_to = Some(at);
            } else if is_barrier(name, open) {
                break;
            }
        }
        if let Some(at) = close_to {
            self.close_to(at);
        }
    }

    fn close_to(&mut self, count: usize) {
        while self.open.len() > count {
            if let Some(name) = self.open.pop() {
                self.out.html.push_str("</");
                self.out.html.push_str(name);
                self.out.html.push('>');
            }
        }
    }

    fn write(&mut self, name: &str, tag: &Tag<'_>) {
        self.out.html.push('<');
        self.out.html.push_str(name);
        for (attribute, value) in &tag.attributes {
            if name == "img" && attribute == "src" {
                self.out.has_remote = self.out.has_remote || is_remote(value);
            }
            if known(ATTRIBUTES, attribute).is_some() {
                self.out.html.extend([" ", attribute, "=\""]);
                escape(value, &mut self.out.html);
                self.out.html.push('"');
            }
        }
        self.out.html.push('>');
    }
}

const TABLE: &[&str] = &[
    "table", "caption", "colgroup", "tbody", "thead", "tfoot", "tr", "td", "th",
];

/// Blocks, which end a paragraph.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "center",
    "dd",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "ul",
];

/// Whether the start of `name` ends an open element.
fn implies_end(name: &str, open: &str) -> bool {
    match open {
        "p" => BLOCKS.contains(&name),
        "li" => name == "li",
        "dd" | "dt" => matches!(name, "dd" | "dt"),
        "a" => name == "a",
        "td" | "th" => matches!(name, "td" | "th" | "tr" | "tbody" | "thead" | "tfoot"),
        "tr" => matches!(name, "tr" | "tbody" | "thead" | "tfoot"),
        "tbody" | "thead" | "tfoot" | "caption" | "colgroup" => {
            matches!(name, "tbody" | "thead" | "tfoot")
        }
        _ => false,
    }
}

/// Whether `name` ends nothing that holds this open element.
fn is_barrier(name: &str, open: &str) -> bool {
    let is_inside = !TABLE.contains(&name) || name == "table";
    match open {
        "table" => true,
        "td" | "th" | "caption" => is_inside,
        "ul" | "ol" => name == "li",
        "dl" => matches!(name, "dd" | "dt"),
        _ => false,
    }
}

fn known(list: &'static [&'static str], name: &str) -> Option<&'static str> {
    list.iter().copied().find(|known| *known == name)
}

fn is_remote(src: &str) -> bool {
    let src = src.trim_start().to_ascii_lowercase();
    !src.is_empty() && !src.starts_with("cid:") && !src.starts_with("data:")
}

/// Text as it may stand between elements and in quotes. Character references stay.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\0' => {}
            other => out.push(other),
        }
    }
}

/// What follows the next `mark`; nothing if there is none.
fn behind<'a>(text: &'a str, mark: &str) -> &'a str {
    text.split_once(mark).map_or("", |(_, rest)| rest)
}

/// HTML standard, 13.2.5.43: `-->`, and at the very beginning `>` and `->`.
fn end_of_comment(text: &str) -> &str {
    for short in [">", "->"] {
        if let Some(rest) = text.strip_prefix(short) {
            return rest;
        }
    }
    let usual = text.find("-->").map(|at| (at, "-->"));
    let odd = text.find("--!>").map(|at| (at, "--!>"));
    let first = usual.into_iter().chain(odd).min_by_key(|(at, _)| *at);
    first.map_or("", |(at, mark)| {
        text.get(at + mark.len()..).unwrap_or_default()
    })
}

/// The name of an element at the start of `text`, in lower case.
fn name_of(text: &str) -> String {
    let end = text.find(|c: char| c.is_ascii_whitespace() || c == '/' || c == '>');
    let name = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    // No known name is longer.
    name.chars()
        .take(20)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// Content and rest of an element whose content is not looked into; without an end it goes to the end of all.
fn content_of<'a>(text: &'a str, name: &str) -> (&'a str, &'a str) {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find("</")) {
        let at = from + at;
        let end = text.get(at + 2..).unwrap_or_default();
        if name_of(end) == name {
            return (text.get(..at).unwrap_or_default(), behind(end, ">"));
        }
        from = at + 2;
    }
    (text, "")
}

/// The start tag whose name `text` begins with, and what follows it.
fn start_tag(text: &str) -> (Tag<'_>, &str) {
    let name = name_of(text);
    let end = text.find(|c: char| c.is_ascii_whitespace() || c == '/' || c == '>');
    let mut rest = text.get(end.unwrap_or(text.len())..).unwrap_or_default();
    let mut attributes: Vec<(String, &str)> = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if let Some(after) = rest.strip_prefix('>') {
            return (Tag { name, attributes }, after);
        }
        if rest.is_empty() {
            return (Tag { name, attributes }, "");
        }
        let (attribute, value, after) = attribute(rest);
        rest = after;
        let is_new = attributes.iter().all(|(known, _)| *known != attribute);
        if attributes.len() < ATTRIBUTES_MAX && is_new {
            attributes.push((attribute, value));
        }
    }
}

/// Name, value and what follows of an attribute; `text` is not empty.
fn attribute(text: &str) -> (String, &str, &str) {
    let ends = |c: char| c.is_ascii_whitespace() || c == '/' || c == '>' || c == '=';
    // A name may begin with an equals sign (HTML standard, 13.2.5.32).
    let first = text.chars().next().map_or(1, char::len_utf8);
    let end = text
        .get(first..)
        .and_then(|rest| rest.find(ends))
        .map(|at| first + at);
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    let name = name
        .chars()
        .take(20)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let Some(value) = rest.trim_ascii_start().strip_prefix('=') else {
        return (name, "", rest);
    };
    let value = value.trim_ascii_start();
    for quote in ['"', '\''] {
        if let Some(quoted) = value.strip_prefix(quote) {
            let (value, rest) = quoted.split_once(quote).unwrap_or((quoted, ""));
            return (name, value, rest);
        }
    }
    let end = value.find(|c: char| c.is_ascii_whitespace() || c == '>');
    let (value, rest) = value.split_at(end.unwrap_or(value.len()));
    (name, value, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(html: &str, expected: &str) {
        assert_eq!(tame(html).html, expected, "{html}");
    }

    #[test]
    fn what_is_known_stays() {
        check("<P Align=center>a<br/>b", "<p align=\"center\">a<br>b</p>");
        check(
            "<a href='x\"y' onclick=\"z\">t</a>",
            "<a href=\"x&quot;y\">t</a>",
        );
        check("1 < 2 &amp; 3 > 2", "1 &lt; 2 &amp; 3 &gt; 2");
        check("<foo>a</foo><b>c", "a<b>c</b>");
        check(
            "<img src=a alt=b><img/src=c>",
            "<img src=\"a\" alt=\"b\"><img src=\"c\">",
        );
    }

    #[test]
    fn what_ends_by_itself_is_closed() {
        check("<p>a<p>b<div>c", "<p>a</p><p>b</p><div>c</div>");
        check(
            "<ul><li>a<li>b<ul><li>c</ul><li>d",
            "<ul><li>a</li><li>b<ul><li>c</li></ul></li><li>d</li></ul>",
        );
        check(
            "<table><tr><td>a<td>b<tr><td>c",
            "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>",
        );
        check(
            "<table><tr><td><p>a<table><tr><td>b",
            "<table><tr><td><p>a</p><table><tr><td>b</td></tr></table></td></tr></table>",
        );
        check("<b><i>a</b>c</i>", "<b><i>a</i></b>c");
        check(
            "<table><tr><td>a</b></div></td></tr></table></p>",
            "<table><tr><td>a</td></tr></table>",
        );
        check(
            "<a href=x>a<a href=y>b",
            "<a href=\"x\">a</a><a href=\"y\">b</a>",
        );
    }

    #[test]
    fn what_is_no_text_goes() {
        check("a<script>b</b></script >c", "ac");
        check("a<!-- <b> -->b<!-->c<![endif]>d<?x?>e", "abcde");
        check("a<svg><p>b</p></svg>c<math>d", "ac");
        check("a<title></script></title>b", "ab");
        check("a<b", "a<b></b>");
        check("a<b c=\"d", "a<b></b>");
        check("</ x>a</b>", "a");
        assert_eq!(tame("<style>p{}</style>x<STYLE>a{}").style, "p{}\na{}\n");
    }

    #[test]
    fn images_from_elsewhere_are_noticed() {
        for (src, expected) in [
            ("cid:a", false),
            ("data:image/png;base64,", false),
            ("", false),
            ("http://x", true),
            ("//x", true),
        ] {
            assert_eq!(
                tame(&format!("<img src='{src}'>")).has_remote,
                expected,
                "{src}"
            );
        }
    }

    #[test]
    fn everything_is_bounded() {
        let deep = tame(&"<div>".repeat(5000));
        assert_eq!(deep.html.matches("<div>").count(), DEPTH_MAX);
        let styled = tame(&"<font a=1><p>x".repeat(1000));
        assert!(styled.html.len() < 100_000, "{}", styled.html.len());
        let many = tame(&"<br>".repeat(ELEMENTS_MAX + 10));
        assert!(many.is_cut);
        let wide = tame(&format!("<p {}>", "a=b c=d ".repeat(50_000)));
        assert_eq!(wide.html, "<p></p>");
    }
}
