//! What arguments ask for: a run of the daemon, or an operation on the store.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::{
    AccountCommand, AliasCommand, Command, DeviceCommand, DnsCommand, Listing, PanelCommand,
    PasswordSource, QueueCommand, StickArguments,
};
use crate::cli::account::Add;
use crate::cli::import::Source;
use crate::cli::operation::{Format, Operation, Password};
use crate::cli::queue::{Deed, Which};
use crate::cli::{Failure, Result, backup, dns, provision, room, stick};
use crate::mail::secret::Secret;
use crate::store::backup::Generation;

/// Longest password taken from standard input, in bytes, its line end included.
const STDIN_BYTES_MAX: u64 = 4096;

/// What the arguments ask for.
#[derive(Debug)]
pub enum Task {
    /// Run the daemon.
    Serve,
    /// Make a store from the backup in that directory.
    Restore(PathBuf, Generation),
    /// Make the LED dark, without a daemon.
    PanelDark,
    /// Show that there are no data, without a daemon.
    PanelRescue,
    /// Have what was put on the card take effect.
    Provision(provision::Arguments),
    /// Run the owner's programs for a daemon.
    RunPrograms,
    /// An operation on the store, wherever that is open.
    Operation(Operation),
}

impl StickArguments {
    fn into_task(self) -> Result<stick::Task> {
        Ok(match (self.stick, self.stick_failed) {
            (Some(dir), _) => stick::Task::BackUp {
                mounted: absolute(&dir)?,
            },
            (None, Some(reason)) => stick::Task::Failed { reason },
            (None, None) => stick::Task::Name,
        })
    }
}

impl DnsCommand {
    fn into_task(self) -> dns::Task {
        match self {
            Self::Records(listing) => dns::Task::Records(listing.format()),
            Self::Check(listing) => dns::Task::Check(listing.format()),
            Self::Rotate { domain } => dns::Task::Rotate { domain },
        }
    }
}

impl Listing {
    fn format(&self) -> Format {
        if self.json {
            Format::Json
        } else {
            Format::Table
        }
    }
}

impl PasswordSource {
    fn read(&self) -> Result<Option<Password>> {
        self.password_stdin.then(read_secret).transpose()
    }
}

/// A secret from standard input, without the one line end that a shell puts behind it.
fn read_secret() -> Result<Password> {
    let mut text = String::new();
    std::io::stdin()
        .take(STDIN_BYTES_MAX)
        .read_to_string(&mut text)?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() {
        return Err(Failure::Usage(
            "standard input holds no password".to_owned(),
        ));
    }
    Ok(Password(Secret::new(text)))
}

impl Command {
    /// What is asked for. Reads standard input where that is asked for.
    pub fn into_task(self) -> Result<Task> {
        let operation = match self {
            Self::Serve => return Ok(Task::Serve),
            Self::Restore {
                dir: None, stick, ..
            } => Operation::Recover(stick.into_task()?),
            Self::Restore {
                dir: Some(dir),
                before,
                ..
            } => return Ok(Task::Restore(dir, generation(before))),
            Self::Panel(PanelCommand::Dark) => return Ok(Task::PanelDark),
            Self::Panel(PanelCommand::Rescue) => return Ok(Task::PanelRescue),
            Self::Provision(arguments) => return Ok(Task::Provision(arguments)),
            Self::RunPrograms => return Ok(Task::RunPrograms),
            Self::Panel(PanelCommand::Watch) => Operation::PanelWatch,
            Self::Panel(PanelCommand::Press { hold }) => {
                Operation::PanelPress { hold_seconds: hold }
            }
            Self::Account(command) => command.into_operation()?,
            Self::Alias(command) => command.into_operation(),
            Self::Device(command) => command.into_operation(),
            Self::Dns(command) => Operation::Dns(command.into_task()),
            Self::Queue(command) => command.into_operation(),
            Self::Status(listing) => Operation::Status(listing.format()),
            Self::Check(listing) => Operation::Check(listing.format()),
            Self::Recount => Operation::Recount,
            Self::Room {
                dry_run,
                undo,
                json,
            } => Operation::Room(match (dry_run, undo) {
                (true, _) => room::Task::DryRun(Listing { json }.format()),
                (false, true) => room::Task::Undo,
                (false, false) => room::Task::Press,
            }),
            Self::Backup {
                dir: None, stick, ..
            } => Operation::Stick(stick.into_task()?),
            Self::Backup {
                dir: Some(dir),
                trial: is_wanted,
                ..
            } => Operation::Backup {
                dir: absolute(&dir)?,
                trial: trial(is_wanted),
            },
            Self::Import {
                account,
                mbox,
                maildir,
                into,
            } => {
                let source = source(mbox.as_deref(), maildir.as_deref(), into)?;
                Operation::Import { account, source }
            }
            Self::Export {
                account,
                dir,
                format,
            } => Operation::Export {
                account,
                dir: absolute(&dir)?,
                kind: format,
            },
        };
        Ok(Task::Operation(operation))
    }
}

