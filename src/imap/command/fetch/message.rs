//! One message's FETCH response, item by item; literals in pieces.

use crate::imap::command::fetch::batch::Found;
use crate::imap::command::fetch::content::{Content, READ_BYTES_MAX, Span};
use crate::imap::command::fetch::header::{Keep, pick};
use crate::imap::command::fetch::section::{Layout, locate};
use crate::imap::command::fetch::{Needs, Plan};
use crate::imap::session::Services;
use crate::imap::session::state::Selected;
use crate::imap::syntax::fetch::{FetchItem, Section, SectionItem, SectionPiece};
use crate::imap::syntax::lexer::Dialect;
use crate::imap::syntax::render::body::Form;
use crate::imap::syntax::render::{body, envelope, flags, put, section};
use crate::mail::date::DateTime;
use crate::mail::ids::Uid;
use crate::mail::mime::Summary;
use crate::mail::mime::surrogate;
use crate::store::types::MessageRecord;
use crate::store::{Error, Result, Store};

/// A message whose response is under way: its opening was written.
#[derive(Debug)]
pub(super) struct Answering {
    found: Found,
    parts: Option<Parts>,
    content: Option<Content>,
    /// Items written.
    next: usize,
    literal: Option<Literal>,
}

/// What the record says of the message.
#[derive(Debug)]
struct Parts {
    record: MessageRecord,
    summary: Summary,
    /// Another message is shown in its place.
    downgraded: bool,
}

/// A literal whose length was announced.
#[derive(Debug)]
struct Literal {
    rest: Span,
    /// Reading failed: the rest is filled up.
    broken: bool,
}

/// How far a response is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    More,
    /// The response is complete.
    Done,
    /// The response is complete, but not what it should be.
    Broken,
}

impl Answering {
    /// Opens what the items need and, if that worked, begins the response.
    pub(super) fn begin(
        mut found: Found,
        plan: &Plan,
        services: &Services,
        out: &mut Vec<u8>,
    ) -> Result<Self> {
        let record = found.record.take();
        let mut parts = record.map(Parts::new).transpose()?;
        let content = match &mut parts {
            Some(parts) => parts.open(plan, &services.store)?,
            None => None,
        };
        put!(out, "* {} FETCH (", found.seq);
        Ok(Self {
            found,
            parts,
            content,
            next: 0,
            literal: None,
        })
    }

    /// The message's UID if another one is shown in its place (RFC 6858 3).
    pub(super) fn downgraded(&self) -> Option<Uid> {
        let parts = self.parts.as_ref();
        parts
            .is_some_and(|parts| parts.downgraded)
            .then_some(self.found.row.uid)
    }

    /// Writes the next item, or the next piece of a literal.
    pub(super) fn step(
        &mut self,
        plan: &Plan,
        selected: &mut Selected,
        out: &mut Vec<u8>,
    ) -> Progress {
        if let Some(literal) = self.literal.take() {
            return self.continue_literal(literal, out);
        }
        let Some(item) = plan.items.get(self.next) else {
            self.end(plan, selected, out);
            return Progress::Done;
        };
        if self.next > 0 {
            out.push(b' ');
        }
        self.next += 1;
        self.item(item, selected, out);
        Progress::More
    }

    fn continue_literal(&mut self, mut literal: Literal, out: &mut Vec<u8>) -> Progress {
        let readable = self.content.as_mut().filter(|_| !literal.broken);
        let read = match readable {
            Some(content) => content.read(&mut literal.rest, out),
            None => Err(Error::NotFound("the message")),
        };
        if let Err(error) = read {
            if !literal.broken {
                tracing::error!(%error, "a message cannot be read to its end");
            }
            literal.broken = true;
            literal.fill(out);
        }
        if literal.rest.bytes() > 0 {
            self.literal = Some(literal);
        } else if literal.broken {
            out.extend_from_slice(b")\r\n");
            return Progress::Broken;
        }
        Progress::More
    }

    fn item(&mut self, item: &FetchItem, selected: &mut Selected, out: &mut Vec<u8>) {
        let row = self.found.row;
        match item {
            FetchItem::Flags => self.flags(selected, out),
            FetchItem::Uid => put!(out, "UID {}", row.uid),
            FetchItem::ModSeq => put!(out, "MODSEQ ({})", row.modseq),
            FetchItem::InternalDate
            | FetchItem::Size
            | FetchItem::Envelope
            | FetchItem::Body
            | FetchItem::BodyStructure => {
                if let Some(parts) = &self.parts {
                    parts.item(item, out);
                }
            }
            FetchItem::Rfc822 => self.section("RFC822", &WHOLE, out),
            FetchItem::Rfc822Header => self.section("RFC822.HEADER", &HEADER, out),
            FetchItem::Rfc822Text => self.section("RFC822.TEXT", &TEXT, out),
            FetchItem::Section(item) => self.section_item(item, out),
        }
    }

