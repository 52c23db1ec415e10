//! Style of strangers: colours, fonts, sizes, borders and spaces. Nothing that loads, nothing that lies over something
//! else, nothing that a parser could take for more than it says.
//!
//! Only properties and characters that are known come through: no `url()`, no escapes, no at-rules but `@media`, no
//! selectors that look into attributes or put text in.

/// Properties that come through, besides those that begin with [`FAMILIES`].
const PROPERTIES: &[&str] = &[
    "background-color",
    "border-collapse",
    "border-spacing",
    "caption-side",
    "clear",
    "color",
    "direction",
    "display",
    "empty-cells",
    "float",
    "height",
    "letter-spacing",
    "line-height",
    "max-height",
    "max-width",
    "min-height",
    "min-width",
    "opacity",
    "overflow",
    "overflow-wrap",
    "table-layout",
    "vertical-align",
    "visibility",
    "white-space",
    "width",
    "word-break",
    "word-spacing",
    "word-wrap",
];

/// Beginnings of properties that come through.
const FAMILIES: &[&str] = &[
    "border-",
    "font-",
    "list-style-",
    "margin-",
    "padding-",
    "text-",
];

/// Whole names of those families.
const SHORT: &[&str] = &[
    "background",
    "border",
    "font",
    "list-style",
    "margin",
    "padding",
];

/// Functions that only reckon.
const FUNCTIONS: &[&str] = &["rgb", "rgba", "hsl", "hsla", "calc", "min", "max", "clamp"];

/// Longest value.
const VALUE_BYTES_MAX: usize = 300;

/// Most bytes of a style sheet that are read.
const SHEET_BYTES_MAX: usize = 128 << 10;

/// Longest selector list.
const SELECTORS_BYTES_MAX: usize = 1000;

/// The declarations of a style attribute that come through.
pub(super) fn declarations(text: &str) -> String {
    let kept = text.split(';').filter_map(declaration);
    kept.collect::<Vec<_>>().join(";")
}

fn declaration(text: &str) -> Option<String> {
    let (name, value) = text.split_once(':')?;
    let name = name.trim().to_ascii_lowercase();
    let value = value.trim();
    let value = value.split('!').next().unwrap_or_default().trim();
    (is_property(&name) && is_value(value)).then(|| format!("{name}:{value}"))
}

fn is_property(name: &str) -> bool {
    let is_family = FAMILIES.iter().any(|family| name.starts_with(family));
    let is_word = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    let is_image = name.contains("image");
    is_word && !is_image && (is_family || PROPERTIES.contains(&name) || SHORT.contains(&name))
}

fn is_value(value: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || " #.,%()+-*/'\"_\t\n\r".contains(c);
    let quotes = value.matches('"').count() + value.matches('\'').count();
    !value.is_empty()
        && value.len() <= VALUE_BYTES_MAX
        && quotes.is_multiple_of(2)
        && value.chars().all(allowed)
        && !value.contains("/*")
        && has_harmless_functions(value)
}

/// Every bracket that opens belongs to a function that only reckons.
fn has_harmless_functions(value: &str) -> bool {
    let mut depth = 0_usize;
    let mut before = String::new();
    for c in value.chars() {
        match c {
            '(' => {
                let is_group = before.is_empty() && depth > 0;
                if !is_group && !FUNCTIONS.contains(&before.as_str()) {
                    return false;
                }
                depth += 1;
                before.clear();
            }
            ')' => {
                let Some(outer) = depth.checked_sub(1) else {
                    return false;
                };
                depth = outer;
                before.clear();
            }
            c if c.is_alphanumeric() || c == '-' || c == '_' => before.extend(c.to_lowercase()),
            _ => before.clear(),
        }
    }
    depth == 0
}

/// The rules of style sheets that come through.
pub(super) fn sheet(text: &str) -> String {
    let end = text.floor_char_boundary(SHEET_BYTES_MAX);
    let text = without_comments(text.get(..end).unwrap_or_default());
    let mut out = String::new();
    rules(&text, &mut out, Where::Outside);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    Outside,
    InMedia,
}

