//! The settings in force: what the file says, with the owner's of the store laid under it.

use crate::config::stored::{SETTING, Stored, Written};
use crate::config::{Error, Settings};
use crate::store::{self, Store};

/// What holds, and how it came to that.
#[derive(Debug)]
pub struct InForce {
    /// The settings.
    pub settings: Settings,
    /// The owner's document, as it is in the store.
    pub document: Option<Vec<u8>>,
    /// Why the owner's settings do not hold, if they do not: the file's hold alone then, provisionally.
    pub trouble: Option<Error>,
}

/// Reads the owner's settings and lays them under what was written. `alone` is what holds without them.
pub fn in_force(written: &Written, alone: &Settings, store: &Store) -> store::Result<InForce> {
    let document = store.snapshot()?.setting(SETTING)?;
    let stored = document.as_deref().map(Stored::parse);
    let merged = stored.map(|stored| stored.and_then(|stored| written.with(&stored)));
    let (settings, trouble) = match merged {
        None => (alone.clone(), None),
        Some(Ok(settings)) => (settings, None),
        Some(Err(error)) => {
            let mut settings = alone.clone();
            settings.provisional = true;
            (settings, Some(error))
        }
    };
    if let Some(error) = &trouble {
        tracing::error!(%error, "the settings made on the page do not hold");
    }
    Ok(InForce {
        settings,
        document,
        trouble,
    })
}
