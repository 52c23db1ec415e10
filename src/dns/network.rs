//! The world's name servers, asked by hickory: stub resolvers on the servers of the settings.
//!
//! There are two. The plain one believes what the servers say. The validating one believes signatures alone, back to the
//! trust anchor, and thereby needs servers that hand signatures on. Many a router's forwarder strips them: then hickory
//! finds every answer bogus, since nothing proves that the zone is unsigned. So before the validating one is used, the SOA
//! record of the trust anchor's zone is asked for: if it comes with a signature that holds, the way is fit. If not, answers are those of
//! the plain one and nothing is authentic: no DANE, as for any host without DNSSEC (RFC 7672 2.1). Whoever could strip
//! signatures at that moment could do so to a host that has none anyway; once the way was fit, it counts as fit for
//! [`FIT_FOR`], and what is stripped in between is bogus. A clock that is not set makes all signatures invalid, and the
//! way unfit until then.

use std::fs;
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec::{Proof, TrustAnchors};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::proto::serialize::txt::trust_anchor;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::{Answer, Data, Failure, Kind, Mx, SetupError, Tlsa};
use crate::mail::address::Domain;

/// How often a question is asked again.
const RETRIES: usize = 1;

/// How long a question may take with all that validating it asks for.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(30);

/// Answers kept, by each of the two resolvers.
const CACHE_ANSWERS_MAX: u64 = 1024;

/// Aliases followed by hand; hickory follows as many.
const ALIASES_MAX: usize = 8;

/// Longest time that an answer is kept, whatever its TTL: people who repair their DNS will not wait longer.
const TTL_MAX: Duration = Duration::from_hours(1);

/// How long the way counts as fit after it was found so.
const FIT_FOR: Duration = Duration::from_hours(24);

/// How long until an unfit way is tried again.
const UNFIT_FOR: Duration = Duration::from_mins(5);

/// How long until it is tried again when nobody answered: the network may just come up.
const UNKNOWN_FOR: Duration = Duration::from_secs(15);

/// Largest file of trust anchors, in bytes.
const ANCHOR_BYTES_MAX: u64 = 64 * 1024;

/// See the module's description.
#[derive(Debug)]
pub(super) struct Network {
    plain: TokioResolver,
    validating: Option<Validating>,
}

#[derive(Debug)]
struct Validating {
    resolver: TokioResolver,
    /// A zone whose keys are trusted.
    anchor: Name,
    /// Until when what was found of the way counts.
    way: Mutex<Option<(Way, Instant)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Fit,
    Unfit,
    /// Nobody answered.
    Unknown,
}

/// What signatures are traced back to.
#[derive(Clone)]
pub(super) struct Anchored {
    anchors: TrustAnchors,
    /// A zone whose keys are among them.
    zone: Name,
}

impl Network {
    /// Asks `servers`, each for as long as that.
    pub(super) fn new(
        servers: ResolverConfig,
        anchored: Option<&Anchored>,
        timeout: Duration,
    ) -> Result<Self, SetupError> {
        Ok(Self {
            plain: build(servers.clone(), options(timeout), None)?,
            validating: match anchored {
                None => None,
                Some(Anchored { anchors, zone }) => Some(Validating {
                    resolver: build(servers, options(timeout), Some(anchors.clone()))?,
                    anchor: zone.clone(),
                    way: Mutex::new(None),
                }),
            },
        })
    }

    /// The one that believes the servers.
    pub(super) fn plain(&self) -> TokioResolver {
        self.plain.clone()
    }

    pub(super) async fn ask(&self, name: &str, kind: Kind) -> Result<Answer<Data>, Failure> {
        let fqdn = Name::from_ascii(name).map_err(|_| Failure::NoName {
            name: name.to_owned(),
        })?;
        let fqdn = absolute(fqdn);
        match &self.validating {
            Some(validating) if kind.is_vouched_for() && validating.is_fit().await => {
                let resolver = &validating.resolver;
                match lookup(resolver, &fqdn, kind).await {
                    Err(Failure::Bogus { .. }) => by_hand(resolver, fqdn, kind).await,
                    other => other,
                }
            }
            _ => lookup(&self.plain, &fqdn, kind).await,
        }
    }
}

/// One question to one of the two.
async fn lookup(
    resolver: &TokioResolver,
    name: &Name,
    kind: Kind,
) -> Result<Answer<Data>, Failure> {
    let asking = Box::pin(resolver.lookup(name.clone(), kind.record_type()));
    match timeout(LOOKUP_TIMEOUT, asking).await {
        Err(_) => Err(Failure::Temporary {
            name: text(name),
            why: format!("nothing within {} s", LOOKUP_TIMEOUT.as_secs()),
        }),
        Ok(Err(error)) => Err(failure(text(name), kind, &error)),
        Ok(Ok(lookup)) => answer(name, kind, lookup.answers()),
    }
}

