//! `/box/sending`: what waits, what the owner does about it, and the way that mail takes.

use heimpost::cli::connect::store_options;
use heimpost::cli::operation::{Format, Operation};
use heimpost::clock::{CONFIRMED_SOON, Clock, Wall};
use heimpost::config::Settings;
use heimpost::config::stored::{SETTING, Stored};
use heimpost::mail::address::Domain;
use heimpost::store::Store;

use super::client::{House, add};
use crate::app;
use crate::queue::spool;
use crate::sending::host::Host;
use crate::sending::hosts::tls;

const ANNA: &str = "anna@heimpost.local";

/// A box with so many mails that wait for a host which nobody can look up.
async fn house(mails: usize, change: impl FnOnce(&mut Settings)) -> House {
    house_in(
        mails,
        change,
        ("far.test MX servfail\nrelay.test A 127.0.0.1\n", ""),
    )
    .await
}

async fn house_in(mails: usize, change: impl FnOnce(&mut Settings), world: (&str, &str)) -> House {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = app::settings(&dir.path().join("data"));
    change(&mut settings);
    add(&settings, ANNA).await;
    spool(&settings, mails).await;
    House::on(dir, settings, world).await
}

/// The owner's settings as they lie in the store.
pub(super) fn stored(settings: &Settings) -> Stored {
    let store = Store::open(
        &settings.data,
        &store_options(settings),
        Clock::system().now(),
    );
    let store = store.unwrap();
    let snapshot = store.snapshot().unwrap();
    let bytes = snapshot.setting(SETTING).unwrap();
    Stored::parse(&bytes.unwrap_or_default()).unwrap()
}

#[tokio::test]
async fn an_empty_queue_is_calm() {
    let house = house(0, |_| ()).await;
    let mut owner = house.owner().await;
    let page = owner.get("/box/sending").await.expect(200);
    assert!(page.has("Everything has been sent."), "{}", page.text());
    assert!(page.has("Straight to the recipients"));
    owner.language = "de".to_owned();
    let page = owner
        .get("/box/sending?from=%00&done=%3Cb%3E&n=-1")
        .await
        .expect(200);
    assert!(page.has("Alles ist hinausgegangen.") && !page.has("<b>"));
    house.stop().await;
}

#[tokio::test]
async fn what_waits_for_the_clock_says_so() {
    const WAITS: &str = "It waits until a time server has set the box's clock";
    let (house, clock) = unconfirmed(&["heimpost.local", "example.org"]).await;
    let mut owner = house.owner().await;
    let page = owner.get("/box/sending").await.expect(200);
    assert!(page.has(WAITS), "{}", page.text());
    assert!(page.has("once the clock is set"));
    let listed = app::command(&house.settings, Operation::QueueList(Format::Table)).await;
    let listed = listed.join("\n");
    assert!(listed.contains("waits for a time server"), "{listed}");
    let status = app::command(&house.settings, Operation::Status(Format::Json)).await;
    assert!(
        status[0].contains("\"clock\":\"unconfirmed\""),
        "{status:?}"
    );
    assert!(!owner.get("/box").await.expect(200).has(CLOCK_TROUBLE));

    clock.advance(CONFIRMED_SOON);
    assert!(owner.get("/box").await.expect(200).has(CLOCK_TROUBLE));
    clock.confirm();
    assert!(!owner.get("/box").await.expect(200).has(CLOCK_TROUBLE));
    assert!(!owner.get("/box/sending").await.expect(200).has(WAITS));
    house.stop().await;
}

#[tokio::test]
async fn a_house_without_internet_waits_for_no_clock() {
    let (house, clock) = unconfirmed(&["heimpost.local"]).await;
    let mut owner = house.owner().await;
    clock.advance(CONFIRMED_SOON);
    assert!(!owner.get("/box").await.expect(200).has(CLOCK_TROUBLE));
    house.stop().await;
}

const CLOCK_TROUBLE: &str = "No time server has set the clock yet.";

/// A house for these domains with a mail that waits, and its clock, which no time server has set.
async fn unconfirmed(domains: &[&str]) -> (House, Clock) {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = app::settings(&dir.path().join("data"));
    settings.domains = domains
        .iter()
        .map(|name| Domain::parse(name).unwrap())
        .collect();
    add(&settings, ANNA).await;
    spool(&settings, 1).await;
    let clock = Clock::unconfirmed_at(Wall(1_800_000_000));
    let world = ("far.test MX servfail\n", "");
    let house = House::at(clock.clone(), dir, settings, world).await;
    (house, clock)
}

