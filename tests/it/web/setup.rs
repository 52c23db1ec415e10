//! Setting a box up by its pages alone, every way in, and a forgotten password.

mod door;

use std::fs;
use std::path::Path;
use std::time::Duration;

use heimpost::app::World;
use heimpost::app::daemon::Daemon;
use heimpost::cli::account::Add;
use heimpost::cli::connect;
use heimpost::cli::operation::{self, Operation};
use heimpost::clock::{Clock, Wall};
use heimpost::config::stored::Written;
use heimpost::dns::Resolver;
use heimpost::mail::secret::Secret;
use heimpost::net::outbound::Outbound;
use heimpost::net::shutdown::Stopped;
use heimpost::panel::Condition;
use heimpost_board::Press;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::PATIENCE;
use super::client::{Browser, PASSWORD, Page};
use crate::app::address_of;

/// Of "correct horse", by libxcrypt.
const CRYPT: &str = "$y$j9T$abcdefghijklmnop$0Hi8KsZH/hAMRN9Bam6ce3nmi5QAIz3R/KeaXG/c7p9";

/// A box that was just plugged in.
pub(super) struct Rig {
    pub(super) daemon: Daemon,
    pub(super) clock: Clock,
    pub(super) dir: tempfile::TempDir,
}

impl Rig {
    /// With this backend of the panel, and these further lines in its file.
    pub(super) async fn new(backend: &str, top: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::virtual_at(Wall(1_800_000_000));
        let daemon = start(dir.path(), backend, top, clock.clone()).await;
        Self { daemon, clock, dir }
    }

    pub(super) fn browser(&self) -> Browser {
        Browser::at(address_of(self.daemon.app(), "web"))
    }

    /// Waits until a restart is asked for, and carries it out.
    pub(super) async fn restarted(mut self) -> Self {
        timeout(PATIENCE, self.daemon.asked()).await.unwrap();
        self.daemon = self.daemon.restart().await.unwrap();
        self
    }

    /// Pulls the plug and puts it back in.
    async fn plugged_in_again(self, backend: &str) -> Self {
        self.plugged_in_after(backend, |_, _| ()).await
    }

    /// Pulls the plug, does something to the data, and puts it back in.
    pub(super) async fn plugged_in_after(
        self,
        backend: &str,
        between: impl FnOnce(&Path, &Clock),
    ) -> Self {
        let Self { daemon, clock, dir } = self;
        assert_eq!(daemon.stop(std::future::pending()).await, Stopped::Clean);
        between(&dir.path().join("data"), &clock);
        let daemon = start(dir.path(), backend, "", clock.clone()).await;
        Self { daemon, clock, dir }
    }

    /// What the LED shows once the start is over.
    async fn shows(&self) -> Condition {
        let look = async {
            loop {
                let shown = self.daemon.app().panel().view().condition;
                if shown != Condition::Busy {
                    return shown;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, look).await.unwrap()
    }

    /// Holds the button for so long that the setup window opens.
    fn hold(&self) {
        let now = self.clock.now().mono;
        let panel = self.daemon.app().panel();
        panel.change(|policy| policy.handle_press(Press::Long, now));
    }

    fn code(&self) -> String {
        let file = self.dir.path().join("data/setup-code.txt");
        let text = fs::read_to_string(file).unwrap();
        text.lines().next().unwrap().to_owned()
    }

    pub(super) async fn stop(self) {
        assert_eq!(self.daemon.app().counted().panics, 0);
        let stopped = self.daemon.stop(std::future::pending()).await;
        assert_eq!(stopped, Stopped::Clean);
    }
}

async fn start(dir: &Path, backend: &str, top: &str, clock: Clock) -> Daemon {
    let listening = ["smtp", "web"].map(|name| format!("{name} = [\"127.0.0.1:0\"]"));
    let off = [
        "submission",
        "submissions",
        "imap",
        "imaps",
        "pop3",
        "pop3s",
        "web_tls",
    ];
    let off = off.map(|name| format!("{name} = []"));
    let text = format!(
        "data = \"{}\"\n{top}\n[listen]\n{}\n{}\n[panel]\nbackend = \"{backend}\"\n",
        dir.join("data").display(),
        listening.join("\n"),
        off.join("\n")
    );
    let world = World {
        resolver: Some(Resolver::zone("").unwrap()),
        outbound: Outbound::trusting("").unwrap(),
    };
    let written = Written::of_text("t.toml", &text).on_system(&dir.join("system"));
    Daemon::start(written, Some(world), clock, connect::handler)
        .await
        .unwrap()
}

/// Takes the window, for English.
pub(super) async fn take(browser: &mut Browser) -> Page {
    browser.get("/setup").await.expect(200);
    let page = browser.post("/setup/start", &[]).await;
    if page.has("/setup/language") {
        return browser.post("/setup/language", &[("language", "en")]).await;
    }
    page
}

/// From the first page to the account.
async fn make_account(browser: &mut Browser) {
    take(browser).await.expect(200);
    browser
        .post("/setup/mode", &[("mode", "lan")])
        .await
        .expect(200);
    // Nothing changes by these names, so nothing restarts.
    let names = [("domain", "heimpost.local"), ("hostname", "heimpost.local")];
    browser.post("/setup/name", &names).await.expect(200);
    let account = [("name", "anna"), ("password", PASSWORD)];
    let page = browser.post("/setup/account", &account).await.expect(200);
    assert!(page.has("Your mail programs"), "{}", page.text());
}

/// A smarthost of the house that takes one mail; gives what it heard.
async fn smarthost() -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 relay.test\r\n").await.unwrap();
        let (mut heard, mut in_data) = (String::new(), false);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap() == 0 {
                return heard;
            }
            heard.push_str(&line);
            let reply = match line.split_whitespace().next().unwrap_or_default() {
                "." if in_data => {
                    in_data = false;
                    "250 2.0.0 queued\r\n"
                }
                _ if in_data => continue,
                "EHLO" => "250 relay.test\r\n",
                "DATA" => {
                    in_data = true;
                    "354 go\r\n"
                }
                "QUIT" => "221 bye\r\n",
                _ => "250 ok\r\n",
            };
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
    });
    (port, task)
}

