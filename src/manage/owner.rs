//! Whose the data directory is: nothing in it may end up belonging to root.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Why this process cannot be that user.
#[derive(Debug, thiserror::Error)]
#[error("cannot become the owner of {data}: {cause}")]
pub struct Error {
    data: PathBuf,
    cause: rustix::io::Errno,
}

/// As root, becomes the owner of the data directory for good. On Linux that is this thread and those it starts alone.
pub fn become_owner(data: &Path) -> Result<(), Error> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let Ok(metadata) = std::fs::metadata(data) else {
        return Ok(());
    };
    if metadata.uid() == 0 {
        return Ok(());
    }
    let failed = |cause| Error {
        data: data.to_owned(),
        cause,
    };
    let gid = rustix::process::Gid::from_raw(metadata.gid());
    let uid = rustix::process::Uid::from_raw(metadata.uid());
    rustix::thread::set_thread_groups(&[]).map_err(failed)?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(failed)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(failed)
}
