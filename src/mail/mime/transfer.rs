//! Content transfer encodings undone piece by piece (RFC 2045 6.7, 6.8).
//!
//! Lenient: what is not valid is passed over (base64) or passed through (quoted-printable), as mail readers do.

/// What `Content-Transfer-Encoding` says about a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferEncoding {
    /// `7bit`, `8bit`, `binary`: as it stands.
    Identity,
    /// `base64`
    Base64,
    /// `quoted-printable`
    QuotedPrintable,
}

impl TransferEncoding {
    /// By its name in lower case (see [`super::Part::encoding`]); `None` if it is unknown.
    pub fn by_name(name: &[u8]) -> Option<Self> {
        match name {
            b"7bit" | b"8bit" | b"binary" => Some(Self::Identity),
            b"base64" => Some(Self::Base64),
            b"quoted-printable" => Some(Self::QuotedPrintable),
            _ => None,
        }
    }
}

/// Undoes one transfer encoding.
#[derive(Clone, Debug)]
pub struct TransferDecoder(State);

#[derive(Clone, Debug)]
enum State {
    Identity,
    /// Bits not given yet, and how many.
    Base64(u32, u32),
    QuotedPrintable(Quoted),
}

#[derive(Clone, Copy, Debug)]
enum Quoted {
    Text,
    /// After `=`.
    Equals,
    /// After `=` and one hexadecimal digit.
    Digit(u8),
    /// After `=` and white space: a soft line break, if a line feed follows.
    Soft,
}

impl TransferDecoder {
    /// At the first byte of a body.
    pub fn new(encoding: TransferEncoding) -> Self {
        Self(match encoding {
            TransferEncoding::Identity => State::Identity,
            TransferEncoding::Base64 => State::Base64(0, 0),
            TransferEncoding::QuotedPrintable => State::QuotedPrintable(Quoted::Text),
        })
    }

    /// Appends what `piece` stands for.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        match &mut self.0 {
            State::Identity => out.extend_from_slice(piece),
            State::Base64(bits, held) => {
                for byte in piece {
                    push_base64(bits, held, *byte, out);
                }
            }
            State::QuotedPrintable(state) => {
                for byte in piece {
                    *state = state.push(*byte, out);
                }
            }
        }
    }

    /// The body is over; appends what was held back.
    pub fn finish(self, out: &mut Vec<u8>) {
        if let State::QuotedPrintable(Quoted::Digit(digit)) = self.0 {
            out.extend([b'=', digit]);
        }
    }
}

fn push_base64(bits: &mut u32, held: &mut u32, byte: u8, out: &mut Vec<u8>) {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        b'=' => {
            // Padding ends a run; another may follow.
            (*bits, *held) = (0, 0);
            return;
        }
        _ => return,
    };
    *bits = (*bits << 6) | u32::from(value);
    *held += 6;
    if *held >= 8 {
        *held -= 8;
        let [.., whole] = (*bits >> *held).to_be_bytes();
        out.push(whole);
        *bits &= (1 << *held) - 1;
    }
}

impl Quoted {
    fn push(self, byte: u8, out: &mut Vec<u8>) -> Self {
        match (self, byte) {
            (Self::Text, b'=') => return Self::Equals,
            (Self::Equals | Self::Soft, b'\n') => {}
            (Self::Equals | Self::Soft, b'\r' | b' ' | b'\t') => return Self::Soft,
            (Self::Equals, _) if byte.is_ascii_hexdigit() => return Self::Digit(byte),
            (Self::Digit(high), _) => match (hex(high), hex(byte)) {
                (Some(high), Some(low)) => out.push(high << 4 | low),
                _ => out.extend([b'=', high, byte]),
            },
            (Self::Text, _) => out.push(byte),
            (Self::Equals | Self::Soft, _) => out.extend([b'=', byte]),
        }
        Self::Text
    }
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(encoding: TransferEncoding, body: &str, expected: &str) {
        for size in [1, 2, 3, 7, 1000] {
            let mut decoder = TransferDecoder::new(encoding);
            let mut out = Vec::new();
            body.as_bytes()
                .chunks(size)
                .for_each(|piece| decoder.push(piece, &mut out));
            decoder.finish(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{body} by {size}");
        }
    }

    #[test]
    fn base64() {
        let check = |body, expected| check(TransferEncoding::Base64, body, expected);
        check("R3Jhw7xl", "Gra\u{fc}e");
        check("SGFs\r\n bG8=\r\n", "Hallo");
        check("SGFsbG8", "Hallo");
        check("SGE=SGE=", "HaHa");
        check("S!G*E", "Ha");
    }

    #[test]
    fn quoted_printable() {
        let check = |body, expected| check(TransferEncoding::QuotedPrintable, body, expected);
        check("Gr=C3=BC=c3=9fe", "Gr\u{fc}\u{df}e");
        check("lang=\r\ne Zei=  \r\nle=\n!", "lange Zeile!");
        check("a=b=XY=4Z=", "a=b=XY=4Z");
        check("=4", "=4");
    }
}
