//! One connection's byte stream: plain, or wrapped in TLS, behind one type.
//!
//! Tests put an in-memory pipe where the daemon has a TCP socket.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{client, server};

/// What a connection can run on.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// Any byte stream.
pub type BoxIo = Box<dyn Io>;

/// A connection as the driver sees it.
pub enum Stream {
    /// No TLS (yet).
    Plain(BoxIo),
    /// Behind a finished handshake in which the box was the server.
    Tls(Box<server::TlsStream<BoxIo>>),
    /// Behind a finished handshake in which the box was the client.
    Client(Box<client::TlsStream<BoxIo>>),
}

impl Stream {
    /// A plain stream on `io`.
    pub fn plain(io: impl Io + 'static) -> Self {
        Self::Plain(Box::new(io))
    }

    fn inner(&mut self) -> Pin<&mut dyn Io> {
        match self {
            Self::Plain(io) => Pin::new(io.as_mut()),
            Self::Tls(tls) => Pin::new(tls.as_mut()),
            Self::Client(tls) => Pin::new(tls.as_mut()),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.inner().poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_shutdown(cx)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Tls(_) => "Tls",
            Self::Client(_) => "Client",
        })
    }
}
