//! One account: how full it is, its devices and addresses, and what the owner can change about it.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;

use super::add::language_choice;
use super::{Done, Wrong, find, quota};
use crate::auth;
use crate::mail::address::{Address, Domain};
use crate::mail::ids::AccountId;
use crate::mail::secret::Secret;
use crate::manage::account::{Chosen, Error};
use crate::space::State as Room;
use crate::store::types::{Account, Alias, Usage};
use crate::web::devices::{self, Devices, PolicyForm};
use crate::web::drawer::Paper;
use crate::web::form::{Posted, Sure};
use crate::web::layout::{Frame, Tab};
use crate::web::parts::{Field, Tone, badge, card, meter};
use crate::web::problem::Problem;
use crate::web::visitor::Owner;
use crate::web::words::Lang;
use crate::web::{Sources, Web};

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/box/accounts/{id}", get(page))
        .route("/box/accounts/{id}/quota", post(set_quota))
        .route("/box/accounts/{id}/language", post(set_language))
        .route("/box/accounts/{id}/rename", post(rename))
        .route("/box/accounts/{id}/password", post(set_password))
        .route("/box/accounts/{id}/devices/{device}/revoke", post(revoke))
        .route(
            "/box/accounts/{id}/devices/{device}/policy",
            post(set_policy),
        )
}

/// All that the page shows.
struct Look {
    account: Account,
    room: Room,
    usage: Usage,
    devices: Devices,
    aliases: Vec<Alias>,
}

impl Look {
    fn read(sources: &Sources, id: u32, now: crate::clock::Now) -> Result<Self, Problem> {
        let (account, room) = find(sources, id, now)?;
        let snapshot = sources.store.snapshot()?;
        let mut aliases = snapshot.aliases()?;
        let key = account.address.lookup_key();
        aliases.retain(|alias| alias.to.iter().any(|to| to.lookup_key() == key));
        Ok(Self {
            usage: snapshot.usage(account.id)?,
            devices: Devices::read(&snapshot, account.id)?,
            account,
            room,
            aliases,
        })
    }
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    done: String,
    #[serde(default)]
    shown: String,
}

/// What was typed into which form, and what is wrong with it.
struct Refused {
    form: &'static str,
    typed: String,
    wrong: Wrong,
}

async fn page(
    State(web): State<Web>,
    owner: Owner,
    Path(id): Path<u32>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    show(&web, &owner, id, &asked, None).await
}

async fn show(
    web: &Web,
    owner: &Owner,
    id: u32,
    asked: &Asked,
    refused: Option<&Refused>,
) -> Result<Response, Problem> {
    let look = web
        .run(move |sources, now| Look::read(sources, id, now))
        .await?;
    let frame = Frame::of_owner(owner, Tab::Accounts);
    let drawer = &web.sources.kept.drawer;
    let paper = drawer.read(owner.account.id, &asked.shown, web.now().mono);
    let paper = paper.filter(|paper| paper.account == look.account.id);
    let done = Done {
        done: asked.done.clone(),
    };
    let zone = &web.sources.settings.time_zone;
    let base = format!("/box/accounts/{id}/devices");
    let body = html! {
        (done.notice(frame.lang))
        @if let Some(paper) = paper { (shown_once(&frame, &look.account, &paper)) }
        (overview(&frame, &look, zone))
        (card(frame.t("Geräte", "Devices"), &html! {
            (look.devices.list(&frame, &base, zone))
            p.hint {
                (frame.t(
                    "Neue Geräte richtet jeder selbst ein, unter „Mein Konto“.",
                    "Everyone sets up new devices under \"My account\".",
                ))
            }
        }))
        (card(frame.t("Ändern", "Change"), &forms(web, &frame, &look, refused)))
    };
    let status = match refused {
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::OK,
    };
    Ok(frame.page_with(status, &look.account.address.to_string(), &body))
}

