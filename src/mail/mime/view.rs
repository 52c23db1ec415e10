//! What of a message is read, and what lies beside it: texts in their order, attached messages with theirs, files.
//!
//! Numbers are those of IMAP's sections (RFC 3501 6.4.5). A `multipart/alternative` is one text that can be shown in two ways. What
//! a text in HTML may show within itself (`multipart/related`) is kept apart from the files.

use super::{Content, Part, Summary};

/// Most messages within messages that are opened; deeper ones are files.
const NESTED_MAX: usize = 4;

/// A part that holds bytes, with its number.
#[derive(Clone, Debug)]
pub struct Leaf<'a> {
    /// Such as 2.1.
    pub numbers: Vec<u32>,
    /// The part.
    pub part: &'a Part,
}

impl Leaf<'_> {
    /// The number as IMAP and our addresses write it.
    pub fn number(&self) -> String {
        written(&self.numbers)
    }
}

/// Numbers as IMAP and our addresses write them.
pub fn written(numbers: &[u32]) -> String {
    let texts: Vec<String> = numbers.iter().map(u32::to_string).collect();
    texts.join(".")
}

/// Numbers from an address; `None` if they are none.
pub fn numbers(text: &str) -> Option<Vec<u32>> {
    text.split('.').map(|number| number.parse().ok()).collect()
}

/// Something to read.
#[derive(Clone, Debug)]
pub enum Block<'a> {
    /// A text, in one or both ways.
    Text {
        /// `text/plain` and other text that is read as it stands.
        plain: Option<Leaf<'a>>,
        /// `text/html`
        html: Option<Leaf<'a>>,
    },
    /// An attached message.
    Message {
        /// Its number.
        numbers: Vec<u32>,
        /// The part that holds it.
        part: &'a Part,
        /// Its envelope and structure.
        summary: &'a Summary,
        /// What it consists of.
        view: View<'a>,
    },
}

/// A message, sorted.
#[derive(Clone, Debug, Default)]
pub struct View<'a> {
    /// What is read, in order.
    pub blocks: Vec<Block<'a>>,
    /// What lies beside it.
    pub files: Vec<Leaf<'a>>,
    /// What a text in HTML may show.
    pub embedded: Vec<Leaf<'a>>,
}

/// Sorts a message.
pub fn view(summary: &Summary) -> View<'_> {
    let mut view = View::default();
    walk_message(summary, &[], 0, &mut view);
    view
}

/// Whether lists show that there are files.
pub fn has_files(summary: &Summary) -> bool {
    !view(summary).files.is_empty()
}

fn walk_message<'a>(summary: &'a Summary, prefix: &[u32], nested: usize, view: &mut View<'a>) {
    match summary.body.content {
        Content::Multipart(_) => walk(&summary.body, prefix.to_vec(), nested, view),
        Content::Leaf | Content::Message(_) => {
            walk(&summary.body, [prefix, &[1]].concat(), nested, view);
        }
    }
}

fn walk<'a>(part: &'a Part, numbers: Vec<u32>, nested: usize, view: &mut View<'a>) {
    match &part.content {
        Content::Multipart(parts) => {
            let inner = number_parts(parts, &numbers);
            match part.subtype.as_slice() {
                b"alternative" => walk_alternative(inner, nested, view),
                b"related" => walk_related(inner, nested, view),
                _ => inner.for_each(|(part, numbers)| walk(part, numbers, nested, view)),
            }
        }
        Content::Message(summary) if nested < NESTED_MAX => {
            let mut inside = View::default();
            walk_message(summary, &numbers, nested + 1, &mut inside);
            view.blocks.push(Block::Message {
                numbers,
                part,
                summary,
                view: inside,
            });
        }
        Content::Leaf | Content::Message(_) => take_leaf(Leaf { numbers, part }, view),
    }
}

