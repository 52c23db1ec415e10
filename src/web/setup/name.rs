//! How the box shall work, and under which domain and name.

use std::collections::BTreeSet;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;

use super::access::Setter;
use super::entry::locked;
use super::progress::{Mode, Progress, Step};
use super::{buttons, frame_of, go, not_changed, step_page, waiting};
use crate::config::Settings;
use crate::mail::address::Domain;
use crate::store::Store;
use crate::web::Web;
use crate::web::change::Edit;
use crate::web::form::Posted;
use crate::web::layout::Frame;
use crate::web::parts::Field;
use crate::web::problem::Problem;
use crate::web::state::Sources;
use crate::web::words::Lang;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/setup/mode", get(ask_mode).post(set_mode))
        .route("/setup/name", get(ask_name).post(set_name))
}

async fn ask_mode(State(web): State<Web>, setter: Setter) -> Result<Response, Problem> {
    let situation = super::entry::situation(&web).await?;
    let mode = situation.progress.mode;
    let frame = frame_of(&setter.visitor, &setter.form);
    let chosen = mode.unwrap_or(Mode::Smarthost);
    let body = html! {
        form method="post" action="/setup/mode" {
            (frame.token())
            fieldset {
                legend.visually-hidden { (Step::Mode.title(frame.lang)) }
                @for (value, mode, name, words) in modes(frame.lang) {
                    label.choice {
                        input type="radio" name="mode" value=(value) checked[mode == chosen];
                        span { strong { (name) } span.soft { (words) } }
                    }
                }
            }
            (buttons(&frame, Step::Mode, mode, frame.t("Weiter", "Continue")))
        }
        (super::restore::offer(&frame, &web, situation.has_account))
    };
    Ok(step_page(&setter, Step::Mode, mode, &body))
}

fn modes(lang: Lang) -> [(&'static str, Mode, &'static str, &'static str); 3] {
    [
        (
            "smarthost",
            Mode::Smarthost,
            lang.t("Eigene Domain, Senden über einen Anbieter", "Own domain, sending through a provider"),
            lang.t(
                "Post an Ihre Domain kommt direkt zur Box. Gesendet wird über ein Postfach, das Sie schon haben (GMX, Strato, ...). Für die meisten Anschlüsse zu Hause richtig.",
                "Mail to your domain comes straight to the box. It sends through a mailbox that you already have (GMX, Strato, ...). Right for most connections at home.",
            ),
        ),
        (
            "mx",
            Mode::Mx,
            lang.t("Eigene Domain, ganz selbständig", "Own domain, all by itself"),
            lang.t(
                "Die Box empfängt und sendet selbst. Dafür braucht der Anschluss eine feste öffentliche Adresse und offenen Port 25.",
                "The box receives and sends by itself. The connection needs a fixed public address and an open port 25 for that.",
            ),
        ),
        (
            "lan",
            Mode::Lan,
            lang.t("Nur zu Hause", "At home only"),
            lang.t(
                "Post zwischen den Menschen und Geräten im Haus, ohne Internet. Eine Domain können Sie später ergänzen.",
                "Mail among the people and devices of the house, without the internet. You can add a domain later.",
            ),
        ),
    ]
}

#[derive(Debug, Deserialize)]
struct Chosen {
    mode: Mode,
}

async fn set_mode(
    State(web): State<Web>,
    Posted(_, Chosen { mode }): Posted<Setter, Chosen>,
) -> Result<Response, Problem> {
    let saved = web.run(move |sources, _| {
        let save = Progress::change(&sources.store, |progress| progress.mode = Some(mode));
        Ok(save?)
    });
    saved.await?;
    Ok(go(Step::Name.path()))
}

/// What was typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Names {
    domain: String,
    hostname: String,
}

/// What is wrong with it.
#[derive(Debug, Default)]
struct Errors {
    domain: &'static str,
    hostname: &'static str,
}