/// Follows aliases one by one. hickory calls it bogus when an alias leads to a name without such a record, since it
/// takes the proof of that for one about the alias; asked apart, both are valid. What is really bogus stays so.
async fn by_hand(
    resolver: &TokioResolver,
    mut name: Name,
    kind: Kind,
) -> Result<Answer<Data>, Failure> {
    let bogus = Failure::Bogus { name: text(&name) };
    let mut is_authentic = true;
    for _ in 0..ALIASES_MAX {
        let asking = Box::pin(resolver.lookup(name.clone(), RecordType::CNAME));
        let Ok(Ok(alias)) = timeout(LOOKUP_TIMEOUT, asking).await else {
            break;
        };
        let (target, aliases) = follow(&name, alias.answers());
        if aliases.is_empty() {
            break;
        }
        is_authentic &= aliases.iter().all(|alias| alias.proof == Proof::Secure);
        name = target;
        match lookup(resolver, &name, kind).await {
            Err(Failure::Bogus { .. }) => {}
            Err(other) => return Err(other),
            Ok(mut answer) => {
                answer.is_authentic &= is_authentic;
                answer.alias_of = answer.alias_of.or_else(|| domain(&name));
                return Ok(answer);
            }
        }
    }
    Err(bogus)
}

impl Validating {
    async fn is_fit(&self) -> bool {
        // Held while asking: others wait for what comes of it rather than ask the same.
        let mut way = self.way.lock().await;
        let now = Instant::now();
        if let Some((known, until)) = *way
            && now < until
        {
            return known == Way::Fit;
        }
        let found = Box::pin(self.try_way()).await;
        if way.map(|(known, _)| known) != Some(found) {
            found.tell();
        }
        let span = match found {
            Way::Fit => FIT_FOR,
            Way::Unfit => UNFIT_FOR,
            Way::Unknown => UNKNOWN_FOR,
        };
        *way = Some((found, now + span));
        found == Way::Fit
    }

    async fn try_way(&self) -> Way {
        let lookup = self.resolver.lookup(self.anchor.clone(), RecordType::SOA);
        let found = match timeout(LOOKUP_TIMEOUT, Box::pin(lookup)).await {
            Ok(Ok(found)) => found,
            Ok(Err(NetError::Dns(_))) => return Way::Unfit,
            Ok(Err(_)) | Err(_) => return Way::Unknown,
        };
        let mut found = found.answers().iter();
        if found.any(|it| it.record_type() == RecordType::SOA && it.proof == Proof::Secure) {
            Way::Fit
        } else {
            Way::Unfit
        }
    }
}

impl Way {
    fn tell(self) {
        match self {
            Self::Fit => tracing::info!("DNSSEC works: DANE is used where there is any"),
            Self::Unfit => {
                tracing::warn!("the name servers hand on no valid DNSSEC signatures: no DANE");
            }
            Self::Unknown => tracing::warn!("no name server answers about DNSSEC"),
        }
    }
}

impl Kind {
    pub(super) fn record_type(self) -> RecordType {
        match self {
            Self::Mx => RecordType::MX,
            Self::A => RecordType::A,
            Self::Aaaa => RecordType::AAAA,
            Self::Txt => RecordType::TXT,
            Self::Tlsa => RecordType::TLSA,
            Self::Ptr => RecordType::PTR,
        }
    }

    /// Whether DANE has a use for it.
    fn is_vouched_for(self) -> bool {
        match self {
            Self::Mx | Self::A | Self::Aaaa | Self::Tlsa => true,
            Self::Txt | Self::Ptr => false,
        }
    }
}

fn options(server: Duration) -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = server;
    options.attempts = RETRIES;
    options.edns0 = true;
    options.use_hosts_file = ResolveHosts::Never;
    options.cache_size = CACHE_ANSWERS_MAX;
    options.positive_max_ttl = Some(TTL_MAX);
    options.negative_max_ttl = Some(TTL_MAX);
    // Needed to see whether every alias is vouched for.
    options.preserve_intermediates = true;
    options
}

fn build(
    config: ResolverConfig,
    mut options: ResolverOpts,
    anchors: Option<TrustAnchors>,
) -> Result<TokioResolver, SetupError> {
    options.validate = anchors.is_some();
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options);
    if let Some(anchors) = anchors {
        builder = builder.with_trust_anchor(Arc::new(anchors));
    }
    builder
        .build()
        .map_err(|error| SetupError::System(error.to_string()))
}

