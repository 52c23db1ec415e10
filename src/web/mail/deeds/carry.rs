//! The deeds themselves, on the store.

use std::collections::BTreeMap;

use super::Deed;
use crate::clock::Now;
use crate::mail::flags::{Flags, Keyword, SpecialUse, SystemFlags};
use crate::mail::ids::{AccountId, MailboxId, Serial, Uid};
use crate::mail::mailbox_name::MailboxName;
use crate::store::types::{FlagAction, Mailbox};
use crate::store::{self, Snapshot, Store};
use crate::web::mail::told::{Move, What};
use crate::web::mail::{access, folders, places};
use crate::web::problem::Problem;
use crate::web::words::Lang;

/// Messages that are deleted in one commit.
const DELETED_AT_ONCE: usize = 2000;

/// Keywords that mail programs and filters learn from.
const JUNK: &str = "$Junk";
const NOT_JUNK: &str = "$NotJunk";

/// Picked messages by their mailboxes.
type Picked = BTreeMap<MailboxId, Vec<Uid>>;

/// Those messages that are there. One of another account is as wrong as one that never was.
fn find(snapshot: &Snapshot, account: AccountId, picks: &[Serial]) -> Result<Picked, Problem> {
    let mut found = Picked::new();
    for serial in picks {
        let Some(record) = snapshot.record(*serial)? else {
            continue;
        };
        if !found.contains_key(&record.mailbox) {
            access::mailbox(snapshot, account, record.mailbox)?;
        }
        found.entry(record.mailbox).or_default().push(record.uid);
    }
    Ok(found)
}

/// The messages that a deed is about.
fn meant(
    store: &Store,
    account: AccountId,
    deed: Deed,
    picks: &[Serial],
) -> Result<Picked, Problem> {
    let snapshot = store.snapshot()?;
    let Deed::Empty(id) = deed else {
        return find(&snapshot, account, picks);
    };
    let mailbox = access::mailbox(&snapshot, account, id)?;
    // What could be a slip of the finger elsewhere.
    if !matches!(
        mailbox.special_use,
        Some(SpecialUse::Trash | SpecialUse::Junk)
    ) {
        return Err(Problem::NotFound);
    }
    let rows = snapshot.rows(id, Uid::MIN, Uid::MAX)?;
    let uids = rows.into_iter().map(|row| row.uid).collect();
    Ok(Picked::from([(id, uids)]))
}

/// How many messages a deed is about.
pub(super) fn count(
    store: &Store,
    account: AccountId,
    deed: Deed,
    picks: &[Serial],
) -> Result<usize, Problem> {
    let meant = meant(store, account, deed, picks)?;
    Ok(meant.values().map(Vec::len).sum())
}

pub(super) fn carry_out(
    store: &Store,
    account: AccountId,
    deed: Deed,
    picks: &[Serial],
    (lang, now): (Lang, Now),
) -> Result<(What, Vec<Move>), Problem> {
    let meant = meant(store, account, deed, picks)?;
    let count: usize = meant.values().map(Vec::len).sum();
    if count == 0 {
        return Ok((What::Nothing, Vec::new()));
    }
    let target = match deed {
        Deed::Flags(action, flags) => {
            flag(store, &meant, action, flags)?;
            return Ok((What::Flagged(count, action, flags), Vec::new()));
        }
        Deed::Delete | Deed::Empty(_) => {
            return Ok((What::Deleted(delete(store, &meant)?), Vec::new()));
        }
        Deed::File(special) => places::find_or_make(store, account, special, now)?,
        Deed::NotJunk => inbox(&store.snapshot()?, account)?,
        Deed::Move(id) => access::mailbox(&store.snapshot()?, account, id)?,
    };
    let mut moves = Vec::new();
    for (from, uids) in meant {
        if from != target.id {
            moves.extend(move_one(store, deed, (from, &uids, target.id), now)?);
        }
    }
    let moved = moves.iter().map(|one| one.uids.len()).sum();
    match moved {
        0 => Ok((What::Nothing, Vec::new())),
        _ => Ok((What::Moved(moved, folders::label(&target, lang)), moves)),
    }
}

