//! Mail in HTML, as a page of its own for the sandboxed frame on the reading page.
//!
//! Its policy lets nothing run and nothing load but pictures of the mail itself, which stand in the page as `data:`
//! addresses: a page in a sandbox has no origin, so a browser sends no cookie for what it loads. Pictures from elsewhere
//! only load when the reader has asked for them.

use std::collections::BTreeSet;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_FRAME_OPTIONS};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Deserialize;

use super::access::{self, Opened};
use super::attachment::is_picture;
use super::body::{Body, text_of};
use crate::mail::ids::{AccountId, Serial};
use crate::mail::mime::view::{Block, View, numbers, view};
use crate::mail::mime::{Content, Part};
use crate::store::Store;
use crate::web::Web;
use crate::web::problem::Problem;
use crate::web::safe_html::{self, Pictures, Remote, Safe, pictures_named};
use crate::web::visitor::Person;
use crate::web::words::Lang;

/// Bytes of one text in HTML that are shown.
pub(super) const HTML_BYTES_MAX: usize = 1 << 20;

/// Bytes of one picture of the mail that is shown within it, and of all of them.
const PICTURE_BYTES_MAX: usize = 3 << 20;
const PICTURES_BYTES_MAX: usize = 8 << 20;

/// Most pictures of the mail that are shown within it.
const PICTURES_MAX: usize = 50;

/// Nothing runs, nothing is sent, nothing is loaded; and links open elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; \
    frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox";

/// The same, with pictures from elsewhere.
const REMOTE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data: https: http:; form-action 'none'; \
    base-uri 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox";

/// What the mail's own style cannot take away: where links go.
const LINKS: &str = "a[data-host]::after{content:\" [\" attr(data-host) \"]\" !important;display:inline !important;\
    visibility:visible !important;font:400 12px/1.3 system-ui,sans-serif !important;color:#55605b !important;\
    background:#fff !important;text-indent:0 !important;letter-spacing:normal !important;text-transform:none !important}";

/// How a mail looks that says nothing.
const LOOKS: &str = "body{margin:12px;font:16px/1.5 system-ui,sans-serif;color:#1b2320;background:#fff;\
    overflow-wrap:break-word}img{max-width:100%;height:auto}pre{white-space:pre-wrap}\
    blockquote{margin:0 0 12px;padding-left:12px;border-left:3px solid #d9ddd8}";

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/mail/message/{serial}/html", get(show))
}

#[derive(Clone, Debug, Deserialize)]
struct Asked {
    /// Number of the part; the first text in HTML without it.
    #[serde(default)]
    part: String,
    #[serde(default)]
    remote: String,
}

async fn show(
    State(web): State<Web>,
    person: Person,
    Path(serial): Path<u64>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let (account, lang) = (person.account.id, person.visitor.lang);
    let path = match asked.part.as_str() {
        "" => None,
        number => Some(numbers(number).ok_or(Problem::NotFound)?),
    };
    let (remote, policy) = match asked.remote.as_str() {
        "1" => (Remote::Allowed, REMOTE_POLICY),
        _ => (Remote::Blocked, POLICY),
    };
    let work =
        web.run(move |sources, _| load(&sources.store, account, Serial(serial), path, remote));
    let page = page(&work.await?, lang).into_string();
    let mut response = page.into_response();
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    Ok(response)
}

fn load(
    store: &Store,
    account: AccountId,
    serial: Serial,
    path: Option<Vec<u32>>,
    remote: Remote,
) -> Result<Safe, Problem> {
    let opened = access::message(&store.snapshot()?, account, serial)?;
    let path = path.or_else(|| first_html(&view(&opened.summary)));
    let path = path.ok_or(Problem::NotFound)?;
    let part = opened.summary.part(&path).ok_or(Problem::NotFound)?;
    if !part.is("text", "html") || part.content != Content::Leaf {
        return Err(Problem::NotFound);
    }
    let mut body = Body::new(store.blob(opened.record.blob)?, part);
    let (bytes, is_all) = body.read_up_to(HTML_BYTES_MAX)?;
    let html = text_of(part, &bytes);
    let pictures = load_pictures(store, &opened, &html)?;
    let mut safe = safe_html::clean(&html, remote, pictures);
    safe.is_cut |= !is_all;
    Ok(safe)
}

fn first_html(view: &View<'_>) -> Option<Vec<u32>> {
    view.blocks.iter().find_map(|block| match block {
        Block::Text { html, .. } => html.as_ref().map(|leaf| leaf.numbers.clone()),
        Block::Message { view, .. } => first_html(view),
    })
}

/// The pictures that the text shows, as far as they are of harmless types and not too large.
fn load_pictures(store: &Store, opened: &Opened, html: &str) -> Result<Pictures, Problem> {
    let wanted: BTreeSet<String> = pictures_named(html).into_iter().collect();
    let mut found = Vec::new();
    if !wanted.is_empty() {
        collect(&opened.summary.body, &wanted, &mut found);
    }
    let mut pictures = Pictures::new();
    let mut left = PICTURES_BYTES_MAX;
    for (id, part) in found.into_iter().take(PICTURES_MAX) {
        let mut body = Body::new(store.blob(opened.record.blob)?, part);
        let (bytes, is_all) = body.read_up_to(PICTURE_BYTES_MAX.min(left))?;
        if is_all {
            left -= bytes.len();
            let kind = String::from_utf8_lossy(&part.subtype).into_owned();
            let encoded = BASE64_STANDARD.encode(&bytes);
            pictures.insert(id, format!("data:image/{kind};base64,{encoded}"));
        }
    }
    Ok(pictures)
}

/// Depth is bounded by the summary's.
fn collect<'a>(part: &'a Part, wanted: &BTreeSet<String>, found: &mut Vec<(String, &'a Part)>) {
    match &part.content {
        Content::Leaf if is_picture(part) => {
            let id = String::from_utf8_lossy(part.id.as_deref().unwrap_or_default()).into_owned();
            let id = id.trim().trim_start_matches('<').trim_end_matches('>');
            if wanted.contains(id) {
                found.push((id.to_owned(), part));
            }
        }
        Content::Leaf => {}
        Content::Multipart(parts) => parts.iter().for_each(|part| collect(part, wanted, found)),
        Content::Message(message) => collect(&message.body, wanted, found),
    }
}

fn page(safe: &Safe, lang: Lang) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(lang.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light";
                title { (lang.t("Inhalt der E-Mail", "Content of the mail")) }
                style { (PreEscaped(LOOKS)) }
                style { (PreEscaped(&safe.style)) }
                style { (PreEscaped(LINKS)) }
            }
            body {
                (PreEscaped(&safe.body))
                @if safe.is_cut {
                    p { em {
                        (lang.t(
                            "Hier ist die E-Mail gekürzt. Ganz steht sie im Quelltext.",
                            "The mail is cut off here. Its source has all of it.",
                        ))
                    } }
                }
            }
        }
    }
}
