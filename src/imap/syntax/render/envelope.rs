//! ENVELOPE (RFC 3501 7.4.2).

use super::string::nstring;
use crate::mail::mime::{Envelope, EnvelopeAddress};

/// Writes an envelope structure.
pub fn envelope(out: &mut Vec<u8>, envelope: &Envelope) {
    out.push(b'(');
    nstring(out, envelope.date.as_deref());
    out.push(b' ');
    nstring(out, envelope.subject.as_deref());
    let lists = [
        &envelope.from,
        &envelope.sender,
        &envelope.reply_to,
        &envelope.to,
        &envelope.cc,
        &envelope.bcc,
    ];
    for list in lists {
        out.push(b' ');
        addresses(out, list);
    }
    out.push(b' ');
    nstring(out, envelope.in_reply_to.as_deref());
    out.push(b' ');
    nstring(out, envelope.message_id.as_deref());
    out.push(b')');
}

fn addresses(out: &mut Vec<u8>, list: &[EnvelopeAddress]) {
    if list.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    for one in list {
        address(out, one);
    }
    out.push(b')');
}

fn address(out: &mut Vec<u8>, address: &EnvelopeAddress) {
    out.push(b'(');
    nstring(out, address.name.as_deref());
    for field in [&address.route, &address.mailbox, &address.host] {
        out.push(b' ');
        nstring(out, field.as_deref());
    }
    out.push(b')');
}
