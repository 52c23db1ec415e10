//! Two whole daemons: what is submitted at one arrives in a mailbox of the other, or comes back as a report.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use heimpost::app::{App, World};
use heimpost::cli::account::Add;
use heimpost::cli::connect;
use heimpost::cli::operation::{Operation, Password};
use heimpost::clock::Clock;
use heimpost::config::Settings;
use heimpost::dns::Resolver;
use heimpost::mail::address::Domain;
use heimpost::mail::secret::Secret;
use heimpost::net::outbound::Outbound;
use heimpost::net::shutdown::Stopped;
use heimpost::queue::relay::RelayTls;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::house::{House as Sender, Plan, address, mail};
use super::smarthosts::smarthost;
use crate::app::{address_of, command, settings, stop};

/// Far more than anything takes, the making of keys included.
const PATIENCE: Duration = Duration::from_mins(5);

const PASSWORD: &str = "correct horse";

struct House {
    app: App,
    settings: Settings,
    _dir: tempfile::TempDir,
}

/// A daemon for a domain with one account.
async fn start(domain: &str, account: &str, port: u16, zone: &str) -> House {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(&dir.path().join("data"));
    settings.auth.plaintext_without_tls = true;
    settings.hostname = Domain::parse(domain).unwrap();
    settings.domains = vec![settings.hostname.clone()];
    settings.queue.port = port;
    let world = World {
        resolver: Some(Resolver::zone(zone).unwrap()),
        outbound: Outbound::trusting("").unwrap(),
    };
    start_in(world, settings, dir, account).await
}