/// A password that was just made.
fn shown_once(frame: &Frame, account: &Account, paper: &Paper) -> Markup {
    html! {
        section.card {
            h2 { (frame.t("Das Passwort", "The password")) }
            p { (frame.t("Schreiben Sie es jetzt auf. Es wird nur dieses eine Mal gezeigt.", "Write it down now. It is shown this once.")) }
            dl.facts {
                dt { (frame.t("Anmeldename", "Login name")) } dd { (account.address) }
                dt { (frame.t("Passwort", "Password")) }
                dd { code.secret #secret { (paper.secret.expose()) } }
            }
            (copy(frame, "secret"))
        }
    }
}

/// A button that copies the text of an element; nothing without script.
pub(in crate::web) fn copy(frame: &Frame, id: &str) -> Markup {
    html! {
        button.second type="button" data-copy=(id) data-done=(frame.t("Kopiert", "Copied")) {
            (frame.t("Kopieren", "Copy"))
        }
    }
}

fn overview(frame: &Frame, look: &Look, zone: &jiff::tz::TimeZone) -> Markup {
    let account = &look.account;
    html! {
        section.card {
            div.spread {
                h2 { (frame.t("Überblick", "Overview")) }
                @if account.owner { (badge(Tone::Info, frame.t("verwaltet die Box", "owns the box"))) }
            }
            (meter(frame, frame.t("Belegt", "In use"), &look.room))
            dl.facts {
                dt { (frame.t("Mails", "Mails")) } dd { (frame.lang.number(look.usage.messages)) }
                dt { (frame.t("Größe", "Size")) }
                dd { @if account.quota_bytes.is_none() { (frame.t("wie in der Box eingestellt", "the box's default")) } @else { (frame.t("eigene", "its own")) } }
                dt { (frame.t("Angelegt", "Added")) } dd { (frame.lang.day(account.created, zone)) }
                dt { (frame.t("Weitere Adressen", "Further addresses")) }
                dd {
                    @for alias in &look.aliases { (alias.from) br; }
                    a href="/box/accounts/aliases" { (frame.t("Verwalten", "Manage")) }
                }
            }
        }
    }
}

fn forms(web: &Web, frame: &Frame, look: &Look, refused: Option<&Refused>) -> Markup {
    let id = look.account.id;
    html! {
        (quota_form(web, frame, &look.account, refused))
        details {
            summary { (frame.t("Sprache", "Language")) }
            form method="post" action={ "/box/accounts/" (id) "/language" } {
                (frame.token())
                (language_choice(frame, Lang(look.account.language).code()))
                button.second { (frame.t("Speichern", "Save")) }
            }
        }
        (rename_form(frame, &look.account, refused))
        (password_form(frame, &look.account, refused))
        @if !look.account.owner {
            p { a.button.danger href={ "/box/accounts/" (id) "/remove" } { (frame.t("Postfach entfernen …", "Remove the account …")) } }
        }
    }
}

/// What was typed before and what is wrong with it, for one form.
fn told(refused: Option<&Refused>, form: &str, lang: Lang) -> Option<(String, String)> {
    let refused = refused.filter(|refused| refused.form == form)?;
    Some((refused.typed.clone(), refused.wrong.in_words(lang)))
}

fn quota_form(web: &Web, frame: &Frame, account: &Account, refused: Option<&Refused>) -> Markup {
    let default = frame
        .lang
        .amount(web.sources.settings.account.quota_default);
    let hint = format!(
        "{} {default}",
        frame.t(
            "Zum Beispiel 2 GB. Leer heißt wie in der Box eingestellt:",
            "For example 2 GB. Empty means the box's default:"
        )
    );
    let told = told(refused, "quota", frame.lang);
    let is_wrong = told.is_some();
    let own = account.quota_bytes.map(written).unwrap_or_default();
    let (value, error) = told.unwrap_or((own, String::new()));
    html! {
        details open[is_wrong] {
            summary { (frame.t("Größe", "Size")) }
            form method="post" action={ "/box/accounts/" (account.id) "/quota" } {
                (frame.token())
                (Field { hint: &hint, error: &error, ..Field::text("quota", frame.t("Größe", "Size"), &value) }.render())
                button.second { (frame.t("Speichern", "Save")) }
            }
        }
    }
}

/// A size that reads back as the same.
fn written(bytes: u64) -> String {
    const UNITS: [(u32, &str); 3] = [(30, "GB"), (20, "MB"), (10, "KB")];
    let fits = |(shift, _): &&(u32, &str)| bytes.trailing_zeros() >= *shift;
    match UNITS.iter().find(fits) {
        Some((shift, unit)) => format!("{} {unit}", bytes >> shift),
        None => format!("{bytes} B"),
    }
}

fn rename_form(frame: &Frame, account: &Account, refused: Option<&Refused>) -> Markup {
    let told = told(refused, "rename", frame.lang);
    let is_wrong = told.is_some();
    let (value, error) = told.unwrap_or_else(|| (account.address.to_string(), String::new()));
    html! {
        details open[is_wrong] {
            summary { (frame.t("Adresse", "Address")) }
            form method="post" action={ "/box/accounts/" (account.id) "/rename" } {
                (frame.token())
                (Field {
                    hint: frame.t(
                        "Mails, Geräte und Passwörter bleiben. Die Geräte brauchen danach den neuen Anmeldenamen. Soll die alte Adresse weiter gehen, legen Sie sie als weitere Adresse an.",
                        "Mail, devices and passwords stay. Devices need the new login name afterwards. To keep the old address, add it as a further address.",
                    ),
                    error: &error,
                    required: true,
                    ..Field::text("address", frame.t("Neue Adresse", "New address"), &value)
                }.render())
                button.second { (frame.t("Umbenennen", "Rename")) }
            }
        }
    }
}

fn password_form(frame: &Frame, account: &Account, refused: Option<&Refused>) -> Markup {
    let told = told(refused, "password", frame.lang);
    let is_wrong = told.is_some();
    let (_, error) = told.unwrap_or_default();
    html! {
        details open[is_wrong] {
            summary { (frame.t("Neues Passwort", "New password")) }
            form method="post" action={ "/box/accounts/" (account.id) "/password" } {
                (frame.token())
                (Field {
                    kind: "password",
                    hint: frame.t(
                        "Leer lassen: Die Box macht ein sicheres und zeigt es Ihnen einmal. App-Passwörter der Geräte bleiben, wie sie sind.",
                        "Leave it empty: the box makes a safe one and shows it to you once. App passwords of devices stay as they are.",
                    ),
                    error: &error,
                    autocomplete: "new-password",
                    ..Field::text("password", frame.t("Passwort", "Password"), "")
                }.render())
                button.second { (frame.t("Passwort setzen", "Set the password")) }
            }
        }
    }
}

/// Where an account's page is, with what was done.
fn done(id: u32, what: &str) -> Problem {
    Problem::Elsewhere(format!("/box/accounts/{id}?done={what}"))
}

#[derive(Debug, Deserialize)]
struct QuotaForm {
    quota: String,
}

async fn set_quota(
    State(web): State<Web>,
    Path(id): Path<u32>,
    Posted(owner, form): Posted<Owner, QuotaForm>,
) -> Result<Response, Problem> {
    let bytes = match quota(&form.quota) {
        Ok(bytes) => bytes,
        Err(wrong) => return again(&web, &owner, id, ("quota", form.quota, wrong)).await,
    };
    web.run(move |sources, _| Ok(sources.store.set_quota(AccountId(id), bytes)?))
        .await?;
    Err(done(id, "quota"))
}

async fn again(
    web: &Web,
    owner: &Owner,
    id: u32,
    (form, typed, wrong): (&'static str, String, Wrong),
) -> Result<Response, Problem> {
    let refused = Refused { form, typed, wrong };
    show(web, owner, id, &Asked::default(), Some(&refused)).await
}

#[derive(Debug, Deserialize)]
struct LanguageForm {
    #[serde(default)]
    language: String,
}

async fn set_language(
    State(web): State<Web>,
    Path(id): Path<u32>,
    Posted(_, form): Posted<Owner, LanguageForm>,
) -> Result<Response, Problem> {
    let lang = Lang::named(&form.language).ok_or(Problem::NotFound)?;
    web.run(move |sources, _| Ok(sources.store.set_language(AccountId(id), lang.0)?))
        .await?;
    Err(done(id, "language"))
}

#[derive(Debug, Deserialize)]
struct RenameForm {
    address: String,
}

async fn rename(
    State(web): State<Web>,
    Path(id): Path<u32>,
    Posted(owner, form): Posted<Owner, RenameForm>,
) -> Result<Response, Problem> {
    let Ok(to) = Address::parse(form.address.trim()) else {
        return again(&web, &owner, id, ("rename", form.address, Wrong::Address)).await;
    };
    let renamed = web.run(
        move |sources, _| match sources.office().rename(AccountId(id), &to) {
            Ok(()) => Ok(None),
            Err(error) => wrong(sources, error).map(Some),
        },
    );
    match renamed.await? {
        None => Err(done(id, "renamed")),
        Some(wrong) => again(&web, &owner, id, ("rename", form.address, wrong)).await,
    }
}

/// What is wrong with a field, or why nothing could be done.
pub(super) fn wrong(sources: &Sources, error: Error) -> Result<Wrong, Problem> {
    match error {
        Error::Elsewhere(_) => {
            let domains = sources.settings.domains.iter().map(Domain::as_str);
            Ok(Wrong::Elsewhere(domains.collect::<Vec<_>>().join(", ")))
        }
        Error::Exists(_) => Ok(Wrong::Exists),
        Error::IsAlias(_) => Ok(Wrong::IsAlias),
        Error::Password(error) | Error::Auth(auth::Error::Password(error)) => {
            Ok(Wrong::Password(error))
        }
        Error::Owner(_) => Err(Problem::Forbidden("owner")),
        Error::Auth(auth::Error::Store(error)) | Error::Store(error) => Err(Problem::Store(error)),
        Error::Auth(auth::Error::Resources) => Err(Problem::Broken),
    }
}

#[derive(Debug, Deserialize)]
struct PasswordForm {
    password: String,
}

async fn set_password(
    State(web): State<Web>,
    Path(id): Path<u32>,
    Posted(owner, form): Posted<Owner, PasswordForm>,
) -> Result<Response, Problem> {
    let given = (!form.password.is_empty()).then(|| Secret::new(form.password));
    let set = web.run_unhurried(move |sources, now| {
        let (account, _) = find(sources, id, now)?;
        let chosen = Chosen::new(given.as_ref());
        let set = chosen.and_then(|chosen| {
            sources.office().set_password(account.id, &chosen.secret)?;
            Ok(chosen)
        });
        set.map(Ok).or_else(|error| wrong(sources, error).map(Err))
    });
    let chosen = match set.await? {
        Ok(chosen) => chosen,
        Err(wrong) => return again(&web, &owner, id, ("password", String::new(), wrong)).await,
    };
    let (kept, account) = (&web.sources.kept, AccountId(id));
    kept.sessions.end_others(account, Some(&owner.session));
    if !chosen.made {
        return Err(done(id, "password"));
    }
    let paper = Paper {
        account,
        device: None,
        secret: chosen.secret,
    };
    let key = kept.drawer.put(owner.account.id, paper, web.now().mono);
    let key = key.ok_or(Problem::Broken)?;
    let key = key.expose();
    Err(done(id, &format!("password&shown={key}")))
}

async fn revoke(
    State(web): State<Web>,
    Path((id, device)): Path<(u32, u32)>,
    Posted(owner, sure): Posted<Owner, Sure>,
) -> Result<Response, Problem> {
    if !sure.is_sure() {
        let frame = Frame::of_owner(&owner, Tab::Accounts);
        let base = format!("/box/accounts/{id}/devices");
        return devices::ask(&web, &frame, (AccountId(id), device), &base).await;
    }
    devices::revoke(&web, AccountId(id), device).await?;
    Err(done(id, "revoked"))
}

async fn set_policy(
    State(web): State<Web>,
    Path((id, device)): Path<(u32, u32)>,
    Posted(_, form): Posted<Owner, PolicyForm>,
) -> Result<Response, Problem> {
    devices::set_policy(&web, AccountId(id), device, form).await?;
    Err(done(id, "policy"))
}
