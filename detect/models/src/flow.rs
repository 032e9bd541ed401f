//! Does one flow look like exfiltration, a keep-alive, a scan or a tunnel? A flow's counters → features → a score.
//!
//! Looks at no address, no time of day and no earlier flow. Trained with drawn flows only: it is weak, and its card
//! says how weak.

use crate::format::{self, Identity, LoadError};
use crate::record::{Record, RecordError};
use crate::trees::{FEATURES_MAX, Push, Row, Score, Trees};

/// What the model looks at, in the order of the row. Explained in `docs/models.md`.
pub(crate) const FEATURES: [&str; 18] = [
    "duration",
    "source_bytes",
    "destination_bytes",
    "source_packets",
    "destination_packets",
    "source_share",
    "source_packet_size",
    "destination_packet_size",
    "bytes_rate",
    "packet_gap",
    "port_web",
    "port_dns",
    "port_mail",
    "port_admin",
    "port_high",
    "outbound",
    "state",
    "transport",
];

/// What the model is called in its file, its card and its records.
pub(crate) const NAME: &str = "flows";

/// Where a flow goes, as `network.direction` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlowDirection {
    /// From home to elsewhere.
    Outbound,
    /// From elsewhere to home.
    Inbound,
    /// From home to home.
    Internal,
    /// Anything else, or unknown.
    #[default]
    Other,
}

/// How a flow ended, as `varde.flow.state` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlowState {
    /// Both sides talked (established, closed).
    Answered,
    /// Refused (rejected).
    Rejected,
    /// No answer (attempted).
    Attempted,
    /// Broken off (reset).
    Reset,
    /// Anything else, or unknown.
    #[default]
    Other,
}

/// What carries a flow, as `network.transport` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlowTransport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP, of IPv4 or IPv6.
    Icmp,
    /// Anything else, or unknown.
    #[default]
    Other,
}

/// The counters of one flow. What a sensor does not know is 0 or `Other`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowFeatures {
    /// From the first packet to the last, in milliseconds.
    pub duration_ms: u64,
    /// Bytes from the one who began.
    pub source_bytes: u64,
    /// Bytes to the one who began.
    pub destination_bytes: u64,
    /// Packets from the one who began.
    pub source_packets: u64,
    /// Packets to the one who began.
    pub destination_packets: u64,
    /// The port of the one who answers.
    pub destination_port: u16,
    /// Where it goes.
    pub direction: FlowDirection,
    /// How it ended.
    pub state: FlowState,
    /// What carries it.
    pub transport: FlowTransport,
}

/// Judges flows. Made by [`FlowModel::load`]; immutable.
#[derive(Clone, Debug)]
pub struct FlowModel {
    identity: Identity,
    trees: Trees,
}

/// What the model says about one flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowVerdict {
    /// How much it looks like what the model was trained to find.
    pub score: Score,
    /// What was looked at; for [`FlowModel::explain`] and [`FlowModel::record`].
    pub features: Row,
}

impl FlowModel {
    /// Reads a model.
    ///
    /// # Errors
    /// If it is damaged, of a newer format, or another model.
    pub fn load(bytes: &[u8]) -> Result<Self, LoadError> {
        let read = format::read(bytes, NAME, &FEATURES)?;
        Ok(Self {
            identity: read.identity,
            trees: read.trees,
        })
    }

    /// Which model it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Scores a flow. Allocates nothing.
    #[must_use]
    pub fn score(&self, flow: &FlowFeatures) -> Score {
        self.verdict(flow).score
    }

    /// Scores a flow, and says what was looked at.
    #[must_use]
    pub fn verdict(&self, flow: &FlowFeatures) -> FlowVerdict {
        let features = flow.row();
        FlowVerdict {
            score: self.trees.score(&features),
            features,
        }
    }

    /// Which features pushed the score, the furthest first.
    #[must_use]
    pub fn explain(&self, verdict: &FlowVerdict) -> Vec<Push> {
        self.trees.explain(&verdict.features, &FEATURES)
    }

