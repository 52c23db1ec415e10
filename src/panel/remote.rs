//! How commands reach a running panel: they see what it shows, press its button, and hear what became of that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use heimpost_board::{Panel, Press, Shown};

use super::{Policy, View};
use crate::store::types::Language;
use crate::wake::Wake;

/// What becomes of a press.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The button was pressed and released.
    Pressed(Press),
    /// What that did.
    Done(Told),
    /// It could not be done, and why.
    Failed(Told),
    /// The button is down from the start or for too long; no press.
    Stuck,
}

/// What became of a press, in words of either language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// German
    pub de: String,
    /// English
    pub en: String,
}

impl Told {
    /// The words in this language.
    pub fn words(&self, language: Language) -> &str {
        match language {
            Language::De => &self.de,
            Language::En => &self.en,
        }
    }
}

/// A running panel. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Remote {
    board: Panel,
    policy: Arc<Mutex<Policy>>,
    listeners: Arc<Mutex<Vec<Sender<Happening>>>>,
    wakes: Arc<Mutex<Vec<Wake>>>,
    closed: Arc<AtomicBool>,
}

impl Remote {
    /// For a panel with this policy.
    pub fn new(board: Panel, policy: Policy) -> Self {
        let remote = Self {
            board,
            policy: Arc::new(Mutex::new(policy)),
            listeners: Arc::default(),
            wakes: Arc::default(),
            closed: Arc::default(),
        };
        remote.show();
        remote
    }

    /// Changes the policy's state and shows what follows.
    pub fn change<T>(&self, change: impl FnOnce(&mut Policy) -> T) -> T {
        let mut policy = self.policy();
        let before = policy.view();
        let changed = change(&mut policy);
        let after = policy.view();
        self.board.show(after.pattern);
        drop(policy);
        if before != after {
            for wake in lock(&self.wakes).iter() {
                wake.wake();
            }
        }
        changed
    }

    /// Calls `wake` whenever the LED shows something else, or for another reason.
    pub fn on_change(&self, wake: Wake) {
        lock(&self.wakes).push(wake);
    }

    /// What the LED shows and why.
    pub fn view(&self) -> View {
        self.policy().view()
    }

    /// What the policy knows now, for a panel that comes after this one.
    pub fn remember(&self) -> Policy {
        self.policy().clone()
    }

    /// Whether somebody has proved to stand before the box.
    pub fn setup_is_open(&self) -> bool {
        self.policy().setup_is_open()
    }

    /// How LED and button are reached, in words.
    pub fn how(&self) -> String {
        self.board.how()
    }

    /// Every change of the LED from now on.
    pub fn watch(&self) -> Receiver<Shown> {
        self.board.watch()
    }

    /// Presses the button for `hold`, as a finger would. What becomes of that, and of any other press; ends when the
    /// panel is closed.
    pub fn press(&self, hold: Duration) -> Receiver<Happening> {
        let (sender, receiver) = channel();
        let mut listeners = lock(&self.listeners);
        if !self.is_closed() {
            listeners.push(sender);
            self.board.press(hold);
        }
        receiver
    }

    /// Shows that room is being made, until the guard is dropped.
    pub fn making_room(&self) -> MakingRoom {
        self.change(Policy::begin_room);
        MakingRoom(self.clone())
    }

    /// Tells those who listen.
    pub fn tell(&self, happening: &Happening) {
        lock(&self.listeners).retain(|listener| listener.send(happening.clone()).is_ok());
    }

    /// Whether the box is stopping, and nobody should wait for anything here.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// The box is stopping: lets everyone go who waits. The LED goes on.
    pub fn close(&self) {
        let mut listeners = lock(&self.listeners);
        self.closed.store(true, Ordering::SeqCst);
        listeners.clear();
        drop(listeners);
        self.change(Policy::begin_turning);
    }

    /// The LED goes dark; returns when it is. Blocks for a moment.
    pub fn darken(&self) {
        self.board.stop();
    }

    fn show(&self) {
        self.change(|_| ());
    }

    fn policy(&self) -> MutexGuard<'_, Policy> {
        lock(&self.policy)
    }
}

/// The LED is busy while this exists.
#[derive(Debug)]
pub struct MakingRoom(Remote);

impl Drop for MakingRoom {
    fn drop(&mut self) {
        self.0.change(Policy::end_room);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
