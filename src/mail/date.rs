//! Dates in mail: the `Date` field (RFC 5322 3.3), IMAP's `date-time` and `date` (RFC 3501 9), asctime of mbox.
//!
//! A [`DateTime`] is an instant with the zone offset it was written in. Parsing is strict for what IMAP clients send
//! and lenient for what lies in old mail: mail is searched and imported by dates that its senders got wrong.

use jiff::civil;
use jiff::tz::Offset;

use crate::clock::Wall;

/// An instant, and the zone offset in which it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime {
    /// The instant.
    pub wall: Wall,
    /// Minutes east of UTC, -5999 to 5999 (`-9959` to `+9959`).
    pub offset_minutes: i16,
}

/// A day of the calendar, without zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(civil::Date);

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Bytes of a `Date` field that are looked at.
const FIELD_BYTES_MAX: usize = 256;

impl DateTime {
    /// That instant, written in UTC.
    pub fn utc(wall: Wall) -> Self {
        Self {
            wall,
            offset_minutes: 0,
        }
    }

    /// The day that is written, whatever the zone (what SENTBEFORE and its like compare, RFC 3501 6.4.4).
    pub fn date(self) -> Date {
        Date(self.civil().date())
    }

    /// For a `Date` or trace field: `Sun, 22 Nov 2026 03:53:35 +0100` (RFC 5322 3.3).
    pub fn to_rfc5322(self) -> String {
        let civil = self.civil();
        format!(
            "{}, {} {} {:04} {} {}",
            day_name(civil.date()),
            civil.day(),
            month_name(civil.month()),
            civil.year(),
            time_text(civil.time()),
            self.zone_text(),
        )
    }

    /// The day in digits alone: `20261122`.
    pub fn to_digits(self) -> String {
        let date = self.civil().date();
        format!("{:04}{:02}{:02}", date.year(), date.month(), date.day())
    }

    /// IMAP `date-time` without its quotes: `22-Nov-2026 03:53:35 +0100`, the day padded with a space.
    pub fn to_imap(self) -> String {
        let civil = self.civil();
        format!(
            "{:>2}-{}-{:04} {} {}",
            civil.day(),
            month_name(civil.month()),
            civil.year(),
            time_text(civil.time()),
            self.zone_text(),
        )
    }

    /// In UTC as asctime writes it, for mbox `From ` lines (RFC 4155): `Sun Nov 22 03:53:35 2026`.
    pub fn to_asctime(self) -> String {
        let civil = Self::utc(self.wall).civil();
        format!(
            "{} {} {:>2} {} {:04}",
            day_name(civil.date()),
            month_name(civil.month()),
            civil.day(),
            time_text(civil.time()),
            civil.year(),
        )
    }

    /// Strict parser for IMAP `date-time` without its quotes.
    pub fn parse_imap(text: &str) -> Option<Self> {
        let (day, rest) = text.split_at_checked(2)?;
        // RFC 3501 9 `date-day-fixed`: a space stands for the first digit.
        let day = number(day.strip_prefix(' ').unwrap_or(day), 1..=2)?;
        let (month_and_year, rest) = rest.strip_prefix('-')?.split_at_checked(8)?;
        let (month, year) = month_and_year.split_once('-')?;
        let (time, zone) = rest.strip_prefix(' ')?.split_once(' ')?;
        let [hour, minute, second] = fixed_time(time)?;
        let offset = numeric_zone(zone)?;
        let date = civil_date(number(year, 4..=4)?, month_number(month)?, day)?;
        Self::from_civil(date, [hour, minute, second], offset)
    }

    /// Lenient parser for `Date` fields and mbox `From ` lines: RFC 5322 with its obsolete forms, asctime, comments,
    /// missing day name, seconds or zone, two-digit years, full names of months. `None` if no date can be made out.
    pub fn parse_lenient(field: &[u8]) -> Option<Self> {
        let field = field.get(..FIELD_BYTES_MAX).unwrap_or(field);
        let text = String::from_utf8_lossy(field);
        let mut found = Found::default();
        for word in without_comments(&text).split(|c: char| c.is_whitespace() || c == ',') {
            found.take(word);
        }
        let year = found.year?;
        let date = civil_date(year, found.month?, found.day?)?;
        Self::from_civil(
            date,
            found.time.unwrap_or([0; 3]),
            found.offset.unwrap_or(0),
        )
    }

