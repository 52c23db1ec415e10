//! What a store needs after it was put back from a backup.

use super::backup::LINEAGE;
use super::change::Change;
use super::counters::next_uid_validity;
use super::mailbox::{MailboxRow, names};
use super::schema::SETTINGS;
use super::tx::Tx;
use super::{Result, Store, spool};
use crate::clock::Now;

fn bump_all(tx: &mut Tx<'_>, now: Now) -> Result<()> {
    for account in super::account::list(tx)? {
        for (_, id) in names(tx, account.id)? {
            let mut row = MailboxRow::load(tx, id)?;
            row.uid_validity = next_uid_validity(tx, now)?;
            row.save(tx, id)?;
        }
        tx.announce(account.id, Change::Mailboxes);
    }
    Ok(())
}

impl Store {
    /// What a store needs first when it comes out of a backup, in one commit: new UIDVALIDITY for every mailbox
    /// ([`Store::bump_uid_validity_all`]), a lineage of its own, and all spooled mail held, since it may have been sent after the backup.
    pub(super) fn begin_anew(&self, now: Now) -> Result<()> {
        self.0.commit(move |tx| {
            bump_all(tx, now)?;
            tx.write(SETTINGS)?.remove(LINEAGE)?;
            spool::hold_all(tx)
        })
    }

    /// Gives every mailbox a new UIDVALIDITY, higher than any before: after a restore, UIDs that clients know from
    /// later than the backup would else come again for other messages (RFC 3501 2.3.1.1). Needs a set clock to be
    /// higher than those too that were given after the backup.
    pub fn bump_uid_validity_all(&self, now: Now) -> Result<()> {
        self.0.commit(move |tx| bump_all(tx, now))
    }
}
