//! Accounts and aliases: who has mail here, and by which addresses.
//!
//! The first account is the owner, and as long as there are accounts one of them is. An address is either an
//! account's or an alias, never both. Removing an account takes its names away at once and its mail in batches
//! (`purge`).

use redb::{ReadableTable, ReadableTableMetadata};
use ring::rand::{SecureRandom, SystemRandom};

use super::change::Change;
use super::codec::{Packer, Unpacker, damaged};
use super::counters::{AccountCounters, Counters, MailboxCounters, next_account};
use super::device::remove_devices;
use super::schema::{ACCOUNT_KEYS, ACCOUNTS, ALIASES, MAILBOXES, PURGES};
use super::tx::{ReadRows, Tx};
use super::types::{
    Account, Alias, Language, SCRAM_ITERATIONS, SCRAM_SALT_BYTES, Subject, Usage, Verifier,
};
use super::{
    Error, NewAccount, Result, Snapshot, Store, growth, level, login, mailbox, sent, told, waiting,
};
use crate::clock::{Now, Wall};
use crate::mail::address::Address;
use crate::mail::ids::AccountId;
use crate::mail::secret::Secret;

/// Most accounts.
pub const ACCOUNTS_MAX: u64 = 1000;
/// Most aliases.
pub const ALIASES_MAX: u64 = 10_000;
/// Most addresses that one alias leads to.
pub const ALIAS_TARGETS_MAX: usize = 100;

const NO_ACCOUNT: Error = Error::NotFound("the account");

const BIT_OWNER: u8 = 1;
const BIT_GERMAN: u8 = 2;

/// A row of `accounts`.
#[derive(Clone, Debug)]
pub(super) struct AccountRow {
    pub(super) address: Address,
    pub(super) owner: bool,
    pub(super) language: Language,
    pub(super) quota_bytes: Option<u64>,
    pub(super) created: Wall,
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
    pub(super) verifier: Option<Verifier>,
}

impl AccountRow {
    fn pack(&self) -> Vec<u8> {
        let german = if self.language == Language::De {
            BIT_GERMAN
        } else {
            0
        };
        let owner = if self.owner { BIT_OWNER } else { 0 };
        let mut row = Packer::new();
        row.text(&self.address.to_string())
            .byte(german | owner)
            .option(self.quota_bytes, |row, bytes| {
                row.uint(bytes);
            })
            .int(self.created.0)
            .bytes(&self.salt)
            .uint(self.iterations.into())
            .option(self.verifier.as_ref(), pack_verifier);
        row.finish()
    }

    pub(super) fn unpack(row: &[u8]) -> Result<Self> {
        let mut row = Unpacker::new("accounts", row);
        let address = Address::parse(row.text()?).map_err(|_| row.damaged())?;
        let bits = row.byte()?;
        let german = bits & BIT_GERMAN != 0;
        let unpacked = Self {
            address,
            owner: bits & BIT_OWNER != 0,
            language: if german { Language::De } else { Language::En },
            quota_bytes: row.option(Unpacker::uint)?,
            created: Wall(row.int()?),
            salt: row.bytes()?.to_vec(),
            iterations: row.u32()?,
            verifier: row.option(unpack_verifier)?,
        };
        row.finish()?;
        Ok(unpacked)
    }

    fn into_account(self, id: AccountId) -> Account {
        Account {
            id,
            address: self.address,
            owner: self.owner,
            language: self.language,
            quota_bytes: self.quota_bytes,
            created: self.created,
        }
    }

    pub(super) fn find(rows: &impl ReadRows, id: AccountId) -> Result<Option<Self>> {
        let table = rows.read(ACCOUNTS)?;
        let row = table.get(id.0)?;
        row.map(|row| Self::unpack(row.value())).transpose()
    }

    pub(super) fn load(rows: &impl ReadRows, id: AccountId) -> Result<Self> {
        Self::find(rows, id)?.ok_or(NO_ACCOUNT)
    }

    fn save(&self, tx: &Tx<'_>, id: AccountId) -> Result<()> {
        let mut table = tx.write(ACCOUNTS)?;
        table.insert(id.0, self.pack().as_slice())?;
        Ok(())
    }
}

const VERIFIER_SCRAM: u8 = 1;
const VERIFIER_ARGON2ID: u8 = 2;
const VERIFIER_CRYPT: u8 = 3;

