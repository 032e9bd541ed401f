//! `varde sensors publish --out`: the signed bundle as a folder, to be carried to a sensor without a way to its centre, where
//! `varde-sensor import` checks it as any other.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use ingest_trust::Manifest;

use crate::exit::{Exit, Failure};

/// The signed list in the folder; a bundle's own files have other names.
const LIST: &str = "manifest.json";

/// That what is carried is this bundle and nothing else.
///
/// # Errors
/// If there is something in the folder already.
pub(super) fn check(folder: &Path) -> Result<(), Failure> {
    match fs::read_dir(folder).map(|mut inside| inside.next().is_none()) {
        Ok(false) => {
            let message = format!("{} is not empty: name a new folder", folder.display());
            Err(Failure::new(Exit::Input, message))
        }
        Ok(true) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => {
            let message = format!("cannot use {}: {error}", folder.display());
            Err(Failure::new(Exit::Input, message))
        }
    }
}

/// Writes the files under their paths, and the list beside them at the end.
///
/// # Errors
/// If the disk does not take them.
pub(super) fn write(
    folder: &Path,
    manifest: &Manifest,
    sealed: &[u8],
    parts: &[(String, Vec<u8>)],
) -> Result<(), Failure> {
    let parts: HashMap<&str, &[u8]> = parts
        .iter()
        .map(|(name, part)| (name.as_str(), part.as_slice()))
        .collect();
    for file in &manifest.files {
        let named = file.parts.iter().filter_map(|name| parts.get(name.as_str()));
        let bytes: Vec<u8> = named.flat_map(|part| part.iter().copied()).collect();
        put(&folder.join(&file.path), &bytes)?;
    }
    put(&folder.join(LIST), sealed)
}

/// For who carries it alone: what is restricted is in it as hashes, with their key.
fn put(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let above = path.parent().map_or(Ok(()), |folder| {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)
    });
    let written = above.and_then(|()| {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).open(path)
    });
    written
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(|error| Failure::new(Exit::Input, format!("cannot write {}: {error}", path.display())))
}
