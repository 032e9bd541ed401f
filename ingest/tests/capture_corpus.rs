//! Real captures by others, where they are at hand: nothing panics, nothing depends on chance, and fingerprints and
//! Community IDs are those that their authors publish.
//!
//! What becomes of them when they are cut is in `capture_cuts.rs`. They are looked for in `VARDE_CAPTURES`, by default `../shared/captures` beside the workspace. Nothing of them is
//! kept in this repository.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that panics is a test that fails"
)]

#[path = "capture/others.rs"]
mod others;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use ingest::{
    capture::{CaptureError, CaptureOptions, CaptureReader},
    record::Record,
};
use ingest_event::Value;

/// Every capture file under a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| {
                ["pcap", "pcapng", "cap", "trace"]
                    .iter()
                    .any(|known| ending == *known)
            }) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Hands out at most `step` bytes at a time.
struct Drip<'a> {
    bytes: &'a [u8],
    step: usize,
}

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.step);
        self.bytes.read(&mut buffer[..length])
    }
}

fn read(input: impl Read) -> Result<Vec<Record>, CaptureError> {
    let mut out = Vec::new();
    let mut reader = CaptureReader::new(input, CaptureOptions::default())?;
    while reader.read(&mut out)? {}
    Ok(out)
}

/// Everything in the records, byte for byte.
fn transcript(records: &[Record]) -> String {
    let mut text = String::new();
    for record in records {
        writeln!(text, "{record:?}").expect("a String takes all");
    }
    text
}

fn text(record: &Record, name: &str) -> String {
    match record {
        Record::Event(draft) => draft.fields.get(name).map(Value::to_string).unwrap_or_default(),
        Record::Refused(_) => String::new(),
    }
}

fn is(record: &Record, dataset: &str) -> bool {
    matches!(record, Record::Event(draft) if draft.dataset == dataset)
}

#[test]
fn every_capture_is_read_the_same_way_in_any_chunks() {
    let Some(root) = others::folder() else { return };
    let (mut read_whole, mut unreadable, mut events) = (0, 0, 0);
    for path in files(&root) {
        let bytes = fs::read(&path).expect("readable file");
        let Ok(records) = read(&bytes[..]) else {
            unreadable += 1;
            continue;
        };
        read_whole += 1;
        events += records.len();
        let once = transcript(&records);
        let mut seen = BTreeSet::new();
        for record in &records {
            if let Record::Event(draft) = record {
                let new = seen.insert((draft.position, draft.ordinal));
                assert!(
                    new,
                    "{}: two events of packet {} have one number",
                    path.display(),
                    draft.position
                );
            }
        }
        let step = 1 + bytes.len() % 1_000;
        let dripped = read(Drip { bytes: &bytes, step }).expect("as before");
        assert_eq!(
            once,
            transcript(&dripped),
            "{} in chunks of {step}",
            path.display()
        );
    }
    println!(
        "{read_whole} captures read, {events} records, {unreadable} no captures or of unknown link types"
    );
    assert!(0 < read_whole);
}

#[test]
fn community_ids_are_those_of_the_specification() {
    let Some(root) = others::folder() else { return };
    let folder = root.join("community-id-spec");
    let mut ours = BTreeSet::new();
    for path in files(&folder.join("pcaps")) {
        for record in read(&fs::read(&path).expect("readable")[..]).expect("a capture") {
            if is(&record, "network.flow") {
                ours.insert(text(&record, "network.community_id"));
            }
        }
    }
    let baseline = fs::read_to_string(folder.join("baseline/baseline_deflt.json")).expect("baseline");
    let baseline: Vec<serde_json::Value> = serde_json::from_str(&baseline).expect("JSON");
    let theirs: BTreeSet<String> = baseline
        .iter()
        .map(|row| row["communityid"].as_str().expect("text").to_owned())
        .collect();
    assert_eq!(ours, theirs);
}

