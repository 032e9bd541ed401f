//! Datagrams of exporters: what is handed out is what is counted, what can't be read says why, and what is kept is bounded.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ingest::export::{Collector, DOMAINS_MAX, KeptDomain, TEMPLATES_MAX, WAITING_BYTES_MAX, draft};
use ingest::record::Record;

use crate::account::{Account, NOW, Onward, home_networks};
use crate::conversation;

/// Calls to hand out what waited: far more than there can be.
const CALLS_MAX: usize = 10_000;

/// Each message is a datagram, in order; whose it is, its kind says.
pub(crate) fn datagrams(bytes: &[u8]) -> Account {
    let Some(mut onward) = Onward::new() else {
        return Account::default();
    };
    let home = home_networks();
    let (mut collector, mut now, mut flows, mut before) = (Collector::new(), NOW, 0, 0);
    for message in conversation::messages(bytes) {
        let exporter = match message.is_answer {
            false => IpAddr::V6(Ipv6Addr::LOCALHOST),
            true => IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        now = now.saturating_add(Duration::from_secs(message.pause.into()));
        if message.is_again {
            before += collector.counts().flows;
            collector = restarted(&collector);
        }
        let mut seen = Vec::new();
        let read = collector.collect(exporter, message.bytes, now, &mut |origin, flow| {
            seen.push(draft(origin, flow, &home));
        });
        if read.is_err() {
            onward.account().result::<(), _>("datagram", read);
        }
        let mut calls = 0;
        while collector.is_resuming() {
            calls += 1;
            assert!(calls < CALLS_MAX, "no end of what waits");
            collector.resume(now, &mut |origin, flow| seen.push(draft(origin, flow, &home)));
        }
        flows += seen.len() as u64;
        for (draft, position) in seen.into_iter().zip(1..) {
            onward.take(Record::Event(ingest::record::Draft { position, ..draft }));
        }
        let counts = collector.counts();
        assert_eq!(flows, before + counts.flows, "each flow is counted: {counts:?}");
        assert!(counts.templates <= TEMPLATES_MAX as u64, "{counts:?}");
        assert!(counts.sets_waiting <= WAITING_BYTES_MAX as u64 / 4, "{counts:?}");
    }
    onward.account().is_bounded(bytes.len());
    onward.end()
}

/// What goes on after a restart.
fn restarted(collector: &Collector) -> Collector {
    let kept = collector.kept();
    assert!(kept.len() <= DOMAINS_MAX, "{} domains", kept.len());
    let written = serde_json::to_vec(&kept).unwrap_or_default();
    let read: Vec<KeptDomain> = serde_json::from_slice(&written).unwrap_or_default();
    assert_eq!(read, kept, "what is kept is read again");
    let mut restarted = Collector::new();
    restarted.restore(&read);
    assert_eq!(restarted.kept(), kept, "what was known is known");
    restarted
}
