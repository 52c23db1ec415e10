//! The box's own certificate authority, and the certificate that it issues to the box.
//!
//! People tell their devices once to trust the authority, so it lives ten years and is never replaced silently: files that do not fit together are
//! an error with a way out. The leaf is ours to make again at any time: it names the box, lives at most 397 days (the
//! most that Apple's systems accept), keeps its key when renewed, and is renewed [`RENEW_AHEAD`] of its end.
//! Without a set clock nothing is renewed for its age, and dates are reckoned from what is known to be past.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::clock::{Now, Wall};
use crate::net::files::{MODE_PRIVATE, MODE_PUBLIC, read_small, write_whole};

/// Life of the authority from its making.
pub const AUTHORITY_LIFE: Duration = days(3652);

/// Life of an authority made while the clock was not set: the date of making may be years off.
pub const AUTHORITY_LIFE_UNDATED: Duration = days(2 * 3652);

/// The authority is valid from so long before its making.
pub const AUTHORITY_BACKDATE: Duration = days(365);

/// Life of a leaf, from its first to its last second.
pub const LEAF_LIFE: Duration = days(397);

/// A leaf is valid from so long before its making, for clients whose clocks are behind.
pub const LEAF_BACKDATE: Duration = days(30);

/// A leaf is renewed when less than this is left.
pub const RENEW_AHEAD: Duration = days(30);

const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 24 * 60 * 60)
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading or writing a file failed.
    #[error("{path}: {cause}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What went wrong.
        cause: io::Error,
    },
    /// The authority's files cannot be used.
    #[error(
        "{path}: {why}; restore ca.pem and ca.key from a backup, or remove both to make a new authority, which every \
         device then has to be told to trust"
    )]
    Authority {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A certificate could not be made, for instance because of an impossible host name.
    #[error("cannot make a certificate for {subject}: {why}")]
    Make {
        /// For whom.
        subject: String,
        /// Why not.
        why: String,
    },
}

/// Whom the leaf names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The host's name: the common name of the leaf and the first of its names.
    pub hostname: String,
    /// Other names.
    pub names: BTreeSet<String>,
    /// Addresses.
    pub addresses: BTreeSet<IpAddr>,
}

/// A certificate for the box, with its key.
#[derive(Debug)]
pub struct Leaf {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
    /// Valid from.
    pub not_before: Wall,
    /// Valid until.
    pub not_after: Wall,
}

/// The authority, ready to issue.
pub struct Authority {
    directory: PathBuf,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    public_key: Vec<u8>,
    not_after: Wall,
}

impl Authority {
    /// Opens the authority in `directory`, making it at the first start. `hostname` goes into a new one's name.
    pub fn open(directory: &Path, hostname: &str, now: Now) -> Result<Self, Error> {
        let key_path = directory.join("ca.key");
        let pem_path = directory.join("ca.pem");
        let (key, pem) = match (read(&key_path)?, read(&pem_path)?) {
            (None, None) => {
                let key = new_key(hostname)?;
                let key_pem = key.serialize_pem();
                write(&key_path, key_pem.as_bytes(), MODE_PRIVATE)?;
                let pem = make_authority(&pem_path, &key, hostname, now)?;
                (key, pem)
            }
            // The key is written first, so this is a first start that was cut short. A certificate of the same name
            // and key is the same authority to whoever trusts it.
            (Some(key), None) => {
                let key = authority_key(&key_path, &key)?;
                let pem = make_authority(&pem_path, &key, hostname, now)?;
                (key, pem)
            }
            (None, Some(_)) => return Err(unusable(&key_path, "is missing")),
            (Some(key), Some(pem)) => {
                let pem = String::from_utf8(pem);
                let pem = pem.map_err(|_| unusable(&pem_path, "is not PEM text"))?;
                (authority_key(&key_path, &key)?, pem)
            }
        };
        Self::from_parts(directory, key, pem)
    }

    /// The authority's certificate as PEM: what devices are told to trust.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The end of the authority's life.
    pub fn not_after(&self) -> Wall {
        self.not_after
    }

