//! The LED's table, and the button as dialogs: what happens, then what is to be seen.

use proptest::prelude::*;

use super::*;

const LEVELS: [Level; 5] = [
    Level::Ok,
    Level::Notice,
    Level::Warning,
    Level::Full,
    Level::Fault,
];

fn at(seconds: u64) -> Mono {
    Mono(Duration::from_secs(seconds))
}

/// A started box at `level`.
fn policy(level: Level) -> Policy {
    let mut policy = Policy::new(Manner::Plain);
    policy.handle_state(level, None, at(0));
    policy.end_turning();
    policy
}

fn pattern(policy: &Policy) -> Pattern {
    policy.view().pattern
}

#[test]
fn each_level_has_its_pattern() {
    for (level, expected) in [
        (Level::Ok, Pattern::Steady),
        (Level::Notice, Pattern::Flashes(Count::Two)),
        (Level::Warning, Pattern::Flashes(Count::Three)),
        (Level::Full, Pattern::Flashes(Count::Four)),
        (Level::Fault, Pattern::Flashes(Count::Six)),
    ] {
        assert_eq!(pattern(&policy(level)), expected);
    }
}

#[test]
fn the_worst_condition_wins() {
    let five = Pattern::Flashes(Count::Five);
    let six = Pattern::Flashes(Count::Six);
    // Level, whether the clock is set, whether the setup window is open, whether room is being made.
    for (level, clock, setup, room, expected) in [
        (Level::Ok, false, false, false, five),
        (Level::Warning, false, false, false, five),
        (
            Level::Full,
            false,
            false,
            false,
            Pattern::Flashes(Count::Four),
        ),
        (Level::Full, false, true, false, Pattern::LongOn),
        (Level::Full, true, true, true, Pattern::Even),
        (Level::Ok, true, false, true, Pattern::Even),
        (Level::Fault, false, true, true, six),
    ] {
        let mut policy = policy(level);
        let trouble = (!clock).then_some(Trouble::Clock);
        policy.handle_state(level, trouble, at(0));
        if setup {
            assert_eq!(policy.handle_press(Press::Long, at(0)), Action::SetupOpened);
        }
        if room {
            assert_eq!(policy.handle_press(Press::Hold, at(0)), Action::MakeRoom);
        }
        assert_eq!(
            pattern(&policy),
            expected,
            "{level:?} {clock} {setup} {room}"
        );
    }
}

#[test]
fn a_box_that_starts_or_stops_is_busy() {
    let mut policy = Policy::new(Manner::Plain);
    assert_eq!(pattern(&policy), Pattern::Even);
    assert_eq!(policy.handle_press(Press::Hold, at(0)), Action::AlreadyBusy);
    policy.end_turning();
    assert_eq!(pattern(&policy), Pattern::Steady);
    assert!(policy.begin_room());
    policy.begin_turning();
    policy.end_room();
    assert_eq!(pattern(&policy), Pattern::Even);
}

#[test]
fn the_quiet_manner_is_only_for_good_days() {
    let mut policy = Policy::new(Manner::Quiet);
    policy.end_turning();
    assert_eq!(pattern(&policy), Pattern::Quiet);
    assert!(!policy.view().acknowledged);
    policy.handle_state(Level::Notice, None, at(1));
    assert_eq!(pattern(&policy), Pattern::Flashes(Count::Two));
}

/// What happens in a dialog.
enum Step {
    Level(Level),
    Press(Press, Action),
    RoomMade,
    /// Hours go by.
    Wait(u64),
}

/// Plays `steps`, each with the pattern that is to be seen after it.
fn play(level: Level, steps: &[(Step, Pattern)]) {
    let mut policy = policy(level);
    let mut now = 0;
    for (number, (step, expected)) in steps.iter().enumerate() {
        match step {
            Step::Level(level) => policy.handle_state(*level, None, at(now)),
            Step::Press(press, action) => {
                assert_eq!(
                    policy.handle_press(*press, at(now)),
                    *action,
                    "step {number}"
                );
            }
            Step::RoomMade => policy.end_room(),
            Step::Wait(hours) => {
                now += hours * 3600;
                policy.handle_timeout(at(now));
            }
        }
        assert_eq!(pattern(&policy), *expected, "step {number}");
    }
}

const TWO: Pattern = Pattern::Flashes(Count::Two);
const THREE: Pattern = Pattern::Flashes(Count::Three);
const FOUR: Pattern = Pattern::Flashes(Count::Four);
const SIX: Pattern = Pattern::Flashes(Count::Six);
const QUIETED: Step = Step::Press(Press::Short, Action::Quieted);

#[test]
fn a_short_press_is_quiet_for_a_day() {
    play(
        Level::Full,
        &[
            (QUIETED, Pattern::Quiet),
            (Step::Wait(23), Pattern::Quiet),
            (Step::Level(Level::Full), Pattern::Quiet),
            (Step::Wait(1), FOUR),
        ],
    );
}

