//! Captures by others, or where they are not at hand those of the bundled cases, cut at every 97th byte.
//!
//! Of a capture that ends early there are two things to say: what its whole packets told, whose flows end there, and that the
//! file ends inside a record. The second depends on that record alone (and, in pcapng, on the blocks that describe interfaces),
//! so it is asked at **every** 97th byte of every capture whose lengths lead from record to record to its end, with the record
//! behind the file's header; of ten captures nine are such, and how many are not is told. What comes of
//! everything before a cut is read from the beginning, at every 97th byte of captures up to [`WHOLE_BYTES_MAX`], and of larger
//! ones at [`SPREAD`] of their cuts, from the first to the last. `VARDE_CUTS=all` reads those at every 97th byte too, which is
//! quadratic: 54 GB for what lies under `../shared/captures`. What can't be opened as a capture is not cut.
//!
//! At each cut every packet before it was read and is told in a flow, counted as no flow's, or refused, and one refusal says
//! that the file ends inside a record, if it does.

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

use std::env;
use std::fs;
use std::iter::StepBy;
use std::ops::Range;
use std::path::PathBuf;

use ingest::capture::{CaptureOptions, CaptureReader};
use ingest::record::Record;
use ingest_event::{QuarantineReason, Value, field};

const STEP: usize = 97;

/// Captures up to this size are read from the beginning for each cut: most of them, in seconds.
const WHOLE_BYTES_MAX: usize = 30_000;

/// Cuts of larger captures for which all before them is read.
const SPREAD: usize = 32;

/// A pcapng block's type and length, and types of blocks (draft-ietf-opsawg-pcapng section 4).
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// A record of a pcap, a block of a pcapng.
struct Part {
    start: usize,
    end: usize,
    /// Whether it is a packet.
    is_packet: bool,
    /// Whether what comes later can't be read without it.
    is_needed: bool,
}

/// The parts of a capture, as far as their lengths make sense, and the length of what comes before all of them.
fn parts(bytes: &[u8]) -> (usize, Vec<Part>) {
    let word = |at: usize, big_endian: bool| {
        let word = bytes.get(at..)?.first_chunk::<4>()?;
        Some(match big_endian {
            true => u32::from_be_bytes(*word),
            false => u32::from_le_bytes(*word),
        })
    };
    let (mut parts, mut big_endian) = (Vec::new(), false);
    let is_blocks = word(0, false) == Some(SECTION);
    let start = if is_blocks { 0 } else { 24 };
    let head = match word(0, false) {
        Some(0xa1b2_cd34) => 24,
        _ => 16,
    };
    if !is_blocks {
        big_endian = matches!(bytes[0], 0xa1);
    }
    let mut at = start;
    while at < bytes.len() {
        let kind = word(at, false);
        if is_blocks && kind == Some(SECTION) {
            big_endian = word(at + 8, true) == Some(0x1a2b_3c4d);
        }
        let length = match is_blocks {
            true => word(at + 4, big_endian).filter(|length| (12..=16 << 20).contains(length)),
            false => word(at + 8, big_endian)
                .filter(|length| *length <= 262_144)
                .map(|length| length + head),
        };
        let Some(length) = length else { break };
        let end = at + length as usize;
        let kind = word(at, big_endian);
        parts.push(Part {
            start: at,
            end,
            is_packet: !is_blocks || matches!(kind, Some(SIMPLE_PACKET | ENHANCED_PACKET)),
            is_needed: is_blocks && matches!(kind, Some(SECTION | INTERFACE)),
        });
        at = end;
    }
    (start, parts)
}

/// What was read of a capture that is cut.
struct Account {
    packets: u64,
    truncated: Vec<u64>,
    records: usize,
}

/// Reads it to its end; every packet must be in its place.
fn account(bytes: &[u8], told: &str) -> Option<Account> {
    let mut reader = CaptureReader::new(bytes, CaptureOptions::default()).ok()?;
    let (mut out, mut in_flows, mut refused) = (Vec::new(), 0, 0);
    let (mut truncated, mut records) = (Vec::new(), 0);
    loop {
        let more = reader.read(&mut out).expect("memory does not fail");
        records += out.len();
        for record in out.drain(..) {
            match record {
                Record::Refused(refusal) => {
                    refused += 1;
                    if refusal.reason == QuarantineReason::Truncated
                        && refusal.detail.starts_with("the file ends")
                    {
                        truncated.push(refusal.raw_bytes);
                    }
                }
                Record::Event(draft) if draft.dataset == "network.flow" => {
                    match draft.fields.get(field::NETWORK_PACKETS) {
                        Some(Value::Integer(packets)) => in_flows += packets.unsigned_abs(),
                        Some(Value::Unsigned(packets)) => in_flows += packets,
                        _ => {}
                    }
                }
                Record::Event(_) => {}
            }
        }
        if !more {
            break;
        }
    }
    let counts = reader.counts();
    let placed = counts.counted + counts.not_ip + counts.cut + counts.refused;
    assert_eq!(counts.packets, placed, "{told}: {counts:?}");
    assert_eq!(
        reader.packets() - counts.packets,
        refused - counts.refused,
        "{told}: {counts:?}"
    );
    // What was put together of pieces, which were counted, may carry another packet.
    assert!(
        (counts.counted..=2 * counts.counted).contains(&in_flows),
        "{told}: {counts:?}"
    );
    Some(Account {
        packets: reader.packets(),
        truncated,
        records,
    })
}

