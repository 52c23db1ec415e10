//! What is looked for, made ready, and what it says of a message as far as that is known.

use std::ops::RangeInclusive;

use crate::clock::Wall;
use crate::mail::date::{Date, DateTime};
use crate::mail::flags::SystemFlags;
use crate::mail::mime::text::{decode_words, fold_case};
use crate::mail::mime::view::has_files;
use crate::mail::mime::{EnvelopeAddress, Summary};
use crate::store::types::{MessageRecord, MessageRow};

/// What is looked for.
#[derive(Debug)]
pub struct Plan {
    test: Test,
    /// What is looked for in bodies, folded; [`Test::Body`] and [`Test::Text`] count them.
    pub(super) needles: Vec<String>,
}

/// A question about a message: sets of numbers resolved, names and texts folded.
#[derive(Clone, Debug)]
pub enum Test {
    /// All of these; of none: yes.
    And(Vec<Self>),
    /// One of the two.
    Or(Box<Self>, Box<Self>),
    /// Not this.
    Not(Box<Self>),
    /// Whatever the message.
    Constant(bool),
    /// Its sequence number is in one of these ranges, which are ascending and apart.
    Sequence(Vec<RangeInclusive<u32>>),
    /// The same of its UID.
    Uid(Vec<RangeInclusive<u32>>),
    /// It has that system flag.
    Flag(SystemFlags),
    /// It has one of these keywords, by their bits.
    Keyword(u64),
    /// Its mod-sequence is at least that.
    ModSeq(u64),
    /// Something that its record decides.
    Record(RecordTest),
    /// A field of that name has the text.
    Header(String, String),
    /// Its body has the needle of that index.
    Body(usize),
    /// Its header or its body has the needle of that index.
    Text(usize),
}

/// A question that a message's record decides.
#[derive(Clone, Debug)]
pub enum RecordTest {
    /// Internal date before that day.
    Before(Date),
    /// On that day.
    On(Date),
    /// On that day or later.
    Since(Date),
    /// Date field before that day.
    SentBefore(Date),
    /// On that day.
    SentOn(Date),
    /// On that day or later.
    SentSince(Date),
    /// More bytes than that.
    Larger(u64),
    /// Fewer.
    Smaller(u64),
    /// Internal date at or before.
    Until(Wall),
    /// Internal date at or after.
    From(Wall),
    /// That field has the text.
    Envelope(EnvelopeField, String),
    /// Its Message-ID has the text.
    MessageId(String),
    /// It has attachments.
    Files,
}

/// A field of the ENVELOPE that can be looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeField {
    /// `Bcc`
    Bcc,
    /// `Cc`
    Cc,
    /// `From`
    From,
    /// `Subject`
    Subject,
    /// `To`
    To,
}

/// Puts a plan together.
#[derive(Debug, Default)]
pub struct Planner {
    needles: Vec<String>,
}

impl Planner {
    /// `text` in the body; every message has the empty text.
    pub fn body(&mut self, text: &str) -> Test {
        self.needle(text, Test::Body)
    }

    /// `text` in header or body; every message has the empty text.
    pub fn text(&mut self, text: &str) -> Test {
        self.needle(text, Test::Text)
    }

    fn needle(&mut self, text: &str, test: fn(usize) -> Test) -> Test {
        if text.is_empty() {
            return Test::Constant(true);
        }
        self.needles.push(fold_case(text));
        test(self.needles.len() - 1)
    }

    /// The plan of that question.
    pub fn plan(self, test: Test) -> Plan {
        Plan {
            test,
            needles: self.needles,
        }
    }
}

/// What is known of a message.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    seq: u32,
    row: &'a MessageRow,
    record: Option<(&'a MessageRecord, &'a Summary)>,
    header: Option<&'a Header>,
    body: Option<&'a Hits>,
}

/// The decoded header of a message.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// Names and texts, folded.
    pub(super) fields: Vec<(String, String)>,
}

/// Where the needles were found, by index.
#[derive(Debug)]
pub(super) struct Hits {
    /// In the message's own header, where only `TEXT` looks.
    pub(super) in_header: Vec<bool>,
    /// In the body, headers of parts included.
    pub(super) in_body: Vec<bool>,
    /// Whether all of the body was looked at.
    pub(super) complete: bool,
}

impl<'a> Facts<'a> {
    /// What a row tells; 0 for a number that nobody asks for.
    pub fn of_row(seq: u32, row: &'a MessageRow) -> Self {
        Self {
            seq,
            row,
            record: None,
            header: None,
            body: None,
        }
    }

    /// What the record adds.
    #[must_use]
    pub fn with_record(self, record: &'a MessageRecord, summary: &'a Summary) -> Self {
        Self {
            record: Some((record, summary)),
            ..self
        }
    }

    /// What the message's bytes add.
    pub(super) fn with_bytes(self, header: &'a Header, body: &'a Hits) -> Self {
        Self {
            header: Some(header),
            body: Some(body),
            ..self
        }
    }
}

impl Plan {
    /// Whether the message matches; `None` if too little is known of it.
    pub fn test(&self, facts: &Facts<'_>) -> Option<bool> {
        self.test.holds(facts)
    }
}

