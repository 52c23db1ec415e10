//! Records of a domain, and what is found of them in zones.

use super::*;
use crate::dns::Resolver;
use crate::trust::signing::{Place, Published};

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn facts() -> Facts {
    let key = |selector: &str, place| Published {
        selector: selector.to_owned(),
        text: format!("v=DKIM1; k=rsa; p={}", selector.repeat(90)),
        place,
    };
    let mut ways = Ways::default();
    ways.add_direct();
    Facts {
        hostname: domain("mail.example.org"),
        domain: domain("example.org"),
        keys: vec![
            key("new", Place::Next),
            key("now", Place::Active),
            key("old", Place::Old),
        ],
        ways,
        tls_key: Some([0xab; 32]),
        sts_record: Some("v=STSv1; id=77;".to_owned()),
        issuer: Some("letsencrypt.org".to_owned()),
        services: vec![("imaps", 993)],
    }
}

#[test]
fn all_records() {
    let text: Vec<String> = records(&facts())
        .iter()
        .map(|it| {
            format!(
                "{} {} {} {}",
                it.need.name(),
                it.name,
                it.kind,
                it.value(Language::En)
            )
        })
        .map(|line| {
            line.replace(&"new".repeat(90), "N")
                .replace(&"now".repeat(90), "A")
        })
        .map(|line| {
            line.replace(&"old".repeat(90), "O")
                .replace(&"ab".repeat(32), "D")
        })
        .collect();
    let expected = "\
        needed example.org MX 10 mail.example.org.\n\
        needed mail.example.org A <public address of your connection>\n\
        needed example.org TXT v=spf1 mx ~all\n\
        needed mail.example.org PTR mail.example.org.\n\
        needed new._domainkey.example.org TXT v=DKIM1; k=rsa; p=N\n\
        needed now._domainkey.example.org TXT v=DKIM1; k=rsa; p=A\n\
        advised _dmarc.example.org TXT v=DMARC1; p=quarantine; rua=mailto:postmaster@example.org\n\
        advised _mta-sts.example.org TXT v=STSv1; id=77;\n\
        advised mta-sts.example.org CNAME mail.example.org.\n\
        optional old._domainkey.example.org TXT v=DKIM1; k=rsa; p=O\n\
        optional _smtp._tls.example.org TXT v=TLSRPTv1; rua=mailto:postmaster@example.org\n\
        optional _25._tcp.mail.example.org TLSA 3 1 1 D\n\
        optional mail.example.org CAA 0 issue \"letsencrypt.org\"\n\
        optional _imaps._tcp.example.org SRV 0 1 993 mail.example.org.\n\
        optional autoconfig.example.org CNAME mail.example.org.";
    assert_eq!(text.join("\n"), expected);
}

#[test]
fn long_texts_are_cut_into_strings() {
    let all = records(&facts());
    let key = all
        .iter()
        .find(|it| it.purpose == Purpose::Dkim(Place::Active))
        .unwrap();
    let zone = key.in_zone(Language::De);
    let strings: Vec<&str> = zone.split("\" \"").collect();
    assert_eq!(strings.len(), 2, "{zone}");
    assert_eq!(strings[0].len(), 1 + 255);
    assert_eq!(
        format!("\"{}\"", key.value(Language::De)),
        zone.replace("\" \"", "")
    );
}

#[test]
fn a_smarthost_is_in_spf_and_needs_no_reverse_name() {
    let mut facts = facts();
    facts.ways = Ways::default();
    for host in [
        "smtp.mailbox.org",
        "smtp.gmail.com",
        "smtp.other.example",
        "notmailbox.org",
    ] {
        facts.ways.add_smarthost(&domain(host));
        facts.ways.add_smarthost(&domain(host));
    }
    let expected = "v=spf1 include:mailbox.org include:_spf.google.com a:smtp.other.example \
        a:notmailbox.org ~all";
    let all = records(&facts);
    let spf = all.iter().find(|it| it.purpose == Purpose::Spf).unwrap();
    assert_eq!(spf.value(Language::En), expected);
    assert!(all.iter().all(|it| it.purpose != Purpose::Reverse));
}

