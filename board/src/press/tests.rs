//! Presses as lines of edges, and a model that looks at the whole line at once.

use proptest::prelude::*;

use super::Level::{Pressed, Released};
use super::*;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Feeds edges, acting on every timeout when it is due, and goes on for a minute after the last.
fn run(initial: Level, edges: &[(u64, Level)]) -> Vec<(u64, Event)> {
    let mut classifier = Classifier::new(initial, ms(0));
    let mut found = Vec::new();
    let end = edges.last().map_or(0, |(at, _)| *at) + 60_000;
    for (at, edge) in edges
        .iter()
        .map(|(at, level)| (*at, Some(*level)))
        .chain([(end, None)])
    {
        while let Some(due) = classifier.poll_timeout().filter(|due| *due <= ms(at)) {
            classifier.handle_timeout(due);
            collect(&mut classifier, due, &mut found);
        }
        if let Some(level) = edge {
            classifier.handle_edge(level, ms(at));
            collect(&mut classifier, ms(at), &mut found);
        }
    }
    assert_eq!(classifier.poll_timeout(), None);
    found
}

fn collect(classifier: &mut Classifier, at: Duration, found: &mut Vec<(u64, Event)>) {
    let at = u64::try_from(at.as_millis()).unwrap();
    while let Some(event) = classifier.poll_event() {
        found.push((at, event));
    }
}

/// A button that is down for `length` from 1 s on.
fn press_of(length: u64) -> Vec<(u64, Level)> {
    vec![(1_000, Pressed), (1_000 + length, Released)]
}

#[test]
fn the_length_of_a_press_is_its_meaning() {
    let (hold, long) = (Event::Threshold(Hold::Hold), Event::Threshold(Hold::Long));
    for (length, expected) in [
        (20, vec![Event::Press(Press::Short)]),
        (100, vec![Event::Press(Press::Short)]),
        (2_999, vec![Event::Press(Press::Short)]),
        (3_000, vec![hold, Event::Press(Press::Hold)]),
        (9_999, vec![hold, Event::Press(Press::Hold)]),
        (10_000, vec![hold, long, Event::Press(Press::Long)]),
        (19_999, vec![hold, long, Event::Press(Press::Long)]),
        (20_000, vec![hold, long, Event::Stuck, Event::Freed]),
        (90_000, vec![hold, long, Event::Stuck, Event::Freed]),
    ] {
        let found = run(Released, &press_of(length));
        let events: Vec<Event> = found.into_iter().map(|(_, event)| event).collect();
        assert_eq!(events[0], Event::Down);
        assert_eq!(events[1..], expected, "held for {length} ms");
    }
}

#[test]
fn thresholds_come_while_held_and_the_press_on_release() {
    assert_eq!(
        run(Released, &press_of(11_000)),
        [
            (1_020, Event::Down),
            (4_000, Event::Threshold(Hold::Hold)),
            (11_000, Event::Threshold(Hold::Long)),
            (12_020, Event::Press(Press::Long)),
        ]
    );
}

#[test]
fn held_from_the_start_is_a_fault() {
    let edges = [(5_000, Released), (6_000, Pressed), (6_100, Released)];
    assert_eq!(
        run(Pressed, &edges),
        [
            (20, Event::Stuck),
            (5_020, Event::Freed),
            (6_020, Event::Down),
            (6_120, Event::Press(Press::Short)),
        ]
    );
}

#[test]
fn bounces_are_one_press() {
    let edges = [
        (1_000, Pressed),
        (1_003, Released),
        (1_006, Pressed),
        (1_009, Released),
        (1_012, Pressed),
        (4_500, Released),
        (4_503, Pressed),
        (4_506, Released),
    ];
    assert_eq!(
        run(Released, &edges),
        [
            (1_032, Event::Down),
            (4_012, Event::Threshold(Hold::Hold)),
            (4_526, Event::Press(Press::Hold)),
        ]
    );
}

#[test]
fn a_spike_is_nothing() {
    assert_eq!(run(Released, &[(500, Pressed), (519, Released)]), []);
}

#[test]
fn repeated_levels_are_ignored() {
    let edges = [
        (100, Released),
        (200, Pressed),
        (210, Pressed),
        (300, Released),
        (301, Released),
    ];
    assert_eq!(
        run(Released, &edges),
        [(220, Event::Down), (320, Event::Press(Press::Short))]
    );
}

