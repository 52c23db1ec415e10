//! What a certificate says of itself, as far as it matters here, and how a pair of files is read.
//!
//! Nothing here proves anything: whether clients accept a certificate is theirs to judge.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::clock::{Now, Wall};
use crate::net::files::read_small;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}")]
pub struct Unusable {
    /// Which file.
    pub path: PathBuf,
    /// Why not.
    pub why: String,
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Host names, in lower case; `*.` in front stands for one label.
    pub names: BTreeSet<String>,
    /// Who issued it: organisation or common name.
    pub issuer: String,
    /// Whether it names itself as its issuer, so that nobody vouches for it.
    pub is_self_issued: bool,
    /// Valid from.
    pub not_before: Wall,
    /// Valid until.
    pub not_after: Wall,
}

impl About {
    /// Reads it; `None` if it is none.
    pub fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let san = parsed.subject_alternative_name().ok()?;
        let names = san.iter().flat_map(|san| &san.value.general_names);
        let issuer = parsed.issuer();
        let mut organisation = issuer.iter_organization().chain(issuer.iter_common_name());
        Some(Self {
            names: names.filter_map(host_name).collect(),
            issuer: organisation
                .find_map(|part| part.as_str().ok())
                .unwrap_or_default()
                .to_owned(),
            is_self_issued: parsed.issuer() == parsed.subject(),
            not_before: Wall(parsed.validity().not_before.timestamp()),
            not_after: Wall(parsed.validity().not_after.timestamp()),
        })
    }

    /// Reads the first certificate of a PEM file.
    pub fn of_file(path: &Path) -> Option<Self> {
        Self::of_pem(&read_small(path).ok().flatten()?)
    }

    /// Reads the first certificate of a PEM text.
    pub fn of_pem(pem: &[u8]) -> Option<Self> {
        Self::read(&CertificateDer::from_pem_slice(pem).ok()?)
    }

    /// Whether it is good for this host (RFC 9525 6.3).
    pub fn covers(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let above = host.split_once('.').map(|(_, above)| format!("*.{above}"));
        self.names.contains(&host) || above.is_some_and(|above| self.names.contains(&above))
    }

    /// Whether its time has passed; not known while the clock is not set, and then it has not.
    pub fn has_ended(&self, now: Now) -> bool {
        now.wall.is_some_and(|wall| wall > self.not_after)
    }

    /// From its first to its last second.
    pub fn life(&self) -> Duration {
        let seconds = self.not_after.0.saturating_sub(self.not_before.0);
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    }
}

/// The first certificate of a PEM text, in DER.
pub fn der_of_pem(pem: &[u8]) -> Option<Vec<u8>> {
    Some(CertificateDer::from_pem_slice(pem).ok()?.to_vec())
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only names of hosts count, whatever other kinds there are"
)]
fn host_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    }
}

/// SHA-256 of the public key of the first certificate of a PEM file, as TLSA records have it (RFC 6698 2.1: 1 1).
pub fn key_digest(path: &Path) -> Option<[u8; 32]> {
    let pem = read_small(path).ok().flatten()?;
    let der = CertificateDer::from_pem_slice(&pem).ok()?;
    let (_, parsed) = X509Certificate::from_der(&der).ok()?;
    let digest = ring::digest::digest(&ring::digest::SHA256, parsed.public_key().raw);
    digest.as_ref().try_into().ok()
}

/// A certificate with its key, and what it says.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// For rustls.
    pub key: std::sync::Arc<CertifiedKey>,
    /// What the first certificate says.
    pub about: About,
}

/// Reads two PEM files: the certificate and its issuers, and the key.
pub fn load(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<Loaded, Unusable> {
    let pem = read(certificate)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|error| unusable(certificate, &error))?;
    let Some(first) = chain.first() else {
        return Err(unusable(certificate, &"holds no certificate in PEM"));
    };
    let about = About::read(first);
    let about = about.ok_or_else(|| unusable(certificate, &"its first part is no certificate"))?;
    let key_der = PrivateKeyDer::from_pem_slice(&read(key)?);
    let key_der = key_der.map_err(|error| unusable(key, &error))?;
    let loaded = CertifiedKey::from_der(chain, key_der, provider);
    Ok(Loaded {
        key: std::sync::Arc::new(loaded.map_err(|error| unusable(key, &error))?),
        about,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Unusable> {
    let read = read_small(path).map_err(|error| unusable(path, &error))?;
    read.ok_or_else(|| unusable(path, &"does not exist"))
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> Unusable {
    Unusable {
        path: path.to_owned(),
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_label() {
        let about = About {
            names: ["*.example.org", "mail.example.com"]
                .map(str::to_owned)
                .into(),
            issuer: String::new(),
            is_self_issued: false,
            not_before: Wall(0),
            not_after: Wall(1),
        };
        let table = [
            ("mail.example.com", true),
            ("MAIL.example.com", true),
            ("www.example.com", false),
            ("mta-sts.example.org", true),
            ("example.org", false),
            ("a.b.example.org", false),
        ];
        for (host, expected) in table {
            assert_eq!(about.covers(host), expected, "{host}");
        }
    }
}
