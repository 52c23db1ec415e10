//! The form. Texts stand before files, so that files can stream; buttons come last.

use axum::response::Response;
use maud::{Markup, html};

use super::attached::{self, Piece};
use super::plan::{self, Wrong};
use super::{PATH, new_key};
use crate::mail::address::Address;
use crate::web::Web;
use crate::web::layout::Frame;
use crate::web::mail::folders::Folder;
use crate::web::mail::shell::{self, Shell};
use crate::web::mail::writing::Typed;
use crate::web::parts::{Field, Tone, notice};
use crate::web::problem::Problem;
use crate::web::visitor::Person;

/// A form to show.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    pub(super) typed: Typed,
    pub(super) wrong: Wrong,
    pub(super) opened: Opened,
}

/// How it came to be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Opened {
    /// By a link.
    Fresh,
    /// After something went wrong, or a login.
    #[default]
    Again,
}

/// What else the page needs.
struct Around {
    folders: Vec<Folder>,
    own: Vec<Address>,
    proposed: Vec<String>,
    name: String,
    pieces: Vec<Piece>,
}

pub(super) async fn show(
    web: &Web,
    person: &Person,
    mut shown: Shown,
) -> Result<Response, Problem> {
    let (account, lang) = (person.account.clone(), person.visitor.lang);
    let keep = shown.typed.keep.clone();
    let around = web
        .run(move |sources, _| {
            let snapshot = sources.store.snapshot()?;
            let router = plan::router(&sources.settings);
            let (proposed, name) = plan::lately(&snapshot, account.id)?;
            Ok(Around {
                folders: shell::folders(&snapshot, account.id, lang)?,
                own: plan::own_addresses(&snapshot, &router, &account)?,
                proposed,
                name,
                pieces: attached::still_there(&snapshot, account.id, &keep)?,
            })
        })
        .await?;
    let typed = &mut shown.typed;
    if typed.key.is_empty() {
        typed.key = new_key()?;
    }
    if typed.name.is_empty() && shown.opened == Opened::Fresh {
        typed.name.clone_from(&around.name);
    }
    let shell = Shell::new(web, person, around.folders.clone(), None);
    let page = Page {
        frame: &shell.frame,
        shown: &shown,
        around: &around,
    };
    let title = page.title();
    let body = page.render();
    Ok(shell.page(title, &body))
}

struct Page<'a> {
    frame: &'a Frame,
    shown: &'a Shown,
    around: &'a Around,
}

