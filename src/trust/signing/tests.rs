//! Signatures against the vector of RFC 8463 and against the judge; the life of keys.

use std::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::rotation::base;
use super::*;
use crate::clock::{Clock, Mono, Wall};
use crate::mail::address::Domain;
use crate::store::Options;
use crate::trust::verify::tests::{SIGNED, judged};

const NOW: Wall = Wall(1_795_305_600);

const MAIL: &str = "Received: from there\r\nFrom: \"Anna, B.\" <anna@home.test>\r\nTo: ben@other.test\r\n\
    Subject: Gr\u{fc}sse  und\r\n\tmehr \r\nSubject: twice\r\nDate: Sun, 22 Nov 2026 00:00:00 +0000\r\n\
    Message-ID: <a@home.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n\
    Hello  you \r\n\r\n.dot\r\n\r\n\r\n";

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn at(wall: Wall) -> Now {
    Now {
        mono: Mono::default(),
        wall: Some(wall),
    }
}

fn open(store: &Store) -> Keyring {
    Keyring::open(store, &[domain("home.test"), domain("b\u{fc}ro.test")])
}

fn signed(keyring: &Keyring, mail: &str, cut: usize, now: Now) -> String {
    let pieces = mail.as_bytes().chunks(cut).map(<[u8]>::to_vec);
    let fields = keyring
        .sign::<Infallible>(&mut pieces.map(Ok), now)
        .unwrap();
    format!("{}{mail}", String::from_utf8(fields).unwrap())
}

fn zone(keyring: &Keyring, name: &str, now: Now) -> String {
    let published = keyring.published(&domain(name), now).unwrap();
    let line = |key: &Published| {
        format!(
            "{}._domainkey.{} TXT \"{}\"\n",
            key.selector,
            domain(name),
            key.text
        )
    };
    published.iter().map(line).collect()
}

