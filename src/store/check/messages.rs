//! Invariants of messages: rows, records, counters, marks, the log of expunges, references to blobs.

use std::collections::{BTreeMap, BTreeSet};

use redb::ReadableTable;

use super::{Invariant, Report};
use crate::mail::ids::{AccountId, BlobId, MailboxId, Serial, SpoolId};
use crate::store::aside::RunId;
use crate::store::blob;
use crate::store::counters::{AccountCounters, Counters, MailboxCounters};
use crate::store::device::devices;
use crate::store::expunge;
use crate::store::level;
use crate::store::mailbox::{MailboxRow, names};
use crate::store::pop3;
use crate::store::purge;
use crate::store::record::{Stored, find_flags, scan_all};
use crate::store::recount::count;
use crate::store::schema::{EXPUNGED, FLAGS, RECORDS};
use crate::store::tx::ReadRows;
use crate::store::types::{MessageRow, Usage};
use crate::store::{Result, Snapshot};

/// Something that refers to a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Holder {
    /// A message.
    Record(Serial),
    /// A message that a run has set aside.
    Aside(RunId, Serial),
    /// A mail that waits to be sent.
    Spool(SpoolId),
}

/// Who refers to a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Reference {
    /// How many do.
    pub(in crate::store) count: u32,
    /// One of them.
    pub(in crate::store) holder: Holder,
}

/// All blobs that something refers to.
pub(in crate::store) type References = BTreeMap<BlobId, Reference>;

/// Counts a reference.
pub(super) fn count_reference(references: &mut References, blob: BlobId, holder: Holder) {
    references
        .entry(blob)
        .and_modify(|reference| reference.count += 1)
        .or_insert(Reference { count: 1, holder });
}

pub(super) fn check(snapshot: &Snapshot, report: &mut Report) -> Result<References> {
    for account in snapshot.accounts()? {
        check_account(snapshot, report, account.id)?;
    }
    check_flags_keys(snapshot, report)?;
    check_marks(snapshot, report)?;
    check_records(snapshot, report)
}

/// Every blob is referred to as often as is counted.
pub(super) fn check_references(
    snapshot: &Snapshot,
    report: &mut Report,
    references: &References,
) -> Result<()> {
    for (blob, reference) in references {
        let counted = blob::references(snapshot, *blob)?;
        report.expect(
            counted == reference.count,
            Invariant::BlobReferences,
            || {
                format!(
                    "blob {blob} has {} references, counted are {counted}",
                    reference.count
                )
            },
        );
    }
    Ok(())
}

fn check_account(snapshot: &Snapshot, report: &mut Report, id: AccountId) -> Result<()> {
    let Some(counters) = AccountCounters::find(snapshot, id)? else {
        return Ok(());
    };
    let mut usage = Usage::default();
    for (_, mailbox) in names(snapshot, id)? {
        let row = MailboxRow::find(snapshot, mailbox)?;
        let own = MailboxCounters::find(snapshot, mailbox)?;
        let (Some(row), Some(own)) = (row, own) else {
            continue;
        };
        check_mailbox(snapshot, report, mailbox, &own)?;
        check_messages(snapshot, report, (mailbox, &row), &own)?;
        usage.bytes += own.bytes;
        usage.messages += u64::from(own.messages);
        let holds = own.highest_modseq.get() <= counters.modseq;
        report.expect(holds, Invariant::ModSeqOrder, || {
            format!("mailbox {mailbox} is above its account's mod-sequence")
        });
    }
    check_level(snapshot, report, id, &counters)?;
    report.expect(usage == counters.usage, Invariant::Usage, || {
        format!(
            "account {id} has {usage:?}, counted are {:?}",
            counters.usage
        )
    });
    Ok(())
}

fn check_level(
    snapshot: &Snapshot,
    report: &mut Report,
    id: AccountId,
    counters: &AccountCounters,
) -> Result<()> {
    let quota = level::quota(snapshot, id)?;
    let stepped = counters.level_at(quota, snapshot.rules().thresholds);
    report.expect(stepped == counters.level, Invariant::Level, || {
        format!(
            "account {id} is at {:?} with {} of {quota:?} bytes",
            counters.level, counters.usage.bytes
        )
    });
    Ok(())
}

fn check_mailbox(
    snapshot: &Snapshot,
    report: &mut Report,
    id: MailboxId,
    own: &MailboxCounters,
) -> Result<()> {
    if let Some(counted) = report.readable(count(snapshot, id)) {
        let holds = counted.agrees(own);
        report.expect(holds, Invariant::MailboxCounters, || {
            format!("mailbox {id} has {counted:?}, counted are {own:?}")
        });
    }
    check_expunge_log(snapshot, report, id, own)
}

