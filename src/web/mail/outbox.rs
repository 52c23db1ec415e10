//! What of a person's mail waits to be taken by other hosts.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};

use super::people;
use super::shell::{self, Shell};
use crate::mail::ids::{AccountId, SpoolId};
use crate::store::spool::{SpoolMail, SpoolStage, SpoolState};
use crate::store::{self, Snapshot};
use crate::web::Web;
use crate::web::parts::{Tone, badge};
use crate::web::problem::Problem;
use crate::web::visitor::Person;
use crate::web::words::Lang;

/// Spooled mails that are looked through, and those that are shown.
const LOOKED_AT_MAX: usize = 2000;
const SHOWN_MAX: usize = 50;

/// Recipients of one mail that are shown.
const RECIPIENTS_MAX: usize = 20;

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/mail/outbox", get(show))
}

async fn show(State(web): State<Web>, person: Person) -> Result<Response, Problem> {
    let (account, lang) = (person.account.id, person.visitor.lang);
    let (mails, folders) = web
        .run(move |sources, _| {
            let snapshot = sources.store.snapshot()?;
            Ok((
                own(&snapshot, account)?,
                shell::folders(&snapshot, account, lang)?,
            ))
        })
        .await?;
    let shell = Shell::new(&web, &person, folders, None);
    let zone = &web.sources.settings.time_zone;
    let body = html! {
        div #outbox data-live="" {
            @if mails.is_empty() {
                p.empty { (lang.t("Es wartet nichts: Andere Server haben alles angenommen.", "Nothing waits: other servers have taken all of it.")) }
            } @else {
                p { (lang.t("Diese E-Mails sind noch nicht beim Empfänger. Die Box versucht es von selbst immer wieder und sagt Bescheid, wenn es nicht klappt.", "These have not reached their recipients yet. The box tries again by itself, and tells you if that fails.")) }
                @for mail in &mails {
                    section.card {
                        h2 { (lang.moment(mail.spooled, zone)) }
                        (recipients(lang, mail))
                    }
                }
            }
        }
    };
    Ok(shell.page(lang.t("Versand", "Outbox"), &body))
}

fn own(snapshot: &Snapshot, account: AccountId) -> store::Result<Vec<SpoolMail>> {
    let all = snapshot.spool(SpoolId(0), LOOKED_AT_MAX)?;
    let own = all
        .into_iter()
        .filter(|mail| mail.new.account == Some(account));
    let mut own: Vec<SpoolMail> = own.collect();
    own.reverse();
    own.truncate(SHOWN_MAX);
    Ok(own)
}

fn recipients(lang: Lang, mail: &SpoolMail) -> Markup {
    let states = mail.states.iter().map(Some).chain(std::iter::repeat(None));
    html! {
        ul.plain {
            @for (to, state) in mail.new.recipients.iter().zip(states).take(RECIPIENTS_MAX) {
                li {
                    div.spread { span { (to.address) } (stage(lang, state)) }
                    @if let Some(last) = state.and_then(|state| state.last.as_ref()) {
                        p.hint { (people::clean_text(&last.reply)) }
                    }
                }
            }
        }
    }
}

fn stage(lang: Lang, state: Option<&SpoolState>) -> Markup {
    match state.map(|state| state.stage) {
        None | Some(SpoolStage::Waiting(_)) => badge(Tone::Info, lang.t("wartet", "waiting")),
        Some(SpoolStage::Held) => badge(Tone::Warn, lang.t("angehalten", "held")),
        Some(SpoolStage::Delivered) => badge(Tone::Good, lang.t("übergeben", "taken")),
        Some(SpoolStage::Failed | SpoolStage::Expired) => {
            badge(Tone::Bad, lang.t("gescheitert", "failed"))
        }
        Some(SpoolStage::Removed) => badge(Tone::Warn, lang.t("entfernt", "removed")),
    }
}
