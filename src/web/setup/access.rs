//! Who may set the box up: whoever stands before it, or can read the card.
//!
//! A window is open for some minutes after power-on while there is no account, after the button was held, or after the
//! one-time code was typed; the panel knows it and the LED shows it. The first browser that takes a window has it, by a
//! cookie; every other is refused until there is a new window. Wrong codes make their sender wait.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};

use super::code::Code;
use crate::clock::{Mono, Now};
use crate::mail::secret::Secret;
use crate::web::Web;
use crate::web::problem::Problem;
use crate::web::session::Token;
use crate::web::visitor::{Asker, Link, Owner, SameSite, Visitor, cookie, set_cookie};

/// How long a window stays open that a code opened, and how long after each step of whoever has it.
pub(super) const WINDOW: Duration = Duration::from_mins(10);

/// Wrong codes that cost nothing, and what each further one costs at first and at most.
const WRONG_FREE: u32 = 5;
const WAIT_FIRST: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_mins(1);

/// Most addresses whose wrong codes are remembered.
const ADDRESSES_MAX: usize = 256;

/// Who sets up. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Access(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    taken: Option<Taken>,
    /// The window that is there only because there is no account.
    power_on: Option<u64>,
    code: Option<Code>,
    wrong: BTreeMap<IpAddr, Wrong>,
    made: Option<Made>,
    trial: Option<Tried>,
}

/// Whose window it is.
#[derive(Debug)]
struct Taken {
    window: u64,
    cookie: Token,
    form: Token,
    /// Whether the box's account was made here.
    made_account: bool,
}

#[derive(Clone, Copy, Debug)]
struct Wrong {
    count: u32,
    until: Mono,
}

/// A password that was made and has to be shown.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) address: String,
    pub(super) password: Secret<String>,
    /// Where to go when it has been noted.
    pub(super) next: &'static str,
}

/// How the last test mail ended.
#[derive(Clone, Debug)]
pub(super) struct Tried {
    pub(super) works: bool,
    /// What happened, in words.
    pub(super) words: String,
    /// The other side's words.
    pub(super) said: String,
}

/// What a code was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// The one; it is used up.
    Right,
    Wrong,
    /// Too many wrong ones came from there.
    Wait,
}

/// What a visitor finds.
#[derive(Clone, Debug)]
pub(super) enum Door {
    /// No window is open.
    Closed,
    /// One is, and nobody has taken it.
    Open(u64),
    /// Another browser has it.
    Taken,
    /// It is this visitor's.
    Mine(Grant),
}

/// What whoever has the window may do.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    /// What the forms carry.
    pub(super) form: Token,
    /// Whether somebody stands before the box, and may give its owner a new password.
    pub(super) may_reset: bool,
}

/// Whether there are accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accounts {
    None,
    Some,
}

impl Access {
    /// Has the code that `file` holds be good; a new one if it holds none. The same code stays until it is used, since
    /// the file is copied to where writing is a risk. Without the file there is no code.
    pub fn keep_code(&self, file: &Path) {
        self.state().code = Code::kept(file).or_else(|| Code::make(file));
    }

    /// Notes which window is there only as long as there is no account.
    pub fn note_power_on(&self, window: Option<u64>) {
        self.state().power_on = window;
    }

    /// What a visitor with these cookies finds while this window is open.
    pub(super) fn door(
        &self,
        window: Option<u64>,
        headers: &HeaderMap,
        accounts: Accounts,
    ) -> Door {
        let Some(window) = window else {
            return Door::Closed;
        };
        let state = self.state();
        let is_over = accounts == Accounts::Some && state.power_on == Some(window);
        match &state.taken {
            Some(taken) if taken.window == window => {
                if is_over && !taken.made_account {
                    Door::Closed
                } else if taken.is_of(headers) {
                    Door::Mine(Grant {
                        form: taken.form.clone(),
                        may_reset: state.power_on != Some(window),
                    })
                } else {
                    Door::Taken
                }
            }
            Some(_) | None if is_over => Door::Closed,
            Some(_) | None => Door::Open(window),
        }
    }

    /// The account that ends the power-on window for others was made by whoever has it.
    pub(super) fn note_account(&self) {
        if let Some(taken) = &mut self.state().taken {
            taken.made_account = true;
        }
    }

    /// Whether a visitor with these cookies had the window last.
    pub(super) fn was_of(&self, headers: &HeaderMap) -> bool {
        let state = self.state();
        state
            .taken
            .as_ref()
            .is_some_and(|taken| taken.is_of(headers))
    }

