//! What would go: the owner's policy applied to what lies in the mailboxes. Changes nothing.
//!
//! Mailboxes are found by what they are for: `\Trash`, `\Junk`, and the one that the store files fetched mail in.
//! How long mail has lain there is told by the slow clock, so that a clock that jumps empties nothing. INBOX is only
//! looked at for the archive, by the dates of its mail. No other mailbox is ever part of a plan.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::Policy;
use crate::clock::{Now, Wall};
use crate::mail::flags::SpecialUse;
use crate::mail::ids::{MailboxId, Uid};
use crate::mail::mailbox_name::{MailboxName, SEPARATOR};
use crate::store::pop3::FETCHED;
use crate::store::types::{Account, Mailbox, MessageFacts, Usage};
use crate::store::{Result, Snapshot, Store};

/// 1990-01-01T00:00:00Z. No mail here is older; a date before is a mistake of whoever wrote it.
const DATE_MIN: Wall = Wall(631_152_000);

/// Seconds by which a mail may be dated later than it came: zones and clocks of others.
const DATE_AHEAD_MAX: i64 = 86_400;

/// What the policy has to do with a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `\Trash`
    Trash,
    /// `\Junk`
    Junk,
    /// Mail that every POP3 device has fetched.
    Fetched,
    /// INBOX, for the archive alone.
    Inbox,
}

/// What happens to messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// They are set aside.
    SetAside,
    /// They move to that mailbox.
    Archive(MailboxName),
}

/// Messages of one mailbox with which the same happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Whose.
    pub account: Account,
    /// Where they lie.
    pub mailbox: MailboxId,
    /// Its name.
    pub name: MailboxName,
    /// What happens.
    pub action: Action,
    /// Which, ascending; at least one.
    pub uids: Vec<Uid>,
    /// Their number and bytes.
    pub usage: Usage,
}

/// The role of a mailbox, by its special use and name. One that is for something else has none, whatever its name.
pub fn role(mailbox: &Mailbox) -> Option<Role> {
    match mailbox.special_use {
        _ if mailbox.name.is_inbox() => Some(Role::Inbox),
        Some(SpecialUse::Trash) => Some(Role::Trash),
        Some(SpecialUse::Junk) => Some(Role::Junk),
        None if mailbox.name.as_str() == FETCHED => Some(Role::Fetched),
        _ => None,
    }
}

/// The date of a message for the archive: its internal date, or when it came here if that cannot be.
fn date(facts: &MessageFacts) -> Wall {
    let latest = Wall(facts.saved.0.saturating_add(DATE_AHEAD_MAX));
    if (DATE_MIN..=latest).contains(&facts.internal_date) {
        facts.internal_date
    } else {
        facts.saved
    }
}

/// The date that lies `months` before `wall`; `None` if there is no such date.
fn months_before(wall: Wall, months: u32, zone: &TimeZone) -> Option<Wall> {
    let today = Timestamp::from_second(wall.0).ok()?.to_zoned(zone.clone());
    let then = today.checked_sub(Span::new().months(i64::from(months)));
    Some(Wall(then.ok()?.timestamp().as_second()))
}

/// The year in which a message is filed.
fn year(wall: Wall, zone: &TimeZone) -> Option<i16> {
    let stamp = Timestamp::from_second(wall.0).ok()?;
    Some(stamp.to_zoned(zone.clone()).year())
}

/// Where an account's mail of a year goes: below its `\Archive`, or below `Archive`. `None` if a mailbox of that name is
/// for something else.
fn archive_name(mailboxes: &[Mailbox], year: i16) -> Option<MailboxName> {
    let archive = |mailbox: &&Mailbox| mailbox.special_use == Some(SpecialUse::Archive);
    let above = mailboxes.iter().find(archive);
    let above = above.map_or("Archive", |mailbox| mailbox.name.as_str());
    let name = MailboxName::parse(&format!("{above}{SEPARATOR}{year:04}")).ok()?;
    let taken = mailboxes.iter().find(|mailbox| mailbox.name == name);
    let is_for_else = taken.is_some_and(|mailbox| mailbox.special_use.is_some());
    (!is_for_else).then_some(name)
}

