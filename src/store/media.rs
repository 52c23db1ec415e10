//! Where the store's files lie: a directory, memory, or a test's disk that breaks on purpose.
//!
//! [`Media`] gives [`Device`]s by name; redb runs on a device through `Backend`. Only one process may hold a directory:
//! its file `lock` is locked for as long as the store is open.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::engine::INDEX;
use super::{Error, Result, replace};

const BALLAST: &str = "ballast";

/// One file of bytes that can be read and written anywhere.
pub trait Device: Debug + Send + Sync {
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether it has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Fills `out` from `offset`; an error if the device ends before.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    /// Writes `data` at `offset`. Durable after the next [`Device::sync`].
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Sets the length; new bytes are zero.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes all that was written durable.
    fn sync(&self) -> io::Result<()>;
}

/// A place that holds the store's files. Names are relative, such as `volumes/0001.redb`.
pub trait Media: Debug + Send + Sync {
    /// Opens a file, making it if there is none.
    fn open(&self, name: &str) -> io::Result<Arc<dyn Device>>;
    /// Opens a file that must exist.
    fn open_existing(&self, name: &str) -> io::Result<Arc<dyn Device>>;
    /// Names of all files below `prefix`, ascending.
    fn list(&self, prefix: &str) -> io::Result<Vec<String>>;
    /// Removes a file; one that is gone is no error.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Gives a file another name, replacing what had that name. Durable on return.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Bytes that all files take, the ballast left out.
    fn used_bytes(&self) -> io::Result<u64>;
    /// Makes a file of dead weight that long, or removes it (0).
    fn set_ballast(&self, bytes: u64) -> io::Result<()>;
    /// Bytes that one file takes, holes left out.
    fn file_bytes(&self, name: &str) -> io::Result<u64>;
    /// Bytes that files could still grow by, where there is such a limit.
    fn free_bytes(&self) -> io::Result<Option<u64>>;
}

/// A directory of the file system, locked against other processes.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Takes `path` (made if missing) for this process. [`Error::InUse`] if another one has it.
    pub fn new(path: &Path) -> Result<Self> {
        fs::create_dir_all(path.join("volumes")).map_err(Error::io)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(Error::io)?;
        match lock.try_lock() {
            Ok(()) => {
                replace::finish(path).map_err(Error::io)?;
                // One that took over may have had no mail yet.
                fs::create_dir_all(path.join("volumes")).map_err(Error::io)?;
                Ok(Self {
                    path: path.to_owned(),
                    _lock: lock,
                })
            }
            Err(TryLockError::WouldBlock) => Err(Error::InUse),
            Err(TryLockError::Error(error)) => Err(Error::io(error)),
        }
    }

    /// A new file survives a crash only when its directory was synced too.
    fn sync_parent(path: &Path) -> io::Result<()> {
        match path.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }
}

impl Media for Directory {
    fn open(&self, name: &str) -> io::Result<Arc<dyn Device>> {
        let path = self.path.join(name);
        let is_new = !path.exists();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        if is_new {
            Self::sync_parent(&path)?;
        }
        Ok(Arc::new(FileDevice(file)))
    }

    fn open_existing(&self, name: &str) -> io::Result<Arc<dyn Device>> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).open(self.path.join(name))?;
        Ok(Arc::new(FileDevice(file)))
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path.join(prefix))? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(format!("{prefix}{name}"));
            }
        }
        names.sort();
        Ok(names)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Self::sync_parent(&self.path.join(name)),
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))?;
        Self::sync_parent(&self.path.join(to))
    }

    fn used_bytes(&self) -> io::Result<u64> {
        let names = self.list("volumes/")?;
        let index = [INDEX.to_owned()];
        let files = names.iter().chain(&index);
        // One that has gone since takes nothing.
        Ok(files.map(|name| self.file_bytes(name).unwrap_or(0)).sum())
    }

    fn set_ballast(&self, bytes: u64) -> io::Result<()> {
        if bytes == 0 {
            return self.remove(BALLAST);
        }
        let file = File::create(self.path.join(BALLAST))?;
        let allocated = rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes);
        if let Err(error) = allocated {
            self.remove(BALLAST)?;
            return Err(error.into());
        }
        file.sync_all()
    }

    fn file_bytes(&self, name: &str) -> io::Result<u64> {
        Ok(fs::metadata(self.path.join(name))?.blocks() * 512)
    }

    fn free_bytes(&self) -> io::Result<Option<u64>> {
        let stat = rustix::fs::statvfs(&self.path)?;
        Ok(Some(stat.f_bavail.saturating_mul(stat.f_frsize)))
    }
}

