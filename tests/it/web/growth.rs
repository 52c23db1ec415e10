//! A box that has filled up for weeks: the curve of what was and will be in use, and the same in words.

use std::path::Path;
use std::time::Duration;

use heimpost::cli::connect::store_options;
use heimpost::clock::{Clock, Now, Wall};
use heimpost::config::Settings;
use heimpost::mail::flags::Flags;
use heimpost::mail::mailbox_name::MailboxName;
use heimpost::store::types::{Filing, QuotaRule};
use heimpost::store::{Append, Store};

use super::client::{House, Page, add};
use crate::app;

const DAY: i64 = 86_400;

/// Bytes that come each day, and room for them.
const DAILY: usize = 1 << 20;
const CAPACITY: u64 = 128 << 20;

/// A box that got [`DAILY`] bytes on each of so many days, up to yesterday.
async fn grown(days: i64) -> House {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(dir.path());
    add(&settings, "anna@heimpost.local").await;
    let (filled, today) = (settings.clone(), Clock::system().now());
    let fill = move || fill(&filled, days, today);
    tokio::task::spawn_blocking(fill).await.unwrap();
    House::on(dir, settings, ("", "")).await
}

fn settings(dir: &Path) -> Settings {
    let mut settings = app::settings(&dir.join("data"));
    settings.storage.capacity_max = Some(CAPACITY);
    settings
}

fn fill(settings: &Settings, days: i64, today: Now) {
    let store = Store::open(&settings.data, &store_options(settings), today).unwrap();
    for ago in (0..days).rev() {
        let wall = Wall(today.wall.unwrap().0 - ago * DAY);
        deliver(&store, wall, u64::try_from(ago).unwrap());
        // What was in use when the day before this one ended.
        let now = Now {
            wall: Some(wall),
            ..today
        };
        store.note_growth(now).unwrap();
    }
}

/// A mail that does not get smaller by compressing it.
fn deliver(store: &Store, wall: Wall, seed: u64) {
    let mut noise = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let body = (0..DAILY).map(|_| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        b'!' + u8::try_from((noise >> 32) % 90).unwrap()
    });
    let mut writer = store.begin_blob(None).unwrap();
    writer.write(b"Subject: Photos\r\n\r\n").unwrap();
    writer.write(&body.collect::<Vec<u8>>()).unwrap();
    let snapshot = store.snapshot().unwrap();
    let anna = snapshot.owner().unwrap().unwrap().id;
    let inbox = snapshot.mailbox_by_name(anna, &MailboxName::inbox());
    let filing = Filing {
        mailbox: inbox.unwrap().unwrap().id,
        flags: Flags::default(),
        internal_date: wall,
        prefix: Vec::new(),
        quota: QuotaRule::Enforce,
    };
    let append = Append {
        blob: writer.finish().unwrap(),
        summary: Vec::new(),
        filings: vec![filing],
        spool: Vec::new(),
    };
    let now = Now {
        mono: heimpost::clock::Mono(Duration::ZERO),
        wall: Some(wall),
    };
    store.append_all(vec![append], now).unwrap();
}

/// The points of a line of the curve.
fn points(page: &Page, class: &str) -> Vec<(u32, u32)> {
    let text = page.text();
    let line = text.split(&format!("class=\"{class}\" points=\"")).nth(1);
    let line = line.unwrap_or_else(|| panic!("no {class}: {text}"));
    let line = line.split('"').next().unwrap();
    let point = |pair: &str| {
        let (x, y) = pair.split_once(',').unwrap();
        (x.parse().unwrap(), y.parse().unwrap())
    };
    line.split(' ').map(point).collect()
}

#[tokio::test]
async fn the_curve_climbs_and_goes_on_to_the_limit() {
    let house = grown(20).await;
    let mut owner = house.owner().await;
    let page = owner.get("/box").await.expect(200);
    let past = points(&page, "line");
    assert_eq!(past.len(), 21, "twenty days and today: {past:?}");
    assert!(past.is_sorted_by(|one, next| one.0 < next.0), "{past:?}");
    // Up is less.
    assert!(past.is_sorted_by(|one, next| one.1 >= next.1), "{past:?}");
    let (first, last) = (past[0].1, past[20].1);
    assert!(first > last + 20, "{past:?}");
    let ahead = points(&page, "line ahead");
    assert_eq!(ahead[0], past[20], "it goes on where the past ends");
    assert!(ahead[1].1 < ahead[0].1, "{ahead:?}");
    assert!(page.has("In use 20 days ago:"), "{}", page.text());
    assert!(page.has("full in about"), "{}", page.text());
    owner.language = "de".to_owned();
    let page = owner.get("/box").await.expect(200);
    assert!(page.has("Belegt vor 20 Tagen:"), "{}", page.text());
    house.stop().await;
}

#[tokio::test]
async fn two_days_are_no_forecast() {
    let house = grown(2).await;
    let mut owner = house.owner().await;
    let page = owner.get("/box").await.expect(200);
    assert_eq!(points(&page, "line").len(), 3);
    assert!(!page.has("line ahead") && !page.has("full in about"));
    house.stop().await;
}
