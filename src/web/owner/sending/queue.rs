//! The queue as a list: who to, why it waits, and until when; and what the owner wants done with it.
//!
//! Deeds are for one mail, for those that are picked, or for all; all are done in batches for a limited time, since there
//! may be many. Taking out asks on a page of its own, so that it also asks without script.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use maud::{Markup, html};

use super::why::{when, why};
use super::{PATH, frame, told};
use crate::clock::{Now, Wall};
use crate::config::Settings;
use crate::mail::ids::SpoolId;
use crate::queue::desk::{Desk, Figures, Listed, ListedRecipient, Turn};
use crate::store::spool::{NewSpoolRecipient, SpoolState};
use crate::web::form::Posted;
use crate::web::layout::Frame;
use crate::web::parts::{Tone, badge};
use crate::web::problem::Problem;
use crate::web::visitor::Owner;
use crate::web::words::Lang;
use crate::web::{Sources, Web};

const DEEDS_PATH: &str = "/box/sending/queue";

/// Mails on a page.
const PAGE: usize = 25;

/// Most mails that one form names.
const PICKS_MAX: usize = 1000;

/// Mails that are dealt with at a time, and for how long in one request.
const BATCH: usize = 50;
const TIME_MAX: Duration = Duration::from_secs(10);

/// Recipients of a mail that are shown.
const RECIPIENTS_SHOWN: usize = 3;

/// Characters of a subject that are shown.
const SUBJECT_CHARS_MAX: usize = 90;

pub(super) fn routes() -> Router<Web> {
    Router::new().route(DEEDS_PATH, post(act))
}

/// A page of the queue.
pub(super) struct Waiting {
    mails: Vec<(Listed, String)>,
    /// Where the page begins, and where the next does.
    from: u64,
    next: Option<u64>,
    now: Option<Wall>,
    /// Nothing is sent before a time server has confirmed the clock.
    awaits_clock: bool,
}

impl Waiting {
    /// The mails from that number on.
    pub(super) fn read(sources: &Sources, from: u64, now: Now) -> Result<Self, Problem> {
        let desk = &sources.desk;
        let mut listed = desk.list(SpoolId(from), PAGE + 1, now)?;
        let next = (listed.len() > PAGE).then(|| listed.pop()).flatten();
        let with_subject = |one: Listed| {
            // One that leaves meanwhile has none.
            let subject = desk.subject(&one.mail).ok().flatten();
            (one, short(&subject.unwrap_or_default()))
        };
        Ok(Self {
            mails: listed.into_iter().map(with_subject).collect(),
            from,
            next: next.map(|one| one.mail.id.0),
            now: now.wall,
            awaits_clock: !sources.clock.is_settled(),
        })
    }

