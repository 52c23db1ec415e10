//! A box that cannot get at its mail: six flashes, and one plain page on the web port that says what to do.
//!
//! Two ways lead here. Where the data partition was not mounted, the daemon is not started, and `heimpost panel rescue`
//! runs in its place. Where the store does not open, the daemon shows this for a while and ends; the service manager
//! starts it again, and it tries again. No mail is taken meanwhile, so other servers keep it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use heimpost_board::Panel;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::{Error, tell_init};
use crate::config::stored::Written;
use crate::config::{self, SYSTEM_FILE, Settings};
use crate::net::listener;
use crate::net::shutdown::Signals;
use crate::panel::Condition;
use crate::store;
use sd_notify::NotifyState;

/// How long a daemon shows it before it ends, to be started again. Shorter than the service manager's patience with one
/// that says nothing.
const SHOWN_FOR: Duration = Duration::from_mins(1);

/// The environment names the service manager's socket so (`sd_notify(3)`).
const MANAGER: &str = "NOTIFY_SOCKET";

const PAGE: &str = include_str!("rescue.html");

/// Browsers served at once.
const BROWSERS_MAX: usize = 16;

/// Time for one of them, and the most of its request that is read.
const BROWSER_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_BYTES_MAX: usize = 16 << 10;

/// Wait after accepting failed.
const BACKOFF: Duration = Duration::from_secs(1);

/// In place of a daemon without data: until a signal comes. `file` says which LED it is; the board's own if there is none.
pub(super) async fn until_stopped(file: Option<&Path>) -> Result<(), Error> {
    let mut signals = Signals::listen()?;
    let sign = Sign::put_up(&settings(file)?)?;
    tracing::error!("there are no data to serve: the LED shows 6 flashes, and no mail is taken");
    tell_init(&[NotifyState::Ready]);
    signals.stop().await;
    sign.take_down().await;
    Ok(())
}

fn settings(file: Option<&Path>) -> Result<Settings, config::Error> {
    let file = file.unwrap_or_else(|| Path::new(SYSTEM_FILE));
    let read = Written::load(Some(file), None).and_then(|written| written.alone());
    read.or_else(|error| {
        tracing::warn!(%error, "going by what this board has");
        config::parse("", "")
    })
}

/// Tells of a store that does not open, where somebody will start the daemon again; gives the error back.
pub(super) async fn told(error: Error, written: &Written, signals: &mut Signals) -> Error {
    let is_ours = match &error {
        Error::Data { .. } => true,
        // Another process has it: a matter of time.
        Error::Store { cause, .. } => !matches!(cause, store::Error::InUse),
        Error::Tls(_)
        | Error::Bind(_)
        | Error::Control { .. }
        | Error::Config(_)
        | Error::System(_) => false,
    };
    if !is_ours || std::env::var_os(MANAGER).is_none() {
        return error;
    }
    tracing::error!(%error, "store or card has a fault: the LED shows 6 flashes, and no mail is taken until it opens");
    match written
        .alone()
        .map_err(Error::from)
        .and_then(|settings| Ok(Sign::put_up(&settings)?))
    {
        Ok(sign) => {
            tokio::select! {
                () = sleep(SHOWN_FOR) => {}
                () = signals.stop() => {}
            }
            sign.take_down().await;
        }
        Err(error) => tracing::warn!(%error, "nothing shows that"),
    }
    error
}

/// What is shown.
struct Sign {
    panel: Panel,
    addresses: Vec<SocketAddr>,
    doors: JoinSet<()>,
}

impl Sign {
    /// Shows it on the LED, and on those web ports that can be had.
    fn put_up(settings: &Settings) -> io::Result<Self> {
        let panel = Panel::start(&settings.panel.board, Box::new(|_| ()))?;
        panel.show(Condition::Fault.pattern());
        let (mut addresses, mut doors) = (Vec::new(), JoinSet::new());
        for &address in &settings.listen.web {
            match open(address) {
                Ok((listener, actual)) => {
                    addresses.push(actual);
                    doors.spawn(serve(listener));
                }
                Err(error) => tracing::warn!(%address, %error, "no page there"),
            }
        }
        Ok(Self {
            panel,
            addresses,
            doors,
        })
    }

