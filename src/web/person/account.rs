//! A person's own account at a glance: how full it is, password and language.

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;

use crate::auth::password::{PASSWORD_CHARS_MIN, Prepared};
use crate::auth::{Identity, Outcome, Request};
use crate::mail::secret::Secret;
use crate::space::{self, words};
use crate::store::types::{Level, Subject};
use crate::web::Web;
use crate::web::devices::Devices;
use crate::web::form::Posted;
use crate::web::layout::{Frame, Tab};
use crate::web::parts::{Field, Tone, card, meter, notice};
use crate::web::problem::Problem;
use crate::web::visitor::Person;
use crate::web::words::Lang;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/me", get(page))
        .route("/me/password", post(set_password))
        .route("/me/language", post(set_language))
}

#[derive(Debug, Default, Deserialize)]
struct Done {
    #[serde(default)]
    done: String,
}

impl Done {
    fn notice(&self, lang: Lang) -> Markup {
        let said = match self.done.as_str() {
            "password" => lang.t(
                "Ihr Passwort ist geändert. Andere Anmeldungen auf diesen Seiten sind beendet.",
                "Your password is changed. Other logins to these pages have ended.",
            ),
            "language" => lang.t("Die Sprache ist geändert.", "The language is changed."),
            _ => return html! {},
        };
        notice(Tone::Good, said, None)
    }
}

/// What is wrong with which field of the password's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    /// The old one is wrong.
    Old,
    /// There were too many wrong ones.
    Throttled,
    /// It cannot be checked now.
    Unavailable,
    /// The two new ones differ.
    Differ,
    /// The new one breaks a rule.
    New,
}

impl Refused {
    fn field(self) -> &'static str {
        match self {
            Self::Old | Self::Throttled | Self::Unavailable => "old",
            Self::New => "new",
            Self::Differ => "again",
        }
    }

    fn in_words(self, lang: Lang) -> String {
        let text = match self {
            Self::Old => lang.t(
                "Das ist nicht Ihr jetziges Passwort.",
                "That is not your present password.",
            ),
            Self::Throttled => lang.t(
                "Zu viele Versuche. Warten Sie ein paar Minuten.",
                "Too many attempts. Wait a few minutes.",
            ),
            Self::Unavailable => lang.t(
                "Das lässt sich gerade nicht prüfen. Versuchen Sie es gleich noch einmal.",
                "This cannot be checked right now. Try again in a moment.",
            ),
            Self::Differ => lang.t("Die beiden sind nicht gleich.", "The two are not the same."),
            Self::New => return new_rule(lang),
        };
        text.to_owned()
    }
}

fn new_rule(lang: Lang) -> String {
    match lang.code() {
        "de" => format!("Mindestens {PASSWORD_CHARS_MIN} Zeichen. Lang ist besser als verwickelt."),
        _ => format!("At least {PASSWORD_CHARS_MIN} characters. Long is better than tangled."),
    }
}

async fn page(
    State(web): State<Web>,
    person: Person,
    Query(done): Query<Done>,
) -> Result<Response, Problem> {
    show(&web, &person, &done, None).await
}

async fn show(
    web: &Web,
    person: &Person,
    done: &Done,
    refused: Option<Refused>,
) -> Result<Response, Problem> {
    let id = person.account.id;
    let (room, devices) = web
        .run(move |sources, now| {
            let room = space::of(&sources.store, Subject::Account(id), now)?;
            let devices = Devices::read(&sources.store.snapshot()?, id)?;
            Ok((room, devices))
        })
        .await?;
    let frame = Frame::of_person(person, Tab::Me);
    let lang = frame.lang;
    let body = html! {
        (done.notice(lang))
        p.lead { (person.account.address) }
        div.grid {
            section.card {
                h2 { (frame.t("Mein Speicher", "My storage")) }
                (meter(&frame, frame.t("Belegt", "In use"), &room))
                @if let Some(outlook) = words::outlook(&room, lang.0) { p.hint { (outlook) } }
                @if room.fill.level > Level::Ok
                    && let Some(advice) = words::advice(&room, words::Whose::own(&person.account), lang.0) { p { (advice) } }
            }
            section.card {
                h2 { (frame.t("Meine Geräte", "My devices")) }
                p { (count(lang, devices.len())) }
                p.row {
                    a.button href="/me/clients" { (frame.t("Gerät einrichten", "Set up a device")) }
                    a.button.second href="/me/devices" { (frame.t("Ansehen", "Show")) }
                }
            }
        }
        (password_card(&frame, person, refused))
        (card(frame.t("Sprache", "Language"), &html! {
            p.hint { (frame.t("In dieser Sprache schreibt Ihnen die Box. Die Sprache der Seiten wechseln Sie oben.", "The box writes to you in this language. Switch the language of these pages above.")) }
            form.row method="post" action="/me/language" {
                (frame.token())
                @for (code, name) in [("de", "Deutsch"), ("en", "English")] {
                    label.check {
                        input type="radio" name="language" value=(code) checked[Lang(person.account.language).code() == code];
                        span lang=(code) { (name) }
                    }
                }
                button.second { (frame.t("Speichern", "Save")) }
            }
        }))
    };
    let status = match refused {
        Some(Refused::Throttled) => StatusCode::TOO_MANY_REQUESTS,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::OK,
    };
    Ok(frame.page_with(status, frame.t("Mein Konto", "My account"), &body))
}

