//! One storage state for the whole house: how full the card and each account are, when they will be, and what to do.
//!
//! Every outlet (SMTP, IMAP, POP3, LED, mails, status, metrics, page) takes its value from [`house`] or [`of_account`] and its
//! words from [`words`], so that no two say different things. Nothing is cached: the store's levels are exact and
//! durable. Pure but for reading the store.

pub mod forecast;
pub mod letter;
pub mod words;

use crate::clock::Now;
use crate::mail::ids::AccountId;
use crate::store::types::{Account, Fill, Level, Subject};
use crate::store::{Result, Snapshot, Store};

/// The state of the card or of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// What this is about.
    pub subject: Subject,
    /// How full it is.
    pub fill: Fill,
    /// Days until it is full, if it goes on growing as in the last weeks; `None` if it does not grow, the clock is not
    /// set, or too little is known.
    pub days_left: Option<u32>,
}

/// The state of the whole house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct House {
    /// The card.
    pub card: State,
    /// Every account.
    pub accounts: Vec<(Account, State)>,
}

impl House {
    /// The worst level of all: what the LED shows.
    pub fn level(&self) -> Level {
        let levels = self.accounts.iter().map(|(_, state)| state.fill.level);
        levels.fold(self.card.fill.level, Level::max)
    }
}

/// The state of everything.
pub fn house(store: &Store, now: Now) -> Result<House> {
    let (card, fills) = (store.fill(Subject::Card)?, store.fills()?);
    let snapshot = store.snapshot()?;
    let mut accounts = Vec::with_capacity(fills.len());
    for (id, fill) in fills {
        // One that was removed meanwhile has no state.
        if let Some(account) = snapshot.account(id)? {
            accounts.push((account, state(&snapshot, Subject::Account(id), fill, now)?));
        }
    }
    Ok(House {
        card: state(&snapshot, Subject::Card, card, now)?,
        accounts,
    })
}

/// The state of one subject.
pub fn of(store: &Store, subject: Subject, now: Now) -> Result<State> {
    let fill = store.fill(subject)?;
    state(&store.snapshot()?, subject, fill, now)
}

/// What an account feels: its own state, or the card's if that is worse.
///
/// [`crate::store::Error::NotFound`] if the account is gone.
pub fn of_account(store: &Store, account: AccountId, now: Now) -> Result<State> {
    let own = Subject::Account(account);
    let (own_fill, card_fill) = (store.fill(own)?, store.fill(Subject::Card)?);
    let snapshot = store.snapshot()?;
    if card_fill.level > own_fill.level {
        state(&snapshot, Subject::Card, card_fill, now)
    } else {
        state(&snapshot, own, own_fill, now)
    }
}

fn state(snapshot: &Snapshot, subject: Subject, fill: Fill, now: Now) -> Result<State> {
    Ok(State {
        subject,
        fill,
        days_left: days_left(snapshot, subject, fill, now)?,
    })
}

fn days_left(snapshot: &Snapshot, subject: Subject, fill: Fill, now: Now) -> Result<Option<u32>> {
    let today = now.wall.and_then(|wall| u32::try_from(wall.day()).ok());
    let (Some(today), Some(limit)) = (today, fill.limit) else {
        return Ok(None);
    };
    let samples = snapshot.growth(subject)?;
    Ok(forecast::days_left(&samples, today, fill.used, limit))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock, Wall};
    use crate::delivery::notice::{Notice, compose};
    use crate::mail::address::{Address, Domain};
    use crate::store::types::Language;
    use crate::store::{NewAccount, Options};

    const MB: u64 = 1 << 20;

    struct House {
        store: Store,
        clock: Clock,
        anna: Account,
    }

    fn house_of(capacity: Option<u64>) -> House {
        let clock = Clock::virtual_at(Wall(1_800_000_000));
        let store = Store::in_memory(&Options {
            capacity_bytes_max: capacity,
            quota_default_bytes: Some(30 * MB),
            ..Options::default()
        });
        let store = store.unwrap();
        let new = NewAccount {
            address: Address::parse("anna@home.test").unwrap(),
            owner: true,
            language: Language::En,
            quota_bytes: None,
        };
        let anna = store.add_account(&new, clock.now()).unwrap();
        House { store, clock, anna }
    }

    impl House {
        /// A day on which about a megabyte of mail comes.
        fn a_day_passes(&self) {
            let now = self.clock.now();
            self.store.note_growth(now).unwrap();
            let notice = Notice {
                to: &self.anna,
                subject: "a",
                text: &"b".repeat(1 << 20),
            };
            let domain = Domain::parse("home.test").unwrap();
            let mail = compose(&self.store, &domain, &notice, now).unwrap();
            self.store.append_all(vec![mail], now).unwrap();
            self.clock.advance(Duration::from_hours(24));
        }

        fn felt(&self) -> State {
            of_account(&self.store, self.anna.id, self.clock.now()).unwrap()
        }
    }

    #[test]
    fn a_forecast_takes_some_days() {
        let house = house_of(None);
        let own = Subject::Account(house.anna.id);
        let mut days = Vec::new();
        for _ in 0..9 {
            days.push(house.felt().days_left);
            house.a_day_passes();
        }
        // On the third day the ends of the day before the first and of the first are known, and what is in use now.
        assert_eq!(days.iter().position(Option::is_some), Some(2));
        let felt = house.felt();
        assert_eq!(felt.subject, own);
        let left = felt.days_left.unwrap();
        assert!((18..=26).contains(&left), "{left}");
        let unset = Now {
            wall: None,
            ..house.clock.now()
        };
        assert_eq!(of(&house.store, own, unset).unwrap().days_left, None);
        assert_eq!(of(&house.store, own, house.clock.now()).unwrap(), felt);
    }

    #[test]
    fn an_account_feels_the_card_if_that_is_worse() {
        let house = house_of(Some(1));
        assert_eq!(house.felt().subject, Subject::Card);
        assert_eq!(house.felt().fill.level, Level::Full);
        let all = super::house(&house.store, house.clock.now()).unwrap();
        assert_eq!(all.level(), Level::Full);
        assert_eq!(all.card, house.felt());
        let (account, own) = all.accounts.first().unwrap();
        assert_eq!((account, own.fill.level), (&house.anna, Level::Ok));
    }
}
