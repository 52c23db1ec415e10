//! The SPF record (RFC 7208): composed, and an existing one looked at word by word.

use std::net::IpAddr;

use super::Ways;
use crate::mail::address::Domain;

/// Smarthosts whose providers say what to include for domains of their customers. `(end of the host's name, include)`
const INCLUDES: [(&str, &str); 5] = [
    ("gmail.com", "_spf.google.com"),
    ("mailbox.org", "mailbox.org"),
    ("ionos.de", "_spf-eu.ionos.com"),
    ("office365.com", "spf.protection.outlook.com"),
    ("outlook.com", "spf.protection.outlook.com"),
];

impl Ways {
    /// Some mail leaves from the box itself.
    pub fn add_direct(&mut self) {
        self.direct = true;
    }

    /// Some mail leaves through that smarthost.
    pub fn add_smarthost(&mut self, host: &Domain) {
        let host = host.as_str();
        let is_below = |end: &str| {
            let front = host.strip_suffix(end);
            front.is_some_and(|front| front.is_empty() || front.ends_with('.'))
        };
        let known = INCLUDES.iter().find(|(end, _)| is_below(end));
        let (list, word) = match known {
            Some((_, include)) => (&mut self.includes, *include),
            None => (&mut self.unknown, host),
        };
        if !list.iter().any(|there| there == word) {
            list.push(word.to_owned());
        }
    }
}

/// What the record has to have, besides its version and its end.
pub(super) fn words(ways: &Ways) -> Vec<String> {
    let direct = ways.direct.then(|| "mx".to_owned());
    let includes = ways.includes.iter().map(|host| format!("include:{host}"));
    // Of a smarthost that is not known better, its own addresses are the best guess.
    let unknown = ways.unknown.iter().map(|host| format!("a:{host}"));
    direct.into_iter().chain(includes).chain(unknown).collect()
}

/// The record. What is not named is "not ours, probably": DMARC makes that strict where no signature holds.
pub(super) fn record(ways: &Ways) -> String {
    let words = words(ways).join(" ");
    format!("v=spf1 {words} ~all")
}

/// Whether a TXT record is one for SPF.
pub(super) fn is_spf(text: &str) -> bool {
    let version = text.split(' ').next().unwrap_or_default();
    version.eq_ignore_ascii_case("v=spf1")
}

/// What an existing record lacks of `ways`.
pub(super) fn lacks(
    text: &str,
    ways: &Ways,
    hostname: &Domain,
    addresses: &[IpAddr],
) -> Vec<String> {
    let there: Vec<String> = text
        .split_ascii_whitespace()
        .map(|word| word.trim_start_matches('+').to_ascii_lowercase())
        .collect();
    let has = |word: &str| there.iter().any(|found| found == word);
    let names_host = has("a")
        || has(&format!("a:{hostname}"))
        || (!addresses.is_empty() && addresses.iter().all(|address| has(&literal(*address))));
    words(ways)
        .into_iter()
        .filter(|word| !(has(word) || word == "mx" && names_host))
        .filter(|word| {
            let target = word.strip_prefix("include:");
            !target.is_some_and(|target| has(&format!("redirect={target}")))
        })
        .collect()
}

fn literal(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => format!("ip4:{v4}"),
        IpAddr::V6(v6) => format!("ip6:{v6}"),
    }
}

/// Whether it lets everybody send.
pub(super) fn is_open(text: &str) -> bool {
    text.split_ascii_whitespace()
        .any(|word| word.eq_ignore_ascii_case("+all") || word.eq_ignore_ascii_case("all"))
}

/// The existing record with `words` put in behind its version.
pub(super) fn with(text: &str, words: &[String]) -> String {
    let rest = text.split_once(' ').map_or("~all", |(_, rest)| rest);
    format!("v=spf1 {} {}", words.join(" "), rest.trim())
}
