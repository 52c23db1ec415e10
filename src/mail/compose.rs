//! Writing a message (RFC 5322, RFC 2045 to 2047, RFC 2231): header, text, and attachments that stream through.
//!
//! No text can break out of its place: what stands in a header is a [`Line`], an [`Address`], a [`MessageId`] or a
//! [`MediaType`], and none of these can hold a line end. Lines are at most 998 bytes, header lines 76 where they can be
//! folded. Of attached messages the bytes stay as they are but for line ends; everything else is encoded to 7 bits.

mod field;
pub mod recipients;
#[cfg(test)]
mod tests;

use super::address::Address;
use super::date::DateTime;
use super::flowed;
use super::mime::convert::{Encoder, Ends};

/// Bytes of one line of text in a header, before it is encoded.
pub const LINE_BYTES_MAX: usize = 2000;

/// Most Message-IDs of a `References` field; the first and the last are kept (RFC 5322 3.6.4, RFC 5537 3.4.4).
pub const REFERENCES_MAX: usize = 30;

/// A field of our drafts with what only whoever goes on writing needs. It is never sent.
pub const DRAFT_FIELD: &str = "X-Heimpost-Draft";

/// Longest Message-ID that is taken over.
const MESSAGE_ID_BYTES_MAX: usize = 250;

/// Longest line of a body (RFC 5322 2.1.1).
const BODY_LINE_BYTES_MAX: usize = 998;

/// One line of text for people, without control characters and white space around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(String);