async fn ask_name(State(web): State<Web>, setter: Setter) -> Result<Response, Problem> {
    let mode = super::entry::mode(&web).await?;
    let names = proposed(&web.sources.settings, mode);
    Ok(name_page(&web, &setter, mode, &names, &Errors::default()))
}

/// What there is, or what fits the mode.
fn proposed(settings: &Settings, mode: Option<Mode>) -> Names {
    let domain = settings.domains.first();
    let fits = domain.filter(|domain| mode == Some(Mode::Lan) || domain.is_public());
    let Some(domain) = fits else {
        return Names::default();
    };
    Names {
        domain: domain.to_string(),
        hostname: settings.hostname.to_string(),
    }
}

fn name_page(
    web: &Web,
    setter: &Setter,
    mode: Option<Mode>,
    names: &Names,
    errors: &Errors,
) -> Response {
    let frame = frame_of(&setter.visitor, &setter.form);
    let is_locked = is_locked(web);
    let body = html! {
        form.card method="post" action="/setup/name" {
            (frame.token())
            @if is_locked {
                (locked(&frame))
                dl.facts {
                    dt { "Domain" } dd { (names.domain) }
                    dt { (frame.t("Name der Box", "Name of the box")) } dd { (names.hostname) }
                }
            } @else {
                (fields(&frame, mode, names, errors))
            }
            (buttons(&frame, Step::Name, mode, frame.t("Weiter", "Continue")))
        }
    };
    step_page(setter, Step::Name, mode, &body)
}

fn is_locked(web: &Web) -> bool {
    let changer = &web.sources.changer;
    changer.is_locked("domains") || changer.is_locked("hostname")
}

fn fields(frame: &Frame, mode: Option<Mode>, names: &Names, errors: &Errors) -> Markup {
    let hint = if mode == Some(Mode::Lan) {
        frame.t(
            "Ein Name nur für Ihr Zuhause. heimpost.local ist gut; so enden dann Ihre Adressen.",
            "A name for your home only. heimpost.local is fine; your addresses end with it.",
        )
    } else {
        frame.t(
            "Der Teil Ihrer Adresse nach dem @, etwa example.org. Sie müssen die Domain schon haben.",
            "The part of your address after the @, such as example.org. You must have the domain already.",
        )
    };
    html! {
        (Field {
            hint,
            error: errors.domain,
            required: true,
            ..Field::text("domain", "Domain", &names.domain)
        }.render())
        details open[!errors.hostname.is_empty()] {
            summary { (frame.t("Name der Box selbst", "Name of the box itself")) }
            (Field {
                hint: frame.t(
                    "So nennt sich die Box gegenüber anderen. Leer: „mail.“ vor Ihrer Domain.",
                    "What the box calls itself towards others. Empty: \"mail.\" in front of your domain.",
                ),
                error: errors.hostname,
                ..Field::text("hostname", frame.t("Name der Box", "Name of the box"), &names.hostname)
            }.render())
        }
    }
}

async fn set_name(
    State(web): State<Web>,
    Posted(setter, names): Posted<Setter, Names>,
) -> Result<Response, Problem> {
    let mode = super::entry::mode(&web).await?;
    if is_locked(&web) {
        web.run(|sources, _| note_named(&sources.store)).await?;
        return Ok(go(Step::Account.path()));
    }
    let (domain, hostname) = match checked(&names, mode, setter.visitor.lang) {
        Ok(checked) => checked,
        Err(errors) => return Ok(name_page(&web, &setter, mode, &names, &errors)),
    };
    let restarts = web.run(move |sources, _| save(sources, &domain, &hostname));
    if restarts.await? {
        waiting(&setter.visitor, "/setup")
    } else {
        Ok(go("/setup"))
    }
}

