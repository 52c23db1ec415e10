//! How full an account and the card are, as one word each: the value that everything in the house shows.
//!
//! An account's level is part of its counters and is stepped in the transaction that changes its usage or its quota, so
//! that it is as durable as they are. The card's is stepped whenever its space is counted. A level is entered at its
//! threshold and left [`LEAVE_POINTS`] below, so that nothing flutters.

use super::account::AccountRow;
use super::change::Change;
use super::codec::{Packer, Unpacker};
use super::counters::{AccountCounters, Counters};
use super::message::Ledger;
use super::schema::OF_CARD;
use super::tx::{ReadRows, Tx};
use super::types::{Fill, Level, Subject, Thresholds};
use super::{Error, Options, Result, Store};
use crate::mail::flags::SpecialUse;
use crate::mail::ids::AccountId;
use crate::wake::Wake;

/// Points of a hundred below its threshold at which a level is left.
pub const LEAVE_POINTS: u64 = 3;

/// What COPY and APPEND into an account's Trash may use beyond the quota, in points of a hundred, so that programs
/// which delete by copying work in a full account.
pub const TRASH_ROOM_PERCENT: u64 = 10;

/// Where [`Level::Full`] begins.
const FULL_PERCENT: u64 = 100;

impl Level {
    /// The level after this one, with `used` of `limit` bytes taken. Never [`Level::Fault`].
    #[must_use]
    pub fn step(self, used: u64, limit: Option<u64>, thresholds: Thresholds) -> Self {
        let Some(limit) = limit else {
            return Self::Ok;
        };
        let entries = [
            (Self::Full, FULL_PERCENT),
            (Self::Warning, thresholds.warning_percent.into()),
            (Self::Notice, thresholds.notice_percent.into()),
        ];
        let reached = entries.into_iter().find(|(level, entry)| {
            let leave = entry.saturating_sub(LEAVE_POINTS);
            let percent = if self >= *level { leave } else { *entry };
            u128::from(used) * 100 >= u128::from(limit) * u128::from(percent)
        });
        reached.map_or(Self::Ok, |(level, _)| level)
    }

    pub(super) fn pack(self, row: &mut Packer) {
        row.byte(match self {
            Self::Ok => 0,
            Self::Notice => 1,
            Self::Warning => 2,
            Self::Full => 3,
            Self::Fault => 4,
        });
    }

    pub(super) fn unpack(row: &mut Unpacker<'_>) -> Result<Self> {
        match row.byte()? {
            0 => Ok(Self::Ok),
            1 => Ok(Self::Notice),
            2 => Ok(Self::Warning),
            3 => Ok(Self::Full),
            4 => Ok(Self::Fault),
            _ => Err(row.damaged()),
        }
    }
}

impl Fill {
    /// Hundredths in use, rounded down; `None` without a limit.
    pub fn percent(&self) -> Option<u64> {
        let hundredths = u128::from(self.used) * 100;
        let percent = match u128::from(self.limit?) {
            0 => FULL_PERCENT.into(),
            limit => hundredths / limit,
        };
        Some(u64::try_from(percent).unwrap_or(u64::MAX))
    }

    /// Bytes that must go until mail is taken again; 0 if it is. All that is in use for a limit of 0, where none ever
    /// is.
    pub fn bytes_to_free(&self) -> u64 {
        match self.limit {
            Some(limit) if self.level >= Level::Full => {
                self.used.saturating_sub(most_below_full(limit))
            }
            Some(_) | None => 0,
        }
    }
}

/// Most bytes with which [`Level::Full`] is left.
fn most_below_full(limit: u64) -> u64 {
    let leave = u128::from(FULL_PERCENT - LEAVE_POINTS);
    let most = (u128::from(limit) * leave).div_ceil(100).saturating_sub(1);
    u64::try_from(most).unwrap_or(u64::MAX)
}

/// What levels follow from, besides what is in use and accounts' own quotas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) quota_default_bytes: Option<u64>,
    pub(super) thresholds: Thresholds,
}

impl Rules {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            quota_default_bytes: options.quota_default_bytes,
            thresholds: options.thresholds,
        }
    }

    /// The quota in force, given an account's own.
    pub(super) fn quota(&self, own: Option<u64>) -> Option<u64> {
        own.or(self.quota_default_bytes)
    }
}

/// The quota in force for an account.
pub(super) fn quota(rows: &impl ReadRows, id: AccountId) -> Result<Option<u64>> {
    Ok(rows.rules().quota(AccountRow::load(rows, id)?.quota_bytes))
}

impl AccountCounters {
    /// The level that follows from these counters and `quota`.
    pub(super) fn level_at(&self, quota: Option<u64>, thresholds: Thresholds) -> Level {
        self.level.step(self.usage.bytes, quota, thresholds)
    }

    fn fill(&self, quota: Option<u64>) -> Fill {
        Fill {
            level: self.level,
            used: self.usage.bytes,
            limit: quota,
        }
    }
}

