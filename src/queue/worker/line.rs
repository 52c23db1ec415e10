//! One connection to a server: the client machine run on a stream.
//!
//! [`Line::event`] reads while it writes, since replies to pipelined commands come any time, and feeds the message as the
//! machine asks for it. Every wait has the machine's deadline. Whoever drops a line closes the connection.

use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::message::Pieces;
use crate::clock::{Clock, Mono, Now};
use crate::mail::address::Domain;
use crate::net::outbound::{Check, Outbound, TlsFailure};
use crate::net::stream::{BoxIo, Stream};
use crate::smtp::client::envelope::Envelope;
use crate::smtp::client::outcome::{Ended, Fate, Loss, Phase, SendError};
use crate::smtp::client::{Client, Event, Security};

/// Bytes read at once; replies are short.
const READ_BYTES_MAX: usize = 4 * 1024;

/// Longest time to write last words that no deadline of the machine covers, and to say goodbye.
const GOODBYE_WAIT: Duration = Duration::from_secs(5);

/// A connection.
#[derive(Debug)]
pub(super) struct Line {
    stream: Stream,
    client: Client,
    hostname: Domain,
    clock: Clock,
    input: Vec<u8>,
    output: Vec<u8>,
    /// Messages that were begun on it.
    messages: u32,
    /// A login is under way: its challenges are computed off the async threads.
    computes: bool,
}

/// What moved on the stream.
enum Moved {
    Read(usize),
    Written(usize),
    Broken,
    TimedOut(Mono),
}

/// What came of a message.
#[derive(Debug)]
pub(super) struct Sent {
    /// Of each recipient, in the envelope's order.
    pub(super) fates: Vec<Fate>,
    /// Whether the connection can be used further.
    pub(super) is_ready: bool,
}

impl Line {
    /// On a stream that was just made; `hostname` is what we call ourselves.
    pub(super) fn new(
        stream: Stream,
        security: Security,
        hostname: &Domain,
        clock: &Clock,
    ) -> Self {
        Self {
            stream,
            client: Client::new(hostname.clone(), security, clock.now()),
            hostname: hostname.clone(),
            clock: clock.clone(),
            input: Vec::new(),
            output: Vec::new(),
            messages: 0,
            computes: false,
        }
    }

    /// The machine.
    pub(super) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Messages that were begun on it.
    pub(super) fn messages(&self) -> u32 {
        self.messages
    }

    /// Time now.
    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    /// From now on challenges are answered off the async threads, or no longer.
    pub(super) fn set_computes(&mut self, computes: bool) {
        self.computes = computes;
    }

    /// What happens next.
    pub(super) async fn event(&mut self) -> Event {
        self.event_with(None).await
    }

    /// Waits until a request may be made.
    pub(super) async fn ready(&mut self) -> Result<(), Ended> {
        loop {
            match self.event().await {
                Event::Ready => return Ok(()),
                Event::Closed(ended) => return Err(ended),
                Event::StartTls
                | Event::TlsRefused(_)
                | Event::LoggedIn
                | Event::LoginFailed(_)
                | Event::WantsBody
                | Event::Sent(_) => {}
            }
        }
    }

    /// Sends a message.
    pub(super) async fn send(
        &mut self,
        envelope: Envelope,
        message: &mut Pieces,
    ) -> Result<Sent, SendError> {
        let now = self.now();
        self.client.send(envelope, now)?;
        self.messages += 1;
        loop {
            match self.event_with(Some(message)).await {
                Event::Sent(fates) => {
                    let is_ready = self.ready().await.is_ok();
                    return Ok(Sent { fates, is_ready });
                }
                // Each message that was taken has its fates first.
                Event::Closed(_) => return Err(SendError::NotReady),
                Event::Ready
                | Event::StartTls
                | Event::TlsRefused(_)
                | Event::LoggedIn
                | Event::LoginFailed(_)
                | Event::WantsBody => {}
            }
        }
    }

    /// TLS, which the server has agreed to.
    pub(super) async fn start_tls(
        self,
        outbound: &Outbound,
        name: &Domain,
        check: &Check,
    ) -> Result<Self, TlsFailure> {
        let plain: BoxIo = match self.stream {
            Stream::Plain(io) => io,
            tls @ (Stream::Tls(_) | Stream::Client(_)) => Box::new(tls),
        };
        let (stream, info) = outbound.start_tls(plain, name, check).await?;
        tracing::debug!(version = %info.version, cipher = %info.cipher, "TLS started");
        let mut client = self.client;
        client.tls_started(self.clock.now());
        Ok(Self {
            stream,
            client,
            ..Self::new(closed(), Security::Tls, &self.hostname, &self.clock)
        })
    }

    /// Whether an idle connection is as it was left: nothing came and nobody closed it.
    pub(super) async fn is_untouched(&mut self) -> bool {
        let mut byte = [0; 1];
        let stream = &mut self.stream;
        std::future::poll_fn(|cx| {
            let mut buffer = ReadBuf::new(&mut byte);
            let read = Pin::new(&mut *stream).poll_read(cx, &mut buffer);
            Poll::Ready(read.is_pending())
        })
        .await
    }

