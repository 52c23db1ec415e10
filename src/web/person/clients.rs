//! Setting a device up: what kind it is and its name, then its app password with the steps for that kind.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;

use crate::mail::secret::Secret;
use crate::manage::device::{Error, KEEP_DAYS_DEFAULT};
use crate::store;
use crate::store::types::Pop3Delete;
use crate::web::Web;
use crate::web::clients::{Kind, Servers, panel};
use crate::web::drawer::Paper;
use crate::web::form::Posted;
use crate::web::layout::{Frame, Tab};
use crate::web::parts::Field;
use crate::web::problem::Problem;
use crate::web::visitor::Person;
use crate::web::words::Lang;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/me/clients", get(ask).post(add))
        .route("/me/clients/{key}", get(ready))
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Form {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
}

/// What is wrong with the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Name,
    Exists,
    TooMany,
}

impl Refused {
    fn in_words(self, lang: Lang) -> &'static str {
        match self {
            Self::Name => lang.t(
                "Ein Name mit höchstens 100 Zeichen.",
                "A name of at most 100 characters.",
            ),
            Self::Exists => lang.t(
                "Ein Gerät mit diesem Namen haben Sie schon.",
                "You have a device of that name already.",
            ),
            Self::TooMany => lang.t(
                "Das sind zu viele Geräte. Sperren Sie erst eines, das es nicht mehr gibt.",
                "Those are too many devices. Revoke one first that is gone.",
            ),
        }
    }
}

async fn ask(State(web): State<Web>, person: Person) -> Response {
    show(&web, &person, &Form::default(), None)
}

fn show(web: &Web, person: &Person, form: &Form, refused: Option<Refused>) -> Response {
    let frame = Frame::of_person(person, Tab::Me);
    let error = refused.map_or("", |refused| refused.in_words(frame.lang));
    let body = html! {
        p.lead { (frame.t("Was möchten Sie einrichten?", "What do you want to set up?")) }
        form.card method="post" action="/me/clients" {
            (frame.token())
            (kinds(&frame, &form.kind))
            (Field {
                hint: frame.t("Damit Sie es später wiedererkennen, zum Beispiel „Mein Telefon“. Leer ist auch gut.", "So that you know it again later, such as \"My phone\". Empty is fine too."),
                error,
                ..Field::text("name", frame.t("Name des Geräts", "Name of the device"), &form.name)
            }.render())
            button { (frame.t("Weiter", "Continue")) }
        }
        section.card {
            h2 { (frame.t("Server und Ports", "Servers and ports")) }
            (Servers::of(&web.sources.settings).facts(&frame, &person.account.address))
        }
        p { a href="/me/devices" { (frame.t("Meine Geräte", "My devices")) } }
    };
    let status = match refused {
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::OK,
    };
    frame.page_with(
        status,
        frame.t("Gerät einrichten", "Set up a device"),
        &body,
    )
}

fn kinds(frame: &Frame, chosen: &str) -> Markup {
    let chosen = match chosen {
        "" => Kind::Iphone,
        code => Kind::named(code),
    };
    html! {
        fieldset {
            legend { (frame.t("Gerät oder Programm", "Device or program")) }
            div.choices {
                @for kind in Kind::ALL {
                    label.choice {
                        input type="radio" name="kind" value=(kind.code()) checked[kind == chosen];
                        span {
                            strong { (kind.label(frame.lang)) }
                            span.soft { (kind.hint(frame.lang)) }
                        }
                    }
                }
            }
        }
    }
}

async fn add(
    State(web): State<Web>,
    Posted(person, form): Posted<Person, Form>,
) -> Result<Response, Problem> {
    let (account, kind) = (person.account.id, Kind::named(&form.kind));
    let (typed, lang) = (form.name.trim().to_owned(), person.visitor.lang);
    let added = web.run_unhurried(move |sources, now| {
        let policy = Pop3Delete::Keep {
            days: KEEP_DAYS_DEFAULT,
        };
        let name = match typed.as_str() {
            "" => free_name(
                &sources.store.snapshot()?.devices(account)?,
                kind.label(lang),
            ),
            _ => typed,
        };
        match sources.office().add_device(account, &name, policy, now) {
            Ok((device, secret)) => Ok(Ok(Paper {
                account,
                device: Some(device.id),
                secret: Secret::new(secret.expose().to_owned()),
            })),
            Err(error) => refusal(error).map(Err),
        }
    });
    let paper = match added.await? {
        Ok(paper) => paper,
        Err(refused) => return Ok(show(&web, &person, &form, Some(refused))),
    };
    let key = web.sources.kept.drawer.put(account, paper, web.now().mono);
    let (key, code) = (key.ok_or(Problem::Broken)?, kind.code());
    let path = format!("/me/clients/{}?kind={code}", key.expose());
    Err(Problem::Elsewhere(path))
}

/// `wanted`, or `wanted 2` and so on.
fn free_name(devices: &[store::types::Device], wanted: &str) -> String {
    let is_free = |name: &str| devices.iter().all(|device| device.name != name);
    if is_free(wanted) {
        return wanted.to_owned();
    }
    let mut numbered = (2..=devices.len() + 2).map(|n| format!("{wanted} {n}"));
    numbered.find(|name| is_free(name)).unwrap_or_default()
}

fn refusal(error: Error) -> Result<Refused, Problem> {
    use crate::auth::Error as Auth;
    match error {
        Error::Name => Ok(Refused::Name),
        Error::Exists(_) => Ok(Refused::Exists),
        Error::Auth(Auth::Store(store::Error::Limit(_))) => Ok(Refused::TooMany),
        Error::Auth(Auth::Store(error)) | Error::Store(error) => Err(Problem::Store(error)),
        Error::Auth(Auth::Password(_) | Auth::Resources) | Error::Missing => Err(Problem::Broken),
    }
}

#[derive(Debug, Default, Deserialize)]
struct Which {
    #[serde(default)]
    kind: String,
}

async fn ready(
    State(web): State<Web>,
    person: Person,
    Path(key): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let (id, now) = (person.account.id, web.now().mono);
    let drawer = &web.sources.kept.drawer;
    let found = drawer
        .read(id, &key, now)
        .filter(|paper| paper.device.is_some());
    let Some((paper, link)) = found.zip(drawer.link(id, &key, now)) else {
        // Its time is over: there is nothing to show any more.
        return Err(Problem::Elsewhere("/me/devices".to_owned()));
    };
    let frame = Frame::of_person(&person, Tab::Me);
    let kind = Kind::named(&which.kind);
    let body = html! {
        (panel(&frame, &web, &person.visitor, &person.account.address, (kind, &paper, &link)))
        p { a.button href="/me/devices" { (frame.t("Fertig", "Done")) } }
    };
    Ok(frame.page(frame.t("Gerät einrichten", "Set up a device"), &body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wall;
    use crate::mail::ids::{AccountId, DeviceId};
    use crate::store::types::Device;

    #[test]
    fn names_are_found_for_who_gives_none() {
        let device = |name: &str| Device {
            id: DeviceId(1),
            account: AccountId(1),
            name: name.to_owned(),
            pop3_delete: Pop3Delete::Move,
            created: Wall(0),
            last_seen: None,
        };
        let table: [(&[&str], &str); 3] = [
            (&[], "Outlook"),
            (&["Outlook"], "Outlook 2"),
            (&["Outlook", "Outlook 2", "Mac"], "Outlook 3"),
        ];
        for (names, expected) in table {
            let devices: Vec<_> = names.iter().map(|name| device(name)).collect();
            assert_eq!(free_name(&devices, "Outlook"), expected);
        }
    }
}
