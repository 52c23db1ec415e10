//! Looks for text in the bytes of one message: its header, then the headers and texts of its parts, piece by piece.

use std::collections::VecDeque;

use super::plan::{Facts, Header, Hits, Plan};
use crate::mail::mime::header::fields;
use crate::mail::mime::text::{Finder, TextDecoder, decode_words, fold_case};
use crate::mail::mime::{self, Part, Summary};
use crate::store::types::{MessageRecord, MessageRow};
use crate::store::{Error, MessageReader, Result};

/// Bytes that one step reads.
pub const STEP_BYTES_MAX: usize = 64 << 10;

/// Longest header that is looked into; what lies beyond is not found.
const HEADER_BYTES_MAX: u64 = 1 << 20;

/// Bytes of a message, from and up to.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: u64,
    to: u64,
}

/// A message that is read.
#[derive(Debug)]
pub struct Reading {
    seq: u32,
    row: MessageRow,
    record: MessageRecord,
    summary: Summary,
    content: MessageReader,
    header: Header,
    hits: Hits,
    sources: VecDeque<Source>,
    current: Option<Current>,
}

/// Where text can be in a body.
#[derive(Debug)]
enum Source {
    /// Header of a part.
    Header(Span),
    /// Body of a text part, which decodes so.
    Text(Span, TextDecoder),
}

/// A text part under way.
#[derive(Debug)]
struct Current {
    rest: Span,
    decoder: TextDecoder,
    finders: Vec<Finder>,
}

impl Reading {
    /// Reads the header of a message: what its row and its record say, and its bytes. `seq` is 0 if nobody asks for it.
    pub fn begin(
        (seq, row): (u32, MessageRow),
        (record, summary): (MessageRecord, Summary),
        mut content: MessageReader,
        plan: &Plan,
    ) -> Result<Self> {
        let origin = content.origin();
        let block = read_all(
            &mut content,
            Span {
                from: 0,
                to: origin.saturating_add(summary.body.body_start),
            },
        )?;
        let header = Header::parse(&block);
        let mut sources = VecDeque::new();
        if !plan.needles.is_empty() {
            collect(&summary.body, origin, &mut sources);
        }
        Ok(Self {
            seq,
            row,
            record,
            summary,
            content,
            hits: Hits::new(&plan.needles, &header),
            header,
            sources,
            current: None,
        })
    }

    /// Looks at the next piece; says whether the message matches once that is known.
    pub fn step(&mut self, plan: &Plan) -> Result<Option<bool>> {
        let verdict = self.verdict(plan);
        if verdict.is_some() || self.hits.complete {
            return Ok(Some(verdict.unwrap_or(false)));
        }
        if let Some(current) = self.current.take() {
            self.read_text(current)?;
            return Ok(None);
        }
        match self.sources.pop_front() {
            Some(Source::Header(span)) => {
                let header = Header::parse(&read_all(&mut self.content, span)?);
                self.hits
                    .note(&plan.needles, |needle| header.mentions(needle));
            }
            Some(Source::Text(rest, decoder)) => {
                let finders = plan.needles.iter().map(|needle| Finder::new(needle));
                self.current = Some(Current {
                    rest,
                    decoder,
                    finders: finders.collect(),
                });
            }
            None => self.hits.complete = true,
        }
        Ok(None)
    }

    fn verdict(&self, plan: &Plan) -> Option<bool> {
        let facts = Facts::of_row(self.seq, &self.row);
        let facts = facts.with_record(&self.record, &self.summary);
        plan.test(&facts.with_bytes(&self.header, &self.hits))
    }

    fn read_text(&mut self, mut current: Current) -> Result<()> {
        let mut text = String::new();
        if current.rest.from < current.rest.to && !current.decoder.is_full() {
            let mut piece = Vec::new();
            read(&mut self.content, &mut current.rest, &mut piece)?;
            current.decoder.push(&piece, &mut text);
            self.hits.find(&mut current.finders, &text);
            self.current = Some(current);
        } else {
            current.decoder.finish(&mut text);
            self.hits.find(&mut current.finders, &text);
        }
        Ok(())
    }
}

/// Appends the beginning of `span` and cuts it off.
fn read(content: &mut MessageReader, span: &mut Span, out: &mut Vec<u8>) -> Result<()> {
    let wanted = usize::try_from(span.to.saturating_sub(span.from)).unwrap_or(usize::MAX);
    let wanted = wanted.min(STEP_BYTES_MAX);
    match content.read_at(span.from, wanted, out)? {
        0 if wanted > 0 => Err(Error::Fault("a blob is shorter than its record".into())),
        taken => {
            span.from = span.from.saturating_add(taken as u64).min(span.to);
            Ok(())
        }
    }
}

fn read_all(content: &mut MessageReader, span: Span) -> Result<Vec<u8>> {
    let mut rest = span;
    rest.to = span.to.min(span.from.saturating_add(HEADER_BYTES_MAX));
    let mut all = Vec::new();
    while rest.from < rest.to {
        read(content, &mut rest, &mut all)?;
    }
    Ok(all)
}

/// The places of text in a body: the message's own header is not among them. Nesting is bounded by the summary's.
fn collect(part: &Part, origin: u64, sources: &mut VecDeque<Source>) {
    let span = |from: u64, to: u64| Span {
        from: origin.saturating_add(from),
        to: origin.saturating_add(to),
    };
    match &part.content {
        mime::Content::Leaf => {
            if let Some(decoder) = TextDecoder::new(part) {
                sources.push_back(Source::Text(span(part.body_start, part.body_end), decoder));
            }
        }
        mime::Content::Multipart(parts) => {
            for inner in parts {
                sources.push_back(Source::Header(span(inner.header_start, inner.body_start)));
                collect(inner, origin, sources);
            }
        }
        mime::Content::Message(message) => {
            let inner = &message.body;
            sources.push_back(Source::Header(span(inner.header_start, inner.body_start)));
            collect(inner, origin, sources);
        }
    }
}

impl Header {
    fn parse(block: &[u8]) -> Self {
        let fields = fields(block).map(|field| {
            let name = String::from_utf8_lossy(field.name);
            let text = decode_words(&field.unfolded());
            (fold_case(&name), fold_case(&text))
        });
        Self {
            fields: fields.collect(),
        }
    }
}

impl Hits {
    fn new(needles: &[String], header: &Header) -> Self {
        let in_header = needles.iter().map(|needle| header.mentions(needle));
        Self {
            in_header: in_header.collect(),
            in_body: vec![false; needles.len()],
            complete: needles.is_empty(),
        }
    }

    fn note(&mut self, needles: &[String], found: impl Fn(&str) -> bool) {
        for (hit, needle) in self.in_body.iter_mut().zip(needles) {
            *hit = *hit || found(needle);
        }
    }

    fn find(&mut self, finders: &mut [Finder], text: &str) {
        for (hit, finder) in self.in_body.iter_mut().zip(finders) {
            *hit = *hit || finder.push(text);
        }
    }
}
