//! How fast feeds are read: generated lines of each kind and a mixed table, beside the `csv` crate reading the same
//! bytes and doing nothing else. `cargo run --release -p detect-rules --example feed_rate [LINES]`.
//!
//! Time is that of the process on its one thread; on a busy machine compare the figures of one run with each other.

#![allow(clippy::print_stdout, reason = "its purpose")]

use std::{fmt::Write, fs, hint::black_box, time::Duration};

use detect_rules::{FeedOptions, FeedReport, Outcome, read_feed};

/// Ten million is what the engine must hold; a tenth is enough for a rate.
const LINES: u64 = 1_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let lines = std::env::args().nth(1).map_or(Ok(LINES), |text| text.parse())?;
    println!("{lines} lines; CPU time; indicators are dropped as they come");
    for (name, header, kinds) in [
        ("plain, addresses", "", &[Kind::V4, Kind::V6][..]),
        ("plain, domains", "", &[Kind::Domain]),
        ("plain, URLs", "", &[Kind::Url]),
        ("plain, SHA-256", "", &[Kind::Sha256]),
        ("plain, mixed", "", &Kind::ALL),
        (
            "table, mixed",
            "type,value,source,confidence,tlp,valid_from,valid_until,description\n",
            &Kind::ALL,
        ),
    ] {
        let text = generate(header, kinds, lines);
        let (report, spent) = read(&text);
        assert_eq!(
            (report.accepted_total(), report.total(Outcome::Refused)),
            (lines, 0)
        );
        let (rows, bare) = bare(&text);
        let rate = |spent: Duration| lines as f64 / spent.as_secs_f64() / 1e6;
        println!(
            "{name:18} {:5.2} M lines/s, {:6.0} MB/s; csv alone, {rows} rows: {:5.2} M/s",
            rate(spent),
            text.len() as f64 / spent.as_secs_f64() / 1e6,
            rate(bare),
        );
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Kind {
    V4,
    V6,
    Domain,
    Url,
    Md5,
    Sha256,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::V4,
        Self::V6,
        Self::Domain,
        Self::Url,
        Self::Md5,
        Self::Sha256,
    ];
}

fn generate(header: &str, kinds: &[Kind], lines: u64) -> String {
    let mut text = header.to_owned();
    let mut state = 1_u64;
    for line in 0..lines {
        // SplitMix64: the same lines in every run.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut random = state;
        random = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        random = (random ^ (random >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        random ^= random >> 31;
        let [a, b, c, d, ..] = random.to_le_bytes();
        let kind = kinds
            .get(line as usize % kinds.len())
            .copied()
            .unwrap_or(Kind::V4);
        let (word, value) = match kind {
            Kind::V4 => ("ip", format!("{}.{b}.{c}.{d}", 11 + a % 80)),
            Kind::V6 => (
                "ip",
                format!("2a02:{b:x}:{c:x}:{d:x}::{random:x}", random = random as u16),
            ),
            Kind::Domain => (
                "domain",
                format!(
                    "host{a}.{:x}.{}",
                    random >> 20,
                    match a % 4 {
                        0 => "com",
                        1 => "no",
                        2 => "co.uk",
                        _ => "xyz",
                    }
                ),
            ),
            Kind::Url => (
                "url",
                format!("http://{:x}.net/{b}/path{c}.php?id={d}", random >> 20),
            ),
            Kind::Md5 => ("md5", format!("{random:016x}{state:016x}")),
            Kind::Sha256 => (
                "sha256",
                format!("{random:016x}{state:016x}{random:016X}{state:016X}"),
            ),
        };
        let written = if header.is_empty() {
            writeln!(text, "{value}")
        } else {
            writeln!(
                text,
                "{word},{value},some-feed,high,TLP:GREEN,2026-01-01T00:00:00Z,2028-01-01,seen in a campaign"
            )
        };
        written.unwrap_or_default();
    }
    text
}

fn read(text: &str) -> (FeedReport, Duration) {
    let mut report = FeedReport::default();
    let mut sink = |indicator| drop(black_box(indicator));
    let before = cpu();
    let result = read_feed(
        text.as_bytes(),
        "generated",
        &FeedOptions::new("generated"),
        &mut sink,
        &mut report,
    );
    let spent = cpu().saturating_sub(before);
    assert!(result.is_ok());
    (report, spent)
}

/// The csv crate reading the same bytes into one record.
fn bare(text: &str) -> (u64, Duration) {
    let before = cpu();
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut record = csv::ByteRecord::new();
    let mut rows = 0;
    while reader.read_byte_record(&mut record).unwrap_or(false) {
        rows += 1;
        black_box(&record);
    }
    (rows, cpu().saturating_sub(before))
}

/// CPU time of this thread; on systems without `schedstat`, nothing.
fn cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}
