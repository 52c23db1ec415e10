//! What is done with messages: flagging, filing, deleting for good, and undoing what only moved them.
//!
//! One form takes all: picked messages by serial, and the deed as the button that was pressed. Each deed is one write of
//! the store for each mailbox that the messages lie in, so that every other client hears of it at once. A message that is
//! gone by then is passed over; one of another account is not there at all.

mod carry;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use maud::{Markup, html};

use super::places;
use super::told::{Done, Elsewhere, MailboxDeed, What};
use crate::mail::flags::{SpecialUse, SystemFlags};
use crate::mail::ids::{MailboxId, Serial};
use crate::store::types::{FlagAction, Mailbox};
use crate::web::Web;
use crate::web::form::Posted;
use crate::web::layout::{Frame, Tab};
use crate::web::login::local_path;
use crate::web::parts::deed as button;
use crate::web::problem::Problem;
use crate::web::visitor::Person;
use crate::web::words::Lang;

/// Where the form around a list of messages goes to.
pub(super) const ACTION: &str = "/mail/deed";

/// Most messages that one form names.
const PICKS_MAX: usize = 2000;

/// Query key of the page after a deed.
const TOLD: &str = "told";

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route(ACTION, post(carry_out))
        .route("/mail/undo", post(undo))
}

/// What can be done with messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Flags(FlagAction, SystemFlags),
    /// Into the mailbox of that special use.
    File(SpecialUse),
    /// Out of Junk, into INBOX.
    NotJunk,
    Move(MailboxId),
    /// For good.
    Delete,
    /// All of this mailbox for good.
    Empty(MailboxId),
}

/// Fields of a form in their order; names may come more than once.
type Fields = Vec<(String, String)>;

fn value<'a>(fields: &'a Fields, name: &str) -> &'a str {
    let found = fields.iter().find(|(key, _)| key == name);
    found.map_or("", |(_, value)| value)
}

fn deed(fields: &Fields) -> Result<Deed, Problem> {
    let id = |text: &str| text.parse().map(MailboxId).map_err(|_| Problem::NotFound);
    let (add, remove) = (FlagAction::Add, FlagAction::Remove);
    Ok(match value(fields, "deed") {
        "seen" => Deed::Flags(add, SystemFlags::SEEN),
        "unseen" => Deed::Flags(remove, SystemFlags::SEEN),
        "flag" => Deed::Flags(add, SystemFlags::FLAGGED),
        "unflag" => Deed::Flags(remove, SystemFlags::FLAGGED),
        "archive" => Deed::File(SpecialUse::Archive),
        "junk" => Deed::File(SpecialUse::Junk),
        "trash" => Deed::File(SpecialUse::Trash),
        "notjunk" => Deed::NotJunk,
        "move" => Deed::Move(id(value(fields, "target"))?),
        "delete" => Deed::Delete,
        "empty" => Deed::Empty(id(value(fields, "mailbox"))?),
        other => Deed::Move(id(other.strip_prefix("move:").ok_or(Problem::NotFound)?)?),
    })
}

fn picks(fields: &Fields) -> Result<Vec<Serial>, Problem> {
    let picked = fields.iter().filter(|(key, _)| key == "pick");
    let picked = picked.map(|(_, value)| value.parse().map(Serial));
    let picked: Result<Vec<Serial>, _> = picked.take(PICKS_MAX).collect();
    picked.map_err(|_| Problem::NotFound)
}

async fn carry_out(
    State(web): State<Web>,
    Posted(person, fields): Posted<Person, Fields>,
) -> Result<Response, Problem> {
    let (deed, picks) = (deed(&fields)?, picks(&fields)?);
    let account = person.account.id;
    let lang = person.visitor.lang;
    if matches!(deed, Deed::Delete | Deed::Empty(_)) && value(&fields, "sure").is_empty() {
        let count = web
            .run(move |sources, _| carry::count(&sources.store, account, deed, &picks))
            .await?;
        if count > 0 {
            return Ok(ask(&person, &fields, count));
        }
        return Err(told(&web, &person, &fields, What::Nothing, Vec::new()));
    }
    let (what, moves) = web
        .run_unhurried(move |sources, now| {
            carry::carry_out(&sources.store, account, deed, &picks, (lang, now))
        })
        .await?;
    Err(told(&web, &person, &fields, what, moves))
}

