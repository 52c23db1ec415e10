//! The mail log: what happened, newest first, as sentences, with a search by address or host, kind and day.

mod words;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::clock::Wall;
use crate::store::events::{self, Event, Found, Kind};
use crate::web::Web;
use crate::web::layout::{Frame, Tab};
use crate::web::parts::{Field, Tone, badge};
use crate::web::problem::Problem;
use crate::web::visitor::Owner;

/// Events on a page.
const PAGE: usize = 50;

/// Most characters of a search.
const SEARCH_CHARS_MAX: usize = 100;

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/box/log", get(show))
}

/// What is looked for, as the page's address has it.
#[derive(Clone, Debug, Default, Deserialize)]
struct Asked {
    /// Part of an address, a host or a reason.
    #[serde(default)]
    q: String,
    /// Name of a group of kinds.
    #[serde(default)]
    kind: String,
    /// A day, YYYY-MM-DD.
    #[serde(default)]
    day: String,
    /// Only older events than this one.
    #[serde(default)]
    before: String,
}

/// Kinds that are looked for together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    In,
    Out,
    Refused,
    Logins,
    House,
}

const GROUPS: [Group; 5] = [
    Group::In,
    Group::Out,
    Group::Refused,
    Group::Logins,
    Group::House,
];

impl Group {
    fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Refused => "refused",
            Self::Logins => "logins",
            Self::House => "house",
        }
    }

    fn label(self, frame: &Frame) -> &'static str {
        let t = |de, en| frame.lang.t(de, en);
        match self {
            Self::In => t("Angekommene Post", "Mail that came in"),
            Self::Out => t("Abgeschickte Post", "Mail that was sent"),
            Self::Refused => t("Abgewiesen und vertagt", "Refused and put off"),
            Self::Logins => t("Anmeldungen und Geräte", "Logins and devices"),
            Self::House => t("Die Box selbst", "The box itself"),
        }
    }

    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Received => Self::In,
            Kind::Submitted
            | Kind::Sent
            | Kind::PutOff
            | Kind::TurnedAway
            | Kind::SmarthostLogin
            | Kind::SentNotKept
            | Kind::SendingTrouble => Self::Out,
            Kind::Refused | Kind::Deferred | Kind::NoRoom => Self::Refused,
            Kind::LoginFailed | Kind::DeviceAdded | Kind::DeviceRevoked => Self::Logins,
            Kind::Level
            | Kind::HouseWrote
            | Kind::RoomMade
            | Kind::RoomReleased
            | Kind::RoomUndone
            | Kind::Button
            | Kind::PanelTrouble
            | Kind::Backup
            | Kind::Started
            | Kind::Lost => Self::House,
        }
    }

    fn kinds(self) -> Vec<Kind> {
        let all = Kind::ALL.into_iter();
        all.filter(|kind| Self::of(*kind) == self).collect()
    }
}

impl Asked {
    fn group(&self) -> Option<Group> {
        GROUPS.into_iter().find(|group| group.name() == self.kind)
    }

    /// The day that is looked for; `Err` if it is none.
    fn day(&self) -> Result<Option<Date>, ()> {
        match self.day.trim() {
            "" => Ok(None),
            day => day.parse().map(Some).map_err(|_| ()),
        }
    }

    fn is_everything(&self) -> bool {
        self.q.trim().is_empty() && self.group().is_none() && self.day.trim().is_empty()
    }

    fn query(&self, day: Option<Date>, zone: &TimeZone) -> events::Query {
        events::Query {
            text: self.q.trim().chars().take(SEARCH_CHARS_MAX).collect(),
            kinds: self.group().map(Group::kinds).unwrap_or_default(),
            during: day.and_then(|day| span(day, zone)),
            before: self.before.parse().ok(),
            limit: PAGE,
        }
    }

    /// The address of the page that follows.
    fn older(&self, next: u64) -> String {
        let coded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        format!(
            "/box/log?q={}&kind={}&day={}&before={next}",
            coded(&self.q),
            coded(&self.kind),
            coded(&self.day)
        )
    }
}

fn span(day: Date, zone: &TimeZone) -> Option<(Wall, Wall)> {
    let begins = |day: Date| {
        let begins = day.to_zoned(zone.clone()).ok()?;
        Some(Wall(begins.timestamp().as_second()))
    };
    Some((begins(day)?, begins(day.tomorrow().ok()?)?))
}

