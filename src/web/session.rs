//! Who is logged in: sessions in memory, found by what a cookie holds.
//!
//! The owner's session for the box and a person's session for mail are apart: each has its own cookie, life and form
//! token, and neither opens the other's pages. The table keeps digests of cookies, not the cookies. It is bounded: the
//! session that was idle for longest makes room for a new one. A restart of the machine logs everyone out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

use crate::clock::Mono;
use crate::mail::ids::AccountId;
use crate::mail::secret::Secret;

/// Most sessions at a time; the one idle for longest goes.
pub const SESSIONS_MAX: usize = 512;

/// Random bytes of a cookie and of a form token.
const RANDOM_BYTES: usize = 32;

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Realm {
    /// The owner's, for the box.
    Box,
    /// A person's, for mail and the own account.
    Mail,
}

impl Realm {
    /// Name of its cookie.
    pub fn cookie(self) -> &'static str {
        match self {
            Self::Box => "heimpost-box",
            Self::Mail => "heimpost-mail",
        }
    }

    /// Without a request for so long, it ends.
    pub fn idle_max(self) -> Duration {
        match self {
            Self::Box => Duration::from_mins(30),
            Self::Mail => Duration::from_hours(14 * 24),
        }
    }

    /// So long after its begin it ends in any case.
    pub fn life_max(self) -> Duration {
        match self {
            Self::Box => Duration::from_hours(12),
            Self::Mail => Duration::from_hours(60 * 24),
        }
    }
}

/// Who has a browser ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A person, who goes to a page or sends a form.
    ByPerson,
    /// The page itself, which keeps up with what changes while perhaps nobody looks at it.
    ByPage,
}

/// A random text that nobody can guess: a cookie's value or a form's token.
#[derive(Clone, Debug)]
pub struct Token(Secret<String>);

