//! A host on loopback that follows a script: what a peer says and does, as text.
//!
//! One script per connection, in the order in which they come; after the last one connections are refused. Lines:
//! `S: text` is said, `C: start` is the next line of the client and begins so, `DATA` takes a message up to its dot, `TLS`
//! does the handshake, `NOTLS` one that the client breaks off, `CUT` closes, `GO` waits until the test lets it go on. Then the rest of what the client says is
//! taken until it closes or says QUIT.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use heimpost::net::stream::Stream;
use heimpost::net::tls::Tls;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet, yield_now};

/// A port that is free at one address may be another test's at this one; it is waited for.
async fn bind(address: &str) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse => yield_now().await,
            bound => return bound.unwrap(),
        }
    }
}

/// A host. Its scripts must all have been played when it ends.
pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    said: Arc<Mutex<Vec<String>>>,
    leave: Arc<Semaphore>,
    task: JoinHandle<()>,
}

impl Host {
    /// At an address; port 0 is any.
    pub(crate) async fn at(address: &str, scripts: &[&str]) -> Self {
        Self::with_tls(address, scripts, None).await
    }

    pub(crate) async fn with_tls(address: &str, scripts: &[&str], tls: Option<Arc<Tls>>) -> Self {
        let listener = bind(address).await;
        let address = listener.local_addr().unwrap();
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let leave = Arc::new(Semaphore::new(0));
        let scripts: Vec<String> = scripts.iter().map(|script| (*script).to_owned()).collect();
        let (log, go) = (Arc::clone(&said), Arc::clone(&leave));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            for (number, script) in scripts.into_iter().enumerate() {
                let (socket, _) = listener.accept().await.unwrap();
                log.lock().unwrap().push(String::new());
                let play = Play {
                    stream: BufReader::new(Stream::plain(socket)),
                    log: Arc::clone(&log),
                    number,
                    go: Arc::clone(&go),
                    tls: tls.clone(),
                };
                connections.spawn(play.run(script));
            }
            drop(listener);
            while let Some(played) = connections.join_next().await {
                played.unwrap();
            }
        });
        Self {
            address,
            said,
            leave,
            task,
        }
    }

    /// Lets one `GO` pass.
    pub(crate) fn go(&self) {
        self.leave.add_permits(1);
    }

    /// All that clients said so far, by connection.
    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// Waits until all scripts are played; what clients said.
    pub(crate) async fn end(self) -> Vec<String> {
        self.task.await.unwrap();
        let said = self.said.lock().unwrap();
        said.clone()
    }
}

struct Play {
    stream: BufReader<Stream>,
    log: Arc<Mutex<Vec<String>>>,
    number: usize,
    go: Arc<Semaphore>,
    tls: Option<Arc<Tls>>,
}

impl Play {
    async fn run(mut self, script: String) {
        for line in script
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
            match mark {
                "S:" => self.say(&format!("{rest}\r\n")).await,
                "S~" => self.say(rest).await,
                "C:" => {
                    let said = self.hear().await;
                    assert!(
                        said.starts_with(rest),
                        "{said:?} instead of {rest:?} in {script}"
                    );
                }
                "DATA" => while self.hear().await != ".\r\n" {},
                "TLS" => self.start_tls().await,
                "NOTLS" => return self.fail_tls().await,
                "GO" => self.go.acquire().await.unwrap().forget(),
                "CUT" => return,
                _ => panic!("{line}"),
            }
        }
        loop {
            match self.hear().await.as_str() {
                "" => return,
                "QUIT\r\n" => return self.say("221 bye\r\n").await,
                _ => {}
            }
        }
    }

    async fn say(&mut self, text: &str) {
        // A client that has closed meanwhile is part of some scripts.
        let _said = self.stream.get_mut().write_all(text.as_bytes()).await;
        let _sent = self.stream.get_mut().flush().await;
    }

    /// The next line; empty when the client has closed.
    async fn hear(&mut self) -> String {
        let mut line = Vec::new();
        let _read = self.stream.read_until(b'\n', &mut line).await;
        let line = String::from_utf8_lossy(&line).into_owned();
        self.log.lock().unwrap()[self.number].push_str(&line);
        line
    }

    async fn start_tls(&mut self) {
        let accepted = self.accept().await;
        self.stream = BufReader::new(accepted.unwrap());
    }

    /// The client learns with the certificate that it wants none of it, and may only see that after the handshake's end.
    async fn fail_tls(&mut self) {
        if let Some(stream) = self.accept().await {
            self.stream = BufReader::new(stream);
            assert_eq!(self.hear().await, "");
        }
    }

    async fn accept(&mut self) -> Option<Stream> {
        let (gone, _) = tokio::io::duplex(1);
        let gone = BufReader::new(Stream::plain(gone));
        let plain = std::mem::replace(&mut self.stream, gone).into_inner();
        let accepted = self.tls.as_ref().unwrap().accept(Box::new(plain)).await;
        accepted.ok().map(|(stream, _)| stream)
    }
}
