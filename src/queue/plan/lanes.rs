//! Who is next: recipients by their due time, and those that are due in a lane per destination.
//!
//! A destination that could not be reached is closed for a while, longer each time: what is due there is parked, so that
//! not every mail finds out by itself. Only what cannot wait (its sender has to be told, or it is given up) goes all
//! the same. Each step costs the logarithm of the number of recipients, however many mails and destinations wait;
//! closing and opening cost that for each recipient that is due there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Destination, Policy, Priority, SpoolId};
use crate::queue::time::QueueTime;

/// A destination is closed for this long at most.
const CLOSED_MAX: Duration = Duration::from_mins(15);

/// The order in which recipients go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    turn: QueueTime,
    due: QueueTime,
    pub(super) mail: SpoolId,
    recipient: usize,
}

impl Rank {
    pub(super) fn new(priority: Priority, due: QueueTime, mail: SpoolId, recipient: usize) -> Self {
        Self {
            turn: due + priority.behind(),
            due,
            mail,
            recipient,
        }
    }
}

/// What is due for a destination, and how many attempts are under way there.
#[derive(Debug, Default)]
struct Lane {
    /// How many are not due yet.
    waiting: usize,
    /// Those that may go, each with the time from which on it cannot wait.
    ready: BTreeMap<Rank, QueueTime>,
    /// Those that are due while it is closed, likewise.
    parked: BTreeMap<Rank, QueueTime>,
    under_way: usize,
    /// Attempts that reached no host since one did.
    failures: u32,
    /// Until when it is closed; there is an entry in `closed` as long as that is so.
    closed: Option<QueueTime>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Lanes {
    attempts_max: usize,
    per_destination_max: usize,
    under_way: usize,
    /// Attempts that have ended and keep their places among all.
    kept: usize,
    /// Not due yet; with the time from which on each cannot wait.
    waiting: BTreeMap<(QueueTime, Rank), (QueueTime, Arc<Destination>)>,
    by_destination: BTreeMap<Arc<Destination>, Lane>,
    /// The first of each lane in which another attempt may begin.
    heads: BTreeSet<(Rank, Arc<Destination>)>,
    /// Closed lanes by the time they open.
    closed: BTreeSet<(QueueTime, Arc<Destination>)>,
    /// What is parked by the time from which on it cannot wait.
    stops: BTreeSet<(QueueTime, Rank, Arc<Destination>)>,
}

impl Lanes {
    pub(super) fn new(attempts_max: usize, per_destination_max: usize) -> Self {
        Self {
            attempts_max: attempts_max.max(1),
            per_destination_max: per_destination_max.max(1),
            under_way: 0,
            kept: 0,
            waiting: BTreeMap::new(),
            by_destination: BTreeMap::new(),
            heads: BTreeSet::new(),
            closed: BTreeSet::new(),
            stops: BTreeSet::new(),
        }
    }

    /// The copy of a destination that is in use already.
    pub(super) fn known(&self, destination: &Arc<Destination>) -> Option<&Arc<Destination>> {
        let known = self.by_destination.get_key_value(destination);
        known.map(|(known, _)| known)
    }

    /// One that waits; one that is in already stays where it is. From `stop` on it goes even to a closed destination.
    pub(super) fn insert(&mut self, rank: Rank, stop: QueueTime, destination: &Arc<Destination>) {
        let lane = self.by_destination.get(destination);
        let is_due = lane
            .is_some_and(|lane| lane.ready.contains_key(&rank) || lane.parked.contains_key(&rank));
        let place = (rank.due, rank);
        if !is_due && !self.waiting.contains_key(&place) {
            self.waiting.insert(place, (stop, Arc::clone(destination)));
            self.change(destination, |lane| lane.waiting += 1);
        }
    }

    /// One that waits no longer.
    pub(super) fn remove(&mut self, rank: &Rank, destination: &Arc<Destination>) {
        let was_waiting = self.waiting.remove(&(rank.due, *rank)).is_some();
        let mut parked = None;
        self.change(destination, |lane| {
            if was_waiting {
                lane.waiting = lane.waiting.saturating_sub(1);
            } else if lane.ready.remove(rank).is_none() {
                parked = lane.parked.remove(rank);
            }
        });
        if let Some(stop) = parked {
            self.stops.remove(&(stop, *rank, Arc::clone(destination)));
        }
    }

    /// Moves those that are due into their lanes, and opens what was closed for long enough.
    pub(super) fn advance(&mut self, time: QueueTime) {
        while self.closed.first().is_some_and(|(until, _)| *until <= time) {
            if let Some((_, destination)) = self.closed.first().cloned() {
                self.open(&destination);
            }
        }
        while self.stops.first().is_some_and(|(stop, ..)| *stop <= time) {
            if let Some((stop, rank, destination)) = self.stops.pop_first() {
                self.change(&destination, |lane| {
                    lane.parked.remove(&rank);
                    lane.ready.insert(rank, stop);
                });
            }
        }
        let is_due = |lanes: &Self| {
            let first = lanes.waiting.first_key_value();
            first.is_some_and(|((due, _), _)| *due <= time)
        };
        while is_due(self) {
            if let Some(((_, rank), (stop, destination))) = self.waiting.pop_first() {
                self.make_ready(rank, stop, &destination, time);
            }
        }
    }

