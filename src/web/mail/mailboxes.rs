//! Making, renaming and deleting mailboxes.
//!
//! Those that every account has stay: mail programs look for them. Deleting asks, and says what is lost.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;

use super::deeds;
use super::told::{MailboxDeed, What};
use super::{access, places};
use crate::mail::ids::MailboxId;
use crate::mail::mailbox_name::{MailboxName, SEPARATOR};
use crate::store::types::{Language, Mailbox};
use crate::web::Web;
use crate::web::form::{Nothing, Posted};
use crate::web::layout::{Frame, Tab};
use crate::web::parts::{Field, card};
use crate::web::problem::Problem;
use crate::web::visitor::Person;
use crate::web::words::Lang;

const PATH: &str = "/mail/mailboxes";

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route(PATH, get(show).post(make))
        .route("/mail/mailboxes/{id}/rename", post(rename))
        .route("/mail/mailboxes/{id}/delete", get(ask).post(delete))
}

async fn all(web: &Web, person: &Person) -> Result<Vec<Mailbox>, Problem> {
    let account = person.account.id;
    web.run(move |sources, _| Ok(sources.store.snapshot()?.mailboxes(account)?))
        .await
}

async fn one(web: &Web, person: &Person, id: u32) -> Result<Mailbox, Problem> {
    let account = person.account.id;
    web.run(move |sources, _| access::mailbox(&sources.store.snapshot()?, account, MailboxId(id)))
        .await
}

/// Whether it may be renamed and deleted here.
fn is_free(mailbox: &Mailbox) -> bool {
    mailbox.special_use.is_none() && !mailbox.name.is_inbox()
}

async fn show(State(web): State<Web>, person: Person) -> Result<Response, Problem> {
    let mailboxes = all(&web, &person).await?;
    Ok(page(&web, &person, &mailboxes, ("", "")))
}

fn page(web: &Web, person: &Person, mailboxes: &[Mailbox], wrong: (&str, &str)) -> Response {
    let frame = Frame::of_person(person, Tab::Mail);
    let lang = frame.lang;
    let body = html! {
        (deeds::notice(web, person, &frame))
        (card(lang.t("Neuer Ordner", "New mailbox"), &new_form(&frame, mailboxes, wrong)))
        section.card {
            h2 { (lang.t("Alle Ordner", "All mailboxes")) }
            table.blocks {
                thead { tr {
                    th { (lang.t("Name", "Name")) }
                    th.number { (lang.t("Nachrichten", "Messages")) }
                    th.number { (lang.t("Größe", "Size")) }
                    th.deeds { span.visually-hidden { (lang.t("Ändern", "Change")) } }
                } }
                tbody { @for mailbox in mailboxes { (row(&frame, mailbox)) } }
            }
        }
        p { a href="/mail" { (lang.t("Zurück zur Post", "Back to mail")) } }
    };
    frame.page(lang.t("Ordner", "Mailboxes"), &body)
}

fn new_form(frame: &Frame, mailboxes: &[Mailbox], (name, error): (&str, &str)) -> Markup {
    let lang = frame.lang;
    html! {
        form method="post" action=(PATH) {
            (frame.token())
            (Field { required: true, error, ..Field::text("name", lang.t("Name", "Name"), name) }.render())
            div.field {
                label for="field-above" { (lang.t("Liegt in", "Inside")) }
                select #field-above name="above" {
                    option value="" { (lang.t("oberste Ebene", "top level")) }
                    @for one in mailboxes { option value=(one.id) { (places::label(lang, one)) } }
                }
            }
            button { (lang.t("Anlegen", "Create")) }
        }
    }
}

