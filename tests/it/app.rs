//! The whole daemon in this process: started, asked, stopped, started again.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use heimpost::app::{App, World};
use heimpost::cli::connect;
use heimpost::cli::operation::{Format, Operation};
use heimpost::cli::output::Lines;
use heimpost::clock::Clock;
use heimpost::config::{self, Settings};
use heimpost::dns::Resolver;
use heimpost::net::outbound::Outbound;
use heimpost::net::shutdown::Stopped;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;

use crate::net::toy::client_trusting;

/// Every service on a port that the system picks.
pub(super) fn settings(data: &Path) -> Settings {
    let mut settings = config::parse("none", "").unwrap();
    data.clone_into(&mut settings.data);
    let listen = &mut settings.listen;
    for addresses in [
        &mut listen.smtp,
        &mut listen.submission,
        &mut listen.submissions,
        &mut listen.imap,
        &mut listen.imaps,
        &mut listen.pop3,
        &mut listen.pop3s,
        &mut listen.web,
        &mut listen.web_tls,
    ] {
        *addresses = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    }
    settings
}

pub(super) async fn start(settings: &Settings) -> App {
    App::start(settings, Clock::system(), connect::handler)
        .await
        .unwrap()
}

/// A world in which the name servers of `else.test` are out of order, and nothing else has a name.
pub(super) async fn start_in_a_small_world(settings: &Settings) -> App {
    let world = World {
        resolver: Some(Resolver::zone("else.test MX servfail\n").unwrap()),
        outbound: Outbound::trusting("").unwrap(),
    };
    App::start_in(world, settings, Clock::system(), connect::handler)
        .await
        .unwrap()
}

pub(super) async fn stop(app: App) -> Stopped {
    app.stop(std::future::pending()).await
}

pub(super) fn address_of(app: &App, service: &str) -> SocketAddr {
    let found = app.addresses().iter().find(|(name, _)| *name == service);
    found.unwrap().1
}

pub(super) async fn command(settings: &Settings, operation: Operation) -> Vec<String> {
    let settings = settings.clone();
    let run = move || {
        let mut lines = Lines::default();
        connect::run(&operation, &settings, &Clock::system(), &mut lines).unwrap();
        lines.0
    };
    spawn_blocking(run).await.unwrap()
}

/// How each service greets, and how it takes its leave; POP3 has no word that nobody asked for.
const WORDS: [(&str, &str, &str); 4] = [
    ("smtp", "220 ", "421 "),
    ("submission", "220 ", "421 "),
    ("imap", "* OK ", "* BYE "),
    ("pop3", "+OK ", ""),
];

#[tokio::test]
async fn clients_are_greeted_and_dismissed_and_the_store_is_free_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(&dir.path().join("data"));
    for _ in 0..2 {
        let app = start(&settings).await;
        let mut clients = Vec::new();
        for (service, greeting, goodbye) in WORDS {
            let stream = TcpStream::connect(address_of(&app, service)).await.unwrap();
            let mut client = BufReader::new(stream);
            let mut line = String::new();
            client.read_line(&mut line).await.unwrap();
            assert!(line.starts_with(greeting), "{service}: {line}");
            clients.push((client, goodbye));
        }
        let stop = tokio::spawn(stop(app));
        for (mut client, goodbye) in clients {
            let mut rest = String::new();
            client.read_to_string(&mut rest).await.unwrap();
            assert!(
                rest.starts_with(goodbye) && rest.is_empty() == goodbye.is_empty(),
                "{rest}"
            );
        }
        assert_eq!(stop.await.unwrap(), Stopped::Clean);
    }
}

/// What a client says in plain, all at once; how the last answer in plain begins; what it says under TLS; how the first
/// answer under TLS begins. SMTP refuses instead.
type Starttls = (
    &'static str,
    &'static str,
    &'static str,
    Option<(&'static str, &'static str)>,
);

const STARTTLS: [Starttls; 4] = [
    ("smtp", "EHLO a\r\nSTARTTLS\r\nNOOP\r\n", "5", None),
    ("submission", "EHLO a\r\nSTARTTLS\r\nNOOP\r\n", "5", None),
    (
        "imap",
        "a STARTTLS\r\nb NOOP\r\n",
        "a OK",
        Some(("c NOOP\r\nd LOGOUT\r\n", "c OK")),
    ),
    (
        "pop3",
        "STLS\r\nCAPA\r\n",
        "+OK begin",
        Some(("QUIT\r\n", "+OK")),
    ),
];

#[tokio::test]
async fn what_was_sent_along_with_starttls_is_never_answered() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(&dir.path().join("data"));
    let app = start(&settings).await;
    let authority = std::fs::read_to_string(settings.data.join("tls/ca.pem")).unwrap();
    let connector = TlsConnector::from(Arc::new(client_trusting(&authority)));
    for (service, plain, begin, under_tls) in STARTTLS {
        let stream = TcpStream::connect(address_of(&app, service)).await.unwrap();
        let mut client = BufReader::new(stream);
        client.write_all(plain.as_bytes()).await.unwrap();
        let mut line = String::new();
        while !line.starts_with(begin) {
            line.clear();
            assert_ne!(client.read_line(&mut line).await.unwrap(), 0, "{service}");
        }
        let Some((secret, expected)) = under_tls else {
            continue;
        };
        assert_eq!(client.buffer(), b"", "{service}");
        let name = ServerName::try_from("localhost").unwrap();
        let mut secure = connector.connect(name, client.into_inner()).await.unwrap();
        secure.write_all(secret.as_bytes()).await.unwrap();
        let mut said = String::new();
        secure.read_to_string(&mut said).await.unwrap();
        assert!(said.starts_with(expected), "{service}: {said}");
    }
    assert_eq!(app.counted().panics, 0);
    assert_eq!(stop(app).await, Stopped::Clean);
}

#[tokio::test]
async fn a_command_says_the_same_with_and_without_the_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(&dir.path().join("data"));
    let app = start(&settings).await;
    let alias = Operation::AliasAdd {
        from: "info@heimpost.local".to_owned(),
        to: vec!["anna@heimpost.local".to_owned()],
    };
    command(&settings, alias).await;
    let list = || command(&settings, Operation::AliasList(Format::Json));
    let with = list().await;
    assert_eq!(stop(app).await, Stopped::Clean);
    assert!(with.concat().contains("info@heimpost.local"), "{with:?}");
    assert_eq!(list().await, with);
}

#[tokio::test]
async fn a_port_in_use_stops_the_start_and_leaves_nothing_open() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(&dir.path().join("data"));
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    settings.listen.imap = vec![holder.local_addr().unwrap()];
    let error = App::start(&settings, Clock::system(), connect::handler)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("for imap"), "{error}");
    drop(holder);
    let app = start(&settings).await;
    assert_eq!(stop(app).await, Stopped::Clean);
}
