//! What a domain has to publish in DNS so that its mail arrives and is believed, and whether it does.
//!
//! [`records`] puts it together from facts about the box, [`findings`] compares it with what DNS says; both are pure.
//! [`ask()`] fetches what DNS says, `words` has one plain instruction per finding, in German and English.
//! Names that only the home network knows have nothing to publish ([`Domain::is_public`]).

mod ask;
mod compare;
mod spf;
#[cfg(test)]
mod tests;
mod words;

use crate::mail::address::Domain;
use crate::store::types::Language;
use crate::trust::signing::{Place, Published};

pub use ask::{ask, follow};
pub use compare::{Finding, Said, Seen, State, Todo, findings};
pub use words::{advice, note};

/// Bytes of one string of a TXT record (RFC 1035 3.3).
const STRING_BYTES_MAX: usize = 255;

/// Preference of our MX record.
const MX_PREFERENCE: u16 = 10;

/// Facts about the box that a domain's records follow from.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The box's name.
    pub hostname: Domain,
    /// The domain.
    pub domain: Domain,
    /// Its keys for DKIM.
    pub keys: Vec<Published>,
    /// How its mail leaves.
    pub ways: Ways,
    /// SHA-256 of the public key of the certificate in use (TLSA 3 1 1), if it stays when the certificate is renewed.
    pub tls_key: Option<[u8; 32]>,
    /// Whether senders accept the certificate, so that a policy may ask for that (RFC 8461).
    pub sts_record: Option<String>,
    /// Authority that issues certificates for the box.
    pub issuer: Option<String>,
    /// Ports of services that programs may find by SRV records (RFC 6186, RFC 8314 5.1), by their names; Outlook's
    /// `autodiscover` too.
    pub services: Vec<(&'static str, u16)>,
}

/// How mail of a domain leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// Whether some leaves from the box itself.
    pub direct: bool,
    /// What SPF has to include for smarthosts.
    pub includes: Vec<String>,
    /// Smarthosts of which that is not known.
    pub unknown: Vec<String>,
}

/// What a record is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Mail finds its host.
    Mail,
    /// The host has an address.
    Host,
    /// Its address leads back to its name.
    Reverse,
    /// Who may send.
    Spf,
    /// Keys of signatures.
    Dkim(Place),
    /// What becomes of mail that is not ours.
    Dmarc,
    /// There is a policy for TLS.
    Sts,
    /// Where the policy is.
    StsHost,
    /// Where reports about TLS go (RFC 8460).
    TlsReports,
    /// The key of the certificate, for DNSSEC.
    Dane,
    /// Who may issue certificates (RFC 8659).
    Issuer,
    /// Where mail programs find a service.
    Service,
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Mail suffers without it.
    Needed,
    /// It makes mail safer.
    Advised,
    /// It is nice to have.
    Optional,
}

/// What stands in a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// A mail host.
    Mx(Domain),
    /// The box's address, which the box cannot know.
    Address,
    /// Text.
    Txt(String),
    /// TLSA 3 1 1.
    Tlsa([u8; 32]),
    /// Another name.
    Name(Domain),
    /// As in a zone file.
    Plain(String),
}

/// A record to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What for.
    pub purpose: Purpose,
    /// How much it matters.
    pub need: Need,
    /// Name, without the dot at its end.
    pub name: String,
    /// `MX`, `TXT`, ...
    pub kind: &'static str,
    /// What it says.
    pub data: Data,
}

/// What to publish, what matters most first.
pub fn records(facts: &Facts) -> Vec<Record> {
    let mut all = required(facts);
    all.extend(facts.keys.iter().map(|key| dkim(key, &facts.domain)));
    all.extend(protecting(facts));
    all.extend(optional(facts));
    all.sort_by_key(|record| record.need);
    all
}

fn required(facts: &Facts) -> Vec<Record> {
    use Need::Needed;
    let (domain, host) = (facts.domain.as_str(), facts.hostname.as_str());
    let mx = Data::Mx(facts.hostname.clone());
    let mut all = vec![
        Record::new(Purpose::Mail, Needed, domain.to_owned(), "MX", mx),
        Record::new(Purpose::Host, Needed, host.to_owned(), "A", Data::Address),
        Record::new(
            Purpose::Spf,
            Needed,
            domain.to_owned(),
            "TXT",
            Data::Txt(spf::record(&facts.ways)),
        ),
    ];
    if facts.ways.direct {
        let name = Data::Name(facts.hostname.clone());
        let of_host = host.to_owned();
        all.push(Record::new(Purpose::Reverse, Needed, of_host, "PTR", name));
    }
    all
}

