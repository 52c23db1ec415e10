//! The device: LED and button (`panel`), settings (`entries`, `kind`, `settings`), power (`power`), version and figures.

mod entries;
mod kind;
mod panel;
mod power;
mod settings;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;

use crate::web::Web;
use crate::web::layout::{Frame, Tab};
use crate::web::parts::{Tone, notice};
use crate::web::problem::Problem;
use crate::web::visitor::Owner;
use settings::{Known, Typed};

const PATH: &str = "/box/device";

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route(PATH, get(page))
        .route("/box/device/press", post(panel::press))
        .route("/box/device/settings/{group}", post(settings::save))
        .route("/box/device/power", post(power::act))
}

/// What the address says; whatever it says, there is a page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    done: String,
}

fn frame(owner: &Owner) -> Frame {
    Frame::of_owner(owner, Tab::Device).live("/box/events")
}

async fn page(
    State(web): State<Web>,
    owner: Owner,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    show(&web, &owner, StatusCode::OK, &asked.done, &Typed::default()).await
}

async fn show(
    web: &Web,
    owner: &Owner,
    status: StatusCode,
    done: &str,
    typed: &Typed,
) -> Result<Response, Problem> {
    let known = web.run(|sources, _| Ok(Known::read(sources))).await?;
    let frame = frame(owner);
    let body = html! {
        @if let Some(trouble) = web.sources.kept.settings_trouble() {
            (notice(Tone::Bad, trouble.in_words(frame.lang), Some(&html! { code { (trouble.cause()) } })))
        }
        (panel::card(&frame, &web.sources.panel))
        (settings::cards(&frame, web, &known, (typed, done)))
        (power::card(&frame))
        (about(&frame, web))
    };
    Ok(frame.page_with(status, frame.t("Gerät", "Device"), &body))
}

fn about(frame: &Frame, web: &Web) -> Markup {
    let t = |de, en| frame.t(de, en);
    let sources = &web.sources;
    html! {
        section.card {
            h2 { (t("Über diese Box", "About this box")) }
            dl.facts {
                dt { "Heimpost" } dd { (env!("CARGO_PKG_VERSION")) }
                dt { (t("Läuft seit", "Up for")) } dd { (frame.lang.span(web.now().mono.0)) }
                dt { (t("Daten", "Data")) } dd { code { (sources.settings.data.display()) } }
                dt { (t("Für Programme", "For programs")) }
                dd { a href="/health" { "/health" } ", " a href="/metrics" { "/metrics" } }
            }
        }
    }
}
