//! The web ports of a whole daemon, over real sockets. `client` is a browser without script; pages have a file each.

mod accounts;
pub(crate) mod client;
mod clients;
mod device;
mod domain;
mod doors;
mod events;
mod growth;
mod mail;
mod me;
mod overview;
mod recover;
mod restart;
mod sending;
mod setup;
mod stick;
mod storage;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use heimpost::app::App;
use heimpost::clock::{Clock, Wall};
use heimpost::config::TlsSource;
use heimpost::mail::address::{Address, Domain};
use heimpost::mail::ids::{AccountId, SpoolId};
use heimpost::maillog::Tallied;
use heimpost::net::Counted;
use heimpost::net::ca::{self, Authority};
use heimpost::net::shutdown::Stopped;
use heimpost::queue::desk::Diagnosis;
use heimpost::space::{House, State};
use heimpost::store::types::{Account, Fill, Language, Level, Subject};
use heimpost::trust::sts_policy::Policy;
use heimpost::web::metrics::Figures;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::app::{self, stop};
use crate::net::toy::client_trusting;

/// What is heard by who asks for a host that this box is not.
const UNKNOWN_HOST: &str = "This box does not answer to that name. Use its own name or address.\n";

/// Far more than any answer takes.
const PATIENCE: Duration = Duration::from_mins(5);

struct Rig {
    app: App,
    address: SocketAddr,
    _dir: tempfile::TempDir,
}

/// A daemon with a web port, and with room for so many connections.
async fn rig(connections: u32) -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = app::settings(&dir.path().join("data"));
    settings.limits.connections_per_address_max = connections;
    let app = app::start(&settings).await;
    let web = app.addresses().iter().find(|(name, _)| *name == "web");
    Rig {
        address: web.unwrap().1,
        app,
        _dir: dir,
    }
}

impl Rig {
    /// What a client hears that says all this and then listens to the end.
    async fn say(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        heard(&mut stream).await
    }

    async fn get(&self, method: &str, path: &str) -> String {
        let last = "Host: box\r\nConnection: close\r\n\r\n";
        self.say(&format!("{method} {path} HTTP/1.1\r\n{last}"))
            .await
    }

    async fn stop(self) -> Stopped {
        stop(self.app).await
    }
}

async fn heard(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut text)).await;
    read.unwrap().unwrap();
    text
}

fn body(response: &str) -> &str {
    response.split_once("\r\n\r\n").unwrap().1
}

/// Checks syntax and order as Prometheus' text format 0.0.4 has them; gives the samples.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut families) = (BTreeMap::new(), BTreeSet::new());
    let mut current: Option<(&str, &str)> = None;
    let mut helped = "";
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(!words.is_empty() && families.insert(name), "{line}");
            helped = name;
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            assert_eq!(name, helped, "{line}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            current = Some((name, kind));
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            assert_eq!(Some(name), current.map(|(name, _)| name), "{line}");
            assert!(is_name(name), "{line}");
            series.strip_prefix(name).map(check_labels);
            let before = samples.insert(series.to_owned(), value.parse().unwrap());
            assert_eq!(before, None, "{line}");
        }
    }
    samples
}