    fn flags(&self, selected: &mut Selected, out: &mut Vec<u8>) {
        let row = self.found.row;
        out.extend_from_slice(b"FLAGS (");
        flags::of_message(out, row.flags, &selected.keywords);
        out.push(b')');
        selected.view.know(row.uid, row.modseq);
    }

    fn section(&mut self, name: &str, piece: &SectionPiece, out: &mut Vec<u8>) {
        let section = Section {
            part: Vec::new(),
            piece: piece.clone(),
        };
        out.extend_from_slice(name.as_bytes());
        self.body(&section, |span| span, out);
    }

    fn section_item(&mut self, item: &SectionItem, out: &mut Vec<u8>) {
        out.extend_from_slice(b"BODY[");
        section::section(out, &item.section);
        out.push(b']');
        match item.partial {
            Some(partial) => {
                put!(out, "<{}>", partial.offset);
                let (offset, bytes_max) = (partial.offset, partial.bytes_max.get());
                self.body(&item.section, |span| span.part(offset, bytes_max), out);
            }
            None => self.body(&item.section, |span| span, out),
        }
    }

    /// Writes a section's value: a literal that begins here, or NIL where the message has no such section.
    fn body(&mut self, section: &Section, part: impl Fn(Span) -> Span, out: &mut Vec<u8>) {
        let Some(span) = self.locate(section) else {
            out.extend_from_slice(b" NIL");
            return;
        };
        match choice(&section.piece) {
            None => {
                let rest = part(span);
                put!(out, " {{{}}}\r\n", rest.bytes());
                self.literal = (rest.bytes() > 0).then_some(Literal {
                    rest,
                    broken: false,
                });
            }
            Some((names, keep)) => self.fields(span, names, keep, part, out),
        }
    }

    fn locate(&self, section: &Section) -> Option<Span> {
        let content = self.content.as_ref()?;
        let layout = Layout {
            summary: &self.parts.as_ref()?.summary,
            origin: content.origin(),
            bytes: content.whole().to,
        };
        locate(section, layout)
    }

    fn fields(
        &mut self,
        header: Span,
        names: &[Vec<u8>],
        keep: Keep,
        part: impl Fn(Span) -> Span,
        out: &mut Vec<u8>,
    ) {
        let read = self
            .content
            .as_mut()
            .map(|content| content.read_all(header));
        let Some(Ok(header)) = read else {
            // No literal is announced yet; the client sees that there is nothing.
            out.extend_from_slice(b" NIL");
            return;
        };
        let fields = pick(&header, names, keep);
        let all = Span {
            from: 0,
            to: u64::try_from(fields.len()).unwrap_or(u64::MAX),
        };
        let wanted = part(all);
        let range =
            usize::try_from(wanted.from).unwrap_or(0)..usize::try_from(wanted.to).unwrap_or(0);
        let wanted = fields.get(range).unwrap_or_default();
        put!(out, " {{{}}}\r\n", wanted.len());
        out.extend_from_slice(wanted);
    }

    /// Tells a flag that this FETCH set (RFC 3501 6.4.5), and ends the response.
    fn end(&self, plan: &Plan, selected: &mut Selected, out: &mut Vec<u8>) {
        if self.found.marked {
            self.tell_marked(plan, selected, out);
        }
        out.extend_from_slice(b")\r\n");
    }

    fn tell_marked(&self, plan: &Plan, selected: &mut Selected, out: &mut Vec<u8>) {
        let modseq = self.found.row.modseq;
        if !plan.items.contains(&FetchItem::Flags) {
            out.push(b' ');
            self.flags(selected, out);
            if selected.user.enabled.condstore && !plan.items.contains(&FetchItem::ModSeq) {
                put!(out, " MODSEQ ({modseq})");
            }
        }
        selected.view.advance(modseq);
    }
}

const WHOLE: SectionPiece = SectionPiece::Whole;
const HEADER: SectionPiece = SectionPiece::Header;
const TEXT: SectionPiece = SectionPiece::Text;

/// The choice of header fields that a section makes, if any.
fn choice(piece: &SectionPiece) -> Option<(&[Vec<u8>], Keep)> {
    match piece {
        SectionPiece::HeaderFields(names) => Some((names, Keep::Named)),
        SectionPiece::HeaderFieldsNot(names) => Some((names, Keep::Others)),
        SectionPiece::Whole | SectionPiece::Header | SectionPiece::Text | SectionPiece::Mime => {
            None
        }
    }
}

