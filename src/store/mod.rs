//! The store: accounts, mailboxes, messages and their bytes in redb files under one directory.
//!
//! The only module that names redb. Callers see [`Store`] (writes, each one durable when the call returns),
//! [`Snapshot`] (a short read transaction), [`BlobWriter`] and [`BlobReader`] (streams) and the change bus.
//! Invariants: commit, then broadcast, then return; whatever a write acknowledged survives any crash; nothing
//! half-done is ever visible; UIDs and serials are never used again.

pub mod change;
pub mod media;
pub mod types;

mod blob;
mod engine;
mod frames;
mod tx;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::clock::Now;
use crate::mail::address::Address;
use crate::mail::flags::{Flags, SpecialUse};
use crate::mail::ids::{AccountId, DeviceId, MailboxId, ModSeq, Serial, Uid};
use crate::mail::mailbox_name::MailboxName;
use crate::wake::Wake;
pub use blob::{BlobReader, BlobWriter, NewBlob};
use change::Subscription;
use engine::Inner;
pub use tx::Snapshot;
use types::{
    Account, Alias, Copied, Credentials, Device, Filed, Filing, FlagAction, FlagUpdate, Language,
    Mailbox, MessageRecord, MessageRow, Pop3Delete, Usage, Verifier,
};

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
#[derive(Clone, Debug)]
pub struct Options {
    /// Most bytes that all files together may take, or `None` for the whole card.
    pub capacity_bytes_max: Option<u64>,
    /// Free bytes kept for deletes, DSNs and the owner's own actions.
    pub reserve_bytes: u64,
    /// Quota of accounts that have none of their own; `None` for no limit.
    pub quota_default_bytes: Option<u64>,
    /// Page cache of the index, in bytes.
    pub cache_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            capacity_bytes_max: None,
            reserve_bytes: 64 << 20,
            quota_default_bytes: Some(5 << 30),
            cache_bytes: 8 << 20,
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

    /// Whether `bytes` more would be taken for `account` now: [`Error::OverQuota`] or [`Error::Full`] if not.
    pub fn admit(&self, _account: AccountId, _bytes: u64) -> Result<()> {
        todo!()
    }

    // Messages

    /// Files messages, all in one commit. The outer result is about the commit; the inner ones are per filing, in
    /// order of `appends` and their filings. A filing into INBOX may go over quota by nothing.
    pub fn append(&self, _appends: Vec<Append>, _now: Now) -> Result<Vec<Vec<Result<Filed>>>> {
        todo!()
    }
    /// As [`Store::append`], but if one filing fails, none is done (APPEND with several messages, RFC 3502).
    pub fn append_all(&self, _appends: Vec<Append>, _now: Now) -> Result<Vec<Vec<Filed>>> {
        todo!()
    }
    /// Changes flags of messages. Messages that are gone are passed over.
    pub fn update_flags(
        &self,
        _mailbox: MailboxId,
        _uids: &[Uid],
        _action: FlagAction,
        _flags: &Flags,
        _unchanged_since: Option<ModSeq>,
    ) -> Result<FlagUpdate> {
        todo!()
    }
    /// Copies messages to another (or the same) mailbox of the account, all or none.
    pub fn copy(
        &self,
        _from: MailboxId,
        _uids: &[Uid],
        _to: MailboxId,
        _now: Now,
    ) -> Result<Copied> {
        todo!()
    }
    /// Moves messages to another mailbox of the account in one step, all or none. Never fails for quota.
    pub fn move_messages(
        &self,
        _from: MailboxId,
        _uids: &[Uid],
        _to: MailboxId,
        _now: Now,
    ) -> Result<Copied> {
        todo!()
    }
    /// Expunges messages that have `\Deleted`: all, or those among `uids`. Returns the UIDs gone, ascending, and the
    /// mod-sequence of it.
    pub fn expunge(
        &self,
        _mailbox: MailboxId,
        _uids: Option<&[Uid]>,
    ) -> Result<(Vec<Uid>, ModSeq)> {
        todo!()
    }

    // Mailboxes

    /// Creates a mailbox and its missing ancestors.
    pub fn create_mailbox(
        &self,
        _account: AccountId,
        _name: &MailboxName,
        _special_use: Option<SpecialUse>,
        _now: Now,
    ) -> Result<Mailbox> {
        todo!()
    }
    /// Deletes a mailbox and its messages. INBOX is refused; with mailboxes below it too.
    pub fn delete_mailbox(&self, _id: MailboxId) -> Result<()> {
        todo!()
    }
    /// Renames a mailbox and all below it; INBOX moves its messages into a new mailbox instead (RFC 3501 6.3.5).
    pub fn rename_mailbox(&self, _id: MailboxId, _to: &MailboxName, _now: Now) -> Result<()> {
        todo!()
    }
    /// Subscribes or unsubscribes a name, whether or not the mailbox exists (RFC 3501 6.3.6).
    pub fn set_subscribed(
        &self,
        _account: AccountId,
        _name: &MailboxName,
        _subscribed: bool,
    ) -> Result<()> {
        todo!()
    }

    // Accounts

