//! Who asks: anyone ([`Visitor`]), a person who logged in for mail ([`Person`]), the owner who logged in for the box
//! ([`Owner`]). Handlers take them as arguments, so a page that forgets to ask is not there.

use std::net::{IpAddr, SocketAddr};

use axum::extract::FromRequestParts;
use axum::http::header::{ACCEPT, COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Web;
use super::problem::Problem;
use super::session::{Asked, Realm, Session, Token};
use super::words::Lang;
use crate::auth::Via;
use crate::store::types::Account;

/// Header of requests that a live page makes by itself.
pub const LIVE: &str = "x-live";

/// The connection that a request came over.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// The other side.
    pub peer: SocketAddr,
    /// Whether it is behind TLS.
    pub tls: bool,
}

impl Link {
    /// Whether passwords may cross it: behind TLS, or not leaving this machine.
    pub fn is_private(&self) -> bool {
        self.tls || self.peer.ip().to_canonical().is_loopback()
    }
}

/// Anyone.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Language of the pages.
    pub lang: Lang,
    /// The connection.
    pub link: Link,
    /// Host that was asked for, without port.
    pub host: String,
    /// Path and query that were asked for.
    pub path: String,
    /// What forms carry that need no session.
    pub form: Token,
    /// What [`Web::changes`] said before anything was read for the answer; `None` for what cannot be asked for again.
    pub changes: Option<u64>,
}

impl Visitor {
    /// Where from.
    pub fn address(&self) -> IpAddr {
        self.link.peer.ip().to_canonical()
    }

    /// How a login of this one is remembered.
    pub fn via(&self) -> Via {
        let tls = if self.link.tls { "TLS" } else { "" };
        Via {
            protocol: "Web",
            tls: tls.to_owned(),
        }
    }
}

impl FromRequestParts<Web> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Web) -> Result<Self, Problem> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or(Problem::Broken)
    }
}

/// A person who logged in for mail and the own account.
#[derive(Clone, Debug)]
pub struct Person {
    /// As anyone.
    pub visitor: Visitor,
    /// The session.
    pub session: Session,
    /// The account.
    pub account: Account,
}

/// The owner, who logged in for the box.
#[derive(Clone, Debug)]
pub struct Owner {
    /// As anyone.
    pub visitor: Visitor,
    /// The session.
    pub session: Session,
    /// The owner's account.
    pub account: Account,
}

/// Who sends a form: knows the token that it must carry.
pub trait Asker: FromRequestParts<Web, Rejection = Problem> + Send {
    /// What this one's forms carry.
    fn form(&self) -> &Token;
}

impl Asker for Visitor {
    fn form(&self) -> &Token {
        &self.form
    }
}

impl Asker for Person {
    fn form(&self) -> &Token {
        &self.session.form
    }
}

impl Asker for Owner {
    fn form(&self) -> &Token {
        &self.session.form
    }
}

impl FromRequestParts<Web> for Person {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let visitor = Visitor::from_request_parts(parts, web).await?;
        let (session, account) = logged_in(Realm::Mail, &visitor, &parts.headers, web).await?;
        Ok(Self {
            visitor,
            session,
            account,
        })
    }
}

impl FromRequestParts<Web> for Owner {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let visitor = Visitor::from_request_parts(parts, web).await?;
        let (session, account) = logged_in(Realm::Box, &visitor, &parts.headers, web).await?;
        if !account.owner {
            web.sources.kept.sessions.end(&session);
            return Err(Problem::Forbidden("not the owner"));
        }
        Ok(Self {
            visitor,
            session,
            account,
        })
    }
}

async fn logged_in(
    realm: Realm,
    visitor: &Visitor,
    headers: &HeaderMap,
    web: &Web,
) -> Result<(Session, Account), Problem> {
    let to_login = || Problem::Elsewhere(login_path(realm, &visitor.path));
    let cookie = cookie(headers, realm.cookie()).ok_or_else(to_login)?;
    let sessions = &web.sources.kept.sessions;
    let session = sessions.find(realm, cookie, asked(headers), web.now().mono);
    let session = session.ok_or_else(to_login)?;
    let id = session.account;
    let account = web.run(move |sources, _| Ok(sources.store.snapshot()?.account(id)?));
    if let Some(account) = account.await? {
        Ok((session, account))
    } else {
        sessions.end(&session);
        Err(to_login())
    }
}

/// The script of a live page says of its own requests that they are; browsers say so of event streams, which they open
/// again and again.
fn asked(headers: &HeaderMap) -> Asked {
    let accepted = headers.get(ACCEPT).map(HeaderValue::as_bytes);
    if headers.contains_key(LIVE) || accepted == Some(b"text/event-stream") {
        Asked::ByPage
    } else {
        Asked::ByPerson
    }
}

/// Where to log in, coming back to `path` afterwards.
pub fn login_path(realm: Realm, path: &str) -> String {
    let page = match realm {
        Realm::Box => "/box/login",
        Realm::Mail => "/login",
    };
    let back = utf8_percent_encode(path, NON_ALPHANUMERIC);
    format!("{page}?to={back}")
}

/// The value of a cookie (RFC 6265 4.2.1).
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(COOKIE).into_iter();
    let pairs = all
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'));
    let mut named = pairs.filter_map(|pair| pair.trim().split_once('='));
    named.find_map(|(found, value)| (found == name).then_some(value))
}

/// How far a cookie goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Never sent from a page of another site, links included.
    Strict,
    /// Sent when a link of another site is followed.
    Lax,
}

/// A `Set-Cookie` value for as long as the browser runs, or for `max_age` seconds; 0 removes it.
pub fn set_cookie(
    (name, value): (&str, &str),
    same_site: SameSite,
    max_age: Option<u64>,
    link: Link,
) -> Result<HeaderValue, Problem> {
    let secure = if link.tls { "; Secure" } else { "" };
    let age = max_age
        .map(|seconds| format!("; Max-Age={seconds}"))
        .unwrap_or_default();
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite={same_site:?}{secure}{age}");
    HeaderValue::from_str(&text).map_err(|_| Problem::Broken)
}
