//! Real logs by others, read in place: everything is an event or refused with a reason, and nothing panics.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test tells what it read, and fails with its helpers"
)]

#[path = "capture/others.rs"]
mod others;

use std::path::{Path, PathBuf};

use ingest::record::Record;
use ingest::source::{self, FileOptions, Format};

fn files(directory: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, out);
        } else {
            out.push(path);
        }
    }
    out.sort();
}

/// Events and refusals of all files under `folder` that are recognised as one of `formats`.
fn read(folder: &str, formats: &[Format]) -> Option<(usize, usize)> {
    let mut paths = Vec::new();
    files(&others::folder()?.join(folder), &mut paths);
    let (mut events, mut refused, mut read, mut unknown) = (0, 0, 0, 0);
    let mut examples = std::collections::BTreeMap::new();
    for path in paths {
        let options = FileOptions {
            year: Some(2024),
            ..FileOptions::default()
        };
        let Ok(mut source) = source::open(&path, &options) else {
            unknown += 1;
            continue;
        };
        if !formats.contains(&source.format()) {
            continue;
        }
        read += 1;
        let mut records = Vec::new();
        while source.read(&mut records).expect("reads") {
            for record in records.drain(..) {
                match record {
                    Record::Event(_) => events += 1,
                    Record::Refused(refusal) => {
                        assert!(!refusal.detail.is_empty());
                        refused += 1;
                        let place = format!("{}:{}", path.display(), refusal.position);
                        examples.entry(refusal.reason).or_insert((place, refusal.detail));
                    }
                }
            }
        }
    }
    println!("{folder}: {read} files, {unknown} of unknown format, {events} events, {refused} refused");
    for (reason, (place, detail)) in examples {
        println!("  {reason}: {place}: {detail}");
    }
    Some((events, refused))
}

#[test]
fn zeek_logs_of_a_large_exercise() {
    if let Some((events, refused)) = read("zed-sample-data", &[Format::ZeekTsv]) {
        // `loaded_scripts` has no time; everything else is an event.
        assert!(100_000 < events, "{events}");
        assert!(refused <= 512, "{refused}");
    }
}

#[test]
fn zeek_baselines_whose_times_are_blotted_out() {
    // The baselines have `XXXXXXXXXX.XXXXXX` for the time: each record is refused for it, by name.
    if let Some((events, refused)) = read("zeek/Baseline", &[Format::ZeekTsv, Format::ZeekJson]) {
        assert!(500 < events + refused, "{events} {refused}");
    }
}

#[test]
fn logs_of_many_products() {
    if let Some((events, refused)) = read(
        "crowdsec-hub-tests",
        &[
            Format::Syslog,
            Format::Eve,
            Format::Ndjson,
            Format::Ecs,
            Format::Access,
            Format::Auditd,
        ],
    ) {
        assert!(1_500 < events, "{events}");
        assert!(refused * 20 < events, "{refused} of {events} refused");
    }
}

#[test]
fn windows_events_as_json_lines() {
    if let Some((events, refused)) = read("sigma/events", &[Format::Ndjson, Format::Ecs, Format::ZeekJson]) {
        // Lines of Zeek's `loaded_scripts` have no time; everything else is an event.
        assert!(40_000 < events, "{events}");
        assert!(refused <= 481, "{refused}");
    }
}

/// Every record that the crate reads of a log is an event of ours, and a log that is cut anywhere gives those of its whole chunks.
#[test]
fn windows_event_logs() {
    let Some(captures) = others::folder() else { return };
    let mut paths = Vec::new();
    files(&captures.join("sigma/regression-data"), &mut paths);
    paths.retain(|path| path.extension().is_some_and(|end| end == "evtx"));
    assert!(200 < paths.len(), "{}", paths.len());
    let directory = tempfile::tempdir().expect("a directory");
    let mut total = 0;
    for (number, path) in paths.iter().enumerate() {
        let mut parser = evtx::EvtxParser::from_path(path).expect("a log");
        let expected = parser.records_json().filter(Result::is_ok).count();
        let records = all(path);
        let events = records
            .iter()
            .filter(|record| matches!(record, Record::Event(_)))
            .count();
        assert_eq!(
            (events, records.len()),
            (expected, expected),
            "{}",
            path.display()
        );
        for record in &records {
            let Record::Event(draft) = record else { continue };
            assert!(draft.dataset.starts_with("windows."), "{}", draft.dataset);
            assert!(draft.fields.get("EventID").is_some() && draft.fields.get("event.code").is_some());
        }
        total += events;
        let bytes = std::fs::read(path).expect("reads");
        let cut = directory.path().join("cut.evtx");
        for length in (97..bytes.len()).step_by(97 * 61).skip(number % 7) {
            std::fs::write(&cut, &bytes[..length]).expect("written");
            let cut = all(&cut);
            assert!(
                cut.iter().any(|record| matches!(record, Record::Refused(_))),
                "{length}"
            );
        }
        let mut flipped = bytes.clone();
        for place in (5_000..flipped.len()).step_by(997) {
            flipped[place] ^= 0x55;
        }
        std::fs::write(&cut, &flipped).expect("written");
        let _ = all(&cut);
    }
    println!("{} logs, {total} events", paths.len());
}

fn all(path: &Path) -> Vec<Record> {
    let mut source = source::open(path, &FileOptions::default()).expect("opens");
    assert_eq!(source.format(), Format::Evtx);
    let mut records = Vec::new();
    while source.read(&mut records).expect("reads") {}
    records
}
