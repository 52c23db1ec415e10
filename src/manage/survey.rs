//! What an account's mail consists of: by year, by sender, and the largest messages, so that a person can see what may go.
//!
//! Reads the records in short transactions, a batch each, so that it holds nothing up however much mail there is. What
//! changes meanwhile may be counted or not.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::clock::Wall;
use crate::mail::ids::{AccountId, MailboxId, Serial, Uid};
use crate::mail::mime::{EnvelopeAddress, Summary};
use crate::store::types::{MessageRecord, Usage};
use crate::store::{Result, Store};

/// Messages read in one transaction.
const BATCH: usize = 512;

/// Largest messages that are kept.
pub const LARGEST_MAX: usize = 50;

/// Senders that are told, those with most bytes first.
pub const SENDERS_MAX: usize = 25;

/// Different senders that are counted; mail of further ones counts as that of none.
const SENDERS_COUNTED_MAX: usize = 20_000;

/// What an account's mail consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// All of it.
    pub all: Usage,
    /// By the year of its internal date.
    pub years: BTreeMap<i16, Usage>,
    /// By the address in From, in lower case; those with most bytes first, at most [`SENDERS_MAX`].
    pub senders: Vec<(String, Usage)>,
    /// The largest first, at most [`LARGEST_MAX`].
    pub largest: Vec<Large>,
}

/// A large message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Large {
    /// Its bytes.
    pub bytes: u64,
    /// Which.
    pub serial: Serial,
    /// Where it lies.
    pub mailbox: MailboxId,
    /// Its date.
    pub date: Wall,
}

/// A survey in the making.
#[derive(Debug, Default)]
struct Counting {
    all: Usage,
    years: BTreeMap<i16, Usage>,
    senders: BTreeMap<String, Usage>,
    largest: BinaryHeap<Reverse<Large>>,
}

/// Surveys an account. `go_on` is told how many of how many messages were read, and asked whether anybody still wants to
/// know; `None` if not.
pub fn survey(
    store: &Store,
    account: AccountId,
    zone: &TimeZone,
    mut go_on: impl FnMut(u64, u64) -> bool,
) -> Result<Option<Survey>> {
    let mailboxes = store.snapshot()?.mailboxes(account)?;
    let total = mailboxes
        .iter()
        .map(|mailbox| u64::from(mailbox.messages))
        .sum();
    let mut counting = Counting::default();
    for mailbox in mailboxes {
        let rows = store.snapshot()?.rows(mailbox.id, Uid::MIN, Uid::MAX)?;
        for batch in rows.chunks(BATCH) {
            let snapshot = store.snapshot()?;
            for row in batch {
                if let Some(record) = snapshot.record(row.serial)? {
                    counting.count(&record, zone);
                }
            }
            if !go_on(counting.all.messages, total) {
                return Ok(None);
            }
        }
    }
    Ok(Some(counting.finish()))
}

impl Counting {
    fn count(&mut self, record: &MessageRecord, zone: &TimeZone) {
        add(&mut self.all, record.bytes);
        add(
            self.years
                .entry(year(record.internal_date, zone))
                .or_default(),
            record.bytes,
        );
        let summary = Summary::decode(&record.summary).unwrap_or_default();
        let sender = summary
            .envelope
            .from
            .iter()
            .find_map(address_of)
            .unwrap_or_default();
        let is_known = self.senders.contains_key(&sender);
        let name = if is_known || self.senders.len() < SENDERS_COUNTED_MAX {
            sender
        } else {
            String::new()
        };
        add(self.senders.entry(name).or_default(), record.bytes);
        self.largest.push(Reverse(Large {
            bytes: record.bytes,
            serial: record.serial,
            mailbox: record.mailbox,
            date: record.internal_date,
        }));
        if self.largest.len() > LARGEST_MAX {
            self.largest.pop();
        }
    }

    fn finish(self) -> Survey {
        let mut senders: Vec<_> = self
            .senders
            .into_iter()
            .filter(|(name, _)| !name.is_empty())
            .collect();
        senders.sort_by_key(|(_, usage)| Reverse(usage.bytes));
        senders.truncate(SENDERS_MAX);
        let mut largest: Vec<Large> = self
            .largest
            .into_iter()
            .map(|Reverse(large)| large)
            .collect();
        largest.sort_unstable_by(|a, b| b.cmp(a));
        Survey {
            all: self.all,
            years: self.years,
            senders,
            largest,
        }
    }
}

fn add(usage: &mut Usage, bytes: u64) {
    usage.messages += 1;
    usage.bytes += bytes;
}

fn year(wall: Wall, zone: &TimeZone) -> i16 {
    let stamp = Timestamp::from_second(wall.0).unwrap_or_default();
    stamp.to_zoned(zone.clone()).year()
}

/// An address in lower case; `None` for the mark of a group.
fn address_of(address: &EnvelopeAddress) -> Option<String> {
    let mailbox = address.mailbox.as_deref()?;
    let host = address.host.as_deref()?;
    let text = format!(
        "{}@{}",
        String::from_utf8_lossy(mailbox),
        String::from_utf8_lossy(host)
    );
    Some(text.to_lowercase())
}
