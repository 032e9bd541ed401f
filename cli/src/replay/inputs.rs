//! Which files are read: those named, and every file of a named folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ingest::source::STDIN;

/// One file, with what is known about it beside its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The file, or `-`.
    pub path: PathBuf,
    /// The dataset of records that do not say theirs.
    pub dataset: Option<String>,
    /// The year of times without one.
    pub year: Option<i16>,
}

/// Folders are replaced by their files, sorted by name; names that start with a dot and folders in folders are left
/// out.
///
/// # Errors
/// The folder that can't be listed.
pub(super) fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    let mut files = Vec::new();
    for path in paths {
        if path != Path::new(STDIN) && path.is_dir() {
            files.extend(list(path).map_err(|error| (path.clone(), error))?);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_file() && !hidden {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_its_files_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["b.log", "a.pcap", ".hidden"] {
            fs::write(folder.path().join(name), "x").expect("written");
        }
        fs::create_dir(folder.path().join("deeper")).expect("made");
        let single = folder.path().join("b.log");
        let files = expand(&[folder.path().to_owned(), single.clone(), PathBuf::from("-")]).expect("listed");
        assert_eq!(
            files,
            [
                folder.path().join("a.pcap"),
                single.clone(),
                single,
                PathBuf::from("-")
            ]
        );
    }
}