async fn banner(rig: &Rig) -> String {
    let mut stream = TcpStream::connect(address_of(rig.daemon.app(), "smtp"))
        .await
        .unwrap();
    let mut bytes = [0; 64];
    let count = timeout(PATIENCE, stream.read(&mut bytes))
        .await
        .unwrap()
        .unwrap();
    String::from_utf8_lossy(&bytes[..count]).into_owned()
}

#[tokio::test]
async fn a_new_box_is_set_up_by_its_pages_alone() {
    let mut rig = Rig::new("sim", "").await;
    assert_eq!(rig.shows().await, Condition::Setup);
    let mut phone = rig.browser();
    let page = phone.get("/").await.expect(200);
    assert!(page.has("/setup/start"), "{}", page.text());
    let page = take(&mut phone).await.expect(200);
    assert!(page.has("How shall the box work?"), "{}", page.text());
    let page = phone
        .post("/setup/mode", &[("mode", "smarthost")])
        .await
        .expect(200);
    assert!(page.has("What is your domain?"));
    let page = phone
        .post("/setup/name", &[("domain", "Example.org")])
        .await
        .expect(200);
    assert_eq!(page.header("refresh"), "2; url=/setup");
    rig = rig.restarted().await;
    assert!(banner(&rig).await.starts_with("220 mail.example.org"));
    let page = phone.get("/setup").await.expect(200);
    assert!(page.has("@example.org"), "{}", page.text());
    let fields = [("name", "anna"), ("password", "tasse nebel fahrrad")];
    let page = phone.post("/setup/account", &fields).await.expect(200);
    assert!(page.has("field-preset"), "{}", page.text());
    let (port, host) = smarthost().await;
    let port = port.to_string();
    let fields = [
        ("preset", "other"),
        ("host", "127.0.0.1"),
        ("port", &port),
        ("tls", "none"),
        ("user", ""),
        ("password", ""),
    ];
    let page = phone.post("/setup/smarthost", &fields).await.expect(200);
    assert_eq!(page.header("refresh"), "2; url=/setup/test");
    rig = rig.restarted().await;
    phone.get("/setup").await.expect(200);
    let page = phone.post("/setup/test", &[]).await.expect(200);
    assert!(page.has("Sending works"), "{}", page.text());
    let heard = timeout(PATIENCE, host).await.unwrap().unwrap();
    assert!(heard.contains("RCPT TO:<anna@example.org>"), "{heard}");
    phone.get("/setup/programs").await.expect(200);
    let page = phone.post("/setup/programs", &[]).await.expect(200);
    assert!(page.has("Your box is set up"), "{}", page.text());
    // Shut for everybody, and the owner is logged in already.
    assert_ne!(rig.shows().await, Condition::Setup);
    let page = rig.browser().get("/setup").await.expect(200);
    assert!(page.has("Setup is closed"), "{}", page.text());
    assert_eq!(
        rig.browser()
            .ask("GET", "/setup/mode", &[], b"")
            .await
            .status,
        303
    );
    phone.get("/setup/mode").await.expect(200);
    rig.stop().await;
}

