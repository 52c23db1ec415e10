//! The text of an MTA-STS policy, and of the TXT record that announces one (RFC 8461 3).
//!
//! Pure. Fields that are unknown are passed over, and so are repetitions of what may stand once only.

use serde::{Deserialize, Serialize};

use crate::mail::address::Domain;

/// Longest life of a policy, in seconds: a year (RFC 8461 3.2).
const AGE_SECONDS_MAX: u64 = 31_557_600;

/// Most patterns of a policy.
const PATTERNS_MAX: usize = 64;

/// Longest id of a record (RFC 8461 3.1).
const ID_BYTES_MAX: usize = 32;

/// How much a policy demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Mail goes to hosts that pass, or not at all.
    Enforce,
    /// Failures are only told.
    Testing,
    /// There is none any more.
    None,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// How much it demands.
    pub mode: Mode,
    /// How long it may be kept, in seconds.
    pub max_age: u64,
    /// Patterns of hosts, in lower case.
    pub mx: Vec<String>,
}

/// Why a text is no policy, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PolicyError(&'static str);

impl Policy {
    /// Parses the document (RFC 8461 3.2).
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let value = |wanted: &str| {
            let mut fields = fields(text).filter(|(key, _)| *key == wanted);
            fields.next().map(|(_, value)| value)
        };
        if value("version") != Some("STSv1") {
            return Err(PolicyError("its version is not STSv1"));
        }
        let mode = match value("mode") {
            Some("enforce") => Mode::Enforce,
            Some("testing") => Mode::Testing,
            Some("none") => Mode::None,
            _ => return Err(PolicyError("it has no mode that is known")),
        };
        let max_age: Option<u64> = value("max_age").and_then(|age| age.parse().ok());
        let max_age = max_age.ok_or(PolicyError("it has no max_age"))?;
        let mx = fields(text).filter(|(key, _)| *key == "mx");
        let mx: Vec<_> = mx.map(|(_, value)| value.to_ascii_lowercase()).collect();
        if mx.len() > PATTERNS_MAX {
            return Err(PolicyError("it has too many mx"));
        }
        if mx.is_empty() && mode != Mode::None {
            return Err(PolicyError("it has no mx"));
        }
        Ok(Self {
            mode,
            max_age: max_age.min(AGE_SECONDS_MAX),
            mx,
        })
    }

    /// Whether one of the patterns is of that host; `*` stands for one label (RFC 8461 4.1).
    pub fn is_of(&self, host: &Domain) -> bool {
        let below = host.as_str().split_once('.').map(|(_, below)| below);
        self.mx
            .iter()
            .any(|pattern| match pattern.strip_prefix("*.") {
                Some(pattern) => below == Some(pattern),
                None => host.as_str() == pattern,
            })
    }
}

/// Keys and values of the lines.
fn fields(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.map(|(key, value)| (key.trim(), value.trim()))
}

/// The id in the TXT records of `_mta-sts`: of the one that begins as it should, if there is one only (RFC 8461 3.1).
pub fn id_of(records: &[Vec<u8>]) -> Option<String> {
    let texts = records.iter().filter_map(|it| str::from_utf8(it).ok());
    let mut ours = texts.filter_map(|text| text.strip_prefix("v=STSv1"));
    let (Some(rest), None) = (ours.next(), ours.next()) else {
        return None;
    };
    let mut fields = rest.trim_start().strip_prefix(';')?.split(';');
    let id = fields.find_map(|field| {
        let (key, value) = field.split_once('=')?;
        (key.trim() == "id").then(|| value.trim().to_owned())
    })?;
    let is_id = (1..=ID_BYTES_MAX).contains(&id.len());
    (is_id && id.bytes().all(|b| b.is_ascii_alphanumeric())).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies() {
        let text = "version: STSv1\r\nmode: enforce\r\nmx: mail.Example.com\r\nmx: *.example.net\r\n\
                    mx: backupmx.example.com\r\nmax_age: 604800\r\n";
        let policy = Policy::parse(text).unwrap();
        assert_eq!(policy.mode, Mode::Enforce);
        assert_eq!(policy.max_age, 604_800);
        for (host, expected) in [
            ("mail.example.com", true),
            ("backupmx.example.com", true),
            ("a.example.net", true),
            ("a.b.example.net", false),
            ("example.net", false),
            ("example.com", false),
            ("other.example.com", false),
        ] {
            assert_eq!(
                policy.is_of(&Domain::parse(host).unwrap()),
                expected,
                "{host}"
            );
        }
    }

    #[test]
    fn policies_with_oddities() {
        for (text, expected) in [
            ("version:STSv1\nmode:none\nmax_age:1", Some((Mode::None, 1))),
            (
                "max_age: 99999999999\nmx: a.b\nmode: testing\nversion: STSv1\n",
                Some((Mode::Testing, AGE_SECONDS_MAX)),
            ),
            (
                "version: STSv1\nmode: none\nmode: enforce\nmax_age: 1\nmax_age: 2\nx: y\nz\n",
                Some((Mode::None, 1)),
            ),
            ("version: STSv2\nmode: none\nmax_age: 1", None),
            ("mode: none\nmax_age: 1", None),
            ("version: STSv1\nmode: enforce\nmax_age: 1", None),
            ("version: STSv1\nmode: strict\nmax_age: 1\nmx: a.b", None),
            ("version: STSv1\nmode: enforce\nmax_age: -1\nmx: a.b", None),
            ("version: STSv1\nmode: enforce\nmx: a.b", None),
            ("", None),
        ] {
            let policy = Policy::parse(text).ok();
            let said = policy.map(|policy| (policy.mode, policy.max_age));
            assert_eq!(said, expected, "{text:?}");
        }
    }

    #[test]
    fn ids() {
        for (records, expected) in [
            (
                vec!["v=STSv1; id=20160831085700Z;"],
                Some("20160831085700Z"),
            ),
            (vec!["v=spf1 -all", "v=STSv1;id=1"], Some("1")),
            (vec!["v=STSv1; x=y; id=1"], Some("1")),
            (vec!["v=STSv1; id=1", "v=STSv1; id=2"], None),
            (vec!["v=STSv1; id="], None),
            (vec!["v=STSv1; id=a-b"], None),
            (vec!["v=STSv1 id=1"], None),
            (vec!["v=STSv10; id=1"], None),
            (vec![], None),
        ] {
            let records: Vec<_> = records.iter().map(|it| it.as_bytes().to_vec()).collect();
            assert_eq!(id_of(&records).as_deref(), expected, "{records:?}");
        }
    }
}