#[test]
fn what_gets_worse_is_shown_again() {
    play(
        Level::Notice,
        &[
            (QUIETED, Pattern::Quiet),
            (Step::Level(Level::Warning), THREE),
            (Step::Level(Level::Notice), TWO),
        ],
    );
}

#[test]
fn what_got_better_and_worse_again_is_shown_again() {
    play(
        Level::Warning,
        &[
            (QUIETED, Pattern::Quiet),
            (Step::Level(Level::Notice), Pattern::Quiet),
            (Step::Level(Level::Warning), THREE),
        ],
    );
}

#[test]
fn a_fault_is_never_quiet() {
    play(
        Level::Full,
        &[
            (QUIETED, Pattern::Quiet),
            (Step::Level(Level::Fault), SIX),
            (Step::Press(Press::Short, Action::NotQuieted), SIX),
            (Step::Level(Level::Full), FOUR),
        ],
    );
}

#[test]
fn a_hold_makes_room_once_at_a_time() {
    play(
        Level::Full,
        &[
            (Step::Press(Press::Hold, Action::MakeRoom), Pattern::Even),
            (Step::Press(Press::Hold, Action::AlreadyBusy), Pattern::Even),
            (Step::Level(Level::Ok), Pattern::Even),
            (Step::RoomMade, Pattern::Steady),
            (Step::Press(Press::Hold, Action::MakeRoom), Pattern::Even),
        ],
    );
}

#[test]
fn mail_that_does_not_get_out_is_told() {
    for trouble in [Trouble::Delivery, Trouble::Dns, Trouble::Network] {
        let mut policy = policy(Level::Warning);
        policy.handle_state(Level::Warning, Some(trouble), at(1));
        assert_eq!(pattern(&policy), Pattern::Flashes(Count::Five));
        assert!(
            policy
                .view()
                .condition
                .in_words()
                .contains("does not get out")
        );
        policy.handle_press(Press::Short, at(2));
        assert_eq!(pattern(&policy), Pattern::Quiet);
    }
    assert!(Trouble::Network > Trouble::Dns && Trouble::Dns > Trouble::Delivery);
}

#[test]
fn quiet_outlasts_making_room() {
    play(
        Level::Full,
        &[
            (QUIETED, Pattern::Quiet),
            (Step::Press(Press::Hold, Action::MakeRoom), Pattern::Even),
            (Step::RoomMade, Pattern::Quiet),
        ],
    );
}

#[test]
fn the_setup_window_closes_by_itself() {
    let mut policy = policy(Level::Ok);
    policy.handle_press(Press::Long, at(0));
    assert!(policy.setup_is_open());
    assert_eq!(policy.poll_timeout(), Some(at(600)));
    policy.handle_timeout(at(599));
    assert_eq!(pattern(&policy), Pattern::LongOn);
    policy.handle_timeout(at(600));
    assert_eq!(pattern(&policy), Pattern::Steady);
    assert_eq!(policy.poll_timeout(), None);
}

fn steps() -> impl Strategy<Value = Vec<(u64, u8, usize)>> {
    proptest::collection::vec((0_u64..50_000, 0_u8..6, 0_usize..LEVELS.len()), 0..60)
}

proptest! {
    #[test]
    fn a_fault_always_shows_and_quiet_has_a_reason(steps in steps()) {
        let mut policy = policy(Level::Ok);
        let (mut now, mut level) = (0, Level::Ok);
        // When the short press was that still may count, and the worst that may be hidden by it.
        let mut hidden: Option<(u64, Level)> = None;
        for (wait, what, which) in steps {
            now += wait;
            match what {
                0 | 1 => {
                    level = LEVELS[which];
                    policy.handle_state(level, None, at(now));
                    hidden = hidden.filter(|(_, worst)| level <= *worst);
                    hidden = hidden.map(|(since, _)| (since, level));
                }
                2 => {
                    policy.handle_press(Press::Short, at(now));
                    if level < Level::Fault {
                        hidden = Some((now, level));
                    }
                }
                3 => {
                    policy.handle_press(Press::Hold, at(now));
                }
                4 => {
                    policy.handle_press(Press::Long, at(now));
                }
                _ => policy.end_room(),
            }
            policy.handle_timeout(at(now));
            hidden = hidden.filter(|(since, _)| now < since + QUIET_FOR.as_secs());
            let view = policy.view();
            prop_assert_eq!(view.pattern == SIX, level == Level::Fault);
            prop_assert_eq!(view.acknowledged, hidden.is_some() && view.condition < Condition::Setup);
            if view.pattern == Pattern::Quiet {
                prop_assert!(hidden.is_some());
            }
            if let Some(due) = policy.poll_timeout() {
                prop_assert!(due > at(now));
            }
        }
    }
}
