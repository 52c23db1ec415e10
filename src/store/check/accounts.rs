//! Invariants of accounts, addresses and devices.

use std::collections::BTreeSet;

use redb::ReadableTable;

use super::{Invariant, Report};
use crate::mail::ids::{AccountId, DeviceId};
use crate::store::account::AccountRow;
use crate::store::codec::Unpacker;
use crate::store::device::{self, DeviceRow};
use crate::store::schema::{
    ACCOUNT_KEYS, ACCOUNTS, ALIASES, DEVICES, GROWTH, LOGINS, TOLD, WAITING, subject_key,
};
use crate::store::tx::ReadRows;
use crate::store::types::{Level, Subject};
use crate::store::{Result, Snapshot, login, waiting};

pub(super) fn check(snapshot: &Snapshot, report: &mut Report) -> Result<()> {
    check_accounts(snapshot, report)?;
    check_keys(snapshot, report)?;
    check_devices(snapshot, report)?;
    check_logins(snapshot, report)?;
    check_remembered(snapshot, report)
}

fn check_accounts(snapshot: &Snapshot, report: &mut Report) -> Result<()> {
    let keys = snapshot.read(ACCOUNT_KEYS)?;
    let mut has_owner = false;
    for entry in snapshot.read(ACCOUNTS)?.iter()? {
        let (id, row) = entry?;
        let id = id.value();
        report.accounts += 1;
        let Some(row) = report.readable(AccountRow::unpack(row.value())) else {
            continue;
        };
        has_owner |= row.owner;
        let key = row.address.lookup_key();
        let leads_to = keys.get(key.as_str())?.map(|row| row.value());
        report.expect(leads_to == Some(id), Invariant::Addresses, || {
            format!("{key} of account {id} leads to {leads_to:?}")
        });
    }
    let holds = has_owner || report.accounts == 0;
    report.expect(holds, Invariant::Owner, || {
        "no account is the owner".to_owned()
    });
    Ok(())
}

fn check_keys(snapshot: &Snapshot, report: &mut Report) -> Result<()> {
    let keys = snapshot.read(ACCOUNT_KEYS)?;
    let count = keys.iter()?.count() as u64;
    let accounts = report.accounts;
    report.expect(count == accounts, Invariant::Addresses, || {
        format!("{count} addresses for {accounts} accounts")
    });
    for entry in snapshot.read(ALIASES)?.iter()? {
        let (from, _) = entry?;
        let from = from.value();
        let taken = keys.get(from)?.is_some();
        report.expect(!taken, Invariant::Addresses, || {
            format!("{from} is both an account and an alias")
        });
        let alias = snapshot.alias(from);
        report.readable(alias);
    }
    Ok(())
}

fn check_devices(snapshot: &Snapshot, report: &mut Report) -> Result<()> {
    let mut names = BTreeSet::new();
    for entry in snapshot.read(DEVICES)?.iter()? {
        let (key, row) = entry?;
        let (account, device) = key.value();
        let exists = snapshot.account(AccountId(account))?.is_some();
        report.expect(exists, Invariant::Devices, || {
            format!("device {device} belongs to account {account}, which does not exist")
        });
        if let Some(row) = report.readable(DeviceRow::unpack(row.value())) {
            let is_new = names.insert((account, row.name));
            report.expect(is_new, Invariant::Devices, || {
                format!("device {device} has another's name")
            });
        }
    }
    Ok(())
}

fn check_logins(snapshot: &Snapshot, report: &mut Report) -> Result<()> {
    for entry in snapshot.read(LOGINS)?.iter()? {
        let (key, row) = entry?;
        let (account, device, protocol) = key.value();
        let holds = match device {
            0 => snapshot.account(AccountId(account))?.is_some(),
            _ => device::exists(snapshot, AccountId(account), DeviceId(device))?,
        };
        report.expect(holds, Invariant::Devices, || {
            format!("a login of device {device} of account {account}, which does not exist")
        });
        report.readable(login::unpack(protocol, row.value()));
    }
    Ok(())
}

/// Rows about subjects, all of which the card or an account must be.
fn check_remembered(snapshot: &Snapshot, report: &mut Report) -> Result<()> {
    let mut subjects = BTreeSet::new();
    for entry in snapshot.read(GROWTH)?.iter()? {
        let (kind, id, _) = entry?.0.value();
        subjects.insert((kind, id));
    }
    for entry in snapshot.read(TOLD)?.iter()? {
        let (key, row) = entry?;
        subjects.insert(key.value());
        report.readable(Level::unpack(&mut Unpacker::new("told", row.value())));
    }
    for entry in snapshot.read(WAITING)?.iter()? {
        let (key, row) = entry?;
        subjects.insert(subject_key(Subject::Account(AccountId(key.value().0))));
        report.readable(waiting::unpack(row.value()));
    }
    subjects.remove(&subject_key(Subject::Card));
    for (kind, id) in subjects {
        let account = AccountId(id);
        let is_one = (kind, id) == subject_key(Subject::Account(account));
        let holds = is_one && snapshot.account(account)?.is_some();
        report.expect(holds, Invariant::Remembered, || {
            format!("something is remembered of subject {kind} {id}, which does not exist")
        });
    }
    Ok(())
}
