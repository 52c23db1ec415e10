//! Accepts connections on every port, within limits, and starts a driver for each.
//!
//! All addresses are bound before the first connection is accepted, so a daemon that cannot have one of its ports does
//! not half-serve. Over a limit the peer hears a short refusal in its protocol's words. When accepting itself fails
//! (no file descriptors), the listener waits and tries again.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tracing::Instrument;

use crate::machine::TlsInfo;
use crate::net::driver::{self, Entry, Open, Shared};
use crate::net::limits::{Limiter, Permit, Reached};
use crate::net::probe::{self, Announced};
use crate::net::shutdown::{Phase, Token};
use crate::net::stream::Stream;

/// Connections that may wait to be accepted, per listener.
const BACKLOG: u32 = 128;

/// First and longest wait after accepting failed.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// Refusals spoken at once; more are just closed.
const REFUSALS_MAX: usize = 16;

/// Time for a refusal.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);

/// Time for a handshake under way when the services stop, so that its peer hears an answer or a goodbye.
const LATE_HANDSHAKE: Duration = Duration::from_secs(2);

/// A silent connection is probed after this, this often, so many times. NAT routers forget after some minutes.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(2);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_PROBES: u32 = 4;

/// When TLS begins on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// With the first byte.
    Implicit,
    /// When the protocol asks for it, if at all.
    OnRequest,
}

/// One protocol on some addresses.
#[derive(Clone)]
pub struct Service {
    /// Its name as in the configuration.
    pub name: &'static str,
    /// When TLS begins.
    pub tls: TlsMode,
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    /// What a peer over the limit is told, line end included.
    pub refusal: &'static str,
    /// What is done with its connections.
    pub talk: Talk,
}

/// What a service does with a connection.
#[derive(Clone)]
pub enum Talk {
    /// A session of this kind runs on it.
    Session(Open),
    /// Something that drives itself has it.
    Carried(Carry),
}

/// Serves a connection to its end, minding the daemon's.
pub type Carry = Arc<
    dyn Fn(Stream, SocketAddr, Token) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync,
>;

/// A service that cannot have one of its addresses.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for {service}: {cause}")]
pub struct BindError {
    /// The service.
    pub service: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// Why not.
    pub cause: io::Error,
}

/// Bound listeners that do not accept yet.
#[derive(Debug)]
pub struct Bound {
    listeners: Vec<(Arc<Service>, TcpListener, SocketAddr)>,
    probes: Announced,
}

/// Listening sockets that outlive their services: whoever connects between two starts waits, and is not refused. Clones
/// are the same ones.
#[derive(Clone, Debug, Default)]
pub struct Sockets {
    kept: Arc<Mutex<BTreeMap<Place, std::net::TcpListener>>>,
    probes: Announced,
}

/// A service's name and an address as the configuration has it.
type Place = (&'static str, SocketAddr);

/// Binds every address of every service.
pub fn bind(services: Vec<Service>) -> Result<Bound, BindError> {
    bind_again(services, &Sockets::default())
}

/// Binds every address of every service, with the sockets of before where there are some; others are closed.
pub fn bind_again(services: Vec<Service>, sockets: &Sockets) -> Result<Bound, BindError> {
    let mut kept = sockets.kept.lock().unwrap_or_else(PoisonError::into_inner);
    let mut before = std::mem::take(&mut *kept);
    let mut listeners = Vec::new();
    for service in services.into_iter().map(Arc::new) {
        for &address in &service.addresses {
            let failed = |cause| BindError {
                service: service.name,
                address,
                cause,
            };
            let place = (service.name, address);
            let socket = before.remove(&place).map_or_else(|| open(address), Ok);
            let socket = socket.map_err(failed)?;
            let listener = socket.try_clone().and_then(TcpListener::from_std);
            let listener = listener.map_err(failed)?;
            kept.insert(place, socket);
            let actual = listener.local_addr().map_err(failed)?;
            listeners.push((Arc::clone(&service), listener, actual));
        }
    }
    Ok(Bound {
        listeners,
        probes: sockets.probes.clone(),
    })
}

impl Sockets {
    /// Whether one of the ports takes connections in, or none is open. Waits for as long as that is not known: give it
    /// a deadline.
    pub async fn accept_some(&self) -> bool {
        let ports = self.ports();
        ports.is_empty() || self.probes.any_answers(ports).await
    }

    fn ports(&self) -> Vec<SocketAddr> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let ports = kept.values().map(std::net::TcpListener::local_addr);
        ports.filter_map(Result::ok).collect()
    }
}

impl Bound {
    /// Service names and actual addresses, in the order of the services.
    pub fn addresses(&self) -> Vec<(&'static str, SocketAddr)> {
        let each = self.listeners.iter();
        each.map(|(service, _, address)| (service.name, *address))
            .collect()
    }

    /// Starts to accept, one task for each listener.
    pub fn accept(self, shared: &Shared, limiter: &Limiter, token: &Token) {
        let connections = Arc::new(AtomicU64::new(1));
        let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
        for (service, listener, _) in self.listeners {
            let door = Door {
                service,
                shared: shared.clone(),
                limiter: limiter.clone(),
                token: token.clone(),
                connections: Arc::clone(&connections),
                refusals: Arc::clone(&refusals),
                probes: self.probes.clone(),
            };
            tokio::spawn(door.serve(listener));
        }
    }
}

