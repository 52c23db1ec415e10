//! Who is next: recipients by their due time, and those that are due in a lane per destination.
//!
//! Each step costs the logarithm of the number of recipients, however many mails and destinations wait.

use std::collections::{BTreeMap, BTreeSet};

use super::{Destination, Priority, SpoolId};
use crate::queue::time::QueueTime;

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
    ready: BTreeSet<Rank>,
    under_way: usize,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Lanes {
    attempts_max: usize,
    per_destination_max: usize,
    under_way: usize,
    /// Not due yet.
    waiting: BTreeSet<(QueueTime, Rank, Destination)>,
    by_destination: BTreeMap<Destination, Lane>,
    /// The first of each lane in which another attempt may begin.
    heads: BTreeSet<(Rank, Destination)>,
}

impl Lanes {
    pub(super) fn new(attempts_max: usize, per_destination_max: usize) -> Self {
        Self {
            attempts_max: attempts_max.max(1),
            per_destination_max: per_destination_max.max(1),
            under_way: 0,
            waiting: BTreeSet::new(),
            by_destination: BTreeMap::new(),
            heads: BTreeSet::new(),
        }
    }

    /// One that waits; one that is in already stays where it is.
    pub(super) fn insert(&mut self, rank: Rank, destination: &Destination) {
        let lane = self.by_destination.get(destination);
        if !lane.is_some_and(|lane| lane.ready.contains(&rank)) {
            self.waiting.insert((rank.due, rank, destination.clone()));
        }
    }

    /// One that waits no longer.
    pub(super) fn remove(&mut self, rank: &Rank, destination: &Destination) {
        let entry = (rank.due, *rank, destination.clone());
        if !self.waiting.remove(&entry) {
            self.change(destination, |lane| {
                lane.ready.remove(rank);
            });
        }
    }

    /// Moves those that are due into their lanes.
    pub(super) fn advance(&mut self, time: QueueTime) {
        while self.next_due().is_some_and(|due| due <= time) {
            if let Some((_, rank, destination)) = self.waiting.pop_first() {
                self.change(&destination, |lane| {
                    lane.ready.insert(rank);
                });
            }
        }
    }

    /// The first that may go now.
    pub(super) fn first(&self) -> Option<(Rank, Destination)> {
        let first = self.heads.first().cloned();
        first.filter(|_| self.under_way < self.attempts_max)
    }

    /// When the next one is due of those that were not when [`Lanes::advance`] was called last.
    pub(super) fn next_due(&self) -> Option<QueueTime> {
        self.waiting.first().map(|(due, ..)| *due)
    }

    /// An attempt begins.
    pub(super) fn begin(&mut self, destination: &Destination) {
        self.under_way += 1;
        self.change(destination, |lane| lane.under_way += 1);
    }

    /// An attempt has ended.
    pub(super) fn end(&mut self, destination: &Destination) {
        self.under_way = self.under_way.saturating_sub(1);
        self.change(destination, |lane| {
            lane.under_way = lane.under_way.saturating_sub(1);
        });
    }

    /// Changes a lane and keeps `heads` right.
    fn change(&mut self, destination: &Destination, change: impl FnOnce(&mut Lane)) {
        let max = self.per_destination_max;
        let lane = self.by_destination.entry(destination.clone()).or_default();
        let before = lane.head(max);
        change(lane);
        let after = lane.head(max);
        if lane.ready.is_empty() && lane.under_way == 0 {
            self.by_destination.remove(destination);
        }
        if before != after {
            if let Some(rank) = before {
                self.heads.remove(&(rank, destination.clone()));
            }
            self.heads
                .extend(after.map(|rank| (rank, destination.clone())));
        }
    }
}

impl Lane {
    /// The first that is due, if another attempt may begin.
    fn head(&self, under_way_max: usize) -> Option<Rank> {
        let first = self.ready.first().copied();
        first.filter(|_| self.under_way < under_way_max)
    }
}
