//! Reading a message: who wrote it and whether that is proved, its texts, attached messages and files.
//!
//! Opening marks it as read for all devices. Text in HTML stands in a frame of its own (`html`); whether mail is shown as
//! text or in HTML is remembered by the browser.

mod page;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::http::header::SET_COOKIE;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use super::access::{self, Opened};
use super::body::{Body, text_of};
use super::shell::{self, Shell};
use super::text::Format;
use super::thread::{self, Turn};
use super::{html as html_part, people};
use crate::mail::flags::{Flags, SystemFlags};
use crate::mail::ids::{AccountId, Serial};
use crate::mail::mime::Part;
use crate::mail::mime::view::{Block, Leaf, View, view};
use crate::store::Store;
use crate::store::types::FlagAction;
use crate::web::Web;
use crate::web::problem::Problem;
use crate::web::safe_html::wants_remote;
use crate::web::visitor::{LIVE, Person, SameSite, cookie, set_cookie};
use crate::web::words::Lang;
use page::Page;

/// Bytes of one text that are shown; all of it can be had as a file.
const TEXT_BYTES_MAX: usize = 128 << 10;

/// Texts and messages of one mail that are shown.
const BLOCKS_MAX: usize = 30;

/// Cookie of how mail is shown.
const WAY_COOKIE: &str = "heimpost-mail-as";

/// A year, in seconds: how long the browser remembers that.
const WAY_SECONDS: u64 = 365 * 86_400;

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/mail/message/{serial}", get(read))
}

/// How a text that comes in both ways is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Html,
    Text,
}

