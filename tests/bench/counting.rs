//! A directory whose traffic is counted, and the counters of the device below it.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use heimpost::store::media::{Device, Directory, Media};

/// What went through.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) read: AtomicU64,
    pub(crate) written: AtomicU64,
    pub(crate) flushes: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct Counting {
    pub(crate) inner: Directory,
    pub(crate) counts: Arc<Counts>,
}

#[derive(Debug)]
struct CountingDevice {
    inner: Arc<dyn Device>,
    counts: Arc<Counts>,
}

impl Counting {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            inner: Directory::new(path).unwrap(),
            counts: Arc::default(),
        }
    }

    fn wrap(&self, inner: Arc<dyn Device>) -> Arc<dyn Device> {
        let counts = Arc::clone(&self.counts);
        Arc::new(CountingDevice { inner, counts })
    }
}

impl Media for Counting {
    fn open(&self, name: &str) -> io::Result<Arc<dyn Device>> {
        Ok(self.wrap(self.inner.open(name)?))
    }
    fn open_existing(&self, name: &str) -> io::Result<Arc<dyn Device>> {
        Ok(self.wrap(self.inner.open_existing(name)?))
    }
    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        self.inner.list(prefix)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }
    fn used_bytes(&self) -> io::Result<u64> {
        self.inner.used_bytes()
    }
    fn set_ballast(&self, bytes: u64) -> io::Result<()> {
        self.inner.set_ballast(bytes)
    }
    fn file_bytes(&self, name: &str) -> io::Result<u64> {
        self.inner.file_bytes(name)
    }
    fn free_bytes(&self) -> io::Result<Option<u64>> {
        self.inner.free_bytes()
    }
}

impl Device for CountingDevice {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.counts
            .read
            .fetch_add(out.len() as u64, Ordering::Relaxed);
        self.inner.read(offset, out)
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.counts
            .written
            .fetch_add(data.len() as u64, Ordering::Relaxed);
        self.inner.write(offset, data)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }
    fn sync(&self) -> io::Result<()> {
        self.counts.flushes.fetch_add(1, Ordering::Relaxed);
        self.inner.sync()
    }
}

/// Bytes and flushes, as the store and as the device counted them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) read: u64,
    pub(crate) written: u64,
    pub(crate) flushes: u64,
    pub(crate) device_read: u64,
    pub(crate) device_written: u64,
    pub(crate) device_flushes: u64,
}

impl Reading {
    pub(crate) fn take(path: &Path, counts: &Counts) -> Self {
        let device = device_stat(path).unwrap_or_default();
        let field = |index: usize| device.get(index).copied().unwrap_or_default();
        Self {
            read: counts.read.load(Ordering::Relaxed),
            written: counts.written.load(Ordering::Relaxed),
            flushes: counts.flushes.load(Ordering::Relaxed),
            device_read: field(2) * 512,
            device_written: field(6) * 512,
            device_flushes: field(15),
        }
    }

    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            read: self.read - earlier.read,
            written: self.written - earlier.written,
            flushes: self.flushes - earlier.flushes,
            device_read: self.device_read - earlier.device_read,
            device_written: self.device_written - earlier.device_written,
            device_flushes: self.device_flushes - earlier.device_flushes,
        }
    }
}

/// Columns of Documentation/admin-guide/iostats: 2 sectors read, 6 sectors written, 15 flushes.
fn device_stat(path: &Path) -> Option<Vec<u64>> {
    let device = std::fs::metadata(path).ok()?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let stat = std::fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).ok()?;
    Some(
        stat.split_whitespace()
            .filter_map(|field| field.parse().ok())
            .collect(),
    )
}

/// Peak and present resident memory of this process, in KiB.
pub(crate) fn resident_kib() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
            .unwrap_or_default()
    };
    (field("VmHWM:"), field("VmRSS:"))
}
