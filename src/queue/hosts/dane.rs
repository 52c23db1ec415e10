//! What a host's TLSA records ask for (RFC 7672 2.2, 3.1).
//!
//! Only for hosts whose MX and address records DNSSEC vouches for; whoever calls has seen to that.

use crate::dns::{Failure, Resolver, Tlsa};
use crate::mail::address::Domain;
use crate::net::outbound::Check;

/// The port of the service that the records are about (RFC 7672 2.2.3), whatever port tests use.
const PORT: u16 = 25;

/// What the records ask for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Dane {
    /// There are none that DNSSEC vouches for.
    None,
    /// TLS with this check.
    Check(Check),
    /// They cannot be had, or not unforged: the host is not to be used for now (RFC 7672 2.1.2).
    Later(String),
}

/// Asks for the records of `host`; a certificate that is vouched for by an authority has to name one of `names`.
pub(super) async fn look(resolver: &Resolver, host: &Domain, names: &[&Domain]) -> Dane {
    match resolver.tlsa(&format!("_{PORT}._tcp.{host}")).await {
        Ok(answer) if answer.is_authentic => Dane::Check(check(answer.records, names)),
        Ok(_) | Err(Failure::NoName { .. } | Failure::NoRecord { .. }) => Dane::None,
        Err(failure @ (Failure::Temporary { .. } | Failure::Bogus { .. })) => {
            Dane::Later(failure.to_string())
        }
    }
}

/// Records that all are unusable still say that the host has TLS (RFC 7672 2.2).
fn check(mut records: Vec<Tlsa>, names: &[&Domain]) -> Check {
    records.retain(is_usable);
    if records.is_empty() {
        return Check::Nothing;
    }
    let mut known: Vec<Domain> = Vec::new();
    for name in names {
        if !known.contains(name) {
            known.push((*name).clone());
        }
    }
    Check::Dane {
        records,
        names: known,
    }
}

/// Usages 0 and 1 are not for SMTP (RFC 7672 3.1.3).
fn is_usable(record: &Tlsa) -> bool {
    let length = match record.matching {
        0 => !record.data.is_empty(),
        1 => record.data.len() == 32,
        2 => record.data.len() == 64,
        _ => false,
    };
    matches!(record.usage, 2 | 3) && matches!(record.selector, 0 | 1) && length
}
