//! Another ruleset under groups that are open: what did not change goes on, without a copy.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{Correlator, keeper};
use crate::ruleset::Ruleset;

impl Correlator {
    /// Goes on with another ruleset. The groups of rules that did not change stay where they are; those of
    /// rules that changed or are gone are dropped, as [`Correlator::restore`] does.
    ///
    /// The cost is that of the rules, not of the groups, unless a rule went; and of what waits for its turn.
    pub fn adopt(&mut self, ruleset: Arc<Ruleset>) {
        let before = Arc::clone(&self.ruleset);
        let mut known: FxHashMap<_, _> = before
            .tracks
            .all
            .iter()
            .map(|track| track.identity)
            .zip(self.keepers.drain(..))
            .collect();
        let keepers = ruleset.tracks.all.iter().map(|track| {
            let kept = known.remove(&track.identity);
            kept.unwrap_or_else(|| keeper::of(track))
        });
        self.keepers = keepers.collect();
        for lane in self.lanes.values_mut() {
            lane.order
                .renumber(|track| ruleset.tracks.number(before.tracks.get(track)?.identity));
        }
        self.gatherer
            .renumber(|track| ruleset.tracks.number(before.tracks.get(track)?.identity));
        if let Some(together) = &mut self.together {
            together.adopt(Arc::clone(&ruleset));
        }
        self.ruleset = ruleset;
    }
}
