//! Datagrams of real devices by others, where they are at hand: none is refused, and what they say is what their
//! authors read in them. Looked for in `VARDE_CAPTURES`, by default `../shared/captures` beside the workspace; nothing of
//! them is kept in this repository.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that panics is a test that fails"
)]

#[path = "export/datagrams.rs"]
mod datagrams;
#[path = "capture/others.rs"]
mod others;

use std::{
    collections::BTreeMap,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use datagrams::datagrams;
use ingest::export::{CollectError, Collector, FlowRecord};
use ingest_event::Timestamp;

fn captures() -> Option<PathBuf> {
    others::folder().map(|root| root.join("flow-protocols"))
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|own| own == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A device's file name without what tells its template from its data.
fn device(path: &Path) -> String {
    let stem = path.file_stem().unwrap().to_str().unwrap();
    let end = ["_tpl", "_opttpl", "_data"]
        .iter()
        .filter_map(|mark| stem.find(mark))
        .min();
    stem[..end.unwrap_or(stem.len())].to_owned()
}

/// The datagrams of each device, templates first.
fn devices(folder: &Path) -> BTreeMap<String, Vec<PathBuf>> {
    let mut devices = BTreeMap::<String, Vec<PathBuf>>::new();
    for path in files(folder, "dat") {
        devices.entry(device(&path)).or_default().push(path);
    }
    for paths in devices.values_mut() {
        paths.sort_by_key(|path| !path.to_str().unwrap().contains("tpl"));
    }
    devices
}

fn read(
    collector: &mut Collector,
    from: IpAddr,
    datagram: &[u8],
) -> (Vec<FlowRecord>, Result<(), CollectError>) {
    let mut flows = Vec::new();
    let result = collector.collect(
        from,
        datagram,
        Timestamp::from_millis(1_772_438_400_000),
        &mut |_, record| {
            flows.push(*record);
        },
    );
    (flows, result)
}

#[test]
fn no_datagram_of_a_device_is_refused() {
    let Some(root) = captures() else { return };
    let (mut datagrams, mut flows, mut refused) = (0, 0, Vec::new());
    for (device, paths) in devices(&root.join("logstash-codec-netflow")) {
        let mut collector = Collector::new();
        let mut own = 0;
        for path in paths {
            let bytes = fs::read(&path).expect("readable");
            let (records, result) = read(&mut collector, "192.0.2.1".parse().unwrap(), &bytes);
            datagrams += 1;
            own += records.len();
            if let Err(error) = result {
                refused.push(format!("{}: {error}", path.display()));
            }
        }
        println!("{device}: {own} {:?}", collector.counts());
        flows += own;
    }
    println!("{datagrams} datagrams, {flows} flows");
    assert!(refused.is_empty(), "{refused:#?}");
    assert!(
        85 <= datagrams && 400 <= flows,
        "{datagrams} datagrams, {flows} flows"
    );
}

#[test]
fn no_datagram_in_a_capture_of_exporters_is_refused() {
    let Some(root) = captures() else { return };
    let (mut read_in, mut flows, mut refused) = (0, 0, Vec::new());
    for folder in ["netgauze", "tcpdump-tests"] {
        for path in files(&root.join(folder), "pcap") {
            let mut collector = Collector::new();
            let mut own = 0;
            for (from, port, payload) in datagrams(&fs::read(&path).expect("readable")) {
                let is_export =
                    matches!(payload, [0, 5 | 9 | 10, ..] | [0, 0, 0, 5, ..]) && ![162, 514].contains(&port);
                if !is_export {
                    continue;
                }
                read_in += 1;
                let (records, result) = read(&mut collector, from, payload);
                own += records.len();
                if let Err(error) = result {
                    refused.push(format!("{}: {error}", path.display()));
                }
            }
            println!("{}: {own} {:?}", path.display(), collector.counts());
            flows += own;
        }
    }
    println!("{read_in} datagrams, {flows} flows");
    // One was made to crash its readers: it ends inside its header.
    let crafted = "sflow_print-segv.pcap: read an export header: the datagram has 8 bytes only";
    refused.retain(|told| !told.ends_with(crafted));
    assert!(refused.is_empty(), "{refused:#?}");
    assert!(
        3_600 <= read_in && 3_900 <= flows,
        "{read_in} datagrams, {flows} flows"
    );
}

/// Addresses, ports, protocol, bytes and packets.
type Flow = (IpAddr, IpAddr, Option<(u64, u64)>, Option<u64>, u64, u64);

/// A flow as NetGauze read it: fields by the names of their elements; `None` for records that are no flows.
fn as_told(record: &serde_json::Value) -> Option<Flow> {
    let fields = record["fields"].as_array()?;
    // Of a packet in a packet the inner one's fields come last.
    let value = |name: &str| fields.iter().rev().find_map(|field| field.get(name));
    let number = |name: &str| value(name).and_then(serde_json::Value::as_u64);
    let address = |four: &str, six: &str| {
        let told = [four, six].map(|name| value(name)?.as_str()?.parse::<IpAddr>().ok());
        let known = told.into_iter().flatten();
        known
            .clone()
            .find(|address| !address.is_unspecified())
            .or_else(|| known.clone().next())
    };
    let protocol = match value("protocolIdentifier")?.as_str()? {
        "TCP" => Some(6),
        "UDP" => Some(17),
        // Others have names of NetGauze's own.
        _ => None,
    };
    let ports = number("sourceTransportPort").zip(number("destinationTransportPort"));
    Some((
        address("sourceIPv4Address", "sourceIPv6Address")?,
        address("destinationIPv4Address", "destinationIPv6Address")?,
        ports.filter(|_| matches!(protocol, Some(6 | 17))),
        protocol,
        number("octetDeltaCount")?,
        number("packetDeltaCount")?,
    ))
}

#[test]
fn flows_are_those_that_another_collector_read() {
    let Some(root) = captures() else { return };
    let mut compared = 0;
    for path in files(&root.join("netgauze"), "pcap") {
        let stem = path.with_extension("");
        let told = PathBuf::from(format!("{}-flow.json", stem.display()));
        let Ok(told) = fs::read_to_string(told) else {
            continue;
        };
        let mut expected = Vec::new();
        for line in told.lines() {
            let datagram: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let message = &datagram[if datagram["IPFIX"].is_object() {
                "IPFIX"
            } else {
                "NetFlowV9"
            }];
            for set in message["sets"].as_array().into_iter().flatten() {
                let records = set["Data"]["records"].as_array();
                expected.extend(records.into_iter().flatten().filter_map(as_told));
            }
        }
        let mut collector = Collector::new();
        let mut seen = Vec::new();
        for (from, _, payload) in datagrams(&fs::read(&path).expect("readable")) {
            if matches!(payload, [0, 5 | 9 | 10, ..]) {
                seen.extend(read(&mut collector, from, payload).0.iter().map(|flow| {
                    let is_named = matches!(flow.protocol, 6 | 17);
                    (
                        flow.source,
                        flow.destination,
                        flow.ports
                            .filter(|_| is_named)
                            .map(|(source, destination)| (source.into(), destination.into())),
                        is_named.then_some(u64::from(flow.protocol)),
                        flow.forward.bytes,
                        flow.forward.packets,
                    )
                }));
            }
        }
        expected.sort();
        seen.sort();
        let (too_much, missing): (Vec<&Flow>, Vec<&Flow>) = (
            seen.iter().filter(|flow| !expected.contains(flow)).collect(),
            expected.iter().filter(|flow| !seen.contains(flow)).collect(),
        );
        println!(
            "{}: {} flows, {} told",
            path.display(),
            seen.len(),
            expected.len()
        );
        assert!(
            missing.is_empty(),
            "{}: {:?} {:?}",
            path.display(),
            &missing[..missing.len().min(5)],
            &too_much[..too_much.len().min(5)]
        );
        compared += expected.len();
    }
    println!("{compared} flows compared");
    assert!(1_000 <= compared, "{compared}");
}
