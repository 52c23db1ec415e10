//! Who may set up a box, and who may choose the owner's password anew.

use super::*;

#[tokio::test]
async fn the_first_browser_has_it() {
    let rig = Rig::new("off", "").await;
    let (mut first, mut second) = (rig.browser(), rig.browser());
    second.get("/setup").await.expect(200);
    take(&mut first).await.expect(200);
    let page = second.post("/setup/start", &[]).await.expect(403);
    assert!(page.has("Another browser"), "{}", page.text());
    assert!(!second.cookies.contains_key("heimpost-setup-plain"));
    for path in ["/setup/mode", "/setup/account", "/setup/password"] {
        let page = second.ask("GET", path, &[], b"").await.expect(303);
        assert_eq!(page.header("location"), "/setup", "{path}");
    }
    first.get("/setup/mode").await.expect(200);
    rig.stop().await;
}

#[tokio::test]
async fn the_window_after_power_on_ends() {
    let rig = Rig::new("sim", "").await;
    let mut phone = rig.browser();
    phone.get("/setup").await.expect(200);
    rig.clock.advance(Duration::from_mins(15));
    let page = phone.post("/setup/start", &[]).await.expect(200);
    assert!(page.has("Setup is closed"), "{}", page.text());
    let page = phone.get("/").await.expect(200);
    assert!(page.has("pull the plug"), "{}", page.text());
    let rig = rig.plugged_in_again("sim").await;
    let mut phone = rig.browser();
    take(&mut phone).await.expect(200);
    // Whoever is at it gets time for the next page, but not for ever.
    rig.clock.advance(Duration::from_mins(9));
    phone.get("/setup/mode").await.expect(200);
    rig.clock.advance(Duration::from_mins(9));
    phone.get("/setup/mode").await.expect(200);
    rig.clock.advance(Duration::from_mins(10));
    assert_eq!(phone.ask("GET", "/setup/mode", &[], b"").await.status, 303);
    rig.stop().await;
}

#[tokio::test]
async fn a_first_account_by_command_shuts_it() {
    let rig = Rig::new("sim", "").await;
    assert_eq!(rig.shows().await, Condition::Setup);
    let settings = rig.daemon.settings().clone();
    let add = Operation::AccountAdd(Add {
        address: "anna@heimpost.local".to_owned(),
        owner: false,
        language: None,
        quota: None,
        password: None,
        password_hash: None,
    });
    crate::app::command(&settings, add).await;
    assert_ne!(rig.shows().await, Condition::Setup);
    let page = rig.browser().get("/setup").await.expect(200);
    assert!(page.has("Setup is closed"), "{}", page.text());
    rig.stop().await;
}

#[tokio::test]
async fn a_box_with_an_account_stays_shut() {
    let rig = Rig::new("sim", "").await;
    make_account(&mut rig.browser()).await;
    let rig = rig.plugged_in_again("sim").await;
    assert_ne!(rig.shows().await, Condition::Setup);
    let mut stranger = rig.browser();
    let page = stranger.get("/setup").await.expect(200);
    assert!(page.has("Setup is closed"), "{}", page.text());
    stranger.post("/setup/start", &[]).await.expect(200);
    assert_eq!(
        stranger.ask("GET", "/setup/mode", &[], b"").await.status,
        303
    );
    let page = stranger.get("/forgot").await.expect(200);
    assert!(!page.has("name=\"password\""), "{}", page.text());
    rig.stop().await;
}

#[tokio::test]
async fn the_window_after_power_on_resets_no_password() {
    let rig = Rig::new("sim", "").await;
    let mut phone = rig.browser();
    make_account(&mut phone).await;
    let page = phone.get("/forgot").await.expect(200);
    assert!(!page.has("name=\"password\""), "{}", page.text());
    let fields = [("password", "another good password")];
    let page = phone.post_only("/forgot", &fields).await.expect(303);
    assert_eq!(page.header("location"), "/forgot");
    rig.stop().await;
}

/// Holds the button and chooses a new password.
async fn reset_by_button(backend: &str) {
    let rig = Rig::new(backend, "").await;
    let mut owner = rig.browser();
    make_account(&mut owner).await;
    owner.post("/setup/programs", &[]).await.expect(200);
    owner.get("/setup/mode").await.expect(200);
    rig.hold();
    assert_eq!(rig.shows().await, Condition::Setup);
    let mut browser = rig.browser();
    browser.get("/forgot").await.expect(200);
    let page = browser.post("/forgot/start", &[]).await.expect(200);
    assert!(page.has("anna@heimpost.local"), "{}", page.text());
    let page = browser
        .post("/forgot", &[("password", "short")])
        .await
        .expect(200);
    assert!(page.has("too short"), "{}", page.text());
    let fields = [("password", "another good password")];
    let page = browser.post("/forgot", &fields).await.expect(200);
    assert!(page.has("is in force"), "{}", page.text());
    assert_ne!(rig.shows().await, Condition::Setup);
    // The owner's session is over, and the old password is none any more.
    assert_eq!(owner.ask("GET", "/setup/mode", &[], b"").await.status, 303);
    let mut login = rig.browser();
    for (password, status) in [(PASSWORD, 403), ("another good password", 303)] {
        login.get("/box/login").await.expect(200);
        let fields = [("address", "anna@heimpost.local"), ("password", password)];
        login.post_only("/box/login", &fields).await.expect(status);
    }
    rig.stop().await;
}

#[tokio::test]
async fn the_button_resets_the_owners_password() {
    reset_by_button("sim").await;
}

#[tokio::test]
async fn it_does_so_without_a_panel() {
    reset_by_button("off").await;
}

#[tokio::test]
async fn the_code_opens_once() {
    let rig = Rig::new("off", "").await;
    let mut phone = rig.browser();
    make_account(&mut phone).await;
    phone.post("/setup/programs", &[]).await.expect(200);
    let rig = rig.plugged_in_again("off").await;
    let code = rig.code();
    let mut browser = rig.browser();
    browser.get("/forgot").await.expect(200);
    let page = browser
        .post("/forgot/code", &[("code", "AAAA-BBBB-CCCC")])
        .await
        .expect(403);
    assert!(page.has("This code is wrong"), "{}", page.text());
    let page = browser
        .post("/forgot/code", &[("code", &code.to_lowercase())])
        .await
        .expect(200);
    assert!(page.has("anna@heimpost.local"), "{}", page.text());
    assert_eq!(rig.shows().await, Condition::Setup);
    let page = browser.post("/forgot", &[("make", "1")]).await.expect(200);
    assert!(page.has("shown here only"), "{}", page.text());
    assert_ne!(rig.code(), code);
    let mut other = rig.browser();
    other.get("/setup").await.expect(200);
    other
        .post("/setup/code", &[("code", &code)])
        .await
        .expect(403);
    let page = other
        .post("/setup/code", &[("code", &rig.code())])
        .await
        .expect(200);
    assert!(page.has("What would you like to do?"), "{}", page.text());
    rig.stop().await;
}

#[tokio::test]
async fn guessing_codes_costs_time() {
    let rig = Rig::new("off", "").await;
    let mut browser = rig.browser();
    browser.get("/forgot").await.expect(200);
    for _ in 0..5 {
        browser
            .post("/forgot/code", &[("code", "x")])
            .await
            .expect(403);
    }
    let code = rig.code();
    browser
        .post("/forgot/code", &[("code", &code)])
        .await
        .expect(429);
    rig.clock.advance(Duration::from_secs(1));
    browser
        .post_only("/forgot/code", &[("code", &code)])
        .await
        .expect(303);
    rig.stop().await;
}