/// Whether it tells anything of what a surrogate has otherwise.
fn shows_message(item: &FetchItem) -> bool {
    match item {
        FetchItem::Flags | FetchItem::Uid | FetchItem::ModSeq | FetchItem::InternalDate => false,
        FetchItem::Size
        | FetchItem::Envelope
        | FetchItem::Body
        | FetchItem::BodyStructure
        | FetchItem::Rfc822
        | FetchItem::Rfc822Header
        | FetchItem::Rfc822Text
        | FetchItem::Section(_) => true,
    }
}

impl Parts {
    fn new(record: MessageRecord) -> Result<Self> {
        let summary = Summary::decode(&record.summary).map_err(|error| {
            Error::Fault(format!("summary of message {}: {error}", record.serial))
        })?;
        Ok(Self {
            record,
            summary,
            downgraded: false,
        })
    }

    /// Opens the message if the items ask for its bytes, or if another one has to be shown in its place (RFC 6858).
    fn open(&mut self, plan: &Plan, store: &Store) -> Result<Option<Content>> {
        if plan.dialect == Dialect::Utf7
            && plan.items.iter().any(shows_message)
            && surrogate::is_needed(&self.summary, &self.record.prefix)
        {
            self.downgraded = true;
            return Content::open_surrogate(store, &mut self.record, &mut self.summary).map(Some);
        }
        match plan.needs {
            Needs::Content => Content::open(store, &self.record).map(Some),
            Needs::Record | Needs::Row => Ok(None),
        }
    }

    fn item(&self, item: &FetchItem, out: &mut Vec<u8>) {
        let structure = &self.summary.body;
        match item {
            FetchItem::InternalDate => {
                let date = DateTime::utc(self.record.internal_date).to_imap();
                put!(out, "INTERNALDATE \"{date}\"");
            }
            FetchItem::Size => put!(out, "RFC822.SIZE {}", self.record.bytes),
            FetchItem::Envelope => {
                out.extend_from_slice(b"ENVELOPE ");
                envelope::envelope(out, &self.summary.envelope);
            }
            FetchItem::Body => {
                out.extend_from_slice(b"BODY ");
                body::body(out, structure, Form::Body);
            }
            FetchItem::BodyStructure => {
                out.extend_from_slice(b"BODYSTRUCTURE ");
                body::body(out, structure, Form::BodyStructure);
            }
            FetchItem::Flags
            | FetchItem::Uid
            | FetchItem::ModSeq
            | FetchItem::Rfc822
            | FetchItem::Rfc822Header
            | FetchItem::Rfc822Text
            | FetchItem::Section(_) => {}
        }
    }
}

impl Literal {
    /// Stands in for bytes that cannot be read, so that the client still knows where responses go on.
    fn fill(&mut self, out: &mut Vec<u8>) {
        let piece = usize::try_from(self.rest.bytes()).unwrap_or(usize::MAX);
        let piece = piece.min(READ_BYTES_MAX);
        out.resize(out.len() + piece, b' ');
        let piece = u64::try_from(piece).unwrap_or(u64::MAX);
        self.rest.from = self.rest.from.saturating_add(piece).min(self.rest.to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::flags::FlagBits;
    use crate::mail::ids::{ModSeq, Serial, Uid};
    use crate::store::types::MessageRow;

    fn answering(bytes: u64) -> Answering {
        let row = MessageRow {
            uid: Uid::MIN,
            flags: FlagBits::default(),
            modseq: ModSeq::MIN,
            serial: Serial(1),
        };
        let found = Found {
            seq: 1,
            row,
            record: None,
            marked: false,
        };
        Answering {
            found,
            parts: None,
            content: None,
            next: 1,
            literal: Some(Literal {
                rest: Span { from: 0, to: bytes },
                broken: false,
            }),
        }
    }

    #[test]
    fn unreadable_literal_keeps_its_length() {
        let bytes = 3 * READ_BYTES_MAX + 5;
        let mut answering = answering(bytes as u64);
        let mut out = Vec::new();
        let progress = loop {
            let before = out.len();
            let literal = answering.literal.take().unwrap();
            match answering.continue_literal(literal, &mut out) {
                Progress::More => assert!(out.len() - before <= READ_BYTES_MAX),
                end @ (Progress::Done | Progress::Broken) => break end,
            }
        };
        assert_eq!(progress, Progress::Broken);
        assert_eq!(out.len(), bytes + b")\r\n".len());
        assert!(out.ends_with(b" )\r\n"));
    }
}
