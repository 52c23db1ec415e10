//! What the panel's thread does, as a machine without thread or clock: [`Engine::turn`] does all that is due and says when
//! to come again.
//!
//! The button is its wire or the command that presses it: both go through the one classifier. While it is down, the LED
//! confirms what it felt. LED and button fail and come back apart from each other, each with one warning per outage.

use std::os::fd::BorrowedFd;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{OnEvent, Shown};
use crate::backend::{Button, Error, Hardware, Led, Opened};
use crate::backoff::Backoff;
use crate::pattern::{Pattern, Player};
use crate::press::{Classifier, Event, Hold, Level};

/// How often a button without edges is looked at.
pub const POLL: Duration = Duration::from_millis(20);

/// A part that may fail and come back.
#[derive(Debug)]
struct Slot<T> {
    what: &'static str,
    part: Option<T>,
    /// How it is reached, or why not.
    how: String,
    retry: Duration,
    backoff: Backoff,
}

impl<T> Slot<T> {
    fn new(what: &'static str) -> Self {
        Self {
            what,
            part: None,
            how: String::new(),
            retry: Duration::ZERO,
            backoff: Backoff::default(),
        }
    }

    fn is_due(&self, now: Duration) -> bool {
        self.part.is_none() && now >= self.retry
    }

    /// When it is to be opened again.
    fn due(&self) -> Option<Duration> {
        self.part.is_none().then_some(self.retry)
    }

    /// Takes the outcome of opening it. Whether it is there.
    fn take(&mut self, opened: Result<Opened<T>, Error>, now: Duration) -> bool {
        match opened {
            Ok(opened) => {
                if self.backoff.is_failing() {
                    tracing::info!("panel: {} works: {}", self.what, opened.how);
                }
                self.backoff.reset();
                self.how = opened.how;
                self.part = Some(opened.part);
                true
            }
            Err(error) => {
                self.fail(&error, now);
                false
            }
        }
    }

    fn fail(&mut self, error: &Error, now: Duration) {
        if self.backoff.is_failing() {
            tracing::debug!(%error, "panel: {} still fails", self.what);
        } else {
            tracing::warn!(%error, "panel: {} fails; it is tried again, mail goes on", self.what);
        }
        self.part = None;
        self.how = format!("no {}: {error}", self.what);
        self.retry = self.backoff.failed(now);
    }
}

/// The panel without its thread.
pub struct Engine {
    hardware: Box<dyn Hardware>,
    on_event: OnEvent,
    how: Arc<Mutex<String>>,
    led: Slot<Box<dyn Led>>,
    /// What the LED was told last.
    lit: Option<bool>,
    button: Slot<Button>,
    wire: Level,
    next_look: Duration,
    /// How long a commanded press is to last, until it can begin.
    asked: Option<Duration>,
    /// When a commanded press ends.
    release: Option<Duration>,
    classifier: Classifier,
    wanted: Pattern,
    player: Player,
    watchers: Vec<SyncSender<Shown>>,
    shown: Shown,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("led", &self.led.how)
            .field("button", &self.button.how)
            .field("shown", &self.shown)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens LED and button and says in one line how. `how` is kept up to date.
    pub fn new(
        hardware: Box<dyn Hardware>,
        on_event: OnEvent,
        how: Arc<Mutex<String>>,
        now: Duration,
    ) -> Self {
        let mut engine = Self {
            hardware,
            on_event,
            how,
            led: Slot::new("LED"),
            lit: None,
            button: Slot::new("button"),
            wire: Level::Released,
            next_look: now,
            asked: None,
            release: None,
            classifier: Classifier::new(Level::Released, now),
            wanted: Pattern::Dark,
            player: Player::new(),
            watchers: Vec::new(),
            shown: Shown {
                lit: false,
                pattern: Pattern::Dark,
            },
        };
        engine.open(now);
        tracing::info!("panel: {}", engine.in_words());
        engine
    }

    fn in_words(&self) -> String {
        format!("{}; {}", self.led.how, self.button.how)
    }

    /// Shows `pattern` as soon as the button is not down.
    pub fn show(&mut self, pattern: Pattern, now: Duration) {
        let confirming = self.player.pattern() != self.wanted;
        self.wanted = pattern;
        if !confirming {
            self.player.set(pattern, now);
        }
    }

    /// Presses the button for `hold`, as soon as it can be pressed.
    pub fn press(&mut self, hold: Duration) {
        self.asked = Some(hold);
    }

    /// Tells `watcher` what is shown, and every change from now on.
    pub fn watch(&mut self, watcher: SyncSender<Shown>, now: Duration) {
        let shown = self.look(now);
        if watcher.try_send(shown).is_ok() {
            self.watchers.push(watcher);
        }
    }

