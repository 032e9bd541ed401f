//! Lines in two files that take turns: a bounded room in which the newest are. Nobody but the sensor's own user reads them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The files, the older one first.
const FILES: [&str; 2] = ["older.ndjson", "newer.ndjson"];

/// Why they can't be used.
#[derive(Debug, Error)]
#[error("use {path}: check who owns it and that the disk has room")]
pub struct TurnsError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Two files in a folder.
#[derive(Debug)]
pub(crate) struct Turns {
    folder: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
}

impl Turns {
    /// Opens them, and makes what is missing; each takes `bytes_max` at most.
    pub(crate) fn open(folder: PathBuf, bytes_max: u64) -> Result<Self, TurnsError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(failed(&folder))?;
        let (file, bytes) = append(&folder)?;
        Ok(Self {
            folder,
            file,
            bytes,
            bytes_max,
        })
    }

    /// Adds whole lines; the oldest go when there is no room, and then it says so.
    pub(crate) fn add(&mut self, lines: &[u8]) -> Result<bool, TurnsError> {
        let [older, newer] = FILES.map(|name| self.folder.join(name));
        let is_full = 0 < self.bytes && self.bytes_max < self.bytes + lines.len() as u64;
        if is_full {
            fs::rename(&newer, older).map_err(failed(&newer))?;
            (self.file, self.bytes) = append(&self.folder)?;
        }
        // One write, so that a line is whole or missing.
        self.file.write_all(lines).map_err(failed(&newer))?;
        self.bytes += lines.len() as u64;
        Ok(is_full)
    }
}

/// Hands each line in `folder` to `take`, the oldest first.
///
/// # Errors
/// If a file is there and can't be read, or what `take` says.
pub(crate) fn read(folder: &Path, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    for name in FILES {
        let file = match File::open(folder.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for line in BufReader::new(file).split(b'\n') {
            take(&line?)?;
        }
    }
    Ok(())
}

fn append(folder: &Path) -> Result<(File, u64), TurnsError> {
    let path = folder.join(FILES[1]);
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed(&path))?;
    let mut bytes = file.metadata().map_err(failed(&path))?.len();
    if 0 < bytes {
        // What a crash tore ends here, and spoils nothing behind it.
        (&file).write_all(b"\n").map_err(failed(&path))?;
        bytes += 1;
    }
    Ok((file, bytes))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> TurnsError {
    let path = path.to_owned();
    move |source| TurnsError { path, source }
}