    /// Takes a window; the cookie. `None` if another one was quicker.
    pub(super) fn take(&self, window: u64, link: Link) -> Result<Option<HeaderValue>, Problem> {
        let (cookie, form) = Token::new().zip(Token::new()).ok_or(Problem::Broken)?;
        let value = set_cookie(
            (cookie_name(link), cookie.expose()),
            SameSite::Strict,
            None,
            link,
        )?;
        let mut state = self.state();
        if state
            .taken
            .as_ref()
            .is_some_and(|taken| taken.window == window)
        {
            return Ok(None);
        }
        state.made = None;
        state.trial = None;
        state.taken = Some(Taken {
            window,
            cookie,
            form,
            made_account: false,
        });
        Ok(Some(value))
    }

    /// Checks a code; the right one is used up and replaced.
    pub(super) fn try_code(&self, typed: &str, from: IpAddr, now: Now) -> Typed {
        let mut state = self.state();
        if state
            .wrong
            .get(&from)
            .is_some_and(|wrong| now.mono < wrong.until)
        {
            return Typed::Wait;
        }
        if !state.code.as_ref().is_some_and(|code| code.is(typed)) {
            state.charge(from, now.mono);
            return Typed::Wrong;
        }
        state.wrong.remove(&from);
        let used = state.code.take();
        state.code = used.and_then(Code::renew);
        Typed::Right
    }

    pub(super) fn keep_made(&self, made: Option<Made>) {
        self.state().made = made;
    }

    pub(super) fn made(&self) -> Option<Made> {
        self.state().made.clone()
    }

    pub(super) fn keep_trial(&self, tried: Option<Tried>) {
        self.state().trial = tried;
    }

    pub(super) fn trial(&self) -> Option<Tried> {
        self.state().trial.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn is_of(&self, headers: &HeaderMap) -> bool {
        let mut names = [COOKIE_IN_PLAIN, COOKIE].into_iter();
        names.any(|name| cookie(headers, name).is_some_and(|value| self.cookie.is(value)))
    }
}

impl State {
    fn charge(&mut self, from: IpAddr, now: Mono) {
        if self.wrong.len() >= ADDRESSES_MAX && !self.wrong.contains_key(&from) {
            self.wrong.pop_first();
        }
        let wrong = self.wrong.entry(from).or_insert(Wrong {
            count: 0,
            until: now,
        });
        wrong.count = wrong.count.saturating_add(1);
        if let Some(over) = wrong.count.checked_sub(WRONG_FREE) {
            let wait = WAIT_FIRST.saturating_mul(1 << over.min(16));
            wrong.until = now + wait.min(WAIT_MAX);
        }
    }
}

/// A cookie that came behind TLS cannot be replaced by one in plain, so each has its own.
const COOKIE: &str = "heimpost-setup";
const COOKIE_IN_PLAIN: &str = "heimpost-setup-plain";

fn cookie_name(link: Link) -> &'static str {
    if link.tls { COOKIE } else { COOKIE_IN_PLAIN }
}

/// Somebody who may set the box up: has the window, or is the owner.
#[derive(Clone, Debug)]
pub(super) struct Setter {
    pub(super) visitor: Visitor,
    pub(super) form: Token,
}

impl Asker for Setter {
    fn form(&self) -> &Token {
        &self.form
    }
}

impl FromRequestParts<Web> for Setter {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let visitor = Visitor::from_request_parts(parts, web).await?;
        if let Door::Mine(grant) = door(web, &parts.headers).await? {
            extend(web);
            let form = grant.form;
            return Ok(Self { visitor, form });
        }
        let owner = Owner::from_request_parts(parts, web).await;
        let owner = owner.map_err(|_| Problem::Elsewhere("/setup".to_owned()))?;
        Ok(Self {
            visitor,
            form: owner.session.form,
        })
    }
}

/// Somebody who stands before the box, or has its code: may give its owner a new password.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    pub(super) visitor: Visitor,
    pub(super) form: Token,
}

impl Asker for Holder {
    fn form(&self) -> &Token {
        &self.form
    }
}

impl FromRequestParts<Web> for Holder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let visitor = Visitor::from_request_parts(parts, web).await?;
        match door(web, &parts.headers).await? {
            Door::Mine(Grant {
                form,
                may_reset: true,
            }) => Ok(Self { visitor, form }),
            Door::Mine(_) | Door::Open(_) | Door::Taken | Door::Closed => {
                Err(Problem::Elsewhere("/forgot".to_owned()))
            }
        }
    }
}

/// What a visitor with these cookies finds now.
pub(super) async fn door(web: &Web, headers: &HeaderMap) -> Result<Door, Problem> {
    let now = web.now().mono;
    let panel = &web.sources.panel;
    let window = panel.change(|policy| policy.setup_window(now));
    if window.is_none() {
        return Ok(Door::Closed);
    }
    let accounts = web.run(|sources, _| Ok(sources.store.snapshot()?.accounts()?));
    let accounts = if accounts.await?.is_empty() {
        Accounts::None
    } else {
        Accounts::Some
    };
    Ok(web.sources.kept.setup.door(window, headers, accounts))
}

