//! Mail of others waits for its verdict, is marked, filed in Junk or refused; forged results are taken out of it.

use super::super::*;
use super::house::{House, house, house_with};
use crate::store::Options;
use crate::trust::verify::Outcome::{self, Fail, TempError};
use crate::trust::verify::{Dmarc, Identity, Policy, Spf, Verdict};

const MAIL: &str = "Authentication-Results: mail.home.test; dkim=pass\r\n\
    Authentication-Results: mx.other.test; dkim=pass\r\nFrom: x@y.z\r\n\r\nHello\r\n";

fn verdict(outcome: Outcome, policy: Policy) -> Verdict {
    Verdict {
        spf: Spf {
            outcome,
            identity: Identity::MailFrom("y.z".to_owned()),
        },
        dkim: Vec::new(),
        dmarc: Dmarc {
            outcome,
            domain: "y.z".to_owned(),
            policy,
        },
    }
}

fn judging(checking: Checking, verdict: Verdict) -> House {
    let House { clock, service, .. } = house(Role::Receive);
    let service = Service {
        checking,
        ..service
    };
    let mut house = House::connect(clock, service);
    house.verdict = Some(verdict);
    house
}

/// Sends [`MAIL`] in a transaction; gives the reply to it.
fn send(house: &mut House, by: &str) -> String {
    house.say(b"EHLO c\r\nMAIL FROM:<x@y.z>\r\nRCPT TO:<anna@home.test>\r\n");
    if by == "BDAT" {
        let (first, rest) = MAIL.split_at(20);
        let said = format!("BDAT 20\r\n{first}BDAT {} LAST\r\n{rest}", rest.len());
        let said = house.say(said.as_bytes());
        return said.lines().last().unwrap_or_default().to_owned();
    }
    house.say(b"DATA\r\n");
    house.say(format!("{MAIL}.\r\n").as_bytes())
}

#[test]
fn mail_is_marked() {
    for by in ["DATA", "BDAT"] {
        let mut house = judging(Checking::Obey, verdict(Outcome::Pass, Policy::Reject));
        assert!(send(&mut house, by).starts_with("250 2.0.0 Delivered"));
        assert_eq!(house.events, ["verify"]);
        let [mail] = <[String; 1]>::try_from(house.inbox("anna@home.test")).unwrap();
        let expected = "Return-Path: <x@y.z>\r\nDelivered-To: anna@home.test\r\n\
            Authentication-Results: mail.home.test; spf=pass smtp.mailfrom=y.z; dkim=none;\r\n \
            dmarc=pass (p=reject) header.from=y.z\r\nReceived: from c ";
        assert!(mail.starts_with(expected), "{mail}");
        let theirs =
            "\r\nAuthentication-Results: mx.other.test; dkim=pass\r\nFrom: x@y.z\r\n\r\nHello\r\n";
        assert!(mail.ends_with(theirs), "{mail}");
        assert!(!mail.contains("mail.home.test; dkim=pass"), "{mail}");
    }
}

#[test]
fn a_failure_is_met_as_the_domain_asks() {
    let check = |checking, outcome, policy, code: &str, counts: [usize; 2]| {
        let mut house = judging(checking, verdict(outcome, policy));
        let said = send(&mut house, "DATA");
        assert!(
            said.starts_with(code),
            "{checking:?} {outcome:?} {policy:?}: {said}"
        );
        let found = ["INBOX", "Junk"].map(|name| house.count("anna@home.test", name));
        assert_eq!(found, counts, "{checking:?} {outcome:?} {policy:?}");
        assert_eq!(house.code("MAIL FROM:<>"), "250");
    };
    check(
        Checking::Obey,
        Fail,
        Policy::Reject,
        "550 5.7.1 Refused as y.z asks",
        [0, 0],
    );
    check(Checking::Obey, Fail, Policy::Quarantine, "250", [0, 1]);
    check(Checking::Obey, Fail, Policy::None, "250", [1, 0]);
    check(Checking::Obey, TempError, Policy::Reject, "250", [1, 0]);
    check(Checking::Mark, Fail, Policy::Reject, "250", [1, 0]);
    check(Checking::Off, Fail, Policy::Reject, "250", [1, 0]);
}

/// What is judged junk does not leave under our name, and is not lost either.
#[test]
fn junk_is_not_forwarded() {
    let check = |policy, to: &[&str], code: &str, counts: [usize; 2], spooled| {
        let mut house = judging(Checking::Obey, verdict(Fail, policy));
        house.alias("info@home.test", &["anna@home.test", "x@far.test"]);
        house.alias("away@home.test", &["x@far.test", "y@far.test"]);
        house.code("EHLO c");
        house.code("MAIL FROM:<x@y.z>");
        for name in to {
            assert_eq!(house.code(&format!("RCPT TO:<{name}@home.test>")), "250");
        }
        house.code("DATA");
        let said = house.say(format!("{MAIL}.\r\n").as_bytes());
        assert!(said.starts_with(code), "{policy:?} {to:?}: {said}");
        let found = ["INBOX", "Junk"].map(|name| house.count("anna@home.test", name));
        assert_eq!(found, counts, "{policy:?} {to:?}");
        assert_eq!(house.spool().len(), spooled, "{policy:?} {to:?}");
    };
    check(Policy::None, &["info"], "250 2.0.0 Queued", [1, 0], 1);
    check(Policy::None, &["away"], "250 2.0.0 Queued", [0, 0], 1);
    let delivered = "250 2.0.0 Delivered";
    check(Policy::Quarantine, &["info"], delivered, [0, 1], 0);
    check(Policy::Quarantine, &["info", "ben"], delivered, [0, 1], 0);
    let refused = "550 5.7.1 Not forwarded: ";
    check(Policy::Quarantine, &["away"], refused, [0, 0], 0);
    // One answer for all: its sender hears that somebody has not got it.
    check(Policy::Quarantine, &["anna", "away"], refused, [0, 0], 0);
}

