//! Mailboxes: names, hierarchy, special uses, subscriptions.
//!
//! Every mailbox's parent exists. A rename takes the whole subtree in one commit, subscriptions with it. A deleted
//! mailbox is gone at once; its messages are removed in batches (`purge`). A name made again gets a higher UIDVALIDITY.

use redb::ReadableTable;

use super::account::AccountRow;
use super::change::Change;
use super::codec::{Packer, Unpacker, damaged};
use super::counters::{
    AccountCounters, Counters, MailboxCounters, next_mailbox, next_uid_validity,
};
use super::schema::{MAILBOX_NAMES, MAILBOXES, PURGES, SUBSCRIPTIONS};
use super::tx::{ReadRows, Tx};
use super::types::Mailbox;
use super::{Error, Result, Snapshot, Store, level, transfer};
use crate::clock::Now;
use crate::mail::flags::{Keyword, SpecialUse};
use crate::mail::ids::{AccountId, MailboxId, Uid, UidValidity};
use crate::mail::mailbox_name::MailboxName;

/// Most mailboxes of one account.
pub const MAILBOXES_PER_ACCOUNT_MAX: usize = 2000;
/// Most subscribed names of one account.
pub const SUBSCRIPTIONS_PER_ACCOUNT_MAX: usize = 4000;

const NO_MAILBOX: Error = Error::NotFound("the mailbox");
const TABLE: &str = "mailboxes";

/// What a new account has, besides INBOX.
const STANDARD: [(&str, SpecialUse); 5] = [
    ("Archive", SpecialUse::Archive),
    ("Drafts", SpecialUse::Drafts),
    ("Junk", SpecialUse::Junk),
    ("Sent", SpecialUse::Sent),
    ("Trash", SpecialUse::Trash),
];

/// A row of `mailboxes`: what seldom changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MailboxRow {
    pub(super) account: AccountId,
    pub(super) name: MailboxName,
    pub(super) special_use: Option<SpecialUse>,
    pub(super) uid_validity: UidValidity,
    pub(super) keywords: Vec<Keyword>,
}

impl MailboxRow {
    fn pack(&self) -> Vec<u8> {
        let mut row = Packer::new();
        row.uint(self.account.0.into())
            .text(self.name.as_str())
            .byte(special_use_code(self.special_use))
            .uint(self.uid_validity.0.get().into());
        for keyword in &self.keywords {
            row.text(keyword.as_str());
        }
        row.finish()
    }

    pub(super) fn unpack(row: &[u8]) -> Result<Self> {
        let mut row = Unpacker::new(TABLE, row);
        let account = AccountId(row.u32()?);
        let name = parse_stored(row.text()?)?;
        let special_use = special_use_of(row.byte()?).ok_or_else(|| row.damaged())?;
        let uid_validity = row.u32()?.try_into().map_err(|_| row.damaged())?;
        let mut keywords = Vec::new();
        while !row.is_empty() {
            keywords.push(Keyword::new(row.text()?).ok_or_else(|| row.damaged())?);
        }
        Ok(Self {
            account,
            name,
            special_use,
            uid_validity: UidValidity(uid_validity),
            keywords,
        })
    }

    pub(super) fn find(rows: &impl ReadRows, id: MailboxId) -> Result<Option<Self>> {
        let table = rows.read(MAILBOXES)?;
        let row = table.get(id.0)?;
        row.map(|row| Self::unpack(row.value())).transpose()
    }

    pub(super) fn load(rows: &impl ReadRows, id: MailboxId) -> Result<Self> {
        Self::find(rows, id)?.ok_or(NO_MAILBOX)
    }

    pub(super) fn save(&self, tx: &Tx<'_>, id: MailboxId) -> Result<()> {
        let mut table = tx.write(MAILBOXES)?;
        table.insert(id.0, self.pack().as_slice())?;
        Ok(())
    }
}

