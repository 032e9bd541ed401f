//! Logs by others, or where they are not at hand those of the bundled cases, cut at every 97th byte.
//!
//! A log's lines depend on those before them, never on those behind, so what a cut changes is the line that it goes through:
//! each is read as far as each cut goes, by a reader that knows what came before (a Zeek log's header, the time of the last
//! event). It is one event or one refusal, or nothing is left of it. Of a Windows event log it is the chunk: behind the file's
//! header it is one refusal, and so it is in the log, which `real_logs.rs` cuts at fewer places and reads from the beginning.
//!
//! No case has a Windows event log; those are cut only where others' are at hand.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test tells what it read, and fails with its helpers"
)]

#[path = "capture/others.rs"]
mod others;

use std::fs::{self, File};
use std::path::PathBuf;

use ingest::normalize::{Normalizer, NormalizerOptions, YearRule};
use ingest::record::Record;
use ingest::source::{self, FileOptions, Format};
use ingest_event::QuarantineReason;

const STEP: usize = 97;

/// How much of a log is read: all of most, and enough of the few that go on and on.
const BYTES_MAX: usize = 256 << 10;

/// The header of a Windows event log, and one of its chunks, in bytes.
const EVTX_HEADER_BYTES: usize = 4096;
const EVTX_CHUNK_BYTES: usize = 65_536;

fn files() -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![others::folder_or_ours()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn normalizer(format: Format) -> Normalizer {
    let options = NormalizerOptions {
        dataset: None,
        home_networks: Vec::new(),
        year: YearRule::Fixed(2024),
        utc_offset_secs: 0,
    };
    Normalizer::new(format, options)
}

#[test]
fn a_line_that_is_cut_is_one_record_or_nothing() {
    let (mut logs, mut cuts) = (0, 0);
    for path in files() {
        let bytes = fs::read(&path).expect("readable");
        let bytes = &bytes[..bytes.len().min(BYTES_MAX)];
        let Ok(format) = source::recognize(bytes) else {
            continue;
        };
        if matches!(format, Format::Pcap | Format::Pcapng | Format::Evtx) {
            continue;
        }
        logs += 1;
        let (mut whole, mut cut) = (normalizer(format), normalizer(format));
        let (mut out, mut start) = (Vec::new(), 0);
        for (line, number) in bytes.split_inclusive(|byte| *byte == b'\n').zip(1..) {
            let end = start + line.len();
            for place in (start / STEP + 1..=end / STEP).map(|nth| nth * STEP) {
                let rest = &bytes[start..place];
                let told = || format!("{} cut at {place}", path.display());
                let is_header = format == Format::ZeekTsv && rest.starts_with(b"#");
                cut.resume(whole.last());
                if is_header {
                    // What it says is for the lines behind it, of which there are none.
                    normalizer(format).line(rest, number, &mut out);
                } else {
                    cut.line(rest, number, &mut out);
                }
                let text = rest.strip_prefix(b"\xef\xbb\xbf").unwrap_or(rest);
                let is_silent = is_header || text.trim_ascii().is_empty();
                assert!(out.len() <= 1, "{}: {} records", told(), out.len());
                assert!(is_silent || out.len() == 1, "{}: nothing is told of it", told());
                out.clear();
                cuts += 1;
            }
            whole.line(line, number, &mut out);
            cut.pass_over(line.trim_ascii_end());
            out.clear();
            start = end;
        }
    }
    println!("{cuts} cuts in {logs} logs");
    assert_ne!(cuts, 0);
}

#[test]
fn a_chunk_of_a_windows_event_log_that_is_cut_is_refused_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let cut = folder.path().join("cut.evtx");
    let mut cuts = 0;
    for path in files() {
        if path.extension().is_none_or(|ending| ending != "evtx") {
            continue;
        }
        let bytes = fs::read(&path).expect("readable");
        let places = (EVTX_HEADER_BYTES / STEP + 1..=bytes.len() / STEP).map(|nth| nth * STEP);
        let mut written = None;
        // From the end of each chunk on, so that it is written once and then cut shorter and shorter.
        for place in places.rev().filter(|place| *place < bytes.len()) {
            let inside = (place - EVTX_HEADER_BYTES) % EVTX_CHUNK_BYTES;
            let start = place - inside;
            let rest = &bytes[start..place];
            if rest.iter().all(|byte| *byte == 0) {
                continue;
            }
            if written != Some(start) {
                fs::write(&cut, [&bytes[..EVTX_HEADER_BYTES], rest].concat()).expect("written");
                written = Some(start);
            }
            let file = File::options().write(true).open(&cut).expect("opens");
            file.set_len((EVTX_HEADER_BYTES + inside) as u64).expect("cut");
            let mut source = source::open(&cut, &FileOptions::default()).expect("opens");
            let mut out = Vec::new();
            while source.read(&mut out).expect("reads") {}
            let told = format!("{} cut at {place}", path.display());
            let [Record::Refused(refusal)] = &out[..] else {
                panic!("{told}: {out:?}");
            };
            assert_eq!(refusal.reason, QuarantineReason::Truncated, "{told}");
            assert_eq!(refusal.raw_bytes, inside as u64, "{told}");
            cuts += 1;
        }
    }
    println!("{cuts} cuts");
}