    /// The stored leaf if it still serves, else a new one, stored.
    pub fn leaf(&self, subject: &Subject, now: Now) -> Result<Leaf, Error> {
        let key = self.leaf_key(subject)?;
        let path = self.directory.join("leaf.pem");
        let stored = read(&path)?.and_then(|pem| CertificateDer::from_pem_slice(&pem).ok());
        let facts = stored.as_ref().and_then(|der| Facts::read(der));
        if let (Some(der), Some(facts)) = (stored, &facts)
            && self.still_serves(facts, subject, &key, now)
        {
            return Ok(facts.leaf(der, &key));
        }
        let from = leaf_from(facts.as_ref(), now);
        let made = self.issue(subject, &key, from)?;
        write(&path, made.pem().as_bytes(), MODE_PUBLIC)?;
        tracing::info!(host = %subject.hostname, "made a certificate");
        let der = made.der().clone();
        let facts = Facts::read(&der).ok_or_else(|| Error::Make {
            subject: subject.hostname.clone(),
            why: "the certificate made cannot be read back".to_owned(),
        })?;
        Ok(facts.leaf(der, &key))
    }

    fn from_parts(directory: &Path, key: KeyPair, pem: String) -> Result<Self, Error> {
        let path = directory.join("ca.pem");
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| unusable(&path, &error.to_string()))?;
        let facts = Facts::read(&der).ok_or_else(|| unusable(&path, "is no certificate"))?;
        if facts.public_key != key.public_key_raw() {
            return Err(unusable(&path, "does not belong to ca.key"));
        }
        let public_key = facts.public_key;
        let issuer = Issuer::from_ca_cert_der(&der, key)
            .map_err(|error| unusable(&path, &error.to_string()))?;
        Ok(Self {
            directory: directory.to_owned(),
            pem,
            issuer,
            public_key,
            not_after: facts.not_after,
        })
    }

    /// The leaf's key; a missing or broken one is made anew, for it is ours and nobody pins it.
    fn leaf_key(&self, subject: &Subject) -> Result<KeyPair, Error> {
        let path = self.directory.join("leaf.key");
        let stored = read(&path)?;
        let usable = stored.as_deref().and_then(parse_key);
        if let Some(key) = usable {
            return Ok(key);
        }
        if stored.is_some() {
            tracing::warn!(path = %path.display(), "the key is broken and made anew");
        }
        let key = new_key(&subject.hostname)?;
        write(&path, key.serialize_pem().as_bytes(), MODE_PRIVATE)?;
        Ok(key)
    }

    fn still_serves(&self, facts: &Facts, subject: &Subject, key: &KeyPair, now: Now) -> bool {
        facts.public_key == key.public_key_raw()
            && facts.signed_by(&self.public_key)
            && facts.names == wanted_names(subject)
            && facts.addresses == subject.addresses
            && !is_due(facts.not_before, facts.not_after, now)
    }

    fn issue(
        &self,
        subject: &Subject,
        key: &KeyPair,
        from: Wall,
    ) -> Result<rcgen::Certificate, Error> {
        let failed = |error: rcgen::Error| Error::Make {
            subject: subject.hostname.clone(),
            why: error.to_string(),
        };
        let names: Vec<String> = wanted_names(subject).into_iter().collect();
        let mut params = CertificateParams::new(names).map_err(failed)?;
        let addresses = subject.addresses.iter().copied().map(SanType::IpAddress);
        params.subject_alt_names.extend(addresses);
        params.distinguished_name = common_name(&subject.hostname);
        params.serial_number = Some(random_serial(&subject.hostname)?);
        set_validity(&mut params, from, LEAF_LIFE);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.signed_by(key, &self.issuer).map_err(failed)
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("directory", &self.directory)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// Whether a certificate with these dates has to be replaced. Never while the clock is not set.
pub fn is_due(not_before: Wall, not_after: Wall, now: Now) -> bool {
    let Some(Wall(wall)) = now.wall else {
        return false;
    };
    wall < not_before.0 || wall.saturating_add(seconds(RENEW_AHEAD)) >= not_after.0
}

/// What a certificate says, as far as it matters here.
struct Facts {
    names: BTreeSet<String>,
    addresses: BTreeSet<IpAddr>,
    public_key: Vec<u8>,
    signed: Vec<u8>,
    signature: Vec<u8>,
    not_before: Wall,
    not_after: Wall,
}

impl Facts {
    fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let mut facts = Self {
            names: BTreeSet::new(),
            addresses: BTreeSet::new(),
            public_key: parsed.public_key().subject_public_key.data.to_vec(),
            signed: parsed.tbs_certificate.as_ref().to_vec(),
            signature: parsed.signature_value.data.to_vec(),
            not_before: Wall(parsed.validity().not_before.timestamp()),
            not_after: Wall(parsed.validity().not_after.timestamp()),
        };
        if let Some(san) = parsed.subject_alternative_name().ok()? {
            for name in &san.value.general_names {
                facts.add(name);
            }
        }
        Some(facts)
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "we issue two kinds of names; any other makes no difference"
    )]
    fn add(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::DNSName(name) => {
                self.names.insert((*name).to_owned());
            }
            GeneralName::IPAddress(bytes) => {
                self.addresses.extend(address_of(bytes));
            }
            _ => {}
        }
    }

    /// Whether the authority's key signed this.
    fn signed_by(&self, public_key: &[u8]) -> bool {
        let algorithm = &ring::signature::ECDSA_P256_SHA256_ASN1;
        let key = ring::signature::UnparsedPublicKey::new(algorithm, public_key);
        key.verify(&self.signed, &self.signature).is_ok()
    }

    fn leaf(&self, certificate: CertificateDer<'static>, key: &KeyPair) -> Leaf {
        Leaf {
            certificate,
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            not_before: self.not_before,
            not_after: self.not_after,
        }
    }
}

