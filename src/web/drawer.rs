//! Passwords that the box has just made, kept in memory for a quarter of an hour so that their person can see them, and
//! so that a phone can fetch its settings by a link that nobody can guess.
//!
//! Invariants: nothing here is ever written down; a paper is read by the session's account alone; a link opens one
//! device's paper, and fetching a profile by it uses it up. The table is bounded: the oldest paper goes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Mono;
use crate::mail::ids::{AccountId, DeviceId};
use crate::mail::secret::Secret;

use super::session::Token;

/// How long a paper is kept.
pub const PAPER_LIFE: Duration = Duration::from_mins(15);

/// Most papers at a time.
const PAPERS_MAX: usize = 128;

/// What was made.
#[derive(Clone, Debug)]
pub struct Paper {
    /// Whose password it is.
    pub account: AccountId,
    /// The device whose app password it is; `None` for the account's own.
    pub device: Option<DeviceId>,
    /// The password.
    pub secret: Secret<String>,
}

#[derive(Debug)]
struct Row {
    key: Token,
    reader: AccountId,
    paper: Paper,
    link: Option<Token>,
    put: Mono,
}

/// All papers. Clones are the same drawer.
#[derive(Clone, Debug, Default)]
pub struct Drawer(Arc<Mutex<VecDeque<Row>>>);

impl Drawer {
    /// Keeps a paper for `reader`; what it is found by. `None` if the system gives no random bytes.
    pub fn put(&self, reader: AccountId, paper: Paper, now: Mono) -> Option<Token> {
        let key = Token::new()?;
        let mut rows = self.rows(now);
        while rows.len() >= PAPERS_MAX {
            rows.pop_front();
        }
        rows.push_back(Row {
            key: key.clone(),
            reader,
            paper,
            link: None,
            put: now,
        });
        Some(key)
    }

    /// The paper of that key, if it is this reader's.
    pub fn read(&self, reader: AccountId, key: &str, now: Mono) -> Option<Paper> {
        let rows = self.rows(now);
        let found = rows.iter().find(|row| row.key.is(key))?;
        (found.reader == reader).then(|| found.paper.clone())
    }

    /// A link to the paper of that key: the one that is there while it was not used, else a new one.
    pub fn link(&self, reader: AccountId, key: &str, now: Mono) -> Option<Token> {
        let mut rows = self.rows(now);
        let found = rows.iter_mut().find(|row| row.key.is(key))?;
        if found.reader != reader {
            return None;
        }
        if found.link.is_none() {
            found.link = Token::new();
        }
        found.link.clone()
    }

    /// The paper that a link leads to.
    pub fn follow(&self, link: &str, now: Mono) -> Option<Paper> {
        let rows = self.rows(now);
        let found = rows.iter().find(|row| row.is_linked_by(link))?;
        Some(found.paper.clone())
    }

    /// The paper that a link leads to; the link leads nowhere afterwards.
    pub fn take(&self, link: &str, now: Mono) -> Option<Paper> {
        let mut rows = self.rows(now);
        let found = rows.iter_mut().find(|row| row.is_linked_by(link))?;
        found.link = None;
        Some(found.paper.clone())
    }

    /// Throws away what is about a device that is revoked, or about all of an account.
    pub fn forget(&self, account: AccountId, device: Option<DeviceId>, now: Mono) {
        self.rows(now).retain(|row| {
            row.paper.account != account || (device.is_some() && row.paper.device != device)
        });
    }

    /// The papers whose time is not over.
    fn rows(&self, now: Mono) -> MutexGuard<'_, VecDeque<Row>> {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rows.retain(|row| now.since(row.put) < PAPER_LIFE);
        rows
    }
}

impl Row {
    fn is_linked_by(&self, link: &str) -> bool {
        self.link.as_ref().is_some_and(|own| own.is(link))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: AccountId = AccountId(1);
    const BOB: AccountId = AccountId(2);

    fn at(seconds: u64) -> Mono {
        Mono(Duration::from_secs(seconds))
    }

    fn paper(device: u32) -> Paper {
        Paper {
            account: ANNA,
            device: Some(DeviceId(device)),
            secret: Secret::new("abcd-efgh".to_owned()),
        }
    }

    #[test]
    fn a_paper_is_read_by_one_and_for_a_while() {
        let drawer = Drawer::default();
        let key = drawer.put(ANNA, paper(1), at(0)).unwrap();
        let reads = |reader, seconds| drawer.read(reader, key.expose(), at(seconds)).is_some();
        assert_eq!(
            [reads(ANNA, 1), reads(BOB, 1), reads(ANNA, 899)],
            [true, false, true]
        );
        assert!(drawer.link(BOB, key.expose(), at(1)).is_none());
        assert!(!reads(ANNA, 900));
    }

    #[test]
    fn a_link_leads_there_once() {
        let drawer = Drawer::default();
        let key = drawer.put(ANNA, paper(1), at(0)).unwrap();
        assert!(drawer.follow("", at(1)).is_none());
        let link = drawer.link(ANNA, key.expose(), at(1)).unwrap();
        let again = drawer.link(ANNA, key.expose(), at(2)).unwrap();
        assert_eq!(link.expose(), again.expose());
        assert!(drawer.follow(link.expose(), at(3)).is_some());
        assert!(
            drawer.follow(key.expose(), at(3)).is_none(),
            "the key is no link"
        );
        assert!(drawer.take(link.expose(), at(3)).is_some());
        assert!(drawer.take(link.expose(), at(3)).is_none());
        assert!(drawer.follow(link.expose(), at(3)).is_none());
        let fresh = drawer.link(ANNA, key.expose(), at(4)).unwrap();
        assert!(drawer.take(fresh.expose(), at(900)).is_none(), "too late");
    }

    #[test]
    fn what_is_revoked_is_thrown_away_and_the_drawer_is_bounded() {
        let drawer = Drawer::default();
        let keys: Vec<_> = (0..=u32::try_from(PAPERS_MAX).unwrap())
            .map(|device| drawer.put(ANNA, paper(device), at(0)).unwrap())
            .collect();
        let is_there = |at_index: usize| {
            let key = keys[at_index].expose();
            drawer.read(ANNA, key, at(1)).is_some()
        };
        assert_eq!(
            [is_there(0), is_there(1), is_there(PAPERS_MAX)],
            [false, true, true]
        );
        drawer.forget(ANNA, Some(DeviceId(1)), at(1));
        assert_eq!([is_there(1), is_there(2)], [false, true]);
        drawer.forget(ANNA, None, at(1));
        assert!(!is_there(2));
    }
}
