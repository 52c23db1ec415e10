//! Connections from ourselves to our own ports, to see that somebody takes them in.
//!
//! Each is announced by its own address before it is made, so the door tells it from those of others: no limit, figure
//! or log line counts it and no session runs. It hears one byte. A probe never leaves the machine: it is bound to the
//! very address that it asks, and one that is no longer ours cannot be bound.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// What a probe hears.
const ANSWER: u8 = b'.';

/// How long a probe waits for its answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// Probes under way, by the addresses that they come from.
#[derive(Clone, Debug, Default)]
pub(super) struct Announced(Arc<Mutex<BTreeSet<SocketAddr>>>);

/// One of them; over when dropped.
struct Announcement {
    from: SocketAddr,
    all: Announced,
}

impl Announced {
    /// Whether a connection from there is a probe of ours.
    pub(super) fn has(&self, from: SocketAddr) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.contains(&canonical(from))
    }

    fn announce(&self, from: SocketAddr) -> Announcement {
        let from = canonical(from);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(from);
        Announcement {
            from,
            all: self.clone(),
        }
    }

    /// Whether one of these ports answers; all are asked at once. Waits for as long as none does and one may. The others
    /// are heard out, though nobody waits for them: one that left early would look like a stranger.
    pub(super) async fn any_answers(&self, ports: Vec<SocketAddr>) -> bool {
        let mut asked = JoinSet::new();
        for port in ports {
            let announced = self.clone();
            asked.spawn(async move { timeout(PATIENCE, announced.ask(port)).await? });
        }
        while let Some(answered) = asked.join_next().await {
            match answered {
                Ok(Ok(())) => {
                    asked.detach_all();
                    return true;
                }
                Ok(Err(error)) => tracing::debug!(%error, "a port of ours does not answer"),
                Err(error) => tracing::error!(%error, "asking a port of ours"),
            }
        }
        false
    }

    async fn ask(&self, port: SocketAddr) -> io::Result<()> {
        let port = reachable(port);
        let socket = match port {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        let mut own = port;
        own.set_port(0);
        socket.bind(own)?;
        let _announcement = self.announce(socket.local_addr()?);
        let mut stream = socket.connect(port).await?;
        match stream.read_u8().await? {
            ANSWER => Ok(()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// The door's side.
pub(super) async fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.write_u8(ANSWER).await?;
    stream.shutdown().await
}

/// Where a listener can be reached from this machine.
fn reachable(mut port: SocketAddr) -> SocketAddr {
    if port.ip().is_unspecified() {
        port.set_ip(match port.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    port
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl Drop for Announcement {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&self.from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_on_all_addresses_are_reached_at_loopback() {
        for (bound, asked) in [
            ("0.0.0.0:25", "127.0.0.1:25"),
            ("[::]:25", "[::1]:25"),
            ("192.0.2.1:25", "192.0.2.1:25"),
        ] {
            assert_eq!(reachable(bound.parse().unwrap()), asked.parse().unwrap());
        }
    }

    #[test]
    fn an_announcement_ends() {
        let announced = Announced::default();
        let from: SocketAddr = "127.0.0.1:50000".parse().unwrap();
        let announcement = announced.announce(from);
        assert!(announced.has("[::ffff:127.0.0.1]:50000".parse().unwrap()));
        drop(announcement);
        assert!(!announced.has(from));
    }
}
