//! The patterns as drawn lines, and what holds for any sequence of patterns.

use proptest::prelude::*;

use super::*;

const ALL: [Pattern; 13] = [
    Pattern::Dark,
    Pattern::Steady,
    Pattern::Quiet,
    Pattern::Even,
    Pattern::LongOn,
    Pattern::Flashes(Count::Two),
    Pattern::Flashes(Count::Three),
    Pattern::Flashes(Count::Four),
    Pattern::Flashes(Count::Five),
    Pattern::Flashes(Count::Six),
    Pattern::Felt,
    Pattern::Held,
    Pattern::HeldLong,
];

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// One character per 100 ms.
fn draw(player: &Player, from: u64, count: u64) -> String {
    (0..count)
        .map(|i| player.level(ms(from + i * 100)))
        .map(|lit| if lit { '#' } else { '.' })
        .collect()
}

#[test]
fn patterns_look_as_the_legend_says() {
    let off = ".".repeat(20);
    for (pattern, drawn) in [
        (Pattern::Dark, ".".repeat(40)),
        (Pattern::Steady, "#".repeat(40)),
        (Pattern::Even, "#####.....".repeat(4)),
        (Pattern::LongOn, "##################..".repeat(2)),
        (Pattern::Felt, ".".repeat(20)),
        (Pattern::Held, "#".repeat(20)),
        (Pattern::HeldLong, "###...".repeat(4)),
        (
            Pattern::Flashes(Count::Two),
            format!("##...##{off}").repeat(2),
        ),
        (
            Pattern::Flashes(Count::Three),
            format!("##...##...##{off}##"),
        ),
        (
            Pattern::Flashes(Count::Four),
            format!("##...##...##...##{off}##"),
        ),
        (
            Pattern::Flashes(Count::Five),
            format!("##...##...##...##...##{off}##"),
        ),
        (
            Pattern::Flashes(Count::Six),
            format!("##...##...##...##...##...##{off}##"),
        ),
    ] {
        let mut player = Player::new();
        player.set(pattern, ms(7_777));
        let count = u64::try_from(drawn.len()).unwrap();
        assert_eq!(draw(&player, 7_777, count), drawn, "{pattern}");
    }
}

#[test]
fn quiet_ticks_for_50_ms_every_30_s() {
    let mut player = Player::new();
    player.set(Pattern::Quiet, ms(0));
    assert_eq!(player.next_change(ms(0)), Some(ms(50)));
    assert_eq!(player.next_change(ms(50)), Some(ms(30_000)));
    assert!(player.level(ms(30_049)) && !player.level(ms(30_050)));
}

#[test]
fn the_same_pattern_again_changes_nothing() {
    let mut player = Player::new();
    player.set(Pattern::Flashes(Count::Four), ms(0));
    let before = draw(&player, 0, 100);
    for at in [0, 130, 250, 1_900, 3_333] {
        player.set(Pattern::Flashes(Count::Four), ms(at));
    }
    assert_eq!(draw(&player, 0, 100), before);
}

#[test]
fn another_pattern_begins_after_a_pause() {
    for (second, drawn) in [
        (Pattern::Dark, "...................."),
        (Pattern::Steady, ".....###############"),
        (Pattern::Flashes(Count::Three), "..........##...##..."),
    ] {
        let mut player = Player::new();
        player.set(Pattern::Even, ms(0));
        player.set(second, ms(2_100));
        assert_eq!(draw(&player, 2_100, 20), drawn, "{second}");
    }
}

#[test]
fn dark_time_that_has_passed_counts_for_the_pause() {
    let mut player = Player::new();
    player.set(Pattern::Flashes(Count::Two), ms(0));
    // Dark since 700.
    player.set(Pattern::Steady, ms(2_000));
    assert!(player.level(ms(2_000)));
}

#[test]
fn a_storm_of_patterns_does_not_keep_the_led_dark() {
    let mut player = Player::new();
    player.set(Pattern::Steady, ms(0));
    for i in 0..20 {
        let other = if i % 2 == 0 {
            Pattern::Even
        } else {
            Pattern::LongOn
        };
        player.set(other, ms(1_000 + i * 20));
    }
    assert_eq!(draw(&player, 1_400, 3), ".##");
}

fn sequences() -> impl Strategy<Value = Vec<(u64, Pattern)>> {
    let step = (0_u64..2_500, proptest::sample::select(&ALL[..]));
    proptest::collection::vec(step, 1..30)
}

/// Every change of level while `sequence` is set, and 10 s longer, as [`Player::next_change`] tells them.
fn changes(sequence: &[(u64, Pattern)]) -> Vec<(Duration, bool)> {
    let mut player = Player::new();
    let (mut now, mut lit, mut found) = (ms(0), false, Vec::new());
    let ends = [(10_000, Pattern::Dark)];
    for (wait, pattern) in sequence.iter().chain(&ends) {
        let until = now + ms(*wait);
        while now < until {
            if player.level(now) != lit {
                lit = !lit;
                found.push((now, lit));
            }
            match player.next_change(now) {
                Some(next) if next < until => {
                    assert!(next > now, "{next:?} is not after {now:?}");
                    now = next;
                }
                _ => now = until,
            }
        }
        player.set(*pattern, now);
    }
    found
}

proptest! {
    #[test]
    fn never_more_than_three_flashes_in_any_second(sequence in sequences()) {
        let begins: Vec<Duration> = changes(&sequence)
            .into_iter()
            .filter_map(|(at, lit)| lit.then_some(at))
            .collect();
        for pair in begins.windows(2) {
            prop_assert!(pair[1] >= pair[0] + FLASH_DISTANCE_MIN, "{:?}", pair);
        }
        for four in begins.windows(4) {
            prop_assert!(four[3] > four[0] + ms(1_000), "{:?}", four);
        }
    }

    #[test]
    fn changes_are_told_as_they_happen(sequence in sequences()) {
        let told = changes(&sequence);
        let mut player = Player::new();
        let mut sets = sequence.iter();
        let mut next = sets.next().map(|(wait, pattern)| (*wait, *pattern));
        let (mut lit, mut seen) = (false, Vec::new());
        let end: u64 = sequence.iter().map(|(wait, _)| wait).sum::<u64>() + 10_000;
        for at in 0..end {
            while let Some((due, pattern)) = next.filter(|(due, _)| *due == at) {
                player.set(pattern, ms(at));
                next = sets.next().map(|(wait, pattern)| (due + wait, *pattern));
            }
            if player.level(ms(at)) != lit {
                lit = !lit;
                seen.push((ms(at), lit));
            }
        }
        prop_assert_eq!(told, seen);
    }

    #[test]
    fn what_is_set_last_is_shown_at_last(sequence in sequences()) {
        let mut player = Player::new();
        let mut now = 0;
        for (wait, pattern) in &sequence {
            now += wait;
            player.set(*pattern, ms(now));
        }
        let mut fresh = Player::new();
        fresh.set(player.pattern(), player.begins);
        let begins = u64::try_from(player.begins.as_millis()).unwrap();
        prop_assert!(begins <= now + 1_000);
        prop_assert_eq!(draw(&player, begins, 100), draw(&fresh, begins, 100));
    }
}