    pub(super) fn card(&self, frame: &Frame, settings: &Settings, figures: &Figures) -> Markup {
        html! {
            section.card #queue data-live="" {
                h2 { (frame.t("Was wartet", "What waits")) }
                (summary(frame, figures))
                @if self.mails.is_empty() && self.from == 0 {
                    p.empty {
                        (frame.t("Alles ist hinausgegangen.", "Everything has been sent."))
                    }
                } @else {
                    (self.form(frame, settings))
                }
            }
        }
    }

    fn form(&self, frame: &Frame, settings: &Settings) -> Markup {
        html! {
            form method="post" action=(DEEDS_PATH) {
                (frame.token())
                table.blocks {
                    thead { tr {
                        th { span.visually-hidden { (frame.t("Auswahl", "Selection")) } }
                        th { (frame.t("Mail", "Mail")) }
                        th { (frame.t("Warum sie wartet", "Why it waits")) }
                        th { (frame.t("Nächster Versuch", "Next try")) }
                    } }
                    tbody {
                        @for (listed, subject) in &self.mails {
                            (self.row(frame, settings, listed, subject))
                        }
                    }
                }
                (pages(frame, self.from, self.next))
                (deeds(frame))
            }
        }
    }

    fn row(&self, frame: &Frame, settings: &Settings, listed: &Listed, subject: &str) -> Markup {
        let mail = &listed.mail;
        let id = mail.id.0;
        let t = |de, en| frame.t(de, en);
        let is_held = listed
            .recipients
            .iter()
            .all(|one| matches!(one.turn, Turn::Held | Turn::Over));
        let sender = mail.new.sender.as_ref();
        let sender = sender.map_or_else(|| t("die Box", "the box").to_owned(), ToString::to_string);
        html! {
            tr {
                td {
                    label.check {
                        input type="checkbox" name="pick" value=(id);
                        span.visually-hidden { (t("Mail auswählen:", "Select mail:")) " " (subject) }
                    }
                }
                td {
                    strong { @if subject.is_empty() { (t("(ohne Betreff)", "(no subject)")) } @else { (subject) } }
                    br; span.soft { (t("von", "from")) " " (sender) ", " (frame.lang.amount(mail.bytes)) }
                    br; span.soft { (t("seit", "since")) " " (self.since(frame.lang, settings, mail.spooled)) }
                }
                td data-label=(t("Warum", "Why")) { (reasons(frame, listed, self.awaits_clock)) }
                td data-label=(t("Nächster Versuch", "Next try")) {
                    @if is_held { (badge(Tone::Warn, t("angehalten", "held"))) }
                    @else {
                        @if self.awaits_clock { (t("sobald die Uhr gestellt ist", "once the clock is set")) }
                        @else { (next_try(frame, listed)) }
                        @if let Some(until) = listed.until {
                            br; span.soft { (t("bis", "until")) " " (frame.lang.moment(until, &settings.time_zone)) }
                        }
                    }
                    br; button.quiet.copy name="deed" value={ "retry " (id) } {
                        @if is_held { (t("Weitersenden", "Send on")) } @else { (t("Jetzt versuchen", "Try now")) }
                        span.visually-hidden { ": " (subject) }
                    }
                }
            }
        }
    }

    fn since(&self, lang: Lang, settings: &Settings, spooled: Wall) -> String {
        match self.now {
            Some(now) => lang.brief(spooled, now, &settings.time_zone),
            None => lang.moment(spooled, &settings.time_zone),
        }
    }
}

fn summary(frame: &Frame, figures: &Figures) -> Markup {
    let (waiting, held) = (figures.waiting, figures.held);
    let lang = frame.lang;
    let oldest = figures.oldest.map(|(age, _)| lang.span(age));
    html! {
        @if waiting > 0 {
            p {
                @if waiting == 1 { (lang.t("Eine Mail wartet", "One mail waits")) }
                @else { (lang.number(waiting)) " " (lang.t("Mails warten", "mails wait")) }
                @if let Some(oldest) = oldest { ", " (lang.t("die älteste seit", "the oldest for")) " " (oldest) }
                ". "
                span.soft { (lang.t(
                    "Die Box versucht es von selbst weiter; Sie müssen nichts tun.",
                    "The box keeps trying by itself; there is nothing you need to do.",
                )) }
            }
        }
        @if held > 0 {
            p { (lang.number(held)) " " (lang.t("angehalten, bis Sie sie weitersenden.", "held until you send them on.")) }
        }
    }
}

/// Why, for the first recipients who still wait.
fn reasons(frame: &Frame, listed: &Listed, awaits_clock: bool) -> Markup {
    let open: Vec<_> = open_recipients(listed).collect();
    let more = open.len().saturating_sub(RECIPIENTS_SHOWN);
    html! {
        @for (new, state, now) in open.iter().take(RECIPIENTS_SHOWN) {
            p {
                (frame.t("An", "To")) " " strong { (new.address) } ": "
                @if awaits_clock && now.turn != Turn::Held { (awaits(frame)) }
                @else { (why(now.turn, &now.destination, state.last.as_ref(), frame.lang)) }
            }
            @if let Some(last) = &state.last {
                details {
                    summary { (frame.t("Wortlaut der Gegenseite", "The other side's words")) }
                    pre { (last.host.as_deref().unwrap_or(&now.destination)) ": " (last.reply) }
                    p.hint {
                        (state.attempts) " " (if state.attempts == 1 { frame.t("Versuch", "try") } else { frame.t("Versuche", "tries") })
                        ", " (frame.t("Weg", "way")) ": " (now.destination)
                    }
                }
            }
        }
        @if more > 0 { p.soft { (frame.t("und", "and")) " " (more) " " (frame.t("weitere Empfänger", "more recipients")) } }
    }
}

fn awaits(frame: &Frame) -> &'static str {
    frame.t(
        "Sie wartet, bis ein Zeitserver die Uhr der Box gestellt hat; höchstens zehn Minuten.",
        "It waits until a time server has set the box's clock; ten minutes at most.",
    )
}

