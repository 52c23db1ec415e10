//! Making room: the owner's policy for what may go when the letterbox is full, then the owner's programs, then a receipt.
//!
//! Old mail in Trash, Junk and "Fetched" is set aside, old mail of INBOX moves to Archive/YYYY if the owner wants that.
//! Never touches INBOX otherwise, nor other mailboxes ([`plan`]). One pass is one run of the store, which can be undone
//! until the card needs the space. The button, the command and the page do the same.

pub mod plan;
pub mod programs;
pub mod state;
pub mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::tz::TimeZone;

use crate::clock::{Clock, Now};
use crate::delivery::notice::{self, Notice};
use crate::mail::address::{Address, Domain};
use crate::mail::ids::AccountId;
use crate::mail::mailbox_name::MailboxName;
use crate::maillog::{self, Log};
use crate::space;
use crate::store::aside::RunId;
use crate::store::aside::undo::{Outcome, Undone};
use crate::store::types::{Account, Usage};
use crate::store::{Error, Result, Store};
use plan::{Action, Item};
use programs::Report;

/// Largest mailboxes of an account that a receipt names.
const LARGEST_MAX: usize = 3;

/// What may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Days in Trash; 0 is all of it.
    pub trash_days: u32,
    /// Days in Junk; 0 is all of it.
    pub junk_days: u32,
    /// Days in "Fetched"; 0 is all of it.
    pub fetched_days: u32,
    /// Months in INBOX until mail moves to Archive/YYYY.
    pub archive_months: Option<u32>,
    /// In which years begin.
    pub time_zone: TimeZone,
}

/// What the hook works with.
#[derive(Clone, Debug)]
pub struct Hook {
    /// The open store.
    pub store: Store,
    /// What may go.
    pub policy: Policy,
    /// Directory of the owner's programs.
    pub programs: PathBuf,
    /// Socket of the helper that runs them for a daemon that may not.
    pub helper: PathBuf,
    /// Domain that the receipt comes from.
    pub domain: Domain,
    /// Tells how long programs took.
    pub clock: Clock,
}

/// What became of messages of one mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Whose.
    pub account: Address,
    /// Where they lay.
    pub mailbox: MailboxName,
    /// What was done.
    pub action: Action,
    /// With how many, and their bytes.
    pub usage: Usage,
}

/// An account and its largest mailboxes, the largest first.
pub type Largest = (Address, Vec<(MailboxName, Usage)>);

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Messages set aside.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages that moved to an archive.
    pub archived: Usage,
    /// The run that can be undone, if anything was done.
    pub run: Option<RunId>,
    /// What was done, by account and mailbox.
    pub done: Vec<Done>,
    /// What had been set aside, now or before, and is gone for good because the card needed the space.
    pub released: Usage,
    /// Whether ages could be told.
    pub clock_is_set: bool,
    /// Where there is most, if nothing could go.
    pub largest: Vec<Largest>,
    /// What the owner's programs did.
    pub programs: Report,
    /// Who the receipt went to.
    pub mailed_to: Option<Address>,
}

impl Receipt {
    /// Whether the policy found nothing to do.
    pub fn is_empty(&self) -> bool {
        self.done.is_empty()
    }
}

/// The storage-full hook, whole: the policy, then the owner's programs, then a receipt by mail. Takes as long as the
/// programs do; call it on a thread that may wait. A fault of the store comes last: programs and receipt do not wait
/// for a sound one.
pub fn press(hook: &Hook, now: Now) -> Result<Receipt> {
    let mut receipt = Receipt {
        clock_is_set: now.wall.is_some(),
        ..Receipt::default()
    };
    let carried_out = carry_out(hook, &mut receipt, now);
    if receipt.is_empty() {
        receipt.largest = largest(&hook.store)?;
    }
    receipt.programs = run_programs(hook, &receipt, now)?;
    match mail_receipt(hook, &receipt, now) {
        Ok(to) => receipt.mailed_to = to,
        Err(error) => tracing::warn!(%error, "the receipt could not be mailed"),
    }
    carried_out.map(|()| receipt)
}

/// What a press would do.
pub fn dry_run(hook: &Hook, now: Now) -> Result<Vec<Item>> {
    plan::plan(&hook.store, &hook.policy, now)
}

/// Undoes the last run. [`Error::NotFound`] if there is none (any more).
pub fn undo(store: &Store, now: Now) -> Result<Undone> {
    let runs = store.snapshot()?.runs()?;
    let last = runs.last().ok_or(Error::NotFound("anything to undo"))?;
    let undone = store.undo_run(last.id, now)?;
    for (id, outcome) in &undone.accounts {
        if let (Some(account), Outcome::Back { put_back, .. }) =
            (store.snapshot()?.account(*id)?, outcome)
        {
            maillog::room_undone(
                Log(store, now),
                &account.address,
                put_back.messages,
                put_back.bytes,
            );
        }
    }
    Ok(undone)
}

