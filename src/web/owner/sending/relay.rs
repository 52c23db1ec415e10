//! Which way mail leaves: straight to the recipients' hosts, or by a smarthost, for all senders or for some.
//!
//! A smarthost is tried before it is saved, unless the owner wants otherwise: it logs in and sends a mail. What the
//! configuration file says is shown and can be tried, and stays as it is.

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;

use super::{PATH as SENDING, frame, told};
use crate::mail::address::{Address, Domain};
use crate::queue::relay::{Password, Relay, Sender, Smarthost};
use crate::queue::worker::trial::Failure;
use crate::web::Web;
use crate::web::change::{self, Edit};
use crate::web::form::Posted;
use crate::web::layout::Frame;
use crate::web::owner::settings;
use crate::web::parts::{Field, Tone, notice};
use crate::web::problem::Problem;
use crate::web::smarthost::{self, Errors, Given};
use crate::web::visitor::Owner;

pub(super) const PATH: &str = "/box/sending/relay";
const TRIAL_PATH: &str = "/box/sending/trial";

/// Key of the rules for senders, and how a new one is asked for.
const SENDERS: &str = "relay.sender";
const NEW: &str = "new";

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route(PATH, get(show).post(save))
        .route(TRIAL_PATH, post(try_saved))
}

/// Whose smarthost a page is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Of {
    /// All that no rule names.
    Default,
    /// Somebody who is named in the form.
    New,
    /// A sender with a rule.
    Sender(Sender),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    of: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Form {
    of: String,
    sender: String,
    deed: String,
    #[serde(flatten)]
    given: Given,
}

impl Of {
    /// `None` if there is no such rule.
    fn named(text: &str, relay: &Relay) -> Option<Self> {
        match text {
            "" => Some(Self::Default),
            NEW => Some(Self::New),
            other => {
                let wanted = parse_sender(other)?;
                let mut rules = relay.senders.iter();
                let rule = rules.find(|(sender, _)| is_same(sender, &wanted));
                rule.map(|(sender, _)| Self::Sender(sender.clone()))
            }
        }
    }

    fn smarthost<'a>(&self, relay: &'a Relay) -> Option<&'a Smarthost> {
        match self {
            Self::Default => relay.default.as_ref(),
            Self::New => None,
            Self::Sender(wanted) => {
                let mut rules = relay.senders.iter();
                let rule = rules.find(|(sender, _)| is_same(sender, wanted));
                rule.map(|(_, smarthost)| smarthost)
            }
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Default => String::new(),
            Self::New => NEW.to_owned(),
            Self::Sender(sender) => name(sender),
        }
    }

    fn is_locked(&self, web: &Web) -> bool {
        let changer = &web.sources.changer;
        match self {
            Self::Default => changer.is_locked("relay.host"),
            Self::New | Self::Sender(_) => changer.is_locked(SENDERS),
        }
    }
}

fn name(sender: &Sender) -> String {
    match sender {
        Sender::Address(address) => address.to_string(),
        Sender::Domain(domain) => domain.to_string(),
    }
}

/// Whether mail of one is mail of the other: addresses may differ in case.
fn is_same(one: &Sender, other: &Sender) -> bool {
    match (one, other) {
        (Sender::Address(one), Sender::Address(other)) => one.lookup_key() == other.lookup_key(),
        (Sender::Domain(one), Sender::Domain(other)) => one == other,
        (Sender::Address(_), Sender::Domain(_)) | (Sender::Domain(_), Sender::Address(_)) => false,
    }
}

fn parse_sender(text: &str) -> Option<Sender> {
    let text = text.trim();
    if text.contains('@') {
        return Address::parse(text).ok().map(Sender::Address);
    }
    let domain = Domain::parse(text)
        .ok()
        .filter(|domain| !domain.is_literal());
    domain.map(Sender::Domain)
}

/// The ways as they are once the services have restarted: of two changes in a row none is lost.
pub(super) async fn read(web: &Web) -> Result<Relay, Problem> {
    web.run(|sources, _| {
        let wanted = sources.changer.wanted();
        Ok(wanted.map_or_else(|_| sources.settings.relay.clone(), |wanted| wanted.relay))
    })
    .await
}

