//! The command line: arguments become an [`Operation`], which runs here or in the daemon with the same result.
//!
//! redb lets one process in. With a daemon running, an operation goes to it over the control socket; without one, the
//! command opens the store itself (`connect`). [`execute`] is the one place where operations meet the store; it says
//! what it has to say through an [`Output`] and never prints.

pub mod account;
pub mod args;
pub mod connect;
pub mod operation;
pub mod output;
pub mod panel;
pub mod queue;

mod alias;
pub mod backup;
mod certificate;
mod check;
mod device;
pub mod dns;
pub mod export;
pub mod import;
pub mod provision;
mod recover;
pub mod room;
mod status;
pub mod stick;

pub use operation::{Operation, execute};
pub use output::{Frame, Output, Progress};

use crate::auth::Auth;
use crate::clock::Clock;
use crate::config::Settings;
use crate::mail::address::Address;
use crate::maillog::Tally;
use crate::manage::account::{self as accounts, Office};
use crate::manage::{alias as aliases, device as devices};
use crate::panel::Remote;
use crate::queue::desk::Desk;
use crate::stick::recover::Recovery;
use crate::store::types::Account;
use crate::store::{Snapshot, Store};
use crate::wake::Wake;

/// What operations work with.
#[derive(Clone, Debug)]
pub struct Context {
    /// The open store.
    pub store: Store,
    /// The door: makes passwords.
    pub auth: Auth,
    /// Settings in force.
    pub settings: Settings,
    /// Time.
    pub clock: Clock,
    /// The panel, in the daemon.
    pub panel: Option<Remote>,
    /// The queue, in the daemon.
    pub desk: Option<Desk>,
    /// Beginning with a backup, in the daemon; and how its services are started anew.
    pub recovery: Option<(Recovery, Wake)>,
}

impl Context {
    /// Where accounts are made.
    fn office(&self) -> Office<'_> {
        Office {
            store: &self.store,
            auth: &self.auth,
            settings: &self.settings,
        }
    }

    /// The daemon's queue, or the one that lies in the store.
    fn desk(&self) -> Result<Desk> {
        if let Some(desk) = &self.desk {
            return Ok(desk.clone());
        }
        let (tally, now) = (Tally::default(), self.clock.now());
        let desk = connect::open_desk(&self.store, &self.settings, &tally, now)?;
        Ok(desk)
    }
}

/// Why a command did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It was tried and failed, or the world is not so (exit status 1).
    #[error("{0}")]
    Failed(String),
    /// It was asked for wrongly (exit status 2).
    #[error("{0}")]
    Usage(String),
}

impl Failure {
    /// The process exit status (the contract's: 1 failed, 2 wrong use).
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
        }
    }

    /// A failure of the kind that trying changes nothing about.
    fn failed(problem: impl Into<String>) -> Self {
        Self::Failed(problem.into())
    }
}

impl From<crate::store::Error> for Failure {
    fn from(error: crate::store::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<crate::auth::Error> for Failure {
    fn from(error: crate::auth::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<accounts::Error> for Failure {
    fn from(error: accounts::Error) -> Self {
        use accounts::Error;
        match error {
            Error::Password(why) | Error::Auth(crate::auth::Error::Password(why)) => {
                Self::Usage(why.to_string())
            }
            Error::Elsewhere(_)
            | Error::Exists(_)
            | Error::IsAlias(_)
            | Error::Owner(_)
            | Error::Auth(_)
            | Error::Store(_) => Self::Failed(error.to_string()),
        }
    }
}

impl From<aliases::Error> for Failure {
    fn from(error: aliases::Error) -> Self {
        use aliases::Error;
        match error {
            Error::Malformed(_) | Error::NoTarget => Self::Usage(error.to_string()),
            Error::Elsewhere(_)
            | Error::TooManyTargets
            | Error::IsAccount(_)
            | Error::Missing(_)
            | Error::Store(_) => Self::Failed(error.to_string()),
        }
    }
}

impl From<devices::Error> for Failure {
    fn from(error: devices::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Shorthand for results of commands.
pub type Result<T> = std::result::Result<T, Failure>;

fn parse_address(text: &str) -> Result<Address> {
    Address::parse(text).map_err(|e| Failure::Usage(format!("\"{text}\" is no address: {e}")))
}

/// The account with that address, or a failure that names it.
fn account_at(snapshot: &Snapshot, text: &str) -> Result<Account> {
    let address = parse_address(text)?;
    let account = snapshot.account_by_key(&address.lookup_key())?;
    account.ok_or_else(|| Failure::failed(format!("there is no account {address}")))
}
