//! Answers of any size: a blocking thread writes them, piece by piece, as fast as the browser takes them.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use futures_core::Stream;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::spawn_blocking;

/// Bytes of a piece, and pieces that wait for the browser.
const PIECE_BYTES: usize = 64 << 10;
const PIECES_MAX: usize = 2;

/// A body that `write` writes. If it fails, the connection breaks off, so that nobody takes half a file for a whole one.
pub(super) fn written_by(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Body {
    let (sender, receiver) = channel(PIECES_MAX);
    spawn_blocking(move || {
        let mut out = Pieces {
            piece: Vec::with_capacity(PIECE_BYTES),
            sender,
        };
        let done = write(&mut out).and_then(|()| out.flush());
        if let Err(error) = done {
            tracing::debug!(%error, "an answer broke off");
            drop(out.sender.blocking_send(Err(error)));
        }
    });
    Body::from_stream(Received(receiver))
}

struct Pieces {
    piece: Vec<u8>,
    sender: Sender<io::Result<Bytes>>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE_BYTES.saturating_sub(self.piece.len());
        let taken = bytes.len().min(room);
        self.piece.extend(bytes.iter().take(taken));
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        let sent = self.sender.blocking_send(Ok(Bytes::from(piece)));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

struct Received(Receiver<io::Result<Bytes>>);

impl Stream for Received {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}
