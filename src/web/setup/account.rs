//! The first account, and a password that is shown once.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;

use super::access::{Made, Setter};
use super::entry::situation;
use super::progress::{Mode, Step};
use super::{buttons, frame_of, go, step_page};
use crate::auth::password::{PASSWORD_CHARS_MIN, PasswordError};
use crate::mail::address::Address;
use crate::mail::ids::AccountId;
use crate::mail::secret::Secret;
use crate::manage::account::{Chosen, Error, Office};
use crate::store::NewAccount;
use crate::web::Web;
use crate::web::form::{Nothing, Posted};
use crate::web::layout::Frame;
use crate::web::login;
use crate::web::parts::{Field, Tone, notice};
use crate::web::problem::Problem;
use crate::web::session::Realm;
use crate::web::smarthost::Hidden;
use crate::web::state::Sources;
use crate::web::words::Lang;

/// Passwords that everybody tries first, or begin with; in lower case.
const COMMON: &[&str] = &[
    "12345",
    "abcdef",
    "qwert",
    "asdfg",
    "passwor",
    "hallo",
    "geheim",
    "letmein",
    "welcome",
    "willkommen",
    "heimpost",
    "iloveyou",
    "admin",
];

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/setup/account", get(ask).post(make))
        .route("/setup/password", get(show).post(noted))
}

/// What was typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Given {
    name: String,
    password: Hidden,
    /// Not empty if the box shall make a password.
    make: String,
}

/// What is wrong with it.
#[derive(Debug, Default)]
struct Errors {
    name: &'static str,
    password: &'static str,
}

async fn ask(State(web): State<Web>, setter: Setter) -> Result<Response, Problem> {
    let situation = situation(&web).await?;
    let mode = situation.progress.mode;
    if !situation.has_account {
        return Ok(page(&web, &setter, mode, "", &Errors::default()));
    }
    let frame = frame_of(&setter.visitor, &setter.form);
    let next = Step::Account.next(mode);
    let old = web.run(|sources, _| at_old_domain(sources)).await?;
    let body = html! {
        (notice(Tone::Good, frame.t("Ein Postfach ist schon da. Weitere legen Sie später unter „Postfächer“ an.",
                                    "There is an account already. Add more later under \"Accounts\"."), None))
        @if let Some(address) = &old {
            p {
                (frame.t("Seine Adresse ist noch ", "Its address is still ")) strong { (address) }
                (frame.t(". Unter ", ". Rename it under "))
                a href="/box/accounts" { (frame.t("Postfächer", "Accounts")) }
                (frame.t(" benennen Sie es um; Mails und Passwort bleiben.", "; mail and password stay."))
            }
        }
        div.row {
            a.button href=(next.path()) { (frame.t("Weiter", "Continue")) }
            a.button.quiet href=(Step::Name.path()) { (frame.t("Zurück", "Back")) }
        }
    };
    Ok(step_page(&setter, Step::Account, mode, &body))
}

/// The owner's address, if it does not end with the box's domain, as after Raspberry Pi Imager.
fn at_old_domain(sources: &Sources) -> Result<Option<String>, Problem> {
    let owner = sources.store.snapshot()?.owner()?;
    let domain = sources.settings.domains.first();
    let old = owner.filter(|owner| Some(owner.address.domain()) != domain);
    Ok(old.map(|owner| owner.address.to_string()))
}

fn page(web: &Web, setter: &Setter, mode: Option<Mode>, name: &str, errors: &Errors) -> Response {
    let frame = frame_of(&setter.visitor, &setter.form);
    let settings = &web.sources.settings;
    let domain = settings.domains.first().unwrap_or(&settings.hostname);
    let hint = format!(
        "{} @{domain}",
        frame.t(
            "Davor kommt Ihr Name, dahinter",
            "Your name comes first, then"
        )
    );
    let body = html! {
        p.lead { (frame.t("Das erste Postfach verwaltet auch die Box.", "The first account also manages the box.")) }
        form.card method="post" action="/setup/account" {
            (frame.token())
            (Field {
                hint: &hint,
                error: errors.name,
                required: true,
                autocomplete: "username",
                ..Field::text("name", frame.t("Name vor dem @, etwa anna", "Name before the @, such as anna"), name)
            }.render())
            (password_fields(&frame, errors.password))
            (buttons(&frame, Step::Account, mode, frame.t("Mit diesem Passwort weiter", "Continue with this password")))
            (make_button(&frame))
        }
    };
    step_page(setter, Step::Account, mode, &body)
}

