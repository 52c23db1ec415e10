//! The zone itself and hickory before a server that serves the same zone must say the same.

mod signed;

use std::fs;

use super::system::System;
use super::*;

const ZONE: &str = "
# Some trouble, some fine.
example.org  MX 20 mx2.example.org
example.org  MX 10 mx1.example.org.
example.org  TXT \"v=spf1 mx -all\"
mx1.example.org A 192.0.2.1
mx1.example.org AAAA 2001:db8::1
mx2.example.org A 192.0.2.2
null.example MX 0 .
alias.example CNAME example.org
ring.example CNAME gnir.example
gnir.example CNAME ring.example
down.example * servfail
half.example A 192.0.2.3
half.example AAAA servfail
_25._tcp.mx1.example.org TLSA 3 1 1 00ffab
192.0.2.1 PTR mx1.example.org
2001:db8::1 PTR mx1.example.org
signed.example MX 10 mx.signed.example
mx.signed.example A 192.0.2.9
mixed.example CNAME signed.example
to-mixed.signed.example CNAME mixed.example
to-mx.signed.example CNAME signed.example
forged.example MX bogus
v4-forged.signed.example A bogus
v4-forged.signed.example AAAA 2001:db8::2
$signed signed.example
";

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

/// In words: records, sorted, `!` when authentic, and of what the name is an alias; or the failure.
fn words<T: std::fmt::Debug>(answer: Result<Answer<T>, Failure>) -> String {
    match answer {
        Ok(answer) => {
            let mut records: Vec<_> = answer.records.iter().map(|it| format!("{it:?}")).collect();
            records.sort();
            let mark = if answer.is_authentic { "!" } else { "" };
            let of = answer.alias_of.map(|name| format!(" of {name}"));
            format!("{}{mark}{}", records.join(" "), of.unwrap_or_default())
        }
        Err(Failure::NoName { .. }) => "no name".to_owned(),
        Err(Failure::NoRecord { kind, .. }) => format!("no {kind}"),
        Err(Failure::Temporary { .. }) => "temporary".to_owned(),
        Err(Failure::Bogus { .. }) => "bogus".to_owned(),
    }
}

/// The hosts of a domain's MX.
fn mx(answer: Result<Answer<Mx>, Failure>) -> String {
    words(answer.map(|it| it.filter_map(|mx| Some(mx.host.map(|it| it.to_string())))))
}

async fn question(resolver: &Resolver, asked: &str) -> String {
    let (kind, name) = asked.split_once(' ').unwrap();
    match kind {
        "MX" => mx(resolver.mx(&domain(name)).await),
        "IP" => words(resolver.addresses(&domain(name)).await),
        "TXT" => words(resolver.txt(name).await),
        "TLSA" => words(resolver.tlsa(name).await),
        "PTR" => words(resolver.names(name.parse().unwrap()).await),
        other => panic!("{other}"),
    }
}

/// What both say.
const COMMON: &[(&str, &str)] = &[
    (
        "MX example.org",
        "Some(\"mx1.example.org\") Some(\"mx2.example.org\")",
    ),
    (
        "MX EXAMPLE.org",
        "Some(\"mx1.example.org\") Some(\"mx2.example.org\")",
    ),
    (
        "MX alias.example",
        "Some(\"mx1.example.org\") Some(\"mx2.example.org\") of example.org",
    ),
    ("MX null.example", "None"),
    ("MX mx1.example.org", "no MX"),
    ("MX nowhere.example.org", "no name"),
    ("MX example", "no MX"),
    ("MX down.example", "temporary"),
    ("IP mx1.example.org", "192.0.2.1 2001:db8::1"),
    ("IP mx2.example.org", "192.0.2.2"),
    ("IP half.example", "192.0.2.3"),
    ("IP example.org", "no A"),
    ("IP nowhere.example.org", "no name"),
    ("TXT nowhere.example.org", "no name"),
    ("TXT mx1.example.org", "no TXT"),
    (
        "TLSA _25._tcp.mx1.example.org",
        "Tlsa { usage: 3, selector: 1, matching: 1, data: [0, 255, 171] }",
    ),
    ("PTR 192.0.2.1", "Domain(\"mx1.example.org\")"),
    ("PTR 2001:db8::1", "Domain(\"mx1.example.org\")"),
    ("PTR 192.0.2.77", "no name"),
];

