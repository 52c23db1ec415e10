//! Runs one protocol session on one connection.
//!
//! The session is moved into a blocking thread for each call and back out with what it produced: a *step*. Between steps the driver
//! writes, waits for whatever comes first (bytes, a deadline, a wake-up, the daemon's end), or carries out an event.
//! One piece of output is written whole before the next is asked for, so a slow reader holds one piece in memory and
//! no more. A panic in a step ends this connection and no other.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tracing::Span;

use crate::auth::Via;
use crate::clock::{Clock, Mono, Now};
use crate::machine::{Answer, Event, OUTPUT_PIECE_BYTES, Peer, Session, TlsInfo, Wake};
use crate::net::Counters;
use crate::net::gate::Gate;
use crate::net::shutdown::{Phase, Token};
use crate::net::stream::Stream;
use crate::net::tls::Tls;
use crate::trust::verify::Judge;

/// Bytes read at once.
pub const READ_BYTES_MAX: usize = 16 * 1024;

/// Output polls made in one step, so that many small answers share a write.
const POLLS_PER_STEP_MAX: usize = 8;

/// An idle connection keeps no larger buffer for output than this.
const IDLE_OUTPUT_BYTES_MAX: usize = 4 * 1024;

/// Deadlines of a connection that are not the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For the peer to take one piece of output (about 64 KiB).
    pub write: Duration,
    /// For the goodbye: `close_notify` and the end of the stream.
    pub close: Duration,
    /// For the peer to close too, before unread bytes turn our last words into a reset.
    pub linger: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            write: Duration::from_mins(5),
            close: Duration::from_secs(5),
            linger: Duration::from_secs(2),
        }
    }
}

/// Makes the session of a new connection. Called off the async threads.
pub type Open = Arc<dyn Fn(Peer, Now) -> io::Result<Box<dyn Session>> + Send + Sync>;

/// What all connections share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The clock.
    pub clock: Clock,
    /// TLS for STARTTLS and implicit ports.
    pub tls: Arc<Tls>,
    /// Where credentials are checked.
    pub gate: Gate,
    /// Where mail of others is judged.
    pub judge: Judge,
    /// What is counted.
    pub counters: Counters,
    /// Deadlines.
    pub deadlines: Deadlines,
}

/// Why a connection ended.
#[derive(Debug)]
pub enum Ended {
    /// The session asked for it.
    Closed,
    /// There could be no session.
    NotOpened(io::Error),
    /// The peer closed, or the connection broke.
    PeerGone(io::ErrorKind),
    /// The peer did not take output within `Deadlines::write`.
    WriteTimeout,
    /// The TLS handshake of STARTTLS failed.
    Handshake(crate::net::tls::HandshakeError),
    /// The daemon stops and would wait no longer.
    Aborted,
    /// A bug: the session panicked.
    Panicked,
}

/// Bytes that went over a connection, as the protocol sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From the peer.
    pub received: u64,
    /// To the peer.
    pub sent: u64,
}

/// How a connection came in.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Name of the service that it was made to.
    pub service: &'static str,
    /// The other side.
    pub address: SocketAddr,
    /// Present when TLS began before the protocol.
    pub tls: Option<TlsInfo>,
}

/// Runs a session, made by `open`, on `stream` until it ends, and closes the stream.
pub async fn run(
    stream: Stream,
    entry: Entry,
    open: &Open,
    shared: &Shared,
    token: Token,
) -> (Ended, Traffic) {
    let wake = Arc::new(Notify::new());
    let mut connection = Connection {
        stream,
        shared,
        token,
        wake: Arc::clone(&wake),
        told: false,
        eof: false,
        via: Via {
            protocol: protocol_of(entry.service),
            tls: version_of(entry.tls.as_ref()),
        },
        traffic: Traffic::default(),
        input: Vec::new(),
        output: Vec::new(),
    };
    let peer = Peer {
        address: entry.address,
        tls: entry.tls,
        wake: Wake::new(move || wake.notify_one()),
    };
    let (open, now) = (Arc::clone(open), shared.clock.now());
    let ended = match blocking(&shared.counters, move || open(peer, now)).await {
        Ok(Ok(session)) => connection.run(session).await,
        Ok(Err(error)) => Ended::NotOpened(error),
        Err(ended) => ended,
    };
    connection.close(&ended).await;
    (ended, connection.traffic)
}

struct Connection<'a> {
    stream: Stream,
    shared: &'a Shared,
    token: Token,
    wake: Arc<Notify>,
    /// The session knows that the daemon stops.
    told: bool,
    /// The peer closed its sending side.
    eof: bool,
    /// What is remembered of a login.
    via: Via,
    traffic: Traffic,
    /// Buffers, here while no step has them.
    input: Vec<u8>,
    output: Vec<u8>,
}

/// What a step begins with.
#[derive(Debug)]
enum Stimulus {
    /// Nothing new: go on with output.
    Continue,
    /// That many bytes of the input buffer.
    Input(usize),
    Eof,
    Timeout(Mono),
    Answer(Answer),
    Wake,
    Shutdown,
}

