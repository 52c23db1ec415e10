//! The LED as it blinks now, with what that means and what to do.

use heimpost_board::{Count, Pattern};
use maud::{Markup, html};

use crate::panel::{Condition, Trouble, View};
use crate::web::layout::Frame;
use crate::web::words::Lang;

/// LED, meaning, and the green sentence if there is nothing else to say.
pub(super) fn render(frame: &Frame, view: View, is_calm: bool) -> Markup {
    let lang = frame.lang;
    let is_fine = view.condition == Condition::Fine;
    html! {
        div.row.glance {
            span class=(class(view.pattern)) role="img" aria-label=(rhythm(view.pattern, lang)) {}
            div {
                p.lead { (meaning(view.condition, lang)) }
                p.hint {
                    (rhythm(view.pattern, lang))
                    @if view.acknowledged { (lang.t(" (für 24 Stunden stumm, weil jemand die Taste gedrückt hat)", " (quiet for 24 hours, since somebody pressed the button)")) }
                }
            }
        }
        @if let Some(advice) = advice(view.condition, lang) { p { (advice) } }
        @if is_calm && is_fine { (super::calm(frame)) }
    }
}

fn class(pattern: Pattern) -> &'static str {
    match pattern {
        Pattern::Dark | Pattern::Felt => "led",
        Pattern::Steady | Pattern::Held => "led on",
        Pattern::Quiet => "led tick",
        Pattern::Even | Pattern::HeldLong => "led even",
        Pattern::LongOn => "led long",
        Pattern::Flashes(Count::Two) => "led blink-2",
        Pattern::Flashes(Count::Three) => "led blink-3",
        Pattern::Flashes(Count::Four) => "led blink-4",
        Pattern::Flashes(Count::Five) => "led blink-5",
        Pattern::Flashes(Count::Six) => "led blink-6",
    }
}

fn rhythm(pattern: Pattern, lang: Lang) -> String {
    let text = match pattern {
        Pattern::Dark | Pattern::Felt => lang.t("Die LED ist dunkel", "The LED is dark"),
        Pattern::Steady | Pattern::Held => lang.t("Die LED leuchtet", "The LED is on"),
        Pattern::Quiet => lang.t(
            "Die LED zuckt alle 30 Sekunden",
            "The LED ticks every 30 seconds",
        ),
        Pattern::Even | Pattern::HeldLong => {
            lang.t("Die LED blinkt gleichmäßig", "The LED blinks evenly")
        }
        Pattern::LongOn => lang.t(
            "Die LED leuchtet mit kurzen Pausen",
            "The LED is on with short gaps",
        ),
        Pattern::Flashes(count) => {
            let count = count as u8;
            return format!(
                "{} {count} {}",
                lang.t(
                    "Die LED blitzt in Gruppen zu",
                    "The LED flashes in groups of"
                ),
                lang.t("Blitzen", "")
            )
            .trim_end()
            .to_owned();
        }
    };
    text.to_owned()
}

fn meaning(condition: Condition, lang: Lang) -> &'static str {
    match condition {
        Condition::Fine => lang.t("Der Box geht es gut.", "The box is well."),
        Condition::Notice => lang.t("Es wird voller.", "It is filling up."),
        Condition::Warning => lang.t("Es ist fast voll.", "It is almost full."),
        Condition::Full => lang.t(
            "Es ist voll: Neue Post wartet draußen.",
            "It is full: new mail waits outside.",
        ),
        Condition::Setup => lang.t(
            "Das Einrichten ist für ein paar Minuten offen.",
            "The setup is open for a few minutes.",
        ),
        Condition::Busy => lang.t(
            "Die Box arbeitet. Bitte nicht ausstecken.",
            "The box is busy. Please do not unplug it.",
        ),
        Condition::Fault => lang.t(
            "Die Speicherkarte lässt sich nicht beschreiben.",
            "The card cannot be written.",
        ),
        Condition::Trouble(Trouble::Backup) => lang.t(
            "Die letzte gute Sicherung auf dem USB-Stick ist zu alt.",
            "The last good backup on the USB stick is too old.",
        ),
        Condition::Trouble(Trouble::Clock) => lang.t(
            "Kein Zeitserver hat die Uhr gestellt.",
            "No time server has set the clock.",
        ),
        Condition::Trouble(Trouble::Certificate) => lang.t(
            "Mit dem Zertifikat stimmt etwas nicht.",
            "Something is wrong with the certificate.",
        ),
        Condition::Trouble(Trouble::Delivery) => lang.t(
            "Post an andere kommt nicht hinaus.",
            "Mail to others does not get out.",
        ),
        Condition::Trouble(Trouble::Dns) => lang.t(
            "Post an andere kommt nicht hinaus: Die Namensserver (DNS) antworten nicht.",
            "Mail to others does not get out: the name servers (DNS) do not answer.",
        ),
        Condition::Trouble(Trouble::Network) => lang.t(
            "Die Box hat keine Verbindung zum Internet.",
            "The box has no connection to the internet.",
        ),
    }
}

/// What to do about a condition that no warning speaks of.
fn advice(condition: Condition, lang: Lang) -> Option<&'static str> {
    Some(match condition {
        Condition::Fault => lang.t(
            "Machen Sie bald eine Sicherung und tauschen Sie die Karte.",
            "Make a backup soon, and replace the card.",
        ),
        Condition::Setup => lang.t("Es schließt sich von selbst.", "It closes by itself."),
        Condition::Trouble(Trouble::Network) => lang.t(
            "Sehen Sie nach Kabel, WLAN und Router. Angenommene Post geht nicht verloren.",
            "Look at cable, Wi-Fi and router. Mail that was accepted is not lost.",
        ),
        Condition::Trouble(Trouble::Dns) => lang.t(
            "Meist liegt es am Router oder am Anbieter und gibt sich von selbst.",
            "Mostly it is the router or the provider, and passes by itself.",
        ),
        Condition::Fine
        | Condition::Notice
        | Condition::Warning
        | Condition::Full
        | Condition::Busy
        | Condition::Trouble(
            Trouble::Backup | Trouble::Clock | Trouble::Certificate | Trouble::Delivery,
        ) => {
            return None;
        }
    })
}
