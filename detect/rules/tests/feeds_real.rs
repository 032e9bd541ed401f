//! Feeds and warning lists by others, read in place and never copied: nothing in them goes uncounted.
//!
//! `VARDE_CAPTURES` says where they are; a test that does not find them says so.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "what fails in a test's helper fails the test"
)]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use detect_alert::{IndicatorKind, WarningListKind};
use detect_rules::{
    FeedOptions, FeedReport, Outcome, Reason, WarningModes, check_warning_list, feed_files, read_feed,
    read_feed_file, read_warning_lists,
};
use serde_json::Value as Json;

fn capture(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("VARDE_CAPTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures"),
        PathBuf::from,
    );
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: captures not found at {}", path.display());
    None
}

fn told(name: &str, report: &FeedReport) {
    println!(
        "{name}: {} loaded {:?}",
        report.accepted_total(),
        report.accepted()
    );
    for (reason, count) in report.counts() {
        println!("  {} {}: {count}", reason.outcome().as_str(), reason.as_str());
    }
    for found in report.examples() {
        println!(
            "    {:?} {} `{}`: {}",
            found.reason, found.path, found.piece, found.detail
        );
    }
}

#[test]
fn every_line_of_ipsum_is_an_address_or_refused() {
    let Some(path) = capture("ipsum/ipsum.txt") else {
        return;
    };
    let text = fs::read_to_string(&path).expect("readable");
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .count() as u64;
    let mut report = FeedReport::default();
    let mut sink = |indicator: detect_alert::Indicator| assert_eq!(indicator.kind, IndicatorKind::Address);
    read_feed_file(&path, &FeedOptions::new(""), &mut sink, &mut report);
    told("ipsum", &report);
    assert_eq!(report.accepted_total() + report.total(Outcome::Refused), lines);
    assert!(
        report.total(Outcome::Refused) * 1000 < lines,
        "less than one in a thousand is refused"
    );
}

#[test]
fn every_line_of_maltrail_is_an_indicator_or_refused() {
    let Some(path) = capture("maltrail-trails.tar.zst") else {
        return;
    };
    let mut tar = Vec::new();
    zstd::stream::copy_decode(fs::File::open(path).expect("readable"), &mut tar).expect("unpacked");
    let (mut lines, mut report) = (0_u64, FeedReport::default());
    for (name, bytes) in members(&tar) {
        if !name.ends_with(".txt") {
            continue;
        }
        let value = |line: &str| !line.split('#').next().unwrap_or_default().trim().is_empty();
        lines += String::from_utf8_lossy(bytes)
            .lines()
            .filter(|line| value(line))
            .count() as u64;
        let mut sink = |_| {};
        read_feed(
            BufReader::new(bytes),
            &name,
            &FeedOptions::new("maltrail"),
            &mut sink,
            &mut report,
        )
        .expect("it is read");
    }
    told("maltrail", &report);
    let rest = report.total(Outcome::Refused) + report.total(Outcome::Inexpressible);
    assert_eq!(report.accepted_total() + rest, lines);
    let kinds = report.accepted();
    assert!(
        900_000 < kinds[&IndicatorKind::Domain] && 250_000 < kinds[&IndicatorKind::Address],
        "{kinds:?}"
    );
    assert!(
        report.total(Outcome::Refused) * 100 < lines,
        "less than one in a hundred is refused"
    );
}

/// Names and contents of a tar archive's files (POSIX ustar).
fn members(tar: &[u8]) -> Vec<(String, &[u8])> {
    let (mut files, mut at) = (Vec::new(), 0);
    while let Some(header) = tar.get(at..at + 512).filter(|header| header[0] != 0) {
        let text = |from: usize, to: usize| {
            let field = &header[from..to];
            let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
            String::from_utf8_lossy(&field[..end]).trim().to_owned()
        };
        let size = usize::from_str_radix(&text(124, 136), 8).expect("a size");
        if matches!(header[156], b'0' | 0) {
            files.push((text(0, 100), &tar[at + 512..at + 512 + size]));
        }
        at += 512 + size.div_ceil(512) * 512;
    }
    files
}

