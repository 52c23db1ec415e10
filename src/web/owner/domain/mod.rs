//! What DNS must say for each domain and whether it does (`records`, `checks`), and the certificate (`certificate`).

mod certificate;
pub(in crate::web) mod checks;
mod records;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;

use crate::clock::Now;
use crate::config::Settings;
use crate::mail::address::Domain;
use crate::manage;
use crate::store::types::Language;
use crate::trust::publish::Facts;
use crate::trust::signing::Keyring;
use crate::web::form::{Nothing, Posted};
use crate::web::layout::{Frame, Tab};
use crate::web::parts::{Tone, notice};
use crate::web::problem::Problem;
use crate::web::visitor::Owner;
use crate::web::{Sources, Web};

const PATH: &str = "/box/domain";

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route(PATH, get(page))
        .route("/box/domain/check", post(check))
        .route("/box/domain/rotate", post(rotate))
        .merge(certificate::routes())
}

/// What the address says; whatever it says, there is a page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    done: String,
}

#[derive(Debug, Deserialize)]
struct Which {
    domain: String,
}

fn frame(owner: &Owner) -> Frame {
    Frame::of_owner(owner, Tab::Domain)
}

async fn page(
    State(web): State<Web>,
    owner: Owner,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    // Keys that are missing are made, which takes seconds.
    let read = web.run_unhurried(|sources, now| {
        let certificate = manage::certificate::Certificate::gather(&sources.settings, now);
        Ok((all_facts(sources, now)?, certificate))
    });
    let (facts, certificate) = read.await?;
    let frame = frame(&owner);
    let settings = &web.sources.settings;
    let body = html! {
        @if let Some((tone, text)) = done(&frame, &asked.done) { (notice(tone, text, None)) }
        @for domain in settings.domains.iter().filter(|domain| !domain.is_public()) {
            (home_name(&frame, domain))
        }
        @if is_host_missing(settings) { (host_missing(&frame, settings)) }
        @for (number, facts) in facts.iter().enumerate() {
            (records::Part { frame: &frame, web: &web, facts, number }.card())
        }
        (certificate::card(&frame, &web, &certificate, facts.iter().any(|facts| facts.sts_record.is_some())))
    };
    Ok(frame.page(frame.t("Domain", "Domain"), &body))
}

fn done(frame: &Frame, word: &str) -> Option<(Tone, &'static str)> {
    let (tone, de, en) = match word {
        "checked" => (
            Tone::Good,
            "Nachgesehen. Unten steht, was das DNS gerade sagt.",
            "Looked. Below is what DNS says now.",
        ),
        "busy" => (
            Tone::Info,
            "Die Box sieht noch nach; die Namensserver lassen sich Zeit. Laden Sie die Seite gleich noch einmal.",
            "The box is still looking; the name servers take their time. Load the page again in a moment.",
        ),
        "rotated" => (
            Tone::Good,
            "Es gibt neue Schlüssel. Legen Sie die beiden neuen Einträge an und lassen Sie die alten stehen; die Box steigt von \
             selbst um, sobald das DNS sie zeigt.",
            "There are new keys. Add the two new records and leave the old ones; the box changes over by itself once DNS shows them.",
        ),
        "waiting" => (
            Tone::Info,
            "Es gibt schon neue Schlüssel, die auf ihre Einträge im DNS warten.",
            "There are new keys already, which wait for their records in DNS.",
        ),
        "certificate" => (
            Tone::Good,
            "Gespeichert. Die Box richtet sich danach.",
            "Saved. The box goes by it now.",
        ),
        _ => return None,
    };
    Some((tone, if frame.lang.0 == Language::De { de } else { en }))
}

/// Of each domain that the world can know, unless the box itself has no name there.
fn all_facts(sources: &Sources, now: Now) -> Result<Vec<Facts>, Problem> {
    let settings = &sources.settings;
    if is_host_missing(settings) {
        return Ok(Vec::new());
    }
    let keyring = Keyring::open(&sources.store, &settings.domains);
    let public = settings.domains.iter().filter(|domain| domain.is_public());
    let facts = public.map(|domain| manage::domain::facts(domain, &keyring, settings, now));
    facts.collect::<Result<_, _>>().map_err(|error| {
        tracing::error!(%error, "web: the keys of a domain cannot be had");
        Problem::Broken
    })
}

fn is_host_missing(settings: &Settings) -> bool {
    settings.domains.iter().any(Domain::is_public) && !settings.hostname.is_public()
}

fn host_missing(frame: &Frame, settings: &Settings) -> Markup {
    let host = &settings.hostname;
    let public = settings.domains.iter().find(|domain| domain.is_public());
    let example = public.map_or("", |domain| domain.as_str());
    let text = match frame.lang.0 {
        Language::De => format!(
            "{host} kennt nur Ihr Heimnetz. Geben Sie der Box einen Namen in einer Ihrer Domains, etwa mail.{example}."
        ),
        Language::En => format!(
            "Only your home network knows {host}. Give the box a name in one of your domains, such as mail.{example}."
        ),
    };
    let action = html! { a.button href="/box/device#names" { (frame.t("Namen ändern", "Change the name")) } };
    notice(Tone::Warn, &text, Some(&action))
}

fn home_name(frame: &Frame, domain: &Domain) -> Markup {
    html! {
        section.card {
            h2 { (domain) }
            p { (frame.t(
                "Diese Domain gilt nur in Ihrem Heimnetz; dafür ist nichts zu veröffentlichen. Post zwischen Ihren Postfächern \
                 kommt an.",
                "This domain is for your home network alone; there is nothing to publish. Mail between your accounts arrives.",
            )) }
            p.soft { (frame.t(
                "Mit einer eigenen Domain können Sie auch Post aus aller Welt empfangen: Tragen Sie sie unter Gerät ein.",
                "With a domain of your own you can receive mail from all over the world: enter it under Device.",
            )) }
        }
    }
}

/// Asks DNS now.
async fn check(
    State(web): State<Web>,
    Posted(_, Nothing {}): Posted<Owner, Nothing>,
) -> Result<Response, Problem> {
    let done = match checks::look(&web).await? {
        checks::Looked::Done => "checked",
        checks::Looked::Busy => "busy",
    };
    Ok(to_page(done))
}

/// Makes new keys; they sign once DNS has them.
async fn rotate(
    State(web): State<Web>,
    Posted(_, which): Posted<Owner, Which>,
) -> Result<Response, Problem> {
    let work = move |sources: &Sources, now| {
        let domains = &sources.settings.domains;
        let domain = Domain::parse(&which.domain).ok();
        let domain = domain.filter(|domain| domains.contains(domain) && domain.is_public());
        let domain = domain.ok_or(Problem::NotFound)?;
        let rotated = Keyring::open(&sources.store, domains).rotate(&domain, now);
        rotated.map_err(|error| {
            tracing::error!(%error, "web: new keys cannot be made");
            Problem::Broken
        })
    };
    let is_new = web.run_unhurried(work).await?;
    Ok(to_page(if is_new { "rotated" } else { "waiting" }))
}

fn to_page(done: &str) -> Response {
    Redirect::to(&format!("{PATH}?done={done}")).into_response()
}
