//! The page of a job: how far it is, and how it ended. Without script it looks again every two seconds.

use axum::http::HeaderValue;
use axum::http::header::REFRESH;
use axum::response::Response;
use maud::{Markup, html};

use super::jobs::{End, Job, Kind, Progress};
use super::layout::Frame;
use super::parts::{Tone, notice};

/// Seconds until the page looks again.
const LOOK_AGAIN: HeaderValue = HeaderValue::from_static("2");

/// The page; `back` is where it leads when the job is over.
pub(super) fn show(frame: &Frame, job: &Job, back: &str) -> Response {
    let title = title(frame, job.kind);
    let body = html! {
        @match &job.end {
            None => (under_way(frame, &job.progress)),
            Some(end) => {
                (ended(frame, end))
                p { a.button href=(back) { (frame.t("Zurück", "Back")) } }
            }
        }
    };
    let mut response = frame.page(title, &body);
    if job.end.is_none() {
        response.headers_mut().insert(REFRESH, LOOK_AGAIN);
    }
    response
}

fn title(frame: &Frame, kind: Kind) -> &'static str {
    let lang = frame.lang;
    match kind {
        Kind::Room => lang.t("Platz schaffen", "Making room"),
        Kind::Undo => lang.t("Zurückholen", "Putting back"),
        Kind::Backup => lang.t("Sicherung", "Backup"),
        Kind::Import => lang.t("Import", "Import"),
        Kind::Survey => lang.t("Nachzählen", "Counting"),
    }
}

fn under_way(frame: &Frame, progress: &Progress) -> Markup {
    let lang = frame.lang;
    let far = match progress.total {
        0 if progress.done == 0 => String::new(),
        0 => lang.amount(progress.done),
        total => format!(
            "{} {} {}",
            lang.number(progress.done),
            lang.t("von", "of"),
            lang.number(total)
        ),
    };
    html! {
        section.card role="status" {
            p.lead { (frame.t("Das dauert einen Augenblick. Sie können die Seite ruhig verlassen.", "This takes a moment. You may leave the page.")) }
            @if !progress.what.is_empty() { p { (progress.what) } }
            @if !far.is_empty() { p.big { (far) } }
        }
    }
}

fn ended(frame: &Frame, end: &End) -> Markup {
    let (tone, lines) = match end {
        End::Done(lines) => (Tone::Good, lines),
        End::Failed(lines) => (Tone::Bad, lines),
    };
    let mut lines = lines.iter().map(|said| frame.lang.said(said));
    let first = lines.next().unwrap_or_default();
    html! {
        (notice(tone, &first, None))
        @for line in lines { p.lines { (line) } }
    }
}