/// Whoever has the window gets time for the next page.
fn extend(web: &Web) {
    let until = web.now().mono + WINDOW;
    let panel = &web.sources.panel;
    panel.change(|policy| policy.extend_setup(until));
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::clock::{Clock, Wall};

    fn headers(cookie: &HeaderValue) -> HeaderMap {
        let pair = cookie
            .to_str()
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        let mut headers = HeaderMap::new();
        headers.insert("cookie", pair.parse().unwrap());
        headers
    }

    fn link(tls: bool) -> Link {
        Link {
            peer: "192.0.2.1:1".parse().unwrap(),
            tls,
        }
    }

    #[test]
    fn a_window_is_the_first_browsers() {
        let access = Access::default();
        let nobody = HeaderMap::new();
        let door = |window, headers| access.door(window, headers, Accounts::Some);
        assert!(matches!(door(None, &nobody), Door::Closed));
        assert!(matches!(door(Some(1), &nobody), Door::Open(1)));
        let cookie = access.take(1, link(false)).unwrap().unwrap();
        assert!(access.take(1, link(true)).unwrap().is_none());
        let first = headers(&cookie);
        assert!(matches!(
            door(Some(1), &first),
            Door::Mine(Grant {
                may_reset: true,
                ..
            })
        ));
        assert!(matches!(door(Some(1), &nobody), Door::Taken));
        assert!(matches!(door(None, &first), Door::Closed));
        // A new window is anybody's.
        assert!(matches!(door(Some(2), &first), Door::Open(2)));
        assert!(access.was_of(&first));
        let cookie = access.take(2, link(true)).unwrap().unwrap();
        assert!(!access.was_of(&first) && access.was_of(&headers(&cookie)));
    }

    #[test]
    fn the_first_account_ends_the_power_on_window_for_others() {
        let access = Access::default();
        access.note_power_on(Some(1));
        let nobody = HeaderMap::new();
        let door = |headers, accounts| access.door(Some(1), headers, accounts);
        assert!(matches!(door(&nobody, Accounts::None), Door::Open(1)));
        assert!(matches!(door(&nobody, Accounts::Some), Door::Closed));
        let mine = headers(&access.take(1, link(false)).unwrap().unwrap());
        let is_mine = |found| {
            matches!(
                found,
                Door::Mine(Grant {
                    may_reset: false,
                    ..
                })
            )
        };
        assert!(is_mine(door(&mine, Accounts::None)));
        // Somebody else made it.
        assert!(matches!(door(&mine, Accounts::Some), Door::Closed));
        access.note_account();
        assert!(is_mine(door(&mine, Accounts::Some)));
    }

    #[test]
    fn a_code_is_good_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("setup-code.txt");
        let (access, now) = (Access::default(), Clock::virtual_at(Wall::FLOOR).now());
        let from = "192.0.2.1".parse().unwrap();
        assert_eq!(access.try_code("", from, now), Typed::Wrong);
        access.keep_code(&file);
        let read = || {
            fs::read_to_string(&file)
                .unwrap()
                .lines()
                .next()
                .unwrap()
                .to_owned()
        };
        let code = read();
        assert_eq!(code.len(), 14, "{code}");
        let typed = code.to_lowercase().replace('-', " ");
        assert_eq!(access.try_code(&typed, from, now), Typed::Right);
        assert_eq!(access.try_code(&code, from, now), Typed::Wrong);
        assert_ne!(read(), code);
    }

    #[test]
    fn a_code_lasts_over_starts_until_it_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("setup-code.txt");
        let (now, from) = (
            Clock::virtual_at(Wall::FLOOR).now(),
            "192.0.2.1".parse().unwrap(),
        );
        let started = || {
            let access = Access::default();
            access.keep_code(&file);
            (access, fs::read_to_string(&file).unwrap())
        };
        let (_, first) = started();
        let (access, again) = started();
        assert_eq!(again, first);
        let code = first.lines().next().unwrap();
        assert_eq!(access.try_code(code, from, now), Typed::Right);
        let (access, next) = started();
        assert_ne!(next, first);
        assert_eq!(access.try_code(code, from, now), Typed::Wrong);
    }

    #[test]
    fn guessing_costs_time() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("code.txt");
        let (access, clock) = (Access::default(), Clock::virtual_at(Wall::FLOOR));
        access.keep_code(&file);
        let from: IpAddr = "192.0.2.1".parse().unwrap();
        let code = fs::read_to_string(&file).unwrap();
        let code = code.lines().next().unwrap();
        for _ in 0..WRONG_FREE {
            assert_eq!(access.try_code("AAAA", from, clock.now()), Typed::Wrong);
        }
        assert_eq!(access.try_code(code, from, clock.now()), Typed::Wait);
        let other = "192.0.2.2".parse().unwrap();
        assert_eq!(access.try_code("AAAA", other, clock.now()), Typed::Wrong);
        clock.advance(WAIT_FIRST);
        assert_eq!(access.try_code(code, from, clock.now()), Typed::Right);
    }
}
