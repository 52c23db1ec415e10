//! The authority and its leaves on disk: made, kept, renewed, mended, and never replaced in silence.

use std::fs;

use super::*;
use crate::clock::Mono;

const SET: Wall = Wall(1_800_000_000);

fn at(wall: Option<Wall>) -> Now {
    Now {
        mono: Mono::default(),
        wall,
    }
}

fn later(days: i64) -> Now {
    at(Some(Wall(SET.0 + days * 24 * 60 * 60)))
}

fn subject() -> Subject {
    Subject {
        hostname: "mail.example.org".to_owned(),
        names: BTreeSet::from(["mail.local".to_owned(), "example.org".to_owned()]),
        addresses: BTreeSet::from(["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()]),
    }
}

fn open(dir: &Path, now: Now) -> Authority {
    Authority::open(dir, "mail.example.org", now).unwrap()
}

#[test]
fn lives_are_as_promised() {
    let dir = tempfile::tempdir().unwrap();
    let authority = open(dir.path(), later(0));
    let leaf = authority.leaf(&subject(), later(0)).unwrap();
    let life = leaf.not_after.0 - leaf.not_before.0 + 1;
    assert_eq!(life, 397 * 24 * 60 * 60);
    assert_eq!(leaf.not_before.0, SET.0 - seconds(LEAF_BACKDATE));
    assert_eq!(authority.not_after().0, SET.0 + seconds(AUTHORITY_LIFE) - 1);
    let facts = Facts::read(&leaf.certificate).unwrap();
    assert_eq!(facts.names, wanted_names(&subject()));
    assert_eq!(facts.addresses, subject().addresses);
}

#[test]
fn the_leaf_is_kept_until_due_and_its_key_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), later(0))
        .leaf(&subject(), later(0))
        .unwrap();
    for (day, same) in [(0, true), (336, true), (338, false)] {
        let leaf = open(dir.path(), later(day))
            .leaf(&subject(), later(day))
            .unwrap();
        assert_eq!(leaf.certificate == first.certificate, same, "day {day}");
        assert_eq!(leaf.key, first.key, "day {day}");
    }
}

#[test]
fn another_name_makes_another_leaf_with_another_serial_number() {
    let dir = tempfile::tempdir().unwrap();
    let authority = open(dir.path(), later(0));
    let first = authority.leaf(&subject(), later(0)).unwrap();
    let mut renamed = subject();
    renamed.names.insert("example.net".to_owned());
    let second = authority.leaf(&renamed, later(0)).unwrap();
    let serial = |leaf: &Leaf| {
        let (_, parsed) = X509Certificate::from_der(&leaf.certificate).unwrap();
        parsed.raw_serial().to_vec()
    };
    assert_ne!(serial(&first), serial(&second));
    assert_eq!(first.not_before, second.not_before);
}

#[test]
fn without_a_clock_nothing_is_renewed_and_dates_are_in_the_past() {
    let dir = tempfile::tempdir().unwrap();
    let unset = at(None);
    let first = open(dir.path(), unset).leaf(&subject(), unset).unwrap();
    assert_eq!(first.not_before.0, Wall::FLOOR.0 - seconds(LEAF_BACKDATE));
    let again = open(dir.path(), unset).leaf(&subject(), unset).unwrap();
    assert_eq!(first.certificate, again.certificate);
    // The clock is set at last, long after the leaf's end: it is renewed at once.
    let set = later(1000);
    let renewed = open(dir.path(), set).leaf(&subject(), set).unwrap();
    assert!(!is_due(renewed.not_before, renewed.not_after, set));
    // And after the next power cut, still without a clock, dates do not go back behind it.
    let mut renamed = subject();
    renamed.names.insert("example.net".to_owned());
    let made = open(dir.path(), unset).leaf(&renamed, unset).unwrap();
    assert_eq!(made.not_before, renewed.not_before);
}

#[test]
fn a_broken_leaf_is_made_again() {
    for file in ["leaf.pem", "leaf.key"] {
        for content in ["", "-----BEGIN CERTIFICATE-----\nMIIB"] {
            let dir = tempfile::tempdir().unwrap();
            let authority = open(dir.path(), later(0));
            authority.leaf(&subject(), later(0)).unwrap();
            fs::write(dir.path().join(file), content).unwrap();
            let leaf = authority.leaf(&subject(), later(0)).unwrap();
            let facts = Facts::read(&leaf.certificate).unwrap();
            assert!(facts.signed_by(&authority.public_key), "{file}");
        }
    }
}

#[test]
fn a_leaf_of_another_authority_is_replaced() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let authority = open(dir.path(), later(0));
    let foreign = open(other.path(), later(0))
        .leaf(&subject(), later(0))
        .unwrap();
    for file in ["leaf.pem", "leaf.key"] {
        fs::copy(other.path().join(file), dir.path().join(file)).unwrap();
    }
    let leaf = authority.leaf(&subject(), later(0)).unwrap();
    assert_ne!(leaf.certificate, foreign.certificate);
}

/// What happens to the authority's files, and what the error says; `None` where it goes on.
#[test]
fn the_authority_is_never_replaced_silently() {
    type Harm = fn(&Path);
    let cases: [(Harm, Option<&str>); 6] = [
        (|dir| fs::remove_file(dir.join("ca.pem")).unwrap(), None),
        (
            |dir| fs::remove_file(dir.join("ca.key")).unwrap(),
            Some("ca.key: is missing"),
        ),
        (
            |dir| fs::write(dir.join("ca.key"), "").unwrap(),
            Some("ca.key: is no P-256 key in PEM"),
        ),
        (
            |dir| fs::write(dir.join("ca.pem"), "").unwrap(),
            Some("ca.pem: "),
        ),
        (
            |dir| fs::write(dir.join("ca.pem"), [0xff]).unwrap(),
            Some("ca.pem: is not PEM text"),
        ),
        (
            |dir| {
                let other = tempfile::tempdir().unwrap();
                open(other.path(), later(0));
                fs::copy(other.path().join("ca.key"), dir.join("ca.key")).unwrap();
            },
            Some("ca.pem: does not belong to ca.key"),
        ),
    ];
    for (number, (harm, expected)) in cases.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let before = open(dir.path(), later(0));
        harm(dir.path());
        match (
            Authority::open(dir.path(), "mail.example.org", later(1)),
            expected,
        ) {
            (Ok(after), None) => assert_eq!(after.public_key, before.public_key, "case {number}"),
            (Err(error), Some(expected)) => {
                assert!(
                    error.to_string().contains(expected),
                    "case {number}: {error}"
                );
            }
            (got, _) => panic!("case {number}: {got:?}"),
        }
    }
}

#[test]
fn keys_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), later(0))
        .leaf(&subject(), later(0))
        .unwrap();
    for file in ["ca.key", "leaf.key"] {
        let mode = fs::metadata(dir.path().join(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, MODE_PRIVATE, "{file}");
    }
}
