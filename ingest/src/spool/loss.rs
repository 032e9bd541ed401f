//! What is gone without having been published, and why.

use serde::{Deserialize, Serialize};

use super::Stream;

/// Why records are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The spool had reached `spool_bytes_max`.
    Full,
    /// The spool had reached `spool_bytes_max`, and nothing in it was less important: it was not let in.
    TurnedAway,
    /// The disk had no room.
    Disk,
    /// What the disk gave back was not what had been written.
    Damaged,
}

/// Records that are gone without having been published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Which.
    pub stream: Stream,
    /// Why.
    pub cause: Cause,
    /// How many.
    pub records: u64,
    /// Of which time, in nanoseconds since 1970, where it is known.
    pub times: Option<(i64, i64)>,
    /// First and last sequence number, where they were given.
    pub sequences: Option<(u64, u64)>,
}

impl Loss {
    /// Adds another one of the same stream and cause.
    pub fn add(&mut self, other: Self) {
        fn span<T: Ord + Copy>(one: Option<(T, T)>, other: Option<(T, T)>) -> Option<(T, T)> {
            match (one, other) {
                (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
                (one, other) => one.or(other),
            }
        }
        self.records += other.records;
        self.times = span(self.times, other.times);
        self.sequences = span(self.sequences, other.sequences);
    }
}

impl Cause {
    /// In events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::TurnedAway => "turned_away",
            Self::Disk => "disk",
            Self::Damaged => "damaged",
        }
    }
}