#[tokio::test]
async fn what_was_saved_outlives_the_plug() {
    let mut rig = Rig::new("sim", "").await;
    let mut phone = rig.browser();
    take(&mut phone).await.expect(200);
    phone
        .post("/setup/mode", &[("mode", "mx")])
        .await
        .expect(200);
    phone
        .post("/setup/name", &[("domain", "example.org")])
        .await
        .expect(200);
    rig = rig.plugged_in_again("sim").await;
    assert!(banner(&rig).await.starts_with("220 mail.example.org"));
    let mut phone = rig.browser();
    let page = take(&mut phone).await.expect(200);
    assert!(page.has("Your account"), "{}", page.text());
    rig.stop().await;
}

/// As on a box whose card had an account from Raspberry Pi Imager.
#[tokio::test]
async fn an_account_from_the_card_sets_the_box_up() {
    let rig = Rig::new("sim", "").await;
    let add = Operation::AccountAdd(Add {
        address: "anna@heimpost.local".to_owned(),
        owner: false,
        language: None,
        quota: None,
        password: None,
        password_hash: Some(operation::Password(Secret::new(CRYPT.to_owned()))),
    });
    crate::app::command(&rig.daemon.settings().clone(), add).await;
    let mut browser = rig.browser();
    let page = browser.get("/setup").await.expect(200);
    assert!(
        page.has("simply logs in") && page.has("/box"),
        "{}",
        page.text()
    );
    browser.get("/box").await.expect(200);
    let fields = [
        ("address", "anna@heimpost.local"),
        ("password", "correct horse"),
    ];
    let page = browser.post("/box/login", &fields).await.expect(200);
    assert!(page.has("Say how the box shall work"), "{}", page.text());
    let page = browser.get("/setup").await.expect(200);
    assert!(page.has("How shall the box work?"), "{}", page.text());
    let page = browser
        .post("/setup/mode", &[("mode", "lan")])
        .await
        .expect(200);
    assert!(page.has("What is your domain?"), "{}", page.text());
    let names = [("domain", "house.test"), ("hostname", "")];
    browser.post_only("/setup/name", &names).await.expect(200);
    let rig = rig.restarted().await;
    let page = browser.get("/setup/account").await.expect(200);
    let told = page.has("still") && page.has("anna@heimpost.local");
    assert!(told, "{}", page.text());
    rig.stop().await;
}

#[tokio::test]
async fn hostile_input_is_only_text() {
    let rig = Rig::new("sim", "").await;
    let mut browser = rig.browser();
    take(&mut browser).await.expect(200);
    let script = "<script>alert(1)</script>";
    let long = "x".repeat(100_000);
    browser
        .post("/setup/mode", &[("mode", script)])
        .await
        .expect(422);
    for bad in [
        script,
        "",
        "a\r\nSet-Cookie: x=y",
        "\0",
        &long,
        "../../etc/passwd",
        "heimpost.local",
    ] {
        let fields = [("domain", bad), ("hostname", bad)];
        browser
            .post("/setup/mode", &[("mode", "mx")])
            .await
            .expect(200);
        let page = browser.post("/setup/name", &fields).await.expect(200);
        assert!(!page.has("<script>alert"), "{bad}");
        assert!(page.has("field-domain-error"), "{bad}");
    }
    for bad in [
        script,
        "",
        "a@evil.example",
        "two words@",
        "\r\n.\r\n",
        &long,
    ] {
        let fields = [("name", bad), ("password", PASSWORD)];
        let page = browser.post("/setup/account", &fields).await.expect(200);
        assert!(!page.has("<script>alert"), "{bad}");
        assert!(page.has("field-name-error"), "{bad}");
        assert!(!page.has(PASSWORD));
    }
    let token = std::mem::take(&mut browser.token);
    browser
        .post_only("/setup/mode", &[("mode", "mx")])
        .await
        .expect(403);
    browser.token = token;
    browser.get("/setup/mode").await.expect(200);
    rig.stop().await;
}

#[tokio::test]
async fn what_the_file_says_is_not_asked() {
    let rig = Rig::new(
        "sim",
        "domains = [\"example.org\"]\nhostname = \"box.example.org\"",
    )
    .await;
    let mut browser = rig.browser();
    take(&mut browser).await.expect(200);
    let page = browser
        .post("/setup/mode", &[("mode", "mx")])
        .await
        .expect(200);
    assert!(
        page.has("configuration file") && page.has("box.example.org"),
        "{}",
        page.text()
    );
    let fields = [("domain", "evil.example")];
    let page = browser.post("/setup/name", &fields).await.expect(200);
    assert!(page.has("@example.org"), "{}", page.text());
    rig.stop().await;
}
