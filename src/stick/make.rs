//! Making the backup on a stick that root has mounted.
//!
//! It lies in a directory of this store alone, so that nothing of another box is touched; what is restored from it begins
//! one of its own. At every moment one whole backup is there: the new one counts once it is complete, the one before it
//! stays if there is room, and only that one is given up for want of room. Every file is read back each night; once a
//! week all of it is restored beside the backup and checked, if there is room for that.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Attempt, Failure, Good, Reason, Record, note_failure, seconds};
use crate::clock::Now;
use crate::config::Settings;
use crate::maillog::{self, Log};
use crate::manage::backup::{self, LastBackup, TLS, Tried};
use crate::store::backup::{
    BackupReport, Generation, drop_before, fall_back, has_before, remove_damaged, tidy,
};
use crate::store::{self, Store};

/// Seconds between two trials.
const TRIAL_EVERY: i64 = 7 * 86_400;

/// Room beyond what is counted: for the certificate authority, and what a file system takes for itself.
const MARGIN_BYTES: u64 = 16 << 20;

/// Digits of the store's lineage in the name of its directory.
const LINEAGE_DIGITS: usize = 8;

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Where.
    pub dir: PathBuf,
    /// What was copied.
    pub report: BackupReport,
    /// Messages that a trial found, if there was one now.
    pub messages: Option<u64>,
}

/// Backs up below `mounted`, proves it and remembers how that went. Fails with what is remembered then.
pub fn back_up(
    store: &Store,
    settings: &Settings,
    (name, mounted): (&str, &Path),
    now: Now,
) -> store::Result<Result<Made, Failure>> {
    let kept = store.snapshot()?.setting(super::SETTING)?;
    let good = Record::parse(kept.as_deref(), name).good;
    let work = Work {
        store,
        settings,
        mounted,
        now,
    };
    match work.run(good.as_ref()) {
        Ok(made) => {
            remember(store, name, &made, now)?;
            maillog::backed_up(Log(store, now), name, made.report.bytes, Ok(""));
            Ok(Ok(made))
        }
        Err(failure) => {
            note_failure(store, name, &failure, now)?;
            Ok(Err(failure))
        }
    }
}

fn remember(store: &Store, name: &str, made: &Made, now: Now) -> store::Result<()> {
    let record = Record::change(store, name, |record| {
        let before = record.good.take();
        let (tried, messages) = match (made.messages, before) {
            (Some(messages), _) => (seconds(now), messages),
            (None, Some(before)) => (before.tried, before.messages),
            (None, None) => (None, 0),
        };
        record.good = Some(Good {
            at: seconds(now),
            bytes: made.report.bytes,
            has_before: has_before(&made.dir),
            tried,
            messages,
        });
        record.last = Some(Attempt {
            at: seconds(now),
            failure: None,
        });
    })?;
    let good = record.good.as_ref();
    let tried = good.filter(|good| good.tried.is_some()).map(|good| Tried {
        at: good.tried,
        messages: good.messages,
        problem: None,
    });
    let last = LastBackup {
        at: seconds(now),
        to: name.to_owned(),
        bytes: made.report.bytes,
        tried,
    };
    last.save(store)
}

struct Work<'a> {
    store: &'a Store,
    settings: &'a Settings,
    mounted: &'a Path,
    now: Now,
}

