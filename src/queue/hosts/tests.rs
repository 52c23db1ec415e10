//! Domains of a zone, and the hosts found for them.

use super::*;
use crate::clock::{Clock, Wall};

const ZONE: &str = "
example.org MX 20 mx2.example.org
example.org MX 10 mx1.example.org
mx1.example.org A 192.0.2.1
mx1.example.org AAAA 2001:db8::1
mx2.example.org A 192.0.2.2
implicit.example A 192.0.2.3
null.example MX 0 .
half-null.example MX 0 .
half-null.example MX 5 mx2.example.org
nothing.example TXT nothing
gone.example MX 10 gone.example.org
gone.example MX 20 mx2.example.org
all-gone.example MX 10 gone.example.org
alias.example MX 10 alias-mx.example
alias-mx.example CNAME mx2.example.org
down.example MX servfail
forged.example MX bogus
host-down.example MX 10 down.example.org
host-down.example MX 20 mx2.example.org
all-down.example MX 10 down.example.org
all-down.example MX 20 gone.example.org
down.example.org * timeout
back.example MX 10 mx1.example.org
back.example MX 20 box.example.net
back.example MX 20 mx2.example.org
back.example MX 30 mx3.example.org
loop.example MX 10 box.example.net
loop.example MX 20 mx1.example.org
box.example.net A 192.0.2.77
many.example A 192.0.2.1
many.example A 192.0.2.2
many.example A 192.0.2.3
many.example A 192.0.2.4
many.example A 192.0.2.5
many.example AAAA 2001:db8::1
many.example AAAA 2001:db8::2
many.example AAAA 2001:db8::3
many.example AAAA 2001:db8::4
many.example AAAA 2001:db8::5

safe.example MX 10 ee.safe.example
safe.example MX 20 odd.safe.example
safe.example MX 30 none.safe.example
safe.example MX 40 mx2.example.org
ee.safe.example A 192.0.2.10
_25._tcp.ee.safe.example TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000
_25._tcp.ee.safe.example TLSA 1 1 1 0000000000000000000000000000000000000000000000000000000000000000
_25._tcp.ee.safe.example TLSA 2 1 1 00
odd.safe.example A 192.0.2.11
_25._tcp.odd.safe.example TLSA 0 0 0 00
none.safe.example A 192.0.2.12
forged.safe.example MX 10 forged-mx.safe.example
forged.safe.example MX 20 none.safe.example
forged-mx.safe.example A 192.0.2.13
_25._tcp.forged-mx.safe.example TLSA bogus
lame.safe.example MX 10 lame-mx.safe.example
lame-mx.safe.example A 192.0.2.14
_25._tcp.lame-mx.safe.example TLSA servfail
implicit.safe.example A 192.0.2.15
_25._tcp.implicit.safe.example TLSA 3 0 0 01
unsafe.example MX 10 ee.safe.example
alias.safe.example MX 10 first.safe.example
alias.safe.example MX 20 second.safe.example
alias.safe.example MX 30 third.safe.example
alias.safe.example MX 40 fourth.safe.example
first.safe.example CNAME ee.safe.example
second.safe.example CNAME none.safe.example
_25._tcp.second.safe.example TLSA 3 0 0 01
third.safe.example CNAME mx2.example.org
_25._tcp.third.safe.example TLSA 3 0 0 01
fourth.safe.example CNAME forged-mx.safe.example
$signed safe.example
";

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn now() -> Now {
    Clock::virtual_at(Wall(1_800_000_000)).now()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(future)
}

fn finder() -> Finder {
    let own = vec![domain("box.example.net")];
    Finder::new(Resolver::zone(ZONE).unwrap(), own)
}

/// One host a line: name, addresses, security; or why there is none.
fn words(found: Result<Vec<Host>, Unroutable>) -> String {
    let hosts = match found {
        Ok(hosts) => hosts,
        Err(Unroutable::Permanent(status, _) | Unroutable::Transient(status, _)) => {
            return status.to_string();
        }
    };
    let lines = hosts.into_iter().map(|host| {
        let name = host.name.as_ref().map_or("-", Domain::as_str);
        let addresses: Vec<_> = host.addresses.iter().map(ToString::to_string).collect();
        let security = match host.security {
            Security::Opportunistic => "",
            Security::Required(Check::Nothing) => " TLS",
            Security::Required(Check::Names(_)) => " names",
            Security::Required(Check::Dane { .. }) => " DANE",
        };
        format!("{name} {}{security}", addresses.join(","))
    });
    lines.collect::<Vec<_>>().join("; ")
}

