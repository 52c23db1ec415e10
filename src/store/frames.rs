//! How the bytes of a blob are compressed and cut.
//!
//! A blob is a row of *frames*: [`FRAME_BYTES`] plain bytes each (the last one less), compressed alone, so that a read
//! at an offset decodes one frame. An encoded frame is one coding byte (0 raw, 1 zstd) and its data. Frames lie in the
//! database as *pieces*, cut by [`cut`] so that each value nearly fills its power-of-two page: redb gives a value
//! the next power of two in pages, and one value per frame would waste up to half.

use std::cell::RefCell;
use std::io;

use zstd::bulk::Decompressor;
use zstd::zstd_safe::get_frame_content_size;

use super::{Error, Result};

/// Plain bytes in a frame. With its coding byte an incompressible one is just below the largest piece.
pub(super) const FRAME_BYTES: usize = 65_392;

/// Sizes of pieces: each is a little less than a power of two, for redb's page header and the key.
const LADDER: [usize; 5] = [65_400, 32_600, 16_200, 8_000, 4_000];

/// zstd's level. On the mix of `tests/bench` level 1 leaves 0.713 of the bytes, 3 0.710, 6 and 9 0.709, for 3.4, 3.5, 5.2
/// and 7.3 seconds of CPU.
const LEVEL: i32 = 3;

const RAW: u8 = 0;
const ZSTD: u8 = 1;

// Making one costs more than the frame of a short mail. It remembers nothing from one frame to the next.
thread_local! {
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Compresses frames, keeping zstd's working memory between them.
pub(super) struct Encoder(zstd::bulk::Compressor<'static>);

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Encoder")
    }
}

impl Encoder {
    pub(super) fn new() -> Result<Self> {
        zstd::bulk::Compressor::new(LEVEL)
            .map(Self)
            .map_err(Error::io)
    }

    /// Encodes one frame. Data that would not shrink by a 64th stays as it is.
    pub(super) fn encode(&mut self, plain: &[u8]) -> Result<Vec<u8>> {
        let packed = self.0.compress(plain).map_err(Error::io)?;
        let (coding, data) = if packed.len() < plain.len() - plain.len() / 64 {
            (ZSTD, packed.as_slice())
        } else {
            (RAW, plain)
        };
        let mut frame = Vec::with_capacity(1 + data.len());
        frame.push(coding);
        frame.extend_from_slice(data);
        Ok(frame)
    }
}

/// The plain bytes of an encoded frame.
pub(super) fn decode(frame: &[u8]) -> Result<Vec<u8>> {
    match frame.split_first() {
        Some((&RAW, data)) => Ok(data.to_vec()),
        Some((&ZSTD, data)) => decompress(data).map_err(Error::io),
        _ => Err(Error::Fault("blob frame of unknown coding".into())),
    }
}

fn decompress(data: &[u8]) -> io::Result<Vec<u8>> {
    // zstd writes it into every frame; room for more is only asked for where it is missing.
    let bytes = get_frame_content_size(data).ok().flatten();
    let bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok());
    let room = bytes.map_or(FRAME_BYTES, |bytes| bytes.min(FRAME_BYTES));
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        let decompressor = match decompressor {
            Some(decompressor) => decompressor,
            None => decompressor.insert(Decompressor::new()?),
        };
        decompressor.decompress(data, room)
    })
}

/// Cuts `data` by the ladder. What nearly fills a rung is not cut. The last piece is what no rung fits and may be small.
pub(super) fn cut(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let rung = LADDER
            .into_iter()
            .find(|rung| data.len() >= rung - rung / 16);
        let len = rung.map_or(data.len(), |rung| rung.min(data.len()));
        let (piece, rest) = data.split_at_checked(len)?;
        data = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_round_trip_and_shrink() {
        let mut encoder = Encoder::new().unwrap();
        let text = b"Received: from somewhere by elsewhere; ".repeat(1000);
        let frame = encoder.encode(&text).unwrap();
        assert!(frame.len() < text.len() / 10);
        assert_eq!(decode(&frame).unwrap(), text);
        let noise: Vec<u8> = (0..FRAME_BYTES as u64)
            .map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8)
            .collect();
        assert_eq!(decode(&encoder.encode(&noise).unwrap()).unwrap(), noise);
        assert!(decode(&[9, 1, 2]).is_err() && decode(&[]).is_err());
    }

    #[test]
    fn cut_uses_the_ladder_and_keeps_all_bytes() {
        for (len, expected) in [
            (0, vec![]),
            (1, vec![1]),
            (4_000, vec![4_000]),
            (70_000, vec![65_400, 4_000, 600]),
            (65_393, vec![65_393]),
            (3_800, vec![3_800]),
            (60_000, vec![32_600, 16_200, 8_000, 3_200]),
        ] {
            let data = vec![7; len];
            let lens: Vec<usize> = cut(&data).map(<[u8]>::len).collect();
            assert_eq!(lens, expected);
        }
    }
}
