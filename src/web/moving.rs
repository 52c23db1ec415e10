//! Old mail in and out through the browser: an mbox file is read as it comes over the line, an archive is written as it goes.
//!
//! Neither is ever whole on the card or in memory. An import is a job: what was read is filed even if the browser leaves,
//! and the same file given again goes on where it stopped.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::Multipart;
use axum::extract::multipart::Field;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use tokio::sync::mpsc::{Receiver, channel};

use super::Web;
use super::form::TOKEN_FIELD;
use super::jobs::{End, Handle, JobId, Kind};
use super::layout::Frame;
use super::problem::{Problem, Said};
use super::session::Token;
use super::state::Sources;
use super::stream;
use super::words::Lang;
use crate::mail::ids::AccountId;
use crate::mail::mailbox_name::MailboxName;
use crate::store;
use crate::store::types::{Account, Language};
use crate::transfer::export::Export;
use crate::transfer::import::Import;
use crate::transfer::{Error, Event, Report};

/// Pieces of an upload that wait to be read.
const PIECES_MAX: usize = 8;

/// Longest field of an upload's form but the file.
const FIELD_BYTES_MAX: usize = 1000;

/// Problems of an import that are told one by one.
const PROBLEMS_MAX: usize = 20;

/// What the file is called in errors.
const UPLOAD: &str = "upload";

/// The form for a file; `action` takes it.
pub(super) fn import_form(frame: &Frame, action: &str) -> Markup {
    html! {
        form method="post" action=(action) enctype="multipart/form-data" {
            (frame.token())
            div.field {
                label for="field-mailbox" { (frame.t("In welchen Ordner?", "Into which mailbox?")) }
                input #field-mailbox name="mailbox" value="Import" required autocomplete="off";
            }
            div.field {
                label for="field-file" { (frame.t("mbox-Datei", "mbox file")) }
                input #field-file type="file" name="file" required aria-describedby="field-file-hint";
                p.hint #field-file-hint {
                    (frame.t(
                        "Thunderbird, Apple Mail und viele andere Programme schreiben solche Dateien. Was schon da ist, kommt nicht \
                         doppelt.",
                        "Thunderbird, Apple Mail and many other programs write such files. What is there already does not \
                         come twice.",
                    ))
                }
            }
            button { (frame.t("Importieren", "Import")) }
        }
    }
}

/// Takes an upload's form: the token first, then the mailbox, then the file. Gives the job once the file has been read.
pub(super) async fn import(
    web: &Web,
    token: &Token,
    account: AccountId,
    mut form: Multipart,
) -> Result<JobId, Problem> {
    let mut name = None;
    let mut allowed = false;
    while let Some(field) = form.next_field().await.map_err(|_| broken_off())? {
        match field.name().unwrap_or_default() {
            TOKEN_FIELD => allowed = token.is(&text(field).await?),
            _ if !allowed => return Err(Problem::Forbidden("token")),
            "mailbox" => name = Some(mailbox_name(&text(field).await?)?),
            "file" => {
                let name = name.take().ok_or_else(broken_off)?;
                return read(web, account, name, field).await;
            }
            _ => {}
        }
    }
    Err(broken_off())
}

fn mailbox_name(text: &str) -> Result<MailboxName, Problem> {
    MailboxName::parse(text.trim()).map_err(|error| {
        Problem::wrong(
            format!("So kann ein Ordner nicht heißen ({error})."),
            format!("A mailbox cannot be called that ({error})."),
        )
    })
}

async fn text(mut field: Field<'_>) -> Result<String, Problem> {
    let mut text = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(|_| broken_off())? {
        text.extend_from_slice(&piece);
        if text.len() > FIELD_BYTES_MAX {
            return Err(broken_off());
        }
    }
    String::from_utf8(text).map_err(|_| broken_off())
}

/// Hands the file to a job, piece by piece. What comes after a job that failed is read and thrown away, so that the browser
/// hears why.
async fn read(
    web: &Web,
    account: AccountId,
    name: MailboxName,
    mut field: Field<'_>,
) -> Result<JobId, Problem> {
    let (sender, receiver) = channel(PIECES_MAX);
    let sources = Arc::clone(&web.sources);
    let jobs = web.sources.kept.jobs.clone();
    if jobs
        .latest(Kind::Import, account)
        .is_some_and(|job| job.end.is_none())
    {
        return Err(Problem::wrong(
            "Es läuft schon ein Import in dieses Postfach. Warten Sie, bis er fertig ist.",
            "An import into this account is under way already. Wait until it is done.",
        ));
    }
    let work = move |handle: &Handle| run(&sources, account, &name, Pieces::new(receiver), handle);
    let id = jobs.begin(Kind::Import, account, work);
    loop {
        match field.chunk().await {
            Ok(Some(piece)) => drop(sender.send(Ok(piece)).await),
            Ok(None) => return Ok(id),
            Err(_) => {
                drop(sender.send(Err(io::ErrorKind::UnexpectedEof.into())).await);
                return Err(broken_off());
            }
        }
    }
}