impl Test {
    fn holds(&self, facts: &Facts<'_>) -> Option<bool> {
        match self {
            Self::And(tests) => all(tests.iter().map(|test| test.holds(facts))),
            Self::Or(left, right) => {
                let neither = [left, right].into_iter().map(|test| test.holds(facts));
                all(neither.map(|holds| holds.map(|holds| !holds))).map(|neither| !neither)
            }
            Self::Not(test) => test.holds(facts).map(|holds| !holds),
            Self::Constant(holds) => Some(*holds),
            Self::Sequence(ranges) => Some(within(ranges, facts.seq)),
            Self::Uid(ranges) => Some(within(ranges, facts.row.uid.get())),
            Self::Flag(flag) => Some(facts.row.flags.system.contains(*flag)),
            Self::Keyword(bit) => Some(facts.row.flags.keywords & bit != 0),
            Self::ModSeq(since) => Some(facts.row.modseq.get() >= *since),
            Self::Header(name, needle) => facts.header.map(|header| header.has(name, needle)),
            Self::Body(needle) => facts.body?.body_has(*needle),
            Self::Text(needle) => facts.body?.text_has(*needle),
            Self::Record(test) => {
                let (record, summary) = facts.record?;
                Some(test.holds(record, summary))
            }
        }
    }
}

impl RecordTest {
    /// RFC 3501 6.4.4: dates are compared without time and zone. Internal dates are kept, and shown, in UTC.
    fn holds(&self, record: &MessageRecord, summary: &Summary) -> bool {
        let internal = record.internal_date;
        let sent = |test: &dyn Fn(Date) -> bool| sent(summary).is_some_and(test);
        match self {
            Self::Before(date) => Date::utc(internal) < *date,
            Self::On(date) => Date::utc(internal) == *date,
            Self::Since(date) => Date::utc(internal) >= *date,
            Self::SentBefore(date) => sent(&|sent| sent < *date),
            Self::SentOn(date) => sent(&|sent| sent == *date),
            Self::SentSince(date) => sent(&|sent| sent >= *date),
            Self::Larger(bytes) => record.bytes > *bytes,
            Self::Smaller(bytes) => record.bytes < *bytes,
            Self::Until(time) => internal <= *time,
            Self::From(time) => internal >= *time,
            Self::Files => has_files(summary),
            Self::MessageId(needle) => {
                let id = summary.envelope.message_id.as_deref();
                id.is_some_and(|id| fold_case(&decode_words(id)).contains(needle))
            }
            Self::Envelope(field, needle) => {
                envelope_text(*field, summary).is_some_and(|text| text.contains(needle))
            }
        }
    }
}

/// Three-valued: one `false` decides, else what is not known.
fn all(tests: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = Some(true);
    for test in tests {
        match test {
            Some(false) => return Some(false),
            Some(true) => {}
            None => known = None,
        }
    }
    known
}

/// `ranges` are ascending and do not overlap.
fn within(ranges: &[RangeInclusive<u32>], number: u32) -> bool {
    let index = ranges.partition_point(|range| *range.end() < number);
    ranges
        .get(index)
        .is_some_and(|range| range.contains(&number))
}

fn sent(summary: &Summary) -> Option<Date> {
    let field = summary.envelope.date.as_deref()?;
    DateTime::parse_lenient(field).map(DateTime::date)
}

/// The field as people read it, folded; `None` if it is missing.
fn envelope_text(field: EnvelopeField, summary: &Summary) -> Option<String> {
    let envelope = &summary.envelope;
    let addresses = match field {
        EnvelopeField::Subject => {
            return Some(fold_case(&decode_words(envelope.subject.as_deref()?)));
        }
        EnvelopeField::Bcc => &envelope.bcc,
        EnvelopeField::Cc => &envelope.cc,
        EnvelopeField::From => &envelope.from,
        EnvelopeField::To => &envelope.to,
    };
    if addresses.is_empty() {
        return None;
    }
    let texts: Vec<String> = addresses.iter().map(address_text).collect();
    Some(fold_case(&texts.join(", ")))
}

fn address_text(address: &EnvelopeAddress) -> String {
    let text = |field: &Option<Vec<u8>>| decode_words(field.as_deref().unwrap_or_default());
    let (name, mailbox, host) = (
        text(&address.name),
        text(&address.mailbox),
        text(&address.host),
    );
    format!("{name} <{mailbox}@{host}>")
}

impl Header {
    /// An empty needle asks whether there is such a field.
    fn has(&self, name: &str, needle: &str) -> bool {
        let mut fields = self.fields.iter();
        fields.any(|(known, text)| known == name && text.contains(needle))
    }

    /// Whether some line of it has the needle.
    pub(super) fn mentions(&self, needle: &str) -> bool {
        let mut fields = self.fields.iter();
        fields.any(|(name, text)| format!("{name}: {text}").contains(needle))
    }
}

impl Hits {
    /// What is not found is open until all was looked at.
    fn body_has(&self, needle: usize) -> Option<bool> {
        match self.in_body.get(needle) {
            Some(true) => Some(true),
            _ => self.complete.then_some(false),
        }
    }

    fn text_has(&self, needle: usize) -> Option<bool> {
        match self.in_header.get(needle) {
            Some(true) => Some(true),
            _ => self.body_has(needle),
        }
    }
}
