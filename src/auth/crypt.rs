//! Passwords as Unix systems keep them, crypt(3): yescrypt (`$y$`) and SHA-crypt (`$5$`, `$6$`).
//!
//! Raspberry Pi Imager hands the first account's password over in one of these forms. Nothing but the password itself can
//! be checked against such a hash, so SCRAM cannot use it; the first login that shows the password has it kept as any
//! other. The hash is a stranger's: what it may cost is limited before it is worked out.

use std::str::FromStr;

use sha_crypt::{PasswordVerifier as _, ShaCrypt};
use yescrypt::{Mode, Params, Yescrypt};

use super::password::PASSWORD_BYTES_MAX;
use crate::mail::secret::Secret;

/// Longest hash, in bytes; the longest of these forms has about 150.
const HASH_BYTES_MAX: usize = 256;

/// Most memory that one check takes, in bytes. Debian's and Imager's hashes take 16 MiB.
const YESCRYPT_BYTES_MAX: u64 = 32 << 20;

/// Most rounds of SHA-crypt, about a second on a Pi Zero 2 W. The default is 5,000.
const SHA_CRYPT_ROUNDS_MAX: u32 = 100_000;

/// A hash that a password can be checked against at a bearable cost.
#[derive(Clone, Debug)]
pub struct CryptHash(Secret<String>);

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptError {
    /// Another form, or none at all.
    #[error("password hash of an unknown form; $y$ (yescrypt), $5$ and $6$ (SHA-crypt) are known")]
    Form,
    /// It begins as one, but is damaged.
    #[error("password hash is damaged")]
    Damaged,
    /// Checking would take too much memory or time.
    #[error("password hash costs more than this box wants to spend on a login")]
    Cost,
}

impl CryptHash {
    /// A hash of a known form and bearable cost.
    pub fn parse(text: &str) -> Result<Self, CryptError> {
        if text.len() > HASH_BYTES_MAX {
            return Err(CryptError::Damaged);
        }
        let fields: Vec<&str> = text.split('$').collect();
        match fields.as_slice() {
            ["", "y", params, salt, hash] => {
                bearable(params)?;
                are_letters(&[salt, hash])?;
            }
            ["", "5" | "6", salt, hash] => are_letters(&[salt, hash])?,
            ["", "5" | "6", rounds, salt, hash] => {
                are_bearable_rounds(rounds)?;
                are_letters(&[salt, hash])?;
            }
            _ => return Err(CryptError::Form),
        }
        Ok(Self(Secret::new(text.to_owned())))
    }

    /// The text, to be kept.
    pub fn into_secret(self) -> Secret<String> {
        self.0
    }
}

/// The native mode of yescrypt, without its rarer parameters (parallelism, time, upgrades, ROM).
fn bearable(params: &str) -> Result<(), CryptError> {
    let params = Params::from_str(params).map_err(|_| CryptError::Damaged)?;
    let plain = Params::new(Mode::default(), params.n(), params.r(), 1);
    if plain != Ok(params) {
        return Err(CryptError::Cost);
    }
    let block = u64::from(params.r()).saturating_mul(128);
    if params.n().saturating_mul(block) > YESCRYPT_BYTES_MAX {
        return Err(CryptError::Cost);
    }
    Ok(())
}

fn are_bearable_rounds(field: &str) -> Result<(), CryptError> {
    let rounds = field.strip_prefix("rounds=").ok_or(CryptError::Damaged)?;
    let rounds: u32 = rounds.parse().map_err(|_| CryptError::Damaged)?;
    match rounds {
        0..sha_crypt::Params::ROUNDS_MIN => Err(CryptError::Damaged),
        sha_crypt::Params::ROUNDS_MIN..=SHA_CRYPT_ROUNDS_MAX => Ok(()),
        _ => Err(CryptError::Cost),
    }
}

fn are_letters(fields: &[&str]) -> Result<(), CryptError> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
    let is_fine = |field: &&str| !field.is_empty() && field.bytes().all(is_letter);
    let fine = fields.iter().all(is_fine);
    fine.then_some(()).ok_or(CryptError::Damaged)
}