fn generation(before: bool) -> Generation {
    if before {
        Generation::Before
    } else {
        Generation::Newest
    }
}

fn trial(is_wanted: bool) -> backup::Trial {
    if is_wanted {
        backup::Trial::Wanted
    } else {
        backup::Trial::Unwanted
    }
}

fn source(mbox: Option<&Path>, maildir: Option<&Path>, into: String) -> Result<Source> {
    match (mbox, maildir) {
        (Some(path), _) => Ok(Source::Mbox {
            path: absolute(path)?,
            into,
        }),
        (None, Some(path)) => Ok(Source::Maildir {
            path: absolute(path)?,
        }),
        (None, None) => Err(Failure::Usage(
            "--mbox FILE or --maildir DIR says what to import".to_owned(),
        )),
    }
}

/// The path as the daemon, which has another working directory, finds it.
fn absolute(path: &Path) -> Result<String> {
    let absolute = std::path::absolute(path)?;
    let text = absolute.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::Usage(format!("{} is not UTF-8", path.display())))
}

impl AccountCommand {
    fn into_operation(self) -> Result<Operation> {
        Ok(match self {
            Self::Add {
                address,
                owner,
                language,
                quota,
                password,
                password_hash_stdin,
            } => {
                let password = password.read()?;
                let password_hash = password_hash_stdin.then(read_secret).transpose()?;
                Operation::AccountAdd(Add {
                    address,
                    owner,
                    language,
                    quota,
                    password,
                    password_hash,
                })
            }
            Self::List(listing) => Operation::AccountList(listing.format()),
            Self::Remove {
                address,
                delete_mail: _,
            } => Operation::AccountRemove { address },
            Self::Password { address, password } => Operation::AccountPassword {
                address,
                password: password.read()?,
            },
            Self::Quota { address, quota } => Operation::AccountQuota { address, quota },
            Self::Rename { address, to } => Operation::AccountRename { address, to },
        })
    }
}

impl AliasCommand {
    fn into_operation(self) -> Operation {
        match self {
            Self::Add { from, to } => Operation::AliasAdd { from, to },
            Self::List(listing) => Operation::AliasList(listing.format()),
            Self::Remove { from } => Operation::AliasRemove { from },
        }
    }
}

impl DeviceCommand {
    fn into_operation(self) -> Operation {
        match self {
            Self::Add {
                account,
                name,
                pop3_delete,
            } => Operation::DeviceAdd {
                account,
                name,
                pop3_delete,
            },
            Self::List { account, listing } => Operation::DeviceList {
                account,
                format: listing.format(),
            },
            Self::Policy {
                account,
                name,
                policy,
            } => Operation::DevicePolicy {
                account,
                name,
                pop3_delete: policy,
            },
            Self::Revoke { account, name } => Operation::DeviceRevoke { account, name },
        }
    }
}

impl QueueCommand {
    fn into_operation(self) -> Operation {
        let (deed, mails) = match self {
            Self::List(listing) => return Operation::QueueList(listing.format()),
            Self::Retry(mails) => (Deed::Retry, mails),
            Self::Hold(mails) => (Deed::Hold, mails),
            Self::Remove(mails) => (Deed::Remove, mails),
        };
        let which = if mails.all {
            Which::All
        } else {
            Which::These(mails.ids)
        };
        Operation::Queue { deed, which }
    }
}