/// A daemon in that world with one account.
async fn start_in(
    world: World,
    settings: Settings,
    dir: tempfile::TempDir,
    account: &str,
) -> House {
    let app = App::start_in(world, &settings, Clock::system(), connect::handler);
    let app = app.await.unwrap();
    let add = Add {
        address: account.to_owned(),
        owner: false,
        language: Some("en".to_owned()),
        quota: None,
        password: Some(Password(Secret::new(PASSWORD.to_owned()))),
        password_hash: None,
    };
    command(&settings, Operation::AccountAdd(add)).await;
    House {
        app,
        settings,
        _dir: dir,
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(at: &House, service: &str) -> Self {
        let stream = TcpStream::connect(address_of(&at.app, service)).await;
        Self(BufReader::new(stream.unwrap()))
    }

    /// Says a line if there is one, and reads up to the line that begins with `prefix`; gives all lines.
    async fn ask(&mut self, line: &str, prefix: &str) -> String {
        if !line.is_empty() {
            let line = format!("{line}\r\n");
            self.0.get_mut().write_all(line.as_bytes()).await.unwrap();
        }
        let mut text = String::new();
        loop {
            let from = text.len();
            let read = timeout(PATIENCE, self.0.read_line(&mut text)).await;
            let read = read.unwrap_or_else(|_| panic!("{line}: {text}"));
            assert_ne!(read.unwrap(), 0, "{line}: {text}");
            if text.get(from..).unwrap().starts_with(prefix) {
                return text;
            }
        }
    }
}

async fn submit(at: &House, from: &str, to: &str) {
    let mut client = Client::connect(at, "submission").await;
    client.ask("", "220 ").await;
    client.ask("EHLO there", "250 ").await;
    let login = BASE64_STANDARD.encode(format!("\0{from}\0{PASSWORD}"));
    client.ask(&format!("AUTH PLAIN {login}"), "235 ").await;
    client.ask(&format!("MAIL FROM:<{from}>"), "250 ").await;
    client.ask(&format!("RCPT TO:<{to}>"), "250 ").await;
    client.ask("DATA", "354 ").await;
    let text = format!("From: {from}\r\nTo: {to}\r\nSubject: hello\r\n\r\nIt works.\r\n.");
    client.ask(&text, "250 ").await;
}

/// Waits for the first mail in INBOX; its text.
async fn first_mail(at: &House, account: &str) -> String {
    let mut imap = Client::connect(at, "imap").await;
    imap.ask("", "* OK").await;
    imap.ask(&format!("a LOGIN {account} \"{PASSWORD}\""), "a OK")
        .await;
    let found = imap.ask("b SELECT INBOX", "b OK").await;
    if !found.contains("* 1 EXISTS") {
        imap.ask("c IDLE", "* 1 EXISTS").await;
        imap.ask("DONE", "c OK").await;
    }
    imap.ask("d FETCH 1 BODY[]", "d OK").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_one_box_to_another() {
    let far = start("far.test", "ben@far.test", 25, "").await;
    let port = address_of(&far.app, "smtp").port();
    let zone = "far.test MX 10 mx.far.test\nmx.far.test A 127.0.0.1";
    let home = start("home.test", "anna@home.test", port, zone).await;

    submit(&home, "anna@home.test", "ben@far.test").await;
    let mail = first_mail(&far, "ben@far.test").await;
    for part in [
        "Return-Path: <anna@home.test>",
        "It works.",
        "DKIM-Signature: ",
        "d=home.test",
    ] {
        assert!(mail.contains(part), "{part}: {mail}");
    }
    // It came by TLS.
    assert!(mail.contains("with ESMTPS"), "{mail}");

    submit(&home, "anna@home.test", "nobody@far.test").await;
    let report = first_mail(&home, "anna@home.test").await;
    for part in [
        "Return-Path: <>",
        "multipart/report",
        "Action: failed",
        "nobody@far.test",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    for one in [home, far] {
        assert_eq!(one.app.counted().panics, 0, "{:?}", one.settings.hostname);
        assert_eq!(stop(one.app).await, Stopped::Clean);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_smarthost_learns_nothing_of_the_password() {
    let far = start("far.test", "ben@far.test", 25, "").await;
    let port = address_of(&far.app, "submission").port();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "wrong\n").unwrap();
    let mut plan = Plan::new("relay.test A 127.0.0.1", 1);
    // Without TLS we log in by SCRAM-SHA-256 or not at all.
    let mut relay = smarthost("relay.test", port, RelayTls::None, &file);
    relay.login.as_mut().unwrap().user = "ben@far.test".to_owned();
    plan.relay.default = Some(relay);
    let house = Sender::new(plan);
    let mut new = mail(&["ben@far.test"]);
    new.sender = Some(address("ben@far.test"));
    let message = b"From: ben@far.test\r\nSubject: hello\r\n\r\nIt works.\r\n";
    house.send_message(new, message).await;
    let tried = house.until_tried(1).await;
    assert!(
        tried.starts_with("4.7.8 relay.test login as ben@far.test at relay.test failed: 535"),
        "{tried}"
    );
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    house.wish_for_all().await;
    house.until_empty().await;
    assert_eq!(house.tallied().sent, 1);
    house.stop().await;
    let arrived = first_mail(&far, "ben@far.test").await;
    assert!(arrived.contains("It works."), "{arrived}");
    assert_eq!(stop(far.app).await, Stopped::Clean);
}

#[tokio::test]
async fn stopping_does_not_wait_for_name_servers_that_are_away() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(&dir.path().join("data"));
    settings.auth.plaintext_without_tls = true;
    settings.dns.servers = vec![silent.local_addr().unwrap()];
    let world = World {
        resolver: Some(Resolver::new(&settings.dns).unwrap()),
        outbound: Outbound::trusting("").unwrap(),
    };
    let house = start_in(world, settings, dir, "anna@heimpost.local").await;
    submit(&house, "anna@heimpost.local", "bob@away.test").await;
    // Somebody asks where that is, and hears nothing.
    let mut asked = [0; 512];
    while !asked.windows(4).any(|name| name == b"away") {
        let heard = timeout(PATIENCE, silent.recv(&mut asked)).await;
        heard.unwrap().unwrap();
    }
    // Each lookup may take longer than the grace period.
    assert_eq!(stop(house.app).await, Stopped::Clean);
}
