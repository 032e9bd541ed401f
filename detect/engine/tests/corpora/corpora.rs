//! SigmaHQ's rules and real events, read from the captures; for tests and measurements.
//!
//! Nothing of them is kept here: `VARDE_CAPTURES` says where they are, and who asks says so when they are not.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test support; each user needs a part of it"
)]

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use detect_rules::{Checked, SourceText};

/// Every corpus of events.
pub const CORPORA: [&str; 5] = [
    "windows-mix-20k",
    "windows-raw-20k",
    "evtx-samples",
    "sigma-regression",
    "zeek-apt29",
];

/// The folder with the captures, if it is there.
pub fn captures() -> Option<PathBuf> {
    let root = std::env::var_os("VARDE_CAPTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures"),
        PathBuf::from,
    );
    if root.join("sigma/rules.tar.zst").exists() {
        return Some(root);
    }
    println!("skipped: captures not found at {}", root.display());
    None
}

/// The rule files in the archive: a tar is blocks of 512 bytes, each file a header and its content.
pub fn sigma_hq(root: &Path) -> Vec<SourceText> {
    let packed = std::fs::read(root.join("sigma/rules.tar.zst")).expect("the archive is there");
    let tar = zstd::decode_all(packed.as_slice()).expect("zstd");
    let mut sources = Vec::new();
    let (mut at, mut long_name) = (0, None);
    while at + 512 <= tar.len() {
        let header = &tar[at..at + 512];
        let text = |range: std::ops::Range<usize>| {
            let bytes = &header[range];
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
        };
        let size = usize::from_str_radix(&text(124..136), 8).unwrap_or(0);
        at += 512;
        // A name longer than the header has room for comes as the content of an entry of its own (GNU, pax).
        if matches!(header[156], b'L' | b'x') {
            long_name = Some(
                String::from_utf8_lossy(&tar[at..at + size])
                    .trim_end_matches(['\0', '\n'])
                    .to_owned(),
            );
            at += size.div_ceil(512) * 512;
            continue;
        }
        let path = long_name.take().unwrap_or_else(|| text(0..100));
        let is_file = matches!(header[156], b'0' | 0);
        if is_file && (path.ends_with(".yml") || path.ends_with(".yaml")) {
            sources.push(SourceText {
                path,
                text: String::from_utf8_lossy(&tar[at..at + size]).into_owned(),
            });
        }
        at += size.div_ceil(512) * 512;
    }
    sources
}

/// So many events of a corpus, spread over it.
pub fn events(root: &Path, corpus: &str, count: usize) -> Vec<String> {
    let packed = std::fs::File::open(root.join(format!("sigma/events/{corpus}.ndjson.zst"))).expect("corpus");
    let mut text = String::new();
    zstd::Decoder::new(packed)
        .expect("zstd")
        .read_to_string(&mut text)
        .expect("UTF-8");
    let lines: Vec<&str> = text.lines().collect();
    // Spread over the corpus, so that a short run sees every kind of event.
    let step = (lines.len() / count).max(1);
    lines
        .into_iter()
        .step_by(step)
        .take(count)
        .map(|line| {
            if line.contains("\"@timestamp\"") {
                line.to_owned()
            } else {
                format!("{{\"@timestamp\":\"2026-01-01T00:00:00Z\",{}", &line[1..])
            }
        })
        .collect()
}

/// Rules without a log source of their own, so that every rule is asked about every event.
pub fn for_all_events(mut checked: Checked) -> Checked {
    for rule in &mut checked.rules.rules {
        rule.log_source = detect_rules::RuleLogSource::default();
    }
    checked
}