/// The part of the sending page.
pub(super) fn card(frame: &Frame, web: &Web, relay: &Relay) -> Markup {
    let t = |de, en| frame.t(de, en);
    let senders_locked = Of::New.is_locked(web);
    html! {
        section.card {
            h2 { (t("Welchen Weg die Post nimmt", "Which way mail leaves")) }
            @match &relay.default {
                Some(smarthost) => {
                    p { (t("Über einen Smarthost, also einen Server, der für Sie sendet:", "Through a smarthost, a server that sends for you:")) }
                    (facts(frame, smarthost))
                }
                None => p {
                    (t("Geradewegs zu den Servern der Empfänger.", "Straight to the recipients' servers.")) " "
                    span.soft { (t(
                        "An vielen Anschlüssen zu Hause geht das nicht gut; dann hilft ein Smarthost, also Ihr Mailanbieter.",
                        "On many connections at home that does not work well; a smarthost helps then, that is your mail provider.",
                    )) }
                }
            }
            (buttons(frame, web, relay, &Of::Default))
            @if !relay.senders.is_empty() {
                h3 { (t("Eigene Wege für einzelne Absender", "Ways of their own for some senders")) }
                ul.plain {
                    @for (sender, smarthost) in &relay.senders {
                        li {
                            strong { (name(sender)) }
                            (facts(frame, smarthost))
                            (buttons(frame, web, relay, &Of::Sender(sender.clone())))
                        }
                    }
                }
            }
            @if !senders_locked {
                details {
                    summary { (t("Für einzelne Absender einen anderen Weg", "Another way for some senders")) }
                    p { (t(
                        "Etwa wenn eine Adresse bei einem Anbieter zu Hause ist, der nur seine eigenen Absender annimmt.",
                        "Such as when an address is at home with a provider who takes its own senders only.",
                    )) }
                    p { a.button.second href={ (PATH) "?of=" (NEW) } { (t("Weg hinzufügen", "Add a way")) } }
                }
            }
        }
    }
}

fn facts(frame: &Frame, smarthost: &Smarthost) -> Markup {
    let user = smarthost.login.as_ref().map(|login| login.user.as_str());
    html! {
        dl.facts {
            dt { (frame.t("Server", "Server")) }
            dd { (smarthost.host) ", Port " (smarthost.port) }
            dt { (frame.t("Anmeldung", "Login")) }
            dd { (user.unwrap_or_else(|| frame.t("keine", "none"))) }
        }
    }
}