pub(super) fn pack_verifier(row: &mut Packer, verifier: &Verifier) {
    match verifier {
        Verifier::Scram {
            stored_key,
            server_key,
        } => row
            .byte(VERIFIER_SCRAM)
            .raw(stored_key)
            .raw(server_key.expose()),
        Verifier::Argon2id(phc) => row.byte(VERIFIER_ARGON2ID).text(phc.expose()),
        Verifier::Crypt(hash) => row.byte(VERIFIER_CRYPT).text(hash.expose()),
    };
}

pub(super) fn unpack_verifier(row: &mut Unpacker<'_>) -> Result<Verifier> {
    match row.byte()? {
        VERIFIER_SCRAM => Ok(Verifier::Scram {
            stored_key: row.array()?,
            server_key: Secret::new(row.array()?),
        }),
        VERIFIER_ARGON2ID => Ok(Verifier::Argon2id(Secret::new(row.text()?.to_owned()))),
        VERIFIER_CRYPT => Ok(Verifier::Crypt(Secret::new(row.text()?.to_owned()))),
        _ => Err(row.damaged()),
    }
}

fn add(tx: &mut Tx<'_>, new: &NewAccount, salt: &[u8], now: Now) -> Result<Account> {
    let key = new.address.lookup_key();
    refuse_taken(tx, &key)?;
    let accounts = tx.read(ACCOUNTS)?.len()?;
    if accounts >= ACCOUNTS_MAX {
        return Err(Error::Limit("accounts"));
    }
    let id = next_account(tx)?;
    let row = AccountRow {
        address: new.address.clone(),
        owner: new.owner || accounts == 0,
        language: new.language,
        quota_bytes: new.quota_bytes,
        created: now.stamp(),
        salt: salt.to_vec(),
        iterations: SCRAM_ITERATIONS,
        verifier: None,
    };
    row.save(tx, id)?;
    tx.write(ACCOUNT_KEYS)?.insert(key.as_str(), id.0)?;
    level::save_stepped(tx, id, AccountCounters::new())?;
    mailbox::create_standard(tx, id, now)?;
    Ok(row.into_account(id))
}

fn refuse_taken(rows: &impl ReadRows, key: &str) -> Result<()> {
    if rows.read(ACCOUNT_KEYS)?.get(key)?.is_some() {
        return Err(Error::Exists("an account of that address"));
    }
    if rows.read(ALIASES)?.get(key)?.is_some() {
        return Err(Error::Exists("an alias of that address"));
    }
    Ok(())
}

fn remove(tx: &mut Tx<'_>, id: AccountId) -> Result<()> {
    let row = AccountRow::load(tx, id)?;
    if row.owner && is_last_owner(tx, id)? {
        return Err(Error::Refused(
            "the last owner cannot be removed while there are other accounts",
        ));
    }
    let key = row.address.lookup_key();
    tx.write(ACCOUNTS)?.remove(id.0)?;
    tx.write(ACCOUNT_KEYS)?.remove(key.as_str())?;
    remove_devices(tx, id)?;
    login::forget_account(tx, id)?;
    for mailbox in mailbox::forget_names(tx, id)? {
        tx.write(MAILBOXES)?.remove(mailbox.0)?;
        MailboxCounters::remove(tx, mailbox)?;
        tx.write(PURGES)?.insert(mailbox.0, id.0)?;
    }
    AccountCounters::remove(tx, id)?;
    growth::forget(tx, Subject::Account(id))?;
    told::forget(tx, Subject::Account(id))?;
    waiting::remove_rows(tx, id)?;
    sent::remove_account(tx, id)?;
    tx.announce(id, Change::Account);
    Ok(())
}

/// Whether there are other accounts, but no other owner.
fn is_last_owner(rows: &impl ReadRows, id: AccountId) -> Result<bool> {
    let accounts = list(rows)?;
    let mut others = accounts.iter().filter(|a| a.id != id).peekable();
    Ok(others.peek().is_some() && !others.any(|a| a.owner))
}

