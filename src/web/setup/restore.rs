//! Beginning with a backup: whose card died plugs the stick with the backup in, and has the box be as it was.
//!
//! Only whoever sets up a box without accounts may. What happens is `stick::recover`'s matter; these pages ask, and look
//! how far it is.

use axum::Router;
use axum::extract::State;
use axum::http::header::REFRESH;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;

use super::access::Setter;
use super::entry::situation;
use super::progress::Step;
use super::{frame_of, go};
use crate::clock::Wall;
use crate::stick::Reason;
use crate::stick::plugged::{Stick, sticks};
use crate::stick::recover::{Found, Phase, Restored, Trouble, can_ask};
use crate::store::backup::Generation;
use crate::store::{self, Store};
use crate::web::Web;
use crate::web::form::{Nothing, Posted};
use crate::web::guard::over_tls;
use crate::web::layout::Frame;
use crate::web::parts::{Tone, deed, notice};
use crate::web::plugged;
use crate::web::problem::Problem;
use crate::web::state::Sources;
use crate::web::visitor::Visitor;

/// The page.
pub(super) const PATH: &str = "/setup/restore";
const LOOK_PATH: &str = "/setup/restore/look";
const BEGIN_PATH: &str = "/setup/restore/begin";
const AGAIN_PATH: &str = "/setup/restore/again";

/// Seconds until a page that waits looks again.
const LOOK_AGAIN: HeaderValue = HeaderValue::from_static("2");

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route(PATH, get(show))
        .route(LOOK_PATH, post(look))
        .route(BEGIN_PATH, post(begin))
        .route(AGAIN_PATH, post(again))
}

/// The way here, from the first pages; nothing where no stick can be reached.
pub(super) fn offer(frame: &Frame, web: &Web, has_account: bool) -> Markup {
    let is_possible = !has_account && can_ask(&web.sources.settings);
    html! {
        @if is_possible {
            section.card {
                h2 { (frame.t("Ich habe eine Sicherung", "I have a backup")) }
                p { (frame.t("War das schon einmal Ihre Box? Dann spielen Sie die Sicherung vom USB-Stick zurück, und alles ist wieder da.",
                             "Was this your box before? Then restore the backup from the USB stick, and everything is there again.")) }
                p { a.button.second href=(PATH) { (frame.t("Vom USB-Stick zurückspielen", "Restore from a USB stick")) } }
            }
        }
    }
}

/// Whether a backup is about to take the box's place, so that nothing else should be made here.
pub(super) fn is_under_way(web: &Web) -> bool {
    web.sources.kept.recovery.is_busy()
}

async fn show(
    State(web): State<Web>,
    visitor: Visitor,
    setter: Result<Setter, Problem>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let phase = web.sources.kept.recovery.phase(web.now().mono);
    if let Phase::Restored(restored) = phase
        && web.sources.kept.setup.was_of(&headers)
    {
        return restored_page(&web, &visitor, restored).await;
    }
    let setter = setter?;
    ensure_possible(&web).await?;
    let frame = frame_of(&setter.visitor, &setter.form);
    let (body, waits) = match &phase {
        Phase::Idle => (choose_stick(&frame, &web, None), false),
        Phase::Failed(trouble) => (choose_stick(&frame, &web, Some(trouble)), false),
        Phase::Found(found) => (choose_backup(&frame, &web, found), false),
        Phase::Looking => (looking(&frame), true),
        Phase::Waiting(chosen) => (copying(&frame, chosen, 0), true),
        Phase::Copying(chosen) => {
            let done = web.run(|sources, _| Ok(Store::bytes_beside(&sources.settings.data)));
            (copying(&frame, chosen, done.await?), true)
        }
        Phase::Restored(_) => (restarting(&frame), true),
    };
    Ok(page(&frame, &body, waits))
}

fn page(frame: &Frame, body: &Markup, waits: bool) -> Response {
    let title = frame.t("Mit einer Sicherung beginnen", "Begin with a backup");
    let mut response = frame.page(title, body);
    if waits {
        response.headers_mut().insert(REFRESH, LOOK_AGAIN);
    }
    response
}

