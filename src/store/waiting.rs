//! Whose mail waits outside because an account was full.
//!
//! Kept in memory, so that a refusal costs the card nothing, and saved now and then ([`Store::save_waiting`]): a crash
//! forgets the last minutes of it. A row goes when mail of that sender is taken, or after [`WAITING_DAYS_MAX`]. Any peer
//! can name any sender: the list is bounded, and who tried once only makes way first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::ReadableTable;

use super::account::AccountRow;
use super::codec::{Packer, Unpacker};
use super::schema::WAITING;
use super::tx::{ReadRows, Tx};
use super::types::Waiting;
use super::{Result, Snapshot, Store};
use crate::clock::{Now, Wall};
use crate::mail::address::{Address, ReversePath};
use crate::mail::ids::AccountId;

/// Days after which a sender has given up (RFC 5321 4.5.4.1: at least 4 to 5).
pub const WAITING_DAYS_MAX: u32 = 7;

/// Most senders that are remembered per account.
pub const WAITING_MAX: usize = 100;

/// Most senders that are remembered in all.
pub const WAITING_IN_ALL_MAX: usize = 2000;

const DAY_SECONDS: i64 = 86_400;

/// Senders of one account, by the lookup key of their address; the null sender's is empty.
type Senders = BTreeMap<String, Waiting>;

fn key(from: &ReversePath) -> String {
    from.as_ref().map(Address::lookup_key).unwrap_or_default()
}

/// All that is known in this process.
#[derive(Debug, Default)]
pub(super) struct List(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    accounts: BTreeMap<AccountId, Senders>,
    /// Accounts whose rows are not what `accounts` says.
    changed: BTreeSet<AccountId>,
}

impl State {
    fn note(&mut self, account: AccountId, from: &ReversePath, bytes: Option<u64>, at: Wall) {
        let key = key(from);
        let senders = self.accounts.entry(account).or_default();
        if let Some(known) = senders.get_mut(&key) {
            known.last = known.last.max(at);
            known.bytes = known.bytes.max(bytes);
            known.tries = known.tries.saturating_add(1);
        } else {
            if senders.len() >= WAITING_MAX {
                drop_one(senders);
            }
            let new = Waiting {
                from: from.clone(),
                first: at,
                last: at,
                bytes,
                tries: 1,
            };
            senders.insert(key, new);
            self.bound();
        }
        self.changed.insert(account);
    }

    fn bound(&mut self) {
        let in_all: usize = self.accounts.values().map(BTreeMap::len).sum();
        if in_all <= WAITING_IN_ALL_MAX {
            return;
        }
        let fullest = self
            .accounts
            .iter_mut()
            .max_by_key(|(_, senders)| senders.len());
        if let Some((account, senders)) = fullest {
            drop_one(senders);
            self.changed.insert(*account);
        }
    }

    fn take(&mut self, account: AccountId, from: &ReversePath) {
        let Some(senders) = self.accounts.get_mut(&account) else {
            return;
        };
        if senders.remove(&key(from)).is_some() {
            self.changed.insert(account);
        }
    }

    fn forget_before(&mut self, oldest: Wall) {
        for (account, senders) in &mut self.accounts {
            let before = senders.len();
            senders.retain(|_, waiting| waiting.last >= oldest);
            if senders.len() != before {
                self.changed.insert(*account);
            }
        }
    }

    /// What is to be written; what has been is not changed any more.
    fn take_changed(&mut self) -> Vec<(AccountId, Senders)> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        let lists = changed.map(|account| {
            let senders = self.accounts.get(&account).cloned();
            (account, senders.unwrap_or_default())
        });
        let lists = lists.collect();
        self.accounts.retain(|_, senders| !senders.is_empty());
        lists
    }
}

/// Whoever tried once before whoever tried again, the one who was not heard of for longest.
fn drop_one(senders: &mut Senders) {
    let least = senders
        .iter()
        .min_by_key(|(_, waiting)| (waiting.tries > 1, waiting.last));
    if let Some(least) = least.map(|(key, _)| key.clone()) {
        senders.remove(&least);
    }
}

