//! The stored form of a [`Summary`]: compact, with a version in front.
//!
//! Format 1. Numbers are LEB128 varints. Text is its length plus [`WORDS`]`.len()`, then its bytes; a number below that
//! is an index into `WORDS`. A list is its count, then its items. Optional things are announced by bits of the record
//! that has them. Offsets are kept as distances: header from the end of the part before (or the start of the body
//! around), header's length, body's length.
//!
//! `WORDS` is part of the format: a change to it or to the order of anything makes a new version.

use super::{Content, DEPTH_MAX, Disposition, Envelope, EnvelopeAddress, Param, Part, Summary};

const VERSION: u8 = 1;

/// Deepest tree that decodes: what the scanner makes, and the one part of an empty multipart.
const TREE_DEPTH_MAX: usize = DEPTH_MAX + 2;

/// Frequent texts, each given as one byte.
const WORDS: [&[u8]; 48] = [
    b"text",
    b"plain",
    b"html",
    b"multipart",
    b"alternative",
    b"mixed",
    b"related",
    b"application",
    b"octet-stream",
    b"pdf",
    b"image",
    b"png",
    b"jpeg",
    b"gif",
    b"message",
    b"rfc822",
    b"charset",
    b"utf-8",
    b"UTF-8",
    b"us-ascii",
    b"iso-8859-1",
    b"ISO-8859-1",
    b"windows-1252",
    b"boundary",
    b"7bit",
    b"8bit",
    b"binary",
    b"base64",
    b"quoted-printable",
    b"attachment",
    b"inline",
    b"filename",
    b"name",
    b"format",
    b"flowed",
    b"delsp",
    b"yes",
    b"no",
    b"type",
    b"text/html",
    b"signed",
    b"report",
    b"calendar",
    b"method",
    b"micalg",
    b"protocol",
    b"report-type",
    b"delivery-status",
];

/// Why stored bytes are no summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Another version's format.
    #[error("summary has unknown version {0}")]
    Version(u8),
    /// Cut short, with bytes left over, or contradicting itself.
    #[error("summary is damaged")]
    Damaged,
}

impl Summary {
    /// The form to store; some 200 bytes for an ordinary mail.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_summary(&mut out, self);
        out
    }

    /// Reads what [`Summary::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (version, rest) = bytes.split_first().ok_or(DecodeError::Damaged)?;
        if *version != VERSION {
            return Err(DecodeError::Version(*version));
        }
        let mut input = Input(rest);
        let summary = input.summary(0, 0).ok_or(DecodeError::Damaged)?;
        if input.0.is_empty() {
            Ok(summary)
        } else {
            Err(DecodeError::Damaged)
        }
    }
}

// Bits of an envelope record.
const DATE: u64 = 1;
const SUBJECT: u64 = 1 << 1;
const IN_REPLY_TO: u64 = 1 << 2;
const MESSAGE_ID: u64 = 1 << 3;
const SENDER: u64 = 1 << 4;
const REPLY_TO: u64 = 1 << 5;
const CC: u64 = 1 << 6;
const BCC: u64 = 1 << 7;

// Bits of a part record.
const ID: u64 = 1;
const DESCRIPTION: u64 = 1 << 1;
const ENCODING: u64 = 1 << 2;
const DISPOSITION: u64 = 1 << 3;
const MULTIPART: u64 = 1 << 4;
const MESSAGE: u64 = 1 << 5;
const LANGUAGE: u64 = 1 << 6;
const LOCATION: u64 = 1 << 7;
const MD5: u64 = 1 << 8;

fn bit(set: bool, bit: u64) -> u64 {
    if set { bit } else { 0 }
}

fn put_summary(out: &mut Vec<u8>, summary: &Summary) {
    put_envelope(out, &summary.envelope);
    put_part(out, &summary.body, summary.body.header_start);
}