async fn ensure_possible(web: &Web) -> Result<(), Problem> {
    if situation(web).await?.has_account || !can_ask(&web.sources.settings) {
        return Err(Problem::Elsewhere("/setup".to_owned()));
    }
    Ok(())
}

/// What is plugged in.
fn choose_stick(frame: &Frame, web: &Web, trouble: Option<&Trouble>) -> Markup {
    let plugged = sticks(&web.sources.settings.backup.system);
    html! {
        @if let Some(trouble) = trouble { (notice(Tone::Bad, &in_words(frame, trouble), None)) }
        p.lead { (frame.t("Stecken Sie den USB-Stick mit der Sicherung an die Box. Er wird nur gelesen.",
                          "Plug the USB stick with the backup into the box. It is only read.")) }
        section.card {
            h2 { (frame.t("Welcher Stick?", "Which stick?")) }
            @if plugged.is_empty() {
                (plugged::none(frame, PATH, "button"))
            } @else {
                (plugged::list(frame, &plugged, |stick| look_deed(frame, stick)))
            }
        }
        p { a.button.quiet href=(Step::Language.path()) { (frame.t("Zurück zum Einrichten", "Back to setup")) } }
    }
}

fn look_deed(frame: &Frame, stick: &Stick) -> Markup {
    let word = frame.t("Hier nachsehen", "Look on this one");
    deed(frame, LOOK_PATH, &[("stick", &stick.uuid)], word, "")
}

fn looking(frame: &Frame) -> Markup {
    html! {
        section.card role="status" {
            p.lead { (frame.t("Die Box sieht nach, was auf dem Stick ist. Das dauert einen Augenblick.",
                              "The box is looking what is on the stick. This takes a moment.")) }
        }
    }
}

/// What is on the stick.
fn choose_backup(frame: &Frame, web: &Web, found: &[Found]) -> Markup {
    html! {
        @if found.is_empty() {
            (notice(Tone::Warn, frame.t("Auf diesem Stick ist keine Sicherung von Heimpost.", "There is no backup of Heimpost on this stick."), None))
        } @else {
            p.lead { (frame.t("Diese Sicherungen sind auf dem Stick. Meist ist die oberste richtig.",
                              "These backups are on the stick. Mostly the first one is right.")) }
            @for (number, one) in found.iter().enumerate() {
                section.card {
                    h2 { (one.of) }
                    dl.facts { (facts(frame, web, one)) }
                    form method="post" action=(BEGIN_PATH) {
                        (frame.token())
                        input type="hidden" name="number" value=(number);
                        button.second[number > 0] { (frame.t("Diese zurückspielen", "Restore this one")) }
                    }
                }
            }
            p.hint { (frame.t("Die Sicherung wird dabei geprüft. Wird vorher der Strom abgeschaltet, bleibt die Box leer, und Sie beginnen noch einmal.",
                              "The backup is checked meanwhile. If the power goes before that is done, the box stays empty, and you begin again.")) }
        }
        form method="post" action=(AGAIN_PATH) {
            (frame.token())
            button.quiet { (frame.t("Anderer Stick", "Another stick")) }
        }
    }
}

fn facts(frame: &Frame, web: &Web, one: &Found) -> Markup {
    let lang = frame.lang;
    let zone = &web.sources.settings.time_zone;
    html! {
        dt { (frame.t("Vom", "Made")) }
        dd {
            @match one.made {
                Some(made) => (lang.moment(Wall(made), zone)),
                None => (frame.t("unbekannt", "unknown")),
            }
            @if one.generation == Generation::Before { " " span.soft { (frame.t("(die davor)", "(the one before)")) } }
        }
        @if let Some(accounts) = one.accounts {
            dt { (frame.t("Postfächer", "Accounts")) } dd { (lang.number(accounts)) }
        }
        dt { (frame.t("Größe", "Size")) } dd { (lang.amount(one.bytes)) }
    }
}

