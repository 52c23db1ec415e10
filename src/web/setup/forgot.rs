//! A forgotten password: what to do, and a new one for the owner's account for whoever stands before the box.

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;

use super::access::{Door, Grant, Holder, door};
use super::account::{chosen, make_button, office, password_fields};
use super::entry::{Code, by_code, code_form, how_to_open};
use super::{frame_of, go};
use crate::panel::Policy;
use crate::store::types::Account;
use crate::web::Web;
use crate::web::form::{Nothing, Posted};
use crate::web::layout::Frame;
use crate::web::parts::card;
use crate::web::problem::Problem;
use crate::web::smarthost::Hidden;
use crate::web::visitor::Visitor;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/forgot", get(ask).post(set))
        .route("/forgot/start", post(start))
        .route("/forgot/code", post(open_by_code))
}

async fn ask(
    State(web): State<Web>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    match door(&web, &headers).await? {
        Door::Mine(Grant {
            form,
            may_reset: true,
        }) => {
            let frame = frame_of(&visitor, &form);
            form_page(&web, &frame, "").await
        }
        Door::Open(_) => Ok(begin_page(&Frame::outside(&visitor).slim())),
        Door::Mine(_) | Door::Taken | Door::Closed => {
            Ok(help_page(&Frame::outside(&visitor).slim()))
        }
    }
}

fn help_page(frame: &Frame) -> Response {
    let others = html! {
        p { (frame.t("Wer die Box verwaltet, kann Ihnen unter „Postfächer“ ein neues Passwort geben.",
                     "Whoever manages the box can give you a new password under \"Accounts\".")) }
    };
    let body = html! {
        p.lead { (frame.t("Kein Problem: Ihre Post bleibt, wie sie ist.", "No problem: your mail stays as it is.")) }
        (card(frame.t("Sie haben ein Postfach auf dieser Box", "You have an account on this box"), &others))
        p { (frame.t("Sie verwalten die Box selbst? Dann zeigen Sie, dass Sie vor ihr stehen:",
                     "You manage the box yourself? Then show that you stand before it:")) }
        (how_to_open(frame))
        (code_form(frame, "/forgot/code", None))
    };
    frame.page(title(frame), &body)
}

fn begin_page(frame: &Frame) -> Response {
    let body = html! {
        p.lead { (frame.t("Der Knopf wurde gehalten: Sie können jetzt ein neues Passwort wählen.",
                          "The button was held: you can choose a new password now.")) }
        form method="post" action="/forgot/start" {
            (frame.token())
            button { (frame.t("Neues Passwort wählen", "Choose a new password")) }
        }
    };
    frame.page(title(frame), &body)
}

fn title(frame: &Frame) -> &'static str {
    frame.lang.t("Passwort vergessen", "Forgotten password")
}

async fn form_page(web: &Web, frame: &Frame, error: &str) -> Result<Response, Problem> {
    let Some(owner) = owner(web).await? else {
        return Ok(go("/setup"));
    };
    Ok(frame.page(title(frame), &form(frame, &owner, error)))
}

fn form(frame: &Frame, owner: &Account, error: &str) -> Markup {
    html! {
        p.lead { (frame.t("Ein neues Passwort für", "A new password for")) " " strong { (owner.address) } }
        form.card method="post" action="/forgot" {
            (frame.token())
            input type="hidden" name="username" autocomplete="username" value=(owner.address);
            (password_fields(frame, error))
            button { (frame.t("Dieses Passwort nehmen", "Take this password")) }
            (make_button(frame))
        }
        p.soft { (frame.t("Alle Anmeldungen dieses Kontos auf den Seiten der Box enden damit. App-Passwörter bleiben.",
                          "All logins of this account on the pages of the box end by that. App passwords stay.")) }
    }
}

async fn owner(web: &Web) -> Result<Option<Account>, Problem> {
    let owner = web.run(|sources, _| Ok(sources.store.snapshot()?.owner()?));
    owner.await
}

async fn start(
    State(web): State<Web>,
    headers: HeaderMap,
    Posted(visitor, Nothing {}): Posted<Visitor, Nothing>,
) -> Result<Response, Problem> {
    let mut response = go("/forgot");
    if let Door::Open(window) = door(&web, &headers).await?
        && let Some(cookie) = web.sources.kept.setup.take(window, visitor.link)?
    {
        let name = axum::http::header::SET_COOKIE;
        response.headers_mut().append(name, cookie);
    }
    Ok(response)
}

async fn open_by_code(
    State(web): State<Web>,
    Posted(visitor, Code { code }): Posted<Visitor, Code>,
) -> Result<Response, Problem> {
    by_code(&web, &visitor, &code, "/forgot", "/forgot/code").await
}

/// What was typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Given {
    password: Hidden,
    make: String,
}

async fn set(
    State(web): State<Web>,
    Posted(holder, given): Posted<Holder, Given>,
) -> Result<Response, Problem> {
    let frame = frame_of(&holder.visitor, &holder.form);
    let Some(owner) = owner(&web).await? else {
        return Ok(go("/setup"));
    };
    let lang = holder.visitor.lang;
    let chosen = match chosen(&given.password.0, &given.make, Some(&owner.address), lang) {
        Ok(chosen) => chosen,
        Err(error) => return form_page(&web, &frame, error).await,
    };
    let (id, secret) = (owner.id, chosen.secret.clone());
    let changed = web.run_unhurried(move |sources, _| {
        let changed = office(sources).set_password(id, &secret);
        changed.map_err(|_| Problem::Broken)
    });
    changed.await?;
    web.sources.kept.sessions.end_others(owner.id, None);
    tracing::info!(account = %owner.address, "the owner's password was set anew by whoever has the box");
    web.sources.panel.change(Policy::close_setup);
    let body = html! {
        p.lead { (frame.t("Das neue Passwort gilt.", "The new password is in force.")) }
        @if chosen.made {
            section.card {
                p { (frame.t("Schreiben Sie es jetzt auf. Es wird nur hier gezeigt.",
                             "Write it down now. It is shown here only.")) }
                dl.facts {
                    dt { (frame.t("Adresse", "Address")) } dd { (owner.address) }
                    dt { (frame.t("Passwort", "Password")) } dd { code { (chosen.secret.expose()) } }
                }
            }
        }
        p { a.button href="/box/login" { (frame.t("Anmelden", "Log in")) } }
    };
    Ok(frame.page(title(&frame), &body).into_response())
}
