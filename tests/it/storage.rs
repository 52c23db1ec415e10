//! A whole daemon whose account fills up: what SMTP says, which mails come, what `status` shows, over a restart.

use std::net::SocketAddr;
use std::time::Duration;

use heimpost::app::App;
use heimpost::cli::account::Add;
use heimpost::cli::connect;
use heimpost::cli::operation::{Format, Operation, Password};
use heimpost::clock::{Clock, Wall};
use heimpost::config::Settings;
use heimpost::mail::mime::text::decode_words;
use heimpost::mail::secret::Secret;
use heimpost::net::shutdown::Stopped;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::app::{address_of, command, settings, stop};

/// Far more than any answer takes.
const PATIENCE: Duration = Duration::from_mins(5);

const PASSWORD: &str = "correct horse";

struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(address).await.unwrap()))
    }

    /// Reads up to the line that begins with `prefix`; gives all lines.
    async fn until(&mut self, prefix: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let read = timeout(PATIENCE, self.0.read_line(&mut line)).await;
            assert_ne!(read.unwrap().unwrap(), 0, "{prefix}: {lines:?}");
            let is_last = line.starts_with(prefix);
            lines.push(line.trim_end().to_owned());
            if is_last {
                return lines;
            }
        }
    }

    async fn ask(&mut self, line: &str, prefix: &str) -> Vec<String> {
        let line = format!("{line}\r\n");
        self.0.get_mut().write_all(line.as_bytes()).await.unwrap();
        self.until(prefix).await
    }
}

/// Sends a mail of about `bytes` from outside; the last reply.
async fn send(app: &App, from: &str, bytes: usize) -> String {
    let mut smtp = Client::connect(address_of(app, "smtp")).await;
    smtp.until("220 ").await;
    smtp.ask("EHLO a", "250 ").await;
    smtp.ask(&format!("MAIL FROM:<{from}> SIZE={bytes}"), "250 ")
        .await;
    let reply = smtp.ask("RCPT TO:<anna@heimpost.local>", "").await;
    if !reply[0].starts_with("250") {
        return reply[0].clone();
    }
    smtp.ask("DATA", "354 ").await;
    let body = "x".repeat(78) + "\r\n";
    let text = format!(
        "Subject: from outside\r\n\r\n{}.",
        body.repeat(bytes / body.len())
    );
    smtp.ask(&text, "").await.remove(0)
}

/// Waits until there are `count` mails in anna's INBOX; the subjects of all.
async fn subjects(app: &App, count: usize) -> Vec<String> {
    let mut imap = Client::connect(address_of(app, "imap")).await;
    imap.until("* OK").await;
    let login = format!("a LOGIN anna@heimpost.local \"{PASSWORD}\"");
    imap.ask(&login, "a OK").await;
    let exists = format!("* {count} EXISTS");
    let found = imap.ask("b SELECT INBOX", "b OK").await;
    if !found.contains(&exists) {
        imap.ask("c IDLE", &exists).await;
        imap.ask("DONE", "c OK").await;
    }
    let fields = "BODY.PEEK[HEADER.FIELDS (SUBJECT)]";
    let fetched = imap.ask(&format!("d FETCH 1:* {fields}"), "d OK").await;
    let text = fetched.join("\n").replace("\n ", " ");
    let subjects = text
        .lines()
        .filter_map(|line| line.strip_prefix("Subject: "));
    subjects
        .map(|subject| decode_words(subject.as_bytes()))
        .collect()
}

async fn start(settings: &Settings, clock: &Clock) -> App {
    let app = App::start(settings, clock.clone(), connect::handler).await;
    app.unwrap()
}

async fn add(settings: &Settings, name: &str, language: &str, quota: &str) {
    let add = Add {
        address: name.to_owned(),
        owner: false,
        language: Some(language.to_owned()),
        quota: Some(quota.to_owned()),
        password: Some(Password(Secret::new(PASSWORD.to_owned()))),
        password_hash: None,
    };
    command(settings, Operation::AccountAdd(add)).await;
}

async fn storage(settings: &Settings) -> Value {
    let said = command(settings, Operation::Status(Format::Json)).await;
    let status: Value = serde_json::from_str(&said.concat()).unwrap();
    status["storage"].clone()
}

async fn assert_status_says(settings: &Settings, text: &str) {
    let said = command(settings, Operation::Status(Format::Table)).await;
    let said = said.join("\n");
    assert!(said.contains(text), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_fills_up_and_everybody_knows() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(&dir.path().join("data"));
    settings.auth.plaintext_without_tls = true;
    let clock = Clock::virtual_at(Wall(1_800_000_000));
    let app = start(&settings, &clock).await;
    add(&settings, "fred@heimpost.local", "en", "1G").await;
    add(&settings, "anna@heimpost.local", "de", "100K").await;

    let mut expected = vec!["from outside", "Ihr Postfach ist zu 82 % voll"];
    assert!(
        send(&app, "bob@example.org", 84_000)
            .await
            .starts_with("250")
    );
    assert_eq!(subjects(&app, 2).await, expected);
    expected.extend([
        "from outside",
        "Ihr Postfach ist voll: neue Mails müssen warten",
    ]);
    assert!(
        send(&app, "bob@example.org", 20_000)
            .await
            .starts_with("250")
    );
    assert_eq!(subjects(&app, 4).await, expected);

    clock.advance(Duration::from_mins(1));
    let refused = send(&app, "bob@example.org", 5_000).await;
    assert!(
        refused.starts_with("452 4.2.2 The mailbox is full"),
        "{refused}"
    );
    let shown = storage(&settings).await;
    assert_eq!(shown["level"], "full");
    let anna = &shown["accounts"][1];
    assert_eq!(anna["address"], "anna@heimpost.local");
    assert_eq!(
        (&anna["level"], &anna["limit"]),
        (&json!("full"), &json!(102_400))
    );
    assert!(anna["bytes_to_free"].as_u64().unwrap() > 0);
    let waits = json!([{"from": "bob@example.org", "first": 1_800_000_060, "last": 1_800_000_060,
        "bytes": 5_000, "tries": 1}]);
    assert_eq!(anna["waiting"], waits);
    assert_status_says(&settings, "The mailbox anna@heimpost.local is full").await;
    assert_status_says(&settings, "waits outside: <bob@example.org>").await;
    assert_eq!(stop(app).await, Stopped::Clean);

    // Nothing is told again; what changes while nobody runs is told at the next start.
    let app = start(&settings, &clock).await;
    assert_eq!(subjects(&app, 4).await, expected);
    assert_eq!(stop(app).await, Stopped::Clean);
    let quota = Operation::AccountQuota {
        address: "anna@heimpost.local".to_owned(),
        quota: "1M".to_owned(),
    };
    command(&settings, quota).await;
    let app = start(&settings, &clock).await;
    expected.push("Ihr Postfach hat wieder genug Platz");
    assert_eq!(subjects(&app, 5).await, expected);
    assert_eq!(storage(&settings).await["accounts"][1]["waiting"], waits);
    assert!(
        send(&app, "bob@example.org", 5_000)
            .await
            .starts_with("250")
    );
    let shown = storage(&settings).await;
    assert_eq!(shown["accounts"][1]["waiting"], json!([]));
    assert_eq!(shown["level"], "ok");
    assert_eq!(app.counted().panics, 0);
    assert_eq!(stop(app).await, Stopped::Clean);
}
