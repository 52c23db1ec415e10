//! Picks fields out of a message header for `HEADER.FIELDS` and `HEADER.FIELDS.NOT` (RFC 3501 6.4.5).
//!
//! Pure. Fields keep their bytes, folds and order; the empty line that ends a header is always there.

/// Which fields to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Those named.
    Named,
    /// Those not named.
    Others,
}

/// The fields of `header` that `keep` and `names` choose, with the empty line at the end.
pub(super) fn pick(header: &[u8], names: &[Vec<u8>], keep: Keep) -> Vec<u8> {
    let mut picked = Vec::new();
    let mut keeping = false;
    for line in header.split_inclusive(|byte| *byte == b'\n') {
        if matches!(line, [b'\r', b'\n'] | [b'\n']) {
            break;
        }
        if !matches!(line, [b' ' | b'\t', ..]) {
            keeping = is_named(line, names) == (keep == Keep::Named);
        }
        if keeping {
            picked.extend_from_slice(line);
        }
    }
    if !picked.is_empty() && !picked.ends_with(b"\n") {
        picked.extend_from_slice(b"\r\n");
    }
    picked.extend_from_slice(b"\r\n");
    picked
}

fn is_named(line: &[u8], names: &[Vec<u8>]) -> bool {
    let colon = line.iter().position(|byte| *byte == b':');
    let name = colon
        .and_then(|colon| line.get(..colon))
        .unwrap_or_default();
    // RFC 5322 4.5.8: obsolete syntax has white space before the colon.
    let name = name.trim_ascii_end();
    !name.is_empty() && names.iter().any(|named| named.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] =
        b"From: a@b\r\nSubject: long\r\n\tfolded\r\nTO : c@d\r\nnonsense\r\nX: 1\r\n\r\n";

    fn check(names: &[&str], keep: Keep, expected: &str) {
        let names: Vec<Vec<u8>> = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        let picked = pick(HEADER, &names, keep);
        assert_eq!(String::from_utf8(picked).unwrap(), expected);
    }

    #[test]
    fn named_fields_in_message_order() {
        let expected = "Subject: long\r\n\tfolded\r\nTO : c@d\r\n\r\n";
        check(&["to", "SUBJECT", "cc"], Keep::Named, expected);
    }

    #[test]
    fn no_field_leaves_the_empty_line() {
        check(&["cc"], Keep::Named, "\r\n");
    }

    #[test]
    fn other_fields() {
        let expected = "From: a@b\r\nnonsense\r\nX: 1\r\n\r\n";
        check(&["to", "subject"], Keep::Others, expected);
    }

    #[test]
    fn header_without_line_end() {
        let names = [b"X".to_vec()];
        assert_eq!(pick(b"X: 1", &names, Keep::Named), b"X: 1\r\n\r\n");
        assert_eq!(pick(b"", &names, Keep::Named), b"\r\n");
    }
}
