//! What a backup consists of, and the two backups that a directory may hold.
//!
//! `manifest.json` names the files of the newest backup, `manifest-before.json` those of the one before. Files that
//! neither names are no part of any. Each manifest is replaced in one step, the one before first, so that at every
//! moment one of them is whole, whatever the file system makes of a rename that is cut short.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use redb::{ReadOnlyDatabase, ReadableDatabase, ReadableTableMetadata};
use serde::{Deserialize, Serialize};

use super::{copy_file, sync_dir};
use crate::store::engine::INDEX;
use crate::store::{Error, Result, schema};

const NEWEST: &str = "manifest.json";
const BEFORE: &str = "manifest-before.json";

/// One of the backups of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// The one that was made last.
    Newest,
    /// The one before it.
    Before,
}

/// What a backup consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// [`Store::lineage`](crate::store::Store::lineage) of the store; empty if it was not noted yet.
    #[serde(default)]
    store: String,
    /// Files by the name that they have in a store.
    pub(super) files: BTreeMap<String, Copied>,
}

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Copied {
    /// Its name in the backup.
    pub(super) file: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    /// A volume's generation when it was copied.
    pub(super) generation: u64,
}

impl Manifest {
    /// Without files yet, of that store.
    pub(super) fn of(store: &str) -> Self {
        Self {
            store: store.to_owned(),
            files: BTreeMap::new(),
        }
    }

    /// The newest that is whole.
    pub(super) fn load(dir: &Path) -> Result<Self> {
        Self::read(dir, NEWEST).or_else(|error| Self::read(dir, BEFORE).map_err(|_| error))
    }

    pub(super) fn load_before(dir: &Path) -> Result<Self> {
        Self::read(dir, BEFORE)
    }

    fn read(dir: &Path, name: &str) -> Result<Self> {
        let text = fs::read(dir.join(name)).map_err(Error::io)?;
        serde_json::from_slice(&text).map_err(Error::io)
    }

    fn read_if_any(dir: &Path, name: &str) -> Result<Self> {
        if fs::exists(dir.join(name)).map_err(Error::io)? {
            Self::read(dir, name)
        } else {
            Ok(Self::default())
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.files.values().map(|copied| copied.bytes).sum()
    }

    /// The volume's file, if it is still as it was when it was copied.
    pub(super) fn unchanged(
        &self,
        name: &str,
        (store, generation): (&str, u64),
        dir: &Path,
    ) -> Option<&Copied> {
        let copied = self.files.get(name).filter(|_| self.store == store)?;
        (copied.generation == generation && copied.is_in(dir)).then_some(copied)
    }

    /// Becomes the newest; `before` is the one that was.
    pub(super) fn take_over(&self, dir: &Path, before: &Self, oldest: Generation) -> Result<()> {
        if !before.files.is_empty() {
            before.save(dir, BEFORE)?;
        }
        self.save(dir, NEWEST)?;
        match oldest {
            Generation::Newest => drop_before(dir),
            Generation::Before => self.remove_others(dir, before),
        }
    }

    fn save(&self, dir: &Path, name: &str) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(Error::io)?;
        let half = dir.join(format!("{name}.new"));
        let mut file = File::create(&half).map_err(Error::io)?;
        file.write_all(&text).map_err(Error::io)?;
        file.sync_all().map_err(Error::io)?;
        fs::rename(&half, dir.join(name)).map_err(Error::io)?;
        sync_dir(dir)
    }

    fn names(&self, file: &str) -> bool {
        self.files.values().any(|copied| copied.file == file)
    }

    /// Removes the databases that neither names.
    fn remove_others(&self, dir: &Path, before: &Self) -> Result<()> {
        for name in databases(dir)? {
            if !self.names(&name) && !before.names(&name) {
                fs::remove_file(dir.join(name)).map_err(Error::io)?;
            }
        }
        Ok(())
    }

    /// Those of its files that are not as they were written. One that cannot be read is an error: it may be readable the
    /// next time.
    fn damaged(&self, dir: &Path) -> Result<Vec<String>> {
        let mut damaged = Vec::new();
        for copied in self.files.values() {
            if !copied.is_sound(dir)? {
                damaged.push(copied.file.clone());
            }
        }
        Ok(damaged)
    }
}

impl Copied {
    fn is_in(&self, dir: &Path) -> bool {
        fs::metadata(dir.join(&self.file)).is_ok_and(|file| file.len() == self.bytes)
    }

    fn is_sound(&self, dir: &Path) -> Result<bool> {
        if !self.is_in(dir) {
            return Ok(false);
        }
        let hash = hash(&dir.join(&self.file)).map_err(Error::io)?;
        Ok(hash == self.sha256)
    }