fn open_recipients(
    listed: &Listed,
) -> impl Iterator<Item = (&NewSpoolRecipient, &SpoolState, &ListedRecipient)> {
    let mail = &listed.mail;
    let both = mail
        .new
        .recipients
        .iter()
        .zip(&mail.states)
        .zip(&listed.recipients);
    both.filter(|(_, now)| now.turn != Turn::Over)
        .map(|((new, state), now)| (new, state, now))
}

/// The earliest turn of all recipients.
fn next_try(frame: &Frame, listed: &Listed) -> String {
    let turns = open_recipients(listed).map(|(_, _, now)| now.turn);
    let first = turns.min_by_key(|turn| match turn {
        Turn::Now => Duration::ZERO,
        Turn::In(wait) => *wait,
        Turn::Held | Turn::Over => Duration::MAX,
    });
    when(first.unwrap_or(Turn::Over), frame.lang)
}

fn pages(frame: &Frame, from: u64, next: Option<u64>) -> Markup {
    html! {
        @if from > 0 || next.is_some() {
            nav.row aria-label=(frame.t("Seiten der Warteschlange", "Pages of the queue")) {
                @if from > 0 { a.button.second href=(PATH) { (frame.t("Zum Anfang", "To the start")) } }
                @if let Some(next) = next {
                    a.button.second href={ (PATH) "?from=" (next) } { (frame.t("Weiter", "Next")) }
                }
            }
        }
    }
}

fn deeds(frame: &Frame) -> Markup {
    let t = |de, en| frame.t(de, en);
    html! {
        fieldset {
            legend { (t("Mit den ausgewählten Mails", "With the selected mails")) }
            div.row {
                button.second name="deed" value="retry" { (t("Jetzt versuchen", "Try now")) }
                button.second name="deed" value="hold" { (t("Anhalten", "Hold")) }
                button.danger name="deed" value="remove" { (t("Herausnehmen …", "Take out …")) }
            }
        }
        details {
            summary { (t("Mit allen Mails", "With all mails")) }
            div.row {
                button.second name="deed" value="retry all" { (t("Alle jetzt versuchen", "Try all now")) }
                button.second name="deed" value="hold all" { (t("Alle anhalten", "Hold all")) }
                button.danger name="deed" value="remove all" { (t("Alle herausnehmen …", "Take all out …")) }
            }
        }
    }
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Retry,
    Hold,
    Remove,
}

/// Of which mails.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Which {
    All,
    These(Vec<u64>),
}

