//! What leaves and comes in: name servers, the queue, checks of what arrives, certificates by ACME.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use toml::Spanned;

use super::{Problem, count, path, plain};
use crate::config::fragment::{AcmeFragment, DnsFragment, QueueFragment, ReceiveFragment, Value};
use crate::config::ranges::{ATTEMPTS_RANGE, parse_span};
use crate::config::settings::{AcmeSettings, DmarcPolicy, QueueSettings, ReceiveSettings};
use crate::dns;
use crate::mail::address::Address;
use crate::queue::plan::{Limits, Policy};

const PORT_RANGE: (u64, u64) = (1, 65_535);
const DNS_PORT: u16 = 53;

pub(super) fn dns(
    fragment: DnsFragment,
    standard: dns::Settings,
) -> Result<dns::Settings, Problem> {
    let mut servers = Vec::new();
    for text in fragment.servers.iter().flatten() {
        servers.push(name_server(text)?);
    }
    Ok(dns::Settings {
        servers,
        dnssec: plain(fragment.dnssec).unwrap_or(standard.dnssec),
        trust_anchor: path("dns.trust_anchor", fragment.trust_anchor)?.or(standard.trust_anchor),
    })
}

fn name_server(text: &Spanned<String>) -> Result<SocketAddr, Problem> {
    let address = text.get_ref();
    let alone = || {
        address
            .parse()
            .map(|ip: IpAddr| SocketAddr::new(ip, DNS_PORT))
    };
    address.parse().or_else(|_| alone()).map_err(|_| {
        let problem = format!(
            "dns.servers: \"{address}\" is no address; \"192.0.2.1\" or \"127.0.0.1:53\" is right"
        );
        (text.span().start, problem)
    })
}

pub(super) fn queue(
    fragment: QueueFragment,
    standard: &QueueSettings,
) -> Result<QueueSettings, Problem> {
    let Policy {
        retry_first,
        retry_max,
        lifetime,
        delay_notice_after,
    } = standard.policy;
    let most = |key, value, standard: usize| -> Result<usize, Problem> {
        let given = count(key, value, ATTEMPTS_RANGE)?.map(usize::try_from);
        Ok(given.and_then(Result::ok).unwrap_or(standard))
    };
    Ok(QueueSettings {
        policy: Policy {
            retry_first: span("queue.retry_first", fragment.retry_first)?.unwrap_or(retry_first),
            retry_max: span("queue.retry_max", fragment.retry_max)?.unwrap_or(retry_max),
            lifetime: span("queue.lifetime", fragment.lifetime)?.unwrap_or(lifetime),
            delay_notice_after: span("queue.delay_notice_after", fragment.delay_notice_after)?
                .unwrap_or(delay_notice_after),
        },
        limits: Limits {
            attempts_max: most(
                "queue.attempts_max",
                fragment.attempts_max,
                standard.limits.attempts_max,
            )?,
            per_destination_max: most(
                "queue.per_destination_max",
                fragment.per_destination_max,
                standard.limits.per_destination_max,
            )?,
            ..standard.limits
        },
        port: port("queue.port", fragment.port)?.unwrap_or(standard.port),
    })
}

pub(super) fn port(key: &str, value: Value<u32>) -> Result<Option<u16>, Problem> {
    Ok(count(key, value, PORT_RANGE)?.and_then(|port| u16::try_from(port).ok()))
}

/// A span of time such as `30s`, `15m`, `4h` or `5d`.
fn span(key: &str, value: Value<String>) -> Result<Option<Duration>, Problem> {
    let Some(value) = value else { return Ok(None) };
    let text = value.get_ref();
    parse_span(text).map(Some).ok_or_else(|| {
        let problem = format!(
            "{key} = \"{text}\": \"30s\", \"15m\", \"4h\" or \"5d\" is right, from 1 s to 30 days"
        );
        (value.span().start, problem)
    })
}

pub(super) fn receive(
    fragment: ReceiveFragment,
    standard: ReceiveSettings,
) -> Result<ReceiveSettings, Problem> {
    let dmarc = match fragment.dmarc {
        None => standard.dmarc,
        Some(value) => match value.get_ref().as_str() {
            "obey" => DmarcPolicy::Obey,
            "mark" => DmarcPolicy::Mark,
            other => {
                let problem = format!("receive.dmarc = \"{other}\": \"obey\" or \"mark\" is right");
                return Err((value.span().start, problem));
            }
        },
    };
    Ok(ReceiveSettings {
        verify: plain(fragment.verify).unwrap_or(standard.verify),
        dmarc,
    })
}

/// Let's Encrypt.
const ACME_DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";

pub(super) fn acme(fragment: AcmeFragment) -> Result<Option<AcmeSettings>, Problem> {
    let AcmeFragment {
        directory,
        contact,
        terms_agreed,
    } = fragment;
    if !plain(terms_agreed).unwrap_or(false) {
        let start = directory.map(|value| value.span().start);
        return match start.or_else(|| contact.map(|value| value.span().start)) {
            None => Ok(None),
            Some(start) => Err((
                start,
                "acme.terms_agreed = true is missing: read the authority's terms, and say so"
                    .to_owned(),
            )),
        };
    }
    let directory = plain(directory).unwrap_or_else(|| ACME_DIRECTORY.to_owned());
    Ok(Some(AcmeSettings {
        directory,
        contact: contact
            .map(|value| address("acme.contact", &value))
            .transpose()?,
    }))
}

pub(super) fn address(key: &str, text: &Spanned<String>) -> Result<Address, Problem> {
    Address::parse(text.get_ref()).map_err(|why| {
        let problem = format!(
            "{key} = \"{}\": {why}; \"anna@example.org\" is right",
            text.get_ref()
        );
        (text.span().start, problem)
    })
}