fn rename(tx: &mut Tx<'_>, id: AccountId, to: &Address) -> Result<()> {
    let mut row = AccountRow::load(tx, id)?;
    let (from_key, to_key) = (row.address.lookup_key(), to.lookup_key());
    if from_key != to_key {
        refuse_taken(tx, &to_key)?;
        let mut keys = tx.write(ACCOUNT_KEYS)?;
        keys.remove(from_key.as_str())?;
        keys.insert(to_key.as_str(), id.0)?;
    }
    row.address = to.clone();
    row.save(tx, id)?;
    tx.announce(id, Change::Account);
    Ok(())
}

fn change(tx: &Tx<'_>, id: AccountId, change: impl FnOnce(&mut AccountRow)) -> Result<()> {
    let mut row = AccountRow::load(tx, id)?;
    change(&mut row);
    row.save(tx, id)
}

fn set_password(tx: &mut Tx<'_>, id: AccountId, verifier: &Verifier) -> Result<()> {
    change(tx, id, |row| row.verifier = Some(verifier.clone()))?;
    tx.announce(id, Change::Account);
    Ok(())
}

/// Whether `hash` was the account's verifier, and has been replaced.
fn replace_crypt(tx: &mut Tx<'_>, id: AccountId, hash: &str, verifier: &Verifier) -> Result<bool> {
    let row = AccountRow::load(tx, id)?;
    let is_kept = matches!(&row.verifier, Some(Verifier::Crypt(kept)) if kept.expose() == hash);
    if is_kept {
        set_password(tx, id, verifier)?;
    }
    Ok(is_kept)
}

/// All accounts, by identifier.
pub(super) fn list(rows: &impl ReadRows) -> Result<Vec<Account>> {
    let table = rows.read(ACCOUNTS)?;
    let mut accounts = Vec::new();
    for entry in table.iter()? {
        let (id, row) = entry?;
        accounts.push(AccountRow::unpack(row.value())?.into_account(AccountId(id.value())));
    }
    Ok(accounts)
}

fn pack_alias(alias: &Alias) -> Vec<u8> {
    let mut row = Packer::new();
    row.uint(alias.to.len() as u64);
    for to in &alias.to {
        row.text(&to.to_string());
    }
    row.finish()
}

fn unpack_alias(from: &str, row: &[u8]) -> Result<Alias> {
    let mut row = Unpacker::new("aliases", row);
    let mut to = Vec::new();
    for _ in 0..row.uint()? {
        to.push(Address::parse(row.text()?).map_err(|_| row.damaged())?);
    }
    row.finish()?;
    Ok(Alias {
        from: from.to_owned(),
        to,
    })
}

fn set_alias(tx: &Tx<'_>, alias: &Alias) -> Result<()> {
    if alias.to.is_empty() {
        return Err(Error::Refused("an alias needs at least one address"));
    }
    if alias.to.len() > ALIAS_TARGETS_MAX {
        return Err(Error::Limit("addresses of an alias"));
    }
    if tx.read(ACCOUNT_KEYS)?.get(alias.from.as_str())?.is_some() {
        return Err(Error::Exists("an account of that address"));
    }
    if is_one_too_many(tx, alias)? {
        return Err(Error::Limit("aliases"));
    }
    let mut table = tx.write(ALIASES)?;
    table.insert(alias.from.as_str(), pack_alias(alias).as_slice())?;
    Ok(())
}

fn is_one_too_many(rows: &impl ReadRows, alias: &Alias) -> Result<bool> {
    let table = rows.read(ALIASES)?;
    Ok(table.len()? >= ALIASES_MAX && table.get(alias.from.as_str())?.is_none())
}

fn remove_alias(tx: &Tx<'_>, from: &str) -> Result<()> {
    if tx.read(ALIASES)?.get(from)?.is_none() {
        return Err(Error::NotFound("the alias"));
    }
    tx.write(ALIASES)?.remove(from)?;
    Ok(())
}

impl Store {
    /// Makes an account with its standard mailboxes, no password, a random salt of [`SCRAM_SALT_BYTES`] and the count
    /// [`SCRAM_ITERATIONS`]. [`Error::Exists`] if an account or an
    /// alias has that address.
    pub fn add_account(&self, new: &NewAccount, now: Now) -> Result<Account> {
        let mut salt = [0; SCRAM_SALT_BYTES];
        SystemRandom::new()
            .fill(&mut salt)
            .map_err(|_| Error::Fault("the system has no randomness".to_owned()))?;
        let new = new.clone();
        self.0.commit(move |tx| add(tx, &new, &salt, now))
    }