fn checked(names: &Names, mode: Option<Mode>, lang: Lang) -> Result<(Domain, Domain), Errors> {
    let mut errors = Errors::default();
    let parse = |text: &str| {
        let text = text.trim().trim_end_matches('.').to_lowercase();
        let domain = Domain::parse(&text).ok();
        domain.filter(|domain| !domain.is_literal() && domain.as_str().contains('.'))
    };
    let domain = parse(&names.domain);
    match &domain {
        None => {
            errors.domain = lang.t(
                "Das ist keine Domain. Richtig ist etwa example.org, ohne @ und ohne https.",
                "This is no domain. Right is, for instance, example.org, without @ and https.",
            );
        }
        Some(domain) if mode != Some(Mode::Lan) && !domain.is_public() => {
            errors.domain = lang.t(
                "Dieser Name gilt nur zu Hause. Für Post aus dem Internet braucht es eine eigene Domain; sonst gehen Sie zurück und wählen „Nur zu Hause“.",
                "This name is for home networks only. Mail from the internet needs a domain of your own; otherwise go back and choose \"At home only\".",
            );
        }
        Some(_) => {}
    }
    let proposed = domain.as_ref().map(|domain| match mode {
        Some(Mode::Lan) => domain.to_string(),
        Some(Mode::Mx | Mode::Smarthost) | None => format!("mail.{domain}"),
    });
    let typed = names.hostname.trim();
    let hostname = if typed.is_empty() {
        proposed.and_then(|text| parse(&text))
    } else {
        parse(typed)
    };
    if hostname.is_none() && !typed.is_empty() {
        errors.hostname = lang.t(
            "Das ist kein Name für einen Server, etwa mail.example.org.",
            "This is no name for a server, such as mail.example.org.",
        );
    }
    let is_fine = errors.domain.is_empty() && errors.hostname.is_empty();
    domain.zip(hostname).filter(|_| is_fine).ok_or(errors)
}

/// Saves the names; whether the services restart. Domains that accounts are at stay.
fn save(sources: &Sources, domain: &Domain, hostname: &Domain) -> Result<bool, Problem> {
    let accounts = sources.store.snapshot()?.accounts()?;
    let used: BTreeSet<&Domain> = accounts.iter().map(|it| it.address.domain()).collect();
    let others = used.into_iter().filter(|used| *used != domain);
    let domains: Vec<toml::Value> = std::iter::once(domain)
        .chain(others)
        .map(|domain| domain.as_str().into())
        .collect();
    let edits = [
        Edit::set("domains", domains),
        Edit::set("hostname", hostname.as_str()),
    ];
    note_named(&sources.store)?;
    sources.changer.change(&edits).map_err(not_changed)?;
    Ok(sources.changer.is_pending())
}

fn note_named(store: &Store) -> Result<(), Problem> {
    Ok(Progress::change(store, |progress| progress.named = true)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::types::Language;

    fn check(mode: Mode, domain: &str, hostname: &str, expected: &str) {
        let names = Names {
            domain: domain.to_owned(),
            hostname: hostname.to_owned(),
        };
        let told = match checked(&names, Some(mode), Lang(Language::En)) {
            Ok((domain, hostname)) => format!("{domain} {hostname}"),
            Err(errors) => format!(
                "{}!{}!",
                errors.domain.len().min(1),
                errors.hostname.len().min(1)
            ),
        };
        assert_eq!(told, expected, "{domain} {hostname}");
    }

    #[test]
    fn names() {
        check(
            Mode::Mx,
            " Example.ORG. ",
            "",
            "example.org mail.example.org",
        );
        check(
            Mode::Smarthost,
            "example.org",
            "box.example.org",
            "example.org box.example.org",
        );
        check(
            Mode::Lan,
            "heimpost.local",
            "",
            "heimpost.local heimpost.local",
        );
        check(Mode::Mx, "heimpost.local", "", "1!0!");
        for bad in [
            "",
            "localhost",
            "a@example.org",
            "https://example.org",
            "[127.0.0.1]",
            "a\r\nb.org",
            "-.-",
        ] {
            check(Mode::Mx, bad, "", "1!0!");
        }
        check(Mode::Mx, "example.org", "two words.org", "0!1!");
    }
}
