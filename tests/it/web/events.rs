//! Streams that say that a page has changed.

use heimpost::net::shutdown::Stopped;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;
use super::client::{Browser, House};
use crate::app;

/// A stream of events as a browser holds it.
struct Events(TcpStream, String);

impl Events {
    async fn open(house: &House, browser: &Browser, path: &str, more: &str) -> Self {
        let mut stream = TcpStream::connect(app::address_of(&house.app, "web"))
            .await
            .unwrap();
        let cookies: Vec<String> = browser
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let cookies = cookies.join("; ");
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: heimpost.local\r\nCookie: {cookies}\r\n{more}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        Self(stream, String::new())
    }

    /// Listens until these words came.
    async fn until(&mut self, words: &str) {
        let mut buffer = [0; 512];
        while !self.1.contains(words) {
            let read = timeout(PATIENCE, self.0.read(&mut buffer)).await;
            let count = read.unwrap().unwrap();
            assert_ne!(count, 0, "{words}: {}", self.1);
            self.1.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }

    /// Listens until it ends.
    async fn end(mut self) -> String {
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, self.0.read_to_end(&mut rest)).await;
        read.unwrap().ok();
        self.1 + &String::from_utf8_lossy(&rest)
    }
}

async fn send(house: &House, to: &str) {
    let mut stream = TcpStream::connect(app::address_of(&house.app, "smtp"))
        .await
        .unwrap();
    let dialog = format!(
        "EHLO c\r\nMAIL FROM:<x@far.example>\r\nRCPT TO:<{to}>\r\nDATA\r\nSubject: a\r\n\r\nb\r\n.\r\nQUIT\r\n"
    );
    stream.write_all(dialog.as_bytes()).await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
}

#[tokio::test]
async fn mail_that_comes_is_told_to_its_reader_and_to_the_owner() {
    let house = House::furnished().await;
    let (bob, owner) = (
        house.person("bob@heimpost.local").await,
        house.owner().await,
    );
    let mut mail = Events::open(&house, &bob, "/mail/events", "").await;
    let mut of_box = Events::open(&house, &owner, "/box/events", "").await;
    mail.until("retry: 3000").await;
    of_box.until("retry: 3000").await;
    assert!(mail.1.contains("text/event-stream"), "{}", mail.1);
    send(&house, "bob@heimpost.local").await;
    mail.until("event: changed").await;
    of_box.until("event: changed").await;
    house.stop().await;
    for stream in [mail, of_box] {
        stream.end().await;
    }
}

#[tokio::test]
async fn who_comes_back_hears_at_once_that_something_may_have_changed() {
    let house = House::furnished().await;
    let bob = house.person("bob@heimpost.local").await;
    let mut events = Events::open(&house, &bob, "/mail/events", "Last-Event-ID: 1\r\n").await;
    events.until("event: changed").await;
    house.stop().await;
}

#[tokio::test]
async fn who_listens_late_hears_of_what_came_after_the_page() {
    let house = House::furnished().await;
    for (mut browser, page) in [
        (house.person("bob@heimpost.local").await, "/mail"),
        (house.owner().await, "/box"),
    ] {
        let shown = browser.get(page).await.expect(200).text();
        let path = shown.split("data-events=\"").nth(1).unwrap();
        let path = path.split('"').next().unwrap();
        send(&house, "bob@heimpost.local").await;
        let mut events = Events::open(&house, &browser, path, "").await;
        events.until("event: changed").await;
        events = Events::open(&house, &browser, path.split('?').next().unwrap(), "").await;
        events.until("retry: 3000").await;
    }
    house.stop().await;
}

#[tokio::test]
async fn strangers_hear_nothing_and_streams_end_with_the_session_and_the_daemon() {
    let house = House::furnished().await;
    for path in ["/mail/events", "/box/events"] {
        house.browser().ask("GET", path, &[], b"").await.expect(303);
    }
    let mut bob = house.person("bob@heimpost.local").await;
    bob.get("/login").await.expect(200);
    let mut events = Events::open(&house, &bob, "/mail/events", "").await;
    events.until("retry: 3000").await;
    let cookie = bob.cookies.get("heimpost-mail").unwrap().clone();
    let mut anna = house.person("anna@heimpost.local").await;
    assert_ne!(anna.cookies.get("heimpost-mail"), Some(&cookie));
    let mut open = Events::open(&house, &anna, "/mail/events", "").await;
    open.until("retry: 3000").await;
    anna.get("/me").await;
    anna.post_only("/logout", &[]).await.expect(303);
    send(&house, "anna@heimpost.local").await;
    assert!(!open.end().await.contains("event: changed"));
    assert_eq!(app::stop(house.app).await, Stopped::Clean);
    events.end().await;
}
