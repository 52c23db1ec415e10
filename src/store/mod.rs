//! The store: accounts, mailboxes, messages and their bytes in redb files under one directory.
//!
//! The only module that names redb. Callers see [`Store`] (writes, each one durable when the call returns),
//! [`Snapshot`] (a short read transaction), [`BlobWriter`] and [`BlobReader`] (streams) and the change bus.
//! Invariants: commit, then broadcast, then return; whatever a write acknowledged survives any crash; nothing
//! half-done is ever visible; UIDs and serials are never used again.

pub mod account;
pub mod aside;
pub mod backup;
pub mod change;
pub mod check;
pub mod device;
pub mod events;
pub mod expunge;
#[doc(hidden)]
pub mod faulty;
pub mod growth;
pub mod level;
pub mod mailbox;
pub mod media;
pub mod pop3;
pub mod recount;
pub mod sent;
pub mod spool;
pub mod told;
pub mod transfer;
pub mod types;
pub mod waiting;

mod age;
mod append;
mod blob;
mod blob_reader;
mod blob_writer;
mod codec;
mod counters;
mod due;
mod engine;
mod flags;
mod frames;
pub mod login;
mod message;
mod message_reader;
mod migrate;
mod open;
mod purge;
mod record;
mod replace;
mod restore;
mod rewrite;
mod schema;
pub mod space;
mod squeeze;
mod staged;
mod tx;
mod upkeep;
mod volume;
mod volume_tx;
mod volumes;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use crate::mail::address::Address;
use crate::mail::ids::{AccountId, DeviceId, Serial};
use crate::wake::Wake;
pub use blob::NewBlob;
pub use blob_reader::BlobReader;
pub use blob_writer::BlobWriter;
use change::Subscription;
pub use engine::Health;
pub use message_reader::MessageReader;
use open::Inner;
pub use tx::Snapshot;
use types::{Filing, Language, Thresholds};

/// What goes wrong in the store, by whose matter it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such thing (any more).
    #[error("{0} does not exist")]
    NotFound(&'static str),
    /// There is one already.
    #[error("{0} exists already")]
    Exists(&'static str),
    /// Not possible as asked; says why.
    #[error("{0}")]
    Refused(&'static str),
    /// A named limit is reached.
    #[error("limit reached: {0}")]
    Limit(&'static str),
    /// The account's quota is reached (452 4.2.2, [OVERQUOTA]).
    #[error("the account's quota is reached")]
    OverQuota,
    /// The card has no room for more mail (452 4.3.1, [OVERQUOTA]).
    #[error("the store is full")]
    Full,
    /// Another process has the store open.
    #[error("the store is in use by another process")]
    InUse,
    /// Reading or writing failed, or the files contradict themselves. Transient for a peer, an alarm for the owner.
    #[error("store fault: {0}")]
    Fault(String),
}

/// Shorthand for results of the store.
pub type Result<T> = std::result::Result<T, Error>;

/// How to run a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Most bytes that all files together may take, or `None` for the whole card.
    pub capacity_bytes_max: Option<u64>,
    /// Free bytes kept for deletes, DSNs and the owner's own actions.
    pub reserve_bytes: u64,
    /// Quota of accounts that have none of their own; `None` for no limit.
    pub quota_default_bytes: Option<u64>,
    /// Where levels begin.
    pub thresholds: Thresholds,
    /// Page cache of the index, in bytes.
    pub cache_bytes: usize,
    /// Stored bytes of blobs at which a volume is full. Each durable commit to a volume writes a map of its pages, so
    /// smaller ones are cheaper to write, and more files.
    pub volume_bytes_max: u64,
    /// Who does the work that deliveries leave for later.
    pub upkeep: Upkeep,
}

/// Who moves the stage, removes garbage and settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// A thread: when enough has gathered, or when nothing was committed for `quiet`.
    Thread {
        /// Time without a commit after which the store settles.
        quiet: Duration,
    },
    /// Whoever's commit makes it due; the store settles only when asked to, and when it closes. For tests that must
    /// run the same way each time.
    Inline,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            capacity_bytes_max: None,
            reserve_bytes: 64 << 20,
            quota_default_bytes: Some(5 << 30),
            thresholds: Thresholds::default(),
            cache_bytes: 8 << 20,
            volume_bytes_max: 112 << 20,
            upkeep: Upkeep::Thread {
                quiet: Duration::from_secs(5),
            },
        }
    }
}

/// A handle to the open store. Cheap to clone; the store closes (and settles) when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

/// One message to file: a blob, its parsed summary, and where it goes (several places share the blob).
#[derive(Debug)]
pub struct Append {
    /// Its bytes.
    pub blob: NewBlob,
    /// `mail::mime::Summary::encode` of it.
    pub summary: Vec<u8>,
    /// Where it goes. Each succeeds or fails alone.
    pub filings: Vec<Filing>,
    /// To whom it is sent elsewhere: spooled in the same commit. With nothing filed, a refusal of all filings spools
    /// nothing.
    pub spool: Vec<spool::NewSpool>,
}

/// What a new account starts with.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Address and login name.
    pub address: Address,
    /// Owner of the box; the first account always is.
    pub owner: bool,
    /// Language.
    pub language: Language,
    /// Quota of its own.
    pub quota_bytes: Option<u64>,
}

/// What POP3's UPDATE state does to a maildrop.
#[derive(Clone, Debug)]
pub struct Pop3Update {
    /// Account.
    pub account: AccountId,
    /// Device that logged in, or `None` for the account's own password.
    pub device: Option<DeviceId>,
    /// Messages that were retrieved whole, by serial.
    pub fetched: Vec<Serial>,
    /// Messages that were marked deleted, by serial.
    pub deleted: Vec<Serial>,
}

impl Store {
    /// Hears changes of one account's mailboxes; `wake` is called after each.
    pub fn subscribe(&self, account: AccountId, wake: Wake) -> Subscription {
        self.0.index.bus.subscribe(account, wake)
    }

    /// Changes of all accounts that were told since the store was opened: who subscribes and finds as many as before
    /// has missed none.
    pub fn changes(&self) -> u64 {
        self.0.index.bus.count()
    }
}
