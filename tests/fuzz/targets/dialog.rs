//! A whole session fed with bytes by a driver without a wire, and what every session promises to its driver.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use heimpost::auth::{Auth, Identity, Outcome};
use heimpost::clock::{Clock, Mono, Now};
use heimpost::machine::{Answer, Event, OUTPUT_PIECE_BYTES, Peer, Session, TlsInfo, Wake};
use heimpost::mail::ids::AccountId;
use heimpost::trust::verify::Verdict;

/// Bytes of a client that are used; more of them show nothing new.
const INPUT_BYTES_MAX: usize = 16 * 1024;

/// Output after which a dialog is left alone: a client may ask for much with few bytes.
const OUTPUT_BYTES_MAX: usize = 4 << 20;

/// Turns without output or input after which a session counts as stuck in a loop.
const TURNS_MAX: usize = 10_000;

/// Deadlines after which a silent client must have been thrown out.
const DEADLINES_MAX: usize = 200;

/// Whether passwords are checked.
pub(super) enum Door {
    /// Every login is that account's: to reach a state.
    Open(AccountId),
    /// As in life.
    Guarded(Auth),
}

/// A connection: a session and its driver.
pub(super) struct Dialog {
    session: Box<dyn Session>,
    clock: Clock,
    pub(super) door: Door,
    woken: Arc<AtomicBool>,
    /// All that the session sent since it last waited.
    out: Vec<u8>,
    /// What it had sent when it last waited.
    heard: Vec<u8>,
    sent: usize,
    closed: bool,
}

/// A peer and what rings when its session is to be woken.
pub(super) struct Caller {
    pub(super) peer: Peer,
    woken: Arc<AtomicBool>,
}

impl Caller {
    /// A peer in TLS, or one that could start it.
    pub(super) fn new(tls: Option<TlsInfo>) -> Self {
        let woken = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&woken);
        let peer = Peer {
            address: ([192, 0, 2, 1], 40_000).into(),
            tls,
            wake: Wake::new(move || flag.store(true, Ordering::SeqCst)),
        };
        Self { peer, woken }
    }
}

/// TLS as a modern client has it.
pub(super) fn tls_info() -> TlsInfo {
    TlsInfo {
        version: "TLS1.3".to_owned(),
        cipher: "TLS_AES_256_GCM_SHA384".to_owned(),
        exporter: Some([3; 32]),
    }
}

impl Dialog {
    /// Takes the greeting.
    pub(super) fn begin(
        session: Box<dyn Session>,
        caller: Caller,
        clock: Clock,
        door: Door,
    ) -> Self {
        let mut dialog = Self {
            session,
            clock,
            door,
            woken: caller.woken,
            out: Vec::new(),
            heard: Vec::new(),
            sent: 0,
            closed: false,
        };
        dialog.settle();
        dialog
    }

    /// Brings the session into a state: what it says to `lines` must end with a line that begins with `last`.
    pub(super) fn prepare(&mut self, lines: &str, last: &str) {
        self.feed(lines.as_bytes());
        let heard = String::from_utf8_lossy(&self.heard);
        let ready = heard
            .lines()
            .last()
            .is_some_and(|line| line.starts_with(last));
        assert!(ready && !self.closed, "not ready: {heard}");
        self.sent = 0;
    }

    /// Feeds the bytes in pieces that depend on their number, then ends the connection in one of the ways it can.
    pub(super) fn run(mut self, data: &[u8]) {
        let data = data.get(..INPUT_BYTES_MAX).unwrap_or(data);
        let size = [data.len().max(1), 1, 7, 100][data.len() % 4];
        for piece in data.chunks(size) {
            if self.is_over() {
                return;
            }
            self.feed(piece);
        }
        if self.is_over() {
            return;
        }
        match data.len() / 4 % 3 {
            0 => self.session.handle_eof(self.clock.now()),
            1 => self.session.handle_shutdown(self.clock.now()),
            _ => return self.fall_silent(),
        }
        self.settle();
    }

    fn is_over(&self) -> bool {
        self.closed || self.sent > OUTPUT_BYTES_MAX
    }

    fn feed(&mut self, piece: &[u8]) {
        self.session.handle_input(piece, self.clock.now());
        self.settle();
    }

    /// A client that says nothing more does not stay for ever.
    fn fall_silent(mut self) {
        for _ in 0..DEADLINES_MAX {
            if self.is_over() {
                return;
            }
            let Some((due, _)) = self.session.poll_timeout() else {
                panic!("a session that waits has no deadline");
            };
            self.session.handle_timeout(self.until(due));
            self.settle();
        }
        panic!("a silent client is never thrown out");
    }

    fn until(&self, due: Mono) -> Now {
        self.clock.advance(due.since(self.clock.now().mono));
        self.clock.now()
    }

    /// Goes on until the session closes or waits for its client.
    fn settle(&mut self) {
        for _ in 0..TURNS_MAX {
            if self.is_over() {
                return;
            }
            if self.drain() {
                continue;
            }
            if let Some(event) = self.session.poll_event() {
                self.serve(event);
            } else if self.woken.swap(false, Ordering::SeqCst) {
                self.session.handle_wake(self.clock.now());
            } else {
                return self.check_waiting();
            }
        }
        panic!("the session turns without end");
    }

    /// Takes one piece of output; whether there was one.
    fn drain(&mut self) -> bool {
        let before = self.out.len();
        self.session.poll_output(&mut self.out, self.clock.now());
        let piece = self.out.len() - before;
        assert!(piece <= 4 * OUTPUT_PIECE_BYTES, "a piece of {piece} bytes");
        self.sent += piece;
        piece > 0
    }

    /// The client has had whole lines, and is heard.
    fn check_waiting(&mut self) {
        let text = String::from_utf8_lossy(&self.out);
        assert!(text.is_empty() || text.ends_with("\r\n"), "{text:?}");
        assert!(self.session.wants_input(), "neither open nor closed");
        self.heard = std::mem::take(&mut self.out);
    }

    fn serve(&mut self, event: Event) {
        let answer = match event {
            Event::Close => {
                self.closed = true;
                return;
            }
            Event::StartTls => Answer::TlsStarted(tls_info()),
            Event::Authenticate(request) => Answer::Authenticated(match &self.door {
                Door::Guarded(auth) => auth.verify(&request, self.clock.now()),
                Door::Open(account) => Outcome::Granted(Identity {
                    account: *account,
                    device: None,
                    server_signature: None,
                }),
            }),
            Event::Verify(request) => Answer::Verified(Verdict::unavailable(&request)),
        };
        self.session.handle_answer(answer, self.clock.now());
    }
}