impl Page<'_> {
    fn t<'t>(&self, de: &'t str, en: &'t str) -> &'t str {
        self.frame.t(de, en)
    }

    fn title(&self) -> &'static str {
        let lang = self.frame.lang;
        let answers = self.shown.typed.answers.as_str();
        if answers.starts_with("reply") {
            lang.t("Antworten", "Reply")
        } else if answers.starts_with("forward") {
            lang.t("Weiterleiten", "Forward")
        } else {
            lang.t("Neue E-Mail", "New mail")
        }
    }

    fn render(&self) -> Markup {
        let typed = &self.shown.typed;
        let wrong = &self.shown.wrong;
        html! {
            @if !wrong.of("page").is_empty() { (notice(Tone::Bad, wrong.of("page"), None)) }
            @else if !wrong.is_empty() { (notice(Tone::Warn, self.not_sent(), None)) }
            form.compose.card method="post" action=(PATH) enctype="multipart/form-data"
                data-autosave=(self.t("Entwurf gespeichert", "Draft saved"))
                data-failed=(self.t("Entwurf nicht gespeichert", "Draft not saved")) {
                (self.frame.token())
                input type="hidden" name="key" value=(typed.key);
                input type="hidden" name="answers" value=(typed.answers);
                input type="hidden" name="in_reply_to" value=(typed.in_reply_to);
                input type="hidden" name="references" value=(typed.references);
                (self.author())
                (self.addresses())
                (Field { error: wrong.of("subject"), ..Field::text("subject", self.t("Betreff", "Subject"), &typed.subject) }.render())
                div.field.wide {
                    label for="field-text" { (self.t("Text", "Text")) }
                    textarea #field-text name="text" rows="16" { "\n" (typed.text) }
                }
                (self.files())
                (self.buttons())
            }
            datalist #lately { @for one in &self.around.proposed { option value=(one) {} } }
        }
    }

    fn not_sent(&self) -> &'static str {
        self.frame.lang.t(
            "Noch nicht gesendet. Was fehlt, steht beim Feld; alles Geschriebene ist noch da.",
            "Not sent yet. What is missing stands at its field; all that you wrote is still there.",
        )
    }

    /// Only who has several addresses is asked; the name may always be changed.
    fn author(&self) -> Markup {
        let typed = &self.shown.typed;
        let error = self.shown.wrong.of("from");
        html! {
            @if self.around.own.len() > 1 || !error.is_empty() {
                div.field {
                    label for="field-from" { (self.t("Von", "From")) }
                    select #field-from name="from" {
                        @for own in &self.around.own {
                            option value=(own) selected[own.to_string() == typed.from] { (own) }
                        }
                    }
                    @if !error.is_empty() { p.error { (error) } }
                }
            } @else { input type="hidden" name="from" value=(typed.from); }
        }
    }

    fn addresses(&self) -> Markup {
        let typed = &self.shown.typed;
        let is_open =
            !typed.cc.is_empty() || !typed.bcc.is_empty() || !self.shown.wrong.of("cc").is_empty();
        html! {
            (self.recipients("to", self.t("An", "To"), &typed.to))
            details open[is_open] {
                summary { (self.t("Kopie, Blindkopie, Name", "Cc, Bcc, name")) }
                (self.recipients("cc", self.t("Kopie (Cc)", "Cc"), &typed.cc))
                (self.recipients("bcc", self.t("Blindkopie (Bcc)", "Bcc"), &typed.bcc))
                (Field {
                    hint: self.t("So heißen Sie bei den Empfängern.", "What recipients see as your name."),
                    autocomplete: "name",
                    ..Field::text("name", self.t("Ihr Name", "Your name"), &typed.name)
                }.render())
            }
        }
    }

    /// Plain text with commas, which every screen reader knows; proposals come by the list.
    fn recipients(&self, name: &str, label: &str, value: &str) -> Markup {
        let error = self.shown.wrong.of(name);
        let (id, error_id) = (format!("field-{name}"), format!("field-{name}-error"));
        let invalid = (!error.is_empty()).then_some("true");
        let described = (!error.is_empty()).then_some(error_id.as_str());
        html! {
            div.field.wide {
                label for=(id) { (label) }
                input id=(id) name=(name) type="text" value=(value) list="lately" data-addresses autocomplete="off"
                    autocapitalize="none" spellcheck="false" aria-invalid=[invalid] aria-describedby=[described];
                @if !error.is_empty() { p.error id=(error_id) { (error) } }
            }
        }
    }

    /// What a saving changes; the script puts it in place.
    fn files(&self) -> Markup {
        let typed = &self.shown.typed;
        let error = self.shown.wrong.of("files");
        html! {
            fieldset #attachments {
                legend { (self.t("Anhänge", "Attachments")) }
                input type="hidden" name="draft" value=(typed.draft);
                @for piece in &self.around.pieces {
                    label.check {
                        input type="checkbox" name="keep" value=(piece.key) checked;
                        span { (piece.name()) " " span.soft { "(" (self.frame.lang.amount(piece.bytes)) ")" } }
                    }
                }
                label for="field-file" .visually-hidden { (self.t("Dateien anhängen", "Attach files")) }
                input #field-file type="file" name="file" multiple;
                @if !error.is_empty() { p.error { (error) } }
            }
        }
    }

    fn buttons(&self) -> Markup {
        let draft = &self.shown.typed.draft;
        html! {
            div.row {
                button name="deed" value="send" { (self.t("Senden", "Send")) }
                button.second name="deed" value="draft" { (self.t("Entwurf speichern", "Save draft")) }
                @if !draft.is_empty() {
                    button.danger name="deed" value="discard"
                        data-ask=(self.t("Diesen Entwurf verwerfen?", "Throw this draft away?")) {
                        (self.t("Verwerfen", "Discard"))
                    }
                }
                span #saved .soft role="status" {}
            }
        }
    }
}
