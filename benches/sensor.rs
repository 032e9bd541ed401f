//! How fast the sensor is beside others ([`peers`]), and what its promises cost: captures to the bytes of events, under
//! pseudonym beside the same in full, through the synced spool beside the same without one, and held against a million
//! indicators beside none ([`known`]).
//!
//! Everything between is the sensor's own: packets, withholding, stamp, wire form, key, spool. The captures are those of
//! others where they are at hand (`VARDE_CAPTURES`, by default `../shared/captures`), else those of the bundled cases.

pub mod debian;
pub mod events;
pub mod floor;
pub mod known;
pub mod lines;
pub mod memory;
pub mod peers;
pub mod rest;
pub mod running;
pub mod suricata;
pub mod syslog;
pub mod traffic;

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::Context as _;
use ingest::capture::{CaptureOptions, CaptureReader};
use ingest::disclose::Disclosure;
use ingest::disclose::policy::{DisclosureRule, Level};
use ingest::publish;
use ingest::record::{Draft, Record};
use ingest::site::keys::SiteKey;
use ingest::spool::{Room, Spool, Stream};
use ingest::stamp::{EnvelopeTrust, SensorContext, SourceIdentity, locate, stamp};
use ingest_event::{Marking, Purpose, Timestamp, Zone, encode};
use ipnet::IpNet;

use traffic::Traffic;

use crate::measure::{Against, Bar, Contender, Row, by_turns, rate};

const BENCH: &str = "sensor";

const ROUNDS: usize = 9;

/// What is promised under pseudonym, of the speed in full.
const PSEUDONYMS_BAR: f64 = 0.9;

/// What is promised with the spool, of the speed without.
const SPOOL_BAR: f64 = 0.85;

/// Events of one append: as many as a source of files hands in at once.
const BATCH: usize = ingest::source::RECORDS_PER_READ;

/// Larger than all of it.
const SPOOL_BYTES_MAX: u64 = 1 << 30;

/// Captures larger than this are left out, so that the small ones count too.
const CAPTURE_BYTES_MAX: u64 = 32 << 20;

/// Runs all works.
///
/// # Errors
/// If there are no captures, a spool can't be made, or two contenders make different events.
pub fn run(traffic: &Traffic) -> anyhow::Result<Vec<Row>> {
    let home = home()?;
    let captures = [fs::read(&traffic.path).with_context(|| format!("read {}", traffic.path.display()))?];
    let mut plain = || pass(&captures, &home, Level::Full, None);
    let mut hidden = || pass(&captures, &home, Level::Pseudonymised, None);
    let mut spooled = || {
        let folder = tempfile::tempdir().ok();
        let spool = folder
            .as_ref()
            .and_then(|folder| Spool::open(folder.path(), SPOOL_BYTES_MAX).ok());
        spool.map_or(0, |mut spool| {
            pass(&captures, &home, Level::Full, Some(&mut spool))
        })
    };
    let figures = by_turns(
        ROUNDS,
        &mut [
            ("in full", &mut plain),
            ("under pseudonym", &mut hidden),
            ("spooled", &mut spooled),
        ],
    )?;
    let [(plain, expected), (hidden, events), (spooled, kept)] = figures.as_slice() else {
        anyhow::bail!("three contenders ran");
    };
    anyhow::ensure!(
        expected == events && expected == kept,
        "{expected} events in full, {events} under pseudonym, {kept} from the spool"
    );
    let row = |work, ours, at_least| Row {
        bench: BENCH,
        work,
        corpus: traffic.name.to_owned(),
        unit: "events/s",
        ours: rate(*events, ours),
        floor: None,
        peer: Some(Contender {
            name: "the same in full, without a spool".to_owned(),
            figure: rate(*expected, *plain),
        }),
        bar: Some(Bar {
            against: Against::Peer,
            at_least,
        }),
        checked: format!("{events} events, the same number by all"),
    };
    Ok(vec![
        row("captures to events under pseudonym", *hidden, PSEUDONYMS_BAR),
        row(
            "captures to events, spooled, synced and taken out",
            *spooled,
            SPOOL_BAR,
        ),
    ])
}

/// One contender of [`run`] so many times, alone, for a profiler to look at; how many events it made.
///
/// # Errors
/// If the capture can't be read, or there is no such contender.
pub fn passes(way: &str, times: usize, capture: &Path) -> anyhow::Result<u64> {
    let home = home()?;
    let captures = [fs::read(capture).with_context(|| format!("read {}", capture.display()))?];
    (0..times)
        .map(|_| match way {
            "full" => Ok(pass(&captures, &home, Level::Full, None)),
            "pseudonym" => Ok(pass(&captures, &home, Level::Pseudonymised, None)),
            "spool" => {
                let folder = tempfile::tempdir()?;
                let mut spool = Spool::open(folder.path(), SPOOL_BYTES_MAX)?;
                Ok(pass(&captures, &home, Level::Full, Some(&mut spool)))
            }
            _ => anyhow::bail!("{way} is none of full, pseudonym and spool"),
        })
        .sum()
}

/// The networks that are ours in all of it.
fn home() -> anyhow::Result<Vec<IpNet>> {
    Ok(vec![
        "10.0.0.0/8".parse()?,
        "192.168.0.0/16".parse()?,
        "fd00::/8".parse()?,
    ])
}

