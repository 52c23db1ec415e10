//! The card's first partition: a FAT file system that Windows and macOS see, mounted read-only.
//!
//! FAT has no journal, so it is made writable only for as long as it takes, and only if something has to be written. A
//! file is written beside its place and renamed. Secrets are overwritten before their file goes; a card may keep old
//! blocks for itself nevertheless.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{Hands, Mount};

/// Longest file that is read from there, in bytes.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// The partition, and whether it is writable now.
#[derive(Debug)]
pub struct Card<'a, H: Hands> {
    dir: &'a Path,
    is_writable: bool,
    /// What acts on the machine.
    pub hands: &'a mut H,
}

impl<'a, H: Hands> Card<'a, H> {
    /// The partition at `dir`.
    pub fn new(dir: &'a Path, hands: &'a mut H) -> Self {
        Self {
            dir,
            is_writable: false,
            hands,
        }
    }

    /// A file's text; `None` if there is none, and why it cannot be read.
    pub fn read(&self, name: &str) -> Option<Result<String, String>> {
        let path = self.path(name);
        let metadata = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => return Some(Err(error.to_string())),
            Ok(metadata) => metadata,
        };
        if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
            return Some(Err(format!("no file of at most {FILE_BYTES_MAX} bytes")));
        }
        let bytes = match fs::read(&path) {
            Err(error) => return Some(Err(error.to_string())),
            Ok(bytes) => bytes,
        };
        let text = String::from_utf8(bytes);
        Some(text.map_err(|_| "not UTF-8; save the file as UTF-8".to_owned()))
    }

    /// Whether there is such a file.
    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Puts a file in place, if it is not there already.
    pub fn write(&mut self, name: &str, text: &str) -> io::Result<()> {
        if self.read(name) == Some(Ok(text.to_owned())) {
            return Ok(());
        }
        self.make_writable()?;
        let beside = self.path(&format!("{name}.new"));
        let mut file = File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        self.hands.step()?;
        fs::rename(&beside, self.path(name))?;
        self.settle()
    }

    /// Takes a file away, if it is there.
    pub fn remove(&mut self, name: &str) -> io::Result<()> {
        if !self.has(name) {
            return Ok(());
        }
        self.make_writable()?;
        fs::remove_file(self.path(name))?;
        self.settle()
    }

    /// Takes a file with secrets away: under another name first, so that nobody reads it half overwritten.
    pub fn burn(&mut self, name: &str) -> io::Result<()> {
        let ashes = format!("{name}.done");
        if !self.has(name) && !self.has(&ashes) {
            return Ok(());
        }
        self.make_writable()?;
        if self.has(name) {
            fs::rename(self.path(name), self.path(&ashes))?;
            self.settle()?;
        }
        overwrite(&self.path(&ashes))?;
        self.hands.step()?;
        fs::remove_file(self.path(&ashes))?;
        self.settle()
    }

    /// Makes it read-only again.
    pub fn close(&mut self) -> io::Result<()> {
        if self.is_writable {
            self.is_writable = false;
            self.hands.remount(self.dir, Mount::ReadOnly)?;
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn make_writable(&mut self) -> io::Result<()> {
        if !self.is_writable {
            self.hands.remount(self.dir, Mount::Writable)?;
            self.is_writable = true;
        }
        Ok(())
    }

    fn settle(&mut self) -> io::Result<()> {
        File::open(self.dir)?.sync_all()?;
        self.hands.step()
    }
}

fn overwrite(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let mut left = file.metadata()?.len();
    let zeros = [0; 4096];
    while left > 0 {
        let now = usize::try_from(left)
            .unwrap_or(zeros.len())
            .min(zeros.len());
        file.write_all(zeros.get(..now).unwrap_or(&zeros))?;
        left = left.saturating_sub(now as u64);
    }
    file.sync_all()
}
