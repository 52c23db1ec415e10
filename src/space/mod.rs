//! One storage state for the whole house: how full the card and each account are, when they will be, and what to do.
//!
//! Every outlet (SMTP, IMAP, POP3, LED, mails, status, metrics, page) takes its value from [`house`] or [`of_account`] and its
//! words from [`words`], so that no two say different things. Nothing is cached: the store's levels are exact and
//! durable. Pure but for reading the store.

pub mod forecast;
pub mod words;

use crate::clock::Now;
use crate::mail::ids::AccountId;
use crate::store::types::{Account, Fill, Level};
use crate::store::{Result, Store};

/// The state of the card or of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
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
    todo!("{store:?} {now:?}")
}

/// What an account feels: its own state, or the card's if that is worse.
pub fn of_account(store: &Store, account: AccountId, now: Now) -> Result<State> {
    todo!("{store:?} {account:?} {now:?}")
}
