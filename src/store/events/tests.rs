//! The ring: what it keeps, in which order, for how long; over restarts and over cuts of power.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::Clock;
use crate::store::check::Checked;
use crate::store::faulty::{Cut, FaultyDisk};
use crate::store::media::{Media, Memory};
use crate::store::{Options, Upkeep};

const START: Wall = Wall(1_800_000_000);
const END: Wall = Wall(i64::MAX);

fn open_on(media: Arc<dyn Media>) -> Store {
    let options = Options {
        upkeep: Upkeep::Inline,
        ..Options::default()
    };
    Store::open_on(media, &options, Clock::virtual_at(START).now()).unwrap()
}

fn facts(from: &str, to: &[&str]) -> Facts {
    Facts {
        from: from.to_owned(),
        to: to.iter().map(|&to| to.to_owned()).collect(),
        ..Facts::default()
    }
}

fn all() -> Query {
    Query {
        limit: 100_000,
        ..Query::default()
    }
}

/// Every event, page after page, newest first.
fn read(store: &Store, query: &Query) -> Vec<Event> {
    let mut query = query.clone();
    let mut events = Vec::new();
    loop {
        let found = store.events(&query).unwrap();
        assert!(found.events.len() <= query.limit);
        events.extend(found.events);
        match found.next {
            Some(next) => query.before = Some(next),
            None => return events,
        }
    }
}

#[test]
fn events_are_there_at_once_and_after_a_restart() {
    let media: Arc<dyn Media> = Arc::new(Memory::default());
    let clock = Clock::virtual_at(START);
    let store = Checked::new(open_on(Arc::clone(&media)));
    let mail = Facts {
        more: 3,
        peer: "192.0.2.7".to_owned(),
        bytes: Some(4711),
        count: 2,
        code: "250 2.0.0".to_owned(),
        text: "t\u{fc}r\r\nzu".to_owned(),
        mail: "abc".to_owned(),
        ..facts("anna@haus.example", &["ben@haus.example"])
    };
    store.note(Kind::Received, mail, clock.now());
    clock.advance(Duration::from_secs(5));
    store.note(Kind::Started, Facts::default(), clock.now());
    let before = read(&store, &all());
    let kinds: Vec<Kind> = before.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [Kind::Started, Kind::Received]);
    assert_eq!(before[1].facts.text, "t\u{fc}r  zu");
    let traffic = store.traffic(START, END).unwrap();
    drop(store);
    let store = Checked::new(open_on(media));
    assert_eq!(read(&store, &all()), before);
    assert_eq!(store.traffic(START, END).unwrap(), traffic);
    assert_eq!((traffic.received, traffic.refused), (1, 0));
    store.note(Kind::Started, Facts::default(), clock.now());
    assert_eq!(read(&store, &all())[0].id, before[0].id + 1);
}

#[test]
fn what_repeats_itself_is_counted_if_strangers_do_it() {
    let store = Checked::new(open_on(Arc::new(Memory::default())));
    let clock = Clock::virtual_at(START);
    for _ in 0..5 {
        for (kind, from) in [
            (Kind::LoginFailed, "x"),
            (Kind::LoginFailed, "y"),
            (Kind::Sent, "x"),
        ] {
            store.note(kind, facts(from, &["z"]), clock.now());
        }
    }
    let times = |kind| {
        let events = read(
            &store,
            &Query {
                kinds: vec![kind],
                ..all()
            },
        );
        events.iter().map(|event| event.times).collect::<Vec<_>>()
    };
    assert_eq!(times(Kind::LoginFailed), [5, 5]);
    assert_eq!(times(Kind::Sent), [1; 5]);
    assert_eq!(store.traffic(START, END).unwrap().logins_failed, 10);
    store.settle().unwrap();
    assert_eq!(store.traffic(START, END).unwrap().logins_failed, 10);
    store.note(Kind::LoginFailed, facts("x", &["z"]), clock.now());
    assert_eq!(times(Kind::LoginFailed), [1, 5, 5]);
}

#[test]
fn strangers_push_out_only_their_own() {
    let store = Checked::new(open_on(Arc::new(Memory::default())));
    let now = Clock::virtual_at(START).now();
    store.note(Kind::Backup, Facts::default(), now);
    for n in 0..=EVENTS_MAX {
        store.note(Kind::Refused, facts(&format!("{n}@evil.example"), &[]), now);
        if n % 500 == 0 {
            store.settle().unwrap();
        }
    }
    store.settle().unwrap();
    let events = read(&store, &all());
    assert_eq!(events.len() as u64, EVENTS_MAX + 1);
    assert_eq!(events.last().unwrap().kind, Kind::Backup);
    let oldest = &events[events.len() - 2];
    assert_eq!(oldest.facts.from, "1@evil.example");
}

