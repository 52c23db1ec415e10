//! The order of stopping, and the signals that ask for it.
//!
//! Every task of the daemon holds a [`Token`]. Stopping goes through phases: *draining* (nothing new is accepted, sessions
//! say goodbye and end), and after a grace period *aborting* (whatever is left drops its connection). Only when the last
//! token is gone does [`Shutdown::stop`] return, so that the store can be closed behind it.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// How long sessions have to say goodbye before their connections are dropped.
pub const GRACE: Duration = Duration::from_secs(10);

/// How long dropped connections have to let go of what they hold.
pub const ABORT_WAIT: Duration = Duration::from_secs(5);

/// Where in its life the daemon is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Serving.
    Running,
    /// Nothing new begins; what runs is told to end.
    Draining,
    /// The grace period is over.
    Aborting,
}

/// Owns the phase; exactly one exists per daemon.
#[derive(Debug)]
pub struct Shutdown {
    phase: watch::Sender<Phase>,
    alive: mpsc::Sender<()>,
    ended: mpsc::Receiver<()>,
}

/// Held by every task: shows the phase, and keeps the daemon from ending while it exists.
#[derive(Clone, Debug)]
pub struct Token {
    phase: watch::Receiver<Phase>,
    _alive: mpsc::Sender<()>,
}

/// How the stop went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Every task ended by itself.
    Clean,
    /// Some were cut off when the grace period was over.
    Aborted,
    /// Some did not even end then.
    Stuck,
}

impl Default for Shutdown {
    fn default() -> Self {
        let (alive, ended) = mpsc::channel(1);
        Self {
            phase: watch::Sender::new(Phase::Running),
            alive,
            ended,
        }
    }
}

impl Shutdown {
    /// A running daemon.
    pub fn new() -> Self {
        Self::default()
    }

    /// A token for one more task.
    pub fn token(&self) -> Token {
        Token {
            phase: self.phase.subscribe(),
            _alive: self.alive.clone(),
        }
    }

    /// Goes through the phases until every token is gone. `hurry` (a second signal) ends the grace period early.
    pub async fn stop(mut self, grace: Duration, hurry: impl Future<Output = ()>) -> Stopped {
        self.phase.send_replace(Phase::Draining);
        drop(self.alive);
        let in_time = tokio::select! {
            ended = timeout(grace, self.ended.recv()) => ended.is_ok(),
            () = hurry => false,
        };
        if in_time {
            return Stopped::Clean;
        }
        self.phase.send_replace(Phase::Aborting);
        match timeout(ABORT_WAIT, self.ended.recv()).await {
            Ok(_) => Stopped::Aborted,
            Err(_) => Stopped::Stuck,
        }
    }
}

impl Token {
    /// The phase now.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Waits until the daemon is at least in `phase`. A daemon that is gone counts as aborting.
    pub async fn reached(&mut self, phase: Phase) {
        let gone = self.phase.wait_for(|now| *now >= phase).await.is_err();
        if gone {
            tracing::debug!("the daemon is gone");
        }
    }
}

/// The signals that a daemon listens to.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// SIGTERM or SIGINT: stop.
    Stop,
    /// SIGHUP: look at the certificate files again.
    Reload,
}

impl Signals {
    /// Starts to listen. Must be called within the runtime.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next signal.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }

    /// The next signal that asks to stop.
    pub async fn stop(&mut self) {
        while self.next().await != Asked::Stop {}
    }
}
