//! The two ways to see the index: a [`Snapshot`] to read, and a [`Tx`] that the writer lends to one closure.
//!
//! Row functions that only read are generic over [`ReadRows`] and serve both. A `Tx` marks whether its closure has
//! changed anything, for a closure that fails before it did costs the others in its batch nothing.

use std::cell::Cell;
use std::collections::BTreeMap;

use redb::{Key, ReadTransaction, ReadableTable, Table, TableDefinition, Value, WriteTransaction};

use super::Result;
use super::blob::Pins;
use super::change::Change;
use super::due::Staged;
use super::level::Rules;
use crate::mail::ids::AccountId;

/// Next identifiers: [`Kind`] as number -> lowest number that was never set aside.
pub(super) const IDS: TableDefinition<'_, u8, u64> = TableDefinition::new("ids");

/// A consistent view of the index. Keep it short: an open one holds back the reuse of freed pages.
#[derive(Debug)]
pub struct Snapshot {
    txn: ReadTransaction,
    rules: Rules,
}

impl Snapshot {
    pub(super) fn new(txn: ReadTransaction, rules: Rules) -> Self {
        Self { txn, rules }
    }

    /// Names of all tables, ascending.
    #[cfg(test)]
    pub(super) fn tables(&self) -> Vec<String> {
        use redb::TableHandle;
        let tables = self.txn.list_tables().into_iter().flatten();
        let mut names: Vec<String> = tables.map(|table| table.name().to_owned()).collect();
        names.sort();
        names
    }
}

/// Reading rows, in a snapshot or within a transaction (which sees its own changes).
pub(super) trait ReadRows {
    /// Opens a table for reading. In a [`Tx`] only one handle per table may be open at a time.
    fn read<K: Key + 'static, V: Value + 'static>(
        &self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<impl ReadableTable<K, V>>;

    /// What levels follow from.
    fn rules(&self) -> Rules;
}

impl ReadRows for Snapshot {
    fn read<K: Key + 'static, V: Value + 'static>(
        &self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<impl ReadableTable<K, V>> {
        Ok(self.txn.open_table(table)?)
    }

    fn rules(&self) -> Rules {
        self.rules
    }
}

/// Things with identifiers that are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Account = 0,
    Device = 1,
    Mailbox = 2,
    Serial = 3,
    /// Blobs that come through the stage.
    Blob = 4,
    /// Blobs that were streamed into a volume.
    StreamedBlob = 5,
    /// Runs that set messages aside.
    AsideRun = 6,
    /// Mails in the spool.
    Spool = 7,
}

impl Kind {
    /// How many are set aside at once. What is left of them at a restart is skipped, which saves a page in most
    /// commits.
    fn block(self) -> u64 {
        match self {
            Self::Account | Self::Device | Self::Mailbox | Self::AsideRun => 1,
            Self::Serial | Self::Blob => 256,
            Self::StreamedBlob | Self::Spool => 64,
        }
    }
}

/// Identifiers that the index has set aside and nobody has yet: next and end, by kind.
#[derive(Clone, Debug, Default)]
pub(super) struct IdPool(BTreeMap<Kind, (u64, u64)>);

/// What a batch does once it is durable.
#[derive(Default)]
pub(super) struct Effects {
    pub(super) changes: Vec<(AccountId, Change)>,
    pub(super) calls: Vec<Box<dyn FnOnce() + Send>>,
    pub(super) staged: Staged,
    pub(super) garbage: u64,
    pub(super) has_spooled: bool,
}

/// The write transaction as one closure sees it.
pub(super) struct Tx<'t> {
    txn: &'t WriteTransaction,
    pins: &'t Pins,
    rules: Rules,
    ids: IdPool,
    effects: Effects,
    changed: Cell<bool>,
}

impl std::fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tx")
    }
}

