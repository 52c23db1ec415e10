//! What a setting may hold: reading what was typed, and saying what would be right.

use jiff::tz::TimeZone;
use toml::Value;

use super::entries::Both;
use crate::config::parse_bytes;
use crate::config::ranges::parse_span;
use crate::mail::address::Domain;
use crate::web::words::Lang;

/// Most domains of a box.
const DOMAINS_MAX: usize = 100;

/// Longest text of any setting, in bytes.
const TEXT_BYTES_MAX: usize = 8192;

/// Kinds of settings.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// On or off.
    Switch,
    /// A whole number within a range.
    Count((u64, u64)),
    /// Bytes within a range, such as `5G`.
    Size((u64, u64)),
    /// A time such as `4h`.
    Span,
    /// One of these, with their words.
    Choice(&'static [(&'static str, Both)]),
    /// A host name.
    Domain,
    /// Several, separated by spaces or commas.
    Domains,
    /// A name of the time zone database.
    TimeZone,
}

/// The text cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl Kind {
    /// What was typed; nothing typed is `None`, which is the default.
    pub(super) fn read(self, text: &str) -> Result<Option<Value>, Unreadable> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(Unreadable);
        }
        self.value(text).map(Some).ok_or(Unreadable)
    }

    fn value(self, text: &str) -> Option<Value> {
        match self {
            Self::Switch => text.parse().ok().map(Value::Boolean),
            Self::Count((min, max)) => {
                let count = text
                    .parse::<u64>()
                    .ok()
                    .filter(|count| (min..=max).contains(count))?;
                i64::try_from(count).ok().map(Value::Integer)
            }
            Self::Size((min, max)) => {
                let bytes = parse_bytes(text).filter(|bytes| (min..=max).contains(bytes))?;
                i64::try_from(bytes).ok().map(Value::Integer)
            }
            Self::Span => parse_span(text).map(|_| Value::from(text)),
            Self::Choice(choices) => {
                let known = choices.iter().any(|(name, _)| *name == text);
                known.then(|| Value::from(text))
            }
            Self::Domain => domain(text).map(Value::String),
            Self::Domains => domains(text),
            Self::TimeZone => TimeZone::get(text).ok().map(|_| Value::from(text)),
        }
    }

    /// What would be right.
    pub(super) fn right(self, lang: Lang) -> String {
        let t = |de, en| lang.t(de, en);
        match self {
            Self::Switch | Self::Choice(_) => {
                t("Wählen Sie eins davon.", "Choose one of these.").to_owned()
            }
            Self::Count((min, max)) => {
                let (min, max) = (lang.number(min), lang.number(max));
                format!(
                    "{} {min} {} {max}.",
                    t("Eine Zahl von", "A number from"),
                    t("bis", "to")
                )
            }
            Self::Size((min, max)) => {
                let (min, max) = (lang.amount(min), lang.amount(max));
                format!(
                    "{} {min} {} {max}.",
                    t(
                        "Eine Größe wie 50M oder 5G, von",
                        "A size such as 50M or 5G, from"
                    ),
                    t("bis", "to")
                )
            }
            Self::Span => t(
                "Eine Zeit wie 30s, 15m, 4h oder 5d, höchstens 30 Tage.",
                "A time such as 30s, 15m, 4h or 5d, 30 days at most.",
            )
            .to_owned(),
            Self::Domain => t(
                "Ein Name wie mail.example.org.",
                "A name such as mail.example.org.",
            )
            .to_owned(),
            Self::Domains => t(
                "Namen wie example.org, durch Leerzeichen getrennt.",
                "Names such as example.org, separated by spaces.",
            )
            .to_owned(),
            Self::TimeZone => t(
                "Ein Name wie Europe/Berlin.",
                "A name such as Europe/Berlin.",
            )
            .to_owned(),
        }
    }
}

fn domain(text: &str) -> Option<String> {
    let domain = Domain::parse(text)
        .ok()
        .filter(|domain| !domain.is_literal())?;
    Some(domain.to_string())
}

fn domains(text: &str) -> Option<Value> {
    let words = text.split(|c: char| c == ',' || c.is_whitespace());
    let words = words.filter(|word| !word.is_empty());
    let mut names: Vec<String> = Vec::new();
    for word in words {
        let name = domain(word)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let is_right = (1..=DOMAINS_MAX).contains(&names.len());
    is_right.then(|| Value::Array(names.into_iter().map(Value::String).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, text: &str, expected: Option<&str>) {
        let told = kind
            .read(text)
            .map(|value| value.map_or_else(String::new, |value| value.to_string()));
        assert_eq!(told.ok().as_deref(), expected, "{text:?}");
    }

    #[test]
    fn what_is_typed() {
        check(Kind::Count((1, 20)), " 7 ", Some("7"));
        check(Kind::Count((1, 20)), "", Some(""));
        for wrong in ["0", "21", "-1", "7.5", "siebzig", "99999999999999999999"] {
            check(Kind::Count((1, 20)), wrong, None);
        }
        check(Kind::Size((1, 1 << 40)), "5 GiB", Some("5368709120"));
        check(Kind::Size((1, 1 << 40)), "viel", None);
        check(Kind::Span, "4h", Some("\"4h\""));
        check(Kind::Span, "31d", None);
        check(Kind::Switch, "true", Some("true"));
        check(Kind::Switch, "vielleicht", None);
        check(Kind::Choice(&[("de", ("", ""))]), "fr", None);
        check(
            Kind::Domain,
            "mail.example.org",
            Some("\"mail.example.org\""),
        );
        check(Kind::Domain, "[192.0.2.1]", None);
        check(Kind::Domain, "a\"b", None);
        check(
            Kind::Domains,
            "a.test, b.test\na.test",
            Some("[\"a.test\", \"b.test\"]"),
        );
        check(Kind::Domains, ",", None);
        check(Kind::TimeZone, "Europe/Berlin", Some("\"Europe/Berlin\""));
        check(Kind::TimeZone, "../../etc/passwd", None);
    }
}
