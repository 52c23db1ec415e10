//! A box with accounts, and a browser without script: it keeps cookies, finds the token of forms and follows redirects.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use heimpost::app::{App, World};
use heimpost::cli::account::Add;
use heimpost::cli::connect;
use heimpost::cli::operation::{Operation, Password};
use heimpost::clock::Clock;
use heimpost::config::Settings;
use heimpost::dns::Resolver;
use heimpost::mail::secret::Secret;
use heimpost::net::outbound::Outbound;
use heimpost::net::shutdown::Stopped;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;
use crate::app;

/// Password of every account that [`House::add`] makes.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Redirects that a browser follows before it gives up.
const REDIRECTS_MAX: usize = 8;

/// A running box.
pub(crate) struct House {
    pub(crate) app: App,
    pub(crate) settings: Settings,
    _dir: tempfile::TempDir,
}

impl House {
    /// One without accounts.
    pub(crate) async fn empty() -> Self {
        Self::with(|_| ()).await
    }

    /// One without accounts, and settings changed so.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = app::settings(&dir.path().join("data"));
        change(&mut settings);
        let app = app::start_in_a_small_world(&settings).await;
        Self {
            app,
            settings,
            _dir: dir,
        }
    }

    /// One on a data directory that is there, in a world that is a zone and trusts these authorities.
    pub(crate) async fn on(
        dir: tempfile::TempDir,
        settings: Settings,
        world: (&str, &str),
    ) -> Self {
        Self::at(Clock::system(), dir, settings, world).await
    }

    /// As [`House::on`], with that clock.
    pub(crate) async fn at(
        clock: Clock,
        dir: tempfile::TempDir,
        settings: Settings,
        (zone, authorities): (&str, &str),
    ) -> Self {
        let world = World {
            resolver: Some(Resolver::zone(zone).unwrap()),
            outbound: Outbound::trusting(authorities).unwrap(),
        };
        let app = App::start_in(world, &settings, clock, connect::handler);
        Self {
            app: app.await.unwrap(),
            settings,
            _dir: dir,
        }
    }

    /// One with the owner anna@heimpost.local and with bob@heimpost.local.
    pub(crate) async fn furnished() -> Self {
        let house = Self::empty().await;
        house.add("anna@heimpost.local").await;
        house.add("bob@heimpost.local").await;
        house
    }

    /// Adds an account; the first owns the box.
    pub(crate) async fn add(&self, address: &str) {
        add(&self.settings, address).await;
    }

    /// A browser that was never here.
    pub(crate) fn browser(&self) -> Browser {
        Browser::at(app::address_of(&self.app, "web"))
    }

    /// A browser of somebody who reads mail.
    pub(crate) async fn person(&self, address: &str) -> Browser {
        let mut browser = self.browser();
        browser.log_in("/login", address).await;
        browser
    }

    /// A browser of the owner, anna@heimpost.local, who manages the box.
    pub(crate) async fn owner(&self) -> Browser {
        let mut browser = self.browser();
        browser.log_in("/box/login", "anna@heimpost.local").await;
        browser
    }

    /// Stops it, and looks at what it left.
    pub(crate) async fn stop_but_keep(self, look: impl FnOnce()) {
        assert_eq!(self.app.counted().panics, 0);
        assert_eq!(app::stop(self.app).await, Stopped::Clean);
        look();
    }

    /// Stops it and starts it again with all its data.
    pub(crate) async fn restart(self) -> Self {
        let Self {
            app,
            settings,
            _dir: dir,
        } = self;
        assert_eq!(app::stop(app).await, Stopped::Clean);
        let app = app::start_in_a_small_world(&settings).await;
        Self {
            app,
            settings,
            _dir: dir,
        }
    }

    /// Stops it; nothing may have panicked.
    pub(crate) async fn stop(self) {
        assert_eq!(self.app.counted().panics, 0);
        assert_eq!(app::stop(self.app).await, Stopped::Clean);
    }
}

