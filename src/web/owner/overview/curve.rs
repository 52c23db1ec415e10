//! How full the card was, is and will be: a curve with the forecast dashed, and the same in words.

use std::fmt::Write as _;

use maud::{Markup, html};

use crate::clock::Now;
use crate::space::{State, words};
use crate::store::types::Sample;
use crate::web::layout::Frame;
use crate::web::words::Lang;

/// Days that are looked back at, and ahead.
const BACK_DAYS: u32 = 60;
const AHEAD_DAYS_MIN: u32 = 14;
const AHEAD_DAYS_MAX: u32 = 60;

/// The picture's size in its own units.
const WIDTH: u64 = 600;
const HEIGHT: u64 = 150;

/// What is drawn, in days and bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plot {
    samples: Vec<Sample>,
    today: u32,
    used: u64,
    limit: Option<u64>,
    /// Where the line goes from today on: a day and the bytes then.
    ahead: Option<(u32, u64)>,
    last_day: u32,
    top: u64,
}

impl Plot {
    /// Nothing before there are two days to compare.
    fn new(samples: &[Sample], card: &State, now: Now) -> Option<Self> {
        let today = now.wall.and_then(|wall| u32::try_from(wall.day()).ok())?;
        let first = today.saturating_sub(BACK_DAYS);
        let seen = |sample: &&Sample| sample.day >= first && sample.day < today;
        let samples: Vec<Sample> = samples.iter().filter(seen).copied().collect();
        if samples.len() < 2 {
            return None;
        }
        let (used, limit) = (card.fill.used, card.fill.limit);
        let days = card.days_left.filter(|days| *days > 0);
        let shown = days.map_or(0, |days| days.clamp(AHEAD_DAYS_MIN, AHEAD_DAYS_MAX));
        let ahead = days.zip(limit).map(|(days, limit)| {
            let more = u128::from(limit.saturating_sub(used)) * u128::from(shown.min(days));
            let more = more / u128::from(days);
            let reached = used.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
            (today + shown.min(days), reached)
        });
        let most = samples.iter().map(|sample| sample.bytes).max().unwrap_or(0);
        let most = most.max(used).max(ahead.map_or(0, |(_, bytes)| bytes));
        Some(Self {
            samples,
            today,
            used,
            limit,
            ahead,
            last_day: today + shown,
            top: (most + most / 4).max(1),
        })
    }

    fn x(&self, day: u32) -> u64 {
        let first = self.samples.first().map_or(self.today, |first| first.day);
        let span = u64::from(self.last_day - first).max(1);
        u64::from(day - first) * WIDTH / span
    }

    fn y(&self, bytes: u64) -> u64 {
        let part = u128::from(bytes) * u128::from(HEIGHT) / u128::from(self.top);
        HEIGHT.saturating_sub(u64::try_from(part).unwrap_or(HEIGHT))
    }

    /// The points of the past, today's last.
    fn past(&self) -> String {
        let mut points = String::new();
        for sample in &self.samples {
            // Writing to a text cannot fail.
            write!(points, "{},{} ", self.x(sample.day), self.y(sample.bytes)).ok();
        }
        write!(points, "{},{}", self.x(self.today), self.y(self.used)).ok();
        points
    }

    fn under(&self) -> String {
        format!("0,{HEIGHT} {} {},{HEIGHT}", self.past(), self.x(self.today))
    }

    fn dashed(&self) -> Option<String> {
        let (day, bytes) = self.ahead?;
        let from = (self.x(self.today), self.y(self.used));
        Some(format!(
            "{},{} {},{}",
            from.0,
            from.1,
            self.x(day),
            self.y(bytes)
        ))
    }
}

