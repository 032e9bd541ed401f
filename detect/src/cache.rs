//! The file in which checked rules and their prefilters wait for the next start, see [`detect_engine::Cached`].
//!
//! A convenience and nothing more: a file that is missing, of another build, of other rules, damaged or writable by
//! others is passed over with its reason, and the rules are checked and compiled as ever.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use detect_engine::{CacheError, CacheKey, Cached};
use thiserror::Error;

/// All of SigmaHQ is 9 MB. A file larger than this is not ours, and would fill the memory.
const BYTES_MAX: u64 = 512 << 20;

/// Permissions to write, of group and others.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why a file is passed over.
#[derive(Debug, Error)]
pub enum Unused {
    /// There is none, which is how it begins.
    #[error("there is no cache yet")]
    Missing,
    /// It can't be read.
    #[error("read the cache")]
    Unreadable(#[source] io::Error),
    /// Somebody else could have written it, and Vectorscan trusts what it is given.
    #[error("others may write the cache: it has to be this user's, and writable by nobody else")]
    NotOurs,
    /// It is larger than any cache.
    #[error("the cache has {bytes} bytes, at most {BYTES_MAX} are read")]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// It does not fit.
    #[error("use the cache")]
    Refused(#[source] CacheError),
}

impl Unused {
    /// A short name, to count by.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unreadable(_) => "unreadable",
            Self::NotOurs => "not_ours",
            Self::TooLarge { .. } => "too_large",
            Self::Refused(error) => error.reason(),
        }
    }
}

/// What the file has for these rules.
///
/// # Errors
/// If it is of no use, see [`Unused`].
pub fn read(path: &Path, key: &CacheKey) -> Result<Cached, Unused> {
    let mut file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unused::Missing,
        _ => Unused::Unreadable(error),
    })?;
    let metadata = file.metadata().map_err(Unused::Unreadable)?;
    if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(Unused::NotOurs);
    }
    let bytes = metadata.len();
    if BYTES_MAX < bytes {
        return Err(Unused::TooLarge { bytes });
    }
    let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    file.read_to_end(&mut content).map_err(Unused::Unreadable)?;
    Cached::from_bytes(key, &content).map_err(Unused::Refused)
}

/// Writes the file in one step: whoever reads sees the old one or the new one.
///
/// # Errors
/// If it can't be written.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    // One that an earlier process left half written may have other permissions.
    if let Err(error) = fs::remove_file(beside)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(beside)?;
    file.write_all(bytes)?;
    drop(file);
    fs::rename(beside, path)
}
