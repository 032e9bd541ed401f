//! What a checked anomaly rule is: whose matches are compared with what is usual, and when they are an alert.
//!
//! A form of Varde's own, as close to Sigma's correlations as can be: `anomaly:` stands where `correlation:` would, with
//! `type`, `rules`, `group-by`, `aliases`, `timespan` and `condition` in the same sense. See `docs/anomaly-rules.md`.
//! Serialisable for a cache of this program's own only.

use detect_alert::{Confidence, Pap, Producer, Severity, Tlp};
use serde::{Deserialize, Serialize};

use crate::Base;

/// An anomaly rule.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Anomaly {
    /// What an alert says of it. `ruleset` is still empty.
    pub producer: Producer,
    /// `level`.
    pub severity: Severity,
    /// As for a rule.
    pub confidence: Confidence,
    /// As for a rule.
    pub tlp: Tlp,
    /// As for a rule.
    pub pap: Pap,
    /// What is unusual, with its limits.
    pub kind: AnomalyKind,
    /// Whose matches, and under which names their fields go.
    pub bases: Vec<Base>,
    /// What an entity is called, in order; the names an alert shows.
    pub group_by: Vec<String>,
    /// Which member of `group_by` the alert is about: the author's (`varde.entity`), or the only one there is.
    pub entity: Option<usize>,
    /// The measured fields as the author wrote them, in the order of [`Base::values`].
    pub fields: Vec<String>,
    /// The window, or how long something is remembered after it was last seen, in nanoseconds.
    pub timespan_ns: i64,
    /// How long an entity is only watched, from its first event on, in nanoseconds; 0 where nothing is learned. With
    /// `callers`, alerts about what somebody called before are not as grave as the rule says.
    pub learning_ns: i64,
    /// At most so many machines of the organisation may call what is called; see [`Anomaly::caller`].
    pub callers: Option<u64>,
    /// False for one that is only the base of others (which have no `generate: true`).
    pub raises: bool,
    /// BLAKE3 of the document's text.
    pub digest: [u8; 32],
}

/// What is unusual. Every number is the author's, from `condition`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AnomalyKind {
    /// A value that this entity has not had since it was first seen: `field`.
    NewValue,
    /// A value that few events of this entity have: `field`, at most `lte` of them (0 to 1), counted
    /// from `minimum` events on.
    Rare {
        /// The largest share that is rare, 0 to 1.
        share: f64,
        /// Events that there must be before a share means something.
        minimum: u64,
    },
    /// A count, or the sum of `field`, per `interval` that is far from the baseline: `gte` robust deviations.
    ThresholdBaseline {
        /// What is compared with.
        baseline: Baseline,
        /// One observation, in nanoseconds.
        interval_ns: i64,
        /// So many deviations are far.
        deviations: f64,
        /// What an observation must reach, however small the baseline is.
        minimum: f64,
    },
    /// Contacts at regular intervals, with like sizes if there is a `field`: a score of 0 to 1.
    Beacon {
        /// The score it takes.
        score: f64,
        /// So many contacts there must be.
        minimum: u64,
    },
    /// So many different values of `field` in the time span; estimated, see `docs/anomaly-rules.md`.
    Distinct {
        /// It takes so many.
        at_least: u64,
    },
    /// So much of the first `field` in the time span, and so many times the second.
    Volume {
        /// It takes so much.
        at_least: u64,
        /// And so many times the second field, if there is one.
        ratio: f64,
    },
    /// Names under one registered domain that carry data: `field` is the question's name.
    DnsTunnel {
        /// So many different names in the time span.
        names: u64,
        /// So many bytes of them in front of the registered domain.
        bytes: u64,
        /// So many bits a character.
        entropy: f64,
    },
    /// Names that a model holds for generated: `field` is the question's name.
    Dga {
        /// What the model must say, 0 to 1.
        score: f64,
        /// So many different names in the time span.
        names: u64,
    },
    /// Nothing from the entity for the time span, or for `factor` times as long as is usual, whichever is longer.
    Silence {
        /// How many times the longest usual pause; 0 takes the time span alone.
        factor: f64,
    },
    /// The same group in so many organisations in the time span; one alert, to the CERT.
    National {
        /// It takes so many.
        organizations: u64,
    },
    /// A flow that a model holds for hostile.
    Flow {
        /// What the model must say, 0 to 1.
        score: f64,
        /// So many such flows in the time span.
        minimum: u64,
    },
}