fn copying(frame: &Frame, chosen: &Found, done: u64) -> Markup {
    let lang = frame.lang;
    html! {
        section.card role="status" {
            p.lead { (frame.t("Die Sicherung wird zurückgespielt und danach geprüft. Lassen Sie Stick und Strom bitte stecken.",
                              "The backup is being restored, and checked after that. Please leave stick and power plugged in.")) }
            p.big { (lang.amount(done.min(chosen.bytes))) " " (lang.t("von", "of")) " " (lang.amount(chosen.bytes)) }
            p.soft { (frame.t("Bei viel Mail dauert das eine Weile. Sie können die Seite ruhig verlassen.",
                              "With much mail this takes a while. You may leave the page.")) }
        }
    }
}

fn restarting(frame: &Frame) -> Markup {
    html! {
        section.card role="status" {
            p.lead { (frame.t("Alles ist da und geprüft. Die Box startet damit neu; das dauert ein paar Sekunden.",
                              "Everything is there and checked. The box restarts with it; that takes a few seconds.")) }
        }
    }
}

/// For whoever has restored it; setup is shut by then.
async fn restored_page(
    web: &Web,
    visitor: &Visitor,
    restored: Restored,
) -> Result<Response, Problem> {
    let frame = Frame::outside(visitor);
    if Restart::of(web).await? == Restart::Awaited {
        return Ok(page(&frame, &restarting(&frame), true));
    }
    let lang = frame.lang;
    let to_box = over_tls(web, visitor, "/box");
    let body = html! {
        p.lead { (frame.t("Ihre Box ist wieder da.", "Your box is back.")) }
        dl.facts {
            dt { (frame.t("Postfächer", "Accounts")) } dd { (lang.number(restored.accounts)) }
            dt { "Mails" } dd { (lang.number(restored.messages)) }
        }
        ul {
            li { (frame.t("Adressen, Passwörter und Einstellungen sind die alten. Auch Ihre Geräte kennen die Box noch.",
                          "Addresses, passwords and settings are those of before. Your devices still know the box, too.")) }
            li { (frame.t("E-Mail-Programme holen ihre Listen einmal neu.", "Mail programs fetch their lists anew, once.")) }
            @if restored.held > 0 {
                li { (held(&frame, restored.held)) }
            }
            li { (frame.t("Was nach der Sicherung kam, fehlt.", "What came after the backup is missing.")) }
        }
        p.row { a.button href=(to_box) { (frame.t("Anmelden", "Log in")) } }
        (crate::web::welcome::about_tls(web, &frame, visitor))
    };
    Ok(frame.page(frame.t("Fertig", "Done"), &body))
}

fn held(frame: &Frame, count: u64) -> String {
    let number = frame.lang.number(count);
    let (de, en) = (
        format!(
            "Zu senden waren noch {number} Mails. Sie warten, denn vielleicht sind sie seit der Sicherung schon gegangen: unter „Senden“ entscheiden Sie."
        ),
        format!(
            "{number} mails were still to be sent. They wait, for they may have been sent since the backup: you decide under \"Sending\"."
        ),
    );
    frame.t(&de, &en).to_owned()
}

/// Whether the store that was restored is the one in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Restart {
    Awaited,
    Done,
}

impl Restart {
    async fn of(web: &Web) -> Result<Self, Problem> {
        let has_account = situation(web).await?.has_account;
        Ok(if has_account {
            Self::Done
        } else {
            Self::Awaited
        })
    }
}

#[derive(Debug, Deserialize)]
struct Chosen {
    stick: String,
}

async fn look(
    State(web): State<Web>,
    Posted(_, Chosen { stick }): Posted<Setter, Chosen>,
) -> Result<Response, Problem> {
    ensure_possible(&web).await?;
    let asked = web.run(move |sources, now| {
        let plugged = sticks(&sources.settings.backup.system);
        if plugged.iter().any(|one| one.uuid == stick) && !sources.kept.recovery.is_busy() {
            let looked = sources
                .kept
                .recovery
                .look(&stick, &sources.settings.data, now.mono);
            looked.map_err(fault)?;
        }
        Ok(())
    });
    asked.await?;
    Ok(go(PATH))
}

