//! Small files that are either whole or absent, whenever the plug is pulled.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Most bytes that [`read_small`] takes.
pub const SMALL_FILE_BYTES_MAX: u64 = 1 << 20;

/// For the owner of the file only.
pub const MODE_PRIVATE: u32 = 0o600;

/// For everyone to read.
pub const MODE_PUBLIC: u32 = 0o644;

/// Writes `bytes` to `path`: to a temporary file beside it, flushed, then renamed over it, then the directory is flushed.
pub fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = temporary_beside(path);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    File::open(directory.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// Reads a file of at most [`SMALL_FILE_BYTES_MAX`]; `None` if there is none.
pub fn read_small(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(SMALL_FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > SMALL_FILE_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than {SMALL_FILE_BYTES_MAX} bytes"),
        ));
    }
    Ok(Some(bytes))
}

fn temporary_beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn replaces_whole_and_keeps_the_mode_over_leftovers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(temporary_beside(&path), b"left by a crash").unwrap();
        write_whole(&path, b"one", MODE_PRIVATE).unwrap();
        write_whole(&path, b"two", MODE_PRIVATE).unwrap();
        assert_eq!(read_small(&path).unwrap().unwrap(), b"two");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE_PRIVATE);
        assert!(!temporary_beside(&path).exists());
    }

    #[test]
    fn absent_is_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_small(&dir.path().join("none")).unwrap(), None);
    }
}
