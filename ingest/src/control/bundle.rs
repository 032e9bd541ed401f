//! Bundles on the sensor's disk, in `state/control`: brought part by part, checked, and put into place as a whole.
//!
//! | path | what |
//! |---|---|
//! | `standing.json` | which one runs: [`super::standing`] |
//! | `bundles/<version>/` | a bundle's files, and its list as `manifest.json` |
//! | `bundles/<version>.new/` | one that is being put together |
//! | `parts/` | what came of one that is not whole yet, under its digests |
//! | `import/` | one that was brought by hand: [`super::import`] |

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ingest_trust::manifest::{Digest, Manifest, PART_BYTES, digest};
use thiserror::Error;

use super::files;
use super::gateway::{Gateway, GatewayError};
use super::overlay::{self, Overlay};
use crate::scan::load::{self, LoadError};

/// The folder in the sensor's state.
const FOLDER: &str = "control";

/// The list of a bundle's files beside them; no file of a bundle has this name.
const MANIFEST: &str = "manifest.json";

/// The bundles of one sensor.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

/// Where parts are that need not travel: in which file, from which byte.
type Have = HashMap<Digest, (PathBuf, u64)>;

/// Where parts come from.
#[derive(Debug)]
pub enum Origin<'a> {
    /// The gateway.
    Gateway(&'a mut Gateway),
    /// A folder of parts under their digests.
    Folder(PathBuf),
}

