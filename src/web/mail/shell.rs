//! What all mail pages have around them: the mailboxes on the left, or above on a phone, and the way to write and search.

use axum::response::Response;
use maud::{Markup, html};

use super::deeds;
use super::folders::{Folder, tree};
use crate::mail::ids::{AccountId, MailboxId};
use crate::store::Snapshot;
use crate::store::types::Mailbox;
use crate::web::Web;
use crate::web::layout::{Frame, Tab};
use crate::web::problem::Problem;
use crate::web::visitor::Person;
use crate::web::words::Lang;

/// The surroundings of one page.
#[derive(Debug)]
pub(super) struct Shell {
    /// The frame around it.
    pub(super) frame: Frame,
    /// All mailboxes of the person.
    pub(super) folders: Vec<Folder>,
    current: Option<MailboxId>,
    query: String,
    path: String,
    told: Markup,
}

impl Shell {
    /// For a person, with the mailbox that is shown.
    pub(super) fn new(
        web: &Web,
        person: &Person,
        folders: Vec<Folder>,
        current: Option<MailboxId>,
    ) -> Self {
        let frame = Frame::of_person(person, Tab::Mail);
        Self {
            told: deeds::notice(web, person, &frame),
            path: person.visitor.path.clone(),
            frame: frame.wide().live("/mail/events"),
            folders,
            current,
            query: String::new(),
        }
    }

    /// With what is looked for.
    pub(super) fn looking_for(self, query: &str) -> Self {
        Self {
            query: query.to_owned(),
            ..self
        }
    }

    /// All mailboxes, for what can be done with mail.
    pub(super) fn mailboxes(&self) -> Vec<Mailbox> {
        let all = self.folders.iter();
        all.map(|folder| folder.mailbox.clone()).collect()
    }

    /// Path and query of this page.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The language.
    pub(super) fn lang(&self) -> Lang {
        self.frame.lang
    }

    /// The page as an answer.
    pub(super) fn page(&self, title: &str, body: &Markup) -> Response {
        let current = self
            .folders
            .iter()
            .find(|folder| Some(folder.mailbox.id) == self.current);
        let mailboxes = self.frame.t("Ordner", "Mailboxes");
        let summary = current.map_or(mailboxes, |folder| &folder.label);
        let whole = html! {
            div.mail {
                div.mail-side {
                    a.button href="/mail/compose" { (self.frame.t("Neue E-Mail", "New mail")) }
                    (self.search())
                    nav #folders .folders data-live="" aria-label=(mailboxes) { (self.list()) }
                    details.folders-small {
                        summary { (mailboxes) @if current.is_some() { ": " (summary) } }
                        nav #folders-small data-live="" aria-label=(mailboxes) { (self.list()) }
                    }
                }
                div.mail-main { (self.told) (body) }
            }
        };
        self.frame.page(title, &whole)
    }

    fn search(&self) -> Markup {
        let label = self.frame.t("E-Mails suchen", "Search mail");
        html! {
            form.mail-search method="get" action="/mail/search" role="search" {
                @if let Some(current) = self.current { input type="hidden" name="in" value=(current); }
                input type="search" name="q" value=(self.query) aria-label=(label) placeholder=(label);
                button.second { (self.frame.t("Suchen", "Search")) }
            }
        }
    }

    fn list(&self) -> Markup {
        html! {
            ul { @for folder in &self.folders { (self.entry(folder)) } }
            p { a href="/mail/mailboxes" { (self.frame.t("Ordner verwalten", "Manage mailboxes")) } }
            p { a href="/mail/keys" { (self.frame.t("Tasten", "Keys")) } }
        }
    }

    fn entry(&self, folder: &Folder) -> Markup {
        let mailbox = &folder.mailbox;
        let current = (self.current == Some(mailbox.id)).then_some("page");
        let class = format!("depth-{}", folder.depth.min(5));
        html! {
            li class=(class) {
                a href={ "/mail/box/" (mailbox.id) } aria-current=[current] {
                    span.name { (folder.label) }
                    @if mailbox.unseen > 0 {
                        span.count {
                            (self.lang().number(mailbox.unseen.into()))
                            span.visually-hidden { " " (self.frame.t("ungelesen", "unread")) }
                        }
                    }
                }
            }
        }
    }
}

/// The mailboxes of an account, in the order of the list.
pub(super) fn folders(
    snapshot: &Snapshot,
    account: AccountId,
    lang: Lang,
) -> Result<Vec<Folder>, Problem> {
    Ok(tree(snapshot.mailboxes(account)?, lang))
}
