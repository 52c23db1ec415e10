//! Connections that the box makes: TCP and TLS as a client.
//!
//! TLS comes in three grades, named by [`Check`]. Which one a destination needs is decided elsewhere; here it is kept.
//! The authorities are the system's (`SSL_CERT_FILE` and `SSL_CERT_DIR` say where else), read again every
//! [`RELOAD_AFTER`]. Sessions are resumed only by whoever demands what was proved when they began: those without a
//! check, and those that check the name that was asked for, among themselves; others not at all.

mod verify;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use crate::dns::Tlsa;
use crate::machine::TlsInfo;
use crate::mail::address::Domain;
use crate::net::stream::{BoxIo, Stream};
use crate::net::tls::{HANDSHAKE_TIMEOUT, info};

use verify::{Verifier, Want};

/// Longest time to connect (RFC 5321 4.5.3.2 names none; Postfix takes 30 s).
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the system's authorities are good for.
pub const RELOAD_AFTER: Duration = Duration::from_hours(6);

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

/// Makes connections. Cheap to clone; clones share sessions to resume.
#[derive(Clone)]
pub struct Outbound(Arc<Inner>);

struct Inner {
    provider: Arc<CryptoProvider>,
    unchecked: Arc<ClientConfig>,
    source: Source,
    trusted: Mutex<Trusted>,
}

/// Where authorities come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    System,
    Given,
}

/// Authorities, and what is made of them.
#[derive(Clone)]
struct Trusted {
    roots: Arc<RootCertStore>,
    /// Checks the name that was asked for.
    named: Arc<ClientConfig>,
    since: Instant,
}

impl Outbound {
    /// With the system's authorities. Blocks on files. A system without any is only logged: DANE and mail without a
    /// check need none.
    pub fn new() -> io::Result<Self> {
        let roots = system_roots();
        if roots.is_empty() {
            tracing::warn!("the system has no certificate authorities: no certificate is accepted");
        }
        Self::with(roots, Source::System)
    }

    /// With the authorities in this PEM text alone, for tests.
    pub fn trusting(pem: &str) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(io::Error::other)?;
            roots.add(certificate).map_err(io::Error::other)?;
        }
        Self::with(roots, Source::Given)
    }

    fn with(roots: RootCertStore, source: Source) -> io::Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let unchecked = config(&provider, Want::Nothing)?;
        let trusted = Mutex::new(Trusted::new(&provider, roots)?);
        Ok(Self(Arc::new(Inner {
            provider,
            unchecked: Arc::new(unchecked),
            source,
            trusted,
        })))
    }

    /// Connects, within [`CONNECT_TIMEOUT`].
    pub async fn connect(&self, address: SocketAddr) -> io::Result<BoxIo> {
        let connecting = timeout(CONNECT_TIMEOUT, TcpStream::connect(address));
        let stream = connecting.await.map_err(|_| {
            let why = format!("no connection within {} s", CONNECT_TIMEOUT.as_secs());
            io::Error::new(io::ErrorKind::TimedOut, why)
        })??;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }

    /// TLS on a connection, for the host `name` (SNI, unless it is an address literal).
    pub async fn start_tls(
        &self,
        io: BoxIo,
        name: &Domain,
        check: &Check,
    ) -> Result<(Stream, TlsInfo), TlsFailure> {
        let config = self.config(name, check).await?;
        let connector = TlsConnector::from(config);
        // The future is large and lives only for the handshake.
        let handshake = Box::pin(connector.connect(server_name(name)?, io));
        let connected = timeout(HANDSHAKE_TIMEOUT, handshake).await;
        let stream = connected
            .map_err(|_| TlsFailure::Timeout)?
            .map_err(failure)?;
        let info = info(stream.get_ref().1);
        Ok((Stream::Client(Box::new(stream)), info))
    }

    async fn config(&self, name: &Domain, check: &Check) -> io::Result<Arc<ClientConfig>> {
        let want = match check {
            Check::Nothing => return Ok(Arc::clone(&self.0.unchecked)),
            Check::Names(names) if names.as_slice() == std::slice::from_ref(name) => {
                return Ok(self.trusted().await?.named);
            }
            Check::Names(names) => {
                Want::Names(self.trusted().await?.roots, Some(server_names(names)?))
            }
            Check::Dane { records, names } => Want::Dane(records.clone(), server_names(names)?),
        };
        let mut config = config(&self.0.provider, want)?;
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }

    async fn trusted(&self) -> io::Result<Trusted> {
        let trusted = self.held();
        let is_fresh = self.0.source == Source::Given || trusted.since.elapsed() < RELOAD_AFTER;
        if is_fresh {
            return Ok(trusted);
        }
        let roots = tokio::task::spawn_blocking(system_roots).await;
        let mut roots = roots.map_err(io::Error::other)?;
        if roots.is_empty() {
            tracing::warn!(
                "the system's certificate authorities cannot be read: the old ones stay"
            );
            roots = (*trusted.roots).clone();
        }
        let trusted = Trusted::new(&self.0.provider, roots)?;
        let held = self.0.trusted.lock();
        *held.unwrap_or_else(PoisonError::into_inner) = trusted.clone();
        Ok(trusted)
    }

    fn held(&self) -> Trusted {
        let held = self.0.trusted.lock();
        held.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").finish_non_exhaustive()
    }
}

impl Trusted {
    fn new(provider: &Arc<CryptoProvider>, roots: RootCertStore) -> io::Result<Self> {
        let roots = Arc::new(roots);
        Ok(Self {
            named: Arc::new(config(provider, Want::Names(Arc::clone(&roots), None))?),
            roots,
            since: Instant::now(),
        })
    }
}

fn system_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a certificate authority of the system's is passed over");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    roots
}

fn config(provider: &Arc<CryptoProvider>, want: Want) -> io::Result<ClientConfig> {
    let verifier: Arc<dyn ServerCertVerifier> = Arc::new(Verifier::new(provider, want));
    let config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(config)
}

fn server_names(names: &[Domain]) -> io::Result<Vec<ServerName<'static>>> {
    names.iter().map(server_name).collect()
}

/// A literal loses its brackets and its tag.
fn server_name(name: &Domain) -> io::Result<ServerName<'static>> {
    let text = name.as_str();
    let text = text.strip_prefix('[').unwrap_or(text);
    let text = text.strip_suffix(']').unwrap_or(text);
    let text = text.strip_prefix("IPv6:").unwrap_or(text).to_owned();
    ServerName::try_from(text).map_err(io::Error::other)
}

fn failure(error: io::Error) -> TlsFailure {
    let inner = error.get_ref().and_then(|it| it.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidCertificate(why)) => TlsFailure::Certificate(why.to_string()),
        _ => TlsFailure::Handshake(error),
    }
}
