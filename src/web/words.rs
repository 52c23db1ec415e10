//! Words of the pages: both languages side by side where they are used, dates and amounts as each language writes them.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::problem::Said;
use crate::clock::Wall;
use crate::space::words;
use crate::store::types::Language;

/// The visitor's language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lang(pub Language);

impl Lang {
    /// The words in this language.
    pub fn t<'a>(self, de: &'a str, en: &'a str) -> &'a str {
        match self.0 {
            Language::De => de,
            Language::En => en,
        }
    }

    /// A sentence in this language.
    pub fn said(self, said: &Said) -> String {
        self.t(&said.de, &said.en).to_owned()
    }

    /// Its code (BCP 47).
    pub fn code(self) -> &'static str {
        self.t("de", "en")
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        Self(match self.0 {
            Language::De => Language::En,
            Language::En => Language::De,
        })
    }

    /// The language called so.
    pub fn named(code: &str) -> Option<Self> {
        match code {
            "de" => Some(Self(Language::De)),
            "en" => Some(Self(Language::En)),
            _ => None,
        }
    }

    /// What a browser likes best of what there is (RFC 9110 12.5.4).
    pub fn preferred(accept_language: &str) -> Option<Self> {
        let mut best: Option<(u32, Self)> = None;
        for range in accept_language.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default();
            let Some(lang) = Self::named(&tag.split('-').next().unwrap_or_default().to_lowercase())
            else {
                continue;
            };
            let weight = parts.find_map(|part| part.strip_prefix("q="));
            let weight = weight.map_or(1000, thousandths);
            if weight > 0 && best.is_none_or(|(before, _)| weight > before) {
                best = Some((weight, lang));
            }
        }
        best.map(|(_, lang)| lang)
    }

    /// An amount of bytes.
    pub fn amount(self, bytes: u64) -> String {
        words::amount(bytes, self.0)
    }

    /// A number with its thousands apart.
    pub fn number(self, number: u64) -> String {
        let digits = number.to_string();
        let mut out = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                out.push_str(self.t(".", ","));
            }
            out.push(digit);
        }
        out
    }

    /// A day and time, such as "22.11.2026, 14:05" or "22 Nov 2026, 14:05".
    pub fn moment(self, wall: Wall, zone: &TimeZone) -> String {
        written(wall, zone, self.t("%d.%m.%Y, %H:%M", "%-d %b %Y, %H:%M"))
    }

    /// A day.
    pub fn day(self, wall: Wall, zone: &TimeZone) -> String {
        written(wall, zone, self.t("%d.%m.%Y", "%-d %b %Y"))
    }

    /// A time of day.
    pub fn time(self, wall: Wall, zone: &TimeZone) -> String {
        written(wall, zone, "%H:%M")
    }

    /// As lists show it: the time if it is today, else the day.
    pub fn brief(self, wall: Wall, now: Wall, zone: &TimeZone) -> String {
        if self.day(wall, zone) == self.day(now, zone) {
            self.time(wall, zone)
        } else {
            self.day(wall, zone)
        }
    }
}

impl Lang {
    /// A span of time as people say it, such as "2 Stunden" or "3 days": its largest unit alone.
    pub fn span(self, span: Duration) -> String {
        let seconds = span.as_secs();
        let (count, (de, des), (en, ens)) = match seconds {
            0..60 => (
                seconds.max(1),
                ("Sekunde", "Sekunden"),
                ("second", "seconds"),
            ),
            60..3600 => (seconds / 60, ("Minute", "Minuten"), ("minute", "minutes")),
            3600..172_800 => (seconds / 3600, ("Stunde", "Stunden"), ("hour", "hours")),
            172_800.. => (seconds / 86_400, ("Tag", "Tagen"), ("day", "days")),
        };
        let unit = if count == 1 {
            self.t(de, en)
        } else {
            self.t(des, ens)
        };
        format!("{count} {unit}")
    }
}

/// A quality value (RFC 9110 12.4.2) in thousandths.
fn thousandths(text: &str) -> u32 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction: String = fraction.chars().chain("000".chars()).take(3).collect();
    let whole: u32 = whole.parse().unwrap_or(0);
    whole * 1000 + fraction.parse::<u32>().unwrap_or(0)
}

fn written(wall: Wall, zone: &TimeZone, format: &str) -> String {
    let Ok(stamp) = Timestamp::from_second(wall.0) else {
        return String::new();
    };
    stamp.to_zoned(zone.clone()).strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferred_languages() {
        let table = [
            ("de-DE,de;q=0.9,en;q=0.8", Some("de")),
            ("en", Some("en")),
            ("fr, en;q=0.2, de;q=0.7", Some("de")),
            ("fr", None),
            ("de;q=0, en;q=0.1", Some("en")),
            ("", None),
            (";;;,,,q=9999999999999", None),
        ];
        for (given, expected) in table {
            assert_eq!(Lang::preferred(given).map(Lang::code), expected, "{given}");
        }
    }

    #[test]
    fn numbers() {
        let (de, en) = (Lang(Language::De), Lang(Language::En));
        let table = [
            (0, "0", "0"),
            (999, "999", "999"),
            (1000, "1.000", "1,000"),
            (1_234_567, "1.234.567", "1,234,567"),
        ];
        for (number, german, english) in table {
            assert_eq!(
                (de.number(number).as_str(), en.number(number).as_str()),
                (german, english)
            );
        }
    }

    #[test]
    fn spans() {
        let (de, en) = (Lang(Language::De), Lang(Language::En));
        for (seconds, german, english) in [
            (0, "1 Sekunde", "1 second"),
            (59, "59 Sekunden", "59 seconds"),
            (60, "1 Minute", "1 minute"),
            (7199, "1 Stunde", "1 hour"),
            (172_799, "47 Stunden", "47 hours"),
            (172_800, "2 Tagen", "2 days"),
        ] {
            let span = Duration::from_secs(seconds);
            assert_eq!(
                (de.span(span).as_str(), en.span(span).as_str()),
                (german, english)
            );
        }
    }

    #[test]
    fn moments() {
        let wall = Wall(1_795_356_300);
        let (de, en) = (Lang(Language::De), Lang(Language::En));
        assert_eq!(de.moment(wall, &TimeZone::UTC), "22.11.2026, 14:05");
        assert_eq!(en.moment(wall, &TimeZone::UTC), "22 Nov 2026, 14:05");
        assert_eq!(en.brief(wall, wall, &TimeZone::UTC), "14:05");
        assert_eq!(
            en.brief(wall, Wall(wall.0 + 86_400), &TimeZone::UTC),
            "22 Nov 2026"
        );
    }
}
