//! A store with accounts, and mail to put into it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use heimpost::clock::{Clock, Now, Wall};
use heimpost::mail::address::Address;
use heimpost::mail::flags::Flags;
use heimpost::mail::ids::{MailboxId, Uid};
use heimpost::store::types::{Filing, Language, QuotaRule};
use heimpost::store::{Append, NewAccount, Options, Store};

use crate::counting::{Counting, Counts, Reading};

/// Accounts in every benchmark.
const ACCOUNTS: usize = 10;

/// What a bytes-like mail is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Nothing shrinks.
    Noise,
    /// A mail as people write it: shrinks to a half or a third.
    Text,
    /// An attachment in base64: shrinks to three quarters.
    Base64,
}

pub(crate) struct House {
    pub(crate) store: Store,
    pub(crate) inboxes: Vec<MailboxId>,
    pub(crate) dir: PathBuf,
    counts: Arc<Counts>,
}

pub(crate) fn now() -> Now {
    Clock::virtual_at(Wall(1_790_000_000)).now()
}

pub(crate) fn options() -> Options {
    Options {
        quota_default_bytes: None,
        ..Options::default()
    }
}

/// How many of `count`, by `HEIMPOST_BENCH_SCALE`.
pub(crate) fn scaled(count: u64) -> u64 {
    let percent = std::env::var("HEIMPOST_BENCH_SCALE")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(100);
    (count * percent / 100).max(1)
}