fn address_of(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    v4.or_else(|| <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from))
}

fn wanted_names(subject: &Subject) -> BTreeSet<String> {
    let mut names = subject.names.clone();
    names.insert(subject.hostname.clone());
    names
}

/// The first second of a new leaf. Without a set clock, the leaf before it tells the earliest that it can be now.
fn leaf_from(before: Option<&Facts>, now: Now) -> Wall {
    let known_past = before.map_or(Wall::FLOOR.0, |leaf| {
        leaf.not_before.0.saturating_add(seconds(LEAF_BACKDATE))
    });
    let earliest = known_past.max(Wall::FLOOR.0);
    let made = now.wall.map_or(earliest, |wall| wall.0);
    Wall(made - seconds(LEAF_BACKDATE))
}

fn make_authority(path: &Path, key: &KeyPair, hostname: &str, now: Now) -> Result<String, Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(&format!("Heimpost {hostname}"));
    params.distinguished_name.push(
        DnType::OrganizationName,
        "Heimpost (made by the box itself)",
    );
    params.serial_number = Some(random_serial(hostname)?);
    let made = now.stamp();
    let life = match now.wall {
        Some(_) => AUTHORITY_LIFE,
        None => AUTHORITY_LIFE_UNDATED,
    };
    let from = Wall(made.0 - seconds(AUTHORITY_BACKDATE));
    set_validity(&mut params, from, AUTHORITY_BACKDATE + life);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let made = params.self_signed(key).map_err(|error| Error::Make {
        subject: hostname.to_owned(),
        why: error.to_string(),
    })?;
    let pem = made.pem();
    write(path, pem.as_bytes(), MODE_PUBLIC)?;
    tracing::info!(path = %path.display(), "made the box's certificate authority");
    Ok(pem)
}

fn authority_key(path: &Path, pem: &[u8]) -> Result<KeyPair, Error> {
    parse_key(pem).ok_or_else(|| unusable(path, "is no P-256 key in PEM"))
}

fn parse_key(pem: &[u8]) -> Option<KeyPair> {
    let text = std::str::from_utf8(pem).ok()?;
    KeyPair::from_pkcs8_pem_and_sign_algo(text, &PKCS_ECDSA_P256_SHA256).ok()
}

fn new_key(subject: &str) -> Result<KeyPair, Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| Error::Make {
        subject: subject.to_owned(),
        why: error.to_string(),
    })
}

/// Positive and 16 bytes long (RFC 5280 4.1.2.2). Clients refuse two certificates of one issuer with the same one.
fn random_serial(subject: &str) -> Result<SerialNumber, Error> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::Make {
            subject: subject.to_owned(),
            why: "no randomness".to_owned(),
        })?;
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    Ok(SerialNumber::from_slice(&bytes))
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn set_validity(params: &mut CertificateParams, from: Wall, life: Duration) {
    let since_epoch = Duration::from_secs(from.0.unsigned_abs());
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + since_epoch;
    // Both ends belong to it (RFC 5280 4.1.2.5).
    params.not_after = params.not_before + life.saturating_sub(Duration::from_secs(1));
}

fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    read_small(path).map_err(|cause| Error::File {
        path: path.to_owned(),
        cause,
    })
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    write_whole(path, bytes, mode).map_err(|cause| Error::File {
        path: path.to_owned(),
        cause,
    })
}

fn unusable(path: &Path, why: &str) -> Error {
    Error::Authority {
        path: path.to_owned(),
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests;