/// Back to a page, which tells what was done.
fn told(
    web: &Web,
    person: &Person,
    fields: &Fields,
    what: What,
    moves: Vec<super::told::Move>,
) -> Problem {
    let stays = matches!(what, What::Flagged(..) | What::Nothing);
    let back = value(fields, if stays { "here" } else { "away" });
    let back = if back.is_empty() {
        value(fields, "here").to_owned()
    } else {
        back.to_owned()
    };
    tell(web, person, &back, (what, moves))
}

/// To the page `to`, or to the mailboxes if that is none of mail's, which tells `what` was done.
pub(super) fn tell(
    web: &Web,
    person: &Person,
    to: &str,
    (what, moves): (What, Vec<super::told::Move>),
) -> Problem {
    let told = &web.sources.kept.told;
    let number = told.remember(&person.session, what, moves, web.now().mono);
    let is_mail = |path: &&str| *path == "/mail" || path.starts_with("/mail/");
    let to = local_path(to).filter(is_mail).unwrap_or("/mail");
    Problem::Elsewhere(with_told(to, number))
}

/// The path with the number of what it shall tell, in place of an earlier one.
fn with_told(path: &str, number: u64) -> String {
    let path = path.split('#').next().unwrap_or_default();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let kept = query.split('&');
    let kept = kept.filter(|pair| !pair.is_empty() && !pair.starts_with("told="));
    let mut pairs: Vec<String> = kept.map(str::to_owned).collect();
    pairs.push(format!("{TOLD}={number}"));
    format!("{path}?{}", pairs.join("&"))
}

/// Deleting for good asks on a page of its own, since not every browser has a script.
fn ask(person: &Person, fields: &Fields, count: usize) -> Response {
    let frame = Frame::of_person(person, Tab::Mail);
    let lang = frame.lang;
    let number = lang.number(count as u64);
    let text = match count {
        1 => lang
            .t(
                "Diese Nachricht wird auf allen Geräten gelöscht und lässt sich nicht zurückholen.",
                "This message is deleted on all devices and cannot be brought back.",
            )
            .to_owned(),
        _ => lang
            .t(
                "{} Nachrichten werden auf allen Geräten gelöscht und lassen sich nicht zurückholen.",
                "{} messages are deleted on all devices and cannot be brought back.",
            )
            .replace("{}", &number),
    };
    let back = local_path(value(fields, "here")).unwrap_or("/mail");
    let kept = fields.iter().filter(|(name, _)| name != "form");
    let body = html! {
        form.card method="post" action=(ACTION) {
            (frame.token())
            @for (name, value) in kept { input type="hidden" name=(name) value=(value); }
            p { (text) }
            p.row {
                button.danger name="sure" value="yes" { (lang.t("Endgültig löschen", "Delete for good")) }
                a.button.second href=(back) { (lang.t("Abbrechen", "Cancel")) }
            }
        }
    };
    frame.page(lang.t("Endgültig löschen?", "Delete for good?"), &body)
}

async fn undo(
    State(web): State<Web>,
    Posted(person, fields): Posted<Person, Fields>,
) -> Result<Response, Problem> {
    let number = value(&fields, "number").parse().unwrap_or(0);
    let now = web.now().mono;
    let done = web.sources.kept.told.take(&person.session, number, now);
    let account = person.account.id;
    let what = match done {
        None => What::TooLate,
        Some(done) => {
            web.run_unhurried(move |sources, now| {
                carry::undo(&sources.store, account, &done.moves, now)
            })
            .await?
        }
    };
    Err(tell(
        &web,
        &person,
        value(&fields, "here"),
        (what, Vec::new()),
    ))
}

/// What was done a moment ago, if the address of this page says so; for the top of every page of mail.
pub(super) fn notice(web: &Web, person: &Person, frame: &Frame) -> Markup {
    let path = person.visitor.path.as_str();
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let number = pairs.find_map(|(key, value)| value.parse().ok().filter(|_| key == TOLD));
    let now = web.now().mono;
    let told = &web.sources.kept.told;
    let done = number.and_then(|number| told.find(&person.session, number, now));
    let Some(done) = done else {
        return html! {};
    };
    let is_odd = match done.what {
        What::Nothing | What::TooLate => true,
        What::Undone(_, gone) => gone > 0,
        What::Moved(..)
        | What::Flagged(..)
        | What::Deleted(_)
        | What::Sent(_)
        | What::Discarded
        | What::Mailboxes(_) => false,
    };
    let tone = if is_odd { "notice warn" } else { "notice good" };
    html! {
        div class=(tone) data-told {
            p { (in_words(frame.lang, &done.what)) }
            div.action { (offer(frame, path, &done)) }
        }
    }
}