#[test]
fn ja4_is_that_of_its_authors() {
    let Some(root) = others::folder() else { return };
    let mut compared = 0;
    let mut differences = Vec::new();
    for path in files(&root.join("ja4/pcap")) {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let Ok(snapshot) =
            fs::read_to_string(root.join(format!("ja4/rust-snapshots/ja4__insta@{name}.snap")))
        else {
            continue;
        };
        let theirs = snapshot_ja4(&snapshot);
        let records = read(&fs::read(&path).expect("readable")[..]).expect("a capture");
        let ours: BTreeSet<String> = records
            .iter()
            .filter(|record| is(record, "network.tls"))
            .map(|record| {
                let at = |name| text(record, name);
                format!(
                    "{}:{} {}:{} {}",
                    at("source.ip"),
                    at("source.port"),
                    at("destination.ip"),
                    at("destination.port"),
                    at("tls.client.ja4")
                )
            })
            .collect();
        compared += theirs.len();
        differences.extend(ours.symmetric_difference(&theirs).map(|line| {
            format!(
                "{name}: {} {line}",
                if ours.contains(line) {
                    "only ours"
                } else {
                    "only theirs"
                }
            )
        }));
    }
    println!("{compared} fingerprints compared");
    assert!(differences.is_empty(), "{differences:#?}");
}

/// Client, server and `ja4` of each stream in a snapshot, over TCP and QUIC.
fn snapshot_ja4(snapshot: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for stream in snapshot.split("- stream: ").skip(1) {
        let value = |name: &str| {
            let line = stream
                .lines()
                .find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
            line.unwrap_or_default().trim_matches(['\'', '"']).to_owned()
        };
        if !value("ja4").is_empty() {
            found.insert(format!(
                "{}:{} {}:{} {}",
                value("src"),
                value("src_port"),
                value("dst"),
                value("dst_port"),
                value("ja4")
            ));
        }
    }
    found
}

/// The Suricata field of an expectation and ours. Only what both have under the same definition is compared.
const SURICATA_FIELDS: [(&str, &str); 29] = [
    ("http.http_method", "http.request.method"),
    ("http.hostname", "url.domain"),
    ("http.http_user_agent", "user_agent.original"),
    ("http.status", "http.response.status_code"),
    ("tls.sni", "tls.client.server_name"),
    ("tls.ja4", "tls.client.ja4"),
    ("dns.rrname", "dns.question.name"),
    ("dns.id", "dns.id"),
    ("dns.rcode", "dns.response_code"),
    ("dest_port", "destination.port"),
    ("dest_ip", "destination.ip"),
    ("src_ip", "source.ip"),
    ("src_port", "source.port"),
    ("tls.version", "tls.version"),
    ("tls.subject", "tls.server.subject"),
    ("tls.issuerdn", "tls.server.issuer"),
    ("tls.serial", "tls.server.x509.serial_number"),
    ("tls.fingerprint", "tls.server.hash.sha1"),
    ("tls.notbefore", "tls.server.not_before"),
    ("tls.notafter", "tls.server.not_after"),
    ("ssh.client.hassh.hash", "ssh.client.hassh"),
    ("ssh.server.hassh.hash", "ssh.server.hassh"),
    ("krb5.sname", "kerberos.service"),
    ("krb5.realm", "kerberos.realm"),
    ("krb5.cname", "kerberos.client.name"),
    ("krb5.error_code", "kerberos.error.name"),
    ("smtp.helo", "smtp.helo"),
    ("smtp.mail_from", "smtp.from.domain"),
    ("dhcp.dhcp_type", "dhcp.type"),
];

/// Our dataset of a kind of Suricata's events.
const SURICATA_KINDS: [(&str, &str); 9] = [
    ("dns", "network.dns"),
    ("tls", "network.tls"),
    ("quic", "network.tls"),
    ("http", "network.http"),
    ("ssh", "network.ssh"),
    ("smb", "network.smb"),
    ("krb5", "network.kerberos"),
    ("smtp", "network.smtp"),
    ("dhcp", "network.dhcp"),
];

/// What its engine counts, the packet at which it logs, and its Community ID, which has the seed 7 there.
const SURICATA_IGNORED: [&str; 4] = ["tx_id", "pcap_cnt", "proto", "community_id"];