/// Writes an account's counters after its usage or its quota changed, with the level that follows, and tells the bus
/// of another one. To be called once per change as others see it: levels remember.
pub(super) fn save_stepped(
    tx: &mut Tx<'_>,
    id: AccountId,
    mut counters: AccountCounters,
) -> Result<()> {
    let level = counters.level_at(quota(tx, id)?, tx.rules().thresholds);
    if level != counters.level {
        counters.level = level;
        tx.announce(id, Change::Level);
    }
    counters.save(tx, id)
}

/// Steps an account whose quota changed.
pub(super) fn step(tx: &mut Tx<'_>, id: AccountId) -> Result<()> {
    let counters = AccountCounters::load(tx, id)?;
    let level = counters.level_at(quota(tx, id)?, tx.rules().thresholds);
    if level == counters.level {
        return Ok(());
    }
    save_stepped(tx, id, counters)
}

/// Steps every account: the default quota or the thresholds may be others than when the store was open last.
pub(super) fn step_all(tx: &mut Tx<'_>) -> Result<()> {
    for account in super::account::list(tx)? {
        step(tx, account.id)?;
    }
    Ok(())
}

/// What an account still takes, asked mail by mail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    level: Level,
    used: u64,
    quota: Option<u64>,
    thresholds: Thresholds,
    /// Up to where even a full account takes mail.
    beyond: Option<u64>,
}

impl Allowance {
    /// Of a whole account.
    pub(super) fn of_account(rows: &impl ReadRows, id: AccountId) -> Result<Self> {
        Self::new(rows, id, AccountCounters::load(rows, id)?)
    }

    /// Of a mailbox, which may be Trash.
    pub(super) fn of_mailbox(rows: &impl ReadRows, ledger: &Ledger) -> Result<Self> {
        let mut allowance = Self::new(rows, ledger.row.account, ledger.account)?;
        if ledger.row.special_use == Some(SpecialUse::Trash) {
            allowance.beyond = allowance.quota.map(with_trash_room);
        }
        Ok(allowance)
    }

    fn new(rows: &impl ReadRows, id: AccountId, counters: AccountCounters) -> Result<Self> {
        Ok(Self {
            level: counters.level,
            used: counters.usage.bytes,
            quota: quota(rows, id)?,
            thresholds: rows.rules().thresholds,
            beyond: None,
        })
    }

    /// Takes a mail of `bytes`, or refuses it as [`Error::OverQuota`]. The one that fills the account is taken, and the
    /// one that uses up the room in Trash, for a large mail must be deletable too.
    pub(super) fn take(&mut self, bytes: u64) -> Result<()> {
        let has_room = self.beyond.is_some_and(|most| self.used < most);
        if self.level >= Level::Full && !has_room {
            return Err(Error::OverQuota);
        }
        self.used = self.used.saturating_add(bytes);
        self.level = self.level.step(self.used, self.quota, self.thresholds);
        Ok(())
    }
}

fn with_trash_room(quota: u64) -> u64 {
    let room = u128::from(quota) * u128::from(TRASH_ROOM_PERCENT) / 100;
    quota.saturating_add(u64::try_from(room).unwrap_or(u64::MAX))
}

/// The card's level as it was written last, so that a restart keeps its hysteresis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CardLevel(pub(super) Level);

impl Counters for CardLevel {
    type Id = ();

    fn key((): ()) -> (u8, u32) {
        (OF_CARD, 0)
    }

    fn pack(&self, row: &mut Packer) {
        self.0.pack(row);
    }

    fn unpack(row: &mut Unpacker<'_>) -> Result<Self> {
        Level::unpack(row).map(Self)
    }
}

impl Store {
    /// How full the account or the card is. The card's is [`Level::Fault`] while the store cannot write.
    pub fn fill(&self, subject: Subject) -> Result<Fill> {
        match subject {
            Subject::Card => Ok(self.card_fill()),
            Subject::Account(id) => {
                let snapshot = self.snapshot()?;
                let quota = quota(&snapshot, id)?;
                Ok(AccountCounters::load(&snapshot, id)?.fill(quota))
            }
        }
    }

    fn card_fill(&self) -> Fill {
        let counted = self.0.core.count_space();
        let mut fill = counted.unwrap_or_else(|error| {
            tracing::error!(%error, "the card cannot be looked at");
            Fill {
                level: Level::Fault,
                used: 0,
                limit: None,
            }
        });
        if self.health().failing {
            fill.level = Level::Fault;
        }
        fill
    }

    /// Calls `wake` after each commit that changed a level, and when the card's changes. For as long as the store is
    /// open.
    pub fn on_level(&self, wake: Wake) {
        self.0.index.on_level(wake);
    }

    /// The fill of every account, by identifier.
    pub fn fills(&self) -> Result<Vec<(AccountId, Fill)>> {
        let snapshot = self.snapshot()?;
        let accounts = snapshot.accounts()?.into_iter();
        let fills = accounts.map(|account| {
            let counters = AccountCounters::load(&snapshot, account.id)?;
            let quota = snapshot.rules().quota(account.quota_bytes);
            Ok((account.id, counters.fill(quota)))
        });
        fills.collect()
    }
}

#[cfg(test)]
mod tests;
