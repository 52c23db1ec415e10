//! "What may I delete?": a person's own mail by size, sender and year, and moving it in and out.
//!
//! Counting reads every record, so a job does it; what it found is kept for a while.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Multipart, Path, State};
use axum::http::header::{LOCATION, REFRESH};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::clock::{Mono, Wall};
use crate::mail::ids::AccountId;
use crate::mail::mime::Summary;
use crate::manage::survey::{Large, Survey, survey};
use crate::space::{self, State as Fullness, words};
use crate::store::Snapshot;
use crate::store::types::Usage;
use crate::web::jobs::{End, Handle, JobId, Kind};
use crate::web::layout::{Frame, Tab};
use crate::web::mail::{people, places};
use crate::web::parts::{card, meter};
use crate::web::problem::Problem;
use crate::web::state::Sources;
use crate::web::visitor::Person;
use crate::web::words::Lang;
use crate::web::{Web, job_page, moving};

/// What was counted counts for so long.
const FRESH_FOR: Duration = Duration::from_mins(10);

/// Large messages that are shown at once; the others are folded.
const LARGEST_SHOWN: usize = 10;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/me/storage", get(show))
        .route("/me/transfer", get(transfer))
        .route("/me/transfer/export", get(export))
        .route(
            "/me/transfer/import",
            post(import).layer(DefaultBodyLimit::disable()),
        )
        .route("/me/job/{id}", get(job))
}

/// What was found, by account; when that was. Clones are the same table.
#[derive(Clone, Debug, Default)]
pub struct Surveys(Arc<Mutex<Rows>>);

type Rows = BTreeMap<AccountId, (Mono, Arc<Survey>)>;

impl Surveys {
    fn find(&self, account: AccountId, now: Mono) -> Option<Arc<Survey>> {
        let rows = self.rows();
        let (at, survey) = rows.get(&account)?;
        (now.since(*at) < FRESH_FOR).then(|| Arc::clone(survey))
    }