/// A zone in which all is well, TLSA left out.
fn zone() -> String {
    let text = |name: &str| name.repeat(90);
    format!(
        "example.org MX 10 mail.example.org\n\
         mail.example.org A 203.0.113.7\n\
         203.0.113.7 PTR mail.example.org\n\
         example.org TXT v=spf1 a:mail.example.org -all\n\
         example.org TXT some-verification=1\n\
         new._domainkey.example.org TXT v=DKIM1; p={}\n\
         now._domainkey.example.org TXT v=DKIM1;p={};\n\
         _dmarc.example.org TXT v=DMARC1; p=reject\n\
         _mta-sts.example.org TXT v=STSv1;id=77\n\
         mta-sts.example.org CNAME mail.example.org\n\
         _smtp._tls.example.org TXT v=TLSRPTv1; rua=mailto:tls@example.net\n",
        text("new"),
        text("now"),
    )
}

/// What there is to say about that zone.
fn found(zone: &str) -> Vec<Finding> {
    let facts = facts();
    let seen = ask(&Resolver::zone(zone).unwrap(), &facts).unwrap();
    findings(&facts, &seen)
}

#[test]
fn all_is_well() {
    let all = found(&zone());
    let bad: Vec<_> = all.iter().filter(|it| it.state != State::Ok).collect();
    assert!(bad.is_empty(), "{bad:?}");
    let told = all.iter().filter(|it| it.todo != Todo::Nothing);
    let told: Vec<_> = told.map(|it| advice(it, &facts(), Language::En)).collect();
    let expected =
        "Not needed: example.org is not signed by DNSSEC, and a TLSA record is of no use.";
    assert_eq!(told, [expected]);
}

#[test]
fn an_empty_zone_misses_all() {
    let all = found("elsewhere.example A 192.0.2.1\n");
    let missing = all.iter().filter(|it| it.state == State::Missing).count();
    // All but TLSA, which has no use.
    assert_eq!(missing, all.len() - 1);
    assert_eq!(all.iter().filter(|it| it.is_serious()).count(), 6);
    let first = advice(&all[0], &facts(), Language::De);
    let expected = "Legen Sie beim Anbieter Ihrer Domain einen MX-Eintrag für example.org an: 10 mail.example.org.";
    assert_eq!(first, expected);
}

/// With this line of the zone in place of that one, a finding says this in both languages.
fn check(line: &str, instead: &str, state: State, english: &str, german: &str) {
    let before = zone();
    let after = before.replace(line, instead);
    assert_ne!(before, after, "{line} is not in the zone");
    let all = found(&after);
    let told = all
        .iter()
        .filter(|it| !matches!(it.todo, Todo::Nothing | Todo::NoDnssec));
    let told: Vec<&Finding> = told.collect();
    let [told] = told.as_slice() else {
        panic!("{instead}: {told:?}");
    };
    assert_eq!(told.state, state, "{instead}");
    let said = [Language::En, Language::De].map(|language| advice(told, &facts(), language));
    assert!(said[0].contains(english), "{instead}: {}", said[0]);
    assert!(said[1].contains(german), "{instead}: {}", said[1]);
}

#[test]
fn each_fault_has_its_instruction() {
    check(
        "MX 10 mail.example.org",
        "MX 10 mx.provider.example",
        State::Wrong,
        "goes to \"mx.provider.example\" and not here",
        "kommt nicht hierher",
    );
    check(
        "A 203.0.113.7\n",
        "A 192.168.178.20\n192.168.178.20 PTR mail.example.org\n",
        State::Wrong,
        "192.168.178.20, which only your home network has",
        "nur in Ihrem Heimnetz",
    );
    check(
        "PTR mail.example.org",
        "PTR p5.dialin.example",
        State::Wrong,
        "is called p5.dialin.example",
        "heißt p5.dialin.example",
    );
    check(
        "203.0.113.7 PTR",
        "203.0.113.8 PTR",
        State::Missing,
        "has no name",
        "hat keinen Namen",
    );
    check(
        "v=spf1 a:mail.example.org -all",
        "v=spf1 include:other.example -all",
        State::Wrong,
        "to: v=spf1 mx include:other.example -all",
        "in: v=spf1 mx include:other.example -all",
    );
    check(
        "v=spf1 a:mail.example.org -all",
        "v=spf1 mx +all",
        State::Wrong,
        "lets everybody send",
        "erlaubt jedem das Senden",
    );
}