    fn make_ready(
        &mut self,
        rank: Rank,
        stop: QueueTime,
        destination: &Arc<Destination>,
        time: QueueTime,
    ) {
        let mut is_parked = false;
        self.change(destination, |lane| {
            lane.waiting = lane.waiting.saturating_sub(1);
            is_parked = lane.closed.is_some() && stop > time;
            if is_parked {
                lane.parked.insert(rank, stop);
            } else {
                lane.ready.insert(rank, stop);
            }
        });
        if is_parked {
            self.stops.insert((stop, rank, Arc::clone(destination)));
        }
    }

    /// The first that may go now.
    pub(super) fn first(&self) -> Option<(Rank, Arc<Destination>)> {
        let first = self.heads.first().cloned();
        let places = self.under_way.saturating_add(self.kept);
        first.filter(|_| places < self.attempts_max)
    }

    /// When the next one may go of those that might not when [`Lanes::advance`] was called last.
    pub(super) fn next_due(&self) -> Option<QueueTime> {
        let waiting = self.waiting.first_key_value().map(|((due, _), _)| *due);
        let stop = self.stops.first().map(|(stop, ..)| *stop);
        let is_awaited = |destination| {
            let lane = self.by_destination.get(destination);
            lane.is_some_and(|lane| !lane.parked.is_empty())
        };
        let mut closed = self.closed.iter();
        let opens = closed.find(|(_, destination)| is_awaited(destination));
        let opens = opens.map(|(until, _)| *until);
        [waiting, stop, opens].into_iter().flatten().min()
    }

    /// An attempt begins.
    pub(super) fn begin(&mut self, destination: &Arc<Destination>) {
        self.under_way += 1;
        self.change(destination, |lane| lane.under_way += 1);
    }

    /// An attempt has ended.
    pub(super) fn end(&mut self, destination: &Arc<Destination>) {
        self.under_way = self.under_way.saturating_sub(1);
        self.change(destination, |lane| {
            lane.under_way = lane.under_way.saturating_sub(1);
        });
    }

    /// An attempt that has ended keeps its place.
    pub(super) fn keep_place(&mut self) {
        self.kept = self.kept.saturating_add(1);
    }

    /// One such place is free.
    pub(super) fn free_place(&mut self) {
        self.kept = self.kept.saturating_sub(1);
    }

    /// A host there was reached; whether none had been before.
    pub(super) fn reached(&mut self, destination: &Arc<Destination>) -> bool {
        let mut had_failed = false;
        self.change(destination, |lane| {
            had_failed = lane.failures > 0;
            lane.failures = 0;
        });
        self.open(destination);
        had_failed
    }

    /// No host there could be reached. What was found out at the same time by others makes it no longer.
    pub(super) fn unreachable(
        &mut self,
        destination: &Arc<Destination>,
        policy: &Policy,
        time: QueueTime,
    ) {
        let mut parked = Vec::new();
        let mut closed = None;
        self.change(destination, |lane| {
            if lane.closed.is_some() {
                return;
            }
            lane.failures = lane.failures.saturating_add(1);
            let until = time + closed_for(policy, lane.failures);
            lane.closed = Some(until);
            closed = Some(until);
            lane.ready.retain(|rank, stop| {
                let is_urgent = *stop <= time;
                if !is_urgent {
                    parked.push((*rank, *stop));
                }
                is_urgent
            });
            lane.parked.extend(parked.iter().copied());
        });
        let entry = |until| (until, Arc::clone(destination));
        self.closed.extend(closed.map(entry));
        let stops = parked.into_iter();
        let stops = stops.map(|(rank, stop)| (stop, rank, Arc::clone(destination)));
        self.stops.extend(stops);
    }

    /// Takes a lane as open from now on.
    pub(super) fn open(&mut self, destination: &Arc<Destination>) {
        let mut parked = BTreeMap::new();
        let mut closed = None;
        self.change(destination, |lane| {
            closed = lane.closed.take();
            parked.append(&mut lane.parked);
            lane.ready.extend(&parked);
        });
        if let Some(until) = closed {
            self.closed.remove(&(until, Arc::clone(destination)));
        }
        for (rank, stop) in parked {
            self.stops.remove(&(stop, rank, Arc::clone(destination)));
        }
    }

    /// Changes a lane and keeps `heads` right.
    fn change(&mut self, destination: &Arc<Destination>, change: impl FnOnce(&mut Lane)) {
        let max = self.per_destination_max;
        let key = Arc::clone(destination);
        let lane = self.by_destination.entry(key).or_default();
        let before = lane.head(max);
        change(lane);
        let after = lane.head(max);
        if lane.is_idle() {
            self.by_destination.remove(destination);
        }
        if before != after {
            if let Some(rank) = before {
                self.heads.remove(&(rank, Arc::clone(destination)));
            }
            let entry = |rank| (rank, Arc::clone(destination));
            self.heads.extend(after.map(entry));
        }
    }
}

impl Lane {
    /// The first that is due, if another attempt may begin.
    fn head(&self, under_way_max: usize) -> Option<Rank> {
        let first = self.ready.first_key_value().map(|(rank, _)| *rank);
        first.filter(|_| self.under_way < under_way_max)
    }

    /// Whether nothing is lost with it.
    fn is_idle(&self) -> bool {
        let is_empty = self.ready.is_empty() && self.parked.is_empty();
        is_empty && self.waiting == 0 && self.under_way == 0 && self.closed.is_none()
    }
}

/// How long a destination is closed after so many attempts in vain.
pub(super) fn closed_for(policy: &Policy, failures: u32) -> Duration {
    policy.backoff(failures).min(CLOSED_MAX)
}
