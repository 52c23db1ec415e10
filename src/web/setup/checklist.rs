//! What is left to do until all is in order, worked out from facts; stays on the owner's page until nothing is left.
//!
//! Each item has one action, and can be told to be not needed.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use maud::{Markup, html};
use serde::Deserialize;

use super::go;
use super::progress::Progress;
use crate::clock::Now;
use crate::mail::address::Domain;
use crate::manage::backup::LastBackup;
use crate::manage::checked;
use crate::store;
use crate::web::Web;
use crate::web::form::Posted;
use crate::web::layout::Frame;
use crate::web::parts::{Tone, badge, card, deed};
use crate::web::problem::Problem;
use crate::web::state::Sources;
use crate::web::visitor::Owner;
use crate::web::words::Lang;

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/box/checklist", post(answer))
}

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    /// How the box shall work; there only as long as nobody has said so.
    Way,
    Account,
    Dns,
    Certificate,
    Smarthost,
    Device,
    Phone,
    Backup,
}

const ITEMS: [Item; 8] = [
    Item::Way,
    Item::Account,
    Item::Dns,
    Item::Certificate,
    Item::Smarthost,
    Item::Device,
    Item::Phone,
    Item::Backup,
];

/// How it is with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Done,
    Open,
    NotNeeded,
}

/// What is to be done and what has been.
#[derive(Clone, Debug)]
pub struct Checklist(Vec<(Item, Standing)>);

impl Checklist {
    /// As it is now. Blocks.
    pub fn of(sources: &Sources, now: Now) -> store::Result<Self> {
        let snapshot = sources.store.snapshot()?;
        let progress = Progress::load(&snapshot)?;
        let settings = &sources.settings;
        let accounts = snapshot.accounts()?;
        let mut devices = 0;
        for account in &accounts {
            devices += snapshot.devices(account.id)?.len();
        }
        let is_known = settings.domains.iter().any(Domain::is_public);
        let smarthost = settings.relay.default.as_ref();
        let tested = smarthost.map(|host| progress.tested.as_ref() == Some(&host.name));
        let done = |item| match item {
            Item::Way => progress.mode.is_none().then_some(false),
            Item::Account => Some(!accounts.is_empty()),
            Item::Dns => is_known.then(|| checked::dns(&snapshot).ok().flatten() == Some(0)),
            Item::Certificate => {
                is_known.then(|| sources.tls.vouches_for(settings.hostname.as_str(), now))
            }
            Item::Smarthost => tested,
            Item::Device => Some(devices > 0),
            Item::Phone => Some(devices > 1),
            Item::Backup => Some(LastBackup::load(&snapshot).ok().flatten().is_some()),
        };
        let state = |item: Item, done| match done {
            true => Standing::Done,
            false if progress.dismissed.iter().any(|name| name == item.name()) => {
                Standing::NotNeeded
            }
            false => Standing::Open,
        };
        let items = ITEMS.into_iter();
        let items = items.filter_map(|item| Some((item, state(item, done(item)?))));
        Ok(Self(items.collect()))
    }

    fn has(&self, wanted: Standing) -> bool {
        self.0.iter().any(|(_, state)| *state == wanted)
    }
}

impl Item {
    fn name(self) -> &'static str {
        match self {
            Self::Way => "way",
            Self::Account => "account",
            Self::Dns => "dns",
            Self::Certificate => "certificate",
            Self::Smarthost => "smarthost",
            Self::Device => "device",
            Self::Phone => "phone",
            Self::Backup => "backup",
        }
    }

    fn words(self, lang: Lang) -> &'static str {
        match self {
            Self::Way => lang.t(
                "Sagen, wie die Box arbeiten soll, und ihre Domain nennen",
                "Say how the box shall work, and name its domain",
            ),
            Self::Account => lang.t("Das erste Postfach anlegen", "Make the first account"),
            Self::Dns => lang.t(
                "Die Einträge Ihrer Domain setzen und prüfen",
                "Set and check the records of your domain",
            ),
            Self::Certificate => lang.t(
                "Ein Zertifikat holen, das alle Geräte kennen",
                "Get a certificate that all devices know",
            ),
            Self::Smarthost => lang.t(
                "Das Senden mit einer Probemail prüfen",
                "Check sending with a test mail",
            ),
            Self::Device => lang.t("Ein E-Mail-Programm einrichten", "Set up a mail program"),
            Self::Phone => lang.t("Auch das Telefon einrichten", "Set up the phone too"),
            Self::Backup => lang.t(
                "Eine Sicherung machen, falls die Karte stirbt",
                "Make a backup, in case the card dies",
            ),
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Way => "/setup/mode",
            Self::Account => "/setup/account",
            Self::Dns | Self::Certificate => "/box/domain",
            Self::Smarthost => "/box/sending",
            Self::Device | Self::Phone => "/me/clients",
            Self::Backup => "/box/transfer",
        }
    }
}