#[tokio::test]
async fn mails_are_held_sent_on_and_taken_out() {
    let house = house(3, |_| ()).await;
    let mut owner = house.owner().await;
    let page = owner.get("/box/sending").await.expect(200);
    for words in [
        "Grüße 1",
        "eve1@far.test",
        "from anna@heimpost.local",
        "3 mails wait",
    ] {
        assert!(page.has(words), "{words} is not in {}", page.text());
    }
    let held = owner
        .post("/box/sending/queue", &[("deed", "hold 1")])
        .await
        .expect(200);
    assert!(held.has("One mail stays here") && held.has("You are holding the mail back."));
    let picked = [("pick", "2"), ("pick", "3"), ("deed", "hold")];
    let held = owner.post("/box/sending/queue", &picked).await.expect(200);
    assert!(held.has("2 mails stay here"), "{}", held.text());
    let all = owner
        .post("/box/sending/queue", &[("deed", "retry all")])
        .await
        .expect(200);
    assert!(all.has("3 mails are tried now."), "{}", all.text());

    let none = owner.post("/box/sending/queue", &[("deed", "hold")]).await;
    assert!(none.clone().expect(422).has("Select some mails first."));
    let asked = owner
        .post("/box/sending/queue", &[("deed", "remove 1")])
        .await
        .expect(200);
    assert!(asked.has("Take this mail out?") && asked.has("is not told"));
    let page = owner.get("/box/sending").await;
    assert!(page.has("eve1@far.test"), "asking takes nothing out");
    let sure = [("pick", "1"), ("deed", "remove"), ("sure", "1")];
    let gone = owner.post("/box/sending/queue", &sure).await.expect(200);
    assert!(
        gone.has("One mail was taken out.") && !gone.has("eve1@far.test"),
        "{}",
        gone.text()
    );
    let again = owner.post("/box/sending/queue", &sure).await.expect(200);
    assert!(again.has("0 mails were taken out."));
    let all = [("deed", "remove all"), ("sure", "1")];
    let empty = owner.post("/box/sending/queue", &all).await.expect(200);
    assert!(empty.has("Everything has been sent."), "{}", empty.text());
    house.stop().await;
}

#[tokio::test]
async fn a_long_queue_has_pages() {
    let house = house(60, |_| ()).await;
    let mut owner = house.owner().await;
    let first = owner.get("/box/sending").await.expect(200);
    assert!(first.body.len() < 100_000, "{} bytes", first.body.len());
    assert!(first.has("eve25@far.test") && !first.has("eve26@far.test"));
    let second = owner.get("/box/sending?from=26").await.expect(200);
    assert!(second.has("eve26@far.test") && second.has("To the start"));
    let last = owner.get("/box/sending?from=51").await.expect(200);
    assert!(last.has("eve60@far.test") && !last.has(">Next<"));
    let held = owner
        .post("/box/sending/queue", &[("deed", "hold all")])
        .await
        .expect(200);
    assert!(held.has("60 mails stay here"), "{}", held.text());
    house.stop().await;
}

#[tokio::test]
async fn deeds_are_the_owners_alone() {
    let house = house(1, |_| ()).await;
    let mut stranger = house.browser();
    let page = stranger.get("/box/sending").await.expect(200);
    assert!(page.has("Log in to manage the box"));
    let mut person = house.person(ANNA).await;
    let asked = person.get("/box/sending").await;
    assert!(
        asked.has("Log in to manage the box"),
        "mail's login opens no box"
    );
    let mut owner = house.owner().await;
    owner.get("/box/sending").await.expect(200);
    owner.token = "A".repeat(43);
    let forged = owner
        .post_only("/box/sending/queue", &[("deed", "hold all")])
        .await;
    forged.expect(403);
    owner.get("/box/sending").await;
    for fields in [
        &[("deed", "explode 1")][..],
        &[("deed", "hold 99999999999999999999")],
        &[("pick", "1")],
        &[("deed", "hold \u{0}")],
    ] {
        owner
            .post_only("/box/sending/queue", fields)
            .await
            .expect(404);
    }
    house.stop().await;
}

#[tokio::test]
async fn a_smarthost_is_tried_and_saved() {
    let dir = tempfile::tempdir().unwrap();
    let tls = tls(dir.path(), "relay.test");
    let authorities = tls.authority_pem().unwrap();
    let begin =
        "TLS\nS: 220 relay.test\nC: EHLO\nS: 250-relay.test\nS: 250 AUTH PLAIN\nC: AUTH PLAIN\n";
    let wrong = format!("{begin}S: 535 5.7.8 <b>no</b>");
    let right = format!("{begin}S: 235 ok\n{}", crate::sending::TAKE);
    let host = Host::with_tls("127.0.0.1:0", &[&wrong, &right], Some(tls)).await;
    let port = host.address.port().to_string();
    let house = house_in(0, |_| (), ("relay.test A 127.0.0.1\n", &authorities)).await;
    let mut owner = house.owner().await;
    owner.get("/box/sending/relay").await.expect(200);
    let form = |password| {
        [
            ("of", ""),
            ("preset", "other"),
            ("host", "relay.test"),
            ("port", port.as_str()),
            ("tls", "tls"),
            ("user", "anna"),
            ("password", password),
            ("deed", "try"),
        ]
    };
    let refused = owner
        .post("/box/sending/relay", &form("s3cret-wrong"))
        .await
        .expect(200);
    assert!(
        refused.has("relay.test refuses the login."),
        "{}",
        refused.text()
    );
    assert!(refused.has("&lt;b&gt;no&lt;/b&gt;") && !refused.has("s3cret-wrong"));
    assert!(refused.has("value=\"relay.test\""), "what was typed stays");
    let saved = owner
        .post("/box/sending/relay", &form("s3cret-right"))
        .await
        .expect(200);
    assert!(saved.has("the settings are saved"), "{}", saved.text());
    host.end().await;
    let settings = house.settings.clone();
    house
        .stop_but_keep(|| {
            let stored = stored(&settings);
            let text = |key| stored.get(key).and_then(toml::Value::as_str);
            assert_eq!(text("relay.host"), Some("relay.test"));
            assert_eq!(text("relay.password"), Some("s3cret-right"));
            assert_eq!(stored.get("relay.preset"), None);
        })
        .await;
}