fn buttons(frame: &Frame, web: &Web, relay: &Relay, of: &Of) -> Markup {
    let label = match of.smarthost(relay) {
        Some(_) => frame.t("Ändern", "Change"),
        None => frame.t("Smarthost einrichten", "Set up a smarthost"),
    };
    html! {
        div.row {
            @if of.is_locked(web) {
                p.locked { (frame.t("steht in der Konfigurationsdatei", "set by the configuration file")) }
            } @else {
                a.button.second href={ (PATH) "?of=" (encoded(&of.text())) } { (label) }
            }
            @if of.smarthost(relay).is_some() {
                form.deed method="post" action=(TRIAL_PATH) {
                    (frame.token())
                    input type="hidden" name="of" value=(of.text());
                    button.second { (frame.t("Probemail senden", "Send a test mail")) }
                }
            }
        }
    }
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// What was done just now, by its word in the address.
pub(super) fn done(frame: &Frame, word: &str) -> Option<Markup> {
    let (de, en) = match word {
        "tried" => (
            "Die Probemail ist unterwegs, und der Weg ist gespeichert.",
            "The test mail is on its way, and the settings are saved.",
        ),
        "saved" => (
            "Gespeichert. Die Post nimmt ab jetzt diesen Weg.",
            "Saved. Mail leaves this way from now on.",
        ),
        "rule-removed" => (
            "Entfernt. Diese Absender nehmen wieder den Weg aller anderen.",
            "Removed. These senders go the way of all others again.",
        ),
        _ => return None,
    };
    Some(notice(Tone::Good, frame.t(de, en), None))
}

async fn show(
    State(web): State<Web>,
    owner: Owner,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let relay = read(&web).await?;
    let of = Of::named(&asked.of, &relay).ok_or(Problem::NotFound)?;
    let form = Form {
        of: of.text(),
        given: Given::of(of.smarthost(&relay)),
        ..Form::default()
    };
    let page = Page {
        frame: frame(&owner),
        web: &web,
        relay,
        of,
    };
    Ok(page.show(StatusCode::OK, &form, &Errors::new(), &html! {}))
}

async fn save(
    State(web): State<Web>,
    Posted(owner, mut form): Posted<Owner, Form>,
) -> Result<Response, Problem> {
    let relay = read(&web).await?;
    let of = Of::named(&form.of, &relay).ok_or(Problem::NotFound)?;
    let page = Page {
        frame: frame(&owner),
        web: &web,
        relay,
        of,
    };
    if page.of.is_locked(&web) {
        return Err(settings::of_error(change::Error::Locked(form.of)));
    }
    if form.deed == "remove" {
        return page.remove().await;
    }
    let (sender, smarthost) = match page.check(&form) {
        Ok(checked) => checked,
        Err(errors) => {
            form.given.password = smarthost::Hidden::default();
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Ok(page.show(status, &form, &errors, &html! {}));
        }
    };
    let mut word = "saved";
    if let (Some(smarthost), true) = (&smarthost, form.deed != "save") {
        let account = &owner.account;
        let tried = smarthost::try_out(&web, smarthost, &account.address, account.language).await;
        if let Err(failure) = tried {
            let told = failed(&page.frame, smarthost, &failure);
            return Ok(page.show(StatusCode::OK, &form, &Errors::new(), &told));
        }
        word = "tried";
    }
    page.store(sender, smarthost, word).await
}

/// Tries what is in force.
async fn try_saved(
    State(web): State<Web>,
    Posted(owner, asked): Posted<Owner, Asked>,
) -> Result<Response, Problem> {
    let relay = read(&web).await?;
    let of = Of::named(&asked.of, &relay).ok_or(Problem::NotFound)?;
    let smarthost = of.smarthost(&relay).ok_or(Problem::NotFound)?;
    let account = &owner.account;
    let tried = smarthost::try_out(&web, smarthost, &account.address, account.language).await;
    let frame = frame(&owner);
    let told = match &tried {
        Ok(reply) => html! {
            (notice(Tone::Good, frame.t(
                "Es klappt: Anmelden und Senden funktionieren. Die Probemail an Sie ist unterwegs.",
                "It works: login and sending are fine. The test mail to you is on its way.",
            ), None))
            (smarthost::words_of(&frame, reply))
        },
        Err(failure) => failed(&frame, smarthost, failure),
    };
    let body = html! {
        (told)
        p { a.button.second href=(SENDING) { (frame.t("Zurück", "Back")) } }
    };
    Ok(frame.page(frame.t("Probemail", "Test mail"), &body))
}

fn failed(frame: &Frame, smarthost: &Smarthost, failure: &Failure) -> Markup {
    html! {
        (notice(Tone::Bad, &failure.in_words(smarthost, frame.lang.0), None))
        (smarthost::words_of(frame, &failure.said))
    }
}

/// The page about one smarthost.
struct Page<'a> {
    frame: Frame,
    web: &'a Web,
    relay: Relay,
    of: Of,
}

