//! Backup into a directory, and the way back.
//!
//! A backup holds `manifest.json` and the files that it names, each a redb database copied row by row in the order of
//! keys, read back and hashed. The manifest is replaced last, in one step: until then the backup before counts. A
//! volume whose generation has not changed since is not copied again. Mail goes on meanwhile; only moving and removing
//! bodies waits. A directory may keep the backup before too; the two share what has not changed (`manifest`).

mod manifest;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::PoisonError;

use redb::{Builder, Database, Key, TableDefinition, Value, WriteTransaction};
use ring::digest::{Context, SHA256};
use ring::rand::{SecureRandom, SystemRandom};

use self::manifest::{Copied, Manifest};
pub use self::manifest::{
    Generation, Kept, drop_before, fall_back, has_before, kept, remove_damaged, tidy,
};

use super::blob::{self, GARBAGE, MOVED, PLACES, SHARED};
use super::engine::INDEX;
use super::staged::STAGE;
use super::tx::{IDS, ReadRows, Snapshot};
use super::volume::{STREAMED, Volume, file_name};
use super::volume_tx::VolumeTx;
use super::{Error, Options, Result, Store, schema};
use crate::clock::Now;

/// Name of the setting that holds [`Store::lineage`].
pub(super) const LINEAGE: &str = "backup.store";

/// Page cache while copying.
const CACHE_BYTES: usize = 4 << 20;

/// What a backup did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackupReport {
    /// Files copied.
    pub copied: usize,
    /// Volumes that had not changed since the backup before.
    pub unchanged: usize,
    /// Bytes of the whole backup.
    pub bytes: u64,
}

impl Store {
    /// Backs the store up into `dir`, consistent as of one moment during the call. No backup before it is kept.
    pub fn backup(&self, dir: &Path) -> Result<BackupReport> {
        self.backup_keeping(dir, Generation::Newest)
    }

    /// As [`Store::backup`]; `oldest` is the oldest that is kept.
    pub fn backup_keeping(&self, dir: &Path, oldest: Generation) -> Result<BackupReport> {
        let core = &self.0.core;
        let store = self.lineage()?;
        let _only = core.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        fs::create_dir_all(dir).map_err(Error::io)?;
        let before = Manifest::load(dir).unwrap_or_default();
        let mut report = BackupReport::default();
        let mut manifest = Manifest::of(&store);
        // Read before the snapshot: what is filed between the two is copied now and counts as a change later.
        let generations = self.generations()?;
        let snapshot = self.snapshot()?;
        let known = Known::new(&snapshot)?;
        let stamp = manifest::next_stamp(dir)?;
        let index = copy_index(dir, &format!("index-{stamp}.redb"), &snapshot)?;
        drop(snapshot);
        manifest.files.insert(INDEX.to_owned(), index);
        report.copied += 1;
        for number in known.volumes() {
            let name = file_name(number);
            let generation = generations.get(&number).copied().unwrap_or_default();
            let copied = if let Some(copied) = before.unchanged(&name, (&store, generation), dir) {
                report.unchanged += 1;
                copied.clone()
            } else {
                report.copied += 1;
                let file = format!("volume-{number:04}-{stamp}.redb");
                known.copy_volume((dir, &file), &core.volumes.get(number), generation)?
            };
            manifest.files.insert(name, copied);
        }
        report.bytes = manifest.bytes();
        manifest.take_over(dir, &before, oldest)?;
        Ok(report)
    }

    /// Bytes that the next backup into `dir` writes, about.
    pub fn backup_bytes(&self, dir: &Path) -> Result<u64> {
        let (core, store) = (&self.0.core, self.lineage()?);
        let before = Manifest::load(dir).unwrap_or_default();
        let (mut changed, mut volumes) = (0, 0);
        for (number, generation) in self.generations()? {
            let bytes = core.volumes.file_bytes(number)?;
            volumes += bytes;
            let kept = before.unchanged(&file_name(number), (&store, generation), dir);
            changed += if kept.is_none() { bytes } else { 0 };
        }
        let index = self.space()?.used.saturating_sub(volumes);
        Ok(index + changed)
    }

    /// Sixteen digits that no other store has, nor what is restored from a backup of this one: numbers that both count
    /// up mean different things in each.
    pub fn lineage(&self) -> Result<String> {
        let kept = self.snapshot()?.setting(LINEAGE)?;
        if let Some(text) = kept.and_then(|kept| String::from_utf8(kept).ok()) {
            return Ok(text);
        }
        let mut bytes = [0; 8];
        let filled = SystemRandom::new().fill(&mut bytes);
        filled.map_err(|_| Error::Fault("no randomness".to_owned()))?;
        let text = format!("{:016x}", u64::from_be_bytes(bytes));
        self.set_setting(LINEAGE, text.as_bytes())?;
        Ok(text)
    }

    fn generations(&self) -> Result<BTreeMap<u32, u64>> {
        let volumes = &self.0.core.volumes;
        let numbers = volumes.numbers()?.into_iter();
        numbers
            .map(|number| Ok((number, volumes.get(number).generation()?)))
            .collect()
    }

    /// Puts a backup back into `dir`, which must hold no store, and opens it. Every file is checked against the
    /// manifest, and every mailbox gets a new UIDVALIDITY, for UIDs given after the backup may come again. All spooled
    /// mail is held ([`SpoolStage::Held`](super::spool::SpoolStage::Held)), for it may have been sent since.
    pub fn restore(backup: &Path, dir: &Path, options: &Options, now: Now) -> Result<Self> {
        Self::restore_from((backup, Generation::Newest), dir, options, now)
    }

