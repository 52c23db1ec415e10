//! Further addresses: more names for an account, lists of several, a catch-all, and forwarding to elsewhere.

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;

use super::Done;
use crate::mail::address::Domain;
use crate::manage::alias::Error;
use crate::store::types::Alias;
use crate::web::form::Posted;
use crate::web::layout::{Frame, Tab};
use crate::web::parts::{self, Field, Tone, badge};
use crate::web::problem::Problem;
use crate::web::visitor::Owner;
use crate::web::words::Lang;
use crate::web::{Sources, Web};

const REMOVE_PATH: &str = "/box/accounts/aliases/remove";

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/box/accounts/aliases", get(page).post(add))
        .route(REMOVE_PATH, post(remove))
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Form {
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
}

/// What is wrong with which field, in words.
struct Refused {
    field: &'static str,
    text: String,
}

async fn page(
    State(web): State<Web>,
    owner: Owner,
    Query(done): Query<Done>,
) -> Result<Response, Problem> {
    show(&web, &owner, &done, &Form::default(), None).await
}

async fn show(
    web: &Web,
    owner: &Owner,
    done: &Done,
    form: &Form,
    refused: Option<&Refused>,
) -> Result<Response, Problem> {
    let aliases = web
        .run(|sources, _| Ok(sources.store.snapshot()?.aliases()?))
        .await?;
    let frame = Frame::of_owner(owner, Tab::Accounts);
    let domains = &web.sources.settings.domains;
    let body = html! {
        (done.notice(frame.lang))
        p.lead {
            (frame.t(
                "Post an diese Adressen landet in den Postfächern dahinter.",
                "Mail to these addresses goes to the accounts behind them.",
            ))
        }
        section.card {
            h2 { (frame.t("Weitere Adressen", "Further addresses")) }
            @if aliases.is_empty() {
                p.empty { (frame.t("Noch keine.", "None yet.")) }
            } @else { (table(&frame, domains, &aliases)) }
        }
        (add_form(&frame, domains, form, refused))
        p { a href="/box/accounts" { (frame.t("Zu den Postfächern", "To the accounts")) } }
    };
    let status = match refused {
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::OK,
    };
    Ok(frame.page_with(
        status,
        frame.t("Weitere Adressen", "Further addresses"),
        &body,
    ))
}

fn table(frame: &Frame, domains: &[Domain], aliases: &[Alias]) -> Markup {
    html! {
        table.blocks {
            thead { tr {
                th { (frame.t("Adresse", "Address")) }
                th { (frame.t("geht an", "goes to")) }
                th.deeds { span.visually-hidden { (frame.t("Entfernen", "Remove")) } }
            } }
            tbody { @for alias in aliases { (row(frame, domains, alias)) } }
        }
    }
}

fn row(frame: &Frame, domains: &[Domain], alias: &Alias) -> Markup {
    let question = question(frame, &alias.from);
    html! {
        tr {
            td data-label=(frame.t("Adresse", "Address")) {
                (alias.from)
                @if alias.from.starts_with('@') {
                    " " (badge(Tone::Info, frame.t("alles Übrige", "catch-all")))
                }
            }
            td data-label=(frame.t("geht an", "goes to")) {
                @for to in &alias.to {
                    div {
                        (to)
                        @if !domains.contains(to.domain()) {
                            " " (badge(Tone::Warn, frame.t("nach außen", "elsewhere")))
                        }
                    }
                }
            }
            td.deeds {
                form method="post" action=(REMOVE_PATH) {
                    (frame.token())
                    (parts::unsure())
                    input type="hidden" name="from" value=(alias.from);
                    button.quiet data-ask=(question) aria-label={ (frame.t("Entfernen: ", "Remove: ")) (alias.from) } {
                        (frame.t("Entfernen", "Remove"))
                    }
                }
            }
        }
    }
}

fn question(frame: &Frame, from: &str) -> String {
    format!("{from} {}", frame.t("entfernen?", ": remove it?"))
}

