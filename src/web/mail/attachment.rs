//! Parts of messages as files: what they are called and of what kind they are, and sending them, streamed from the store.
//!
//! A file is never shown by its browser as a page of this box: it is a download, of a type that cannot be a page, in a
//! sandbox. Pictures of a few harmless types may be looked at.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body as Answer, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_core::Stream;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::access;
use super::body::Body;
use super::people::{clean, deceives, subject};
use crate::mail::ids::Serial;
use crate::mail::mime::view::{Leaf, numbers};
use crate::mail::mime::{Content, Part, param};
use crate::store;
use crate::web::Web;
use crate::web::problem::Problem;
use crate::web::visitor::Person;
use crate::web::words::Lang;

/// Longest name of a file, in characters.
const NAME_CHARS_MAX: usize = 120;

/// A file is not a page, and loads and runs nothing.
const POLICY: &str = "default-src 'none'; sandbox";

/// The same, for looking at a picture.
const PICTURE_POLICY: &str =
    "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; sandbox";

/// What RFC 8187 3.2.1 lets stand (`attr-char`).
const ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Types of pictures that cannot run anything.
const PICTURES: [&[u8]; 5] = [b"png", b"jpeg", b"jpg", b"gif", b"webp"];

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/mail/message/{serial}/part/{number}", get(part))
        .route("/mail/message/{serial}/source", get(source))
}

/// Whether a browser may show it as it is.
pub(super) fn is_picture(part: &Part) -> bool {
    part.media_type == b"image" && PICTURES.contains(&part.subtype.as_slice())
}

/// About how large the file is, its transfer encoding undone.
pub(super) fn size(part: &Part) -> u64 {
    match part.encoding.as_slice() {
        b"base64" => part.octets() / 4 * 3,
        _ => part.octets(),
    }
}

/// What the file is called.
pub(super) fn name(leaf: &Leaf<'_>, lang: Lang) -> String {
    if let Some(name) = param::file_name(leaf.part) {
        let name = harmless_name(&name);
        if !name.is_empty() {
            return name;
        }
    }
    let stem = lang.t("Anhang", "attachment");
    format!("{stem}-{}.{}", leaf.number(), extension(leaf.part))
}

/// What kind of thing it is, in words where there are some.
pub(super) fn kind(part: &Part, lang: Lang) -> String {
    let word = match (part.media_type.as_slice(), part.subtype.as_slice()) {
        (b"image", _) => lang.t("Bild", "image"),
        (b"audio", _) => lang.t("Ton", "audio"),
        (b"video", _) => lang.t("Video", "video"),
        (b"application", b"pdf") => "PDF",
        (b"text", b"calendar") => lang.t("Termin", "calendar entry"),
        (b"text", b"vcard" | b"x-vcard") => lang.t("Kontakt", "contact"),
        (b"application", b"octet-stream") => lang.t("Datei", "file"),
        (b"message", b"rfc822" | b"global") => lang.t("E-Mail", "message"),
        (media_type, subtype) => {
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            return format!("{}/{}", text(media_type), text(subtype));
        }
    };
    word.to_owned()
}

fn extension(part: &Part) -> &'static str {
    match (part.media_type.as_slice(), part.subtype.as_slice()) {
        (b"text", b"plain") => "txt",
        (b"text", b"html") => "html",
        (b"text", b"calendar") => "ics",
        (b"application", b"pdf") => "pdf",
        (b"image", b"jpeg") => "jpg",
        (b"image", b"png") => "png",
        (b"image", b"gif") => "gif",
        (b"message", b"rfc822" | b"global") => "eml",
        _ => "bin",
    }
}

/// A name that is one name in a folder, and looks like what it is.
fn harmless_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept = last.chars().filter(|c| !c.is_control() && !deceives(*c));
    let kept: String = kept
        .map(|c| if "<>:\"|?*;".contains(c) { '_' } else { c })
        .collect();
    let kept = kept.trim_matches(|c: char| c == '.' || c.is_whitespace());
    let count = kept.chars().count();
    // The end says what it is: the middle goes.
    if count <= NAME_CHARS_MAX {
        return kept.to_owned();
    }
    let head = kept.chars().take(NAME_CHARS_MAX - 20);
    head.chain(kept.chars().skip(count - 20)).collect()
}

/// The type that a download says it has: never one that a browser could show as a page.
fn harmless_type(part: &Part) -> String {
    let word = |bytes: &[u8]| {
        let is_plain = |b: &u8| b.is_ascii_alphanumeric() || b"-.+".contains(b);
        bytes
            .iter()
            .all(is_plain)
            .then(|| String::from_utf8_lossy(bytes).into_owned())
    };
    let is_active = |text: &str| {
        ["html", "xml", "svg", "script", "xsl"]
            .iter()
            .any(|bad| text.contains(bad))
    };
    let known = matches!(
        part.media_type.as_slice(),
        b"image" | b"audio" | b"video" | b"application"
    );
    match (known, word(&part.media_type), word(&part.subtype)) {
        (true, Some(media_type), Some(subtype)) if !is_active(&subtype) => {
            format!("{media_type}/{subtype}")
        }
        _ => "application/octet-stream".to_owned(),
    }
}

/// RFC 6266: the name in ASCII for old programs, and as it is.
fn disposition(kind: &str, name: &str) -> Option<HeaderValue> {
    let ascii: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_graphic() && c != '"' && c != '\\' && c != '%' || c == ' ' {
                c
            } else {
                '_'
            }
        })
        .collect();
    let encoded = utf8_percent_encode(name, ATTR_CHAR);
    let text = format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''{encoded}");
    HeaderValue::from_str(&text).ok()
}

