//! What DNS says, compared with what it should say.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Data, Facts, Need, Purpose, Record, records, spf};
use crate::dns::{Answer, Failure, Mx, Tlsa};
use crate::mail::address::Domain;
use crate::trust::signing::Place;

/// What DNS said to one question.
pub type Said<T> = Result<Answer<T>, Failure>;

/// What DNS says about a domain and its host.
#[derive(Clone, Debug)]
pub struct Seen {
    /// MX of the domain.
    pub mx: Said<Mx>,
    /// Addresses of the host.
    pub host: Said<IpAddr>,
    /// Names of each of them.
    pub names: Vec<(IpAddr, Said<Domain>)>,
    /// TXT records by name.
    pub texts: BTreeMap<String, Said<Vec<u8>>>,
    /// Addresses of the policy host.
    pub sts_host: Said<IpAddr>,
    /// TLSA records of the host.
    pub tlsa: Said<Tlsa>,
}

/// How a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Ok,
    /// Not there.
    Missing,
    /// There, but not right.
    Wrong,
    /// DNS did not answer.
    Unknown,
}

/// What there is to do, other than publishing what is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Todo {
    /// Nothing.
    Nothing,
    /// Publish the record.
    Add,
    /// Put the record in place of what is there.
    Replace {
        /// What is there.
        found: String,
    },
    /// The domain's mail goes elsewhere.
    MailElsewhere {
        /// Where to.
        found: String,
    },
    /// The address is one that only the home network has.
    HomeAddress {
        /// Which.
        found: IpAddr,
    },
    /// Several SPF records count as none.
    OneSpf {
        /// How many there are.
        count: usize,
    },
    /// The SPF record lacks something; this is it with that.
    Extend {
        /// The whole record.
        whole: String,
    },
    /// The SPF record lets everybody send.
    Close,
    /// The address has another name, or none.
    Reverse {
        /// Which address.
        address: IpAddr,
        /// Its name.
        found: Option<String>,
    },
    /// A wrong TLSA record: who checks it sends nothing.
    Dane,
    /// TLSA records count with DNSSEC only, which the domain does not have.
    NoDnssec,
    /// DMARC is there, but only watches.
    Strict,
    /// Ask again.
    Later {
        /// What happened.
        why: String,
    },
}

/// What is to be said of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The record as it should be.
    pub record: Record,
    /// How it is.
    pub state: State,
    /// What to do.
    pub todo: Todo,
}

/// Compares. Records that cannot be asked for (CAA, SRV) and keys that sign no more are left out.
pub fn findings(facts: &Facts, seen: &Seen) -> Vec<Finding> {
    let unchecked = [Purpose::Issuer, Purpose::Service, Purpose::Dkim(Place::Old)];
    let wanted = records(facts).into_iter();
    let wanted = wanted.filter(|record| !unchecked.contains(&record.purpose));
    wanted.map(|record| finding(record, facts, seen)).collect()
}

impl Finding {
    /// Whether mail suffers.
    pub fn is_serious(&self) -> bool {
        let is_bad = !matches!(self.state, State::Ok);
        let stops_mail = self.record.purpose == Purpose::Dane && self.state == State::Wrong;
        is_bad && (self.record.need == Need::Needed || stops_mail)
    }
}

fn finding(record: Record, facts: &Facts, seen: &Seen) -> Finding {
    let compared = match &record.purpose {
        Purpose::Mail => mail(facts, seen),
        Purpose::Host => host(seen),
        Purpose::Reverse => reverse(facts, seen),
        Purpose::Spf => sender(&record, facts, seen),
        Purpose::Dmarc => dmarc(&record, seen),
        Purpose::StsHost => seen.sts_host.as_ref().map(|_| fine()),
        Purpose::Dane => dane(&record, seen),
        Purpose::Dkim(_) => key(&record, seen),
        Purpose::Sts | Purpose::TlsReports => tagged(&record, seen),
        Purpose::Issuer | Purpose::Service => Ok(fine()),
    };
    let (state, todo) = compared.unwrap_or_else(|failure| {
        if failure.is_temporary() {
            let why = failure.to_string();
            (State::Unknown, Todo::Later { why })
        } else {
            (State::Missing, Todo::Add)
        }
    });
    Finding {
        record,
        state,
        todo,
    }
}

/// How a record is, or why there is none.
type Compared<'a> = Result<(State, Todo), &'a Failure>;

fn fine() -> (State, Todo) {
    (State::Ok, Todo::Nothing)
}

fn missing() -> (State, Todo) {
    (State::Missing, Todo::Add)
}

fn mail<'a>(facts: &Facts, seen: &'a Seen) -> Compared<'a> {
    let hosts = seen.mx.as_ref()?.records.iter();
    let hosts: Vec<&Domain> = hosts.filter_map(|mx| mx.host.as_ref()).collect();
    if hosts.contains(&&facts.hostname) {
        return Ok(fine());
    }
    let names: Vec<&str> = hosts.into_iter().map(Domain::as_str).collect();
    let found = names.join(", ");
    Ok((State::Wrong, Todo::MailElsewhere { found }))
}

fn host(seen: &Seen) -> Compared<'_> {
    let addresses = &seen.host.as_ref()?.records;
    match addresses.iter().find(|address| is_of_home(**address)) {
        Some(found) => Ok((State::Wrong, Todo::HomeAddress { found: *found })),
        None => Ok(fine()),
    }
}