fn is_name(name: &str) -> bool {
    let rest = name.strip_prefix("heimpost_").unwrap_or_default();
    !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

fn check_labels(labels: &str) {
    if labels.is_empty() {
        return;
    }
    let inside = labels.strip_prefix('{').unwrap().strip_suffix('}').unwrap();
    for label in inside.split(',') {
        let (name, value) = label.split_once('=').unwrap();
        assert!(name.bytes().all(|b| b.is_ascii_lowercase()), "{labels}");
        let value = value.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
        assert!(!value.contains(['"', '\\', '\n']), "{labels}");
    }
}

#[tokio::test]
async fn health_and_figures_of_a_box_that_is_well() {
    let rig = rig(64).await;
    let health = rig.get("GET", "/health").await;
    assert!(health.starts_with("HTTP/1.1 200 OK\r\n"), "{health}");
    assert_eq!(body(&health), "{\"status\":\"ok\",\"level\":\"ok\"}\n");
    let mut smtp = TcpStream::connect(rig.app.addresses().first().unwrap().1)
        .await
        .unwrap();
    let mail = "EHLO c\r\nMAIL FROM:<x@y.z>\r\nRCPT TO:<nobody@heimpost.local>\r\nQUIT\r\n";
    smtp.write_all(mail.as_bytes()).await.unwrap();
    heard(&mut smtp).await;
    drop(smtp);
    let page = rig.get("GET", "/metrics").await;
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    let samples = parse(body(&page));
    let expected = [
        ("heimpost_build_info{version=\"0.1.0\"}", 1.0),
        ("heimpost_store_up", 1.0),
        ("heimpost_storage_level", 0.0),
        ("heimpost_accounts{level=\"ok\"}", 0.0),
        ("heimpost_mail_refused_total", 1.0),
        ("heimpost_mail_received_total", 0.0),
        ("heimpost_sessions_total{service=\"smtp\"}", 1.0),
        ("heimpost_sessions_total{service=\"web\"}", 2.0),
        ("heimpost_panics_total", 0.0),
        ("heimpost_store_faults_total", 0.0),
    ];
    for (series, value) in expected {
        assert_eq!(samples.get(series), Some(&value), "{series}\n{page}");
    }
    assert!(
        samples.get("heimpost_card_used_bytes") > Some(&0.0),
        "{page}"
    );
    assert!(!page.contains('@'), "{page}");
    assert_eq!(rig.stop().await, Stopped::Clean);
}

fn state(subject: Subject, level: Level, used: u64) -> State {
    State {
        subject,
        fill: Fill {
            level,
            used,
            limit: Some(200),
        },
        days_left: Some(18),
    }
}

#[test]
fn figures_of_a_box_that_fills_up() {
    let account = |id, level, used| {
        let account = Account {
            id: AccountId(id),
            address: Address::parse("anna@example.org").unwrap(),
            owner: false,
            language: Language::En,
            quota_bytes: None,
            created: Wall(1_800_000_000),
        };
        (account, state(Subject::Account(AccountId(id)), level, used))
    };
    let figures = Figures {
        house: Some(House {
            card: state(Subject::Card, Level::Notice, 160),
            accounts: vec![account(1, Level::Ok, 3), account(2, Level::Full, 201)],
        }),
        faults: 7,
        mail: Tallied {
            deferred_card_full: 5,
            turned_away: 6,
            ..Tallied::default()
        },
        queue: heimpost::queue::desk::Figures {
            waiting: 3,
            held: 1,
            recipients: 4,
            oldest: Some((Duration::from_mins(5), SpoolId(7))),
            diagnosis: Some(Diagnosis::Port25),
        },
        backup: None,
        net: Counted::default(),
        sessions: BTreeMap::from([("imap", 9)]),
        connections: 4,
        uptime: Duration::from_millis(61_900),
    };
    let page = figures.render();
    let samples = parse(&page);
    let expected = [
        ("heimpost_storage_level", 3.0),
        ("heimpost_card_level", 1.0),
        ("heimpost_card_used_bytes", 160.0),
        ("heimpost_card_limit_bytes", 200.0),
        ("heimpost_card_days_left", 18.0),
        ("heimpost_accounts{level=\"ok\"}", 1.0),
        ("heimpost_accounts{level=\"warning\"}", 0.0),
        ("heimpost_accounts{level=\"full\"}", 1.0),
        ("heimpost_account_worst_percent", 100.0),
        ("heimpost_mail_deferred_total{cause=\"card_full\"}", 5.0),
        ("heimpost_sessions_total{service=\"imap\"}", 9.0),
        ("heimpost_queue_mails{state=\"waiting\"}", 3.0),
        ("heimpost_queue_mails{state=\"held\"}", 1.0),
        ("heimpost_queue_recipients", 4.0),
        ("heimpost_queue_oldest_seconds", 300.0),
        ("heimpost_queue_trouble", 1.0),
        ("heimpost_queue_attempts_total{outcome=\"refused\"}", 6.0),
        ("heimpost_connections", 4.0),
        ("heimpost_store_faults_total", 7.0),
        ("heimpost_uptime_seconds", 61.0),
    ];
    for (series, value) in expected {
        assert_eq!(samples.get(series), Some(&value), "{series}\n{page}");
    }
    assert!(!page.contains("anna"), "{page}");
    let silent = Figures {
        house: None,
        ..figures
    };
    let samples = parse(&silent.render());
    assert_eq!(samples.get("heimpost_store_up"), Some(&0.0));
    assert_eq!(samples.get("heimpost_storage_level"), None);
}

#[tokio::test]
async fn what_else_is_asked() {
    let rig = rig(64).await;
    let head = rig.get("HEAD", "/health").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.contains("content-length: 29\r\n") && body(&head).is_empty(),
        "{head}"
    );
    let table = [
        ("POST", "/health", "405 Method Not Allowed", ""),
        ("GET", "//metrics", "421 Misdirected Request", UNKNOWN_HOST),
        (
            "GET",
            "http://other/health?x=y",
            "200 OK",
            "{\"status\":\"ok\",\"level\":\"ok\"}\n",
        ),
    ];
    for (method, path, status, said) in table {
        let response = rig.get(method, path).await;
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{path}: {response}"
        );
        assert_eq!(body(&response), said, "{path}");
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: box\r\n\r\n", "x".repeat(70_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(70));
    for (bad, status) in [
        ("\u{1}\r\n\r\n", "400"),
        (long.as_str(), "4"),
        (many.as_str(), "431"),
    ] {
        let response = rig.say(bad).await;
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status}")),
            "{response}"
        );
    }
    assert_eq!(rig.app.counted().panics, 0);
    assert_eq!(rig.stop().await, Stopped::Clean);
}