fn inbox(snapshot: &Snapshot, account: AccountId) -> Result<Mailbox, Problem> {
    let inbox = snapshot.mailbox_by_name(account, &MailboxName::inbox())?;
    inbox.ok_or(Problem::NotFound)
}

fn flag(
    store: &Store,
    meant: &Picked,
    action: FlagAction,
    system: SystemFlags,
) -> store::Result<()> {
    let flags = Flags {
        system,
        keywords: Vec::new(),
    };
    for (mailbox, uids) in meant {
        store.update_flags(*mailbox, uids, action, &flags, None)?;
    }
    Ok(())
}

fn delete(store: &Store, meant: &Picked) -> store::Result<usize> {
    let deleted = Flags {
        system: SystemFlags::DELETED,
        keywords: Vec::new(),
    };
    let mut gone = 0;
    for (mailbox, uids) in meant {
        for some in uids.chunks(DELETED_AT_ONCE) {
            store.update_flags(*mailbox, some, FlagAction::Add, &deleted, None)?;
            gone += store.expunge(*mailbox, Some(some))?.0.len();
        }
    }
    Ok(gone)
}

/// Moves messages of one mailbox; nothing if they are all gone by now.
fn move_one(
    store: &Store,
    deed: Deed,
    (from, uids, to): (MailboxId, &[Uid], MailboxId),
    now: Now,
) -> store::Result<Option<Move>> {
    let copied = store.move_messages(from, uids, to, now)?;
    let uids: Vec<Uid> = copied.pairs.into_iter().map(|(_, new)| new).collect();
    if uids.is_empty() {
        return Ok(None);
    }
    let wanted = match deed {
        Deed::File(SpecialUse::Junk) => {
            vec![(FlagAction::Remove, NOT_JUNK), (FlagAction::Add, JUNK)]
        }
        Deed::NotJunk => vec![(FlagAction::Remove, JUNK), (FlagAction::Add, NOT_JUNK)],
        Deed::Flags(..) | Deed::File(_) | Deed::Move(_) | Deed::Delete | Deed::Empty(_) => {
            Vec::new()
        }
    };
    let mut marks = Vec::new();
    for (action, keyword) in wanted {
        if let Some(keyword) = Keyword::new(keyword) {
            let changed = mark(store, to, &uids, action, &keyword)?;
            marks.push((action, keyword, changed));
        }
    }
    Ok(Some(Move {
        from,
        to,
        uids,
        marks,
    }))
}

/// Sets or takes away a keyword; of which messages. That a mailbox has too many keywords stops no move.
fn mark(
    store: &Store,
    mailbox: MailboxId,
    uids: &[Uid],
    action: FlagAction,
    keyword: &Keyword,
) -> store::Result<Vec<Uid>> {
    let flags = Flags {
        system: SystemFlags::empty(),
        keywords: vec![keyword.clone()],
    };
    match store.update_flags(mailbox, uids, action, &flags, None) {
        Ok(update) => Ok(update.changed.into_iter().map(|row| row.uid).collect()),
        Err(store::Error::Limit(_)) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Moves back what is still where it was moved to: UIDs and mailboxes are never used again, so nothing else is meant.
/// What others did to the messages meanwhile stays.
pub(super) fn undo(
    store: &Store,
    account: AccountId,
    moves: &[Move],
    now: Now,
) -> Result<What, Problem> {
    let (mut back, mut all) = (0, 0);
    for one in moves {
        all += one.uids.len();
        let snapshot = store.snapshot()?;
        if access::mailbox(&snapshot, account, one.to).is_err() {
            continue;
        }
        let home = match access::mailbox(&snapshot, account, one.from) {
            Ok(home) => home,
            Err(Problem::NotFound) => inbox(&snapshot, account)?,
            Err(problem) => return Err(problem),
        };
        for (action, keyword, uids) in one.marks.iter().rev() {
            let opposite = match action {
                FlagAction::Add => FlagAction::Remove,
                FlagAction::Remove | FlagAction::Replace => FlagAction::Add,
            };
            mark(store, one.to, uids, opposite, keyword)?;
        }
        let copied = store.move_messages(one.to, &one.uids, home.id, now)?;
        back += copied.pairs.len();
    }
    Ok(What::Undone(back, all - back))
}
