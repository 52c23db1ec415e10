//! Checks credentials against an account's verifiers, at the same cost whether or not the account exists.
//!
//! Pure: the store's rows come as arguments. A name that nobody has is checked against [`Subject::decoy`].

use super::password::{AppPassword, Prepared};
use super::verifier::{self, SaltedPassword};
use super::{ScramParameters, crypt};
use crate::mail::ids::{AccountId, DeviceId};
use crate::mail::secret::Secret;
use crate::store::types::{Credentials, SCRAM_ITERATIONS, Verifier};

/// Whom credentials are checked against.
#[derive(Debug)]
pub(super) struct Subject {
    account: Option<AccountId>,
    parameters: ScramParameters,
    verifiers: Vec<(Option<DeviceId>, Verifier)>,
}

/// Whose credentials they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) account: AccountId,
    pub(super) device: Option<DeviceId>,
    pub(super) server_signature: Option<[u8; 32]>,
    /// Whether it was a crypt(3) hash that matched.
    pub(super) by_crypt: bool,
}

/// The slow hashes that any account of the store uses: every failing password costs one run of each.
#[derive(Clone, Debug, Default)]
pub(super) struct SlowHashes {
    pub(super) argon2: bool,
    /// One of the crypt(3) hashes.
    pub(super) crypt: Option<Secret<String>>,
}

impl From<Credentials> for Subject {
    fn from(credentials: Credentials) -> Self {
        Self {
            account: Some(credentials.account),
            parameters: ScramParameters {
                salt: credentials.salt,
                iterations: credentials.iterations,
            },
            verifiers: credentials.verifiers,
        }
    }
}

impl Subject {
    /// Stands for a name that nobody has.
    pub(super) fn decoy(salt: Vec<u8>) -> Self {
        let parameters = ScramParameters {
            salt,
            iterations: SCRAM_ITERATIONS,
        };
        Self {
            account: None,
            parameters,
            verifiers: Vec::new(),
        }
    }

    /// Salt and count for a SCRAM exchange.
    pub(super) fn into_parameters(self) -> ScramParameters {
        self.parameters
    }

    /// The crypt(3) hash that the account's own password is kept as.
    pub(super) fn crypt_hash(&self) -> Option<&Secret<String>> {
        self.verifiers
            .iter()
            .find_map(|(_, verifier)| match verifier {
                Verifier::Crypt(hash) => Some(hash),
                Verifier::Scram { .. } | Verifier::Argon2id(_) => None,
            })
    }

    /// Whose password `typed` is.
    pub(super) fn check_password(&self, typed: &str, slow: &SlowHashes) -> Option<Found> {
        let typed_app = AppPassword::from_typed(typed).map(|app| app.prepared());
        if let Some(app) = &typed_app
            && let Some(found) = self.check_salted(app)
        {
            return Some(found);
        }
        let Ok(password) = Prepared::presented(typed) else {
            return self.check_crypt(typed, slow);
        };
        let is_new = typed_app.is_none_or(|app| app.as_bytes() != password.as_bytes());
        let found = is_new.then(|| self.check_salted(&password)).flatten();
        found
            .or_else(|| self.check_argon2(&password, slow))
            .or_else(|| self.check_crypt(typed, slow))
    }

    /// Whose SCRAM proof this is.
    pub(super) fn check_proof(&self, auth_message: &[u8], proof: &[u8; 32]) -> Option<Found> {
        let mut matched = None;
        for (device, verifier) in &self.verifiers {
            if let Verifier::Scram {
                stored_key,
                server_key,
            } = verifier
                && verifier::proof_matches(stored_key, auth_message, proof)
            {
                let signature = verifier::server_signature(server_key.expose(), auth_message);
                matched = Some((*device, signature));
            }
        }
        let is_scram = |verifier: &Verifier| matches!(verifier, Verifier::Scram { .. });
        if !self
            .verifiers
            .iter()
            .any(|(_, verifier)| is_scram(verifier))
        {
            // Against no key at all, so that a name that nobody has costs its hashes too.
            verifier::proof_matches(&[0; 32], auth_message, proof);
        }
        let (device, signature) = matched?;
        self.found(device, Some(signature))
    }

    fn check_salted(&self, password: &Prepared) -> Option<Found> {
        let salted = SaltedPassword::derive(password, &self.parameters);
        let mut verifiers = self.verifiers.iter();
        let (device, _) = verifiers.find(|(_, verifier)| {
            matches!(verifier, Verifier::Scram { stored_key, .. } if salted.matches(stored_key))
        })?;
        self.found(*device, None)
    }

    fn check_argon2(&self, password: &Prepared, slow: &SlowHashes) -> Option<Found> {
        let mut hashes = self
            .verifiers
            .iter()
            .filter_map(|(device, verifier)| match verifier {
                Verifier::Argon2id(hash) => Some((*device, hash)),
                Verifier::Scram { .. } | Verifier::Crypt(_) => None,
            });
        let Some((device, hash)) = hashes.next() else {
            if slow.argon2 {
                verifier::argon2id(password, &[0; verifier::ARGON2_SALT_BYTES]);
            }
            return None;
        };
        if verifier::argon2id_matches(password, hash.expose()) {
            return self.found(device, None);
        }
        None
    }

