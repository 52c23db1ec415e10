//! Handing a new device its settings: the page that its owner sees once, and what the phone opens by the link in the QR
//! code, without logging in. The link is good for a quarter of an hour and for one profile.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::{Markup, html};

use super::super::layout::Frame;
use super::super::problem::Problem;
use super::super::session::Token;
use super::super::visitor::Visitor;
use super::super::{Sources, Web};
use super::profile::{self, Profile};
use super::{Kind, Servers, authority, base_url, qr, steps};
use crate::mail::address::Address;
use crate::store::types::Device;
use crate::web::drawer::Paper;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/hand/{link}", get(page))
        .route("/hand/{link}/heimpost.mobileconfig", get(fetch))
}

/// Whose device it is, and which.
struct Whose {
    address: Address,
    device: Device,
}

fn whose(sources: &Sources, paper: &Paper) -> Result<Whose, Problem> {
    let id = paper.device.ok_or(Problem::NotFound)?;
    let snapshot = sources.store.snapshot()?;
    let account = snapshot.account(paper.account)?.ok_or(Problem::NotFound)?;
    let devices = snapshot.devices(paper.account)?;
    let device = devices.into_iter().find(|device| device.id == id);
    Ok(Whose {
        address: account.address,
        device: device.ok_or(Problem::NotFound)?,
    })
}

/// What the person who added a device sees: the password, and how to set the device up.
pub(in crate::web) fn panel(
    frame: &Frame,
    web: &Web,
    visitor: &Visitor,
    address: &Address,
    (kind, paper, link): (Kind, &Paper, &Token),
) -> Markup {
    let own = authority::der(&web.sources).is_some();
    let base = base_url(&web.sources, visitor);
    let path = format!("/hand/{}", link.expose());
    html! {
        section.card {
            h2 { (kind.label(frame.lang)) }
            @if kind.is_phone() && let Some(base) = &base {
                (qr(&format!("{base}{path}"), frame.t("QR-Code mit dem Link zur Einrichtung", "QR code with the link to set it up")))
            }
            (steps(frame, kind, own))
            @if kind == Kind::Mac {
                p { a.button href={ (path) "/heimpost.mobileconfig" } { (frame.t("Profil laden", "Load the profile")) } }
            }
            @if kind.is_phone() {
                p.hint { (frame.t("Der Link gilt 15 Minuten, und ein Profil lädt man damit einmal.", "The link is good for 15 minutes, and for loading one profile.")) }
            }
        }
        (data(frame, web, address, paper))
    }
}

/// What is typed or pasted into a program.
fn data(frame: &Frame, web: &Web, address: &Address, paper: &Paper) -> Markup {
    html! {
        section.card {
            h2 { (frame.t("App-Passwort für dieses Gerät", "App password for this device")) }
            p { code.secret #secret { (paper.secret.expose()) } }
            p.row {
                button.second type="button" data-copy="secret" data-done=(frame.t("Kopiert", "Copied")) { (frame.t("Passwort kopieren", "Copy the password")) }
                button.second type="button" data-copy="login" data-done=(frame.t("Kopiert", "Copied")) { (frame.t("Adresse kopieren", "Copy the address")) }
            }
            p.hint { (frame.t("Es wird nur jetzt gezeigt. Merken müssen Sie es sich nicht: Ein neues Gerät bekommt ein neues.", "It is shown only now. No need to remember it: another device gets another one.")) }
            (Servers::of(&web.sources.settings).facts(frame, address))
        }
    }
}

async fn page(
    State(web): State<Web>,
    visitor: Visitor,
    Path(link): Path<String>,
) -> Result<Response, Problem> {
    let paper = web.sources.kept.drawer.follow(&link, web.now().mono);
    let frame = Frame::outside(&visitor);
    let Some(paper) = paper else {
        return Ok(expired(&frame));
    };
    let kept = paper.clone();
    let whose = web.run(move |sources, _| whose(sources, &kept)).await?;
    let body = html! {
        p.lead { (whose.address) " · " (whose.device.name) }
        section.card {
            h2 { "iPhone, iPad, Mac" }
            p { a.button href={ "/hand/" (link) "/heimpost.mobileconfig" } { (frame.t("Profil laden", "Load the profile")) } }
            p.hint { (frame.t("Danach in den Einstellungen unter „Profil geladen“ installieren. Der Link gilt dann nicht mehr.", "Install it afterwards in Settings under \"Profile Downloaded\". The link is used up then.")) }
        }
        (data(&frame, &web, &whose.address, &paper))
        section.card {
            h2 { "Android" }
            (steps(&frame, Kind::Android, false))
        }
    };
    Ok(frame.page(
        frame.t("Mail auf diesem Gerät", "Mail on this device"),
        &body,
    ))
}

fn expired(frame: &Frame) -> Response {
    let body = html! {
        p.lead { (frame.t(
            "Dieser Link ist abgelaufen oder schon benutzt. Ein neuer steht am Computer unter „Mein Konto“, wo Sie das Gerät hinzugefügt haben.",
            "This link has expired or was used. There is a new one where you added the device, under \"My account\".",
        )) }
    };
    let title = frame.t("Der Link gilt nicht mehr", "The link is not good any more");
    frame.page_with(StatusCode::NOT_FOUND, title, &body)
}

/// The profile, once. Looking whether it is there does not use the link up.
async fn fetch(
    State(web): State<Web>,
    visitor: Visitor,
    method: Method,
    Path(link): Path<String>,
) -> Result<Response, Problem> {
    let (drawer, now) = (&web.sources.kept.drawer, web.now().mono);
    let paper = match method {
        Method::HEAD => drawer.follow(&link, now),
        _ => drawer.take(&link, now),
    };
    let Some(paper) = paper else {
        return Ok(expired(&Frame::outside(&visitor)));
    };
    let text = web
        .run(move |sources, _| {
            let whose = whose(sources, &paper)?;
            let settings = &sources.settings;
            let authority = authority::der(sources);
            let profile = Profile {
                hostname: settings.hostname.as_str(),
                address: &whose.address,
                device: whose.device.id,
                name: &whose.device.name,
                password: paper.secret.expose(),
                servers: &Servers::of(settings),
                authority: authority.as_deref(),
            };
            profile.render().ok_or(Problem::NotFound)
        })
        .await?;
    let headers = [
        (
            CONTENT_TYPE,
            HeaderValue::from_static(profile::CONTENT_TYPE),
        ),
        (
            CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"heimpost.mobileconfig\""),
        ),
    ];
    Ok((headers, text).into_response())
}
