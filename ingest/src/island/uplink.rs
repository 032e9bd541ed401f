//! Since when the bus has taken nothing of what waits. Without a clock.
//!
//! That nothing leaves where nothing waits says nothing; canaries see to it that something does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ingest_event::Timestamp;

use crate::control::files;

/// The way out, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Uplink {
    /// Since when something has waited of which nothing was taken.
    waiting_since: Option<Timestamp>,
}

impl Uplink {
    /// Something waits.
    pub(super) fn waits(&mut self, now: Timestamp) {
        // A clock that was set back makes nothing wait longer than it has.
        self.waiting_since = Some(self.waiting_since.map_or(now, |since| since.min(now)));
    }

    /// Something was taken.
    pub(super) fn taken(&mut self, is_left: bool, now: Timestamp) {
        self.waiting_since = is_left.then_some(now);
    }

    /// Since when it is cut, if for so long nothing was taken.
    pub(super) fn cut_since(&self, after: Duration, now: Timestamp) -> Option<Timestamp> {
        self.waiting_since.filter(|since| after <= now.since(*since))
    }
}

fn place(state: &Path) -> PathBuf {
    state.join("island")
}

/// Keeps over a restart since when it is cut. What can't be kept is found again after the same time.
pub(super) fn remember(state: &Path, since: Timestamp) {
    if let Err(error) = files::write(&place(state), since.to_string().as_bytes()) {
        tracing::warn!(%error, "note that the centre is away");
    }
}

/// What was kept.
pub(super) fn remembered(state: &Path) -> Option<Timestamp> {
    let kept = files::read(&place(state)).ok()??;
    String::from_utf8(kept).ok()?.parse().ok()
}

/// It is not cut any more.
pub(super) fn forget(state: &Path) {
    if let Err(error) = files::remove(&place(state)) {
        tracing::warn!(%error, "note that the centre is reached again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_cut_when_something_waits_and_nothing_is_taken() {
        let at = |secs: i64| Timestamp::from_nanos(secs * 1_000_000_000);
        let after = Duration::from_secs(900);
        let mut uplink = Uplink::default();
        assert_eq!(uplink.cut_since(after, at(10_000)), None, "nothing waits");
        uplink.waits(at(100));
        uplink.waits(at(500));
        assert_eq!(uplink.cut_since(after, at(999)), None);
        assert_eq!(uplink.cut_since(after, at(1_000)), Some(at(100)));
        uplink.taken(true, at(1_000));
        assert_eq!(uplink.cut_since(after, at(1_899)), None, "something is taken");
        assert_eq!(uplink.cut_since(after, at(1_900)), Some(at(1_000)));
        uplink.taken(false, at(2_000));
        assert_eq!(uplink.cut_since(after, at(99_999)), None);
        uplink.waits(at(100_000));
        uplink.waits(at(50));
        assert_eq!(
            uplink.cut_since(after, at(949)),
            None,
            "a clock that was set back"
        );
    }
}
