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

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use ingest::{
    capture::CaptureOptions,
    disclose::class,
    record::{Draft, Record},
};
use ingest_event::Value;

fn captures() -> Option<PathBuf> {
    let root = std::env::var_os("VARDE_CAPTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures"),
        PathBuf::from,
    );
    if root.is_dir() {
        return Some(root);
    }
    println!("skipped: captures not found at {}", root.display());
    None
}

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
    let Some(root) = captures() else { return };
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

/// How a value of Zeek's is written by us.
type Rewrite = fn(&str) -> String;

fn same(text: &str) -> String {
    text.replace("\\\\", "\\").trim().to_owned()
}

fn lower(text: &str) -> String {
    text.to_ascii_lowercase()
}

/// Drafts of 1.3 count as 1.3.
fn tls_version(text: &str) -> String {
    match text
        .split_once("draft")
        .map_or(text, |(version, _)| version)
        .trim_end_matches('-')
    {
        "SSLv3" => "3.0",
        "TLSv10" => "1.0",
        "TLSv11" => "1.1",
        "TLSv12" => "1.2",
        "TLSv13" => "1.3",
        other => other,
    }
    .to_owned()
}

fn quic_version(text: &str) -> String {
    text.replace("quicv2", "2")
}

/// Of failures Zeek counts some that we call unknown: that pre-authentication is wanted is how each login begins.
fn success(text: &str) -> String {
    if text == "T" { "success" } else { "" }.to_owned()
}

fn first_of_list(text: &str) -> String {
    text.split(',').next().unwrap_or_default().to_owned()
}

fn domain(text: &str) -> String {
    let mailbox = text.split(',').next().unwrap_or_default();
    mailbox
        .rsplit_once('@')
        .map_or("", |(_, domain)| domain)
        .trim_end_matches('>')
        .to_ascii_lowercase()
}

/// A log of Zeek, our dataset, and columns that say the same.
type Compared = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str, Rewrite)],
);

const LOGS: [Compared; 7] = [
    (
        "ssl.log",
        "network.tls",
        &[
            ("server_name", "tls.client.server_name", lower),
            ("version", "tls.version", tls_version),
            ("cipher", "tls.cipher", same),
            ("next_protocol", "tls.next_protocol", same),
            ("cert_chain_fps", "tls.server.hash.sha256", first_of_list),
        ],
    ),
    (
        "quic.log",
        "network.tls",
        &[
            ("server_name", "tls.client.server_name", lower),
            ("version", "varde.quic.version", quic_version),
        ],
    ),
    (
        "ssh.log",
        "network.ssh",
        &[
            ("client", "ssh.client.banner", same),
            ("server", "ssh.server.banner", same),
        ],
    ),
    (
        "kerberos.log",
        "network.kerberos",
        &[
            ("request_type", "kerberos.request", same),
            ("service", "kerberos.service", same),
            ("success", "event.outcome", success),
            ("cipher", "kerberos.ticket.cipher", same),
        ],
    ),
    (
        "rdp.log",
        "network.rdp",
        &[
            ("cookie", "rdp.cookie", same),
            ("client_name", "rdp.client.name", same),
        ],
    ),
    ("smb_mapping.log", "network.smb", &[("path", "smb.share", same)]),
    (
        "smtp.log",
        "network.smtp",
        &[
            ("helo", "smtp.helo", lower),
            ("mailfrom", "smtp.from.domain", domain),
        ],
    ),
];

/// Where we mean to differ, or can't compare: folder and log, and why.
const DIFFERENCES: [(&str, &str); 9] = [
    (
        "ssh.basic/ssh.log",
        "the capture at hand has the client's side only",
    ),
    ("ssh.half-duplex-server/ssh.log", "so has this one"),
    ("ftp.gridftp/ssl.log", "TLS in base64 inside FTP is not read"),
    ("krb.smb_gssapi/kerberos.log", "Kerberos inside SMB is not read"),
    ("krb-tcp-tso/kerberos.log: nothing", "nor is it here"),
    (
        "quic.vector-max-size-crash/quic.log",
        "a packet that was made to break readers",
    ),
    ("ssl.dtls-stun-dpd/ssl.log", "DTLS is not read"),
    ("ssl.dtls/ssl.log", "nor is it here"),
    (
        "ssl.tls13-experiment/ssl.log",
        "an experiment's number for TLS 1.3",
    ),
];

#[test]
fn what_is_said_is_what_zeek_logs() {
    let Some(root) = captures() else { return };
    let mut ours: BTreeMap<(String, String), Vec<Draft>> = BTreeMap::new();
    for path in lab::captures_under(&root.join("zeek/Traces")) {
        let bytes = fs::read(&path).expect("readable");
        for record in lab::try_read(&bytes[..]) {
            if let Record::Event(draft) = record {
                let at = |name| text(&draft, name);
                let ends = format!(
                    "{} {} {} {}",
                    at("source.ip"),
                    at("source.port"),
                    at("destination.ip"),
                    at("destination.port")
                );
                ours.entry((draft.dataset.to_string(), ends))
                    .or_default()
                    .push(draft);
            }
        }
    }
    let mut folders: Vec<PathBuf> = fs::read_dir(root.join("zeek/Baseline"))
        .expect("readable")
        .map(|entry| entry.expect("entry").path())
        .collect();
    folders.sort();
    let mut differences = BTreeSet::new();
    for (log, dataset, columns) in LOGS {
        let mut agreed: BTreeMap<&str, u32> = BTreeMap::new();
        let mut absent = 0;
        for folder in folders.iter().filter(|folder| folder.join(log).is_file()) {
            for row in zeek_log(&folder.join(log)) {
                let Some(ends) = ["id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p"]
                    .map(|column| row.get(column).cloned())
                    .into_iter()
                    .collect::<Option<Vec<String>>>()
                else {
                    continue;
                };
                if !ours.contains_key(&("network.flow".to_owned(), ends.join(" "))) {
                    absent += 1;
                    continue;
                }
                let Some(found) = ours.get(&(dataset.to_owned(), ends.join(" "))) else {
                    differences.insert(format!(
                        "{}/{log}: nothing of {}",
                        folder.file_name().unwrap().display(),
                        ends.join(" ")
                    ));
                    continue;
                };
                for (column, name, rewrite) in columns {
                    let Some(theirs) = row
                        .get(*column)
                        .filter(|value| *value != "-" && *value != "(empty)")
                    else {
                        continue;
                    };
                    let theirs = rewrite(theirs);
                    if theirs.is_empty() {
                        continue;
                    }
                    if found.iter().any(|draft| text(draft, name).trim() == theirs) {
                        *agreed.entry(name).or_default() += 1;
                    } else {
                        let seen: BTreeSet<String> = found.iter().map(|draft| text(draft, name)).collect();
                        differences.insert(format!(
                            "{}/{log}: {} has {name} {theirs}, not {seen:?}",
                            folder.file_name().unwrap().display(),
                            ends.join(" ")
                        ));
                    }
                }
            }
        }
        println!("{log}: {agreed:?} agree, {absent} connections of captures that are not here");
    }
    differences.retain(|difference| !DIFFERENCES.iter().any(|(known, _)| difference.contains(known)));
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn every_field_of_every_capture_is_declared_with_its_class() {
    let Some(root) = captures() else { return };
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