/// Where we mean to differ, with the reason.
const SURICATA_DIFFERENCES: [(&str, &str); 6] = [
    (
        "exception-policy-midstream-06",
        "it is told to drop connections whose beginning it missed; we read them",
    ),
    ("http2-compression-bug", "HTTP/2 is not read"),
    (
        "smb1-01",
        "it begins in the middle, and has files but neither logon nor share",
    ),
    ("smb2-04", "so has this one"),
    (
        "smtp-rset-starttls",
        "neither greeting nor envelope comes before TLS",
    ),
    ("sslv2-tls-upgrade-01", "SSL 2 is not read"),
];

#[test]
fn what_suricata_expects_is_found() {
    let Some(root) = others::folder() else { return };
    let tests = root.join("suricata-verify/tests");
    let mut folders: Vec<PathBuf> = fs::read_dir(&tests)
        .expect("readable")
        .map(|entry| entry.expect("entry").path())
        .collect();
    folders.sort();
    let (mut agreed, mut differences) = (0, Vec::new());
    for folder in folders {
        let name = folder
            .file_name()
            .expect("a folder")
            .to_string_lossy()
            .into_owned();
        let Ok(expectations) = fs::read_to_string(folder.join("test.yaml")) else {
            continue;
        };
        let Ok(expectations) = serde_saphyr::from_str::<serde_json::Value>(&expectations) else {
            continue;
        };
        let own = expectations["pcap"].as_str().map(|path| folder.join(path));
        let Some(path) = own
            .or_else(|| files(&folder).into_iter().next())
            .filter(|path| path.is_file())
        else {
            continue;
        };
        let Ok(records) = read(&fs::read(&path).expect("readable")[..]) else {
            continue;
        };
        for check in expectations["checks"].as_array().into_iter().flatten() {
            let Some((expected, wanted)) = suricata_filter(&check["filter"]) else {
                continue;
            };
            let found = records
                .iter()
                .filter(|record| {
                    wanted.iter().all(|(name, value)| {
                        name == "dataset" && is(record, value) || &text(record, name) == value
                    })
                })
                .count();
            if (found != 0) == (expected != 0) {
                agreed += 1;
            } else if !SURICATA_DIFFERENCES.iter().any(|(known, _)| *known == name) {
                differences.push(format!(
                    "{name}: {expected} expected, {found} found of {wanted:?}"
                ));
            }
        }
    }
    println!(
        "{agreed} expectations met, {} not: {differences:#?}",
        differences.len()
    );
    assert!(differences.is_empty());
}

/// Count, and our fields with their values; `None` if the filter is about something that we do not compare.
fn suricata_filter(filter: &serde_json::Value) -> Option<(u64, Vec<(String, String)>)> {
    let count = filter["count"].as_u64()?;
    if !filter["requires"].is_null() {
        // What another version of it does.
        return None;
    }
    let mut wanted = Vec::new();
    for (name, value) in filter["match"].as_object()? {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if SURICATA_IGNORED.contains(&&name[..]) {
            continue;
        }
        if name == "event_type" {
            let (_, ours) = SURICATA_KINDS.iter().find(|(theirs, _)| *theirs == value)?;
            wanted.push(("dataset".to_owned(), (*ours).to_owned()));
        } else {
            let (_, ours) = SURICATA_FIELDS.iter().find(|(theirs, _)| theirs == name)?;
            wanted.push(((*ours).to_owned(), suricata_value(name, &value)?));
        }
    }
    wanted
        .iter()
        .any(|(name, _)| name == "dataset")
        .then_some((count, wanted))
}

/// A value as we write it; `None` where there is none.
fn suricata_value(name: &str, value: &str) -> Option<String> {
    Some(match name {
        "tls.version" => match value.trim_start_matches("TLS").trim_start_matches(['v', ' ']) {
            "1" => "1.0".to_owned(),
            version => version.to_owned(),
        },
        "smtp.helo" => value.to_ascii_lowercase(),
        "tls.serial" | "tls.fingerprint" => value.replace(':', "").to_ascii_lowercase(),
        "tls.notbefore" | "tls.notafter" => format!("{value}Z"),
        "smtp.mail_from" => value
            .trim_end_matches('>')
            .rsplit_once('@')?
            .1
            .to_ascii_lowercase(),
        _ if value == "<empty>" => return None,
        _ => value.to_owned(),
    })
}
