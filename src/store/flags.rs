//! Changing flags. Only messages whose flags really change get a new mod-sequence and are announced.

use super::message::Ledger;
use super::record::save_all_flags;
use super::transfer::pick;
use super::tx::Tx;
use super::types::{FlagAction, FlagUpdate, MessageRow};
use super::{Result, Store};
use crate::mail::flags::{FlagBits, Flags};
use crate::mail::ids::{MailboxId, ModSeq, Uid};

/// What a flag update is asked to do.
struct Wanted {
    action: FlagAction,
    flags: Flags,
    unchanged_since: Option<ModSeq>,
}

fn update(
    tx: &mut Tx<'_>,
    mailbox: MailboxId,
    uids: &[Uid],
    wanted: &Wanted,
) -> Result<FlagUpdate> {
    let mut ledger = Ledger::open(tx, mailbox)?;
    let keywords = match wanted.action {
        FlagAction::Remove => ledger.known_bits(&wanted.flags.keywords),
        FlagAction::Replace | FlagAction::Add => ledger.learn_bits(&wanted.flags.keywords)?,
    };
    let given = FlagBits {
        system: wanted.flags.system,
        keywords,
    };
    let mut update = FlagUpdate::default();
    for row in pick(tx, mailbox, uids)? {
        if wanted
            .unchanged_since
            .is_some_and(|limit| row.modseq > limit)
        {
            update.modified.push(row.uid);
            continue;
        }
        let flags = wanted.action.apply(row.flags, given);
        if flags != row.flags {
            ledger.counters.discount_flags(row.flags);
            ledger.counters.count_flags(flags);
            update.changed.push(MessageRow { flags, ..row });
        }
    }
    if update.changed.is_empty() {
        return Ok(update);
    }
    let modseq = ledger.next_modseq()?;
    for row in &mut update.changed {
        row.modseq = modseq;
    }
    save_all_flags(tx, mailbox, &update.changed)?;
    ledger.close(tx)?;
    Ok(update)
}

impl Store {
    /// Changes flags of messages. Messages that are gone are passed over. [`super::Error::Limit`] beyond 64 keywords.
    pub fn update_flags(
        &self,
        mailbox: MailboxId,
        uids: &[Uid],
        action: FlagAction,
        flags: &Flags,
        unchanged_since: Option<ModSeq>,
    ) -> Result<FlagUpdate> {
        let uids = uids.to_vec();
        let wanted = Wanted {
            action,
            flags: flags.clone(),
            unchanged_since,
        };
        self.0.commit(move |tx| update(tx, mailbox, &uids, &wanted))
    }
}
