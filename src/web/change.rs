//! Changing settings from a page: checked as a whole, saved, and in force after the services have restarted.
//!
//! The restart is within the process and takes a moment: mail programs connect again by themselves, sessions of the pages
//! live on ([`Kept`](super::Kept)).

use crate::config::stored::{Stored, Written};
use crate::store::{self, Store};
use crate::wake::Wake;

/// One setting to change.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Dotted key, such as `relay.host`.
    pub key: String,
    /// Its new value; `None` takes it out, so that the default holds.
    pub value: Option<toml::Value>,
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
}

impl Changer {
    /// For a daemon that was started with `written`; `restart` has its services restart soon after.
    pub fn new(written: Written, store: Store, restart: Wake) -> Self {
        Self {
            written,
            store,
            restart,
        }
    }

    /// Whether the file sets this dotted key, or a part of it.
    pub fn is_locked(&self, key: &str) -> bool {
        todo!()
    }

    /// The owner's settings as they are.
    pub fn stored(&self) -> store::Result<Stored> {
        todo!()
    }

    /// Checks, saves, and has the services restart in a moment, so that the answer still goes out. Blocks.
    pub fn change(&self, edits: &[Edit]) -> Result<(), Error> {
        todo!()
    }
}