/// A field for a new password, with the rules.
pub(super) fn password_fields(frame: &Frame, error: &str) -> Markup {
    html! {
        (Field {
            kind: "password",
            autocomplete: "new-password",
            error,
            hint: frame.t(
                "Mindestens 8 Zeichen. Stark und leicht zu merken: vier zufällige Wörter, etwa „Tasse Nebel Fahrrad elf“ (aber nicht diese).",
                "At least 8 characters. Strong and easy to remember: four random words, such as \"cup fog bicycle eleven\" (but not these).",
            ),
            ..Field::text("password", frame.t("Passwort", "Password"), "")
        }.render())
    }
}

/// A button for those who want no password of their own.
pub(super) fn make_button(frame: &Frame) -> Markup {
    html! {
        p.row {
            button.second name="make" value="1" {
                (frame.t("Oder: ein sicheres Passwort erzeugen", "Or: make a safe password"))
            }
        }
    }
}

async fn make(
    State(web): State<Web>,
    Posted(setter, given): Posted<Setter, Given>,
) -> Result<Response, Problem> {
    let lang = setter.visitor.lang;
    let situation = situation(&web).await?;
    let mode = situation.progress.mode;
    if situation.has_account || super::restore::is_under_way(&web) {
        return Ok(go("/setup"));
    }
    let wrong = |errors: &Errors| Ok(page(&web, &setter, mode, &given.name, errors));
    let Some(address) = address_of(&web.sources, &given.name) else {
        let name = lang.t(
            "So kann eine Adresse nicht anfangen. Richtig ist etwa anna oder anna.muster.",
            "An address cannot begin so. Right is, for instance, anna or anna.sample.",
        );
        return wrong(&Errors {
            name,
            ..Errors::default()
        });
    };
    let chosen = match chosen(&given.password.0, &given.make, Some(&address), lang) {
        Ok(chosen) => chosen,
        Err(password) => {
            return wrong(&Errors {
                password,
                ..Errors::default()
            });
        }
    };
    let (new, password) = (address.clone(), chosen.clone());
    let added = web.run_unhurried(move |sources, now| {
        let new = NewAccount {
            address: new,
            owner: true,
            language: lang.0,
            quota_bytes: None,
        };
        let added = office(sources).add(&new, &password, now);
        added
            .map(|account| account.id)
            .map_err(|error| not_added(&error))
    });
    let id = added.await?;
    let access = &web.sources.kept.setup;
    access.note_account();
    tell(&web, &setter, id, &address, chosen)
}

/// Shows a password that was made, or goes on; logs in where that is safe, so that nothing is asked twice.
fn tell(
    web: &Web,
    setter: &Setter,
    id: AccountId,
    address: &Address,
    chosen: Chosen,
) -> Result<Response, Problem> {
    let made = chosen.made.then(|| Made {
        address: address.to_string(),
        password: chosen.secret,
        next: "/setup",
    });
    let to = if made.is_some() {
        "/setup/password"
    } else {
        "/setup"
    };
    web.sources.kept.setup.keep_made(made);
    if setter.visitor.link.is_private() {
        return login::begin(Realm::Box, web, &setter.visitor, id, to);
    }
    Ok(go(to))
}

/// Where accounts are made.
pub(super) fn office(sources: &Sources) -> Office<'_> {
    Office {
        store: &sources.store,
        auth: &sources.auth,
        settings: &sources.settings,
    }
}

/// The address that a name means; the whole address may be typed too.
fn address_of(sources: &Sources, name: &str) -> Option<Address> {
    let settings = &sources.settings;
    let domain = settings.domains.first().unwrap_or(&settings.hostname);
    let name = name.trim();
    let text = if name.contains('@') {
        name.to_owned()
    } else {
        format!("{name}@{domain}")
    };
    let address = Address::parse(&text).ok()?;
    settings
        .domains
        .contains(address.domain())
        .then_some(address)
}