#[test]
fn each_faulty_text_has_its_instruction() {
    check(
        "some-verification=1",
        "v=spf1 mx -all",
        State::Wrong,
        "has 2 SPF records",
        "hat 2 SPF-Einträge",
    );
    check(
        "v=DKIM1;p=",
        "v=DKIM1;p=x",
        State::Wrong,
        "to: v=DKIM1; k=rsa; p=now",
        "in: v=DKIM1; k=rsa",
    );
    check(
        "new._domainkey",
        "ne._domainkey",
        State::Missing,
        "add this TXT record for new._",
        "Legen Sie",
    );
    check(
        "p=reject",
        "p=none",
        State::Ok,
        "Fine for watching",
        "zum Beobachten",
    );
    check(
        "p=reject",
        "p=strict",
        State::Wrong,
        "Change the TXT record",
        "Ändern Sie",
    );
    check(
        "id=77",
        "id=76",
        State::Wrong,
        "to: v=STSv1; id=77;",
        "in: v=STSv1; id=77;",
    );
    check(
        "_dmarc.example.org TXT v=DMARC1; p=reject",
        "_dmarc.example.org TXT servfail",
        State::Unknown,
        "Try again later",
        "später noch einmal",
    );
}

#[test]
fn dane_is_judged_by_dnssec() {
    let check = |tlsa: &str, signed: &str, state, todo: &Todo, serious| {
        let all = found(&format!("{}{tlsa}\n{signed}\n", zone()));
        let dane = all
            .iter()
            .find(|it| it.record.purpose == Purpose::Dane)
            .unwrap();
        assert_eq!((dane.state, &dane.todo), (state, todo), "{tlsa} {signed}");
        assert_eq!(dane.is_serious(), serious, "{tlsa} {signed}");
    };
    let right = format!("_25._tcp.mail.example.org TLSA 3 1 1 {}", "ab".repeat(32));
    let wrong = format!("_25._tcp.mail.example.org TLSA 3 1 1 {}", "cd".repeat(32));
    check("", "$signed example.org", State::Missing, &Todo::Add, false);
    check("", "", State::Ok, &Todo::NoDnssec, false);
    check(
        &right,
        "$signed example.org",
        State::Ok,
        &Todo::Nothing,
        false,
    );
    check(
        &wrong,
        "$signed example.org",
        State::Wrong,
        &Todo::Dane,
        true,
    );
    check(
        &format!("{wrong}\n{right}"),
        "",
        State::Ok,
        &Todo::Nothing,
        false,
    );
}

#[test]
fn existing_spf_records_are_read_word_by_word() {
    let host = domain("mail.example.org");
    let mut ways = Ways::default();
    ways.add_direct();
    ways.add_smarthost(&domain("smtp.mailbox.org"));
    let addresses = ["203.0.113.7".parse().unwrap()];
    let lacks = |text| spf::lacks(text, &ways, &host, &addresses).join(" ");
    assert_eq!(lacks("v=spf1 MX include:mailbox.org -all"), "");
    assert_eq!(lacks("v=spf1 +mx include:mailbox.org -all"), "");
    assert_eq!(lacks("v=spf1 ip4:203.0.113.7 redirect=mailbox.org"), "");
    assert_eq!(
        lacks("v=spf1 ip4:203.0.113.8 -all"),
        "mx include:mailbox.org"
    );
    assert_eq!(lacks("v=spf1 -mx include:mailbox.org -all"), "mx");
    assert!(spf::is_spf("v=spf1 -all") && spf::is_spf("v=spf1") && !spf::is_spf("v=spf10 -all"));
}
