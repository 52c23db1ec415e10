//! A zone as text, for tests: what the world's name servers would say, trouble included.
//!
//! One record a line, `NAME KIND DATA`; lines that begin with `#` are comments. Kinds are MX, A, AAAA, TXT, TLSA, PTR and
//! CNAME; the name of a PTR may be the address itself. Instead of data, `servfail`, `timeout` or `bogus` says that this
//! question fails, and `NAME * timeout` that all questions about the name do. `$signed NAME` makes that name and all below
//! authentic, as far as the whole chain of aliases is.
//!
//! ```text
//! example.org                 MX    10 mx.example.org
//! example.net                 MX    0 .
//! mx.example.org              A     192.0.2.1
//! _25._tcp.mx.example.org     TLSA  3 1 1 00ff..
//! example.org                 TXT   "v=spf1 mx -all"
//! slow.example                MX    timeout
//! $signed example.org
//! ```

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Answer, Data, Failure, Kind, Mx, SetupError, Tlsa, reverse_name, serve};
use crate::mail::address::Domain;

/// Aliases that one question follows.
const ALIASES_MAX: usize = 8;

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct Zone {
    answers: BTreeMap<(String, Kind), Vec<Data>>,
    troubles: BTreeMap<(String, Option<Kind>), Trouble>,
    aliases: BTreeMap<String, String>,
    signed: Vec<String>,
}

/// How a question fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    ServFail,
    Timeout,
    Bogus,
}

/// What a question led to.
#[derive(Debug)]
pub(super) struct Found<'a> {
    /// Aliases gone through: name and target of each.
    pub(super) aliases: Vec<(&'a str, &'a str)>,
    /// The name that the end is about.
    pub(super) name: &'a str,
    /// What there is.
    pub(super) end: End<'a>,
}

/// The end of a question.
#[derive(Debug)]
pub(super) enum End<'a> {
    Records(&'a [Data]),
    NoRecord,
    NoName,
    Trouble(Trouble),
}

impl Zone {
    /// Parses the text.
    pub(super) fn parse(text: &str) -> Result<Self, SetupError> {
        let mut zone = Self::default();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            zone.add(line).map_err(|why| SetupError::Zone {
                line: at + 1,
                why: why.to_owned(),
            })?;
        }
        Ok(zone)
    }

    fn add(&mut self, line: &str) -> Result<(), &'static str> {
        let (name, rest) = split_word(line).ok_or("a name and what it has are wanted")?;
        let name = match name.parse::<IpAddr>() {
            Ok(address) => reverse_name(address),
            Err(_) => canonical(name),
        };
        if name == "$signed" {
            self.signed.push(canonical(rest));
            return Ok(());
        }
        let (kind, data) = split_word(rest).ok_or("a kind and its data are wanted")?;
        let kind = match kind {
            "*" => None,
            "CNAME" => {
                self.aliases.insert(name, canonical(data));
                return Ok(());
            }
            other => Some(kind_of(other).ok_or("no such kind of record")?),
        };
        if let Some(trouble) = trouble_of(data) {
            self.troubles.insert((name, kind), trouble);
            return Ok(());
        }
        let kind = kind.ok_or("* goes with servfail, timeout or bogus")?;
        let data = parse_data(kind, data).ok_or("the data is not of that kind")?;
        self.answers.entry((name, kind)).or_default().push(data);
        Ok(())
    }

    /// What the zone has, aliases followed.
    pub(super) fn find<'a>(&'a self, name: &'a str, kind: Kind) -> Found<'a> {
        let mut found = Found {
            aliases: Vec::new(),
            name,
            end: End::Trouble(Trouble::ServFail),
        };
        while found.aliases.len() < ALIASES_MAX {
            found.end = self.end(found.name, kind);
            let (End::NoRecord, Some(target)) = (&found.end, self.aliases.get(found.name)) else {
                return found;
            };
            found.aliases.push((found.name, target));
            found.name = target;
        }
        found.end = End::Trouble(Trouble::ServFail);
        found
    }

    fn end(&self, name: &str, kind: Kind) -> End<'_> {
        let trouble = self.troubles.get(&(name.to_owned(), Some(kind)));
        let trouble = trouble.or_else(|| self.troubles.get(&(name.to_owned(), None)));
        if let Some(trouble) = trouble {
            return End::Trouble(*trouble);
        }
        if let Some(records) = self.answers.get(&(name.to_owned(), kind)) {
            return End::Records(records);
        }
        let names = self.answers.keys().map(|(name, _)| name);
        let names = names.chain(self.troubles.keys().map(|(name, _)| name));
        let mut names = names.chain(self.aliases.keys());
        if names.any(|known| is_within(known, name)) {
            End::NoRecord
        } else {
            End::NoName
        }
    }

    /// The answer as a resolver gives it.
    pub(super) fn ask(&self, name: &str, kind: Kind) -> Result<Answer<Data>, Failure> {
        let name = canonical(name);
        let found = self.find(&name, kind);
        let asked = name.clone();
        match found.end {
            End::Records(records) => Ok(Answer {
                records: records.to_vec(),
                is_authentic: self.is_signed(found.name)
                    && found.aliases.iter().all(|(alias, _)| self.is_signed(alias)),
                alias_of: match found.aliases.as_slice() {
                    [] => None,
                    [..] => Domain::parse(found.name).ok(),
                },
            }),
            End::NoRecord => Err(Failure::NoRecord {
                name: asked,
                kind: kind.name(),
            }),
            End::NoName => Err(Failure::NoName { name: asked }),
            End::Trouble(Trouble::Bogus) => Err(Failure::Bogus { name: asked }),
            End::Trouble(trouble) => Err(Failure::Temporary {
                name: asked,
                why: match trouble {
                    Trouble::Timeout => "request timed out".to_owned(),
                    Trouble::ServFail | Trouble::Bogus => "SERVFAIL".to_owned(),
                },
            }),
        }
    }

    fn is_signed(&self, name: &str) -> bool {
        self.signed.iter().any(|apex| is_within(name, apex))
    }
}

