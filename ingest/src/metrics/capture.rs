//! The figures of captures, from files and from the wire: what became of every frame, and what was let go.

use prometheus::{IntCounter, IntGauge, Registry};

use crate::capture::Counts;

/// All figures of all captures; clones share them.
#[derive(Clone, Debug)]
pub struct CaptureMetrics {
    packets: IntCounter,
    bytes: IntCounter,
    not_ip: IntCounter,
    cut: IntCounter,
    refused: IntCounter,
    flows: IntGauge,
    evicted: IntCounter,
    conversations_dropped: IntCounter,
    fragments_given_up: IntCounter,
}

impl CaptureMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let flows = IntGauge::new("ingest_capture_flows", "Flows that are not over.")?;
        registry.register(Box::new(flows.clone()))?;
        Ok(Self {
            packets: counter("ingest_capture_packets_total", "Frames read.")?,
            bytes: counter("ingest_capture_bytes_total", "Captured bytes of frames read.")?,
            not_ip: counter("ingest_capture_not_ip_total", "Frames that carry no IP.")?,
            cut: counter(
                "ingest_capture_cut_total",
                "Frames of which too little was captured.",
            )?,
            refused: counter("ingest_capture_refused_total", "Frames that can't be read.")?,
            flows,
            evicted: counter(
                "ingest_capture_flows_evicted_total",
                "Flows let go early because the table was full.",
            )?,
            conversations_dropped: counter(
                "ingest_capture_conversations_dropped_total",
                "Conversations no longer listened to for want of room.",
            )?,
            fragments_given_up: counter(
                "ingest_capture_fragments_given_up_total",
                "Fragmented packets that could not be put together.",
            )?,
        })
    }

    /// Adds what one capture counted since it counted `before`.
    pub(crate) fn advance(&self, before: Counts, after: Counts) {
        for (counter, of) in [
            (&self.packets, (|counts| counts.packets) as fn(&Counts) -> u64),
            (&self.bytes, |counts| counts.bytes),
            (&self.not_ip, |counts| counts.not_ip),
            (&self.cut, |counts| counts.cut),
            (&self.refused, |counts| counts.refused),
            (&self.evicted, |counts| counts.flows_evicted),
            (&self.conversations_dropped, |counts| counts.conversations_dropped),
            (&self.fragments_given_up, |counts| counts.fragments_given_up),
        ] {
            counter.inc_by(of(&after).saturating_sub(of(&before)));
        }
        // Several captures have one figure: each adds what it has more.
        self.flows
            .add(after.flows_live.cast_signed() - before.flows_live.cast_signed());
    }
}
