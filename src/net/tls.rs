//! TLS for every port: rustls with ring, versions 1.2 and 1.3, and a certificate that can change under way.
//!
//! The certificate is either the box's own (`ca`) or the owner's from two files. [`Tls::refresh`], called every minute and on
//! SIGHUP, renews the one and reloads the other; connections that are open keep what they have. Files that cannot be
//! used leave the certificate as it was.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ProtocolVersion, ServerConfig, ServerConnection};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::clock::Now;
use crate::machine::TlsInfo;
use crate::net::Counters;
use crate::net::ca::{self, Authority, Leaf, Subject};
use crate::net::files::read_small;
use crate::net::stream::{BoxIo, Stream};

/// Longest time for a handshake, waiting for a slot included.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);

/// Handshakes under way at once. More than one address may have connections, so that one alone cannot take all.
pub const HANDSHAKES_MAX: usize = 96;

/// A certificate that ends within this is trouble: whoever renews it has failed to. The box's own is renewed earlier.
pub const EXPIRY_TROUBLE: Duration = Duration::from_hours(7 * 24);

/// RFC 9266 2.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// Where the certificate comes from.
#[derive(Clone, Debug)]
pub enum Certificate {
    /// Issued by the box's own authority, kept in this directory.
    Made {
        /// Directory of the authority and the leaf.
        directory: PathBuf,
        /// Whom the leaf names.
        subject: Subject,
    },
    /// The owner's.
    Given {
        /// PEM file: the certificate, then its issuers.
        certificate: PathBuf,
        /// PEM file: its key.
        key: PathBuf,
    },
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The box's own certificate cannot be had.
    #[error(transparent)]
    Authority(#[from] ca::Error),
    /// A file of the owner's cannot be used.
    #[error("{path}: {why}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// rustls does not take it.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// Why a handshake came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The peer was too slow, or too many others were under way.
    #[error("no handshake within {} s", HANDSHAKE_TIMEOUT.as_secs())]
    Timeout,
    /// The peer does not speak our TLS, or went away.
    #[error("handshake failed: {0}")]
    Failed(#[from] io::Error),
}

/// Accepts TLS connections.
pub struct Tls {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
    source: Mutex<Source>,
    slots: Semaphore,
    counters: Counters,
    /// Whether the last certificate that was to be used could not be.
    refused: AtomicBool,
}

/// The certificate in use.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

#[derive(Debug)]
enum Source {
    Made {
        authority: Box<Authority>,
        subject: Subject,
        in_use: CertificateDer<'static>,
    },
    Given {
        certificate: PathBuf,
        key: PathBuf,
        seen: Stamps,
    },
}

/// What tells that a file has changed: time of change and length, of certificate and key.
type Stamps = [Option<(SystemTime, u64)>; 2];

impl Tls {
    /// Loads or makes the certificate. Blocks on files.
    pub fn open(certificate: Certificate, now: Now, counters: Counters) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let (source, first) = Source::open(certificate, &provider, now)?;
        let current = Arc::new(Current(RwLock::new(Arc::new(first))));
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Current>::clone(&current);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.ticketer = rustls::crypto::ring::Ticketer::new()?;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            current,
            source: Mutex::new(source),
            slots: Semaphore::new(HANDSHAKES_MAX),
            counters,
            refused: AtomicBool::new(false),
        })
    }

    /// The certificate of the box's own authority, for devices to trust; `None` with the owner's certificate.
    pub fn authority_pem(&self) -> Option<String> {
        match &*self.source() {
            Source::Made { authority, .. } => Some(authority.pem().to_owned()),
            Source::Given { .. } => None,
        }
    }

    /// Renews or reloads the certificate if that is due. Blocks on files. Failing, it says so and changes nothing.
    pub fn refresh(&self, now: Now) {
        let provider = self.acceptor.config().crypto_provider();
        match self.source().refresh(provider, now) {
            Ok(Some(key)) => {
                *self
                    .current
                    .0
                    .write()
                    .unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
                self.refused.store(false, Ordering::Relaxed);
                tracing::info!("a new certificate is in use");
            }
            Ok(None) => {}
            Err(error) => {
                self.refused.store(true, Ordering::Relaxed);
                tracing::warn!(%error, "the certificate stays as it was");
            }
        }
    }

    /// Whether the owner should look after the certificate: a newer one could not be used, or the one in use ends
    /// within [`EXPIRY_TROUBLE`].
    pub fn is_in_trouble(&self, now: Now) -> bool {
        self.refused.load(Ordering::Relaxed) || self.ends_soon(now)
    }

    fn ends_soon(&self, now: Now) -> bool {
        let current = self.current.get();
        let end = current.end_entity_cert().ok().and_then(ca::not_after);
        let (Some(end), Some(wall)) = (end, now.wall) else {
            return false;
        };
        let days = i64::try_from(EXPIRY_TROUBLE.as_secs()).unwrap_or(i64::MAX);
        wall.0.saturating_add(days) >= end.0
    }

    /// Other addresses for a self-made leaf from the next [`Tls::refresh`] on, which then issues a new one.
    pub fn set_addresses(&self, addresses: BTreeSet<IpAddr>) {
        if let Source::Made { subject, .. } = &mut *self.source() {
            subject.addresses = addresses;
        }
    }

    /// Does the server's side of a handshake on `io`.
    pub async fn accept(&self, io: BoxIo) -> Result<(Stream, TlsInfo), HandshakeError> {
        // The future is large and lives only for the handshake.
        let handshake = Box::pin(async {
            let _slot = self.slots.acquire().await;
            self.acceptor.accept(io).await
        });
        let accepted = timeout(HANDSHAKE_TIMEOUT, handshake).await;
        let stream = accepted
            .map_err(|_| HandshakeError::Timeout)
            .and_then(|result| result.map_err(HandshakeError::Failed))
            .inspect_err(|_| self.counters.handshake_failed())?;
        let info = info(stream.get_ref().1);
        Ok((Stream::Tls(Box::new(stream)), info))
    }

    fn source(&self) -> std::sync::MutexGuard<'_, Source> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Current {
    fn get(&self) -> Arc<CertifiedKey> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }
}

