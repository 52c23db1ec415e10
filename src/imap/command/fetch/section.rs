//! From a section of the client's words to a span of the message's bytes (RFC 3501 6.4.5).
//!
//! Pure: offsets come from the summary made at delivery, so that nothing is parsed again. Offsets there count from an
//! origin; what stands in front of that, the server's prefix, belongs to the message's own header.

use crate::imap::command::fetch::content::Span;
use crate::imap::syntax::fetch::{Section, SectionPiece};
use crate::mail::mime::{Content, Part, Summary};

/// How a message is laid out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout<'a> {
    /// Its structure.
    pub summary: &'a Summary,
    /// Where its offsets count from.
    pub origin: u64,
    /// Length of all that is shown.
    pub bytes: u64,
}

/// The span that `section` names; for a choice of header fields, the header to choose from. `None` if the message has no
/// such section, which is answered NIL.
pub(super) fn locate(section: &Section, layout: Layout<'_>) -> Option<Span> {
    if section.part.is_empty() {
        return Some(locate_in_message(&section.piece, layout));
    }
    let numbers: Vec<u32> = section.part.iter().map(|number| number.get()).collect();
    let part = layout.summary.part(&numbers)?;
    let (from, to) = locate_in_part(&section.piece, part)?;
    Some(layout.span(from, to))
}

fn locate_in_message(piece: &SectionPiece, layout: Layout<'_>) -> Span {
    let whole = Span {
        from: 0,
        to: layout.bytes,
    };
    let header_bytes = layout.origin.saturating_add(layout.summary.body.body_start);
    match piece {
        SectionPiece::Whole => whole,
        SectionPiece::Header
        | SectionPiece::HeaderFields(_)
        | SectionPiece::HeaderFieldsNot(_)
        | SectionPiece::Mime => whole.part(0, header_bytes),
        SectionPiece::Text => whole.part(header_bytes, u64::MAX),
    }
}

/// HEADER and TEXT are there only in attached messages.
fn locate_in_part(piece: &SectionPiece, part: &Part) -> Option<(u64, u64)> {
    let attached = match &part.content {
        Content::Message(summary) => Some(&summary.body),
        Content::Leaf | Content::Multipart(_) => None,
    };
    match piece {
        SectionPiece::Whole => Some((part.body_start, part.body_end)),
        SectionPiece::Mime => Some((part.header_start, part.body_start)),
        SectionPiece::Header | SectionPiece::HeaderFields(_) | SectionPiece::HeaderFieldsNot(_) => {
            attached.map(|body| (body.header_start, body.body_start))
        }
        SectionPiece::Text => attached.map(|body| (body.body_start, body.body_end)),
    }
}

impl Layout<'_> {
    /// A span given by offsets of the summary.
    fn span(self, from: u64, to: u64) -> Span {
        let to = self.origin.saturating_add(to).min(self.bytes);
        let from = self.origin.saturating_add(from).min(to);
        Span { from, to }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn part(header_start: u64, body_start: u64, body_end: u64, content: Content) -> Part {
        Part {
            header_start,
            body_start,
            body_end,
            content,
            ..Part::default()
        }
    }

    /// A text, and a message attached whose body is a text.
    fn mixed() -> Summary {
        let text = part(50, 60, 70, Content::Leaf);
        let inner = Summary {
            body: part(100, 120, 150, Content::Leaf),
            ..Summary::default()
        };
        let attached = part(80, 100, 150, Content::Message(Box::new(inner)));
        Summary {
            body: part(0, 40, 160, Content::Multipart(vec![text, attached])),
            ..Summary::default()
        }
    }

    fn check(
        summary: &Summary,
        numbers: &[u32],
        piece: SectionPiece,
        expected: Option<(u64, u64)>,
    ) {
        let layout = Layout {
            summary,
            origin: 1000,
            bytes: 1160,
        };
        let part = numbers.iter().filter_map(|n| NonZeroU32::new(*n)).collect();
        let found = locate(&Section { part, piece }, layout);
        assert_eq!(found.map(|span| (span.from, span.to)), expected);
    }

    #[test]
    fn sections_of_the_message_include_the_prefix() {
        let summary = mixed();
        check(&summary, &[], SectionPiece::Whole, Some((0, 1160)));
        check(&summary, &[], SectionPiece::Header, Some((0, 1040)));
        check(&summary, &[], SectionPiece::Text, Some((1040, 1160)));
    }

    #[test]
    fn sections_of_parts() {
        let summary = mixed();
        check(&summary, &[1], SectionPiece::Whole, Some((1060, 1070)));
        check(&summary, &[1], SectionPiece::Mime, Some((1050, 1060)));
        check(&summary, &[1], SectionPiece::Header, None);
        check(&summary, &[2], SectionPiece::Whole, Some((1100, 1150)));
        check(&summary, &[2], SectionPiece::Header, Some((1100, 1120)));
        check(&summary, &[2], SectionPiece::Text, Some((1120, 1150)));
        check(&summary, &[2, 1], SectionPiece::Whole, Some((1120, 1150)));
        check(&summary, &[3], SectionPiece::Whole, None);
    }

    #[test]
    fn part_one_of_a_simple_message_is_its_body() {
        let summary = Summary {
            body: part(0, 40, 160, Content::Leaf),
            ..Summary::default()
        };
        check(&summary, &[1], SectionPiece::Whole, Some((1040, 1160)));
        check(&summary, &[1, 1], SectionPiece::Whole, None);
    }
}
