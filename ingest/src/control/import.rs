//! A bundle that was brought by hand, to a sensor without a way to its centre: the same checks, another way.
//!
//! [`import`] checks the files and leaves them in `state/control/import`; the sensor takes them from there within half a
//! minute, or at its next start.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ingest_trust::manifest::{self, ENVELOPE_BYTES_MAX, Manifest, PART_BYTES, digest};
use ingest_trust::{AuthorityError, Untrusted};
use thiserror::Error;

use super::bundle::Store;
use super::files;
use super::overlay::{self, Overlay};
use super::standing::{Standing, StandingError};
use crate::config::{ConfigError, Plan};

/// The list of the bundle, as it was signed.
const ENVELOPE: &str = "manifest.json";

/// Folders within folders that are looked into: a bundle's paths are no deeper.
const DEPTH_MAX: usize = 16;

/// Why a bundle is not taken.
#[derive(Debug, Error)]
pub enum ImportError {
    /// A file can't be read or written.
    #[error("use {path}")]
    File {
        /// The file.
        path: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// None of the files is a signed list.
    #[error(
        "none of the files is a bundle's signed list; `varde sensors publish --out` writes it beside the files"
    )]
    NoEnvelope,
    /// Parts are missing.
    #[error("{missing} of the bundle's {all} parts are in none of the files")]
    Missing {
        /// How many.
        missing: usize,
        /// Of how many.
        all: usize,
    },
    /// The sensor does not know whom to believe.
    #[error("the sensor is not enrolled, so it does not know whose bundles to believe; enrol it once")]
    NotEnrolled,
    /// It is not believed, or not for this sensor.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// It is the one that was taken last.
    #[error("the bundle has version {0}, which was taken before")]
    Same(u64),
    /// Its configuration can't be used.
    #[error("the bundle's configuration.yml can't be used: {0}")]
    Configuration(String),
    /// The sensor's own can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It is not known what was taken.
    #[error("know which bundle runs")]
    Standing(#[from] StandingError),
    /// OpenSSL's.
    #[error("use a key")]
    Authority(#[from] AuthorityError),
}

/// Checks the bundle of these files and folders, and leaves it for the sensor; gives its version.
///
/// # Errors
/// [`ImportError`].
pub fn import(plan: &Plan, given: &[PathBuf]) -> Result<u64, ImportError> {
    let identity = plan.kept_identity()?.ok_or(ImportError::NotEnrolled)?;
    let store = Store::at(plan.state());
    let standing = Standing::load(store.folder())?;
    let mut paths = Vec::new();
    for path in given {
        collect(path, DEPTH_MAX, &mut paths).map_err(at(path))?;
    }
    let envelope = paths
        .iter()
        .find_map(|path| envelope_in(path))
        .ok_or(ImportError::NoEnvelope)?;
    let keys = if standing.keys.is_empty() {
        &identity.keys
    } else {
        &standing.keys
    };
    let manifest = Manifest::open(&envelope, keys)?;
    let asked = manifest::Standing {
        organization: identity.organization,
        sensor: &identity.sensor,
        version: standing.taken,
    };
    if !manifest.accept(&asked)? {
        return Err(ImportError::Same(manifest.version));
    }
    let place = folder(&store);
    let new = place.with_extension("new");
    files::remove_folder(&new).map_err(at(&new))?;
    files::make_folder(&new).map_err(at(&new))?;
    let names = manifest.files.iter().flat_map(|file| &file.parts);
    let mut missing: HashSet<&str> = names.map(String::as_str).collect();
    let all = missing.len();
    for path in &paths {
        parts_of(path, |part| {
            let name = digest(part);
            if missing.remove(name.as_str()) {
                files::write(&new.join(&name), part)?;
            }
            Ok(())
        })
        .map_err(at(path))?;
    }
    if !missing.is_empty() {
        let missing = missing.len();
        return Err(ImportError::Missing { missing, all });
    }
    let overlay = overlay_of(&manifest, &new).map_err(ImportError::Configuration)?;
    plan.config(Some(&identity), &overlay)
        .map_err(|error| ImportError::Configuration(error.to_string()))?;
    // The list is last: with it the bundle is there.
    let list = new.join(ENVELOPE);
    files::write(&list, &envelope).map_err(at(&list))?;
    files::remove_folder(&place).map_err(at(&place))?;
    fs::rename(&new, &place).map_err(at(&place))?;
    files::sync_above(&place).map_err(at(&place))?;
    Ok(manifest.version)
}

/// A bundle that waits, as it was signed, and the folder of its parts.
pub(super) fn waiting(store: &Store) -> Option<(Vec<u8>, PathBuf)> {
    let folder = folder(store);
    let envelope = files::read(&folder.join(ENVELOPE)).ok().flatten()?;
    Some((envelope, folder))
}

/// It was looked at.
pub(super) fn done(store: &Store) {
    let folder = folder(store);
    if let Err(error) = files::remove_folder(&folder) {
        tracing::warn!(%error, "remove what was imported");
    }
}

fn folder(store: &Store) -> PathBuf {
    store.folder().join("import")
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ImportError + use<> {
    let path = path.display().to_string();
    |source| ImportError::File { path, source }
}

/// The files of a folder and those in it, or a file itself.
fn collect(path: &Path, depth: usize, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        paths.push(path.to_path_buf());
        return Ok(());
    }
    if depth == 0 {
        return Ok(());
    }
    let mut inside: Vec<PathBuf> = fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    inside.sort();
    inside.iter().try_for_each(|path| collect(path, depth - 1, paths))
}

fn envelope_in(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path).ok()?;
    file.take(ENVELOPE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .ok()?;
    Manifest::unverified(&bytes).is_ok().then_some(bytes)
}

/// A file's parts, in order: a part as a file is one, too.
fn parts_of(path: &Path, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut part = Vec::new();
    loop {
        part.clear();
        Read::by_ref(&mut file)
            .take(PART_BYTES as u64)
            .read_to_end(&mut part)?;
        if part.is_empty() {
            return Ok(());
        }
        each(&part)?;
    }
}

fn overlay_of(manifest: &Manifest, parts: &Path) -> Result<Overlay, String> {
    let mut text = Vec::new();
    for file in manifest.files.iter().filter(|file| file.path == overlay::FILE) {
        for name in &file.parts {
            let part = fs::read(parts.join(name)).map_err(|error| error.to_string())?;
            text.extend(part);
        }
    }
    let text = String::from_utf8(text).map_err(|error| error.to_string())?;
    Overlay::parse(&text)
}
