//! Which names a certificate is asked for.
//!
//! The box's own, and of each domain the policy host, `mail.` and those that mail programs look for, as far as they have an address in common with the box:
//! an authority looks where the name leads, and an answer there that is not ours costs a failure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::dns::{Failure, Resolver};
use crate::mail::address::Domain;
use crate::trust::sts_policy;

/// Labels in front of a domain that clients or other servers may look for.
const LABELS: [&str; 2] = ["mail", sts_policy::HOST_LABEL];

/// Labels that only mail programs look for; a domain without such names misses nothing worth a word.
const OPTIONAL_LABELS: [&str; 2] = ["autoconfig", "autodiscover"];

/// Names that may be asked for: the box's own first. Empty if that is no public name.
pub(super) fn candidates(hostname: &Domain, domains: &[Domain]) -> BTreeSet<String> {
    if !hostname.is_public() {
        return BTreeSet::new();
    }
    let public = domains.iter().filter(|domain| domain.is_public());
    let of_domains = public.flat_map(|domain| {
        let labels = LABELS.iter().chain(&OPTIONAL_LABELS);
        labels.map(move |label| format!("{label}.{}", domain.as_str()))
    });
    of_domains.chain([hostname.as_str().to_owned()]).collect()
}

/// Whether nobody needs to hear that this name does not lead to the box.
pub(super) fn is_optional(name: &str) -> bool {
    let label = name.split('.').next().unwrap_or_default();
    OPTIONAL_LABELS.contains(&label)
}

/// Those of `names` that lead to the box: `hostname` always, others if they share an address with it, or if nobody can tell
/// now.
pub(super) async fn pointing_here(
    names: &BTreeSet<String>,
    hostname: &Domain,
    resolver: &Resolver,
) -> BTreeSet<String> {
    let ours = addresses(hostname, resolver).await;
    let mut here = BTreeSet::new();
    for name in names {
        let leads_here = name == hostname.as_str()
            || match Domain::parse(name) {
                Ok(domain) => may_be_one(&ours, &addresses(&domain, resolver).await),
                Err(_) => false,
            };
        if leads_here {
            here.insert(name.clone());
        }
    }
    here
}

async fn addresses(host: &Domain, resolver: &Resolver) -> Result<Vec<IpAddr>, Failure> {
    resolver.addresses(host).await.map(|answer| answer.records)
}

fn may_be_one(ours: &Result<Vec<IpAddr>, Failure>, theirs: &Result<Vec<IpAddr>, Failure>) -> bool {
    match (ours, theirs) {
        (_, Err(failure)) | (Err(failure), Ok(_)) => failure.is_temporary(),
        (Ok(ours), Ok(theirs)) => theirs.iter().any(|address| ours.contains(address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(name: &str) -> Domain {
        Domain::parse(name).unwrap()
    }

    #[test]
    fn names_for_programs_are_optional() {
        for (name, expected) in [
            ("autoconfig.example.org", true),
            ("autodiscover.example.org", true),
            ("mail.example.org", false),
            ("mta-sts.example.org", false),
        ] {
            assert_eq!(is_optional(name), expected, "{name}");
        }
    }

    #[test]
    fn candidates_are_the_box_and_four_for_each_domain() {
        let domains = [domain("example.org"), domain("a.local")];
        let found = candidates(&domain("mail.example.org"), &domains);
        let expected = ["mail", "mta-sts", "autoconfig", "autodiscover"];
        assert_eq!(
            found,
            expected.map(|label| format!("{label}.example.org")).into()
        );
        assert!(candidates(&domain("heimpost.local"), &domains).is_empty());
    }

    #[test]
    fn sharing_one_address_is_enough_and_doubt_is_for() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let ours = Ok(vec![ip("192.0.2.1"), ip("2001:db8::1")]);
        let nothing = || {
            Err(Failure::NoName {
                name: String::new(),
            })
        };
        let silence = || {
            Err(Failure::Temporary {
                name: String::new(),
                why: String::new(),
            })
        };
        let table = [
            (Ok(vec![ip("192.0.2.9"), ip("2001:db8::1")]), true),
            (Ok(vec![ip("192.0.2.9")]), false),
            (nothing(), false),
            (silence(), true),
        ];
        for (theirs, expected) in table {
            assert_eq!(may_be_one(&ours, &theirs), expected, "{theirs:?}");
        }
        assert!(may_be_one(&silence(), &Ok(vec![ip("192.0.2.9")])));
        assert!(!may_be_one(&nothing(), &Ok(vec![ip("192.0.2.9")])));
    }
}