struct Capture {
    path: PathBuf,
    bytes: Vec<u8>,
    parts: Vec<Part>,
    /// Whether parts and what is read of the whole agree on how many packets there are.
    is_sound: bool,
}

fn captures() -> Vec<Capture> {
    let (mut found, mut unopened) = (Vec::new(), 0);
    for path in lab::captures_under(&others::folder_or_ours()) {
        let bytes = fs::read(&path).expect("readable file");
        let told = path.display().to_string();
        let Some(whole) = account(&bytes, &told) else {
            unopened += 1;
            continue;
        };
        let (_, parts) = parts(&bytes);
        let packets = parts.iter().filter(|part| part.is_packet).count() as u64;
        let ends_well = parts.last().is_none_or(|last| last.end == bytes.len());
        found.push(Capture {
            is_sound: packets == whole.packets && ends_well && whole.truncated.is_empty(),
            path,
            bytes,
            parts,
        });
    }
    let unsound = found.iter().filter(|capture| !capture.is_sound).count();
    println!(
        "{} captures, {unsound} of them unsound; {unopened} can't be opened",
        found.len()
    );
    assert!(unsound <= 1 + found.len() / 10 && unsound + unopened < found.len());
    found
}

fn cuts(bytes: usize) -> StepBy<Range<usize>> {
    (STEP..bytes).step_by(STEP)
}

#[test]
fn a_capture_that_is_cut_tells_all_that_comes_before() {
    let is_all = env::var("VARDE_CUTS").is_ok_and(|cuts| cuts == "all");
    let (mut read, mut all) = (0, 0);
    for capture in captures() {
        let cuts = cuts(capture.bytes.len());
        all += cuts.len();
        let step = match is_all || capture.bytes.len() <= WHOLE_BYTES_MAX {
            true => 1,
            false => cuts.len().div_ceil(SPREAD),
        };
        // From the last one on, which has most before it.
        for cut in cuts.rev().step_by(step) {
            let told = format!("{} cut at {cut}", capture.path.display());
            let Some(account) = account(&capture.bytes[..cut], &told) else {
                assert!(cut < 40, "{told}: it is no capture any more");
                continue;
            };
            read += 1;
            assert!(account.truncated.len() <= 1, "{told}");
            if !capture.is_sound {
                continue;
            }
            let whole = capture.parts.iter().take_while(|part| part.end <= cut);
            let packets = whole.clone().filter(|part| part.is_packet).count() as u64;
            let first = capture.parts.first().map_or(cut, |part| part.start);
            let last = whole.last().map_or(first.min(cut), |part| part.end);
            let rest = (cut - last) as u64;
            let rests: Vec<u64> = (rest != 0).then_some(rest).into_iter().collect();
            assert_eq!(account.truncated, rests, "{told}");
            assert_eq!(account.packets, packets + u64::from(rest != 0), "{told}");
        }
    }
    println!("{read} of {all} cuts read from the beginning");
    assert_ne!(read, 0);
}

#[test]
fn a_record_that_is_cut_at_any_97th_byte_is_refused_once() {
    let mut refused = 0;
    for capture in captures().iter().filter(|capture| capture.is_sound) {
        let bytes = &capture.bytes;
        let first = capture.parts.first().map_or(bytes.len(), |part| part.start);
        let mut before = bytes[..first].to_vec();
        for part in &capture.parts {
            for cut in cuts(bytes.len()).skip(part.start / STEP) {
                if part.end <= cut {
                    break;
                }
                let told = format!("{} cut at {cut}", capture.path.display());
                let alone = [&before[..], &bytes[part.start..cut]].concat();
                let Some(account) = account(&alone, &told) else {
                    assert!(cut < 40, "{told}: it is no capture any more");
                    continue;
                };
                assert_eq!(account.truncated, [(cut - part.start) as u64], "{told}");
                assert_eq!((account.packets, account.records), (1, 1), "{told}");
                refused += 1;
            }
            if part.is_needed {
                before.extend_from_slice(&bytes[part.start..part.end]);
            }
        }
    }
    println!("{refused} cuts inside records");
    assert_ne!(refused, 0);
}
