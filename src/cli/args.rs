//! The arguments, and what they ask for.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

use super::account::Add;
use super::export::Kind;
use super::import::Source;
use super::operation::{Format, Operation, Password};
use super::queue::{Deed, Which};
use super::{Failure, Result, backup, dns, provision, room, stick};
use crate::mail::secret::Secret;
use crate::store::backup::Generation;

/// Longest password taken from standard input, in bytes, its line end included.
const STDIN_BYTES_MAX: u64 = 4096;

/// Longest that a command holds the button; from 20 on it is a fault, as with a finger.
const HOLD_SECONDS_MAX: i64 = 30;

/// Mail server for the home office: SMTP, IMAP and POP3 from one store.
#[derive(Debug, Parser)]
#[command(name = "heimpost", version, max_term_width = 100)]
pub struct Arguments {
    /// Configuration file [default: /etc/heimpost/heimpost.toml if it exists, else desk mode]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data directory, in place of the configured one
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// What to do; `serve` if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the mail server (the default)
    Serve,
    /// Add, list and change accounts
    #[command(subcommand)]
    Account(AccountCommand),
    /// Send mail for other names to accounts
    #[command(subcommand)]
    Alias(AliasCommand),
    /// App passwords, one per device
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Mail that waits to be sent to other servers
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Show how the box and its store are
    Status(Listing),
    /// Check every invariant of the store; changes nothing
    Check(Listing),
    /// Count mailboxes and accounts anew and repair counters that differ
    Recount,
    /// Make room as a held button does: old mail in Trash, Junk and "Fetched" is set aside, then your programs run
    Room {
        /// Only list what would go
        #[arg(long)]
        dry_run: bool,
        /// Put back what went the last time
        #[arg(long, conflicts_with = "dry_run")]
        undo: bool,
        /// Print JSON for programs
        #[arg(long, requires = "dry_run")]
        json: bool,
    },
    /// Copy the whole store into a directory while mail flows; a later backup there copies only what changed
    Backup {
        /// Directory, made if it is missing
        #[arg(required_unless_present = "helper")]
        dir: Option<PathBuf>,
        /// Try it out: restore it into a directory beside it, check that, and remove it again
        #[arg(long = "try", requires = "dir")]
        trial: bool,
        #[command(flatten)]
        #[doc(hidden)]
        stick: StickArguments,
    },
    /// Put a backup into the data directory, which must hold no store
    Restore {
        /// Directory with the backup
        dir: PathBuf,
        /// The backup before the last one, where a directory on a stick has both
        #[arg(long)]
        before: bool,
    },
    /// What your domains must publish in DNS, and whether they do
    #[command(subcommand)]
    Dns(DnsCommand),
    /// Bring old mail into an account; can be run again after an interruption
    #[command(group(clap::ArgGroup::new("source").required(true)))]
    Import {
        /// The account's address
        account: String,
        /// An mbox file
        #[arg(long, value_name = "FILE", group = "source")]
        mbox: Option<PathBuf>,
        /// A Maildir tree, with all its mailboxes
        #[arg(long, value_name = "DIR", group = "source")]
        maildir: Option<PathBuf>,
        /// Mailbox for the messages of an mbox file
        #[arg(
            long,
            value_name = "MAILBOX",
            default_value = "INBOX",
            conflicts_with = "maildir"
        )]
        into: String,
    },
    /// Write an account's mail to files; can be run again after an interruption
    Export {
        /// The account's address
        account: String,
        /// Directory, made if it is missing
        dir: PathBuf,
        /// What kind of files
        #[arg(long, value_enum, default_value = "maildir")]
        format: Kind,
    },
    /// The status LED and its button
    #[command(subcommand)]
    Panel(PanelCommand),
    /// Have what was put on the card take effect: for the system, before it starts the server
    Provision(provision::Arguments),
    /// Run the owner's programs for a daemon that asks on standard input; for the service manager
    #[command(hide = true)]
    RunPrograms,
}

