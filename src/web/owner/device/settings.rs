//! The settings as forms, one for each group. Only what changed is saved; what is the default again is taken out.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::entries::{Both, Entry, GROUPS, Group};
use super::kind::Kind;
use super::{PATH, show};
use crate::config::Settings;
use crate::mail::address::Domain;
use crate::web::change::{Edit, Error};
use crate::web::form::Posted;
use crate::web::layout::Frame;
use crate::web::owner::settings::{of_error, try_change};
use crate::web::parts::{Tone, notice};
use crate::web::problem::Problem;
use crate::web::visitor::Owner;
use crate::web::words::Lang;
use crate::web::{Sources, Web};

/// What was typed into one group and cannot be.
#[derive(Debug, Default)]
pub(super) struct Typed {
    group: &'static str,
    texts: BTreeMap<&'static str, String>,
    errors: BTreeMap<&'static str, String>,
}

/// What the settings are and would be without the owner's.
pub(super) struct Known {
    now: Settings,
    standard: Settings,
}

impl Known {
    /// The settings as they will be once the services have restarted.
    pub(super) fn read(sources: &Sources) -> Self {
        let wanted = sources.changer.wanted().ok();
        let now = wanted.unwrap_or_else(|| (*sources.settings).clone());
        let mut standard = Settings::desk();
        if let Some(first) = now.domains.first() {
            standard.hostname = first.clone();
        }
        // Which way the pins are reached by default depends on the machine.
        standard.panel.board.backend = heimpost_board::Backend::Auto;
        Self { now, standard }
    }
}

/// All groups. `saved` names the one that was saved just now, if any.
pub(super) fn cards(
    frame: &Frame,
    web: &Web,
    known: &Known,
    (typed, saved): (&Typed, &str),
) -> Markup {
    html! {
        @for (at, group) in GROUPS.iter().enumerate() {
            @let is_open = at == 0 || group.name == typed.group || group.name == saved;
            section.card id=(group.name) {
                details open[is_open] {
                    summary { h2 { (say(frame.lang, group.title)) } }
                    @if group.name == saved {
                        (notice(Tone::Good, frame.t("Gespeichert. Es gilt in einem Augenblick.", "Saved. It holds in a moment."), None))
                    }
                    (form(frame, web, known, group, typed))
                }
            }
        }
    }
}

fn say(lang: Lang, (de, en): Both) -> &'static str {
    match lang.0 {
        crate::store::types::Language::De => de,
        crate::store::types::Language::En => en,
    }
}

fn form(frame: &Frame, web: &Web, known: &Known, group: &Group, typed: &Typed) -> Markup {
    let is_locked = |entry: &Entry| web.sources.changer.is_locked(entry.key);
    html! {
        form method="post" action={ (PATH) "/settings/" (group.name) "#" (group.name) } {
            (frame.token())
            div.fields {
                @for entry in group.entries {
                    (Shown { frame, entry, known, typed, is_locked: is_locked(entry) }.render())
                }
            }
            @if !group.entries.iter().all(is_locked) {
                button { (frame.t("Speichern", "Save")) }
            }
        }
    }
}

/// One field.
struct Shown<'a> {
    frame: &'a Frame,
    entry: &'a Entry,
    known: &'a Known,
    typed: &'a Typed,
    is_locked: bool,
}

impl Shown<'_> {
    fn render(&self) -> Markup {
        let entry = self.entry;
        let id = format!("field-{}", entry.key);
        let hint_id = format!("{id}-hint");
        let error_id = format!("{id}-error");
        let error = self.typed.errors.get(entry.key);
        let described = match error {
            Some(_) => format!("{hint_id} {error_id}"),
            None => hint_id.clone(),
        };
        let label = say(self.frame.lang, entry.label);
        html! {
            div.field {
                @if let Kind::Switch = entry.kind {
                    label.check for=(id) { (self.input(&id, &described, error.is_some())) span { (label) } }
                } @else {
                    label for=(id) { (label) }
                    (self.input(&id, &described, error.is_some()))
                }
                p.hint id=(hint_id) { (say(self.frame.lang, entry.hint)) " " (self.default_words()) }
                @if self.is_locked {
                    p.locked { (self.frame.t("steht in der Konfigurationsdatei", "set by the configuration file")) }
                }
                @if let Some(error) = error { p.error id=(error_id) { (error) } }
            }
        }
    }

    fn text(&self) -> String {
        let typed = self.typed.texts.get(self.entry.key);
        typed
            .cloned()
            .unwrap_or_else(|| (self.entry.show)(&self.known.now))
    }

    fn input(&self, id: &str, described: &str, is_wrong: bool) -> Markup {
        let (key, text) = (self.entry.key, self.text());
        let invalid = is_wrong.then_some("true");
        match self.entry.kind {
            Kind::Switch => html! {
                input id=(id) type="checkbox" name=(key) value="true" checked[text == "true"]
                    disabled[self.is_locked] aria-describedby=(described);
            },
            Kind::Choice(choices) => html! {
                select id=(id) name=(key) disabled[self.is_locked] aria-describedby=(described) aria-invalid=[invalid] {
                    @for (value, words) in choices {
                        option value=(value) selected[*value == text] { (say(self.frame.lang, *words)) }
                    }
                }
            },
            Kind::Count(_) => self.line(id, described, invalid, &text, "number"),
            Kind::Size(_) | Kind::Span | Kind::Domain | Kind::Domains | Kind::TimeZone => {
                self.line(id, described, invalid, &text, "text")
            }
        }
    }

    fn line(
        &self,
        id: &str,
        described: &str,
        invalid: Option<&str>,
        text: &str,
        kind: &str,
    ) -> Markup {
        html! {
            input id=(id) name=(self.entry.key) type=(kind) value=(text) autocomplete="off"
                disabled[self.is_locked] aria-describedby=(described) aria-invalid=[invalid];
        }
    }

    fn default_words(&self) -> String {
        let standard = (self.entry.show)(&self.known.standard);
        let lang = self.frame.lang;
        let words = match self.entry.kind {
            Kind::Switch if standard == "true" => lang.t("an", "on").to_owned(),
            Kind::Switch => lang.t("aus", "off").to_owned(),
            Kind::Choice(choices) => {
                let found = choices.iter().find(|(value, _)| *value == standard);
                found
                    .map(|(_, words)| say(lang, *words))
                    .unwrap_or_default()
                    .to_owned()
            }
            Kind::Count(_)
            | Kind::Size(_)
            | Kind::Span
            | Kind::Domain
            | Kind::Domains
            | Kind::TimeZone => standard,
        };
        if words.is_empty() {
            return String::new();
        }
        format!("{}: {words}.", lang.t("Vorgabe", "Default"))
    }
}

