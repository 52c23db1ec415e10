//! Parts that pages are put together from, so that they look and read alike.

use maud::{Markup, html};

use super::layout::Frame;
use crate::space::State;
use crate::store::types::Level;

/// How a notice is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Something went well.
    Good,
    /// Worth knowing.
    Info,
    /// Something should be done.
    Warn,
    /// Something is wrong.
    Bad,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Good => "notice good",
            Self::Info => "notice",
            Self::Warn => "notice warn",
            Self::Bad => "notice bad",
        }
    }

    /// As a level is told.
    pub fn of(level: Level) -> Self {
        match level {
            Level::Ok => Self::Good,
            Level::Notice => Self::Info,
            Level::Warning => Self::Warn,
            Level::Full | Level::Fault => Self::Bad,
        }
    }
}

/// A sentence that stands out, with what to do about it if anything.
pub fn notice(tone: Tone, text: &str, action: Option<&Markup>) -> Markup {
    html! {
        div class=(tone.class()) {
            p { (text) }
            @if let Some(action) = action { div.action { (action) } }
        }
    }
}

/// A titled block.
pub fn card(title: &str, body: &Markup) -> Markup {
    html! { section.card { h2 { (title) } (body) } }
}

/// A small word about a state, such as "waiting"; its colour is not its only meaning.
pub fn badge(tone: Tone, word: &str) -> Markup {
    let class = match tone {
        Tone::Good => "badge good",
        Tone::Info => "badge",
        Tone::Warn => "badge warn",
        Tone::Bad => "badge bad",
    };
    html! { span class=(class) { (word) } }
}

/// How full something is, as a bar with its figures in words below.
pub fn meter(frame: &Frame, label: &str, state: &State) -> Markup {
    let lang = frame.lang;
    let percent = state.fill.percent().unwrap_or(0).min(100);
    let class = match state.fill.level {
        Level::Ok => "fill",
        Level::Notice => "fill notice",
        Level::Warning => "fill warn",
        Level::Full | Level::Fault => "fill bad",
    };
    let used = lang.amount(state.fill.used);
    let words = match state.fill.limit {
        Some(limit) => format!(
            "{used} {} {} ({percent} %)",
            lang.t("von", "of"),
            lang.amount(limit)
        ),
        None => used,
    };
    html! {
        div.meter {
            div.label { span { (label) } span.figures { (words) } }
            svg.bar viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" {
                rect.ground width="100" height="4" {}
                rect class=(class) width=(percent) height="4" {}
            }
        }
    }
}

/// A labelled field of one line.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Name in the form; also makes its `id`.
    pub name: &'a str,
    /// What it is.
    pub label: &'a str,
    /// What it holds.
    pub value: &'a str,
    /// `text`, `email`, `password`, `number`, `search` or `date`.
    pub kind: &'a str,
    /// A sentence below it; empty for none.
    pub hint: &'a str,
    /// What is wrong with it; empty for nothing.
    pub error: &'a str,
    /// `autocomplete` token (WCAG 1.3.5); empty for none.
    pub autocomplete: &'a str,
    /// Whether it must be filled in.
    pub required: bool,
}

impl<'a> Field<'a> {
    /// A field for a text.
    pub fn text(name: &'a str, label: &'a str, value: &'a str) -> Self {
        Self {
            name,
            label,
            value,
            kind: "text",
            hint: "",
            error: "",
            autocomplete: "off",
            required: false,
        }
    }

    /// The field with label, hint and error tied to it.
    pub fn render(&self) -> Markup {
        let id = format!("field-{}", self.name);
        let (hint_id, error_id) = (format!("{id}-hint"), format!("{id}-error"));
        let mut described = Vec::new();
        if !self.hint.is_empty() {
            described.push(hint_id.as_str());
        }
        if !self.error.is_empty() {
            described.push(error_id.as_str());
        }
        let described = (!described.is_empty()).then(|| described.join(" "));
        let invalid = (!self.error.is_empty()).then_some("true");
        let autocomplete = (!self.autocomplete.is_empty()).then_some(self.autocomplete);
        html! {
            div.field {
                label for=(id) { (self.label) }
                input id=(id) name=(self.name) type=(self.kind) value=(self.value) required[self.required]
                    autocomplete=[autocomplete] aria-describedby=[described] aria-invalid=[invalid];
                @if !self.hint.is_empty() { p.hint id=(hint_id) { (self.hint) } }
                @if !self.error.is_empty() { p.error id=(error_id) { (self.error) } }
            }
        }
    }
}

/// A button that sends a form of its own with hidden fields.
pub fn deed(
    frame: &Frame,
    action: &str,
    fields: &[(&str, &str)],
    label: &str,
    class: &str,
) -> Markup {
    html! {
        form.deed method="post" action=(action) {
            (frame.token())
            @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
            button class=(class) { (label) }
        }
    }
}

/// The field of a form whose button has `data-ask`, which the script fills in once the person has agreed.
pub fn unsure() -> Markup {
    html! { input type="hidden" name="sure" value=""; }
}

/// A question on a page of its own, for browsers without script: the form comes again, with `sure`.
pub fn question(
    frame: &Frame,
    text: &str,
    (action, fields): (&str, &[(&str, &str)]),
    label: &str,
    back: &str,
) -> Markup {
    html! {
        form.card method="post" action=(action) {
            (frame.token())
            @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
            p { (text) }
            p.row {
                button.danger name="sure" value="yes" { (label) }
                a.button.second href=(back) { (frame.t("Abbrechen", "Cancel")) }
            }
        }
    }
}