impl Work<'_> {
    fn run(&self, good: Option<&Good>) -> Result<Made, Failure> {
        let dir = self.directory()?;
        self.clear(&dir)?;
        self.make_room(&dir)?;
        let report = self.copy(&dir, Generation::Before)?;
        let damaged = remove_damaged(&dir).map_err(|error| self.of_store(&error))?;
        let report = if damaged.is_empty() {
            report
        } else {
            tracing::warn!(?damaged, "written again: these files did not come back");
            self.again(&dir)?
        };
        let messages = if self.is_trial_due(good) {
            self.try_out(&dir, report.bytes)?
        } else {
            None
        };
        Ok(Made {
            dir,
            report,
            messages,
        })
    }

    /// The directory of this store. The stick itself must be there, so that nothing is written where it should be mounted.
    fn directory(&self) -> Result<PathBuf, Failure> {
        let lineage = self
            .store
            .lineage()
            .map_err(|error| self.of_store(&error))?;
        let (own, _) = lineage
            .split_at_checked(LINEAGE_DIGITS)
            .unwrap_or((&lineage, ""));
        let entries = fs::read_dir(self.mounted).map_err(|error| self.of_io(&error))?;
        for entry in entries {
            let entry = entry.map_err(|error| self.of_io(&error))?;
            let is_own = entry
                .file_name()
                .to_string_lossy()
                .ends_with(&format!("-{own}"));
            let kind = entry.file_type().map_err(|error| self.of_io(&error))?;
            if is_own && kind.is_dir() {
                return Ok(entry.path());
            }
        }
        let name = format!("{}-{own}", self.settings.hostname.as_str());
        let dir = self.mounted.join(name);
        fs::create_dir(&dir).map_err(|error| self.of_io(&error))?;
        Ok(dir)
    }

    /// Removes what was broken off.
    fn clear(&self, dir: &Path) -> Result<(), Failure> {
        match fs::remove_dir_all(dir.join(backup::TRIAL)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(self.of_io(&error));
            }
            Ok(()) | Err(_) => {}
        }
        // Without room for more, what cannot be told apart is left: the next whole backup clears it.
        if let Err(error) = tidy(dir) {
            tracing::warn!(%error, "the stick was not tidied");
        }
        Ok(())
    }

    /// Has enough room for what will be copied: gives up the backup before the last one if need be, never the last.
    fn make_room(&self, dir: &Path) -> Result<(), Failure> {
        let bytes = self.store.backup_bytes(dir);
        let needed = with_margin(bytes.map_err(|error| self.of_store(&error))?);
        if self.free()? < needed && has_before(dir) {
            tracing::info!(needed, "the older backup on the stick makes room");
            drop_before(dir).map_err(|error| self.of_store(&error))?;
        }
        let free = self.free()?;
        if free < needed {
            return Err(Failure {
                room: Some((needed, free)),
                ..Failure::new(Reason::Full, "")
            });
        }
        Ok(())
    }

    fn free(&self) -> Result<u64, Failure> {
        let stat = rustix::fs::statvfs(self.mounted);
        let stat = stat.map_err(|error| self.of_io(&error.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn copy(&self, dir: &Path, oldest: Generation) -> Result<BackupReport, Failure> {
        let report = self.store.backup_keeping(dir, oldest);
        let report = report.map_err(|error| self.of_store(&error))?;
        backup::copy_files(&self.settings.data.join(TLS), &dir.join(TLS))
            .map_err(|error| self.of_backup(&error))?;
        Ok(report)
    }

    /// Once more after files did not come back; from the backup before, if that is whole.
    fn again(&self, dir: &Path) -> Result<BackupReport, Failure> {
        let fell_back = fall_back(dir).map_err(|error| self.of_store(&error))?;
        let oldest = if fell_back {
            Generation::Before
        } else {
            Generation::Newest
        };
        let report = self.copy(dir, oldest)?;
        let damaged = remove_damaged(dir).map_err(|error| self.of_store(&error))?;
        if damaged.is_empty() {
            return Ok(report);
        }
        fall_back(dir).map_err(|error| self.of_store(&error))?;
        Err(Failure::new(Reason::Damaged, damaged.join(", ")))
    }

    fn is_trial_due(&self, good: Option<&Good>) -> bool {
        let tried = good.and_then(|good| good.tried);
        match (tried, seconds(self.now)) {
            (Some(tried), Some(now)) => !(tried..tried + TRIAL_EVERY).contains(&now),
            (None, _) => true,
            (Some(_), None) => false,
        }
    }

    /// The messages of a trial; `None` without room for one.
    fn try_out(&self, dir: &Path, bytes: u64) -> Result<Option<u64>, Failure> {
        if self.free()? < with_margin(bytes) {
            tracing::info!("no room on the stick to try the backup out");
            return Ok(None);
        }
        match backup::restore_and_check(dir, self.now) {
            Ok(messages) => Ok(Some(messages)),
            Err(error) => {
                let failure = self.of_backup(&error);
                if failure.reason == Reason::Unsound {
                    fall_back(dir).map_err(|error| self.of_store(&error))?;
                }
                Err(failure)
            }
        }
    }

    fn of_backup(&self, error: &backup::Error) -> Failure {
        match error {
            backup::Error::Store(error) => self.of_store(error),
            backup::Error::Io { cause, .. } => self.of_io(cause),
            backup::Error::Unsound(what) => Failure::new(Reason::Unsound, what.clone()),
        }
    }

    fn of_store(&self, error: &store::Error) -> Failure {
        self.of_text(error.to_string())
    }

    fn of_io(&self, error: &io::Error) -> Failure {
        if error.kind() == io::ErrorKind::ReadOnlyFilesystem {
            return Failure::new(Reason::ReadOnly, error.to_string());
        }
        self.of_text(error.to_string())
    }

    /// Whatever failed on a stick without room failed for want of room.
    fn of_text(&self, text: String) -> Failure {
        let stat = rustix::fs::statvfs(self.mounted);
        let is_full = stat.is_ok_and(|stat| stat.f_bavail.saturating_mul(stat.f_frsize) < 1 << 20);
        let reason = if is_full { Reason::Full } else { Reason::Write };
        Failure::new(reason, text)
    }
}

fn with_margin(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 8).saturating_add(MARGIN_BYTES)
}
