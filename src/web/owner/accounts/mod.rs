//! Accounts: how full each is and when it was last used. `add` makes one, `one` is a single account's page with all that
//! can be changed, `remove` asks before it takes one away, `aliases` are further addresses.

mod add;
mod aliases;
mod one;
mod remove;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;

use crate::config::parse_bytes;
use crate::mail::ids::AccountId;
use crate::space::{self, State as Room};
use crate::store::types::Account;
use crate::web::Web;
use crate::web::devices::Devices;
use crate::web::layout::{Frame, Tab};
use crate::web::parts::{Tone, badge, meter, notice};
use crate::web::problem::Problem;
use crate::web::visitor::Owner;
use crate::web::words::Lang;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/box/accounts", get(list))
        .merge(add::routes())
        .merge(aliases::routes())
        .merge(one::routes())
        .merge(remove::routes())
}

/// What was done, as the page after it is told.
#[derive(Debug, Default, Deserialize)]
struct Done {
    #[serde(default)]
    done: String,
}

impl Done {
    fn notice(&self, lang: Lang) -> Markup {
        let said = match self.done.as_str() {
            "added" => lang.t("Das Postfach ist eingerichtet.", "The account is set up."),
            "removed" => lang.t("Das Postfach ist entfernt.", "The account is removed."),
            "quota" => lang.t("Die Größe ist geändert.", "The quota is changed."),
            "language" => lang.t("Die Sprache ist geändert.", "The language is changed."),
            "renamed" => lang.t(
                "Die Adresse ist geändert. Alle Geräte brauchen den neuen Anmeldenamen.",
                "The address is changed. All devices need the new login name.",
            ),
            "password" => lang.t(
                "Das Passwort ist geändert. Wer damit auf diesen Seiten angemeldet war, ist abgemeldet.",
                "The password is changed. Who was logged in to these pages with the old one is logged out.",
            ),
            "revoked" => lang.t(
                "Das Gerät ist gesperrt. Sein App-Passwort gilt nicht mehr.",
                "The device is revoked. Its app password opens nothing any more.",
            ),
            "policy" => lang.t("Die POP3-Regel ist geändert.", "The POP3 rule is changed."),
            "alias" => lang.t("Die Adresse ist gespeichert.", "The address is saved."),
            "unaliased" => lang.t("Die Adresse ist entfernt.", "The address is removed."),
            _ => return html! {},
        };
        notice(Tone::Good, said, None)
    }
}

