//! What opening costs after a kill, with a cold page cache: idle (settled before) and busy.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use heimpost::clock::Clock;

use crate::house::{Content, House, fresh_dir, mail, scaled};

/// Set in the process that fills the store and is killed.
const VICTIM: &str = "HEIMPOST_BENCH_VICTIM";

pub(crate) fn run() {
    if let Ok(plan) = std::env::var(VICTIM) {
        let (dir, mode) = plan.split_once('\n').unwrap();
        fill(Path::new(dir), mode);
    }
    let dir = fresh_dir("reopen");
    for mode in ["idle", "busy"] {
        kill_one(&dir, mode);
        measure(&dir, mode);
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Fills the store up to 2 GB, then ends without a word.
fn fill(dir: &Path, mode: &str) -> ! {
    let house = if heimpost::store::Store::exists(dir) {
        House::open(dir)
    } else {
        let house = House::build(dir);
        house.prefill(scaled(20_000), 4_096, Content::Text);
        house.prefill(scaled(20_000), 96_000, Content::Noise);
        house
    };
    for number in 0..100 {
        house.deliver(number, &mail(number, 4_096, Content::Noise));
    }
    if mode == "idle" {
        house.store.settle().unwrap();
    }
    std::process::abort();
}

fn kill_one(dir: &Path, mode: &str) {
    let status = Command::new(std::env::current_exe().unwrap())
        .arg("reopen")
        .env(VICTIM, format!("{}\n{mode}", dir.display()))
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success());
}

fn measure(dir: &Path, mode: &str) {
    let total = evict(&dir.join("volumes")) + evict(dir);
    let clock = Clock::system();
    let house = House::open(dir);
    let seconds = clock.now().mono.0.as_secs_f64();
    let used = house.reading();
    let index = std::fs::metadata(dir.join("index.redb")).unwrap().len();
    println!(
        "{mode}: {seconds:.3} s, {} bytes read by the store; index file {index}, all files {total} bytes",
        used.read
    );
    let message = {
        let snapshot = house.store.snapshot().unwrap();
        let rows = snapshot
            .rows(
                house.inbox(0),
                heimpost::mail::ids::Uid::MIN,
                heimpost::mail::ids::Uid::MAX,
            )
            .unwrap();
        snapshot
            .record(rows.last().unwrap().serial)
            .unwrap()
            .unwrap()
    };
    let mut out = Vec::new();
    house
        .store
        .blob(message.blob)
        .unwrap()
        .read_at(0, 100_000, &mut out)
        .unwrap();
    println!(
        "{mode}: {:.3} s until the last mail was read",
        clock.now().mono.0.as_secs_f64()
    );
}

/// Takes a directory's files out of the page cache; returns their length.
fn evict(dir: &Path) -> u64 {
    rustix::fs::sync();
    let mut total = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let file = File::open(&path).unwrap();
            total += file.metadata().unwrap().len();
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        }
    }
    total
}
