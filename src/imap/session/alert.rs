//! `* OK [ALERT] text`: the storage state, told once per session and level.
//!
//! After login if there is anything to say, and whenever a level is reached that is worse than any told in this session.
//! In the account's language, in ASCII (RFC 3501 7.1: `resp-text`).

use crate::clock::Now;
use crate::imap::session::ImapSession;
use crate::imap::session::state::User;
use crate::imap::syntax::render::status;
use crate::imap::syntax::response::{Code, Completion};
use crate::space::{self, State, words};
use crate::store::types::{Account, Level};
use crate::store::{self, Store};

/// What a session told of levels.
#[derive(Debug)]
pub struct Alerts {
    /// The worst level that was told.
    told: Level,
    /// Whether a level may have changed since the last look.
    pub(super) heard: bool,
}

impl Default for Alerts {
    /// Nothing told, and a look due.
    fn default() -> Self {
        Self {
            told: Level::Ok,
            heard: true,
        }
    }
}

impl ImapSession {
    /// Looks at the state if it may have changed, and tells it if it is worse than what was told.
    pub(super) fn alert(&mut self, out: &mut Vec<u8>, now: Now) {
        let Some(user) = self.state.user_mut() else {
            return;
        };
        if !std::mem::take(&mut user.alerts.heard) {
            return;
        }
        match worse(user, &self.services.store, now) {
            Ok(Some((state, account))) => {
                user.alerts.told = state.fill.level;
                if let Some(text) = words::alert(&state, &account, account.language) {
                    status::untagged(out, &Completion::ok(text).with(Code::Alert));
                }
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the storage state cannot be read"),
        }
    }
}

/// The state, if it is worse than what was told.
fn worse(user: &User, store: &Store, now: Now) -> store::Result<Option<(State, Account)>> {
    let state = space::of_account(store, user.account, now)?;
    if state.fill.level <= user.alerts.told {
        return Ok(None);
    }
    let account = store.snapshot()?.account(user.account)?;
    Ok(account.map(|account| (state, account)))
}
