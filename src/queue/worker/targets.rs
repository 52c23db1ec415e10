//! The addresses that an attempt tries, in their order, and how each is reached.
//!
//! Pure. An attempt tries a few only, so each host has a share.

use std::net::{IpAddr, SocketAddr};

use super::connect::{Grade, Way};
use crate::mail::address::Domain;
use crate::net::outbound::Check;
use crate::queue::hosts::{Host, Security};
use crate::queue::relay::{RelayTls, Smarthost};

/// Most addresses that are tried in one attempt; a later one tries them again.
pub(super) const ADDRESSES_MAX: usize = 6;

/// Most addresses of each family that are tried of a host while there are others: a dead host with many must not keep
/// the mail from the next.
const FAMILY_MAX: usize = 1;

/// One address of one host.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) way: Way,
    pub(super) address: SocketAddr,
}

/// All addresses of the only host, or some of each.
pub(super) fn of_hosts(hosts: &[Host], port: u16) -> Vec<Target> {
    let family_max = if hosts.len() > 1 {
        FAMILY_MAX
    } else {
        usize::MAX
    };
    let mut all = Vec::new();
    for host in hosts {
        let of_one = of_host(host, port);
        let (v6, v4): (Vec<_>, Vec<_>) = of_one.partition(|target| target.address.is_ipv6());
        all.extend(v6.into_iter().take(family_max));
        all.extend(v4.into_iter().take(family_max));
    }
    all
}

fn of_host(host: &Host, port: u16) -> impl Iterator<Item = Target> {
    let target = move |ip: &IpAddr| {
        let name = host.name.clone().or_else(|| literal(*ip))?;
        Some(Target {
            way: Way {
                host: name,
                port,
                grade: match &host.security {
                    Security::Opportunistic => Grade::Opportunistic,
                    Security::Required(check) => Grade::StartTls(check.clone()),
                },
                login: None,
            },
            address: SocketAddr::new(*ip, port),
        })
    };
    host.addresses.iter().filter_map(target)
}

fn literal(ip: IpAddr) -> Option<Domain> {
    let tag = if ip.is_ipv6() { "IPv6:" } else { "" };
    Domain::parse(&format!("[{tag}{ip}]")).ok()
}

/// How a smarthost is reached.
pub(super) fn way(smarthost: &Smarthost) -> Way {
    let names = || Check::Names(vec![smarthost.host.clone()]);
    Way {
        host: smarthost.host.clone(),
        port: smarthost.port,
        grade: match smarthost.tls {
            RelayTls::None => Grade::Plain,
            RelayTls::StartTls => Grade::StartTls(names()),
            RelayTls::Implicit => Grade::Implicit(names()),
        },
        login: smarthost.login.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hosts: &[&[&str]], expected: &[&str]) {
        let host = |addresses: &&[&str]| Host {
            name: Domain::parse("mx.test").ok(),
            addresses: addresses.iter().map(|ip| ip.parse().unwrap()).collect(),
            security: Security::Opportunistic,
        };
        let hosts: Vec<Host> = hosts.iter().map(host).collect();
        let targets = of_hosts(&hosts, 25);
        let tried = targets.iter().take(ADDRESSES_MAX);
        let tried: Vec<String> = tried
            .map(|target| target.address.ip().to_string())
            .collect();
        assert_eq!(tried, expected);
    }

    #[test]
    fn a_host_with_many_addresses_leaves_room_for_the_next() {
        let many: &[&str] = &[
            "2001:db8::1",
            "2001:db8::2",
            "2001:db8::3",
            "192.0.2.1",
            "192.0.2.2",
            "192.0.2.3",
        ];
        check(&[many], many);
        check(
            &[many, &["192.0.2.9"]],
            &["2001:db8::1", "192.0.2.1", "192.0.2.9"],
        );
    }
}
