//! The smarthost, and a test mail over it.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};

use super::access::{Setter, Tried};
use super::entry::{locked, mode};
use super::progress::{Mode, Progress, Step};
use super::{buttons, frame_of, go, not_changed, step_page, waiting};
use crate::queue::relay::Smarthost;
use crate::web::Web;
use crate::web::form::{Nothing, Posted};
use crate::web::layout::Frame;
use crate::web::parts::{Tone, notice};
use crate::web::problem::Problem;
use crate::web::smarthost::{Errors, Given, edits, hints, try_out, words_of};

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/setup/smarthost", get(ask).post(save))
        .route("/setup/test", get(ask_test).post(test))
}

async fn ask(State(web): State<Web>, setter: Setter) -> Result<Response, Problem> {
    let mode = mode(&web).await?;
    let mut given = Given::of(web.sources.settings.relay.default.as_ref());
    if given.is_none() {
        "gmx".clone_into(&mut given.preset);
    }
    Ok(page(&web, &setter, mode, &given, &Errors::new()))
}

fn page(
    web: &Web,
    setter: &Setter,
    mode: Option<Mode>,
    given: &Given,
    errors: &Errors,
) -> Response {
    let frame = frame_of(&setter.visitor, &setter.form);
    let before = web.sources.settings.relay.default.as_ref();
    let has_password = before.is_some_and(|before| before.login.is_some());
    let is_locked = web.sources.changer.is_locked("relay.host");
    let body = html! {
        p.lead { (frame.t("Ihre Post geht über ein Postfach hinaus, das Sie schon haben.",
                          "Your mail leaves through a mailbox that you already have.")) }
        form.card method="post" action="/setup/smarthost" {
            (frame.token())
            @if is_locked {
                (locked(&frame))
                @if let Some(before) = before { p { (before.name) } }
            } @else {
                (given.provider_field(&frame, None, errors))
                (given.fields(&frame, has_password, errors))
                (hints(&frame))
            }
            (buttons(&frame, Step::Smarthost, mode, frame.t("Speichern und weiter", "Save and continue")))
        }
    };
    step_page(setter, Step::Smarthost, mode, &body)
}

async fn save(
    State(web): State<Web>,
    Posted(setter, given): Posted<Setter, Given>,
) -> Result<Response, Problem> {
    if web.sources.changer.is_locked("relay.host") {
        return Ok(go(Step::Test.path()));
    }
    let before = web.sources.settings.relay.default.clone();
    let smarthost = match given.check(before.as_ref(), setter.visitor.lang) {
        Ok(smarthost) => smarthost,
        Err(errors) => {
            let mode = mode(&web).await?;
            return Ok(page(&web, &setter, mode, &given, &errors));
        }
    };
    web.sources.kept.setup.keep_trial(None);
    if before.as_ref() == Some(&smarthost) {
        return Ok(go(Step::Test.path()));
    }
    let saved = web.run(move |sources, _| {
        let changed = sources.changer.change(&edits(Some(&smarthost)));
        changed.map_err(not_changed)
    });
    saved.await?;
    waiting(&setter.visitor, Step::Test.path())
}

async fn ask_test(State(web): State<Web>, setter: Setter) -> Result<Response, Problem> {
    let Some(smarthost) = web.sources.settings.relay.default.clone() else {
        return Ok(go(Step::Smarthost.path()));
    };
    let mode = mode(&web).await?;
    let frame = frame_of(&setter.visitor, &setter.form);
    let tried = web.sources.kept.setup.trial();
    let works = tried.as_ref().is_some_and(|tried| tried.works);
    let next = Step::Test.next(mode);
    let body = html! {
        @if let Some(tried) = &tried { (told(&frame, tried)) }
        @else {
            p.lead { (frame.t("Die Box meldet sich beim Anbieter an und gibt ihm eine Mail an Ihr neues Postfach. Das dauert bis zu einer Minute.",
                              "The box logs in at the provider and gives it a mail to your new account. That takes up to a minute.")) }
        }
        p.soft { (smarthost.name) }
        div.row {
            @if works {
                a.button href=(next.path()) { (frame.t("Weiter", "Continue")) }
                (back(&frame))
            } @else {
                @if tried.is_some() {
                    a.button href=(Step::Smarthost.path()) { (frame.t("Angaben ändern", "Change what was entered")) }
                }
                form.deed method="post" action="/setup/test" {
                    (frame.token())
                    button.second[tried.is_some()] { (frame.t("Probemail senden", "Send a test mail")) }
                }
                a.button.quiet href=(next.path()) { (frame.t("Später testen", "Test later")) }
                @if tried.is_none() { (back(&frame)) }
            }
        }
    };
    Ok(step_page(&setter, Step::Test, mode, &body))
}

fn back(frame: &Frame) -> Markup {
    html! { a.button.quiet href=(Step::Smarthost.path()) { (frame.t("Zurück", "Back")) } }
}

fn told(frame: &Frame, tried: &Tried) -> Markup {
    let tone = if tried.works { Tone::Good } else { Tone::Bad };
    html! {
        (notice(tone, &tried.words, None))
        (words_of(frame, &tried.said))
    }
}

async fn test(
    State(web): State<Web>,
    Posted(setter, Nothing {}): Posted<Setter, Nothing>,
) -> Result<Response, Problem> {
    let owner = web.run(|sources, _| Ok(sources.store.snapshot()?.owner()?));
    let owner = owner.await?;
    let (Some(smarthost), Some(owner)) = (web.sources.settings.relay.default.clone(), owner) else {
        return Ok(go("/setup"));
    };
    let lang = setter.visitor.lang;
    let result = Box::pin(try_out(&web, &smarthost, &owner.address, lang.0)).await;
    let tried = match result {
        Ok(said) => {
            note_tested(&web, &smarthost).await?;
            Tried {
                works: true,
                words: lang
                    .t(
                        "Das Senden funktioniert: Der Anbieter hat die Probemail angenommen.",
                        "Sending works: the provider has taken the test mail.",
                    )
                    .to_owned(),
                said,
            }
        }
        Err(failure) => Tried {
            works: false,
            words: failure.in_words(&smarthost, lang.0),
            said: failure.said,
        },
    };
    web.sources.kept.setup.keep_trial(Some(tried));
    Ok(go(Step::Test.path()))
}

async fn note_tested(web: &Web, smarthost: &Smarthost) -> Result<(), Problem> {
    let name = smarthost.name.clone();
    let noted = web.run(move |sources, _| {
        let note = Progress::change(&sources.store, |progress| progress.tested = Some(name));
        Ok(note?)
    });
    noted.await
}
