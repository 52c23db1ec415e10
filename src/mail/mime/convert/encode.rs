//! Transfer encodings applied to a body as it streams through (RFC 2045 6.7, 6.8).
//!
//! Any bytes can be encoded, and none of the lines that come out can be taken for a boundary that the bytes did not
//! have.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::super::transfer::{TransferDecoder, TransferEncoding};
use super::walk::Ends;

/// Characters of an encoded line.
const LINE_BYTES_MAX: usize = 76;

/// Bytes that one line of base64 stands for.
const BASE64_BYTES: usize = LINE_BYTES_MAX / 4 * 3;

/// Encodes one body.
#[derive(Debug)]
pub(in crate::mail) struct Encoder {
    /// Undoes the encoding that a body has already.
    decoder: Option<TransferDecoder>,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Base64(Base64),
    QuotedPrintable(QuotedPrintable),
}

impl Encoder {
    pub(in crate::mail) fn base64() -> Self {
        Self {
            decoder: None,
            form: Form::Base64(Base64::default()),
        }
    }

    pub(in crate::mail) fn quoted_printable() -> Self {
        Self {
            decoder: None,
            form: Form::QuotedPrintable(QuotedPrintable::default()),
        }
    }

    /// Encodes anew, and rightly, what a lenient reader decodes of a body in that encoding.
    pub(super) fn again(encoding: TransferEncoding) -> Self {
        let encoder = match encoding {
            TransferEncoding::QuotedPrintable => Self::quoted_printable(),
            TransferEncoding::Base64 | TransferEncoding::Identity => Self::base64(),
        };
        Self {
            decoder: Some(TransferDecoder::new(encoding)),
            ..encoder
        }
    }

    pub(in crate::mail) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Some(decoder) = &mut self.decoder else {
            self.form.push(bytes, out);
            return;
        };
        let mut decoded = Vec::new();
        decoder.push(bytes, &mut decoded);
        self.form.push(&decoded, out);
    }

    /// The body ends; gives what was held back.
    pub(in crate::mail) fn finish(mut self, ends: Ends, out: &mut Vec<u8>) {
        if let Some(decoder) = self.decoder.take() {
            let mut decoded = Vec::new();
            decoder.finish(&mut decoded);
            self.form.push(&decoded, out);
        }
        match self.form {
            Form::Base64(base64) => base64.finish(ends, out),
            Form::QuotedPrintable(quoted) => quoted.finish(ends, out),
        }
    }
}

impl Form {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Base64(base64) => base64.push(bytes, out),
            Self::QuotedPrintable(quoted) => quoted.push(bytes, out),
        }
    }
}

#[derive(Debug, Default)]
struct Base64 {
    held: Vec<u8>,
    lines: Lines,
}

/// Whether a line was given, after which a line end is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Lines {
    #[default]
    None,
    Some,
}

impl Base64 {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = BASE64_BYTES.saturating_sub(self.held.len());
            let (head, tail) = rest.split_at(room.min(rest.len()));
            self.held.extend_from_slice(head);
            rest = tail;
            if self.held.len() == BASE64_BYTES {
                self.end_line(out);
            }
        }
    }

    /// The line end of the last line is that of the boundary, or lacks at the end of a message.
    fn finish(mut self, ends: Ends, out: &mut Vec<u8>) {
        if !self.held.is_empty() {
            self.end_line(out);
        }
        if ends == Ends::Message && self.lines == Lines::Some {
            out.extend_from_slice(b"\r\n");
        }
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.lines, Lines::Some) == Lines::Some {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(BASE64_STANDARD.encode(&self.held).as_bytes());
        self.held.clear();
    }
}

#[derive(Debug, Default)]
struct QuotedPrintable {
    column: usize,
    /// A space, tab or CR whose meaning depends on what follows.
    held: Option<u8>,
}

impl QuotedPrintable {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            self.push_byte(*byte, out);
        }
    }

    fn push_byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        match (self.held.take(), byte) {
            (Some(b'\r'), b'\n') => {
                out.extend_from_slice(b"\r\n");
                self.column = 0;
                return;
            }
            (Some(b'\r'), _) => self.quote(b'\r', out),
            // Rule 3: white space at the end of a line is encoded.
            (Some(space), b'\r' | b'\n') => self.quote(space, out),
            (Some(space), _) => self.give(&[space], out),
            (None, _) => {}
        }
        match byte {
            b'\r' | b' ' | b'\t' => self.held = Some(byte),
            // No line may look like a boundary.
            b'-' if self.column == 0 || self.column + 1 >= LINE_BYTES_MAX => self.quote(byte, out),
            b'!'..=b'<' | b'>'..=b'~' => self.give(&[byte], out),
            _ => self.quote(byte, out),
        }
    }

    fn finish(mut self, ends: Ends, out: &mut Vec<u8>) {
        if let Some(held) = self.held.take() {
            self.quote(held, out);
        }
        // The message ends with a line end, which its body did not have.
        if ends == Ends::Message && self.column > 0 {
            out.extend_from_slice(b"=\r\n");
        }
    }

    fn quote(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.give(&quoted(byte), out);
    }

    fn give(&mut self, text: &[u8], out: &mut Vec<u8>) {
        // A soft break needs a column of its own.
        if self.column + text.len() >= LINE_BYTES_MAX {
            out.extend_from_slice(b"=\r\n");
            self.column = 0;
        }
        out.extend_from_slice(text);
        self.column += text.len();
    }
}

fn quoted(byte: u8) -> [u8; 3] {
    let digit = |value: u8| match value {
        0..10 => b'0' + value,
        _ => b'A' + value - 10,
    };
    [b'=', digit(byte >> 4), digit(byte & 15)]
}