/// Who is full has no room for junk: nobody else would get it.
#[test]
fn junk_for_a_full_account_waits_elsewhere() {
    let House { clock, service, .. } = house_with(Role::Receive, &Options::default(), Some(10));
    let service = Service {
        checking: Checking::Obey,
        ..service
    };
    let mut house = House::connect(clock, service);
    house.alias("info@home.test", &["anna@home.test", "x@far.test"]);
    house.code("EHLO c");
    for (policy, expected) in [
        (Policy::None, "250"),
        (Policy::Quarantine, "452"),
        (Policy::None, "250"),
    ] {
        house.verdict = Some(verdict(Fail, policy));
        for line in ["MAIL FROM:<x@y.z>", "RCPT TO:<info@home.test>", "DATA"] {
            house.code(line);
        }
        assert_eq!(house.code(&format!("{MAIL}.")), expected, "{policy:?}");
    }
}

#[test]
fn nothing_is_read_before_the_verdict() {
    let mut house = judging(Checking::Obey, verdict(Outcome::Pass, Policy::None));
    house.say(b"EHLO c\r\nMAIL FROM:<x@y.z>\r\nRCPT TO:<anna@home.test>\r\nDATA\r\n");
    let now = house.clock.now();
    let input = format!("{MAIL}.\r\nNOOP\r\n");
    machine::Session::handle_input(&mut house.session, input.as_bytes(), now);
    let mut out = Vec::new();
    machine::Session::poll_output(&mut house.session, &mut out, now);
    assert_eq!(out, b"");
    assert!(!machine::Session::wants_input(&house.session));
    assert_eq!(machine::Session::poll_timeout(&house.session), None);
    // The verdict comes, and with it what was pipelined.
    let said = house.settle();
    assert!(said.starts_with("250 2.0.0 Delivered"), "{said}");
    assert!(said.ends_with("250 2.0.0 OK\r\n"), "{said}");
}

#[test]
fn who_is_at_home_is_not_refused() {
    let House { clock, service, .. } = house(Role::Receive);
    let service = Service {
        checking: Checking::Obey,
        ..service
    };
    for (address, events, code) in [
        ("127.0.0.1", 0, "250"),
        ("::1", 0, "250"),
        ("::ffff:127.0.0.1", 0, "250"),
        ("192.168.1.2", 1, "250"),
        ("fd00::2", 1, "250"),
        ("192.0.2.2", 1, "550"),
    ] {
        let peer = Peer {
            address: (address.parse::<std::net::IpAddr>().unwrap(), 4000).into(),
            tls: None,
            wake: machine::Wake::none(),
        };
        let mut house = House::connect_from(clock.clone(), service.clone(), peer);
        house.verdict = Some(verdict(Fail, Policy::Reject));
        assert!(send(&mut house, "DATA").starts_with(code), "{address}");
        assert_eq!(house.events.len(), events, "{address}");
    }
}

/// DMARC passes no judgement on them, and programs show the one or the other.
#[test]
fn two_from_fields_are_refused_where_dmarc_is_obeyed() {
    for (checking, code) in [
        (Checking::Obey, "550 5.7.1"),
        (Checking::Mark, "250"),
        (Checking::Off, "250"),
    ] {
        let mut house = judging(checking, verdict(Outcome::None, Policy::None));
        house.say(b"EHLO c\r\nMAIL FROM:<x@y.z>\r\nRCPT TO:<anna@home.test>\r\nDATA\r\n");
        let said = house.say(format!("From: boss@bank.test\r\n{MAIL}.\r\n").as_bytes());
        assert!(said.starts_with(code), "{checking:?}: {said}");
    }
}

/// Reports would go to whoever the sender claims to be.
#[test]
fn what_looks_forged_is_not_confirmed() {
    for (policy, expected) in [(Policy::None, 1), (Policy::Quarantine, 0)] {
        let mut house = judging(Checking::Obey, verdict(Fail, policy));
        house.say(
            b"EHLO c\r\nMAIL FROM:<x@y.z>\r\nRCPT TO:<anna@home.test> NOTIFY=SUCCESS\r\nDATA\r\n",
        );
        let said = house.say(format!("{MAIL}.\r\n").as_bytes());
        assert!(said.starts_with("250 "), "{said}");
        let snapshot = house.service.store.snapshot().unwrap();
        assert_eq!(snapshot.spool_len().unwrap(), expected, "{policy:?}");
    }
}