    fn check_crypt(&self, typed: &str, slow: &SlowHashes) -> Option<Found> {
        let Some(hash) = self.crypt_hash() else {
            if let Some(another) = &slow.crypt {
                crypt::matches(typed, another.expose());
            }
            return None;
        };
        let found = crypt::matches(typed, hash.expose()).then(|| self.found(None, None));
        found.flatten().map(|found| Found {
            by_crypt: true,
            ..found
        })
    }

    fn found(&self, device: Option<DeviceId>, server_signature: Option<[u8; 32]>) -> Option<Found> {
        self.account.map(|account| Found {
            account,
            device,
            server_signature,
            by_crypt: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: [u8; 16] = [3; 16];

    /// Of "correct horse".
    const CRYPT: &str = "$5$rounds=1200$abcdefghij$8LAVX6kKPCERLzy./cvMQnETyM/WppNKhjMqozmsKB3";

    fn parameters() -> ScramParameters {
        ScramParameters {
            salt: SALT.to_vec(),
            iterations: 4096,
        }
    }

    fn scram(password: &Prepared) -> Verifier {
        SaltedPassword::derive(password, &parameters()).verifier()
    }

    fn subject(verifiers: Vec<(Option<DeviceId>, Verifier)>) -> Subject {
        Subject::from(Credentials {
            account: AccountId(7),
            salt: SALT.to_vec(),
            iterations: 4096,
            verifiers,
        })
    }

    /// `own`, the number of a device, or `-` for nobody.
    fn check(subject: &Subject, typed: &str) -> String {
        match subject.check_password(typed, &SlowHashes::default()) {
            None => "-".to_owned(),
            Some(found) => found
                .device
                .map_or_else(|| "own".to_owned(), |device| device.to_string()),
        }
    }

    #[test]
    fn password_names_its_device() {
        let own = Prepared::chosen("correct horse").unwrap();
        let phone = AppPassword::from_random(&[1; 16]);
        let tablet = AppPassword::from_random(&[2; 16]);
        let subject = subject(vec![
            (None, scram(&own)),
            (Some(DeviceId(1)), scram(&phone.prepared())),
            (Some(DeviceId(2)), scram(&tablet.prepared())),
        ]);
        assert_eq!(check(&subject, "correct horse"), "own");
        assert_eq!(check(&subject, "Correct horse"), "-");
        assert_eq!(check(&subject, phone.expose()), "1");
        let typed = tablet.expose().replace('-', " ").to_uppercase();
        assert_eq!(check(&subject, &typed), "2");
        assert_eq!(check(&subject, ""), "-");
    }

    #[test]
    fn own_password_may_look_like_an_app_password() {
        let own = "CIJBEEQSCIJBEEQSCIJBEEQSCI";
        let subject = subject(vec![(None, scram(&Prepared::chosen(own).unwrap()))]);
        assert_eq!(check(&subject, own), "own");
        assert_eq!(check(&subject, &own.to_lowercase()), "-");
    }

    #[test]
    fn argon2id_beside_app_passwords() {
        let own = Prepared::chosen("correct horse").unwrap();
        let phone = AppPassword::from_random(&[1; 16]);
        let subject = subject(vec![
            (None, verifier::argon2id(&own, &[9; 16]).unwrap()),
            (Some(DeviceId(1)), scram(&phone.prepared())),
        ]);
        assert_eq!(check(&subject, "correct horse"), "own");
        assert_eq!(check(&subject, "incorrect horse"), "-");
        assert_eq!(check(&subject, phone.expose()), "1");
    }

    #[test]
    fn crypt_beside_app_passwords() {
        let phone = AppPassword::from_random(&[1; 16]);
        let subject = subject(vec![
            (None, Verifier::Crypt(Secret::new(CRYPT.to_owned()))),
            (Some(DeviceId(1)), scram(&phone.prepared())),
        ]);
        assert_eq!(check(&subject, "correct horse"), "own");
        assert_eq!(check(&subject, "incorrect horse"), "-");
        assert_eq!(check(&subject, phone.expose()), "1");
        let found = subject.check_password("correct horse", &SlowHashes::default());
        assert!(found.is_some_and(|found| found.by_crypt));
        let found = subject.check_password(phone.expose(), &SlowHashes::default());
        assert!(found.is_some_and(|found| !found.by_crypt));
        assert_eq!(subject.check_proof(b"message", &[0; 32]), None);
    }

    #[test]
    fn decoy_lets_nobody_in() {
        let decoy = Subject::decoy(SALT.to_vec());
        let slow = SlowHashes {
            argon2: true,
            crypt: Some(Secret::new(CRYPT.to_owned())),
        };
        assert_eq!(decoy.check_password("correct horse", &slow), None);
        assert_eq!(decoy.check_proof(b"message", &[0; 32]), None);
    }
}
