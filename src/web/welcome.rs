//! The start page, and the language switch.
//!
//! The start page says no name: anybody in the house sees it.

use axum::Router;
use axum::extract::{Query, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;

use super::Web;
use super::guard::{LANGUAGE_COOKIE, over_tls};
use super::layout::Frame;
use super::login::local_path;
use super::parts::{Tone, notice};
use super::problem::Problem;
use super::visitor::{Link, SameSite, Visitor, set_cookie};
use super::words::Lang;
use crate::panel::Condition;

/// How long a chosen language is remembered, in seconds: a year.
const LANGUAGE_AGE: u64 = 31_536_000;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/", get(welcome))
        .route("/language", get(switch_language))
}

async fn welcome(State(web): State<Web>, visitor: Visitor) -> Result<Response, Problem> {
    let accounts = web.run(|sources, _| Ok(sources.store.snapshot()?.accounts()?));
    if accounts.await?.is_empty() {
        return Err(Problem::Elsewhere("/setup".to_owned()));
    }
    let frame = Frame::outside(&visitor);
    let condition = web.sources.panel.view().condition;
    let (tone, words) = in_words(condition, visitor.lang);
    let (mail, manage) = (
        over_tls(&web, &visitor, "/mail"),
        over_tls(&web, &visitor, "/box"),
    );
    let body = html! {
        p.lead { (frame.t("Ihre Post, zu Hause.", "Your mail, at home.")) }
        (notice(tone, words, None))
        p.row {
            a.button href=(mail) { (frame.t("E-Mail lesen", "Read mail")) }
            a.button.second href=(manage) { (frame.t("Box verwalten", "Manage the box")) }
        }
        (about_tls(&web, &frame, &visitor))
    };
    Ok(frame.page("Heimpost", &body))
}

/// What the LED means, without any name.
fn in_words(condition: Condition, lang: Lang) -> (Tone, &'static str) {
    match condition {
        Condition::Fine => (Tone::Good, lang.t("Alles in Ordnung.", "All is well.")),
        Condition::Notice => (
            Tone::Info,
            lang.t(
                "Alles läuft; ein Postfach oder die Speicherkarte wird langsam voll.",
                "All works; an account or the card is slowly filling up.",
            ),
        ),
        Condition::Warning => (
            Tone::Warn,
            lang.t(
                "Ein Postfach oder die Speicherkarte ist fast voll.",
                "An account or the card is almost full.",
            ),
        ),
        Condition::Trouble(_) => (
            Tone::Warn,
            lang.t(
                "Etwas stört: Netz, Versand, Zertifikat oder Uhr. Die Verwaltung sagt, was.",
                "Something is in the way: network, sending, certificate or clock. The box's pages say what.",
            ),
        ),
        Condition::Full => (
            Tone::Bad,
            lang.t("Es ist voll: Neue Post wartet draußen.", "It is full: new mail waits outside."),
        ),
        Condition::Setup => (
            Tone::Info,
            lang.t("Das Einrichten ist gerade offen.", "Setup is open right now."),
        ),
        Condition::Busy => (
            Tone::Info,
            lang.t(
                "Die Box arbeitet gerade; bitte nicht ausstecken.",
                "The box is busy; please do not unplug it.",
            ),
        ),
        Condition::Fault => (
            Tone::Bad,
            lang.t(
                "Die Speicherkarte hat einen Fehler. Bitte in der Verwaltung nachsehen.",
                "The card has a fault. Please look at the box's pages.",
            ),
        ),
    }
}

/// For whoever comes over a plain connection and will go to one with the box's own certificate: why the browser warns,
/// and how to be sure.
pub(super) fn about_tls(web: &Web, frame: &Frame, visitor: &Visitor) -> Markup {
    let sources = &web.sources;
    let is_known = sources.tls.vouches_for(&visitor.host, web.now());
    if visitor.link.is_private() || is_known {
        return html! {};
    }
    let fingerprint = sources.tls.authority_fingerprint();
    html! {
        p.soft { (frame.t(
            "Anmelden geht nur verschlüsselt. Ihr Browser warnt dabei einmal, denn das Zertifikat stammt von der Box selbst: Gehen Sie auf „Erweitert“ und weiter.",
            "Logging in is encrypted always. Your browser warns once, for the certificate is the box's own: choose \"Advanced\" and go on.",
        )) }
        @if let Some(fingerprint) = fingerprint {
            details {
                summary { (frame.t("So prüfen Sie, dass es wirklich Ihre Box ist", "How to be sure that it is your box")) }
                p { (frame.t("Fingerabdruck (SHA-256) der Zertifizierungsstelle der Box:", "Fingerprint (SHA-256) of the box's authority:")) }
                pre { (fingerprint) }
            }
        }
    }
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
    let cookie = language_cookie(lang, visitor.link)?;
    let back = local_path(&switch.back).unwrap_or("/");
    let back: HeaderValue = back.parse().map_err(|_| Problem::Broken)?;
    Ok((
        StatusCode::SEE_OTHER,
        [(SET_COOKIE, cookie)],
        [(LOCATION, back)],
    )
        .into_response())
}

/// Remembers the language in this browser, for connections of either kind.
pub(super) fn language_cookie(lang: Lang, link: Link) -> Result<HeaderValue, Problem> {
    let link = Link { tls: false, ..link };
    let chosen = (LANGUAGE_COOKIE, lang.code());
    set_cookie(chosen, SameSite::Lax, Some(LANGUAGE_AGE), link)
}
