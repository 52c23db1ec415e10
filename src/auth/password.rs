//! Passwords as people type them: rules, SASLprep, and app passwords.
//!
//! Every password is prepared with SASLprep (RFC 4013) before it is hashed, as SCRAM clients do on their side. An app
//! password has 128 random bits in base32, in lower case and groups of four with dashes. That text, dashes included, is
//! what its verifier is made from: a SCRAM client hashes what was typed, so copying it as shown always works. Where
//! the password itself arrives (PLAIN, LOGIN, USER/PASS) spaces, dashes and capitals do not matter.

use std::fmt;

use crate::mail::secret::Secret;

/// Fewest characters of a password that a person chooses.
pub const PASSWORD_CHARS_MIN: usize = 8;

/// Most bytes of a password, prepared, in UTF-8.
pub const PASSWORD_BYTES_MAX: usize = 256;

/// Random bytes in an app password.
pub const APP_PASSWORD_BYTES: usize = 16;

/// Base32 letters that [`APP_PASSWORD_BYTES`] take.
const APP_PASSWORD_LETTERS: usize = (APP_PASSWORD_BYTES * 8).div_ceil(5);

/// Letters between two dashes.
const GROUP_LETTERS: usize = 4;

/// RFC 4648 6, in lower case: no `0`, `1`, `8`, `9` that look like letters.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Why a text cannot be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Fewer than [`PASSWORD_CHARS_MIN`] characters.
    #[error("password is shorter than {PASSWORD_CHARS_MIN} characters")]
    TooShort,
    /// More than [`PASSWORD_BYTES_MAX`] bytes.
    #[error("password is longer than {PASSWORD_BYTES_MAX} bytes")]
    TooLong,
    /// SASLprep forbids one of its characters (controls, unassigned code points, mixed writing directions).
    #[error("password has a character that cannot be used in passwords")]
    Character,
}

/// A password in SASLprep form, ready to be hashed.
#[derive(Clone, Debug)]
pub struct Prepared(Secret<String>);

impl Prepared {
    /// A password that a person chose, by the rules above.
    pub fn chosen(text: &str) -> Result<Self, PasswordError> {
        let prepared = Self::presented(text)?;
        if prepared.0.expose().chars().count() < PASSWORD_CHARS_MIN {
            return Err(PasswordError::TooShort);
        }
        Ok(prepared)
    }

    /// A password that someone presents to be checked.
    pub fn presented(text: &str) -> Result<Self, PasswordError> {
        // SASLprep can make a text longer, so both are limited.
        if text.len() > PASSWORD_BYTES_MAX {
            return Err(PasswordError::TooLong);
        }
        let prepared = stringprep::saslprep(text).map_err(|_| PasswordError::Character)?;
        if prepared.len() > PASSWORD_BYTES_MAX {
            return Err(PasswordError::TooLong);
        }
        Ok(Self(Secret::new(prepared.into_owned())))
    }

    /// The bytes to hash.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
}

/// An app password, shown once to its owner.
#[derive(Clone)]
pub struct AppPassword(Secret<String>);

impl AppPassword {
    /// The app password of these random bytes.
    pub fn from_random(random: &[u8; APP_PASSWORD_BYTES]) -> Self {
        Self(Secret::new(grouped(&base32(random))))
    }

    /// The app password that `typed` means, if it looks like one: spaces, dashes and case do not matter.
    pub fn from_typed(typed: &str) -> Option<Self> {
        let letters: Option<Vec<u8>> = typed
            .bytes()
            .filter(|byte| !matches!(byte, b' ' | b'-'))
            .map(|byte| Some(byte.to_ascii_lowercase()).filter(|byte| BASE32.contains(byte)))
            .take(APP_PASSWORD_LETTERS + 1)
            .collect();
        letters
            .filter(|letters| letters.len() == APP_PASSWORD_LETTERS)
            .map(|letters| Self(Secret::new(grouped(&letters))))
    }

