//! What a mailbox holds already, so that an import can be run again.
//!
//! A message counts as present by its digest. Each present message is good for one of the import's, so that true
//! duplicates in a source are kept.

use std::collections::BTreeMap;

use crate::mail::ids::{MailboxId, Uid};
use crate::store::{Result, Store};

/// Rows read in one read transaction.
const ROWS_PER_SNAPSHOT: usize = 1000;

/// Digests of the messages of one mailbox, with how many of each are not yet matched.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<[u8; 16], u32>);

impl Known {
    /// Reads the mailbox, in short read transactions.
    pub(super) fn read(store: &Store, mailbox: MailboxId) -> Result<Self> {
        let rows = store.snapshot()?.rows(mailbox, Uid::MIN, Uid::MAX)?;
        let mut known = Self::default();
        for rows in rows.chunks(ROWS_PER_SNAPSHOT) {
            let snapshot = store.snapshot()?;
            for row in rows {
                if let Some(record) = snapshot.record(row.serial)? {
                    *known.0.entry(record.digest).or_default() += 1;
                }
            }
        }
        Ok(known)
    }

    /// Whether a message with that digest is there; takes it as matched.
    pub(super) fn matches(&mut self, digest: &[u8; 16]) -> bool {
        match self.0.get_mut(digest) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        }
    }
}
