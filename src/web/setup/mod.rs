//! Setting the box up, and what to do about a forgotten password.
//!
//! A short wizard with one question per page: each page saves what it asked, so it goes on where it stopped. `access` says
//! who may, `progress` how far it has come; `entry` opens the door, and the others ask. The list of what is left to do
//! stays on the owner's page (`checklist`).

mod access;
mod account;
pub mod checklist;
mod code;
mod entry;
mod finish;
mod forgot;
mod name;
mod progress;
mod restore;
mod sending;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

pub use access::Access;
use access::Setter;
use progress::{Mode, Step};

use super::Web;
use super::change::Error;
use super::layout::Frame;
use super::problem::Problem;
use super::session::Token;
use super::visitor::Visitor;

/// Seconds that a page waits for the services to restart; a request that is too early waits by itself.
const WAIT_SECONDS: u32 = 2;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .merge(entry::routes())
        .merge(restore::routes())
        .merge(name::routes())
        .merge(account::routes())
        .merge(sending::routes())
        .merge(finish::routes())
        .merge(forgot::routes())
}

/// A frame whose forms carry this token.
fn frame_of(visitor: &Visitor, form: &Token) -> Frame {
    let mut frame = Frame::outside(visitor).slim();
    frame.form = form.clone();
    frame
}

/// A page of the wizard.
fn step_page(setter: &Setter, step: Step, mode: Option<Mode>, body: &Markup) -> Response {
    let frame = frame_of(&setter.visitor, &setter.form);
    let (number, count) = step.number(mode);
    let of = frame.t("von", "of");
    let filled = 100 * number / count;
    let body = html! {
        div.meter {
            div.label { span { (frame.t("Schritt", "Step")) " " (number) " " (of) " " (count) } }
            svg.bar viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" {
                rect.ground width="100" height="4" {}
                rect.fill width=(filled) height="4" {}
            }
        }
        (body)
    };
    frame.page(step.title(frame.lang), &body)
}

/// The buttons at the end of a step's form.
fn buttons(frame: &Frame, step: Step, mode: Option<Mode>, label: &str) -> Markup {
    html! {
        div.row {
            button { (label) }
            @if let Some(back) = step.back(mode) {
                a.button.quiet href=(back.path()) { (frame.t("Zurück", "Back")) }
            }
        }
    }
}

/// Goes to another page.
fn go(to: &str) -> Response {
    Problem::Elsewhere(to.to_owned()).into_response()
}

/// Waits while the services restart, and goes on. The link is for browsers that do not go by themselves.
fn waiting(visitor: &Visitor, to: &'static str) -> Result<Response, Problem> {
    let frame = Frame::outside(visitor);
    let body = html! {
        p.lead { (frame.t("Gespeichert. Die Box übernimmt es gerade; das dauert ein paar Sekunden.",
                          "Saved. The box is taking it over; that takes a few seconds.")) }
        p { a.button href=(to) { (frame.t("Weiter", "Continue")) } }
    };
    let title = frame.t("Einen Augenblick", "One moment");
    let mut response = frame.page_with(StatusCode::OK, title, &body);
    let refresh = HeaderValue::from_str(&format!("{WAIT_SECONDS}; url={to}"));
    response.headers_mut().insert(
        HeaderName::from_static("refresh"),
        refresh.map_err(|_| Problem::Broken)?,
    );
    Ok(response)
}

/// Why settings were not changed.
fn not_changed(error: Error) -> Problem {
    match error {
        Error::Locked(key) => Problem::wrong(
            format!("„{key}“ steht in der Konfigurationsdatei und wird dort geändert."),
            format!("\"{key}\" is in the configuration file and is changed there."),
        ),
        Error::Wrong(why) => Problem::wrong(
            format!("Das geht so nicht: {why}"),
            format!("That cannot be: {why}"),
        ),
        Error::Store(error) => Problem::Store(error),
    }
}