async fn part(
    State(web): State<Web>,
    person: Person,
    Path((serial, number)): Path<(u64, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (account, lang) = (person.account.id, person.visitor.lang);
    let path = numbers(&number).ok_or(Problem::NotFound)?;
    let work = web.run(move |sources, _| {
        let opened = access::message(&sources.store.snapshot()?, account, Serial(serial))?;
        let part = opened.summary.part(&path).ok_or(Problem::NotFound)?;
        if matches!(part.content, Content::Multipart(_)) {
            return Err(Problem::NotFound);
        }
        let leaf = Leaf {
            numbers: path,
            part,
        };
        let name = name(&leaf, lang);
        let body = Body::new(sources.store.blob(opened.record.blob)?, part);
        Ok((body, name, part.clone()))
    });
    let (body, name, part) = work.await?;
    if is_picture(&part) && query.as_deref() == Some("inline") {
        return answer(body, &harmless_type(&part), "inline", &name, PICTURE_POLICY);
    }
    answer(body, &harmless_type(&part), "attachment", &name, POLICY)
}

/// The message as it came, with what the server put in front; as text to look at, or as a file.
async fn source(
    State(web): State<Web>,
    person: Person,
    Path(serial): Path<u64>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (account, lang) = (person.account.id, person.visitor.lang);
    let work = web.run(move |sources, _| {
        let opened = access::message(&sources.store.snapshot()?, account, Serial(serial))?;
        let body = Body::raw(
            sources.store.blob(opened.record.blob)?,
            opened.record.prefix.clone(),
        );
        Ok((body, subject(&opened.summary.envelope, lang)))
    });
    let (body, subject) = work.await?;
    let name = format!("{}.eml", harmless_name(&clean(subject.as_bytes())));
    if query.as_deref() == Some("save") {
        return answer(
            body,
            "application/octet-stream",
            "attachment",
            &name,
            POLICY,
        );
    }
    answer(body, "text/plain; charset=utf-8", "inline", &name, POLICY)
}

fn answer(
    body: Body,
    content_type: &str,
    kind: &str,
    name: &str,
    policy: &'static str,
) -> Result<Response, Problem> {
    let content_type = HeaderValue::from_str(content_type).map_err(|_| Problem::Broken)?;
    let disposition = disposition(kind, name).ok_or(Problem::Broken)?;
    let mut response = Answer::from_stream(stream(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CONTENT_DISPOSITION, disposition);
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(
        HeaderName::from_static("x-download-options"),
        HeaderValue::from_static("noopen"),
    );
    Ok(response)
}

/// Pieces of a body on their way to a browser; one waits while another is sent.
struct Pieces(mpsc::Receiver<Result<Bytes, Cut>>);

/// The body cannot be read to its end; the connection breaks off, so that nobody takes it for all.
#[derive(Clone, Debug, thiserror::Error)]
#[error("a part of a message cannot be read: {0}")]
struct Cut(Arc<store::Error>);

impl Stream for Pieces {
    type Item = Result<Bytes, Cut>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// Reads on blocking threads, a piece at a time, as fast as it is taken.
fn stream(mut body: Body) -> Pieces {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let read = spawn_blocking(move || {
                let piece = body.next_piece();
                (body, piece)
            });
            let Ok((back, piece)) = read.await else {
                return;
            };
            body = back;
            let piece = match piece {
                Ok(None) => return,
                Ok(Some(piece)) => Ok(Bytes::from(piece)),
                Err(error) => {
                    tracing::error!(%error, "a part of a message cannot be read");
                    Err(Cut(Arc::new(error)))
                }
            };
            let is_over = piece.is_err();
            if sender.send(piece).await.is_err() || is_over {
                return;
            }
        }
    });
    Pieces(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names_of_one_file() {
        let table = [
            ("Rechnung.pdf", "Rechnung.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\x\\y.doc", "y.doc"),
            (".htaccess", "htaccess"),
            ("a\r\nb\0.txt", "ab.txt"),
            ("cod\u{202e}gpj.exe", "codgpj.exe"),
            ("a\"b;c.txt", "a_b_c.txt"),
            ("..", ""),
        ];
        for (name, expected) in table {
            assert_eq!(harmless_name(name), expected, "{name}");
        }
        let long = harmless_name(&format!("{}.pdf", "x".repeat(500)));
        assert!(
            long.chars().count() == NAME_CHARS_MAX && long.ends_with("x.pdf"),
            "{long}"
        );
    }

    #[test]
    fn dispositions_are_headers() {
        let value = disposition("attachment", "Gr\u{fc}\u{df}e \"1\".pdf").unwrap();
        assert_eq!(
            value.to_str().unwrap(),
            "attachment; filename=\"Gr__e _1_.pdf\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%221%22.pdf"
        );
    }

    #[test]
    fn types_that_could_be_pages_are_not_told() {
        let typed = |media_type: &str, subtype: &str| {
            harmless_type(&Part {
                media_type: media_type.into(),
                subtype: subtype.into(),
                ..Part::default()
            })
        };
        assert_eq!(typed("application", "pdf"), "application/pdf");
        assert_eq!(typed("image", "png"), "image/png");
        for (media_type, subtype) in [
            ("text", "html"),
            ("text", "plain"),
            ("image", "svg+xml"),
            ("application", "xhtml+xml"),
            ("application", "javascript"),
            ("application", "x\r\ny"),
            ("multipart", "x-mixed-replace"),
            ("message", "rfc822"),
        ] {
            assert_eq!(typed(media_type, subtype), "application/octet-stream");
        }
    }
}
