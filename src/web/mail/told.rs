//! What was done a moment ago, so that the next page can tell it and it can be undone.
//!
//! Remembered in memory for each session, and bounded: the oldest goes first. A number in the address of the page names
//! the entry; there is nothing else in it, so that no address can put words into our mouth. Nobody finds what another
//! session did.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Mono;
use crate::mail::flags::{Keyword, SystemFlags};
use crate::mail::ids::{MailboxId, Uid};
use crate::store::types::FlagAction;
use crate::web::session::Session;

/// How long a deed can be undone.
pub(super) const UNDO_TIME: Duration = Duration::from_mins(10);

/// Most deeds remembered, of all sessions together.
const REMEMBERED_MAX: usize = 256;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Nothing was picked, or all of it was gone already.
    Nothing,
    /// So many messages were moved to the mailbox of that name.
    Moved(usize, String),
    /// So many messages have flags like this now.
    Flagged(usize, FlagAction, SystemFlags),
    /// So many messages are gone for good.
    Deleted(usize),
    /// So many messages are back where they were, and so many were not where they had been moved to.
    Undone(usize, usize),
    /// It was too late.
    TooLate,
    /// A mail was sent; whether some of it waits for other hosts.
    Sent(Elsewhere),
    /// A draft was thrown away.
    Discarded,
    /// A mailbox was made, renamed or deleted.
    Mailboxes(MailboxDeed),
}

/// Whether a mail goes to other hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Elsewhere {
    No,
    Waits,
}

/// What was done with a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MailboxDeed {
    Made,
    Renamed,
    Deleted,
}

/// One move of messages, as they are found where they went to.
#[derive(Clone, Debug)]
pub(super) struct Move {
    pub(super) from: MailboxId,
    pub(super) to: MailboxId,
    pub(super) uids: Vec<Uid>,
    /// Keywords that the move has set or taken away, of those messages that it made a difference to.
    pub(super) marks: Vec<(FlagAction, Keyword, Vec<Uid>)>,
}

/// A deed as it is remembered.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) number: u64,
    pub(super) what: What,
    pub(super) moves: Vec<Move>,
    session: [u8; 32],
    at: Mono,
}

impl Done {
    /// Whether there is something to undo.
    pub(super) fn can_be_undone(&self) -> bool {
        !self.moves.is_empty()
    }
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    done: VecDeque<Done>,
}

/// All that is remembered. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub(in crate::web) struct Told(Arc<Mutex<Table>>);

impl Told {
    /// Remembers a deed; its number.
    pub(super) fn remember(
        &self,
        session: &Session,
        what: What,
        moves: Vec<Move>,
        now: Mono,
    ) -> u64 {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.done.retain(|done| now.since(done.at) <= UNDO_TIME);
        while table.done.len() >= REMEMBERED_MAX {
            table.done.pop_front();
        }
        table.next += 1;
        let number = table.next;
        table.done.push_back(Done {
            number,
            what,
            moves,
            session: *session.key(),
            at: now,
        });
        number
    }

    /// The deed of that number, if this session did it and it is not too long ago.
    pub(super) fn find(&self, session: &Session, number: u64, now: Mono) -> Option<Done> {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = table.done.iter();
        all.find(|done| is_it(done, session, number, now)).cloned()
    }

    /// The same, and it is forgotten: nothing is undone twice.
    pub(super) fn take(&self, session: &Session, number: u64, now: Mono) -> Option<Done> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = table.done.iter();
        let place = all.position(|done| is_it(done, session, number, now))?;
        table.done.remove(place)
    }
}

fn is_it(done: &Done, session: &Session, number: u64, now: Mono) -> bool {
    done.number == number && done.session == *session.key() && now.since(done.at) <= UNDO_TIME
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::ids::AccountId;
    use crate::web::session::{Asked, Realm, Sessions};

    fn at(seconds: u64) -> Mono {
        Mono(Duration::from_secs(seconds))
    }

    fn session(sessions: &Sessions) -> Session {
        let cookie = sessions.begin(Realm::Mail, AccountId(1), at(0)).unwrap();
        sessions
            .find(Realm::Mail, cookie.expose(), Asked::ByPerson, at(0))
            .unwrap()
    }

    #[test]
    fn each_session_finds_its_own_for_ten_minutes() {
        let sessions = Sessions::default();
        let (mine, other) = (session(&sessions), session(&sessions));
        let told = Told::default();
        let number = told.remember(&mine, What::Deleted(2), Vec::new(), at(0));
        let found = |who: &Session, seconds| told.find(who, number, at(seconds)).is_some();
        assert_eq!((found(&mine, 600), found(&mine, 601)), (true, false));
        assert!(!found(&other, 1));
        assert!(told.take(&other, number, at(1)).is_none());
        assert!(told.take(&mine, number, at(1)).is_some());
        assert!(!found(&mine, 2));
    }

    #[test]
    fn the_oldest_goes_first() {
        let sessions = Sessions::default();
        let mine = session(&sessions);
        let told = Told::default();
        let first = told.remember(&mine, What::Nothing, Vec::new(), at(0));
        for _ in 0..REMEMBERED_MAX {
            told.remember(&mine, What::Nothing, Vec::new(), at(0));
        }
        assert!(told.find(&mine, first, at(0)).is_none());
        assert!(told.find(&mine, first + 1, at(0)).is_some());
    }
}