    /// Says goodbye and closes.
    pub(super) async fn quit(mut self) {
        let goodbye = async {
            let now = self.now();
            self.client.quit(now);
            while !self.client.is_over() {
                let _goes_on = self.event().await;
            }
            let _closed = self.stream.shutdown().await;
        };
        let _in_time = timeout(GOODBYE_WAIT, goodbye).await;
    }

    async fn event_with(&mut self, mut message: Option<&mut Pieces>) -> Event {
        loop {
            let now = self.now();
            if self.output.is_empty() {
                self.client.poll_output(&mut self.output, now);
            }
            if self.output.is_empty() {
                if let Some(event) = self.client.poll_event() {
                    return event;
                }
                if self.client.is_over() {
                    return Event::Closed(Ended::Lost(Phase::Idle, Loss::Cut));
                }
                if let Some(message) = message.as_deref_mut()
                    && self.client.takes_body()
                {
                    self.give(message).await;
                    continue;
                }
            }
            self.turn().await;
        }
    }

    /// Gives the machine the next piece of the message.
    async fn give(&mut self, message: &mut Pieces) {
        match message.next().await {
            Ok(Some(piece)) => self.client.body(&piece, self.clock.now()),
            Ok(None) => self.client.body_end(self.clock.now()),
            Err(error) => {
                tracing::error!(%error, "a message cannot be read");
                self.client.abandon();
            }
        }
    }

    /// Waits for the stream or the deadline, and tells the machine.
    async fn turn(&mut self) {
        let deadline = self.client.poll_timeout().map(|(deadline, _)| deadline);
        self.input.resize(READ_BYTES_MAX, 0);
        let moved = tokio::select! {
            moved = exchange(&mut self.stream, &self.output, &mut self.input) => moved,
            timed_out = until(&self.clock, deadline) => Moved::TimedOut(timed_out),
        };
        match moved {
            Moved::Read(0) | Moved::Broken => {
                self.output.clear();
                self.client.handle_eof();
            }
            Moved::Read(bytes) => self.take(bytes).await,
            Moved::Written(bytes) => drop(self.output.drain(..bytes)),
            Moved::TimedOut(deadline) => {
                let now = self.now();
                let mono = now.mono.max(deadline);
                self.client.handle_timeout(Now { mono, ..now });
                self.output.clear();
            }
        }
    }

    async fn take(&mut self, bytes: usize) {
        self.input.truncate(bytes);
        let now = self.now();
        if self.computes {
            self.compute(now).await;
        } else {
            self.client.handle_input(&self.input, now);
        }
        if self.client.is_over() {
            // The server wants no more of it.
            self.output.clear();
        }
    }

    /// SCRAM takes up to a second of computing.
    async fn compute(&mut self, now: Now) {
        let stand_in = Client::new(self.hostname.clone(), Security::Plaintext, now);
        let mut client = std::mem::replace(&mut self.client, stand_in);
        let input = std::mem::take(&mut self.input);
        let work = move || {
            client.handle_input(&input, now);
            client
        };
        match spawn_blocking(work).await {
            Ok(client) => self.client = client,
            Err(error) => {
                tracing::error!(%error, "a login panicked");
                self.client.abandon();
            }
        }
    }
}

/// Reads what is there, else writes what there is to write, whichever is possible first.
async fn exchange(stream: &mut Stream, output: &[u8], input: &mut [u8]) -> Moved {
    std::future::poll_fn(|cx| {
        let mut buffer = ReadBuf::new(input);
        match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) => return Poll::Ready(Moved::Read(buffer.filled().len())),
            Poll::Ready(Err(error)) => return Poll::Ready(broken(&error)),
            Poll::Pending => {}
        }
        if output.is_empty() {
            // What TLS still holds back.
            return match Pin::new(&mut *stream).poll_flush(cx) {
                Poll::Ready(Err(error)) => Poll::Ready(broken(&error)),
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
            };
        }
        match Pin::new(&mut *stream).poll_write(cx, output) {
            Poll::Ready(Ok(0)) => Poll::Ready(Moved::Broken),
            Poll::Ready(Ok(bytes)) => Poll::Ready(Moved::Written(bytes)),
            Poll::Ready(Err(error)) => Poll::Ready(broken(&error)),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

fn broken(error: &io::Error) -> Moved {
    tracing::debug!(%error, "the connection broke");
    Moved::Broken
}

/// Waits for the deadline; gives it, as time may not have come quite so far.
async fn until(clock: &Clock, deadline: Option<Mono>) -> Mono {
    let now = clock.now().mono;
    let deadline = deadline.unwrap_or(now + GOODBYE_WAIT);
    sleep(deadline.since(now)).await;
    deadline
}

/// A stream that is at its end.
fn closed() -> Stream {
    Stream::plain(tokio::io::empty())
}
