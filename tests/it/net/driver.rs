//! One session on one in-memory pipe.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use heimpost::machine::OUTPUT_PIECE_BYTES;
use heimpost::net::driver::{self, Deadlines, Ended, Shared, Traffic};
use heimpost::net::shutdown::{Shutdown, Stopped};
use heimpost::net::stream::Stream;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::toy::{self, BIG_BYTES, Seen};

const PIPE_BYTES: usize = 4 * 1024;

struct Rig {
    client: BufReader<DuplexStream>,
    driver: JoinHandle<(Ended, Traffic)>,
    shared: Shared,
    seen: Seen,
    shutdown: Shutdown,
    _dir: tempfile::TempDir,
}

fn rig() -> Rig {
    rig_with(Deadlines::default())
}

fn rig_with(deadlines: Deadlines) -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let shared = toy::shared(dir.path(), deadlines);
    let (seen, shutdown) = (Seen::default(), Shutdown::new());
    let (client, server) = duplex(PIPE_BYTES);
    let driver = {
        let (shared, token, open) = (shared.clone(), shutdown.token(), toy::open(&seen));
        let entry = toy::entry();
        tokio::spawn(async move {
            driver::run(Stream::plain(server), entry, &open, &shared, token).await
        })
    };
    Rig {
        client: BufReader::new(client),
        driver,
        shared,
        seen,
        shutdown,
        _dir: dir,
    }
}

impl Rig {
    async fn send(&mut self, words: &str) {
        self.client.write_all(words.as_bytes()).await.unwrap();
    }

    async fn expect(&mut self, words: &str) {
        for expected in words.lines() {
            let mut line = String::new();
            self.client.read_line(&mut line).await.unwrap();
            assert_eq!(line.trim_end(), expected);
        }
    }

    async fn ended(self) -> (Ended, Traffic) {
        drop(self.client);
        self.driver.await.unwrap()
    }
}

#[tokio::test]
async fn pipelined_lines_are_answered_in_order() {
    let mut rig = rig();
    rig.send("echo one\necho two\nauth alice\necho three\nauth bob\nverify x@y.z\nquit\n")
        .await;
    rig.expect("hello\none\ntwo\ngranted\nthree\nnot granted\ntemperror\nbye")
        .await;
    let mut rest = String::new();
    rig.client.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "");
    let seen = rig.seen.clone();
    let (ended, traffic) = rig.ended().await;
    assert!(matches!(ended, Ended::Closed), "{ended}");
    assert_eq!(traffic.received, 67);
    assert_eq!(seen.dropped.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_deadline_and_a_wake_are_heard() {
    let mut rig = rig();
    rig.send("timer\n").await;
    rig.expect("hello\ntime").await;
    let wake = rig.seen.wake.lock().unwrap().clone().unwrap();
    std::thread::spawn(move || wake.wake()).join().unwrap();
    rig.expect("woken").await;
}

#[tokio::test]
async fn a_panic_ends_one_connection_and_is_counted() {
    let (mut bad, mut good) = (rig(), rig());
    bad.send("panic\n").await;
    bad.expect("hello").await;
    let counters = bad.shared.counters.clone();
    let (ended, _) = bad.ended().await;
    assert!(matches!(ended, Ended::Panicked), "{ended}");
    assert_eq!(counters.read().panics, 1);
    good.send("echo still here\n").await;
    good.expect("hello\nstill here").await;
}

#[tokio::test]
async fn a_slow_reader_holds_back_the_session() {
    let mut rig = rig();
    rig.send("big\nquit\n").await;
    rig.expect("hello").await;
    let (mut taken, mut piece) = (0_u64, vec![0_u8; 10_000]);
    while taken < BIG_BYTES {
        let produced = rig.seen.produced.load(Ordering::SeqCst);
        // One piece in the driver, one under way in the step, what the pipe and our reader hold.
        let ahead = 2 * OUTPUT_PIECE_BYTES + 2 * PIPE_BYTES + 8 * 1024;
        assert!(
            produced <= taken + ahead as u64,
            "{produced} produced, {taken} taken"
        );
        let left = usize::try_from(BIG_BYTES - taken).unwrap().min(piece.len());
        let read = rig.client.read(&mut piece[..left]).await.unwrap();
        assert!(piece[..read].iter().all(|&byte| byte == b'.'));
        taken += read as u64;
    }
    rig.expect("bye").await;
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_cut_off() {
    let mut rig = rig_with(Deadlines {
        write: Duration::from_millis(20),
        ..Deadlines::default()
    });
    rig.send("big\n").await;
    let (ended, _) = rig.driver.await.unwrap();
    assert!(matches!(ended, Ended::WriteTimeout), "{ended}");
}

#[tokio::test]
async fn plaintext_sent_along_with_starttls_is_dropped() {
    let mut rig = rig();
    let config = Arc::new(toy::client(&rig.shared.tls));
    rig.send("starttls\necho injected\n").await;
    rig.expect("hello\nbegin").await;
    let name = ServerName::try_from("toy.example").unwrap();
    let plain = rig.client.into_inner();
    let mut secure = TlsConnector::from(config)
        .connect(name, plain)
        .await
        .unwrap();
    secure.write_all(b"echo mine\ntls\nquit\n").await.unwrap();
    let mut said = String::new();
    secure.read_to_string(&mut said).await.unwrap();
    let (_, connection) = secure.get_ref();
    let label = b"EXPORTER-Channel-Binding";
    let ours = connection
        .export_keying_material([0_u8; 32], label, Some(&[]))
        .unwrap();
    assert_eq!(said, format!("mine\n{:?}\nbye\n", Some(ours)));
}

#[tokio::test]
async fn plaintext_after_the_word_to_begin_fails_the_handshake() {
    let mut rig = rig();
    rig.send("starttls\n").await;
    rig.expect("hello\nbegin").await;
    rig.send("echo not a handshake\n").await;
    let shared = rig.shared.clone();
    let (ended, _) = rig.driver.await.unwrap();
    assert!(matches!(ended, Ended::Handshake(_)), "{ended}");
    assert_eq!(shared.counters.read().handshakes_failed, 1);
}

#[tokio::test]
async fn a_session_says_goodbye_when_the_daemon_stops() {
    let mut rig = rig();
    rig.expect("hello").await;
    let hour = Duration::from_hours(1);
    let stop = tokio::spawn(rig.shutdown.stop(hour, std::future::pending()));
    let mut rest = String::new();
    rig.client.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "stopping\n");
    drop(rig.client);
    assert_eq!(stop.await.unwrap(), Stopped::Clean);
}

#[tokio::test]
async fn a_session_that_does_not_listen_is_cut_off() {
    let mut rig = rig();
    rig.send("deaf\n").await;
    rig.expect("hello\nwhat did you say?").await;
    let stopped = rig
        .shutdown
        .stop(Duration::from_millis(5), std::future::pending())
        .await;
    assert_eq!(stopped, Stopped::Aborted);
    assert_eq!(rig.seen.dropped.load(Ordering::SeqCst), 1);
}
