//! How a plugged-in USB stick is shown, wherever one is chosen.

use maud::{Markup, html};

use super::layout::Frame;
use crate::stick::plugged::Stick;

/// The sticks, each with what can be done with it.
pub(super) fn list(frame: &Frame, sticks: &[Stick], deed: impl Fn(&Stick) -> Markup) -> Markup {
    html! {
        ul.plain {
            @for stick in sticks { li { div.spread { (described(frame, stick)) (deed(stick)) } } }
        }
    }
}

/// Said where no stick is, with a link to the same page.
pub(super) fn none(frame: &Frame, path: &str, class: &str) -> Markup {
    html! {
        p.soft { (frame.t("Gerade steckt kein Stick an der Box.", "No stick is plugged into the box now.")) }
        p { a class=(class) href=(path) { (frame.t("Noch einmal nachsehen", "Look again")) } }
    }
}

fn described(frame: &Frame, stick: &Stick) -> Markup {
    let label = stick.label.as_deref();
    html! {
        span {
            strong { (label.unwrap_or_else(|| frame.t("ohne Namen", "without a name"))) }
            " " span.soft { (frame.lang.amount(stick.bytes)) " · " (stick.uuid) }
        }
    }
}
