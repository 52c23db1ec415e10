//! TLS for every port: rustls with ring, versions 1.2 and 1.3, and a certificate that can change under way.
//!
//! The certificate is the box's own (`ca`), the owner's from two files, or one that ACME renews (`acme`), with the box's own
//! beside it. [`Tls::refresh`], called every minute, on SIGHUP and after a renewal, renews the first and reloads the others;
//! connections that are open keep what they have. Files that cannot be used leave the certificate as it was.

mod serving;
mod source;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ring::digest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::{Acceptor, ResolvesServerCert};
use rustls::{ConnectionCommon, ProtocolVersion, ServerConfig};
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::clock::Now;
use crate::machine::TlsInfo;
use crate::net::Counters;
use crate::net::acme::challenge::{self, Challenges};
use crate::net::ca::{self, Subject};
use crate::net::certificate::Unusable;
use crate::net::stream::{BoxIo, Stream};
use serving::Current;
use source::Source;

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
    /// From files that ACME renews; the box's own while there are none in time, and for names that are not in them.
    Known {
        /// Directory of the box's authority and its leaf.
        directory: PathBuf,
        /// Whom the leaf names.
        subject: Subject,
        /// PEM file: the certificate, then its issuers. May be missing.
        certificate: PathBuf,
        /// PEM file: its key. May be missing.
        key: PathBuf,
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
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] Unusable),
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
    /// It was an authority that looked whether we hold a name (RFC 8737), and it has seen it.
    #[error("a question of a certificate authority was answered")]
    Challenge,
    /// The peer does not speak our TLS, or went away.
    #[error("handshake failed: {0}")]
    Failed(#[from] io::Error),
}

/// Accepts TLS connections.
pub struct Tls {
    config: Arc<ServerConfig>,
    challenge_config: Arc<ServerConfig>,
    challenges: Challenges,
    current: Arc<Current>,
    source: Mutex<Source>,
    slots: Semaphore,
    counters: Counters,
    /// Whether the last certificate that was to be used could not be.
    refused: AtomicBool,
    /// Whether renewing it has failed for long.
    unrenewed: AtomicBool,
}

impl Tls {
    /// Loads or makes the certificate. Blocks on files.
    pub fn open(certificate: Certificate, now: Now, counters: Counters) -> Result<Self, Error> {
        let provider = rustls::crypto::ring::default_provider();
        let (source, first) = Source::open(certificate, &provider, now)?;
        let current = Arc::new(Current::new(first));
        let mut config = server_config(Arc::<Current>::clone(&current))?;
        config.ticketer = rustls::crypto::ring::Ticketer::new()?;
        let challenges = Challenges::default();
        let mut challenge_config = server_config(Arc::new(challenges.clone()))?;
        challenge_config.alpn_protocols = vec![challenge::ALPN.to_vec()];
        Ok(Self {
            config: Arc::new(config),
            challenge_config: Arc::new(challenge_config),
            challenges,
            current,
            source: Mutex::new(source),
            slots: Semaphore::new(HANDSHAKES_MAX),
            counters,
            refused: AtomicBool::new(false),
            unrenewed: AtomicBool::new(false),
        })
    }

    /// The certificate of the box's own authority, for devices to trust; `None` with the owner's certificate.
    pub fn authority_pem(&self) -> Option<String> {
        let source = self.source();
        source.made().map(|made| made.authority.pem().to_owned())
    }

    /// SHA-256 of the same, in pairs of digits as browsers show it.
    pub fn authority_fingerprint(&self) -> Option<String> {
        let pem = self.authority_pem()?;
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
        let hash = digest::digest(&digest::SHA256, &der);
        let pairs = hash.as_ref().iter().map(|byte| format!("{byte:02X}"));
        Some(pairs.collect::<Vec<_>>().join(":"))
    }

    /// Renews or reloads the certificate if that is due. Blocks on files. Failing, it says so and changes nothing.
    pub fn refresh(&self, now: Now) {
        let provider = self.config.crypto_provider();
        match self.source().refresh(provider, now) {
            Ok(Some(serving)) => {
                self.current.set(serving);
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

    /// Whether the owner should look after the certificate: a newer one could not be used or had, or the one in use ends
    /// within [`EXPIRY_TROUBLE`], or a sixth of its life.
    pub fn is_in_trouble(&self, now: Now) -> bool {
        let failed = [&self.refused, &self.unrenewed];
        failed.iter().any(|flag| flag.load(Ordering::Relaxed)) || self.current.get().ends_soon(now)
    }

    /// Notes whether renewing has failed for long.
    pub fn set_unrenewed(&self, unrenewed: bool) {
        self.unrenewed.store(unrenewed, Ordering::Relaxed);
    }

    /// Whether a certificate in use, of an authority that others may know, is good for `host`. Never while the clock is not set.
    pub fn vouches_for(&self, host: &str, now: Now) -> bool {
        self.current.get().vouches_for(host, now)
    }

    /// Other addresses for a self-made leaf from the next [`Tls::refresh`] on, which then issues a new one.
    pub fn set_addresses(&self, addresses: BTreeSet<IpAddr>) {
        if let Some(made) = self.source().made_mut() {
            made.subject.addresses = addresses;
        }
    }

    /// What certificate authorities ask, and what they are told.
    pub fn challenges(&self) -> &Challenges {
        &self.challenges
    }

    /// Does the server's side of a handshake on `io`.
    pub async fn accept(&self, io: BoxIo) -> Result<(Stream, TlsInfo), HandshakeError> {
        // The future is large and lives only for the handshake.
        let handshake = Box::pin(async {
            let _slot = self.slots.acquire().await;
            self.shake_hands(io).await
        });
        let stream = timeout(HANDSHAKE_TIMEOUT, handshake)
            .await
            .unwrap_or(Err(HandshakeError::Timeout))
            .inspect_err(|error| {
                if !matches!(error, HandshakeError::Challenge) {
                    self.counters.handshake_failed();
                }
            })?;
        let info = info(stream.get_ref().1);
        Ok((Stream::Tls(Box::new(stream)), info))
    }

    async fn shake_hands(&self, io: BoxIo) -> Result<TlsStream<BoxIo>, HandshakeError> {
        let start = LazyConfigAcceptor::new(Acceptor::default(), io).await?;
        if !self.challenges.is_asked_by(&start.client_hello()) {
            return Ok(start.into_stream(Arc::clone(&self.config)).await?);
        }
        let challenge = start.into_stream(Arc::clone(&self.challenge_config));
        challenge.await?.shutdown().await?;
        Err(HandshakeError::Challenge)
    }

    fn source(&self) -> std::sync::MutexGuard<'_, Source> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn server_config(resolver: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(resolver))
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// What there is to know of a connection after its handshake.
pub(super) fn info<Side>(connection: &ConnectionCommon<Side>) -> TlsInfo {
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

fn exporter<Side>(connection: &ConnectionCommon<Side>) -> Option<[u8; 32]> {
    let exported = connection.export_keying_material([0_u8; 32], EXPORTER_LABEL, Some(&[]));
    exported.ok()
}