/// The picture; nothing while too little is known.
pub(super) fn render(frame: &Frame, samples: &[Sample], card: &State, now: Now) -> Markup {
    let Some(plot) = Plot::new(samples, card, now) else {
        return html! {};
    };
    let lang = frame.lang;
    let limit = plot.limit.filter(|limit| *limit <= plot.top);
    let words = in_words(frame, &plot, card);
    let first = plot
        .samples
        .first()
        .map_or(0, |first| plot.today - first.day);
    html! {
        figure.curve-box {
            @if let Some(limit) = limit { p.hint { (lang.t("Gestrichelt oben: voll bei ", "Dotted, above: full at ")) (lang.amount(limit)) } }
            svg.curve viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img" aria-label=(words) {
                polygon.under points=(plot.under()) {}
                polyline.line points=(plot.past()) {}
                @if let Some(dashed) = plot.dashed() { polyline.line.ahead points=(dashed) {} }
                @if let Some(limit) = limit {
                    line.limit x1="0" x2=(WIDTH) y1=(plot.y(limit)) y2=(plot.y(limit)) {}
                }
            }
            div.spread.hint aria-hidden="true" {
                span { (days_ago(lang, first)) }
                span { (lang.t("heute", "today")) }
                @if plot.last_day > plot.today { span { (days_ahead(lang, plot.last_day - plot.today)) } }
            }
        }
    }
}

fn days_ago(lang: Lang, days: u32) -> String {
    match lang.code() {
        "de" => format!("vor {days} Tagen"),
        _ => format!("{days} days ago"),
    }
}

fn days_ahead(lang: Lang, days: u32) -> String {
    match lang.code() {
        "de" => format!("in {days} Tagen"),
        _ => format!("in {days} days"),
    }
}

fn in_words(frame: &Frame, plot: &Plot, card: &State) -> String {
    let lang = frame.lang;
    let first = plot.samples.first();
    let then = first.map_or(0, |first| first.bytes);
    let days = first.map_or(0, |first| plot.today - first.day);
    let (then, now) = (lang.amount(then), lang.amount(plot.used));
    let told = match lang.t("de", "en") {
        "de" => format!("Belegt vor {days} Tagen: {then}, heute: {now}."),
        _ => format!("In use {days} days ago: {then}, today: {now}."),
    };
    let outlook = words::outlook(card, lang.0).unwrap_or_default();
    format!("{told} {outlook}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Mono, Wall};
    use crate::store::types::{Fill, Level, Subject};

    const TODAY: u32 = 20_000;

    fn plot(bytes: &[u64], used: u64, days_left: Option<u32>) -> Option<Plot> {
        let first = TODAY - u32::try_from(bytes.len()).unwrap();
        let samples: Vec<Sample> = (first..)
            .zip(bytes)
            .map(|(day, &bytes)| Sample { day, bytes })
            .collect();
        let fill = Fill {
            level: Level::Ok,
            used,
            limit: Some(1000),
        };
        let card = State {
            subject: Subject::Card,
            fill,
            days_left,
        };
        let now = Now {
            mono: Mono::default(),
            wall: Some(Wall(i64::from(TODAY) * 86_400)),
        };
        Plot::new(&samples, &card, now)
    }

    #[test]
    fn a_line_needs_two_days() {
        assert_eq!(plot(&[], 10, None), None);
        assert_eq!(plot(&[10], 10, None), None);
        let flat = plot(&[100, 100], 100, None).unwrap();
        assert_eq!(flat.past(), "0,30 300,30 600,30");
        assert_eq!(flat.dashed(), None);
        let empty = plot(&[0, 0], 0, None).unwrap();
        assert_eq!(empty.past(), "0,150 300,150 600,150");
    }

    #[test]
    fn the_forecast_ends_at_the_limit_or_at_the_edge() {
        let near = plot(&[600, 700, 800], 900, Some(1)).unwrap();
        assert_eq!(near.ahead, Some((TODAY + 1, 1000)));
        let far = plot(&[100, 101, 102], 103, Some(897)).unwrap();
        assert_eq!(far.ahead, Some((TODAY + AHEAD_DAYS_MAX, 163)));
        assert!(far.dashed().unwrap().ends_with("600,30"));
        assert!(far.limit.unwrap() > far.top);
    }
}