impl Token {
    /// A new one; `None` if the system gives no random bytes.
    pub fn new() -> Option<Self> {
        let mut bytes = [0; RANDOM_BYTES];
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(Self(Secret::new(URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// One that came back.
    pub fn from_text(text: &str) -> Self {
        Self(Secret::new(text.to_owned()))
    }

    /// The text.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Whether `text` is it; takes the same time wherever they differ.
    pub fn is(&self, text: &str) -> bool {
        self.expose().as_bytes().ct_eq(text.as_bytes()).into()
    }
}

type Digest = [u8; 32];

fn digest_of(cookie: &str) -> Digest {
    let mut out = [0; 32];
    let made = digest(&SHA256, cookie.as_bytes());
    for (to, from) in out.iter_mut().zip(made.as_ref()) {
        *to = *from;
    }
    out
}

/// A session as a request finds it.
#[derive(Clone, Debug)]
pub struct Session {
    /// Whose.
    pub account: AccountId,
    /// What its forms carry.
    pub form: Token,
    key: Digest,
}

impl Session {
    /// What tells it from all others.
    pub(super) fn key(&self) -> &[u8; 32] {
        &self.key
    }
}

#[derive(Debug)]
struct Row {
    realm: Realm,
    account: AccountId,
    form: Token,
    began: Mono,
    last: Mono,
}

impl Row {
    fn is_over(&self, now: Mono) -> bool {
        now.since(self.last) > self.realm.idle_max()
            || now.since(self.began) > self.realm.life_max()
    }
}

/// All sessions. Clones are the same table.
#[derive(Clone, Debug, Default)]
pub struct Sessions(Arc<Mutex<BTreeMap<Digest, Row>>>);

impl Sessions {
    /// Begins one; the cookie's value. `None` if the system gives no random bytes.
    pub fn begin(&self, realm: Realm, account: AccountId, now: Mono) -> Option<Token> {
        let (cookie, form) = (Token::new()?, Token::new()?);
        let mut rows = self.rows();
        rows.retain(|_, row| !row.is_over(now));
        while rows.len() >= SESSIONS_MAX {
            let idlest = rows.iter().min_by_key(|(_, row)| row.last);
            let Some(key) = idlest.map(|(key, _)| *key) else {
                break;
            };
            rows.remove(&key);
        }
        let row = Row {
            realm,
            account,
            form,
            began: now,
            last: now,
        };
        rows.insert(digest_of(cookie.expose()), row);
        Some(cookie)
    }

    /// The session of a cookie, which lives on by that if it was a person who asked.
    pub fn find(&self, realm: Realm, cookie: &str, asked: Asked, now: Mono) -> Option<Session> {
        let key = digest_of(cookie);
        let mut rows = self.rows();
        let row = rows.get_mut(&key).filter(|row| row.realm == realm)?;
        if row.is_over(now) {
            rows.remove(&key);
            return None;
        }
        if asked == Asked::ByPerson {
            row.last = now;
        }
        Some(Session {
            account: row.account,
            form: row.form.clone(),
            key,
        })
    }

    /// Whether it still goes on; does not make it live on.
    pub fn is_there(&self, realm: Realm, session: &Session, now: Mono) -> bool {
        let rows = self.rows();
        let row = rows.get(&session.key).filter(|row| row.realm == realm);
        row.is_some_and(|row| !row.is_over(now))
    }

    /// Ends one.
    pub fn end(&self, session: &Session) {
        self.rows().remove(&session.key);
    }

    /// Ends all of an account but this one: its password has changed, or it is gone.
    pub fn end_others(&self, account: AccountId, kept: Option<&Session>) {
        let kept = kept.map(|session| session.key);
        self.rows()
            .retain(|key, row| row.account != account || Some(*key) == kept);
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<Digest, Row>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: AccountId = AccountId(1);

    fn at(seconds: u64) -> Mono {
        Mono(Duration::from_secs(seconds))
    }

    #[test]
    fn realms_are_apart() {
        let sessions = Sessions::default();
        let cookie = sessions.begin(Realm::Mail, ANNA, at(0)).unwrap();
        assert!(
            sessions
                .find(Realm::Mail, cookie.expose(), Asked::ByPerson, at(1))
                .is_some()
        );
        assert!(
            sessions
                .find(Realm::Box, cookie.expose(), Asked::ByPerson, at(1))
                .is_none()
        );
        assert!(
            sessions
                .find(Realm::Mail, "guess", Asked::ByPerson, at(1))
                .is_none()
        );
    }

    #[test]
    fn they_end_when_idle_and_when_old() {
        let sessions = Sessions::default();
        let cookie = sessions.begin(Realm::Box, ANNA, at(0)).unwrap();
        let mut now = 0;
        while now < 12 * 3600 {
            assert!(
                sessions
                    .find(Realm::Box, cookie.expose(), Asked::ByPerson, at(now))
                    .is_some(),
                "{now}"
            );
            now += 1800;
        }
        assert!(
            sessions
                .find(Realm::Box, cookie.expose(), Asked::ByPerson, at(now + 1))
                .is_none()
        );
        let cookie = sessions.begin(Realm::Box, ANNA, at(0)).unwrap();
        assert!(
            sessions
                .find(Realm::Box, cookie.expose(), Asked::ByPerson, at(1801))
                .is_none()
        );
    }

    #[test]
    fn a_page_left_open_does_not_keep_it() {
        let sessions = Sessions::default();
        let cookie = sessions.begin(Realm::Box, ANNA, at(0)).unwrap();
        let find = |asked, now| sessions.find(Realm::Box, cookie.expose(), asked, at(now));
        for now in (0..=1800).step_by(60) {
            assert!(find(Asked::ByPage, now).is_some(), "{now}");
        }
        assert!(find(Asked::ByPage, 1801).is_none());
        assert!(find(Asked::ByPerson, 1801).is_none());
    }

    #[test]
    fn a_new_password_ends_the_others() {
        let sessions = Sessions::default();
        let mine = sessions.begin(Realm::Mail, ANNA, at(0)).unwrap();
        let other = sessions.begin(Realm::Mail, ANNA, at(0)).unwrap();
        let bobs = sessions.begin(Realm::Mail, AccountId(2), at(0)).unwrap();
        let kept = sessions
            .find(Realm::Mail, mine.expose(), Asked::ByPerson, at(1))
            .unwrap();
        sessions.end_others(ANNA, Some(&kept));
        let is_there = |cookie: &Token| {
            sessions
                .find(Realm::Mail, cookie.expose(), Asked::ByPerson, at(2))
                .is_some()
        };
        assert_eq!([&mine, &other, &bobs].map(is_there), [true, false, true]);
    }

    #[test]
    fn the_table_is_bounded() {
        let sessions = Sessions::default();
        let first = sessions.begin(Realm::Mail, ANNA, at(0)).unwrap();
        for n in 0..SESSIONS_MAX as u64 {
            sessions.begin(Realm::Mail, ANNA, at(n + 1)).unwrap();
        }
        assert_eq!(sessions.rows().len(), SESSIONS_MAX);
        assert!(
            sessions
                .find(Realm::Mail, first.expose(), Asked::ByPerson, at(600))
                .is_none()
        );
    }
}
