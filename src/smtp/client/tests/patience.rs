//! Servers that always say something just in time.

use super::super::patience::{REQUEST_TIME_MAX, transaction_time_max};
use super::*;

const MINUTE: Duration = Duration::from_mins(1);

/// A server that drips: it says the lines one after the other, each of them `pace` after the one before, and goes on
/// with the last one for ever.
struct Dripping {
    client: Client,
    clock: Clock,
    began: Mono,
    /// What the client has said since it was looked at.
    said: Vec<u8>,
}

impl Dripping {
    fn new() -> Self {
        let clock = Clock::virtual_at(Wall(1_800_000_000));
        let began = clock.now().mono;
        Self {
            client: Client::new(hostname(), Security::Plaintext, clock.now()),
            clock,
            began,
            said: Vec::new(),
        }
    }

    /// Says this at once.
    fn say(&mut self, text: &str) {
        self.client.handle_input(text.as_bytes(), self.clock.now());
        self.drain();
    }

    fn drain(&mut self) {
        self.client.poll_output(&mut self.said, self.clock.now());
    }

    /// From here on time counts.
    fn begin(&mut self) {
        self.began = self.clock.now().mono;
    }

    /// Lets that much time pass, unless the client gives up before.
    fn wait(&mut self, pace: Duration) {
        let until = self.clock.now().mono + pace;
        if let Some((deadline, _)) = self.client.poll_timeout()
            && deadline <= until
        {
            self.clock.advance(deadline.since(self.clock.now().mono));
            self.client.handle_timeout(self.clock.now());
            return;
        }
        self.clock.advance(pace);
    }

    /// Says `line` at that pace until the client has gone; gives how long that took.
    fn drip(&mut self, line: &str, pace: Duration) -> Duration {
        for _ in 0..100_000 {
            self.wait(pace);
            if self.client.is_over() {
                return self.clock.now().mono.since(self.began);
            }
            self.say(line);
            assert!(!self.client.is_over(), "{line:?} is no answer");
        }
        panic!("{line:?} holds the client for ever");
    }

    fn events(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.client.poll_event())
            .map(render)
            .collect()
    }

    fn closed(&mut self) -> String {
        self.events().pop().unwrap()
    }
}

/// Greeting and EHLO are over, with these extensions.
fn ready(extensions: &str) -> Dripping {
    let mut server = Dripping::new();
    server.say(&format!(
        "220 mx.test\r\n250-mx.test\r\n{extensions}250 HELP\r\n"
    ));
    assert_eq!(server.events(), ["ready"]);
    server.begin();
    server
}

/// Sends to so many recipients.
fn send(server: &mut Dripping, recipients: usize, size_bytes: u64) {
    let to: Vec<String> = (0..recipients).map(|one| format!("u{one}@y.z")).collect();
    let words: Vec<&str> = std::iter::once("a@b.c")
        .chain(to.iter().map(String::as_str))
        .collect();
    let envelope = Envelope {
        size_bytes,
        ..envelope(&words)
    };
    server.client.send(envelope, server.clock.now()).unwrap();
    server.drain();
}

#[test]
fn lines_and_bytes_of_one_reply_share_its_time() {
    let hold = Phase::Greeting.timeout().unwrap();
    let mut server = Dripping::new();
    assert_eq!(server.drip("220-wait\r\n", MINUTE), hold);
    let silent = "closed greeting the server was silent for too long";
    assert_eq!(server.closed(), silent);
    let mut server = Dripping::new();
    assert_eq!(server.drip("2", Duration::from_secs(1)), hold);
    assert_eq!(server.closed(), silent);
}

#[test]
fn a_login_has_an_end() {
    let mut server = ready("250-AUTH SCRAM-SHA-256\r\n");
    let now = server.clock.now();
    server.client.login(&credentials(), &[0; 18], now).unwrap();
    server.drain();
    // An empty challenge asks for the first message, again and again.
    assert_eq!(server.drip("334 \r\n", 4 * MINUTE), REQUEST_TIME_MAX);
    assert_eq!(
        server.closed(),
        "closed AUTH the server took too long in all"
    );
}

#[test]
fn the_opening_has_an_end() {
    let mut server = Dripping::new();
    for line in ["220 a\r\n", "500 what\r\n"] {
        server.wait(4 * MINUTE);
        server.say(line);
    }
    // Two answers are waited for in full; HELO is the third.
    assert_eq!(server.drip("", MINUTE), REQUEST_TIME_MAX);
    assert_eq!(
        server.closed(),
        "closed EHLO the server took too long in all"
    );
    let mut server = ready("250-STARTTLS\r\n");
    server.client.start_tls(server.clock.now()).unwrap();
    server.drain();
    server.wait(4 * MINUTE);
    server.say("220 go\r\n");
    assert_eq!(server.events(), ["start TLS"]);
    server.wait(4 * MINUTE);
    server.client.tls_started(server.clock.now());
    server.drain();
    assert_eq!(server.drip("", MINUTE), REQUEST_TIME_MAX);
}

