//! Moving mail in and out: mbox files and Maildir trees.
//!
//! Everything streams: a message passes through in pieces and a mailbox of any size needs the same memory. Line ends are
//! CRLF in the store and LF in files. Both directions can be run again after an interruption: an import passes over
//! what is there already, an export over what it wrote whole. Nothing here talks to a person; progress goes to a callback.

pub mod export;
pub mod import;
mod known;
pub mod maildir;
pub mod mbox;
mod status_fields;

use std::io;
use std::path::{Path, PathBuf};

/// Why a transfer stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory cannot be read or written.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A file is not what it was said to be.
    #[error("{}: {problem}", path.display())]
    Format {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The store refuses or fails.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    /// Nobody wants the transfer any more.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |cause| Self::Io {
            path: path.to_owned(),
            cause,
        }
    }

    fn format(path: &Path, problem: impl Into<String>) -> Self {
        Self::Format {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }
}

/// What a transfer did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Messages brought over.
    pub messages: u64,
    /// Messages that were there already.
    pub present: u64,
    /// Their bytes (of those brought over).
    pub bytes: u64,
    /// Mailboxes touched.
    pub mailboxes: u64,
    /// Files that are no messages or could not be taken; each was told to the callback.
    pub problems: u64,
}

/// What a transfer tells while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It has come so far.
    Progress {
        /// The mailbox under way.
        mailbox: String,
        /// Bytes read or written.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// One message or file was passed over, and why.
    Problem(String),
}

/// Hears [`Event`]s; an error ends the transfer with [`Error::Interrupted`].
pub type Listener<'a> = &'a mut dyn FnMut(Event) -> io::Result<()>;

/// One message as it comes out of a file, in pieces with CRLF line ends.
trait Pieces {
    /// Appends the next piece to `out`; `false` when there is none.
    fn read(&mut self, out: &mut Vec<u8>) -> io::Result<bool>;
}
