//! Every operation that a command asks of the store, as data that can cross the control socket.

use serde::{Deserialize, Serialize};

use super::{
    Context, Output, Result, account, alias, backup, check, device, dns, export, import, panel,
    queue, recover, room, status, stick,
};
use crate::mail::secret::Secret;

/// How a list is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// Columns for people.
    Table,
    /// One JSON document for programs.
    Json,
}

/// A password as it crosses from the command to the daemon; never shown by `Debug`.
#[derive(Clone, Debug)]
pub struct Password(pub Secret<String>);

impl Serialize for Password {
    fn serialize<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

/// An operation on the store. Texts are as the person gave them; they are parsed where they are used.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `account add`
    AccountAdd(account::Add),
    /// `account list`
    AccountList(Format),
    /// `account remove`
    AccountRemove {
        /// Which.
        address: String,
    },
    /// `account password`
    AccountPassword {
        /// Whose.
        address: String,
        /// The new password; one is made and shown if there is none.
        password: Option<Password>,
    },
    /// `account quota`
    AccountQuota {
        /// Whose.
        address: String,
        /// A size, or `default`.
        quota: String,
    },
    /// `account rename`
    AccountRename {
        /// Which.
        address: String,
        /// Its new address.
        to: String,
    },
    /// `alias add`
    AliasAdd {
        /// An address, or `@domain`.
        from: String,
        /// Addresses.
        to: Vec<String>,
    },
    /// `alias list`
    AliasList(Format),
    /// `alias remove`
    AliasRemove {
        /// Which.
        from: String,
    },
    /// `device add`
    DeviceAdd {
        /// Whose.
        account: String,
        /// Name, unique in the account.
        name: String,
        /// `delete`, `keep:DAYS` or `move`.
        pop3_delete: String,
    },
    /// `device list`
    DeviceList {
        /// One account's, or everyone's.
        account: Option<String>,
        /// How.
        format: Format,
    },
    /// `device policy`
    DevicePolicy {
        /// Whose.
        account: String,
        /// Which.
        name: String,
        /// `delete`, `keep:DAYS` or `move`.
        pop3_delete: String,
    },
    /// `device revoke`
    DeviceRevoke {
        /// Whose.
        account: String,
        /// Which.
        name: String,
    },
    /// `status`
    Status(Format),
    /// `check`
    Check(Format),
    /// `recount`
    Recount,
    /// `room`
    Room(room::Task),
    /// `backup`
    Backup {
        /// Where to; an absolute path.
        dir: String,
        /// Whether it is tried out.
        trial: backup::Trial,
    },
    /// `backup --stick` and its kin
    Stick(stick::Task),
    /// `restore --stick` and its kin
    Recover(stick::Task),
    /// `dns`
    Dns(dns::Task),
    /// `import`
    Import {
        /// Whose.
        account: String,
        /// From where; paths are absolute.
        source: import::Source,
    },
    /// `export`
    Export {
        /// Whose.
        account: String,
        /// Where to; an absolute path.
        dir: String,
        /// As what.
        kind: export::Kind,
    },
    /// `queue list`
    QueueList(Format),
    /// `queue retry`, `queue hold`, `queue remove`
    Queue {
        /// What is done.
        deed: queue::Deed,
        /// With which mails.
        which: queue::Which,
    },
    /// `panel watch`
    PanelWatch,
    /// `panel press`
    PanelPress {
        /// For how many seconds; a short press without.
        hold_seconds: Option<u32>,
    },
}

impl Operation {
    /// Whether it makes a store where there is none.
    pub fn creates_store(&self) -> bool {
        matches!(self, Self::AccountAdd(_))
    }

    /// Whether it is about what only a running daemon has.
    pub fn needs_daemon(&self) -> bool {
        matches!(
            self,
            Self::PanelWatch | Self::PanelPress { .. } | Self::Recover(_)
        )
    }
}

/// Carries out `operation`.
pub fn execute(operation: &Operation, context: &Context, output: &mut dyn Output) -> Result<()> {
    match operation {
        Operation::AccountAdd(add) => account::add(add, context, output),
        Operation::AccountList(format) => account::list(*format, context, output),
        Operation::AccountRemove { address } => account::remove(address, context, output),
        Operation::AccountPassword { address, password } => {
            account::password(address, password.as_ref(), context, output)
        }
        Operation::AccountQuota { address, quota } => {
            account::quota(address, quota, context, output)
        }
        Operation::AccountRename { address, to } => account::rename(address, to, context, output),
        Operation::AliasAdd { from, to } => alias::add(from, to, context, output),
        Operation::AliasList(format) => alias::list(*format, context, output),
        Operation::AliasRemove { from } => alias::remove(from, context, output),
        Operation::DeviceAdd {
            account,
            name,
            pop3_delete,
        } => device::add(account, name, pop3_delete, context, output),
        Operation::DeviceList { account, format } => {
            device::list(account.as_deref(), *format, context, output)
        }
        Operation::DevicePolicy {
            account,
            name,
            pop3_delete,
        } => device::policy(account, name, pop3_delete, context, output),
        Operation::DeviceRevoke { account, name } => device::revoke(account, name, context, output),
        Operation::Status(format) => status::status(*format, context, output),
        Operation::Check(format) => check::check(*format, context, output),
        Operation::Recount => check::recount(context, output),
        Operation::Room(task) => room::room(*task, context, output),
        Operation::Backup { dir, trial } => backup::backup(dir, *trial, context, output),
        Operation::Stick(task) => stick::stick(task, context, output),
        Operation::Recover(task) => recover::recover(task, context, output),
        Operation::Dns(task) => dns::dns(task, context, output),
        Operation::Import { account, source } => import::import(account, source, context, output),
        Operation::Export { account, dir, kind } => {
            export::export(account, dir, *kind, context, output)
        }
        Operation::QueueList(format) => queue::list(*format, context, output),
        Operation::Queue { deed, which } => queue::act(*deed, which, context, output),
        Operation::PanelWatch => panel::watch(context, output),
        Operation::PanelPress { hold_seconds } => panel::press(*hold_seconds, context, output),
    }
}
