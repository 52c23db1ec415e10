//! Changing settings from a page: checked as a whole, saved, and in force after the services have restarted.
//!
//! The restart is within the process and takes a moment: mail programs connect again by themselves, sessions of the pages
//! live on ([`Kept`](super::Kept)).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::stored::{SETTING, Stored, Written};
use crate::config::{self, Settings};
use crate::store::{self, Store};
use crate::wake::Wake;

/// Where a document goes that cannot be read, before a new one takes its place.
const BROKEN_SETTING: &str = "settings.toml.broken";

/// Tries to save while others save too.
const TRIES_MAX: usize = 8;

/// One setting to change.
#[derive(Clone)]
pub struct Edit {
    /// Dotted key, such as `relay.host`.
    pub key: String,
    /// Its new value; `None` takes it out, so that the default holds.
    pub value: Option<toml::Value>,
}

impl Edit {
    /// Sets a key.
    pub fn set(key: &str, value: impl Into<toml::Value>) -> Self {
        Self {
            key: key.to_owned(),
            value: Some(value.into()),
        }
    }

    /// Takes a key out, so that the default holds.
    pub fn remove(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            value: None,
        }
    }
}

/// The key only: the value may be a password.
impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut it = f.debug_struct("Edit");
        it.field("key", &self.key).finish_non_exhaustive()
    }
}

/// Why settings were not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file sets this key.
    #[error("{0} is set by the configuration file")]
    Locked(String),
    /// The settings would not make sense together; what is wrong, in words.
    #[error("{0}")]
    Wrong(String),
    /// It could not be saved.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Changes settings. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Changer {
    written: Written,
    store: Store,
    restart: Wake,
    /// Something was saved that is not in force yet.
    is_pending: Arc<AtomicBool>,
}

impl Changer {
    /// For a daemon that was started with `written`; `restart` has its services restart soon after.
    pub fn new(written: Written, store: Store, restart: Wake) -> Self {
        Self {
            written,
            store,
            restart,
            is_pending: Arc::default(),
        }
    }

    /// Whether something was saved that is not in force yet.
    pub fn is_pending(&self) -> bool {
        self.is_pending.load(Ordering::SeqCst)
    }

