//! What every page has in common: who gets in, which forms count, which hosts are answered, what every answer carries.

use super::client::{Browser, House, PASSWORD};

#[tokio::test]
async fn nobody_gets_in_without_logging_in() {
    let house = House::furnished().await;
    let mut stranger = house.browser();
    for (path, login) in [
        ("/box", "/box/login?to=%2Fbox"),
        ("/mail", "/login?to=%2Fmail"),
    ] {
        let page = stranger.ask("GET", path, &[], b"").await.expect(303);
        assert_eq!(page.header("location"), login);
    }
    house.stop().await;
}

#[tokio::test]
async fn the_two_realms_are_apart() {
    let house = House::furnished().await;
    let mut reader = house.person("anna@heimpost.local").await;
    assert_eq!(reader.ask("GET", "/box", &[], b"").await.status, 303);
    let cookie = reader.cookies.get("heimpost-mail").unwrap().clone();
    reader.cookies.insert("heimpost-box".to_owned(), cookie);
    assert_eq!(reader.ask("GET", "/box", &[], b"").await.status, 303);
    let mut owner = house.owner().await;
    assert_eq!(owner.ask("GET", "/mail", &[], b"").await.status, 303);
    let mut bob = house.browser();
    bob.get("/box/login").await.expect(200);
    let fields = [("address", "bob@heimpost.local"), ("password", PASSWORD)];
    let refused = bob.post("/box/login", &fields).await.expect(403);
    assert!(refused.has("does not manage the box"), "{}", refused.text());
    house.stop().await;
}

#[tokio::test]
async fn logging_out_ends_the_session_for_every_copy_of_the_cookie() {
    let house = House::furnished().await;
    let mut owner = house.owner().await;
    owner.get("/box").await.expect(200);
    let mut copy = owner.clone();
    owner.post("/box/logout", &[]).await.expect(200);
    assert!(!owner.cookies.contains_key("heimpost-box"));
    assert_eq!(copy.ask("GET", "/box", &[], b"").await.status, 303);
    house.stop().await;
}

#[tokio::test]
async fn wrong_passwords_and_unknown_names_hear_the_same() {
    let house = House::furnished().await;
    let mut heard = Vec::new();
    for address in ["anna@heimpost.local", "nobody@heimpost.local"] {
        let mut browser = house.browser();
        browser.get("/login").await.expect(200);
        let fields = [("address", address), ("password", "wrong")];
        let page = browser.post("/login", &fields).await.expect(403);
        assert!(!page.has("wrong\""), "the password is not shown again");
        heard.push(page.text().replace(address, "").replace(&browser.token, ""));
    }
    assert_eq!(heard[0], heard[1]);
    house.stop().await;
}

