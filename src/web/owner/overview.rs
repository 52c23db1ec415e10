//! The box at a glance: LED, what to do, mail today, queue, backup, room with its forecast.
//!
//! A box without trouble shows one green sentence and figures, and nothing to press. What is read per page is a few
//! rows; what needs a look at every message (room by year) is counted in the background and kept ([`Years`]).

mod curve;
mod led;
mod warnings;
mod years;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

pub(in crate::web) use self::years::Years;
use crate::clock::{Now, Wall};
use crate::manage::backup::LastBackup;
use crate::panel::View;
use crate::queue::desk;
use crate::space::{self, House, words};
use crate::stick::{self, Standing};
use crate::store;
use crate::store::events::Traffic;
use crate::store::types::{Sample, Subject};
use crate::web::Web;
use crate::web::layout::{Frame, Tab};
use crate::web::parts::{Tone, badge, card, meter, notice};
use crate::web::problem::Problem;
use crate::web::setup::checklist::{Checklist, checklist};
use crate::web::state::{Sources, Trouble};
use crate::web::visitor::Owner;

/// Accounts whose meters are shown; more are folded away.
const METERS_MAX: usize = 6;

/// Where the page's changes are told.
pub(super) const EVENTS: &str = "/box/events";

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/box", get(show))
}

/// What the page is made of.
struct Glance {
    now: Now,
    house: House,
    growth: Vec<Sample>,
    today: Traffic,
    queue: desk::Figures,
    backup: Option<LastBackup>,
    stick: Option<Standing>,
    view: View,
    clock_trouble: bool,
    certificate_trouble: bool,
    settings_trouble: Option<Trouble>,
    checklist: Checklist,
}

impl Glance {
    fn take(sources: &Sources, now: Now) -> store::Result<Self> {
        let snapshot = sources.store.snapshot()?;
        let midnight = midnight(now, &sources.settings.time_zone);
        let trouble = sources
            .changer
            .trouble()?
            .map(|error| Trouble::Ignored(error.to_string()));
        Ok(Self {
            now,
            house: space::house(&sources.store, now)?,
            growth: snapshot.growth(Subject::Card)?,
            today: sources.store.traffic(midnight, Wall(i64::MAX))?,
            queue: sources.desk.figures(now),
            backup: LastBackup::load(&snapshot)?,
            stick: Standing::load(&snapshot, &sources.settings.backup)?,
            view: sources.panel.view(),
            clock_trouble: sources.clock.is_in_trouble(sources.settings.reaches_out()),
            certificate_trouble: sources.tls.is_in_trouble(now),
            settings_trouble: trouble.or_else(|| sources.kept.settings_trouble()),
            checklist: Checklist::of(sources, now)?,
        })
    }
}

/// When the day began here. A clock that is not set shows everything.
pub(super) fn midnight(now: Now, zone: &TimeZone) -> Wall {
    let stamp = now
        .wall
        .and_then(|wall| Timestamp::from_second(wall.0).ok());
    let begun = stamp.and_then(|stamp| stamp.to_zoned(zone.clone()).start_of_day().ok());
    begun.map_or(Wall(0), |begun| Wall(begun.timestamp().as_second()))
}

async fn show(State(web): State<Web>, owner: Owner) -> Result<Response, Problem> {
    let glance = web
        .run(|sources, now| Ok(Glance::take(sources, now)?))
        .await?;
    web.years.look(&web, &glance.house);
    let frame = Frame::of_owner(&owner, Tab::Overview).live(EVENTS);
    let zone = &web.sources.settings.time_zone;
    let warnings = warnings::all(frame.lang, &glance);
    let is_calm = warnings.is_empty();
    let body = html! {
        section.card #state data-live="" {
            (led::render(&frame, glance.view, is_calm))
            @for warning in &warnings { (warning.render()) }
        }
        (checklist(&frame, &glance.checklist))
        div.grid.trio #figures data-live="" {
            (today(&frame, &glance))
            (queue(&frame, &glance))
            (backup(&frame, &glance, zone))
        }
        div #room data-live="" {
            (room(&frame, &glance))
            (by_year(&frame, &web.years))
        }
    };
    Ok(frame.page(frame.t("Übersicht", "Overview"), &body))
}

fn today(frame: &Frame, glance: &Glance) -> Markup {
    let lang = frame.lang;
    let Traffic {
        received,
        submitted,
        refused,
        deferred,
        ..
    } = glance.today;
    let body = html! {
        dl.numbers {
            div { dt { (frame.t("angekommen", "came in")) } dd.big { (lang.number(received)) } }
            div { dt { (frame.t("abgeschickt", "sent")) } dd.big { (lang.number(submitted)) } }
        }
        p.hint {
            @if refused + deferred == 0 {
                (frame.t("Nichts wurde abgewiesen.", "Nothing was refused."))
            } @else {
                (lang.number(refused)) " " (frame.t("abgewiesen", "refused"))
                @if deferred > 0 { ", " (lang.number(deferred)) " " (frame.t("vertagt", "put off")) }
                "."
            }
            " " a href="/box/log" { (frame.t("Zum Protokoll", "To the log")) }
        }
    };
    card(frame.t("Post heute", "Mail today"), &body)
}