#[derive(Debug)]
struct FileDevice(File);

impl Device for FileDevice {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// Files in memory, gone when the last handle is dropped.
#[derive(Debug, Default)]
pub struct Memory(Mutex<BTreeMap<String, Arc<MemoryDevice>>>);

impl Media for Memory {
    fn open(&self, name: &str) -> io::Result<Arc<dyn Device>> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let device = files.entry(name.to_owned()).or_default();
        Ok(Arc::<MemoryDevice>::clone(device))
    }

    fn open_existing(&self, name: &str) -> io::Result<Arc<dyn Device>> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match files.get(name) {
            Some(device) => Ok(Arc::<MemoryDevice>::clone(device)),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(files
            .keys()
            .filter(|name| name.starts_with(prefix))
            .cloned()
            .collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.remove(name);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let device = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), device);
        Ok(())
    }

    fn used_bytes(&self) -> io::Result<u64> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.values().map(|file| file.len()).sum()
    }

    fn set_ballast(&self, _bytes: u64) -> io::Result<()> {
        Ok(())
    }

    fn file_bytes(&self, name: &str) -> io::Result<u64> {
        self.open_existing(name)?.len()
    }

    fn free_bytes(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }
}

#[derive(Default)]
struct MemoryDevice(RwLock<Vec<u8>>);

impl Debug for MemoryDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryDevice")
    }
}

/// Where `len` bytes at `offset` lie in a buffer.
pub(super) fn span(offset: u64, len: usize) -> io::Result<std::ops::Range<usize>> {
    let start = usize::try_from(offset).ok();
    start
        .and_then(|start| Some(start..start.checked_add(len)?))
        .ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

impl Device for MemoryDevice {
    fn len(&self) -> io::Result<u64> {
        let bytes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Ok(bytes.len() as u64)
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match bytes.get(span(offset, out.len())?) {
            Some(source) => {
                out.copy_from_slice(source);
                Ok(())
            }
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut bytes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match bytes.get_mut(span(offset, data.len())?) {
            Some(target) => {
                target.copy_from_slice(data);
                Ok(())
            }
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut bytes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        bytes.resize(span(len, 0)?.start, 0);
        Ok(())
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens a database for writing. A new one is made under another name, filled by `begin` and renamed, for redb cannot
/// open a file that a crash left half begun.
pub(super) fn open_database(
    media: &dyn Media,
    name: &str,
    builder: &redb::Builder,
    begin: impl FnOnce(&redb::Database) -> Result<()>,
) -> Result<redb::Database> {
    let device = match media.open_existing(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let half = format!("{name}.new");
            media.remove(&half).map_err(Error::io)?;
            let device = media.open(&half).map_err(Error::io)?;
            let database = builder.create_with_backend(Backend(device))?;
            begin(&database)?;
            database.close()?;
            media.rename(&half, name).map_err(Error::io)?;
            media.open_existing(name)
        }
        device => device,
    };
    Ok(builder.create_with_backend(Backend(device.map_err(Error::io)?))?)
}

/// A device as redb wants it.
#[derive(Debug)]
pub(super) struct Backend(pub(super) Arc<dyn Device>);

impl redb::StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}
