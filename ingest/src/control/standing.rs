//! Which bundle a sensor runs, ran before, and has ever taken: one small file, replaced as a whole, whose changes are
//! pure.

use std::path::{Path, PathBuf};

use ingest_trust::signing::VerifyingKey;
use ingest_trust::wire::RefusedBundle;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::files;

/// A process that ended so often by itself while a bundle was watched does not start with it again.
pub const DEATHS_MAX: u32 = 2;

/// What is told of a refusal has so many characters at most.
const DETAIL_CHARS_MAX: usize = 500;

/// How far a sensor has come with bundles; versions are 0 for none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// The bundle that runs.
    pub current: u64,
    /// The one to go back to.
    pub previous: u64,
    /// The newest ever taken, also if it was gone back from.
    pub taken: u64,
    /// The keys that bundles brought; empty for those of the enrolment.
    pub keys: Vec<VerifyingKey>,
    /// While the current one is watched.
    pub watch: Option<Watched>,
    /// The newest that was offered and believed.
    pub wanted: u64,
    /// The program's version that it wants.
    pub wanted_program: Option<String>,
    /// The newest that was not taken, or gone back from.
    pub refused: Option<RefusedBundle>,
}

/// What is remembered of a watch over the end of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Watched {
    /// How often the process ended by itself since.
    pub deaths: u32,
    /// It ended because it was told to: not by itself.
    pub stopped: bool,
    /// The kinds of sources that failed before, as the bundle is not to blame for them.
    pub failing: Vec<String>,
    /// Lost of a thousand records before.
    pub lost_permille: u64,
}

/// Why the file can't be used.
#[derive(Debug, Error)]
pub enum StandingError {
    /// The disk.
    #[error("use {path}; check the disk, and that it belongs to the sensor's user")]
    File {
        /// The file.
        path: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// It is no such file.
    #[error(
        "read {path}: {detail}; it tells which bundles were taken, so it is not made anew by itself, and no bundle is taken \
         or run: restore it, and start the sensor again"
    )]
    Damaged {
        /// The file.
        path: String,
        /// Why.
        detail: String,
    },
}

impl Standing {
    /// Reads that of a folder; none was ever taken if there is no file.
    ///
    /// # Errors
    /// [`StandingError`].
    pub fn load(folder: &Path) -> Result<Self, StandingError> {
        let path = place(folder);
        let read = files::read(&path).map_err(|source| StandingError::File {
            path: path.display().to_string(),
            source,
        })?;
        let Some(text) = read else {
            return Ok(Self::default());
        };
        serde_json::from_slice(&text).map_err(|error| StandingError::Damaged {
            path: path.display().to_string(),
            detail: error.to_string(),
        })
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// [`StandingError::File`].
    pub fn save(&self, folder: &Path) -> Result<(), StandingError> {
        let path = place(folder);
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        files::write(&path, &bytes).map_err(|source| StandingError::File {
            path: path.display().to_string(),
            source,
        })
    }

    /// Runs a bundle from now on, watched. The one to go back to is the last that was found good.
    pub fn take(&mut self, version: u64, keys: &[VerifyingKey], watched: Watched) {
        if self.watch.is_none() {
            self.previous = self.current;
        }
        self.current = version;
        self.taken = self.taken.max(version);
        if !keys.is_empty() {
            self.keys = keys.to_vec();
        }
        self.watch = Some(watched);
        if self
            .refused
            .as_ref()
            .is_some_and(|refused| refused.version <= version)
        {
            self.refused = None;
        }
    }

    /// Runs the one before again. Keys stay: who is believed is not a matter of how a sensor fares.
    pub fn go_back(&mut self, detail: &str) {
        self.refuse(self.current, detail);
        self.current = self.previous;
        self.previous = 0;
        self.watch = None;
    }

    /// Notes a refusal; whether it is a new one.
    pub fn refuse(&mut self, version: u64, detail: &str) -> bool {
        let refused = RefusedBundle {
            version,
            detail: detail.chars().take(DETAIL_CHARS_MAX).collect(),
        };
        let is_new = self.refused.as_ref() != Some(&refused);
        self.refused = Some(refused);
        is_new
    }

    /// A process starts: one that was watched and was not told to stop has ended by itself, and too many such ends mean
    /// going back; whether it does.
    pub fn started(&mut self) -> bool {
        let Some(watch) = &mut self.watch else {
            return false;
        };
        if !std::mem::take(&mut watch.stopped) {
            watch.deaths += 1;
        }
        if watch.deaths < DEATHS_MAX {
            return false;
        }
        self.go_back("the sensor ended by itself twice while it was watched");
        true
    }

    /// A process was told to stop.
    pub fn stopped(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.stopped = true;
        }
    }

    /// The watch is over and nothing was found.
    pub fn is_good(&mut self) {
        self.watch = None;
    }
}

fn place(folder: &Path) -> PathBuf {
    folder.join("standing.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_gone_back_from_to_the_last_good_one() {
        let mut standing = Standing::default();
        standing.take(3, &[], Watched::default());
        standing.is_good();
        standing.take(5, &[], Watched::default());
        standing.take(6, &[], Watched::default());
        assert_eq!(
            (standing.current, standing.previous),
            (6, 3),
            "5 was not found good"
        );
        standing.go_back("worse");
        assert_eq!((standing.current, standing.previous, standing.taken), (3, 0, 6));
        assert_eq!(standing.refused.as_ref().map(|refused| refused.version), Some(6));
        standing.take(7, &[], Watched::default());
        assert_eq!(standing.refused, None, "a newer one is another matter");
        assert_eq!((standing.current, standing.previous), (7, 3));
    }

    #[test]
    fn two_ends_by_itself_are_too_many_and_those_it_was_told_do_not_count() {
        let mut standing = Standing::default();
        standing.take(3, &[], Watched::default());
        for _ in 0..5 {
            standing.stopped();
            assert!(!standing.started());
        }
        assert!(!standing.started(), "once is chance");
        assert!(standing.started());
        assert_eq!((standing.current, standing.taken), (0, 3));
        assert!(!standing.started());
    }

    #[test]
    fn the_file_is_whole_or_the_one_before() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Standing::load(folder.path()).expect("none"), Standing::default());
        let mut standing = Standing::default();
        standing.take(9, &[], Watched::default());
        standing.save(folder.path()).expect("written");
        // What a crash leaves of the next one.
        std::fs::write(folder.path().join("standing.json.new"), b"{\"cur").expect("written");
        assert_eq!(Standing::load(folder.path()).expect("read"), standing);
        standing.is_good();
        standing.save(folder.path()).expect("written");
        assert_eq!(Standing::load(folder.path()).expect("read"), standing);
        std::fs::write(folder.path().join("standing.json"), b"{").expect("written");
        assert!(matches!(
            Standing::load(folder.path()),
            Err(StandingError::Damaged { .. })
        ));
    }
}