impl<'t> Tx<'t> {
    pub(super) fn new(
        txn: &'t WriteTransaction,
        pins: &'t Pins,
        rules: Rules,
        ids: IdPool,
    ) -> Self {
        Self {
            txn,
            pins,
            rules,
            ids,
            effects: Effects::default(),
            changed: Cell::new(false),
        }
    }

    /// Opens a table for writing and counts as a change. Only one handle per table may be open at a time.
    pub(super) fn write<K: Key + 'static, V: Value + 'static>(
        &self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<Table<'t, K, V>> {
        self.changed.set(true);
        Ok(self.txn.open_table(table)?)
    }

    /// An identifier that nothing of that kind ever had. Counts from 1.
    pub(super) fn next_id(&mut self, kind: Kind) -> Result<u64> {
        let (next, end) = match self.ids.0.get(&kind) {
            Some(&(next, end)) if next < end => (next, end),
            _ => self.set_aside(kind)?,
        };
        self.ids.0.insert(kind, (next + 1, end));
        Ok(next)
    }

    /// What [`Tx::next_id`] would give.
    pub(super) fn peek_id(&self, kind: Kind) -> Result<u64> {
        match self.ids.0.get(&kind) {
            Some(&(next, end)) if next < end => Ok(next),
            _ => Ok(self
                .read(IDS)?
                .get(kind as u8)?
                .map_or(1, |next| next.value())),
        }
    }

    /// Takes a whole block out of the pool, for a user outside of transactions.
    pub(super) fn next_ids(&self, kind: Kind) -> Result<std::ops::Range<u64>> {
        let (next, end) = self.set_aside(kind)?;
        Ok(next..end)
    }

    fn set_aside(&self, kind: Kind) -> Result<(u64, u64)> {
        let mut table = self.write(IDS)?;
        let next = table.get(kind as u8)?.map_or(1, |value| value.value());
        let end = next.saturating_add(kind.block());
        table.insert(kind as u8, end)?;
        Ok((next, end))
    }

    /// Blobs that are being read.
    pub(super) fn pins(&self) -> &Pins {
        self.pins
    }

    /// A blob of that many bytes was put into the stage.
    pub(super) fn count_staged(&mut self, bytes: u64) {
        self.effects.staged.bytes += bytes;
        self.effects.staged.blobs += 1;
    }

    /// A blob was listed for removal.
    pub(super) fn count_garbage(&mut self) {
        self.effects.garbage += 1;
    }

    /// A mail was spooled.
    pub(super) fn note_spooled(&mut self) {
        self.effects.has_spooled = true;
    }

    /// Tells the change bus once this is durable.
    pub(super) fn announce(&mut self, account: AccountId, change: Change) {
        let change = (account, change);
        if !self.effects.changes.contains(&change) {
            self.effects.changes.push(change);
        }
    }

    /// Calls back once this is durable, before the caller hears of it. Never if it fails.
    pub(super) fn on_commit(&mut self, call: impl FnOnce() + Send + 'static) {
        self.effects.calls.push(Box::new(call));
    }

    /// Whether anything was changed since the last call.
    pub(super) fn take_changed(&self) -> bool {
        self.changed.replace(false)
    }

    /// What has been announced so far, for [`Tx::forget_since`].
    pub(super) fn mark(&self) -> (usize, usize) {
        (self.effects.changes.len(), self.effects.calls.len())
    }

    /// Takes back the announcements of a closure that failed.
    pub(super) fn forget_since(&mut self, (changes, calls): (usize, usize)) {
        self.effects.changes.truncate(changes);
        self.effects.calls.truncate(calls);
    }

    pub(super) fn into_parts(self) -> (IdPool, Effects) {
        (self.ids, self.effects)
    }
}

impl ReadRows for Tx<'_> {
    fn read<K: Key + 'static, V: Value + 'static>(
        &self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<impl ReadableTable<K, V>> {
        Ok(self.txn.open_table(table)?)
    }

    fn rules(&self) -> Rules {
        self.rules
    }
}
