//! Smallest and largest values that are taken, and times as people write them. Pages say the same before they ask.

use std::time::Duration;

/// Bytes of the largest message.
pub const MESSAGE_BYTES_RANGE: (u64, u64) = (64 << 10, 1 << 30);
/// Recipients of a mail.
pub const RECIPIENTS_RANGE: (u64, u64) = (100, 10_000);
/// Connections at a time.
pub const CONNECTIONS_RANGE: (u64, u64) = (1, 4096);
/// Bytes kept free on the card.
pub const RESERVE_RANGE: (u64, u64) = (8 << 20, 1 << 40);
/// Bytes that the store may take.
pub const CAPACITY_RANGE: (u64, u64) = (64 << 20, 1 << 50);
/// Bytes of a quota.
pub const QUOTA_RANGE: (u64, u64) = (1 << 20, 1 << 50);
/// Where people are told that it fills up.
pub const PERCENT_RANGE: (u64, u64) = (50, 99);
/// Days that mail lies before it goes; 0 is all mail, however new.
pub const ROOM_DAYS_RANGE: (u64, u64) = (0, 3650);
/// Months before mail is archived; 0 is never.
pub const ARCHIVE_MONTHS_RANGE: (u64, u64) = (0, 1200);
/// Days that the last good backup on the stick may be old.
pub const BACKUP_DAYS_RANGE: (u64, u64) = (1, 365);
/// Attempts to send at a time.
pub const ATTEMPTS_RANGE: (u64, u64) = (1, 200);
/// Shortest and longest time of the queue.
pub const SPAN_RANGE: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_hours(24 * 30));

/// A span such as `30s`, `15m`, `4h` or `5d`, within [`SPAN_RANGE`].
pub fn parse_span(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let span = Duration::from_secs(number.checked_mul(seconds)?);
    (SPAN_RANGE.0..=SPAN_RANGE.1)
        .contains(&span)
        .then_some(span)
}
