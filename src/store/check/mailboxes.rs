//! Invariants of mailboxes: names, hierarchy, UIDVALIDITY, and who has counters.

use std::collections::{BTreeMap, BTreeSet};

use redb::ReadableTable;

use super::{Invariant, Report};
use crate::mail::flags::KEYWORDS_PER_MAILBOX_MAX;
use crate::mail::ids::{AccountId, MailboxId};
use crate::mail::mailbox_name::MailboxName;
use crate::store::counters::{AccountCounters, Counters, MailboxCounters, StoreCounters};
use crate::store::mailbox::{MailboxRow, by_name, names};
use crate::store::purge;
use crate::store::schema::{COUNTERS, MAILBOX_NAMES, MAILBOXES, OF_ACCOUNT, OF_MAILBOX};
use crate::store::tx::ReadRows;
use crate::store::{Result, Snapshot};

pub(super) fn check(snapshot: &Snapshot, report: &mut Report) -> Result<()> {
    let mailboxes = read_rows(snapshot, report)?;
    report.mailboxes = mailboxes.len() as u64;
    check_names(snapshot, report, &mailboxes)?;
    check_hierarchy(snapshot, report)?;
    check_uid_validity(snapshot, report, &mailboxes)?;
    check_keywords(report, &mailboxes);
    check_counters(snapshot, report, &mailboxes)?;
    for id in purge::pending(snapshot)? {
        report.expect(!mailboxes.contains_key(&id), Invariant::Purges, || {
            format!("mailbox {id} is being purged and still there")
        });
    }
    Ok(())
}

type Rows = BTreeMap<MailboxId, MailboxRow>;

fn read_rows(snapshot: &Snapshot, report: &mut Report) -> Result<Rows> {
    let mut rows = Rows::new();
    for entry in snapshot.read(MAILBOXES)?.iter()? {
        let (id, row) = entry?;
        if let Some(row) = report.readable(MailboxRow::unpack(row.value())) {
            rows.insert(MailboxId(id.value()), row);
        }
    }
    Ok(rows)
}

fn check_names(snapshot: &Snapshot, report: &mut Report, mailboxes: &Rows) -> Result<()> {
    let table = snapshot.read(MAILBOX_NAMES)?;
    let count = table.iter()?.count();
    report.expect(count == mailboxes.len(), Invariant::MailboxNames, || {
        format!("{count} names for {} mailboxes", mailboxes.len())
    });
    for (id, row) in mailboxes {
        let named = by_name(snapshot, row.account, &row.name)?;
        report.expect(named == Some(*id), Invariant::MailboxNames, || {
            format!("the name of mailbox {id} leads to {named:?}")
        });
        let exists = snapshot.account(row.account)?.is_some();
        report.expect(exists, Invariant::MailboxNames, || {
            format!(
                "mailbox {id} belongs to account {}, which does not exist",
                row.account
            )
        });
    }
    Ok(())
}

fn check_hierarchy(snapshot: &Snapshot, report: &mut Report) -> Result<()> {
    for account in snapshot.accounts()? {
        let names: BTreeSet<MailboxName> = names(snapshot, account.id)?
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        let has_inbox = names.contains(&MailboxName::inbox());
        report.expect(has_inbox, Invariant::Hierarchy, || {
            format!("account {} has no INBOX", account.id)
        });
        for name in &names {
            let holds = name.parent().is_none_or(|parent| names.contains(&parent));
            report.expect(holds, Invariant::Hierarchy, || {
                format!("{} of account {} has no parent", name.as_str(), account.id)
            });
        }
    }
    Ok(())
}

fn check_uid_validity(snapshot: &Snapshot, report: &mut Report, mailboxes: &Rows) -> Result<()> {
    let highest = StoreCounters::find(snapshot, ())?
        .unwrap_or_default()
        .uid_validity;
    let mut seen = BTreeSet::new();
    for (id, row) in mailboxes {
        let value = row.uid_validity.0.get();
        let holds = value <= highest && seen.insert(value);
        report.expect(holds, Invariant::UidValidity, || {
            format!("mailbox {id} has UIDVALIDITY {value}, the counter is at {highest}")
        });
    }
    Ok(())
}

fn check_keywords(report: &mut Report, mailboxes: &Rows) {
    for (id, row) in mailboxes {
        let names: BTreeSet<String> = row
            .keywords
            .iter()
            .map(|keyword| keyword.as_str().to_ascii_lowercase())
            .collect();
        let count = row.keywords.len();
        let holds = names.len() == count && count <= KEYWORDS_PER_MAILBOX_MAX;
        report.expect(holds, Invariant::Keywords, || {
            format!(
                "mailbox {id} has {count} keywords, {} of them different",
                names.len()
            )
        });
    }
}

/// Every account and mailbox has its row of counters, and nothing else has one.
fn check_counters(snapshot: &Snapshot, report: &mut Report, mailboxes: &Rows) -> Result<()> {
    for id in mailboxes.keys() {
        let counters = MailboxCounters::load(snapshot, *id);
        report.readable(counters);
    }
    for account in snapshot.accounts()? {
        let counters = AccountCounters::load(snapshot, account.id);
        report.readable(counters);
    }
    for entry in snapshot.read(COUNTERS)?.iter()? {
        let (kind, id) = entry?.0.value();
        let holds = match kind {
            OF_ACCOUNT => snapshot.account(AccountId(id))?.is_some(),
            OF_MAILBOX => mailboxes.contains_key(&MailboxId(id)),
            _ => true,
        };
        report.expect(holds, Invariant::MailboxNames, || {
            format!("counters of kind {kind} for {id}, which does not exist")
        });
    }
    Ok(())
}