/// The policy. Notes in the receipt what is done as it goes.
fn carry_out(hook: &Hook, receipt: &mut Receipt, now: Now) -> Result<()> {
    let items = plan::plan(&hook.store, &hook.policy, now)?;
    if !items.is_empty() {
        let run = hook.store.begin_run("room", now)?;
        receipt.run = Some(run);
        for item in items {
            carry_out_item(&hook.store, run, item, receipt, now)?;
        }
        log_accounts(Log(&hook.store, now), receipt)?;
    }
    receipt.released = hook.store.release_aside(now)?;
    if receipt.released.messages > 0 {
        maillog::room_released(
            Log(&hook.store, now),
            receipt.released.messages,
            receipt.released.bytes,
        );
    }
    let runs = hook.store.snapshot()?.runs()?;
    receipt
        .run
        .take_if(|run| runs.iter().all(|left| left.id != *run));
    hook.store.make_room()
}

fn carry_out_item(
    store: &Store,
    run: RunId,
    item: Item,
    receipt: &mut Receipt,
    now: Now,
) -> Result<()> {
    let usage = match &item.action {
        Action::SetAside => {
            let usage = store.set_aside(run, item.mailbox, &item.uids)?;
            receipt.messages += usage.messages;
            receipt.bytes += usage.bytes;
            usage
        }
        Action::Archive(to) => {
            let usage = store.move_in_run(run, (item.mailbox, to), &item.uids, now)?;
            receipt.archived.add(usage);
            usage
        }
    };
    // Somebody may have been quicker.
    if usage.messages > 0 {
        receipt.done.push(Done {
            account: item.account.address,
            mailbox: item.name,
            action: item.action,
            usage,
        });
    }
    Ok(())
}

fn log_accounts(log: Log<'_>, receipt: &Receipt) -> Result<()> {
    let mut sums: BTreeMap<AccountId, (Address, Usage)> = BTreeMap::new();
    for account in log.0.snapshot()?.accounts()? {
        let own = receipt
            .done
            .iter()
            .filter(|done| done.account == account.address && done.action == Action::SetAside);
        for done in own {
            let sum = sums.entry(account.id);
            let sum = sum.or_insert_with(|| (account.address.clone(), Usage::default()));
            sum.1.add(done.usage);
        }
    }
    for (address, usage) in sums.values() {
        maillog::room_made(log, address, usage.messages, usage.bytes);
    }
    Ok(())
}

/// Where there is most, for each account.
fn largest(store: &Store) -> Result<Vec<Largest>> {
    let snapshot = store.snapshot()?;
    let mut largest = Vec::new();
    for Account { id, address, .. } in snapshot.accounts()? {
        let mut mailboxes = snapshot.mailboxes(id)?;
        mailboxes.retain(|mailbox| mailbox.messages > 0);
        mailboxes.sort_by_key(|mailbox| std::cmp::Reverse(mailbox.bytes));
        mailboxes.truncate(LARGEST_MAX);
        let named = mailboxes.into_iter().map(|mailbox| {
            let usage = Usage {
                bytes: mailbox.bytes,
                messages: mailbox.messages.into(),
            };
            (mailbox.name, usage)
        });
        let named: Vec<_> = named.collect();
        if !named.is_empty() {
            largest.push((address, named));
        }
    }
    Ok(largest)
}

fn run_programs(hook: &Hook, receipt: &Receipt, now: Now) -> Result<Report> {
    let house = space::house(&hook.store, now)?;
    let state = state::document(&house, receipt, now);
    let (dir, helper) = (&hook.programs, &hook.helper);
    Ok(programs::run_by_whom_may(dir, &state, helper, &hook.clock))
}

/// Writes the receipt to the owner, if there is one.
fn mail_receipt(hook: &Hook, receipt: &Receipt, now: Now) -> Result<Option<Address>> {
    let Some(owner) = hook.store.snapshot()?.owner()? else {
        return Ok(None);
    };
    let house = space::house(&hook.store, now)?;
    let subject = words::subject(receipt, owner.language);
    let notice = Notice {
        to: &owner,
        subject: &subject,
        text: &words::mail(receipt, &hook.policy, &house, owner.language),
    };
    let append = notice::compose(&hook.store, &hook.domain, &notice, now)?;
    hook.store.append_all(vec![append], now)?;
    maillog::house_wrote(Log(&hook.store, now), &owner.address, &subject);
    Ok(Some(owner.address))
}

#[cfg(test)]
mod tests;
