//! Tests of the engine through a [`Store`] in memory.

mod ballast;
mod card;
mod files;
mod rows;

use std::sync::Arc;
use std::thread;

use super::blob;
use super::media::{Media, Memory};
use super::staged::Staged;
use super::tx::ReadRows;
use super::{Error, NewBlob, Options, Store, Upkeep};
use crate::clock::{Clock, Wall};
use crate::mail::ids::BlobId;
use redb::{ReadableTable, TableDefinition};

const ROWS: TableDefinition<'_, u64, u64> = TableDefinition::new("test");

fn store() -> Store {
    open(&(Arc::new(Memory::default()) as Arc<dyn Media>))
}

fn open(media: &Arc<dyn Media>) -> Store {
    let options = Options {
        upkeep: Upkeep::Inline,
        volume_bytes_max: 1 << 20,
        ..Options::default()
    };
    let now = Clock::virtual_at(Wall::FLOOR).now();
    Store::open_on(Arc::clone(media), &options, now).unwrap()
}

/// Bytes that do not compress, different for each seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn is_staged(store: &Store, id: BlobId) -> bool {
    Staged::exists(&store.snapshot().unwrap(), id.0).unwrap()
}

fn new_blob(store: &Store, bytes: &[u8]) -> NewBlob {
    let mut writer = store.begin_blob(None).unwrap();
    for piece in bytes.chunks(10_000) {
        writer.write(piece).unwrap();
    }
    writer.finish().unwrap()
}

fn file(store: &Store, new: NewBlob) -> BlobId {
    store.0.commit(move |tx| blob::file(tx, &new)).unwrap()
}

fn read_all(store: &Store, id: BlobId) -> Vec<u8> {
    let mut reader = store.blob(id).unwrap();
    let mut out = Vec::new();
    while reader.read_at(out.len() as u64, 50_000, &mut out).unwrap() > 0 {}
    assert_eq!(out.len() as u64, reader.bytes());
    out
}

#[test]
fn blob_lives_until_its_last_reference_goes() {
    let store = store();
    let bytes: Vec<u8> = (0..150_000_u32).map(|i| (i % 251) as u8).collect();
    let id = file(&store, new_blob(&store, &bytes));
    assert_eq!(read_all(&store, id), bytes);
    store
        .0
        .commit(move |tx| blob::add_reference(tx, id))
        .unwrap();
    for references in [2, 1] {
        assert_eq!(
            blob::references(&store.snapshot().unwrap(), id),
            Ok(references)
        );
        assert_eq!(read_all(&store, id), bytes);
        store.0.commit(move |tx| blob::release(tx, id)).unwrap();
    }
    assert_eq!(store.blob(id).err(), Some(Error::NotFound("blob")));
}

#[test]
fn failing_closures_spoil_nothing_for_others() {
    let store = store();
    let store = Arc::new(store);
    let threads: Vec<_> = (0..40_u64)
        .map(|n| {
            let store = Arc::clone(&store);
            thread::spawn(move || {
                store.0.commit(move |tx| {
                    tx.write(ROWS)?.insert(n, n)?;
                    match n % 4 {
                        0 => Err(Error::Refused("zero")),
                        1 => panic!("one"),
                        _ => Ok(n),
                    }
                })
            })
        })
        .collect();
    for (n, thread) in (0_u64..).zip(threads) {
        let result = thread.join().unwrap();
        match n % 4 {
            0 => assert_eq!(result, Err(Error::Refused("zero"))),
            1 => assert!(matches!(result, Err(Error::Fault(_)))),
            _ => assert_eq!(result, Ok(n)),
        }
    }
    let snapshot = store.snapshot().unwrap();
    let rows = snapshot.read(ROWS).unwrap();
    let keys: Vec<u64> = rows
        .iter()
        .unwrap()
        .map(|row| row.unwrap().0.value())
        .collect();
    let expected: Vec<u64> = (0..40).filter(|n| n % 4 > 1).collect();
    assert_eq!(keys, expected);
}

#[test]
fn stage_moves_to_volumes_and_survives_closing() {
    let media: Arc<dyn Media> = Arc::new(Memory::default());
    let store = open(&media);
    let sizes = [0, 1, 700, 2_500, 4_096, 20_000, 65_392, 65_393, 70_000];
    let blobs: Vec<(BlobId, Vec<u8>)> = (0..300)
        .zip(sizes.into_iter().cycle())
        .map(|(n, len)| {
            let bytes = noise(n, len);
            (file(&store, new_blob(&store, &bytes)), bytes)
        })
        .collect();
    assert!(!is_staged(&store, blobs[0].0) && is_staged(&store, blobs[299].0));
    for (id, bytes) in &blobs {
        assert_eq!(read_all(&store, *id), *bytes);
    }
    drop(store);
    assert!(media.list("volumes/").unwrap().len() > 1, "{media:?}");
    let store = open(&media);
    for (id, bytes) in &blobs {
        assert!(!is_staged(&store, *id));
        assert_eq!(read_all(&store, *id), *bytes);
    }
}

#[test]
fn large_blobs_stream_side_by_side() {
    let media: Arc<dyn Media> = Arc::new(Memory::default());
    let store = open(&media);
    let (one, two) = (noise(1, 900_000), noise(2, 700_001));
    let mut first = store.begin_blob(None).unwrap();
    first.write(&one[..500_000]).unwrap();
    let second = new_blob(&store, &two);
    let mut aborted = store.begin_blob(None).unwrap();
    aborted.write(&noise(3, 400_000)).unwrap();
    let second = file(&store, second);
    drop(aborted);
    first.write(&one[500_000..]).unwrap();
    let first = file(&store, first.finish().unwrap());
    drop(new_blob(&store, &noise(4, 300_000)));
    drop(store);
    let store = open(&media);
    assert_eq!(read_all(&store, first), one);
    assert_eq!(read_all(&store, second), two);
    let mut middle = Vec::new();
    let mut reader = store.blob(second).unwrap();
    assert_eq!(reader.read_at(600_000, 70_000, &mut middle), Ok(70_000));
    assert_eq!(middle, two[600_000..670_000]);
    assert_eq!(reader.read_at(700_001, 1, &mut middle), Ok(0));
}

#[test]
fn released_blob_stays_while_it_is_read() {
    let store = store();
    let large = noise(5, 300_000);
    let ids = [
        file(&store, new_blob(&store, b"small")),
        file(&store, new_blob(&store, &large)),
    ];
    let mut readers = ids.map(|id| store.blob(id).unwrap());
    for id in ids {
        store.0.commit(move |tx| blob::release(tx, id)).unwrap();
    }
    store.settle().unwrap();
    let mut out = Vec::new();
    assert_eq!(readers[0].read_at(0, 100, &mut out), Ok(5));
    assert_eq!(readers[1].read_at(299_000, 10_000, &mut out), Ok(1_000));
    assert_eq!(out[5..], large[299_000..]);
    drop(readers);
    store.settle().unwrap();
    for id in ids {
        assert_eq!(store.blob(id).err(), Some(Error::NotFound("blob")));
    }
}
