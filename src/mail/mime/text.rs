//! Bytes of mail as UTF-8 text, for people and for SEARCH: charsets, encoded words (RFC 2047), bodies piece by piece.
//!
//! Nothing is refused: what a charset does not have becomes U+FFFD, and text without a usable label is read as UTF-8, or
//! as windows-1252 where it is not. Case is folded character by character, so that it does not matter how text is cut.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use encoding_rs::{CoderResult, Decoder, Encoding, REPLACEMENT, UTF_8, WINDOWS_1252};

use super::transfer::{TransferDecoder, TransferEncoding};
use super::{Content, Part};

/// Bytes of one part's body that SEARCH looks at.
pub const SEARCH_BYTES_MAX: u64 = 16 << 20;

/// Longest encoded word that is decoded. RFC 2047 2 allows 75 bytes, but some senders never split them.
const WORD_BYTES_MAX: usize = 2000;

/// Bytes of text in one encoded word that is made: as base64 with its wrapping below the 75 of RFC 2047 2, and one
/// header line with the field's name.
const WORD_TEXT_BYTES_MAX: usize = 42;

/// `text` as SEARCH compares it: lower case by the Unicode mapping of each character.
pub fn fold_case(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// The charset of that label. Unknown ones are read as UTF-8, of which ASCII comes out right.
fn charset(label: &[u8]) -> &'static Encoding {
    // Mail that says US-ASCII and has 8-bit bytes is UTF-8 more often than what the label stands for on the web.
    if label.eq_ignore_ascii_case(b"us-ascii") {
        return UTF_8;
    }
    match Encoding::for_label(label) {
        Some(found) if found != REPLACEMENT => found,
        _ => UTF_8,
    }
}

/// Whether SEARCH knows that charset (RFC 3501 6.4.4); if not, it answers BADCHARSET.
pub fn is_known_charset(label: &[u8]) -> bool {
    label.eq_ignore_ascii_case(b"us-ascii")
        || Encoding::for_label(label).is_some_and(|found| found != REPLACEMENT)
}

/// `bytes` in that charset as UTF-8.
pub fn decode_charset(label: &[u8], bytes: &[u8]) -> String {
    let (text, _) = charset(label).decode_without_bom_handling(bytes);
    text.into_owned()
}

/// A header value with its encoded words decoded (RFC 2047), for people and for SEARCH.
pub fn decode_words(value: &[u8]) -> String {
    let mut words = Words::default();
    let mut plain = value;
    let mut from = 0;
    while let Some(at) = find(plain, from, *b"=?") {
        let (before, tail) = plain.split_at(at);
        if let Some((word, after)) = Word::parse(tail) {
            words.push_plain(before, Followed::ByWord);
            words.push_word(&word);
            plain = after;
            from = 0;
        } else {
            from = at + 2;
        }
    }
    words.push_plain(plain, Followed::ByEnd);
    words.out
}

/// `text` in encoded words (RFC 2047), one a line.
pub fn encode_words(text: &str) -> String {
    let mut words = vec![String::new()];
    for c in text.chars() {
        // RFC 2047 5 (3): a character is not split between words.
        match words.last_mut() {
            Some(word) if word.len() + c.len_utf8() <= WORD_TEXT_BYTES_MAX => word.push(c),
            _ => words.push(c.to_string()),
        }
    }
    let encode = |word: &String| format!("=?utf-8?B?{}?=", BASE64_STANDARD.encode(word));
    words.iter().map(encode).collect::<Vec<_>>().join("\r\n ")
}

fn find(text: &[u8], from: usize, what: [u8; 2]) -> Option<usize> {
    let at = text.get(from..)?.windows(2).position(|pair| pair == what)?;
    Some(from + at)
}

/// `=?charset?B?text?=`
struct Word<'a> {
    charset: &'static Encoding,
    is_base64: bool,
    text: &'a [u8],
}

