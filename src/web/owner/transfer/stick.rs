//! The USB stick for backups: which one is used, how old its last good backup is, and a backup at once.
//!
//! Root mounts the stick and has the daemon back up to it; the page asks for that by a file (`stick::WANTED`).

use std::fs;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use maud::{Markup, html};
use serde::Deserialize;

use crate::clock::{Now, Wall};
use crate::config::ranges::BACKUP_DAYS_RANGE;
use crate::stick::plugged::{Stick, sticks};
use crate::stick::{Good, Standing, WANTED, words};
use crate::store::{self, Snapshot};
use crate::web::Web;
use crate::web::change::Edit;
use crate::web::form::{Nothing, Posted};
use crate::web::layout::Frame;
use crate::web::owner::settings::change;
use crate::web::parts::{Field, Tone, deed, notice};
use crate::web::plugged;
use crate::web::problem::Problem;
use crate::web::state::Sources;
use crate::web::visitor::Owner;

const STICK: &str = "backup.stick";
const DAYS: &str = "backup.age_max_days";

const USE_PATH: &str = "/box/transfer/stick";
const DAYS_PATH: &str = "/box/transfer/stick/days";
const NOW_PATH: &str = "/box/transfer/stick/now";

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route(USE_PATH, post(choose))
        .route(DAYS_PATH, post(set_days))
        .route(NOW_PATH, post(back_up_now))
}

/// What the card shows.
pub(super) struct Facts {
    standing: Option<Standing>,
    plugged: Vec<Stick>,
    /// Which of stick and days the configuration file sets.
    locked: [bool; 2],
    /// A backup at once is asked for and has not begun.
    is_wanted: bool,
    zone: jiff::tz::TimeZone,
}

impl Facts {
    pub(super) fn gather(sources: &Sources, snapshot: &Snapshot) -> store::Result<Self> {
        // What was just changed holds in a moment.
        let wanted = sources.changer.wanted().ok().map(|wanted| wanted.backup);
        let mut settings = sources.settings.backup.clone();
        if let Some(wanted) = wanted.filter(|_| sources.changer.is_pending()) {
            settings.stick = wanted.stick;
            settings.age_max_days = wanted.age_max_days;
        }
        Ok(Self {
            standing: Standing::load(snapshot, &settings)?,
            plugged: sticks(&settings.system),
            locked: [STICK, DAYS].map(|key| sources.changer.is_locked(key)),
            is_wanted: sources.settings.data.join(WANTED).exists(),
            zone: sources.settings.time_zone.clone(),
        })
    }

    /// Whether a stick is named.
    pub(super) fn is_used(&self) -> bool {
        self.standing.is_some()
    }
}

pub(super) fn card(frame: &Frame, facts: &Facts, done: &str, now: Now) -> Markup {
    html! {
        section.card #stick {
            h2 { (frame.t("Sicherung auf einen USB-Stick", "Backup to a USB stick")) }
            @if let Some(text) = told(frame, done) { (notice(Tone::Good, text, None)) }
            @match &facts.standing {
                Some(standing) => (used(frame, facts, standing, now)),
                None => (unused(frame, facts)),
            }
        }
    }
}

fn told(frame: &Frame, done: &str) -> Option<&'static str> {
    let (de, en) = match done {
        "named" => (
            "Ab jetzt wird jede Nacht auf diesen Stick gesichert, solange er steckt.",
            "From now on there is a backup to this stick every night while it is plugged in.",
        ),
        "left" => (
            "Auf den Stick wird nicht mehr gesichert. Was darauf ist, bleibt.",
            "There are no more backups to the stick. What is on it stays.",
        ),
        "days" => ("Gespeichert.", "Saved."),
        "now" => (
            "Die Sicherung beginnt gleich. Was daraus geworden ist, steht danach hier.",
            "The backup begins in a moment. What became of it stands here then.",
        ),
        _ => return None,
    };
    Some(match frame.lang.0 {
        store::types::Language::De => de,
        store::types::Language::En => en,
    })
}

/// A stick is named.
fn used(frame: &Frame, facts: &Facts, standing: &Standing, now: Now) -> Markup {
    let name = &standing.record.name;
    let is_here = facts.plugged.iter().any(|stick| stick.is_named(name));
    html! {
        (state(frame, standing, now))
        @if let Some(good) = &standing.record.good { p { (about(frame, facts, good)) } }
        @if facts.is_wanted {
            p.soft { (frame.t("Eine Sicherung ist angefordert.", "A backup has been asked for.")) }
        } @else if is_here {
            (deed(frame, NOW_PATH, &[], frame.t("Jetzt sichern", "Back up now"), ""))
        } @else {
            p { (frame.t("Der Stick steckt gerade nicht.", "The stick is not plugged in now.")) }
        }
        p.hint { (frame.t(
            "Jede Nacht nach zwei Uhr. Der Stick enthält dann alle Mails und die geheimen Schlüssel der Box: Bewahren Sie ihn so sicher auf wie \
             die Box selbst.",
            "Every night after two o'clock. The stick then has all mail and the secret keys of the box: keep it as safe as the box itself.",
        )) }
        details {
            summary { (frame.t("Einstellungen", "Settings")) }
            (days(frame, facts, standing))
            @if facts.locked[0] {
                (locked(frame))
            } @else {
                (deed(frame, USE_PATH, &[("name", "")], frame.t("Nicht mehr auf diesen Stick sichern", "Stop using this stick"), "second"))
            }
        }
    }
}

