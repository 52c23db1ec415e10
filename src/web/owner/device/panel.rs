//! LED and button: what the LED shows now and means, and pressing the button from here.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use heimpost_board::{Count, Pattern, Press};
use maud::{Markup, html};
use serde::Deserialize;
use tokio::task::spawn_blocking;

use super::{PATH, frame};
use crate::panel::remote::{Happening, Told};
use crate::panel::{Condition, Remote, Trouble};
use crate::web::Web;
use crate::web::form::Posted;
use crate::web::layout::Frame;
use crate::web::parts::{Tone, deed, notice};
use crate::web::problem::Problem;
use crate::web::visitor::Owner;
use crate::web::words::Lang;

const PRESS_PATH: &str = "/box/device/press";

/// How long each press is held.
const SHORT: Duration = Duration::from_millis(200);
const ROOM: Duration = Duration::from_secs(3);
const SETUP: Duration = Duration::from_secs(10);

/// How long a press may take to be felt, and what it does to be done, beyond the time that it is held.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    hold: String,
}

/// What came of a press.
enum Outcome {
    Done(Press, Told),
    GoesOn(Press),
    Failed(Told),
    NotFelt,
}

pub(super) fn card(frame: &Frame, remote: &Remote) -> Markup {
    let t = |de, en| frame.t(de, en);
    let view = remote.view();
    html! {
        section.card {
            h2 { (t("LED und Knopf", "LED and button")) }
            div.row #led data-live="" {
                span class={ "led " (class(view.pattern)) } aria-hidden="true" {}
                p {
                    strong { (meaning(view.condition, frame.lang)) }
                    @if view.acknowledged { " " (t("(zur Kenntnis genommen)", "(acknowledged)")) }
                    br; span.soft { (looks(view.pattern, frame.lang)) }
                }
            }
            p { (t("Der Knopf lässt sich auch von hier drücken:", "The button can be pressed from here too:")) }
            div.row {
                (deed(frame, PRESS_PATH, &[("hold", "short")], t("Kurz: Hinweis gesehen", "Short: notice seen"), "second"))
                (deed(frame, PRESS_PATH, &[("hold", "room")], t("3 Sekunden: Platz schaffen", "3 seconds: make room"), "second"))
                (deed(frame, PRESS_PATH, &[("hold", "setup")], t("10 Sekunden: Einrichtung öffnen", "10 seconds: open setup"), "second"))
            }
            p.hint { (t(
                "Was beim Platzschaffen geht, lässt sich unter Speicher vorher ansehen und danach zurückholen.",
                "What goes when room is made can be looked at before, and put back after, under Storage.",
            )) }
            p.hint { (t("Gefunden:", "Found:")) " " span lang="en" { (remote.how()) } }
        }
    }
}

fn class(pattern: Pattern) -> &'static str {
    match pattern {
        Pattern::Dark | Pattern::Felt => "",
        Pattern::Steady | Pattern::Held => "on",
        Pattern::Quiet => "tick",
        Pattern::Even | Pattern::HeldLong => "even",
        Pattern::LongOn => "long",
        Pattern::Flashes(Count::Two) => "blink-2",
        Pattern::Flashes(Count::Three) => "blink-3",
        Pattern::Flashes(Count::Four) => "blink-4",
        Pattern::Flashes(Count::Five) => "blink-5",
        Pattern::Flashes(Count::Six) => "blink-6",
    }
}

fn looks(pattern: Pattern, lang: Lang) -> &'static str {
    let (de, en) = match pattern {
        Pattern::Dark => ("dunkel", "dark"),
        Pattern::Felt => ("dunkel: Der Knopf ist gedrückt", "dark: the button is down"),
        Pattern::Steady | Pattern::Held => ("leuchtet", "lit"),
        Pattern::Quiet => (
            "blinkt kurz alle 30 Sekunden",
            "a short blink every 30 seconds",
        ),
        Pattern::Even | Pattern::HeldLong => ("blinkt gleichmäßig", "blinks evenly"),
        Pattern::LongOn => ("leuchtet mit kurzen Pausen", "lit with short breaks"),
        Pattern::Flashes(Count::Two) => ("blinkt zweimal, Pause", "two blinks, a pause"),
        Pattern::Flashes(Count::Three) => ("blinkt dreimal, Pause", "three blinks, a pause"),
        Pattern::Flashes(Count::Four) => ("blinkt viermal, Pause", "four blinks, a pause"),
        Pattern::Flashes(Count::Five) => ("blinkt fünfmal, Pause", "five blinks, a pause"),
        Pattern::Flashes(Count::Six) => ("blinkt sechsmal, Pause", "six blinks, a pause"),
    };
    lang.t(de, en)
}

