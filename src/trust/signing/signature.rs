//! The DKIM-Signature field (RFC 6376 3.5), relaxed in header and body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::keys::{Signer, Signers};
use crate::clock::Wall;
use crate::mail::address::Domain;
use crate::mail::mime::header::{self, Field};
use crate::mail::trace;

/// Fields that are signed as often as they occur (RFC 6376 5.4.1).
const SIGNED: [&str; 19] = [
    "from",
    "to",
    "cc",
    "subject",
    "date",
    "reply-to",
    "message-id",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "sender",
    "autocrypt",
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "disposition-notification-to",
    "auto-submitted",
];

/// The first of them are signed once more, so that nobody can add another one on the way (RFC 6376 8.15).
const ONCE_MORE: usize = 12;

/// Characters of the signature in a line.
const LINE_CHARACTERS: usize = 72;

/// The fields of all keys, for a message with this header and this hash of its body.
pub(super) fn fields(
    signers: &Signers,
    domain: &Domain,
    header: &[u8],
    body_hash: &[u8],
    now: Option<Wall>,
) -> Vec<u8> {
    let mut all = Vec::new();
    for signer in &signers.keys {
        all.extend(field(signer, domain, header, body_hash, now).unwrap_or_default());
    }
    all
}

pub(super) fn field(
    signer: &Signer,
    domain: &Domain,
    header: &[u8],
    body_hash: &[u8],
    now: Option<Wall>,
) -> Option<Vec<u8>> {
    let (names, mut canonical) = signed(header);
    let template = template(signer, domain, &names, body_hash, now);
    canonical.extend(relaxed(header::fields(template.as_bytes()).next()?));
    // RFC 6376 3.7: the field itself goes in without its line end.
    canonical.truncate(canonical.len().saturating_sub(2));
    let signature = STANDARD.encode(signer.sign(&canonical)?);
    let mut field = template.trim_end().as_bytes().to_vec();
    for line in signature.as_bytes().chunks(LINE_CHARACTERS) {
        field.extend(b"\r\n ");
        field.extend(line);
    }
    field.extend(b"\r\n");
    Some(field)
}

/// Names as in `h=`, and the fields that they stand for, canonical. Of several the last is taken first (RFC 6376 5.4.2).
fn signed(header: &[u8]) -> (Vec<&'static str>, Vec<u8>) {
    let (mut names, mut canonical) = (Vec::new(), Vec::new());
    let fields: Vec<Field<'_>> = header::fields(header).collect();
    for (at, name) in SIGNED.into_iter().enumerate() {
        for field in fields.iter().rev().filter(|field| field.is(name)) {
            names.push(name);
            canonical.extend(relaxed(*field));
        }
        if at < ONCE_MORE {
            names.push(name);
        }
    }
    (names, canonical)
}

/// The field with an empty signature.
fn template(
    signer: &Signer,
    domain: &Domain,
    names: &[&str],
    body_hash: &[u8],
    now: Option<Wall>,
) -> String {
    let mut chunks = vec![
        "v=1;".to_owned(),
        format!("a={};", signer.algorithm()),
        "c=relaxed/relaxed;".to_owned(),
        format!("d={domain};"),
        format!("s={};", signer.selector),
    ];
    if let Some(now) = now {
        chunks.push(format!("t={};", now.0));
    }
    let last = names.len().saturating_sub(1);
    for (at, name) in names.iter().enumerate() {
        let front = if at == 0 { "h=" } else { "" };
        let back = if at == last { ";" } else { ":" };
        chunks.push(format!("{front}{name}{back}"));
    }
    chunks.push(format!("bh={};", STANDARD.encode(body_hash)));
    chunks.push("b=".to_owned());
    trace::folded("DKIM-Signature:", &chunks)
}

/// RFC 6376 3.4.2.
fn relaxed(field: Field<'_>) -> Vec<u8> {
    let mut line = field.name.to_ascii_lowercase();
    line.push(b':');
    let mut words = field
        .value
        .split(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
        .filter(|word| !word.is_empty());
    if let Some(first) = words.next() {
        line.extend(first);
    }
    for word in words {
        line.push(b' ');
        line.extend(word);
    }
    line.extend(b"\r\n");
    line
}