#[test]
fn the_ring_is_bounded_in_bytes() {
    let store = Checked::new(open_on(Arc::new(Memory::default())));
    let now = Clock::virtual_at(START).now();
    let long = Facts {
        from: "\u{fc}".repeat(1000),
        to: vec!["x".repeat(1000); 100],
        text: "y".repeat(1000),
        ..Facts::default()
    };
    for n in 0..2_000 {
        store.note(Kind::Sent, long.clone(), now);
        if n % 200 == 0 {
            store.settle().unwrap();
        }
    }
    store.settle().unwrap();
    let events = read(&store, &all());
    let one = &events[0].facts;
    assert_eq!((one.from.len(), one.to.len(), one.more), (240, 10, 90));
    let bytes = EVENT_BYTES_MAX / (12 * 240);
    assert!(events.len() as u64 > bytes * 8 / 10 && events.len() as u64 <= bytes + 1);
}

#[test]
fn what_cannot_be_kept_is_counted() {
    let store = Checked::new(open_on(Arc::new(Memory::default())));
    let now = Clock::virtual_at(START).now();
    for n in 0..EVENTS_PENDING_MAX + 76 {
        store.note(Kind::Sent, facts(&n.to_string(), &[]), now);
    }
    store.settle().unwrap();
    store.note(Kind::Started, Facts::default(), now);
    let events = read(&store, &all());
    assert_eq!((events[0].kind, events[0].facts.count), (Kind::Lost, 77));
    assert_eq!(events.len(), EVENTS_PENDING_MAX + 1);
    assert_eq!(events.last().unwrap().facts.from, "77");
}

#[test]
fn a_search_finds_by_text_kind_and_day_page_by_page() {
    let store = Checked::new(open_on(Arc::new(Memory::default())));
    let clock = Clock::virtual_at(START);
    for n in 0..40 {
        let kind = if n % 2 == 0 {
            Kind::Received
        } else {
            Kind::Refused
        };
        let from = format!("a{n}@Example.org");
        store.note(kind, facts(&from, &["anna@haus.example"]), clock.now());
        clock.advance(Duration::from_hours(1));
        if n == 20 {
            store.settle().unwrap();
        }
    }
    let from = |query: &Query| -> Vec<String> {
        let events = read(&store, query);
        events.into_iter().map(|event| event.facts.from).collect()
    };
    let page = Query { limit: 7, ..all() };
    assert_eq!(from(&page).len(), 40);
    let one = Query {
        text: "a33@example".to_owned(),
        ..page.clone()
    };
    assert_eq!(from(&one), ["a33@Example.org"]);
    let kind = Query {
        kinds: vec![Kind::Refused],
        ..page.clone()
    };
    assert_eq!(from(&kind).len(), 20);
    let day = Query {
        during: Some((Wall(START.0 + 3600), Wall(START.0 + 3 * 3600))),
        text: "ANNA@".to_owned(),
        ..page
    };
    assert_eq!(from(&day), ["a2@Example.org", "a1@Example.org"]);
    let traffic = store.traffic(Wall(START.0 + 3600), Wall(START.0 + 3 * 3600));
    assert_eq!(traffic.unwrap().received, 1);
}

#[test]
fn old_days_go_by_the_days_on_which_the_box_was_on() {
    let store = Checked::new(open_on(Arc::new(Memory::default())));
    let clock = Clock::virtual_at(START);
    let day = |day: i64| Now {
        wall: Some(Wall(START.0 + day * 86_400)),
        ..clock.now()
    };
    let left = || read(&store, &all()).len();
    for n in 0..89 {
        store.note(Kind::Started, Facts::default(), day(n));
        store.settle().unwrap();
        store.note_growth(day(n)).unwrap();
    }
    // A clock that jumps is a day like any other.
    store.note_growth(day(5_000)).unwrap();
    assert_eq!(left(), 89);
    store.note_growth(day(89)).unwrap();
    store.note_growth(day(90)).unwrap();
    store.note_growth(day(91)).unwrap();
    assert_eq!(left(), 88);
}