#[test]
fn recipients_have_an_end() {
    let mut server = ready("250-PIPELINING\r\n");
    send(&mut server, 90, 0);
    let took = server.drip("250 ok\r\n", 4 * MINUTE);
    assert_eq!(took, transaction_time_max(90, 0));
    assert!(took < Duration::from_hours(1), "{took:?}");
    let events = server.events();
    let fates = &events[0];
    assert!(
        fates.starts_with("sent transient RCPT the server took too long in all;"),
        "{fates}"
    );
    assert_eq!(events[1], "closed RCPT the server took too long in all");
}

/// Gives the message piece by piece while the server takes `bytes_per_second`; whether all of it went.
fn upload(server: &mut Dripping, bytes: u64, bytes_per_second: u64) -> bool {
    let piece = vec![b'a'; 64 * 1024];
    let pieces = bytes.div_ceil(piece.len() as u64);
    for _ in 0..pieces {
        assert!(server.client.takes_body());
        server.client.body(&piece, server.clock.now());
        // The driver takes out the next piece once this one is written.
        server.wait(Duration::from_secs(piece.len() as u64 / bytes_per_second));
        if server.client.is_over() {
            return false;
        }
        server.said.clear();
        server.drain();
    }
    server.client.body_end(server.clock.now());
    server.drain();
    true
}

const LARGE_BYTES: u64 = 50 << 20;

fn uploading() -> Dripping {
    let mut server = ready("");
    send(&mut server, 1, LARGE_BYTES);
    server.say("250 ok\r\n");
    server.say("250 ok\r\n");
    server.say("354 go\r\n");
    assert_eq!(server.events(), ["wants body"]);
    server
}

#[test]
fn a_slow_uplink_gets_a_large_mail_through() {
    // 16 KiB/s, for one and for ten at a time.
    for bytes_per_second in [16 * 1024, 1639] {
        let mut server = uploading();
        assert!(upload(&mut server, LARGE_BYTES, bytes_per_second));
        server.say("250 taken\r\n");
        assert_eq!(server.events(), ["sent delivered 250 taken", "ready"]);
    }
}

#[test]
fn a_transfer_that_crawls_has_an_end() {
    let mut server = uploading();
    assert!(!upload(&mut server, LARGE_BYTES, 400));
    let took = server.clock.now().mono.since(server.began);
    assert_eq!(took, transaction_time_max(1, LARGE_BYTES));
    let slow = "message the server took too long in all";
    let expected = [format!("sent transient {slow}"), format!("closed {slow}")];
    assert_eq!(server.events(), expected);
}

#[test]
fn the_answer_to_the_message_is_waited_for_in_any_case() {
    let mut server = uploading();
    // Just in time.
    let rest = transaction_time_max(1, LARGE_BYTES).mul_f64(0.99);
    for _ in 0..800 {
        server.client.body(b"a", server.clock.now());
        server.drain();
        server.wait(rest / 800);
    }
    server.client.body_end(server.clock.now());
    server.drain();
    server.begin();
    assert_eq!(server.drip("250-so far\r\n", MINUTE), 10 * MINUTE);
    let lost = "end of message the server was silent for too long";
    let expected = [format!("sent unknown {lost}"), format!("closed {lost}")];
    assert_eq!(server.events(), expected);
}

#[test]
fn chunks_that_are_still_on_their_way_have_their_time() {
    let mut server = ready("250-PIPELINING\r\n250-CHUNKING\r\n");
    let bytes = 3 << 20;
    send(&mut server, 1, bytes);
    server.say("250 ok\r\n250 ok\r\n");
    assert_eq!(server.events(), ["wants body"]);
    assert!(upload(&mut server, bytes, 16 * 1024));
    server.begin();
    // 48 chunks of which each has 3 minutes; all together have as much as the transaction had.
    let took = server.drip("250 ok\r\n", 2 * MINUTE);
    assert_eq!(took, transaction_time_max(1, bytes));
    let slow = "the server took too long in all";
    let expected = [
        format!("sent unknown end of message {slow}"),
        format!("closed message {slow}"),
    ];
    assert_eq!(server.events(), expected);
    // One that answers them in time has 10 minutes more for the last one.
    let mut server = ready("250-PIPELINING\r\n250-CHUNKING\r\n");
    send(&mut server, 1, bytes);
    server.say("250 ok\r\n250 ok\r\n");
    server.events();
    assert!(upload(&mut server, bytes, 16 * 1024));
    for _ in 0..48 {
        server.wait(MINUTE);
        server.say("250 ok\r\n");
    }
    server.wait(9 * MINUTE);
    server.say("250 taken\r\n");
    assert_eq!(server.events(), ["sent delivered 250 taken", "ready"]);
}

#[test]
fn the_next_mail_on_a_connection_has_a_time_of_its_own() {
    let mut server = ready("250-PIPELINING\r\n");
    for _ in 0..20 {
        server.wait(Duration::from_secs(9));
        send(&mut server, 1, 0);
        server.wait(4 * MINUTE);
        server.say("250 ok\r\n250 ok\r\n354 go\r\n");
        server.client.body_end(server.clock.now());
        server.drain();
        server.wait(9 * MINUTE);
        server.say("250 taken\r\n");
        let expected = ["wants body", "sent delivered 250 taken", "ready"];
        assert_eq!(server.events(), expected);
    }
}
