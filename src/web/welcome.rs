//! The start page, and the language switch.

use axum::Router;
use axum::extract::Query;
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::html;
use serde::Deserialize;

use super::Web;
use super::guard::LANGUAGE_COOKIE;
use super::layout::Frame;
use super::login::local_path;
use super::problem::Problem;
use super::visitor::{SameSite, Visitor, set_cookie};
use super::words::Lang;

/// How long a chosen language is remembered, in seconds: a year.
const LANGUAGE_AGE: u64 = 31_536_000;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/", get(welcome))
        .route("/language", get(switch_language))
}

async fn welcome(visitor: Visitor) -> Response {
    let frame = Frame::outside(&visitor);
    let body = html! {
        p.lead { (frame.t("Ihre Post, zu Hause.", "Your mail, at home.")) }
        p.row {
            a.button href="/mail" { (frame.t("E-Mail lesen", "Read mail")) }
            a.button.second href="/box" { (frame.t("Box verwalten", "Manage the box")) }
        }
    };
    frame.page("Heimpost", &body)
}

#[derive(Debug, Deserialize)]
struct Switch {
    to: String,
    #[serde(default)]
    back: String,
}

async fn switch_language(
    visitor: Visitor,
    Query(switch): Query<Switch>,
) -> Result<Response, Problem> {
    let lang = Lang::named(&switch.to).ok_or(Problem::NotFound)?;
    let cookie = set_cookie(
        (LANGUAGE_COOKIE, lang.code()),
        SameSite::Lax,
        Some(LANGUAGE_AGE),
        visitor.link,
    )?;
    let back = local_path(&switch.back).unwrap_or("/");
    let back: HeaderValue = back.parse().map_err(|_| Problem::Broken)?;
    Ok((
        StatusCode::SEE_OTHER,
        [(SET_COOKIE, cookie)],
        [(LOCATION, back)],
    )
        .into_response())
}