    /// What an alert keeps so that the verdict can be computed again. No address is in it.
    #[must_use]
    pub fn record(&self, verdict: &FlowVerdict) -> Record {
        Record::new(&self.identity, &FEATURES, &verdict.features, verdict.score)
    }

    /// Computes a recorded verdict again.
    ///
    /// # Errors
    /// If it is another model's, or the score differs.
    pub fn verify(&self, record: &Record) -> Result<(), RecordError> {
        record.verify(&self.identity, FEATURES.len(), &self.trees)
    }
}

impl FlowFeatures {
    pub(crate) fn row(&self) -> Row {
        let bytes = self.source_bytes.saturating_add(self.destination_bytes);
        let packets = self.source_packets.saturating_add(self.destination_packets);
        let share = u128::from(self.source_bytes) * 1_000 / u128::from(bytes.max(1));
        let port = |ports: &[u16]| i16::from(ports.contains(&self.destination_port));
        let values = [
            octaves(self.duration_ms),
            octaves(self.source_bytes),
            octaves(self.destination_bytes),
            octaves(self.source_packets),
            octaves(self.destination_packets),
            i16::try_from(share).unwrap_or(0),
            octaves(self.source_bytes / self.source_packets.max(1)),
            octaves(self.destination_bytes / self.destination_packets.max(1)),
            octaves(bytes.saturating_mul(1_000) / self.duration_ms.max(1)),
            octaves(self.duration_ms / packets.max(1)),
            port(&[80, 443, 8080, 8443]),
            port(&[53, 853]),
            port(&[25, 110, 143, 465, 587, 993, 995]),
            port(&[22, 23, 135, 139, 445, 1433, 3306, 3389, 5900, 5985, 5986]),
            i16::from(1_024 <= self.destination_port),
            i16::from(self.direction == FlowDirection::Outbound),
            match self.state {
                FlowState::Answered => 0,
                FlowState::Other => 1,
                FlowState::Reset => 2,
                FlowState::Rejected => 3,
                FlowState::Attempted => 4,
            },
            match self.transport {
                FlowTransport::Tcp => 0,
                FlowTransport::Udp => 1,
                FlowTransport::Icmp => 2,
                FlowTransport::Other => 3,
            },
        ];
        let mut row = [0; FEATURES_MAX];
        for (place, value) in row.iter_mut().zip(values) {
            *place = value;
        }
        row
    }
}

/// Eighths of an octave, by integers: below 8 the number itself, then 8 steps to each doubling.
fn octaves(number: u64) -> i16 {
    let Some(beyond) = number.checked_ilog2().and_then(|bits| bits.checked_sub(3)) else {
        return i16::try_from(number).unwrap_or(0);
    };
    let eighths = (number >> beyond) & 7;
    i16::try_from(8 * (u64::from(beyond) + 1) + eighths).unwrap_or(i16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octaves_rise_with_the_number_and_never_skip() {
        for (number, octave) in [
            (0, 0),
            (7, 7),
            (8, 8),
            (15, 15),
            (16, 16),
            (17, 16),
            (18, 17),
            (1_500, 67),
        ] {
            assert_eq!(octaves(number), octave, "{number}");
        }
        for number in 0..100_000 {
            let step = octaves(number + 1) - octaves(number);
            assert!(step == 0 || step == 1, "{number}");
        }
        assert_eq!(octaves(u64::MAX), 495);
    }

    #[test]
    fn counters_of_any_size_are_features() {
        let most = FlowFeatures {
            duration_ms: u64::MAX,
            source_bytes: u64::MAX,
            destination_bytes: u64::MAX,
            source_packets: u64::MAX,
            destination_packets: u64::MAX,
            destination_port: u16::MAX,
            ..FlowFeatures::default()
        };
        assert_eq!(most.row()[5], 1_000);
        assert_eq!(FlowFeatures::default().row()[5], 0);
        let even = FlowFeatures {
            source_bytes: 300,
            destination_bytes: 900,
            ..FlowFeatures::default()
        };
        assert_eq!(even.row()[5], 250);
    }
}
