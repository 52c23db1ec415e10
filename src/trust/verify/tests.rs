//! Mails judged against a zone.

use std::net::UdpSocket;

use super::judge::Waits;
use super::*;
use crate::clock::{Clock, Wall};
use crate::dns::{self, Resolver};
use crate::mail::address::{Address, Domain};

/// RFC 8463, appendix A.
pub(in crate::trust) const SIGNED: &str = concat!(
    "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n",
    " d=football.example.com; i=@football.example.com;\r\n",
    " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n",
    " subject : date : message-id : from : subject : date;\r\n",
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n",
    " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n",
    " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n",
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n",
    " d=football.example.com; i=@football.example.com;\r\n",
    " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n",
    " date : message-id : from : subject : date;\r\n",
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n",
    " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n",
    " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n",
    " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n",
    "From: Joe SixPack <joe@football.example.com>\r\n",
    "To: Suzie Q <suzie@shopping.example.net>\r\n",
    "Subject: Is dinner ready?\r\n",
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n",
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n",
    "\r\n",
    "Hi.\r\n",
    "\r\n",
    "We lost the game.  Are you hungry yet?\r\n",
    "\r\n",
    "Joe.\r\n",
);

pub(in crate::trust) const KEYS: &str = r#"
brisbane._domainkey.football.example.com TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
test._domainkey.football.example.com TXT "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
"#;

const PLAIN: &str = "From: Joe <joe@football.example.com>\r\nSubject: x\r\n\r\nHi\r\n";

/// The field, unfolded and without the host's name.
pub(in crate::trust) fn judged(
    zone: &str,
    from: &str,
    message: &[u8],
    cut: usize,
) -> (String, Policy) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut digest = Digest::default();
    for piece in message.chunks(cut) {
        digest.push(piece);
    }
    let request = Request {
        peer: [192, 0, 2, 7].into(),
        helo: "mx.example.com".to_owned(),
        from: (!from.is_empty()).then(|| Address::parse(from).unwrap()),
        message: digest.finish(),
    };
    let hostname = Domain::parse("mail.home.test").unwrap();
    let verdict = runtime.block_on(async {
        let resolver = Resolver::zone(zone).unwrap();
        let judge = Judge::new(resolver, hostname.clone(), Clock::system());
        judge.judge(request).await
    });
    let field = verdict.field(&hostname).replace("\r\n ", " ");
    let words = field.strip_prefix("Authentication-Results: mail.home.test; ");
    (words.unwrap().trim_end().to_owned(), verdict.disposition())
}

fn check(zone: &str, from: &str, message: &str, expected: &str) -> Policy {
    let (field, policy) = judged(zone, from, message.as_bytes(), usize::MAX);
    assert_eq!(field, expected, "{zone}");
    policy
}

const BOTH_PASS: &str = "dkim=pass header.d=football.example.com header.s=brisbane \
    header.b=\"/gCrinpc\"; dkim=pass header.d=football.example.com header.s=test \
    header.b=F45dVWDf;";

#[test]
fn the_vectors_of_rfc_8463_hold() {
    let expected = format!(
        "spf=none smtp.helo=mx.example.com; {BOTH_PASS} dmarc=none header.from=football.example.com"
    );
    for cut in [1, 7, 64, usize::MAX] {
        let (field, _) = judged(KEYS, "", SIGNED.as_bytes(), cut);
        assert_eq!(field, expected, "cut at {cut}");
    }
}

#[test]
fn a_changed_mail_fails() {
    let zone = format!("{KEYS}_dmarc.football.example.com TXT v=DMARC1; p=reject\n");
    let body = SIGNED.replace("hungry", "angry");
    let (field, policy) = judged(&zone, "", body.as_bytes(), 100);
    assert_eq!(field.matches("dkim=fail reason=").count(), 2, "{field}");
    assert!(
        field.contains("dmarc=fail (p=reject) header.from=football"),
        "{field}"
    );
    assert_eq!(policy, Policy::Reject);
    let header = SIGNED.replace("dinner", "supper");
    let (field, _) = judged(&zone, "", header.as_bytes(), 100);
    assert_eq!(field.matches("dkim=fail").count(), 2, "{field}");
    let (field, policy) = judged(&zone, "", SIGNED.as_bytes(), 100);
    assert!(field.contains("dmarc=pass (p=reject)"), "{field}");
    assert_eq!(policy, Policy::None);
}

