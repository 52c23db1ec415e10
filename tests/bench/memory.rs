//! Resident memory while a mail of 50 MB comes in and goes out, in a store that holds others.

use crate::counting::resident_kib;
use crate::house::{Content, House, Random, fresh_dir, now, scaled};

const BYTES: u64 = 50 << 20;

pub(crate) fn run() {
    let dir = fresh_dir("memory");
    let house = House::build(&dir);
    house.prefill(scaled(5_000), 4_096, Content::Text);
    let (_, before) = resident_kib();
    let mut append = house.append_of(0, b"");
    let mut writer = house.store.begin_blob(Some(BYTES)).unwrap();
    let mut random = Random(9);
    while writer.bytes() < BYTES {
        let piece: Vec<u8> = (0..2_000)
            .flat_map(|_| random.next().to_le_bytes())
            .collect();
        writer.write(&piece).unwrap();
    }
    append.blob = writer.finish().unwrap();
    let digest_of = house.store.append(vec![append], now()).unwrap();
    let serial = digest_of[0][0].as_ref().unwrap().serial;
    let (peak_in, after_in) = resident_kib();
    let record = house
        .store
        .snapshot()
        .unwrap()
        .record(serial)
        .unwrap()
        .unwrap();
    let mut reader = house.store.blob(record.blob).unwrap();
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        out.clear();
        match reader.read_at(at, 64 << 10, &mut out).unwrap() {
            0 => break,
            read => at += read as u64,
        }
    }
    let (peak, after) = resident_kib();
    println!(
        "before {before} KiB; after taking {at} bytes {after_in} KiB, peak {peak_in} KiB; \
         after giving them {after} KiB, peak {peak} KiB"
    );
    drop(reader);
    drop(house);
    std::fs::remove_dir_all(&dir).unwrap();
}