/// A plan in the making.
struct Planner<'a> {
    store: &'a Store,
    snapshot: &'a Snapshot,
    policy: &'a Policy,
    now: Now,
    items: Vec<Item>,
}

/// What would go now, by account and mailbox. Nothing that counts by days goes while the clock is not set.
pub fn plan(store: &Store, policy: &Policy, now: Now) -> Result<Vec<Item>> {
    // The slow clock may have to be written, and what comes meanwhile is too young anyway.
    store.keep_age(now)?;
    let snapshot = store.snapshot()?;
    let mut planner = Planner {
        store,
        snapshot: &snapshot,
        policy,
        now,
        items: Vec::new(),
    };
    for account in snapshot.accounts()? {
        planner.plan_account(&account)?;
    }
    Ok(planner.items)
}

impl Planner<'_> {
    fn plan_account(&mut self, account: &Account) -> Result<()> {
        let mailboxes = self.snapshot.mailboxes(account.id)?;
        for mailbox in &mailboxes {
            match role(mailbox) {
                Some(Role::Trash) => self.plan_removal(account, mailbox, self.policy.trash_days)?,
                Some(Role::Junk) => self.plan_removal(account, mailbox, self.policy.junk_days)?,
                Some(Role::Fetched) => {
                    self.plan_removal(account, mailbox, self.policy.fetched_days)?;
                }
                Some(Role::Inbox) => self.plan_archive(account, mailbox, &mailboxes)?,
                None => {}
            }
        }
        Ok(())
    }

    /// Everything that has lain in that mailbox for `days`.
    fn plan_removal(&mut self, account: &Account, mailbox: &Mailbox, days: u32) -> Result<()> {
        let Some(before) = self.store.lain_for(days, self.now)? else {
            return Ok(());
        };
        for row in self.snapshot.rows(mailbox.id, Uid::MIN, Uid::MAX)? {
            if row.serial < before
                && let Some(facts) = self.snapshot.facts(row.serial)?
            {
                self.add((account, mailbox), Action::SetAside, row.uid, facts.bytes);
            }
        }
        Ok(())
    }

    /// What is older than the policy's months, by year.
    fn plan_archive(
        &mut self,
        account: &Account,
        inbox: &Mailbox,
        mailboxes: &[Mailbox],
    ) -> Result<()> {
        let (Some(months), Some(today)) = (
            self.policy.archive_months,
            self.store.policy_wall(self.now)?,
        ) else {
            return Ok(());
        };
        let zone = &self.policy.time_zone;
        let Some(before) = months_before(today, months, zone) else {
            return Ok(());
        };
        for row in self.snapshot.rows(inbox.id, Uid::MIN, Uid::MAX)? {
            let Some(facts) = self.snapshot.facts(row.serial)? else {
                continue;
            };
            let date = date(&facts);
            let name = year(date, zone).and_then(|year| archive_name(mailboxes, year));
            if let Some(name) = name.filter(|_| date < before) {
                self.add(
                    (account, inbox),
                    Action::Archive(name),
                    row.uid,
                    facts.bytes,
                );
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        (account, mailbox): (&Account, &Mailbox),
        action: Action,
        uid: Uid,
        bytes: u64,
    ) {
        let same = |item: &&mut Item| item.mailbox == mailbox.id && item.action == action;
        let one = Usage { bytes, messages: 1 };
        if let Some(item) = self.items.iter_mut().find(same) {
            item.uids.push(uid);
            item.usage.add(one);
            return;
        }
        self.items.push(Item {
            account: account.clone(),
            mailbox: mailbox.id,
            name: mailbox.name.clone(),
            action,
            uids: vec![uid],
            usage: one,
        });
    }
}

#[cfg(test)]
mod tests;