impl Anchored {
    /// By the anchors in a file, or the root's.
    pub(super) fn new(file: Option<&Path>) -> Result<Self, SetupError> {
        let Some(path) = file else {
            return Ok(Self {
                anchors: TrustAnchors::default(),
                zone: Name::root(),
            });
        };
        let unusable = |why: String| SetupError::TrustAnchor {
            path: path.to_owned(),
            why,
        };
        let text = read(path).map_err(|error| unusable(error.to_string()))?;
        let entries = trust_anchor::Parser::new(text.as_str()).parse();
        let entries = entries.map_err(|error| unusable(error.to_string()))?;
        let Some(trust_anchor::Entry::DNSKEY(first)) = entries.first() else {
            return Err(unusable("holds no DNSKEY record".to_owned()));
        };
        let anchors = TrustAnchors::from_str(&text).map_err(|error| unusable(error.to_string()))?;
        Ok(Self {
            anchors,
            zone: first.name().clone(),
        })
    }
}

fn read(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > ANCHOR_BYTES_MAX {
        return Err(io::Error::other("the file is too large"));
    }
    fs::read_to_string(path)
}

fn absolute(mut name: Name) -> Name {
    name.set_fqdn(true);
    name
}

/// The records of that kind at the end of the chain of aliases that begins at `name`.
fn answer(name: &Name, kind: Kind, records: &[Record]) -> Result<Answer<Data>, Failure> {
    let (end, aliases) = follow(name, records);
    let of_kind = |record: &&Record| record.record_type() == kind.record_type();
    let found: Vec<_> = records.iter().filter(of_kind).collect();
    if found.is_empty() {
        return Err(Failure::NoRecord {
            name: text(name),
            kind: kind.name(),
        });
    }
    // What hickory took from its cache in the middle of a chain lacks the aliases before, which then nobody vouches for.
    let is_whole = found.iter().all(|record| record.name == end);
    let mut chain = aliases.iter().chain(&found);
    let is_authentic = is_whole && chain.all(|record| record.proof == Proof::Secure);
    let records: Vec<_> = found
        .iter()
        .filter_map(|record| data(&record.data))
        .collect();
    if records.is_empty() {
        // There is something, so it must not count as nothing: a domain with a broken MX has no implicit one.
        return Err(Failure::Temporary {
            name: text(name),
            why: format!("its {} records name no hosts", kind.name()),
        });
    }
    Ok(Answer {
        records,
        is_authentic,
        alias_of: (end != *name).then(|| domain(&end)).flatten(),
    })
}

/// The name at which a chain of aliases ends, and its records.
fn follow<'a>(name: &Name, records: &'a [Record]) -> (Name, Vec<&'a Record>) {
    let mut end = name.clone();
    let mut aliases = Vec::new();
    // Each record is used once at most, so that a ring ends too.
    while aliases.len() < records.len() {
        let next = records.iter().find_map(|record| {
            if let RData::CNAME(target) = &record.data
                && record.name == end
            {
                Some((record, target.0.clone()))
            } else {
                None
            }
        });
        let Some((record, target)) = next else { break };
        aliases.push(record);
        end = target;
    }
    (end, aliases)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "most kinds of records are never asked for"
)]
fn data(data: &RData) -> Option<Data> {
    match data {
        RData::MX(mx) => Some(Data::Mx(Mx {
            preference: mx.preference,
            host: if mx.exchange.is_root() {
                None
            } else {
                Some(domain(&mx.exchange)?)
            },
        })),
        RData::A(a) => Some(Data::Address(a.0.into())),
        RData::AAAA(aaaa) => Some(Data::Address(aaaa.0.into())),
        RData::TXT(txt) => Some(Data::Txt(txt.txt_data.concat())),
        RData::TLSA(tlsa) => Some(Data::Tlsa(Tlsa {
            usage: tlsa.cert_usage.into(),
            selector: tlsa.selector.into(),
            matching: tlsa.matching.into(),
            data: tlsa.cert_data.clone(),
        })),
        RData::PTR(name) => Some(Data::Name(domain(&name.0)?)),
        _ => None,
    }
}

/// A host's name; names that no host can have are passed over.
fn domain(name: &Name) -> Option<Domain> {
    Domain::parse(&text(name)).ok()
}

/// Without the dot at the end.
fn text(name: &Name) -> String {
    let text = name.to_ascii();
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else goes wrong may pass"
)]
fn failure(name: String, kind: Kind, error: &NetError) -> Failure {
    let none = |code: ResponseCode, name| {
        let kind = kind.name();
        if code == ResponseCode::NXDomain {
            Failure::NoName { name }
        } else {
            Failure::NoRecord { name, kind }
        }
    };
    match error {
        NetError::Dns(DnsError::NoRecordsFound(no)) => none(no.response_code, name),
        NetError::Dns(DnsError::DnssecBogus) => Failure::Bogus { name },
        NetError::Dns(DnsError::Nsec {
            response, proof, ..
        }) => match proof {
            Proof::Secure | Proof::Insecure => none(response.response_code, name),
            Proof::Bogus | Proof::Indeterminate => Failure::Bogus { name },
        },
        NetError::Dns(DnsError::ResponseCode(code)) => Failure::Temporary {
            name,
            why: code.to_string(),
        },
        other => Failure::Temporary {
            name,
            why: other.to_string(),
        },
    }
}