async fn list(
    State(web): State<Web>,
    owner: Owner,
    Query(done): Query<Done>,
) -> Result<Response, Problem> {
    let frame = Frame::of_owner(&owner, Tab::Accounts).live("/box/events");
    let (rows, aliases) = web
        .run(|sources, now| {
            let accounts = space::house(&sources.store, now)?.accounts;
            let snapshot = sources.store.snapshot()?;
            let rows = accounts.into_iter().map(|(account, room)| {
                let devices = Devices::read(&snapshot, account.id)?;
                Ok((account, room, devices))
            });
            let rows: Result<Vec<_>, Problem> = rows.collect();
            Ok((rows?, snapshot.aliases()?.len()))
        })
        .await?;
    let zone = &web.sources.settings.time_zone;
    let body = html! {
        (done.notice(frame.lang))
        p.row {
            a.button href="/box/accounts/new" { (frame.t("Postfach anlegen", "Add an account")) }
            a.button.second href="/box/accounts/aliases" {
                (frame.t("Weitere Adressen", "Further addresses")) " (" (aliases) ")"
            }
        }
        section.card #accounts data-live="" {
            h2 { (frame.t("Wer hier Post bekommt", "Who gets mail here")) }
            ul.plain {
                @for (account, room, devices) in &rows {
                    li {
                        (heading(&frame, account))
                        (meter(&frame, frame.t("Belegt", "In use"), room))
                        p.hint {
                            (devices_in_words(frame.lang, devices.len()))
                            @if let Some(login) = devices.latest() {
                                " · " (frame.t("zuletzt angemeldet ", "last login "))
                                (frame.lang.moment(login.at, zone))
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(frame.page(frame.t("Postfächer", "Accounts"), &body))
}

fn heading(frame: &Frame, account: &Account) -> Markup {
    html! {
        div.spread {
            a.strong href={ "/box/accounts/" (account.id) } { (account.address) }
            @if account.owner { (badge(Tone::Info, frame.t("verwaltet die Box", "owns the box"))) }
        }
    }
}

fn devices_in_words(lang: Lang, devices: usize) -> String {
    match (devices, lang.code()) {
        (0, "de") => "Keine Geräte".to_owned(),
        (0, _) => "No devices".to_owned(),
        (1, "de") => "1 Gerät".to_owned(),
        (1, _) => "1 device".to_owned(),
        (n, "de") => format!("{n} Geräte"),
        (n, _) => format!("{n} devices"),
    }
}

/// The account of that number, and how full it is.
fn find(
    sources: &crate::web::Sources,
    id: u32,
    now: crate::clock::Now,
) -> Result<(Account, Room), Problem> {
    let account = sources.store.snapshot()?.account(AccountId(id))?;
    let account = account.ok_or(Problem::NotFound)?;
    let subject = crate::store::types::Subject::Account(account.id);
    let room = space::of(&sources.store, subject, now)?;
    Ok((account, room))
}

/// A size as people write it; nothing is the box's default.
fn quota(text: &str) -> Result<Option<u64>, Wrong> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    // A bare number would be bytes, which nobody means.
    let has_unit = text.ends_with(|last: char| last.is_ascii_alphabetic());
    let bytes = parse_bytes(text).filter(|bytes| has_unit && *bytes > 0);
    bytes.map(Some).ok_or(Wrong::Quota)
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wrong {
    /// That is no address.
    Address,
    /// It is at no domain of ours; these are.
    Elsewhere(String),
    /// It is taken by an account.
    Exists,
    /// It is taken by an alias.
    IsAlias,
    /// That is no size.
    Quota,
    /// The password is too short, too long, or has characters that cannot be typed everywhere.
    Password(crate::auth::password::PasswordError),
}

impl Wrong {
    fn in_words(&self, lang: Lang) -> String {
        use crate::auth::password::{PASSWORD_CHARS_MIN, PasswordError};
        match self {
            Self::Address => lang
                .t("Das ist keine E-Mail-Adresse.", "That is no email address.")
                .to_owned(),
            Self::Elsewhere(domains) => format!(
                "{} {domains}.",
                lang.t(
                    "Diese Box nimmt Post nur an für:",
                    "This box only takes mail for:"
                )
            ),
            Self::Exists => lang
                .t(
                    "Dieses Postfach gibt es schon.",
                    "There is such an account already.",
                )
                .to_owned(),
            Self::IsAlias => lang
                .t(
                    "Das ist schon eine weitere Adresse. Entfernen Sie sie dort zuerst.",
                    "That is a further address already. Remove it there first.",
                )
                .to_owned(),
            Self::Quota => lang
                .t(
                    "Eine Größe wie 5 GB oder 500 MB, ohne Komma.",
                    "A size such as 5 GB or 500 MB, without a fraction.",
                )
                .to_owned(),
            Self::Password(PasswordError::TooShort) => match lang.code() {
                "de" => format!("Bitte mindestens {PASSWORD_CHARS_MIN} Zeichen."),
                _ => format!("At least {PASSWORD_CHARS_MIN} characters, please."),
            },
            Self::Password(PasswordError::TooLong) => {
                lang.t("Das ist zu lang.", "That is too long.").to_owned()
            }
            Self::Password(PasswordError::Character) => lang
                .t(
                    "Ein Zeichen darin lässt sich nicht überall eingeben.",
                    "One of its characters cannot be typed everywhere.",
                )
                .to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_read_as_people_write_them() {
        let table = [
            ("", Ok(None)),
            (" 5 GB ", Ok(Some(5 << 30))),
            ("500M", Ok(Some(500 << 20))),
            ("0 GB", Err(Wrong::Quota)),
            ("5", Err(Wrong::Quota)),
            ("1,5 GB", Err(Wrong::Quota)),
            ("-1G", Err(Wrong::Quota)),
            ("99999999999T", Err(Wrong::Quota)),
            ("<b>", Err(Wrong::Quota)),
        ];
        for (text, expected) in table {
            assert_eq!(quota(text), expected, "{text}");
        }
    }
}
