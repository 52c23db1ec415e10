//! Forms: a body in `application/x-www-form-urlencoded` becomes a type, after its token was checked.
//!
//! The token is the sender's session's ([`Asker`]), so that no other site can send a form in somebody's name. The dress
//! (`guard`) has refused requests of other origins before.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Web;
use super::problem::Problem;
use super::visitor::Asker;

/// Name of the field with the token.
pub const TOKEN_FIELD: &str = "form";

/// A form and who sent it.
#[derive(Debug)]
pub struct Posted<W, T>(pub W, pub T);

#[derive(Deserialize)]
struct Marked {
    #[serde(default)]
    form: String,
}

impl<W: Asker, T: DeserializeOwned> FromRequest<Web> for Posted<W, T> {
    type Rejection = Problem;

    async fn from_request(request: Request, web: &Web) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let who = W::from_request_parts(&mut parts, web).await?;
        let kind = parts
            .headers
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
            return Err(Problem::Forbidden("no form"));
        }
        let request = Request::from_parts(parts, body);
        let body = Bytes::from_request(request, web).await;
        let body = body.map_err(|_| too_large())?;
        let marked: Marked =
            serde_urlencoded::from_bytes(&body).map_err(|_| Problem::Forbidden("no token"))?;
        if !who.form().is(&marked.form) {
            return Err(Problem::Forbidden("token"));
        }
        let form = serde_urlencoded::from_bytes(&body).map_err(|error| not_understood(&error))?;
        Ok(Self(who, form))
    }
}

/// A form whose deed asks first: the script in place, or else a page of its own ([`super::parts::question`]).
#[derive(Clone, Debug, Deserialize)]
pub struct Sure {
    #[serde(default)]
    sure: String,
}

impl Sure {
    /// Whether the person has said so.
    pub fn is_sure(&self) -> bool {
        !self.sure.is_empty()
    }
}

/// A form without fields of its own.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Nothing {}

fn too_large() -> Problem {
    Problem::wrong(
        "Das ist mehr, als dieses Formular aufnimmt.",
        "That is more than this form takes.",
    )
}

fn not_understood(error: &serde_urlencoded::de::Error) -> Problem {
    Problem::wrong(
        format!("Eine Angabe fehlt oder ist nicht zu verstehen ({error})."),
        format!("Something is missing or not understood ({error})."),
    )
}