fn dkim(key: &Published, domain: &Domain) -> Record {
    let need = match key.place {
        Place::Next | Place::Active => Need::Needed,
        Place::Old => Need::Optional,
    };
    let name = format!("{}._domainkey.{domain}", key.selector);
    let text = Data::Txt(key.text.clone());
    Record::new(Purpose::Dkim(key.place), need, name, "TXT", text)
}

fn protecting(facts: &Facts) -> Vec<Record> {
    use Need::Advised;
    let domain = facts.domain.as_str();
    let dmarc = format!("v=DMARC1; p=quarantine; rua=mailto:postmaster@{domain}");
    let name = format!("_dmarc.{domain}");
    let mut all = vec![Record::new(
        Purpose::Dmarc,
        Advised,
        name,
        "TXT",
        Data::Txt(dmarc),
    )];
    if let Some(sts) = &facts.sts_record {
        let name = format!("_mta-sts.{domain}");
        let text = Data::Txt(sts.clone());
        all.push(Record::new(Purpose::Sts, Advised, name, "TXT", text));
        let name = format!("mta-sts.{domain}");
        let host = Data::Name(facts.hostname.clone());
        all.push(Record::new(Purpose::StsHost, Advised, name, "CNAME", host));
    }
    all
}

fn optional(facts: &Facts) -> Vec<Record> {
    use Need::Optional;
    let (domain, host) = (&facts.domain, &facts.hostname);
    let reports = Data::Txt(format!("v=TLSRPTv1; rua=mailto:postmaster@{domain}"));
    let name = format!("_smtp._tls.{domain}");
    let mut all = vec![Record::new(
        Purpose::TlsReports,
        Optional,
        name,
        "TXT",
        reports,
    )];
    if let Some(digest) = facts.tls_key {
        let name = format!("_25._tcp.{host}");
        let data = Data::Tlsa(digest);
        all.push(Record::new(Purpose::Dane, Optional, name, "TLSA", data));
    }
    if let Some(issuer) = &facts.issuer {
        let data = Data::Plain(format!("0 issue \"{issuer}\""));
        let name = host.to_string();
        all.push(Record::new(Purpose::Issuer, Optional, name, "CAA", data));
    }
    for (service, port) in &facts.services {
        let data = Data::Plain(format!("0 1 {port} {host}."));
        let name = format!("_{service}._tcp.{domain}");
        all.push(Record::new(Purpose::Service, Optional, name, "SRV", data));
    }
    if !facts.services.is_empty() {
        let name = format!("autoconfig.{domain}");
        let host = Data::Name(facts.hostname.clone());
        all.push(Record::new(Purpose::Service, Optional, name, "CNAME", host));
    }
    all
}

impl Record {
    fn new(purpose: Purpose, need: Need, name: String, kind: &'static str, data: Data) -> Self {
        Self {
            purpose,
            need,
            name,
            kind,
            data,
        }
    }

    /// What to type into a provider's form: text without quotes, in one piece.
    pub fn value(&self, language: Language) -> String {
        match &self.data {
            Data::Mx(host) => format!("{MX_PREFERENCE} {host}."),
            Data::Address => words::public_address(language).to_owned(),
            Data::Txt(text) | Data::Plain(text) => text.clone(),
            Data::Tlsa(digest) => {
                let mut value = "3 1 1 ".to_owned();
                for byte in digest {
                    let digits = [byte >> 4, byte & 15].map(u32::from);
                    value.extend(
                        digits
                            .into_iter()
                            .filter_map(|one| char::from_digit(one, 16)),
                    );
                }
                value
            }
            Data::Name(host) => format!("{host}."),
        }
    }

    /// As in a zone file: text as strings of 255 bytes at most.
    pub fn in_zone(&self, language: Language) -> String {
        match &self.data {
            Data::Txt(text) => strings(text)
                .iter()
                .map(|string| format!("\"{string}\""))
                .collect::<Vec<_>>()
                .join(" "),
            Data::Mx(_) | Data::Address | Data::Tlsa(_) | Data::Name(_) | Data::Plain(_) => {
                self.value(language)
            }
        }
    }
}

/// A text as the strings of a TXT record. All texts here are ASCII without quotes.
fn strings(text: &str) -> Vec<String> {
    let chunks = text.as_bytes().chunks(STRING_BYTES_MAX);
    chunks
        .map(|chunk| String::from_utf8_lossy(chunk).into_owned())
        .collect()
}

impl Need {
    /// For programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Needed => "needed",
            Self::Advised => "advised",
            Self::Optional => "optional",
        }
    }
}
