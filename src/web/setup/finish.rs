//! The end of the setup: where mail programs are set up, and what is left to do.

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use maud::html;

use super::access::Setter;
use super::checklist::{Checklist, to_read};
use super::entry::mode;
use super::progress::{Progress, Step};
use super::{buttons, frame_of, go, step_page};
use crate::web::Web;
use crate::web::form::{Nothing, Posted};
use crate::web::guard::over_tls;
use crate::web::layout::Frame;
use crate::web::problem::Problem;
use crate::web::visitor::Visitor;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/setup/programs", get(programs).post(finish))
        .route("/setup/done", get(done))
        .merge(super::checklist::routes())
}

async fn programs(State(web): State<Web>, setter: Setter) -> Result<Response, Problem> {
    let mode = mode(&web).await?;
    let frame = frame_of(&setter.visitor, &setter.form);
    let settings = &web.sources.settings;
    let body = html! {
        p.lead { (frame.t("Outlook, Apple Mail, Thunderbird und Telefone richten sich fast von selbst ein. Das geht nach der Anmeldung unter „Mein Konto“, mit einem eigenen Passwort je Gerät.",
                          "Outlook, Apple Mail, Thunderbird and phones set themselves up almost alone. That is done after logging in, under \"My account\", with a password of its own for each device.")) }
        section.card {
            h2 { (frame.t("Für den Zettel", "For your notes")) }
            dl.facts {
                dt { "Server" } dd { (settings.hostname) }
                dt { (frame.t("Benutzer", "User")) } dd { (frame.t("Ihre ganze E-Mail-Adresse", "your full email address")) }
            }
        }
        form method="post" action="/setup/programs" {
            (frame.token())
            (buttons(&frame, Step::Programs, mode, frame.t("Fertig", "Done")))
        }
    };
    Ok(step_page(&setter, Step::Programs, mode, &body))
}

async fn finish(
    State(web): State<Web>,
    Posted(_, Nothing {}): Posted<Setter, Nothing>,
) -> Result<Response, Problem> {
    let saved = web.run(|sources, _| {
        let save = Progress::change(&sources.store, |progress| progress.done = true);
        Ok(save?)
    });
    saved.await?;
    let panel = &web.sources.panel;
    panel.change(crate::panel::Policy::close_setup);
    Ok(go("/setup/done"))
}

/// For whoever has just set the box up; the door is shut by then.
async fn done(
    State(web): State<Web>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if !web.sources.kept.setup.was_of(&headers) {
        return Ok(go("/box"));
    }
    let list = web.run(|sources, now| Ok(Checklist::of(sources, now)?));
    let list = list.await?;
    let frame = Frame::outside(&visitor);
    let (to_box, to_clients) = (
        over_tls(&web, &visitor, "/box"),
        over_tls(&web, &visitor, "/me/clients"),
    );
    let body = html! {
        p.lead { (frame.t("Ihre Box ist eingerichtet. Das Einrichten ist jetzt wieder verschlossen.",
                          "Your box is set up. Setup is closed again.")) }
        p.row {
            a.button href=(to_clients) { (frame.t("E-Mail-Programme einrichten", "Set up mail programs")) }
            a.button.second href=(to_box) { (frame.t("Zur Box", "To the box")) }
        }
        (crate::web::welcome::about_tls(&web, &frame, &visitor))
        (to_read(&frame, &list))
    };
    Ok(frame.page(frame.t("Fertig", "Done"), &body))
}
