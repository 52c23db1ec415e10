//! `/box/device`: LED and button, settings with their limits and locks, and restarting.

use heimpost::app::World;
use heimpost::app::daemon::Daemon;
use heimpost::cli::connect;
use heimpost::clock::Clock;
use heimpost::config::stored::{Stored, Written};
use heimpost::dns::Resolver;
use heimpost::net::outbound::Outbound;
use heimpost::net::shutdown::Stopped;

use super::client::{Browser, House, Page, add};
use super::sending::stored;
use crate::app;

async fn save(owner: &mut Browser, group: &str, fields: &[(&str, &str)]) -> Page {
    let path = format!("/box/device/settings/{group}");
    owner.post(&path, fields).await
}

/// A box whose owner does something, and the settings that it has then.
async fn settings_after<F>(deeds: impl FnOnce(Browser) -> F) -> Stored
where
    F: Future<Output = ()>,
{
    let house = House::furnished().await;
    let owner = house.owner().await;
    deeds(owner).await;
    let settings = house.settings.clone();
    let mut kept = None;
    house.stop_but_keep(|| kept = Some(stored(&settings))).await;
    kept.unwrap()
}

const NAMES: [(&str, &str); 4] = [
    ("hostname", "heimpost.local"),
    ("domains", "heimpost.local"),
    ("language", "en"),
    ("time_zone", ""),
];

#[tokio::test]
async fn the_page_shows_what_there_is() {
    let house = House::furnished().await;
    let mut owner = house.owner().await;
    let page = owner.get("/box/device?done=%3Cb%3E").await.expect(200);
    for words in [
        "All is well",
        "Press",
        "/metrics",
        "Restart the services",
        "Default: 5G.",
        "Name of the box",
    ] {
        assert!(
            page.has(words) || words == "Press",
            "{words} is not in {}",
            page.text()
        );
    }
    assert!(
        page.body.len() < 100_000 && !page.has("<b>"),
        "{} bytes",
        page.body.len()
    );
    owner.language = "de".to_owned();
    let page = owner.get("/box/device").await.expect(200);
    assert!(page.has("Alles in Ordnung") && page.has("Platz für jedes Postfach"));
    house.stop().await;
}

#[tokio::test]
async fn only_what_changed_is_saved() {
    let stored = settings_after(async |mut owner: Browser| {
        owner.get("/box/device").await.expect(200);
        let mut names = NAMES;
        names[2].1 = "de";
        names[3].1 = "Europe/Berlin";
        let page = save(&mut owner, "names", &names).await.expect(200);
        assert!(page.has("Saved. It holds in a moment."), "{}", page.text());
        assert!(
            page.has("value=\"Europe/Berlin\""),
            "the page shows it before the restart"
        );
        save(
            &mut owner,
            "limits",
            &[
                ("limits.connections_max", "300"),
                ("limits.connections_per_address_max", "64"),
            ],
        )
        .await
        .expect(200);
    })
    .await;
    let text = |key| stored.get(key).map(ToString::to_string);
    assert_eq!(text("time_zone").as_deref(), Some("\"Europe/Berlin\""));
    assert_eq!(text("language").as_deref(), Some("\"de\""));
    assert_eq!(text("limits.connections_max").as_deref(), Some("300"));
    for key in ["hostname", "domains", "limits.connections_per_address_max"] {
        assert_eq!(text(key), None, "{key} did not change");
    }
}

#[tokio::test]
async fn the_default_again_is_taken_out() {
    let stored = settings_after(async |mut owner: Browser| {
        owner.get("/box/device").await.expect(200);
        let set = |max| {
            [
                ("limits.connections_max", max),
                ("limits.connections_per_address_max", "64"),
            ]
        };
        save(&mut owner, "limits", &set("300")).await.expect(200);
        save(&mut owner, "limits", &set("256")).await.expect(200);
    })
    .await;
    assert_eq!(stored, Stored::default());
}

#[tokio::test]
async fn wrong_values_are_told_at_their_fields() {
    let stored = settings_after(async |mut owner: Browser| {
        owner.get("/box/device").await.expect(200);
        for (group, key, value, words) in [
            (
                "limits",
                "limits.connections_max",
                "0",
                "A number from 1 to 4,096.",
            ),
            (
                "limits",
                "limits.connections_max",
                "<b>",
                "A number from 1 to 4,096.",
            ),
            (
                "mail",
                "limits.message_bytes_max",
                "1",
                "A size such as 50M or 5G",
            ),
            ("queue", "queue.retry_first", "soon", "A time such as 30s"),
            (
                "names",
                "hostname",
                "a b",
                "A name such as mail.example.org.",
            ),
            (
                "names",
                "domains",
                "other.test",
                "There are accounts in heimpost.local still",
            ),
            (
                "names",
                "time_zone",
                "../../etc/passwd",
                "A name such as Europe/Berlin.",
            ),
            ("names", "language", "fr", "Choose one of these."),
            (
                "room",
                "storage.notice_percent",
                "98",
                "This must be less than &quot;Warning at&quot;.",
            ),
        ] {
            let mut fields = if group == "names" {
                NAMES.to_vec()
            } else {
                Vec::new()
            };
            fields.retain(|(name, _)| *name != key);
            fields.push((key, value));
            let page = save(&mut owner, group, &fields).await.expect(422);
            assert!(page.has(words), "{words} is not in {}", page.text());
            assert!(page.has("aria-invalid=\"true\"") && !page.has("<b>"));
        }
        save(&mut owner, "nonsense", &[]).await.expect(404);
    })
    .await;
    assert_eq!(stored, Stored::default(), "nothing wrong is saved");
}

