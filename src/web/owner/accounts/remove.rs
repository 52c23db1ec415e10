//! Removing an account: says what is lost, offers to keep a copy first, and wants to be told twice.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use maud::html;
use serde::Deserialize;

use super::find;
use crate::manage::account::Error;
use crate::web::Web;
use crate::web::form::Posted;
use crate::web::layout::{Frame, Tab};
use crate::web::parts::{Tone, notice};
use crate::web::problem::Problem;
use crate::web::visitor::Owner;

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/box/accounts/{id}/remove", get(ask).post(remove))
}

async fn ask(
    State(web): State<Web>,
    owner: Owner,
    Path(id): Path<u32>,
) -> Result<Response, Problem> {
    let (account, usage) = web
        .run(move |sources, now| {
            let (account, _) = find(sources, id, now)?;
            let usage = sources.store.snapshot()?.usage(account.id)?;
            Ok((account, usage))
        })
        .await?;
    if account.owner {
        return Err(owners_stay());
    }
    let frame = Frame::of_owner(&owner, Tab::Accounts);
    let (mails, bytes) = (
        frame.lang.number(usage.messages),
        frame.lang.amount(usage.bytes),
    );
    let lost = match frame.lang.code() {
        "de" => format!(
            "Mit {} gehen {mails} Mails ({bytes}) verloren, für immer und auf allen Geräten.",
            account.address
        ),
        _ => format!(
            "With {}, {mails} mails ({bytes}) are lost, for good and on all devices.",
            account.address
        ),
    };
    let body = html! {
        (notice(Tone::Warn, &lost, None))
        p {
            (frame.t("Möchten Sie die Mails behalten?", "Do you want to keep the mail?")) " "
            a href="/box/transfer" { (frame.t("Erst eine Kopie sichern", "Save a copy first")) }
        }
        p { (frame.t("Neue Mails an diese Adresse werden danach abgewiesen; der Absender erfährt es.", "New mail to this address is refused afterwards, and its sender is told.")) }
        form.card method="post" action={ "/box/accounts/" (id) "/remove" } {
            (frame.token())
            label.check {
                input type="checkbox" name="sure" value="yes" required;
                (frame.t("Ja, alle Mails dieses Postfachs löschen", "Yes, delete all mail of this account"))
            }
            p.row {
                button.danger { (frame.t("Endgültig entfernen", "Remove for good")) }
                a.button.quiet href={ "/box/accounts/" (id) } { (frame.t("Abbrechen", "Cancel")) }
            }
        }
    };
    Ok(frame.page(frame.t("Postfach entfernen?", "Remove the account?"), &body))
}

#[derive(Debug, Deserialize)]
struct Sure {
    #[serde(default)]
    sure: String,
}

async fn remove(
    State(web): State<Web>,
    Path(id): Path<u32>,
    Posted(_, form): Posted<Owner, Sure>,
) -> Result<Response, Problem> {
    if form.sure != "yes" {
        return Err(Problem::Elsewhere(format!("/box/accounts/{id}/remove")));
    }
    let removed = web.run_unhurried(move |sources, now| {
        let (account, _) = find(sources, id, now)?;
        if account.owner {
            return Err(owners_stay());
        }
        sources
            .office()
            .remove(&account)
            .map_err(|error| match error {
                Error::Store(error) => Problem::Store(error),
                Error::Elsewhere(_)
                | Error::Exists(_)
                | Error::IsAlias(_)
                | Error::Owner(_)
                | Error::Password(_)
                | Error::Auth(_) => owners_stay(),
            })?;
        sources.kept.sessions.end_others(account.id, None);
        sources.kept.drawer.forget(account.id, None, now.mono);
        Ok(())
    });
    removed.await?;
    Err(Problem::Elsewhere("/box/accounts?done=removed".to_owned()))
}

fn owners_stay() -> Problem {
    Problem::wrong(
        "Dieses Postfach verwaltet die Box und kann nicht entfernt werden.",
        "This account owns the box and cannot be removed.",
    )
}