fn put_envelope(out: &mut Vec<u8>, envelope: &Envelope) {
    let has_sender = envelope.sender != envelope.from;
    let has_reply_to = envelope.reply_to != envelope.from;
    let bits = bit(envelope.date.is_some(), DATE)
        | bit(envelope.subject.is_some(), SUBJECT)
        | bit(envelope.in_reply_to.is_some(), IN_REPLY_TO)
        | bit(envelope.message_id.is_some(), MESSAGE_ID)
        | bit(has_sender, SENDER)
        | bit(has_reply_to, REPLY_TO)
        | bit(!envelope.cc.is_empty(), CC)
        | bit(!envelope.bcc.is_empty(), BCC);
    put_number(out, bits);
    let texts = [
        &envelope.date,
        &envelope.subject,
        &envelope.in_reply_to,
        &envelope.message_id,
    ];
    for text in texts.into_iter().flatten() {
        put_text(out, text);
    }
    put_addresses(out, &envelope.from);
    put_addresses(out, &envelope.to);
    let others = [
        (has_sender, &envelope.sender),
        (has_reply_to, &envelope.reply_to),
        (!envelope.cc.is_empty(), &envelope.cc),
        (!envelope.bcc.is_empty(), &envelope.bcc),
    ];
    for (_, list) in others.into_iter().filter(|(is_kept, _)| *is_kept) {
        put_addresses(out, list);
    }
}

fn put_addresses(out: &mut Vec<u8>, list: &[EnvelopeAddress]) {
    put_number(out, list.len() as u64);
    for address in list {
        let texts = [
            &address.name,
            &address.route,
            &address.mailbox,
            &address.host,
        ];
        let bits = texts
            .iter()
            .enumerate()
            .map(|(at, text)| bit(text.is_some(), 1 << at));
        put_number(out, bits.sum());
        for text in texts.into_iter().flatten() {
            put_text(out, text);
        }
    }
}

/// `base` is where the part's header could start at the earliest.
fn put_part(out: &mut Vec<u8>, part: &Part, base: u64) {
    let has_encoding = part.encoding != b"7bit";
    let bits = bit(part.id.is_some(), ID)
        | bit(part.description.is_some(), DESCRIPTION)
        | bit(has_encoding, ENCODING)
        | bit(part.disposition.is_some(), DISPOSITION)
        | bit(matches!(part.content, Content::Multipart(_)), MULTIPART)
        | bit(matches!(part.content, Content::Message(_)), MESSAGE)
        | bit(!part.language.is_empty(), LANGUAGE)
        | bit(part.location.is_some(), LOCATION)
        | bit(part.md5.is_some(), MD5);
    put_number(out, bits);
    put_number(out, part.header_start.saturating_sub(base));
    put_number(out, part.body_start.saturating_sub(part.header_start));
    put_number(out, part.octets());
    put_number(out, part.lines);
    put_text(out, &part.media_type);
    put_text(out, &part.subtype);
    put_params(out, &part.params);
    put_rare(out, part, has_encoding);
    put_content(out, part);
}

fn put_rare(out: &mut Vec<u8>, part: &Part, has_encoding: bool) {
    for text in [&part.id, &part.description, &part.location, &part.md5]
        .into_iter()
        .flatten()
    {
        put_text(out, text);
    }
    if has_encoding {
        put_text(out, &part.encoding);
    }
    if let Some(disposition) = &part.disposition {
        put_text(out, &disposition.kind);
        put_params(out, &disposition.params);
    }
    if !part.language.is_empty() {
        put_number(out, part.language.len() as u64);
        part.language.iter().for_each(|tag| put_text(out, tag));
    }
}

fn put_content(out: &mut Vec<u8>, part: &Part) {
    match &part.content {
        Content::Leaf => {}
        Content::Message(message) => put_summary(out, message),
        Content::Multipart(parts) => {
            put_number(out, parts.len() as u64);
            let mut base = part.body_start;
            for inner in parts {
                put_part(out, inner, base);
                base = inner.body_end;
            }
        }
    }
}

fn put_params(out: &mut Vec<u8>, params: &[Param]) {
    put_number(out, params.len() as u64);
    for (name, value) in params {
        put_text(out, name);
        put_text(out, value);
    }
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    if let Some(word) = WORDS.iter().position(|word| *word == text) {
        put_number(out, word as u64);
    } else {
        put_number(out, (text.len() + WORDS.len()) as u64);
        out.extend_from_slice(text);
    }
}

fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

