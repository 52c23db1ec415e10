//! When will it be full? From the growth of the last weeks.
//!
//! The pace is the median of the slopes between all pairs of days (Theil and Sen): a week with one huge mail or one
//! day of tidying up does not move it. After a big clean-up only the days since then count.

use crate::store::types::Sample;

/// Days that are looked back at.
pub const WINDOW_DAYS: u32 = 28;

/// Fewest samples that make a forecast, today's included.
pub const SAMPLES_MIN: usize = 3;

/// Fewest days between the first and the last of them.
pub const SPAN_DAYS_MIN: u32 = 3;

/// Whatever is further away is not foretold.
pub const FORECAST_DAYS_MAX: u32 = 5 * 365;

/// A fall by more than this share of the limit from one sample to the next is a clean-up.
const CLEANUP_SHARE: u64 = 10;

/// Slopes are in bytes a day times this.
const SCALE: i128 = 1 << 16;

/// Days until `limit` is reached at the pace of `samples` (oldest first), rounded up; 0 if it is reached. `today`
/// counts days since 1970-01-01 and has `used` bytes so far.
///
/// `None` without growth, with fewer than [`SAMPLES_MIN`] samples over [`SPAN_DAYS_MIN`] days, and beyond
/// [`FORECAST_DAYS_MAX`].
pub fn days_left(samples: &[Sample], today: u32, used: u64, limit: u64) -> Option<u32> {
    if used >= limit {
        return Some(0);
    }
    let known = since_cleanup(&window(samples, today, used), limit);
    let pace = pace(&known)?;
    let left = i128::from(limit - used) * SCALE;
    let days = u32::try_from((left + pace - 1) / pace).ok()?;
    (days <= FORECAST_DAYS_MAX).then_some(days)
}

/// The samples that count, `used` as today's.
fn window(samples: &[Sample], today: u32, used: u64) -> Vec<Sample> {
    let first = today.saturating_sub(WINDOW_DAYS);
    let counts = |sample: &&Sample| sample.day >= first && sample.day < today;
    let mut known: Vec<Sample> = samples.iter().filter(counts).copied().collect();
    known.push(Sample {
        day: today,
        bytes: used,
    });
    known
}

fn since_cleanup(known: &[Sample], limit: u64) -> Vec<Sample> {
    let fell = |before: &Sample, after: &Sample| {
        before.bytes.saturating_sub(after.bytes) > limit / CLEANUP_SHARE
    };
    let mut pairs = known.iter().zip(known.iter().skip(1));
    let last = pairs.rposition(|(before, after)| fell(before, after));
    known
        .iter()
        .skip(last.map_or(0, |index| index + 1))
        .copied()
        .collect()
}

/// Bytes a day, times [`SCALE`]; `None` if it does not grow or too little is known.
fn pace(known: &[Sample]) -> Option<i128> {
    let span = known.last()?.day.saturating_sub(known.first()?.day);
    if known.len() < SAMPLES_MIN || span < SPAN_DAYS_MIN {
        return None;
    }
    let mut slopes = Vec::new();
    for (index, later) in known.iter().enumerate() {
        let earlier = known.iter().take(index);
        slopes.extend(earlier.filter_map(|earlier| slope(earlier, later)));
    }
    median(&mut slopes).filter(|pace| *pace > 0)
}

fn slope(earlier: &Sample, later: &Sample) -> Option<i128> {
    let days = i128::from(later.day) - i128::from(earlier.day);
    let bytes = i128::from(later.bytes) - i128::from(earlier.bytes);
    (bytes * SCALE).checked_div(days)
}

/// The lower one of two in the middle.
fn median(values: &mut [i128]) -> Option<i128> {
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MB: u64 = 1 << 20;
    const TODAY: u32 = 20_000;

    /// `megabytes` at the end of the days before today, the last one yesterday; `used` and `limit` in megabytes.
    fn check(megabytes: &[u64], used: u64, limit: u64, expected: Option<u32>) {
        let first = TODAY - u32::try_from(megabytes.len()).unwrap();
        let samples: Vec<Sample> = (first..)
            .zip(megabytes)
            .map(|(day, mb)| Sample {
                day,
                bytes: mb * MB,
            })
            .collect();
        let got = days_left(&samples, TODAY, used * MB, limit * MB);
        assert_eq!(got, expected, "{megabytes:?} {used} of {limit}");
    }

    #[test]
    fn table() {
        check(&[], 10, 100, None);
        check(&[10, 20], 30, 100, None);
        check(&[0, 10, 20], 30, 100, Some(7));
        check(&[60, 62, 64, 66, 68], 70, 106, Some(18));
        // One huge mail does not change the pace; a small clean-up slows it.
        check(&[10, 61, 62, 63, 64, 65], 66, 76, Some(10));
        check(&[10, 11, 12, 13, 9, 10, 11, 12], 13, 100, Some(305));
        // After a big clean-up only what came since counts.
        check(&[80, 85, 90, 95, 20, 25, 30], 35, 100, Some(13));
        check(&[80, 85, 90, 95, 20, 25], 30, 100, None);
        // No growth, or too slow.
        check(&[50, 50, 50, 50], 50, 100, None);
        check(&[50, 49, 48, 47], 46, 100, None);
        check(&[1, 1, 1, 2], 2, 100_000, None);
        check(&[10, 20, 30, 40], 100, 100, Some(0));
        check(&[], 101, 100, Some(0));
    }

    #[test]
    fn gaps_and_foreign_days() {
        let sample = |day, mb: u64| Sample {
            day,
            bytes: mb * MB,
        };
        // The box was off for two weeks; what is older than the window, or of the future, is left out.
        let samples = [
            sample(TODAY - 400, 900),
            sample(TODAY - 20, 20),
            sample(TODAY - 18, 22),
            sample(TODAY - 1, 39),
            sample(TODAY + 9, 999),
        ];
        assert_eq!(days_left(&samples, TODAY, 40 * MB, 50 * MB), Some(10));
        assert_eq!(days_left(&samples, 0, 40 * MB, 50 * MB), None);
    }

    proptest! {
        #[test]
        fn an_even_pace_is_found_whatever_one_day_did(
            days in 8_u32..28,
            per_day in 1_u64..50,
            left_days in 1_u32..900,
            outlier in 0_usize..28,
            wrong in 0_u64..100_000,
        ) {
            let limit = (u64::from(days + left_days) * per_day) * MB;
            let mut samples: Vec<Sample> = (0..days)
                .map(|day| Sample { day: TODAY - days + day, bytes: u64::from(day) * per_day * MB })
                .collect();
            if let Some(sample) = samples.get_mut(outlier).filter(|sample| sample.day + 5 < TODAY) {
                // Upwards only within what is no clean-up afterwards.
                sample.bytes = (sample.bytes + wrong).min(sample.bytes + limit / 20);
            }
            let used = u64::from(days) * per_day * MB;
            prop_assert_eq!(days_left(&samples, TODAY, used, limit), Some(left_days));
        }

        #[test]
        fn any_numbers_are_answered(
            samples in proptest::collection::vec((any::<u32>(), any::<u64>()), 0..40),
            today: u32,
            used: u64,
            limit: u64,
        ) {
            let samples: Vec<Sample> = samples
                .into_iter()
                .map(|(day, bytes)| Sample { day, bytes })
                .collect();
            let days = days_left(&samples, today, used, limit);
            prop_assert!(days.is_none_or(|days| days <= FORECAST_DAYS_MAX));
            prop_assert_eq!(days == Some(0), used >= limit);
        }
    }
}