fn number_parts<'a>(
    parts: &'a [Part],
    above: &[u32],
) -> impl Iterator<Item = (&'a Part, Vec<u32>)> + use<'a> {
    let above = above.to_vec();
    parts.iter().zip(1_u32..).map(move |(part, number)| {
        let mut numbers = above.clone();
        numbers.push(number);
        (part, numbers)
    })
}

fn take_leaf<'a>(leaf: Leaf<'a>, view: &mut View<'a>) {
    let part = leaf.part;
    let is_file = part
        .disposition
        .as_ref()
        .is_some_and(|d| d.kind == b"attachment");
    if !is_file && part.is("text", "html") {
        view.blocks.push(Block::Text {
            plain: None,
            html: Some(leaf),
        });
    } else if !is_file && is_plain(part) {
        view.blocks.push(Block::Text {
            plain: Some(leaf),
            html: None,
        });
    } else {
        view.files.push(leaf);
    }
}

/// Whether it reads as it stands. Text of other kinds, such as a calendar, is for programs.
fn is_plain(part: &Part) -> bool {
    let readable: [&[u8]; 3] = [b"plain", b"enriched", b"markdown"];
    part.media_type == b"text" && readable.contains(&part.subtype.as_slice())
}

/// The first text of each way is the one; everything else in it is kept.
fn walk_alternative<'a>(
    parts: impl Iterator<Item = (&'a Part, Vec<u32>)>,
    nested: usize,
    view: &mut View<'a>,
) {
    let mut inside = View::default();
    parts.for_each(|(part, numbers)| walk(part, numbers, nested, &mut inside));
    view.files.append(&mut inside.files);
    view.embedded.append(&mut inside.embedded);
    let (mut plain, mut html) = (None, None);
    let mut others = Vec::new();
    for block in inside.blocks {
        match block {
            Block::Text {
                plain: Some(leaf),
                html: None,
            } if plain.is_none() => plain = Some(leaf),
            Block::Text {
                plain: None,
                html: Some(leaf),
            } if html.is_none() => html = Some(leaf),
            other @ (Block::Text { .. } | Block::Message { .. }) => others.push(other),
        }
    }
    if plain.is_some() || html.is_some() {
        view.blocks.push(Block::Text { plain, html });
    }
    view.blocks.append(&mut others);
}

/// RFC 2387: the first part is shown, the others belong to it.
fn walk_related<'a>(
    mut parts: impl Iterator<Item = (&'a Part, Vec<u32>)>,
    nested: usize,
    view: &mut View<'a>,
) {
    if let Some((root, numbers)) = parts.next() {
        walk(root, numbers, nested, view);
    }
    for (part, numbers) in parts {
        let is_leaf = part.content == Content::Leaf;
        if is_leaf && part.id.is_some() && part.media_type == b"image" {
            view.embedded.push(Leaf { numbers, part });
        } else {
            walk(part, numbers, nested, view);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::mime::Scanner;

    fn outline(view: &View<'_>) -> String {
        let blocks = view.blocks.iter().map(|block| match block {
            Block::Text { plain, html } => {
                let text =
                    |leaf: &Option<Leaf<'_>>| leaf.as_ref().map(Leaf::number).unwrap_or_default();
                format!("text {}|{}", text(plain), text(html))
            }
            Block::Message { numbers, view, .. } => {
                format!("message {} ({})", written(numbers), outline(view))
            }
        });
        let files = view
            .files
            .iter()
            .map(|leaf| format!("file {}", leaf.number()));
        let embedded = view
            .embedded
            .iter()
            .map(|leaf| format!("embedded {}", leaf.number()));
        blocks
            .chain(files)
            .chain(embedded)
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn check(file: &str, expected: &str) {
        let path = format!("{}/tests/messages/{file}", env!("CARGO_MANIFEST_DIR"));
        let mut scanner = Scanner::new();
        scanner.push(&std::fs::read(path).unwrap());
        let summary = scanner.finish().summary;
        assert_eq!(outline(&view(&summary)), expected, "{file}");
        for leaf in view(&summary).files {
            assert_eq!(summary.part(&leaf.numbers), Some(leaf.part), "{file}");
        }
    }

    #[test]
    fn messages_are_sorted() {
        check("plain.eml", "text 1|");
        check("alternative.eml", "text 1|2");
        check("empty.eml", "text 1|");
    }

    #[test]
    fn numbers_of_addresses() {
        assert_eq!(numbers("1.2.10"), Some(vec![1, 2, 10]));
        for bad in ["", "1.", "a", "1..2", "-1", "99999999999"] {
            assert_eq!(numbers(bad), None, "{bad}");
        }
    }
}
