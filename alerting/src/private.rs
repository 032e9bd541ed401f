//! Folders and files that only the service's own user may read.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

/// Makes a folder with mode 0700, unless it is there: what lies in it is nobody else's to read.
///
/// # Errors
/// If it can't be made.
pub(crate) fn make_folder(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file with mode 0600 that is there whole or not at all.
///
/// # Errors
/// If it can't be written.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let unfinished = path.with_added_extension("new");
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_made_is_nobody_elses_to_read_and_a_rest_is_replaced() {
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("a/data");
        make_folder(&folder).expect("made");
        make_folder(&folder).expect("there already");
        assert_eq!(mode(&folder), 0o700);
        let file = folder.join("link.key");
        std::fs::write(folder.join("link.key.new"), "half").expect("a rest");
        write(&file, b"whole").expect("written");
        assert_eq!(
            (mode(&file), std::fs::read(&file).expect("there")),
            (0o600, b"whole".to_vec())
        );
        assert!(!folder.join("link.key.new").exists());
    }
}