#[test]
fn a_zone_answers() {
    let resolver = Resolver::zone(ZONE).unwrap();
    run(async {
        for (asked, expected) in COMMON {
            assert_eq!(question(&resolver, asked).await, *expected, "{asked}");
        }
        for (asked, expected) in [
            ("MX ring.example", "temporary"),
            ("MX signed.example", "Some(\"mx.signed.example\")!"),
            ("IP mx.signed.example", "192.0.2.9!"),
            (
                "MX to-mx.signed.example",
                "Some(\"mx.signed.example\")! of signed.example",
            ),
            (
                "MX mixed.example",
                "Some(\"mx.signed.example\") of signed.example",
            ),
            (
                "MX to-mixed.signed.example",
                "Some(\"mx.signed.example\") of signed.example",
            ),
            ("MX forged.example", "bogus"),
            ("IP v4-forged.signed.example", "bogus"),
        ] {
            assert_eq!(question(&resolver, asked).await, expected, "{asked}");
        }
    });
}

#[test]
fn a_zone_with_a_mistake_is_refused() {
    for text in [
        "example.org",
        "example.org MX",
        "example.org MX mx",
        "example.org XY 1",
        "example.org * 1",
        "a.example A ::1",
        "a.example TLSA 1 1 1 0",
        "a.example TLSA 1 1 1 0z",
    ] {
        assert!(Resolver::zone(text).is_err(), "{text}");
    }
}

/// hickory, before a server with the zone.
fn over_the_network(zone: &str, dnssec: bool) -> Resolver {
    let zone = zone::Served::new(zone::Zone::parse(zone).unwrap());
    let settings = Settings {
        servers: vec![zone.address().unwrap()],
        dnssec,
        trust_anchor: None,
    };
    let system = System::new(&settings, Duration::from_millis(150)).unwrap();
    Resolver(Arc::new(Inner::System(Box::new(system))))
}

#[test]
fn the_network_says_the_same() {
    run(async {
        // The server knows no DNSSEC: plain answers are not harmed by wanting it.
        for dnssec in [false, true] {
            let resolver = over_the_network(ZONE, dnssec);
            for (asked, expected) in COMMON {
                let said = question(&resolver, asked).await;
                assert_eq!(said, *expected, "{asked}, dnssec {dnssec}");
            }
            let txt = words(resolver.txt("example.org").await);
            assert_eq!(txt, format!("{:?}", b"v=spf1 mx -all".to_vec()));
        }
    });
}

#[test]
fn a_large_answer_comes_by_tcp() {
    let text = "x".repeat(3000);
    let zone = format!("example.org TXT \"{text}\"\n");
    run(async {
        let resolver = over_the_network(&zone, false);
        let answer = resolver.txt("example.org").await.unwrap();
        assert_eq!(answer.records, [text.into_bytes()]);
    });
}

#[test]
fn silence_is_temporary() {
    run(async {
        let resolver = over_the_network("slow.example * timeout\n", false);
        assert_eq!(question(&resolver, "MX slow.example").await, "temporary");
    });
}

#[test]
fn mail_auth_asks_the_zone() {
    let resolver = Resolver::zone(ZONE).unwrap();
    run(async {
        let authenticator = resolver.authenticator().unwrap();
        let found = authenticator.txt_raw_lookup("example.org").await.unwrap();
        assert_eq!(found, b"v=spf1 mx -all");
        let none = authenticator.txt_raw_lookup("nowhere.example.org").await;
        assert!(matches!(
            none,
            Err(mail_auth::Error::Dns(mail_auth::DnsError::RecordNotFound(
                _
            )))
        ));
    });
}

#[test]
fn the_systems_servers_are_followed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("resolv.conf");
    let settings = Settings {
        servers: vec![],
        dnssec: false,
        trust_anchor: None,
    };
    let follow = |look_after| System::with_file(&settings, SERVER_TIMEOUT, &file, look_after);
    let slow = follow(Duration::from_hours(1)).unwrap();
    let system = follow(Duration::ZERO).unwrap();
    let nobody = system.network();
    assert!(Arc::ptr_eq(&nobody, &system.network()));
    // No network yet: that is no reason not to start, and every question waits.
    let resolver = Resolver(Arc::new(Inner::System(Box::new(system))));
    let said = run(question(&resolver, "MX example.org"));
    assert_eq!(said, "temporary");

    let before = slow.network();
    fs::write(&file, "search example.org\nnameserver 192.0.2.53\n").unwrap();
    let Inner::System(system) = &*resolver.0 else {
        panic!("{resolver:?}");
    };
    let somebody = system.network();
    assert!(!Arc::ptr_eq(&nobody, &somebody));
    assert!(Arc::ptr_eq(&somebody, &system.network()));
    assert!(Arc::ptr_eq(&before, &slow.network()), "not looked at yet");
}
