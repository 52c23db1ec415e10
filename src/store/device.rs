//! Devices (app passwords), what can let someone into an account, and the settings that callers keep here.

use redb::ReadableTable;

use super::account::{AccountRow, pack_verifier, unpack_verifier};
use super::change::Change;
use super::codec::{Packer, Unpacker};
use super::counters::next_device;
use super::schema::{DEVICES, SETTINGS};
use super::tx::{ReadRows, Tx};
use super::types::{Credentials, Device, Pop3Delete, Verifier};
use super::{Error, Result, Snapshot, Store};
use super::{login, pop3};
use crate::clock::{Now, Wall};
use crate::mail::ids::{AccountId, DeviceId};

/// Most devices of one account.
pub const DEVICES_PER_ACCOUNT_MAX: usize = 64;
/// Longest name of a device, in bytes.
pub const DEVICE_NAME_BYTES_MAX: usize = 100;
/// Longest value of a setting, in bytes.
pub const SETTING_BYTES_MAX: usize = 64 * 1024;

const NO_DEVICE: Error = Error::NotFound("the device");

/// A row of `devices`.
#[derive(Clone, Debug)]
pub(super) struct DeviceRow {
    pub(super) name: String,
    pub(super) pop3_delete: Pop3Delete,
    pub(super) created: Wall,
    /// As stores before version 4 kept it; `login` has the later ones.
    pub(super) last_seen: Option<Wall>,
    /// Whether it ever finished a POP3 session.
    pub(super) pop3_used: bool,
    pub(super) verifier: Verifier,
}

impl DeviceRow {
    fn pack(&self) -> Vec<u8> {
        let mut row = Packer::new();
        row.text(&self.name);
        match self.pop3_delete {
            Pop3Delete::Delete => row.byte(0),
            Pop3Delete::Keep { days } => row.byte(1).uint(days.into()),
            Pop3Delete::Move => row.byte(2),
        };
        row.int(self.created.0)
            .option(self.last_seen, |row, seen| {
                row.int(seen.0);
            })
            .byte(u8::from(self.pop3_used));
        pack_verifier(&mut row, &self.verifier);
        row.finish()
    }

    pub(super) fn unpack(row: &[u8]) -> Result<Self> {
        let mut row = Unpacker::new("devices", row);
        let name = row.text()?.to_owned();
        let pop3_delete = match row.byte()? {
            0 => Pop3Delete::Delete,
            1 => Pop3Delete::Keep {
                days: u16::try_from(row.uint()?).map_err(|_| row.damaged())?,
            },
            2 => Pop3Delete::Move,
            _ => return Err(row.damaged()),
        };
        let unpacked = Self {
            name,
            pop3_delete,
            created: Wall(row.int()?),
            last_seen: row.option(|row| row.int().map(Wall))?,
            pop3_used: row.byte()? != 0,
            verifier: unpack_verifier(&mut row)?,
        };
        row.finish()?;
        Ok(unpacked)
    }

    pub(super) fn save(&self, tx: &Tx<'_>, account: AccountId, id: DeviceId) -> Result<()> {
        let mut table = tx.write(DEVICES)?;
        table.insert((account.0, id.0), self.pack().as_slice())?;
        Ok(())
    }

    fn into_device(self, account: AccountId, id: DeviceId, seen: Option<Wall>) -> Device {
        Device {
            id,
            account,
            name: self.name,
            pop3_delete: self.pop3_delete,
            created: self.created,
            last_seen: self.last_seen.max(seen),
        }
    }
}

/// The devices of an account, by identifier.
pub(super) fn devices(
    rows: &impl ReadRows,
    account: AccountId,
) -> Result<Vec<(DeviceId, DeviceRow)>> {
    let table = rows.read(DEVICES)?;
    let mut devices = Vec::new();
    for entry in table.range((account.0, 0)..=(account.0, u32::MAX))? {
        let (key, row) = entry?;
        devices.push((DeviceId(key.value().1), DeviceRow::unpack(row.value())?));
    }
    Ok(devices)
}

/// A device by its identifier alone.
fn find(rows: &impl ReadRows, id: DeviceId) -> Result<(AccountId, DeviceRow)> {
    for entry in rows.read(DEVICES)?.iter()? {
        let (key, row) = entry?;
        let (account, device) = key.value();
        if device == id.0 {
            return Ok((AccountId(account), DeviceRow::unpack(row.value())?));
        }
    }
    Err(NO_DEVICE)
}

/// Whether an account has this device.
pub(super) fn exists(rows: &impl ReadRows, account: AccountId, id: DeviceId) -> Result<bool> {
    Ok(rows.read(DEVICES)?.get((account.0, id.0))?.is_some())
}

fn add(tx: &mut Tx<'_>, account: AccountId, new: &DeviceRow) -> Result<DeviceId> {
    AccountRow::load(tx, account)?;
    let devices = devices(tx, account)?;
    if devices.iter().any(|(_, row)| row.name == new.name) {
        return Err(Error::Exists("a device of that name"));
    }
    if devices.len() >= DEVICES_PER_ACCOUNT_MAX {
        return Err(Error::Limit("devices of an account"));
    }
    let id = next_device(tx)?;
    new.save(tx, account, id)?;
    Ok(id)
}