/// The button next to it.
fn offer(frame: &Frame, path: &str, done: &Done) -> Markup {
    if done.can_be_undone() {
        let number = done.number.to_string();
        let fields = [("number", number.as_str()), ("here", path)];
        return button(
            frame,
            "/mail/undo",
            &fields,
            frame.t("Rückgängig", "Undo"),
            "second",
        );
    }
    if done.what == What::Sent(Elsewhere::Waits) {
        return html! { a href="/mail/outbox" { (frame.t("Versand ansehen", "See how it goes")) } };
    }
    html! {}
}

fn messages(lang: Lang, count: usize) -> String {
    match count {
        1 => lang.t("1 Nachricht", "1 message").to_owned(),
        _ => format!(
            "{} {}",
            lang.number(count as u64),
            lang.t("Nachrichten", "messages")
        ),
    }
}

fn in_words(lang: Lang, what: &What) -> String {
    let counted =
        |count: usize, de: &str, en: &str| lang.t(de, en).replace("{}", &messages(lang, count));
    match what {
        What::Nothing => lang
            .t(
                "Es war keine Nachricht ausgewählt, oder sie war schon fort.",
                "No message was picked, or it was gone already.",
            )
            .to_owned(),
        What::Moved(count, to) => {
            counted(*count, "{} nach „TO“ verschoben.", "{} moved to “TO”.").replace("TO", to)
        }
        What::Flagged(count, action, flags) => {
            let (de, en) = flagged(*action, *flags);
            counted(*count, de, en)
        }
        What::Deleted(count) => counted(*count, "{} endgültig gelöscht.", "{} deleted for good."),
        What::Undone(back, 0) => {
            counted(*back, "{} wieder am alten Ort.", "{} back where they were.")
        }
        What::Undone(back, gone) => format!(
            "{} {}",
            counted(*back, "{} wieder am alten Ort.", "{} back where they were."),
            counted(
                *gone,
                "{} inzwischen anderswo bearbeitet.",
                "{} changed elsewhere meanwhile."
            )
        ),
        What::TooLate => lang
            .t(
                "Das lässt sich nicht mehr rückgängig machen.",
                "That cannot be undone any more.",
            )
            .to_owned(),
        What::Sent(_) => lang.t("Gesendet.", "Sent.").to_owned(),
        What::Discarded => lang
            .t("Entwurf verworfen.", "Draft thrown away.")
            .to_owned(),
        What::Mailboxes(deed) => in_words_of_mailboxes(lang, *deed).to_owned(),
    }
}

fn flagged(action: FlagAction, flags: SystemFlags) -> (&'static str, &'static str) {
    match (action == FlagAction::Add, flags == SystemFlags::SEEN) {
        (true, true) => ("{} als gelesen markiert.", "{} marked as read."),
        (false, true) => ("{} als ungelesen markiert.", "{} marked as unread."),
        (true, false) => ("{} mit Stern versehen.", "{} starred."),
        (false, false) => ("Stern von {} entfernt.", "Star removed from {}."),
    }
}

fn in_words_of_mailboxes(lang: Lang, deed: MailboxDeed) -> &'static str {
    match deed {
        MailboxDeed::Made => lang.t("Ordner angelegt.", "Mailbox created."),
        MailboxDeed::Renamed => lang.t("Ordner umbenannt.", "Mailbox renamed."),
        MailboxDeed::Deleted => lang.t("Ordner gelöscht.", "Mailbox deleted."),
    }
}

/// What a bar of deeds is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bar<'a> {
    /// Mailbox that the messages lie in.
    pub(super) mailbox: &'a Mailbox,
    /// All of the account's.
    pub(super) mailboxes: &'a [Mailbox],
    /// The one message of the page, or those that are picked in a list.
    pub(super) of: Of,
    /// Path of this page.
    pub(super) here: &'a str,
    /// Where to go when the messages leave the mailbox.
    pub(super) away: &'a str,
}