#[test]
fn spf_by_mechanism() {
    let cases = [
        ("v=spf1 ip4:192.0.2.0/24 -all", "pass"),
        ("v=spf1 -all", "fail"),
        ("v=spf1 ~all", "softfail"),
        ("v=spf1 ?all", "neutral"),
        ("v=spf1 mx -all", "pass"),
        ("v=spf1 a:other.example.com -all", "fail"),
        ("v=spf1 include:_spf.example.com -all", "pass"),
        ("v=spf1 redirect=_spf.example.com", "pass"),
        ("v=spf1 exists:%{ir}.ok.example.com -all", "pass"),
        ("v=spf1 exists:%{i}.gone.example.com -all", "fail"),
        ("v=spf1 a:down.example.com -all", "temperror"),
        ("v=spf1 include:none.example.com -all", "permerror"),
        ("other", "none"),
    ];
    for (record, outcome) in cases {
        let zone = format!(
            "football.example.com TXT {record}\nfootball.example.com MX 10 mx.example.com\n\
             mx.example.com A 192.0.2.7\n_spf.example.com TXT v=spf1 ip4:192.0.2.7 -all\n\
             other.example.com A 192.0.2.8\n7.2.0.192.ok.example.com A 127.0.0.2\n\
             down.example.com A servfail\n"
        );
        let expected = format!(
            "spf={outcome} smtp.mailfrom=football.example.com; dkim=none; dmarc=none \
             header.from=football.example.com"
        );
        check(&zone, "joe@football.example.com", PLAIN, &expected);
    }
}

#[test]
fn dmarc_by_policy_and_alignment() {
    let cases = [
        (
            "_dmarc.football.example.com",
            "p=reject",
            "joe@other.example.org",
            Outcome::Fail,
            Policy::Reject,
        ),
        (
            "_dmarc.football.example.com",
            "p=quarantine",
            "joe@other.example.org",
            Outcome::Fail,
            Policy::Quarantine,
        ),
        (
            "_dmarc.football.example.com",
            "p=none",
            "joe@other.example.org",
            Outcome::Fail,
            Policy::None,
        ),
        (
            "_dmarc.example.com",
            "p=none; sp=reject",
            "joe@other.example.org",
            Outcome::Fail,
            Policy::Reject,
        ),
        (
            "_dmarc.football.example.com",
            "p=reject; aspf=s",
            "joe@sub.football.example.com",
            Outcome::Fail,
            Policy::Reject,
        ),
        (
            "_dmarc.football.example.com",
            "p=reject",
            "joe@sub.football.example.com",
            Outcome::Pass,
            Policy::None,
        ),
    ];
    for (name, record, from, outcome, policy) in cases {
        let zone = format!(
            "{name} TXT v=DMARC1; {record}\nother.example.org TXT v=spf1 +all\n\
             sub.football.example.com TXT v=spf1 +all\nfootball.example.com A 192.0.2.1\n"
        );
        let (field, found) = judged(&zone, from, PLAIN.as_bytes(), usize::MAX);
        let words = format!("dmarc={} (p=", outcome.name());
        assert!(field.contains(&words), "{name} {record} {from}: {field}");
        assert_eq!(found, policy, "{name} {record} {from}");
    }
}

#[test]
fn trouble_is_held_against_nobody() {
    let from = "joe@football.example.com";
    let reject = "_dmarc.football.example.com TXT v=DMARC1; p=reject\n";
    let spf = "football.example.com TXT v=spf1 -all\n";
    // The key that would save it cannot be had.
    let zone = format!("{reject}{spf}brisbane._domainkey.football.example.com TXT servfail\n");
    let (field, policy) = judged(&zone, from, SIGNED.as_bytes(), usize::MAX);
    assert!(field.contains("dkim=temperror"), "{field}");
    assert!(field.contains("dmarc=temperror"), "{field}");
    assert_eq!(policy, Policy::None);
    let zone = format!("{reject}football.example.com TXT servfail\n");
    let (field, policy) = judged(&zone, from, PLAIN.as_bytes(), usize::MAX);
    assert!(field.starts_with("spf=temperror"), "{field}");
    assert_eq!(policy, Policy::None);
    let zone = format!("{spf}_dmarc.football.example.com TXT servfail\n");
    let (field, policy) = judged(&zone, from, PLAIN.as_bytes(), usize::MAX);
    assert!(field.contains("dmarc=temperror"), "{field}");
    assert_eq!(policy, Policy::None);
}