fn meaning(condition: Condition, lang: Lang) -> &'static str {
    let (de, en) = match condition {
        Condition::Fine => ("Alles in Ordnung", "All is well"),
        Condition::Notice => ("Der Speicher füllt sich", "Storage is filling up"),
        Condition::Warning => ("Der Speicher ist fast voll", "Storage is almost full"),
        Condition::Full => (
            "Voll: Neue Post wartet draußen",
            "Full: new mail waits outside",
        ),
        Condition::Setup => ("Die Einrichtung ist offen", "Setup is open"),
        Condition::Busy => ("Beschäftigt: nicht ausstecken", "Busy: do not unplug"),
        Condition::Fault => (
            "Speicher oder Karte haben einen Fehler",
            "Store or card has a fault",
        ),
        Condition::Trouble(Trouble::Backup) => (
            "Die letzte gute Sicherung auf dem USB-Stick ist zu alt",
            "The last good backup on the USB stick is too old",
        ),
        Condition::Trouble(Trouble::Clock) => (
            "Kein Zeitserver hat die Uhr gestellt",
            "No time server has set the clock",
        ),
        Condition::Trouble(Trouble::Certificate) => (
            "Das Zertifikat läuft ab, oder das neue ist unbrauchbar",
            "The certificate runs out, or the new one cannot be used",
        ),
        Condition::Trouble(Trouble::Delivery) => (
            "Post an andere geht nicht hinaus",
            "Mail to others does not get out",
        ),
        Condition::Trouble(Trouble::Dns) => (
            "Die Namensserver (DNS) antworten nicht",
            "The name servers (DNS) do not answer",
        ),
        Condition::Trouble(Trouble::Network) => ("Es gibt kein Netz", "There is no network"),
    };
    lang.t(de, en)
}

/// Presses the button and says what came of it.
pub(super) async fn press(
    State(web): State<Web>,
    Posted(owner, wanted): Posted<Owner, Wanted>,
) -> Result<Response, Problem> {
    let hold = match wanted.hold.as_str() {
        "short" => SHORT,
        "room" => ROOM,
        "setup" => SETUP,
        _ => return Err(Problem::NotFound),
    };
    let remote = web.sources.panel.clone();
    let pressed = spawn_blocking(move || press_and_wait(&remote, hold)).await;
    let outcome = pressed.map_err(|_| Problem::Broken)?;
    let frame = frame(&owner);
    let body = html! {
        (told(&frame, &outcome))
        p { a.button.second href=(PATH) { (frame.t("Zurück", "Back")) } }
    };
    Ok(frame.page(frame.t("Knopf gedrückt", "Button pressed"), &body))
}

fn press_and_wait(remote: &Remote, hold: Duration) -> Outcome {
    let happenings = remote.press(hold);
    let mut felt = None;
    loop {
        let happening = happenings.recv_timeout(hold + PATIENCE);
        match (happening, felt) {
            (Ok(Happening::Pressed(press)), _) => felt = Some(press),
            (Ok(Happening::Done(what)), Some(press)) => return Outcome::Done(press, what),
            (Ok(Happening::Failed(why)), Some(_)) => return Outcome::Failed(why),
            // What came of a press before.
            (Ok(Happening::Done(_) | Happening::Failed(_)), None) => {}
            (Ok(Happening::Stuck) | Err(RecvTimeoutError::Disconnected), _) => {
                return Outcome::NotFelt;
            }
            (Err(RecvTimeoutError::Timeout), Some(press)) => return Outcome::GoesOn(press),
            (Err(RecvTimeoutError::Timeout), None) => return Outcome::NotFelt,
        }
    }
}

fn told(frame: &Frame, outcome: &Outcome) -> Markup {
    let t = |de, en| frame.t(de, en);
    let pressed = |press: Press| match press {
        Press::Short => t("Kurz gedrückt.", "Pressed briefly."),
        Press::Hold => t(
            "3 Sekunden gehalten: Platz schaffen.",
            "Held for 3 seconds: make room.",
        ),
        Press::Long => t(
            "10 Sekunden gehalten: Die Einrichtung ist zehn Minuten lang offen.",
            "Held for 10 seconds: setup is open for ten minutes.",
        ),
    };
    match outcome {
        Outcome::Done(press, what) => html! {
            (notice(Tone::Good, pressed(*press), None))
            @for paragraph in what.words(frame.lang.0).split("\n\n") { p.lines { (paragraph) } }
        },
        Outcome::GoesOn(press) => html! {
            (notice(Tone::Info, pressed(*press), None))
            p { (t("Das dauert noch; die LED zeigt, wenn es fertig ist.", "This takes a while longer; the LED shows when it is done.")) }
        },
        Outcome::Failed(why) => html! {
            (notice(Tone::Bad, t("Das hat nicht geklappt.", "That did not work."), None))
            p { (why.words(frame.lang.0)) }
        },
        Outcome::NotFelt => notice(
            Tone::Bad,
            t(
                "Der Knopf hat den Druck nicht gespürt; vielleicht klemmt er.",
                "The button did not feel the press; it may be stuck.",
            ),
            None,
        ),
    }
}