    /// Removes an account with all its mail, devices and subscriptions. Aliases that lead to it stay. Refused for
    /// the last owner while there are other accounts.
    pub fn remove_account(&self, id: AccountId) -> Result<()> {
        self.0.commit(move |tx| remove(tx, id))?;
        self.0.waiting.forget(id);
        self.purge()
    }

    /// Gives an account another address; mail, devices and passwords stay.
    pub fn rename_account(&self, id: AccountId, to: &Address) -> Result<()> {
        let to = to.clone();
        self.0.commit(move |tx| rename(tx, id, &to))
    }

    /// Sets or lifts an account's own quota. Its level follows at once.
    pub fn set_quota(&self, id: AccountId, bytes: Option<u64>) -> Result<()> {
        self.0.commit(move |tx| {
            change(tx, id, |row| row.quota_bytes = bytes)?;
            level::step(tx, id)
        })
    }

    /// Sets the account's own password. Salt and count are the account's, drawn by [`Store::add_account`] and kept for
    /// its life, so that its app passwords stay good; make `verifier` from those in [`Snapshot::credentials`].
    pub fn set_password(&self, id: AccountId, verifier: Verifier) -> Result<()> {
        self.0.commit(move |tx| set_password(tx, id, &verifier))
    }

    /// Sets the account's own password if it is still kept as the crypt(3) hash `hash`, and says whether it was.
    pub fn replace_crypt(
        &self,
        id: AccountId,
        hash: &Secret<String>,
        verifier: Verifier,
    ) -> Result<bool> {
        let hash = hash.clone();
        self.0
            .commit(move |tx| replace_crypt(tx, id, hash.expose(), &verifier))
    }

    /// Sets the language of mail that the box writes to the account.
    pub fn set_language(&self, id: AccountId, language: Language) -> Result<()> {
        self.0
            .commit(move |tx| change(tx, id, |row| row.language = language))
    }

    /// Adds or replaces an alias.
    pub fn set_alias(&self, alias: &Alias) -> Result<()> {
        let alias = alias.clone();
        self.0.commit(move |tx| set_alias(tx, &alias))
    }

    /// Removes an alias.
    pub fn remove_alias(&self, from: &str) -> Result<()> {
        let from = from.to_owned();
        self.0.commit(move |tx| remove_alias(tx, &from))
    }
}

impl Snapshot {
    /// All accounts, by identifier.
    pub fn accounts(&self) -> Result<Vec<Account>> {
        list(self)
    }

    /// The account that `postmaster@` and `abuse@` reach (RFC 5321 4.5.1): the oldest owner. `None` in an empty store.
    pub fn owner(&self) -> Result<Option<Account>> {
        Ok(self.accounts()?.into_iter().find(|account| account.owner))
    }

    /// One account.
    pub fn account(&self, id: AccountId) -> Result<Option<Account>> {
        let row = AccountRow::find(self, id)?;
        Ok(row.map(|row| row.into_account(id)))
    }

    /// The account with that `Address::lookup_key`.
    pub fn account_by_key(&self, key: &str) -> Result<Option<Account>> {
        let keys = self.read(ACCOUNT_KEYS)?;
        let Some(id) = keys.get(key)? else {
            return Ok(None);
        };
        let account = self.account(AccountId(id.value()))?;
        account.map(Some).ok_or_else(|| damaged("account_keys"))
    }

    /// An account's running totals.
    pub fn usage(&self, id: AccountId) -> Result<Usage> {
        let counters = AccountCounters::find(self, id)?;
        Ok(counters.ok_or(NO_ACCOUNT)?.usage)
    }

    /// All aliases by `from`.
    pub fn aliases(&self) -> Result<Vec<Alias>> {
        let table = self.read(ALIASES)?;
        let mut aliases = Vec::new();
        for entry in table.iter()? {
            let (from, row) = entry?;
            aliases.push(unpack_alias(from.value(), row.value())?);
        }
        Ok(aliases)
    }

    /// One alias.
    pub fn alias(&self, from: &str) -> Result<Option<Alias>> {
        let table = self.read(ALIASES)?;
        let row = table.get(from)?;
        row.map(|row| unpack_alias(from, row.value())).transpose()
    }
}
