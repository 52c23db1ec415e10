//! Moving mail in and out, and backups.

mod stick;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Multipart, Path as Part, Query, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;

use crate::clock::{Now, Wall};
use crate::mail::ids::AccountId;
use crate::manage::backup::{self, LastBackup};
use crate::store::types::{Account, Language};
use crate::web::form::Posted;
use crate::web::jobs::{End, Handle, JobId, Kind};
use crate::web::layout::{Frame, Tab};
use crate::web::parts::{Field, Tone, card, notice};
use crate::web::problem::{Problem, Said};
use crate::web::state::Sources;
use crate::web::visitor::Owner;
use crate::web::words::Lang;
use crate::web::{Web, job_page, moving};

/// Longest path of a backup that is taken, in bytes.
const PATH_BYTES_MAX: usize = 1000;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/box/transfer", get(show))
        .merge(stick::routes())
        .route("/box/transfer/backup", post(back_up))
        .route("/box/transfer/export", get(export))
        .route(
            "/box/transfer/import/{account}",
            post(import).layer(DefaultBodyLimit::disable()),
        )
        .route("/box/job/{id}", get(job))
}

/// What the page shows.
struct Shown {
    now: Now,
    stick: stick::Facts,
    last: Option<LastBackup>,
    accounts: Vec<Account>,
}

#[derive(Debug, Deserialize)]
struct Whose {
    account: Option<u32>,
    #[serde(default)]
    done: String,
}

async fn show(
    State(web): State<Web>,
    owner: Owner,
    Query(whose): Query<Whose>,
) -> Result<Response, Problem> {
    let shown = web.run(|sources, now| {
        let snapshot = sources.store.snapshot()?;
        Ok(Shown {
            now,
            stick: stick::Facts::gather(sources, &snapshot)?,
            last: LastBackup::load(&snapshot)?,
            accounts: snapshot.accounts()?,
        })
    });
    let shown = shown.await?;
    let frame = Frame::of_owner(&owner, Tab::Device);
    let chosen = whose.account.map_or(owner.account.id, AccountId);
    let chosen = shown.accounts.iter().find(|account| account.id == chosen);
    let chosen = chosen.ok_or(Problem::NotFound)?;
    let body = html! {
        (stick::card(&frame, &shown.stick, &whose.done, shown.now))
        (backup_card(&frame, &web, shown.last.as_ref(), shown.stick.is_used()))
        (account_card(&frame, &shown.accounts, chosen))
    };
    Ok(frame.page(frame.t("Sichern und Umziehen", "Backup and moving"), &body))
}

/// The card of the stick, if one is used, tells how old its backup is.
fn backup_card(frame: &Frame, web: &Web, last: Option<&LastBackup>, on_stick: bool) -> Markup {
    // One on the stick is named by its stick.
    let to = last.map_or("", |last| last.to.as_str());
    let to = if to.starts_with('/') { to } else { "" };
    card(
        frame.t("Sicherung in ein Verzeichnis", "Backup into a directory"),
        &html! {
            @if !on_stick || !to.is_empty() { (last_backup(frame, web, last)) }
            form method="post" action="/box/transfer/backup" {
                (frame.token())
                (Field {
                    required: true,
                    hint: frame.t(
                        "Ein Verzeichnis auf einer Platte, die Sie selbst eingehängt haben, etwa /media/platte/heimpost. Unverändertes wird \
                         nicht noch einmal kopiert.",
                        "A directory on a disk that you have mounted yourself, such as /media/disk/heimpost. What has not changed is \
                         not copied again.",
                    ),
                    ..Field::text("to", frame.t("Wohin?", "Where to?"), to)
                }.render())
                label.check {
                    input type="checkbox" name="trial" value="yes" checked;
                    (frame.t(
                        "Danach ausprobieren (braucht dort noch einmal so viel Platz)",
                        "Try it out afterwards (needs as much room there again)",
                    ))
                }
                button { (frame.t("Jetzt sichern", "Back up now")) }
            }
            p.hint {
                (frame.t(
                    "Eine Sicherung enthält alle Mails und die geheimen Schlüssel der Box. Bewahren Sie sie so sicher auf wie die Box selbst.",
                    "A backup has all mail and the secret keys of the box. Keep it as safe as the box itself.",
                ))
            }
        },
    )
}