pub(super) fn special_use_code(special_use: Option<SpecialUse>) -> u8 {
    match special_use {
        None => 0,
        Some(SpecialUse::All) => 1,
        Some(SpecialUse::Archive) => 2,
        Some(SpecialUse::Drafts) => 3,
        Some(SpecialUse::Flagged) => 4,
        Some(SpecialUse::Junk) => 5,
        Some(SpecialUse::Sent) => 6,
        Some(SpecialUse::Trash) => 7,
    }
}

#[expect(
    clippy::option_option,
    reason = "the outer option is the damaged row's, the inner one a mailbox without special use"
)]
pub(super) fn special_use_of(code: u8) -> Option<Option<SpecialUse>> {
    let all = std::iter::once(None).chain(SpecialUse::NAMED.map(|(special, _)| Some(special)));
    let mut matching = all.filter(|special| special_use_code(*special) == code);
    matching.next()
}

fn parse_stored(name: &str) -> Result<MailboxName> {
    MailboxName::parse(name).map_err(|_| damaged(TABLE))
}

/// The mailbox of that name.
pub(super) fn by_name(
    rows: &impl ReadRows,
    account: AccountId,
    name: &MailboxName,
) -> Result<Option<MailboxId>> {
    let table = rows.read(MAILBOX_NAMES)?;
    let id = table.get((account.0, name.as_str()))?;
    Ok(id.map(|id| MailboxId(id.value())))
}