/// Age and last attempt in one notice.
fn state(frame: &Frame, standing: &Standing, now: Now) -> Markup {
    let lang = frame.lang.0;
    let age = words::age(standing, now, lang);
    let failure = standing.failure();
    let tone = match (standing.is_overdue(now), failure, &standing.record.good) {
        (true, _, _) => Tone::Bad,
        (false, Some(_), _) => Tone::Warn,
        (false, None, Some(_)) => Tone::Good,
        (false, None, None) => Tone::Info,
    };
    let text = failure.map_or_else(
        || age.clone(),
        |failure| {
            let tried = frame.t("Der letzte Versuch:", "The last attempt:");
            let problem = words::problem(failure, &standing.record.name, lang);
            format!("{age} {tried} {problem}")
        },
    );
    notice(tone, &text, None)
}

fn about(frame: &Frame, facts: &Facts, good: &Good) -> String {
    let lang = frame.lang;
    let moment = |at: i64| lang.moment(Wall(at), &facts.zone);
    let made = good.at.map(|at| format!("{}, ", moment(at)));
    let made = format!("{}{}.", made.unwrap_or_default(), lang.amount(good.bytes));
    let before = if good.has_before {
        frame.t(
            "Die davor ist auch noch da.",
            "The one before is there too.",
        )
    } else {
        frame.t(
            "Für die davor war kein Platz, oder es ist die erste.",
            "There was no room for the one before, or this is the first.",
        )
    };
    let tried = good.tried.map(|at| {
        format!(
            "{} {}: {} {}",
            frame.t("Probeweise zurückgespielt", "Restored for a trial"),
            moment(at),
            lang.number(good.messages),
            frame.t("Mails waren wieder da.", "messages were there again.")
        )
    });
    format!("{made} {before} {}", tried.unwrap_or_default())
}

fn days(frame: &Frame, facts: &Facts, standing: &Standing) -> Markup {
    let value = (standing.limit.as_secs() / 86_400).to_string();
    let hint = frame.t(
        "Tage. Ist die letzte gute Sicherung älter, blitzt die LED in Gruppen zu fünf, und Sie bekommen eine Mail.",
        "Days. When the last good backup is older, the LED flashes in groups of five, and you get a mail.",
    );
    if facts.locked[1] {
        return html! { p { (value) " " (hint) } (locked(frame)) };
    }
    html! {
        form method="post" action=(DAYS_PATH) {
            (frame.token())
            (Field {
                kind: "number",
                required: true,
                hint,
                ..Field::text("days", frame.t("So alt darf sie werden", "How old it may become"), &value)
            }.render())
            button.second { (frame.t("Speichern", "Save")) }
        }
    }
}

fn locked(frame: &Frame) -> Markup {
    html! { p.locked { (frame.t("steht in der Konfigurationsdatei", "set by the configuration file")) } }
}

/// No stick is named.
fn unused(frame: &Frame, facts: &Facts) -> Markup {
    html! {
        p { (frame.t(
            "Geht die Speicherkarte kaputt, hilft nur eine Sicherung. Stecken Sie einen USB-Stick an die Box (FAT32, exFAT oder ext4) und lassen Sie \
             ihn stecken: Jede Nacht wird darauf gesichert, und die Box sagt Bescheid, wenn das nicht mehr klappt. Was sonst darauf ist, bleibt.",
            "If the card breaks, only a backup helps. Plug a USB stick into the box (FAT32, exFAT or ext4) and leave it there: every \
             night there is a backup to it, and the box tells you when that no longer works. What else is on it stays.",
        )) }
        @if facts.locked[0] {
            (locked(frame))
        } @else if facts.plugged.is_empty() {
            (plugged::none(frame, "/box/transfer", "button second"))
        } @else {
            (plugged::list(frame, &facts.plugged, |stick| use_deed(frame, facts, stick)))
        }
    }
}

fn use_deed(frame: &Frame, facts: &Facts, stick: &Stick) -> Markup {
    let is_same = |other: &&Stick| other.label == stick.label;
    let is_alone = facts.plugged.iter().filter(is_same).count() == 1;
    let label = stick.label.as_deref().filter(|_| is_alone);
    let name = label.unwrap_or(&stick.uuid);
    let word = frame.t("Diesen Stick benutzen", "Use this stick");
    deed(frame, USE_PATH, &[("name", name)], word, "")
}

#[derive(Debug, Deserialize)]
struct Chosen {
    name: String,
}

async fn choose(
    State(web): State<Web>,
    Posted(_, Chosen { name }): Posted<Owner, Chosen>,
) -> Result<Response, Problem> {
    if name.is_empty() {
        change(&web, vec![Edit::remove(STICK)]).await?;
        return Ok(back("left"));
    }
    change(&web, vec![Edit::set(STICK, name)]).await?;
    Ok(back("named"))
}

#[derive(Debug, Deserialize)]
struct Days {
    days: String,
}

async fn set_days(
    State(web): State<Web>,
    Posted(_, Days { days }): Posted<Owner, Days>,
) -> Result<Response, Problem> {
    let (min, max) = BACKUP_DAYS_RANGE;
    let count = days.trim().parse::<u32>().ok();
    let count = count.filter(|count| (min..=max).contains(&u64::from(*count)));
    let count = count.ok_or_else(|| {
        Problem::wrong(
            format!("Eine Zahl von {min} bis {max} ist richtig."),
            format!("A number from {min} to {max} is right."),
        )
    })?;
    change(&web, vec![Edit::set(DAYS, i64::from(count))]).await?;
    Ok(back("days"))
}

async fn back_up_now(
    State(web): State<Web>,
    _: Posted<Owner, Nothing>,
) -> Result<Response, Problem> {
    let asked = web.run(|sources, _| {
        let asked = fs::write(sources.settings.data.join(WANTED), "");
        Ok(asked.map_err(|error| store::Error::Fault(error.to_string()))?)
    });
    asked.await?;
    Ok(back("now"))
}

fn back(done: &str) -> Response {
    Redirect::to(&format!("/box/transfer?done={done}")).into_response()
}