#[test]
fn domains_have_hosts() {
    let finder = finder();
    for (name, expected) in [
        (
            "example.org",
            "mx1.example.org 2001:db8::1,192.0.2.1; mx2.example.org 192.0.2.2",
        ),
        ("implicit.example", "implicit.example 192.0.2.3"),
        ("[192.0.2.9]", "- 192.0.2.9"),
        ("[IPv6:2001:db8::9]", "- 2001:db8::9"),
        ("null.example", "5.1.10"),
        ("half-null.example", "mx2.example.org 192.0.2.2"),
        ("nowhere.example", "5.1.2"),
        ("nothing.example", "5.4.4"),
        ("gone.example", "mx2.example.org 192.0.2.2"),
        ("all-gone.example", "5.4.4"),
        ("alias.example", "alias-mx.example 192.0.2.2"),
        ("down.example", "4.4.3"),
        ("forged.example", "4.4.3"),
        ("host-down.example", "mx2.example.org 192.0.2.2"),
        ("all-down.example", "4.4.3"),
        ("back.example", "mx1.example.org 2001:db8::1,192.0.2.1"),
        ("loop.example", "5.4.6"),
        ("box.example.net", "5.4.6"),
        (
            "many.example",
            "many.example 2001:db8::1,2001:db8::2,2001:db8::3,2001:db8::4,\
             192.0.2.1,192.0.2.2,192.0.2.3,192.0.2.4",
        ),
    ] {
        let found = run(finder.hosts(&domain(name), now()));
        assert_eq!(words(found), expected, "{name}");
    }
}

#[test]
fn dane_is_asked_for_where_dnssec_vouches() {
    let finder = finder();
    for (name, expected) in [
        (
            "safe.example",
            "ee.safe.example 192.0.2.10 DANE; odd.safe.example 192.0.2.11 TLS; \
             none.safe.example 192.0.2.12; mx2.example.org 192.0.2.2",
        ),
        ("forged.safe.example", "none.safe.example 192.0.2.12"),
        ("lame.safe.example", "4.4.3"),
        (
            "implicit.safe.example",
            "implicit.safe.example 192.0.2.15 DANE",
        ),
        ("unsafe.example", "ee.safe.example 192.0.2.10"),
        // What an alias is of goes first; one that leads out of what is signed has none; one that is forged is not used.
        (
            "alias.safe.example",
            "ee.safe.example 192.0.2.10 DANE; second.safe.example 192.0.2.12 DANE; \
             third.safe.example 192.0.2.2",
        ),
    ] {
        let found = run(finder.hosts(&domain(name), now()));
        assert_eq!(words(found), expected, "{name}");
    }
    let hosts = run(finder.hosts(&domain("safe.example"), now())).unwrap();
    let Security::Required(Check::Dane { records, names }) = &hosts[0].security else {
        panic!("{hosts:?}");
    };
    assert_eq!(
        records.len(),
        1,
        "usage 1 and a digest of the wrong length are unusable"
    );
    assert_eq!(*names, [domain("ee.safe.example"), domain("safe.example")]);
    let hosts = run(finder.hosts(&domain("alias.safe.example"), now())).unwrap();
    let Security::Required(Check::Dane { names, .. }) = &hosts[0].security else {
        panic!("{hosts:?}");
    };
    let expected = [
        "ee.safe.example",
        "first.safe.example",
        "alias.safe.example",
    ];
    assert_eq!(*names, expected.map(domain));
}

#[test]
fn equal_preferences_take_turns() {
    let named = |lots: [u64; 3]| {
        let mut lots = lots.into_iter();
        let hosts = [(10, "a.example"), (10, "b.example"), (5, "c.example")];
        let hosts = hosts.map(|(preference, name)| (preference, domain(name)));
        let turns = in_turn(hosts.to_vec(), || lots.next().unwrap());
        let names = turns.into_iter().map(|(_, name)| name.to_string());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(named([1, 2, 9]), "c.example a.example b.example");
    assert_eq!(named([2, 1, 9]), "c.example b.example a.example");
}

#[test]
fn hosts_have_a_limit() {
    let records = (1..=HOSTS_MAX + 2).map(|at| {
        let name = format!("mx{at}.big.example");
        format!("big.example MX {at} {name}\n{name} A 192.0.2.{at}\n")
    });
    let zone: String = records.collect();
    let finder = Finder::new(Resolver::zone(&zone).unwrap(), vec![]);
    let hosts = run(finder.hosts(&domain("big.example"), now())).unwrap();
    assert_eq!(hosts.len(), HOSTS_MAX);
    assert_eq!(hosts[0].name, Some(domain("mx1.big.example")));
}

#[test]
fn a_smarthost_has_addresses_or_waits() {
    let finder = finder();
    let said = |name: &str| run(finder.addresses(&domain(name)));
    let both: [IpAddr; 2] = ["2001:db8::1", "192.0.2.1"].map(|it| it.parse().unwrap());
    assert_eq!(said("mx1.example.org").unwrap(), both);
    assert_eq!(said("[192.0.2.1]").unwrap(), both[1..]);
    for name in ["nowhere.example", "nothing.example", "down.example.org"] {
        assert!(
            matches!(said(name), Err(Unroutable::Transient(_, _))),
            "{name}"
        );
    }
}
