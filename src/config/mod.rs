//! Configuration: what a TOML file says (`fragment`) becomes checked [`Settings`].
//!
//! Nothing outside this module sees a fragment, and nothing here opens a store or a socket. An error names the file, the
//! line, the key and what would be right. What the file does not say keeps the profile's default: the *desk* profile
//! (no file) listens on loopback with high ports, the *appliance* profile (any file) on the well-known ones. What the
//! owner sets on the page is laid under the file (`stored`).

mod check;
mod fragment;
pub mod ranges;
mod settings;
mod size;
pub mod stored;

use std::path::Path;

pub use settings::{
    AccountSettings, AcmeSettings, AuthSettings, BackupSettings, DmarcPolicy, Limits, Listen,
    PanelSettings, PasswordStorage, QueueSettings, ReceiveSettings, RoomSettings, Settings,
    SetupSettings, StorageSettings, SubmissionSettings, TlsSource,
};
pub use size::parse_bytes;

/// Where the appliance keeps its configuration.
pub const SYSTEM_FILE: &str = "/etc/heimpost/heimpost.toml";

/// Longest configuration file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why there are no settings.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{file}: {cause}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        cause: String,
    },
    /// The file says something that cannot be.
    #[error("{file}, line {line}: {problem}")]
    Wrong {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// The key, what is wrong with it, and what would be right.
        problem: String,
    },
    /// The settings that the owner made on the page cannot be.
    #[error("{problem}")]
    Stored {
        /// The key, what is wrong with it, and what would be right.
        problem: String,
    },
}

/// Checks the text of a configuration file; `name` is used in errors.
pub fn parse(name: &str, text: &str) -> Result<Settings, Error> {
    let wrong = |(offset, problem): (usize, String)| Error::Wrong {
        file: name.to_owned(),
        line: line_of(text, offset),
        problem,
    };
    let fragment = fragment::parse(text).map_err(wrong)?;
    check::of_file_only(&fragment).map_err(wrong)?;
    check::check(fragment, Settings::appliance()).map_err(wrong)
}

fn read(path: &Path) -> Result<String, Error> {
    let unreadable = |cause: String| Error::Unreadable {
        file: path.display().to_string(),
        cause,
    };
    let bytes = std::fs::metadata(path)
        .map_err(|e| unreadable(e.to_string()))?
        .len();
    if bytes > FILE_BYTES_MAX {
        return Err(unreadable(format!(
            "has {bytes} bytes, at most {FILE_BYTES_MAX} are read"
        )));
    }
    std::fs::read_to_string(path).map_err(|e| unreadable(e.to_string()))
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|b| *b == b'\n').count()
}