/// Addresses that nobody outside reaches (RFC 1918, RFC 3927, RFC 4193, RFC 4291, RFC 6598).
fn is_of_home(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
        }
    }
}

fn reverse<'a>(facts: &Facts, seen: &'a Seen) -> Compared<'a> {
    seen.host.as_ref()?;
    for (address, names) in &seen.names {
        let found = match names {
            Ok(names) if names.records.contains(&facts.hostname) => continue,
            Ok(names) => names.records.first().map(Domain::to_string),
            Err(failure) if failure.is_temporary() => return Err(failure),
            Err(_) => None,
        };
        let state = match found {
            Some(_) => State::Wrong,
            None => State::Missing,
        };
        let address = *address;
        return Ok((state, Todo::Reverse { address, found }));
    }
    Ok(fine())
}

/// The TXT records at the record's name.
fn texts<'a>(record: &Record, seen: &'a Seen) -> Result<Vec<String>, &'a Failure> {
    let Some(said) = seen.texts.get(&record.name) else {
        return Ok(Vec::new());
    };
    let texts = said.as_ref()?.records.iter();
    Ok(texts
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .collect())
}

fn sender<'a>(record: &Record, facts: &Facts, seen: &'a Seen) -> Compared<'a> {
    let mut all = texts(record, seen)?;
    all.retain(|text| spf::is_spf(text));
    let text = match all.as_slice() {
        [] => return Ok(missing()),
        [text] => text,
        several => {
            let count = several.len();
            return Ok((State::Wrong, Todo::OneSpf { count }));
        }
    };
    if spf::is_open(text) {
        return Ok((State::Wrong, Todo::Close));
    }
    let addresses = seen.host.as_ref().map_or(&[][..], |host| &host.records);
    let lacking = spf::lacks(text, &facts.ways, &facts.hostname, addresses);
    if lacking.is_empty() {
        return Ok(fine());
    }
    let whole = spf::with(text, &lacking);
    Ok((State::Wrong, Todo::Extend { whole }))
}

fn key<'a>(record: &Record, seen: &'a Seen) -> Compared<'a> {
    let Data::Txt(wanted) = &record.data else {
        return Ok(fine());
    };
    let all = texts(record, seen)?;
    let key_of = |text: &str| tag(text, "p");
    let wanted = key_of(wanted);
    if all.iter().any(|text| key_of(text) == wanted) {
        return Ok(fine());
    }
    Ok(match all.into_iter().next() {
        Some(found) => (State::Wrong, Todo::Replace { found }),
        None => missing(),
    })
}

/// Value of a tag in a list such as `v=DKIM1; p=...`, white space left out.
fn tag(text: &str, name: &str) -> Option<String> {
    let mut tags = text.split(';').filter_map(|tag| tag.split_once('='));
    let (_, value) = tags.find(|(found, _)| found.trim().eq_ignore_ascii_case(name))?;
    Some(value.split_ascii_whitespace().collect())
}

/// The version that a record of tags begins with, such as `STSv1`.
fn version(text: &str) -> Option<String> {
    let first = text.split(';').next()?;
    tag(first, "v")
}

fn dmarc<'a>(record: &Record, seen: &'a Seen) -> Compared<'a> {
    let mut all = texts(record, seen)?;
    all.retain(|text| version(text).as_deref() == Some("DMARC1"));
    let [only] = all.as_slice() else {
        if all.is_empty() {
            return Ok(missing());
        }
        let found = all.join(", ");
        return Ok((State::Wrong, Todo::Replace { found }));
    };
    Ok(match tag(only, "p").as_deref() {
        Some("quarantine" | "reject") => fine(),
        Some("none") => (State::Ok, Todo::Strict),
        _ => {
            let found = only.clone();
            (State::Wrong, Todo::Replace { found })
        }
    })
}

/// A record that must say what it should; where reports go is the owner's choice.
fn tagged<'a>(record: &Record, seen: &'a Seen) -> Compared<'a> {
    let Data::Txt(wanted) = &record.data else {
        return Ok(fine());
    };
    let mut all = texts(record, seen)?;
    all.retain(|text| version(text) == version(wanted));
    Ok(match all.as_slice() {
        [] => missing(),
        [found] if tag(found, "id") == tag(wanted, "id") => fine(),
        _ => {
            let found = all.join(", ");
            (State::Wrong, Todo::Replace { found })
        }
    })
}

fn dane<'a>(record: &Record, seen: &'a Seen) -> Compared<'a> {
    let Data::Tlsa(digest) = &record.data else {
        return Ok(fine());
    };
    let signed = |said: &Said<IpAddr>| said.as_ref().is_ok_and(|found| found.is_authentic);
    let has_dnssec = signed(&seen.host) && seen.mx.as_ref().is_ok_and(|mx| mx.is_authentic);
    let tlsa = match &seen.tlsa {
        Err(failure) if !failure.is_temporary() && !has_dnssec => {
            return Ok((State::Ok, Todo::NoDnssec));
        }
        other => other.as_ref()?,
    };
    let is_ours = |tlsa: &Tlsa| {
        (tlsa.usage, tlsa.selector, tlsa.matching) == (3, 1, 1) && tlsa.data == digest
    };
    if tlsa.records.iter().any(is_ours) {
        return Ok(fine());
    }
    Ok((State::Wrong, Todo::Dane))
}

impl State {
    /// For programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
            Self::Wrong => "wrong",
            Self::Unknown => "unknown",
        }
    }
}
