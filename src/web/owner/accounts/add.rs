//! A new account: address, and for those who care size, language and password.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;

use super::{Wrong, quota};
use crate::auth;
use crate::mail::address::{Address, Domain};
use crate::mail::ids::AccountId;
use crate::mail::secret::Secret;
use crate::manage::account::{Chosen, Error};
use crate::store::NewAccount;
use crate::store::types::Language;
use crate::web::drawer::Paper;
use crate::web::form::Posted;
use crate::web::layout::{Frame, Tab};
use crate::web::parts::Field;
use crate::web::problem::Problem;
use crate::web::visitor::Owner;
use crate::web::words::Lang;
use crate::web::{Sources, Web};

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/box/accounts/new", get(ask).post(add))
}

#[derive(Clone, Debug, Deserialize)]
struct Form {
    address: String,
    #[serde(default)]
    language: String,
    #[serde(default)]
    quota: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    owner: String,
}

/// What is wrong with which field.
struct Refused {
    field: &'static str,
    wrong: Wrong,
}

async fn ask(State(web): State<Web>, owner: Owner) -> Response {
    let form = Form {
        address: String::new(),
        language: web_language(web.sources.settings.language).to_owned(),
        quota: String::new(),
        password: String::new(),
        owner: String::new(),
    };
    show(&web, &owner, &form, None)
}

async fn add(
    State(web): State<Web>,
    Posted(owner, form): Posted<Owner, Form>,
) -> Result<Response, Problem> {
    let (given, reader) = (form.clone(), owner.account.id);
    let made = web.run_unhurried(move |sources, now| {
        let new = match read(sources, &given) {
            Ok(new) => new,
            Err(refused) => return Ok(Err(refused)),
        };
        let chosen = (!given.password.is_empty()).then(|| Secret::new(given.password.clone()));
        make(sources, &new, chosen.as_ref(), reader, now)
    });
    match made.await? {
        Ok(path) => Err(Problem::Elsewhere(path)),
        Err(refused) => Ok(show(&web, &owner, &form, Some(&refused))),
    }
}

fn read(sources: &Sources, form: &Form) -> Result<NewAccount, Refused> {
    let text = form.address.trim();
    // A name alone is at the first domain.
    let first = sources.settings.domains.first().map(Domain::as_str);
    let full = match first {
        Some(domain) if !text.contains('@') => format!("{text}@{domain}"),
        Some(_) | None => text.to_owned(),
    };
    let address = Address::parse(&full).map_err(|_| refused("address", Wrong::Address))?;
    let quota_bytes = quota(&form.quota).map_err(|wrong| refused("quota", wrong))?;
    let language = Lang::named(&form.language).map(|lang| lang.0);
    Ok(NewAccount {
        address,
        owner: form.owner == "yes",
        language: language.unwrap_or(sources.settings.language),
        quota_bytes,
    })
}

fn refused(field: &'static str, wrong: Wrong) -> Refused {
    Refused { field, wrong }
}

/// Makes the account; where its page is, with the password if it was made here.
fn make(
    sources: &Sources,
    new: &NewAccount,
    given: Option<&Secret<String>>,
    reader: AccountId,
    now: crate::clock::Now,
) -> Result<Result<String, Refused>, Problem> {
    let office = sources.office();
    let done = Chosen::new(given).and_then(|chosen| {
        let account = office.add(new, &chosen, now)?;
        Ok((account, chosen))
    });
    let (account, chosen) = match done {
        Ok(done) => done,
        Err(error) => return why(sources, error).map(Err),
    };
    let mut path = format!("/box/accounts/{}?done=added", account.id);
    if chosen.made {
        let paper = Paper {
            account: account.id,
            device: None,
            secret: chosen.secret,
        };
        let key = sources.kept.drawer.put(reader, paper, now.mono);
        let key = key.ok_or(Problem::Broken)?;
        path.push_str("&shown=");
        path.push_str(key.expose());
    }
    Ok(Ok(path))
}