#[test]
fn what_proves_nothing() {
    // A part of the body, SHA-1, a header beyond the limit.
    let part = SIGNED.replace(" q=dns/txt;", " q=dns/txt; l=5;");
    let (field, _) = judged(KEYS, "", part.as_bytes(), usize::MAX);
    assert_eq!(field.matches("dkim=policy").count(), 2, "{field}");
    let old = SIGNED.replace("a=rsa-sha256", "a=rsa-sha1");
    let (field, _) = judged(KEYS, "", old.as_bytes(), usize::MAX);
    assert!(
        field.contains("dkim=permerror reason=\"SHA-1 proves nothing\" header.d=football"),
        "{field}"
    );
    let long = SIGNED.replace(
        "\r\n\r\nHi.",
        &format!("\r\nX: {}\r\n\r\nHi.", "x".repeat(HEADER_BYTES_MAX)),
    );
    let (field, _) = judged(KEYS, "", long.as_bytes(), 1000);
    assert!(
        field.contains("dkim=permerror reason=\"the header is too large\";"),
        "{field}"
    );
}

#[test]
fn a_large_body_is_judged_too() {
    // The hash of a body that is not the signed one, over more than any buffer holds.
    let mut large = SIGNED.as_bytes().to_vec();
    large.extend(b"x\r\n".repeat(2 << 20));
    let (field, _) = judged(KEYS, "", &large, 16 * 1024);
    assert_eq!(
        field
            .matches("dkim=fail reason=\"Calculated body hash")
            .count(),
        2,
        "{field}"
    );
    let mut padded = SIGNED.as_bytes().to_vec();
    padded.extend(b"\r\n".repeat(2 << 20));
    let (field, _) = judged(KEYS, "", &padded, 16 * 1024);
    assert_eq!(field.matches("dkim=pass").count(), 2, "{field}");
}

#[test]
fn many_signatures_are_not_all_asked_for() {
    let one = "DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=b; h=from; bh=YQ==; b=YQ==\r\n";
    let message = format!("{}{PLAIN}", one.repeat(100));
    let (field, _) = judged("", "", message.as_bytes(), usize::MAX);
    assert_eq!(field.matches("dkim=").count(), SIGNATURES_MAX, "{field}");
}

#[test]
fn strangers_words_stay_in_their_place() {
    let verdict = Verdict {
        spf: Spf {
            outcome: Outcome::None,
            identity: Identity::Helo("a\"; dkim=pass\r\nX: y".to_owned()),
        },
        dkim: vec![Dkim {
            domain: "d\u{e9};\\".to_owned(),
            ..Dkim::nameless(Outcome::Fail, "a \"b\"\r\n")
        }],
        dmarc: Dmarc {
            outcome: Outcome::None,
            domain: String::new(),
            policy: Policy::None,
        },
    };
    let field = verdict.field(&Domain::parse("mail.home.test").unwrap());
    assert_eq!(
        field.replace("\r\n ", " "),
        "Authentication-Results: mail.home.test; spf=none smtp.helo=\"a?; dkim=pass??X: y\"; \
         dkim=fail reason=\"a ?b???\" header.d=\"d?;?\"; dmarc=none\r\n"
    );
}

/// So long that a busy machine does not take it for what is to be done at once.
const LONG: Duration = Duration::from_secs(3);

/// A judge whose name server never answers, if that socket stays open.
fn deaf(clock: Clock) -> (Judge, UdpSocket) {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let settings = dns::Settings {
        servers: vec![silent.local_addr().unwrap()],
        dnssec: false,
        trust_anchor: None,
    };
    let resolver = Resolver::new(&settings).unwrap();
    let waits = Waits {
        proof: LONG,
        away: Duration::from_millis(1),
        // Nobody waits for it that long.
        policy: Duration::from_hours(1),
    };
    let hostname = Domain::parse("mail.home.test").unwrap();
    (Judge::new(resolver, hostname, clock).waiting(waits), silent)
}

#[tokio::test]
async fn one_mail_in_a_minute_waits_for_dns_that_is_away() {
    let clock = Clock::virtual_at(Wall(1_800_000_000));
    let (judge, _silent) = deaf(clock.clone());
    let mut waited = Vec::new();
    for seconds in [0, 1, 58, 2] {
        clock.advance(Duration::from_secs(seconds));
        let mut message = Digest::default();
        message.push(SIGNED.as_bytes());
        let request = Request {
            peer: [192, 0, 2, 7].into(),
            helo: "mx.example.com".to_owned(),
            from: Some(Address::parse("joe@football.example.com").unwrap()),
            message: message.finish(),
        };
        let begun = tokio::time::Instant::now();
        let verdict = judge.judge(request).await;
        waited.push(begun.elapsed() >= LONG);
        assert_eq!(verdict.spf.outcome, Outcome::TempError);
        assert_eq!(verdict.dmarc.outcome, Outcome::TempError);
        assert_eq!(verdict.dmarc.domain, "football.example.com");
        assert_eq!(verdict.disposition(), Policy::None);
    }
    assert_eq!(waited, [true, false, false, true]);
}
