//! Pairs of keys: made, kept, ready to sign.
//!
//! ring signs and makes Ed25519 keys, but no RSA keys, so the `rsa` crate makes those. RUSTSEC-2023-0071 (Marvin) says
//! that its operations with a private key take a time that depends on the key, and that who times many of them over
//! the network may learn it. None of those happens here: the crate makes a key once, at a time that no peer chooses or can
//! time, and hands over its numbers; every signature is made by ring, in constant time. There is no decryption at all. What is
//! left of the timing of making a key (the search for primes) is seen once per key and by nobody but this machine.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use rsa::RsaPrivateKey;
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rsa::pkcs8::EncodePublicKey as _;
use rsa::rand_core::OsRng;
use serde::{Deserialize, Serialize};

use crate::mail::secret::Secret;

/// RFC 8301 3.2: at least 2048; larger ones do not fit into DNS everywhere.
const RSA_BITS: usize = 2048;

/// Times that an RSA key is made anew because ring does not like it.
const TRIES_MAX: u32 = 4;

/// What is wrong with keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// They cannot be made.
    #[error("they cannot be made: {0}")]
    NotMade(String),
    /// What is kept cannot be read.
    #[error("what the store keeps cannot be read: {0}")]
    Unreadable(String),
}

/// The two keys that sign together. Selectors are `base` with `r` and `e`.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) base: String,
    /// PKCS#1.
    rsa: Secret<Vec<u8>>,
    /// `SubjectPublicKeyInfo`, as DNS has it.
    rsa_public: Vec<u8>,
    /// PKCS#8.
    ed25519: Secret<Vec<u8>>,
    /// The 32 bytes, as DNS has them (RFC 8463 3).
    ed25519_public: Vec<u8>,
}

/// As the store keeps it, in base64.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredPair {
    base: String,
    rsa: String,
    rsa_public: String,
    ed25519: String,
    ed25519_public: String,
}

/// Keys ready to sign.
#[derive(Debug)]
pub(super) struct Signers {
    pub(super) keys: [Signer; 2],
}

/// One key and the name that DNS has it under.
#[derive(Debug)]
pub(super) struct Signer {
    pub(super) selector: String,
    key: Key,
}

enum Key {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

impl Pair {
    /// Makes both keys. Takes seconds on a small board.
    pub(super) fn make(base: String) -> Result<Self, KeyError> {
        let (rsa, rsa_public) = make_rsa()?;
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let ed25519 = made.map_err(|e| KeyError::NotMade(e.to_string()))?;
        let pair = Ed25519KeyPair::from_pkcs8(ed25519.as_ref())
            .map_err(|e| KeyError::NotMade(e.to_string()))?;
        Ok(Self {
            base,
            rsa,
            rsa_public,
            ed25519: Secret::new(ed25519.as_ref().to_vec()),
            ed25519_public: pair.public_key().as_ref().to_vec(),
        })
    }

    /// Selector and TXT record of each key (RFC 6376 3.6.1, RFC 8463 4).
    pub(super) fn records(&self) -> [(String, String); 2] {
        [
            (
                self.rsa_selector(),
                format!("v=DKIM1; k=rsa; p={}", STANDARD.encode(&self.rsa_public)),
            ),
            (
                self.ed25519_selector(),
                format!(
                    "v=DKIM1; k=ed25519; p={}",
                    STANDARD.encode(&self.ed25519_public)
                ),
            ),
        ]
    }

    /// Makes the keys ready.
    pub(super) fn signers(&self) -> Result<Signers, KeyError> {
        let unreadable = |e: ring::error::KeyRejected| KeyError::Unreadable(e.to_string());
        let rsa = RsaKeyPair::from_der(self.rsa.expose()).map_err(unreadable)?;
        let ed25519 = Ed25519KeyPair::from_pkcs8(self.ed25519.expose()).map_err(unreadable)?;
        let keys = [
            Signer {
                selector: self.rsa_selector(),
                key: Key::Rsa(Box::new(rsa)),
            },
            Signer {
                selector: self.ed25519_selector(),
                key: Key::Ed25519(Box::new(ed25519)),
            },
        ];
        Ok(Signers { keys })
    }

    fn rsa_selector(&self) -> String {
        format!("{}r", self.base)
    }

    fn ed25519_selector(&self) -> String {
        format!("{}e", self.base)
    }

    pub(super) fn to_stored(&self) -> StoredPair {
        StoredPair {
            base: self.base.clone(),
            rsa: STANDARD.encode(self.rsa.expose()),
            rsa_public: STANDARD.encode(&self.rsa_public),
            ed25519: STANDARD.encode(self.ed25519.expose()),
            ed25519_public: STANDARD.encode(&self.ed25519_public),
        }
    }

    pub(super) fn from_stored(stored: &StoredPair) -> Result<Self, KeyError> {
        let bytes = |text: &str| {
            let decoded = STANDARD.decode(text);
            decoded.map_err(|e| KeyError::Unreadable(e.to_string()))
        };
        Ok(Self {
            base: stored.base.clone(),
            rsa: Secret::new(bytes(&stored.rsa)?),
            rsa_public: bytes(&stored.rsa_public)?,
            ed25519: Secret::new(bytes(&stored.ed25519)?),
            ed25519_public: bytes(&stored.ed25519_public)?,
        })
    }
}

fn make_rsa() -> Result<(Secret<Vec<u8>>, Vec<u8>), KeyError> {
    let mut why = KeyError::NotMade("no try was made".to_owned());
    for _ in 0..TRIES_MAX {
        let key = RsaPrivateKey::new(&mut OsRng, RSA_BITS)
            .map_err(|e| KeyError::NotMade(e.to_string()))?;
        let der = key
            .to_pkcs1_der()
            .map_err(|e| KeyError::NotMade(e.to_string()))?;
        let public = key
            .to_public_key()
            .to_public_key_der()
            .map_err(|e| KeyError::NotMade(e.to_string()))?;
        match RsaKeyPair::from_der(der.as_bytes()) {
            Ok(_) => return Ok((Secret::new(der.as_bytes().to_vec()), public.into_vec())),
            Err(error) => why = KeyError::NotMade(error.to_string()),
        }
    }
    Err(why)
}

impl Signer {
    /// As in `a=`.
    pub(super) fn algorithm(&self) -> &'static str {
        match self.key {
            Key::Rsa(_) => "rsa-sha256",
            Key::Ed25519(_) => "ed25519-sha256",
        }
    }

    /// Signs canonical header bytes; `None` if the system has no randomness.
    pub(super) fn sign(&self, canonical: &[u8]) -> Option<Vec<u8>> {
        match &self.key {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                let rng = SystemRandom::new();
                key.sign(&RSA_PKCS1_SHA256, &rng, canonical, &mut signature)
                    .ok()?;
                Some(signature)
            }
            // RFC 8463 3: what is signed is the hash.
            Key::Ed25519(key) => {
                let hash = digest(&SHA256, canonical);
                Some(key.sign(hash.as_ref()).as_ref().to_vec())
            }
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa(_) => "Rsa",
            Self::Ed25519(_) => "Ed25519",
        })
    }
}

#[cfg(test)]
impl Signer {
    /// A key of a test vector.
    pub(super) fn ed25519(selector: &str, seed: &[u8], public: &[u8]) -> Self {
        let key = Ed25519KeyPair::from_seed_and_public_key(seed, public).unwrap();
        Self {
            selector: selector.to_owned(),
            key: Key::Ed25519(Box::new(key)),
        }
    }
}