/// The password that was typed or is to be made; what is wrong with it.
pub(super) fn chosen(
    typed: &Secret<String>,
    make: &str,
    address: Option<&Address>,
    lang: Lang,
) -> Result<Chosen, &'static str> {
    let given = make.is_empty().then_some(typed);
    if let Some(given) = given
        && is_easy(given.expose(), address)
    {
        return Err(lang.t(
            "Das ist zu leicht zu raten. Nehmen Sie mehrere zufällige Wörter.",
            "That is too easy to guess. Take several random words.",
        ));
    }
    Chosen::new(given).map_err(|error| match error {
        Error::Password(PasswordError::TooShort) => lang.t(
            "Das ist zu kurz: Nehmen Sie mindestens 8 Zeichen.",
            "That is too short: take at least 8 characters.",
        ),
        Error::Password(PasswordError::TooLong) => lang.t("Das ist zu lang.", "That is too long."),
        Error::Password(PasswordError::Character) => lang.t(
            "Ein Zeichen darin geht in Passwörtern nicht.",
            "A character in it cannot be used in passwords.",
        ),
        Error::Elsewhere(_)
        | Error::Exists(_)
        | Error::IsAlias(_)
        | Error::Owner(_)
        | Error::Auth(_)
        | Error::Store(_) => lang.t(
            "Das hat nicht geklappt. Versuchen Sie es noch einmal.",
            "That did not work. Try again.",
        ),
    })
}

/// Whether a password is among the first that anybody would try. One that is too short is told otherwise.
fn is_easy(password: &str, address: Option<&Address>) -> bool {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return false;
    }
    let low = password.to_lowercase();
    let mut distinct: Vec<char> = low.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    let local = address.map(|address| address.localpart().as_str().to_lowercase());
    let is_name = local.is_some_and(|local| {
        local.chars().count() > 2
            && low.starts_with(&local)
            && low.len() < local.len() + PASSWORD_CHARS_MIN
    });
    let is_common = COMMON.iter().any(|common| low.starts_with(common)) && low.chars().count() < 14;
    distinct.len() < 4 || is_name || is_common
}

/// Why there is no account.
fn not_added(error: &Error) -> Problem {
    match error {
        Error::Store(error) => Problem::Store(error.clone()),
        Error::Elsewhere(_)
        | Error::Exists(_)
        | Error::IsAlias(_)
        | Error::Owner(_)
        | Error::Password(_) => Problem::wrong(
            "Diese Adresse geht nicht oder ist schon vergeben.",
            "This address is not possible, or it is taken.",
        ),
        Error::Auth(_) => Problem::Broken,
    }
}

async fn show(State(web): State<Web>, setter: Setter) -> Response {
    let Some(made) = web.sources.kept.setup.made() else {
        return go("/setup");
    };
    let frame = frame_of(&setter.visitor, &setter.form);
    let body = html! {
        p.lead { (frame.t("Schreiben Sie das Passwort jetzt auf. Es wird nur hier gezeigt.",
                          "Write the password down now. It is shown here only.")) }
        section.card {
            dl.facts {
                dt { (frame.t("Adresse", "Address")) } dd { (made.address) }
                dt { (frame.t("Passwort", "Password")) } dd { code { (made.password.expose()) } }
            }
        }
        form method="post" action="/setup/password" {
            (frame.token())
            button { (frame.t("Ich habe es notiert", "I have written it down")) }
        }
    };
    frame.page(frame.t("Ihr Passwort", "Your password"), &body)
}

async fn noted(State(web): State<Web>, Posted(_, Nothing {}): Posted<Setter, Nothing>) -> Response {
    let access = &web.sources.kept.setup;
    let next = access.made().map_or("/setup", |made| made.next);
    access.keep_made(None);
    go(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_that_are_tried_first() {
        let anna = Address::parse("anna@a.test").unwrap();
        for easy in [
            "12345678",
            "Passwort1",
            "aaaaaaaa",
            "abababab",
            "anna2026",
            "Heimpost2026",
        ] {
            assert!(is_easy(easy, Some(&anna)), "{easy}");
        }
        for good in [
            "short",
            "tasse nebel fahrrad elf",
            "hallo welt im nebel",
            "annas fahrrad ist elf",
            "x7#kQ2pl",
        ] {
            assert!(!is_easy(good, Some(&anna)), "{good}");
        }
    }
}
