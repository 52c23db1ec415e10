//! Nothing lost: a random workload on a disk that loses power, or fails, at any moment.
//!
//! The workload runs once on a disk that records; then the disk is cut at every operation, losing, keeping, reordering
//! or tearing what was not synced. Each time the store must open, hold what was acknowledged and nothing that is half
//! done, pass its check and go on without using a UID again. Other runs let single operations fail with EIO or ENOSPC
//! and expect the same, without reopening.
//!
//! `HEIMPOST_CRASH_RUNS=50 cargo test --test it crash` takes 50 workloads instead of two and every kind of cut at every
//! moment.

mod model;
mod sending;
mod workload;

use std::sync::Arc;
use std::thread;

use heimpost::clock::{Clock, Now, Wall};
use heimpost::store::faulty::{Cut, Failure, FaultyDisk};
use heimpost::store::{Options, Store, Upkeep};

use model::Model;
use workload::{Dice, Op};

const CUTS: [Cut; 4] = [Cut::LoseAll, Cut::KeepAll, Cut::Reorder, Cut::Tear];

/// Steps of a workload.
const STEPS: usize = 80;

fn now() -> Now {
    Clock::virtual_at(Wall(1_790_000_000)).now()
}

fn runs() -> Option<u64> {
    std::env::var("HEIMPOST_CRASH_RUNS").ok()?.parse().ok()
}

fn open(disk: &FaultyDisk) -> Store {
    let options = Options {
        upkeep: Upkeep::Inline,
        volume_bytes_max: 600 << 10,
        cache_bytes: 1 << 20,
        ..Options::default()
    };
    Store::open_on(Arc::new(disk.clone()), &options, now()).unwrap()
}

/// What was true after each step, and when.
struct Recorded {
    disk: FaultyDisk,
    /// Operations of the disk when a step was acknowledged, and the state then.
    states: Vec<(u64, Model)>,
}

fn record(seed: u64) -> Recorded {
    let disk = FaultyDisk::recording();
    let store = open(&disk);
    let mut dice = Dice::new(seed);
    let mut model = Model::default();
    let mut states = vec![(0, model.clone())];
    let setup = [Op::AddAccount(0), Op::AddAccount(1)];
    let steps = setup.into_iter().map(Some).chain((0..STEPS).map(|_| None));
    for step in steps {
        let op = step.unwrap_or_else(|| Op::random(&mut dice, &model));
        let expected = op.run(&store, &model).unwrap();
        model = Model::observe(&store);
        assert!(expected.matches(&model), "{op:?}: {expected:#?} {model:#?}");
        states.push((disk.operations(), model.clone()));
    }
    drop(store);
    states.push((disk.operations(), model));
    Recorded { disk, states }
}

/// Opens the store as a cut left it, and looks.
fn examine(recorded: &Recorded, disk: &FaultyDisk, at: u64, label: &str) {
    let store = open(disk);
    let found = Model::observe(&store);
    let acknowledged = recorded.states.partition_point(|(done, _)| *done <= at);
    let mut allowed = recorded.states[acknowledged.saturating_sub(1)..]
        .iter()
        .take(2);
    assert!(
        allowed.any(|(_, state)| *state == found),
        "{label}: {found:#?} is neither what was acknowledged nor one step more"
    );
    let violations = store.check().unwrap().violations;
    assert!(violations.is_empty(), "{label}: {violations:?}");
    if at.is_multiple_of(5) {
        go_on(store, disk, found, label);
    }
}

/// Mail after a crash gets UIDs that nothing ever had, and the next start finds all of it.
fn go_on(store: Store, disk: &FaultyDisk, mut model: Model, label: &str) {
    for target in model.targets() {
        let op = Op::deliver_to(target, 3_000);
        let expected = op.run(&store, &model).unwrap();
        model = Model::observe(&store);
        assert!(expected.matches(&model), "{label}: {op:?}");
    }
    store.settle().unwrap();
    drop(store);
    let store = open(disk);
    assert_eq!(Model::observe(&store), model, "{label}");
    let violations = store.check().unwrap().violations;
    assert!(violations.is_empty(), "{label}: {violations:?}");
}

/// Cuts a recorded run at every moment, this share of them (both CPUs work).
fn cut_everywhere(recorded: &Recorded, cuts_each: &[Cut], seed: u64) -> u64 {
    let points: Vec<u64> = thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|share| scope.spawn(move || cut_share(recorded, cuts_each, seed, share)))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .collect()
    });
    points.iter().sum()
}