impl Line {
    /// Control characters become spaces; what is too long is cut.
    pub fn new(text: &str) -> Self {
        let mut clean: String = text
            .chars()
            .map(|c| if is_break(c) { ' ' } else { c })
            .collect();
        while clean.len() > LINE_BYTES_MAX {
            clean.pop();
        }
        Self(clean.trim().to_owned())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What ends a line for somebody, or is no text.
fn is_break(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Somebody who writes or is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Name; may be empty.
    pub name: Line,
    /// Address.
    pub address: Address,
}

/// A Message-ID with its angle brackets (RFC 5322 3.6.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageId(String);

impl MessageId {
    /// A new one. `unique` is hexadecimal or the like.
    pub fn new(unique: &str, host: &str) -> Self {
        let clean = |text: &str| text.chars().filter(|c| is_id_char(*c)).collect::<String>();
        Self(format!("<{}@{}>", clean(unique), clean(host)))
    }

    /// All that a field names, in order.
    pub fn all(field: &[u8]) -> Vec<Self> {
        let text = String::from_utf8_lossy(field);
        let mut found = Vec::new();
        for start in text.split('<').skip(1) {
            let id = start.split_once('>').map_or("", |(id, _)| id);
            let fits = id.len() + 2 <= MESSAGE_ID_BYTES_MAX && id.chars().all(is_id_char);
            if fits && !id.is_empty() {
                found.push(Self(format!("<{id}>")));
            }
        }
        found
    }

    /// With its brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_id_char(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '<' | '>')
}

/// What a message answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thread {
    /// The message itself.
    pub in_reply_to: Option<MessageId>,
    /// What it answered in turn, oldest first, and itself at the end.
    pub references: Vec<MessageId>,
}

impl Thread {
    /// Of an answer to a message with these fields (RFC 5322 3.6.4).
    pub fn answering(message_id: &[u8], references: &[u8], in_reply_to: &[u8]) -> Self {
        let Some(own) = MessageId::all(message_id).into_iter().next() else {
            return Self::default();
        };
        let mut chain = MessageId::all(references);
        if chain.is_empty() {
            let parents = MessageId::all(in_reply_to);
            chain = parents.into_iter().take(1).collect();
        }
        chain.push(own.clone());
        if chain.len() > REFERENCES_MAX {
            chain.drain(1..=chain.len() - REFERENCES_MAX);
        }
        Self {
            in_reply_to: Some(own),
            references: chain,
        }
    }
}

/// The header of a message. Bcc is not in it: see [`bcc`].
#[derive(Clone, Debug)]
pub struct Head {
    /// Author.
    pub from: Party,
    /// `To`
    pub to: Vec<Party>,
    /// `Cc`
    pub cc: Vec<Party>,
    /// `Subject`
    pub subject: Line,
    /// `Date`; `None` while the clock is not set.
    pub date: Option<DateTime>,
    /// `Message-ID`
    pub message_id: MessageId,
    /// What it answers.
    pub thread: Thread,
}

/// The `Bcc` field, for copies that only the author sees; empty for nobody.
pub fn bcc(parties: &[Party]) -> Vec<u8> {
    field::parties("Bcc:", parties).into_bytes()
}

/// A field of our own with a text; empty for none.
pub fn extra(name: &'static str, text: &Line) -> Vec<u8> {
    if text.as_str().is_empty() {
        return Vec::new();
    }
    field::text(&format!("{name}:"), text).into_bytes()
}

impl Head {
    fn render(&self) -> String {
        let mut out = String::new();
        if let Some(date) = self.date {
            out.push_str(&super::trace::date(date));
        }
        out.push_str(&field::parties("From:", std::slice::from_ref(&self.from)));
        out.push_str(&field::parties("To:", &self.to));
        out.push_str(&field::parties("Cc:", &self.cc));
        out.push_str(&field::text("Subject:", &self.subject));
        out.push_str(&field::ids(
            "Message-ID:",
            std::slice::from_ref(&self.message_id),
        ));
        let parent = self.thread.in_reply_to.as_slice();
        out.push_str(&field::ids("In-Reply-To:", parent));
        out.push_str(&field::ids("References:", &self.thread.references));
        out.push_str("MIME-Version: 1.0\r\n");
        out
    }
}

/// A media type such as `image/png`, without parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType(String);

impl MediaType {
    /// What a browser or another message says. What it does not say, what is no type, and what may only hold encoded
    /// lines (`multipart`, `message`) is bytes of some kind.
    pub fn new(text: &str) -> Self {
        let essence = text.split(';').next().unwrap_or_default();
        let essence = essence.trim().to_ascii_lowercase();
        let is_name = |name: &str| {
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b);
            !name.is_empty() && name.len() <= 64 && name.bytes().all(fits)
        };
        match essence.split_once('/') {
            Some((kind, subtype))
                if is_name(kind)
                    && is_name(subtype)
                    && !matches!(kind, "multipart" | "message") =>
            {
                Self(essence)
            }
            _ => Self("application/octet-stream".to_owned()),
        }
    }
}

/// Something that goes with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// A file.
    File {
        /// What it is called.
        name: Line,
        /// What it is.
        kind: MediaType,
    },
    /// A whole message.
    Message {
        /// What it is called as a file.
        name: Line,
    },
}

/// What a message consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A text.
    Text,
    /// A text and files.
    Files(Boundary),
    /// A text, and among what goes with it are messages.
    Messages(Boundary),
}

/// What stands between parts. Encoded parts cannot have it in them; in attached messages it is improbable enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boundary(String);

impl Boundary {
    /// A new one. `unique` is at least 32 random hexadecimal digits.
    pub fn new(unique: &str) -> Self {
        let clean = unique.chars().filter(char::is_ascii_alphanumeric).take(40);
        // RFC 2045 6.7: `=_` is in no encoded body.
        Self(format!("=_{}", clean.collect::<String>()))
    }
}

/// Writes one message, piece by piece.
#[derive(Debug)]
pub struct Writer {
    boundary: Option<Boundary>,
    open: Option<Open>,
}

#[derive(Debug)]
enum Open {
    Encoded(Encoder),
    /// The bytes of a message; whether the last one was a CR.
    Message(Last),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Cr,
    LineEnd,
    Other,
}

