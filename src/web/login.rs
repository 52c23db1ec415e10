//! Logging in and out: for mail (`/login`), and as the owner for the box (`/box/login`).
//!
//! Only an account's own password opens a page; app passwords are for devices. Failures are throttled with those of the
//! mail protocols, and told with the same words whether the name exists or not.

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::html;
use serde::Deserialize;

use super::Web;
use super::form::{Nothing, Posted};
use super::layout::Frame;
use super::parts::{Field, Tone, notice};
use super::problem::Problem;
use super::session::Realm;
use super::visitor::{Owner, Person, SameSite, Visitor, set_cookie};
use super::words::Lang;
use crate::auth::{Identity, Outcome, Request};
use crate::mail::ids::AccountId;
use crate::mail::secret::Secret;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/login", get(ask_person).post(let_person_in))
        .route("/logout", post(let_person_out))
        .route("/box/login", get(ask_owner).post(let_owner_in))
        .route("/box/logout", post(let_owner_out))
}

#[derive(Debug, Default, Deserialize)]
struct Back {
    #[serde(default)]
    to: String,
}

#[derive(Debug, Deserialize)]
struct Credentials {
    address: String,
    password: String,
    #[serde(default)]
    to: String,
}

/// Why somebody was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Denied,
    Throttled,
    Unavailable,
    NotOwner,
}

