//! Invariants of what waits to be sent, and of what is remembered of it.

use std::collections::BTreeMap;

use redb::ReadableTable;

use super::messages::{Holder, References, count_reference};
use super::{Invariant, Report};
use crate::mail::ids::{AccountId, SpoolId};
use crate::store::purge;
use crate::store::schema::{SENT_COPIES, SPOOL, SPOOL_RECIPIENTS};
use crate::store::spool::{MailRow, RecipientRow};
use crate::store::tx::ReadRows;
use crate::store::{Result, Snapshot};

/// Checks every row and counts the mails' references.
pub(super) fn check(
    snapshot: &Snapshot,
    report: &mut Report,
    references: &mut References,
) -> Result<()> {
    let mut recipients = check_recipients(snapshot, report)?;
    for entry in snapshot.read(SPOOL)?.iter()? {
        let (id, row) = entry?;
        let id = SpoolId(id.value());
        report.spooled += 1;
        let Some(mail) = report.readable(MailRow::unpack(row.value())) else {
            continue;
        };
        let holds = recipients.remove(&id).is_some();
        report.expect(holds, Invariant::Spool, || {
            format!("spooled mail {id} has no recipients")
        });
        count_reference(references, mail.blob, Holder::Spool(id));
    }
    for id in recipients.keys() {
        report.expect(false, Invariant::Spool, || {
            format!("recipients of spooled mail {id}, which does not exist")
        });
    }
    check_sent_copies(snapshot, report)
}

/// The number of recipients of each mail.
fn check_recipients(snapshot: &Snapshot, report: &mut Report) -> Result<BTreeMap<SpoolId, u32>> {
    let mut counts = BTreeMap::new();
    for entry in snapshot.read(SPOOL_RECIPIENTS)?.iter()? {
        let (key, row) = entry?;
        let (id, index) = key.value();
        report.readable(RecipientRow::unpack(row.value()));
        let count = counts.entry(SpoolId(id)).or_insert(0);
        report.expect(index == *count, Invariant::Spool, || {
            format!("recipient {index} of spooled mail {id} follows {count}")
        });
        *count = index.saturating_add(1);
    }
    Ok(counts)
}

fn check_sent_copies(snapshot: &Snapshot, report: &mut Report) -> Result<()> {
    let purged = purge::pending_accounts(snapshot)?;
    for entry in snapshot.read(SENT_COPIES)?.iter()? {
        let account = AccountId(entry?.0.value().0);
        let exists = purged.contains(&account) || snapshot.account(account)?.is_some();
        report.expect(exists, Invariant::SentCopies, || {
            format!("a copy in Sent of account {account}, which does not exist")
        });
    }
    Ok(())
}