fn cut_share(recorded: &Recorded, cuts_each: &[Cut], seed: u64, share: u64) -> u64 {
    let mut cuts = recorded.disk.cuts();
    let (mut at, mut points) = (0, 0);
    while cuts.advance() {
        at += 1;
        if at % 2 != share {
            continue;
        }
        let rotating = [CUTS[(at / 2 % 4) as usize]];
        let kinds = if cuts_each.is_empty() {
            &rotating
        } else {
            cuts_each
        };
        for cut in kinds {
            let label = format!("seed {seed}, operation {at}, {cut:?}");
            examine(recorded, &cuts.cut(*cut, at ^ seed << 32), at, &label);
            points += 1;
        }
    }
    points
}

#[test]
fn power_may_be_cut_at_any_moment() {
    let (seeds, cuts): (u64, &[Cut]) = match runs() {
        Some(runs) => (runs, &CUTS),
        None => (2, &[]),
    };
    for seed in 1..=seeds {
        let recorded = record(seed);
        let points = cut_everywhere(&recorded, cuts, seed);
        assert!(points > 1_000, "only {points} points");
        println!("seed {seed}: {points} points");
    }
}

/// A mail is submitted, and then its author's program appends a copy of its own.
fn record_own_copy() -> Recorded {
    let disk = FaultyDisk::recording();
    let store = open(&disk);
    let mut states = vec![(0, Model::default())];
    Op::AddAccount(0).run(&store, &Model::default()).unwrap();
    states.push((disk.operations(), Model::observe(&store)));
    for bytes in [2_000, 200_000] {
        let seed = bytes as u64;
        for step in [sending::submit, sending::append_own] {
            step(&store, seed, bytes);
            let model = Model::observe(&store);
            assert_eq!(model.messages(), 1 + usize::from(bytes > 2_000));
            states.push((disk.operations(), model));
        }
    }
    drop(store);
    Recorded { disk, states }
}

#[test]
fn a_copy_in_sent_and_what_takes_its_place_are_one_step() {
    let recorded = record_own_copy();
    let cuts: &[Cut] = if runs().is_some() { &CUTS } else { &[] };
    let points = cut_everywhere(&recorded, cuts, 1);
    assert!(points > 50, "only {points} points");
}

/// Runs a workload on a disk that fails for a while; the store goes on by itself.
fn run_with_failure(seed: u64, skip: u64, count: u64, failure: Failure) {
    let label = format!("seed {seed}, {failure:?} at operation {skip} for {count}");
    let disk = FaultyDisk::default();
    let store = open(&disk);
    let mut dice = Dice::new(seed);
    for account in 0..2 {
        Op::AddAccount(account)
            .run(&store, &Model::default())
            .unwrap();
    }
    let mut model = Model::observe(&store);
    disk.fail(skip, count, failure);
    for _ in 0..STEPS / 2 {
        let op = Op::random(&mut dice, &model);
        let predicted = op.predict(&model);
        let result = op.run(&store, &model);
        let found = Model::observe(&store);
        let done = predicted.matches(&found);
        assert!(
            done || (result.is_err() && found == model),
            "{label}: {op:?} {result:?} {found:#?}"
        );
        model = found;
    }
    disk.heal();
    let violations = store.check().unwrap().violations;
    assert!(violations.is_empty(), "{label}: {violations:?}");
    go_on(store, &disk, model, &label);
}

#[test]
fn disk_may_fail_at_any_operation() {
    let seeds = runs().unwrap_or(1);
    for seed in 1..=seeds {
        for step in 0..60 {
            let failure = [Failure::Io, Failure::NoSpace][usize::from(step % 2 == 1)];
            run_with_failure(seed, step * 11, 1 + step % 4 * 3, failure);
        }
    }
}

#[test]
fn many_writers_at_once_lose_nothing() {
    let disk = FaultyDisk::default();
    let store = open(&disk);
    for account in 0..2 {
        Op::AddAccount(account)
            .run(&store, &Model::default())
            .unwrap();
    }
    let start = Model::observe(&store);
    thread::scope(|scope| {
        for writer in 0..8_u64 {
            let (store, start) = (&store, &start);
            scope.spawn(move || {
                for number in 0..12 {
                    let targets = start.targets();
                    let target = targets[(writer % 2) as usize * targets.len() / 2].clone();
                    let bytes = [900, 5_000, 250_000][((number + writer) % 3) as usize];
                    Op::deliver_seeded(target, bytes, writer * 100 + number).carry_out(store);
                }
            });
        }
    });
    let found = Model::observe(&store);
    assert_eq!(found.messages(), 8 * 12);
    assert!(store.check().unwrap().is_sound());
    drop(store);
    assert_eq!(Model::observe(&open(&disk)), found);
}