/// What a step came to.
struct Step {
    session: Box<dyn Session>,
    input: Vec<u8>,
    output: Vec<u8>,
    then: Then,
}

/// What comes after the output of a step is written.
enum Then {
    /// The session may have more output.
    Continue,
    Event(Event),
    Wait {
        wants_input: bool,
        deadline: Option<(Mono, &'static str)>,
    },
}

/// The protocol that a service speaks, as people call it.
fn protocol_of(service: &'static str) -> &'static str {
    match service {
        "imap" | "imaps" => "IMAP",
        "pop3" | "pop3s" => "POP3",
        "submission" | "submissions" => "SMTP",
        other => other,
    }
}

fn version_of(tls: Option<&TlsInfo>) -> String {
    tls.map(|info| info.version.clone()).unwrap_or_default()
}

impl Connection<'_> {
    async fn run(&mut self, session: Box<dyn Session>) -> Ended {
        let mut slot = Some(session);
        let mut stimulus = Stimulus::Continue;
        let ended = loop {
            match self.turn(&mut slot, stimulus).await {
                Ok(next) => stimulus = next,
                Err(ended) => break ended,
            }
        };
        // Dropping a session may undo half a message in the store.
        let dropped = blocking(&self.shared.counters, move || drop(slot)).await;
        dropped.err().unwrap_or(ended)
    }

    /// One step and what follows from it; gives what the next one begins with.
    async fn turn(
        &mut self,
        slot: &mut Option<Box<dyn Session>>,
        stimulus: Stimulus,
    ) -> Result<Stimulus, Ended> {
        let Some(session) = slot.take() else {
            return Err(Ended::Panicked);
        };
        let (input, output) = (
            std::mem::take(&mut self.input),
            std::mem::take(&mut self.output),
        );
        let clock = self.shared.clock.clone();
        let work = move || step(session, stimulus, input, output, &clock);
        let step = blocking(&self.shared.counters, work).await?;
        (self.input, self.output) = (step.input, step.output);
        *slot = Some(step.session);
        self.write().await?;
        match step.then {
            Then::Continue => Ok(Stimulus::Continue),
            Then::Event(event) => self.carry_out(event).await,
            Then::Wait {
                wants_input,
                deadline,
            } => self.wait(wants_input, deadline).await,
        }
    }

    async fn carry_out(&mut self, event: Event) -> Result<Stimulus, Ended> {
        match event {
            Event::Close => Err(Ended::Closed),
            Event::StartTls => {
                let info = self.start_tls().await?;
                Ok(Stimulus::Answer(Answer::TlsStarted(info)))
            }
            Event::Authenticate(request) => {
                let outcome = tokio::select! {
                    outcome = self.shared.gate.pass(request, self.via.clone()) => outcome,
                    () = self.token.reached(Phase::Aborting) => return Err(Ended::Aborted),
                };
                Ok(Stimulus::Answer(Answer::Authenticated(outcome)))
            }
            Event::Verify(request) => {
                let verdict = tokio::select! {
                    verdict = self.shared.judge.judge(*request) => verdict,
                    () = self.token.reached(Phase::Aborting) => return Err(Ended::Aborted),
                };
                Ok(Stimulus::Answer(Answer::Verified(verdict)))
            }
        }
    }

    /// Whatever the peer sent in plain and we have not read goes into the handshake and makes it fail.
    async fn start_tls(&mut self) -> Result<TlsInfo, Ended> {
        let (gone, _) = tokio::io::duplex(1);
        let plain = match std::mem::replace(&mut self.stream, Stream::plain(gone)) {
            Stream::Plain(io) => io,
            tls @ (Stream::Tls(_) | Stream::Client(_)) => Box::new(tls),
        };
        let (stream, info) = tokio::select! {
            accepted = self.shared.tls.accept(plain) => accepted.map_err(Ended::Handshake)?,
            () = self.token.reached(Phase::Aborting) => return Err(Ended::Aborted),
        };
        self.stream = stream;
        self.via.tls = version_of(Some(&info));
        tracing::debug!(version = %info.version, cipher = %info.cipher, "TLS started");
        Ok(info)
    }

    /// Writes the output buffer whole and empties it.
    async fn write(&mut self) -> Result<(), Ended> {
        if self.output.is_empty() {
            return Ok(());
        }
        tracing::trace!(bytes = self.output.len(), "write");
        let (stream, output) = (&mut self.stream, &self.output);
        let write = async {
            stream.write_all(output).await?;
            stream.flush().await
        };
        tokio::select! {
            written = timeout(self.shared.deadlines.write, write) => match written {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(Ended::PeerGone(error.kind())),
                Err(_) => return Err(Ended::WriteTimeout),
            },
            () = self.token.reached(Phase::Aborting) => return Err(Ended::Aborted),
        }
        self.traffic.sent += count(self.output.len());
        self.output.clear();
        Ok(())
    }

    /// Waits for the first thing that concerns the session.
    async fn wait(
        &mut self,
        wants_input: bool,
        deadline: Option<(Mono, &'static str)>,
    ) -> Result<Stimulus, Ended> {
        if self.eof && wants_input {
            return Err(Ended::PeerGone(io::ErrorKind::UnexpectedEof));
        }
        self.output.shrink_to(IDLE_OUTPUT_BYTES_MAX);
        self.input.resize(READ_BYTES_MAX, 0);
        let (phase, told) = if self.told {
            (Phase::Aborting, Err(Ended::Aborted))
        } else {
            (Phase::Draining, Ok(Stimulus::Shutdown))
        };
        tokio::select! {
            () = self.token.reached(phase) => {
                self.told = true;
                told
            }
            () = self.wake.notified() => Ok(Stimulus::Wake),
            timed_out = until(&self.shared.clock, deadline) => Ok(Stimulus::Timeout(timed_out)),
            read = self.stream.read(&mut self.input), if wants_input => match read {
                Ok(0) => {
                    self.eof = true;
                    Ok(Stimulus::Eof)
                }
                Ok(bytes) => {
                    tracing::trace!(bytes, "read");
                    self.traffic.received += count(bytes);
                    Ok(Stimulus::Input(bytes))
                }
                Err(error) => Err(Ended::PeerGone(error.kind())),
            },
        }
    }

    /// Says goodbye as far as the peer still listens.
    async fn close(&mut self, ended: &Ended) {
        let deadlines = self.shared.deadlines;
        let polite = match ended {
            Ended::Closed => true,
            Ended::NotOpened(_) | Ended::PeerGone(_) | Ended::Panicked => false,
            Ended::WriteTimeout | Ended::Handshake(_) | Ended::Aborted => return,
        };
        let stream = &mut self.stream;
        let goodbye = async {
            let closed = timeout(deadlines.close, stream.shutdown()).await;
            if polite && matches!(closed, Ok(Ok(()))) {
                linger(stream, deadlines.linger).await;
            }
        };
        tokio::select! {
            () = goodbye => {}
            () = self.token.reached(Phase::Aborting) => {}
        }
    }
}

/// Runs `work` on a blocking thread; a panic there is counted and told.
async fn blocking<T: Send + 'static>(
    counters: &Counters,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Ended> {
    let span = Span::current();
    let done = spawn_blocking(move || span.in_scope(work)).await;
    done.map_err(|error| {
        if !error.is_panic() {
            return Ended::Aborted;
        }
        counters.panicked();
        tracing::error!("a session panicked; its connection is closed");
        Ended::Panicked
    })
}

/// Reads and forgets what still comes, so that closing does not reset the connection under our last words.
pub(crate) async fn linger(stream: &mut Stream, at_most: Duration) {
    let drain = async {
        let mut waste = vec![0_u8; 4 * 1024];
        while matches!(stream.read(&mut waste).await, Ok(1..)) {}
    };
    if timeout(at_most, drain).await.is_err() {
        tracing::trace!("the peer did not close");
    }
}

/// Runs the session once. Output that is settled is followed by the event or the wait that comes next.
fn step(
    mut session: Box<dyn Session>,
    stimulus: Stimulus,
    input: Vec<u8>,
    mut output: Vec<u8>,
    clock: &Clock,
) -> Step {
    let mut now = clock.now();
    match stimulus {
        Stimulus::Continue => {}
        Stimulus::Input(bytes) => session.handle_input(input.get(..bytes).unwrap_or(&[]), now),
        Stimulus::Eof => session.handle_eof(now),
        Stimulus::Timeout(deadline) => {
            // The runtime's timer may be ahead of our clock by a little.
            now.mono = now.mono.max(deadline);
            session.handle_timeout(now);
        }
        Stimulus::Answer(answer) => session.handle_answer(answer, now),
        Stimulus::Wake => session.handle_wake(now),
        Stimulus::Shutdown => session.handle_shutdown(now),
    }
    let settled = (0..POLLS_PER_STEP_MAX).any(|_| {
        let before = output.len();
        if before < OUTPUT_PIECE_BYTES {
            session.poll_output(&mut output, now);
            return output.len() == before;
        }
        false
    });
    let then = if settled {
        follow(session.as_mut())
    } else {
        Then::Continue
    };
    Step {
        session,
        input,
        output,
        then,
    }
}

/// What follows when there is no more output.
fn follow(session: &mut dyn Session) -> Then {
    match session.poll_event() {
        Some(event) => Then::Event(event),
        None => Then::Wait {
            wants_input: session.wants_input(),
            deadline: session.poll_timeout(),
        },
    }
}

/// Sleeps until the deadline, or for ever without one.
async fn until(clock: &Clock, deadline: Option<(Mono, &'static str)>) -> Mono {
    let Some((deadline, reason)) = deadline else {
        return std::future::pending().await;
    };
    sleep(deadline.since(clock.now().mono)).await;
    tracing::debug!(reason, "deadline");
    deadline
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed"),
            Self::NotOpened(error) => write!(f, "no session: {error}"),
            Self::PeerGone(kind) => write!(f, "peer gone ({kind})"),
            Self::WriteTimeout => f.write_str("peer takes no output"),
            Self::Handshake(error) => write!(f, "{error}"),
            Self::Aborted => f.write_str("cut off at the end of the daemon"),
            Self::Panicked => f.write_str("panicked"),
        }
    }
}
