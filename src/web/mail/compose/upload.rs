//! The form as it comes in: texts are kept, files go on to the message that is being built.
//!
//! What comes after something went wrong is read to its end and discarded, so that the browser hears what it was.

use axum::body::Bytes;
use axum::extract::Multipart;
use axum::extract::multipart::Field;

use super::Trouble;
use super::build::{Build, Built, Files};
use crate::web::Web;
use crate::web::mail::writing::Typed;
use crate::web::problem::Problem;
use crate::web::visitor::Person;

/// Bytes of all texts of a form.
const TEXTS_BYTES_MAX: usize = 2 << 20;

/// Bytes of a file that are handed to the store at once.
const PIECE_BYTES: usize = 512 << 10;

/// A form that has come in.
pub(super) struct Taken {
    pub(super) typed: Typed,
    /// The message. Nothing is built of a form without its token.
    pub(super) built: Result<Built, Trouble>,
}

/// Only the texts; files are passed over.
pub(super) async fn take_texts(mut multipart: Multipart) -> Result<Typed, Problem> {
    let mut texts = Texts::default();
    while let Some(mut field) = next(&mut multipart).await? {
        if field.file_name().is_none() {
            texts.take(&mut field).await?;
        } else {
            // Text fields come before files.
            break;
        }
    }
    Ok(texts.typed)
}

/// All of it.
pub(super) async fn take(
    web: &Web,
    person: &Person,
    mut multipart: Multipart,
) -> Result<Taken, Problem> {
    let mut texts = Texts::default();
    let mut state = State::NotBegun;
    let mut read = 0_u64;
    let read_max = web
        .sources
        .settings
        .limits
        .message_bytes_max
        .saturating_mul(4);
    while let Some(mut field) = next(&mut multipart).await? {
        let Some(name) = field.file_name().map(str::to_owned) else {
            texts.take(&mut field).await?;
            continue;
        };
        let kind = field.content_type().unwrap_or_default().to_owned();
        let mut file = File::new(name, kind);
        while let Some(bytes) = file.fill(&mut field).await? {
            read = read.saturating_add(bytes.len() as u64);
            if read > read_max {
                return Err(endless());
            }
            state = state
                .push(web, person, &texts.typed, &mut file, bytes)
                .await;
        }
    }
    let built = state.finish(web, person, &texts.typed).await;
    Ok(Taken {
        typed: texts.typed,
        built,
    })
}

async fn next(multipart: &mut Multipart) -> Result<Option<Field<'_>>, Problem> {
    multipart.next_field().await.map_err(|_| broken_off())
}

fn broken_off() -> Problem {
    Problem::wrong(
        "Die Übertragung ist abgebrochen. Gehen Sie im Browser zurück und versuchen Sie es noch einmal.",
        "The upload broke off. Go back in the browser and try again.",
    )
}

fn endless() -> Problem {
    Problem::wrong(
        "Das ist viel zu groß für eine E-Mail. Gehen Sie im Browser zurück und nehmen Sie kleinere Dateien.",
        "This is far too large for a mail. Go back in the browser and take smaller files.",
    )
}

#[derive(Default)]
struct Texts {
    typed: Typed,
    bytes: usize,
}

impl Texts {
    async fn take(&mut self, field: &mut Field<'_>) -> Result<(), Problem> {
        let name = field.name().unwrap_or_default().to_owned();
        let mut value = Vec::new();
        while let Some(bytes) = field.chunk().await.map_err(|_| broken_off())? {
            self.bytes += bytes.len();
            if self.bytes > TEXTS_BYTES_MAX {
                return Err(Problem::wrong(
                    "Dieser Text ist zu lang für eine E-Mail. Gehen Sie im Browser zurück und hängen Sie ihn als Datei an.",
                    "This text is too long for a mail. Go back in the browser and attach it as a file.",
                ));
            }
            value.extend_from_slice(&bytes);
        }
        let value = String::from_utf8_lossy(&value).into_owned();
        self.typed.take(&name, value);
        Ok(())
    }
}

/// A file that comes in.
struct File {
    name: String,
    kind: String,
    began: bool,
}

impl File {
    fn new(name: String, kind: String) -> Self {
        Self {
            name,
            kind,
            began: false,
        }
    }

    /// The next piece; `None` at the end. A field without a file has no name and no bytes.
    async fn fill(&self, field: &mut Field<'_>) -> Result<Option<Bytes>, Problem> {
        let mut piece = Vec::new();
        while let Some(bytes) = field.chunk().await.map_err(|_| broken_off())? {
            piece.extend_from_slice(&bytes);
            if piece.len() >= PIECE_BYTES {
                return Ok(Some(piece.into()));
            }
        }
        let is_empty_file = !self.began && !self.name.is_empty();
        Ok((!piece.is_empty() || is_empty_file).then(|| piece.into()))
    }
}

/// How far the message is.
enum State {
    NotBegun,
    Under(Box<Build>),
    Failed(Trouble),
}

impl State {
    async fn push(
        self,
        web: &Web,
        person: &Person,
        typed: &Typed,
        file: &mut File,
        bytes: Bytes,
    ) -> Self {
        let under = match self {
            Self::NotBegun => Self::begin(web, person, typed, Files::Coming).await,
            under @ (Self::Under(_) | Self::Failed(_)) => under,
        };
        let Self::Under(mut build) = under else {
            file.began = true;
            return under;
        };
        let head = (!std::mem::replace(&mut file.began, true))
            .then(|| (file.name.clone(), file.kind.clone()));
        let work = web.run_unhurried(move |_, _| {
            let begun = head.map_or(Ok(()), |(name, kind)| build.file(&name, &kind));
            let pushed = begun.and_then(|()| build.push(&bytes));
            Ok(match pushed {
                Ok(()) => Self::Under(build),
                Err(trouble) => Self::Failed(trouble),
            })
        });
        work.await
            .unwrap_or_else(|problem| Self::Failed(Trouble::Problem(problem)))
    }

    async fn begin(web: &Web, person: &Person, typed: &Typed, files: Files) -> Self {
        if !person.session.form.is(&typed.form) {
            return Self::Failed(Trouble::Problem(Problem::Forbidden("token")));
        }
        let (account, lang, typed) = (person.account.id, person.visitor.lang, typed.clone());
        let work = web.run_unhurried(move |sources, now| {
            let begun = Build::begin(sources, account, &typed, files, (lang, now));
            Ok(match begun {
                Ok(build) => Self::Under(Box::new(build)),
                Err(trouble) => Self::Failed(trouble),
            })
        });
        work.await
            .unwrap_or_else(|problem| Self::Failed(Trouble::Problem(problem)))
    }

    async fn finish(self, web: &Web, person: &Person, typed: &Typed) -> Result<Built, Trouble> {
        let under = match self {
            Self::NotBegun => Self::begin(web, person, typed, Files::None).await,
            under @ (Self::Under(_) | Self::Failed(_)) => under,
        };
        match under {
            Self::Failed(trouble) => Err(trouble),
            Self::Under(build) => {
                let work = web.run_unhurried(move |_, _| Ok(build.finish()));
                work.await
                    .unwrap_or_else(|problem| Err(Trouble::Problem(problem)))
            }
            Self::NotBegun => Err(Trouble::Problem(Problem::Broken)),
        }
    }
}