    /// Reads a finished file back.
    pub(super) fn read_back(dir: &Path, file: &str, generation: u64) -> Result<Self> {
        let path = dir.join(file);
        File::open(&path)
            .and_then(|file| file.sync_all())
            .map_err(Error::io)?;
        Ok(Self {
            file: file.to_owned(),
            bytes: fs::metadata(&path).map_err(Error::io)?.len(),
            sha256: hash(&path).map_err(Error::io)?,
            generation,
        })
    }
}

/// The file's SHA-256, of what the disk has rather than of what is left in memory from writing it, where the system
/// lets go of that.
fn hash(path: &Path) -> std::io::Result<String> {
    let file = File::open(path)?;
    let forgotten = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    if let Err(error) = forgotten {
        tracing::debug!(%error, "a backup is read back from memory");
    }
    copy_file(path, Path::new("/dev/null"))
}

/// Names of the databases in a backup's directory.
fn databases(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io)? {
        let name = entry.map_err(Error::io)?.file_name();
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("index-") || name.starts_with("volume-") {
            names.push(name);
        }
    }
    Ok(names)
}

/// A number that no file in the directory has in its name.
pub(super) fn next_stamp(dir: &Path) -> Result<u64> {
    let stamps = databases(dir)?.into_iter().filter_map(|name| {
        let stem = name.strip_suffix(".redb")?;
        stem.rsplit('-').next()?.parse::<u64>().ok()
    });
    Ok(stamps.max().map_or(1, |stamp| stamp.saturating_add(1)))
}

/// A backup as it lies in a directory, which may be read-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Which one.
    pub generation: Generation,
    /// Its bytes.
    pub bytes: u64,
    /// When it was made, seconds since 1970, as the file system has it.
    pub made: Option<i64>,
    /// Accounts in it; `None` if it cannot be read.
    pub accounts: Option<u64>,
}

/// The backups of a directory, the newest first. Only those are meant whose files are there in full length.
pub fn kept(dir: &Path) -> Vec<Kept> {
    let both = [(Generation::Newest, NEWEST), (Generation::Before, BEFORE)];
    let kept = both.into_iter().filter_map(|(generation, name)| {
        let manifest = Manifest::read(dir, name).ok()?;
        let is_whole = manifest.files.values().all(|copied| copied.is_in(dir));
        let index = dir.join(&manifest.files.get(INDEX).filter(|_| is_whole)?.file);
        Some(Kept {
            generation,
            bytes: manifest.bytes(),
            // The manifest of the one before is written again with each one after.
            made: fs::metadata(&index).ok().map(|file| file.mtime()),
            accounts: count_accounts(&index).ok(),
        })
    });
    kept.collect()
}

fn count_accounts(index: &Path) -> Result<u64> {
    let database = ReadOnlyDatabase::open(index)?;
    let rows = database.begin_read()?.open_table(schema::ACCOUNTS)?.len()?;
    Ok(rows)
}

/// Whether there is a backup before the newest.
pub fn has_before(dir: &Path) -> bool {
    Manifest::read(dir, BEFORE).is_ok()
}

/// Removes what a backup that broke off has left. Nothing if it cannot be read what belongs to those that did not.
pub fn tidy(dir: &Path) -> Result<()> {
    let newest = Manifest::read_if_any(dir, NEWEST)?;
    newest.remove_others(dir, &Manifest::read_if_any(dir, BEFORE)?)
}

/// Removes the backup before the newest, with all that only it needs.
pub fn drop_before(dir: &Path) -> Result<()> {
    let newest = Manifest::read(dir, NEWEST)?;
    match fs::remove_file(dir.join(BEFORE)) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::io(error)),
        Ok(()) | Err(_) => {}
    }
    sync_dir(dir)?;
    newest.remove_others(dir, &Manifest::default())
}

/// Reads the newest backup, removes those of its files that are not as they were written, since they are of no use to
/// any backup, and gives their names.
pub fn remove_damaged(dir: &Path) -> Result<Vec<String>> {
    let damaged = Manifest::load(dir)?.damaged(dir)?;
    for name in &damaged {
        match fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::io(error)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(damaged)
}

/// Has the backup before be the newest again, if there is one and every byte of it is as it was written.
pub fn fall_back(dir: &Path) -> Result<bool> {
    let Ok(before) = Manifest::read(dir, BEFORE) else {
        return Ok(false);
    };
    if !before.damaged(dir)?.is_empty() {
        return Ok(false);
    }
    before.save(dir, NEWEST)?;
    drop_before(dir)?;
    Ok(true)
}
