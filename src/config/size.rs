//! Sizes as people write them: `5G`, `50 MiB`, `1048576`.

/// Bytes of a size: a whole number with an optional unit K, M, G or T (powers of 1024; `KiB` and `KB` mean the same).
/// `None` if the text is no size or does not fit into 63 bits.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits_end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(digits_end)?;
    let number: u64 = digits.parse().ok()?;
    let shift = match unit.trim().to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        "T" | "TB" | "TIB" => 40,
        _ => return None,
    };
    number
        .checked_mul(1 << shift)
        .filter(|bytes| i64::try_from(*bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("1048576", Some(1 << 20)),
            ("5G", Some(5 << 30)),
            ("50 MiB", Some(50 << 20)),
            ("2kb", Some(2048)),
            ("", None),
            ("G", None),
            ("-1", None),
            ("1.5G", None),
            ("9999999999T", None),
        ] {
            assert_eq!(parse_bytes(text), bytes, "{text:?}");
        }
    }
}