impl Page<'_> {
    fn before(&self) -> Option<&Smarthost> {
        self.of.smarthost(&self.relay)
    }

    /// Whose mail goes by which smarthost; none for the hosts that DNS names.
    fn check(&self, form: &Form) -> Result<(Option<Sender>, Option<Smarthost>), Errors> {
        let lang = self.frame.lang;
        let mut errors = Errors::new();
        let sender = match &self.of {
            Of::Default => None,
            Of::Sender(sender) => Some(sender.clone()),
            Of::New => {
                let sender = parse_sender(&form.sender);
                let known = &self.relay.senders;
                let is_known = known
                    .iter()
                    .any(|(one, _)| sender.as_ref().is_some_and(|sender| is_same(one, sender)));
                if sender.is_none() || is_known {
                    let text = if is_known {
                        lang.t(
                            "Dafür gibt es schon einen Weg.",
                            "There is a way for it already.",
                        )
                    } else {
                        lang.t(
                            "Das ist weder eine Adresse noch eine Domain.",
                            "This is neither an address nor a domain.",
                        )
                    };
                    errors.insert("sender", text.to_owned());
                }
                sender
            }
        };
        if self.of == Of::Default && form.given.is_none() {
            return Ok((None, None));
        }
        match form.given.check(self.before(), lang) {
            Ok(smarthost) if errors.is_empty() => Ok((sender, Some(smarthost))),
            Ok(_) => Err(errors),
            Err(mut more) => {
                more.append(&mut errors);
                Err(more)
            }
        }
    }

    fn show(&self, status: StatusCode, form: &Form, errors: &Errors, told: &Markup) -> Response {
        let frame = &self.frame;
        let t = |de, en| frame.t(de, en);
        let title = match &self.of {
            Of::Default => t("Smarthost", "Smarthost").to_owned(),
            Of::New => t("Weg für einzelne Absender", "Way for some senders").to_owned(),
            Of::Sender(sender) => format!("{} {}", t("Weg für", "Way for"), name(sender)),
        };
        let none = (self.of == Of::Default).then(|| {
            t(
                "keiner: geradewegs zu den Empfängern",
                "none: straight to the recipients",
            )
        });
        let given = &form.given;
        let has_password = self.before().is_some_and(|before| before.login.is_some());
        let body = html! {
            (told)
            form.card method="post" action=(PATH) {
                (frame.token())
                input type="hidden" name="of" value=(form.of);
                @if self.of == Of::New {
                    (Field {
                        hint: t("Eine Adresse (anna@example.org) oder eine Domain (example.org).", "An address (anna@example.org) or a domain (example.org)."),
                        error: errors.get("sender").map_or("", String::as_str),
                        ..Field::text("sender", t("Absender", "Sender"), &form.sender)
                    }.render())
                }
                (given.provider_field(frame, none, errors))
                (given.fields(frame, has_password, errors))
                div.row {
                    button name="deed" value="try" { (t("Prüfen und speichern", "Test and save")) }
                    button.second name="deed" value="save" { (t("Ohne Prüfung speichern", "Save without a test")) }
                    @if matches!(self.of, Of::Sender(_)) {
                        button.danger name="deed" value="remove"
                            data-ask=(t("Diesen Weg entfernen?", "Remove this way?")) { (t("Entfernen", "Remove")) }
                    }
                    a.button.quiet href=(SENDING) { (t("Abbrechen", "Cancel")) }
                }
                p.hint { (t(
                    "Die Prüfung meldet sich beim Server an und schickt Ihnen eine Probemail; das dauert bis zu einer Minute.",
                    "The test logs in at the server and sends you a test mail; that takes up to a minute.",
                )) }
            }
            (smarthost::hints(frame))
        };
        frame.page_with(status, &title, &body)
    }

    async fn store(
        &self,
        sender: Option<Sender>,
        smarthost: Option<Smarthost>,
        word: &str,
    ) -> Result<Response, Problem> {
        let edits = match sender {
            None => smarthost::edits(smarthost.as_ref()),
            Some(sender) => vec![self.with_rule(&sender, smarthost.as_ref())],
        };
        settings::change(self.web, edits).await?;
        Ok(told(word, 0))
    }

    async fn remove(&self) -> Result<Response, Problem> {
        let Of::Sender(sender) = &self.of else {
            return Err(Problem::NotFound);
        };
        settings::change(self.web, vec![self.with_rule(sender, None)]).await?;
        Ok(told("rule-removed", 0))
    }

    /// All rules, with this one changed, added or taken out.
    fn with_rule(&self, sender: &Sender, smarthost: Option<&Smarthost>) -> Edit {
        let mut rules = self.relay.senders.clone();
        let at = rules.iter().position(|(one, _)| is_same(one, sender));
        match (at.and_then(|at| rules.get_mut(at)), smarthost) {
            (Some(rule), Some(smarthost)) => rule.1 = smarthost.clone(),
            (None, Some(smarthost)) => rules.push((sender.clone(), smarthost.clone())),
            (_, None) => rules.retain(|(one, _)| !is_same(one, sender)),
        }
        let tables: Vec<toml::Value> = rules.iter().map(rule).collect();
        Edit {
            key: SENDERS.to_owned(),
            value: (!tables.is_empty()).then_some(toml::Value::Array(tables)),
        }
    }
}

/// A rule as the settings have it.
fn rule((sender, smarthost): &(Sender, Smarthost)) -> toml::Value {
    let mut table = toml::Table::new();
    let (key, text) = match sender {
        Sender::Address(address) => ("address", address.to_string()),
        Sender::Domain(domain) => ("domain", domain.to_string()),
    };
    table.insert(key.to_owned(), text.into());
    for (key, value) in smarthost::keys(Some(smarthost)) {
        if let Some(value) = value {
            table.insert(key.to_owned(), value);
        }
    }
    let login = smarthost.login.as_ref();
    if let Some(Password::File(file)) = login.map(|login| &login.password) {
        let file = file.display().to_string();
        table.insert("password_file".to_owned(), file.into());
    }
    toml::Value::Table(table)
}
