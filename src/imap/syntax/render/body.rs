//! BODY and BODYSTRUCTURE (RFC 3501 7.4.2) from the structure that was found at delivery.
//!
//! Nesting is bounded by `mail::mime::DEPTH_MAX`.

use super::envelope::envelope;
use super::put;
use super::string::{nstring, string};
use crate::mail::mime::{Content, Disposition, Param, Part, Summary};

/// Which of the two forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `BODY`
    Body,
    /// `BODYSTRUCTURE`: with extension data.
    BodyStructure,
}

/// Writes the structure of a message or part.
pub fn body(out: &mut Vec<u8>, part: &Part, form: Form) {
    out.push(b'(');
    match &part.content {
        Content::Multipart(parts) => multipart(out, part, parts, form),
        Content::Message(message) => {
            basic(out, part);
            attached(out, part, message, form);
        }
        Content::Leaf => {
            basic(out, part);
            if part.media_type == b"text" {
                put!(out, " {}", part.lines);
            }
        }
    }
    if form == Form::BodyStructure {
        extension(out, part);
    }
    out.push(b')');
}

fn multipart(out: &mut Vec<u8>, part: &Part, parts: &[Part], form: Form) {
    for inner in parts {
        body(out, inner, form);
    }
    out.push(b' ');
    string(out, &part.subtype);
}

fn attached(out: &mut Vec<u8>, part: &Part, message: &Summary, form: Form) {
    out.push(b' ');
    envelope(out, &message.envelope);
    out.push(b' ');
    body(out, &message.body, form);
    put!(out, " {}", part.lines);
}

/// Media type and `body-fields`.
fn basic(out: &mut Vec<u8>, part: &Part) {
    string(out, &part.media_type);
    out.push(b' ');
    string(out, &part.subtype);
    out.push(b' ');
    parameters(out, &part.params);
    out.push(b' ');
    nstring(out, part.id.as_deref());
    out.push(b' ');
    nstring(out, part.description.as_deref());
    out.push(b' ');
    string(out, &part.encoding);
    put!(out, " {}", part.octets());
}

/// `body-ext-1part` and `body-ext-mpart`: they differ in their first field.
fn extension(out: &mut Vec<u8>, part: &Part) {
    out.push(b' ');
    match &part.content {
        Content::Multipart(_) => parameters(out, &part.params),
        Content::Message(_) | Content::Leaf => nstring(out, part.md5.as_deref()),
    }
    out.push(b' ');
    disposition(out, part.disposition.as_ref());
    out.push(b' ');
    languages(out, &part.language);
    out.push(b' ');
    nstring(out, part.location.as_deref());
}

fn parameters(out: &mut Vec<u8>, params: &[Param]) {
    let pairs = params.iter().flat_map(|(name, value)| [name, value]);
    strings(out, pairs);
}

fn languages(out: &mut Vec<u8>, tags: &[Vec<u8>]) {
    strings(out, tags.iter());
}

/// Strings in parentheses, or NIL for none.
fn strings<'a>(out: &mut Vec<u8>, texts: impl Iterator<Item = &'a Vec<u8>>) {
    let mut separator = b'(';
    for text in texts {
        out.push(separator);
        string(out, text);
        separator = b' ';
    }
    out.extend_from_slice(if separator == b'(' { b"NIL" } else { b")" });
}

fn disposition(out: &mut Vec<u8>, disposition: Option<&Disposition>) {
    let Some(disposition) = disposition else {
        out.extend_from_slice(b"NIL");
        return;
    };
    out.push(b'(');
    string(out, &disposition.kind);
    out.push(b' ');
    parameters(out, &disposition.params);
    out.push(b')');
}
