//! Keeps what is known of exporters in a file, so that a restart does not wait for their templates.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ingest_event::Timestamp;

use crate::export::{Collector, KeptDomain};

/// Between writes: whoever makes templates up can't keep the disk busy.
const PAUSE: Duration = Duration::from_secs(10);

/// The most that is read back: all templates there may be, at their largest.
const BYTES_MAX: u64 = 64 << 20;

/// Writes a collector's knowledge when it has changed.
#[derive(Debug)]
pub(super) struct Keeper {
    path: PathBuf,
    changes: u64,
    written: Option<Timestamp>,
}

impl Keeper {
    /// That of a port, with what was kept before. Waits for the disk.
    pub(super) fn open(folder: &Path, address: SocketAddr, collector: &mut Collector) -> Self {
        let name = address
            .to_string()
            .replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let path = folder.join(format!("templates-{name}.json"));
        match read(&path) {
            Ok(kept) => collector.restore(&kept),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "templates that were kept can't be read")
            }
        }
        Self {
            path,
            changes: collector.changes(),
            written: None,
        }
    }

    /// What is to be written now, if anything: not too often, unless it is the last time.
    pub(super) fn due(&mut self, collector: &Collector, now: Timestamp, last: Last) -> Option<Write> {
        let is_early = self
            .written
            .is_some_and(|written| now.since(written) < PAUSE && written.since(now) < PAUSE);
        if collector.changes() == self.changes || is_early && last == Last::No {
            return None;
        }
        (self.changes, self.written) = (collector.changes(), Some(now));
        Some(Write {
            path: self.path.clone(),
            kept: collector.kept(),
        })
    }
}

/// Whether there will be another occasion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// This is the last one.
    Yes,
    /// There will.
    No,
}

/// Something to be written, on a thread that may wait for a disk.
pub(super) struct Write {
    path: PathBuf,
    kept: Vec<KeptDomain>,
}

impl Write {
    /// Writes it beside, and puts it in the place of the old one: a crash leaves the one or the other.
    pub(super) fn run(self) {
        if let Err(error) = self.write() {
            tracing::warn!(%error, path = %self.path.display(), "keep templates");
        }
    }

    fn write(&self) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(&serde_json::to_vec(&self.kept)?)?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        self.path
            .parent()
            .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

fn read(path: &Path) -> io::Result<Vec<KeptDomain>> {
    if BYTES_MAX < fs::metadata(path)?.len() {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}
