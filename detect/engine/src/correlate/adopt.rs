//! Another ruleset under windows that are open: what did not change goes on, without a copy.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::{Correlator, Identity, counts};
use crate::ruleset::Ruleset;

impl Correlator {
    /// Goes on with another ruleset. Windows of correlations that did not change stay where they are; those of
    /// correlations that changed or are gone are dropped, as [`Correlator::restore`] does.
    ///
    /// The cost is that of the correlations, not of the windows, unless a correlation went.
    pub fn adopt(&mut self, ruleset: Arc<Ruleset>) {
        let identities: Vec<Identity> = ruleset.correlations.iter().map(Identity::of).collect();
        let kept: FxHashSet<Identity> = identities.iter().copied().collect();
        if self.identities.iter().any(|identity| !kept.contains(identity)) {
            self.groups.retain(|key, _| kept.contains(&key.correlation));
            self.quiet.retain(|(_, key)| kept.contains(&key.correlation));
        }
        self.counts = counts(&ruleset);
        self.numbers = identities.iter().copied().zip(0..).collect();
        self.identities = identities;
        self.ruleset = ruleset;
    }
}
