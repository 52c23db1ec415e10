//! Devices: app passwords, and what POP3's DELE means for each.

use std::fmt;
use std::str::FromStr;

use super::account::Office;
use crate::auth;
use crate::auth::password::AppPassword;
use crate::clock::Now;
use crate::mail::ids::{AccountId, DeviceId};
use crate::maillog::{self, Log};
use crate::store::device::DEVICE_NAME_BYTES_MAX;
use crate::store::types::{Device, Pop3Delete};
use crate::store::{self};

/// Days that a device keeps mail after DELE when nothing else is said.
pub const KEEP_DAYS_DEFAULT: u16 = 30;

/// Most days of [`Pop3Delete::Keep`].
pub const KEEP_DAYS_MAX: u16 = 3650;

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name is empty, too long or has control characters.
    #[error("a device's name has 1 to {DEVICE_NAME_BYTES_MAX} bytes and no control characters")]
    Name,
    /// There is a device of that name.
    #[error("there is a device \"{0}\" already")]
    Exists(String),
    /// There is none.
    #[error("there is no such device")]
    Missing,
    /// Its app password cannot be made or kept.
    #[error(transparent)]
    Auth(#[from] auth::Error),
    /// The store refuses or fails.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Shorthand.
pub type Result<T> = std::result::Result<T, Error>;

impl Office<'_> {
    /// Revokes a device: its app password counts no more.
    pub fn revoke_device(self, device: &Device, now: Now) -> store::Result<()> {
        self.store.revoke_device(device.id)?;
        if let Some(account) = self.store.snapshot()?.account(device.account)? {
            maillog::device_revoked(Log(self.store, now), &account.address, &device.name);
        }
        Ok(())
    }

    /// Adds a device and gives its app password, which is not kept and cannot be shown again. Blocks while it hashes.
    pub fn add_device(
        self,
        account: AccountId,
        name: &str,
        policy: Pop3Delete,
        now: Now,
    ) -> Result<(Device, AppPassword)> {
        if name.is_empty() || name.len() > DEVICE_NAME_BYTES_MAX || name.contains(char::is_control)
        {
            return Err(Error::Name);
        }
        let devices = self.store.snapshot()?.devices(account)?;
        if devices.iter().any(|device| device.name == name) {
            return Err(Error::Exists(name.to_owned()));
        }
        let added = self.auth.add_device(account, name, policy, now)?;
        if let Some(account) = self.store.snapshot()?.account(account)? {
            maillog::device_added(Log(self.store, now), &account.address, name);
        }
        Ok(added)
    }

    /// A device, if it is this account's.
    pub fn device(self, account: AccountId, id: DeviceId) -> Result<Device> {
        let devices = self.store.snapshot()?.devices(account)?;
        let found = devices.into_iter().find(|device| device.id == id);
        found.ok_or(Error::Missing)
    }
}

/// A policy as commands and forms write it: `delete`, `keep`, `keep:DAYS`, `move`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy(pub Pop3Delete);

impl FromStr for Policy {
    type Err = BadPolicy;

    fn from_str(text: &str) -> std::result::Result<Self, BadPolicy> {
        match text {
            "delete" => Ok(Self(Pop3Delete::Delete)),
            "move" => Ok(Self(Pop3Delete::Move)),
            "keep" => Ok(Self(Pop3Delete::Keep {
                days: KEEP_DAYS_DEFAULT,
            })),
            _ => {
                let days = text
                    .strip_prefix("keep:")
                    .and_then(|days| days.parse().ok());
                let days = days.filter(|days| (1..=KEEP_DAYS_MAX).contains(days));
                let days = days.ok_or(BadPolicy)?;
                Ok(Self(Pop3Delete::Keep { days }))
            }
        }
    }
}

/// That is no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("for deleting by POP3, delete, keep:DAYS (1 to {KEEP_DAYS_MAX}) or move is right")]
pub struct BadPolicy;

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Pop3Delete::Delete => f.write_str("delete"),
            Pop3Delete::Keep { days } => write!(f, "keep:{days}"),
            Pop3Delete::Move => f.write_str("move"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies() {
        let table = [
            ("delete", Pop3Delete::Delete),
            ("keep", Pop3Delete::Keep { days: 30 }),
            ("keep:7", Pop3Delete::Keep { days: 7 }),
            ("keep:3650", Pop3Delete::Keep { days: 3650 }),
            ("move", Pop3Delete::Move),
        ];
        for (text, policy) in table {
            assert_eq!(text.parse(), Ok(Policy(policy)), "{text}");
            assert_eq!(Policy(policy).to_string().parse(), Ok(Policy(policy)));
        }
        for wrong in ["", "keep:", "keep:0", "keep:3651", "keep:-1", "Delete"] {
            assert_eq!(wrong.parse::<Policy>(), Err(BadPolicy), "{wrong:?}");
        }
    }
}
