//! What a domain has to publish follows from the settings, the keys and the certificate; and what is done once DNS has it.

use crate::clock::Now;
use crate::config::{Listen, Settings};
use crate::mail::address::Domain;
use crate::manage::certificate::{self, Source};
use crate::net::certificate::{About, key_digest};
use crate::queue::relay::Sender;
use crate::trust::publish::{Facts, Finding, State, Ways};
use crate::trust::signing::{self, Keyring, Place};
use crate::trust::sts_policy::Policy;

/// What a domain's records follow from. Keys that are missing are made, which takes seconds.
pub fn facts(
    domain: &Domain,
    keyring: &Keyring,
    settings: &Settings,
    now: Now,
) -> Result<Facts, signing::Error> {
    let (path, source) = certificate::file(settings);
    let is_known = source != Source::Own
        && About::of_file(&path).is_some_and(|about| {
            !about.is_self_issued
                && about.covers(settings.hostname.as_str())
                && !about.has_ended(now)
        });
    // The key in the owner's files may change at any time.
    let stays = source != Source::Files;
    let issuer = settings.acme.as_ref();
    let issuer = issuer.filter(|acme| acme.directory.contains("letsencrypt.org"));
    Ok(Facts {
        hostname: settings.hostname.clone(),
        domain: domain.clone(),
        keys: keyring.published(domain, now)?,
        ways: ways(domain, settings),
        tls_key: stays.then(|| key_digest(&path)).flatten(),
        sts_record: is_known.then(|| Policy::enforce(&settings.hostname).record()),
        issuer: issuer.map(|_| "letsencrypt.org".to_owned()),
        services: services(&settings.listen),
    })
}

/// Has a domain's new keys sign once DNS was seen to have all of them; whether they do from now on.
pub fn follow(
    keyring: &Keyring,
    domain: &Domain,
    findings: &[Finding],
    now: Now,
) -> Result<bool, signing::Error> {
    let mut new = findings
        .iter()
        .filter(|found| found.is_key(Place::Next))
        .peekable();
    if new.peek().is_none() || !new.all(|key| key.state == State::Ok) {
        return Ok(false);
    }
    keyring.switch(domain, now)
}

/// How mail of a domain leaves.
pub fn ways(domain: &Domain, settings: &Settings) -> Ways {
    let mut ways = Ways::default();
    let mut rule = None;
    for (sender, smarthost) in &settings.relay.senders {
        match sender {
            Sender::Domain(of) if of == domain => rule = Some(smarthost),
            Sender::Address(of) if of.domain() == domain => ways.add_smarthost(&smarthost.host),
            Sender::Domain(_) | Sender::Address(_) => {}
        }
    }
    match rule.or(settings.relay.default.as_ref()) {
        Some(smarthost) => ways.add_smarthost(&smarthost.host),
        None => ways.add_direct(),
    }
    ways
}

fn services(listen: &Listen) -> Vec<(&'static str, u16)> {
    let all = [
        ("submissions", &listen.submissions),
        ("imaps", &listen.imaps),
        ("pop3s", &listen.pop3s),
        ("autodiscover", &listen.web_tls),
    ];
    let ports = all.into_iter();
    ports
        .filter_map(|(name, addresses)| Some((name, addresses.first()?.port())))
        .collect()
}
