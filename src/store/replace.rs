//! A store that takes the place of the one in a directory, whatever plug is pulled meanwhile.
//!
//! It is made in a directory beside the store's files ([`Store::beside`]), where nobody looks; [`Store::take_over`]
//! gives that another name, in one step: before it, the old store holds, after it the new one. The files themselves are
//! moved by whoever opens the store next, once the lock is held. Each move can be done again, and the index goes last, so a
//! move that is cut short goes on at the next opening, and no half of either is ever opened.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::engine::INDEX;
use super::{Error, Result, Store};

/// Where it is made, and what that is called once it is whole.
const BESIDE: &str = "restored.new";
const WHOLE: &str = "restored";

/// Of no use in another place: each directory has one of its own.
const LOCK: &str = "lock";

impl Store {
    /// Where a store can be made that shall take the place of the one in `dir`.
    pub fn beside(dir: &Path) -> PathBuf {
        dir.join(BESIDE)
    }

    /// Bytes of the files of the store that is made at [`Store::beside`], so far.
    pub fn bytes_beside(dir: &Path) -> u64 {
        let beside = Self::beside(dir);
        let all =
            [beside.join("volumes"), beside].map(|dir| fs::read_dir(dir).into_iter().flatten());
        let files = all.into_iter().flatten().flatten();
        let databases = files.filter(|file| file.file_name().to_string_lossy().contains(".redb"));
        databases
            .filter_map(|file| file.metadata().ok())
            .map(|file| file.len())
            .sum()
    }

    /// Removes what lies at [`Store::beside`].
    pub fn clear_beside(dir: &Path) -> Result<()> {
        remove(&Self::beside(dir)).map_err(Error::io)
    }

    /// Has the closed store at [`Store::beside`], and whatever else lies there, take the place of the one in `dir` at
    /// the next opening. Durable on return.
    pub fn take_over(dir: &Path) -> Result<()> {
        let beside = dir.join(BESIDE);
        if !beside.join(INDEX).exists() {
            return Err(Error::NotFound("the store that should take over"));
        }
        let renamed = remove(&beside.join(LOCK))
            .and_then(|()| sync(&beside))
            .and_then(|()| fs::rename(&beside, dir.join(WHOLE)))
            .and_then(|()| sync(dir));
        renamed.map_err(Error::io)
    }

    /// Whether another store takes the place of the one in `dir` at the next opening.
    pub fn is_replaced(dir: &Path) -> bool {
        dir.join(WHOLE).exists()
    }
}

/// Moves what waits in `dir` to its place, and removes what was broken off. The store's lock must be held.
pub(super) fn finish(dir: &Path) -> io::Result<()> {
    finish_by(dir, &mut |step| step())
}

/// One change of the file system.
type Step<'a> = &'a dyn Fn() -> io::Result<()>;

/// As [`finish`]; `run` carries the steps out, one after the other.
fn finish_by(dir: &Path, run: &mut dyn FnMut(Step<'_>) -> io::Result<()>) -> io::Result<()> {
    let whole = dir.join(WHOLE);
    if whole.exists() {
        for name in names(&whole)? {
            let (from, to) = (whole.join(&name), dir.join(&name));
            run(&|| remove(&to))?;
            // What was moved before is not lost when the index comes.
            run(&|| sync(dir))?;
            run(&|| fs::rename(&from, &to))?;
        }
        run(&|| sync(dir))?;
        run(&|| fs::remove_dir(&whole))?;
        run(&|| sync(dir))?;
    }
    run(&|| remove(&dir.join(BESIDE)))
}

/// What lies there, the index last: without it there is no store.
fn names(dir: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let entries = fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name()));
    let mut names = entries.collect::<io::Result<Vec<_>>>()?;
    names.sort_by_key(|name| (name == INDEX, name.clone()));
    Ok(names)
}

/// Removes a file or a directory with all that is in it, if there is one.
fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Wall};
    use crate::mail::address::Address;
    use crate::store::types::Language;
    use crate::store::{NewAccount, Options};

    fn open(dir: &Path) -> Store {
        let clock = Clock::virtual_at(Wall::FLOOR);
        Store::open(dir, &Options::default(), clock.now()).unwrap()
    }

    /// The addresses of a store that is sound, and the file that lies beside it.
    fn look(dir: &Path) -> (Vec<String>, String) {
        let store = open(dir);
        assert!(store.check().unwrap().violations.is_empty());
        let accounts = store.snapshot().unwrap().accounts().unwrap();
        let addresses = accounts.iter().map(|account| account.address.to_string());
        let key = fs::read_to_string(dir.join("tls/key")).unwrap();
        (addresses.collect(), key)
    }

    fn make(dir: &Path, address: &str) {
        let store = open(dir);
        let account = NewAccount {
            address: Address::parse(address).unwrap(),
            owner: true,
            language: Language::En,
            quota_bytes: None,
        };
        let now = Clock::virtual_at(Wall::FLOOR).now();
        store.add_account(&account, now).unwrap();
        fs::create_dir(dir.join("tls")).unwrap();
        fs::write(dir.join("tls/key"), address).unwrap();
    }

    /// A store with another beside it that has not taken over.
    fn prepared() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), "new@home.test");
        make(&Store::beside(dir.path()), "old@home.test");
        dir
    }

    fn is(who: &str) -> (Vec<String>, String) {
        (vec![who.to_owned()], who.to_owned())
    }

    #[test]
    fn until_it_has_taken_over_the_old_one_holds() {
        let dir = prepared();
        assert!(!Store::is_replaced(dir.path()));
        assert_eq!(look(dir.path()), is("new@home.test"));
        // What was broken off has gone by that.
        assert!(!dir.path().join(BESIDE).exists());
        assert!(Store::take_over(dir.path()).is_err());
    }

    #[test]
    fn a_cut_at_any_step_leaves_the_new_one() {
        for cut in 0.. {
            let dir = prepared();
            Store::take_over(dir.path()).unwrap();
            assert!(Store::exists(dir.path()) && Store::is_replaced(dir.path()));
            let mut left = cut;
            let finished = finish_by(dir.path(), &mut |step| {
                if left == 0 {
                    return Err(io::Error::other("the plug"));
                }
                left -= 1;
                step()
            });
            assert!(Store::exists(dir.path()), "after {cut} steps");
            assert_eq!(look(dir.path()), is("old@home.test"), "after {cut} steps");
            assert!(!Store::is_replaced(dir.path()));
            if finished.is_ok() {
                assert!(cut > 10, "{cut} steps");
                return;
            }
        }
    }
}