fn add_form(frame: &Frame, domains: &[Domain], form: &Form, refused: Option<&Refused>) -> Markup {
    let error = |field| match refused {
        Some(refused) if refused.field == field => refused.text.as_str(),
        Some(_) | None => "",
    };
    let domain = domains.first().map_or("", Domain::as_str);
    let hint = match frame.lang.code() {
        "de" => format!(
            "Zum Beispiel info@{domain}. Mit @{domain} fangen Sie alles auf, was sonst niemandem gehört; das zieht auch Werbung an."
        ),
        _ => format!(
            "For example info@{domain}. @{domain} catches all that belongs to nobody else; that draws spam too."
        ),
    };
    html! {
        form.card method="post" action="/box/accounts/aliases" {
            h2 { (frame.t("Adresse hinzufügen", "Add an address")) }
            (frame.token())
            (Field { hint: &hint, error: error("from"), required: true, ..Field::text("from", frame.t("Adresse", "Address"), &form.from) }.render())
            (Field {
                hint: frame.t("Eine oder mehrere Adressen, mit Komma getrennt.", "One or more addresses, separated by commas."),
                error: error("to"),
                required: true,
                ..Field::text("to", frame.t("geht an", "goes to"), &form.to)
            }.render())
            details {
                summary { (frame.t("Was Weiterleiten nach außen bedeutet", "What forwarding elsewhere means")) }
                p { (frame.t(
                    "Die Mail verlässt Ihr Haus: Der andere Anbieter liest und speichert sie, und er sieht Ihre Box als Absender. Leitet die Box Werbung weiter, hält er womöglich Ihre Box für die Quelle. Kommt eine Mail dort nicht an, erfährt es das Postfach, das die Box verwaltet.",
                    "The mail leaves your house: the other provider reads and stores it, and sees your box as its sender. If your box forwards spam, it may take your box for the source. If a mail is not taken there, the account that owns the box is told.",
                )) }
            }
            button { (frame.t("Hinzufügen", "Add")) }
        }
    }
}

async fn add(
    State(web): State<Web>,
    Posted(owner, form): Posted<Owner, Form>,
) -> Result<Response, Problem> {
    let (given, lang) = (form.clone(), owner.visitor.lang);
    let added = web
        .run(move |sources, _| set(sources, lang, &given))
        .await?;
    match added {
        None => Err(Problem::Elsewhere(
            "/box/accounts/aliases?done=alias".to_owned(),
        )),
        Some(refused) => show(&web, &owner, &Done::default(), &form, Some(&refused)).await,
    }
}

/// Sets the alias; what is wrong with the form, if something is.
fn set(sources: &Sources, lang: Lang, form: &Form) -> Result<Option<Refused>, Problem> {
    let from = form.from.trim();
    let targets = form.to.split([',', ';', ' ', '\n']).map(str::trim);
    let targets: Vec<&str> = targets.filter(|to| !to.is_empty()).collect();
    let is_target = |text: &str| targets.contains(&text) && text != from;
    let (field, de, en) = match sources.office().set_alias(from, targets.iter().copied()) {
        Ok(_) => return Ok(None),
        Err(Error::Store(error)) => return Err(Problem::Store(error)),
        Err(Error::Malformed(text)) if is_target(&text) => (
            "to",
            "Eine davon ist keine E-Mail-Adresse.",
            "One of them is no email address.",
        ),
        Err(Error::Malformed(_)) => (
            "from",
            "Das ist keine E-Mail-Adresse.",
            "That is no email address.",
        ),
        Err(Error::Elsewhere(_) | Error::Missing(_)) => (
            "from",
            "Diese Box nimmt für diese Domain keine Post an.",
            "This box takes no mail for that domain.",
        ),
        Err(Error::NoTarget) => (
            "to",
            "Wohin soll die Post gehen?",
            "Where shall the mail go?",
        ),
        Err(Error::TooManyTargets) => (
            "to",
            "Das sind zu viele Adressen.",
            "Those are too many addresses.",
        ),
        Err(Error::IsAccount(_)) => (
            "from",
            "Das ist schon ein Postfach.",
            "That is an account already.",
        ),
    };
    let text = lang.t(de, en).to_owned();
    Ok(Some(Refused { field, text }))
}

#[derive(Debug, Deserialize)]
struct Which {
    from: String,
    #[serde(default)]
    sure: String,
}

async fn remove(
    State(web): State<Web>,
    Posted(owner, which): Posted<Owner, Which>,
) -> Result<Response, Problem> {
    if which.sure.is_empty() {
        let frame = Frame::of_owner(&owner, Tab::Accounts);
        let body = parts::question(
            &frame,
            &question(&frame, &which.from),
            (REMOVE_PATH, &[("from", &which.from)]),
            frame.t("Entfernen", "Remove"),
            "/box/accounts/aliases",
        );
        return Ok(frame.page(frame.t("Adresse entfernen?", "Remove the address?"), &body));
    }
    let removed = web.run(
        move |sources, _| match sources.office().remove_alias(&which.from) {
            Ok(_) => Ok(()),
            Err(Error::Store(error)) => Err(Problem::Store(error)),
            // An alias of a domain that is no longer ours is still in the store.
            Err(_) => Ok(sources.store.remove_alias(&which.from)?),
        },
    );
    removed.await?;
    Err(Problem::Elsewhere(
        "/box/accounts/aliases?done=unaliased".to_owned(),
    ))
}