fn queue(frame: &Frame, glance: &Glance) -> Markup {
    let desk::Figures {
        waiting,
        held,
        oldest,
        ..
    } = &glance.queue;
    let lang = frame.lang;
    let body = html! {
        @if *waiting + *held == 0 {
            p { (frame.t("Alles ist unterwegs. Nichts wartet.", "Everything is on its way. Nothing waits.")) }
        } @else {
            p.row {
                @if *waiting > 0 { (badge(Tone::Info, &format!("{waiting} {}", lang.t("warten", "waiting")))) }
                @if *held > 0 { (badge(Tone::Warn, &format!("{held} {}", lang.t("angehalten", "held")))) }
            }
            @if let Some((age, _)) = oldest {
                p { (lang.t("Die älteste Mail wartet seit ", "The oldest mail has waited for ")) (lang.span(*age)) "." }
            }
        }
        p.hint { a href="/box/sending" { (frame.t("Zum Versand", "To sending")) } }
    };
    card(frame.t("Warteschlange", "Queue"), &body)
}

fn backup(frame: &Frame, glance: &Glance, zone: &TimeZone) -> Markup {
    let lang = frame.lang;
    let body = html! {
        @if let Some(stick) = &glance.stick { p { (stick::words::age(stick, glance.now, lang.0)) } }
        @match &glance.backup {
            None => p { (frame.t("Es gibt noch keine Sicherung.", "There is no backup yet.")) },
            Some(last) => {
                p {
                    (frame.t("Letzte Sicherung: ", "Last backup: "))
                    @match last.at {
                        Some(at) => strong { (lang.moment(Wall(at), zone)) },
                        None => (frame.t("Zeit unbekannt", "time unknown")),
                    }
                    ", " (lang.amount(last.bytes)) "."
                }
                p {
                    @match &last.tried {
                        None => (badge(Tone::Info, lang.t("noch nicht probeweise zurückgespielt", "not tried out yet"))),
                        Some(tried) if tried.problem.is_none() => (badge(Tone::Good, lang.t("Probe bestanden", "tried out, sound"))),
                        Some(_) => (badge(Tone::Bad, lang.t("Probe nicht bestanden", "tried out, not sound"))),
                    }
                }
            }
        }
        p.hint { a href="/box/transfer" { (frame.t("Zu den Sicherungen", "To the backups")) } }
    };
    card(frame.t("Sicherung", "Backup"), &body)
}

fn room(frame: &Frame, glance: &Glance) -> Markup {
    let lang = frame.lang;
    let house = &glance.house;
    let mut accounts: Vec<_> = house.accounts.iter().collect();
    accounts.sort_by_key(|(_, state)| std::cmp::Reverse((state.fill.percent(), state.fill.used)));
    let (first, rest) = accounts.split_at(accounts.len().min(METERS_MAX));
    let meters = |some: &[&(store::types::Account, space::State)]| {
        html! { @for (account, state) in some { (meter(frame, &account.address.to_string(), state)) } }
    };
    let body = html! {
        (meter(frame, frame.t("Speicherkarte", "Card"), &house.card))
        @if let Some(outlook) = words::outlook(&house.card, lang.0) { p.hint { (outlook) } }
        (curve::render(frame, &glance.growth, &house.card, glance.now))
        @if !accounts.is_empty() {
            h3 { (frame.t("Postfächer", "Accounts")) }
            (meters(first))
        }
        @if !rest.is_empty() {
            details {
                summary { (lang.number(rest.len() as u64)) " " (frame.t("weitere Postfächer", "more accounts")) }
                (meters(rest))
            }
        }
    };
    card(frame.t("Speicher", "Storage"), &body)
}

fn by_year(frame: &Frame, years: &Years) -> Markup {
    let known = years.known();
    let lang = frame.lang;
    let Some(most) = known.values().max().copied().filter(|most| *most > 0) else {
        return html! {};
    };
    let body = html! {
        @for (year, bytes) in known.iter().rev() {
            div.meter {
                div.label { span { (year) } span.figures { (lang.amount(*bytes)) } }
                svg.bar viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" {
                    rect.ground width="100" height="4" {}
                    rect.fill width=((bytes.saturating_mul(100) / most).max(1)) height="4" {}
                }
            }
        }
        p.hint { a href="/box/storage" { (frame.t("Was darf ich löschen?", "What may I delete?")) } }
    };
    card(frame.t("Post nach Jahren", "Mail by year"), &body)
}

/// The green sentence.
fn calm(frame: &Frame) -> Markup {
    notice(
        Tone::Good,
        frame.t(
            "Alles in Ordnung. Es ist nichts zu tun.",
            "All is well. There is nothing to do.",
        ),
        None,
    )
}
