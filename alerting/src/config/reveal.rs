//! `reveal`: whether sites are asked what pseudonyms stand for, and how long an answer is kept.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

/// How sites are asked (decision 0022). Without it nobody is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevealSettings {
    /// The key that questions are signed with; made when it is not there.
    pub key: PathBuf,
    /// Hours for which a request is open: for the second person and for the site together.
    #[serde(default = "default_answer_hours")]
    pub answer_hours: u32,
    /// Days for which what was revealed is kept.
    #[serde(default = "default_keep_days")]
    pub keep_days: u32,
}

/// A site is a person who may be away for a long weekend.
fn default_answer_hours() -> u32 {
    96
}

/// An incident is over by then, or asked about again.
fn default_keep_days() -> u32 {
    30
}

impl RevealSettings {
    /// Which key can't be as it is, and what to write instead.
    pub(super) fn wrong(&self) -> Option<(&'static str, String)> {
        if !(1..=720).contains(&self.answer_hours) {
            return Some(("reveal.answer_hours", "write 1 to 720".to_owned()));
        }
        if !(1..=365).contains(&self.keep_days) {
            return Some(("reveal.keep_days", "write 1 to 365".to_owned()));
        }
        None
    }

    /// For how long a request is open.
    pub(crate) fn open(&self) -> Duration {
        Duration::from_hours(self.answer_hours.into())
    }

    /// For how long what was revealed is kept.
    pub(crate) fn kept(&self) -> Duration {
        Duration::from_hours(u64::from(self.keep_days) * 24)
    }
}
