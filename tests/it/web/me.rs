//! A person's own pages: password, language, devices.

use super::client::{Browser, House, PASSWORD};

const BOB: &str = "bob@heimpost.local";

#[tokio::test]
async fn everyone_changes_the_own_password() {
    let house = House::furnished().await;
    let mut bob = house.person(BOB).await;
    let mut elsewhere = house.person(BOB).await;
    bob.get("/me").await.expect(200);
    let new = "another horse";
    let table = [
        ("wrong horse battery", new, new, "not your present password"),
        (PASSWORD, "short", "short", "At least 8 characters"),
        (PASSWORD, new, "another house", "not the same"),
    ];
    for (old, first, again, expected) in table {
        let fields = [("old", old), ("new", first), ("again", again)];
        let page = bob.post("/me/password", &fields).await.expect(422);
        assert!(page.has(expected), "{}", page.text());
        assert!(
            !page.has(first) && !page.has(PASSWORD),
            "no password is shown again"
        );
    }
    let fields = [("old", PASSWORD), ("new", new), ("again", new)];
    let page = bob.post("/me/password", &fields).await.expect(200);
    assert!(page.has("Your password is changed."), "{}", page.text());
    assert_eq!(elsewhere.ask("GET", "/me", &[], b"").await.status, 303);
    let mut again = house.browser();
    again.get("/login").await.expect(200);
    let fields = [("address", BOB), ("password", new)];
    again.post_only("/login", &fields).await.expect(303);
    house.stop().await;
}

#[tokio::test]
async fn everyone_chooses_the_language_of_mail() {
    let house = House::furnished().await;
    let mut bob = house.person(BOB).await;
    bob.get("/me").await.expect(200);
    for code in ["en", "de"] {
        let page = bob
            .post("/me/language", &[("language", code)])
            .await
            .expect(200);
        assert!(
            page.has(&format!("value=\"{code}\" checked")),
            "{}",
            page.text()
        );
    }
    bob.post("/me/language", &[("language", "xx")])
        .await
        .expect(404);
    house.stop().await;
}

/// Adds a device; the page with its password, and the password.
pub(super) async fn add(
    browser: &mut Browser,
    kind: &str,
    name: &str,
) -> (super::client::Page, String) {
    browser.get("/me/clients").await.expect(200);
    let fields = [("kind", kind), ("name", name)];
    let page = browser.post("/me/clients", &fields).await.expect(200);
    let text = page.text();
    let (_, secret) = text.split_once("id=\"secret\">").unwrap();
    let secret = secret.split('<').next().unwrap().to_owned();
    (page, secret)
}

#[tokio::test]
async fn a_device_is_added_seen_and_revoked() {
    let house = House::furnished().await;
    let mut bob = house.person(BOB).await;
    let (page, secret) = add(&mut bob, "thunderbird", "<b>PC</b>").await;
    assert_eq!(secret.len(), 32, "{secret}");
    assert!(
        page.has("Thunderbird") && page.has("bob@heimpost.local"),
        "{}",
        page.text()
    );
    bob.get("/me/clients").await.expect(200);
    let again = [("kind", "thunderbird"), ("name", "<b>PC</b>")];
    let page = bob.post("/me/clients", &again).await.expect(422);
    assert!(
        page.has("of that name already") && !page.has("<b>PC"),
        "{}",
        page.text()
    );
    let long = "x".repeat(101);
    let page = bob
        .post("/me/clients", &[("kind", "?"), ("name", &long)])
        .await;
    assert!(page.expect(422).has("at most 100 characters"));
    let list = bob.get("/me/devices").await.expect(200);
    assert!(
        list.has("&lt;b&gt;PC") && !list.has("<b>PC") && !list.has(&secret),
        "{}",
        list.text()
    );
    let text = list.text();
    let (_, rest) = text.split_once("/me/devices/").unwrap();
    let device = rest.split('/').next().unwrap().to_owned();
    let mut anna = house.person("anna@heimpost.local").await;
    anna.get("/me/devices").await.expect(200);
    for deed in ["revoke", "policy"] {
        let path = format!("/me/devices/{device}/{deed}");
        anna.post(&path, &[("policy", "delete")]).await.expect(404);
        anna.get("/me/devices").await.expect(200);
    }
    let policy = format!("/me/devices/{device}/policy");
    let page = bob.post(&policy, &[("policy", "move")]).await.expect(200);
    assert!(
        page.has("file away when all have fetched"),
        "{}",
        page.text()
    );
    // Without script it asks on a page of its own.
    let revoke = format!("/me/devices/{device}/revoke");
    let page = bob.post(&revoke, &[("sure", "")]).await.expect(200);
    assert!(page.has("Revoke the device?") && page.has("&lt;b&gt;PC"));
    assert!(bob.get("/me/devices").await.expect(200).has("&lt;b&gt;PC"));
    let page = bob.post(&revoke, &[("sure", "yes")]).await.expect(200);
    assert!(
        page.has("The device is revoked.") && !page.has("&lt;b&gt;PC"),
        "{}",
        page.text()
    );
    house.stop().await;
}

#[tokio::test]
async fn logins_are_seen_with_protocol_and_address() {
    let house = House::furnished().await;
    let mut bob = house.person(BOB).await;
    let list = bob.get("/me/devices").await.expect(200);
    assert!(
        list.has("Web · ") && list.has("127.0.0.1"),
        "{}",
        list.text()
    );
    let mut owner = house.owner().await;
    assert!(
        owner
            .get("/box/accounts")
            .await
            .expect(200)
            .has("last login")
    );
    house.stop().await;
}

#[tokio::test]
async fn a_password_that_was_just_made_is_its_persons_alone() {
    let house = House::furnished().await;
    let mut bob = house.person(BOB).await;
    bob.get("/me/clients").await.expect(200);
    let fields = [("kind", "other"), ("name", "")];
    let made = bob.post_only("/me/clients", &fields).await.expect(303);
    let path = made.header("location").to_owned();
    assert!(bob.get(&path).await.expect(200).has("id=\"secret\""));
    let mut anna = house.person("anna@heimpost.local").await;
    assert!(!anna.get(&path).await.expect(200).has("id=\"secret\""));
    let mut stranger = house.browser();
    assert_eq!(stranger.ask("GET", &path, &[], b"").await.status, 303);
    assert!(
        !bob.get("/me/clients/guess")
            .await
            .expect(200)
            .has("id=\"secret\"")
    );
    house.stop().await;
}
