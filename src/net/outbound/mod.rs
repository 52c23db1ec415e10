//! Connections that the box makes: TCP and TLS as a client.
//!
//! TLS comes in three grades, named by [`Check`]. Which one a destination needs is decided elsewhere; here it is kept.
//! The authorities are the system's (`SSL_CERT_FILE` and `SSL_CERT_DIR` say where else), read again now and then.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::dns::Tlsa;
use crate::machine::TlsInfo;
use crate::mail::address::Domain;
use crate::net::stream::{BoxIo, Stream};

/// Longest time to connect (RFC 5321 4.5.3.2 names none; Postfix takes 30 s).
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// What the other side's certificate has to prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// Nothing: better than plaintext against who only listens (RFC 7435).
    Nothing,
    /// An authority of the system's vouches for one of these names.
    Names(Vec<Domain>),
    /// One of these records matches (RFC 7672 3); for usage DANE-TA with one of these names.
    Dane {
        /// Usable records: usage 2 or 3.
        records: Vec<Tlsa>,
        /// Names for DANE-TA (RFC 7672 3.2.2).
        names: Vec<Domain>,
    },
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsFailure {
    /// The certificate does not prove what it has to; in words.
    #[error("the certificate is not accepted: {0}")]
    Certificate(String),
    /// The handshake failed otherwise.
    #[error("the TLS handshake failed: {0}")]
    Handshake(#[from] io::Error),
    /// It took too long.
    #[error("the TLS handshake took too long")]
    Timeout,
}

/// Makes connections. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outbound {}

impl Outbound {
    /// With the system's authorities.
    pub fn new() -> io::Result<Self> {
        todo!()
    }

    /// Connects, within [`CONNECT_TIMEOUT`].
    #[expect(clippy::unused_async, reason = "not written yet")]
    pub async fn connect(&self, address: SocketAddr) -> io::Result<BoxIo> {
        let _ = address;
        todo!()
    }

    /// TLS on a connection, for the host `name` (SNI).
    #[expect(clippy::unused_async, reason = "not written yet")]
    pub async fn start_tls(
        &self,
        io: BoxIo,
        name: &Domain,
        check: &Check,
    ) -> Result<(Stream, TlsInfo), TlsFailure> {
        let _ = (io, name, check);
        todo!()
    }
}