#[derive(Debug, Deserialize)]
struct Number {
    number: usize,
}

async fn begin(
    State(web): State<Web>,
    Posted(_, Number { number }): Posted<Setter, Number>,
) -> Result<Response, Problem> {
    ensure_possible(&web).await?;
    let asked = web.run(move |sources: &Sources, now| {
        let data = &sources.settings.data;
        let chosen = sources.kept.recovery.choose(number, data, now.mono);
        chosen.map(drop).map_err(|error| fault(error).into())
    });
    asked.await?;
    Ok(go(PATH))
}

async fn again(State(web): State<Web>, _: Posted<Setter, Nothing>) -> Result<Response, Problem> {
    web.sources.kept.recovery.forget();
    Ok(go(PATH))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn fault(error: std::io::Error) -> store::Error {
    store::Error::Fault(error.to_string())
}

fn in_words(frame: &Frame, trouble: &Trouble) -> String {
    let text = match trouble {
        Trouble::Stick(reason) => stick_in_words(frame, *reason),
        Trouble::Silence => frame.t(
            "Die Box kam nicht an den Stick. Ziehen Sie ihn ab, stecken Sie ihn wieder an und versuchen Sie es noch einmal.",
            "The box could not get at the stick. Pull it out, plug it in again, and try once more.",
        ),
        Trouble::HasAccount => frame.t(
            "Die Box hat inzwischen ein Postfach. Zurückspielen geht nur in eine leere Box.",
            "The box has an account by now. Restoring works only for an empty box.",
        ),
        Trouble::Gone => frame.t(
            "Diese Sicherung ist nicht mehr auf dem Stick.",
            "This backup is not on the stick any more.",
        ),
        Trouble::Room { needed, free } => return no_room(frame, *needed, *free),
        Trouble::Backup(_) => frame.t(
            "Diese Sicherung lässt sich nicht vollständig lesen. Nehmen Sie die davor oder einen anderen Stick. Die Box ist so leer wie zuvor.",
            "This backup cannot be read completely. Take the one before, or another stick. The box is as empty as before.",
        ),
        Trouble::Card(_) => frame.t(
            "Die Speicherkarte der Box lässt sich nicht beschreiben. Nehmen Sie eine andere.",
            "The card of the box cannot be written. Take another one.",
        ),
    };
    text.to_owned()
}

fn no_room(frame: &Frame, needed: u64, free: u64) -> String {
    let (needed, free) = (frame.lang.amount(needed), frame.lang.amount(free));
    let de = format!(
        "Auf der Speicherkarte der Box ist zu wenig Platz: Gebraucht werden {needed}, frei sind {free}. Nehmen Sie eine größere."
    );
    let en = format!(
        "The card of the box has too little room: {needed} are needed, {free} are free. Take a larger one."
    );
    frame.t(&de, &en).to_owned()
}

fn stick_in_words(frame: &Frame, reason: Reason) -> &'static str {
    match reason {
        Reason::NotThere => frame.t("Der Stick steckt nicht mehr an der Box.", "The stick is not plugged in any more."),
        Reason::Several => frame.t(
            "Mehrere Sticks haben denselben Namen. Bitte lassen Sie nur einen stecken.",
            "Several sticks have the same name. Please leave only one plugged in.",
        ),
        Reason::System => frame.t("Davon läuft die Box selbst.", "The box itself runs from it."),
        Reason::FileSystem => frame.t(
            "Mit dem Dateisystem dieses Sticks kann die Box nicht umgehen (FAT32, exFAT und ext4 gehen).",
            "The box cannot use the file system of this stick (FAT32, exFAT and ext4 work).",
        ),
        Reason::Mount
        | Reason::ReadOnly
        | Reason::Damaged
        | Reason::Full
        | Reason::Write
        | Reason::Unsound
        | Reason::BrokenOff => frame.t(
            "Der Stick lässt sich nicht lesen. Stecken Sie ihn noch einmal an.",
            "The stick cannot be read. Plug it in again.",
        ),
    }
}