fn refuse_bad(name: &str, policy: Pop3Delete) -> Result<()> {
    let name_fits = !name.is_empty() && !name.contains(char::is_control);
    if !name_fits || name.len() > DEVICE_NAME_BYTES_MAX {
        return Err(Error::Refused(
            "a device's name has 1 to 100 bytes and no control characters",
        ));
    }
    refuse_bad_policy(policy)
}

fn refuse_bad_policy(policy: Pop3Delete) -> Result<()> {
    match policy {
        Pop3Delete::Keep { days } if !(1..=3650).contains(&days) => {
            Err(Error::Refused("keep takes 1 to 3650 days"))
        }
        Pop3Delete::Keep { .. } | Pop3Delete::Delete | Pop3Delete::Move => Ok(()),
    }
}

fn revoke(tx: &mut Tx<'_>, id: DeviceId) -> Result<()> {
    let (account, _) = find(tx, id)?;
    tx.write(DEVICES)?.remove((account.0, id.0))?;
    pop3::forget_device(tx, id)?;
    login::forget_device(tx, account, id)?;
    tx.announce(account, Change::Account);
    Ok(())
}

/// Removes all devices of an account. Their marks go with the messages.
pub(super) fn remove_devices(tx: &Tx<'_>, account: AccountId) -> Result<()> {
    for (id, _) in devices(tx, account)? {
        tx.write(DEVICES)?.remove((account.0, id.0))?;
    }
    Ok(())
}

impl Store {
    /// Adds a device. Its verifier is made with the account's salt and count.
    pub fn add_device(
        &self,
        account: AccountId,
        name: &str,
        pop3_delete: Pop3Delete,
        verifier: Verifier,
        now: Now,
    ) -> Result<Device> {
        refuse_bad(name, pop3_delete)?;
        let row = DeviceRow {
            name: name.to_owned(),
            pop3_delete,
            created: now.stamp(),
            last_seen: None,
            pop3_used: false,
            verifier,
        };
        let stored = row.clone();
        let id = self.0.commit(move |tx| add(tx, account, &stored))?;
        Ok(row.into_device(account, id, None))
    }

    /// Revokes a device: its app password opens nothing from the next login on, and what it hid is shown again.
    pub fn revoke_device(&self, id: DeviceId) -> Result<()> {
        self.0.commit(move |tx| revoke(tx, id))
    }

    /// Changes what POP3's DELE means for a device; counts for what was hidden before too.
    pub fn set_pop3_delete(&self, id: DeviceId, policy: Pop3Delete) -> Result<()> {
        refuse_bad_policy(policy)?;
        self.0.commit(move |tx| {
            let (account, mut row) = find(tx, id)?;
            row.pop3_delete = policy;
            row.save(tx, account, id)
        })
    }

    /// Sets a small value that is kept under a name, such as a secret key of another module.
    pub fn set_setting(&self, name: &str, value: &[u8]) -> Result<()> {
        if value.len() > SETTING_BYTES_MAX {
            return Err(Error::Limit("bytes of a setting"));
        }
        let (name, value) = (name.to_owned(), value.to_vec());
        self.0.commit(move |tx| {
            let mut table = tx.write(SETTINGS)?;
            table.insert(name.as_str(), value.as_slice())?;
            Ok(())
        })
    }

    /// Sets such a value if the one that is kept is `expected`, and says whether it was.
    pub fn replace_setting(
        &self,
        name: &str,
        expected: Option<&[u8]>,
        value: &[u8],
    ) -> Result<bool> {
        if value.len() > SETTING_BYTES_MAX {
            return Err(Error::Limit("bytes of a setting"));
        }
        let (name, value) = (name.to_owned(), value.to_vec());
        let expected = expected.map(<[u8]>::to_vec);
        self.0.commit(move |tx| {
            let mut table = tx.write(SETTINGS)?;
            let kept = table.get(name.as_str())?.map(|kept| kept.value().to_vec());
            if kept != expected {
                return Ok(false);
            }
            table.insert(name.as_str(), value.as_slice())?;
            Ok(true)
        })
    }

    /// Forgets the value under that name.
    pub fn remove_setting(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.0.commit(move |tx| {
            tx.write(SETTINGS)?.remove(name.as_str())?;
            Ok(())
        })
    }
}

impl Snapshot {
    /// An account's devices, by identifier.
    pub fn devices(&self, account: AccountId) -> Result<Vec<Device>> {
        let (devices, logins) = (devices(self, account)?, login::of_account(self, account)?);
        let public = devices.into_iter().map(|(id, row)| {
            let own = logins.iter().filter(|(of, _)| *of == Some(id));
            row.into_device(account, id, own.map(|(_, login)| login.at).max())
        });
        Ok(public.collect())
    }

    /// What can let someone into an account; `None` if there is no such account.
    pub fn credentials(&self, id: AccountId) -> Result<Option<Credentials>> {
        let Some(row) = AccountRow::find(self, id)? else {
            return Ok(None);
        };
        let own = row.verifier.map(|verifier| (None, verifier));
        let devices = devices(self, id)?.into_iter();
        let devices = devices.map(|(device, row)| (Some(device), row.verifier));
        Ok(Some(Credentials {
            account: id,
            salt: row.salt,
            iterations: row.iterations,
            verifiers: own.into_iter().chain(devices).collect(),
        }))
    }

    /// The value that [`Store::set_setting`] keeps under that name.
    pub fn setting(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let table = self.read(SETTINGS)?;
        let value = table.get(name)?;
        Ok(value.map(|value| value.value().to_vec()))
    }
}