#[tokio::test]
async fn wrong_smarthosts_are_told_at_their_fields() {
    let house = house(0, |_| ()).await;
    let mut owner = house.owner().await;
    owner.get("/box/sending/relay").await.expect(200);
    let long = "x".repeat(5000);
    for (fields, words) in [
        (
            &[("preset", "gmx"), ("user", "a@gmx.net")][..],
            "Enter the password.",
        ),
        (
            &[("preset", "other"), ("host", "a\r\nRSET")],
            "This is no server name",
        ),
        (
            &[("preset", "other"), ("host", "a.test"), ("port", "99999")],
            "from 1 to 65535",
        ),
        (&[("preset", "<script>")], "Choose a provider."),
        (
            &[
                ("preset", "gmx"),
                ("user", long.as_str()),
                ("password", "x"),
            ],
            "no user name",
        ),
        (
            &[("of", "new"), ("sender", "a b"), ("preset", "gmx")],
            "neither an address nor a domain",
        ),
    ] {
        let page = owner.post("/box/sending/relay", fields).await.expect(422);
        assert!(page.has(words), "{words} is not in {}", page.text());
        assert!(!page.has("<script>"));
    }
    owner
        .post_only("/box/sending/relay", &[("of", "nobody@x.test")])
        .await
        .expect(404);
    owner.get("/box/sending/relay?of=%ff").await.expect(404);
    owner.get("/box/sending/relay?of=new").await.expect(200);
    house.stop().await;
}

#[tokio::test]
async fn ways_for_senders_are_added_one_by_one() {
    let house = house(0, |_| ()).await;
    let mut owner = house.owner().await;
    owner.get("/box/sending/relay?of=new").await.expect(200);
    let old = [
        ("of", "new"),
        ("sender", "old@heimpost.local"),
        ("preset", "other"),
        ("host", "relay.test"),
        ("deed", "save"),
    ];
    let page = owner.post("/box/sending/relay", &old).await.expect(200);
    assert!(
        page.has("old@heimpost.local") && page.has("relay.test"),
        "{}",
        page.text()
    );
    let twice = [
        ("of", "new"),
        ("sender", "OLD@heimpost.local"),
        ("preset", "other"),
        ("host", "b.test"),
    ];
    let page = owner.post("/box/sending/relay", &twice).await.expect(422);
    assert!(
        page.has("There is a way for it already."),
        "{}",
        page.text()
    );
    let more = [
        ("of", "new"),
        ("sender", "second.test"),
        ("preset", "gmx"),
        ("user", "u@gmx.net"),
        ("password", "pw"),
        ("deed", "save"),
    ];
    let page = owner.post("/box/sending/relay", &more).await.expect(200);
    assert!(page.has("second.test") && page.has("mail.gmx.net"));
    let kept = [
        ("of", "second.test"),
        ("preset", "gmx"),
        ("user", "u@gmx.net"),
        ("deed", "save"),
    ];
    owner.post("/box/sending/relay", &kept).await.expect(200);
    let gone = [("of", "old@heimpost.local"), ("deed", "remove")];
    let page = owner.post("/box/sending/relay", &gone).await.expect(200);
    assert!(!page.has("old@heimpost.local"), "{}", page.text());
    let settings = house.settings.clone();
    house
        .stop_but_keep(|| {
            let stored = stored(&settings);
            let rules = stored
                .get("relay.sender")
                .and_then(toml::Value::as_array)
                .unwrap();
            let text = |key: &str| rules[0].get(key).and_then(toml::Value::as_str);
            assert_eq!(rules.len(), 1);
            assert_eq!(
                (text("domain"), text("preset")),
                (Some("second.test"), Some("gmx"))
            );
            assert_eq!(text("password"), Some("pw"), "an empty field keeps it");
        })
        .await;
}