    /// As [`Store::restore`], of one of the backups in that directory.
    pub fn restore_from(
        (backup, generation): (&Path, Generation),
        dir: &Path,
        options: &Options,
        now: Now,
    ) -> Result<Self> {
        if Self::exists(dir) {
            return Err(Error::Exists("a store in that directory"));
        }
        let manifest = match generation {
            Generation::Newest => Manifest::load(backup)?,
            Generation::Before => Manifest::load_before(backup)?,
        };
        fs::create_dir_all(dir.join("volumes")).map_err(Error::io)?;
        // The index comes last: without it there is no store.
        for (name, copied) in manifest.files.iter().rev() {
            let half = dir.join(format!("{name}.new"));
            let hash = copy_file(&backup.join(&copied.file), &half).map_err(Error::io)?;
            if hash != copied.sha256 {
                let text = format!("{} of the backup is damaged", copied.file);
                return Err(Error::Fault(text));
            }
            fs::rename(&half, dir.join(name)).map_err(Error::io)?;
        }
        sync_dir(&dir.join("volumes"))?;
        sync_dir(dir)?;
        let store = Self::open(dir, options, now)?;
        store.begin_anew(now)?;
        Ok(store)
    }
}

/// What the index said of blobs when the backup began.
struct Known {
    places: BTreeMap<u64, u32>,
    moved_to: u64,
}

impl Known {
    fn new(snapshot: &Snapshot) -> Result<Self> {
        Ok(Self {
            places: blob::places(snapshot)?,
            moved_to: blob::moved_to(snapshot)?,
        })
    }

    fn volumes(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = self.places.values().copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    fn is_in(&self, blob: u64, volume: u32) -> bool {
        if blob >= STREAMED {
            return self.places.get(&blob) == Some(&volume);
        }
        let place = self.places.range(..=blob).next_back();
        blob <= self.moved_to && place.is_some_and(|(_, number)| *number == volume)
    }

    fn copy_volume(
        &self,
        (dir, file): (&Path, &str),
        volume: &Volume,
        generation: u64,
    ) -> Result<Copied> {
        let mut blobs = Vec::new();
        volume.for_each(|blob, _| {
            if self.is_in(blob, volume.number) {
                blobs.push(blob);
            }
            Ok(())
        })?;
        let database = create(dir, file)?;
        let mut txn = database.begin_write()?;
        txn.set_quick_repair(true);
        let mut tx = VolumeTx::open(&txn)?;
        tx.put_format()?;
        for blob in blobs {
            volume.copy_blob(blob, &mut tx)?;
        }
        tx.close()?;
        txn.commit()?;
        database.close()?;
        Copied::read_back(dir, file, generation)
    }
}

/// A new database in the backup.
fn create(dir: &Path, file: &str) -> Result<Database> {
    let path = dir.join(file);
    if path.exists() {
        fs::remove_file(&path).map_err(Error::io)?;
    }
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    Ok(builder.create(path)?)
}

macro_rules! copy_tables {
    ($from:expr, $to:expr, $($table:expr),* $(,)?) => {
        $(copy_table($from, $to, $table)?;)*
    };
}

fn copy_index(dir: &Path, file: &str, from: &Snapshot) -> Result<Copied> {
    let database = create(dir, file)?;
    let mut txn = database.begin_write()?;
    txn.set_quick_repair(true);
    copy_tables!(
        from,
        &txn,
        schema::META,
        schema::SETTINGS,
        schema::ACCOUNTS,
        schema::ACCOUNT_KEYS,
        schema::DEVICES,
        schema::LOGINS,
        schema::ALIASES,
        schema::COUNTERS,
        schema::MAILBOXES,
        schema::MAILBOX_NAMES,
        schema::SUBSCRIPTIONS,
        schema::RECORDS,
        schema::FLAGS,
        schema::EXPUNGED,
        schema::POP3_MARKS,
        schema::PURGES,
        schema::AGES,
        schema::ASIDE_RUNS,
        schema::ASIDE,
        schema::ASIDE_MOVES,
        schema::GROWTH,
        schema::TOLD,
        schema::WAITING,
        schema::SPOOL,
        schema::SPOOL_RECIPIENTS,
        schema::SENT_COPIES,
        schema::EVENTS,
        schema::TRAFFIC,
        IDS,
        STAGE,
        PLACES,
        MOVED,
        SHARED,
        GARBAGE,
    );
    txn.commit()?;
    database.close()?;
    Copied::read_back(dir, file, 0)
}

fn copy_table<K: Key + 'static, V: Value + 'static>(
    from: &Snapshot,
    to: &WriteTransaction,
    table: TableDefinition<'_, K, V>,
) -> Result<()> {
    use redb::ReadableTable;
    let mut target = to.open_table(table)?;
    for row in from.read(table)?.iter()? {
        let (key, value) = row?;
        target.insert(key.value(), value.value())?;
    }
    Ok(())
}

/// Copies a file and returns its SHA-256 in hexadecimal.
fn copy_file(from: &Path, to: &Path) -> std::io::Result<String> {
    let mut from = File::open(from)?;
    let mut to = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .open(to)?;
    let mut hash = Context::new(&SHA256);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = from.read(&mut buffer)?;
        let piece = buffer.get(..read).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        hash.update(piece);
        to.write_all(piece)?;
    }
    // Not every target can be synced; one that is only counted need not be.
    if to.metadata()?.is_file() {
        to.sync_all()?;
    }
    let mut text = String::new();
    for byte in hash.finish().as_ref() {
        let digits = [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16));
        text.extend(digits.into_iter().flatten());
    }
    Ok(text)
}

fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(Error::io)
}
