//! Replays the fuzzers' corpus, and a round of small changes to it, so that each run of the tests fuzzes a little.
//!
//! The changes are the same each time. `HEIMPOST_FUZZ_ROUNDS` gives how many are tried per target;
//! `HEIMPOST_FUZZ_TARGET` names one target, to look at it alone. An input that fails is kept in
//! `target/fuzz-failures`: it belongs into the corpus, together with what mends it.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::{env, fs};

use targets::{TARGETS, Target};

/// Changed inputs per parser in a usual run.
const ROUNDS: usize = 300;

/// The same for targets that begin with a store and a session, which cost more.
const SESSION_ROUNDS: usize = 40;

/// Seed of the changes.
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// Words that mean something to a parser somewhere.
const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\xFF",
    b"\xC3",
    b"{3}\r\n",
    b"{3+}\r\n",
    b"{99999999999}\r\n",
    b"\"",
    b"\\",
    b"(",
    b")",
    b"*",
    b"%",
    b"<>",
    b"=",
    b"&-",
    b"&",
    b":",
    b",",
    b"4294967295",
    b"18446744073709551615",
    b"0",
    b"-1",
    b"\r\n.\r\n",
    b"QUIT\r\n",
    b"=?utf-8?B?",
    b"?=",
    b"--",
    b"a NOOP\r\n",
    b"RSET\r\n",
    b"DONE\r\n",
];

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("tests/fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|_| panic!("{target} has no corpus"));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let files = paths.into_iter();
    files
        .map(|path| {
            let bytes = fs::read(&path).unwrap();
            (path, bytes)
        })
        .collect()
}

/// xorshift64: numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % bound.max(1)
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// One input with a few changes: cut, flipped, spliced, repeated, a word put in.
fn changed(inputs: &[&[u8]], numbers: &mut Numbers) -> Vec<u8> {
    let mut input = numbers.pick(inputs).to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(input.len() + 1);
        let to = (at + numbers.below(32)).min(input.len());
        match numbers.below(6) {
            0 => input.truncate(at),
            1 if at < input.len() => input[at] ^= 1 << numbers.below(8),
            2 => {
                let other = numbers.pick(inputs);
                let from = numbers.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            3 => {
                let piece = input[at..to].to_vec();
                input.splice(at..at, piece);
            }
            4 => drop(input.drain(at..to)),
            _ => drop(input.splice(at..at, numbers.pick(WORDS).iter().copied())),
        }
    }
    input
}

/// `None` if all is well, or what to tell.
fn try_input(name: &str, target: Target, input: &[u8], origin: &str) -> Option<String> {
    let tried = catch_unwind(AssertUnwindSafe(|| target(input)));
    let failure = tried.err()?;
    let text = failure.downcast_ref::<String>().cloned();
    let text = text.or_else(|| {
        failure
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
    });
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fuzz-failures");
    fs::create_dir_all(&kept).unwrap();
    let file = kept.join(format!("{name}-{}", origin.replace(['/', ' '], "-")));
    fs::write(&file, input).unwrap();
    let shown = String::from_utf8_lossy(input.get(..400).unwrap_or(input)).into_owned();
    let text = text.unwrap_or_default();
    Some(format!(
        "{name}, {origin}: {text}\n  kept as {}\n  {shown:?}",
        file.display()
    ))
}

fn rounds(usual: usize) -> usize {
    let wanted = env::var("HEIMPOST_FUZZ_ROUNDS").ok();
    wanted.map_or(usual, |text| text.parse().unwrap())
}

/// Replays and changes the corpora of the targets that `belongs` picks; the first failure of each target is told.
fn check(belongs: fn(&str) -> bool, usual: usize) {
    let only = env::var("HEIMPOST_FUZZ_TARGET").ok();
    let wanted = |name: &str| belongs(name) && only.as_deref().is_none_or(|only| only == name);
    let chosen = TARGETS.iter().filter(|(name, _)| wanted(name));
    let failures: Vec<_> = chosen
        .filter_map(|(name, target)| first_failure(name, *target, rounds(usual)))
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn first_failure(name: &str, target: Target, rounds: usize) -> Option<String> {
    let corpus = corpus(name);
    assert!(corpus.len() >= 5, "{name} has only {} inputs", corpus.len());
    let replayed = corpus.iter().find_map(|(path, input)| {
        let file = path.file_name().unwrap().to_string_lossy();
        try_input(name, target, input, &file)
    });
    let inputs: Vec<&[u8]> = corpus.iter().map(|(_, input)| input.as_slice()).collect();
    let mut numbers = Numbers(SEED);
    replayed.or_else(|| {
        (0..rounds).find_map(|round| {
            let input = changed(&inputs, &mut numbers);
            try_input(name, target, &input, &format!("round {round}"))
        })
    })
}

fn is_smtp_session(name: &str) -> bool {
    matches!(
        name,
        "smtp_receive" | "smtp_submission" | "smtp_submission_login"
    )
}

fn is_imap_session(name: &str) -> bool {
    name.starts_with("imap_") && !matches!(name, "imap_command" | "imap_connection")
}

fn is_pop3_session(name: &str) -> bool {
    name.starts_with("pop3_") && name != "pop3_command"
}

#[test]
fn parsers() {
    check(
        |name| !is_smtp_session(name) && !is_imap_session(name) && !is_pop3_session(name),
        ROUNDS,
    );
}

#[test]
fn smtp_sessions() {
    check(is_smtp_session, SESSION_ROUNDS);
}

#[test]
fn imap_sessions() {
    check(is_imap_session, SESSION_ROUNDS);
}

#[test]
fn pop3_sessions() {
    check(is_pop3_session, SESSION_ROUNDS);
}

#[test]
fn every_corpus_has_a_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    for entry in fs::read_dir(root).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let known = TARGETS.iter().any(|(target, _)| *target == name);
        assert!(known, "the corpus {name} has no target");
    }
}
