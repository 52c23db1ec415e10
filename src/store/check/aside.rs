//! The invariant of messages that are set aside.

use redb::ReadableTable;

use super::messages::{Holder, References, count_reference};
use super::{Invariant, Report};
use crate::mail::ids::Serial;
use crate::store::aside::{AsideRow, RunId, RunRow};
use crate::store::purge;
use crate::store::schema::ASIDE;
use crate::store::tx::ReadRows;
use crate::store::{Result, Snapshot};

/// Checks every row and counts its reference.
pub(super) fn check(
    snapshot: &Snapshot,
    report: &mut Report,
    references: &mut References,
) -> Result<()> {
    let purged = purge::pending_accounts(snapshot)?;
    for entry in snapshot.read(ASIDE)?.iter()? {
        let (key, row) = entry?;
        let (run, serial) = (RunId(key.value().0), Serial(key.value().1));
        let Some(row) = report.readable(AsideRow::unpack(serial, row.value())) else {
            continue;
        };
        let has_run = RunRow::find(snapshot, run)?.is_some();
        let is_gone = snapshot.record(serial)?.is_none();
        let exists = purged.contains(&row.account) || snapshot.account(row.account)?.is_some();
        report.expect(has_run && is_gone && exists, Invariant::Aside, || {
            format!(
                "message {serial} of account {} is set aside by run {}",
                row.account, run.0
            )
        });
        count_reference(references, row.record.blob, Holder::Aside(run, serial));
    }
    Ok(())
}
