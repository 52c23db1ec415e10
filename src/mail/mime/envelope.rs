//! ENVELOPE data and the facts that delivery decides by, from the header block of a message.

use super::address_list;
use super::header::{Field, fields};
use super::{ADDRESSES_MAX, Envelope, EnvelopeAddress};

/// What a message's own header shows to those who deliver it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not depend on each other"
)]
pub struct HeaderFacts {
    /// Number of `Received` fields: the hop count (RFC 5321 6.3).
    pub hops: u32,
    /// Whether there is a `Date` field (RFC 6409 8.1 has submission add one).
    pub has_date: bool,
    /// Whether there is a `Message-ID` field (RFC 6409 8.2).
    pub has_message_id: bool,
    /// Number of `From` fields; RFC 5322 3.6 asks for exactly one.
    pub from_fields: u32,
    /// Addresses of the first `From` field.
    pub from: Vec<EnvelopeAddress>,
    /// Addresses of the first `Sender` field.
    pub sender: Vec<EnvelopeAddress>,
    /// Addresses of the first `Resent-From` field, the last that was added (RFC 5322 3.6.6).
    pub resent_from: Vec<EnvelopeAddress>,
    /// Addresses of the first `Resent-Sender` field.
    pub resent_sender: Vec<EnvelopeAddress>,
    /// Whether there is a `Bcc` field.
    pub has_bcc: bool,
    /// Whether the header has bytes above 127, in whatever charset.
    pub has_8bit: bool,
    /// Whether it has, and they are UTF-8 (RFC 6532).
    pub has_utf8: bool,
    /// Whether the header of a part or of an attached message has bytes above 127.
    pub has_8bit_in_parts: bool,
    /// Values of the `Delivered-To` fields, for finding loops.
    pub delivered_to: Vec<Vec<u8>>,
}

/// Most `Delivered-To` fields that are kept.
const DELIVERED_TO_MAX: usize = 100;

/// The envelope of a header block. Of fields that must occur once the first counts; `To`, `Cc` and `Bcc` are joined,
/// since mail with several of them exists.
pub(super) fn parse(block: &[u8]) -> (Envelope, HeaderFacts) {
    let mut envelope = Envelope::default();
    let mut facts = HeaderFacts {
        has_8bit: !block.is_ascii(),
        has_utf8: !block.is_ascii() && is_utf8(block),
        ..HeaderFacts::default()
    };
    for field in fields(block) {
        take(&mut envelope, &mut facts, field);
    }
    facts.from.clone_from(&envelope.from);
    facts.sender.clone_from(&envelope.sender);
    for defaulted in [&mut envelope.sender, &mut envelope.reply_to] {
        if defaulted.is_empty() {
            defaulted.clone_from(&envelope.from);
        }
    }
    (envelope, facts)
}

/// Whether it is UTF-8, perhaps cut off (see [`super::HEADER_BYTES_MAX`]).
fn is_utf8(block: &[u8]) -> bool {
    std::str::from_utf8(block).map_or_else(|error| error.error_len().is_none(), |_| true)
}

fn take(envelope: &mut Envelope, facts: &mut HeaderFacts, field: Field<'_>) {
    match field.name.to_ascii_lowercase().as_slice() {
        b"date" => {
            facts.has_date = true;
            set_text(&mut envelope.date, field);
        }
        b"message-id" => {
            facts.has_message_id = true;
            set_text(&mut envelope.message_id, field);
        }
        b"subject" => set_text(&mut envelope.subject, field),
        b"in-reply-to" => set_text(&mut envelope.in_reply_to, field),
        b"from" => {
            facts.from_fields += 1;
            set_addresses(&mut envelope.from, field);
        }
        b"sender" => set_addresses(&mut envelope.sender, field),
        b"resent-from" => set_addresses(&mut facts.resent_from, field),
        b"resent-sender" => set_addresses(&mut facts.resent_sender, field),
        b"reply-to" => set_addresses(&mut envelope.reply_to, field),
        b"to" => add_addresses(&mut envelope.to, field),
        b"cc" => add_addresses(&mut envelope.cc, field),
        b"bcc" => {
            facts.has_bcc = true;
            add_addresses(&mut envelope.bcc, field);
        }
        b"received" => facts.hops += 1,
        b"delivered-to" if facts.delivered_to.len() < DELIVERED_TO_MAX => {
            facts.delivered_to.push(field.unfolded());
        }
        _ => {}
    }
}

fn set_text(slot: &mut Option<Vec<u8>>, field: Field<'_>) {
    slot.get_or_insert_with(|| field.unfolded());
}

fn set_addresses(slot: &mut Vec<EnvelopeAddress>, field: Field<'_>) {
    if slot.is_empty() {
        *slot = address_list::parse(&field.unfolded());
    }
}

fn add_addresses(slot: &mut Vec<EnvelopeAddress>, field: Field<'_>) {
    slot.extend(address_list::parse(&field.unfolded()));
    slot.truncate(ADDRESSES_MAX);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sender_and_reply_to_default_to_from() {
        let (envelope, facts) = parse(b"From: a@x.org\r\nSender:\r\nReply-To: b@x.org\r\n\r\n");
        assert_eq!(envelope.sender, envelope.from);
        assert_ne!(envelope.reply_to, envelope.from);
        assert_eq!(facts.sender, []);
        assert_eq!(facts.from, envelope.from);
    }

    #[test]
    fn missing_and_empty_differ() {
        let (envelope, facts) = parse(b"Subject:\r\n\r\n");
        assert_eq!(envelope.subject, Some(Vec::new()));
        assert_eq!(envelope.date, None);
        assert!(!facts.has_date && !facts.has_message_id);
    }

    #[test]
    fn utf8_is_told_from_other_charsets() {
        let facts = |block: &[u8]| {
            let (_, facts) = parse(block);
            (facts.has_8bit, facts.has_utf8)
        };
        assert_eq!(facts(b"Subject: x\r\n"), (false, false));
        assert_eq!(facts("Subject: \u{fc}\r\n".as_bytes()), (true, true));
        assert_eq!(facts(b"Subject: \xfc\r\n"), (true, false));
        assert_eq!(facts(b"Subject: \xc3"), (true, true));
    }

    #[test]
    fn repeated_fields() {
        let (envelope, facts) = parse(
            b"Received: 1\nSubject: a\nReceived: 2\nSubject: b\nFrom: a@x\nFrom: b@x\nTo: c@x\nTo: d@x\n\
              Delivered-To: e@x\nResent-From: f@x\nResent-From: g@x\n",
        );
        assert_eq!(facts.resent_from, address_list::parse(b"f@x"));
        assert_eq!(envelope.subject.as_deref(), Some(&b"a"[..]));
        assert_eq!((envelope.from.len(), envelope.to.len()), (1, 2));
        assert_eq!((facts.hops, facts.from_fields), (2, 2));
        assert_eq!(facts.delivered_to, [b"e@x".to_vec()]);
    }
}
