//! Taking in the bytes of one message.
//!
//! A small blob is kept in memory, compressed, until its record is written. When it outgrows the stage it becomes a
//! stream: its frames go to a volume in transactions without durability, and [`BlobWriter::finish`] publishes it with
//! one durable commit. All streams together keep about [`STREAM_BUDGET_BYTES`] in memory.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ring::digest::{Context, SHA256};

use super::Result;
use super::blob::{Digest, NewBlob, NewBody, Streamed};
use super::frames::{Encoder, FRAME_BYTES};
use super::space::Room;
use super::staged::{STAGED_BYTES_MAX, Staged};
use super::volume_tx::Header;
use super::volumes::{Stream, Volumes};

/// Memory that all streams together may gather frames in: a lone blob of 1 MiB is written in one go.
const STREAM_BUDGET_BYTES: usize = 5 << 18;

/// A stream's frames are written when they are that many bytes together, however many streams there are.
const STREAM_PIECE_BYTES: usize = 192 << 10;

/// What a writer asks of the store.
pub(super) trait Host: Send + Sync {
    /// The next identifier of a streamed blob. May commit.
    fn next_streamed(&self) -> Result<u64>;
    /// Whether there is room for that many bytes.
    fn admit(&self, bytes: u64, room: Room) -> Result<()>;
    /// Where streamed blobs go.
    fn volumes(&self) -> &Arc<Volumes>;
}

/// Takes the bytes of one message, in pieces. Dropped without [`BlobWriter::finish`], all is undone.
pub struct BlobWriter {
    host: Arc<dyn Host>,
    room: Room,
    encoder: Encoder,
    hash: Context,
    bytes: u64,
    /// The frame that is not full yet.
    pending: Vec<u8>,
    target: Target,
}

enum Target {
    Memory(Staged),
    Volume(Box<Streaming>),
}

struct Streaming {
    host: Arc<dyn Host>,
    room: Room,
    stream: Stream,
    waiting: Vec<Vec<u8>>,
    waiting_bytes: usize,
    stored_bytes: u64,
}

impl std::fmt::Debug for BlobWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlobWriter")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl BlobWriter {
    pub(super) fn new(host: Arc<dyn Host>, room: Room) -> Result<Self> {
        Ok(Self {
            host,
            room,
            encoder: Encoder::new()?,
            hash: Context::new(&SHA256),
            bytes: 0,
            pending: Vec::new(),
            target: Target::Memory(Staged::begin()),
        })
    }

    /// Takes the next piece. After an error the blob is lost.
    pub fn write(&mut self, mut piece: &[u8]) -> Result<()> {
        self.hash.update(piece);
        self.bytes += piece.len() as u64;
        while !piece.is_empty() {
            let room = FRAME_BYTES - self.pending.len();
            let (now, later) = piece.split_at(room.min(piece.len()));
            self.pending.extend_from_slice(now);
            piece = later;
            if self.pending.len() == FRAME_BYTES {
                self.end_frame()?;
            }
        }
        Ok(())
    }

    /// Bytes taken so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// No more pieces.
    pub fn finish(mut self) -> Result<NewBlob> {
        if !self.pending.is_empty() {
            self.end_frame()?;
        }
        let mut digest = Digest::default();
        for (to, from) in digest.iter_mut().zip(self.hash.finish().as_ref()) {
            *to = *from;
        }
        let mut header = Header {
            bytes: self.bytes,
            digest,
            stored_bytes: 0,
        };
        let body = match self.target {
            Target::Memory(mut staged) => {
                staged.finish(self.bytes, digest);
                header.stored_bytes = staged.len() as u64;
                NewBody::Staged(staged)
            }
            Target::Volume(streaming) => {
                header.stored_bytes = streaming.stored_bytes;
                NewBody::Streamed(streaming.publish(header)?)
            }
        };
        Ok(NewBlob {
            header,
            body,
            room: self.room,
        })
    }

    fn end_frame(&mut self) -> Result<()> {
        let frame = self.encoder.encode(&self.pending)?;
        self.pending.clear();
        match &mut self.target {
            Target::Volume(streaming) => streaming.push(frame),
            Target::Memory(staged) if staged.len() + frame.len() <= STAGED_BYTES_MAX => {
                staged.push(&frame);
                Ok(())
            }
            Target::Memory(_) => self.spill(frame),
        }
    }

    /// Becomes a stream: the blob is too large for the stage.
    fn spill(&mut self, frame: Vec<u8>) -> Result<()> {
        let stream = Stream::begin(self.host.volumes(), self.host.next_streamed()?)?;
        let mut streaming = Box::new(Streaming {
            host: Arc::clone(&self.host),
            room: self.room,
            stream,
            waiting: Vec::new(),
            waiting_bytes: 0,
            stored_bytes: 0,
        });
        if let Target::Memory(staged) = &self.target {
            for early in staged.frames() {
                streaming.push(early?.to_vec())?;
            }
        }
        streaming.push(frame)?;
        self.target = Target::Volume(streaming);
        Ok(())
    }
}

impl Streaming {
    fn push(&mut self, frame: Vec<u8>) -> Result<()> {
        self.waiting_bytes += frame.len();
        self.stored_bytes += frame.len() as u64;
        self.waiting.push(frame);
        let share = STREAM_BUDGET_BYTES / self.stream.streams().max(1);
        if self.waiting_bytes < share.max(STREAM_PIECE_BYTES) {
            return Ok(());
        }
        self.host.admit(self.waiting_bytes as u64, self.room)?;
        self.waiting_bytes = 0;
        self.stream.put(&std::mem::take(&mut self.waiting))
    }

    fn publish(self, header: Header) -> Result<Streamed> {
        self.host.admit(self.waiting_bytes as u64, self.room)?;
        let (volumes, volume, blob) = self.stream.publish(&self.waiting, header)?;
        Ok(Streamed {
            volumes,
            volume,
            blob,
            filed: Arc::new(AtomicBool::new(false)),
        })
    }
}