/// Saves what changed in a group.
pub(super) async fn save(
    State(web): State<Web>,
    Path(name): Path<String>,
    Posted(owner, fields): Posted<Owner, BTreeMap<String, String>>,
) -> Result<Response, Problem> {
    let group = Group::named(&name).ok_or(Problem::NotFound)?;
    let lang = owner.visitor.lang;
    let known = web.run(|sources, _| Ok(Known::read(sources))).await?;
    let mut typed = Typed {
        group: group.name,
        ..Typed::default()
    };
    let mut edits = Vec::new();
    for entry in group.entries {
        if web.sources.changer.is_locked(entry.key) {
            continue;
        }
        let text = text_of(entry, &fields);
        match edit(entry, &text, &known) {
            Ok(edit) => edits.extend(edit),
            Err(super::kind::Unreadable) => {
                typed.errors.insert(entry.key, entry.kind.right(lang));
            }
        }
        typed.texts.insert(entry.key, text);
    }
    if let Some(orphan) = orphaned(&web, &edits).await? {
        let text = match lang.0 {
            crate::store::types::Language::De => {
                format!("In {orphan} gibt es noch Postfächer; entfernen Sie diese zuerst.")
            }
            crate::store::types::Language::En => {
                format!("There are accounts in {orphan} still; remove them first.")
            }
        };
        typed.errors.insert("domains", text);
    }
    if typed.errors.is_empty()
        && let Err(error) = try_change(&web, edits).await?
    {
        note(group, error, lang, &mut typed)?;
    }
    if typed.errors.is_empty() {
        let to = format!("{PATH}?done={}#{}", group.name, group.name);
        return Ok(Redirect::to(&to).into_response());
    }
    show(&web, &owner, StatusCode::UNPROCESSABLE_ENTITY, "", &typed).await
}

/// A box that is not ticked is not sent.
fn text_of(entry: &Entry, fields: &BTreeMap<String, String>) -> String {
    let sent = fields.get(entry.key).cloned();
    match entry.kind {
        Kind::Switch => sent.map_or("false", |_| "true").to_owned(),
        Kind::Count(_)
        | Kind::Size(_)
        | Kind::Span
        | Kind::Choice(_)
        | Kind::Domain
        | Kind::Domains
        | Kind::TimeZone => sent.unwrap_or_default(),
    }
}

/// What follows from what was typed: nothing if that is what holds, else the value, or taking it out.
fn edit(entry: &Entry, text: &str, known: &Known) -> Result<Option<Edit>, super::kind::Unreadable> {
    let typed = entry.kind.read(text)?;
    let held = |settings: &Settings| entry.kind.read(&(entry.show)(settings)).ok().flatten();
    if typed == held(&known.now) {
        return Ok(None);
    }
    let value = typed.filter(|typed| Some(typed) != held(&known.standard).as_ref());
    Ok(Some(Edit {
        key: entry.key.to_owned(),
        value,
    }))
}

/// A domain that would go and has accounts.
async fn orphaned(web: &Web, edits: &[Edit]) -> Result<Option<Domain>, Problem> {
    let Some(edit) = edits.iter().find(|edit| edit.key == "domains") else {
        return Ok(None);
    };
    let kept = edit.value.as_ref().and_then(toml::Value::as_array);
    let kept = kept
        .cloned()
        .unwrap_or_else(|| vec![toml::Value::from("heimpost.local")]);
    let read = web.run(move |sources, _| {
        let accounts = sources.store.snapshot()?.accounts()?;
        let mut domains = accounts.iter().map(|account| account.address.domain());
        let is_kept =
            |domain: &Domain| kept.iter().any(|one| one.as_str() == Some(domain.as_str()));
        Ok(domains.find(|domain| !is_kept(domain)).cloned())
    });
    read.await
}

/// The settings as a whole do not go together: says so at the field that is to blame, if that is known.
fn note(group: &Group, error: Error, lang: Lang, typed: &mut Typed) -> Result<(), Problem> {
    let Error::Wrong(why) = &error else {
        return Err(of_error(error));
    };
    let blamed = group.entries.iter().find(|entry| why.contains(entry.key));
    let Some(blamed) = blamed else {
        return Err(of_error(error));
    };
    let other = group
        .entries
        .iter()
        .find(|entry| entry.key != blamed.key && why.contains(entry.key));
    let text = match other {
        Some(other) if why.contains("is not below") => lang
            .t(
                "Das muss kleiner sein als „{}“.",
                "This must be less than \"{}\".",
            )
            .replace("{}", say(lang, other.label)),
        Some(_) | None => format!(
            "{} {why}",
            lang.t("Das passt nicht zusammen:", "This does not go together:")
        ),
    };
    typed.errors.insert(blamed.key, text);
    Ok(())
}
