//! Where links really go: each gets the host of its address as an attribute, which our style shows behind it. And the
//! words for pictures that are not shown.
//!
//! Works on what ammonia writes, in which attributes are always in double quotes.

/// The host of an address of the web, in ASCII, so that no letter looks like another one. What stands before `@` is none.
pub(super) fn host(url: &str) -> Option<String> {
    let (_, rest) = url.split_once(':')?;
    // Browsers take any number of slashes of either kind.
    let rest = rest.trim_start_matches(['/', '\\']);
    let authority = rest.split(['/', '\\', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    if host.starts_with('[') {
        return Some(host.split(']').next()?.trim_start_matches('[').to_owned());
    }
    let host = host.split(':').next()?;
    let ascii = idna::domain_to_ascii(host).ok()?;
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    (!ascii.is_empty() && ascii.bytes().all(is_host)).then_some(ascii)
}

/// Adds `data-host` to every link that leaves this box, and puts words in place of pictures without an address.
pub(super) fn mark(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, tail)) = rest.split_once('<') {
        out.push_str(before);
        let (tag, after) = tail.split_at(tag_bytes(tail));
        if is_picture(tag) && value_of(tag, "src").is_none() {
            out.push_str(value_of(tag, "alt").unwrap_or_default());
            rest = after.strip_prefix('>').unwrap_or(after);
            continue;
        }
        out.push('<');
        out.push_str(tag);
        if is_picture(tag) && value_of(tag, "alt").is_none() {
            out.push_str(" alt=\"\"");
        }
        if let Some(host) = tag.starts_with("a ").then(|| host_of_tag(tag)).flatten() {
            out.push_str(" data-host=\"");
            out.push_str(&host);
            out.push('"');
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Length of a tag up to the `>` that ends it, which is none in quotes.
fn tag_bytes(tail: &str) -> usize {
    let mut is_quoted = false;
    for (at, byte) in tail.bytes().enumerate() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'>' if !is_quoted => return at,
            _ => {}
        }
    }
    tail.len()
}

fn is_picture(tag: &str) -> bool {
    tag == "img" || tag.starts_with("img ")
}

fn host_of_tag(tag: &str) -> Option<String> {
    let url = value_of(tag, "href")?.replace("&amp;", "&");
    url.starts_with("http").then(|| host(&url)).flatten()
}

/// The value of an attribute, as it stands in its quotes.
fn value_of<'a>(tag: &'a str, attribute: &str) -> Option<&'a str> {
    let mut pieces = tag.split('"');
    while let (Some(name), Some(value)) = (pieces.next(), pieces.next()) {
        let name = name.rsplit(' ').next().unwrap_or_default();
        if name.strip_suffix('=') == Some(attribute) {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_those_that_a_browser_goes_to() {
        for (url, expected) in [
            ("https://Example.org/a", Some("example.org")),
            ("http://bank.example@evil.example:80/", Some("evil.example")),
            ("https:\\\\evil.example\\bank.example", Some("evil.example")),
            ("https:evil.example", Some("evil.example")),
            ("https://b\u{fc}cher.example", Some("xn--bcher-kva.example")),
            ("https://[::1]/", Some("::1")),
            ("https://", None),
            ("https://a b/", None),
            ("https://a\"b/", None),
        ] {
            assert_eq!(host(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn links_are_marked() {
        assert_eq!(
            mark("<p title=\"<a href=\">x</p><a href=\"http://x.org/?a&amp;b\" rel=\"r\">t</a>"),
            "<p title=\"<a href=\">x</p><a href=\"http://x.org/?a&amp;b\" rel=\"r\" data-host=\"x.org\">t</a>"
        );
        for same in [
            "<a href=\"/mail/compose?to=a\">x</a>",
            "<abbr>x</abbr>",
            "a < b",
            "<",
        ] {
            assert_eq!(mark(same), same);
        }
    }
}
