//! A person's devices: what they are, revoking, and what POP3's DELE means for each.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use maud::html;
use serde::Deserialize;

use crate::web::Web;
use crate::web::devices::{self, Devices, PolicyForm};
use crate::web::form::{Posted, Sure};
use crate::web::layout::{Frame, Tab};
use crate::web::parts::{Tone, notice};
use crate::web::problem::Problem;
use crate::web::visitor::Person;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/me/devices", get(list))
        .route("/me/devices/{device}/revoke", post(revoke))
        .route("/me/devices/{device}/policy", post(set_policy))
}

#[derive(Debug, Default, Deserialize)]
struct Done {
    #[serde(default)]
    done: String,
}

async fn list(
    State(web): State<Web>,
    person: Person,
    Query(done): Query<Done>,
) -> Result<Response, Problem> {
    let id = person.account.id;
    let devices = web
        .run(move |sources, _| Devices::read(&sources.store.snapshot()?, id))
        .await?;
    let frame = Frame::of_person(&person, Tab::Me);
    let said = match done.done.as_str() {
        "revoked" => Some(frame.t(
            "Das Gerät ist gesperrt. Sein App-Passwort gilt nicht mehr.",
            "The device is revoked. Its app password opens nothing any more.",
        )),
        "policy" => Some(frame.t("Die POP3-Regel ist geändert.", "The POP3 rule is changed.")),
        _ => None,
    };
    let zone = &web.sources.settings.time_zone;
    let body = html! {
        @if let Some(said) = said { (notice(Tone::Good, said, None)) }
        p.lead {
            (frame.t(
                "Jedes Gerät hat sein eigenes Passwort. Geht eines verloren, sperren Sie nur dieses.",
                "Each device has a password of its own. If one is lost, revoke just that one.",
            ))
        }
        p { a.button href="/me/clients" { (frame.t("Gerät einrichten", "Set up a device")) } }
        section.card {
            h2 { (frame.t("Wer sich anmeldet", "Who logs in")) }
            (devices.list(&frame, "/me/devices", zone))
        }
    };
    Ok(frame.page(frame.t("Meine Geräte", "My devices"), &body))
}

async fn revoke(
    State(web): State<Web>,
    Path(device): Path<u32>,
    Posted(person, sure): Posted<Person, Sure>,
) -> Result<Response, Problem> {
    if !sure.is_sure() {
        let frame = Frame::of_person(&person, Tab::Me);
        return devices::ask(&web, &frame, (person.account.id, device), "/me/devices").await;
    }
    devices::revoke(&web, person.account.id, device).await?;
    Err(Problem::Elsewhere("/me/devices?done=revoked".to_owned()))
}

async fn set_policy(
    State(web): State<Web>,
    Path(device): Path<u32>,
    Posted(person, form): Posted<Person, PolicyForm>,
) -> Result<Response, Problem> {
    devices::set_policy(&web, person.account.id, device, form).await?;
    Err(Problem::Elsewhere("/me/devices?done=policy".to_owned()))
}
