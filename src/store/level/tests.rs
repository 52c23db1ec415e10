//! Tests of levels as numbers. Those of levels in the store are in `store::tests::rows::levels`.

use proptest::prelude::*;

use super::*;

const THRESHOLDS: Thresholds = Thresholds {
    notice_percent: 80,
    warning_percent: 95,
};

/// Levels after using so many of 1000 bytes, one after the other.
fn check(steps: &[(u64, Level)]) {
    let mut level = Level::Ok;
    for (used, expected) in steps {
        level = level.step(*used, Some(1000), THRESHOLDS);
        assert_eq!(level, *expected, "at {used} of {steps:?}");
    }
}

#[test]
fn a_level_is_entered_at_its_threshold_and_left_three_points_below() {
    use Level::{Full, Notice, Ok, Warning};
    check(&[(0, Ok), (799, Ok), (800, Notice), (770, Notice), (769, Ok)]);
    check(&[(949, Notice), (950, Warning), (920, Warning), (919, Notice)]);
    check(&[(999, Warning), (1000, Full), (970, Full), (969, Warning)]);
    check(&[(5000, Full), (769, Ok), (799, Ok)]);
    check(&[(1000, Full), (930, Warning), (940, Warning), (919, Notice)]);
}

#[test]
fn without_a_limit_nothing_is_ever_full() {
    let level = Level::Full.step(u64::MAX, None, THRESHOLDS);
    assert_eq!(level, Level::Ok);
}

#[test]
fn a_limit_of_nothing_is_always_full() {
    let level = Level::Ok.step(0, Some(0), THRESHOLDS);
    assert_eq!(level, Level::Full);
    let (used, limit) = (0, Some(0));
    let fill = Fill { level, used, limit };
    assert_eq!((fill.percent(), fill.bytes_to_free()), (Some(100), 0));
}

#[test]
fn a_full_trash_takes_a_tenth_more() {
    assert_eq!(with_trash_room(1000), 1100);
    assert_eq!(with_trash_room(u64::MAX), u64::MAX);
    let allowance = |beyond| Allowance {
        level: Level::Full,
        used: 1050,
        quota: Some(1000),
        thresholds: THRESHOLDS,
        beyond,
    };
    assert_eq!(allowance(None).take(1), Err(Error::OverQuota));
    let mut trash = allowance(Some(1100));
    assert_eq!(trash.take(49), Ok(()));
    assert_eq!(trash.take(500), Ok(()), "the last one may be large");
    assert_eq!(trash.take(1), Err(Error::OverQuota));
}

fn level() -> impl Strategy<Value = Level> {
    prop_oneof![
        Just(Level::Ok),
        Just(Level::Notice),
        Just(Level::Warning),
        Just(Level::Full),
        Just(Level::Fault),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_step_is_steady_and_follows_use(
        before in level(),
        limit in prop_oneof![0..2000_u64, any::<u64>()],
        share in 0..150_u64,
    ) {
        let used = u64::try_from(u128::from(limit) * u128::from(share) / 100).unwrap_or(u64::MAX);
        let after = before.step(used, Some(limit), THRESHOLDS);
        prop_assert_ne!(after, Level::Fault);
        prop_assert_eq!(after.step(used, Some(limit), THRESHOLDS), after);
        let more = before.step(used.saturating_add(1), Some(limit), THRESHOLDS);
        prop_assert!(more >= after);
        // Hysteresis only ever holds a level that was there before.
        let fresh = Level::Ok.step(used, Some(limit), THRESHOLDS);
        prop_assert!(after >= fresh && (after == fresh || after <= before));
    }

    #[test]
    fn after_freeing_what_it_takes_mail_is_taken_again(
        limit in prop_oneof![1..2000_u64, 1..u64::MAX / 2],
        over in 0..1000_u64,
    ) {
        let used = limit + over;
        let fill = Fill {
            level: Level::Full,
            used,
            limit: Some(limit),
        };
        let free = fill.bytes_to_free();
        let left = |freed| Level::Full.step(used - freed, Some(limit), THRESHOLDS);
        prop_assert!(left(free) < Level::Full);
        prop_assert_eq!(left(free - 1), Level::Full);
    }
}