impl List {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a run before has saved.
    pub(super) fn load(snapshot: &Snapshot) -> Result<Self> {
        let mut state = State::default();
        for entry in snapshot.read(WAITING)?.iter()? {
            let (key, row) = entry?;
            let (account, sender) = key.value();
            let senders = state.accounts.entry(AccountId(account)).or_default();
            senders.insert(sender.to_owned(), unpack(row.value())?);
        }
        Ok(Self(Mutex::new(state)))
    }

    /// Forgets an account's that was removed.
    pub(super) fn forget(&self, account: AccountId) {
        let mut state = self.lock();
        state.accounts.remove(&account);
        state.changed.remove(&account);
    }
}

fn pack(waiting: &Waiting) -> Vec<u8> {
    let mut row = Packer::new();
    row.option(waiting.from.as_ref(), |row, from| {
        row.text(&from.to_string());
    })
    .int(waiting.first.0)
    .int(waiting.last.0)
    .option(waiting.bytes, |row, bytes| {
        row.uint(bytes);
    })
    .uint(waiting.tries.into());
    row.finish()
}

pub(super) fn unpack(row: &[u8]) -> Result<Waiting> {
    let mut row = Unpacker::new("waiting", row);
    let waiting = Waiting {
        from: row.option(|row| Address::parse(row.text()?).map_err(|_| row.damaged()))?,
        first: Wall(row.int()?),
        last: Wall(row.int()?),
        bytes: row.option(Unpacker::uint)?,
        tries: row.u32()?,
    };
    row.finish()?;
    Ok(waiting)
}

/// Removes an account's rows.
pub(super) fn remove_rows(tx: &Tx<'_>, account: AccountId) -> Result<()> {
    let mut table = tx.write(WAITING)?;
    // Account numbers end below the highest u32.
    let all = (account.0, "")..(account.0.saturating_add(1), "");
    table.retain_in(all, |_, _| false)?;
    Ok(())
}

fn save(tx: &Tx<'_>, lists: &[(AccountId, Senders)]) -> Result<()> {
    for (account, senders) in lists {
        remove_rows(tx, *account)?;
        // It may have been removed since.
        if AccountRow::find(tx, *account)?.is_none() {
            continue;
        }
        let mut table = tx.write(WAITING)?;
        for (sender, waiting) in senders {
            table.insert((account.0, sender.as_str()), pack(waiting).as_slice())?;
        }
    }
    Ok(())
}

impl Store {
    /// Mail of `bytes` (if the peer said) from `from` was deferred.
    pub fn note_deferred(
        &self,
        account: AccountId,
        from: &ReversePath,
        bytes: Option<u64>,
        now: Now,
    ) {
        let mut state = self.0.waiting.lock();
        state.note(account, from, bytes, now.stamp());
    }

    /// Mail from `from` was taken.
    pub fn note_taken(&self, account: AccountId, from: &ReversePath) {
        self.0.waiting.lock().take(account, from);
    }

    /// Who waits, the latest try first.
    pub fn waiting(&self, account: AccountId) -> Result<Vec<Waiting>> {
        let state = self.0.waiting.lock();
        let senders = state.accounts.get(&account);
        let mut waiting: Vec<Waiting> = senders
            .into_iter()
            .flat_map(|senders| senders.values().cloned())
            .collect();
        waiting.sort_by_key(|waiting| std::cmp::Reverse(waiting.last));
        Ok(waiting)
    }

    /// Writes to the card what has changed, and forgets who has given up. Call it every few minutes.
    pub fn save_waiting(&self, now: Now) -> Result<()> {
        let mut state = self.0.waiting.lock();
        if let Some(wall) = now.wall {
            let days = i64::from(WAITING_DAYS_MAX);
            state.forget_before(Wall(wall.0 - days * DAY_SECONDS));
        }
        let lists = state.take_changed();
        drop(state);
        if lists.is_empty() {
            return Ok(());
        }
        let accounts: Vec<AccountId> = lists.iter().map(|(account, _)| *account).collect();
        let saved = self.0.commit(move |tx| save(tx, &lists));
        if saved.is_err() {
            self.0.waiting.lock().changed.extend(accounts);
        }
        saved
    }
}