fn row(frame: &Frame, mailbox: &Mailbox) -> Markup {
    let lang = frame.lang;
    let label = places::label(lang, mailbox);
    let rename = format!("{PATH}/{}/rename", mailbox.id);
    let delete = format!("{PATH}/{}/delete", mailbox.id);
    let id = format!("rename-{}", mailbox.id);
    html! {
        tr {
            td { a href=(format!("/mail/box/{}", mailbox.id)) { (label) } }
            td.number data-label=(lang.t("Nachrichten", "Messages")) { (lang.number(mailbox.messages.into())) }
            td.number data-label=(lang.t("Größe", "Size")) { (lang.amount(mailbox.bytes)) }
            td.deeds {
                @if is_free(mailbox) {
                    details {
                        summary aria-label={ (lang.t("Ändern", "Change")) ": " (label) } { (lang.t("Ändern", "Change")) }
                        form method="post" action=(rename) {
                            (frame.token())
                            label for=(id) { (lang.t("Neuer Name", "New name")) }
                            div.row {
                                input id=(id) name="name" value=(mailbox.name.as_str()) required autocomplete="off";
                                button.second { (lang.t("Umbenennen", "Rename")) }
                                a.button.danger href=(delete) { (lang.t("Löschen …", "Delete …")) }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct New {
    name: String,
    #[serde(default)]
    above: String,
}

#[derive(Debug, Deserialize)]
struct Rename {
    name: String,
}

async fn make(
    State(web): State<Web>,
    Posted(person, new): Posted<Person, New>,
) -> Result<Response, Problem> {
    let lang = person.visitor.lang;
    let mailboxes = all(&web, &person).await?;
    let refuse = |text: &str| Ok(page(&web, &person, &mailboxes, (&new.name, text)));
    let name = new.name.trim();
    if name.is_empty() {
        return refuse(lang.t("Der Name fehlt.", "The name is missing."));
    }
    let above = new.above.parse().map(MailboxId).ok();
    let above = above.and_then(|id| mailboxes.iter().find(|one| one.id == id));
    let path = above.map_or_else(
        || name.to_owned(),
        |above| format!("{}{SEPARATOR}{name}", above.name.as_str()),
    );
    let Ok(path) = MailboxName::parse(&path) else {
        return refuse(bad_name(lang));
    };
    if mailboxes.iter().any(|one| one.name == path) {
        return refuse(taken(lang));
    }
    let account = person.account.id;
    web.run(move |sources, now| {
        sources.store.create_mailbox(account, &path, None, now)?;
        Ok(sources.store.set_subscribed(account, &path, true)?)
    })
    .await?;
    Err(done(&web, &person, MailboxDeed::Made))
}

fn bad_name(lang: Lang) -> &'static str {
    lang.t(
        "Dieser Name geht nicht: Er ist zu lang oder hat Zeichen wie * und %.",
        "This name does not work: it is too long or has characters such as * and %.",
    )
}

fn taken(lang: Lang) -> &'static str {
    lang.t(
        "So heißt schon ein Ordner.",
        "A mailbox is called that already.",
    )
}

fn done(web: &Web, person: &Person, deed: MailboxDeed) -> Problem {
    deeds::tell(web, person, PATH, (What::Mailboxes(deed), Vec::new()))
}

async fn rename(
    State(web): State<Web>,
    Path(id): Path<u32>,
    Posted(person, new): Posted<Person, Rename>,
) -> Result<Response, Problem> {
    let mailbox = one(&web, &person, id).await?;
    if !is_free(&mailbox) {
        return Err(Problem::NotFound);
    }
    let both = |text: fn(Lang) -> &'static str| {
        Problem::wrong(text(Lang(Language::De)), text(Lang(Language::En)))
    };
    let name = MailboxName::parse(new.name.trim()).map_err(|_| both(bad_name))?;
    if name == mailbox.name {
        return Err(Problem::Elsewhere(PATH.to_owned()));
    }
    let mailboxes = all(&web, &person).await?;
    if mailboxes.iter().any(|one| one.name == name) {
        return Err(both(taken));
    }
    web.run(move |sources, now| Ok(sources.store.rename_mailbox(mailbox.id, &name, now)?))
        .await?;
    Err(done(&web, &person, MailboxDeed::Renamed))
}

async fn ask(
    State(web): State<Web>,
    Path(id): Path<u32>,
    person: Person,
) -> Result<Response, Problem> {
    let mailbox = one(&web, &person, id).await?;
    if !is_free(&mailbox) {
        return Err(Problem::NotFound);
    }
    let frame = Frame::of_person(&person, Tab::Mail);
    let lang = frame.lang;
    let label = places::label(lang, &mailbox);
    let lost = match mailbox.messages {
        0 => lang.t("Er ist leer.", "It is empty.").to_owned(),
        1 => lang
            .t(
                "Mit ihm wird 1 Nachricht auf allen Geräten gelöscht. Sie lässt sich nicht zurückholen.",
                "With it 1 message is deleted on all devices. It cannot be brought back.",
            )
            .to_owned(),
        count => lang
            .t(
                "Mit ihm werden {} Nachrichten auf allen Geräten gelöscht. Sie lassen sich nicht zurückholen.",
                "With it {} messages are deleted on all devices. They cannot be brought back.",
            )
            .replace("{}", &lang.number(count.into())),
    };
    let body = html! {
        form.card method="post" action=(format!("{PATH}/{id}/delete")) {
            (frame.token())
            h2 { (label) }
            p { (lost) }
            p.row {
                button.danger { (lang.t("Ordner löschen", "Delete mailbox")) }
                a.button.second href=(PATH) { (lang.t("Abbrechen", "Cancel")) }
            }
        }
    };
    Ok(frame.page(lang.t("Ordner löschen?", "Delete mailbox?"), &body))
}

async fn delete(
    State(web): State<Web>,
    Path(id): Path<u32>,
    Posted(person, Nothing {}): Posted<Person, Nothing>,
) -> Result<Response, Problem> {
    let mailbox = one(&web, &person, id).await?;
    if !is_free(&mailbox) {
        return Err(Problem::NotFound);
    }
    let mailboxes = all(&web, &person).await?;
    if mailboxes
        .iter()
        .any(|other| other.name.is_below(&mailbox.name))
    {
        return Err(Problem::wrong(
            "In diesem Ordner liegen noch Ordner. Löschen Sie diese zuerst.",
            "There are mailboxes inside this one. Delete those first.",
        ));
    }
    let account = person.account.id;
    web.run_unhurried(move |sources, _| {
        sources.store.delete_mailbox(mailbox.id)?;
        // A subscription outlives its mailbox (RFC 9051 6.3.5), and some programs would go on showing the name.
        let store = &sources.store;
        Ok(store.set_subscribed(account, &mailbox.name, false)?)
    })
    .await?;
    Err(done(&web, &person, MailboxDeed::Deleted))
}
