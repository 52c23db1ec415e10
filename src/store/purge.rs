//! Removes the messages of deleted mailboxes in batches: they are gone for everybody already, so nothing hurries, and
//! a big mailbox never needs a big transaction. What a crash leaves is gone on with at the next start.

use std::collections::BTreeSet;

use redb::ReadableTable;

use super::account::AccountRow;
use super::blob;
use super::record::{Stored, unpack_flags};
use super::schema::{EXPUNGED, FLAGS, PURGES, RECORDS};
use super::tx::{ReadRows, Tx};
use super::types::MessageRow;
use super::{Result, Store, aside, pop3};
use crate::mail::ids::{AccountId, MailboxId};

/// Most messages removed in one transaction, so that little free space is enough.
const PURGE_BATCH: usize = 100;

/// Mailboxes that still have messages to remove.
pub(super) fn pending(rows: &impl ReadRows) -> Result<Vec<MailboxId>> {
    let table = rows.read(PURGES)?;
    let mut pending = Vec::new();
    for entry in table.iter()? {
        pending.push(MailboxId(entry?.0.value()));
    }
    Ok(pending)
}

/// The accounts, gone themselves, whose mailboxes still have messages to remove.
pub(super) fn pending_accounts(rows: &impl ReadRows) -> Result<BTreeSet<AccountId>> {
    let table = rows.read(PURGES)?;
    let mut accounts = BTreeSet::new();
    for entry in table.iter()? {
        accounts.insert(AccountId(entry?.1.value()));
    }
    let mut gone = BTreeSet::new();
    for account in accounts {
        if AccountRow::find(rows, account)?.is_none() {
            gone.insert(account);
        }
    }
    Ok(gone)
}

/// Removes one batch; whether there is more to do.
fn purge_some(tx: &mut Tx<'_>) -> Result<bool> {
    for account in pending_accounts(tx)? {
        if aside::release::forget_account(tx, account)? {
            return Ok(true);
        }
    }
    let Some(mailbox) = pending(tx)?.first().copied() else {
        return Ok(false);
    };
    let batch = first_rows(tx, mailbox)?;
    for row in &batch {
        let record = Stored::load(tx, row.serial)?;
        tx.write(FLAGS)?.remove((mailbox.0, row.uid.get()))?;
        tx.write(RECORDS)?.remove(row.serial.0)?;
        pop3::forget_message(tx, row.serial)?;
        blob::release(tx, record.blob)?;
    }
    if batch.len() < PURGE_BATCH {
        let mut log = tx.write(EXPUNGED)?;
        log.retain_in((mailbox.0, 0)..=(mailbox.0, u64::MAX), |_, _| false)?;
        tx.write(PURGES)?.remove(mailbox.0)?;
    }
    Ok(true)
}

fn first_rows(rows: &impl ReadRows, mailbox: MailboxId) -> Result<Vec<MessageRow>> {
    let table = rows.read(FLAGS)?;
    let range = table.range((mailbox.0, 0)..=(mailbox.0, u32::MAX))?;
    let mut first = Vec::new();
    for entry in range.take(PURGE_BATCH) {
        let (key, row) = entry?;
        first.push(unpack_flags(key.value().1, row.value())?);
    }
    Ok(first)
}

impl Store {
    /// Removes what is left of deleted mailboxes.
    pub(super) fn purge(&self) -> Result<()> {
        while self.0.commit(purge_some)? {}
        Ok(())
    }
}
