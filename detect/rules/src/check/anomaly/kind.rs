//! The numbers of a condition to the [`AnomalyKind`] they make.

use std::collections::BTreeMap;

use super::form::Form;
use crate::{AnomalyKind, Baseline};

/// What was read of a condition, each within its bounds.
pub(super) struct Numbers(pub(super) BTreeMap<&'static str, f64>);

impl Numbers {
    /// A number; 0 where the author may leave it out and did.
    fn real(&self, key: &str) -> f64 {
        self.0.get(key).copied().unwrap_or(0.0)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole and from 0 to 2^53 by the table of forms"
    )]
    fn whole(&self, key: &str) -> u64 {
        self.real(key) as u64
    }

    /// A whole number, if the author gave it.
    pub(super) fn given(&self, key: &str) -> Option<u64> {
        self.0.contains_key(key).then(|| self.whole(key))
    }
}

/// Builds a kind. `None` where the table has a type that this does not know, which a test rules out.
pub(super) fn build(
    form: &Form,
    numbers: &Numbers,
    baseline: Baseline,
    interval_ns: i64,
) -> Option<AnomalyKind> {
    Some(match form.name {
        "new_value" => AnomalyKind::NewValue,
        "rare" => AnomalyKind::Rare {
            share: numbers.real("lte"),
            minimum: numbers.whole("minimum"),
        },
        "threshold_baseline" => AnomalyKind::ThresholdBaseline {
            baseline,
            interval_ns,
            deviations: numbers.real("gte"),
            minimum: numbers.real("minimum"),
        },
        "beacon" => AnomalyKind::Beacon {
            score: numbers.real("gte"),
            minimum: numbers.whole("minimum"),
        },
        "distinct" => AnomalyKind::Distinct {
            at_least: numbers.whole("gte"),
        },
        "volume" => AnomalyKind::Volume {
            at_least: numbers.whole("gte"),
            ratio: numbers.real("ratio"),
        },
        "dns_tunnel" => AnomalyKind::DnsTunnel {
            names: numbers.whole("names"),
            bytes: numbers.whole("bytes"),
            entropy: numbers.real("entropy"),
        },
        "dga" => AnomalyKind::Dga {
            score: numbers.real("score"),
            names: numbers.whole("names"),
        },
        "silence" => AnomalyKind::Silence {
            factor: numbers.real("factor"),
        },
        "national" => AnomalyKind::National {
            organizations: numbers.whole("organizations"),
        },
        "flow" => AnomalyKind::Flow {
            score: numbers.real("score"),
            minimum: numbers.whole("minimum"),
        },
        _ => return None,
    })
}