    fn from_civil(
        date: civil::Date,
        [hour, minute, second]: [i16; 3],
        offset: i16,
    ) -> Option<Self> {
        // RFC 5322 3.3 allows a leap second; our seconds have none.
        let second = second.min(59);
        let part = |value: i16| i8::try_from(value).ok();
        let time = civil::Time::new(part(hour)?, part(minute)?, part(second)?, 0).ok()?;
        let local = Offset::UTC.to_timestamp(date.to_datetime(time)).ok()?;
        Some(Self {
            wall: Wall(local.as_second() - i64::from(offset) * 60),
            offset_minutes: offset,
        })
    }

    /// What clocks in its zone show; the first or last moment that can be written if it lies beyond.
    fn civil(self) -> civil::DateTime {
        let local = self
            .wall
            .0
            .saturating_add(i64::from(self.offset_minutes) * 60);
        match jiff::Timestamp::from_second(local) {
            Ok(at) if local >= YEAR_ZERO => Offset::UTC.to_datetime(at),
            Ok(_) => civil::DateTime::constant(0, 1, 1, 0, 0, 0, 0),
            Err(_) if local < 0 => civil::DateTime::constant(0, 1, 1, 0, 0, 0, 0),
            Err(_) => civil::DateTime::constant(9999, 12, 31, 23, 59, 59, 0),
        }
    }

    fn zone_text(self) -> String {
        let sign = if self.offset_minutes < 0 { '-' } else { '+' };
        let minutes = self.offset_minutes.unsigned_abs();
        format!("{sign}{:02}{:02}", minutes / 60, minutes % 60)
    }
}

/// 0000-01-01T00:00:00Z: years before it have no four digits.
const YEAR_ZERO: i64 = -62_167_219_200;

impl Date {
    /// IMAP `date` without its quotes: `22-Nov-2026` or `1-Nov-2026` (RFC 3501 9).
    pub fn parse_imap(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let day = number(parts.next()?, 1..=2)?;
        let month = month_number(parts.next()?)?;
        let year = number(parts.next()?, 4..=4)?;
        let date = civil_date(year, month, day)?;
        parts.next().is_none().then_some(Self(date))
    }

    /// As people write it: `2026-11-22` or `22.11.2026`.
    pub fn parse_usual(text: &str) -> Option<Self> {
        let (separator, is_year_first) = if text.contains('.') {
            ('.', false)
        } else {
            ('-', true)
        };
        let parts: Vec<&str> = text.split(separator).collect();
        let (([year, month, day], true) | ([day, month, year], false)) =
            (parts.as_slice(), is_year_first)
        else {
            return None;
        };
        let (month, day) = (number(month, 1..=2)?, number(day, 1..=2)?);
        civil_date(number(year, 4..=4)?, month, day).map(Self)
    }

    /// The day on which `wall` falls in UTC.
    pub fn utc(wall: Wall) -> Self {
        DateTime::utc(wall).date()
    }
}

/// What a lenient parse has made out so far.
#[derive(Default)]
struct Found {
    day: Option<i16>,
    month: Option<i16>,
    year: Option<i16>,
    time: Option<[i16; 3]>,
    offset: Option<i16>,
}

impl Found {
    /// Takes one word for what it looks like; words that look like nothing are passed over.
    fn take(&mut self, word: &str) {
        if word.is_empty() {
            return;
        }
        if word.contains(':') {
            self.take_time(word);
        } else if let Some(offset) = self.time.and_then(|_| zone(word)) {
            self.offset = self.offset.or(Some(offset));
        } else if word.contains('-') || word.contains('/') {
            word.split(['-', '/'])
                .for_each(|part| self.take_day_word(part));
        } else {
            self.take_day_word(word);
        }
    }

    fn take_day_word(&mut self, word: &str) {
        if let Some(value) = number(word, 1..=4) {
            if self.day.is_none() && word.len() <= 2 {
                self.day = Some(value);
            } else if self.year.is_none() {
                self.year = Some(full_year(value, word.len()));
            }
        } else if self.month.is_none() {
            self.month = word.get(..3).and_then(month_number);
        }
    }

