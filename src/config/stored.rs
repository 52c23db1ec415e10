//! Settings that the owner made on the page: a TOML document in the store, laid under what the file says.
//!
//! What the file sets is fixed: it wins, key by key, and the page shows it as locked. The document has the file's keys, so
//! that the same checks hold for both.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Error, Settings};

/// Name of the store's setting that holds the document.
pub const SETTING: &str = "settings.toml";

/// What the configuration file and the command line say, kept so that the owner's settings can be laid under it.
#[derive(Clone, Debug, Default)]
pub struct Written {
    name: String,
    text: Option<String>,
    data: Option<PathBuf>,
}

impl Written {
    /// Finds and reads the configuration, as [`super::load`] does.
    pub fn load(file: Option<&Path>, data: Option<&Path>) -> Result<Self, Error> {
        todo!()
    }

    /// The settings without any of the owner's.
    pub fn alone(&self) -> Result<Settings, Error> {
        todo!()
    }

    /// The settings with the owner's laid under the file's.
    pub fn with(&self, stored: &Stored) -> Result<Settings, Error> {
        todo!()
    }

    /// Dotted keys that the file sets, such as `relay.host`; the page shows them as locked.
    pub fn locked(&self) -> BTreeSet<String> {
        todo!()
    }
}

/// The owner's settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stored(toml::Table);

impl Stored {
    /// The document in the store; one that cannot be read is an error, and nothing is lost.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        todo!()
    }

    /// As the store keeps it.
    pub fn to_bytes(&self) -> Vec<u8> {
        todo!()
    }

    /// What a dotted key holds.
    pub fn get(&self, key: &str) -> Option<&toml::Value> {
        todo!()
    }

    /// Sets a dotted key, or takes it out.
    pub fn set(&mut self, key: &str, value: Option<toml::Value>) {
        todo!()
    }
}