    fn keep(&self, account: AccountId, now: Mono, survey: Survey) {
        let mut rows = self.rows();
        rows.retain(|_, (at, _)| now.since(*at) < FRESH_FOR);
        rows.insert(account, (now, Arc::new(survey)));
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A large message as the page shows it.
struct Row {
    large: Large,
    from: String,
    subject: String,
    mailbox: String,
}

async fn show(State(web): State<Web>, person: Person) -> Result<Response, Problem> {
    let id = person.account.id;
    let frame = Frame::of_person(&person, Tab::Me);
    let title = frame.t("Was kann ich löschen?", "What may I delete?");
    let Some(found) = web.sources.kept.surveys.find(id, web.now().mono) else {
        return Ok(counting(&frame, &web, id, title));
    };
    let (lang, counted) = (frame.lang, Arc::clone(&found));
    let read = web.run(move |sources, now| {
        let state = space::of_account(&sources.store, id, now)?;
        Ok((state, rows(&sources.store.snapshot()?, &counted, lang)?))
    });
    let (state, rows) = read.await?;
    let body = html! {
        (fill_card(&frame, &state))
        (largest_card(&frame, &web, &rows))
        div.grid {
            (senders_card(&frame, &found))
            (years_card(&frame, &found))
        }
    };
    Ok(frame.page(title, &body))
}

/// Begins to count and says so; the page looks again by itself.
fn counting(frame: &Frame, web: &Web, id: AccountId, title: &str) -> Response {
    let sources = Arc::clone(&web.sources);
    let jobs = &web.sources.kept.jobs;
    let job = jobs.begin(Kind::Survey, id, move |handle: &Handle| {
        count(&sources, id, handle)
    });
    let progress = jobs.find(job).map(|job| job.progress).unwrap_or_default();
    let far = format!(
        "{} / {}",
        frame.lang.number(progress.done),
        frame.lang.number(progress.total)
    );
    let body = html! {
        section.card role="status" {
            p.lead { (frame.t("Ihre Mails werden gezählt …", "Your mail is being counted …")) }
            @if progress.total > 0 { p.big { (far) } }
        }
    };
    let mut response = frame.page(title, &body);
    response
        .headers_mut()
        .insert(REFRESH, HeaderValue::from_static("1"));
    response
}

fn count(sources: &Sources, id: AccountId, handle: &Handle) -> End {
    let go_on = |done, total| {
        handle.tell("", done, total);
        !handle.is_interrupted()
    };
    match survey(&sources.store, id, &sources.settings.time_zone, go_on) {
        Ok(Some(found)) => {
            sources
                .kept
                .surveys
                .keep(id, sources.clock.now().mono, found);
            End::Done(Vec::new())
        }
        Ok(None) => End::Failed(Vec::new()),
        Err(error) => {
            tracing::warn!(%error, "an account's mail cannot be counted");
            End::Failed(Vec::new())
        }
    }
}

/// Those that are still there.
fn rows(snapshot: &Snapshot, survey: &Survey, lang: Lang) -> Result<Vec<Row>, Problem> {
    let mut rows = Vec::new();
    for large in &survey.largest {
        let (Some(record), Some(mailbox)) = (
            snapshot.record(large.serial)?,
            snapshot.mailbox(large.mailbox)?,
        ) else {
            continue;
        };
        let envelope = Summary::decode(&record.summary)
            .unwrap_or_default()
            .envelope;
        rows.push(Row {
            large: large.clone(),
            from: envelope.from.first().map(people::short).unwrap_or_default(),
            subject: people::subject(&envelope, lang),
            mailbox: places::label(lang, &mailbox),
        });
    }
    Ok(rows)
}

fn fill_card(frame: &Frame, state: &Fullness) -> Markup {
    card(
        frame.t("So voll ist es", "How full it is"),
        &html! {
            (meter(frame, frame.t("Mein Postfach", "My account"), state))
            @if let Some(outlook) = words::outlook(state, frame.lang.0) { p.hint { (outlook) } }
            p { a href="/me/transfer" { (frame.t("Mails hereinholen oder mitnehmen", "Bring mail in or take it out")) } }
        },
    )
}

fn largest_card(frame: &Frame, web: &Web, rows: &[Row]) -> Markup {
    let lang = frame.lang;
    let zone = &web.sources.settings.time_zone;
    let (shown, folded) = rows.split_at(rows.len().min(LARGEST_SHOWN));
    card(
        frame.t("Die größten Mails", "The largest messages"),
        &html! {
            @if rows.is_empty() { p.empty { (frame.t("Hier liegt noch nichts.", "There is nothing here yet.")) } }
            @else {
                form method="post" action="/mail/deed" {
                    (frame.token())
                    (largest_table(lang, shown, zone))
                    @if !folded.is_empty() {
                        details {
                            summary { (frame.t("Weitere", "More")) " (" (folded.len()) ")" }
                            (largest_table(lang, folded, zone))
                        }
                    }
                    button.danger name="deed" value="trash" { (frame.t("Ausgewählte in den Papierkorb", "Move chosen ones to Trash")) }
                }
            }
        },
    )
}

fn largest_table(lang: Lang, rows: &[Row], zone: &jiff::tz::TimeZone) -> Markup {
    html! {
        table.blocks {
            thead { tr {
                th { span.visually-hidden { (lang.t("Auswahl", "Choice")) } }
                th { (lang.t("Mail", "Message")) }
                th { (lang.t("Ordner", "Mailbox")) }
                th { (lang.t("Datum", "Date")) }
                th.number { (lang.t("Größe", "Size")) }
            } }
            tbody { @for row in rows { (largest_row(lang, row, zone)) } }
        }
    }
}

fn largest_row(lang: Lang, row: &Row, zone: &jiff::tz::TimeZone) -> Markup {
    let serial = row.large.serial.0;
    let label = format!("{}: {}", lang.t("Auswählen", "Choose"), row.subject);
    html! {
        tr {
            td { input type="checkbox" name="pick" value=(serial) aria-label=(label); }
            td { a href={ "/mail/message/" (serial) } { (row.subject) } " " span.soft { (row.from) } }
            td data-label=(lang.t("Ordner", "Mailbox")) { (row.mailbox) }
            td data-label=(lang.t("Datum", "Date")) { (lang.day(Wall(row.large.date.0), zone)) }
            td.number data-label=(lang.t("Größe", "Size")) { (lang.amount(row.large.bytes)) }
        }
    }
}

fn senders_card(frame: &Frame, survey: &Survey) -> Markup {
    let rows = survey.senders.iter().map(|(address, usage)| {
        let query = format!("from:{address}");
        let href = format!(
            "/mail/search?q={}",
            utf8_percent_encode(&query, NON_ALPHANUMERIC)
        );
        (address.clone(), Some(href), *usage)
    });
    sums(frame, frame.t("Absender", "Senders"), rows.collect())
}

fn years_card(frame: &Frame, survey: &Survey) -> Markup {
    let rows = survey.years.iter().rev().map(|(year, usage)| {
        let query = format!("after:{year}-01-01 before:{}-01-01", year.saturating_add(1));
        let href = format!(
            "/mail/search?q={}",
            utf8_percent_encode(&query, NON_ALPHANUMERIC)
        );
        (year.to_string(), Some(href), *usage)
    });
    sums(frame, frame.t("Jahre", "Years"), rows.collect())
}

fn sums(frame: &Frame, title: &str, rows: Vec<(String, Option<String>, Usage)>) -> Markup {
    let lang = frame.lang;
    card(
        title,
        &html! {
            table {
                thead { tr {
                    th { (title) }
                    th.number { (frame.t("Mails", "Messages")) }
                    th.number { (frame.t("Größe", "Size")) }
                } }
                tbody {
                    @for (name, href, usage) in rows {
                        tr {
                            td { @if let Some(href) = href { a href=(href) { (name) } } @else { (name) } }
                            td.number { (lang.number(usage.messages)) }
                            td.number { (lang.amount(usage.bytes)) }
                        }
                    }
                }
            }
        },
    )
}

async fn transfer(person: Person) -> Response {
    let frame = Frame::of_person(&person, Tab::Me);
    let body = html! {
        (card(frame.t("Alte Mails hereinholen", "Bring old mail in"), &moving::import_form(&frame, "/me/transfer/import")))
        (card(frame.t("Alle Mails mitnehmen", "Take all mail out"), &html! {
            p { (frame.t("Ein Archiv mit einer mbox-Datei je Ordner, das andere Programme lesen.", "An archive with an mbox file per mailbox, which other programs read.")) }
            p { a.button.second href="/me/transfer/export" download { (frame.t("Herunterladen", "Download")) } }
        }))
    };
    frame.page(frame.t("Mails umziehen", "Moving mail"), &body)
}

async fn export(State(web): State<Web>, person: Person) -> Result<Response, Problem> {
    moving::export(&web, &person.account)
}

async fn import(
    State(web): State<Web>,
    person: Person,
    form: Multipart,
) -> Result<Response, Problem> {
    let id = moving::import(&web, &person.session.form, person.account.id, form).await?;
    let place = format!("/me/job/{}", id.0);
    Ok((StatusCode::SEE_OTHER, [(LOCATION, place)]).into_response())
}

async fn job(
    State(web): State<Web>,
    person: Person,
    Path(id): Path<u64>,
) -> Result<Response, Problem> {
    let job = web.sources.kept.jobs.find(JobId(id));
    let job = job.filter(|job| job.account == person.account.id);
    let job = job.ok_or(Problem::NotFound)?;
    Ok(job_page::show(
        &Frame::of_person(&person, Tab::Me),
        &job,
        "/me/transfer",
    ))
}
