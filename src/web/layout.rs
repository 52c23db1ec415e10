//! The frame of every page: head, navigation, language switch, and the whole as an answer.
//!
//! A page works without script; the script only makes it live. What is inside `[data-live]` elements with an `id` is
//! replaced when the page's event stream says that something changed.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::assets::Asset;
use super::form::TOKEN_FIELD;
use super::session::Token;
use super::visitor::{Owner, Person, Visitor};
use super::words::Lang;

/// An entry of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    /// The box at a glance.
    Overview,
    /// Accounts, aliases, devices.
    Accounts,
    /// What takes room.
    Storage,
    /// Queue and smarthosts.
    Sending,
    /// DNS and certificate.
    Domain,
    /// The mail log.
    Log,
    /// LED, settings, moving mail, power.
    Device,
    /// Reading mail.
    Mail,
    /// The own account.
    Me,
}

const BOX_TABS: &[Tab] = &[
    Tab::Overview,
    Tab::Accounts,
    Tab::Storage,
    Tab::Sending,
    Tab::Domain,
    Tab::Log,
    Tab::Device,
];

impl Tab {
    fn path(self) -> &'static str {
        match self {
            Self::Overview => "/box",
            Self::Accounts => "/box/accounts",
            Self::Storage => "/box/storage",
            Self::Sending => "/box/sending",
            Self::Domain => "/box/domain",
            Self::Log => "/box/log",
            Self::Device => "/box/device",
            Self::Mail => "/mail",
            Self::Me => "/me",
        }
    }

    fn label(self, lang: Lang) -> &'static str {
        match self {
            Self::Overview => lang.t("Übersicht", "Overview"),
            Self::Accounts => lang.t("Postfächer", "Accounts"),
            Self::Storage => lang.t("Speicher", "Storage"),
            Self::Sending => lang.t("Versand", "Sending"),
            Self::Domain => lang.t("Domain", "Domain"),
            Self::Log => lang.t("Protokoll", "Log"),
            Self::Device => lang.t("Gerät", "Device"),
            Self::Mail => lang.t("E-Mail", "Mail"),
            Self::Me => lang.t("Mein Konto", "My account"),
        }
    }
}

/// What surrounds a page: for whom it is made.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Language.
    pub lang: Lang,
    /// What the page's forms carry.
    pub form: Token,
    path: String,
    tabs: Vec<Tab>,
    active: Option<Tab>,
    logout: Option<&'static str>,
    who: Option<String>,
    changes: Option<u64>,
    events: Option<String>,
    width: Option<&'static str>,
}

impl Frame {
    /// For anyone.
    pub fn outside(visitor: &Visitor) -> Self {
        Self {
            lang: visitor.lang,
            form: visitor.form.clone(),
            path: visitor.path.clone(),
            tabs: Vec::new(),
            active: None,
            logout: None,
            who: None,
            changes: visitor.changes,
            events: None,
            width: None,
        }
    }

    /// For the owner, in the box's pages.
    pub fn of_owner(owner: &Owner, active: Tab) -> Self {
        let tabs = BOX_TABS.iter().copied().chain([Tab::Mail]).collect();
        Self {
            form: owner.session.form.clone(),
            tabs,
            active: Some(active),
            logout: Some("/box/logout"),
            who: Some(owner.account.address.to_string()),
            ..Self::outside(&owner.visitor)
        }
    }

    /// For a person, in the mail pages.
    pub fn of_person(person: &Person, active: Tab) -> Self {
        let mut tabs = vec![Tab::Mail, Tab::Me];
        if person.account.owner {
            tabs.push(Tab::Overview);
        }
        Self {
            form: person.session.form.clone(),
            tabs,
            active: Some(active),
            logout: Some("/logout"),
            who: Some(person.account.address.to_string()),
            ..Self::outside(&person.visitor)
        }
    }

    /// Live: this event stream says when the page has changed, also if that was before the stream began. What answers a
    /// form is not, since it cannot be fetched again.
    #[must_use]
    pub fn live(self, events: &'static str) -> Self {
        let changes = self.changes;
        Self {
            events: changes.map(|seen| format!("{events}?seen={seen}")),
            ..self
        }
    }

    /// Takes the whole width: lists of mail.
    #[must_use]
    pub fn wide(self) -> Self {
        Self {
            width: Some("wide"),
            ..self
        }
    }

    /// As narrow as a form of few fields.
    #[must_use]
    pub fn slim(self) -> Self {
        Self {
            width: Some("slim"),
            ..self
        }
    }

    /// The words in this page's language.
    pub fn t<'a>(&self, de: &'a str, en: &'a str) -> &'a str {
        self.lang.t(de, en)
    }

    /// The hidden field that every form needs.
    pub fn token(&self) -> Markup {
        html! { input type="hidden" name=(TOKEN_FIELD) value=(self.form.expose()); }
    }

    /// The page as an answer.
    pub fn page(&self, title: &str, body: &Markup) -> Response {
        self.page_with(StatusCode::OK, title, body)
    }

    /// The page as an answer with this status.
    pub fn page_with(&self, status: StatusCode, title: &str, body: &Markup) -> Response {
        let text = self.render(title, body).into_string();
        (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response()
    }

    fn render(&self, title: &str, body: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang=(self.lang.code()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) " · Heimpost" }
                    link rel="icon" href=(Asset::Icon.path());
                    link rel="stylesheet" href=(Asset::Style.path());
                    script src=(Asset::Script.path()) defer {}
                }
                body data-events=[&self.events] {
                    a.skip href="#main" { (self.t("Zum Inhalt", "Skip to content")) }
                    (self.header())
                    main #main class=[self.width] tabindex="-1" {
                        h1 { (title) }
                        (body)
                    }
                    p #said .visually-hidden role="status" aria-live="polite" {}
                }
            }
        }
    }

    fn header(&self) -> Markup {
        html! {
            header.top {
                a.brand href="/" { span.mark aria-hidden="true" {} "Heimpost" }
                @if !self.tabs.is_empty() {
                    nav.tabs aria-label=(self.t("Hauptmenü", "Main menu")) {
                        ul { @for tab in &self.tabs { li { (self.tab(*tab)) } } }
                    }
                }
                div.aside {
                    (self.language_switch())
                    @if let Some(logout) = self.logout {
                        form method="post" action=(logout) {
                            (self.token())
                            button.quiet title=[self.who.as_deref()] { (self.t("Abmelden", "Log out")) }
                        }
                    }
                }
            }
        }
    }

    fn tab(&self, tab: Tab) -> Markup {
        let current = (self.active == Some(tab)).then_some("page");
        html! { a href=(tab.path()) aria-current=[current] { (tab.label(self.lang)) } }
    }

    fn language_switch(&self) -> Markup {
        let other = self.lang.other();
        let back = utf8_percent_encode(&self.path, NON_ALPHANUMERIC);
        let href = format!("/language?to={}&back={back}", other.code());
        let name = other.t("Deutsch", "English");
        html! { a.language href=(href) lang=(other.code()) hreflang=(other.code()) { (name) } }
    }
}

/// A page with one thing to say.
pub fn notice_page(frame: &Frame, status: StatusCode, heading: &str, text: &str) -> Response {
    let body = html! {
        p.lead { (text) }
        p { a.button href="/" { (frame.t("Zur Startseite", "To the start page")) } }
    };
    frame.page_with(status, heading, &body)
}