    /// The text to show and to hash: `abcd-efgh-…`.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Ready to be hashed; ASCII is its own SASLprep form.
    pub fn prepared(&self) -> Prepared {
        Prepared(self.0.clone())
    }
}

impl fmt::Debug for AppPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppPassword(***)")
    }
}

fn base32(bytes: &[u8]) -> Vec<u8> {
    let mut letters = Vec::with_capacity(APP_PASSWORD_LETTERS);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in bytes {
        bits = (bits << 8) | u32::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            letters.push(base32_letter(bits >> held));
        }
    }
    if held > 0 {
        letters.push(base32_letter(bits << (5 - held)));
    }
    letters
}

fn base32_letter(bits: u32) -> u8 {
    let index = usize::try_from(bits & 0b1_1111).unwrap_or_default();
    BASE32.get(index).copied().unwrap_or_default()
}

fn grouped(letters: &[u8]) -> String {
    let groups = letters.chunks(GROUP_LETTERS);
    let groups: Vec<String> = groups
        .map(|group| String::from_utf8_lossy(group).into_owned())
        .collect();
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_chosen_passwords() {
        let chosen =
            |text: &str| Prepared::chosen(text).map(|password| password.as_bytes().to_vec());
        assert_eq!(chosen("1234567"), Err(PasswordError::TooShort));
        // Characters count, not bytes.
        assert_eq!(chosen("äöüßäöü"), Err(PasswordError::TooShort));
        assert_eq!(chosen("äöüßäöüß"), Ok("äöüßäöüß".as_bytes().to_vec()));
        assert_eq!(chosen(&"x".repeat(256)), Ok("x".repeat(256).into_bytes()));
        assert_eq!(chosen(&"x".repeat(257)), Err(PasswordError::TooLong));
        assert_eq!(chosen("tab\there not"), Err(PasswordError::Character));
    }

    /// RFC 4013 3.
    #[test]
    fn saslprep_examples() {
        let cases: [(&str, Result<&str, PasswordError>); 7] = [
            ("I\u{ad}X", Ok("IX")),
            ("user", Ok("user")),
            ("USER", Ok("USER")),
            ("\u{aa}", Ok("a")),
            ("\u{2168}", Ok("IX")),
            ("\u{7}", Err(PasswordError::Character)),
            ("\u{627}1", Err(PasswordError::Character)),
        ];
        for (text, expected) in cases {
            let got = Prepared::presented(text).map(|password| password.as_bytes().to_vec());
            assert_eq!(
                got,
                expected.map(|text| text.as_bytes().to_vec()),
                "{text:?}"
            );
        }
    }

    #[test]
    fn app_password_is_found_however_it_is_typed() {
        let shown = AppPassword::from_random(&[0x12; 16]);
        assert_eq!(shown.expose(), "cijb-eeqs-cijb-eeqs-cijb-eeqs-ci");
        for typed in [
            "cijb-eeqs-cijb-eeqs-cijb-eeqs-ci",
            "CIJBEEQSCIJBEEQSCIJBEEQSCI",
            " cijb eeqs Cijb eeqs cijb eeqs ci ",
        ] {
            let found = AppPassword::from_typed(typed).expect(typed);
            assert_eq!(found.expose(), shown.expose());
        }
        for typed in [
            "",
            "cijb",
            "cijb-eeqs-cijb-eeqs-cijb-eeqs-c1",
            "cijb-eeqs-cijb-eeqs-cijb-eeqs-cix",
        ] {
            assert!(AppPassword::from_typed(typed).is_none(), "{typed:?}");
        }
    }

    #[test]
    fn debug_shows_no_password() {
        let app = AppPassword::from_random(&[0; 16]);
        let chosen = Prepared::chosen("correct horse").unwrap();
        let shown = format!("{app:?} {chosen:?}");
        assert!(
            !shown.contains("aaaa") && !shown.contains("horse"),
            "{shown}"
        );
    }
}