impl Refusal {
    fn in_words(self, lang: Lang) -> &'static str {
        match self {
            Self::Denied => lang.t(
                "Adresse oder Passwort stimmt nicht. App-Passwörter gelten hier nicht.",
                "Address or password is wrong. App passwords do not count here.",
            ),
            Self::Throttled => lang.t(
                "Zu viele Versuche. Warten Sie ein paar Minuten.",
                "Too many attempts. Wait a few minutes.",
            ),
            Self::Unavailable => lang.t(
                "Das lässt sich gerade nicht prüfen. Versuchen Sie es gleich noch einmal.",
                "This cannot be checked right now. Try again in a moment.",
            ),
            Self::NotOwner => lang.t(
                "Dieses Konto verwaltet die Box nicht.",
                "This account does not manage the box.",
            ),
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Denied | Self::NotOwner => StatusCode::FORBIDDEN,
            Self::Throttled => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

async fn ask_person(visitor: Visitor, Query(back): Query<Back>) -> Response {
    ask(Realm::Mail, &visitor, "", &back.to, None)
}

async fn ask_owner(visitor: Visitor, Query(back): Query<Back>) -> Response {
    ask(Realm::Box, &visitor, "", &back.to, None)
}

async fn let_person_in(
    State(web): State<Web>,
    Posted(visitor, given): Posted<Visitor, Credentials>,
) -> Result<Response, Problem> {
    let_in(Realm::Mail, &web, &visitor, given).await
}

async fn let_owner_in(
    State(web): State<Web>,
    Posted(visitor, given): Posted<Visitor, Credentials>,
) -> Result<Response, Problem> {
    let_in(Realm::Box, &web, &visitor, given).await
}

async fn let_person_out(
    State(web): State<Web>,
    Posted(person, Nothing {}): Posted<Person, Nothing>,
) -> Result<Response, Problem> {
    web.sources.kept.sessions.end(&person.session);
    gone(Realm::Mail, &person.visitor)
}

async fn let_owner_out(
    State(web): State<Web>,
    Posted(owner, Nothing {}): Posted<Owner, Nothing>,
) -> Result<Response, Problem> {
    web.sources.kept.sessions.end(&owner.session);
    gone(Realm::Box, &owner.visitor)
}

fn gone(realm: Realm, visitor: &Visitor) -> Result<Response, Problem> {
    let cookie = set_cookie(
        (realm.cookie(), ""),
        SameSite::Strict,
        Some(0),
        visitor.link,
    )?;
    Ok((
        StatusCode::SEE_OTHER,
        [(SET_COOKIE, cookie)],
        [(LOCATION, "/")],
    )
        .into_response())
}

async fn let_in(
    realm: Realm,
    web: &Web,
    visitor: &Visitor,
    given: Credentials,
) -> Result<Response, Problem> {
    let refused = |refusal| {
        Ok(ask(
            realm,
            visitor,
            &given.address,
            &given.to,
            Some(refusal),
        ))
    };
    let request = Request::Password {
        login: given.address.trim().to_owned(),
        password: Secret::new(given.password.clone()),
        from: visitor.address(),
    };
    let account = match web.sources.gate.pass(request, visitor.via()).await {
        Outcome::Granted(Identity {
            account,
            device: None,
            ..
        }) => account,
        Outcome::Granted(_) | Outcome::Denied => return refused(Refusal::Denied),
        Outcome::Throttled { .. } => return refused(Refusal::Throttled),
        Outcome::Unavailable => return refused(Refusal::Unavailable),
    };
    if realm == Realm::Box && !is_owner(web, account).await? {
        return refused(Refusal::NotOwner);
    }
    begin(realm, web, visitor, account, &given.to)
}

async fn is_owner(web: &Web, id: AccountId) -> Result<bool, Problem> {
    let account = web.run(move |sources, _| Ok(sources.store.snapshot()?.account(id)?));
    Ok(account.await?.is_some_and(|account| account.owner))
}

/// Begins a session and goes where the visitor wanted to.
pub(super) fn begin(
    realm: Realm,
    web: &Web,
    visitor: &Visitor,
    account: AccountId,
    to: &str,
) -> Result<Response, Problem> {
    let sessions = &web.sources.kept.sessions;
    let cookie = sessions.begin(realm, account, web.now().mono);
    let cookie = cookie.ok_or(Problem::Broken)?;
    let (same_site, home) = match realm {
        Realm::Box => (SameSite::Strict, "/box"),
        Realm::Mail => (SameSite::Lax, "/mail"),
    };
    let age = match realm {
        Realm::Box => None,
        Realm::Mail => Some(realm.life_max().as_secs()),
    };
    let cookie = set_cookie(
        (realm.cookie(), cookie.expose()),
        same_site,
        age,
        visitor.link,
    )?;
    let to = local_path(to).unwrap_or(home);
    let to = to
        .parse::<axum::http::HeaderValue>()
        .map_err(|_| Problem::Broken)?;
    Ok((
        StatusCode::SEE_OTHER,
        [(SET_COOKIE, cookie)],
        [(LOCATION, to)],
    )
        .into_response())
}

/// A path on this box, and nothing that a browser could take for another host.
pub(super) fn local_path(to: &str) -> Option<&str> {
    let is_path = to.starts_with('/') && !to.starts_with("//") && !to.contains('\\');
    (is_path && to.bytes().all(|byte| byte.is_ascii_graphic())).then_some(to)
}

fn ask(
    realm: Realm,
    visitor: &Visitor,
    address: &str,
    to: &str,
    refusal: Option<Refusal>,
) -> Response {
    let frame = Frame::outside(visitor).slim();
    let lang = visitor.lang;
    let (title, action) = match realm {
        Realm::Mail => (lang.t("Anmelden", "Log in"), "/login"),
        Realm::Box => (
            lang.t("Anmelden zur Verwaltung", "Log in to manage the box"),
            "/box/login",
        ),
    };
    let body = html! {
        @if let Some(refusal) = refusal { (notice(Tone::Bad, refusal.in_words(lang), None)) }
        form.card method="post" action=(action) {
            (frame.token())
            input type="hidden" name="to" value=(to);
            (Field {
                kind: "email",
                autocomplete: "username",
                required: true,
                ..Field::text("address", lang.t("E-Mail-Adresse", "Email address"), address)
            }.render())
            (Field {
                kind: "password",
                autocomplete: "current-password",
                required: true,
                ..Field::text("password", lang.t("Passwort", "Password"), "")
            }.render())
            button { (lang.t("Anmelden", "Log in")) }
        }
        p { a href="/forgot" { (lang.t("Passwort vergessen?", "Forgot your password?")) } }
    };
    let status = refusal.map_or(StatusCode::OK, Refusal::status);
    frame.page_with(status, title, &body)
}

#[cfg(test)]
mod tests {
    use super::local_path;

    #[test]
    fn only_paths_of_this_box_are_gone_to() {
        for good in ["/", "/box/queue?x=1", "/mail/box/3"] {
            assert_eq!(local_path(good), Some(good));
        }
        for bad in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/a\r\nSet-Cookie: x",
        ] {
            assert_eq!(local_path(bad), None, "{bad}");
        }
    }
}