/// A directory of its own for a part, empty.
pub(crate) fn fresh_dir(name: &str) -> PathBuf {
    let base =
        std::env::var_os("HEIMPOST_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = base.join(format!("heimpost-bench-{name}-{}", std::process::id()));
    if dir.exists() {
        std::fs::remove_dir_all(&dir).unwrap();
    }
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

impl House {
    pub(crate) fn build(dir: &Path) -> Self {
        let house = Self::open(dir);
        for number in 0..ACCOUNTS {
            let address = Address::parse(&format!("person{number}@example.org")).unwrap();
            let new = NewAccount {
                address,
                owner: number == 0,
                language: Language::En,
                quota_bytes: None,
            };
            house.store.add_account(&new, now()).unwrap();
        }
        Self::with_inboxes(house)
    }

    pub(crate) fn open(dir: &Path) -> Self {
        let media = Counting::new(dir);
        let counts = Arc::clone(&media.counts);
        let store = Store::open_on(Arc::new(media), &options(), now()).unwrap();
        Self::with_inboxes(Self {
            store,
            inboxes: Vec::new(),
            dir: dir.to_owned(),
            counts,
        })
    }

    fn with_inboxes(mut self) -> Self {
        let snapshot = self.store.snapshot().unwrap();
        self.inboxes.clear();
        for account in snapshot.accounts().unwrap() {
            let mailboxes = snapshot.mailboxes(account.id).unwrap();
            let inbox = mailboxes.iter().find(|mailbox| mailbox.name.is_inbox());
            self.inboxes.push(inbox.unwrap().id);
        }
        self
    }

    pub(crate) fn reading(&self) -> Reading {
        Reading::take(&self.dir, &self.counts)
    }

    pub(crate) fn inbox(&self, number: u64) -> MailboxId {
        let index = usize::try_from(number).unwrap_or_default() % self.inboxes.len().max(1);
        self.inboxes.get(index).copied().unwrap()
    }

    /// One mail, ready to be filed.
    pub(crate) fn append_of(&self, number: u64, mail: &[u8]) -> Append {
        let mut writer = self.store.begin_blob(Some(mail.len() as u64)).unwrap();
        for piece in mail.chunks(16 << 10) {
            writer.write(piece).unwrap();
        }
        Append {
            blob: writer.finish().unwrap(),
            summary: summary(number),
            filings: vec![Filing {
                mailbox: self.inbox(number),
                flags: Flags::default(),
                internal_date: Wall(1_790_000_000),
                prefix: prefix(number),
                quota: QuotaRule::Enforce,
            }],
            spool: Vec::new(),
        }
    }

    /// Files one mail; durable on return.
    pub(crate) fn deliver(&self, number: u64, mail: &[u8]) -> Uid {
        let append = self.append_of(number, mail);
        let filed = self.store.append(vec![append], now()).unwrap();
        let first = filed.into_iter().flatten().next();
        first.unwrap().unwrap().uid
    }

    /// Files many mails quickly, for a store to begin with.
    pub(crate) fn prefill(&self, count: u64, bytes: usize, content: Content) {
        let mut number = 0;
        while number < count {
            let batch = (number..count.min(number + 200))
                .map(|number| self.append_of(number, &mail(number, bytes, content)))
                .collect();
            self.store.append(batch, now()).unwrap();
            number += 200;
        }
        self.store.settle().unwrap();
    }
}

/// Trace fields as the server puts them in front.
fn prefix(number: u64) -> Vec<u8> {
    format!(
        "Return-Path: <sender{number}@lists.example.com>\r\nDelivered-To: person{}@example.org\r\n\
         Received: from mx{}.example.com ([198.51.100.{}])\r\n by box.example.org (Heimpost) with ESMTPS id {number:08x}\r\n \
         for <person{}@example.org>; Mon, 21 Sep 2026 12:26:40 +0000\r\n",
        number % 10,
        number % 7,
        number % 250,
        number % 10,
    )
    .into_bytes()
}

/// About what a summary of an ordinary mail takes.
fn summary(number: u64) -> Vec<u8> {
    format!(
        "\u{1}Mon, 21 Sep 2026 12:26:40 +0000\u{2}Minutes of meeting number {number}\u{3}Sender Name\u{4}sender{number}\
         \u{4}lists.example.com\u{3}Person\u{4}person{}\u{4}example.org\u{5}<{:016x}@lists.example.com>\u{6}text\u{7}plain\
         \u{7}charset\u{7}utf-8\u{7}quoted-printable\u{8}",
        number % 10,
        number.wrapping_mul(0x9E37_79B9_7F4A_7C15),
    )
    .into_bytes()
}

/// A mail of exactly `bytes` bytes.
pub(crate) fn mail(number: u64, bytes: usize, content: Content) -> Vec<u8> {
    let mut mail = Vec::with_capacity(bytes + 100);
    if content != Content::Noise {
        mail.extend_from_slice(&summary(number));
    }
    let mut random = Random(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut column = 0;
    while mail.len() < bytes {
        match content {
            Content::Noise => mail.extend_from_slice(&random.next().to_le_bytes()),
            Content::Text => {
                let word = WORDS[(random.next() % WORDS.len() as u64) as usize];
                mail.extend_from_slice(word.as_bytes());
                column += word.len() + 1;
                mail.push(if column > 70 { b'\n' } else { b' ' });
                column %= 71;
            }
            Content::Base64 => {
                for byte in random.next().to_le_bytes() {
                    mail.push(BASE64[usize::from(byte & 63)]);
                }
                column += 8;
                if column == 72 {
                    mail.extend_from_slice(b"\r\n");
                    column = 0;
                }
            }
        }
    }
    mail.truncate(bytes);
    mail
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const WORDS: [&str; 64] = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "that",
    "is",
    "was",
    "for",
    "with",
    "letter",
    "house",
    "meeting",
    "on",
    "Thursday",
    "please",
    "find",
    "attached",
    "invoice",
    "number",
    "regards",
    "would",
    "could",
    "from",
    "by",
    "at",
    "have",
    "this",
    "not",
    "but",
    "they",
    "which",
    "one",
    "you",
    "were",
    "her",
    "all",
    "their",
    "there",
    "been",
    "if",
    "more",
    "when",
    "will",
    "said",
    "who",
    "what",
    "about",
    "up",
    "into",
    "than",
    "them",
    "can",
    "only",
    "other",
    "time",
    "new",
    "some",
    "Wednesday",
    "garden",
    "insurance",
    "travel",
    "question",
    "tomorrow",
];

/// xorshift64: the same mails in each run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