    fn take_time(&mut self, word: &str) {
        // `12:30:00+0200` and `12:30:00.123` occur.
        let end = word.find(['+', '-', '.']).unwrap_or(word.len());
        let (time, rest) = word.split_at(end);
        if self.time.is_none() {
            self.time = loose_time(time);
            self.offset = numeric_zone(rest);
        }
    }
}

/// RFC 5322 4.3 for years of two and three digits.
fn full_year(value: i16, digits: usize) -> i16 {
    match digits {
        0..=2 if value < 50 => value + 2000,
        0..=3 => value + 1900,
        _ => value,
    }
}

/// The text without what stands in parentheses, which nest (RFC 5322 3.2.2).
fn without_comments(text: &str) -> String {
    let mut depth = 0_usize;
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

/// A zone as RFC 5322 4.3 knows it: numeric, or one of few names; military letters mean nothing certain.
fn zone(word: &str) -> Option<i16> {
    let hours = match word.to_ascii_uppercase().as_str() {
        "UT" | "UTC" | "GMT" | "Z" => 0,
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        "CET" | "MEZ" => 1,
        "CEST" | "MESZ" => 2,
        _ => return numeric_zone(word),
    };
    Some(hours * 60)
}

/// `+hhmm` in minutes.
fn numeric_zone(word: &str) -> Option<i16> {
    let (sign, digits) = match word.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let value = number(digits, 4..=4)?;
    (value % 100 < 60).then_some(sign * (value / 100 * 60 + value % 100))
}

/// `hh:mm:ss` with two digits each.
fn fixed_time(text: &str) -> Option<[i16; 3]> {
    let mut parts = text.split(':').map(|part| number(part, 2..=2));
    let time = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(time)
}

/// `h:m` or `h:m:s`.
fn loose_time(text: &str) -> Option<[i16; 3]> {
    let mut parts = text.split(':').map(|part| number(part, 1..=2));
    Some([
        parts.next()??,
        parts.next()??,
        parts.next().flatten().unwrap_or(0),
    ])
}

/// Only digits, of that many.
fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<i16> {
    let fits = digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

fn month_number(text: &str) -> Option<i16> {
    let at = MONTHS
        .iter()
        .position(|name| name.eq_ignore_ascii_case(text))?;
    i16::try_from(at + 1).ok()
}

fn month_name(month: i8) -> &'static str {
    let at = usize::try_from(month).unwrap_or(1);
    MONTHS.get(at.saturating_sub(1)).copied().unwrap_or("Jan")
}

fn day_name(date: civil::Date) -> &'static str {
    let at = date.weekday().to_monday_zero_offset();
    usize::try_from(at)
        .ok()
        .and_then(|at| DAYS.get(at))
        .copied()
        .unwrap_or("Mon")
}

fn time_text(time: civil::Time) -> String {
    format!(
        "{:02}:{:02}:{:02}",
        time.hour(),
        time.minute(),
        time.second()
    )
}