/// Adds an account with [`PASSWORD`], with or without a daemon.
pub(crate) async fn add(settings: &Settings, address: &str) {
    let add = Operation::AccountAdd(Add {
        address: address.to_owned(),
        owner: false,
        language: None,
        quota: None,
        password: Some(Password(Secret::new(PASSWORD.to_owned()))),
        password_hash: None,
    });
    app::command(settings, add).await;
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    /// Names in lower case; several values are joined by a line end.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Page {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether the body has these words.
    pub(crate) fn has(&self, words: &str) -> bool {
        self.text().contains(words)
    }

    /// A header's value, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Fails unless the status is this one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?}\n{}", self.headers, self.text());
        self
    }
}

/// A browser without script.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    address: SocketAddr,
    /// Host that it asks for.
    pub(crate) host: String,
    /// `Accept-Language`.
    pub(crate) language: String,
    pub(crate) cookies: BTreeMap<String, String>,
    /// Token of the forms on the page that was seen last.
    pub(crate) token: String,
}

impl Browser {
    /// One that goes to this web port and was never there.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self {
            address,
            host: "heimpost.local".to_owned(),
            language: "en".to_owned(),
            cookies: BTreeMap::new(),
            token: String::new(),
        }
    }

    /// Asks for a page and follows where it leads.
    pub(crate) async fn get(&mut self, path: &str) -> Page {
        let page = self.ask("GET", path, &[], b"").await;
        self.follow(page).await
    }

    /// Sends a form with the token of the page seen last, and follows where that leads.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let page = self.post_only(path, fields).await;
        self.follow(page).await
    }

    /// Sends a form with the token of the page seen last.
    pub(crate) async fn post_only(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let token = self.token.clone();
        let with_token = [("form", token.as_str())]
            .into_iter()
            .chain(fields.iter().copied());
        let body: Vec<String> = with_token
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        let kind = [("Content-Type", "application/x-www-form-urlencoded")];
        self.ask("POST", path, &kind, body.join("&").as_bytes())
            .await
    }

    /// Logs in with [`PASSWORD`].
    pub(crate) async fn log_in(&mut self, path: &str, address: &str) {
        self.get(path).await.expect(200);
        let fields = [("address", address), ("password", PASSWORD)];
        self.post_only(path, &fields).await.expect(303);
    }

    /// One request and its answer; keeps cookies and the token.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Page {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAccept-Language: {}\r\n",
            self.host, self.language
        );
        if !self.cookies.is_empty() {
            let pairs = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"));
            let pairs: Vec<String> = pairs.collect();
            write!(request, "Cookie: {}\r\n", pairs.join("; ")).unwrap();
        }
        if !body.is_empty() {
            write!(request, "Content-Length: {}\r\n", body.len()).unwrap();
        }
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        request.push_str("\r\n");
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut answer = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        read.unwrap().unwrap();
        let page = parse(&answer);
        self.keep(&page);
        page
    }

    pub(crate) async fn follow(&mut self, mut page: Page) -> Page {
        for _ in 0..REDIRECTS_MAX {
            if page.status != 303 {
                return page;
            }
            let to = page.header("location").to_owned();
            page = self.ask("GET", &to, &[], b"").await;
        }
        panic!("redirected for ever: {:?}", page.headers);
    }

    fn keep(&mut self, page: &Page) {
        for line in page.header("set-cookie").lines() {
            let (pair, rest) = line.split_once(';').unwrap_or((line, ""));
            let (name, value) = pair.split_once('=').unwrap();
            if rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let text = page.text();
        let field = text.split_once("name=\"form\" value=\"");
        if let Some((_, rest)) = field {
            rest.split('"').next().unwrap().clone_into(&mut self.token);
        }
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn parse(answer: &[u8]) -> Page {
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        let all = headers.entry(name.to_lowercase()).or_default();
        if !all.is_empty() {
            all.push('\n');
        }
        all.push_str(value);
    }
    let mut body = answer[end + 4..].to_vec();
    if headers
        .get("transfer-encoding")
        .is_some_and(|coding| coding == "chunked")
    {
        body = dechunked(&body);
    }
    Page {
        status,
        headers,
        body,
    }
}

/// RFC 9112 7.1
fn dechunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = std::str::from_utf8(&rest[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
}
