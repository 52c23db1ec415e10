//! Rules of the house that a machine can check: the direction of dependencies, who may name what, module headers,
//! sizes, leftovers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// For each module of the crate, the modules of ours that it may name. `main.rs` and `app.rs` may name all.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("wake", &[]),
    (
        "manage",
        &[
            "room", "panel", "space", "queue", "trust", "dns", "transfer", "maillog", "net",
            "delivery", "config", "auth", "store", "mail", "clock",
        ],
    ),
    (
        "stick",
        &[
            "manage", "config", "space", "maillog", "store", "clock", "wake",
        ],
    ),
    ("mail", &["clock"]),
    ("store", &["mail", "clock", "wake"]),
    ("search", &["store", "mail", "clock"]),
    ("auth", &["store", "mail", "clock"]),
    ("sasl", &["auth", "machine", "mail"]),
    ("dns", &["mail", "clock"]),
    ("trust", &["dns", "store", "mail", "clock"]),
    ("machine", &["auth", "trust", "mail", "clock", "wake"]),
    ("maillog", &["store", "mail", "clock"]),
    ("space", &["store", "mail", "clock"]),
    ("delivery", &["maillog", "store", "mail", "clock"]),
    (
        "room",
        &["delivery", "space", "maillog", "store", "mail", "clock"],
    ),
    ("panel", &["space", "store", "clock", "wake"]),
    (
        "smtp",
        &[
            "space", "maillog", "delivery", "trust", "sasl", "auth", "machine", "store", "mail",
            "clock",
        ],
    ),
    (
        "imap",
        &[
            "search", "space", "maillog", "delivery", "sasl", "auth", "machine", "store", "mail",
            "clock",
        ],
    ),
    (
        "pop3",
        &[
            "space", "maillog", "delivery", "sasl", "auth", "machine", "store", "mail", "clock",
        ],
    ),
    (
        "web",
        &[
            "search", "stick", "manage", "room", "panel", "space", "queue", "trust", "dns",
            "transfer", "delivery", "net", "config", "maillog", "auth", "store", "mail", "clock",
            "wake",
        ],
    ),
    ("config", &["queue", "dns", "store", "mail"]),
    ("transfer", &["delivery", "store", "mail", "clock"]),
    (
        "queue",
        &[
            "smtp", "sasl", "machine", "net", "trust", "dns", "delivery", "maillog", "store",
            "mail", "clock", "wake",
        ],
    ),
    (
        "net",
        &[
            "maillog", "machine", "trust", "dns", "auth", "store", "mail", "clock", "wake",
        ],
    ),
    (
        "provision",
        &["manage", "config", "auth", "store", "mail", "clock"],
    ),
    (
        "cli",
        &[
            "provision",
            "stick",
            "manage",
            "room",
            "panel",
            "space",
            "queue",
            "trust",
            "dns",
            "maillog",
            "net",
            "transfer",
            "delivery",
            "config",
            "auth",
            "store",
            "mail",
            "clock",
            "wake",
        ],
    ),
];

/// Words that only the named places may use.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("redb", &["src/store/"]),
    (
        "tokio",
        &[
            "src/net/",
            "src/web/",
            "src/dns/",
            "src/trust/",
            "src/queue/worker",
            "src/queue/hosts",
            "src/queue/sts",
            "src/app",
            "src/main.rs",
        ],
    ),
    ("hickory_resolver", &["src/dns/"]),
    ("mail_auth", &["src/dns/", "src/trust/"]),
    ("instant_acme", &["src/net/acme", "src/app/"]),
    ("rsa", &["src/trust/"]),
    ("axum", &["src/web/"]),
    ("maud", &["src/web/"]),
    ("ammonia", &["src/web/"]),
    ("qrcode", &["src/web/"]),
    ("hyper", &["src/web/", "src/net/https", "src/net/acme"]),
    ("hyper_util", &["src/web/", "src/net/https", "src/net/acme"]),
    ("tokio_rustls", &["src/net/"]),
    ("rustls", &["src/net/"]),
    ("rcgen", &["src/net/"]),
    ("clap", &["src/cli/", "src/main.rs"]),
    ("indicatif", &["src/main.rs"]),
    ("std::process::exit", &["src/main.rs"]),
    ("std::net::TcpStream", &[]),
    ("mail_parser", &["src/mail/", "src/delivery/"]),
    ("heimpost::", &["src/main.rs"]),
    ("gpiocdev::", &["board/src/backend/cdev.rs"]),
    ("linux_embedded_hal::", &["board/src/backend/linux_hal.rs"]),
    ("embedded_hal::", &["board/src/backend/"]),
];

/// Words that the pure modules never use: no IO, no threads, no randomness.
const PURE: &[&str] = &[
    "src/mail/",
    "src/smtp/",
    "src/imap/",
    "src/pop3/",
    "src/sasl",
    "src/search/",
    "src/space/",
    "src/queue/plan",
    "src/queue/time",
    "src/panel",
    "board/src/backoff.rs",
    "board/src/pattern",
    "board/src/press",
    "board/src/profile.rs",
    "board/src/runner/engine",
];
const IMPURE_WORDS: &[&str] = &[
    "tokio",
    "std::fs",
    "std::thread",
    "std::env",
    "TcpStream",
    "rustls",
    "SystemRandom",
    "rustix",
    "Instant",
    "getrandom",
];

