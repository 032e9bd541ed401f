//! Lines in two files that take turns: a bounded room in which the newest are. Nobody but the sensor's own user reads them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
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
    /// The last line has no end: a crash or a full disk tore it.
    is_torn: bool,
}

impl Turns {
    /// Opens them, and makes what is missing; each takes `bytes_max` at most.
    pub(crate) fn open(folder: PathBuf, bytes_max: u64) -> Result<Self, TurnsError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(failed(&folder))?;
        let (file, bytes, is_torn) = append(&folder)?;
        Ok(Self {
            folder,
            file,
            bytes,
            bytes_max,
            is_torn,
        })
    }

    /// Adds whole lines; the oldest go when there is no room, and then it says so.
    pub(crate) fn add(&mut self, lines: &[u8]) -> Result<bool, TurnsError> {
        let [older, newer] = FILES.map(|name| self.folder.join(name));
        let is_full = 0 < self.bytes && self.bytes_max < self.bytes + lines.len() as u64;
        if is_full {
            fs::rename(&newer, older).map_err(failed(&newer))?;
            (self.file, self.bytes, self.is_torn) = append(&self.folder)?;
        }
        // What is torn ends here, and spoils nothing behind it; not before, since a full disk would let nobody start.
        let end: &[u8] = if self.is_torn { b"\n" } else { b"" };
        let lines = [end, lines].concat();
        self.is_torn = true;
        // One write, so that a line is whole or missing.
        self.file.write_all(&lines).map_err(failed(&newer))?;
        self.is_torn = false;
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

/// The newer file, its length, and whether its last line has no end.
fn append(folder: &Path) -> Result<(File, u64, bool), TurnsError> {
    let path = folder.join(FILES[1]);
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed(&path))?;
    let bytes = file.metadata().map_err(failed(&path))?.len();
    let mut last = *b"\n";
    if let Some(at) = bytes.checked_sub(1) {
        file.read_exact_at(&mut last, at).map_err(failed(&path))?;
    }
    Ok((file, bytes, last != *b"\n"))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> TurnsError {
    let path = path.to_owned();
    move |source| TurnsError { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a crash tore is ended by the next line and not before: a start needs no room on the disk.
    #[test]
    fn a_start_writes_nothing_and_a_torn_line_spoils_no_other() {
        let state = tempfile::tempdir().expect("a directory");
        let path = state.path().join(FILES[1]);
        for (before, after) in [("", "next\n"), ("whole\n", "whole\nnext\n"), ("to", "to\nnext\n")] {
            fs::write(&path, before).expect("writes");
            let mut turns = Turns::open(state.path().to_owned(), 1_000).expect("opens");
            assert_eq!(fs::read_to_string(&path).expect("reads"), before);
            turns.add(b"next\n").expect("adds");
            assert_eq!(fs::read_to_string(&path).expect("reads"), after);
        }
    }
}
