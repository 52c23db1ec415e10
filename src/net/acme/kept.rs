//! What is kept beside the box's own authority: the account with its key, the certificate and its key, what was tried.
//!
//! The key stays the same over renewals, so that records which pin it (DANE) stay right. Each file is whole or absent.

use std::io;
use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};

use super::schedule::History;
use crate::net::certificate::About;
use crate::net::files::{MODE_PRIVATE, MODE_PUBLIC, read_small, write_whole};

/// The files in one directory.
#[derive(Clone, Debug)]
pub struct Kept(PathBuf);

impl Kept {
    /// In this directory, which exists.
    pub fn new(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// PEM file of the certificate and its issuers.
    pub fn certificate_path(&self) -> PathBuf {
        self.0.join("acme.pem")
    }

    /// PEM file of its key.
    pub fn key_path(&self) -> PathBuf {
        self.0.join("acme.key")
    }

    fn account_path(&self) -> PathBuf {
        self.0.join("acme-account.json")
    }

    fn history_path(&self) -> PathBuf {
        self.0.join("acme-history.json")
    }

    /// What the certificate says, if there is one.
    pub fn certificate(&self) -> Option<About> {
        About::of_file(&self.certificate_path())
    }

    pub(super) fn save_certificate(&self, pem: &str) -> io::Result<()> {
        write_whole(&self.certificate_path(), pem.as_bytes(), MODE_PUBLIC)
    }

    /// The key for certificates, made at the first call; a broken one is made anew.
    pub(super) fn key(&self) -> io::Result<KeyPair> {
        let path = self.key_path();
        let stored = read_small(&path)?;
        let text = stored.and_then(|pem| String::from_utf8(pem).ok());
        let parse = |text: String| {
            KeyPair::from_pkcs8_pem_and_sign_algo(&text, &PKCS_ECDSA_P256_SHA256).ok()
        };
        if let Some(key) = text.and_then(parse) {
            return Ok(key);
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(io::Error::other)?;
        write_whole(&path, key.serialize_pem().as_bytes(), MODE_PRIVATE)?;
        Ok(key)
    }

    /// The account at this authority, if there is one.
    pub(super) fn account(&self, directory: &str) -> io::Result<Option<AccountCredentials>> {
        let Some(json) = read_small(&self.account_path())? else {
            return Ok(None);
        };
        let about: serde_json::Value = serde_json::from_slice(&json).unwrap_or_default();
        let is_of = about.get("directory").and_then(|url| url.as_str()) == Some(directory);
        Ok(is_of.then(|| serde_json::from_slice(&json).ok()).flatten())
    }

    pub(super) fn save_account(&self, account: &AccountCredentials) -> io::Result<()> {
        let json = serde_json::to_vec_pretty(account)?;
        write_whole(&self.account_path(), &json, MODE_PRIVATE)
    }

    /// What was tried; nothing if that is lost.
    pub fn history(&self) -> History {
        let json = read_small(&self.history_path()).ok().flatten();
        let history = json.and_then(|json| serde_json::from_slice(&json).ok());
        history.unwrap_or_default()
    }

    pub(super) fn save_history(&self, history: &History) -> io::Result<()> {
        let json = serde_json::to_vec_pretty(history)?;
        write_whole(&self.history_path(), &json, MODE_PRIVATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::acme::schedule::Pace;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_key_is_made_once_and_private_and_made_anew_when_broken() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::new(dir.path());
        let first = kept.key().unwrap().public_key_raw().to_vec();
        assert_eq!(kept.key().unwrap().public_key_raw(), first);
        let mode = std::fs::metadata(kept.key_path()).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, MODE_PRIVATE);
        std::fs::write(kept.key_path(), "broken").unwrap();
        assert_ne!(kept.key().unwrap().public_key_raw(), first);
    }

    #[test]
    fn history_survives_and_what_is_broken_counts_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::new(dir.path());
        let mut history = History::default().of("https://ca", &["a.b".to_owned()].into());
        history.begin(crate::clock::Wall(1_800_000_000));
        history.fail("why".to_owned(), Pace::Usual);
        kept.save_history(&history).unwrap();
        assert_eq!(kept.history(), history);
        std::fs::write(kept.history_path(), "{").unwrap();
        assert_eq!(kept.history(), History::default());
    }

    #[test]
    fn an_account_is_of_one_authority_only() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::new(dir.path());
        let json = r#"{"id":"id","key_pkcs8":"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgJVWC_QzOTCS5vtsJp2IG-UDc8cdDfeoKtxSZxaznM-mhRANCAAQenCPoGgPFTdPJ7VLLKt56RxPlYT1wNXnHc54PEyBg3LxKaH0-sJkX0mL8LyPEdsfL_Oz4TxHkWLJGrXVtNhfH","directory":"https://ca"}"#;
        kept.save_account(&serde_json::from_str(json).unwrap())
            .unwrap();
        assert!(kept.account("https://ca").unwrap().is_some());
        assert!(kept.account("https://other").unwrap().is_none());
    }
}