    /// Readable when the button has edges.
    pub fn button_fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.button.part {
            Some(Button::Edges(source)) => Some(source.fd()),
            Some(Button::None | Button::Polled(_)) | None => None,
        }
    }

    /// The button has failed; a press under way is forgotten.
    pub fn lose_button(&mut self, error: &Error, now: Duration) {
        if self.button.part.is_some() {
            self.button.fail(error, now);
            // The chip may have gone with it, which steady light would not find out: the LED is told again.
            self.lit = None;
            self.forget_press(Level::Released, now);
            self.tell_how();
        }
    }

    /// Does all that is due at `now`. When to come again; `None` if only a command or an edge can bring something new.
    pub fn turn(&mut self, now: Duration) -> Option<Duration> {
        self.open(now);
        if let Err(error) = self.read_button(now) {
            self.lose_button(&error, now);
        }
        self.end_press(now);
        self.classifier.handle_timeout(now);
        self.begin_press(now);
        while let Some(event) = self.classifier.poll_event() {
            self.confirm(event, now);
            (self.on_event)(event);
        }
        self.light(now);
        self.tell_watchers(now);
        self.next(now)
    }

    fn open(&mut self, now: Duration) {
        let mut changed = false;
        if self.led.is_due(now) {
            self.led.take(self.hardware.open_led(), now);
            self.lit = None;
            changed = true;
        }
        if self.button.is_due(now) {
            if self.button.take(self.hardware.open_button(), now) {
                self.begin_button(now);
            }
            changed = true;
        }
        if changed {
            self.tell_how();
        }
    }

    fn tell_how(&self) {
        *self.how.lock().unwrap_or_else(PoisonError::into_inner) = self.in_words();
    }

    /// Begins anew with a button that was just opened.
    fn begin_button(&mut self, now: Duration) {
        let level = match &mut self.button.part {
            Some(Button::Edges(source)) => source.level(),
            Some(Button::Polled(contact)) => contact.level(),
            Some(Button::None) | None => Ok(Level::Released),
        };
        match level {
            Ok(level) => self.forget_press(level, now),
            Err(error) => self.lose_button(&error, now),
        }
    }

    fn forget_press(&mut self, level: Level, now: Duration) {
        self.wire = level;
        self.release = None;
        self.classifier = Classifier::new(level, now);
        self.player.set(self.wanted, now);
    }

    fn read_button(&mut self, now: Duration) -> Result<(), Error> {
        loop {
            let (level, at) = match &mut self.button.part {
                Some(Button::Edges(source)) => match source.next_edge()? {
                    Some((level, at)) => (level, at.min(now)),
                    None => return Ok(()),
                },
                Some(Button::Polled(contact)) if now >= self.next_look => {
                    self.next_look = now + POLL;
                    (contact.level()?, now)
                }
                Some(Button::Polled(_) | Button::None) | None => return Ok(()),
            };
            self.wire = level;
            if self.release.is_none() {
                self.classifier.handle_edge(level, at);
            }
        }
    }

    /// Releases the button after a commanded press.
    fn end_press(&mut self, now: Duration) {
        if let Some(end) = self.release.filter(|end| now >= *end) {
            self.release = None;
            self.classifier.handle_edge(self.wire, end);
        }
    }

    /// Presses the button if a command asked for it and it can be pressed.
    fn begin_press(&mut self, now: Duration) {
        if self.release.is_some() || self.asked.is_none() || self.classifier.is_new() {
            return;
        }
        let hold = self.asked.take().unwrap_or_default();
        if self.classifier.is_stuck() {
            // A finger would find that it does nothing; a command is told.
            (self.on_event)(Event::Stuck);
            return;
        }
        self.release = Some(now + hold);
        self.classifier.handle_edge(Level::Pressed, now);
    }

    /// The LED answers the finger.
    fn confirm(&mut self, event: Event, now: Duration) {
        let pattern = match event {
            Event::Down => Pattern::Felt,
            Event::Threshold(Hold::Hold) => Pattern::Held,
            Event::Threshold(Hold::Long) => Pattern::HeldLong,
            Event::Press(_) | Event::Stuck | Event::Freed => self.wanted,
        };
        self.player.set(pattern, now);
    }

    fn light(&mut self, now: Duration) {
        let lit = self.player.level(now);
        let Some(led) = &mut self.led.part else {
            return;
        };
        if self.lit == Some(lit) {
            return;
        }
        match led.set(lit) {
            Ok(()) => self.lit = Some(lit),
            Err(error) => {
                self.led.fail(&error, now);
                self.tell_how();
            }
        }
    }

    fn look(&self, now: Duration) -> Shown {
        Shown {
            lit: self.player.level(now),
            pattern: self.player.pattern(),
        }
    }

    fn tell_watchers(&mut self, now: Duration) {
        let shown = self.look(now);
        if shown == self.shown {
            return;
        }
        self.shown = shown;
        // One that is late misses a change; one that has gone is forgotten.
        self.watchers.retain(|watcher| {
            !matches!(watcher.try_send(shown), Err(TrySendError::Disconnected(_)))
        });
    }

    fn next(&self, now: Duration) -> Option<Duration> {
        let polled = matches!(self.button.part, Some(Button::Polled(_)));
        let moments = [
            self.led.due(),
            self.button.due(),
            polled.then_some(self.next_look),
            self.release,
            self.classifier.poll_timeout(),
            self.player.next_change(now),
        ];
        moments.into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
