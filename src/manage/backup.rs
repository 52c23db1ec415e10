//! Backups as commands and pages make them: the store and the files beside it, tried out afterwards, and remembered.
//!
//! A backup is tried out where it lies: restored into a directory beside it, checked by the store's own invariants, and
//! removed again. What is remembered is in the store's settings, so that the page can say how old the last one is.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::clock::{Now, Wall};
use crate::maillog::{self, Log};
use crate::store::backup::BackupReport;
use crate::store::{self, Options, Snapshot, Store};

/// Directory of certificates and keys, in the data directory and in a backup.
pub const TLS: &str = "tls";

/// Name of the store's setting that remembers the last backup.
const SETTING: &str = "backup.last";

/// Where a backup is tried out, inside of it.
pub const TRIAL: &str = "trial";

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refuses or fails.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A file cannot be read or written.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The restored store is not sound.
    #[error("the restored store is not sound: {0}")]
    Unsound(String),
}

impl Error {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |cause| Self::Io {
            path: path.to_owned(),
            cause,
        }
    }
}

/// The last backup, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastBackup {
    /// When it was made, seconds since 1970; `None` if the clock was not set.
    pub at: Option<i64>,
    /// Where it lies.
    pub to: String,
    /// Its bytes.
    pub bytes: u64,
    /// How trying it out went; `None` if it was not tried.
    pub tried: Option<Tried>,
}

/// How trying a backup out went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// When, seconds since 1970.
    pub at: Option<i64>,
    /// Messages that were there again.
    pub messages: u64,
    /// What was wrong; `None` if it was sound.
    pub problem: Option<String>,
}

impl LastBackup {
    /// The one that is remembered.
    pub fn load(snapshot: &Snapshot) -> store::Result<Option<Self>> {
        let bytes = snapshot.setting(SETTING)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Remembers it.
    pub fn save(&self, store: &Store) -> store::Result<()> {
        let bytes =
            serde_json::to_vec(self).map_err(|error| store::Error::Fault(error.to_string()))?;
        store.set_setting(SETTING, &bytes)
    }
}

/// Backs up into `dir`: the store, and the certificate authority of `data`, so that devices go on to trust a restored box.
/// Remembers that, and the mail log tells of it either way.
pub fn back_up(store: &Store, data: &Path, dir: &Path, now: Now) -> Result<BackupReport, Error> {
    let made = make(store, data, dir, now);
    let why = made.as_ref().err().map(ToString::to_string);
    let bytes = made.as_ref().map_or(0, |report| report.bytes);
    let outcome = why.as_deref().map_or(Ok(""), Err);
    maillog::backed_up(Log(store, now), &dir.display().to_string(), bytes, outcome);
    made
}

fn make(store: &Store, data: &Path, dir: &Path, now: Now) -> Result<BackupReport, Error> {
    let report = store.backup(dir)?;
    copy_files(&data.join(TLS), &dir.join(TLS))?;
    let last = LastBackup {
        at: now.wall.map(|Wall(seconds)| seconds),
        to: dir.display().to_string(),
        bytes: report.bytes,
        tried: None,
    };
    last.save(store)?;
    Ok(report)
}

/// Tries the backup in `dir` out: restores it into a directory inside of it, checks that, and removes it again. Needs as
/// much room there as the backup takes. Remembers how it went if it is the last one; gives the messages that were there.
pub fn try_out(store: &Store, dir: &Path, now: Now) -> Result<u64, Error> {
    let tried = restore_and_check(dir, now);
    let last = LastBackup::load(&store.snapshot()?)?;
    if let Some(mut last) = last.filter(|last| Path::new(&last.to) == dir) {
        last.tried = Some(Tried {
            at: now.wall.map(|Wall(seconds)| seconds),
            messages: tried.as_ref().map_or(0, |messages| *messages),
            problem: tried.as_ref().err().map(ToString::to_string),
        });
        last.save(store)?;
    }
    tried
}

/// Restores the backup in `dir` into a directory inside of it, checks that, and removes it again; gives its messages.
pub fn restore_and_check(dir: &Path, now: Now) -> Result<u64, Error> {
    let trial = dir.join(TRIAL);
    remove(&trial)?;
    let checked = (|| {
        let restored = Store::restore(dir, &trial, &Options::default(), now)?;
        let report = restored.check()?;
        match report.violations.first() {
            Some(violation) => Err(Error::Unsound(violation.to_string())),
            None => Ok(report.messages),
        }
    })();
    remove(&trial)?;
    checked
}

fn remove(dir: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io(dir)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Copies the files of one directory, if there is one, into another that only their owner can read. Each is put in place
/// whole.
pub fn copy_files(from: &Path, to: &Path) -> Result<(), Error> {
    if !from.is_dir() {
        return Ok(());
    }
    let mut dir = fs::DirBuilder::new();
    dir.recursive(true)
        .mode(0o700)
        .create(to)
        .map_err(Error::io(to))?;
    for entry in fs::read_dir(from).map_err(Error::io(from))? {
        let entry = entry.map_err(Error::io(from))?;
        let place = to.join(entry.file_name());
        copy_whole(&entry.path(), &place).map_err(Error::io(&place))?;
    }
    let dir = fs::File::open(to).and_then(|dir| dir.sync_all());
    dir.map_err(Error::io(to))
}

fn copy_whole(from: &Path, place: &Path) -> io::Result<()> {
    let half = place.with_extension("new");
    let bytes = fs::read(from)?;
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&half)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&half, place)
}
