//! Mail in HTML, made safe for a sandboxed frame.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_FRAME_OPTIONS};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::access;
use super::body::{Body, text_of};
use super::structure::numbers;
use crate::mail::ids::Serial;
use crate::web::Web;
use crate::web::problem::Problem;
use crate::web::visitor::Person;

/// Bytes of one text in HTML that are shown.
pub(super) const HTML_BYTES_MAX: usize = 1 << 20;

/// Nothing runs, nothing is sent, nothing is loaded.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'self'; \
    sandbox allow-popups allow-popups-to-escape-sandbox";

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/mail/message/{serial}/html", get(show))
}

#[derive(Clone, Debug, Deserialize)]
struct Asked {
    part: String,
}

/// Whether a text in HTML may want to load something from elsewhere.
pub(super) fn mentions_remote(html: &[u8]) -> bool {
    let text = String::from_utf8_lossy(html).to_ascii_lowercase();
    ["src=", "background=", "url("]
        .iter()
        .any(|word| text.contains(word))
}

async fn show(
    State(web): State<Web>,
    person: Person,
    Path(serial): Path<u64>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let account = person.account.id;
    let path = numbers(&asked.part).ok_or(Problem::NotFound)?;
    let work = web.run(move |sources, _| {
        let opened = access::message(&sources.store.snapshot()?, account, Serial(serial))?;
        let part = opened.summary.part(&path).ok_or(Problem::NotFound)?;
        if !part.is("text", "html") {
            return Err(Problem::NotFound);
        }
        let mut body = Body::new(sources.store.blob(opened.record.blob)?, part);
        let (bytes, _) = body.read_up_to(HTML_BYTES_MAX)?;
        Ok(ammonia::Builder::default()
            .rm_tags(["img"])
            .clean(&text_of(part, &bytes))
            .to_string())
    });
    let text = work.await?;
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    Ok(response)
}