fn rules(text: &str, out: &mut String, place: Where) {
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once('{') {
        // What ends with a semicolon before is an at-rule without a block.
        let head = head.rsplit(';').next().unwrap_or_default().trim();
        let head = head
            .trim_start_matches("<!--")
            .trim_start_matches("-->")
            .trim();
        let (block, after) = block(tail);
        rest = after;
        if let Some(query) = head.strip_prefix('@') {
            if let (Some(query), Where::Outside) = (media(query), place) {
                out.push_str(&query);
                out.push('{');
                rules(block, out, Where::InMedia);
                out.push_str("}\n");
            }
        } else if !block.contains('{') && are_selectors(head) {
            let kept = declarations(block);
            if !kept.is_empty() {
                out.extend([head, "{", &kept, "}\n"]);
            }
        }
    }
}

/// What stands up to the bracket that closes, and what follows.
fn block(text: &str) -> (&str, &str) {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                return (
                    text.get(..at).unwrap_or_default(),
                    text.get(at + 1..).unwrap_or_default(),
                );
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    (text, "")
}

fn media(query: &str) -> Option<String> {
    let query = query.strip_prefix("media")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ():,-.\t\n\r".contains(c);
    let is_fine = query.len() <= SELECTORS_BYTES_MAX && query.chars().all(allowed);
    is_fine.then(|| format!("@media{query}"))
}

/// Names, classes, and how they lie; single colons only for what a link or a child is.
fn are_selectors(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " .,>+~*_-:#()\t\n\r".contains(c);
    let puts_text_in = ["::", ":before", ":after", ":has", ":visited"];
    let lower = text.to_ascii_lowercase();
    !text.is_empty()
        && text.len() <= SELECTORS_BYTES_MAX
        && text.chars().all(allowed)
        && puts_text_in.iter().all(|word| !lower.contains(word))
}

fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("/*") {
        out.push_str(before);
        out.push(' ');
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_through() {
        for (text, expected) in [
            ("color: red; font-size:12px", "color:red;font-size:12px"),
            ("COLOR:#FFF !important", "color:#FFF"),
            (
                "font-family: 'Segoe UI', sans-serif",
                "font-family:'Segoe UI', sans-serif",
            ),
            (
                "width: calc(100% - (2 * 8px))",
                "width:calc(100% - (2 * 8px))",
            ),
            ("background:rgba(1,2,3,.5)", "background:rgba(1,2,3,.5)"),
        ] {
            assert_eq!(declarations(text), expected, "{text}");
        }
    }

    #[test]
    fn nothing_loads_and_nothing_escapes() {
        for text in [
            "background:url(http://x)",
            "background-image:none",
            "background:u\\72l(http://x)",
            "background:URL (x)",
            "background:image-set('x' 1x)",
            "width:expression(alert(1))",
            "position:fixed",
            "behavior:url(x)",
            "-moz-binding:url(x)",
            "color:red}body{x:y",
            "color:</style>",
            "color:a/**/b",
            "font-family:'x",
            "color:var(--x)",
            "content:'x'",
            "list-style-image:none",
            "color:rgb(1",
            "color:((1))",
            "color",
            "",
        ] {
            assert_eq!(declarations(text), "", "{text}");
        }
    }

    #[test]
    fn sheets() {
        assert_eq!(
            sheet("p, .a > b {color:red; x:y}"),
            "p, .a > b{color:red}\n"
        );
        assert_eq!(
            sheet(
                "@media only screen and (max-width:600px){.a{width:100%}@media x{b{color:red}}}p{color:red}"
            ),
            "@media only screen and (max-width:600px){.a{width:100%}\n}\np{color:red}\n"
        );
        for nothing in [
            "@import url(http://x); ",
            "@import 'x'",
            "@font-face{font-family:x;src:url(y)}",
            "a[href^='x']{color:red}",
            "a::after{color:red}",
            "p{background:url(x)}",
            "</style><script>{color:red}",
            "/* p{color:red}",
            "p{color:red;{}}",
        ] {
            assert_eq!(sheet(nothing), "", "{nothing}");
        }
        assert_eq!(sheet("@import 'x'; p{color:red}"), "p{color:red}\n");
        assert_eq!(
            sheet("/* a */p{color:/* b */red}"),
            "p{color: red}\n".replace(": ", ":")
        );
    }
}