/// Lower case, no dot at the end.
pub(super) fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Whether `name` is `apex` or below it.
fn is_within(name: &str, apex: &str) -> bool {
    name == apex
        || name
            .strip_suffix(apex)
            .is_some_and(|front| front.ends_with('.'))
}

fn split_word(text: &str) -> Option<(&str, &str)> {
    let (word, rest) = text.split_once(char::is_whitespace)?;
    let rest = rest.trim();
    (!rest.is_empty()).then_some((word, rest))
}

fn kind_of(text: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.name() == text)
}

fn trouble_of(text: &str) -> Option<Trouble> {
    match text {
        "servfail" => Some(Trouble::ServFail),
        "timeout" => Some(Trouble::Timeout),
        "bogus" => Some(Trouble::Bogus),
        _ => None,
    }
}

fn parse_data(kind: Kind, text: &str) -> Option<Data> {
    match kind {
        Kind::Mx => {
            let (preference, host) = split_word(text)?;
            Some(Data::Mx(Mx {
                preference: preference.parse().ok()?,
                host: match host {
                    "." => None,
                    name => Some(Domain::parse(&canonical(name)).ok()?),
                },
            }))
        }
        Kind::A => Some(Data::Address(IpAddr::V4(text.parse().ok()?))),
        Kind::Aaaa => Some(Data::Address(IpAddr::V6(text.parse().ok()?))),
        Kind::Txt => {
            let text = text.strip_prefix('"').unwrap_or(text);
            let text = text.strip_suffix('"').unwrap_or(text);
            Some(Data::Txt(text.as_bytes().to_vec()))
        }
        Kind::Tlsa => parse_tlsa(text).map(Data::Tlsa),
        Kind::Ptr => Some(Data::Name(Domain::parse(&canonical(text)).ok()?)),
    }
}

fn parse_tlsa(text: &str) -> Option<Tlsa> {
    let mut words = text.split_whitespace();
    let mut number = || words.next()?.parse().ok();
    let (usage, selector, matching) = (number()?, number()?, number()?);
    let hex: String = words.collect();
    let digits: Option<Vec<u32>> = hex.chars().map(|c| c.to_digit(16)).collect();
    let (pairs, rest) = digits.as_ref()?.as_chunks::<2>();
    let bytes = pairs
        .iter()
        .map(|[high, low]| u8::try_from(high * 16 + low));
    let data = bytes.collect::<Result<Vec<u8>, _>>().ok()?;
    rest.is_empty().then_some(Tlsa {
        usage,
        selector,
        matching,
        data,
    })
}

/// A zone, and the name server on loopback that serves it once somebody needs one.
#[derive(Debug)]
pub(super) struct Served {
    zone: Arc<Zone>,
    address: Mutex<Option<SocketAddr>>,
}

impl Served {
    pub(super) fn new(zone: Zone) -> Self {
        Self {
            zone: Arc::new(zone),
            address: Mutex::new(None),
        }
    }

    pub(super) fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Starts the server at the first call.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        let mut address = self.address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(address) = *address {
            return Ok(address);
        }
        let started = serve::start_zone(Arc::clone(&self.zone))?;
        *address = Some(started);
        Ok(started)
    }
}