/// Backups on a USB stick, for the service that mounts it.
#[derive(Debug, Args)]
#[group(id = "helper", multiple = false, conflicts_with = "dir")]
pub struct StickArguments {
    /// Back up to the USB stick that is mounted there
    #[arg(long, value_name = "DIR")]
    stick: Option<PathBuf>,
    /// Print which USB stick is named for backups
    #[arg(long)]
    stick_name: bool,
    /// Remember that the stick cannot be used, and why
    #[arg(long, value_name = "REASON")]
    stick_failed: Option<String>,
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

/// What the arguments ask for.
#[derive(Debug)]
pub enum Task {
    /// Run the daemon.
    Serve,
    /// Make a store from the backup in that directory.
    Restore(PathBuf, Generation),
    /// Make the LED dark, without a daemon.
    PanelDark,
    /// Have what was put on the card take effect.
    Provision(provision::Arguments),
    /// Run the owner's programs for a daemon.
    RunPrograms,
    /// An operation on the store, wherever that is open.
    Operation(Operation),
}

/// How a list is shown.
#[derive(Debug, Args)]
pub struct Listing {
    /// Print JSON for programs
    #[arg(long)]
    json: bool,
}

/// Where a secret comes from.
#[derive(Debug, Args)]
pub struct PasswordSource {
    /// Read the password from standard input; without this, one is made and printed
    #[arg(long)]
    password_stdin: bool,
}

/// `account …`
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Add an account; the first one owns the box
    Add {
        /// Its address, which is also its login name
        address: String,
        /// Make it the owner of the box
        #[arg(long)]
        owner: bool,
        /// Language of mail from the box to it: de or en
        #[arg(long)]
        language: Option<String>,
        /// Most mail it may keep, such as 2G [default: the box's default]
        #[arg(long)]
        quota: Option<String>,
        #[command(flatten)]
        #[doc(hidden)]
        password: PasswordSource,
        /// Read a crypt(3) hash of the password instead: yescrypt ($y$) or SHA-crypt ($5$, $6$)
        #[arg(long, conflicts_with = "password_stdin")]
        password_hash_stdin: bool,
    },
    /// List the accounts
    List(Listing),
    /// Remove an account with all its mail
    Remove {
        /// Its address
        address: String,
        /// Confirm that all its mail shall be deleted
        #[arg(long, required = true)]
        delete_mail: bool,
    },
    /// Change an account's own password
    Password {
        /// Its address
        address: String,
        #[command(flatten)]
        #[doc(hidden)]
        password: PasswordSource,
    },
    /// Set how much mail an account may keep
    Quota {
        /// Its address
        address: String,
        /// A size such as 2G, or default
        quota: String,
    },
    /// Give an account another address
    Rename {
        /// Its address
        address: String,
        /// Its new address
        to: String,
    },
}

/// `alias …`
#[derive(Debug, Subcommand)]
pub enum AliasCommand {
    /// Add or replace an alias
    Add {
        /// An address, or @domain for all addresses that nobody has
        from: String,
        /// Where its mail goes
        #[arg(required = true)]
        to: Vec<String>,
    },
    /// List the aliases
    List(Listing),
    /// Remove an alias
    Remove {
        /// Which
        from: String,
    },
}

/// `device …`
#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// Add a device and print its app password
    Add {
        /// The account's address
        account: String,
        /// A name for the device, such as "Anna's phone"
        name: String,
        /// What deleting by POP3 does: delete, keep:DAYS or move
        #[arg(long, default_value = "keep:30", value_name = "POLICY")]
        pop3_delete: String,
    },
    /// List devices
    List {
        /// Of one account only
        account: Option<String>,
        #[command(flatten)]
        #[doc(hidden)]
        listing: Listing,
    },
    /// Change what deleting by POP3 does
    Policy {
        /// The account's address
        account: String,
        /// The device's name
        name: String,
        /// delete, keep:DAYS or move
        policy: String,
    },
    /// Make an app password useless
    Revoke {
        /// The account's address
        account: String,
        /// The device's name
        name: String,
    },
}

/// `dns ...`
#[derive(Debug, Subcommand)]
pub enum DnsCommand {
    /// Show the records to publish, as lines of a zone file
    Records(Listing),
    /// Compare them with what DNS says; fails if a needed one is missing or wrong
    Check(Listing),
    /// Make new keys for signatures; they sign once DNS has their records
    Rotate {
        /// One domain of the box [default: all]
        domain: Option<String>,
    },
}

/// `queue ...`
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// List the mails, and why each waits
    List(Listing),
    /// Try mails at once, held or not
    Retry(Mails),
    /// Keep mails back until they are retried
    Hold(Mails),
    /// Take mails out; their senders are not told
    Remove(Mails),
}

/// Which mails of the queue.
#[derive(Debug, Args)]
pub struct Mails {
    /// Their numbers, as `queue list` shows them
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<u64>,
    /// All that are in the queue
    #[arg(long, conflicts_with = "ids")]
    all: bool,
}

/// `panel ...`
#[derive(Debug, Subcommand)]
pub enum PanelCommand {
    /// Show the LED of the running daemon live, and what it means
    Watch,
    /// Press the button: a short press without --hold
    Press {
        /// How long to hold it: 3 makes room, 10 opens the setup window
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=HOLD_SECONDS_MAX))]
        hold: Option<u32>,
    },
    /// Make the LED dark after a daemon that was killed; for the service manager
    Dark,
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
            Self::Restore { dir, before } => {
                let generation = if before {
                    Generation::Before
                } else {
                    Generation::Newest
                };
                return Ok(Task::Restore(dir, generation));
            }
            Self::Panel(PanelCommand::Dark) => return Ok(Task::PanelDark),
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
                trial,
                ..
            } => Operation::Backup {
                dir: absolute(&dir)?,
                trial: if trial {
                    backup::Trial::Wanted
                } else {
                    backup::Trial::Unwanted
                },
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn nothing_means_serve() {
        let arguments = Arguments::try_parse_from(["heimpost", "--data", "x"]).unwrap();
        assert!(arguments.command.is_none());
        assert_eq!(arguments.data, Some(PathBuf::from("x")));
    }
}
