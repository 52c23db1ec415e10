//! Search keys made ready for one mailbox, and what they say of a message as far as it is known.

use crate::clock::{Now, Wall};
use crate::imap::session::state::Selected;
use crate::imap::syntax::search::{EnvelopeField, Needle, SearchKey};
use crate::imap::syntax::sequence::NumberRange;
use crate::mail::date::{Date, DateTime};
use crate::mail::flags::SystemFlags;
use crate::mail::ids::Uid;
use crate::mail::mime::text::{decode_words, fold_case};
use crate::mail::mime::{EnvelopeAddress, Summary};
use crate::store::types::{MessageRecord, MessageRow};

/// Keys for one mailbox.
#[derive(Debug)]
pub(super) struct Plan {
    test: Test,
    /// What is looked for in bodies, folded; [`Test::Body`] and [`Test::Text`] count them.
    pub(super) needles: Vec<String>,
}

/// A key: sets resolved, names folded.
#[derive(Debug)]
enum Test {
    And(Vec<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Constant(bool),
    Sequence(Vec<NumberRange>),
    Uid(Vec<NumberRange>),
    Flag(SystemFlags),
    /// Bit of a keyword.
    Keyword(u64),
    ModSeq(u64),
    Record(RecordTest),
    /// Name and needle.
    Header(String, String),
    /// Index of the needle.
    Body(usize),
    Text(usize),
}

/// A key that a message's record decides.
#[derive(Debug)]
enum RecordTest {
    Before(Date),
    On(Date),
    Since(Date),
    SentBefore(Date),
    SentOn(Date),
    SentSince(Date),
    Larger(u64),
    Smaller(u64),
    /// Internal date at or before.
    Until(Wall),
    /// Internal date at or after.
    From(Wall),
    Envelope(EnvelopeField, String),
    MessageId(String),
}

/// What is known of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
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
    /// What a row tells.
    pub(super) fn of_row(seq: u32, row: &'a MessageRow) -> Self {
        Self {
            seq,
            row,
            record: None,
            header: None,
            body: None,
        }
    }

    /// What the record adds.
    pub(super) fn with_record(self, record: &'a MessageRecord, summary: &'a Summary) -> Self {
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
    /// Makes `key` ready for the selected mailbox.
    pub(super) fn new(key: &SearchKey, selected: &Selected, now: Now) -> Self {
        let mut compiler = Compiler {
            selected,
            now: now.stamp(),
            needles: Vec::new(),
        };
        let test = compiler.test(key);
        Self {
            test,
            needles: compiler.needles,
        }
    }

    /// Whether the message matches; `None` if too little is known of it.
    pub(super) fn test(&self, facts: &Facts<'_>) -> Option<bool> {
        self.test.holds(facts)
    }
}

struct Compiler<'a> {
    selected: &'a Selected,
    now: Wall,
    needles: Vec<String>,
}

impl Compiler<'_> {
    fn test(&mut self, key: &SearchKey) -> Test {
        match key {
            SearchKey::And(keys) => Test::And(keys.iter().map(|key| self.test(key)).collect()),
            SearchKey::Or(left, right) => {
                Test::Or(Box::new(self.test(left)), Box::new(self.test(right)))
            }
            SearchKey::Not(key) => Test::Not(Box::new(self.test(key))),
            SearchKey::All => Test::Constant(true),
            // `\Recent` is not kept (see `imap::view`).
            SearchKey::Recent => Test::Constant(false),
            SearchKey::Sequence(set) => Test::Sequence(set.ranges(self.selected.view.exists())),
            SearchKey::Uid(set) => {
                let last = self.selected.view.last_uid();
                Test::Uid(set.ranges(last.map_or(0, Uid::get)))
            }
            SearchKey::Flag(flag) => Test::Flag(*flag),
            SearchKey::Keyword(keyword) => {
                let mut known = self.selected.keywords.iter();
                let bit = known.position(|known| known == keyword);
                Test::Keyword(bit.map_or(0, |bit| 1 << bit))
            }
            SearchKey::ModSeq(since) => Test::ModSeq(*since),
            SearchKey::Before(date) => Test::Record(RecordTest::Before(*date)),
            SearchKey::On(date) => Test::Record(RecordTest::On(*date)),
            SearchKey::Since(date) => Test::Record(RecordTest::Since(*date)),
            SearchKey::SentBefore(date) => Test::Record(RecordTest::SentBefore(*date)),
            SearchKey::SentOn(date) => Test::Record(RecordTest::SentOn(*date)),
            SearchKey::SentSince(date) => Test::Record(RecordTest::SentSince(*date)),
            SearchKey::Larger(bytes) => Test::Record(RecordTest::Larger(*bytes)),
            SearchKey::Smaller(bytes) => Test::Record(RecordTest::Smaller(*bytes)),
            SearchKey::Older(seconds) => Test::Record(RecordTest::Until(self.before(*seconds))),
            SearchKey::Younger(seconds) => Test::Record(RecordTest::From(self.before(*seconds))),
            SearchKey::Envelope(field, Needle(text)) => {
                Test::Record(RecordTest::Envelope(*field, fold_case(text)))
            }
            // Clients look for their own drafts so: the ENVELOPE has it, no header need be read.
            SearchKey::Header(name, Needle(text)) if name.eq_ignore_ascii_case("Message-ID") => {
                Test::Record(RecordTest::MessageId(fold_case(text)))
            }
            SearchKey::Header(name, Needle(text)) => Test::Header(fold_case(name), fold_case(text)),
            SearchKey::Body(needle) => self.in_body(needle, Test::Body),
            SearchKey::Text(needle) => self.in_body(needle, Test::Text),
        }
    }

    fn before(&self, seconds: u32) -> Wall {
        Wall(self.now.0.saturating_sub(i64::from(seconds)))
    }

    /// Every message has the empty text.
    fn in_body(&mut self, Needle(text): &Needle, test: fn(usize) -> Test) -> Test {
        if text.is_empty() {
            return Test::Constant(true);
        }
        self.needles.push(fold_case(text));
        test(self.needles.len() - 1)
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
fn within(ranges: &[NumberRange], number: u32) -> bool {
    let index = ranges.partition_point(|range| range.to < number);
    ranges
        .get(index)
        .is_some_and(|range| range.contains(number))
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
