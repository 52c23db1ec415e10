//! Space used per byte of mail, and index bytes per mail, on a mix of sizes as mailboxes have it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::house::{Content, House, Random, fresh_dir, mail, scaled};

/// Sizes and how many of a hundred mails have them: mostly small, most bytes in attachments.
const MIX: [(usize, u64, Content); 6] = [
    (2_000, 20, Content::Text),
    (4_500, 30, Content::Text),
    (12_000, 25, Content::Text),
    (40_000, 14, Content::Text),
    (150_000, 8, Content::Base64),
    (1_500_000, 3, Content::Base64),
];

pub(crate) fn run() {
    let dir = fresh_dir("space");
    let house = House::build(&dir);
    let count = scaled(10_000);
    let mut random = Random(7);
    let mut plain = 0;
    let mut packed = 0;
    for first in (0..count).step_by(100) {
        let mut batch = Vec::new();
        for number in first..count.min(first + 100) {
            let (bytes, content) = pick(&mut random);
            plain += bytes as u64;
            let append = house.append_of(number, &mail(number, bytes, content));
            packed += append.blob.stored_bytes();
            batch.push(append);
        }
        house.store.append(batch, crate::house::now()).unwrap();
    }
    house.store.settle().unwrap();
    drop(house);
    let index = allocated(&dir.join("index.redb"));
    let volumes: u64 = std::fs::read_dir(dir.join("volumes"))
        .unwrap()
        .map(|entry| allocated(&entry.unwrap().path()))
        .sum();
    println!("{count} mails, {plain} bytes, compressed {packed}");
    println!("index {index} bytes, {} per mail", index / count);
    println!(
        "volumes {volumes} bytes: {:.3} of the compressed, {:.3} of the plain bytes",
        volumes as f64 / packed as f64,
        volumes as f64 / plain as f64
    );
    std::fs::remove_dir_all(&dir).unwrap();
}

fn pick(random: &mut Random) -> (usize, Content) {
    let mut rest = random.next() % 100;
    for (bytes, share, content) in MIX {
        if rest < share {
            let spread = bytes / 2 + (random.next() % bytes as u64) as usize;
            return (spread, content);
        }
        rest -= share;
    }
    (1_000, Content::Text)
}

/// Bytes that the file takes on the device: it may have holes.
fn allocated(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().blocks() * 512
}