#[test]
fn events_ride_with_other_commits() {
    let disk = FaultyDisk::recording();
    let store = open_on(Arc::new(disk.clone()));
    let now = Clock::virtual_at(START).now();
    for n in 0..RIDERS_MIN {
        store.note(Kind::Sent, facts(&n.to_string(), &[]), now);
    }
    store.set_setting("color", b"blue").unwrap();
    let mut cuts = disk.cuts();
    while cuts.advance() {}
    let store = Checked::new(open_on(Arc::new(cuts.cut(Cut::LoseAll, 1))));
    assert_eq!(read(&store, &all()).len(), RIDERS_MIN);
}

#[test]
fn events_wait_for_long_enough() {
    let store = Checked::new(open_on(Arc::new(Memory::default())));
    let clock = Clock::virtual_at(START);
    let written = || Ring::next(&store.snapshot().unwrap()).unwrap();
    store.note(Kind::Refused, Facts::default(), clock.now());
    clock.advance(WAIT_MAX);
    store.save_events(clock.now()).unwrap();
    assert_eq!(written(), 0);
    store.note(Kind::Sent, Facts::default(), clock.now());
    store.save_events(clock.now()).unwrap();
    assert_eq!(written(), 0);
    clock.advance(WAIT_MAX);
    store.save_events(clock.now()).unwrap();
    assert_eq!(written(), 2);
    store.note(Kind::Refused, Facts::default(), clock.now());
    clock.advance(STRANGERS_WAIT_MAX);
    store.save_events(clock.now()).unwrap();
    assert_eq!(written(), 3);
}

/// What happens to the ring.
#[derive(Clone, Debug)]
enum Step {
    Note(u8, u8),
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..24_u8, 0..4_u8).prop_map(|(kind, who)| Step::Note(kind, who)),
        1 => Just(Step::Settle),
    ]
}

/// All there is, oldest first.
fn oldest_first(store: &Store) -> Vec<Event> {
    let mut events = read(store, &all());
    events.reverse();
    events
}

fn logins_failed(events: &[Event]) -> u64 {
    let failed = events
        .iter()
        .filter(|event| event.kind == Kind::LoginFailed);
    failed.map(|event| u64::from(event.times)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 32,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// After a cut at any moment there is everything that was settled, and of what came later a part from its beginning.
    #[test]
    fn what_was_written_stays_in_its_order(
        steps in proptest::collection::vec(step(), 1..60),
        moment in 0..=1000_u64,
        cut in prop_oneof![Just(Cut::LoseAll), Just(Cut::KeepAll), Just(Cut::Reorder), Just(Cut::Tear)],
    ) {
        let disk = FaultyDisk::recording();
        let store = Checked::new(open_on(Arc::new(disk.clone())));
        let now = Clock::virtual_at(START).now();
        let begun = disk.operations();
        let mut settled = vec![(begun, Vec::new())];
        for step in steps {
            match step {
                Step::Note(kind, who) => {
                    let before = oldest_first(&store);
                    let from = who.to_string();
                    store.note(Kind::ALL[usize::from(kind)], facts(&from, &[]), now);
                    let after = oldest_first(&store);
                    prop_assert!(after.len() - before.len() <= 1);
                    prop_assert!(settled.last().unwrap().1.iter().eq(after.iter().take(settled.last().unwrap().1.len())));
                }
                Step::Settle => {
                    store.settle().unwrap();
                    settled.push((disk.operations(), oldest_first(&store)));
                }
            }
            let traffic = store.traffic(START, END).unwrap();
            prop_assert_eq!(traffic.logins_failed, logins_failed(&oldest_first(&store)));
        }
        let end = oldest_first(&store);
        let moment = begun + (disk.operations() - begun) * moment / 1000;
        let mut cuts = disk.cuts();
        for _ in 0..moment {
            prop_assert!(cuts.advance());
        }
        let left = Checked::new(open_on(Arc::new(cuts.cut(cut, moment))));
        let found = oldest_first(&left);
        let sure = settled.iter().rev().find(|(done, _)| *done <= moment).unwrap();
        prop_assert!(found.starts_with(&sure.1), "{:?} {:?}", found, sure);
        prop_assert!(end.starts_with(&found), "{:?} {:?}", found, end);
        let traffic = left.traffic(START, END).unwrap();
        prop_assert_eq!(traffic.logins_failed, logins_failed(&found));
    }
}