/// What an HTTPS client hears that trusts this authority and asks for this host.
async fn get_securely(app: &App, authority: &str, host: &str, path: &str) -> String {
    let connector = TlsConnector::from(Arc::new(client_trusting(authority)));
    let stream = TcpStream::connect(app::address_of(app, "web_tls"))
        .await
        .unwrap();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut stream = connector.connect(name, stream).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}:443\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut text)).await;
    read.unwrap().unwrap();
    text
}

#[tokio::test]
async fn the_same_over_tls() {
    let dir = tempfile::tempdir().unwrap();
    let settings = app::settings(&dir.path().join("data"));
    let app = app::start(&settings).await;
    let authority = std::fs::read_to_string(settings.data.join("tls/ca.pem")).unwrap();
    let table = [
        ("localhost", "/health", "200 OK"),
        ("localhost", "/metrics", "200 OK"),
        (
            "localhost",
            "/.well-known/acme-challenge/x",
            "404 Not Found",
        ),
        // Nobody out there would accept the box's own certificate, so nobody is told to insist on it.
        (
            "heimpost.local",
            "/.well-known/mta-sts.txt",
            "404 Not Found",
        ),
    ];
    for (host, path, status) in table {
        let response = get_securely(&app, &authority, host, path).await;
        let expected = format!("HTTP/1.1 {status}\r\n");
        assert!(response.starts_with(&expected), "{path}: {response}");
    }
    assert_eq!(stop(app).await, Stopped::Clean);
}

#[tokio::test]
async fn policies_are_served_where_the_mail_host_has_a_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let domain = |name| Domain::parse(name).unwrap();
    let subject = ca::Subject {
        hostname: "mail.example.org".to_owned(),
        names: ["mta-sts.example.org", "mta-sts.example.net", "example.org"]
            .map(str::to_owned)
            .into(),
        addresses: BTreeSet::new(),
    };
    let (now, hostname) = (Clock::system().now(), subject.hostname.clone());
    let authority = Authority::open(dir.path(), "Another", now).unwrap();
    authority.leaf(&subject, now).unwrap();
    let mut settings = app::settings(&dir.path().join("data"));
    settings.tls = TlsSource::Files {
        certificate: dir.path().join("leaf.pem"),
        key: dir.path().join("leaf.key"),
    };
    settings.domains = vec![domain("example.org")];
    settings.hostname = domain(&hostname);
    let app = app::start(&settings).await;
    let get = |host| get_securely(&app, authority.pem(), host, "/.well-known/mta-sts.txt");
    let served = get("mta-sts.example.org").await;
    assert!(served.starts_with("HTTP/1.1 200 OK\r\n"), "{served}");
    assert!(served.contains("content-type: text/plain\r\n"), "{served}");
    let policy = Policy::enforce(&settings.hostname);
    assert_eq!(body(&served), policy.text);
    for other in ["mta-sts.example.net", "example.org"] {
        let response = get(other).await;
        assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
    }
    assert_eq!(stop(app).await, Stopped::Clean);
}

#[tokio::test]
async fn a_connection_serves_several_requests() {
    let rig = rig(64).await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    let next = "GET /health HTTP/1.1\r\nHost: box\r\n\r\n";
    let last = "GET /health HTTP/1.1\r\nHost: box\r\nConnection: close\r\n\r\n";
    stream
        .write_all(format!("{next}{next}{last}").as_bytes())
        .await
        .unwrap();
    let all = heard(&mut stream).await;
    assert_eq!(all.matches("\"level\":\"ok\"").count(), 3, "{all}");
    assert_eq!(rig.stop().await, Stopped::Clean);
}

#[tokio::test]
async fn clients_that_dawdle_hold_up_nobody() {
    let rig = rig(3).await;
    let mut slow = TcpStream::connect(rig.address).await.unwrap();
    slow.write_all(b"GET /health HTTP/1.1\r\nHo").await.unwrap();
    let mut idle = TcpStream::connect(rig.address).await.unwrap();
    assert!(rig.get("GET", "/health").await.starts_with("HTTP/1.1 200"));
    let third = TcpStream::connect(rig.address).await.unwrap();
    let refused = loop {
        // The place of the answered request is free a moment after its end.
        let response = rig.say("").await;
        if !response.is_empty() {
            break response;
        }
    };
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    drop(third);
    // The daemon stops long before their time is over.
    assert_eq!(rig.stop().await, Stopped::Clean);
    assert_eq!(
        (heard(&mut idle).await, heard(&mut slow).await),
        Default::default()
    );
}

mod compose;
mod deeds;
mod writing;
