//! The door of the setup: what a visitor finds, how it opens, and the language.

use axum::Router;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;

use super::access::{Door, Setter, Typed, WINDOW, door};
use super::progress::{Progress, Situation, Step};
use super::{buttons, frame_of, go, step_page};
use crate::web::Web;
use crate::web::change::{Edit, Error};
use crate::web::form::{Nothing, Posted};
use crate::web::guard::over_tls;
use crate::web::layout::Frame;
use crate::web::parts::{Field, Tone, card, notice};
use crate::web::problem::Problem;
use crate::web::visitor::{Owner, Visitor};
use crate::web::welcome::{about_tls, language_cookie};
use crate::web::words::Lang;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/setup", get(enter))
        .route("/setup/start", post(start))
        .route("/setup/code", post(open_by_code))
        .route("/setup/language", get(ask_language).post(set_language))
}

async fn enter(
    State(web): State<Web>,
    visitor: Visitor,
    owner: Result<Owner, Problem>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let frame = Frame::outside(&visitor).slim();
    let title = frame.t("Die Box einrichten", "Set up the box");
    let mine = match (door(&web, &headers).await?, &owner) {
        (Door::Mine(grant), _) => Ok((grant.form, grant.may_reset)),
        // Whoever manages the box needs no door.
        (_, Ok(owner)) => Ok((owner.session.form.clone(), false)),
        (door, Err(_)) => Err(door),
    };
    match mine {
        Ok(_) if super::restore::is_under_way(&web) => Ok(go(super::restore::PATH)),
        Ok((form, may_reset)) => {
            let next = situation(&web).await?.next(&web.sources.settings);
            if let Some(step) = next {
                return Ok(go(step.path()));
            }
            let frame = frame_of(&visitor, &form);
            Ok(frame.page(title, &choices(&frame, may_reset)))
        }
        Err(door) => shut(&web, &visitor, &frame, &door).await,
    }
}

/// For whoever may not go on here.
async fn shut(
    web: &Web,
    visitor: &Visitor,
    frame: &Frame,
    door: &Door,
) -> Result<Response, Problem> {
    let title = frame.t("Die Box einrichten", "Set up the box");
    match door {
        Door::Open(_) => Ok(frame.page(title, &welcome(frame))),
        Door::Taken => Ok(frame.page_with(StatusCode::FORBIDDEN, title, &taken(frame))),
        Door::Closed | Door::Mine(_) => {
            let has_account = situation(web).await?.has_account;
            let body = html! {
                p.lead { (frame.t("Das Einrichten ist gerade verschlossen, damit es niemand Fremdes tut.",
                                  "Setup is closed right now, so that no stranger does it.")) }
                @if has_account { (by_login(web, visitor, frame)) }
                (how_to_open(frame))
                (code_form(frame, "/setup/code", None))
            };
            Ok(frame.page(title, &body))
        }
    }
}

/// The first account may be from the card, made before anybody saw a page.
fn by_login(web: &Web, visitor: &Visitor, frame: &Frame) -> Markup {
    html! {
        p { (frame.t("Ein Postfach gibt es schon, vielleicht aus dem Raspberry Pi Imager. Wer die Box verwaltet, meldet sich einfach an:",
                     "There is an account already, perhaps from Raspberry Pi Imager. Whoever manages the box simply logs in:")) }
        p.row { a.button href=(over_tls(web, visitor, "/box")) { (frame.t("Anmelden", "Log in")) } }
        (about_tls(web, frame, visitor))
    }
}

/// How far it has come.
pub(super) async fn situation(web: &Web) -> Result<Situation, Problem> {
    let loaded = web.run(|sources, _| Ok(Situation::load(&sources.store.snapshot()?)?));
    loaded.await
}

fn welcome(frame: &Frame) -> Markup {
    html! {
        p.lead { (frame.t("Willkommen. In fünf Minuten hat Ihr Zuhause eine eigene Post. Sie brauchen nur diese Seite.",
                          "Welcome. In five minutes your home has its own mail. You need nothing but this page.")) }
        form method="post" action="/setup/start" {
            (frame.token())
            button { (frame.t("Los geht's", "Let's go")) }
        }
    }
}

