//! The index's tables of rows, and how each lies on disk. The format has one version number for all of it.
//!
//! Integers in keys are redb's own (compared as numbers). Values are packed by `codec`: `uint` is a LEB128 varint,
//! `int` the same after zigzag, `text` and `bytes` are a `uint` length and the bytes, `option` a byte 0 or 1 and the
//! value. A row may only grow at its end, and then with a new format version.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | name | `format`: version as `uint` |
//! | `settings` | name | whatever the caller put |
//! | `accounts` | account | address text, bits (1 owner, 2 German), quota option, created int, salt bytes, iterations uint, verifier option |
//! | `account_keys` | `Address::lookup_key` | account |
//! | `devices` | account, device | name text, policy, created int, last seen option, bit used POP3, verifier |
//! | `logins` | account, device or 0 for the own password, protocol | time int, address text, TLS version text |
//! | `aliases` | `from` | count uint, addresses text |
//! | `counters` | kind, id | 0: highest UIDVALIDITY; 1 account: modseq, bytes, messages, level byte; 2 mailbox: see `MailboxCounters`; 3 age clock: seconds uint, wall int; 4 card: level byte; 5 queue's clock: see `spool::ClockRow`; 6 events: next identifier uint, rows and bytes uint of each share, rows of `traffic` uint |
//! | `mailboxes` | mailbox | account uint, name text, special use uint, UIDVALIDITY uint, keywords |
//! | `mailbox_names` | account, name | mailbox |
//! | `subscriptions` | account, name | nothing |
//! | `records` | serial | see `record::Stored`; its text is packed by `squeeze` |
//! | `flags` | mailbox, UID | system flags, keywords, modseq, serial: little-endian, 25 bytes |
//! | `expunged` | mailbox, modseq | UIDs as runs: gap uint, length - 1 uint |
//! | `pop3_marks` | serial, device | bits (1 fetched, 2 hidden), age-clock second of hiding uint |
//! | `growth` | subject kind, id, day | bytes in use at the end of that day (days since 1970-01-01, UTC) |
//! | `told` | subject kind, id | level byte that people were last written to about; none is 0 |
//! | `waiting` | account, sender's `lookup_key` | address text option (none: null sender), first int, last int, bytes uint option, tries uint |
//! | `purges` | mailbox | account: its messages are gone for all, and are being removed |
//! | `ages` | slow clock's seconds | serial uint, wall int: messages with serials below were there then; see `age` |
//! | `aside_runs` | run | see `aside::RunRow` |
//! | `aside` | run, serial | see `aside::AsideRow` |
//! | `aside_moves` | run, serial | mailbox that it was moved from |
//! | `spool` | mail | see `spool::MailRow` |
//! | `spool_recipients` | mail, index from 0 | see `spool::RecipientRow` |
//! | `sent_copies` | account, first bytes of the Message-ID's SHA-256 (big-endian) | serial: a copy in Sent that the server filed |
//! | `events` | share (0 the house's, 1 strangers'), event | kind byte, time int option, times uint, from text, count uint and so many recipients text, more uint, peer text, bytes uint option, number uint, code text, reason text, mail text |
//! | `traffic` | quarter of an hour since 1970-01-01 | received, submitted, refused, deferred, sent, turned away, failed logins: uint each |
//!
//! A level byte is 0 ok, 1 notice, 2 warning, 3 full, 4 fault. A subject is 0 the card (id 0) or 1 an account.
//!
//! Tables of the engine: `ids` (module `tx`), and `stage`, `places`, `moved`, `shared`, `garbage` (module `blob`).
//!
//! Everything that a delivery counts up lies in `counters`, so that one page takes it. `flags` is also the UID index
//! and all that a scan of a mailbox reads. Serials rise, so `records` fills its leaves.

use redb::TableDefinition;

use super::tx::Tx;
use super::types::Subject;
use super::{Result, blob};

/// Version of the whole on-disk format; see `migrate`.
pub(super) const FORMAT_VERSION: u64 = 4;

/// Name of the format version in [`META`].
pub(super) const META_FORMAT: &str = "format";

pub(super) type Bytes = &'static [u8];

pub(super) const META: TableDefinition<'_, &str, Bytes> = TableDefinition::new("meta");
pub(super) const SETTINGS: TableDefinition<'_, &str, Bytes> = TableDefinition::new("settings");

pub(super) const ACCOUNTS: TableDefinition<'_, u32, Bytes> = TableDefinition::new("accounts");
pub(super) const ACCOUNT_KEYS: TableDefinition<'_, &str, u32> =
    TableDefinition::new("account_keys");
pub(super) const DEVICES: TableDefinition<'_, (u32, u32), Bytes> = TableDefinition::new("devices");
pub(super) const LOGINS: TableDefinition<'_, (u32, u32, &str), Bytes> =
    TableDefinition::new("logins");
pub(super) const ALIASES: TableDefinition<'_, &str, Bytes> = TableDefinition::new("aliases");

