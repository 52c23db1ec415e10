//! Dialogs: what a client says and a server answers, as text, run against the real sessions on a store in memory.
//!
//! Each file `tests/dialogs/<protocol>/*.txt` is run twice: with the client's lines given whole (those in a row at
//! once) and byte by byte. What a session is made of stands in [`PROTOCOLS`]; a protocol adds a line there.
//!
//! The form of a file, line by line:
//! - `# comment`; empty lines mean nothing.
//! - `! option` or `! option=value`, before everything else: `tls` (connections begin with TLS), `plaintext` (passwords
//!   may come without it), `mail=FILE` (a message from `tests/messages` into fred's INBOX),
//!   `submitted=FILE` (one that fred has sent: its copy in Sent), `to-self=FILE` (one that fred has submitted to himself), `account=ADDRESS` (one more),
//!   `quota=ADDRESS BYTES`, `german=ADDRESS` (its language), `capacity=BYTES` (of the card), others by protocol.
//! - `C: line` is sent with CRLF. `C~: text` is sent without, and knows the escapes `\r \n \\ \xNN` and
//!   `\{N}` for N times the letter x.
//! - `S: line` must come next. `...` stands for any text, `{{name}}` for a word that is kept at first use and known
//!   afterwards, in `C:` lines too. `S..` passes over any number of lines up to the one that the next `S:` names.
//! - `E: close` and `E: tls`: the session asks for that; TLS then starts.
//! - `T: seconds`: time passes.
//! - `C2:`, `S2:`, `E2:` and so on: the same on a second connection, up to 9, each opened at its first use.
//!
//! When a client speaks and at the end, all that its connection was sent must have been named. The accounts are
//! `fred@heimpost.test` (owner) and `anna@heimpost.test`, both with the password `correct horse`.

mod connection;
mod protocols;
mod runner;
mod script;
mod world;

use std::path::{Path, PathBuf};

use connection::Feed;
use protocols::PROTOCOLS;

fn check(protocol: &str) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/dialogs")
        .join(protocol);
    let files = files(&dir);
    assert!(!files.is_empty(), "no dialogs in {}", dir.display());
    let failures: Vec<String> = files
        .iter()
        .flat_map(|file| failures(protocol, file))
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    files
}

fn failures(protocol: &str, file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let script = script::parse(&text);
    let known = PROTOCOLS.iter().find(|(name, _)| *name == protocol);
    let Some((_, open)) = known else {
        panic!("{protocol} is not in PROTOCOLS");
    };
    let runs = [Feed::Whole, Feed::ByteByByte].into_iter();
    runs.filter_map(|feed| {
        let failure = runner::run(&script, feed, *open).err()?;
        Some(format!("{} ({feed:?}) {failure}", file.display()))
    })
    .collect()
}

#[test]
fn imap() {
    check("imap");
}

#[test]
fn pop3() {
    check("pop3");
}

#[test]
fn smtp() {
    check("smtp");
}
