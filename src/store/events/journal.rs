//! Events that are not written yet, in memory: bounded, and what repeats itself is counted.
//!
//! The writer takes them along with a commit (*riders*) and confirms them once that is durable; until then they stay,
//! and nothing is counted into them any more.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{
    EVENT_NAMES_MAX, EVENT_TEXT_BYTES_MAX, EVENTS_PENDING_MAX, Event, Facts, Kind, RIDERS_MIN,
    STRANGERS_WAIT_MAX, WAIT_MAX,
};
use crate::clock::{Mono, Now};
use crate::wake::Wake;

/// So far back an event is looked for that this one repeats.
const REPEATS_MAX: usize = 32;

/// Most events that ride with one commit.
const RIDERS_MAX: usize = 256;

/// Events on their way.
#[derive(Debug, Default)]
pub(in crate::store) struct Journal {
    state: Mutex<State>,
    wakes: Mutex<Vec<Wake>>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    pending: VecDeque<Event>,
    /// Events below this one are being written.
    sealed: u64,
    /// When the oldest came that is not strangers' doing, and the oldest of all.
    own_since: Option<Mono>,
    since: Option<Mono>,
    lost: u32,
    /// The next commit takes them along, however few.
    is_wanted: bool,
}

impl Journal {
    /// Goes on counting where the ring ends.
    pub(in crate::store) fn resume(&self, next: u64) {
        self.lock().next = next;
    }

    pub(super) fn note(&self, kind: Kind, facts: Facts, now: Now) {
        self.lock().add(kind, trim(facts), now);
        let wakes = self.wakes.lock();
        for wake in wakes.unwrap_or_else(PoisonError::into_inner).iter() {
            wake.wake();
        }
    }

    pub(super) fn on_event(&self, wake: Wake) {
        let wakes = self.wakes.lock();
        wakes.unwrap_or_else(PoisonError::into_inner).push(wake);
    }

    /// All that are not confirmed yet, oldest first.
    pub(super) fn pending(&self) -> Vec<Event> {
        self.lock().pending.iter().cloned().collect()
    }

    /// Whether the oldest have waited for long enough for a commit of their own.
    pub(super) fn is_due(&self, now: Now) -> bool {
        let state = self.lock();
        let waited =
            |since: Option<Mono>, most| since.is_some_and(|since| now.mono.since(since) >= most);
        waited(state.own_since, WAIT_MAX) || waited(state.since, STRANGERS_WAIT_MAX)
    }

    /// Has the next commit take them along; whether there are any.
    pub(in crate::store) fn want(&self) -> bool {
        let mut state = self.lock();
        state.is_wanted = !state.pending.is_empty();
        state.is_wanted
    }

    /// What a commit takes along, if it is worth it.
    pub(in crate::store) fn riders(&self) -> Vec<Event> {
        let mut state = self.lock();
        if !state.is_wanted && state.pending.len() < RIDERS_MIN {
            return Vec::new();
        }
        let riders: Vec<Event> = state.pending.iter().take(RIDERS_MAX).cloned().collect();
        state.sealed = riders.last().map_or(state.sealed, |last| last.id + 1);
        riders
    }

    /// Those that a commit took along are durable.
    pub(in crate::store) fn confirm(&self, riders: &[Event]) {
        let Some(last) = riders.last() else {
            return;
        };
        let mut state = self.lock();
        state.pending.retain(|event| event.id > last.id);
        state.is_wanted = false;
        if state.pending.is_empty() {
            (state.own_since, state.since) = (None, None);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, kind: Kind, facts: Facts, now: Now) {
        self.since.get_or_insert(now.mono);
        if !kind.is_strangers() {
            self.own_since.get_or_insert(now.mono);
        }
        let sealed = self.sealed;
        let mut recent = self.pending.iter_mut().rev().take(REPEATS_MAX);
        let repeats = |event: &Event| {
            let is_same = event.kind == kind && event.facts == facts;
            is_same && kind.is_strangers() && event.id >= sealed
        };
        if let Some(known) = recent.find(|event| repeats(event)) {
            known.times = known.times.saturating_add(1);
            known.at = now.wall;
            return;
        }
        if self.pending.len() >= EVENTS_PENDING_MAX - 1 {
            self.lose();
        }
        self.push(kind, facts, now);
    }

    fn push(&mut self, kind: Kind, facts: Facts, now: Now) {
        let event = Event {
            id: self.next,
            at: now.wall,
            kind,
            times: 1,
            facts,
        };
        self.next += 1;
        self.pending.push_back(event);
        if kind != Kind::Lost && self.lost > 0 && self.pending.len() < EVENTS_PENDING_MAX / 2 {
            let count = u64::from(std::mem::take(&mut self.lost));
            let facts = Facts {
                count,
                ..Facts::default()
            };
            self.push(Kind::Lost, facts, now);
        }
    }

    fn lose(&mut self) {
        let lost = self.pending.pop_front().map_or(0, |event| event.times);
        self.lost = self.lost.saturating_add(lost);
    }
}

/// Within the limits on lengths, and without what could break a line.
fn trim(mut facts: Facts) -> Facts {
    let beyond = facts.to.len().saturating_sub(EVENT_NAMES_MAX);
    facts.to.truncate(EVENT_NAMES_MAX);
    facts.more = facts
        .more
        .saturating_add(u32::try_from(beyond).unwrap_or(u32::MAX));
    let single = [
        &mut facts.from,
        &mut facts.peer,
        &mut facts.code,
        &mut facts.text,
        &mut facts.mail,
    ];
    for text in single.into_iter().chain(&mut facts.to) {
        cut(text);
    }
    facts
}

fn cut(text: &mut String) {
    text.truncate(text.floor_char_boundary(EVENT_TEXT_BYTES_MAX));
    if text.chars().any(char::is_control) {
        *text = text.replace(char::is_control, " ");
    }
}
