//! Writing: new mail, answers, forwards, drafts, sending.
//!
//! The form comes as `multipart/form-data`, texts before files, so that files stream into the store. Whatever was pressed,
//! one message is built; it is then sent ([`send`]), or filed as a draft in place of the one before ([`draft`]). What was
//! typed is never lost: what cannot be sent is saved and shown again with what is wrong, and a session that has ended
//! leads over the login back to the text.

mod answer;
mod attached;
mod build;
mod draft;
mod page;
mod plan;
mod send;
mod upload;

use axum::Router;
use axum::extract::{
    DefaultBodyLimit, FromRequest, FromRequestParts, Multipart, Query, Request, State,
};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use super::deeds::tell;
use super::told::What;
use super::writing::Typed;
use crate::mail::ids::Serial;
use crate::web::Web;
use crate::web::problem::Problem;
use crate::web::session::{Realm, Token};
use crate::web::visitor::{Person, login_path};
use page::{Opened, Shown};
use plan::{Trouble, Wrong};

/// Address of the form.
const PATH: &str = "/mail/compose";

pub(super) fn routes() -> Router<Web> {
    // The handler counts bytes itself: it has to say what is too large, with what was typed.
    let form = get(open).post(take).layer(DefaultBodyLimit::disable());
    Router::new().route(PATH, form)
}

/// What a new form begins with; at most one of them.
#[derive(Clone, Debug, Default, Deserialize)]
struct Begin {
    reply: Option<u64>,
    #[serde(alias = "all")]
    replyall: Option<u64>,
    forward: Option<u64>,
    /// `message`: the forwarded mail as a whole.
    #[serde(default, rename = "as")]
    way: String,
    draft: Option<u64>,
    /// Key of what was typed before a login.
    #[serde(default)]
    kept: String,
    #[serde(default)]
    to: String,
}

async fn open(
    State(web): State<Web>,
    person: Person,
    Query(begin): Query<Begin>,
) -> Result<Response, Problem> {
    let now = web.now().mono;
    if let Some(typed) = web.sources.kept.writing.kept(&begin.kept, now) {
        let shown = Shown {
            typed,
            ..Shown::default()
        };
        return page::show(&web, &person, shown).await;
    }
    let (account, lang) = (person.account.id, person.visitor.lang);
    let opened = web
        .run(move |sources, _| answer::begin(sources, account, &begin, lang))
        .await?;
    let shown = Shown {
        typed: opened,
        opened: Opened::Fresh,
        ..Shown::default()
    };
    page::show(&web, &person, shown).await
}

async fn take(State(web): State<Web>, request: Request) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let person = Person::from_request_parts(&mut parts, &web).await;
    let request = Request::from_parts(parts, body);
    let multipart = Multipart::from_request(request, &web).await;
    let multipart = multipart.map_err(|_| Problem::Forbidden("no form"))?;
    let person = match person {
        Ok(person) => person,
        Err(Problem::Elsewhere(_)) => return Err(to_login(&web, multipart).await?),
        Err(problem) => return Err(problem),
    };
    let upload::Taken { typed, built } = upload::take(&web, &person, multipart).await?;
    if !person.session.form.is(&typed.form) {
        return show_again(
            &web,
            &person,
            typed,
            Wrong::at_page(plan::stale(person.visitor.lang)),
        )
        .await;
    }
    if typed.deed == "discard" {
        let account = person.account.id;
        let old = typed.draft.parse().map(Serial).ok();
        web.run(move |sources, _| draft::remove(&sources.store, account, old))
            .await?;
        return Err(tell(&web, &person, "/mail", (What::Discarded, Vec::new())));
    }
    match built {
        Ok(built) => finish(&web, &person, typed, built).await,
        Err(trouble) => {
            let wrong = trouble.in_words(
                person.visitor.lang,
                web.sources.settings.limits.message_bytes_max,
            );
            show_again(&web, &person, typed, wrong).await
        }
    }
}