fn why(sources: &Sources, error: Error) -> Result<Refused, Problem> {
    match super::one::wrong(sources, error)? {
        wrong @ Wrong::Password(_) => Ok(refused("password", wrong)),
        wrong @ (Wrong::Address
        | Wrong::Elsewhere(_)
        | Wrong::Exists
        | Wrong::IsAlias
        | Wrong::Quota) => Ok(refused("address", wrong)),
    }
}

fn web_language(language: Language) -> &'static str {
    Lang(language).code()
}

fn show(web: &Web, owner: &Owner, form: &Form, refused: Option<&Refused>) -> Response {
    let frame = Frame::of_owner(owner, Tab::Accounts);
    let error = |field| match refused {
        Some(refused) if refused.field == field => refused.wrong.in_words(frame.lang),
        Some(_) | None => String::new(),
    };
    let body = fields(web, &frame, form, &error);
    let status = match refused {
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::OK,
    };
    frame.page_with(status, frame.t("Postfach anlegen", "Add an account"), &body)
}

fn fields(web: &Web, frame: &Frame, form: &Form, error: &dyn Fn(&'static str) -> String) -> Markup {
    let settings = &web.sources.settings;
    let domain = settings
        .domains
        .first()
        .map_or("", |domain| domain.as_str());
    let hint = format!("{} lisa@{domain}", frame.t("Zum Beispiel", "For example"));
    let default = frame.lang.amount(settings.account.quota_default);
    let size_hint = format!(
        "{} {default}",
        frame.t(
            "Zum Beispiel 2 GB. Leer heißt wie in der Box eingestellt:",
            "For example 2 GB. Empty means the box's default:"
        )
    );
    let more = ["quota", "password"]
        .iter()
        .any(|field| !error(field).is_empty());
    html! {
        form.card method="post" action="/box/accounts/new" {
            (frame.token())
            (Field {
                hint: &hint,
                error: &error("address"),
                required: true,
                ..Field::text("address", frame.t("E-Mail-Adresse", "Email address"), &form.address)
            }.render())
            (language_choice(frame, &form.language))
            details open[more] {
                summary { (frame.t("Größe, Passwort und Rechte", "Size, password and rights")) }
                (Field {
                    hint: &size_hint,
                    error: &error("quota"),
                    ..Field::text("quota", frame.t("Größe", "Size"), &form.quota)
                }.render())
                (Field {
                    kind: "password",
                    hint: frame.t(
                        "Leer lassen: Die Box macht ein sicheres und zeigt es Ihnen einmal.",
                        "Leave it empty: the box makes a safe one and shows it to you once.",
                    ),
                    error: &error("password"),
                    autocomplete: "new-password",
                    ..Field::text("password", frame.t("Passwort", "Password"), "")
                }.render())
                label.check {
                    input type="checkbox" name="owner" value="yes" checked[form.owner == "yes"];
                    (frame.t("Darf die Box verwalten", "May manage the box"))
                }
            }
            p.row {
                button { (frame.t("Anlegen", "Add")) }
                a.button.quiet href="/box/accounts" { (frame.t("Abbrechen", "Cancel")) }
            }
        }
    }
}

/// German or English.
pub(super) fn language_choice(frame: &Frame, chosen: &str) -> Markup {
    html! {
        fieldset {
            legend { (frame.t("Sprache der Mails von der Box", "Language of mail from the box")) }
            div.row {
                @for (code, name) in [("de", "Deutsch"), ("en", "English")] {
                    label.check {
                        input type="radio" name="language" value=(code) checked[chosen == code];
                        span lang=(code) { (name) }
                    }
                }
            }
        }
    }
}

impl From<auth::password::PasswordError> for Wrong {
    fn from(error: auth::password::PasswordError) -> Self {
        Self::Password(error)
    }
}
