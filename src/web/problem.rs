//! Why a page cannot be shown or a form not carried out. Handlers return it; `dress` shows it in the visitor's language.

use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};

use super::words::Lang;
use crate::store;

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There is no such page or thing (any more).
    #[error("not found")]
    NotFound,
    /// It is not this visitor's, or the form did not come from our page.
    #[error("forbidden: {0}")]
    Forbidden(&'static str),
    /// The form is wrong; in words, in both languages.
    #[error("{0}")]
    Wrong(Said),
    /// It cannot be had now: everything is busy.
    #[error("busy")]
    Busy,
    /// The store refuses or fails.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A bug or the system.
    #[error("broken")]
    Broken,
    /// The visitor has to go elsewhere first.
    #[error("go to {0}")]
    Elsewhere(String),
}

/// A sentence in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// German
    pub de: String,
    /// English
    pub en: String,
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.en)
    }
}

impl Problem {
    /// A wrong form, in both languages.
    pub fn wrong(de: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Wrong(Said {
            de: de.into(),
            en: en.into(),
        })
    }

    /// HTTP status.
    pub fn status(&self) -> StatusCode {
        use store::Error;
        match self {
            Self::NotFound | Self::Store(Error::NotFound(_)) => StatusCode::NOT_FOUND,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Wrong(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Store(Error::Exists(_) | Error::Refused(_) | Error::Limit(_)) => {
                StatusCode::CONFLICT
            }
            Self::Store(Error::OverQuota | Error::Full) => StatusCode::INSUFFICIENT_STORAGE,
            Self::Busy | Self::Store(Error::InUse) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(Error::Fault(_)) | Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Elsewhere(_) => StatusCode::SEE_OTHER,
        }
    }

    /// A heading and a sentence that say what is wrong and what to do.
    pub fn in_words(&self, lang: Lang) -> (&'static str, String) {
        let t = |de, en| lang.t(de, en);
        match self {
            Self::NotFound | Self::Store(store::Error::NotFound(_)) => (
                t("Nicht gefunden", "Not found"),
                t(
                    "Das gibt es hier nicht oder nicht mehr.",
                    "There is no such thing here, or not any more.",
                )
                .to_owned(),
            ),
            Self::Forbidden(_) => (
                t("Das geht so nicht", "That is not possible"),
                t(
                    "Die Seite ist abgelaufen oder gehört Ihnen nicht. Laden Sie sie neu und versuchen Sie es noch einmal.",
                    "The page has expired or is not yours. Load it again and try once more.",
                )
                .to_owned(),
            ),
            Self::Wrong(said) => (t("Bitte prüfen", "Please check"), lang.said(said)),
            Self::Busy | Self::Store(store::Error::InUse) => (
                t("Gerade beschäftigt", "Busy right now"),
                t(
                    "Die Box ist gerade beschäftigt. Versuchen Sie es in einem Augenblick noch einmal.",
                    "The box is busy. Try again in a moment.",
                )
                .to_owned(),
            ),
            Self::Store(store::Error::OverQuota | store::Error::Full) => (
                t("Kein Platz mehr", "No room left"),
                t(
                    "Das Postfach oder die Speicherkarte ist voll. Löschen Sie etwas und versuchen Sie es noch einmal.",
                    "The letterbox or the card is full. Delete something and try again.",
                )
                .to_owned(),
            ),
            Self::Store(
                error @ (store::Error::Exists(_) | store::Error::Refused(_) | store::Error::Limit(_)),
            ) => (
                t("Das geht nicht", "That is not possible"),
                format!("{}: {error}", t("Grund", "Reason")),
            ),
            Self::Store(store::Error::Fault(_)) | Self::Broken | Self::Elsewhere(_) => (
                t("Ein Fehler", "A fault"),
                t(
                    "Das hat nicht geklappt, und es liegt an der Box. Das Protokoll sagt mehr.",
                    "That did not work, and it is the box's fault. Its log says more.",
                )
                .to_owned(),
            ),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if let Self::Elsewhere(path) = &self
            && let Ok(path) = path.parse()
        {
            response.headers_mut().insert(LOCATION, path);
            return response;
        }
        response.extensions_mut().insert(self);
        response
    }
}