    /// Whether the file sets this dotted key, or a part of it.
    pub fn is_locked(&self, key: &str) -> bool {
        let is_part = |one: &str, of: &str| {
            one.strip_prefix(of)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let locked = self.written.locked();
        locked
            .iter()
            .any(|locked| is_part(locked, key) || is_part(key, locked))
    }

    /// The owner's settings as they are. A document that cannot be read counts as none.
    pub fn stored(&self) -> store::Result<Stored> {
        let bytes = self.store.snapshot()?.setting(SETTING)?.unwrap_or_default();
        Ok(Stored::parse(&bytes).unwrap_or_default())
    }

    /// The settings as they are after the next restart of the services.
    pub fn wanted(&self) -> Result<Settings, Error> {
        let wanted = self.written.with(&self.stored()?);
        wanted.map_err(|error| Error::Wrong(error.to_string()))
    }

    /// Has the services restart in a moment, so that the answer still goes out.
    pub fn restart(&self) {
        self.restart.wake();
    }

    /// Why the owner's settings are not in force, if they are not.
    pub fn trouble(&self) -> store::Result<Option<config::Error>> {
        let bytes = self.store.snapshot()?.setting(SETTING)?.unwrap_or_default();
        let stored = Stored::parse(&bytes);
        Ok(stored.and_then(|stored| self.written.with(&stored)).err())
    }

    /// Checks, saves, and has the services restart in a moment, so that the answer still goes out. Blocks.
    pub fn change(&self, edits: &[Edit]) -> Result<(), Error> {
        self.save(edits)?;
        if self.is_pending() {
            self.restart.wake();
        }
        Ok(())
    }

    /// Checks and saves; in force with the restart of the next [`Changer::change`]. Blocks.
    pub fn save(&self, edits: &[Edit]) -> Result<(), Error> {
        let mut locked = edits.iter().filter(|edit| self.is_locked(&edit.key));
        if let Some(edit) = locked.next() {
            return Err(Error::Locked(edit.key.clone()));
        }
        for _ in 0..TRIES_MAX {
            let kept = self.store.snapshot()?.setting(SETTING)?;
            let before = self.read_or_put_aside(kept.as_deref().unwrap_or_default())?;
            let mut after = before.clone();
            for edit in edits {
                after.set(&edit.key, edit.value.clone());
            }
            if after == before {
                return Ok(());
            }
            self.check(&after)?;
            let bytes = after.to_bytes();
            if self
                .store
                .replace_setting(SETTING, kept.as_deref(), &bytes)?
            {
                tracing::info!(settings = ?after, "the owner changed settings");
                self.is_pending.store(true, Ordering::SeqCst);
                return Ok(());
            }
        }
        Err(Error::Store(store::Error::InUse))
    }

    /// As it would be read at the next start.
    fn check(&self, stored: &Stored) -> Result<(), Error> {
        let read = Stored::parse(&stored.to_bytes());
        let checked = read.and_then(|stored| self.written.with(&stored));
        checked
            .map(drop)
            .map_err(|error| Error::Wrong(error.to_string()))
    }

    fn read_or_put_aside(&self, bytes: &[u8]) -> store::Result<Stored> {
        match Stored::parse(bytes) {
            Ok(stored) => Ok(stored),
            Err(error) => {
                tracing::error!(%error, kept = BROKEN_SETTING, "settings begin anew");
                self.store.set_setting(BROKEN_SETTING, bytes)?;
                Ok(Stored::default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;
    use crate::store::Options;

    fn changer(file: &str) -> (Changer, Arc<AtomicU32>) {
        let restarts = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&restarts);
        let wake = Wake::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let store = Store::in_memory(&Options::default()).unwrap();
        let changer = Changer::new(Written::of_text("t.toml", file), store, wake);
        (changer, restarts)
    }

    #[test]
    fn a_change_is_saved_and_asks_for_a_restart_once() {
        let (changer, restarts) = changer("");
        let edits = [
            Edit::set("hostname", "mail.a.test"),
            Edit::set("room.trash_days", 7),
        ];
        changer.change(&edits).unwrap();
        assert_eq!(
            changer.stored().unwrap().get("room.trash_days"),
            Some(&7.into())
        );
        assert!(changer.is_pending());
        assert_eq!(restarts.load(Ordering::SeqCst), 1);
        changer.change(&[Edit::remove("room.trash_days")]).unwrap();
        assert_eq!(changer.stored().unwrap().get("room"), None);
    }

    #[test]
    fn nothing_restarts_for_nothing() {
        let (changer, restarts) = changer("");
        changer.change(&[Edit::remove("language")]).unwrap();
        assert_eq!(
            (changer.is_pending(), restarts.load(Ordering::SeqCst)),
            (false, 0)
        );
        // What is saved comes into force with the next change, even one that changes nothing.
        changer.save(&[Edit::set("language", "de")]).unwrap();
        assert_eq!(restarts.load(Ordering::SeqCst), 0);
        changer.change(&[]).unwrap();
        assert_eq!(restarts.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn what_the_file_sets_stays() {
        let (changer, restarts) = changer("[room]\ntrash_days = 7\n");
        for (key, locked) in [
            ("room.trash_days", true),
            ("room", true),
            ("room.trash_days.x", true),
            ("room.trash", false),
            ("room.junk_days", false),
        ] {
            assert_eq!(changer.is_locked(key), locked, "{key}");
        }
        let error = changer.change(&[Edit::set("room.trash_days", 8)]);
        assert_eq!(error, Err(Error::Locked("room.trash_days".to_owned())));
        assert_eq!(restarts.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn what_cannot_be_is_not_saved() {
        let (changer, _) = changer("");
        changer.change(&[Edit::set("language", "de")]).unwrap();
        for edit in [
            Edit::set("language", "fr"),
            Edit::set("listen.smtp", "x"),
            Edit::set("data", "/x"),
            Edit::set("no.such.key", 1),
            Edit::set("", 1),
        ] {
            let error = changer.change(std::slice::from_ref(&edit)).unwrap_err();
            assert!(matches!(error, Error::Wrong(_)), "{edit:?}");
        }
        let bytes = changer.stored().unwrap().to_bytes();
        assert_eq!(bytes, b"language = \"de\"\n");
    }

    #[test]
    fn a_broken_document_is_put_aside() {
        let (changer, _) = changer("");
        changer.store.set_setting(SETTING, b"not = = toml").unwrap();
        assert!(changer.trouble().unwrap().is_some());
        changer.change(&[Edit::set("language", "de")]).unwrap();
        assert!(changer.trouble().unwrap().is_none());
        let aside = changer.store.snapshot().unwrap().setting(BROKEN_SETTING);
        assert_eq!(aside.unwrap().unwrap(), b"not = = toml");
    }
}
