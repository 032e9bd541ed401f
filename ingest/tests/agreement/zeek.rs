//! What Zeek logs of its own captures.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use ingest::{
    normalize::{Normalizer, NormalizerOptions, YearRule},
    record::{Draft, Record},
    source::Format,
};

use ingest_event::Value;

use crate::{
    count::{Counts, at, record_row},
    differences::{DIFFERENCES, FIELDS, LEFT_OUT, PROTOCOLS},
    is_carrier_port, lab, of_side, others,
    rewrite::{mail_domain, tls_version},
    text,
};

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

/// How a value of Zeek's is written by us.
type Rewrite = fn(&str) -> String;

fn same(text: &str) -> String {
    text.replace("\\\\", "\\").trim().to_owned()
}

fn lower(text: &str) -> String {
    text.to_ascii_lowercase()
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

fn first_domain(text: &str) -> String {
    mail_domain(text.split(',').next().unwrap_or_default())
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
            ("mailfrom", "smtp.from.domain", first_domain),
        ],
    ),
];

#[test]
fn what_is_said_is_what_zeek_logs() {
    let Some(root) = others::folder() else { return };
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

/// Logs that our reader of Zeek's logs and our reader of packets make the same datasets of.
const SAME: [&str; 4] = ["conn.log", "dns.log", "http.log", "ssl.log"];

/// A log of Zeek's baselines as events of ours. Times are blotted out in them.
fn zeek_drafts(path: &Path) -> Vec<Draft> {
    let log = fs::read_to_string(path).expect("readable");
    let options = NormalizerOptions {
        dataset: None,
        home_networks: Vec::new(),
        year: YearRule::Unknown,
        utc_offset_secs: 0,
    };
    let (mut normalizer, mut out) = (Normalizer::new(Format::ZeekTsv, options), Vec::new());
    for (number, line) in log.lines().enumerate() {
        let line = line.replace("XXXXXXXXXX.XXXXXX", "1.000000");
        normalizer.line(line.as_bytes(), number as u64 + 1, &mut out);
    }
    out.into_iter()
        .filter_map(|record| match record {
            Record::Event(draft) => Some(draft),
            Record::Refused(_) => None,
        })
        .collect()
}

fn ends(draft: &Draft) -> String {
    let at = |name| text(draft, name);
    // Zeek writes type and code of ICMP where ports are, and knows those of TCP and UDP only.
    let transport = at("network.transport");
    let port = |name| match ["icmp", "ipv6-icmp", "sctp", "unknown_transport"].contains(&transport.as_str()) {
        true => String::new(),
        false => at(name),
    };
    let (source, destination) = (port("source.port"), port("destination.port"));
    format!(
        "{} {source} {} {destination}",
        at("source.ip"),
        at("destination.ip")
    )
}

fn swapped(draft: &Draft) -> String {
    let ends = ends(draft);
    let words: Vec<&str> = ends.split(' ').collect();
    [words[2], words[3], words[0], words[1]].join(" ")
}

/// What agrees, by dataset and field.
pub(crate) fn compare(root: &Path) -> Counts {
    let mut ours: BTreeMap<(String, String), Vec<Draft>> = BTreeMap::new();
    for path in lab::captures_under(&root.join("zeek/Traces")) {
        for record in lab::try_read(&fs::read(&path).expect("readable")[..]) {
            if let Record::Event(draft) = record {
                ours.entry((draft.dataset.to_string(), ends(&draft)))
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
    let mut counts = Counts::new();
    let mut absent = 0;
    for folder in &folders {
        let name = folder.file_name().expect("a name").display().to_string();
        let is_left_out = |log: &str| {
            LEFT_OUT
                .iter()
                .any(|(start, _)| format!("{name}/{log}").starts_with(start))
        };
        for log in SAME
            .iter()
            .filter(|log| folder.join(log).is_file() && !is_left_out(log))
        {
            let theirs = zeek_drafts(&folder.join(log));
            let flow_of = |ends: String| ours.contains_key(&("network.flow".to_owned(), ends));
            if !theirs
                .iter()
                .any(|draft| flow_of(ends(draft)) || flow_of(swapped(draft)))
            {
                absent += theirs.len();
                continue;
            }
            for draft in theirs.iter().filter(|draft| !is_carrier(draft)) {
                let of = |ends: String| ours.get(&(draft.dataset.to_string(), ends)).map(Vec::as_slice);
                let (straight, other) = (of(ends(draft)), of(swapped(draft)));
                let found = straight.or(other).unwrap_or_default();
                hold(&name, draft, found, straight.is_none(), &mut counts);
            }
        }
    }
    println!("{absent} records of captures that are not here");
    counts
}

/// What carries a tunnel is told with the flow inside it.
fn is_carrier(draft: &Draft) -> bool {
    &*draft.dataset == "network.flow"
        && text(draft, "network.transport") == "udp"
        && ["source.port", "destination.port"]
            .into_iter()
            .any(|port| is_carrier_port(&text(draft, port)))
}

/// Compares a record of Zeek's with those of ours that have its ends, or its ends swapped.
fn hold(name: &str, theirs: &Draft, ours: &[Draft], is_swapped: bool, counts: &mut Counts) {
    let dataset = theirs.dataset.to_string();
    let fields: Vec<&str> = theirs
        .fields
        .iter()
        .map(|(name, _)| name)
        .filter(|name| FIELDS.contains(name) && is_said(theirs, name))
        .collect();
    let same = |ours: &Draft, field: &str| match field {
        "dns.answers.data" => answers(ours) == without_lengths(&text(theirs, field)),
        _ => text(ours, &of_side(field, is_swapped)) == text(theirs, field),
    };
    let best = ours
        .iter()
        .max_by_key(|ours| fields.iter().filter(|field| same(ours, field)).count());
    at(counts, &dataset, record_row(&dataset, true))
        .note(best.is_some(), || format!("{name}: {}", ends(theirs)));
    let Some(best) = best else {
        for field in fields {
            at(counts, &dataset, field).missing += 1;
        }
        return;
    };
    at(counts, &dataset, "(client)").note(!is_swapped, || format!("{name}: {}", ends(theirs)));
    for field in fields {
        at(counts, &dataset, field).note(same(best, field), || {
            let ours = text(best, &of_side(field, is_swapped));
            format!("{name}: {}: {} / ours {ours}", ends(theirs), text(theirs, field))
        });
    }
}

/// Our answers as Zeek writes them: what we write as zone files do, it says in words.
fn answers(ours: &Draft) -> String {
    let list = |name| -> Vec<String> {
        let value = ours.fields.get(name);
        value
            .into_iter()
            .flat_map(Value::each)
            .map(Value::to_string)
            .collect()
    };
    let in_words = |(kind, data): (String, String)| {
        let word = |number| data.split(' ').nth(number).unwrap_or_default();
        match kind.as_str() {
            "NSEC3PARAM" => kind,
            // Of private use.
            "TYPE65534" => "BIND9 signing signal".to_owned(),
            "SRV" => word(3).to_owned(),
            "DS" => format!("DS {} {}", word(1), word(2)),
            "DNSKEY" => format!("DNSKEY {}", word(2)),
            "SSHFP" => format!("SSHFP: {}", word(2)),
            "RRSIG" => format!("RRSIG {} {}", type_number(word(0)), word(7)),
            _ => data.clone(),
        }
    };
    let words: Vec<String> = list("dns.answers.type")
        .into_iter()
        .zip(list("dns.answers.data"))
        .map(in_words)
        .collect();
    words.join(", ")
}

/// Of texts Zeek tells each string with its length.
fn without_lengths(theirs: &str) -> String {
    let mut out = theirs.to_owned();
    for mark in ["TXT ", "SPF "] {
        while let Some(at) = out.find(mark) {
            let rest = &out[at + mark.len()..];
            let text = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
            out = format!("{}{}", &out[..at], &text[1..]);
        }
    }
    out
}

fn type_number(name: &str) -> u16 {
    match name {
        "A" => 1,
        "CNAME" => 5,
        "LOC" => 29,
        "DS" => 43,
        "SSHFP" => 44,
        "DNSKEY" => 48,
        other => panic!("{other} was not signed before"),
    }
}

/// Whether the log says it itself: of other logs than that of flows the name is the protocol. Zeek recognises more of them.
fn is_said(draft: &Draft, name: &str) -> bool {
    match (name, &*draft.dataset) {
        ("network.protocol", "network.flow") => PROTOCOLS.contains(&text(draft, name).as_str()),
        ("network.protocol", _) => false,
        ("network.transport", "network.flow") => text(draft, name) != "unknown_transport",
        ("network.transport", dataset) => dataset == "network.dns",
        _ => true,
    }
}
