//! `/box/domain`: the records of each domain, what DNS says about them, and the certificate.

use heimpost::config::Settings;
use heimpost::mail::address::Domain;

use super::client::{House, add};
use super::sending::stored;
use crate::app;

const ANNA: &str = "anna@heimpost.local";

async fn house(change: impl FnOnce(&mut Settings), zone: &str) -> House {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = app::settings(&dir.path().join("data"));
    add(&settings, ANNA).await;
    change(&mut settings);
    House::on(dir, settings, (zone, "")).await
}

/// A domain that the world knows, beside the one at home.
fn public(settings: &mut Settings) {
    settings.hostname = Domain::parse("mail.example.org").unwrap();
    settings.domains.push(Domain::parse("example.org").unwrap());
}

#[tokio::test]
async fn a_home_network_has_nothing_to_do() {
    let house = house(|_| (), "").await;
    let mut owner = house.owner().await;
    let page = owner
        .get("/box/domain?done=%22%3E%3Cb%3E")
        .await
        .expect(200);
    assert!(page.has("heimpost.local") && page.has("there is nothing to publish"));
    assert!(page.has("The box made it itself."), "{}", page.text());
    assert!(!page.has("/box/domain/acme") && !page.has("<b>"));
    let looked = owner.post("/box/domain/check", &[]).await.expect(200);
    assert!(looked.has("Looked."));
    for domain in ["heimpost.local", "other.org", "", "\u{0}"] {
        let rotated = owner
            .post_only("/box/domain/rotate", &[("domain", domain)])
            .await;
        rotated.expect(404);
    }
    house.stop().await;
}

#[tokio::test]
async fn a_host_without_a_name_in_the_world_is_said() {
    let only_domain = |settings: &mut Settings| {
        settings.hostname = Domain::parse("heimpost.local").unwrap();
        settings.domains = vec![Domain::parse("example.org").unwrap()];
    };
    let house = house(only_domain, "").await;
    let mut owner = house.owner().await;
    let page = owner.get("/box/domain").await.expect(200);
    assert!(page.has("such as mail.example.org"), "{}", page.text());
    house.stop().await;
}

/// In one test, since making keys takes long.
#[tokio::test]
async fn records_are_shown_checked_and_renewed() {
    let zone = "example.org MX 10 mail.example.org\nmail.example.org A 203.0.113.9\n\
                _dmarc.example.org TXT \"v=DMARC1; p=quarantine\"\nexample.org TXT \"v=spf1 mx -all\"\n";
    let house = house(public, zone).await;
    let mut owner = house.owner().await;
    let page = owner.get("/box/domain").await.expect(200);
    for words in [
        "10 mail.example.org.",
        "v=spf1 ",
        "v=DMARC1; p=quarantine; rua=mailto:postmaster@example.org",
        "_domainkey.example.org",
        "data-copy=\"value-0-0\"",
        "not checked yet",
        "at rest: it needs a certificate",
    ] {
        assert!(page.has(words), "{words} is not in {}", page.text());
    }
    assert!(page.body.len() < 100_000, "{} bytes", page.body.len());
    let looked = owner.post("/box/domain/check", &[]).await.expect(200);
    assert!(looked.has("Last look:"), "{}", looked.text());
    for words in [
        "things to do",
        "At the provider of your domain, add this TXT record",
        ">right<",
        ">missing<",
    ] {
        assert!(looked.has(words), "{words} is not in {}", looked.text());
    }
    owner.language = "de".to_owned();
    let german = owner.get("/box/domain").await.expect(200);
    assert!(german.has("Legen Sie beim Anbieter Ihrer Domain"));
    let rotated = owner
        .post("/box/domain/rotate", &[("domain", "example.org")])
        .await
        .expect(200);
    assert!(
        rotated.has("Es gibt neue Schlüssel.") && rotated.has("neuer Schlüssel für Signaturen")
    );
    let again = owner
        .post("/box/domain/rotate", &[("domain", "example.org")])
        .await
        .expect(200);
    assert!(again.has("Es gibt schon neue Schlüssel"));
    house.stop().await;
}

#[tokio::test]
async fn a_known_certificate_needs_agreement() {
    let only_host = |settings: &mut Settings| {
        settings.hostname = Domain::parse("mail.example.org").unwrap();
    };
    let house = house(only_host, "").await;
    let mut owner = house.owner().await;
    let page = owner.get("/box/domain").await.expect(200);
    assert!(
        page.has("https://letsencrypt.org/repository/"),
        "{}",
        page.text()
    );
    for (fields, words) in [
        (
            &[("deed", "on"), ("contact", "a@b.test")][..],
            "without agreeing",
        ),
        (
            &[("deed", "on"), ("terms", "yes"), ("contact", "<b>")],
            "no email address",
        ),
    ] {
        let page = owner.post("/box/domain/acme", fields).await.expect(422);
        assert!(page.has(words) && !page.has("<b>"), "{}", page.text());
    }
    owner
        .post_only("/box/domain/acme", &[("deed", "maybe")])
        .await
        .expect(404);
    let on = [
        ("deed", "on"),
        ("terms", "yes"),
        ("contact", "anna@example.org"),
    ];
    owner.post("/box/domain/acme", &on).await.expect(200);
    let settings = house.settings.clone();
    house
        .stop_but_keep(|| {
            let stored = stored(&settings);
            assert_eq!(
                stored.get("acme.terms_agreed"),
                Some(&toml::Value::Boolean(true))
            );
            let contact = stored.get("acme.contact").and_then(toml::Value::as_str);
            assert_eq!(contact, Some("anna@example.org"));
        })
        .await;
}
