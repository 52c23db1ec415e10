//! The arguments, as they are written. What they ask for is worked out in [`task`].

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::export::Kind;
use super::provision;

mod task;

pub use task::Task;

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
        #[arg(required_unless_present = "helper")]
        dir: Option<PathBuf>,
        /// The backup before the last one, where a directory on a stick has both
        #[arg(long, requires = "dir")]
        before: bool,
        #[command(flatten)]
        #[doc(hidden)]
        stick: StickArguments,
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

/// The USB stick with backups, for the service that mounts it.
#[derive(Debug, Args)]
#[group(id = "helper", multiple = false, conflicts_with = "dir")]
pub struct StickArguments {
    /// Use the USB stick whose directory of backups that is
    #[arg(long, value_name = "DIR")]
    stick: Option<PathBuf>,
    /// Print which USB stick is wanted
    #[arg(long)]
    stick_name: bool,
    /// Remember that the stick cannot be used, and why
    #[arg(long, value_name = "REASON")]
    stick_failed: Option<String>,
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
    /// Show that the box cannot get at its mail, in place of the daemon; for the service manager
    Rescue,
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
