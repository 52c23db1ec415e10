//! What a page of mail is about: a mailbox or a message of the person who asks. Somebody else's is not there.

use crate::mail::ids::{AccountId, MailboxId, Serial};
use crate::mail::mime::Summary;
use crate::store::types::{Mailbox, MessageRecord, MessageRow};
use crate::store::{self, Snapshot};
use crate::web::problem::Problem;

/// A message with all that pages show of it.
#[derive(Debug)]
pub(super) struct Opened {
    /// Its record.
    pub(super) record: MessageRecord,
    /// Its structure.
    pub(super) summary: Summary,
    /// Its flags.
    pub(super) row: MessageRow,
    /// Where it lies.
    pub(super) mailbox: Mailbox,
}

/// The mailbox, if it is that account's.
pub(super) fn mailbox(
    snapshot: &Snapshot,
    account: AccountId,
    id: MailboxId,
) -> Result<Mailbox, Problem> {
    let found = snapshot.mailbox(id)?;
    found
        .filter(|mailbox| mailbox.account == account)
        .ok_or(Problem::NotFound)
}

/// The message, if it is that account's.
pub(super) fn message(
    snapshot: &Snapshot,
    account: AccountId,
    serial: Serial,
) -> Result<Opened, Problem> {
    let record = snapshot.record(serial)?.ok_or(Problem::NotFound)?;
    let mailbox = mailbox(snapshot, account, record.mailbox)?;
    let rows = snapshot.rows(mailbox.id, record.uid, record.uid)?;
    let mut rows = rows.into_iter().filter(|row| row.serial == serial);
    let row = rows.next().ok_or(Problem::NotFound)?;
    Ok(Opened {
        summary: summary(&record)?,
        record,
        row,
        mailbox,
    })
}

/// What its record says of a message.
pub(super) fn summary(record: &MessageRecord) -> Result<Summary, Problem> {
    let damaged = |error| store::Error::Fault(format!("a message's summary: {error}"));
    Ok(Summary::decode(&record.summary).map_err(damaged)?)
}
