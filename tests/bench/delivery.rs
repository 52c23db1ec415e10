//! Mails per second, bytes and flushes per mail, by size and number of writers.

use std::sync::atomic::{AtomicU64, Ordering};

use heimpost::clock::Clock;

use crate::house::{Content, House, fresh_dir, mail, scaled};

const PREFILL: u64 = 20_000;

pub(crate) fn run() {
    let dir = fresh_dir("delivery");
    let house = House::build(&dir);
    house.prefill(scaled(PREFILL), 4096, Content::Noise);
    println!(
        "{:>9} {:>7} {:>7} {:>6} {:>9} {:>12} {:>12} {:>8} {:>8}",
        "bytes",
        "content",
        "writers",
        "mails",
        "mails/s",
        "written/byte",
        "device/byte",
        "flushes",
        "device"
    );
    let cases = [
        (4 << 10, Content::Noise, 4_000),
        (4 << 10, Content::Text, 4_000),
        (64 << 10, Content::Noise, 1_500),
        (64 << 10, Content::Base64, 1_500),
        (1 << 20, Content::Noise, 150),
    ];
    let only = std::env::var("HEIMPOST_BENCH_BYTES").ok();
    for (bytes, content, count) in cases {
        if only.as_ref().is_some_and(|only| *only != bytes.to_string()) {
            continue;
        }
        for writers in [1, 10, 50] {
            measure(&house, bytes, content, writers, scaled(count));
        }
    }
    drop(house);
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Delivers `count` mails. The work that they leave for later (moving the stage, the settle commit) is counted too.
fn measure(house: &House, bytes: usize, content: Content, writers: u64, count: u64) {
    house.store.settle().unwrap();
    rustix::fs::sync();
    let clock = Clock::system();
    let before = house.reading();
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    house.deliver(number, &mail(number, bytes, content));
                }
            });
        }
    });
    let seconds = clock.now().mono.0.as_secs_f64();
    house.store.settle().unwrap();
    rustix::fs::sync();
    let used = house.reading().since(before);
    let all = (bytes as u64 * count) as f64;
    println!(
        "{bytes:>9} {:>7} {writers:>7} {count:>6} {:>9.0} {:>12.2} {:>12.2} {:>8.3} {:>8.3}",
        format!("{content:?}"),
        count as f64 / seconds,
        used.written as f64 / all,
        used.device_written as f64 / all,
        used.flushes as f64 / count as f64,
        used.device_flushes as f64 / count as f64,
    );
}
