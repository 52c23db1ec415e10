//! Rows of chosen messages, read in few ranges.

use crate::mail::ids::{MailboxId, Uid};
use crate::store::types::MessageRow;
use crate::store::{Result, Snapshot};

/// UIDs not asked for that are read over rather than beginning another range.
const GAP_MAX: u32 = 16;

/// The rows of `uids` (ascending) that are still there.
pub fn rows_of(snapshot: &Snapshot, mailbox: MailboxId, uids: &[Uid]) -> Result<Vec<MessageRow>> {
    let mut rows = Vec::with_capacity(uids.len());
    let near = |left: &Uid, right: &Uid| right.get().saturating_sub(left.get()) <= GAP_MAX;
    for run in uids.chunk_by(near) {
        if let (Some(first), Some(last)) = (run.first(), run.last()) {
            let found = snapshot.rows(mailbox, *first, *last)?;
            rows.extend(
                found
                    .into_iter()
                    .filter(|row| run.binary_search(&row.uid).is_ok()),
            );
        }
    }
    Ok(rows)
}