/// The mailbox of that special use.
pub(super) fn by_special_use(
    rows: &impl ReadRows,
    account: AccountId,
    special_use: SpecialUse,
) -> Result<Option<MailboxId>> {
    for (_, id) in names(rows, account)? {
        if MailboxRow::load(rows, id)?.special_use == Some(special_use) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// An account's mailboxes, by name.
pub(super) fn names(
    rows: &impl ReadRows,
    account: AccountId,
) -> Result<Vec<(MailboxName, MailboxId)>> {
    let table = rows.read(MAILBOX_NAMES)?;
    let mut names = Vec::new();
    for entry in table.range((account.0, "")..(account.0.saturating_add(1), ""))? {
        let (key, id) = entry?;
        names.push((parse_stored(key.value().1)?, MailboxId(id.value())));
    }
    Ok(names)
}

fn subscriptions(rows: &impl ReadRows, account: AccountId) -> Result<Vec<MailboxName>> {
    let table = rows.read(SUBSCRIPTIONS)?;
    let mut names = Vec::new();
    for entry in table.range((account.0, "")..(account.0.saturating_add(1), ""))? {
        names.push(parse_stored(entry?.0.value().1)?);
    }
    Ok(names)
}

fn is_subscribed(rows: &impl ReadRows, account: AccountId, name: &MailboxName) -> Result<bool> {
    let table = rows.read(SUBSCRIPTIONS)?;
    Ok(table.get((account.0, name.as_str()))?.is_some())
}

/// A mailbox with all that callers want to know of it.
pub(super) fn assemble(rows: &impl ReadRows, id: MailboxId, row: MailboxRow) -> Result<Mailbox> {
    let counters = MailboxCounters::load(rows, id)?;
    Ok(Mailbox {
        id,
        account: row.account,
        subscribed: is_subscribed(rows, row.account, &row.name)?,
        name: row.name,
        special_use: row.special_use,
        uid_validity: row.uid_validity,
        uid_next: Uid::new(counters.uid_next).ok_or_else(|| damaged("counters"))?,
        highest_modseq: counters.highest_modseq,
        messages: counters.messages,
        unseen: counters.unseen,
        deleted: counters.deleted,
        bytes: counters.bytes,
        keywords: row.keywords,
    })
}

/// The mailboxes that every account starts with, all subscribed.
pub(super) fn create_standard(tx: &mut Tx<'_>, account: AccountId, now: Now) -> Result<()> {
    insert(tx, account, &MailboxName::inbox(), None, now)?;
    subscribe(tx, account, &MailboxName::inbox())?;
    for (name, special_use) in STANDARD {
        let name = parse_stored(name)?;
        insert(tx, account, &name, Some(special_use), now)?;
        subscribe(tx, account, &name)?;
    }
    Ok(())
}

fn insert(
    tx: &mut Tx<'_>,
    account: AccountId,
    name: &MailboxName,
    special_use: Option<SpecialUse>,
    now: Now,
) -> Result<MailboxId> {
    let id = next_mailbox(tx)?;
    let row = MailboxRow {
        account,
        name: name.clone(),
        special_use,
        uid_validity: next_uid_validity(tx, now)?,
        keywords: Vec::new(),
    };
    row.save(tx, id)?;
    MailboxCounters::new().save(tx, id)?;
    let mut names = tx.write(MAILBOX_NAMES)?;
    names.insert((account.0, name.as_str()), id.0)?;
    Ok(id)
}

/// Creates a mailbox and its missing ancestors. Checks everything before it changes anything.
pub(super) fn create(
    tx: &mut Tx<'_>,
    account: AccountId,
    name: &MailboxName,
    special_use: Option<SpecialUse>,
    now: Now,
) -> Result<MailboxId> {
    AccountRow::load(tx, account)?;
    if by_name(tx, account, name)?.is_some() {
        return Err(Error::Exists("a mailbox of that name"));
    }
    refuse_special_use(tx, account, special_use)?;
    let missing = missing_ancestors(tx, account, name)?;
    let count = names(tx, account)?.len() + missing.len() + 1;
    if count > MAILBOXES_PER_ACCOUNT_MAX {
        return Err(Error::Limit("mailboxes of an account"));
    }
    for ancestor in &missing {
        insert(tx, account, ancestor, None, now)?;
    }
    tx.announce(account, Change::Mailboxes);
    insert(tx, account, name, special_use, now)
}

/// Creates a mailbox that the store itself needs, so that clients show it.
pub(super) fn create_subscribed(
    tx: &mut Tx<'_>,
    account: AccountId,
    name: &MailboxName,
    now: Now,
) -> Result<MailboxId> {
    create_again(tx, account, name, None, now)
}

/// Creates a mailbox as it was before it was deleted; without its special use if another has that by now.
pub(super) fn create_again(
    tx: &mut Tx<'_>,
    account: AccountId,
    name: &MailboxName,
    special_use: Option<SpecialUse>,
    now: Now,
) -> Result<MailboxId> {
    let is_free = refuse_special_use(tx, account, special_use).is_ok();
    let id = create(tx, account, name, special_use.filter(|_| is_free), now)?;
    subscribe(tx, account, name)?;
    Ok(id)
}

/// Names above `name` that no mailbox has.
fn missing_ancestors(
    rows: &impl ReadRows,
    account: AccountId,
    name: &MailboxName,
) -> Result<Vec<MailboxName>> {
    let mut missing = Vec::new();
    let mut above = name.parent();
    while let Some(ancestor) = above {
        if by_name(rows, account, &ancestor)?.is_some() {
            break;
        }
        above = ancestor.parent();
        missing.push(ancestor);
    }
    Ok(missing)
}

/// RFC 6154 5.2: a special use that cannot be had is refused ([USEATTR]).
fn refuse_special_use(
    rows: &impl ReadRows,
    account: AccountId,
    special_use: Option<SpecialUse>,
) -> Result<()> {
    if matches!(special_use, Some(SpecialUse::All | SpecialUse::Flagged)) {
        return Err(Error::Refused(
            "there are no mailboxes of that special use here",
        ));
    }
    let Some(special_use) = special_use else {
        return Ok(());
    };
    match by_special_use(rows, account, special_use)? {
        Some(_) => Err(Error::Exists("a mailbox of that special use")),
        None => Ok(()),
    }
}

/// Takes a mailbox away; its messages are left to `purge`.
pub(super) fn delete(tx: &mut Tx<'_>, id: MailboxId) -> Result<()> {
    let row = MailboxRow::load(tx, id)?;
    if row.name.is_inbox() {
        return Err(Error::Refused("INBOX cannot be deleted"));
    }
    let names = names(tx, row.account)?;
    if names.iter().any(|(name, _)| name.is_below(&row.name)) {
        return Err(Error::Refused("delete the mailboxes below it first"));
    }
    let gone = MailboxCounters::load(tx, id)?;
    let mut account = AccountCounters::load(tx, row.account)?;
    account.usage.bytes = account.usage.bytes.saturating_sub(gone.bytes);
    account.usage.messages = account.usage.messages.saturating_sub(gone.messages.into());
    level::save_stepped(tx, row.account, account)?;
    tx.write(MAILBOX_NAMES)?
        .remove((row.account.0, row.name.as_str()))?;
    tx.write(MAILBOXES)?.remove(id.0)?;
    MailboxCounters::remove(tx, id)?;
    tx.write(PURGES)?.insert(id.0, row.account.0)?;
    tx.announce(row.account, Change::Mailboxes);
    Ok(())
}

/// Takes all names and subscriptions of an account away; returns its mailboxes.
pub(super) fn forget_names(tx: &Tx<'_>, account: AccountId) -> Result<Vec<MailboxId>> {
    let mailboxes = names(tx, account)?;
    let mut table = tx.write(MAILBOX_NAMES)?;
    for (name, _) in &mailboxes {
        table.remove((account.0, name.as_str()))?;
    }
    for name in subscriptions(tx, account)? {
        tx.write(SUBSCRIPTIONS)?
            .remove((account.0, name.as_str()))?;
    }
    Ok(mailboxes.into_iter().map(|(_, id)| id).collect())
}

fn rename(tx: &mut Tx<'_>, id: MailboxId, to: &MailboxName, now: Now) -> Result<()> {
    let row = MailboxRow::load(tx, id)?;
    if row.name.is_inbox() {
        // RFC 3501 6.3.5: the messages go, INBOX stays, and so do the mailboxes below it.
        let target = create(tx, row.account, to, None, now)?;
        return transfer::move_all(tx, id, target, now);
    }
    if by_name(tx, row.account, to)?.is_some() {
        return Err(Error::Exists("a mailbox of that name"));
    }
    if to.is_below(&row.name) {
        return Err(Error::Refused("a mailbox cannot move below itself"));
    }
    let renames = plan_rename(tx, &row, to)?;
    let missing = missing_ancestors(tx, row.account, to)?;
    let count = names(tx, row.account)?.len() + missing.len();
    if count > MAILBOXES_PER_ACCOUNT_MAX {
        return Err(Error::Limit("mailboxes of an account"));
    }
    for ancestor in &missing {
        insert(tx, row.account, ancestor, None, now)?;
    }
    for (id, new) in &renames {
        rename_one(tx, *id, new)?;
    }
    tx.announce(row.account, Change::Mailboxes);
    Ok(())
}

/// The mailbox itself and all below it, with their new names.
fn plan_rename(
    rows: &impl ReadRows,
    row: &MailboxRow,
    to: &MailboxName,
) -> Result<Vec<(MailboxId, MailboxName)>> {
    let mut plan = Vec::new();
    for (name, id) in names(rows, row.account)? {
        if name == row.name || name.is_below(&row.name) {
            let new = name.rebased(&row.name, to);
            let new = new.map_err(|_| Error::Refused("a name would become too long"))?;
            plan.push((id, new));
        }
    }
    Ok(plan)
}

fn rename_one(tx: &Tx<'_>, id: MailboxId, to: &MailboxName) -> Result<()> {
    let mut row = MailboxRow::load(tx, id)?;
    let account = row.account.0;
    let mut names = tx.write(MAILBOX_NAMES)?;
    names.remove((account, row.name.as_str()))?;
    names.insert((account, to.as_str()), id.0)?;
    if is_subscribed(tx, row.account, &row.name)? {
        let mut table = tx.write(SUBSCRIPTIONS)?;
        table.remove((account, row.name.as_str()))?;
        table.insert((account, to.as_str()), ())?;
    }
    row.name = to.clone();
    row.save(tx, id)
}

fn subscribe(tx: &Tx<'_>, account: AccountId, name: &MailboxName) -> Result<()> {
    let mut table = tx.write(SUBSCRIPTIONS)?;
    table.insert((account.0, name.as_str()), ())?;
    Ok(())
}

fn set_subscribed(
    tx: &mut Tx<'_>,
    account: AccountId,
    name: &MailboxName,
    subscribed: bool,
) -> Result<()> {
    AccountRow::load(tx, account)?;
    if is_subscribed(tx, account, name)? == subscribed {
        return Ok(());
    }
    if subscribed {
        if subscriptions(tx, account)?.len() >= SUBSCRIPTIONS_PER_ACCOUNT_MAX {
            return Err(Error::Limit("subscriptions of an account"));
        }
        subscribe(tx, account, name)?;
    } else {
        let mut table = tx.write(SUBSCRIPTIONS)?;
        table.remove((account.0, name.as_str()))?;
    }
    tx.announce(account, Change::Mailboxes);
    Ok(())
}

impl Store {
    /// Creates a mailbox and its missing ancestors. [`Error::Exists`] if the name or the special use is taken.
    pub fn create_mailbox(
        &self,
        account: AccountId,
        name: &MailboxName,
        special_use: Option<SpecialUse>,
        now: Now,
    ) -> Result<Mailbox> {
        let name = name.clone();
        self.0.commit(move |tx| {
            let id = create(tx, account, &name, special_use, now)?;
            let row = MailboxRow::load(tx, id)?;
            assemble(tx, id, row)
        })
    }

    /// Deletes a mailbox and its messages. INBOX is refused; with mailboxes below it too. Its subscription stays
    /// (RFC 3501 6.3.9).
    pub fn delete_mailbox(&self, id: MailboxId) -> Result<()> {
        self.0.commit(move |tx| delete(tx, id))?;
        self.purge()
    }

    /// Renames a mailbox and all below it, and their subscriptions; missing parents are made. INBOX moves its messages
    /// into a new mailbox instead (RFC 3501 6.3.5).
    pub fn rename_mailbox(&self, id: MailboxId, to: &MailboxName, now: Now) -> Result<()> {
        let to = to.clone();
        self.0.commit(move |tx| rename(tx, id, &to, now))
    }

    /// Subscribes or unsubscribes a name, whether or not the mailbox exists (RFC 3501 6.3.6).
    pub fn set_subscribed(
        &self,
        account: AccountId,
        name: &MailboxName,
        subscribed: bool,
    ) -> Result<()> {
        let name = name.clone();
        self.0
            .commit(move |tx| set_subscribed(tx, account, &name, subscribed))
    }
}

impl Snapshot {
    /// An account's mailboxes, by name.
    pub fn mailboxes(&self, account: AccountId) -> Result<Vec<Mailbox>> {
        let mut mailboxes = Vec::new();
        for (_, id) in names(self, account)? {
            let row = MailboxRow::load(self, id)?;
            mailboxes.push(assemble(self, id, row)?);
        }
        Ok(mailboxes)
    }

    /// One mailbox.
    pub fn mailbox(&self, id: MailboxId) -> Result<Option<Mailbox>> {
        let row = MailboxRow::find(self, id)?;
        row.map(|row| assemble(self, id, row)).transpose()
    }

    /// One mailbox by name.
    pub fn mailbox_by_name(
        &self,
        account: AccountId,
        name: &MailboxName,
    ) -> Result<Option<Mailbox>> {
        match by_name(self, account, name)? {
            Some(id) => self.mailbox(id),
            None => Ok(None),
        }
    }

    /// Subscribed names that no mailbox has, by name.
    pub fn orphan_subscriptions(&self, account: AccountId) -> Result<Vec<MailboxName>> {
        let mut orphans = subscriptions(self, account)?;
        let taken = names(self, account)?;
        orphans.retain(|orphan| taken.iter().all(|(name, _)| name != orphan));
        Ok(orphans)
    }
}