impl Source {
    fn open(
        certificate: Certificate,
        provider: &CryptoProvider,
        now: Now,
    ) -> Result<(Self, CertifiedKey), Error> {
        match certificate {
            Certificate::Made { directory, subject } => {
                let authority = Authority::open(&directory, &subject.hostname, now)?;
                let leaf = authority.leaf(&subject, now)?;
                let source = Self::Made {
                    authority: Box::new(authority),
                    subject,
                    in_use: leaf.certificate.clone(),
                };
                Ok((source, made_key(leaf, provider)?))
            }
            Certificate::Given { certificate, key } => {
                let seen = stamps(&certificate, &key);
                let first = given_key(&certificate, &key, provider)?;
                Ok((
                    Self::Given {
                        certificate,
                        key,
                        seen,
                    },
                    first,
                ))
            }
        }
    }

    fn refresh(
        &mut self,
        provider: &CryptoProvider,
        now: Now,
    ) -> Result<Option<CertifiedKey>, Error> {
        match self {
            Self::Made {
                authority,
                subject,
                in_use,
            } => {
                let leaf = authority.leaf(subject, now)?;
                if leaf.certificate == *in_use {
                    return Ok(None);
                }
                in_use.clone_from(&leaf.certificate);
                made_key(leaf, provider).map(Some)
            }
            Self::Given {
                certificate,
                key,
                seen,
            } => {
                let stamps = stamps(certificate, key);
                if stamps == *seen {
                    return Ok(None);
                }
                // Remembered even if they are no good: one warning for each change is enough.
                *seen = stamps;
                given_key(certificate, key, provider).map(Some)
            }
        }
    }
}

fn made_key(leaf: Leaf, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
    Ok(CertifiedKey::from_der(
        vec![leaf.certificate],
        leaf.key,
        provider,
    )?)
}

fn given_key(
    certificate: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Error> {
    let pem = read_given(certificate)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|error| unusable(certificate, &error))?;
    if chain.is_empty() {
        return Err(unusable(certificate, &"holds no certificate in PEM"));
    }
    let key_der =
        PrivateKeyDer::from_pem_slice(&read_given(key)?).map_err(|error| unusable(key, &error))?;
    CertifiedKey::from_der(chain, key_der, provider).map_err(|error| unusable(key, &error))
}

fn read_given(path: &Path) -> Result<Vec<u8>, Error> {
    let read = read_small(path).map_err(|error| unusable(path, &error))?;
    read.ok_or_else(|| unusable(path, &"does not exist"))
}

fn unusable(path: &Path, why: &dyn fmt::Display) -> Error {
    Error::File {
        path: path.to_owned(),
        why: why.to_string(),
    }
}

fn stamps(certificate: &Path, key: &Path) -> Stamps {
    [certificate, key].map(|path| {
        let about = fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    })
}

fn info(connection: &ServerConnection) -> TlsInfo {
    let version = connection.protocol_version();
    TlsInfo {
        version: match version {
            Some(ProtocolVersion::TLSv1_3) => "TLS1.3".to_owned(),
            Some(ProtocolVersion::TLSv1_2) => "TLS1.2".to_owned(),
            other => format!("{other:?}"),
        },
        cipher: connection
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .unwrap_or("unknown")
            .replace("TLS13_", "TLS_"),
        exporter: match version {
            Some(ProtocolVersion::TLSv1_3) => exporter(connection),
            // RFC 9266 3 wants the extended master secret below 1.3, and rustls does not tell whether it was used.
            _ => None,
        },
    }
}

fn exporter(connection: &ServerConnection) -> Option<[u8; 32]> {
    let exported = connection.export_keying_material([0_u8; 32], EXPORTER_LABEL, Some(&[]));
    exported.ok()
}
