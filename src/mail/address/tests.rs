//! Addresses as they come, and names.

use proptest::prelude::*;

use super::*;

fn check(text: &str, expected: &str) {
    let address = Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(address.to_string(), expected);
    assert_eq!(Address::parse(expected).as_ref(), Ok(&address));
}

#[test]
fn addresses_have_one_form() {
    check("Anna.Muster@Example.ORG", "Anna.Muster@example.org");
    check("\"anna\"@example.org", "anna@example.org");
    check("\"a b\"@example.org", "\"a b\"@example.org");
    check("\"a\\\"\\\\\\b@\"@x.org", "\"a\\\"\\\\b@\"@x.org");
    check("\"a..b\"@x.org", "\"a..b\"@x.org");
    check(
        "j\u{fc}rgen@b\u{fc}cher.example",
        "j\u{fc}rgen@xn--bcher-kva.example",
    );
    check("o'brien+x=y@localhost", "o'brien+x=y@localhost");
    check("x@[192.0.2.1]", "x@[192.0.2.1]");
    check("x@[ipv6:2001:DB8::1]", "x@[IPv6:2001:db8::1]");
}

#[test]
fn literals_name_addresses() {
    for (text, address) in [
        ("[192.0.2.1]", Some("192.0.2.1")),
        ("[IPv6:2001:db8::1]", Some("2001:db8::1")),
        ("192.0.2.1", None),
        ("example.org", None),
    ] {
        let found = Domain::parse(text).unwrap().address();
        assert_eq!(found.map(|ip| ip.to_string()).as_deref(), address, "{text}");
    }
}

#[test]
fn refuses_what_is_no_address() {
    let long = format!("{}@x.org", "a".repeat(65));
    let deep = format!("a@{}org", "abcdefgh.".repeat(29));
    for text in [
        "",
        "@",
        "a",
        "a@",
        "@x.org",
        "\"\"@x.org",
        "a..b@x.org",
        ".a@x.org",
        "a.@x.org",
        "a b@x.org",
        "a@b@c",
        "a@-x.org",
        "a@x-.org",
        "a@x..org",
        "a@x.org.",
        "a@x_y.org",
        "a@x y.org",
        "\"a@x.org",
        "\"a\"b@x.org",
        "a@[300.1.1.1]",
        "a@[1.2.3.4",
        "a@[IPv6:zz]",
        "a@[2001:db8::1]",
        "a\r@x.org",
        "\"a\n\"@x.org",
        "<a@x.org>",
        &long,
        &deep,
    ] {
        assert!(Address::parse(text).is_err(), "{text}");
    }
}

#[test]
fn limits_are_inclusive() {
    let local = "a".repeat(LOCALPART_BYTES_MAX);
    assert!(Address::parse(&format!("{local}@x.org")).is_ok());
    let label = "b".repeat(LABEL_BYTES_MAX);
    assert!(Address::parse(&format!("a@{label}.org")).is_ok());
    assert!(Address::parse(&format!("a@{label}b.org")).is_err());
}

fn path(text: &str) -> (String, String) {
    let (path, rest) = Path::parse_prefix(text).unwrap();
    let path = match path {
        Path::Null => "null".to_owned(),
        Path::Postmaster => "postmaster".to_owned(),
        Path::Address(address) => address.to_string(),
    };
    (path, rest.to_owned())
}

#[test]
fn paths() {
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(path("<> SIZE=1"), pair("null", " SIZE=1"));
    assert_eq!(path("<PostMaster>"), pair("postmaster", ""));
    assert_eq!(path("<a@x.org>X"), pair("a@x.org", "X"));
    assert_eq!(path("<@r.org,@s.org:a@x.org>"), pair("a@x.org", ""));
    assert_eq!(path("<\"a>b\"@x.org> Y"), pair("\"a>b\"@x.org", " Y"));
    for text in [
        "",
        "a@x.org",
        "<a@x.org",
        "< a@x.org>",
        "<@r.org>",
        "<@r.org,s:a@x.org>",
        "<<>>",
    ] {
        assert!(Path::parse_prefix(text).is_err(), "{text}");
    }
}

#[test]
fn keys_and_subaddresses() {
    let key = |text: &str| Address::parse(text).unwrap().lookup_key();
    assert_eq!(key("Anna@X.org"), "anna@x.org");
    assert_eq!(key("JU\u{308}RGEN@x.org"), "j\u{fc}rgen@x.org");
    let bare = |text: &str| Address::parse(text).unwrap().without_subaddress();
    assert_eq!(bare("anna+news+a@x.org"), Address::parse("anna@x.org").ok());
    assert_eq!(bare("anna@x.org"), None);
    assert_eq!(bare("+anna@x.org"), None);
}

#[test]
fn only_localparts_need_smtputf8() {
    assert!(
        !Address::parse("a@b\u{fc}cher.example")
            .unwrap()
            .smtputf8_needed()
    );
    assert!(Address::parse("\u{fc}@x.org").unwrap().smtputf8_needed());
}

proptest! {
    #[test]
    fn any_text_parses_to_a_fixed_point(text in "\\PC{0,20}(@|\")?\\PC{0,12}@[a-z.\u{e4}-]{0,12}") {
        if let Ok(address) = Address::parse(&text) {
            prop_assert_eq!(Address::parse(&address.to_string()), Ok(address));
        }
    }

    #[test]
    fn any_localpart_round_trips(text in "\\PC{1,15}") {
        if let Ok(localpart) = Localpart::new(&text) {
            let address = Address::new(localpart, Domain::parse("x.org").unwrap());
            prop_assert_eq!(Address::parse(&address.to_string()), Ok(address));
        }
    }
}

#[test]
fn names_of_the_home_network() {
    for name in [
        "example",
        "heimpost.local",
        "box.fritz.lan",
        "x.fritz.box",
        "nas.home.arpa",
        "localhost",
        "[192.0.2.1]",
    ] {
        assert!(!Domain::parse(name).unwrap().is_public(), "{name}");
    }
    for name in [
        "example.org",
        "mail.example.de",
        "b\u{fc}ro.example",
        "my.atlan",
    ] {
        assert!(Domain::parse(name).unwrap().is_public(), "{name}");
    }
}