    /// The LED is dark and the ports are free when this returns.
    async fn take_down(mut self) {
        tracing::debug!(addresses = ?self.addresses, "the page goes");
        self.doors.shutdown().await;
        if spawn_blocking(move || self.panel.stop()).await.is_err() {
            tracing::error!("making the LED dark panicked");
        }
    }
}

fn open(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::from_std(listener::open(address)?)?;
    let actual = listener.local_addr()?;
    Ok((listener, actual))
}

async fn serve(listener: TcpListener) {
    let (free, mut browsers) = (Arc::new(Semaphore::new(BROWSERS_MAX)), JoinSet::new());
    while let Ok(place) = Arc::clone(&free).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                browsers.spawn(async move {
                    let answered = timeout(BROWSER_TIMEOUT, answer(stream)).await;
                    tracing::debug!(?answered, "a browser");
                    drop(place);
                });
            }
            Err(_) => sleep(BACKOFF).await,
        }
        while browsers.try_join_next().is_some() {}
    }
}

/// The same to whatever is asked.
async fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < REQUEST_BYTES_MAX {
        let count = stream.read(&mut piece).await?;
        if count == 0 {
            return Ok(());
        }
        request.extend_from_slice(piece.get(..count).unwrap_or_default());
    }
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\nCache-Control: no-store\r\n\
         Connection: close\r\n\r\n",
        PAGE.len()
    );
    stream.write_all(head.as_bytes()).await?;
    if !request.starts_with(b"HEAD ") {
        stream.write_all(PAGE.as_bytes()).await?;
    }
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use std::fs;

    use heimpost_board::{Count, Pattern};

    use super::*;
    use crate::app::daemon::Daemon;
    use crate::cli::connect;
    use crate::clock::{Clock, Wall};

    const TEXT: &str = "listen.web = ['127.0.0.1:0']\npanel.backend = 'sim'";

    async fn get(at: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        said
    }

    #[tokio::test]
    async fn six_flashes_and_a_page_say_what_to_do() {
        let sign = Sign::put_up(&config::parse("t", TEXT).unwrap()).unwrap();
        let at = sign.addresses[0];
        // Neither a browser that says nothing nor one that says too much keeps others out.
        let silent = TcpStream::connect(at).await.unwrap();
        assert!(
            get(at, &"x".repeat(REQUEST_BYTES_MAX))
                .await
                .contains("503")
        );
        let page = get(at, "GET /box HTTP/1.1\r\nHost: heimpost.local\r\n\r\n").await;
        assert!(page.starts_with("HTTP/1.1 503 "), "{page}");
        assert!(
            page.contains("Die Speicherkarte hat einen Fehler"),
            "{page}"
        );
        assert!(page.ends_with("</html>\n"), "{page}");
        let head = get(at, "HEAD / HTTP/1.1\r\n\r\n").await;
        assert!(
            head.contains("text/html") && head.ends_with("\r\n\r\n"),
            "{head}"
        );
        let watched = sign.panel.watch();
        let six = Pattern::Flashes(Count::Six);
        assert!(
            watched
                .iter()
                .take(3)
                .any(|shown| shown.pattern == six && shown.lit)
        );
        drop(silent);
        sign.take_down().await;
        assert!(TcpStream::connect(at).await.is_err());
    }

    #[tokio::test]
    async fn a_damaged_store_is_a_fault_of_the_card() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("index.redb"), vec![7; 1 << 16]).unwrap();
        let text = format!("data = '{}'\n{TEXT}", dir.path().display());
        let clock = Clock::virtual_at(Wall::FLOOR);
        let started = Daemon::start(Written::of_text("t", &text), None, clock, connect::handler);
        let error = Box::pin(started).await.unwrap_err();
        assert!(matches!(error, Error::Store { .. }), "{error}");
        // It is not made anew either.
        assert_eq!(
            fs::read(dir.path().join("index.redb")).unwrap(),
            vec![7; 1 << 16]
        );
    }

    #[test]
    fn without_a_file_the_board_says_which_led() {
        let settings = settings(Some(Path::new("/nowhere/heimpost.toml"))).unwrap();
        assert_eq!(settings.panel.board, heimpost_board::Options::default());
        assert_eq!(settings.listen.web[0].port(), 80);
    }
}
