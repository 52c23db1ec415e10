//! What passwords are checked against: SCRAM-SHA-256 keys (RFC 5802, RFC 7677) and Argon2id.
//!
//! All SCRAM verifiers of an account share its salt and count, so one PBKDF2 run checks a password against its own
//! password and every app password. Argon2id, for accounts where SCRAM is not wanted, is for the account's own password
//! only: app passwords are random and gain nothing by it. Comparing takes the same time wherever bytes differ.

use std::num::NonZeroU32;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use ring::{digest, hmac, pbkdf2};
use subtle::ConstantTimeEq;

use super::ScramParameters;
use super::password::Prepared;
use crate::mail::secret::Secret;
use crate::store::types::Verifier;

/// Memory of one Argon2id run in KiB: 7 MiB, so that two at once fit beside everything else on a 512 MB board. With the
/// passes below it is one of the settings that OWASP names as equal in strength.
const ARGON2_KIB: u32 = 7 * 1024;

/// Passes of one Argon2id run.
const ARGON2_PASSES: u32 = 5;

/// Lanes of one Argon2id run.
const ARGON2_LANES: u32 = 1;

/// Length of an Argon2id salt in bytes.
pub(super) const ARGON2_SALT_BYTES: usize = 16;

/// RFC 5802 3 `SaltedPassword`.
#[derive(Clone, Debug)]
pub(super) struct SaltedPassword(Secret<[u8; 32]>);

impl SaltedPassword {
    /// Runs PBKDF2, the slow part.
    pub(super) fn derive(password: &Prepared, parameters: &ScramParameters) -> Self {
        let iterations = NonZeroU32::new(parameters.iterations).unwrap_or(NonZeroU32::MIN);
        let mut salted = [0; 32];
        let salt = &parameters.salt;
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            iterations,
            salt,
            password.as_bytes(),
            &mut salted,
        );
        Self(Secret::new(salted))
    }

    /// The keys to store.
    pub(super) fn verifier(&self) -> Verifier {
        Verifier::Scram {
            stored_key: sha256(&self.client_key()),
            server_key: Secret::new(hmac_sha256(self.0.expose(), b"Server Key")),
        }
    }

    /// Whether the password is the one that `stored_key` was made from.
    pub(super) fn matches(&self, stored_key: &[u8; 32]) -> bool {
        sha256(&self.client_key()).ct_eq(stored_key).into()
    }

    fn client_key(&self) -> [u8; 32] {
        hmac_sha256(self.0.expose(), b"Client Key")
    }
}

/// Whether `proof` shows knowledge of the password that `stored_key` was made from (RFC 5802 3).
pub(super) fn proof_matches(stored_key: &[u8; 32], auth_message: &[u8], proof: &[u8; 32]) -> bool {
    let mut client_key = hmac_sha256(stored_key, auth_message);
    for (byte, proof) in client_key.iter_mut().zip(proof) {
        *byte ^= proof;
    }
    sha256(&client_key).ct_eq(stored_key).into()
}

/// RFC 5802 3 `ServerSignature`.
pub(super) fn server_signature(server_key: &[u8; 32], auth_message: &[u8]) -> [u8; 32] {
    hmac_sha256(server_key, auth_message)
}

/// An Argon2id verifier of `password`; `None` if there is no memory for it.
pub(super) fn argon2id(password: &Prepared, salt: &[u8; ARGON2_SALT_BYTES]) -> Option<Verifier> {
    let hash = argon2()?
        .hash_password_with_salt(password.as_bytes(), salt)
        .ok()?;
    Some(Verifier::Argon2id(Secret::new(hash.to_string())))
}

/// Whether `password` is the one that the PHC string `hash` was made from.
pub(super) fn argon2id_matches(password: &Prepared, hash: &str) -> bool {
    argon2().is_some_and(|argon2| argon2.verify_password(password.as_bytes(), hash).is_ok())
}

fn argon2() -> Option<Argon2<'static>> {
    let params = Params::new(ARGON2_KIB, ARGON2_PASSES, ARGON2_LANES, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// HMAC-SHA-256.
pub(super) fn hmac_sha256(key: &[u8], data: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data);
    array(tag.as_ref())
}

fn sha256(data: &[u8]) -> [u8; 32] {
    array(digest::digest(&digest::SHA256, data).as_ref())
}

/// The 32 bytes that SHA-256 always gives, as an array.
fn array(bytes: &[u8]) -> [u8; 32] {
    let mut array = [0; 32];
    for (to, from) in array.iter_mut().zip(bytes) {
        *to = *from;
    }
    array
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, Engine as _};

    use super::*;

    fn prepared(text: &str) -> Prepared {
        Prepared::presented(text).unwrap()
    }

    /// The keys behind the exchange of RFC 7677 3.
    #[test]
    fn rfc_7677_proof_and_signature() {
        let parameters = ScramParameters {
            salt: BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(),
            iterations: 4096,
        };
        let auth_message = b"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let proof = array(
            &BASE64_STANDARD
                .decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
                .unwrap(),
        );
        let salted = SaltedPassword::derive(&prepared("pencil"), &parameters);
        let Verifier::Scram {
            stored_key,
            server_key,
        } = salted.verifier()
        else {
            panic!("not SCRAM")
        };
        assert!(salted.matches(&stored_key));
        assert!(proof_matches(&stored_key, auth_message, &proof));
        assert!(!proof_matches(&stored_key, b"another message", &proof));
        assert_eq!(
            BASE64_STANDARD.encode(server_signature(server_key.expose(), auth_message)),
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
        let other = SaltedPassword::derive(&prepared("Pencil"), &parameters);
        assert!(!other.matches(&stored_key));
    }

    #[test]
    fn argon2id_matches_its_password_alone() {
        let Some(Verifier::Argon2id(hash)) = argon2id(&prepared("correct horse"), &[7; 16]) else {
            panic!("no hash")
        };
        assert!(hash.expose().starts_with("$argon2id$v=19$m=7168,t=5,p=1$"));
        assert!(argon2id_matches(&prepared("correct horse"), hash.expose()));
        assert!(!argon2id_matches(&prepared("correct house"), hash.expose()));
        assert!(!argon2id_matches(
            &prepared("correct horse"),
            "no PHC string"
        ));
    }
}