async fn show(
    State(web): State<Web>,
    owner: Owner,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let zone = web.sources.settings.time_zone.clone();
    let day = asked.day();
    let query = asked.query(day.unwrap_or_default(), &zone);
    let found = web.run(move |sources, _| Ok(sources.store.events(&query)?));
    let (found, now) = (found.await?, web.now().wall);
    let mut frame = Frame::of_owner(&owner, Tab::Log);
    if asked.before.is_empty() {
        frame = frame.live(super::overview::EVENTS);
    }
    let body = html! {
        (search(&frame, &asked, day.is_err()))
        section.card #events data-live="" {
            h2 { (if asked.is_everything() { frame.t("Was geschehen ist", "What happened") } else { frame.t("Gefunden", "Found") }) }
            (list(&frame, &asked, &found, &zone, now))
        }
    };
    Ok(frame.page(frame.t("Protokoll", "Log"), &body))
}

fn search(frame: &Frame, asked: &Asked, is_no_day: bool) -> Markup {
    let text = Field {
        kind: "search",
        ..Field::text(
            "q",
            frame.t("Adresse, Server oder Grund", "Address, host or reason"),
            &asked.q,
        )
    };
    let day = Field {
        kind: "date",
        error: if is_no_day {
            frame.t("Das ist kein Tag.", "That is no day.")
        } else {
            ""
        },
        ..Field::text("day", frame.t("Tag", "Day"), &asked.day)
    };
    let kinds = html! {
        div.field {
            label for="field-kind" { (frame.t("Art", "Kind")) }
            select #field-kind name="kind" {
                option value="" { (frame.t("Alles", "Everything")) }
                @for group in GROUPS {
                    option value=(group.name()) selected[asked.group() == Some(group)] { (group.label(frame)) }
                }
            }
        }
    };
    html! {
        form.card.search method="get" action="/box/log" role="search" {
            (text.render())
            (kinds)
            (day.render())
            div.row {
                button { (frame.t("Suchen", "Search")) }
                @if !asked.is_everything() { a.button.quiet href="/box/log" { (frame.t("Alles zeigen", "Show everything")) } }
            }
        }
    }
}

fn list(frame: &Frame, asked: &Asked, found: &Found, zone: &TimeZone, now: Option<Wall>) -> Markup {
    html! {
        @if found.events.is_empty() {
            p.empty {
                (if asked.is_everything() {
                    frame.t("Noch ist nichts geschehen. Hier steht, wer wem schreibt und was die Box tut.", "Nothing has happened yet. Here you will see who writes whom and what the box does.")
                } else if found.next.is_some() {
                    frame.t("Bis hierher nichts gefunden.", "Nothing found so far.")
                } else {
                    frame.t("Nichts gefunden.", "Nothing found.")
                })
            }
        } @else {
            ul.plain.events { @for event in &found.events { li { (entry(frame, event, zone, now)) } } }
        }
        @if let Some(next) = found.next {
            p { a.button.second href=(asked.older(next)) { (frame.t("Ältere", "Older")) } }
        }
    }
}

fn entry(frame: &Frame, event: &Event, zone: &TimeZone, now: Option<Wall>) -> Markup {
    let lang = frame.lang;
    let told = words::tell(event, lang);
    let at = event.at;
    html! {
        div.event {
            @match at {
                Some(at) => time { (now.map_or_else(|| lang.moment(at, zone), |now| lang.brief(at, now, zone))) },
                None => time { (lang.t("ohne Uhr", "no clock")) },
            }
            details {
                summary {
                    span {
                        @if let Some((tone, word)) = told.mark { (badge(tone, word)) " " }
                        (told.sentence)
                        @if event.times > 1 { " " (badge(Tone::Info, &format!("{} ×", lang.number(event.times.into())))) }
                    }
                }
                dl.facts {
                    @if let Some(at) = at { dt { (lang.t("Zeit", "Time")) } dd { (lang.moment(at, zone)) } }
                    @for (name, value) in words::details(event, lang) { dt { (name) } dd { (value) } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_in_one_group() {
        let mut all: Vec<Kind> = GROUPS.into_iter().flat_map(Group::kinds).collect();
        all.sort_unstable();
        assert_eq!(all, Kind::ALL);
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let span = |day: &str| span(day.parse().unwrap(), &zone).unwrap();
        let (from, to) = span("2026-10-25");
        assert_eq!(to.0 - from.0, 25 * 3600, "the night with one hour more");
        assert_eq!(span("2026-01-01").0, Wall(1_767_222_000));
        for wrong in ["2026-13-01", "gestern", "<script>"] {
            let asked = Asked {
                day: wrong.to_owned(),
                ..Asked::default()
            };
            assert_eq!(asked.day(), Err(()), "{wrong}");
        }
    }
}
