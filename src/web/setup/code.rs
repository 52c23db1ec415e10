//! The one-time code and its file: whoever can read the card may set the box up.
//!
//! A code is good once; then there is another, in the file before it is asked for. Without the file there is no code.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

use crate::mail::secret::Secret;
use crate::net::files::{MODE_PRIVATE, write_whole};

/// Characters of the code: none that looks like another.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
const CHARS: usize = 12;
const GROUP: usize = 4;

/// A code that a file holds.
#[derive(Debug)]
pub(super) struct Code {
    text: Secret<String>,
    file: PathBuf,
}

impl Code {
    /// The one that `file` holds, if it is one.
    pub(super) fn kept(file: &Path) -> Option<Self> {
        let page = fs::read_to_string(file).ok()?;
        let text = page.lines().next()?.trim();
        let groups: Vec<&str> = text.split('-').collect();
        let is_group = |group: &&str| {
            group.len() == GROUP && group.bytes().all(|byte| ALPHABET.contains(&byte))
        };
        let is_code = groups.len() == CHARS / GROUP && groups.iter().all(is_group);
        is_code.then(|| Self {
            text: Secret::new(text.to_owned()),
            file: file.to_owned(),
        })
    }

    /// A new one, written to `file`; `None` if it cannot be, which is logged.
    pub(super) fn make(file: &Path) -> Option<Self> {
        let made = new_text().and_then(|text| {
            write_whole(file, page_of(&text).as_bytes(), MODE_PRIVATE)?;
            Ok(Self {
                text: Secret::new(text),
                file: file.to_owned(),
            })
        });
        made.inspect_err(|error| {
            tracing::warn!(file = %file.display(), %error, "there is no one-time code");
            forget(file);
        })
        .ok()
    }

    /// The next one, in the same file: this one was used.
    pub(super) fn renew(self) -> Option<Self> {
        Self::make(&self.file)
    }

    /// Whether that is the code, in a time that does not tell how much of it is right.
    pub(super) fn is(&self, typed: &str) -> bool {
        let code = plain(self.text.expose());
        code.as_bytes().ct_eq(plain(typed).as_bytes()).into()
    }
}

/// How a code is compared: spaces, dashes and small letters do not matter.
fn plain(code: &str) -> String {
    let letters = code.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|letter| letter.to_ascii_uppercase()).collect()
}

fn new_text() -> io::Result<String> {
    let mut bytes = [0; CHARS];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| io::Error::other("no randomness"))?;
    let mut code = String::new();
    for (at, byte) in bytes.into_iter().enumerate() {
        if at > 0 && at % GROUP == 0 {
            code.push('-');
        }
        let letter = ALPHABET.get(usize::from(byte) % ALPHABET.len());
        code.push(letter.copied().map_or('X', char::from));
    }
    Ok(code)
}

/// A code that was used must not be good again after the next start.
fn forget(file: &Path) {
    if let Err(error) = fs::remove_file(file)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(file = %file.display(), %error, "a used one-time code stays");
    }
}

/// The file, as an editor on any machine shows it. The first line is the code alone.
fn page_of(code: &str) -> String {
    format!(
        "{code}\r\n\r\n\
         Heimpost: der Einmal-Code. Geben Sie ihn auf der Seite der Box unter /setup oder /forgot ein.\r\n\
         Heimpost: the one-time code. Type it on the page of the box, at /setup or /forgot.\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("setup-code.txt");
        let made = Code::make(&file).unwrap();
        let kept = Code::kept(&file).unwrap();
        assert!(made.is(kept.text.expose()) && made.is(&kept.text.expose().to_lowercase()));
        let next = made.renew().unwrap();
        assert!(!next.is(kept.text.expose()) && Code::kept(&file).unwrap().is(next.text.expose()));
    }

    #[test]
    fn what_is_no_code_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("setup-code.txt");
        assert!(Code::kept(&file).is_none());
        // As a cut-off file, or one that somebody has edited.
        for text in ["", "ABCD-EFGH", "abcd-efgh-jklm", "ABCD-EFGH-JKL0", "----"] {
            fs::write(&file, text).unwrap();
            assert!(Code::kept(&file).is_none(), "{text}");
        }
        assert!(Code::make(&dir.path().join("missing/setup-code.txt")).is_none());
    }
}