fn check_messages(
    snapshot: &Snapshot,
    report: &mut Report,
    (id, row): (MailboxId, &MailboxRow),
    own: &MailboxCounters,
) -> Result<()> {
    let known = 1_u64.checked_shl(u32::try_from(row.keywords.len()).unwrap_or(64));
    let known = known.map_or(u64::MAX, |bit| bit - 1);
    for message in scan_all(snapshot, id)? {
        let MessageRow {
            uid, flags, modseq, ..
        } = message;
        report.messages += 1;
        report.expect(uid.get() < own.uid_next, Invariant::UidBelowNext, || {
            format!("UID {uid} in mailbox {id}, UIDNEXT is {}", own.uid_next)
        });
        report.expect(modseq <= own.highest_modseq, Invariant::ModSeqOrder, || {
            format!(
                "UID {uid} in mailbox {id} has {modseq}, highest is {}",
                own.highest_modseq
            )
        });
        report.expect(flags.keywords & !known == 0, Invariant::Keywords, || {
            format!("UID {uid} in mailbox {id} has unknown keywords")
        });
    }
    Ok(())
}

/// Every key in `flags` is of a mailbox that exists or is being purged.
fn check_flags_keys(snapshot: &Snapshot, report: &mut Report) -> Result<()> {
    let purged: BTreeSet<MailboxId> = purge::pending(snapshot)?.into_iter().collect();
    let mut last = None;
    for entry in snapshot.read(FLAGS)?.iter()? {
        let mailbox = MailboxId(entry?.0.value().0);
        if last.replace(mailbox) == Some(mailbox) {
            continue;
        }
        let holds = purged.contains(&mailbox) || MailboxRow::find(snapshot, mailbox)?.is_some();
        report.expect(holds, Invariant::RowAndRecord, || {
            format!("messages of mailbox {mailbox}, which does not exist")
        });
    }
    Ok(())
}

fn check_records(snapshot: &Snapshot, report: &mut Report) -> Result<References> {
    let mut references = References::new();
    let mut records = 0_u64;
    for entry in snapshot.read(RECORDS)?.iter()? {
        let (serial, row) = entry?;
        let serial = Serial(serial.value());
        records += 1;
        let Some(record) = report.readable(Stored::unpack(serial, row.value())) else {
            continue;
        };
        check_record(snapshot, report, &record)?;
        count_reference(&mut references, record.blob, Holder::Record(serial));
    }
    let rows = snapshot.read(FLAGS)?.iter()?.count() as u64;
    report.expect(rows == records, Invariant::RowAndRecord, || {
        format!("{rows} rows of flags for {records} records")
    });
    Ok(references)
}

fn check_record(snapshot: &Snapshot, report: &mut Report, record: &Stored) -> Result<()> {
    let row = find_flags(snapshot, record.mailbox, record.uid)?;
    let holds = row.is_some_and(|row| row.serial == record.serial);
    report.expect(holds, Invariant::RowAndRecord, || {
        format!(
            "record {} says UID {} in mailbox {}, where {row:?} is",
            record.serial, record.uid, record.mailbox
        )
    });
    Ok(())
}

fn check_marks(snapshot: &Snapshot, report: &mut Report) -> Result<()> {
    for (serial, device, _) in pop3::marks(snapshot, Serial(0), Serial(u64::MAX))? {
        let record = snapshot.record(serial)?;
        let mailbox = match &record {
            Some(record) => MailboxRow::find(snapshot, record.mailbox)?,
            None => None,
        };
        let holds = match mailbox {
            Some(row) => {
                let devices = devices(snapshot, row.account)?;
                row.name.is_inbox() && devices.iter().any(|(id, _)| *id == device)
            }
            // A deleted account's messages are being purged; their marks go with them.
            None => record.is_some(),
        };
        report.expect(holds, Invariant::Pop3Marks, || {
            format!("device {device} has a mark on message {serial}")
        });
    }
    Ok(())
}

fn check_expunge_log(
    snapshot: &Snapshot,
    report: &mut Report,
    id: MailboxId,
    own: &MailboxCounters,
) -> Result<()> {
    let mut rows = 0;
    let mut gone = Vec::new();
    for entry in snapshot
        .read(EXPUNGED)?
        .range((id.0, 0)..=(id.0, u64::MAX))?
    {
        let (key, row) = entry?;
        let modseq = key.value().1;
        rows += 1;
        report.readable(expunge::unpack(row.value(), &mut gone));
        let holds = modseq > own.expunge_floor && modseq <= own.highest_modseq.get();
        report.expect(holds, Invariant::ExpungeLog, || {
            format!(
                "an expunge at {modseq} in mailbox {id}, whose log starts above {}",
                own.expunge_floor
            )
        });
    }
    report.expect(rows == own.expunge_rows, Invariant::ExpungeLog, || {
        format!(
            "mailbox {id} has {rows} rows of expunges, counted are {}",
            own.expunge_rows
        )
    });
    for uid in gone {
        let holds = uid.get() < own.uid_next && find_flags(snapshot, id, uid)?.is_none();
        report.expect(holds, Invariant::ExpungeLog, || {
            format!("UID {uid} of mailbox {id} is logged as expunged")
        });
    }
    Ok(())
}
