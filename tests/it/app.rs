//! The whole daemon in this process: started, asked, stopped, started again.

use std::net::SocketAddr;
use std::path::Path;

use heimpost::app::App;
use heimpost::cli::connect;
use heimpost::cli::operation::{Format, Operation};
use heimpost::cli::output::Lines;
use heimpost::clock::Clock;
use heimpost::config::{self, Settings};
use heimpost::net::shutdown::Stopped;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;

/// Every service on a port that the system picks.
fn settings(data: &Path) -> Settings {
    let mut settings = config::parse("none", "").unwrap();
    settings.data = data.to_owned();
    let listen = &mut settings.listen;
    for addresses in [
        &mut listen.smtp,
        &mut listen.submission,
        &mut listen.submissions,
        &mut listen.imap,
        &mut listen.imaps,
        &mut listen.pop3,
        &mut listen.pop3s,
    ] {
        *addresses = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    }
    settings
}

async fn start(settings: &Settings) -> App {
    App::start(settings, Clock::system(), connect::handler)
        .await
        .unwrap()
}

async fn stop(app: App) -> Stopped {
    app.stop(std::future::pending()).await
}

fn address_of(app: &App, service: &str) -> SocketAddr {
    let found = app.addresses().iter().find(|(name, _)| *name == service);
    found.unwrap().1
}

async fn status(settings: &Settings) -> Vec<String> {
    let settings = settings.clone();
    let run = move || {
        let (operation, mut lines) = (Operation::Status(Format::Table), Lines::default());
        connect::run(&operation, &settings, &Clock::system(), &mut lines).unwrap();
        lines.0
    };
    spawn_blocking(run).await.unwrap()
}

#[tokio::test]
async fn clients_are_greeted_and_dismissed_and_the_store_is_free_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(&dir.path().join("data"));
    let greetings = [
        ("smtp", "220 "),
        ("submission", "220 "),
        ("imap", "* OK "),
        ("pop3", "+OK "),
    ];
    for _ in 0..2 {
        let app = start(&settings).await;
        let mut clients = Vec::new();
        for (service, greeting) in greetings {
            let stream = TcpStream::connect(address_of(&app, service)).await.unwrap();
            let mut client = BufReader::new(stream);
            let mut line = String::new();
            client.read_line(&mut line).await.unwrap();
            assert!(line.starts_with(greeting), "{service}: {line}");
            clients.push(client);
        }
        let stop = tokio::spawn(stop(app));
        for mut client in clients {
            let mut rest = String::new();
            client.read_to_string(&mut rest).await.unwrap();
            assert!(rest.ends_with("\r\n"), "{rest}");
        }
        assert_eq!(stop.await.unwrap(), Stopped::Clean);
    }
}

#[tokio::test]
async fn a_command_says_the_same_with_and_without_the_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(&dir.path().join("data"));
    let app = start(&settings).await;
    let with = status(&settings).await;
    assert_eq!(stop(app).await, Stopped::Clean);
    assert_eq!(status(&settings).await, with);
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
