//! The figures of captures, from files and from the wire: what became of every frame, and what was let go.

use prometheus::{IntCounter, IntGauge, Registry};

use ingest_ring::Statistics;

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
    kernel_packets: IntCounter,
    kernel_drops: IntCounter,
    kernel_freezes: IntCounter,
    doubles: IntCounter,
    unread: IntCounter,
    lost: IntCounter,
    interfaces: IntGauge,
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
        let interfaces = IntGauge::new("ingest_capture_interfaces", "Interfaces listened to now.")?;
        registry.register(Box::new(interfaces.clone()))?;
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
            kernel_packets: counter(
                "ingest_capture_kernel_packets_total",
                "Packets of interfaces that passed the filter.",
            )?,
            kernel_drops: counter(
                "ingest_capture_kernel_drops_total",
                "Packets for which the kernel had no room.",
            )?,
            kernel_freezes: counter(
                "ingest_capture_kernel_freezes_total",
                "How often the kernel had no room at all.",
            )?,
            doubles: counter(
                "ingest_capture_doubles_total",
                "Packets of a loopback seen a second time.",
            )?,
            unread: counter(
                "ingest_capture_unread_total",
                "Packets that the kernel said are there and are not.",
            )?,
            lost: counter(
                "ingest_capture_interfaces_lost_total",
                "How often an interface went down or away.",
            )?,
            interfaces,
        })
    }

    /// Packets for which the kernel had no room, so far.
    #[must_use]
    pub fn kernel_drops(&self) -> u64 {
        self.kernel_drops.get()
    }

    /// Adds what the kernel counted.
    pub(crate) fn kernel(&self, counted: Statistics) {
        self.kernel_packets.inc_by(counted.packets);
        self.kernel_drops.inc_by(counted.drops);
        self.kernel_freezes.inc_by(counted.freezes);
    }

    /// Adds packets of a ring that were not read.
    pub(crate) fn passed_over(&self, doubles: u64, unread: u64) {
        self.doubles.inc_by(doubles);
        self.unread.inc_by(unread);
    }

    /// Says that an interface is listened to.
    pub(crate) fn listening(&self) {
        self.interfaces.inc();
    }

    /// Says that it no longer is.
    pub(crate) fn ended(&self) {
        self.interfaces.dec();
    }

    /// Counts an interface that went away.
    pub(crate) fn lost(&self) {
        self.lost.inc();
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