/// Whether `typed` is the password behind `hash`. The hash was made from what was typed, byte by byte.
pub(super) fn matches(typed: &str, hash: &str) -> bool {
    if typed.len() > PASSWORD_BYTES_MAX || CryptHash::parse(hash).is_err() {
        return false;
    }
    if hash.starts_with("$y$") {
        Yescrypt::default()
            .verify_password(typed.as_bytes(), hash)
            .is_ok()
    } else {
        ShaCrypt::default()
            .verify_password(typed.as_bytes(), hash)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by crypt(3) of libxcrypt; the second as Raspberry Pi Imager has it (N = 16384, r = 8).
    const KNOWN: &[(&str, &str)] = &[
        (
            "correct horse",
            "$y$j9T$abcdefghijklmnop$0Hi8KsZH/hAMRN9Bam6ce3nmi5QAIz3R/KeaXG/c7p9",
        ),
        (
            "gr\u{fc}n horse",
            "$y$j9T$abcdefghijklmnop$XMv8RCPLH1onSGhawMZ/R287j4tDwfCL2Pt4FQzyjw6",
        ),
        (
            "correct horse",
            "$5$abcdefghij$OLkFN7NA2oqJbIibcqI8zeXBmTC95cSbPqJfdioIIgD",
        ),
        (
            "correct horse",
            "$5$rounds=1200$abcdefghij$8LAVX6kKPCERLzy./cvMQnETyM/WppNKhjMqozmsKB3",
        ),
        (
            "correct horse",
            "$6$saltstring$.r0X7ub5wGR2v4Xz7svCIozfnlorFh19V89t8KC9Umd81uGhFgsyTRNyzQDXDIm17fFcR9z3z7oBNdsyYBbtm/",
        ),
    ];

    #[test]
    fn known_answers() {
        for (password, hash) in KNOWN {
            assert!(CryptHash::parse(hash).is_ok(), "{hash}");
            assert!(matches(password, hash), "{hash}");
            assert!(!matches("incorrect horse", hash), "{hash}");
            assert!(!matches("", hash), "{hash}");
        }
    }

    #[test]
    fn what_is_no_hash_of_ours() {
        let table = [
            ("", CryptError::Form),
            ("hunter2", CryptError::Form),
            ("$1$abcdefgh$x", CryptError::Form),
            ("$2b$12$abcdefghijklmnopqrstuv", CryptError::Form),
            ("$7$C6..../....$x", CryptError::Form),
            ("$y$j9T$abcdefghijklmnop", CryptError::Form),
            ("$y$$abcdefghijklmnop$abc", CryptError::Damaged),
            ("$y$j9T$$abc", CryptError::Damaged),
            ("$y$j9T$abcdefghijklmnop$", CryptError::Damaged),
            ("$y$j9T$abc def$abc", CryptError::Damaged),
            // N = 2^18 with r = 8 is 256 MiB; the largest N there is; p = 4; t = 2.
            ("$y$jF5$abcdefghijklmnop$abc", CryptError::Cost),
            ("$y$jzz5$abcdefghijklmnop$abc", CryptError::Damaged),
            ("$y$j95.0$abcdefghijklmnop$abc", CryptError::Cost),
            ("$y$j95/0$abcdefghijklmnop$abc", CryptError::Cost),
            ("$5$rounds=999999999$abcdefghij$abc", CryptError::Cost),
            ("$6$rounds=100001$abcdefghij$abc", CryptError::Cost),
            ("$6$rounds=10$abcdefghij$abc", CryptError::Damaged),
            ("$6$rounds=x$abcdefghij$abc", CryptError::Damaged),
            ("$6$abc\n$abc", CryptError::Damaged),
        ];
        for (text, error) in table {
            assert_eq!(CryptHash::parse(text).err(), Some(error), "{text}");
            assert!(!matches("hunter2", text), "{text}");
        }
        let long = format!("$6$abc${}", "a".repeat(300));
        assert_eq!(CryptHash::parse(&long).err(), Some(CryptError::Damaged));
    }

    #[test]
    fn a_hash_shows_nothing() {
        let hash = CryptHash::parse(KNOWN[0].1).unwrap();
        assert_eq!(format!("{hash:?}"), "CryptHash(***)");
    }
}
