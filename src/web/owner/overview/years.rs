//! Room that mail takes by its year, counted in the background and kept until mail has come or gone.
//!
//! Counting reads every record, which takes seconds on a board with 100,000 mails; pages show what was counted last,
//! and hear of a new count over their event stream. One count at a time, and rarely.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::task::spawn_blocking;

use crate::clock::{Mono, Wall};
use crate::mail::ids::Uid;
use crate::space::House;
use crate::store::{self, Store};
use crate::web::Web;

/// Messages that are read in one transaction.
const BATCH: usize = 512;

/// Time between two counts.
const INTERVAL: Duration = Duration::from_mins(10);

/// Bytes by year.
type ByYear = BTreeMap<i16, u64>;

/// What was counted last. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub(in crate::web) struct Years(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    known: ByYear,
    /// Bytes of all accounts when it was counted, and when that was.
    counted: Option<(u64, Mono)>,
    is_counting: bool,
}

impl Years {
    /// What was counted last; empty before that.
    pub(super) fn known(&self) -> ByYear {
        self.lock().known.clone()
    }

    /// Counts in the background if mail has come or gone since the last count.
    pub(super) fn look(&self, web: &Web, house: &House) {
        let used = house
            .accounts
            .iter()
            .map(|(_, state)| state.fill.used)
            .sum();
        let now = web.now().mono;
        if !self.begin(used, now) {
            return;
        }
        let (years, web) = (self.clone(), web.clone());
        drop(spawn_blocking(move || {
            let counting = Counting(&years);
            match count(&web.sources.store, &web.sources.settings.time_zone) {
                Ok(by_year) => {
                    let mut state = counting.0.lock();
                    state.known = by_year;
                    state.counted = Some((used, now));
                }
                Err(error) => tracing::warn!(%error, "mail was not counted by year"),
            }
            drop(counting);
            web.hub.tell();
        }));
    }

    fn begin(&self, used: u64, now: Mono) -> bool {
        let mut state = self.lock();
        let is_due = match state.counted {
            None => true,
            Some((known, at)) => known != used && now.since(at) >= INTERVAL,
        };
        let begins = is_due && !state.is_counting;
        state.is_counting |= begins;
        begins
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A count under way.
struct Counting<'a>(&'a Years);

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        self.0.lock().is_counting = false;
    }
}

fn count(store: &Store, zone: &TimeZone) -> store::Result<ByYear> {
    let mut by_year = ByYear::new();
    for account in store.snapshot()?.accounts()? {
        for mailbox in store.snapshot()?.mailboxes(account.id)? {
            let rows = store.snapshot()?.rows(mailbox.id, Uid::MIN, Uid::MAX)?;
            for batch in rows.chunks(BATCH) {
                let snapshot = store.snapshot()?;
                for row in batch {
                    if let Some(record) = snapshot.record(row.serial)? {
                        *by_year.entry(year(record.internal_date, zone)).or_default() +=
                            record.bytes;
                    }
                }
            }
        }
    }
    Ok(by_year)
}

fn year(wall: Wall, zone: &TimeZone) -> i16 {
    let stamp = Timestamp::from_second(wall.0).unwrap_or_default();
    stamp.to_zoned(zone.clone()).year()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_count_at_a_time_and_only_when_mail_moved() {
        let years = Years::default();
        let at = |minutes| Mono(Duration::from_mins(minutes));
        assert!(years.begin(5, at(0)));
        assert!(!years.begin(5, at(0)), "one is under way");
        drop(Counting(&years));
        years.lock().counted = Some((5, at(0)));
        assert!(!years.begin(5, at(60)), "nothing has moved");
        assert!(!years.begin(6, at(1)), "too soon");
        assert!(years.begin(6, at(10)));
    }
}