#[test]
fn every_attribute_of_real_misp_events_is_counted() {
    let Some(path) = capture("eset-malware-ioc") else {
        return;
    };
    let mut passed = FeedReport::default();
    let files = feed_files(&[path], &mut passed);
    let (mut for_ids, mut pairs, mut other, mut events) = (0_u64, 0, 0, 0);
    let mut total = FeedReport::default();
    for file in files.iter().filter(|file| {
        file.extension()
            .is_some_and(|ending| ending == "json" || ending == "zst")
    }) {
        let bytes = unpacked(file);
        let Ok(document) = serde_json::from_slice::<Json>(&bytes) else {
            continue;
        };
        if document.get("Event").is_none() && document.get("response").is_none() {
            continue;
        }
        events += 1;
        walk(&document, &mut |attribute| {
            if attribute["to_ids"] != Json::Bool(true) {
                other += 1;
            } else {
                for_ids += 1;
                pairs += u64::from(attribute["type"] == "domain|ip");
            }
        });
        let mut sink = |_| {};
        read_feed(
            &bytes[..],
            &file.display().to_string(),
            &FeedOptions::new("eset"),
            &mut sink,
            &mut total,
        )
        .expect("it is read");
    }
    told("eset", &total);
    assert!(50 < events && 1_000 < for_ids);
    let taken = total.accepted_total() + total.total(Outcome::Refused) + total.total(Outcome::Inexpressible);
    assert_eq!(taken, for_ids + pairs);
    assert_eq!(total.counts()[&Reason::NotForDetection], other);
    assert_eq!(total.counts().get(&Reason::BadDocument), None);
    assert_eq!(total.counts().get(&Reason::UnknownType), None);
}

/// Every object with `to_ids`, that is every attribute.
fn walk(json: &Json, each: &mut impl FnMut(&Json)) {
    match json {
        Json::Object(members) => {
            if members.contains_key("to_ids") && members.contains_key("value") {
                each(json);
            }
            members.values().for_each(|member| walk(member, each));
        }
        Json::Array(elements) => elements.iter().for_each(|element| walk(element, each)),
        _ => {}
    }
}

fn unpacked(file: &Path) -> Vec<u8> {
    let bytes = fs::read(file).expect("readable");
    if file.extension().is_some_and(|ending| ending == "zst") {
        let mut out = Vec::new();
        zstd::Decoder::new(&bytes[..])
            .expect("Zstandard")
            .read_to_end(&mut out)
            .expect("unpacked");
        out
    } else {
        bytes
    }
}

#[test]
fn every_real_warning_list_is_read_whole() {
    let Some(path) = capture("misp-warninglists/lists") else {
        return;
    };
    let modes =
        WarningModes::read("block: [public-dns-v4, public-dns-v6, empty-hashes]\n").expect("it is read");
    let (lists, diagnostics) = read_warning_lists(std::slice::from_ref(&path), &modes);
    let mut by_kind: BTreeMap<WarningListKind, (u64, u64)> = BTreeMap::new();
    for list in &lists {
        let (count, entries) = by_kind.entry(list.kind).or_default();
        (*count, *entries) = (*count + 1, *entries + list.entries.len() as u64);
    }
    println!("warning lists and entries: {by_kind:?}");
    for told in &diagnostics {
        println!("{told}");
    }
    assert!(diagnostics.iter().all(|told| !told.is_error()));
    let blocking = lists
        .iter()
        .filter(|list| list.mode == detect_alert::WarningMode::Block)
        .count();
    assert_eq!(blocking, 3);
    let (mut read, mut packed) = (lists.len(), 0);
    for folder in fs::read_dir(path)
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
    {
        let file = folder.join("list.json.zst");
        if file.is_file() {
            packed += 1;
            let text = String::from_utf8(unpacked(&file)).expect("UTF-8");
            let (list, found) = check_warning_list("list.json", "x", &text, &modes);
            let entries = serde_json::from_str::<Json>(&text).expect("JSON")["list"]
                .as_array()
                .map_or(0, Vec::len);
            assert_eq!(
                list.map(|list| list.entries.len()),
                Some(entries),
                "{}: {found:?}",
                file.display()
            );
            read += 1;
        }
    }
    println!("{read} lists, {packed} of them packed");
    assert!(120 < read);
}
