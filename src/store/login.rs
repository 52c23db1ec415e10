//! Logins: when each device, and the account's own password, was last let in, by which protocol, from where and how
//! protected.
//!
//! One row for each protocol of each device, written at most every [`LOGIN_INTERVAL`], so that a client that polls does not
//! wear the card: the times are good to that.

use std::time::Duration;

use redb::ReadableTable;

use super::codec::{Packer, Unpacker};
use super::schema::LOGINS;
use super::tx::{ReadRows, Tx};
use super::types::Login;
use super::{Error, Result, Snapshot, Store, device};
use crate::clock::Wall;
use crate::mail::ids::{AccountId, DeviceId};

/// Least time between two writes of one row.
pub const LOGIN_INTERVAL: Duration = Duration::from_mins(15);

/// Longest name of a protocol, and of a version of TLS, in bytes.
const NAME_BYTES_MAX: usize = 32;

/// How the table names the account's own password.
const OWN_PASSWORD: u32 = 0;

fn key_of(device: Option<DeviceId>) -> u32 {
    device.map_or(OWN_PASSWORD, |device| device.0)
}

fn pack(login: &Login) -> Vec<u8> {
    let mut row = Packer::new();
    row.int(login.at.0)
        .text(&login.from.to_string())
        .text(&login.tls);
    row.finish()
}

pub(super) fn unpack(protocol: &str, row: &[u8]) -> Result<Login> {
    let mut row = Unpacker::new("logins", row);
    let login = Login {
        protocol: protocol.to_owned(),
        at: Wall(row.int()?),
        from: row.text()?.parse().map_err(|_| row.damaged())?,
        tls: row.text()?.to_owned(),
    };
    row.finish()?;
    Ok(login)
}

/// All logins of an account, by device and protocol.
pub(super) fn of_account(
    rows: &impl ReadRows,
    account: AccountId,
) -> Result<Vec<(Option<DeviceId>, Login)>> {
    let table = rows.read(LOGINS)?;
    let mut logins = Vec::new();
    for entry in table.range((account.0, 0, "")..(account.0 + 1, 0, ""))? {
        let (key, row) = entry?;
        let (_, device, protocol) = key.value();
        let device = (device != OWN_PASSWORD).then_some(DeviceId(device));
        logins.push((device, unpack(protocol, row.value())?));
    }
    Ok(logins)
}

fn forget_where(
    tx: &Tx<'_>,
    account: AccountId,
    is_meant: impl Fn(Option<DeviceId>) -> bool,
) -> Result<()> {
    let logins = of_account(tx, account)?;
    let mut table = tx.write(LOGINS)?;
    for (device, login) in logins {
        if is_meant(device) {
            table.remove((account.0, key_of(device), login.protocol.as_str()))?;
        }
    }
    Ok(())
}

/// Forgets the logins of a device that is revoked.
pub(super) fn forget_device(tx: &Tx<'_>, account: AccountId, device: DeviceId) -> Result<()> {
    forget_where(tx, account, |found| found == Some(device))
}

/// Forgets all logins of an account that is removed.
pub(super) fn forget_account(tx: &Tx<'_>, account: AccountId) -> Result<()> {
    forget_where(tx, account, |_| true)
}

/// Whether a row that holds `before` need not be written again. A clock that was ahead is put right at once.
fn is_fresh(before: Wall, at: Wall) -> bool {
    let interval = LOGIN_INTERVAL.as_secs();
    u64::try_from(at.0 - before.0).is_ok_and(|passed| passed < interval)
}

/// A device may have been revoked since its password was checked.
fn save(tx: &Tx<'_>, account: AccountId, device: Option<DeviceId>, login: &Login) -> Result<()> {
    let is_there = match device {
        Some(id) => device::exists(tx, account, id)?,
        None => super::account::AccountRow::find(tx, account)?.is_some(),
    };
    if is_there {
        let key = (account.0, key_of(device), login.protocol.as_str());
        let mut table = tx.write(LOGINS)?;
        table.insert(key, pack(login).as_slice())?;
    }
    Ok(())
}

impl Store {
    /// Remembers a login with an account's own password (`None`) or a device's; written at most every
    /// [`LOGIN_INTERVAL`] for each protocol.
    pub fn remember_login(
        &self,
        account: AccountId,
        device: Option<DeviceId>,
        login: &Login,
    ) -> Result<()> {
        if login.protocol.len() > NAME_BYTES_MAX || login.tls.len() > NAME_BYTES_MAX {
            return Err(Error::Limit("bytes of a protocol's name"));
        }
        let known = self.snapshot()?.logins(account)?.into_iter();
        let mut of_row = known.filter(|(of, known)| {
            *of == device && known.protocol == login.protocol && is_fresh(known.at, login.at)
        });
        if of_row.next().is_some() {
            return Ok(());
        }
        let login = login.clone();
        self.0.commit(move |tx| save(tx, account, device, &login))
    }
}

impl Snapshot {
    /// The last logins of an account, one for each protocol of each device; `None` is the account's own password.
    pub fn logins(&self, account: AccountId) -> Result<Vec<(Option<DeviceId>, Login)>> {
        of_account(self, account)
    }
}
