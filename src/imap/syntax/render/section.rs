//! A section between its brackets, as FETCH responses repeat it (RFC 3501 9, `section-spec`).

use super::put;
use super::string::astring;
use crate::imap::syntax::fetch::{Section, SectionPiece};

/// Writes `1.2.MIME`, `HEADER.FIELDS (from to)` and their like; nothing for the whole message.
pub fn section(out: &mut Vec<u8>, section: &Section) {
    for (index, number) in section.part.iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        put!(out, "{number}");
    }
    if section.piece != SectionPiece::Whole && !section.part.is_empty() {
        out.push(b'.');
    }
    match &section.piece {
        SectionPiece::Whole => {}
        SectionPiece::Header => out.extend_from_slice(b"HEADER"),
        SectionPiece::HeaderFields(names) => fields(out, "HEADER.FIELDS", names),
        SectionPiece::HeaderFieldsNot(names) => fields(out, "HEADER.FIELDS.NOT", names),
        SectionPiece::Text => out.extend_from_slice(b"TEXT"),
        SectionPiece::Mime => out.extend_from_slice(b"MIME"),
    }
}

fn fields(out: &mut Vec<u8>, keyword: &str, names: &[Vec<u8>]) {
    put!(out, "{keyword} (");
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        astring(out, name);
    }
    out.push(b')');
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn check(part: &[u32], piece: SectionPiece, expected: &str) {
        let part = part.iter().filter_map(|n| NonZeroU32::new(*n)).collect();
        let mut out = Vec::new();
        section(&mut out, &Section { part, piece });
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn sections_as_clients_write_them() {
        let names = vec![b"From".to_vec(), b"X-Y".to_vec()];
        check(&[], SectionPiece::Whole, "");
        check(&[1, 2], SectionPiece::Whole, "1.2");
        check(&[1, 2], SectionPiece::Mime, "1.2.MIME");
        check(&[], SectionPiece::Text, "TEXT");
        let fields = SectionPiece::HeaderFields(names.clone());
        check(&[], fields, "HEADER.FIELDS (From X-Y)");
        let others = SectionPiece::HeaderFieldsNot(names);
        check(&[3], others, "3.HEADER.FIELDS.NOT (From X-Y)");
    }
}