impl Writer {
    /// Writes header and text.
    pub fn begin(head: &Head, text: &str, shape: Shape, out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(head.render().as_bytes());
        let (boundary, encoding) = match shape {
            Shape::Text => (None, ""),
            Shape::Files(boundary) => (Some(boundary), ""),
            // RFC 2045 6.4: no less than its parts.
            Shape::Messages(boundary) => (Some(boundary), "Content-Transfer-Encoding: 8bit\r\n"),
        };
        if let Some(Boundary(boundary)) = &boundary {
            let kind = format!("Content-Type: multipart/mixed;\r\n boundary=\"{boundary}\"\r\n");
            out.extend_from_slice(format!("{kind}{encoding}\r\n--{boundary}\r\n").as_bytes());
        }
        let ends = match boundary {
            Some(_) => Ends::Boundary,
            None => Ends::Message,
        };
        write_text(text, ends, out);
        Self {
            boundary,
            open: None,
        }
    }

    /// Begins an attachment; its bytes come next. A message without boundary takes none.
    pub fn attach(&mut self, attachment: &Attachment, out: &mut Vec<u8>) {
        self.close(out);
        let Some(Boundary(boundary)) = &self.boundary else {
            return;
        };
        let (name, kind, encoding) = match attachment {
            Attachment::File { name, kind } => (name, kind.0.as_str(), "base64"),
            Attachment::Message { name } => (name, "message/rfc822", "8bit"),
        };
        let disposition = field::with_param("Content-Disposition: attachment", "filename", name);
        let fields = format!(
            "\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n{disposition}\r\n"
        );
        out.extend_from_slice(fields.as_bytes());
        self.open = Some(match attachment {
            Attachment::File { .. } => Open::Encoded(Encoder::base64()),
            Attachment::Message { .. } => Open::Message(Last::Other),
        });
    }

    /// The next bytes of the attachment.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match &mut self.open {
            Some(Open::Encoded(encoder)) => encoder.push(bytes, out),
            Some(Open::Message(last)) => *last = push_lines(*last, bytes, out),
            None => {}
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        match self.open.take() {
            Some(Open::Encoded(encoder)) => encoder.finish(Ends::Boundary, out),
            Some(Open::Message(Last::Cr)) => out.push(b'\n'),
            Some(Open::Message(_)) | None => {}
        }
    }

    /// No more attachments.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.close(out);
        if let Some(Boundary(boundary)) = &self.boundary {
            out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        }
    }
}

/// Every line end becomes CRLF; NUL, which cannot be sent, is left out.
fn push_lines(mut last: Last, bytes: &[u8], out: &mut Vec<u8>) -> Last {
    for &byte in bytes {
        match (last, byte) {
            (_, 0) => continue,
            (Last::Cr, b'\n') => out.push(b'\n'),
            (Last::Cr, b'\r') => out.extend_from_slice(b"\n\r"),
            (Last::Cr, _) => out.extend_from_slice(&[b'\n', byte]),
            (_, b'\n') => out.extend_from_slice(b"\r\n"),
            (_, _) => out.push(byte),
        }
        last = match byte {
            b'\r' => Last::Cr,
            b'\n' => Last::LineEnd,
            _ => Last::Other,
        };
    }
    last
}

fn write_text(text: &str, ends: Ends, out: &mut Vec<u8>) {
    let body = flowed::write(text);
    let is_short = body.lines().all(|line| line.len() <= BODY_LINE_BYTES_MAX);
    let is_plain = body.is_ascii() && is_short;
    let encoding = if is_plain { "7bit" } else { "quoted-printable" };
    let kind = "Content-Type: text/plain; charset=utf-8; format=flowed";
    out.extend_from_slice(
        format!("{kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n").as_bytes(),
    );
    if is_plain {
        out.extend_from_slice(body.as_bytes());
        return;
    }
    let mut encoder = Encoder::quoted_printable();
    encoder.push(body.as_bytes(), out);
    encoder.finish(ends, out);
}