pub(super) const COUNTERS: TableDefinition<'_, (u8, u32), Bytes> = TableDefinition::new("counters");
/// Kind in [`COUNTERS`]: the store's own row (identifier 0).
pub(super) const OF_STORE: u8 = 0;
/// Kind in [`COUNTERS`]: accounts.
pub(super) const OF_ACCOUNT: u8 = 1;
/// Kind in [`COUNTERS`]: mailboxes.
pub(super) const OF_MAILBOX: u8 = 2;
/// Kind in [`COUNTERS`]: the clock by which POP3 marks age (identifier 0).
pub(super) const OF_AGE_CLOCK: u8 = 3;
/// Kind in [`COUNTERS`]: the card (identifier 0).
pub(super) const OF_CARD: u8 = 4;
/// Kind in [`COUNTERS`]: the clock by which the queue's times are (identifier 0).
pub(super) const OF_SPOOL_CLOCK: u8 = 5;
/// Kind in [`COUNTERS`]: the ring of events (identifier 0).
pub(super) const OF_EVENTS: u8 = 6;

pub(super) const MAILBOXES: TableDefinition<'_, u32, Bytes> = TableDefinition::new("mailboxes");
pub(super) const MAILBOX_NAMES: TableDefinition<'_, (u32, &str), u32> =
    TableDefinition::new("mailbox_names");
pub(super) const SUBSCRIPTIONS: TableDefinition<'_, (u32, &str), ()> =
    TableDefinition::new("subscriptions");

pub(super) const RECORDS: TableDefinition<'_, u64, Bytes> = TableDefinition::new("records");
/// Length of a value in [`FLAGS`].
pub(super) const FLAGS_BYTES: usize = 25;
pub(super) const FLAGS: TableDefinition<'_, (u32, u32), &[u8; FLAGS_BYTES]> =
    TableDefinition::new("flags");
pub(super) const EXPUNGED: TableDefinition<'_, (u32, u64), Bytes> =
    TableDefinition::new("expunged");

pub(super) const POP3_MARKS: TableDefinition<'_, (u64, u32), Bytes> =
    TableDefinition::new("pop3_marks");
pub(super) const PURGES: TableDefinition<'_, u32, u32> = TableDefinition::new("purges");

pub(super) const AGES: TableDefinition<'_, u64, Bytes> = TableDefinition::new("ages");
pub(super) const ASIDE_RUNS: TableDefinition<'_, u32, Bytes> = TableDefinition::new("aside_runs");
pub(super) const ASIDE: TableDefinition<'_, (u32, u64), Bytes> = TableDefinition::new("aside");
pub(super) const ASIDE_MOVES: TableDefinition<'_, (u32, u64), u32> =
    TableDefinition::new("aside_moves");
pub(super) const GROWTH: TableDefinition<'_, (u8, u32, u32), u64> = TableDefinition::new("growth");
pub(super) const TOLD: TableDefinition<'_, (u8, u32), Bytes> = TableDefinition::new("told");
pub(super) const WAITING: TableDefinition<'_, (u32, &str), Bytes> = TableDefinition::new("waiting");

pub(super) const SPOOL: TableDefinition<'_, u64, Bytes> = TableDefinition::new("spool");
pub(super) const SPOOL_RECIPIENTS: TableDefinition<'_, (u64, u32), Bytes> =
    TableDefinition::new("spool_recipients");
pub(super) const SENT_COPIES: TableDefinition<'_, (u32, u128), u64> =
    TableDefinition::new("sent_copies");

pub(super) const EVENTS: TableDefinition<'_, (u8, u64), Bytes> = TableDefinition::new("events");
pub(super) const TRAFFIC: TableDefinition<'_, u32, Bytes> = TableDefinition::new("traffic");

/// How [`GROWTH`] and [`TOLD`] name a subject.
pub(super) fn subject_key(subject: Subject) -> (u8, u32) {
    match subject {
        Subject::Card => (0, 0),
        Subject::Account(id) => (1, id.0),
    }
}

/// Makes every table of this file that is not there yet. The version is `migrate`'s matter.
pub(super) fn create_tables(tx: &Tx<'_>) -> Result<()> {
    tx.write(META)?;
    tx.write(SETTINGS)?;
    tx.write(ACCOUNTS)?;
    tx.write(ACCOUNT_KEYS)?;
    tx.write(DEVICES)?;
    tx.write(LOGINS)?;
    tx.write(ALIASES)?;
    tx.write(COUNTERS)?;
    tx.write(MAILBOXES)?;
    tx.write(MAILBOX_NAMES)?;
    tx.write(SUBSCRIPTIONS)?;
    tx.write(RECORDS)?;
    tx.write(FLAGS)?;
    tx.write(EXPUNGED)?;
    tx.write(POP3_MARKS)?;
    tx.write(PURGES)?;
    tx.write(AGES)?;
    tx.write(ASIDE_RUNS)?;
    tx.write(ASIDE)?;
    tx.write(ASIDE_MOVES)?;
    tx.write(GROWTH)?;
    tx.write(TOLD)?;
    tx.write(WAITING)?;
    tx.write(SPOOL)?;
    tx.write(SPOOL_RECIPIENTS)?;
    tx.write(SENT_COPIES)?;
    tx.write(EVENTS)?;
    tx.write(TRAFFIC)?;
    blob::create_tables(tx)
}