fn count(lang: Lang, devices: usize) -> String {
    match (devices, lang.code()) {
        (0, "de") => {
            "Noch keine. Richten Sie Telefon oder Computer in zwei Minuten ein.".to_owned()
        }
        (0, _) => "None yet. Set up a phone or a computer in two minutes.".to_owned(),
        (1, "de") => "1 Gerät hat ein App-Passwort.".to_owned(),
        (1, _) => "1 device has an app password.".to_owned(),
        (n, "de") => format!("{n} Geräte haben ein App-Passwort."),
        (n, _) => format!("{n} devices have an app password."),
    }
}

fn password_card(frame: &Frame, person: &Person, refused: Option<Refused>) -> Markup {
    let lang = frame.lang;
    let error = |field| match refused {
        Some(refused) if refused.field() == field => refused.in_words(lang),
        Some(_) | None => String::new(),
    };
    let password =
        |name: &'static str, label: &'static str, autocomplete: &'static str, hint: &str| {
            Field {
                kind: "password",
                hint,
                error: &error(name),
                autocomplete,
                required: true,
                ..Field::text(name, label, "")
            }
            .render()
        };
    html! {
        section.card {
            h2 { (frame.t("Mein Passwort", "My password")) }
            details open[refused.is_some()] {
                summary { (frame.t("Passwort ändern", "Change the password")) }
                form method="post" action="/me/password" {
                    (frame.token())
                    // Password managers want to know whose it is.
                    input type="email" name="username" value=(person.account.address) autocomplete="username" hidden;
                    (password("old", frame.t("Jetziges Passwort", "Present password"), "current-password", ""))
                    (password("new", frame.t("Neues Passwort", "New password"), "new-password", &new_rule(lang)))
                    (password("again", frame.t("Noch einmal", "Once more"), "new-password", ""))
                    p.hint { (frame.t("App-Passwörter Ihrer Geräte bleiben, wie sie sind.", "App passwords of your devices stay as they are.")) }
                    button { (frame.t("Ändern", "Change")) }
                }
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct Passwords {
    old: String,
    new: String,
    again: String,
}

async fn set_password(
    State(web): State<Web>,
    Posted(person, form): Posted<Person, Passwords>,
) -> Result<Response, Problem> {
    if let Err(refused) = change(&web, &person, form).await? {
        return show(&web, &person, &Done::default(), Some(refused)).await;
    }
    let sessions = &web.sources.kept.sessions;
    sessions.end_others(person.account.id, Some(&person.session));
    Err(Problem::Elsewhere("/me?done=password".to_owned()))
}

async fn change(
    web: &Web,
    person: &Person,
    form: Passwords,
) -> Result<Result<(), Refused>, Problem> {
    if form.new != form.again {
        return Ok(Err(Refused::Differ));
    }
    if Prepared::chosen(&form.new).is_err() {
        return Ok(Err(Refused::New));
    }
    let request = Request::Password {
        login: person.account.address.to_string(),
        password: Secret::new(form.old),
        from: person.visitor.address(),
    };
    let id = person.account.id;
    match web.sources.gate.pass(request, person.visitor.via()).await {
        Outcome::Granted(Identity {
            account,
            device: None,
            ..
        }) if account == id => {}
        Outcome::Granted(_) | Outcome::Denied => return Ok(Err(Refused::Old)),
        Outcome::Throttled { .. } => return Ok(Err(Refused::Throttled)),
        Outcome::Unavailable => return Ok(Err(Refused::Unavailable)),
    }
    let secret = Secret::new(form.new);
    web.run_unhurried(move |sources, _| {
        let set = sources.office().set_password(id, &secret);
        set.map_err(|_| Problem::Broken)
    })
    .await
    .map(Ok)
}

#[derive(Debug, Deserialize)]
struct LanguageForm {
    #[serde(default)]
    language: String,
}

async fn set_language(
    State(web): State<Web>,
    Posted(person, form): Posted<Person, LanguageForm>,
) -> Result<Response, Problem> {
    let lang = Lang::named(&form.language).ok_or(Problem::NotFound)?;
    let id = person.account.id;
    web.run(move |sources, _| Ok(sources.store.set_language(id, lang.0)?))
        .await?;
    Err(Problem::Elsewhere("/me?done=language".to_owned()))
}