/// What one listener needs to take in connections.
struct Door {
    service: Arc<Service>,
    shared: Shared,
    limiter: Limiter,
    token: Token,
    connections: Arc<AtomicU64>,
    refusals: Arc<Semaphore>,
    probes: Announced,
}

impl Door {
    async fn serve(mut self, listener: TcpListener) {
        let mut backoff = BACKOFF_FIRST;
        loop {
            let accepted = tokio::select! {
                () = self.token.reached(Phase::Draining) => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => {
                    backoff = BACKOFF_FIRST;
                    self.take_in(stream, address);
                }
                Err(error) if is_of_one_peer(&error) => tracing::debug!(%error, "accept"),
                Err(error) => {
                    tracing::warn!(service = self.service.name, %error, "cannot accept; waiting");
                    sleep(backoff).await;
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                }
            }
        }
    }

    fn take_in(&self, stream: TcpStream, address: SocketAddr) {
        if self.probes.has(address) {
            tokio::spawn(probe::answer(stream));
            return;
        }
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        match self.limiter.admit(address.ip()) {
            Ok(permit) => self.start(stream, address, permit),
            Err(reached) => self.refuse(stream, address, reached),
        }
    }

    fn start(&self, stream: TcpStream, address: SocketAddr, permit: Permit) {
        self.shared.counters.accepted(self.service.name);
        if let Err(error) = tune(&stream) {
            tracing::debug!(%error, "socket options");
        }
        let id = self.connections.fetch_add(1, Ordering::Relaxed);
        let span =
            tracing::info_span!("connection", id, service = self.service.name, peer = %address);
        let (service, shared) = (Arc::clone(&self.service), self.shared.clone());
        let token = self.token.clone();
        let connection = async move {
            serve_one(Stream::plain(stream), address, &service, &shared, token).await;
            drop(permit);
        };
        tokio::spawn(connection.instrument(span));
    }

    /// A port with implicit TLS would need a handshake to say anything, which is more than a refusal may cost.
    fn refuse(&self, stream: TcpStream, address: SocketAddr, reached: Reached) {
        self.shared.counters.refused();
        let service = Arc::clone(&self.service);
        tracing::info!(service = service.name, peer = %address, "refused: {reached}");
        let Ok(slot) = Arc::clone(&self.refusals).try_acquire_owned() else {
            return;
        };
        if service.tls == TlsMode::Implicit {
            return;
        }
        let token = self.token.clone();
        tokio::spawn(async move {
            let said = timeout(REFUSAL_TIMEOUT, say(stream, service.refusal)).await;
            tracing::trace!(in_time = said.is_ok(), "refusal");
            drop((slot, token));
        });
    }
}

async fn say(stream: TcpStream, words: &str) -> io::Result<()> {
    let mut stream = Stream::plain(stream);
    stream.write_all(words.as_bytes()).await?;
    stream.shutdown().await?;
    driver::linger(&mut stream, REFUSAL_TIMEOUT).await;
    Ok(())
}

async fn serve_one(
    stream: Stream,
    address: SocketAddr,
    service: &Service,
    shared: &Shared,
    mut token: Token,
) {
    let begun = shared.clock.now().mono;
    tracing::debug!("connected");
    let opened = tokio::select! {
        opened = begin(stream, service.tls, shared) => opened,
        () = too_late(&mut token) => return,
    };
    let (stream, tls) = match opened {
        Ok(opened) => opened,
        Err(error) => return tracing::debug!(%error, "no TLS"),
    };
    let open = match &service.talk {
        Talk::Session(open) => open,
        Talk::Carried(carry) => return carry(stream, address, token).await,
    };
    let entry = Entry {
        service: service.name,
        address,
        tls,
    };
    let run = driver::run(stream, entry, open, shared, token);
    let (ended, traffic) = Box::pin(run).await;
    let lasted = shared.clock.now().mono.since(begun);
    let (received, sent) = (traffic.received, traffic.sent);
    tracing::info!(seconds = lasted.as_secs(), received, sent, "ended: {ended}");
}

/// When services stop, and who had just connected should have begun by then.
async fn too_late(token: &mut Token) {
    token.reached(Phase::Draining).await;
    sleep(LATE_HANDSHAKE).await;
}

async fn begin(
    stream: Stream,
    mode: TlsMode,
    shared: &Shared,
) -> Result<(Stream, Option<TlsInfo>), crate::net::tls::HandshakeError> {
    match (mode, stream) {
        (TlsMode::Implicit, Stream::Plain(io)) => {
            let (stream, info) = shared.tls.accept(io).await?;
            Ok((stream, Some(info)))
        }
        (_, stream) => Ok((stream, None)),
    }
}

/// A port that listens, for a runtime. `[::]` is IPv6 alone.
pub fn open(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A port left in TIME_WAIT by our predecessor can be had at once.
    socket.set_reuseaddr(true)?;
    if address.is_ipv6() {
        // `0.0.0.0` and `[::]` stand side by side in the configuration.
        rustix::net::sockopt::set_ipv6_v6only(&socket, true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

fn tune(stream: &TcpStream) -> io::Result<()> {
    use rustix::net::sockopt;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_PROBES)?;
    Ok(())
}

/// The peer was gone before we took it in; the listener itself is fine.
fn is_of_one_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

impl fmt::Debug for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session(_) => "Session",
            Self::Carried(_) => "Carried",
        })
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.name)
            .field("tls", &self.tls)
            .field("addresses", &self.addresses)
            .field("talk", &self.talk)
            .finish_non_exhaustive()
    }
}