impl Deed {
    fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Hold => "hold",
            Self::Remove => "remove",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let all = [Self::Retry, Self::Hold, Self::Remove];
        all.into_iter().find(|deed| deed.name() == name)
    }

    /// One that has gone meanwhile is none of ours any more.
    fn carry_out(self, desk: &Desk, id: SpoolId, now: Now) -> Result<u64, Problem> {
        let done = match self {
            Self::Retry => desk.retry(id, now),
            Self::Hold => desk.hold(id, now),
            Self::Remove => desk.remove(id, now),
        };
        match done {
            Ok(()) => Ok(1),
            Err(crate::store::Error::NotFound(_)) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

/// What a form wants, by its fields.
fn wanted(fields: &[(String, String)]) -> Option<(Deed, Which)> {
    let value = |name: &str| {
        let found = fields.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str())
    };
    let deed = value("deed")?;
    let (name, of) = deed.split_once(' ').unwrap_or((deed, ""));
    let picks = || {
        let picks = fields.iter().filter(|(field, _)| field == "pick");
        picks
            .filter_map(|(_, value)| value.parse().ok())
            .take(PICKS_MAX)
            .collect()
    };
    let which = match of {
        "" => Which::These(picks()),
        "all" => Which::All,
        id => Which::These(vec![id.parse().ok()?]),
    };
    Some((Deed::named(name)?, which))
}

async fn act(
    State(web): State<Web>,
    Posted(owner, fields): Posted<Owner, Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let (deed, which) = wanted(&fields).ok_or(Problem::NotFound)?;
    if which == Which::These(Vec::new()) {
        return Err(Problem::wrong(
            "Wählen Sie zuerst Mails aus.",
            "Select some mails first.",
        ));
    }
    let is_sure = fields
        .iter()
        .any(|(name, value)| name == "sure" && value == "1");
    if deed == Deed::Remove && !is_sure {
        return Ok(ask(&frame(&owner), &which));
    }
    let (done, is_all) = carry_out(&web, deed, which).await?;
    Ok(told(if is_all { deed.name() } else { "more" }, done))
}

/// Does it; with how many mails, and whether that was all.
async fn carry_out(web: &Web, deed: Deed, which: Which) -> Result<(u64, bool), Problem> {
    let ids = match which {
        Which::All => return carry_out_all(web, deed).await,
        Which::These(ids) => ids,
    };
    let work = move |sources: &Sources, now| {
        let each = ids
            .iter()
            .map(|id| deed.carry_out(&sources.desk, SpoolId(*id), now));
        each.sum::<Result<u64, Problem>>()
    };
    Ok((web.run_unhurried(work).await?, true))
}

async fn carry_out_all(web: &Web, deed: Deed) -> Result<(u64, bool), Problem> {
    let begun = web.now().mono;
    let (mut from, mut done) = (SpoolId(0), 0);
    while web.now().mono.since(begun) < TIME_MAX {
        let work = move |sources: &Sources, now| {
            let batch = sources.desk.list(from, BATCH, now)?;
            let ids = batch.iter().map(|listed| listed.mail.id);
            let each = ids.map(|id| deed.carry_out(&sources.desk, id, now));
            let done: u64 = each.sum::<Result<u64, Problem>>()?;
            Ok((done, batch.last().map(|listed| listed.mail.id)))
        };
        let (some, last) = web.run_unhurried(work).await?;
        done += some;
        match last {
            Some(last) => from = SpoolId(last.0.saturating_add(1)),
            None => return Ok((done, true)),
        }
    }
    Ok((done, false))
}

/// Taking out asks first.
fn ask(frame: &Frame, which: &Which) -> Response {
    let t = |de, en| frame.t(de, en);
    let (question, deed) = match which {
        Which::All => (
            t(
                "Alle wartenden Mails herausnehmen?",
                "Take out all mails that wait?",
            )
            .to_owned(),
            "remove all",
        ),
        Which::These(ids) if ids.len() == 1 => (
            t("Diese Mail herausnehmen?", "Take this mail out?").to_owned(),
            "remove",
        ),
        Which::These(ids) => {
            let count = ids.len();
            let question = match frame.lang.0 {
                crate::store::types::Language::De => format!("{count} Mails herausnehmen?"),
                crate::store::types::Language::En => format!("Take {count} mails out?"),
            };
            (question, "remove")
        }
    };
    let body = html! {
        form.card method="post" action=(DEEDS_PATH) {
            (frame.token())
            input type="hidden" name="sure" value="1";
            @if let Which::These(ids) = which {
                @for id in ids { input type="hidden" name="pick" value=(id); }
            }
            p { (t(
                "Was herausgenommen ist, wird nicht mehr gesendet. Der Absender erfährt davon nichts; sagen Sie es ihm \
                 bitte selbst.",
                "What is taken out is not sent any more. Its sender is not told; please do so yourself.",
            )) }
            div.row {
                button.danger name="deed" value=(deed) { (t("Herausnehmen", "Take out")) }
                a.button.second href=(PATH) { (t("Zurück", "Back")) }
            }
        }
    };
    frame.page(&question, &body)
}

/// On one line, and not too long.
fn short(subject: &str) -> String {
    let clean: String = subject
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(SUBJECT_CHARS_MAX)
        .collect();
    clean.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(form: &str, expected: Option<&(Deed, Which)>) {
        let fields: Vec<(String, String)> = serde_urlencoded::from_str(form).unwrap();
        assert_eq!(wanted(&fields).as_ref(), expected, "{form}");
    }

    #[test]
    fn forms_say_what_is_wanted() {
        let these = |ids: &[u64]| Which::These(ids.to_vec());
        check("deed=retry+12&pick=3", Some(&(Deed::Retry, these(&[12]))));
        check(
            "pick=3&pick=4&deed=hold",
            Some(&(Deed::Hold, these(&[3, 4]))),
        );
        check("deed=remove+all&pick=3", Some(&(Deed::Remove, Which::All)));
        check(
            "deed=hold&pick=-1&pick=x&pick=5",
            Some(&(Deed::Hold, these(&[5]))),
        );
        check("deed=hold+%3Cscript%3E", None);
        check("deed=explode&pick=3", None);
        check("pick=3", None);
    }
}
