//! Settings that come into force by a restart of the services within the process.

use std::fs;
use std::path::Path;

use heimpost::cli::connect;
use heimpost::cli::operation::{Format, Operation};
use heimpost::cli::output::Lines;
use heimpost::clock::Clock;
use heimpost::config::Settings;
use heimpost::config::stored::SETTING;
use heimpost::store::{Options, Store};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::PATIENCE;
use super::client::PASSWORD;
use super::setup::{Rig, take};
use crate::app::address_of;

/// A client of SMTP.
struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(rig: &Rig) -> Self {
        let address = address_of(rig.daemon.app(), "smtp");
        Self(BufReader::new(TcpStream::connect(address).await.unwrap()))
    }

    /// The last line of a reply.
    async fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            let read = timeout(PATIENCE, self.0.read_line(&mut line)).await;
            read.unwrap().unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }

    async fn say(&mut self, text: &str) -> String {
        self.0.write_all(text.as_bytes()).await.unwrap();
        self.reply().await
    }
}

async fn messages(settings: &Settings) -> u64 {
    let settings = settings.clone();
    let run = move || {
        let mut lines = Lines::default();
        let list = Operation::AccountList(Format::Json);
        connect::run(&list, &settings, &Clock::system(), &mut lines).unwrap();
        let list: serde_json::Value = serde_json::from_str(&lines.0[0]).unwrap();
        list[0]["messages"].as_u64().unwrap()
    };
    spawn_blocking(run).await.unwrap()
}

async fn furnished() -> (Rig, super::client::Browser) {
    let rig = Rig::new("sim", "").await;
    let mut browser = rig.browser();
    take(&mut browser).await.expect(200);
    browser
        .post("/setup/mode", &[("mode", "lan")])
        .await
        .expect(200);
    let names = [("domain", "heimpost.local"), ("hostname", "heimpost.local")];
    browser.post("/setup/name", &names).await.expect(200);
    let account = [("name", "anna"), ("password", PASSWORD)];
    browser.post("/setup/account", &account).await.expect(200);
    browser.get("/setup/name").await.expect(200);
    (rig, browser)
}

const MAIL: [(&str, &str); 4] = [
    ("EHLO a.test\r\n", "250"),
    ("MAIL FROM:<bob@a.test>\r\n", "250"),
    ("RCPT TO:<anna@heimpost.local>\r\n", "250"),
    ("DATA\r\n", "354"),
];

impl Client {
    /// A mail up to the middle of its text.
    async fn begin_mail(&mut self) {
        for (line, code) in MAIL {
            assert!(self.say(line).await.starts_with(code), "{line}");
        }
        let half = b"Subject: half\r\n\r\n";
        self.0.write_all(half).await.unwrap();
    }
}

#[tokio::test]
async fn mail_in_flight_is_not_lost_and_sessions_live_on() {
    let (mut rig, mut owner) = furnished().await;
    let mut client = Client::connect(&rig).await;
    assert!(client.reply().await.starts_with("220 heimpost.local"));
    client.begin_mail().await;
    let names = [
        ("domain", "heimpost.local"),
        ("hostname", "box.heimpost.local"),
    ];
    owner.post("/setup/name", &names).await.expect(200);
    let address = address_of(rig.daemon.app(), "smtp");
    let restarting = tokio::spawn(rig.restarted());
    // The sender is told to try again, and does; whoever comes before all is up waits.
    assert!(client.reply().await.starts_with("421 "));
    let mut second = Client(BufReader::new(TcpStream::connect(address).await.unwrap()));
    rig = timeout(PATIENCE, restarting).await.unwrap().unwrap();
    assert!(second.reply().await.starts_with("220 box.heimpost.local"));
    second.begin_mail().await;
    let taken = second.say("the other half\r\n.\r\n").await;
    assert!(taken.starts_with("250"), "{taken}");
    drop(second);
    assert_eq!(messages(rig.daemon.settings()).await, 1);
    let settings = rig.daemon.settings();
    assert_eq!(settings.hostname.as_str(), "box.heimpost.local");
    // Still who they were, for the setup and for the box.
    owner.get("/setup/mode").await.expect(200);
    owner.cookies.remove("heimpost-setup-plain");
    owner.get("/setup/mode").await.expect(200);
    rig.stop().await;
}

#[tokio::test]
async fn settings_that_do_not_start_are_taken_back() {
    let (mut rig, mut owner) = furnished().await;
    // A certificate for another name cannot be written.
    let beside = rig.dir.path().join("data/tls/leaf.pem.new");
    fs::create_dir(&beside).unwrap();
    let names = [
        ("domain", "heimpost.local"),
        ("hostname", "box.heimpost.local"),
    ];
    owner.post("/setup/name", &names).await.expect(200);
    rig = rig.restarted().await;
    assert_eq!(rig.daemon.settings().hostname.as_str(), "heimpost.local");
    let mut client = Client::connect(&rig).await;
    assert!(client.reply().await.starts_with("220 heimpost.local"));
    drop(client);
    // Once the cause is gone, the same change works.
    fs::remove_dir(&beside).unwrap();
    owner.get("/setup/name").await.expect(200);
    owner.post("/setup/name", &names).await.expect(200);
    rig = rig.restarted().await;
    assert_eq!(
        rig.daemon.settings().hostname.as_str(),
        "box.heimpost.local"
    );
    rig.stop().await;
}

/// What a stranger hears who writes to these, one after the other.
async fn heard(rig: &Rig, recipients: &[&str]) -> Vec<String> {
    let mut client = Client::connect(rig).await;
    client.reply().await;
    for (line, code) in MAIL.into_iter().take(2) {
        assert!(client.say(line).await.starts_with(code), "{line}");
    }
    let mut heard = Vec::new();
    for to in recipients {
        let reply = client.say(&format!("RCPT TO:<{to}>\r\n")).await;
        heard.push(reply.chars().take(9).collect());
    }
    heard
}

#[tokio::test]
async fn mail_is_deferred_while_the_owners_settings_cannot_be_read() {
    let mut rig = Rig::new("sim", "").await;
    let whole = "domains = [\"page.test\"]\n";
    for (document, expected) in [
        (whole.to_owned(), ["550 5.1.1", "550 5.7.1"]),
        (
            format!("{whole}language = \"fr\"\n"),
            ["451 4.3.5", "451 4.3.5"],
        ),
        ("domains = [".to_owned(), ["451 4.3.5", "451 4.3.5"]),
        (whole.to_owned(), ["550 5.1.1", "550 5.7.1"]),
    ] {
        let change = |data: &Path, clock: &Clock| {
            let store = Store::open(data, &Options::default(), clock.now()).unwrap();
            store.set_setting(SETTING, document.as_bytes()).unwrap();
        };
        rig = rig.plugged_in_after("sim", change).await;
        let replies = heard(&rig, &["anna@page.test", "anna@else.test"]).await;
        assert_eq!(replies, expected, "{document}");
    }
    rig.stop().await;
}
