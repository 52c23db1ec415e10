//! Backup into a directory, and the way back.
//!
//! A backup holds `manifest.json` and the files that it names, each a redb database copied row by row in the order of
//! keys, read back and hashed. The manifest is replaced last, in one step: until then the backup before counts. A
//! volume whose generation has not changed since is not copied again. Mail goes on meanwhile; only moving and removing
//! bodies waits.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::PoisonError;

use redb::{Builder, Database, Key, TableDefinition, Value, WriteTransaction};
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::blob::{self, GARBAGE, MOVED, PLACES, SHARED};
use super::engine::INDEX;
use super::staged::STAGE;
use super::tx::{IDS, ReadRows, Snapshot};
use super::volume::{STREAMED, Volume, file_name};
use super::volume_tx::VolumeTx;
use super::{Error, Options, Result, Store, schema};
use crate::clock::Now;

const MANIFEST: &str = "manifest.json";

/// Page cache while copying.
const CACHE_BYTES: usize = 4 << 20;

/// What a backup consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Files by the name that they have in a store.
    files: BTreeMap<String, Copied>,
}

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Copied {
    /// Its name in the backup.
    file: String,
    bytes: u64,
    sha256: String,
    /// A volume's generation when it was copied.
    generation: u64,
}

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
    /// Backs the store up into `dir`, consistent as of one moment during the call.
    pub fn backup(&self, dir: &Path) -> Result<BackupReport> {
        let core = &self.0.core;
        let _only = core.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        fs::create_dir_all(dir).map_err(Error::io)?;
        let before = Manifest::load(dir).unwrap_or_default();
        let mut report = BackupReport::default();
        let mut manifest = Manifest::default();
        // Read before the snapshot: what is filed between the two is copied now and counts as a change later.
        let mut generations = BTreeMap::new();
        for number in core.volumes.numbers()? {
            generations.insert(number, core.volumes.get(number).generation()?);
        }
        let snapshot = self.snapshot()?;
        let known = Known::new(&snapshot)?;
        let stamp = before.next_stamp();
        let index = copy_index(dir, &format!("index-{stamp}.redb"), &snapshot)?;
        drop(snapshot);
        manifest.files.insert(INDEX.to_owned(), index);
        report.copied += 1;
        for number in known.volumes() {
            let name = file_name(number);
            let volume = core.volumes.get(number);
            let generation = generations.get(&number).copied().unwrap_or_default();
            let copied = match before.files.get(&name) {
                Some(copied) if copied.generation == generation && copied.is_in(dir) => {
                    report.unchanged += 1;
                    copied.clone()
                }
                _ => {
                    report.copied += 1;
                    let file = format!("volume-{number:04}-{stamp}.redb");
                    known.copy_volume((dir, &file), &volume, generation)?
                }
            };
            manifest.files.insert(name, copied);
        }
        report.bytes = manifest.files.values().map(|copied| copied.bytes).sum();
        manifest.save(dir)?;
        manifest.remove_others(dir)?;
        Ok(report)
    }

    /// Puts a backup back into `dir`, which must hold no store, and opens it. Every file is checked against the
    /// manifest, and every mailbox gets a new UIDVALIDITY, for UIDs given after the backup may come again. All spooled
    /// mail is held ([`SpoolStage::Held`](super::spool::SpoolStage::Held)), for it may have been sent since.
    pub fn restore(backup: &Path, dir: &Path, options: &Options, now: Now) -> Result<Self> {
        if Self::exists(dir) {
            return Err(Error::Exists("a store in that directory"));
        }
        let manifest = Manifest::load(backup)?;
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

impl Manifest {
    fn load(dir: &Path) -> Result<Self> {
        let text = fs::read(dir.join(MANIFEST)).map_err(Error::io)?;
        serde_json::from_slice(&text).map_err(Error::io)
    }

    fn save(&self, dir: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(Error::io)?;
        let half = dir.join("manifest.json.new");
        let mut file = File::create(&half).map_err(Error::io)?;
        file.write_all(&text).map_err(Error::io)?;
        file.sync_all().map_err(Error::io)?;
        fs::rename(&half, dir.join(MANIFEST)).map_err(Error::io)?;
        sync_dir(dir)
    }

    /// A number that no file of this backup has in its name.
    fn next_stamp(&self) -> u64 {
        let stamps = self.files.values().filter_map(|copied| {
            let stem = copied.file.strip_suffix(".redb")?;
            stem.rsplit('-').next()?.parse::<u64>().ok()
        });
        stamps.max().map_or(1, |stamp| stamp + 1)
    }

    /// Removes the databases that the manifest no longer names.
    fn remove_others(&self, dir: &Path) -> Result<()> {
        for entry in fs::read_dir(dir).map_err(Error::io)? {
            let entry = entry.map_err(Error::io)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let ours = name.starts_with("index-") || name.starts_with("volume-");
            let named = self.files.values().any(|copied| copied.file == name);
            if ours && !named {
                fs::remove_file(entry.path()).map_err(Error::io)?;
            }
        }
        Ok(())
    }
}

impl Copied {
    fn is_in(&self, dir: &Path) -> bool {
        fs::metadata(dir.join(&self.file)).is_ok_and(|file| file.len() == self.bytes)
    }

    /// Reads a finished file back.
    fn read_back(dir: &Path, file: &str, generation: u64) -> Result<Self> {
        let path = dir.join(file);
        File::open(&path)
            .and_then(|file| file.sync_all())
            .map_err(Error::io)?;
        Ok(Self {
            file: file.to_owned(),
            bytes: fs::metadata(&path).map_err(Error::io)?.len(),
            sha256: copy_file(&path, Path::new("/dev/null")).map_err(Error::io)?,
            generation,
        })
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