fn civil_date(year: i16, month: i16, day: i16) -> Option<civil::Date> {
    civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT: DateTime = DateTime {
        wall: Wall(1_795_319_615),
        offset_minutes: 60,
    };

    #[test]
    fn days_as_people_write_them() {
        let day = Date::parse_imap("2-Nov-2026");
        for text in ["2026-11-02", "2.11.2026", "02.11.2026", "2026-11-2"] {
            assert_eq!(Date::parse_usual(text), day, "{text}");
        }
        for text in [
            "",
            "2026",
            "2026-13-01",
            "31.2.2026",
            "1.1.26",
            "a-b-c",
            "2026-11-02-03",
        ] {
            assert_eq!(Date::parse_usual(text), None, "{text}");
        }
    }

    #[test]
    fn formats() {
        assert_eq!(AT.to_rfc5322(), "Sun, 22 Nov 2026 04:53:35 +0100");
        assert_eq!(AT.to_imap(), "22-Nov-2026 04:53:35 +0100");
        assert_eq!(AT.to_asctime(), "Sun Nov 22 03:53:35 2026");
        let early = DateTime {
            wall: Wall(0),
            offset_minutes: -210,
        };
        assert_eq!(early.to_imap(), "31-Dec-1969 20:30:00 -0330");
        assert_eq!(
            DateTime::utc(Wall(86_400)).to_imap(),
            " 2-Jan-1970 00:00:00 +0000"
        );
        assert_eq!(
            DateTime::utc(Wall(i64::MAX)).to_imap(),
            "31-Dec-9999 23:59:59 +0000"
        );
        assert_eq!(
            DateTime::utc(Wall(i64::MIN)).to_imap(),
            " 1-Jan-0000 00:00:00 +0000"
        );
    }

    #[test]
    fn lenient_finds_the_same_instant_in_many_spellings() {
        for field in [
            "Sun, 22 Nov 2026 04:53:35 +0100",
            " Sun, 22 Nov 2026 04:53:35 +0100 (CET (really))\r\n",
            "22 Nov 2026 04:53:35 +0100",
            "Sun,22 Nov 26 4:53:35 +0100",
            "Sunday, 22 November 2026 04:53:35 MEZ",
            "Sun, 22-Nov-2026 04:53:35+0100",
            "Sun, 22 Nov 126 03:53:35 GMT",
            "Sun Nov 22 03:53:35 2026",
            "Sun, (comment) 22 Nov 2026 03:53:35.123 Z",
            "Nov 22, 2026 03:53:35",
            "Sat, 21 Nov 2026 19:53:35 PST",
        ] {
            let parsed = DateTime::parse_lenient(field.as_bytes());
            assert_eq!(parsed.map(|at| at.wall), Some(AT.wall), "{field}");
        }
    }

    #[test]
    fn lenient_gives_up_without_a_day() {
        for field in [
            "",
            "soon",
            "22 Nov",
            "Sun, 31 Feb 2026 00:00:00 +0000",
            "22 Nov 2026 25:00:00",
            "\u{fffd}",
        ] {
            assert_eq!(DateTime::parse_lenient(field.as_bytes()), None, "{field}");
        }
    }

    #[test]
    fn imap_date_time_is_strict() {
        assert_eq!(DateTime::parse_imap("22-Nov-2026 04:53:35 +0100"), Some(AT));
        assert!(DateTime::parse_imap(" 2-nov-2026 04:53:35 +0100").is_some());
        for text in [
            "",
            "2-Nov-2026 04:53:35 +0100",
            "22-Nov-2026 04:53:35",
            "22-Nov-26 04:53:35 +0100",
            "22-Nov-2026 4:53:35 +0100",
            "22-Nov-2026 04:53:35 CET",
            "32-Nov-2026 04:53:35 +0100",
            "22-Nov-2026 04:53:35 +0160",
            "22-Nov-2026  04:53:35 +0100",
            "\u{fc}-Nov-2026 04:53:35 +0100",
        ] {
            assert_eq!(DateTime::parse_imap(text), None, "{text}");
        }
    }

    #[test]
    fn days_compare_as_written() {
        let day = |text: &str| Date::parse_imap(text).unwrap();
        let late = DateTime::parse_lenient(b"Sun, 22 Nov 2026 23:30:00 -0800").unwrap();
        assert_eq!(late.date(), day("22-Nov-2026"));
        assert_eq!(Date::utc(late.wall), day("23-Nov-2026"));
        assert!(day("1-Feb-2026") > day("31-Jan-2026"));
        for text in [
            "",
            "22-Nov",
            "22-Nov-2026-1",
            "222-Nov-2026",
            "22-Nov-26",
            "30-Feb-2026",
            "+1-Feb-2026",
        ] {
            assert_eq!(Date::parse_imap(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn written_dates_parse_back(wall in -62_000_000_000_i64..253_000_000_000, offset in -1439_i16..1440) {
            let at = DateTime { wall: Wall(wall), offset_minutes: offset };
            prop_assert_eq!(DateTime::parse_imap(&at.to_imap()), Some(at));
            prop_assert_eq!(DateTime::parse_lenient(at.to_rfc5322().as_bytes()), Some(at));
            let asctime = DateTime::parse_lenient(at.to_asctime().as_bytes());
            prop_assert_eq!(asctime, Some(DateTime::utc(at.wall)));
        }

        #[test]
        fn any_bytes_are_looked_at(field in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(at) = DateTime::parse_lenient(&field) {
                at.to_rfc5322();
            }
        }
    }
}
