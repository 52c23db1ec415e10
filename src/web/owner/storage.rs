//! What takes room, and making some.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};

use super::transfer::to_job;
use crate::manage::room::hook;
use crate::room::plan::{Action, Item};
use crate::room::{self, words};
use crate::space::words as space_words;
use crate::space::{self, House};
use crate::store::aside::undo::{Outcome, Undone};
use crate::store::types::{Account, Language};
use crate::store::{self, Store};
use crate::web::Web;
use crate::web::form::{Nothing, Posted};
use crate::web::jobs::{End, Kind};
use crate::web::layout::{Frame, Tab};
use crate::web::parts::{card, meter};
use crate::web::problem::{Problem, Said};
use crate::web::state::Sources;
use crate::web::visitor::Owner;
use crate::web::words::Lang;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/box/storage", get(show))
        .route("/box/storage/room", post(make_room))
        .route("/box/storage/undo", post(undo))
}

/// What the page shows.
struct Shown {
    house: House,
    plan: Vec<Item>,
    aside: u64,
}

async fn show(State(web): State<Web>, owner: Owner) -> Result<Response, Problem> {
    let shown = web.run(|sources, now| {
        let store = &sources.store;
        let aside = store.snapshot()?.aside()?;
        Ok(Shown {
            house: space::house(store, now)?,
            plan: room::dry_run(&hook(store, &sources.settings, &sources.clock), now)?,
            aside: aside.values().map(|usage| usage.bytes).sum(),
        })
    });
    let shown = shown.await?;
    let frame = Frame::of_owner(&owner, Tab::Storage).live("/box/events");
    let body = html! {
        div #fill data-live="" { (fill_card(&frame, &shown.house)) }
        (room_card(&frame, &shown, &web.sources.settings.room))
        (advice_card(&frame))
    };
    Ok(frame.page(frame.t("Speicher", "Storage"), &body))
}

fn fill_card(frame: &Frame, house: &House) -> Markup {
    let language = frame.lang.0;
    card(
        frame.t("So voll ist es", "How full it is"),
        &html! {
            (meter(frame, frame.t("Speicherkarte", "Card"), &house.card))
            @if let Some(outlook) = space_words::outlook(&house.card, language) { p.hint { (outlook) } }
            @for (account, state) in &house.accounts {
                (meter(frame, &account.address.to_string(), state))
                @if let Some(outlook) = space_words::outlook(state, language) { p.hint { (outlook) } }
            }
        },
    )
}

fn room_card(frame: &Frame, shown: &Shown, policy: &crate::config::RoomSettings) -> Markup {
    let lang = frame.lang;
    let bytes: u64 = shown.plan.iter().map(|item| item.usage.bytes).sum();
    let question = frame.t(
        "Jetzt Platz schaffen? Sie können es 30 Tage lang zurücknehmen, solange die Karte Platz hat.",
        "Make room now? You can undo it for 30 days, as long as the card has room.",
    );
    card(
        frame.t("Platz schaffen", "Make room"),
        &html! {
            p { (rule(lang, policy)) }
            @if shown.plan.is_empty() {
                p.soft { (frame.t("Zur Zeit könnte nichts weg.", "Nothing could go at the moment.")) }
            } @else {
                p { strong { (lang.amount(bytes)) } " " (frame.t("könnten weg:", "could go:")) }
                ul.plain { @for item in &shown.plan { li { (line(lang, item)) } } }
                form method="post" action="/box/storage/room" {
                    (frame.token())
                    button data-ask=(question) { (frame.t("Platz schaffen", "Make room")) }
                }
            }
            @if shown.aside > 0 {
                form.row method="post" action="/box/storage/undo" {
                    (frame.token())
                    span.soft { (lang.amount(shown.aside)) " " (frame.t("liegen beiseite und können zurückkommen.", "are set aside and can come back.")) }
                    button.second { (frame.t("Zuletzt Entferntes zurückholen", "Put back what went last")) }
                }
            }
        },
    )
}

/// What the owner's policy is, in a sentence.
fn rule(lang: Lang, policy: &crate::config::RoomSettings) -> String {
    let (trash, junk, fetched) = (policy.trash_days, policy.junk_days, policy.fetched_days);
    let first = match lang.0 {
        Language::De => format!(
            "Was länger als {trash} Tage im Papierkorb, {junk} Tage im Spam oder {fetched} Tage unter „Fetched“ lag, kommt beiseite."
        ),
        Language::En => format!(
            "What has lain in Trash for {trash} days, in Junk for {junk} or in \"Fetched\" for {fetched} is set aside."
        ),
    };
    match (policy.archive_months, lang.0) {
        (None, Language::De) => format!("{first} Der Posteingang bleibt, wie er ist."),
        (None, Language::En) => format!("{first} INBOX stays as it is."),
        (Some(months), Language::De) => {
            format!(
                "{first} Mails im Posteingang, die älter als {months} Monate sind, ziehen ins Archiv."
            )
        }
        (Some(months), Language::En) => {
            format!("{first} Mail in INBOX older than {months} months moves to the archive.")
        }
    }
}

fn line(lang: Lang, item: &Item) -> String {
    let usage = format!(
        "{}, {}",
        messages(lang, item.usage.messages),
        lang.amount(item.usage.bytes)
    );
    let place = format!("{} · {}", item.account.address, item.name.as_str());
    match &item.action {
        Action::SetAside => format!("{place}: {usage}"),
        Action::Archive(to) => format!("{place}: {usage} → {}", to.as_str()),
    }
}

