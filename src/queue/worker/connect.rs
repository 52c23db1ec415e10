//! From an address to a connection on which mail can be given: TCP, greeting, TLS as far as it is required, login.

use std::net::SocketAddr;

use super::line::Line;
use super::logins::Logins;
use super::words::Fault;
use crate::clock::Clock;
use crate::mail::address::Domain;
use crate::net::outbound::{Check, Outbound};
use crate::net::stream::Stream;
use crate::queue::relay::Login;
use crate::smtp::client::reply::Reply;
use crate::smtp::client::{Event, Security};

/// Whom to talk to and how. Connections of one way are as good as each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// The host's name, or an address literal.
    pub(super) host: Domain,
    /// Its port.
    pub(super) port: u16,
    /// What is asked of TLS.
    pub(super) grade: Grade,
    /// Who logs in.
    pub(super) login: Option<Login>,
}

/// What is asked of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Grade {
    /// There is none.
    Plain,
    /// Better than nothing, if it works.
    Opportunistic,
    /// By STARTTLS, or no mail.
    StartTls(Check),
    /// From the first byte.
    Implicit(Check),
}

/// What a connection is made with.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub(super) outbound: Outbound,
    pub(super) logins: Logins,
    /// What we call ourselves.
    pub(super) hostname: Domain,
    pub(super) clock: Clock,
}

/// What came of STARTTLS.
enum Upgrade {
    Done(Line),
    Refused(Line, Reply),
}

impl Connector {
    /// A connection to one of the host's addresses, ready for mail.
    pub(super) async fn open(&self, way: &Way, address: SocketAddr) -> Result<Line, Fault> {
        let Some(login) = &way.login else {
            return self.secure(way, address).await;
        };
        let now = self.clock.now();
        self.logins
            .turn(&way.host, login)
            .await
            .credentials(now)
            .await?;
        let mut line = self.secure(way, address).await?;
        // One at a time, so that a wrong password is tried once and not by every attempt that is under way.
        let turn = self.logins.turn(&way.host, login).await;
        let credentials = turn.credentials(line.now()).await?;
        turn.log_in(&mut line, &credentials).await?;
        Ok(line)
    }

    async fn secure(&self, way: &Way, address: SocketAddr) -> Result<Line, Fault> {
        match &way.grade {
            Grade::Plain => self.plain(address).await,
            Grade::Implicit(check) => self.implicit(way, address, check).await,
            Grade::StartTls(check) => {
                let line = self.plain(address).await?;
                match self.upgrade(line, way, check).await? {
                    Upgrade::Done(line) => Ok(line),
                    Upgrade::Refused(line, reply) => {
                        line.quit().await;
                        Err(Fault::TlsRefused(reply))
                    }
                }
            }
            Grade::Opportunistic => self.opportunistic(way, address).await,
        }
    }

    async fn plain(&self, address: SocketAddr) -> Result<Line, Fault> {
        let io = self
            .outbound
            .connect(address)
            .await
            .map_err(Fault::Connect)?;
        self.greet(Stream::Plain(io), Security::Plaintext).await
    }

    async fn implicit(&self, way: &Way, address: SocketAddr, check: &Check) -> Result<Line, Fault> {
        let io = self
            .outbound
            .connect(address)
            .await
            .map_err(Fault::Connect)?;
        let started = self.outbound.start_tls(io, &way.host, check).await;
        let (stream, _) = started.map_err(Fault::Tls)?;
        self.greet(stream, Security::Tls).await
    }

    async fn greet(&self, stream: Stream, security: Security) -> Result<Line, Fault> {
        let mut line = Line::new(stream, security, &self.hostname, &self.clock);
        line.ready().await.map_err(Fault::Ended)?;
        Ok(line)
    }

    /// RFC 7435: TLS if it can be had. A handshake that fails leaves nothing to talk on, so there is a second connection.
    async fn opportunistic(&self, way: &Way, address: SocketAddr) -> Result<Line, Fault> {
        let mut line = self.plain(address).await?;
        if !line.client().extensions().starttls {
            return Ok(line);
        }
        match self.upgrade(line, way, &Check::Nothing).await {
            Ok(Upgrade::Done(line) | Upgrade::Refused(line, _)) => Ok(line),
            Err(fault) => {
                tracing::debug!(%address, ?fault, "no TLS with this host; it goes in plaintext");
                self.plain(address).await
            }
        }
    }

    async fn upgrade(&self, mut line: Line, way: &Way, check: &Check) -> Result<Upgrade, Fault> {
        let now = line.now();
        if line.client().start_tls(now).is_err() {
            line.quit().await;
            return Err(Fault::TlsNotOffered);
        }
        loop {
            match line.event().await {
                Event::StartTls => {
                    let started = line.start_tls(&self.outbound, &way.host, check).await;
                    let mut line = started.map_err(Fault::Tls)?;
                    line.ready().await.map_err(Fault::Ended)?;
                    return Ok(Upgrade::Done(line));
                }
                Event::TlsRefused(reply) => {
                    line.ready().await.map_err(Fault::Ended)?;
                    return Ok(Upgrade::Refused(line, reply));
                }
                Event::Closed(ended) => return Err(Fault::Ended(ended)),
                Event::Ready
                | Event::LoggedIn
                | Event::LoginFailed(_)
                | Event::WantsBody
                | Event::Sent(_) => {}
            }
        }
    }
}