/// One sentence about the last backup and its test.
pub(super) fn last_backup(frame: &Frame, web: &Web, last: Option<&LastBackup>) -> Markup {
    let Some(last) = last else {
        let text = frame.t(
            "Es gibt noch keine Sicherung. Geht die Speicherkarte kaputt, sind die Mails fort.",
            "There is no backup yet. If the card breaks, the mail is gone.",
        );
        return notice(Tone::Warn, text, None);
    };
    let lang = frame.lang;
    let zone = &web.sources.settings.time_zone;
    let moment = |at: Option<i64>| {
        at.map_or_else(
            || {
                lang.t("zu unbekannter Zeit", "at an unknown time")
                    .to_owned()
            },
            |at| lang.moment(Wall(at), zone),
        )
    };
    let made = format!(
        "{} {} ({}).",
        lang.t("Letzte Sicherung:", "Last backup:"),
        moment(last.at),
        lang.amount(last.bytes)
    );
    let (tone, tried) = match &last.tried {
        None => (
            Tone::Info,
            lang.t("Sie wurde nicht ausprobiert.", "It was not tried out.")
                .to_owned(),
        ),
        Some(tried) => match &tried.problem {
            None => (
                Tone::Good,
                format!(
                    "{} {} {}",
                    lang.t("Ausprobiert:", "Tried out:"),
                    lang.number(tried.messages),
                    lang.t("Mails waren wieder da.", "messages were there again.")
                ),
            ),
            Some(problem) => (
                Tone::Bad,
                format!(
                    "{} {problem}",
                    lang.t("Sie taugt nichts:", "It is no good:")
                ),
            ),
        },
    };
    notice(tone, &format!("{made} {tried}"), None)
}

fn account_card(frame: &Frame, accounts: &[Account], chosen: &Account) -> Markup {
    let id = chosen.id.0.to_string();
    let import = format!("/box/transfer/import/{id}");
    card(
        frame.t("Mails eines Postfachs", "Mail of an account"),
        &html! {
            form.row method="get" action="/box/transfer" {
                label for="field-account" { (frame.t("Postfach", "Account")) }
                select #field-account name="account" {
                    @for account in accounts {
                        option value=(account.id.0) selected[account.id == chosen.id] { (account.address) }
                    }
                }
                button.second { (frame.t("Wählen", "Choose")) }
            }
            h3 { (frame.t("Alte Mails hereinholen", "Bring old mail in")) " · " (chosen.address) }
            (moving::import_form(frame, &import))
            h3 { (frame.t("Alle Mails mitnehmen", "Take all mail out")) " · " (chosen.address) }
            p { (frame.t("Ein Archiv mit einer mbox-Datei je Ordner, das andere Programme lesen.", "An archive with an mbox file per mailbox, which other programs read.")) }
            p { a.button.second href={ "/box/transfer/export?account=" (id) } download { (frame.t("Herunterladen", "Download")) } }
        },
    )
}

#[derive(Debug, Deserialize)]
struct BackUp {
    to: String,
    #[serde(default)]
    trial: String,
}

async fn back_up(
    State(web): State<Web>,
    Posted(owner, form): Posted<Owner, BackUp>,
) -> Result<Response, Problem> {
    let dir = directory(&form.to, &web.sources.settings.data)?;
    let is_tried = form.trial == "yes";
    let sources = Arc::clone(&web.sources);
    let work = move |handle: &Handle| run(&sources, &dir, is_tried, handle);
    let id = web
        .sources
        .kept
        .jobs
        .begin(Kind::Backup, owner.account.id, work);
    Ok(to_job(id))
}