#[test]
fn the_vector_of_rfc_8463_comes_out() {
    let seed = STANDARD
        .decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
        .unwrap();
    let public = STANDARD
        .decode("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
        .unwrap();
    let key = keys::Signer::ed25519("brisbane", &seed, &public);
    let mut head = Head::default();
    let body = head.push(SIGNED.as_bytes()).unwrap();
    let mut hasher = BodyHasher::new(Sha256::hasher(), Canonicalization::Relaxed, 0);
    hasher.write(body);
    let hash = hasher.finish().0.complete();
    assert_eq!(
        STANDARD.encode(hash.as_ref()),
        "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
    );
    // The bytes that the vector's signature is about.
    let canonical = "from:Joe SixPack <joe@football.example.com>\r\n\
        to:Suzie Q <suzie@shopping.example.net>\r\nsubject:Is dinner ready?\r\n\
        date:Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
        message-id:<20030712040037.46341.5F8J@football.example.com>\r\n\
        dkim-signature:v=1; a=ed25519-sha256; c=relaxed/relaxed; d=football.example.com; \
        i=@football.example.com; q=dns/txt; s=brisbane; t=1528637909; h=from : to : subject : date : \
        message-id : from : subject : date; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b=";
    let expected =
        "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==";
    assert_eq!(
        STANDARD.encode(key.sign(canonical.as_bytes()).unwrap()),
        expected
    );
}

/// A keyring of a store of its own, with the records of its keys.
fn home() -> (Store, Keyring, String) {
    let store = Store::in_memory(&Options::default()).unwrap();
    let keyring = open(&store);
    let records = zone(&keyring, "home.test", at(NOW));
    (store, keyring, records)
}

/// What passes if both keys with that base do.
fn both(base: &str) -> String {
    format!(
        "header.d=home.test header.s={base}r header.b=* dkim=pass header.d=home.test \
         header.s={base}e header.b=*"
    )
}

fn places(keyring: &Keyring, now: Now) -> String {
    let published = keyring.published(&domain("home.test"), now).unwrap();
    let words = published
        .iter()
        .map(|key| format!("{} {:?}", key.selector, key.place));
    words.collect::<Vec<_>>().join(", ")
}

#[test]
fn mail_of_others_leaves_as_it_is_and_makes_no_keys() {
    let store = Store::in_memory(&Options::default()).unwrap();
    let keyring = open(&store);
    for mail in [
        "From: x@other.test\r\n\r\n",
        "To: x@home.test\r\n\r\n",
        "",
        "From: home.test\r\n\r\n",
    ] {
        assert_eq!(signed(&keyring, mail, 10, at(NOW)), mail);
    }
    let row = store.snapshot().unwrap().setting("dkim/home.test");
    assert_eq!(row, Ok(None));
    let stranger = keyring.published(&domain("other.test"), at(NOW));
    assert!(matches!(stranger, Err(Error::Stranger(_))));
}

#[test]
fn a_signature_holds_and_covers_what_people_see() {
    let (_, keyring, records) = home();
    let start = "h20261122r._domainkey.home.test TXT \"v=DKIM1; k=rsa; p=MIIB";
    assert!(records.starts_with(start), "{records}");
    let whole = signed(&keyring, MAIL, usize::MAX, at(NOW));
    assert_eq!(passes(&records, &whole), both("h20261122"));
    assert!(whole.lines().all(|line| line.len() <= 78), "{whole}");
    assert!(!whole.contains(" l="), "{whole}");
    for cut in [1, 7, 100] {
        let pieces = signed(&keyring, MAIL, cut, at(NOW));
        assert_eq!(passes(&records, &pieces), both("h20261122"), "cut at {cut}");
    }
    for (from, to) in [
        ("Hello  you", "Hello thou"),
        ("Subject: twice", "Subject: thrice"),
        ("To: ben", "To: eve"),
        ("Received: from there", "From: eve@other.test"),
        ("Received: from there", "Subject: added"),
        ("Received: from there", "Reply-To: eve@other.test"),
    ] {
        let changed = whole.replace(from, to);
        assert_ne!(changed, whole);
        assert_eq!(passes(&records, &changed), "", "{from} -> {to}");
    }
    // White space, and what is added in front, may change.
    let respaced = whole.replace("Hello  you ", "Hello you");
    let passed_on = format!("Received: from here\r\n{respaced}");
    assert_eq!(passes(&records, &passed_on), both("h20261122"));
    // Without a clock nothing is dated.
    let mut unset = Clock::virtual_at(Wall(0)).now();
    unset.wall = None;
    let undated = signed(&keyring, MAIL, 100, unset);
    assert!(!undated.contains(" t="), "{undated}");
    assert_eq!(passes(&records, &undated), both("h20261122"));
}

#[test]
fn new_keys_take_over_when_they_are_told_to() {
    let (store, keyring, records) = home();
    let home = domain("home.test");
    let before = signed(&keyring, MAIL, 100, at(NOW));
    // Another keyring of the same store has the same keys.
    let other = open(&store);
    assert_eq!(zone(&other, "home.test", at(NOW)), records);
    assert_eq!(keyring.waiting().unwrap(), []);
    assert!(!keyring.switch(&home, at(NOW)).unwrap());

    assert!(other.rotate(&home, at(NOW)).unwrap());
    assert!(!keyring.rotate(&home, at(NOW)).unwrap());
    assert_eq!(keyring.waiting().unwrap(), std::slice::from_ref(&home));
    let shown = "h20261122br Next, h20261122be Next, h20261122r Active, h20261122e Active";
    assert_eq!(places(&keyring, at(NOW)), shown);
    let meanwhile = signed(&keyring, MAIL, 100, at(NOW));
    assert_eq!(passes(&records, &meanwhile), both("h20261122"));

    assert!(other.switch(&home, at(NOW)).unwrap());
    assert_eq!(keyring.waiting().unwrap(), []);
    let records = zone(&keyring, "home.test", at(NOW));
    let after = signed(&keyring, MAIL, 100, at(NOW));
    assert_eq!(passes(&records, &after), both("h20261122b"));
    // Mail on its way still passes.
    assert_eq!(passes(&records, &before), both("h20261122"));
}

#[test]
fn old_keys_stay_for_a_while() {
    let (store, keyring, _) = home();
    let home = domain("home.test");
    assert!(keyring.rotate(&home, at(NOW)).unwrap());
    assert!(keyring.switch(&home, at(NOW)).unwrap());
    let all = "h20261122br Active, h20261122be Active, h20261122r Old, h20261122e Old";
    let day = |days: i64| at(Wall(NOW.0 + days * 86_400));
    assert_eq!(places(&keyring, day(OLD_KEYS_DAYS)), all);
    let active = "h20261122br Active, h20261122be Active";
    assert_eq!(places(&keyring, day(OLD_KEYS_DAYS + 1)), active);
    // Without a clock nothing is forgotten.
    let mut unset = Clock::virtual_at(Wall(0)).now();
    unset.wall = None;
    assert_eq!(places(&keyring, unset), all);

    // Nothing of the keys is in what is printed of them, and all of it in the row.
    let row = store.snapshot().unwrap().setting("dkim/home.test");
    let set = KeySet::decode(&row.unwrap().unwrap()).unwrap();
    assert!(format!("{set:?}").contains("rsa: ***"));
    let again = KeySet::decode(&set.encode()).unwrap();
    assert_eq!(again.encode(), set.encode());
    assert!(KeySet::decode(b"{}").is_err());
}

/// What passes, in words, signatures left out.
fn passes(zone: &str, mail: &str) -> String {
    let (field, _) = judged(zone, "", mail.as_bytes(), 100);
    let passes = field
        .split("; ")
        .filter_map(|result| result.strip_prefix("dkim=pass "));
    let without_tag = |result: &str| match result.split_once("header.b=") {
        Some((front, _)) => format!("{front}header.b=*"),
        None => result.to_owned(),
    };
    passes
        .map(without_tag)
        .collect::<Vec<_>>()
        .join(" dkim=pass ")
}

#[test]
fn selectors_are_never_used_again() {
    let names = |taken: &[&str]| {
        let taken: Vec<String> = taken.iter().map(|base| (*base).to_owned()).collect();
        base(NOW, &taken)
    };
    assert_eq!(names(&[]), "h20261122");
    assert_eq!(names(&["h20261121"]), "h20261122");
    assert_eq!(names(&["h20261122", "h20261122b"]), "h20261122c");
}