/// Why a bundle is not there.
#[derive(Debug, Error)]
pub enum BundleError {
    /// A part could not be brought; it is tried again.
    #[error("bring a part of the bundle")]
    Gateway(#[from] GatewayError),
    /// The disk; it is tried again.
    #[error("use {path}")]
    File {
        /// The file.
        path: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A part is not what its name says, or is missing where it is looked for.
    #[error("a part of the bundle is missing or damaged: {0}")]
    Part(String),
    /// Its configuration says what it may not, or can't be used: for good.
    #[error("the bundle's configuration.yml can't be used: {0}")]
    Configuration(String),
    /// Its rules or indicators can't be used: for good.
    #[error("the bundle's rules and indicators can't be used")]
    Rules(#[from] LoadError),
}

impl Store {
    /// That of a sensor's state; nothing is made yet.
    #[must_use]
    pub fn at(state: &Path) -> Self {
        Self {
            folder: state.join(FOLDER),
        }
    }

    /// Makes the folders that are missing, and removes what is neither of `kept` versions nor under way for later.
    ///
    /// # Errors
    /// [`BundleError::File`].
    pub fn sweep(&self, kept: [u64; 2]) -> Result<(), BundleError> {
        let bundles = self.folder.join("bundles");
        for folder in [&bundles, &self.parts()] {
            files::make_folder(folder).map_err(at(folder))?;
        }
        for entry in fs::read_dir(&bundles).map_err(at(&bundles))? {
            let entry = entry.map_err(at(&bundles))?;
            let name = entry.file_name();
            let is_kept = kept.iter().any(|version| name == version.to_string().as_str());
            if !is_kept {
                let path = entry.path();
                files::remove_folder(&path).map_err(at(&path))?;
            }
        }
        Ok(())
    }

    /// Where the standing is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the files of a version are.
    #[must_use]
    pub fn bundle(&self, version: u64) -> PathBuf {
        self.folder.join("bundles").join(version.to_string())
    }

    /// What a version that is in place adds to the configuration; nothing for 0.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn overlay(&self, version: u64) -> Result<Overlay, BundleError> {
        if version == 0 {
            return Ok(Overlay::default());
        }
        read_overlay(&self.bundle(version))
    }

    /// Brings the parts of a bundle that is believed; those that `kept` versions have do not travel.
    ///
    /// # Errors
    /// [`BundleError`]; what came so far stays for the next attempt.
    pub async fn fetch(
        &self,
        manifest: &Manifest,
        mut origin: Origin<'_>,
        kept: [u64; 2],
    ) -> Result<(), BundleError> {
        let parts = self.parts();
        files::make_folder(&parts).map_err(at(&parts))?;
        let have = self.index(kept);
        for name in manifest.files.iter().flat_map(|file| &file.parts) {
            if self.part(name, &have).is_some() {
                continue;
            }
            let bytes = match &mut origin {
                Origin::Gateway(gateway) => gateway.part(name).await?,
                Origin::Folder(folder) => read_part(&folder.join(name), 0, name)
                    .ok_or_else(|| BundleError::Part(format!("{name} in {}", folder.display())))?,
            };
            let path = parts.join(name);
            files::write(&path, &bytes).map_err(at(&path))?;
        }
        Ok(())
    }

    /// Puts a bundle whose parts were brought into its place.
    ///
    /// # Errors
    /// [`BundleError`].
    pub async fn put(&self, manifest: &Manifest, kept: [u64; 2]) -> Result<(), BundleError> {
        let (store, manifest) = (self.clone(), manifest.clone());
        let put = tokio::task::spawn_blocking(move || store.put_together(&manifest, &store.index(kept)));
        put.await.map_err(|error| BundleError::Part(error.to_string()))?
    }

    /// Forgets parts, which are in a bundle now.
    ///
    /// # Errors
    /// [`BundleError::File`].
    pub fn forget_parts(&self) -> Result<(), BundleError> {
        let parts = self.parts();
        files::remove_folder(&parts).map_err(at(&parts))
    }

    fn parts(&self) -> PathBuf {
        self.folder.join("parts")
    }

    /// A part that was brought, or that is in a bundle that is kept.
    fn part(&self, name: &str, have: &Have) -> Option<Vec<u8>> {
        read_part(&self.parts().join(name), 0, name).or_else(|| {
            let (path, start) = have.get(name)?;
            read_part(path, *start, name)
        })
    }

    /// Where the parts of kept versions lie.
    fn index(&self, kept: [u64; 2]) -> Have {
        let mut have = Have::new();
        for version in kept {
            let folder = self.bundle(version);
            let read = fs::read(folder.join(MANIFEST)).ok();
            let Some(list) = read.and_then(|text| serde_json::from_slice::<Manifest>(&text).ok()) else {
                continue;
            };
            for file in list.files {
                let path = folder.join(&file.path);
                for (name, start) in file.parts.into_iter().zip((0_u64..).step_by(PART_BYTES)) {
                    have.insert(name, (path.clone(), start));
                }
            }
        }
        have
    }

    /// Writes the files beside their place, durably, looks at the configuration, and moves all there at once.
    fn put_together(&self, manifest: &Manifest, have: &Have) -> Result<(), BundleError> {
        let place = self.bundle(manifest.version);
        let new = place.with_extension("new");
        files::remove_folder(&new).map_err(at(&new))?;
        files::make_folder(&new).map_err(at(&new))?;
        for file in &manifest.files {
            let path = new.join(&file.path);
            if let Some(folder) = path.parent() {
                files::make_folder(folder).map_err(at(folder))?;
            }
            let mut out = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .map_err(at(&path))?;
            let mut bytes = 0;
            for name in &file.parts {
                let part = self
                    .part(name, have)
                    .ok_or_else(|| BundleError::Part(name.clone()))?;
                bytes += part.len() as u64;
                out.write_all(&part).map_err(at(&path))?;
            }
            if bytes != file.bytes {
                return Err(BundleError::Part(format!("{} has {bytes} bytes", file.path)));
            }
            out.sync_all().map_err(at(&path))?;
        }
        let list = new.join(MANIFEST);
        files::write(&list, &serde_json::to_vec(manifest).unwrap_or_default()).map_err(at(&list))?;
        sync_folders(&new).map_err(at(&new))?;
        let usable = read_overlay(&new).and_then(|_| Ok(load::check(&new)?));
        if let Err(error) = usable {
            files::remove_folder(&new).map_err(at(&new))?;
            return Err(error);
        }
        files::remove_folder(&place).map_err(at(&place))?;
        fs::rename(&new, &place).map_err(at(&place))?;
        files::sync_above(&place).map_err(at(&place))
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> BundleError + use<> {
    let path = path.display().to_string();
    |source| BundleError::File { path, source }
}

fn read_overlay(folder: &Path) -> Result<Overlay, BundleError> {
    let path = folder.join(overlay::FILE);
    let Some(bytes) = files::read(&path).map_err(at(&path))? else {
        return Ok(Overlay::default());
    };
    let text = String::from_utf8(bytes).map_err(|error| BundleError::Configuration(error.to_string()))?;
    Overlay::parse(&text).map_err(BundleError::Configuration)
}

/// A part that lies in a file, if it is what its name says.
fn read_part(path: &Path, start: u64, name: &str) -> Option<Vec<u8>> {
    let mut file = File::open(path).ok()?;
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = Vec::new();
    file.take(PART_BYTES as u64).read_to_end(&mut bytes).ok()?;
    (digest(&bytes) == name).then_some(bytes)
}

/// Makes a folder's entries durable, and those of the folders in it.
fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    File::open(folder)?.sync_all()
}
