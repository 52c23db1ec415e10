//! Packs the text of a record (trace fields, ENVELOPE, BODYSTRUCTURE) into fewer bytes.
//!
//! Such texts are short and say the same again and again, so zstd gets a dictionary of them. The dictionary is part of
//! the format: another one gets a method number of its own. Packed text is one byte for the method (0: as it is, 1:
//! zstd with [`DICTIONARY`]), then for method 1 a frame that lacks its four magic bytes.

use std::cell::RefCell;
use std::io;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::get_frame_content_size;

use super::Result;
use super::codec::damaged;

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// Longest text that is unpacked, in bytes. A summary has at most a few hundred KiB.
const TEXT_BYTES_MAX: u64 = 8 << 20;
/// Higher levels gain nothing on half a kilobyte.
const LEVEL: i32 = 3;
/// What every zstd frame begins with (RFC 8878 3.1.1).
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What record texts are made of, the most frequent last.
const DICTIONARY: &[u8] = include_bytes!("dictionary-1.bin");

// Making one of these costs as much as packing a hundred records. They remember nothing from one text to the next.
thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The text in packed form.
pub(super) fn squeeze(text: &[u8]) -> Vec<u8> {
    match compress(text) {
        Ok(frame) if frame.len() < text.len() + MAGIC.len() && frame.starts_with(&MAGIC) => {
            let kept = frame.iter().skip(MAGIC.len());
            std::iter::once(ZSTD).chain(kept.copied()).collect()
        }
        Ok(_) | Err(_) => [&[PLAIN], text].concat(),
    }
}

fn compress(text: &[u8]) -> io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|compressor| {
        let compressor = match compressor {
            Some(compressor) => compressor,
            None => compressor.insert(Compressor::with_dictionary(LEVEL, DICTIONARY)?),
        };
        compressor.compress(text)
    })
}

/// The text that [`squeeze`] was given.
pub(super) fn expand(packed: &[u8]) -> Result<Vec<u8>> {
    match packed.split_first() {
        Some((&PLAIN, text)) => Ok(text.to_vec()),
        Some((&ZSTD, frame)) => {
            let frame = [&MAGIC, frame].concat();
            decompress(&frame).ok_or_else(|| damaged("records"))
        }
        Some(_) | None => Err(damaged("records")),
    }
}

fn decompress(frame: &[u8]) -> Option<Vec<u8>> {
    let bytes = get_frame_content_size(frame).ok()??;
    let bytes = usize::try_from(bytes.min(TEXT_BYTES_MAX)).ok()?;
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        let decompressor = match decompressor {
            Some(decompressor) => decompressor,
            None => decompressor.insert(Decompressor::with_dictionary(DICTIONARY).ok()?),
        };
        decompressor.decompress(frame, bytes).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &[u8], packed_bytes_max: usize) {
        let packed = squeeze(text);
        assert_eq!(expand(&packed).unwrap(), text);
        assert!(packed.len() <= packed_bytes_max, "{} bytes", packed.len());
    }

    #[test]
    fn texts_round_trip() {
        check(b"", 1);
        check(b"\x00\xff", 3);
        let trace = "Return-Path: <anna@web.de>\r\nDelivered-To: ben@haus.example\r\n\
             Received: from mout.web.de ([212.227.15.3]) by mail.haus.example\r\n with ESMTPS \
             id 4c1f for <ben@haus.example> tls TLS_AES_256_GCM_SHA384\r\n (TLS1.3); \
             Sun, 22 Nov 2026 03:53:35 +0000\r\n";
        check(trace.as_bytes(), 135);
        check(&trace.as_bytes().repeat(500), 500);
    }

    #[test]
    fn damage_is_a_fault() {
        let packed = squeeze(&b"Return-Path: <>\r\n".repeat(4));
        for cut in 0..packed.len() {
            assert!(expand(&packed[..cut]).is_err());
        }
        assert!(expand(&[9, 1]).is_err());
    }
}