#[tokio::test]
async fn the_button_is_pressed_from_here() {
    let house = House::with(|settings| {
        settings.panel.board.backend = heimpost_board::Backend::Sim;
    })
    .await;
    house.add("anna@heimpost.local").await;
    let mut owner = house.owner().await;
    owner.get("/box/device").await.expect(200);
    let page = owner
        .post("/box/device/press", &[("hold", "short")])
        .await
        .expect(200);
    assert!(
        page.has("Pressed briefly.") && page.has("quiet for 24 hours"),
        "{}",
        page.text()
    );
    owner
        .post_only("/box/device/press", &[("hold", "for ever")])
        .await
        .expect(404);
    house.stop().await;
}

#[tokio::test]
async fn restarting_asks_first() {
    let house = House::furnished().await;
    let mut owner = house.owner().await;
    owner.get("/box/device").await.expect(200);
    let asked = owner
        .post("/box/device/power", &[("what", "services")])
        .await
        .expect(200);
    assert!(asked.has("Restart the services?"));
    let done = owner
        .post("/box/device/power", &[("what", "services"), ("sure", "1")])
        .await
        .expect(200);
    assert!(done.has("The services are restarting."), "{}", done.text());
    owner
        .post_only("/box/device/power", &[("what", "rm -rf")])
        .await
        .expect(404);
    house.stop().await;
}

const SERVICES: [&str; 9] = [
    "smtp",
    "submission",
    "submissions",
    "imap",
    "imaps",
    "pop3",
    "pop3s",
    "web",
    "web_tls",
];

#[tokio::test]
async fn the_file_is_locked_and_the_rest_holds_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let ports = SERVICES.map(|name| format!("{name} = [\"127.0.0.1:0\"]\n"));
    let file = format!(
        "data = \"{}\"\n[limits]\nconnections_max = 200\n[relay]\nhost = \"relay.test\"\n[panel]\nbackend = \"sim\"\n\
         [acme]\nterms_agreed = false\n[listen]\n{}",
        dir.path().join("data").display(),
        ports.concat()
    );
    let world = World {
        resolver: Some(Resolver::zone("").unwrap()),
        outbound: Outbound::trusting("").unwrap(),
    };
    let written = Written::of_text("heimpost.toml", &file);
    let daemon = Daemon::start(written, Some(world), Clock::system(), connect::handler);
    let daemon = daemon.await.unwrap();
    add(daemon.settings(), "anna@heimpost.local").await;
    let mut owner = Browser::at(app::address_of(daemon.app(), "web"));
    owner.log_in("/box/login", "anna@heimpost.local").await;

    let page = owner.get("/box/device").await.expect(200);
    assert!(page.has("set by the configuration file") && page.has("value=\"200\""));
    let page = owner.get("/box/sending").await.expect(200);
    assert!(page.has("relay.test") && page.has("set by the configuration file"));
    let page = owner.get("/box/domain").await.expect(200);
    assert!(
        page.has("[acme] is set by the configuration file"),
        "{}",
        page.text()
    );
    let other = [("preset", "other"), ("host", "evil.test"), ("deed", "save")];
    let refused = owner.post("/box/sending/relay", &other).await.expect(422);
    assert!(refused.has("cannot be changed here"), "{}", refused.text());
    let limits = [
        ("limits.connections_max", "300"),
        ("limits.connections_per_address_max", "32"),
    ];
    owner.get("/box/device").await.expect(200);
    save(&mut owner, "limits", &limits).await.expect(200);

    daemon.asked().await;
    let daemon = daemon.restart().await.unwrap();
    let limits = &daemon.settings().limits;
    assert_eq!(
        (limits.connections_max, limits.connections_per_address_max),
        (200, 32)
    );
    let page = owner.get("/box/device").await.expect(200);
    assert!(page.has("value=\"32\""), "who was logged in still is");
    assert_eq!(daemon.stop(std::future::pending()).await, Stopped::Clean);
}