#[tokio::test]
async fn forms_need_their_token_and_come_from_here() {
    let house = House::furnished().await;
    let mut owner = house.owner().await;
    owner.get("/box").await.expect(200);
    let good = owner.token.clone();
    let mut other = house.owner().await;
    other.get("/box").await.expect(200);
    for bad in [
        "",
        "x",
        &other.token,
        &owner.cookies["heimpost-form-plain"].clone(),
    ] {
        owner.token = bad.to_owned();
        owner.post_only("/box/logout", &[]).await.expect(403);
    }
    owner.token = good;
    let body = format!("form={}", owner.token);
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    for elsewhere in [
        ("Origin", "https://evil.example"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        let page = owner
            .ask("POST", "/box/logout", &[form, elsewhere], body.as_bytes())
            .await;
        page.expect(403);
    }
    let json = ("Content-Type", "application/json");
    owner
        .ask("POST", "/box/logout", &[json], body.as_bytes())
        .await
        .expect(403);
    owner.post_only("/box/logout", &[]).await.expect(303);
    house.stop().await;
}

#[tokio::test]
async fn only_names_of_this_box_are_answered() {
    let house = House::furnished().await;
    let table = [
        ("heimpost.local", 200),
        ("HEIMPOST.local:8080", 200),
        ("localhost", 200),
        ("127.0.0.1:1234", 200),
        ("[::1]:80", 200),
        ("mail.heimpost.local", 200),
        ("evil.example", 421),
        ("heimpost.local.evil.example", 421),
        ("evilheimpost.local", 421),
        ("", 421),
    ];
    for (host, status) in table {
        let mut browser = house.browser();
        browser.host = host.to_owned();
        let page = browser.ask("GET", "/login", &[], b"").await;
        assert_eq!(page.status, status, "{host}");
    }
    house.stop().await;
}

#[tokio::test]
async fn every_answer_is_dressed() {
    let house = House::furnished().await;
    let mut browser = house.browser();
    for path in ["/", "/login", "/health", "/nothing", "/box"] {
        let page = browser.ask("GET", path, &[], b"").await;
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(page.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(page.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
    }
    house.stop().await;
}

#[tokio::test]
async fn cookies_are_shut() {
    let house = House::furnished().await;
    let mut browser = house.browser();
    browser.get("/login").await.expect(200);
    let fields = [("address", "anna@heimpost.local"), ("password", PASSWORD)];
    let page = browser.post_only("/login", &fields).await.expect(303);
    let cookie = page.header("set-cookie");
    assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
    browser.get("/box/login").await.expect(200);
    let page = browser.post_only("/box/login", &fields).await.expect(303);
    let cookie = page.header("set-cookie");
    assert!(cookie.contains("; HttpOnly; SameSite=Strict"), "{cookie}");
    house.stop().await;
}

async fn words_of(mut browser: Browser, language: &str, path: &str) -> (String, bool) {
    browser.language = language.to_owned();
    let text = browser.get(path).await.expect(200).text();
    let german = text.contains("<html lang=\"de\"");
    (text, german)
}

#[tokio::test]
async fn the_browser_chooses_the_language_and_the_switch_wins() {
    let house = House::furnished().await;
    let browser = house.browser();
    let (text, german) = words_of(browser.clone(), "de-AT, en;q=0.5", "/login").await;
    assert!(german && text.contains("Passwort vergessen"), "{text}");
    let (text, german) = words_of(browser.clone(), "en-GB", "/login").await;
    assert!(!german && text.contains("Forgot your password"), "{text}");
    let mut switched = browser;
    let page = switched
        .get("/language?to=de&back=%2Flogin")
        .await
        .expect(200);
    assert!(page.has("Passwort vergessen"));
    let (_, german) = words_of(switched, "en", "/login").await;
    assert!(german);
    house.stop().await;
}

#[tokio::test]
async fn a_login_leads_back_to_the_page_but_never_elsewhere() {
    let house = House::furnished().await;
    for (to, expected) in [
        ("/box", "/box"),
        ("//evil.example", "/box"),
        ("https://evil.example", "/box"),
    ] {
        let mut browser = house.browser();
        browser.get("/box/login").await.expect(200);
        let fields = [
            ("address", "anna@heimpost.local"),
            ("password", PASSWORD),
            ("to", to),
        ];
        let page = browser.post_only("/box/login", &fields).await.expect(303);
        assert_eq!(page.header("location"), expected);
    }
    house.stop().await;
}

#[tokio::test]
async fn app_passwords_open_no_page() {
    use heimpost::cli::operation::Operation;
    let house = House::furnished().await;
    let add = Operation::DeviceAdd {
        account: "anna@heimpost.local".to_owned(),
        name: "phone".to_owned(),
        pop3_delete: "keep:30".to_owned(),
    };
    let said = crate::app::command(&house.settings, add).await.join("\n");
    let word = said.split_whitespace().rfind(|word| word.len() > 20);
    let password = word.unwrap_or_else(|| panic!("no app password in {said}"));
    let mut browser = house.browser();
    browser.get("/login").await.expect(200);
    let fields = [("address", "anna@heimpost.local"), ("password", password)];
    let page = browser.post("/login", &fields).await.expect(403);
    assert!(page.has("App passwords do not count here"));
    house.stop().await;
}
