//! The owner's pages of accounts, aliases and devices.

use heimpost::cli::operation::Operation;

use super::client::{Browser, House, PASSWORD};
use crate::app;

const LIST: &str = "/box/accounts";

/// The path of the first link below `/box/accounts/` on a page that is about `address`.
async fn path_of(owner: &mut Browser, address: &str) -> String {
    let text = owner.get(LIST).await.expect(200).text();
    let before = text.split(&format!(">{address}</a>")).next().unwrap();
    let (_, path) = before.rsplit_once("href=\"").unwrap();
    path.trim_end_matches('"').to_owned()
}

async fn device(house: &House, account: &str, name: &str) {
    let add = Operation::DeviceAdd {
        account: account.to_owned(),
        name: name.to_owned(),
        pop3_delete: "keep:30".to_owned(),
    };
    app::command(&house.settings, add).await;
}

#[tokio::test]
async fn an_account_is_added_with_a_password_that_is_shown_once() {
    let house = House::furnished().await;
    let mut owner = house.owner().await;
    owner.get("/box/accounts/new").await.expect(200);
    let fields = [("address", "lisa"), ("language", "de"), ("quota", "2 GB")];
    let page = owner.post("/box/accounts/new", &fields).await.expect(200);
    assert!(page.has("The account is set up."), "{}", page.text());
    assert!(
        page.has("lisa@heimpost.local") && page.has(" of 2"),
        "{}",
        page.text()
    );
    let text = page.text();
    let (_, secret) = text.split_once("id=\"secret\">").unwrap();
    let secret = secret.split('<').next().unwrap().to_owned();
    let again = path_of(&mut owner, "lisa@heimpost.local").await;
    assert!(!owner.get(&again).await.expect(200).has(&secret));
    let mut lisa = house.browser();
    lisa.get("/login").await.expect(200);
    let fields = [("address", "lisa@heimpost.local"), ("password", &secret)];
    lisa.post_only("/login", &fields).await.expect(303);
    house.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_said_at_the_field_and_nothing_is_lost() {
    let house = House::furnished().await;
    let mut owner = house.owner().await;
    let xss = "<script>alert(1)</script>";
    let long = format!("{}@heimpost.local", "x".repeat(500));
    let table = [
        (
            "anna@heimpost.local",
            "",
            "",
            "There is such an account already.",
        ),
        (
            "lisa@elsewhere.example",
            "",
            "",
            "only takes mail for: heimpost.local",
        ),
        (xss, "", "", "That is no email address."),
        (&long, "", "", "That is no email address."),
        ("", "", "", "That is no email address."),
        ("lisa", "viel", "", "A size such as 5 GB"),
        ("lisa", "-5 GB", "", "A size such as 5 GB"),
        ("lisa", "", "short", "At least 8 characters"),
    ];
    for (address, quota, password, expected) in table {
        owner.get("/box/accounts/new").await.expect(200);
        let fields = [
            ("address", address),
            ("quota", quota),
            ("password", password),
        ];
        let page = owner.post("/box/accounts/new", &fields).await.expect(422);
        assert!(page.has(expected), "{address} {quota}: {}", page.text());
        assert!(page.has("aria-invalid=\"true\""), "{address} {quota}");
        assert!(!page.has("<script>alert"), "{}", page.text());
        assert!(
            !page.has("value=\"short\""),
            "a password is not shown again"
        );
    }
    assert!(!owner.get(LIST).await.expect(200).has("lisa"));
    house.stop().await;
}

#[tokio::test]
async fn an_account_is_changed_in_all_that_it_has() {
    let house = House::furnished().await;
    let mut owner = house.owner().await;
    let mut bob = house.person("bob@heimpost.local").await;
    bob.get("/me").await.expect(200);
    let path = path_of(&mut owner, "bob@heimpost.local").await;
    owner.get(&path).await.expect(200);
    let at = |deed: &str| format!("{path}/{deed}");
    let page = owner
        .post(&at("quota"), &[("quota", "500 MB")])
        .await
        .expect(200);
    assert!(
        page.has("The quota is changed.") && page.has("value=\"500 MB\""),
        "{}",
        page.text()
    );
    let page = owner
        .post(&at("quota"), &[("quota", "much")])
        .await
        .expect(422);
    assert!(
        page.has("A size such as 5 GB") && page.has("value=\"much\""),
        "{}",
        page.text()
    );
    let page = owner.post(&at("quota"), &[("quota", "")]).await.expect(200);
    assert!(
        page.has("the box&#39;s default") || page.has("the box's default"),
        "{}",
        page.text()
    );
    let page = owner
        .post(&at("language"), &[("language", "en")])
        .await
        .expect(200);
    assert!(page.has("value=\"en\" checked"), "{}", page.text());
    owner
        .post(&at("language"), &[("language", "fr")])
        .await
        .expect(404);
    let page = owner
        .post(&at("rename"), &[("address", "anna@heimpost.local")])
        .await;
    assert!(page.expect(422).has("There is such an account already."));
    let page = owner
        .post(&at("rename"), &[("address", "robert@heimpost.local")])
        .await
        .expect(200);
    assert!(
        page.has("robert@heimpost.local") && page.has("new login name"),
        "{}",
        page.text()
    );
    owner
        .post(&at("password"), &[("password", "another horse")])
        .await
        .expect(200);
    let sent_away = bob.ask("GET", "/me", &[], b"").await;
    assert_eq!(sent_away.status, 303, "his session has ended");
    bob.get("/login").await.expect(200);
    let fields = [
        ("address", "robert@heimpost.local"),
        ("password", "another horse"),
    ];
    bob.post_only("/login", &fields).await.expect(303);
    house.stop().await;
}

#[tokio::test]
async fn removing_asks_and_says_what_is_lost() {
    let house = House::furnished().await;
    let mut owner = house.owner().await;
    let path = path_of(&mut owner, "bob@heimpost.local").await;
    let remove = format!("{path}/remove");
    let page = owner.get(&remove).await.expect(200);
    assert!(
        page.has("With bob@heimpost.local, 0 mails") && page.has("Save a copy first"),
        "{}",
        page.text()
    );
    let asked = owner.post(&remove, &[]).await.expect(200);
    assert!(
        asked.has("Remove the account?"),
        "without the tick it asks again"
    );
    let page = owner.post(&remove, &[("sure", "yes")]).await.expect(200);
    assert!(
        page.has("The account is removed.") && !page.has("bob@heimpost.local"),
        "{}",
        page.text()
    );
    owner.get(&path).await.expect(404);
    let own = path_of(&mut owner, "anna@heimpost.local").await;
    let page = owner.get(&format!("{own}/remove")).await;
    assert!(
        page.status >= 400 && page.has("owns the box"),
        "{}",
        page.text()
    );
    owner.get(LIST).await.expect(200);
    let page = owner
        .post(&format!("{own}/remove"), &[("sure", "yes")])
        .await;
    assert!(page.status >= 400, "{}", page.text());
    owner.get(LIST).await.expect(200);
    house.stop().await;
}

/// What cannot lead anywhere, and what is said about it.
const BAD_ALIASES: [(&str, &str, &str); 6] = [
    (
        "bob@heimpost.local",
        "anna@heimpost.local",
        "That is an account already.",
    ),
    (
        "x@elsewhere.example",
        "anna@heimpost.local",
        "no mail for that domain",
    ),
    (
        "@elsewhere.example",
        "anna@heimpost.local",
        "no mail for that domain",
    ),
    (
        "\"><script>",
        "anna@heimpost.local",
        "That is no email address.",
    ),
    (
        "x@heimpost.local",
        "nobody",
        "One of them is no email address.",
    ),
    ("x@heimpost.local", " , ", "Where shall the mail go?"),
];

#[tokio::test]
async fn further_addresses_lead_to_accounts_and_elsewhere() {
    let house = House::furnished().await;
    let mut owner = house.owner().await;
    let path = "/box/accounts/aliases";
    assert!(owner.get(path).await.expect(200).has("None yet."));
    let to = "anna@heimpost.local, bob@heimpost.local; friend@elsewhere.example";
    let page = owner
        .post(path, &[("from", "info@heimpost.local"), ("to", to)])
        .await
        .expect(200);
    assert!(
        page.has("info@heimpost.local") && page.has(">elsewhere</span>"),
        "{}",
        page.text()
    );
    let all = [("from", "@heimpost.local"), ("to", "anna@heimpost.local")];
    assert!(
        owner
            .post(path, &all)
            .await
            .expect(200)
            .has(">catch-all</span>")
    );
    let own = path_of(&mut owner, "anna@heimpost.local").await;
    assert!(owner.get(&own).await.expect(200).has("info@heimpost.local"));
    owner.get(path).await.expect(200);
    for (from, to, expected) in BAD_ALIASES {
        let page = owner
            .post(path, &[("from", from), ("to", to)])
            .await
            .expect(422);
        assert!(page.has(expected), "{from} {to}: {}", page.text());
        assert!(!page.has("\"><script>"), "{}", page.text());
    }
    // Without script it asks on a page of its own.
    let remove = format!("{path}/remove");
    let from = ("from", "info@heimpost.local");
    let page = owner.post(&remove, &[from, ("sure", "")]).await.expect(200);
    assert!(
        page.has("info@heimpost.local : remove it?"),
        "{}",
        page.text()
    );
    let page = owner.get(path).await.expect(200);
    assert!(page.has("value=\"info@heimpost.local\""), "{}", page.text());
    let page = owner
        .post(&remove, &[from, ("sure", "yes")])
        .await
        .expect(200);
    assert!(
        !page.has("value=\"info@heimpost.local\""),
        "{}",
        page.text()
    );
    let page = owner.post(&remove, &[from, ("sure", "yes")]).await;
    page.expect(404);
    house.stop().await;
}

#[tokio::test]
async fn devices_of_all_are_seen_changed_and_revoked() {
    let house = House::furnished().await;
    device(&house, "bob@heimpost.local", "<img src=x onerror=alert(1)>").await;
    let mut owner = house.owner().await;
    let path = path_of(&mut owner, "bob@heimpost.local").await;
    let page = owner.get(&path).await.expect(200);
    assert!(
        page.has("&lt;img src=x") && !page.has("<img src=x"),
        "{}",
        page.text()
    );
    assert!(
        page.has("Not used yet") && page.has("keep for 30 days"),
        "{}",
        page.text()
    );
    let text = page.text();
    let (_, rest) = text.split_once(&format!("{path}/devices/")).unwrap();
    let device = rest.split('/').next().unwrap().to_owned();
    let at = |deed: &str| format!("{path}/devices/{device}/{deed}");
    let page = owner
        .post(&at("policy"), &[("policy", "keep:7")])
        .await
        .expect(200);
    assert!(page.has("keep for 7 days"), "{}", page.text());
    for wrong in ["", "keep:0", "forever"] {
        owner.get(&path).await.expect(200);
        owner
            .post(&at("policy"), &[("policy", wrong)])
            .await
            .expect(404);
    }
    owner.get(&path).await.expect(200);
    let annas = path_of(&mut owner, "anna@heimpost.local").await;
    let not_hers = format!("{annas}/devices/{device}/revoke");
    for sure in [&[][..], &[("sure", "yes")]] {
        owner.post(&not_hers, sure).await.expect(404);
        owner.get(&path).await.expect(200);
    }
    let page = owner.post(&at("revoke"), &[]).await.expect(200);
    assert!(page.has("Revoke the device?") && page.has(&format!("href=\"{path}\"")));
    assert!(owner.get(&path).await.expect(200).has("&lt;img"));
    let sure = [("sure", "yes")];
    let page = owner.post(&at("revoke"), &sure).await.expect(200);
    assert!(!page.has("&lt;img"), "{}", page.text());
    owner.post(&at("revoke"), &sure).await.expect(404);
    house.stop().await;
}

#[tokio::test]
async fn only_the_owner_gets_here() {
    let house = House::furnished().await;
    let mut bob = house.person("bob@heimpost.local").await;
    for path in [
        LIST,
        "/box/accounts/1",
        "/box/accounts/new",
        "/box/accounts/aliases",
    ] {
        let page = bob.ask("GET", path, &[], b"").await.expect(303);
        assert!(page.header("location").starts_with("/box/login"), "{path}");
    }
    let mut owner = house.owner().await;
    owner.get(LIST).await.expect(200);
    owner.token = "wrong".to_owned();
    let fields = [("address", "eve"), ("password", PASSWORD)];
    owner.post("/box/accounts/new", &fields).await.expect(403);
    assert!(!owner.get(LIST).await.expect(200).has("eve@"));
    for path in [
        "/box/accounts/99",
        "/box/accounts/99999999999",
        "/box/accounts/x",
    ] {
        assert!(matches!(owner.get(path).await.status, 400 | 404), "{path}");
    }
    house.stop().await;
}