fn languages(frame: &Frame) -> Markup {
    html! {
        fieldset {
            legend { (frame.t("Sprache der Box", "Language of the box")) }
            @for (code, name) in [("de", "Deutsch"), ("en", "English")] {
                label.choice lang=(code) {
                    input type="radio" name="language" value=(code) checked[code == frame.lang.code()];
                    span { strong { (name) } }
                }
            }
        }
    }
}

fn taken(frame: &Frame) -> Markup {
    html! {
        p.lead { (frame.t("Ein anderer Browser richtet die Box gerade ein.",
                          "Another browser is setting the box up.")) }
        p { (frame.t("Waren Sie das selbst, etwa am Telefon? Dann machen Sie dort weiter. Sonst öffnen Sie das Einrichten neu:",
                     "Was that you, on your phone for instance? Then go on there. Otherwise open setup anew:")) }
        (how_to_open(frame))
        (code_form(frame, "/setup/code", None))
    }
}

fn choices(frame: &Frame, may_reset: bool) -> Markup {
    html! {
        p.lead { (frame.t("Die Box ist eingerichtet. Was möchten Sie tun?",
                          "The box is set up. What would you like to do?")) }
        p.row {
            @if may_reset {
                a.button href="/forgot" { (frame.t("Neues Passwort für die Verwaltung", "New password for the owner")) }
            }
            a.button.second href="/setup/mode" { (frame.t("Noch einmal durchgehen", "Go through it again")) }
            a.button.quiet href="/box" { (frame.t("Zur Box", "To the box")) }
        }
    }
}

/// The three ways to open the door, in plain words.
pub(super) fn how_to_open(frame: &Frame) -> Markup {
    let body = html! {
        ol.steps {
            li { (frame.t("Halten Sie den Knopf der Box 10 Sekunden lang gedrückt und laden Sie diese Seite neu. Die LED leuchtet dann lang und ist kurz aus.",
                          "Hold the button of the box for 10 seconds, and load this page again. The LED is then long on and short off.")) }
            li { (frame.t("Ohne Knopf: Stecken Sie die Speicherkarte in einen Computer; der Einmal-Code steht in der Datei setup-code.txt.",
                          "Without a button: put the card into a computer; the one-time code is in the file setup-code.txt.")) }
            li { (frame.t("Gibt es noch kein Postfach: Ziehen Sie den Stecker und stecken Sie ihn wieder ein. Dann ist 15 Minuten lang offen.",
                          "If there is no account yet: pull the plug and put it back in. It is open for 15 minutes then.")) }
        }
    };
    card(frame.t("So öffnen Sie es", "How to open it"), &body)
}

/// The form for the one-time code.
pub(super) fn code_form(frame: &Frame, action: &str, refused: Option<Typed>) -> Markup {
    let error = match refused {
        Some(Typed::Wait) => frame.t(
            "Zu viele falsche Codes. Warten Sie einen Augenblick.",
            "Too many wrong codes. Wait a moment.",
        ),
        Some(Typed::Wrong) => frame.t(
            "Dieser Code stimmt nicht. Jeder gilt nur einmal.",
            "This code is wrong. Each is good once.",
        ),
        Some(Typed::Right) | None => "",
    };
    html! {
        form.card method="post" action=(action) {
            h2 { (frame.t("Einmal-Code", "One-time code")) }
            (frame.token())
            (Field {
                error,
                required: true,
                autocomplete: "one-time-code",
                hint: frame.t("12 Zeichen; Groß- und Kleinschreibung und Striche sind egal.",
                              "12 characters; capitals and dashes do not matter."),
                ..Field::text("code", "Code", "")
            }.render())
            button { (frame.t("Öffnen", "Open")) }
        }
    }
}

#[derive(Debug, Deserialize)]
struct Choice {
    language: String,
}

async fn start(
    State(web): State<Web>,
    headers: HeaderMap,
    Posted(visitor, Nothing {}): Posted<Visitor, Nothing>,
) -> Result<Response, Problem> {
    let Door::Open(window) = door(&web, &headers).await? else {
        return Ok(go("/setup"));
    };
    let access = &web.sources.kept.setup;
    let Some(cookie) = access.take(window, visitor.link)? else {
        return Ok(go("/setup"));
    };
    let next = situation(&web).await?.next(&web.sources.settings);
    let to = match next {
        Some(Step::Mode) => Step::Language.path(),
        Some(_) | None => "/setup",
    };
    let mut response = go(to);
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}