/// Captures to bytes, and through the spool if there is one; how many events that were.
fn pass(captures: &[Vec<u8>], home: &[IpNet], level: Level, mut spool: Option<&mut Spool>) -> u64 {
    let rule = DisclosureRule {
        level: Some(level),
        ..DisclosureRule::default()
    };
    let mut disclosure = Disclosure::new(Zone::Administration, &[rule], &SiteKey::of(1, [7; 32]), home, &[]);
    let Some(context) = context() else { return 0 };
    let source = SourceIdentity {
        name: "bench".to_owned(),
        content: b"bench".to_vec(),
        path: Some("bench".to_owned()),
    };
    let clear = source.clone();
    let source = if level == Level::Full {
        source
    } else {
        disclosure.source(&source)
    };
    let (mut events, mut records, mut batch) = (0, Vec::new(), Vec::with_capacity(BATCH));
    for capture in captures {
        let options = CaptureOptions {
            home_networks: home.to_vec(),
            ..CaptureOptions::default()
        };
        let Ok(mut reader) = CaptureReader::new(capture.as_slice(), options) else {
            continue;
        };
        loop {
            let goes_on = reader.read(&mut records).unwrap_or(false);
            for record in records.drain(..) {
                let Record::Event(mut draft) = record else {
                    continue;
                };
                locate(&mut draft, &clear);
                disclosure.apply(&mut draft);
                batch.push(draft);
                if BATCH <= batch.len() {
                    events += hand_in(&context, &source, &mut batch, home, spool.as_deref_mut());
                }
            }
            drop(disclosure.pseudonyms().made());
            if !goes_on {
                break;
            }
        }
    }
    events + hand_in(&context, &source, &mut batch, home, spool)
}

/// A batch to bytes; through the spool, what comes out of it again counts.
fn hand_in(
    context: &SensorContext,
    source: &SourceIdentity,
    batch: &mut Vec<Draft>,
    home: &[IpNet],
    spool: Option<&mut Spool>,
) -> u64 {
    let stamped = |draft: Draft, sequence| {
        let event = stamp(context, source, draft, sequence, Timestamp::EPOCH);
        (publish::key(&event, home), event)
    };
    let Some(spool) = spool else {
        let count = batch.len() as u64;
        let mut value = Vec::with_capacity(1 << 10);
        for (sequence, draft) in (1..).zip(batch.drain(..)) {
            let (key, event) = stamped(draft, sequence);
            value.clear();
            encode(&event, &mut value);
            std::hint::black_box((&key, &value));
        }
        return count;
    };
    let mut append = spool.append(Room::Wait);
    for draft in batch.drain(..) {
        let (stream, at) = (Stream::of_dataset(&draft.dataset), draft.timestamp);
        let (key, mut event) = stamped(draft, 0);
        append.write(stream, at, &key, |sequence, out| {
            event.sequence = sequence;
            encode(&event, out);
        });
    }
    if append.commit().is_err() {
        return 0;
    }
    let mut count = 0;
    loop {
        let out = spool.oldest();
        if out.is_empty() {
            return count;
        }
        count += out.len() as u64;
        std::hint::black_box(&out);
        if spool.published().is_err() {
            return count;
        }
    }
}

fn context() -> Option<SensorContext> {
    Some(SensorContext {
        sensor: "bench".parse().ok()?,
        organization: "964965226".parse().ok()?,
        zone: Zone::Administration,
        marking: Marking::Unmarked,
        purpose: Purpose::Training,
        exercise: false,
        envelope: EnvelopeTrust::Own,
    })
}

/// The captures at hand, in memory.
///
/// # Errors
/// If there are none.
pub fn captures() -> anyhow::Result<Vec<Vec<u8>>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let others =
        env::var_os("VARDE_CAPTURES").map_or_else(|| here.join("../../shared/captures"), PathBuf::from);
    let root = if others.is_dir() {
        others
    } else {
        here.join("../replay-data/cases")
    };
    let mut folders = vec![root];
    let mut paths = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let ending = path.extension().and_then(|ending| ending.to_str());
            if path.is_dir() {
                folders.push(path);
            } else if matches!(ending, Some("pcap" | "pcapng" | "cap" | "trace"))
                && fs::metadata(&path)?.len() <= CAPTURE_BYTES_MAX
            {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let read: Result<Vec<_>, _> = paths.iter().map(fs::read).collect();
    let read = read?;
    anyhow::ensure!(!read.is_empty(), "no capture was found");
    Ok(read)
}

/// Addresses of our own that were not seen before: what the cipher alone does. Told beside the table.
///
/// # Errors
/// If a contender counts differently in two rounds.
pub fn cipher() -> anyhow::Result<[f64; 2]> {
    const ADDRESSES: u32 = 50_000;
    let cipher = ingest::disclose::PrefixCipher::new(&[7; 32]);
    let each = |keep: u32, make: fn(u32) -> std::net::IpAddr| {
        let cipher = &cipher;
        move || {
            let turned = (0..ADDRESSES).map(|number| cipher.encrypt(make(number), keep));
            turned
                .filter(|address| !std::hint::black_box(address).is_loopback())
                .count() as u64
        }
    };
    let mut four = each(8, |number| {
        std::net::Ipv4Addr::from_bits(0x0a00_0000 | number.wrapping_mul(37)).into()
    });
    let mut six = each(8, |number| {
        std::net::Ipv6Addr::from_bits(0xfd_u128 << 120 | u128::from(number).wrapping_mul(0x1_0001_0001))
            .into()
    });
    let figures = by_turns(ROUNDS, &mut [("IPv4", &mut four), ("IPv6", &mut six)])?;
    match figures.as_slice() {
        [(four, count), (six, _)] => Ok([rate(*count, *four), rate(*count, *six)]),
        _ => anyhow::bail!("two contenders ran"),
    }
}