fn run(
    sources: &Sources,
    account: AccountId,
    name: &MailboxName,
    pieces: Pieces,
    handle: &Handle,
) -> End {
    let mut problems = Vec::new();
    let mut listener = |event| {
        match event {
            Event::Progress { mailbox, done, .. } => handle.tell(&mailbox, done, 0),
            Event::Problem(text) => problems.push(text),
        }
        if handle.is_interrupted() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        Ok(())
    };
    let import = Import::new(&sources.store, account, &sources.clock);
    let source = (BufReader::new(pieces), 0);
    let done = import.mbox_from(source, Path::new(UPLOAD), name, &mut listener);
    let passed_over = problems.into_iter().take(PROBLEMS_MAX).map(|text| Said {
        de: format!("Ausgelassen: {text}"),
        en: format!("Passed over: {text}"),
    });
    match done {
        Ok(report) => End::Done([summary(&report)].into_iter().chain(passed_over).collect()),
        Err(error) => End::Failed([failure(&error)].into_iter().chain(passed_over).collect()),
    }
}

fn summary(report: &Report) -> Said {
    let (de, en) = (Lang(Language::De), Lang(Language::En));
    Said {
        de: format!(
            "{} Mails ({}) sind gekommen, {} waren schon da, {} ließen sich nicht lesen.",
            de.number(report.messages),
            de.amount(report.bytes),
            de.number(report.present),
            de.number(report.problems)
        ),
        en: format!(
            "{} messages ({}) have come, {} were there already, {} could not be read.",
            en.number(report.messages),
            en.amount(report.bytes),
            en.number(report.present),
            en.number(report.problems)
        ),
    }
}

fn failure(error: &Error) -> Said {
    match error {
        Error::Store(store::Error::OverQuota | store::Error::Full) => Said {
            de: "Es ist kein Platz mehr. Schaffen Sie welchen und geben Sie dieselbe Datei noch einmal: Der Import macht dort \
                 weiter, wo er stand."
                .to_owned(),
            en: "There is no room left. Make some and give the same file again: the import goes on where it stopped.".to_owned(),
        },
        Error::Format { problem, .. } => Said {
            de: format!("Das ist keine mbox-Datei: {problem}"),
            en: format!("This is no mbox file: {problem}"),
        },
        Error::Interrupted | Error::Io { .. } | Error::Store(_) => Said {
            de: "Die Übertragung ist abgebrochen. Geben Sie dieselbe Datei noch einmal: Der Import macht dort weiter, wo er stand."
                .to_owned(),
            en: "The transfer broke off. Give the same file again: the import goes on where it stopped.".to_owned(),
        },
    }
}

fn broken_off() -> Problem {
    Problem::wrong(
        "Die Datei ist nicht vollständig angekommen. Versuchen Sie es noch einmal.",
        "The file did not arrive whole. Try again.",
    )
}

/// The pieces of an upload as a file that is read.
struct Pieces {
    receiver: Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Pieces {
    fn new(receiver: Receiver<io::Result<Bytes>>) -> Self {
        Self {
            receiver,
            piece: Bytes::new(),
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let taken = self.piece.split_to(self.piece.len().min(out.len()));
        for (to, from) in out.iter_mut().zip(&taken) {
            *to = *from;
        }
        Ok(taken.len())
    }
}

/// All mail of an account as a zip archive of mbox files.
pub(super) fn export(web: &Web, account: &Account) -> Result<Response, Problem> {
    let (store, id) = (web.sources.store.clone(), account.id);
    let body = stream::written_by(move |out| {
        let mut listener = |_| Ok(());
        let done = Export::new(&store, id).zip(out, Path::new("export"), &mut listener);
        done.map(|_| ()).map_err(io::Error::other)
    });
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || "@.-_".contains(c) {
            c
        } else {
            '_'
        }
    };
    let name: String = account.address.to_string().chars().map(safe).collect();
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}.zip\""));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/zip")),
        (
            CONTENT_DISPOSITION,
            disposition.map_err(|_| Problem::Broken)?,
        ),
    ];
    Ok((headers, body).into_response())
}
