//! Sending: what waits and why (`queue`, `why`), and which way mail leaves (`relay`).

mod queue;
mod relay;
mod why;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;

use crate::queue::desk::{Diagnosis, Figures};
use crate::store::types::Language;
use crate::web::Web;
use crate::web::layout::{Frame, Tab};
use crate::web::parts::{Tone, notice};
use crate::web::problem::Problem;
use crate::web::visitor::Owner;
use queue::Waiting;

const PATH: &str = "/box/sending";

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route(PATH, get(page))
        .merge(queue::routes())
        .merge(relay::routes())
}

/// What the address says; whatever it says, there is a page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// Number of the first mail to show.
    from: String,
    /// What was done just now.
    done: String,
    /// With how many mails.
    n: String,
}

fn frame(owner: &Owner) -> Frame {
    Frame::of_owner(owner, Tab::Sending).live("/box/events")
}

async fn page(
    State(web): State<Web>,
    owner: Owner,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let from = asked.from.parse().unwrap_or(0);
    let read = web.run(move |sources, now| {
        let figures = sources.desk.figures(now);
        Ok((figures, Waiting::read(sources, from, now)?))
    });
    let (figures, waiting) = read.await?;
    let ways = relay::read(&web).await?;
    let frame = frame(&owner);
    let body = html! {
        @if let Some(done) = done(&frame, &asked) { (done) }
        div #trouble data-live="" { (trouble(&frame, &web, &figures)) }
        (waiting.card(&frame, &web.sources.settings, &figures))
        (relay::card(&frame, &web, &ways))
    };
    Ok(frame.page(frame.t("Versand", "Sending"), &body))
}

/// What was done just now.
fn done(frame: &Frame, asked: &Asked) -> Option<Markup> {
    let n: u64 = asked.n.parse().unwrap_or(0);
    let mails = match n {
        1 => frame.t("Eine Mail", "One mail").to_owned(),
        n => format!("{} {}", frame.lang.number(n), frame.t("Mails", "mails")),
    };
    let (de, en) = match asked.done.as_str() {
        "retry" => ("wird jetzt versucht.", "is tried now."),
        "hold" => (
            "bleibt hier, bis Sie sie weitersenden.",
            "stays here until you send it on.",
        ),
        "remove" => (
            "wurde herausgenommen. Die Absender erfahren davon nichts.",
            "was taken out. Its senders are not told.",
        ),
        "more" => (
            "ist erledigt; es sind noch mehr da. Drücken Sie noch einmal.",
            "is done; there are more. Press once more.",
        ),
        other => return relay::done(frame, other),
    };
    let many = |one: &str| match (n, frame.lang.0) {
        (1, _) => one.to_owned(),
        (_, Language::De) => one
            .replacen("wird", "werden", 1)
            .replacen("bleibt", "bleiben", 1)
            .replacen("wurde ", "wurden ", 1)
            .replacen("ist", "sind", 1),
        (_, Language::En) => one
            .replacen("is ", "are ", 1)
            .replacen("stays", "stay", 1)
            .replacen("was", "were", 1),
    };
    let text = format!("{mails} {}", many(frame.t(de, en)));
    Some(notice(Tone::Good, &text, None))
}

/// What is wrong as a whole, with the way out.
fn trouble(frame: &Frame, web: &Web, figures: &Figures) -> Markup {
    if web.sources.resolver.is_none() {
        let text = frame.t(
            "Die Box kann keine Namen nachschlagen, deshalb geht keine Post hinaus. Prüfen Sie die Internetverbindung und \
             starten Sie die Box neu.",
            "The box cannot look up names, so no mail gets out. Check the internet connection and start the box again.",
        );
        return notice(Tone::Bad, text, None);
    }
    let Some(diagnosis) = &figures.diagnosis else {
        return html! {};
    };
    let text = diagnosis.on_page(frame.lang.0);
    let action = match diagnosis {
        Diagnosis::Port25 => Some(frame.t("Smarthost einrichten", "Set up a smarthost")),
        Diagnosis::Login(_) | Diagnosis::Smarthost(_) => {
            Some(frame.t("Smarthost prüfen", "Check the smarthost"))
        }
        Diagnosis::Names | Diagnosis::Stuck => None,
    };
    let action = action.map(|label| html! { a.button href=(relay::PATH) { (label) } });
    notice(Tone::Bad, &text, action.as_ref())
}

/// To the page, which tells what was done.
fn told(done: &str, n: u64) -> Response {
    Redirect::to(&format!("{PATH}?done={done}&n={n}")).into_response()
}