#[test]
fn a_bounce_at_a_threshold_does_not_split_a_release() {
    // Released at 3.99 s after 2.99 s: the threshold at 4.0 s finds the contact open.
    let edges = [(1_000, Pressed), (3_990, Released)];
    assert_eq!(
        run(Released, &edges),
        [(1_020, Event::Down), (4_010, Event::Press(Press::Short))]
    );
}

/// The model: drop stretches shorter than [`BOUNCE`], join what touches, and measure each press.
fn model(initial: Level, edges: &[(u64, Level)]) -> Vec<Event> {
    let mut stretches = vec![(0, initial)];
    for (at, level) in edges {
        if stretches.last().is_some_and(|(_, last)| last != level) {
            stretches.push((*at, *level));
        }
    }
    let ends: Vec<u64> = stretches
        .iter()
        .skip(1)
        .map(|(at, _)| *at)
        .chain([u64::MAX])
        .collect();
    let mut settled: Vec<(u64, Level, u64)> = Vec::new();
    for ((at, level), end) in stretches.into_iter().zip(ends) {
        if end - at < 20 {
            continue;
        }
        match settled.last_mut() {
            Some((_, last, last_end)) if *last == level => *last_end = end,
            _ => settled.push((at, level, end)),
        }
    }
    let mut events = Vec::new();
    for (i, (from, level, last)) in settled.iter().enumerate() {
        if *level == Released {
            continue;
        }
        // It lasts until the next settled level begins; thresholds count while the contact is closed.
        let end = settled.get(i + 1).map(|(at, ..)| *at);
        let closed = last.saturating_sub(*from);
        events.extend(of_press(i == 0, closed, end.is_some()));
    }
    events
}

fn of_press(from_start: bool, closed: u64, released: bool) -> Vec<Event> {
    if from_start {
        let mut events = vec![Event::Stuck];
        events.extend(released.then_some(Event::Freed));
        return events;
    }
    let mut events = vec![Event::Down];
    events.extend((closed >= 3_000).then_some(Event::Threshold(Hold::Hold)));
    events.extend((closed >= 10_000).then_some(Event::Threshold(Hold::Long)));
    events.extend((closed >= 20_000).then_some(Event::Stuck));
    if released {
        events.push(match closed {
            0..3_000 => Event::Press(Press::Short),
            3_000..10_000 => Event::Press(Press::Hold),
            10_000..20_000 => Event::Press(Press::Long),
            _ => Event::Freed,
        });
    }
    events
}

/// Edges that alternate, some of them within a bounce of each other.
fn lines() -> impl Strategy<Value = Vec<(u64, Level)>> {
    let step = prop_oneof![3 => 0_u64..25, 2 => 25_u64..1_000, 3 => 1_000_u64..25_000];
    let level = prop_oneof![Just(Pressed), Just(Released)];
    proptest::collection::vec((step, level), 0..40).prop_map(|steps| {
        let mut at = 0;
        let mut sum = |step| {
            at += step;
            at
        };
        steps
            .into_iter()
            .map(|(step, level)| (sum(step), level))
            .collect()
    })
}

fn levels() -> impl Strategy<Value = Level> {
    prop_oneof![Just(Pressed), Just(Released)]
}

proptest! {
    #[test]
    fn agrees_with_the_model(initial in levels(), edges in lines()) {
        let found: Vec<Event> = run(initial, &edges).into_iter().map(|(_, event)| event).collect();
        prop_assert_eq!(found, model(initial, &edges));
    }

    #[test]
    fn when_it_is_asked_does_not_matter(initial in levels(), edges in lines(), asked in proptest::collection::vec(0_u64..200_000, 0..20)) {
        let exact: Vec<Event> = run(initial, &edges).into_iter().map(|(_, event)| event).collect();
        let mut classifier = Classifier::new(initial, ms(0));
        let mut calls: Vec<(u64, Option<Level>)> = edges.iter().map(|(at, level)| (*at, Some(*level))).collect();
        calls.extend(asked.into_iter().map(|at| (at, None)));
        calls.sort_by_key(|(at, _)| *at);
        let end = calls.last().map_or(0, |(at, _)| *at) + 60_000;
        for (at, level) in calls.into_iter().chain([(end, None)]) {
            match level {
                Some(level) => classifier.handle_edge(level, ms(at)),
                None => classifier.handle_timeout(ms(at)),
            }
        }
        let mut found = Vec::new();
        while let Some(event) = classifier.poll_event() {
            found.push(event);
        }
        prop_assert_eq!(found, exact);
    }
}