    /// Makes an account with its standard mailboxes, no password, a random salt of [`types::SCRAM_SALT_BYTES`] and the
    /// count [`types::SCRAM_ITERATIONS`].
    pub fn add_account(&self, _new: &NewAccount, _now: Now) -> Result<Account> {
        todo!()
    }
    /// Removes an account with all its mail.
    pub fn remove_account(&self, _id: AccountId) -> Result<()> {
        todo!()
    }
    /// Gives an account another address; mail, devices and passwords stay.
    pub fn rename_account(&self, _id: AccountId, _to: &Address) -> Result<()> {
        todo!()
    }
    /// Sets or lifts an account's own quota.
    pub fn set_quota(&self, _id: AccountId, _bytes: Option<u64>) -> Result<()> {
        todo!()
    }
    /// Sets the account's own password. Salt and count are the account's, drawn by [`Store::add_account`] and kept for
    /// its life, so that its app passwords stay good; make `verifier` from those in [`Snapshot::credentials`].
    pub fn set_password(&self, _id: AccountId, _verifier: Verifier) -> Result<()> {
        todo!()
    }
    /// Adds a device.
    pub fn add_device(
        &self,
        _account: AccountId,
        _name: &str,
        _pop3_delete: Pop3Delete,
        _verifier: Verifier,
        _now: Now,
    ) -> Result<Device> {
        todo!()
    }
    /// Revokes a device: its app password opens nothing from the next login on, and what it hid is shown again.
    pub fn revoke_device(&self, _id: DeviceId) -> Result<()> {
        todo!()
    }
    /// Remembers a login of a device; written at most once a day.
    pub fn touch_device(&self, _id: DeviceId, _now: Now) -> Result<()> {
        todo!()
    }
    /// Adds or replaces an alias.
    pub fn set_alias(&self, _alias: &Alias) -> Result<()> {
        todo!()
    }
    /// Removes an alias.
    pub fn remove_alias(&self, _from: &str) -> Result<()> {
        todo!()
    }

    // Settings

    /// Sets a small value that is kept under a name, such as a secret key of another module.
    pub fn set_setting(&self, _name: &str, _value: &[u8]) -> Result<()> {
        todo!()
    }

    // POP3

    /// Carries out a session's UPDATE state by the device's policy, in one commit.
    pub fn pop3_update(&self, _update: &Pop3Update, _now: Now) -> Result<()> {
        todo!()
    }
    /// Removes or files what devices' policies have due by now (`Keep` after its days, `Move` after all have fetched).
    pub fn pop3_due(&self, _now: Now) -> Result<()> {
        todo!()
    }
}

impl Snapshot {
    /// All accounts, by identifier.
    pub fn accounts(&self) -> Result<Vec<Account>> {
        todo!()
    }
    /// One account.
    pub fn account(&self, _id: AccountId) -> Result<Option<Account>> {
        todo!()
    }
    /// The account with that `Address::lookup_key`.
    pub fn account_by_key(&self, _key: &str) -> Result<Option<Account>> {
        todo!()
    }
    /// What can let someone into an account.
    pub fn credentials(&self, _id: AccountId) -> Result<Option<Credentials>> {
        todo!()
    }
    /// An account's running totals.
    pub fn usage(&self, _id: AccountId) -> Result<Usage> {
        todo!()
    }
    /// An account's devices.
    pub fn devices(&self, _account: AccountId) -> Result<Vec<Device>> {
        todo!()
    }
    /// All aliases by `from`.
    pub fn aliases(&self) -> Result<Vec<Alias>> {
        todo!()
    }
    /// One alias.
    pub fn alias(&self, _from: &str) -> Result<Option<Alias>> {
        todo!()
    }
    /// An account's mailboxes, by name.
    pub fn mailboxes(&self, _account: AccountId) -> Result<Vec<Mailbox>> {
        todo!()
    }
    /// One mailbox.
    pub fn mailbox(&self, _id: MailboxId) -> Result<Option<Mailbox>> {
        todo!()
    }
    /// One mailbox by name.
    pub fn mailbox_by_name(
        &self,
        _account: AccountId,
        _name: &MailboxName,
    ) -> Result<Option<Mailbox>> {
        todo!()
    }
    /// Subscribed names that no mailbox has, by name.
    pub fn orphan_subscriptions(&self, _account: AccountId) -> Result<Vec<MailboxName>> {
        todo!()
    }
    /// Messages of a mailbox from UID `from` to UID `to`, ascending.
    pub fn rows(&self, _mailbox: MailboxId, _from: Uid, _to: Uid) -> Result<Vec<MessageRow>> {
        todo!()
    }
    /// A message's record; `None` if it is gone.
    pub fn record(&self, _serial: Serial) -> Result<Option<MessageRecord>> {
        todo!()
    }
    /// UIDs expunged from a mailbox after `since`, ascending; `None` if the log does not reach back so far.
    pub fn expunged_since(&self, _mailbox: MailboxId, _since: ModSeq) -> Result<Option<Vec<Uid>>> {
        todo!()
    }
    /// The value that [`Store::set_setting`] keeps under that name.
    pub fn setting(&self, _name: &str) -> Result<Option<Vec<u8>>> {
        todo!()
    }
    /// The INBOX as that device's POP3 session sees it (what it hid left out), by UID.
    pub fn maildrop(
        &self,
        _account: AccountId,
        _device: Option<DeviceId>,
    ) -> Result<Vec<MessageRow>> {
        todo!()
    }
}