/// What is left to decode. Every method gives `None` for damage.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn summary(&mut self, base: u64, depth: usize) -> Option<Summary> {
        let envelope = self.envelope()?;
        let body = self.part(base, depth)?;
        Some(Summary { envelope, body })
    }

    fn envelope(&mut self) -> Option<Envelope> {
        let bits = self.number()?;
        let mut envelope = Envelope {
            date: self.optional(bits & DATE, Self::text)?,
            subject: self.optional(bits & SUBJECT, Self::text)?,
            in_reply_to: self.optional(bits & IN_REPLY_TO, Self::text)?,
            message_id: self.optional(bits & MESSAGE_ID, Self::text)?,
            from: self.list(Self::address)?,
            to: self.list(Self::address)?,
            ..Envelope::default()
        };
        let sender = self.optional(bits & SENDER, |input| input.list(Self::address))?;
        envelope.sender = sender.unwrap_or_else(|| envelope.from.clone());
        let reply_to = self.optional(bits & REPLY_TO, |input| input.list(Self::address))?;
        envelope.reply_to = reply_to.unwrap_or_else(|| envelope.from.clone());
        let cc = self.optional(bits & CC, |input| input.list(Self::address))?;
        envelope.cc = cc.unwrap_or_default();
        let bcc = self.optional(bits & BCC, |input| input.list(Self::address))?;
        envelope.bcc = bcc.unwrap_or_default();
        Some(envelope)
    }

    fn address(&mut self) -> Option<EnvelopeAddress> {
        let bits = self.number()?;
        Some(EnvelopeAddress {
            name: self.optional(bits & 1, Self::text)?,
            route: self.optional(bits & 2, Self::text)?,
            mailbox: self.optional(bits & 4, Self::text)?,
            host: self.optional(bits & 8, Self::text)?,
        })
    }

    fn part(&mut self, base: u64, depth: usize) -> Option<Part> {
        if depth > TREE_DEPTH_MAX {
            return None;
        }
        let bits = self.number()?;
        let header_start = base.checked_add(self.number()?)?;
        let body_start = header_start.checked_add(self.number()?)?;
        let body_end = body_start.checked_add(self.number()?)?;
        let lines = self.number()?;
        let mut part = Part {
            header_start,
            body_start,
            body_end,
            lines,
            media_type: self.text()?,
            subtype: self.text()?,
            params: self.list(Self::param)?,
            id: self.optional(bits & ID, Self::text)?,
            description: self.optional(bits & DESCRIPTION, Self::text)?,
            location: self.optional(bits & LOCATION, Self::text)?,
            md5: self.optional(bits & MD5, Self::text)?,
            ..Part::default()
        };
        if let Some(encoding) = self.optional(bits & ENCODING, Self::text)? {
            part.encoding = encoding;
        }
        part.disposition = self.optional(bits & DISPOSITION, Self::disposition)?;
        let language = self.optional(bits & LANGUAGE, |input| input.list(Self::text))?;
        part.language = language.unwrap_or_default();
        part.content = self.content(bits, body_start, depth)?;
        Some(part)
    }

    fn content(&mut self, bits: u64, body_start: u64, depth: usize) -> Option<Content> {
        if bits & MESSAGE != 0 {
            let message = self.summary(body_start, depth + 1)?;
            return Some(Content::Message(Box::new(message)));
        }
        if bits & MULTIPART == 0 {
            return Some(Content::Leaf);
        }
        let mut base = body_start;
        let parts = self.list(|input| {
            let part = input.part(base, depth + 1)?;
            base = part.body_end;
            Some(part)
        })?;
        (!parts.is_empty()).then_some(Content::Multipart(parts))
    }

    fn disposition(&mut self) -> Option<Disposition> {
        let kind = self.text()?;
        let params = self.list(Self::param)?;
        Some(Disposition { kind, params })
    }

    fn param(&mut self) -> Option<Param> {
        Some((self.text()?, self.text()?))
    }

    /// Nothing if `bits` are not set.
    #[expect(
        clippy::option_option,
        reason = "damaged, not there, and there are three things"
    )]
    fn optional<T>(
        &mut self,
        bits: u64,
        mut take: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        if bits == 0 {
            return Some(None);
        }
        take(self).map(Some)
    }

    /// Each item takes a byte or more, so that damage cannot ask for more memory than some multiple of the input.
    fn list<T>(&mut self, mut take: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()?;
        if count > self.0.len() as u64 {
            return None;
        }
        (0..count).map(|_| take(self)).collect()
    }

    fn text(&mut self) -> Option<Vec<u8>> {
        let number = usize::try_from(self.number()?).ok()?;
        if let Some(word) = WORDS.get(number) {
            return Some(word.to_vec());
        }
        let (text, rest) = self.0.split_at_checked(number - WORDS.len())?;
        self.0 = rest;
        Some(text.to_vec())
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}