/// An absolute path outside of the store.
fn directory(text: &str, data: &Path) -> Result<PathBuf, Problem> {
    let path = PathBuf::from(text.trim());
    let is_plain = text.len() <= PATH_BYTES_MAX && !text.contains('\0');
    if !path.is_absolute() || !is_plain {
        return Err(Problem::wrong(
            "Das Verzeichnis muss mit / beginnen.",
            "The directory must begin with /.",
        ));
    }
    let data = data.canonicalize().unwrap_or_else(|_| data.to_owned());
    let real = path.canonicalize().unwrap_or_else(|_| path.clone());
    if real.starts_with(&data) || path.components().any(|part| part.as_os_str() == "..") {
        return Err(Problem::wrong(
            "Eine Sicherung gehört nicht zu dem, was sie sichert. Nehmen Sie ein anderes Verzeichnis.",
            "A backup does not belong beside what it backs up. Take another directory.",
        ));
    }
    Ok(path)
}

fn run(sources: &Sources, dir: &Path, is_tried: bool, handle: &Handle) -> End {
    let (store, now) = (&sources.store, sources.clock.now());
    let made = backup::back_up(store, &sources.settings.data, dir, now);
    let report = match made {
        Ok(report) => report,
        Err(error) => return End::Failed(vec![failed(&error)]),
    };
    let (de, en) = (Lang(Language::De), Lang(Language::En));
    let mut said = vec![Said {
        de: format!(
            "Gesichert: {} nach {}.",
            de.amount(report.bytes),
            dir.display()
        ),
        en: format!(
            "Backed up: {} to {}.",
            en.amount(report.bytes),
            dir.display()
        ),
    }];
    if !is_tried || handle.is_interrupted() {
        return End::Done(said);
    }
    handle.tell("", 0, 0);
    match backup::try_out(store, dir, now) {
        Ok(messages) => {
            said.push(Said {
                de: format!(
                    "Ausprobiert: {} Mails waren wieder da.",
                    de.number(messages)
                ),
                en: format!(
                    "Tried out: {} messages were there again.",
                    en.number(messages)
                ),
            });
            End::Done(said)
        }
        Err(error) => End::Failed(vec![failed(&error)]),
    }
}

fn failed(error: &backup::Error) -> Said {
    Said {
        de: format!("Das hat nicht geklappt: {error}"),
        en: format!("That did not work: {error}"),
    }
}

async fn export(
    State(web): State<Web>,
    _: Owner,
    Query(whose): Query<Whose>,
) -> Result<Response, Problem> {
    let id = AccountId(whose.account.ok_or(Problem::NotFound)?);
    let account = account(&web, id).await?;
    moving::export(&web, &account)
}

async fn import(
    State(web): State<Web>,
    owner: Owner,
    Part(id): Part<u32>,
    form: Multipart,
) -> Result<Response, Problem> {
    let account = account(&web, AccountId(id)).await?;
    let id = moving::import(&web, &owner.session.form, account.id, form).await?;
    Ok(to_job(id))
}

async fn account(web: &Web, id: AccountId) -> Result<Account, Problem> {
    let found = web.run(move |sources, _| Ok(sources.store.snapshot()?.account(id)?));
    found.await?.ok_or(Problem::NotFound)
}

/// Goes to the page of a job.
pub(super) fn to_job(id: JobId) -> Response {
    let place = format!("/box/job/{}", id.0);
    (StatusCode::SEE_OTHER, [(LOCATION, place)]).into_response()
}

async fn job(
    State(web): State<Web>,
    owner: Owner,
    Part(id): Part<u64>,
) -> Result<Response, Problem> {
    let job = web
        .sources
        .kept
        .jobs
        .find(JobId(id))
        .ok_or(Problem::NotFound)?;
    let (tab, back) = match job.kind {
        Kind::Room | Kind::Undo => (Tab::Storage, "/box/storage"),
        Kind::Backup | Kind::Import => (Tab::Device, "/box/transfer"),
        Kind::Survey => return Err(Problem::NotFound),
    };
    let frame = Frame::of_owner(&owner, tab);
    Ok(job_page::show(&frame, &job, back))
}
