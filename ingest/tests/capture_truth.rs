//! What others recorded of the same captures: Zeek's logs and Suricata's events, where they are at hand.
//!
//! They are looked for in `VARDE_CAPTURES`, by default `../shared/captures` beside the workspace. Nothing of them is
//! kept in this repository but the names of the files compared.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that panics is a test that fails"
)]

#[path = "capture/lab.rs"]
mod lab;
#[path = "capture/others.rs"]
mod others;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use ingest::{
    capture::CaptureOptions,
    disclose::class,
    record::{Draft, Record},
};
use ingest_event::Value;

fn drafts(path: &Path) -> Vec<Draft> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    lab::read(&bytes[..], CaptureOptions::default())
        .into_iter()
        .filter_map(|record| match record {
            Record::Event(draft) => Some(draft),
            Record::Refused(_) => None,
        })
        .collect()
}

fn text(draft: &Draft, name: &str) -> String {
    draft.fields.get(name).map(Value::to_string).unwrap_or_default()
}

/// The rows of a Zeek log, by column.
fn zeek_log(path: &Path) -> Vec<BTreeMap<String, String>> {
    let log = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut columns: Vec<String> = Vec::new();
    let mut rows = Vec::new();
    for line in log.lines() {
        if let Some(names) = line.strip_prefix("#fields\t") {
            columns = names.split('\t').map(str::to_owned).collect();
        } else if !line.starts_with('#') {
            let values = line.split('\t').map(str::to_owned);
            rows.push(columns.iter().cloned().zip(values).collect());
        }
    }
    rows
}

/// A capture under `zeek/Traces` and the folder under `zeek/Baseline` with the flows that Zeek found inside tunnels.
const TUNNELS: [(&str, &str); 10] = [
    ("tunnels/vxlan.pcap", "core.tunnels.vxlan"),
    ("tunnels/geneve.pcap", "core.tunnels.geneve"),
    (
        "tunnels/geneve-many-options.pcap",
        "core.tunnels.geneve-many-options",
    ),
    ("tunnels/geneve-47101.pcap", "core.tunnels.geneve-47101"),
    (
        "tunnels/geneve-vxlan-dns-truncated.pcap",
        "core.tunnels.geneve-vxlan-truncated",
    ),
    ("tunnels/gre-within-gre.pcap", "core.tunnels.gre-in-gre"),
    ("tunnels/gre-pptp.pcap", "core.tunnels.gre-pptp"),
    ("erspanI.pcap", "core.erspanI"),
    (
        "../../suricata-verify/tests/decode-erspan-typeII-01/input.pcap",
        "core.erspanII",
    ),
    ("erspanIII.pcap", "core.erspanIII"),
];

#[test]
fn flows_inside_tunnels_are_those_that_zeek_finds() {
    let Some(root) = others::folder() else { return };
    let (mut compared, mut missing) = (0, Vec::new());
    for (trace, baseline) in TUNNELS {
        let ours: BTreeSet<String> = drafts(&root.join("zeek/Traces").join(trace))
            .iter()
            .filter(|draft| draft.dataset == "network.flow" && !text(draft, "varde.tunnel.type").is_empty())
            .map(|draft| {
                let at = |name| text(draft, name);
                let (source, destination) = (at("source.port"), at("destination.port"));
                format!(
                    "{} {source} {} {destination}",
                    at("source.ip"),
                    at("destination.ip")
                )
            })
            .collect();
        for row in zeek_log(&root.join("zeek/Baseline").join(baseline).join("conn.log")) {
            let is_tunnel = ["4789", "6081"].contains(&&row["id.resp_p"][..]);
            if row["tunnel_parents"] == "-" || row["tunnel_parents"] == "(empty)" || is_tunnel {
                continue;
            }
            compared += 1;
            // Zeek writes type and code of ICMP where ports are.
            let port = |name: &str| if row["proto"] == "icmp" { "" } else { &row[name] };
            let theirs = format!(
                "{} {} {} {}",
                row["id.orig_h"],
                port("id.orig_p"),
                row["id.resp_h"],
                port("id.resp_p")
            );
            if !ours.contains(&theirs) {
                missing.push(format!("{trace}: {theirs}, not in {ours:?}"));
            }
        }
    }
    println!("{compared} flows compared");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_field_of_every_capture_is_declared_with_its_class() {
    let Some(root) = others::folder() else { return };
    let mut undeclared = BTreeSet::new();
    for path in lab::captures_under(&root) {
        for record in lab::try_read(&fs::read(&path).expect("readable")[..]) {
            if let Record::Event(draft) = record {
                let names = draft.fields.iter().map(|(name, _)| name.to_owned());
                undeclared.extend(names.filter(|name| class(name).is_none()));
            }
        }
    }
    assert!(undeclared.is_empty(), "{undeclared:?}");
}
