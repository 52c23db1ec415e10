//! The life of a domain's keys: made and published, signing, published still, gone.
//!
//! Pure. Selectors have the day on which their keys were made, so that a name in DNS never changes its key.

use serde::{Deserialize, Serialize};

use super::OLD_KEYS_DAYS;
use super::keys::{KeyError, Pair, StoredPair};
use crate::clock::Wall;
use crate::mail::date::DateTime;

/// Version of the row.
const VERSION: u32 = 1;

/// All keys of a domain.
#[derive(Clone, Debug)]
pub(super) struct KeySet {
    pub(super) active: Pair,
    /// To be published; then they take over.
    pub(super) next: Option<Pair>,
    /// Sign no more, since then.
    old: Vec<(Pair, Wall)>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    active: StoredPair,
    next: Option<StoredPair>,
    old: Vec<(StoredPair, i64)>,
}

/// Where keys stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Published before they sign.
    Next,
    /// Signing.
    Active,
    /// Published still for mail on its way.
    Old,
}

/// One key as DNS has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Label in front of `_domainkey`.
    pub selector: String,
    /// The TXT record.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

impl KeySet {
    pub(super) fn new(pair: Pair) -> Self {
        Self {
            active: pair,
            next: None,
            old: Vec::new(),
        }
    }

    /// Adds keys that are to take over; `false` if there are some already.
    pub(super) fn add(&mut self, pair: Pair) -> bool {
        let is_free = self.next.is_none();
        if is_free {
            self.next = Some(pair);
        }
        is_free
    }

    /// New keys take over; `false` if there are none.
    pub(super) fn switch(&mut self, now: Wall) -> bool {
        let Some(next) = self.next.take() else {
            return false;
        };
        self.old
            .push((std::mem::replace(&mut self.active, next), now));
        true
    }

    /// Forgets keys that no mail on its way can have. Without a clock none are forgotten.
    pub(super) fn forget_old(&mut self, now: Option<Wall>) {
        self.old.retain(|(_, since)| !is_over(*since, now));
    }

    pub(super) fn published(&self, now: Option<Wall>) -> Vec<Published> {
        let old = self.old.iter().rev();
        let old = old.filter(|(_, since)| !is_over(*since, now));
        let next = self.next.iter().map(|pair| (pair, Place::Next));
        next.chain([(&self.active, Place::Active)])
            .chain(old.map(|(pair, _)| (pair, Place::Old)))
            .flat_map(|(pair, place)| {
                pair.records().map(|(selector, text)| Published {
                    selector,
                    text,
                    place,
                })
            })
            .collect()
    }

    pub(super) fn bases(&self) -> Vec<String> {
        let old = self.old.iter().map(|(pair, _)| pair);
        let all = self.next.iter().chain([&self.active]).chain(old);
        all.map(|pair| pair.base.clone()).collect()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let old = self.old.iter();
        let stored = Stored {
            version: VERSION,
            active: self.active.to_stored(),
            next: self.next.as_ref().map(Pair::to_stored),
            old: old
                .map(|(pair, since)| (pair.to_stored(), since.0))
                .collect(),
        };
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    pub(super) fn decode(row: &[u8]) -> Result<Self, KeyError> {
        let unreadable = |why: String| KeyError::Unreadable(why);
        let stored: Stored = serde_json::from_slice(row).map_err(|e| unreadable(e.to_string()))?;
        if stored.version != VERSION {
            return Err(unreadable(format!("version {}", stored.version)));
        }
        let old = stored.old.iter();
        let old = old.map(|(pair, since)| Ok((Pair::from_stored(pair)?, Wall(*since))));
        Ok(Self {
            active: Pair::from_stored(&stored.active)?,
            next: stored.next.as_ref().map(Pair::from_stored).transpose()?,
            old: old.collect::<Result<_, _>>()?,
        })
    }
}

fn is_over(since: Wall, now: Option<Wall>) -> bool {
    now.is_some_and(|now| now.day() - since.day() > OLD_KEYS_DAYS)
}

/// What the selectors of keys begin with that are made now, such as `h20261122`; with a letter more if that is taken.
pub(super) fn base(now: Wall, taken: &[String]) -> String {
    let day = format!("h{}", DateTime::utc(now).to_digits());
    let more = ('b'..='z').map(|letter| format!("{day}{letter}"));
    let mut candidates = std::iter::once(day.clone()).chain(more);
    candidates
        .find(|base| !taken.contains(base))
        .unwrap_or_else(|| format!("{day}-{}", taken.len()))
}