/// Which messages a bar is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// Those with a checkbox `pick` in the same form.
    Picked,
    /// This one, which has these flags.
    One(Serial, SystemFlags),
}

/// The bar in a form of its own: for the page of one message.
pub(super) fn form(frame: &Frame, bar: &Bar<'_>) -> Markup {
    html! { form.deeds-form method="post" action=(ACTION) { (self::bar(frame, bar)) } }
}

/// Buttons of all deeds with the hidden fields that they need, to stand in a form to [`ACTION`].
pub(super) fn bar(frame: &Frame, bar: &Bar<'_>) -> Markup {
    html! {
        (frame.token())
        input type="hidden" name="here" value=(bar.here);
        input type="hidden" name="away" value=(bar.away);
        input type="hidden" name="mailbox" value=(bar.mailbox.id);
        @if let Of::One(serial, _) = bar.of { input type="hidden" name="pick" value=(serial); }
        div.deeds role="group" aria-label=(frame.t("Mit der Auswahl", "With the selection")) {
            (filing(frame.lang, bar.mailbox))
            (flagging(frame.lang, bar.of))
            (moving(frame.lang, bar))
        }
    }
}

/// A button of the bar, with the key that presses it.
fn act(deed: &str, key: &str, label: &str) -> Markup {
    let key = (!key.is_empty()).then_some(key);
    html! { button.second name="deed" value=(deed) data-key=[key] { (label) } }
}

fn filing(lang: Lang, mailbox: &Mailbox) -> Markup {
    let special = mailbox.special_use;
    let is = |which| special == Some(which);
    let is_over = is(SpecialUse::Trash) || is(SpecialUse::Junk);
    html! {
        @if !is(SpecialUse::Archive) && !is_over && !is(SpecialUse::Drafts) {
            (act("archive", "e", lang.t("Archivieren", "Archive")))
        }
        @if is(SpecialUse::Junk) {
            (act("notjunk", "", lang.t("Kein Spam", "Not junk")))
        }
        @if is_over {
            (act("delete", "#", lang.t("Endgültig löschen", "Delete for good")))
            @if mailbox.messages > 0 {
                button.danger name="deed" value="empty" {
                    @if is(SpecialUse::Trash) { (lang.t("Papierkorb leeren", "Empty Trash")) }
                    @else { (lang.t("Spam leeren", "Empty Junk")) }
                }
            }
        } @else {
            (act("trash", "#", lang.t("Löschen", "Delete")))
        }
    }
}

fn flagging(lang: Lang, of: Of) -> Markup {
    let (may_read, may_unread, may_flag, may_unflag) = match of {
        Of::Picked => (true, true, true, true),
        Of::One(_, flags) => {
            let seen = flags.contains(SystemFlags::SEEN);
            let flagged = flags.contains(SystemFlags::FLAGGED);
            (!seen, seen, !flagged, flagged)
        }
    };
    html! {
        @if may_read { (act("seen", "", lang.t("Gelesen", "Mark read"))) }
        @if may_unread { (act("unseen", "", lang.t("Ungelesen", "Mark unread"))) }
        @if may_flag { (act("flag", "s", lang.t("Stern", "Star"))) }
        @if may_unflag { (act("unflag", "", lang.t("Stern entfernen", "Remove star"))) }
    }
}

fn moving(lang: Lang, bar: &Bar<'_>) -> Markup {
    let others = bar.mailboxes.iter();
    let others: Vec<&Mailbox> = others.filter(|one| one.id != bar.mailbox.id).collect();
    let is_junk = bar.mailbox.special_use == Some(SpecialUse::Junk);
    html! {
        details.more {
            summary { (lang.t("Verschieben", "Move")) }
            div.row {
                label.visually-hidden for="deed-target" { (lang.t("Nach", "To")) }
                select #deed-target name="target" {
                    @for one in others { option value=(one.id) { (places::label(lang, one)) } }
                }
                button.second name="deed" value="move" { (lang.t("Dorthin verschieben", "Move there")) }
                @if !is_junk { button.quiet name="deed" value="junk" { (lang.t("Ist Spam", "Is junk")) } }
            }
        }
    }
}
