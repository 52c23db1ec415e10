//! What certificate authorities ask to see that we hold a name, and what they are told while an order is under way.
//!
//! HTTP-01 (RFC 8555 8.3) is asked at the web port, TLS-ALPN-01 (RFC 8737) in a TLS handshake. An answer is there for as
//! long as its [`Answer`] lives.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Protocol that an authority asks for by ALPN (RFC 8737 6.2).
pub const ALPN: &[u8] = b"acme-tls/1";

/// Where HTTP-01 is asked, before the token (RFC 8555 8.3).
pub const PATH: &str = "/.well-known/acme-challenge/";

/// All answers of now. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Challenges(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    http: BTreeMap<String, String>,
    tls: BTreeMap<String, Arc<CertifiedKey>>,
}

/// Takes its answer back when dropped.
#[derive(Debug)]
pub struct Answer {
    challenges: Challenges,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Http(String),
    Tls(String),
}

impl Challenges {
    /// Answers `token` with `authorization`.
    pub fn answer_http(&self, token: &str, authorization: &str) -> Answer {
        let mut table = self.table();
        table
            .http
            .insert(token.to_owned(), authorization.to_owned());
        self.answer(Place::Http(token.to_owned()))
    }

    /// Answers for `name` with a certificate that carries the digest of the key authorization.
    pub fn answer_tls(&self, name: &str, digest: &[u8; 32]) -> Result<Answer, String> {
        let certificate = certificate(name, digest).map_err(|error| error.to_string())?;
        let name = name.to_ascii_lowercase();
        self.table().tls.insert(name.clone(), Arc::new(certificate));
        Ok(self.answer(Place::Tls(name)))
    }

    /// The answer to a token.
    pub fn http(&self, token: &str) -> Option<String> {
        self.table().http.get(token).cloned()
    }

    /// Whether this is an authority that asks for a name in question.
    pub(in crate::net) fn is_asked_by(&self, hello: &ClientHello<'_>) -> bool {
        let asks = |mut protocols: Box<dyn Iterator<Item = &[u8]> + '_>| {
            protocols.any(|protocol| protocol == ALPN)
        };
        let protocols = hello
            .alpn()
            .map(|all| -> Box<dyn Iterator<Item = &[u8]>> { Box::new(all) });
        protocols.is_some_and(asks) && self.tls(hello.server_name()).is_some()
    }

    fn tls(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let name = name?.to_ascii_lowercase();
        self.table().tls.get(&name).map(Arc::clone)
    }

    fn answer(&self, place: Place) -> Answer {
        Answer {
            challenges: self.clone(),
            place,
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for Challenges {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.tls(hello.server_name())
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let mut table = self.challenges.table();
        match &self.place {
            Place::Http(token) => drop(table.http.remove(token)),
            Place::Tls(name) => drop(table.tls.remove(name)),
        }
    }
}

/// RFC 8737 3: signed by itself, with the name alone and the digest in a critical extension.
fn certificate(
    name: &str,
    digest: &[u8; 32],
) -> Result<CertifiedKey, Box<dyn std::error::Error + Send + Sync>> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let made = params.self_signed(&key)?;
    let chain = vec![CertificateDer::from(made.der().to_vec())];
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let provider = rustls::crypto::ring::default_provider();
    let key = provider.key_provider.load_private_key(key)?;
    // Not by `from_der`: it would check the certificate as a client does, and clients do not know the extension.
    Ok(CertifiedKey::new(chain, key))
}
