//! Tests of the engine through a [`Store`] in memory.

use std::sync::Arc;
use std::thread;

use super::blob;
use super::tx::ReadRows;
use super::{Error, NewBlob, Options, Store};
use crate::mail::ids::BlobId;
use redb::{ReadableTable, TableDefinition};

const ROWS: TableDefinition<'_, u64, u64> = TableDefinition::new("test");

fn store() -> Store {
    Store::in_memory(&Options::default()).unwrap()
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