fn messages(lang: Lang, count: u64) -> String {
    let word = match count {
        1 => lang.t("Mail", "message"),
        _ => lang.t("Mails", "messages"),
    };
    format!("{} {word}", lang.number(count))
}

fn advice_card(frame: &Frame) -> Markup {
    card(
        frame.t("Was kann ich löschen?", "What may I delete?"),
        &html! {
            p {
                (frame.t(
                    "Die größten Mails, Absender und Jahre sieht jeder für sein eigenes Postfach; in fremde Post schaut hier niemand.",
                    "Everyone sees the largest messages, senders and years of the own account; nobody looks into others' mail here.",
                ))
            }
            p { a.button.second href="/me/storage" { (frame.t("Mein Postfach ansehen", "Look at my account")) } }
        },
    )
}

async fn make_room(
    State(web): State<Web>,
    Posted(owner, Nothing {}): Posted<Owner, Nothing>,
) -> Result<Response, Problem> {
    let sources = Arc::clone(&web.sources);
    let work = move |_: &_| press(&sources);
    let id = web
        .sources
        .kept
        .jobs
        .begin(Kind::Room, owner.account.id, work);
    Ok(to_job(id))
}

fn press(sources: &Sources) -> End {
    let hook = hook(&sources.store, &sources.settings, &sources.clock);
    let busy = sources.panel.making_room();
    let receipt = room::press(&hook, sources.clock.now());
    drop(busy);
    let pressed = receipt.and_then(|receipt| {
        let house = space::house(&sources.store, sources.clock.now())?;
        Ok((receipt, house))
    });
    match pressed {
        Ok((receipt, house)) => {
            let text = |language| words::text(&receipt, &hook.policy, &house, language);
            let (de, en) = (text(Language::De), text(Language::En));
            let paragraphs = de.split("\n\n").zip(en.split("\n\n"));
            End::Done(paragraphs.map(|(de, en)| said(de, en)).collect())
        }
        Err(error) => End::Failed(vec![failed(&error)]),
    }
}

async fn undo(
    State(web): State<Web>,
    Posted(owner, Nothing {}): Posted<Owner, Nothing>,
) -> Result<Response, Problem> {
    let sources = Arc::clone(&web.sources);
    let work = move |_: &_| put_back(&sources);
    let id = web
        .sources
        .kept
        .jobs
        .begin(Kind::Undo, owner.account.id, work);
    Ok(to_job(id))
}

fn put_back(sources: &Sources) -> End {
    let undone = room::undo(&sources.store, sources.clock.now());
    match undone {
        Ok(undone) => told(&sources.store, &undone),
        Err(store::Error::NotFound(_)) => End::Failed(vec![said(
            "Es gibt nichts zurückzuholen.",
            "There is nothing to put back.",
        )]),
        Err(error) => End::Failed(vec![failed(&error)]),
    }
}

fn told(store: &Store, undone: &Undone) -> End {
    let snapshot = match store.snapshot() {
        Ok(snapshot) => snapshot,
        Err(error) => return End::Failed(vec![failed(&error)]),
    };
    let mut lines = Vec::new();
    let mut all = true;
    for (id, outcome) in &undone.accounts {
        all &= matches!(outcome, Outcome::Back { .. });
        if let Ok(Some(account)) = snapshot.account(*id) {
            lines.push(back(&account, outcome));
        }
    }
    if undone.released > 0 {
        let (de, en) = (Lang(Language::De), Lang(Language::En));
        lines.push(Said {
            de: format!(
                "{} Mails sind endgültig fort: Die Karte brauchte den Platz.",
                de.number(undone.released)
            ),
            en: format!(
                "{} messages are gone for good: the card needed the space.",
                en.number(undone.released)
            ),
        });
    }
    if lines.is_empty() {
        lines.push(said(
            "Es war nichts mehr zurückzuholen.",
            "Nothing was left to put back.",
        ));
    }
    if all {
        End::Done(lines)
    } else {
        End::Failed(lines)
    }
}

fn back(account: &Account, outcome: &Outcome) -> Said {
    let (de, en) = (Lang(Language::De), Lang(Language::En));
    let address = &account.address;
    match outcome {
        Outcome::Back {
            put_back,
            moved_back,
        } => {
            let messages = put_back.messages + moved_back.messages;
            Said {
                de: match messages {
                    1 => format!("{address}: 1 Mail ist wieder da."),
                    _ => format!("{address}: {} Mails sind wieder da.", de.number(messages)),
                },
                en: match messages {
                    1 => format!("{address}: 1 message is back."),
                    _ => format!("{address}: {} messages are back.", en.number(messages)),
                },
            }
        }
        Outcome::WouldBeFull { bytes_to_free, .. } => Said {
            de: format!(
                "{address}: Das Postfach wäre voll. Erst müssen {} frei werden.",
                space_words::amount_at_least(*bytes_to_free, Language::De)
            ),
            en: format!(
                "{address}: it would be full. {} must go first.",
                space_words::amount_at_least(*bytes_to_free, Language::En)
            ),
        },
    }
}

fn said(de: &str, en: &str) -> Said {
    Said {
        de: de.to_owned(),
        en: en.to_owned(),
    }
}

fn failed(error: &store::Error) -> Said {
    Said {
        de: format!("Das hat nicht geklappt: {error}"),
        en: format!("That did not work: {error}"),
    }
}