impl Way {
    fn named(name: &str) -> Option<Self> {
        match name {
            "html" => Some(Self::Html),
            "text" => Some(Self::Text),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Text => "text",
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Asked {
    #[serde(default, rename = "as")]
    way: String,
    #[serde(default)]
    remote: String,
    /// What was just done with it; that it is shown again for that is no reading.
    #[serde(default)]
    told: String,
}

/// A text read from the store, by the number of its part.
type Texts = Vec<(Vec<u32>, String, bool)>;

/// All that the page shows.
struct Read {
    opened: Opened,
    texts: Texts,
    /// Whether a text in HTML would load something from elsewhere.
    has_remote: bool,
    /// The conversation that it belongs to, oldest first.
    turns: Vec<Turn>,
}

async fn read(
    State(web): State<Web>,
    person: Person,
    Path(serial): Path<u64>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (account, lang) = (person.account.id, person.visitor.lang);
    let chosen = Way::named(&asked.way);
    let remembered = cookie(&headers, WAY_COOKIE).and_then(Way::named);
    let way = chosen.or(remembered).unwrap_or(Way::Html);
    let marks = is_opened_by_hand(&headers) && asked.told.is_empty();
    let work = web.run(move |sources, _| {
        let read = load(&sources.store, account, Serial(serial), (way, lang), marks)?;
        let all = shell::folders(&sources.store.snapshot()?, account, lang)?;
        Ok((read, all))
    });
    let (read, all) = work.await?;
    let shell = Shell::new(&web, &person, all, Some(read.opened.mailbox.id));
    let page = Page {
        frame: &shell.frame,
        shell: &shell,
        zone: &web.sources.settings.time_zone,
        read: &read,
        way,
        remote: asked.remote == "1",
    };
    let title = people::subject(&read.opened.summary.envelope, lang);
    let mut response = shell.page(&title, &page.render());
    if let Some(way) = chosen {
        let pair = (WAY_COOKIE, way.name());
        let link = person.visitor.link;
        let cookie = set_cookie(pair, SameSite::Strict, Some(WAY_SECONDS), link)?;
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Pages that are fetched again because something changed, or before anybody looks, are not reading.
fn is_opened_by_hand(headers: &HeaderMap) -> bool {
    let is_prefetch = headers.get("sec-purpose").is_some() || headers.get("purpose").is_some();
    !is_prefetch && !headers.contains_key(LIVE)
}

fn load(
    store: &Store,
    account: AccountId,
    serial: Serial,
    (way, lang): (Way, Lang),
    marks: bool,
) -> Result<Read, Problem> {
    let mut opened = access::message(&store.snapshot()?, account, serial)?;
    let (texts, has_remote) = load_texts(store, &opened, way)?;
    let turns = thread::conversation(store, account, &opened, lang)?;
    if marks && !opened.row.flags.system.contains(SystemFlags::SEEN) {
        mark_seen(store, &mut opened);
    }
    Ok(Read {
        opened,
        texts,
        has_remote,
        turns,
    })
}

/// A store that cannot write does not keep anybody from reading.
fn mark_seen(store: &Store, opened: &mut Opened) {
    let seen = Flags {
        system: SystemFlags::SEEN,
        keywords: Vec::new(),
    };
    let (mailbox, uid) = (opened.mailbox.id, opened.row.uid);
    match store.update_flags(mailbox, &[uid], FlagAction::Add, &seen, None) {
        Ok(update) => {
            if let Some(row) = update.changed.first() {
                opened.row = *row;
            }
        }
        Err(error) => tracing::warn!(%error, "a mail that was opened cannot be marked as read"),
    }
}

fn load_texts(store: &Store, opened: &Opened, way: Way) -> Result<(Texts, bool), Problem> {
    let view = view(&opened.summary);
    let (mut texts, mut has_remote) = (Vec::new(), false);
    for (plain, html) in shown_texts(&view) {
        match choose(plain, html, way) {
            Some(Chosen::Plain(leaf)) => {
                let mut body = Body::new(store.blob(opened.record.blob)?, leaf.part);
                let (bytes, is_all) = body.read_up_to(TEXT_BYTES_MAX)?;
                texts.push((leaf.numbers.clone(), text_of(leaf.part, &bytes), is_all));
            }
            Some(Chosen::Html(leaf)) => {
                let mut body = Body::new(store.blob(opened.record.blob)?, leaf.part);
                let (bytes, _) = body.read_up_to(html_part::HTML_BYTES_MAX)?;
                has_remote = has_remote || wants_remote(&text_of(leaf.part, &bytes));
            }
            None => {}
        }
    }
    Ok((texts, has_remote))
}

type Pair<'v, 's> = (Option<&'v Leaf<'s>>, Option<&'v Leaf<'s>>);

/// The texts in order, those of attached messages included.
fn shown_texts<'v, 's>(view: &'v View<'s>) -> Vec<Pair<'v, 's>> {
    let mut all = Vec::new();
    for block in view.blocks.iter().take(BLOCKS_MAX) {
        match block {
            Block::Text { plain, html } => all.push((plain.as_ref(), html.as_ref())),
            Block::Message { view, .. } => all.extend(shown_texts(view)),
        }
    }
    all.truncate(BLOCKS_MAX);
    all
}

enum Chosen<'v, 's> {
    Plain(&'v Leaf<'s>),
    Html(&'v Leaf<'s>),
}

fn choose<'v, 's>(
    plain: Option<&'v Leaf<'s>>,
    html: Option<&'v Leaf<'s>>,
    way: Way,
) -> Option<Chosen<'v, 's>> {
    match (plain, html, way) {
        (_, Some(html), Way::Html) | (None, Some(html), Way::Text) => Some(Chosen::Html(html)),
        (Some(plain), _, _) => Some(Chosen::Plain(plain)),
        (None, None, _) => None,
    }
}

/// How `text/plain` is wrapped (RFC 3676 4.1, 4.2).
fn format_of(part: &Part) -> Format {
    let says = |name, value: &[u8]| {
        part.param(name)
            .is_some_and(|is| is.eq_ignore_ascii_case(value))
    };
    match (says("format", b"flowed"), says("delsp", b"yes")) {
        (false, _) => Format::Fixed,
        (true, false) => Format::Flowed,
        (true, true) => Format::FlowedTight,
    }
}