/// The list with its actions, for the owner's page; nothing if nothing is left.
pub fn checklist(frame: &Frame, list: &Checklist) -> Markup {
    if !list.has(Standing::Open) {
        return html! {};
    }
    let all = list.0.len();
    let left = list
        .0
        .iter()
        .filter(|(_, state)| *state == Standing::Open)
        .count();
    let title = match frame.lang.code() {
        "de" => format!("Noch einzurichten: {left} von {all}"),
        _ => format!("Left to set up: {left} of {all}"),
    };
    let body = html! {
        ul.plain {
            @for (item, state) in &list.0 {
                @if *state != Standing::NotNeeded { li { (line(frame, *item, *state)) } }
            }
        }
        @if list.has(Standing::NotNeeded) {
            details {
                summary { (frame.t("Nicht nötig", "Not needed")) }
                ul.plain {
                    @for (item, state) in &list.0 {
                        @if *state == Standing::NotNeeded { li { (line(frame, *item, *state)) } }
                    }
                }
            }
        }
    };
    card(&title, &body)
}

/// The list to read, without actions.
pub(super) fn to_read(frame: &Frame, list: &Checklist) -> Markup {
    let body = html! {
        ul.plain {
            @for (item, state) in &list.0 {
                li.spread { span { (item.words(frame.lang)) } (mark(frame, *state)) }
            }
        }
    };
    card(frame.t("Was noch kommt", "What comes next"), &body)
}

fn line(frame: &Frame, item: Item, state: Standing) -> Markup {
    let words = item.words(frame.lang);
    let field = |needed| [("item", item.name()), ("needed", needed)];
    html! {
        div.spread {
            @match state {
                Standing::Done => { span { (words) } (mark(frame, state)) }
                Standing::Open => {
                    a href=(item.path()) { (words) }
                    (deed(frame, "/box/checklist", &field("no"), frame.t("Nicht nötig", "Not needed"), "quiet"))
                }
                Standing::NotNeeded => {
                    span.soft { (words) }
                    (deed(frame, "/box/checklist", &field("yes"), frame.t("Doch nötig", "Needed after all"), "quiet"))
                }
            }
        }
    }
}

fn mark(frame: &Frame, state: Standing) -> Markup {
    match state {
        Standing::Done => badge(Tone::Good, frame.t("erledigt", "done")),
        Standing::Open => badge(Tone::Info, frame.t("offen", "open")),
        Standing::NotNeeded => badge(Tone::Info, frame.t("nicht nötig", "not needed")),
    }
}

#[derive(Debug, Deserialize)]
struct Answer {
    item: String,
    needed: String,
}

async fn answer(
    State(web): State<Web>,
    Posted(_, Answer { item, needed }): Posted<Owner, Answer>,
) -> Result<Response, Problem> {
    let known = ITEMS.into_iter().find(|one| one.name() == item);
    let name = known.ok_or(Problem::NotFound)?.name();
    let saved = web.run(move |sources, _| {
        let change = Progress::change(&sources.store, |progress| {
            progress.dismissed.retain(|one| one != name);
            if needed == "no" {
                progress.dismissed.push(name.to_owned());
            }
        });
        Ok(change?)
    });
    saved.await?;
    Ok(go("/box"))
}
