//! Drawn flows → the flow model, and what it is measured with.

use super::boost::{Sample, boost};
use super::domains::Trained;
use super::flow_kinds::FlowKind;
use crate::flow::{FEATURES, FlowFeatures, NAME};
use crate::format::{Head, write};

/// Trees of the model.
const TREES: usize = 48;

/// Flows drawn of each kind.
const FLOWS_OF_KIND: usize = 2_000;

/// What a model is trained with.
#[derive(Clone, Copy, Debug)]
pub struct FlowTraining {
    seed: u64,
    without: Option<FlowKind>,
}

impl FlowTraining {
    /// With all kinds.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, without: None }
    }

    /// Leaves out a kind, to measure how well one is found that was never seen.
    #[must_use]
    pub fn without(mut self, kind: FlowKind) -> Self {
        self.without = Some(kind);
        self
    }

    /// Flows of a kind that were drawn from another seed than the training's.
    #[must_use]
    pub fn held_out(&self, kind: FlowKind, count: usize) -> Vec<FlowFeatures> {
        kind.flows(!self.seed, count)
    }

    /// Trains. The same seed gives the same bytes.
    #[must_use]
    pub fn train(&self) -> Trained {
        let mut samples = Vec::new();
        let (mut ordinary, mut targets) = (0, 0);
        for kind in FlowKind::ALL
            .into_iter()
            .filter(|kind| Some(*kind) != self.without)
        {
            let is_target = kind.is_target();
            let flows = kind.flows(self.seed, FLOWS_OF_KIND);
            *(if is_target { &mut targets } else { &mut ordinary }) += flows.len();
            let sample = |flow: &FlowFeatures| Sample {
                row: flow.row(),
                is_target,
                weight: 1,
            };
            samples.extend(flows.iter().map(sample));
        }
        let trees = boost(&samples, FEATURES.len(), TREES);
        let head = Head {
            name: NAME,
            seed: self.seed,
            data: "flows drawn by Varde, no recorded ones",
            features: &FEATURES,
        };
        Trained {
            file: write(&head, None, &trees),
            ordinary,
            targets,
        }
    }
}
