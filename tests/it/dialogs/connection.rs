//! One connection: a session with a driver's duties, done at once and without IO.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use heimpost::machine::{Answer, Event, Peer, Session, TlsInfo, Wake};
use heimpost::trust::verify::Verdict;

use super::protocols::Open;
use super::script::{Asked, Options};
use super::world::World;

/// How a client's bytes are cut.
#[derive(Clone, Copy, Debug)]
pub(super) enum Feed {
    /// Not at all.
    Whole,
    /// Each byte alone.
    ByteByByte,
}

/// A session and what it said.
pub(super) struct Connection {
    session: Box<dyn Session>,
    woken: Arc<AtomicBool>,
    feed: Feed,
    /// Sent by the client and not yet taken.
    unsent: VecDeque<u8>,
    /// Sent by the server and not yet named by the dialog.
    pub(super) received: Vec<u8>,
    /// Asked by the session and not yet named by the dialog.
    pub(super) asked: VecDeque<Asked>,
    closed: bool,
}

impl Connection {
    /// Connects; the greeting is received.
    pub(super) fn open(world: &World, options: &Options, feed: Feed, open: Open) -> Self {
        let woken = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&woken);
        let peer = Peer {
            address: ([192, 0, 2, 1], 40_000).into(),
            tls: options.has("tls").then(tls_info),
            wake: Wake::new(move || flag.store(true, Ordering::SeqCst)),
        };
        let mut connection = Self {
            session: open(world, options, peer),
            woken,
            feed,
            unsent: VecDeque::new(),
            received: Vec::new(),
            asked: VecDeque::new(),
            closed: false,
        };
        connection.settle(world);
        connection
    }

    /// The client sends `bytes`.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.unsent.extend(bytes);
    }

    /// Does all that can be done now.
    pub(super) fn settle(&mut self, world: &World) {
        loop {
            self.drain(world);
            if self.woken.swap(false, Ordering::SeqCst) && !self.closed {
                self.session.handle_wake(world.now());
                continue;
            }
            if self.unsent.is_empty() || self.closed || !self.session.wants_input() {
                return;
            }
            let bytes = match self.feed {
                Feed::Whole => self.unsent.len(),
                Feed::ByteByByte => 1,
            };
            let piece: Vec<u8> = self.unsent.drain(..bytes).collect();
            self.session.handle_input(&piece, world.now());
        }
    }

    /// Rings if the session wanted to be told by now.
    pub(super) fn pass_time(&mut self, world: &World) {
        let due = self.session.poll_timeout();
        if !self.closed && due.is_some_and(|(at, _)| at <= world.now().mono) {
            self.session.handle_timeout(world.now());
        }
        self.settle(world);
    }

    /// Output first, then events, as `machine` says.
    fn drain(&mut self, world: &World) {
        loop {
            let before = self.received.len();
            self.session.poll_output(&mut self.received, world.now());
            if self.received.len() > before {
                continue;
            }
            match self.session.poll_event() {
                Some(event) => self.serve(event, world),
                None => return,
            }
        }
    }

    fn serve(&mut self, event: Event, world: &World) {
        let answer = match event {
            Event::Close => {
                self.closed = true;
                self.asked.push_back(Asked::Close);
                return;
            }
            Event::StartTls => {
                self.asked.push_back(Asked::Tls);
                Answer::TlsStarted(tls_info())
            }
            Event::Authenticate(request) => {
                Answer::Authenticated(world.auth.verify(&request, world.now()))
            }
            Event::Verify(request) => Answer::Verified(Verdict::unavailable(&request)),
        };
        self.session.handle_answer(answer, world.now());
    }
}

fn tls_info() -> TlsInfo {
    TlsInfo {
        version: "TLS1.3".to_owned(),
        cipher: "TLS_AES_256_GCM_SHA384".to_owned(),
        exporter: None,
    }
}
