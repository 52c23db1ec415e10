//! The panel of a whole daemon with a simulated LED and button, through the commands that people use.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use heimpost::app::App;
use heimpost::cli::account::Add;
use heimpost::cli::import::Source;
use heimpost::cli::operation::Operation;
use heimpost::cli::output::{Lines, Output, Progress};
use heimpost::cli::{Failure, connect, panel};
use heimpost::clock::Clock;
use heimpost::config::{self, Settings};
use heimpost::net::shutdown::Stopped;
use tokio::task::{JoinHandle, spawn_blocking};

const SOON: Duration = Duration::from_mins(2);
const ANNA: &str = "anna@heimpost.local";

/// A daemon without ports.
fn settings(data: &Path) -> Settings {
    let ports = [
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
    let none: Vec<String> = ports.iter().map(|port| format!("{port} = []")).collect();
    let text = format!(
        "[panel]\nbackend = \"sim\"\n[listen]\n{}\n",
        none.join("\n")
    );
    let mut settings = config::parse("test", &text).unwrap();
    data.clone_into(&mut settings.data);
    settings
}

async fn start(settings: &Settings) -> App {
    App::start(settings, Clock::system(), connect::handler)
        .await
        .unwrap()
}

/// Runs a command as its own process would; what it said, and how it ended.
async fn command(settings: &Settings, operation: Operation) -> (Vec<String>, Result<(), Failure>) {
    let settings = settings.clone();
    let run = move || {
        let mut lines = Lines::default();
        let result = connect::run(&operation, &settings, &Clock::system(), &mut lines);
        (lines.0, result)
    };
    spawn_blocking(run).await.unwrap()
}

async fn done(settings: &Settings, operation: Operation) -> Vec<String> {
    let (lines, result) = command(settings, operation).await;
    result.unwrap();
    lines
}

/// Somebody who watches; leaves when the receiver is dropped.
struct Watcher(Sender<String>);

impl Output for Watcher {
    fn line(&mut self, text: &str) -> io::Result<()> {
        let sent = self.0.send(text.to_owned());
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn still_there(&mut self) -> io::Result<()> {
        self.line("")
    }

    fn progress(&mut self, _progress: &Progress) -> io::Result<()> {
        Ok(())
    }
}

type Watch = (Receiver<String>, JoinHandle<Result<(), Failure>>);

fn watch(settings: &Settings) -> Watch {
    let (sender, lines) = channel();
    let settings = settings.clone();
    let task = spawn_blocking(move || {
        let mut watcher = Watcher(sender);
        connect::run(
            &Operation::PanelWatch,
            &settings,
            &Clock::system(),
            &mut watcher,
        )
    });
    (lines, task)
}

/// Waits for a line that begins so.
fn wait_for(lines: &Receiver<String>, beginning: &str) -> String {
    let mut seen = Vec::new();
    loop {
        match lines.recv_timeout(SOON) {
            Ok(line) if line.starts_with(beginning) => return line,
            Ok(line) => seen.push(line),
            Err(error) => panic!("{error}: no \"{beginning}\" in {seen:#?}"),
        }
    }
}

fn quota(quota: &str) -> Operation {
    Operation::AccountQuota {
        address: ANNA.to_owned(),
        quota: quota.to_owned(),
    }
}

/// Gives Anna an account with 1,000 KiB of mail, so that the box's own mails about levels weigh nothing.
async fn fill(settings: &Settings, scratch: &Path) {
    let add = Add {
        address: ANNA.to_owned(),
        owner: false,
        language: None,
        quota: None,
        password: None,
        password_hash: None,
    };
    done(settings, Operation::AccountAdd(add)).await;
    let mbox = scratch.join("mbox");
    let body = "x".repeat(60) + "\n";
    let text = format!(
        "From a@example.org Thu Jan  1 00:00:00 2026\nSubject: a\n\n{}\n",
        body.repeat(16_800)
    );
    std::fs::write(&mbox, text).unwrap();
    let source = Source::Mbox {
        path: mbox.to_str().unwrap().to_owned(),
        into: "INBOX".to_owned(),
    };
    let account = ANNA.to_owned();
    done(settings, Operation::Import { account, source }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_led_follows_the_level() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(&dir.path().join("data"));
    let app = start(&settings).await;
    fill(&settings, dir.path()).await;
    let (lines, watching) = watch(&settings);
    wait_for(&lines, "(*) steady on");
    for (size, led, state) in [
        (
            "1200K",
            "(*) 2 flashes",
            "filling up: The mailbox anna@heimpost.local is ",
        ),
        (
            "1060K",
            "(*) 3 flashes",
            "almost full: The mailbox anna@heimpost.local is ",
        ),
        (
            "500K",
            "(*) 4 flashes",
            "full: new mail waits outside: The mailbox anna@heimpost.local is full",
        ),
    ] {
        done(&settings, quota(size)).await;
        let told = wait_for(&lines, state);
        assert!(
            told.contains("heimpost account quota anna@heimpost.local"),
            "{told}"
        );
        wait_for(&lines, led);
        wait_for(&lines, "( )");
    }
    done(&settings, quota("default")).await;
    wait_for(&lines, "all is well");
    wait_for(&lines, "(*) steady on");
    assert_eq!(app.stop(std::future::pending()).await, Stopped::Clean);
    let ended = watching.await.unwrap().unwrap_err();
    assert_eq!(ended, Failure::Failed("the daemon has stopped".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_press_makes_quiet_until_it_gets_worse() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(&dir.path().join("data"));
    let app = start(&settings).await;
    fill(&settings, dir.path()).await;
    done(&settings, quota("1060K")).await;
    let (lines, _watching) = watch(&settings);
    wait_for(&lines, "(*) 3 flashes");
    let press = Operation::PanelPress { hold_seconds: None };
    let said = done(&settings, press).await;
    assert_eq!(said[0], "short press");
    assert!(said[1].starts_with("acknowledged"), "{said:?}");
    wait_for(&lines, "( ) dark, button down");
    wait_for(&lines, "almost full (acknowledged):");
    wait_for(&lines, "(*) a short tick");
    done(&settings, quota("500K")).await;
    wait_for(&lines, "(*) 4 flashes");
    assert_eq!(app.stop(std::future::pending()).await, Stopped::Clean);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_makes_room() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(&dir.path().join("data"));
    let app = start(&settings).await;
    fill(&settings, dir.path()).await;
    let (lines, _watching) = watch(&settings);
    wait_for(&lines, "(*) steady on");
    let said = done(
        &settings,
        Operation::PanelPress {
            // A second longer than asks for it, so that the LED's answer is seen on a busy machine too.
            hold_seconds: Some(4),
        },
    )
    .await;
    assert_eq!(said[0], "held for 3 seconds");
    assert!(said.len() > 1, "the receipt in words");
    wait_for(&lines, "(*) steady on, button held for 3 s");
    // Whoever was watching may have missed how short it was.
    let (lines, _watching) = watch(&settings);
    wait_for(&lines, "all is well");
    assert_eq!(app.counted().panics, 0);
    assert_eq!(app.stop(std::future::pending()).await, Stopped::Clean);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_leaves_holds_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(&dir.path().join("data"));
    let app = start(&settings).await;
    let (lines, watching) = watch(&settings);
    wait_for(&lines, "(*) steady on");
    drop(lines);
    assert!(watching.await.unwrap().is_err());
    assert_eq!(app.stop(std::future::pending()).await, Stopped::Clean);
}

#[tokio::test]
async fn without_a_daemon_there_is_no_panel() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(&dir.path().join("data"));
    for operation in [
        Operation::PanelWatch,
        Operation::PanelPress { hold_seconds: None },
    ] {
        let (said, result) = command(&settings, operation).await;
        assert!(said.is_empty());
        let problem = result.unwrap_err().to_string();
        assert!(problem.starts_with("no daemon serves "), "{problem}");
    }
    assert!(!settings.data.exists());
}

#[tokio::test]
async fn the_led_is_made_dark_only_where_no_daemon_shows_it() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(&dir.path().join("data"));
    let app = start(&settings).await;
    let dark = || panel::dark(&settings);
    assert!(dark().is_err());
    assert_eq!(app.stop(std::future::pending()).await, Stopped::Clean);
    dark().unwrap();
}