/// What an observation is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Baseline {
    /// Exponentially weighted mean and deviation; `timespan` is its memory.
    Ewma,
    /// One such for each hour of the week, in UTC.
    HourOfWeek,
}

impl AnomalyKind {
    /// As the author writes it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NewValue => "new_value",
            Self::Rare { .. } => "rare",
            Self::ThresholdBaseline { .. } => "threshold_baseline",
            Self::Beacon { .. } => "beacon",
            Self::Distinct { .. } => "distinct",
            Self::Volume { .. } => "volume",
            Self::DnsTunnel { .. } => "dns_tunnel",
            Self::Dga { .. } => "dga",
            Self::Silence { .. } => "silence",
            Self::National { .. } => "national",
            Self::Flow { .. } => "flow",
        }
    }

    /// Whether it learns what one entity usually does. Where children learn and where the ill are cared for, no such
    /// thing is kept of a device or a person (R16).
    #[must_use]
    pub const fn is_baseline(&self) -> bool {
        match self {
            Self::NewValue | Self::Rare { .. } | Self::ThresholdBaseline { .. } | Self::Silence { .. } => {
                true
            }
            Self::Beacon { .. }
            | Self::Distinct { .. }
            | Self::Volume { .. }
            | Self::DnsTunnel { .. }
            | Self::Dga { .. }
            | Self::National { .. }
            | Self::Flow { .. } => false,
        }
    }
}

/// Field sets of ECS that are about a device or a person.
const DEVICE_SETS: [&str; 12] = [
    "agent",
    "client",
    "destination",
    "device",
    "email",
    "host",
    "process",
    "related",
    "server",
    "source",
    "user",
    "winlog",
];

/// What such a field set says of a device that does not tell it from others.
const NO_DEVICE: [&str; 5] = ["as", "bytes", "geo", "packets", "port"];

/// Words that name a device or a person wherever they stand.
const DEVICE_WORDS: [&str; 6] = ["address", "hostname", "ip", "mac", "user", "username"];

impl Anomaly {
    /// Which member of `group_by` calls, where a rule asks how many do: what is called is the rest of the group.
    #[must_use]
    pub fn caller(&self) -> Option<usize> {
        self.callers.and(self.entity)
    }

    /// Whether it keeps what is usual for a device or a person: where children learn and where the ill are cared for,
    /// events are not shown to such a rule (R16).
    ///
    /// What counts is what the group is made of, and the field whose values are remembered one by one (`new_value`, `rare`).
    /// A name that is not of ECS, such as `Computer` or an alias, is taken for one of a device: nothing is known of it.
    #[must_use]
    pub fn is_per_device(&self) -> bool {
        if !self.kind.is_baseline() {
            return false;
        }
        let values = match self.kind {
            AnomalyKind::NewValue | AnomalyKind::Rare { .. } => true,
            AnomalyKind::ThresholdBaseline { .. }
            | AnomalyKind::Silence { .. }
            | AnomalyKind::Beacon { .. }
            | AnomalyKind::Distinct { .. }
            | AnomalyKind::Volume { .. }
            | AnomalyKind::DnsTunnel { .. }
            | AnomalyKind::Dga { .. }
            | AnomalyKind::National { .. }
            | AnomalyKind::Flow { .. } => false,
        };
        self.bases.iter().any(|base| {
            let kept = base.values.iter().filter(|_| values);
            let mut names = base.group_by.iter().chain(kept).filter_map(|names| names.first());
            names.any(|name| is_of_device(name))
        })
    }
}

/// Whether a field, by the first name under which it is looked up, is of a device or a person.
fn is_of_device(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        [] | [_] => true,
        [set, member, ..] if DEVICE_SETS.contains(set) => !NO_DEVICE.contains(member),
        [_, rest @ ..] => rest.iter().any(|part| DEVICE_WORDS.contains(part)),
    }
}