/// What somebody typed whose session has ended waits until he has logged in.
async fn to_login(web: &Web, multipart: Multipart) -> Result<Problem, Problem> {
    let typed = upload::take_texts(multipart).await?;
    let kept = web.sources.kept.writing.keep(typed, web.now().mono);
    let key = kept.ok_or_else(|| {
        Problem::wrong(
            "Ihre Anmeldung ist abgelaufen, und der Text ist zu lang, um ihn aufzuheben. Gehen Sie im Browser zurück und kopieren Sie ihn.",
            "Your login has expired, and the text is too long to be kept. Go back in the browser and copy it.",
        )
    })?;
    let back = format!("{PATH}?kept={}", key.expose());
    Ok(Problem::Elsewhere(login_path(Realm::Mail, &back)))
}

/// The form again with all that was typed, and what is wrong.
async fn show_again(
    web: &Web,
    person: &Person,
    typed: Typed,
    wrong: Wrong,
) -> Result<Response, Problem> {
    let shown = Shown {
        typed,
        wrong,
        opened: Opened::Again,
    };
    page::show(web, person, shown).await
}

/// One of the forms with the same key at a time.
async fn finish(
    web: &Web,
    person: &Person,
    mut typed: Typed,
    built: build::Built,
) -> Result<Response, Problem> {
    let account = person.account.id;
    let writing = &web.sources.kept.writing;
    let turn = writing.turn(account, &typed.key);
    let _held = turn.lock().await;
    let progress = writing.progress(account, &typed.key);
    if let Some(elsewhere) = progress.sent {
        return Err(tell(
            web,
            person,
            "/mail",
            (What::Sent(elsewhere), Vec::new()),
        ));
    }
    let old = progress
        .draft
        .or_else(|| typed.draft.parse().map(Serial).ok());
    let is_sent = typed.deed == "send";
    if is_sent && built.plan.wrong.is_empty() {
        return send(web, person, typed, built, old).await;
    }
    let wrong = built.plan.wrong.clone();
    let (note, copy) = (typed.clone(), typed.key.clone());
    let saved = web
        .run_unhurried(move |sources, now| {
            draft::save(&sources.store, account, &note, built, old, now)
        })
        .await;
    match saved {
        Ok((serial, keep)) => {
            writing.saved(account, &copy, serial);
            typed.draft = serial.to_string();
            typed.keep = keep;
            if is_sent {
                return show_again(web, person, typed, wrong).await;
            }
            Err(Problem::Elsewhere(format!("{PATH}?draft={serial}")))
        }
        Err(problem) => {
            let trouble = Trouble::of(problem).in_words(person.visitor.lang, 0);
            let wrong = if is_sent { wrong } else { trouble };
            show_again(web, person, typed, wrong).await
        }
    }
}

async fn send(
    web: &Web,
    person: &Person,
    typed: Typed,
    built: build::Built,
    old: Option<Serial>,
) -> Result<Response, Problem> {
    let account = person.account.id;
    let from = person.visitor.address();
    let answers = typed.answers.clone();
    let sent = web
        .run_unhurried(move |sources, now| {
            let sent = send::send(sources, account, built, from, now)?;
            // It is on its way; what belongs to it must not make it look as if it were not.
            let marked = send::tidy(&sources.store, account, &answers, old);
            Ok((sent, marked))
        })
        .await;
    match sent {
        Ok((elsewhere, marked)) => {
            let writing = &web.sources.kept.writing;
            writing.sent(account, &typed.key, elsewhere);
            let back = marked.map(|serial| format!("/mail/message/{serial}"));
            let back = back.as_deref().unwrap_or("/mail");
            Err(tell(web, person, back, (What::Sent(elsewhere), Vec::new())))
        }
        Err(problem) => {
            let wrong = Trouble::of(problem).in_words(person.visitor.lang, 0);
            show_again(web, person, typed, wrong).await
        }
    }
}

/// How a mail belongs to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Reply,
    Forward,
}

/// What a form says that its mail answers or forwards.
fn answered(text: &str) -> Option<(Relation, Serial)> {
    let (relation, serial) = text.split_once(':')?;
    let relation = match relation {
        "reply" => Relation::Reply,
        "forward" => Relation::Forward,
        _ => return None,
    };
    Some((relation, Serial(serial.parse().ok()?)))
}

/// A key for a form.
fn new_key() -> Result<String, Problem> {
    let token = Token::new().ok_or(Problem::Broken)?;
    Ok(token.expose().to_owned())
}