async fn ask_language(State(web): State<Web>, setter: Setter) -> Result<Response, Problem> {
    let situation = situation(&web).await?;
    let mode = situation.progress.mode;
    let frame = frame_of(&setter.visitor, &setter.form);
    let body = html! {
        form.card method="post" action="/setup/language" {
            (frame.token())
            (languages(&frame))
            (buttons(&frame, Step::Language, mode, frame.t("Weiter", "Continue")))
        }
        (super::restore::offer(&frame, &web, situation.has_account))
    };
    Ok(step_page(&setter, Step::Language, mode, &body))
}

async fn set_language(
    State(web): State<Web>,
    Posted(setter, choice): Posted<Setter, Choice>,
) -> Result<Response, Problem> {
    let lang = Lang::named(&choice.language).ok_or(Problem::NotFound)?;
    save_language(&web, lang).await?;
    let mut response = go(Step::Mode.path());
    let language = language_cookie(lang, setter.visitor.link)?;
    response.headers_mut().append(SET_COOKIE, language);
    Ok(response)
}

/// Saved now, in force with the restart that the next pages bring.
async fn save_language(web: &Web, lang: Lang) -> Result<(), Problem> {
    if web.sources.settings.language == lang.0 {
        return Ok(());
    }
    let saved = web.run(move |sources, _| {
        let changer = &sources.changer;
        match changer.save(&[Edit::set("language", lang.code())]) {
            Ok(()) | Err(Error::Locked(_)) => Ok(()),
            Err(error) => Err(super::not_changed(error)),
        }
    });
    saved.await
}

#[derive(Debug, Deserialize)]
pub(super) struct Code {
    pub(super) code: String,
}

async fn open_by_code(
    State(web): State<Web>,
    Posted(visitor, Code { code }): Posted<Visitor, Code>,
) -> Result<Response, Problem> {
    by_code(&web, &visitor, &code, "/setup", "/setup/code").await
}

/// Opens a window for whoever has the code, and lets that browser have it.
pub(super) async fn by_code(
    web: &Web,
    visitor: &Visitor,
    code: &str,
    to: &str,
    action: &str,
) -> Result<Response, Problem> {
    let (code, from) = (code.to_owned(), visitor.address());
    let tried = web.run(move |sources, now| Ok(sources.kept.setup.try_code(&code, from, now)));
    let tried = tried.await?;
    if tried != Typed::Right {
        let frame = Frame::outside(visitor);
        let body = html! {
            (code_form(&frame, action, Some(tried)))
            (how_to_open(&frame))
        };
        let status = match tried {
            Typed::Wait => StatusCode::TOO_MANY_REQUESTS,
            Typed::Wrong | Typed::Right => StatusCode::FORBIDDEN,
        };
        let title = frame.t("Einmal-Code", "One-time code");
        return Ok(frame.page_with(status, title, &body));
    }
    tracing::info!(%from, "the setup window was opened by the one-time code");
    let now = web.now().mono;
    let panel = &web.sources.panel;
    let window = panel.change(|policy| {
        policy.open_setup(now + WINDOW);
        policy.setup_window(now)
    });
    let cookie = match window {
        Some(window) => web.sources.kept.setup.take(window, visitor.link)?,
        None => None,
    };
    let mut response = go(to);
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// How the box is used, as far as that is known.
pub(super) async fn mode(web: &Web) -> Result<Option<super::Mode>, Problem> {
    let loaded = web.run(|sources, _| Ok(Progress::load(&sources.store.snapshot()?)?));
    Ok(loaded.await?.mode)
}

/// A sentence in place of a field that the configuration file has.
pub(super) fn locked(frame: &Frame) -> Markup {
    notice(
        Tone::Info,
        frame.t(
            "Das steht in der Konfigurationsdatei und wird dort geändert.",
            "This is in the configuration file, and is changed there.",
        ),
        None,
    )
}
