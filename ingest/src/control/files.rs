//! Files that are there whole or not at all, also after a crash: written beside their place, synced, and moved there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// How what is under way is called; found at a start, it is of a crash.
pub(crate) const UNDER_WAY: &str = ".new";

/// Makes a folder for the sensor's own user only, and those above it.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file for the sensor's own user only, atomically and durably.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(UNDER_WAY);
    let new = path.with_file_name(name);
    // One that a crash left may have other rights.
    remove(&new)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_above(path)
}

/// Makes what was put into or moved within a file's folder durable.
pub(crate) fn sync_above(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |above| File::open(above)?.sync_all())
}

/// Gives a file that an administrator's command made to whoever has the folder: the sensor, which goes on with it. Only an
/// administrator can, and only they need to.
pub(crate) fn give_to_owner(folder: &Path, path: &Path) {
    let _ = fs::metadata(folder)
        .and_then(|owner| std::os::unix::fs::lchown(path, Some(owner.uid()), Some(owner.gid())));
}

/// Reads a file; `None` if there is none.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a file; none is no error.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes a folder with all in it; none is no error.
pub(crate) fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