const FILE_LINES_MAX: usize = 800;
/// One file in ten may have more lines than this.
const FILE_LINES_P90: usize = 500;

struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The text without comments and without what follows the unit tests.
    fn code(&self) -> String {
        let body = self
            .text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default();
        let code = body
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default());
        code.collect::<Vec<_>>().join("\n")
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs") || self.path.contains("/tests/")
    }

    /// The module of the main crate that this file belongs to; `None` for the file of another crate.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        inside.split(['/', '.']).next()
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn collect(folder: &Path, found: &mut Vec<Source>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let path = path
                .strip_prefix(root())
                .unwrap()
                .to_string_lossy()
                .into_owned();
            found.push(Source { path, text });
        }
    }
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    collect(&root().join("src"), &mut found);
    collect(&root().join("board/src"), &mut found);
    assert!(found.len() > 20, "only {} source files found", found.len());
    found
}

fn is_word_at(text: &str, at: usize, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let before = text.get(..at).and_then(|t| t.chars().next_back());
    let after = text.get(at + word.len()..).and_then(|t| t.chars().next());
    let goes_on = word.ends_with(is_name) && after.is_some_and(is_name);
    !before.is_some_and(is_name) && !goes_on
}

fn names(text: &str, word: &str) -> bool {
    text.match_indices(word)
        .any(|(at, _)| is_word_at(text, at, word))
}

fn report(broken: &[String]) {
    assert!(
        broken.is_empty(),
        "{} broken rules:\n{}",
        broken.len(),
        broken.join("\n")
    );
}

#[test]
fn arrows_point_down() {
    let allowed: BTreeMap<_, _> = MAY_NAME.iter().copied().collect();
    let mut broken = Vec::new();
    for source in sources() {
        let Some(module) = source.module() else {
            continue;
        };
        if matches!(module, "main" | "app" | "lib") || source.is_test() {
            continue;
        }
        let Some(may) = allowed.get(module) else {
            broken.push(format!(
                "{}: module {module} is not in MAY_NAME",
                source.path
            ));
            continue;
        };
        let code = source.code();
        for (other, _) in MAY_NAME.iter().chain(&[("app", &[] as &[&str])]) {
            let named = names(&code, &format!("crate::{other}"));
            if named && *other != module && !may.contains(other) {
                broken.push(format!("{} names crate::{other}", source.path));
            }
        }
    }
    report(&broken);
}

#[test]
fn words_stay_in_their_places() {
    let mut broken = Vec::new();
    for source in sources() {
        let code = source.code();
        for (word, places) in ONLY_IN {
            let at_home = places.iter().any(|place| source.path.starts_with(place));
            if !at_home && !source.is_test() && names(&code, word) {
                broken.push(format!("{} names {word}", source.path));
            }
        }
        if PURE.iter().any(|place| source.path.starts_with(place)) && !source.is_test() {
            let impure = IMPURE_WORDS.iter().filter(|word| names(&code, word));
            broken.extend(impure.map(|word| format!("{} names {word}", source.path)));
        }
    }
    report(&broken);
}

#[test]
fn the_board_depends_on_nothing_of_ours() {
    let manifest = fs::read_to_string(root().join("board/Cargo.toml")).unwrap();
    let ours = ["path =", "tokio", "redb"];
    let broken = ours.iter().filter(|word| manifest.contains(*word));
    report(
        &broken
            .map(|word| format!("board/Cargo.toml has {word}"))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn modules_say_what_they_are_for() {
    let headless = sources()
        .into_iter()
        .filter(|source| !source.text.starts_with("//!"));
    report(
        &headless
            .map(|source| format!("{} has no //! header", source.path))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn files_stay_readable() {
    let sources = sources();
    let lines = |source: &Source| source.code().lines().count();
    let code: Vec<&Source> = sources.iter().filter(|source| !source.is_test()).collect();
    let mut broken: Vec<String> = code
        .iter()
        .filter(|source| lines(source) > FILE_LINES_MAX)
        .map(|source| {
            format!(
                "{} has {} lines, at most {FILE_LINES_MAX}",
                source.path,
                lines(source)
            )
        })
        .collect();
    let long = code
        .iter()
        .filter(|source| lines(source) > FILE_LINES_P90)
        .count();
    if long * 10 > code.len() {
        broken.push(format!(
            "{long} of {} files have more than {FILE_LINES_P90} lines",
            code.len()
        ));
    }
    report(&broken);
}

#[test]
fn nothing_is_left_over() {
    let leftovers = [
        "todo!(",
        "unimplemented!(",
        "#[ignore",
        "FIXME",
        "XXX",
        "#[allow(",
    ];
    let mut broken = Vec::new();
    for source in sources() {
        let found = leftovers.iter().filter(|word| source.text.contains(*word));
        broken.extend(found.map(|word| format!("{} contains {word}", source.path)));
    }
    report(&broken);
}

#[test]
fn the_readme_maps_every_module() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let mut broken = Vec::new();
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        let shown = if entry.path().is_dir() {
            format!("{name}/")
        } else {
            name.clone()
        };
        if name != "lib.rs" && !readme.contains(&format!("`{shown}`")) {
            broken.push(format!("the code map of README.md misses `{shown}`"));
        }
    }
    report(&broken);
}
