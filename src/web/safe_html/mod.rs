//! Mail in HTML made safe: `tame` makes it plain and bounded, ammonia lets through what is known to be harmless, `css` does
//! that for style, `links` says where links really go.
//!
//! The result goes into a sandboxed frame with a policy of its own, in which nothing runs and nothing loads either; each of
//! the two would do alone. Nothing here is refused, and nothing panics.

mod css;
mod links;
mod tame;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use ammonia::{Builder, UrlRelative};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Elements that come through.
const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "address",
    "article",
    "aside",
    "b",
    "big",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "col",
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
    "hr",
    "i",
    "img",
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
    "wbr",
];

/// Attributes that come through on every element.
const ATTRIBUTES: &[&str] = &[
    "align",
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
    "lang",
    "nowrap",
    "reversed",
    "rowspan",
    "size",
    "span",
    "start",
    "style",
    "type",
    "valign",
    "value",
    "width",
];

/// Longest value of an attribute that is no address.
const VALUE_BYTES_MAX: usize = 2000;

/// Longest address of a link or an image elsewhere.
const URL_BYTES_MAX: usize = 4000;

/// Pictures of a mail by their `Content-ID` without brackets, as `data:` addresses.
pub type Pictures = BTreeMap<String, String>;

/// Whether images may be loaded from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// Nobody learns that the mail is read.
    Blocked,
    /// The reader has asked for it.
    Allowed,
}

/// Mail that is safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Safe {
    /// What stands in the body of a page.
    pub body: String,
    /// What stands in its style element.
    pub style: String,
    /// Whether it was too much, so that the end is missing.
    pub is_cut: bool,
}

/// Makes `html` safe.
pub fn clean(html: &str, remote: Remote, pictures: Pictures) -> Safe {
    let tamed = tame::tame(html);
    let pictures = Arc::new(pictures);
    let body = builder(remote, pictures).clean(&tamed.html).to_string();
    Safe {
        body: links::mark(&body),
        style: css::sheet(&tamed.style),
        is_cut: tamed.is_cut,
    }
}

/// Whether it shows images that are not in the mail itself.
pub fn wants_remote(html: &str) -> bool {
    tame::tame(html).has_remote
}

/// Names of the pictures that it shows (RFC 2392).
pub fn pictures_named(html: &str) -> Vec<String> {
    let tamed = tame::tame(html).html;
    let after = tamed.split("src=\"").skip(1);
    let values = after.filter_map(|rest| rest.split('"').next());
    values
        .filter_map(|value| content_id(value.trim()))
        .collect()
}

fn content_id(url: &str) -> Option<String> {
    let scheme = url.get(..4)?;
    let name = scheme
        .eq_ignore_ascii_case("cid:")
        .then(|| url.get(4..))??;
    Some(percent_decode_str(name).decode_utf8_lossy().into_owned())
}

fn builder(remote: Remote, pictures: Arc<Pictures>) -> Builder<'static> {
    let mut builder = Builder::empty();
    let of_links = HashSet::from(["href"]);
    let of_images = HashSet::from(["src", "alt"]);
    builder
        .tags(ELEMENTS.iter().copied().collect())
        .generic_attributes(ATTRIBUTES.iter().copied().collect())
        .tag_attributes(HashMap::from([("a", of_links), ("img", of_images)]))
        .url_schemes(HashSet::from(["http", "https", "mailto", "cid", "data"]))
        // The filter below lets none through but those that it makes itself.
        .url_relative(UrlRelative::PassThrough)
        .link_rel(Some("noopener noreferrer"))
        .set_tag_attribute_value("a", "target", "_blank")
        .strip_comments(true)
        .attribute_filter(
            move |element, attribute, value| match (element, attribute) {
                ("a", "href") => link(value),
                ("img", "src") => image(value, remote, &pictures).map(Cow::Owned),
                (_, "href" | "src") => None,
                (_, "style") => some_text(css::declarations(value)),
                // What they stand for is ours to add.
                ("a", "rel" | "target") => Some(Cow::Borrowed(value)),
                (_, "alt") => is_words(value).then_some(Cow::Borrowed(value)),
                _ => is_simple(value).then_some(Cow::Borrowed(value)),
            },
        );
    builder
}

/// Words, and nothing that looks like an element.
fn is_words(value: &str) -> bool {
    value.len() <= VALUE_BYTES_MAX && !value.contains(['<', '>', '='])
}

fn some_text<'a>(text: String) -> Option<Cow<'a, str>> {
    (!text.is_empty()).then_some(Cow::Owned(text))
}

/// Numbers, colours, classes, names of fonts.
fn is_simple(value: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || " #%.,-_+".contains(c);
    value.len() <= VALUE_BYTES_MAX && value.chars().all(allowed)
}

/// Where a link may go: to the web, or to writing a mail here.
fn link(url: &str) -> Option<Cow<'_, str>> {
    if url.len() > URL_BYTES_MAX || url.chars().any(char::is_control) {
        return None;
    }
    match url.split_once(':')?.0.to_ascii_lowercase().as_str() {
        "http" | "https" => links::host(url).map(|_| Cow::Borrowed(url)),
        "mailto" => {
            let to = url.split_once(':')?.1.split('?').next()?;
            let to = percent_decode_str(to).decode_utf8_lossy();
            let to = utf8_percent_encode(&to, NON_ALPHANUMERIC);
            Some(Cow::Owned(format!("/mail/compose?to={to}")))
        }
        _ => None,
    }
}

fn image(url: &str, remote: Remote, pictures: &Pictures) -> Option<String> {
    let url = url.trim();
    if let Some(id) = content_id(url) {
        return pictures.get(&id).cloned();
    }
    let lower = url.get(..url.floor_char_boundary(40))?.to_ascii_lowercase();
    if is_raster(&lower) {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"+/=:;,%".contains(&b);
        return url.bytes().all(is_plain).then(|| url.to_owned());
    }
    let is_web = lower.starts_with("http://") || lower.starts_with("https://");
    let is_fine = is_web && url.len() <= URL_BYTES_MAX && links::host(url).is_some();
    (is_fine && remote == Remote::Allowed).then(|| url.to_owned())
}

fn is_raster(url: &str) -> bool {
    let kinds = ["png", "jpeg", "jpg", "gif", "webp"];
    kinds
        .iter()
        .any(|kind| url.starts_with(&format!("data:image/{kind};base64,")))
}

#[cfg(test)]
mod tests;