impl<'a> Word<'a> {
    /// Parses the word at the start of `tail`; gives what follows too.
    fn parse(tail: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let near = tail.get(..WORD_BYTES_MAX).unwrap_or(tail);
        let mut fields = near.get(2..)?.splitn(3, |b| *b == b'?');
        let (label, encoding, rest) = (fields.next()?, fields.next()?, fields.next()?);
        // RFC 2231 5: a language may follow the charset.
        let label = label.split(|b| *b == b'*').next()?;
        let is_base64 = match encoding {
            b"B" | b"b" => true,
            b"Q" | b"q" => false,
            _ => return None,
        };
        if label.is_empty() || !label.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let text = rest.get(..find(rest, 0, *b"?=")?)?;
        let charset = charset(label);
        let word = Self {
            charset,
            is_base64,
            text,
        };
        let bytes = near.len() - rest.len() + text.len() + 2;
        Some((word, tail.get(bytes..)?))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let (encoding, text) = if self.is_base64 {
            (TransferEncoding::Base64, self.text.to_vec())
        } else {
            let spaced = self.text.iter().map(|b| if *b == b'_' { b' ' } else { *b });
            (TransferEncoding::QuotedPrintable, spaced.collect())
        };
        let mut decoder = TransferDecoder::new(encoding);
        decoder.push(&text, &mut out);
        decoder.finish(&mut out);
        out
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Followed {
    ByWord,
    ByEnd,
}

/// What was decoded so far. A character may be spread over words, although it must not.
#[derive(Default)]
struct Words {
    out: String,
    open: Option<(&'static Encoding, Decoder)>,
}

impl Words {
    fn push_plain(&mut self, plain: &[u8], followed: Followed) {
        // RFC 2047 6.2: white space between encoded words is not shown.
        let is_gap = self.open.is_some() && plain.iter().all(u8::is_ascii_whitespace);
        if is_gap && followed == Followed::ByWord {
            return;
        }
        self.close();
        match std::str::from_utf8(plain) {
            Ok(text) => self.out.push_str(text),
            Err(_) => self
                .out
                .push_str(&WINDOWS_1252.decode_without_bom_handling(plain).0),
        }
    }

    fn push_word(&mut self, word: &Word<'_>) {
        let same = self.open.take_if(|(charset, _)| *charset == word.charset);
        let mut decoder = if let Some((_, decoder)) = same {
            decoder
        } else {
            self.close();
            word.charset.new_decoder_without_bom_handling()
        };
        decode(&mut decoder, &word.bytes(), End::Open, &mut self.out);
        self.open = Some((word.charset, decoder));
    }

    fn close(&mut self) {
        if let Some((_, mut decoder)) = self.open.take() {
            decode(&mut decoder, b"", End::Last, &mut self.out);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Last,
}

fn decode(decoder: &mut Decoder, bytes: &[u8], end: End, out: &mut String) {
    let mut rest = bytes;
    loop {
        let room = decoder.max_utf8_buffer_length(rest.len());
        out.reserve(room.unwrap_or(rest.len()).max(16));
        let (result, read, _) = decoder.decode_to_string(rest, out, end == End::Last);
        rest = rest.get(read..).unwrap_or_default();
        if result == CoderResult::InputEmpty {
            return;
        }
    }
}

/// Gives the text of one part, folded for SEARCH, while the bytes of its body stream by.
#[derive(Debug)]
pub struct TextDecoder {
    transfer: TransferDecoder,
    charset: Decoder,
    bytes_left: u64,
}

impl TextDecoder {
    /// At the first byte of the part's body; `None` if it has no text that could be searched.
    pub fn new(part: &Part) -> Option<Self> {
        if part.media_type != b"text" || part.content != Content::Leaf {
            return None;
        }
        let encoding = TransferEncoding::by_name(&part.encoding)?;
        let label = part.param("charset").unwrap_or(b"us-ascii");
        Some(Self {
            transfer: TransferDecoder::new(encoding),
            charset: charset(label).new_decoder_without_bom_handling(),
            bytes_left: SEARCH_BYTES_MAX,
        })
    }

    /// Appends the text that `piece` of the body stands for.
    pub fn push(&mut self, piece: &[u8], out: &mut String) {
        let allowed = usize::try_from(self.bytes_left).unwrap_or(usize::MAX);
        let piece = piece.get(..allowed).unwrap_or(piece);
        self.bytes_left -= piece.len() as u64;
        let mut bytes = Vec::new();
        self.transfer.push(piece, &mut bytes);
        self.decode(&bytes, End::Open, out);
    }

    /// The body is over; appends what was held back.
    pub fn finish(mut self, out: &mut String) {
        let mut bytes = Vec::new();
        self.transfer.clone().finish(&mut bytes);
        self.decode(&bytes, End::Last, out);
    }

    /// Whether [`SEARCH_BYTES_MAX`] is reached, so that the rest need not be read.
    pub fn is_full(&self) -> bool {
        self.bytes_left == 0
    }

    fn decode(&mut self, bytes: &[u8], end: End, out: &mut String) {
        let mut text = String::new();
        decode(&mut self.charset, bytes, end, &mut text);
        out.push_str(&fold_case(&text));
    }
}

/// Looks for a text in text that comes in pieces.
#[derive(Clone, Debug)]
pub struct Finder {
    needle: String,
    /// The end of what was seen, in which the needle may begin.
    tail: String,
}

impl Finder {
    /// Looks for `text`, whatever its case.
    pub fn new(text: &str) -> Self {
        Self {
            needle: fold_case(text),
            tail: String::new(),
        }
    }

    /// Whether the text has come up by the end of `piece`, which is folded.
    pub fn push(&mut self, piece: &str) -> bool {
        self.tail.push_str(piece);
        if self.tail.contains(&self.needle) {
            return true;
        }
        let mut keep_from = self.tail.len().saturating_sub(self.needle.len());
        while !self.tail.is_char_boundary(keep_from) {
            keep_from -= 1;
        }
        self.tail.drain(..keep_from);
        false
    }

    /// Forgets what was seen: what follows stands apart from it.
    pub fn reset(&mut self) {
        self.tail.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check_words(value: &str, expected: &str) {
        assert_eq!(decode_words(value.as_bytes()), expected, "{value}");
    }

    #[test]
    fn encoded_words() {
        check_words("plain", "plain");
        check_words(
            "=?utf-8?Q?Gr=C3=BC=C3=9Fe_aus?= Ulm",
            "Gr\u{fc}\u{df}e aus Ulm",
        );
        check_words("=?ISO-8859-1?q?Gr=FC=DFe?=", "Gr\u{fc}\u{df}e");
        check_words("=?utf-8*de?B?R3LDvMOfZQ==?=", "Gr\u{fc}\u{df}e");
        check_words("=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=", "\u{65e5}\u{672c}");
        check_words("=?utf-8?Q?a?= \t=?utf-8?Q?b?= c =?utf-8?Q?d?=", "ab c d");
        check_words("=?utf-8?Q?=C3?= =?utf-8?Q?=BC?=", "\u{fc}");
        check_words("=?utf-8?Q?=C3?= =?iso-8859-1?Q?=FC?=", "\u{fffd}\u{fc}");
    }

    #[test]
    fn what_is_no_word_stays() {
        for value in [
            "=?",
            "=?utf-8?",
            "=?utf-8?Q?x",
            "=?utf-8?X?x?=",
            "=??Q?x?=",
            "a =?= b",
            "=?a b?Q?c?=",
        ] {
            check_words(value, value);
        }
        check_words("=?no =?utf-8?Q?x?=", "=?no x");
        assert_eq!(decode_words(b"Gr\xfc\xdfe"), "Gr\u{fc}\u{df}e");
        check_words("=?x-unknown?Q?abc?=", "abc");
    }

    fn text(part: &Part, body: &[u8], size: usize) -> String {
        let mut decoder = TextDecoder::new(part).unwrap();
        let mut out = String::new();
        body.chunks(size)
            .for_each(|piece| decoder.push(piece, &mut out));
        decoder.finish(&mut out);
        out
    }

    fn part(encoding: &str, charset: &str) -> Part {
        Part {
            encoding: encoding.as_bytes().to_vec(),
            params: vec![(b"charset".to_vec(), charset.as_bytes().to_vec())],
            ..Part::default()
        }
    }

    #[test]
    fn bodies_are_decoded_in_pieces() {
        for size in [1, 2, 3, 100] {
            let read = |encoding, charset, body: &[u8]| text(&part(encoding, charset), body, size);
            assert_eq!(read("7bit", "us-ascii", b"ABC"), "abc");
            assert_eq!(
                read("8bit", "us-ascii", "\u{dc}BER".as_bytes()),
                "\u{fc}ber"
            );
            assert_eq!(
                read("8bit", "ISO-8859-15", b"\xdcBER \xa4"),
                "\u{fc}ber \u{20ac}"
            );
            assert_eq!(read("base64", "utf-8", b"w5xC\r\nRVI="), "\u{fc}ber");
            assert_eq!(
                read("quoted-printable", "utf-8", b"=C3=\r\n=9CBER"),
                "\u{fc}ber"
            );
            assert_eq!(
                read("base64", "iso-2022-jp", b"GyRCRnxLXBsoQg=="),
                "\u{65e5}\u{672c}"
            );
        }
    }

    #[test]
    fn only_text_is_searched() {
        let image = Part {
            media_type: b"image".to_vec(),
            ..Part::default()
        };
        assert!(TextDecoder::new(&image).is_none());
        assert!(TextDecoder::new(&part("x-uuencode", "utf-8")).is_none());
    }

    #[test]
    fn search_is_limited() {
        let mut decoder = TextDecoder::new(&Part::default()).unwrap();
        decoder.bytes_left = 3;
        let mut out = String::new();
        decoder.push(b"ab", &mut out);
        decoder.push(b"cd", &mut out);
        assert_eq!((out.as_str(), decoder.is_full()), ("abc", true));
    }

    #[test]
    fn charset_labels() {
        assert!(is_known_charset(b"UTF-8") && is_known_charset(b"us-ascii"));
        assert!(!is_known_charset(b"x-klingon") && !is_known_charset(b"iso-2022-kr"));
        assert_eq!(decode_charset(b"latin1", b"\xfc"), "\u{fc}");
    }

    proptest! {
        #[test]
        fn finder_finds_what_contains_finds(hay in "[abA\u{fc}]{0,30}", needle in "[ab\u{dc}]{0,4}", size in 1_usize..5) {
            let chars: Vec<char> = fold_case(&hay).chars().collect();
            let mut finder = Finder::new(&needle);
            let mut found = finder.push("");
            for piece in chars.chunks(size) {
                found |= finder.push(&piece.iter().collect::<String>());
            }
            prop_assert_eq!(found, fold_case(&hay).contains(&fold_case(&needle)));
        }

        #[test]
        fn any_header_value_decodes(value in prop::collection::vec(any::<u8>(), 0..60)) {
            decode_words(&value);
        }

        #[test]
        fn what_is_encoded_decodes(text in "[a-z \u{e4}\u{df}\u{4e00}]{1,12}") {
            let encoded = text.bytes().map(|b| format!("={b:02X}")).collect::<Vec<_>>().concat();
            prop_assert_eq!(&decode_words(format!("=?utf-8?Q?{encoded}?=").as_bytes()), &text);
            prop_assert_eq!(decode_words(encode_words(&text).replace("\r\n", "").as_bytes()), text);
        }
    }
}
