//! Invariants of blobs: each is whole, is referred to, and lies in one place.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use ring::digest::{Context, SHA256};

use super::messages::{Holder, Reference, References};
use super::{Invariant, Report};
use crate::mail::ids::BlobId;
use crate::store::spool::MailRow;
use crate::store::staged::Staged;
use crate::store::volume::{STREAMED, Volume};
use crate::store::{Result, Snapshot, Store, blob};

/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;

/// What the index says of blobs.
struct Known<'a> {
    snapshot: &'a Snapshot,
    references: &'a References,
    garbage: BTreeSet<u64>,
    moved_to: u64,
}

/// Checks every blob, in the stage and in all volumes. Moves and removals wait meanwhile.
pub(super) fn check(store: &Store, report: &mut Report) -> Result<()> {
    let core = &store.0.core;
    let only = core.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
    let snapshot = store.snapshot()?;
    let (rows, references) = snapshot.check_rows()?;
    *report = rows;
    report.blobs = references.len() as u64;
    let known = Known {
        snapshot: &snapshot,
        references: &references,
        garbage: blob::all_garbage(&snapshot)?,
        moved_to: blob::moved_to(&snapshot)?,
    };
    Staged::for_each(&snapshot, |blob, _| {
        known.expect_wanted(report, blob, "the stage");
        Ok(())
    })?;
    for number in core.volumes.numbers()? {
        check_volume(&known, report, &core.volumes.get(number))?;
    }
    drop(only);
    for (blob, reference) in &references {
        if let Err(text) = read_whole(store, *blob)
            // It may have gone since the snapshot was taken.
            && is_still_there(&store.snapshot()?, reference)?
        {
            let text = || format!("blob {blob} of {:?}: {text}", reference.holder);
            report.expect(false, Invariant::BlobPresent, text);
        }
    }
    Ok(())
}

fn is_still_there(snapshot: &Snapshot, reference: &Reference) -> Result<bool> {
    match reference.holder {
        Holder::Record(serial) => Ok(snapshot.record(serial)?.is_some()),
        Holder::Aside(run, serial) => snapshot.is_aside(run, serial),
        Holder::Spool(mail) => Ok(MailRow::find(snapshot, mail)?.is_some()),
    }
}

impl Known<'_> {
    fn expect_wanted(&self, report: &mut Report, blob: u64, place: &str) {
        let wanted = self.references.contains_key(&BlobId(blob)) || self.garbage.contains(&blob);
        report.expect(wanted, Invariant::BlobWanted, || {
            format!("nothing refers to blob {blob} in {place}")
        });
    }
}

fn check_volume(known: &Known<'_>, report: &mut Report, volume: &Volume) -> Result<()> {
    let name = format!("volume {}", volume.number);
    for text in volume.audit()? {
        report.expect(false, Invariant::VolumeWhole, || format!("{name}: {text}"));
    }
    let mut under_way = volume.under_way()?;
    volume.for_each(|blob, _| {
        let streamed = blob >= STREAMED;
        // A copy that a crash left in the middle of a move; the next opening for writing removes it.
        let stray = !streamed && blob > known.moved_to;
        let place = blob::place(known.snapshot, blob)?;
        // Published, and its record not yet written when the snapshot was taken.
        let pending = streamed && place.is_none() && under_way.remove(&blob);
        if !stray && !pending {
            known.expect_wanted(report, blob, &name);
            report.expect(place == Some(volume.number), Invariant::BlobWanted, || {
                format!("blob {blob} is in {name}, the index says {place:?}")
            });
        }
        Ok(())
    })
}

/// Reads a blob from end to end; the error says what is wrong with it.
fn read_whole(store: &Store, id: BlobId) -> std::result::Result<(), String> {
    let mut reader = store.blob(id).map_err(|error| error.to_string())?;
    let (mut hash, mut at, mut piece) = (Context::new(&SHA256), 0, Vec::new());
    loop {
        piece.clear();
        let read = reader.read_at(at, READ_BYTES, &mut piece);
        match read.map_err(|error| error.to_string())? {
            0 => break,
            read => at += read as u64,
        }
        hash.update(&piece);
    }
    let whole = hash.finish().as_ref().starts_with(&reader.digest());
    if whole {
        Ok(())
    } else {
        Err("its bytes are not those that were stored".to_owned())
    }
}
