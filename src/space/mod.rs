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

/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;

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
    let today = now.wall.map(|wall| wall.0.div_euclid(DAY_SECONDS));
    let today = today.and_then(|day| u32::try_from(day).ok());
    let (Some(today), Some(limit)) = (today, fill.limit) else {
        return Ok(None);
    };
    let samples = snapshot.growth(subject)?;
    Ok(forecast::days_left(&samples, today, fill.used, limit))
}
