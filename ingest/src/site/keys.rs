//! The keys of pseudonyms: made on site at the first start, kept on site, never on the bus.
//!
//! Each epoch has one key in a file of its own, `state/keys/NNNN.key`, which only the sensor may read. The newest makes
//! pseudonyms, the older ones are for revealing what was sent under them. A key's id says which is which and nothing of
//! the key.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The directory of keys in the sensor's state.
const FOLDER: &str = "keys";

/// The last epoch: a key a month for eighty years.
const EPOCHS_MAX: u16 = 999;

/// Why keys can't be used.
#[derive(Debug, Error)]
pub enum KeyError {
    /// A file or directory can't be made or read.
    #[error("use the key {path}: check who owns it and that the disk has room")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// Others than the sensor may read it.
    #[error(
        "use the key {path}: others may read it (mode {mode:03o}); `chmod 600` it, and `rotate` if they did"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Not 32 bytes.
    #[error("use the key {path}: it has {bytes} bytes instead of 32; put the copy back, or move it away")]
    Size {
        /// The file.
        path: PathBuf,
        /// How many it has.
        bytes: usize,
    },
    /// The system has no random numbers.
    #[error("make a key: the system gives no random numbers: {0}")]
    Random(String),
    /// No epoch is left.
    #[error("make a key: {EPOCHS_MAX} are there already in {0}")]
    Full(PathBuf),
}

/// One epoch's key.
#[derive(Clone, PartialEq, Eq)]
pub struct SiteKey {
    epoch: u16,
    secret: [u8; 32],
}

impl SiteKey {
    /// From bytes, for tests and samples.
    #[must_use]
    pub const fn of(epoch: u16, secret: [u8; 32]) -> Self {
        Self { epoch, secret }
    }

    /// Its number, from 1.
    #[must_use]
    pub const fn epoch(&self) -> u16 {
        self.epoch
    }

    /// What events say of it: `0001-` and eight hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        let digest = blake3::derive_key("varde 2026 id of a site key", &self.secret);
        let start: String = hex::encode(digest).chars().take(8).collect();
        format!("{:04}-{start}", self.epoch)
    }

    /// A key for one use, so that none says anything of another.
    #[must_use]
    pub fn derive(&self, context: &'static str) -> [u8; 32] {
        blake3::derive_key(context, &self.secret)
    }
}

/// Never the secret.
impl fmt::Debug for SiteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SiteKey").field(&self.id()).finish()
    }
}

/// All epochs' keys, the oldest first; makes the first one where there is none.
///
/// # Errors
/// If one can't be read or made, or others may read it.
pub fn open(state: &Path) -> Result<Vec<SiteKey>, KeyError> {
    let keys = read(state)?;
    if keys.is_empty() {
        return Ok(vec![rotate(state)?]);
    }
    Ok(keys)
}

/// All epochs' keys, the oldest first; perhaps none.
///
/// # Errors
/// If one can't be read, or others may read it.
pub fn read(state: &Path) -> Result<Vec<SiteKey>, KeyError> {
    let folder = state.join(FOLDER);
    let failed = |source| KeyError::File {
        path: folder.clone(),
        source,
    };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    // By what is there: one that was moved away must not hide those behind it, or the next is made under its number.
    let mut epochs = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        let epoch = name
            .to_str()
            .and_then(|name| name.strip_suffix(".key")?.parse::<u16>().ok());
        epochs.extend(epoch.filter(|epoch| name == *format!("{epoch:04}.key")));
    }
    epochs.sort_unstable();
    let key = |epoch: &u16| {
        let secret = read_one(&path(state, *epoch))?;
        Ok(SiteKey {
            epoch: *epoch,
            secret,
        })
    };
    epochs.iter().map(key).collect()
}

/// Begins a new epoch: makes its key and returns when it is on the disk.
///
/// # Errors
/// If it can't be made.
pub fn rotate(state: &Path) -> Result<SiteKey, KeyError> {
    let folder = state.join(FOLDER);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| KeyError::File { path, source }
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(failed(&folder))?;
    let last = read(state)?.last().map_or(0, SiteKey::epoch);
    let epoch = last + 1;
    if EPOCHS_MAX < epoch {
        return Err(KeyError::Full(folder));
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| KeyError::Random(error.to_string()))?;
    // Whole or not at all: half a key would make pseudonyms that nobody can reveal.
    let (new, whole) = (folder.join("new"), path(state, epoch));
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .map_err(failed(&new))?;
    file.write_all(&secret).map_err(failed(&new))?;
    file.sync_all().map_err(failed(&new))?;
    fs::rename(&new, &whole).map_err(failed(&whole))?;
    File::open(&folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed(&folder))?;
    Ok(SiteKey { epoch, secret })
}

fn path(state: &Path, epoch: u16) -> PathBuf {
    state.join(FOLDER).join(format!("{epoch:04}.key"))
}

fn read_one(path: &Path) -> Result<[u8; 32], KeyError> {
    let failed = |source| KeyError::File {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Open {
            path: path.to_owned(),
            mode,
        });
    }
    let mut bytes = Vec::new();
    file.take(64).read_to_end(&mut bytes).map_err(failed)?;
    <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| KeyError::Size {
        path: path.to_owned(),
        bytes: bytes.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_a_new_epoch_keeps_the_old_ones() {
        let state = tempfile::tempdir().expect("a folder");
        let first = open(state.path()).expect("made");
        assert_eq!(first.len(), 1);
        assert_eq!(open(state.path()).expect("read"), first);
        let second = rotate(state.path()).expect("made");
        assert_eq!((second.epoch(), &second.id()[..5]), (2, "0002-"));
        assert_eq!(
            open(state.path()).expect("read"),
            [first[0].clone(), second.clone()]
        );
        assert_ne!(first[0].derive("a"), second.derive("a"));
        assert_ne!(second.derive("a"), second.derive("b"));
        let told = format!("{second:?}");
        assert!(told.contains(&second.id()) && told.len() < 40, "{told}");
        for folder in ["", "0001.key", "0002.key"] {
            let metadata = fs::metadata(state.path().join(FOLDER).join(folder)).expect("there");
            assert_eq!(metadata.permissions().mode() & 0o077, 0, "{folder}");
        }
    }

    #[test]
    fn a_key_that_is_gone_hides_none_behind_it() {
        let state = tempfile::tempdir().expect("a folder");
        open(state.path()).expect("made");
        rotate(state.path()).expect("made");
        let third = rotate(state.path()).expect("made");
        fs::remove_file(path(state.path(), 2)).expect("removed");
        fs::write(state.path().join(FOLDER).join("README"), "no key").expect("written");
        let keys = open(state.path()).expect("read");
        assert_eq!(keys.iter().map(SiteKey::epoch).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(keys.last(), Some(&third));
        assert_eq!(rotate(state.path()).expect("made").epoch(), 4);
    }

    #[test]
    fn a_key_that_others_may_read_or_that_is_torn_is_refused_with_its_mend() {
        let state = tempfile::tempdir().expect("a folder");
        open(state.path()).expect("made");
        let path = path(state.path(), 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("set");
        let told = open(state.path()).expect_err("refused").to_string();
        assert!(told.contains("0001.key") && told.contains("chmod 600"), "{told}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        fs::write(&path, [1; 31]).expect("written");
        let told = open(state.path()).expect_err("refused").to_string();
        assert!(told.contains("31 bytes"), "{told}");
    }
}
