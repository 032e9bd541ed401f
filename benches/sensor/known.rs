//! What a million indicators cost the sensor: captures to events under pseudonym, with them beside the same without.
//!
//! Some of them are in the capture, each in one field of it, so that it shows that they were looked for: names of servers
//! that stand in one event alone, a hundred at most.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::Context as _;
use detect_alert::{Confidence, Indicator, IndicatorKind, Pap, Tlp};
use detect_engine::{IndicatorTable, IndicatorTableBuilder};
use ingest::capture::{CaptureOptions, CaptureReader};
use ingest::disclose::Disclosure;
use ingest::metrics::Metrics;
use ingest::publish;
use ingest::record::Record;
use ingest::scan::{Around, Loaded, Scan};
use ingest::site::keys::SiteKey;
use ingest::stamp::{SourceIdentity, stamp};
use ingest_event::{Timestamp, Value, Zone, encode, field};
use ipnet::IpNet;

use super::traffic::Traffic;
use crate::indicators::made;
use crate::measure::{Against, Bar, Contender, Row, by_turns, rate};

const INDICATORS: u64 = 1_000_000;

/// So many of them the capture has.
const THERE: usize = 100;

/// What is promised with them, of the speed without.
const BAR: f64 = 0.95;

const ROUNDS: usize = 9;

/// As many as a source of packets hands in at once.
const BATCH: usize = 512;

/// Measures on one capture.
///
/// # Errors
/// If it can't be read, or not as many match as should.
pub fn row(traffic: &Traffic) -> anyhow::Result<Row> {
    let capture = fs::read(&traffic.path).with_context(|| format!("read {}", traffic.path.display()))?;
    let home = super::home()?;
    let there = there(&capture, &home)?;
    let mut builder = IndicatorTableBuilder::new();
    for number in 0..INDICATORS - there.len() as u64 {
        builder.add(&made::indicator(number));
    }
    for name in &there {
        builder.add(&named(name));
    }
    let table = builder.build();
    let (held, megabytes) = (table.len(), table.memory() as f64 / 1e6);
    let with = scan(Some(table))?;
    let without = scan(None)?;
    let mut matched = 0;
    let mut pass_with = || {
        let (events, found) = pass(&capture, &home, &with);
        matched = found;
        events
    };
    let mut pass_without = || pass(&capture, &home, &without).0;
    let figures = by_turns(
        ROUNDS,
        &mut [("with", &mut pass_with), ("without", &mut pass_without)],
    )?;
    let [(time, events), (plain, expected)] = figures.as_slice() else {
        anyhow::bail!("two contenders ran");
    };
    anyhow::ensure!(
        events == expected && matched == there.len() as u64,
        "{events} events with them, {expected} without; {matched} matches of {}",
        there.len()
    );
    Ok(Row {
        bench: "sensor",
        work: "captures to events under pseudonym, held against 1,000,000 indicators",
        corpus: traffic.name.to_owned(),
        unit: "events/s",
        ours: rate(*events, *time),
        floor: None,
        peer: Some(Contender {
            name: "the same, none loaded".to_owned(),
            figure: rate(*expected, *plain),
        }),
        bar: Some(Bar {
            against: Against::Peer,
            at_least: BAR,
        }),
        checked: format!(
            "{events} events by both; {matched} matches of {held} indicators, {megabytes:.0} MB"
        ),
    })
}

fn named(name: &str) -> Indicator {
    Indicator {
        kind: IndicatorKind::Domain,
        value: name.to_owned(),
        source: "bench".to_owned(),
        confidence: Confidence::High,
        tlp: Tlp::Green,
        pap: Pap::Green,
        valid_from: None,
        valid_until: None,
        description: String::new(),
    }
}

fn scan(table: Option<IndicatorTable>) -> anyhow::Result<Scan> {
    let scan = Scan::new(Metrics::new()?.scan);
    scan.put(table.and_then(|table| Loaded::new(table, None)));
    Ok(scan)
}

/// Names of servers in TLS that stand in one event alone, nothing below them in any other.
fn there(capture: &[u8], home: &[IpNet]) -> anyhow::Result<BTreeSet<String>> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    each_batch(capture, home, |records| {
        for record in records {
            let Record::Event(draft) = record else { continue };
            for (_, value) in draft.fields.iter() {
                for text in value.each().filter_map(Value::as_str) {
                    let mut rest = text.to_ascii_lowercase();
                    while let Some((_, above)) = rest.clone().split_once('.') {
                        *seen
                            .entry(std::mem::replace(&mut rest, above.to_owned()))
                            .or_default() += 1;
                    }
                }
            }
        }
    });
    let mut found = BTreeSet::new();
    each_batch(capture, home, |records| {
        for record in records {
            let Record::Event(draft) = record else { continue };
            let name = draft.fields.text(field::TLS_SERVER_NAME).unwrap_or_default();
            let is_plain = name.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-')
            });
            let has_letters = name
                .rsplit('.')
                .next()
                .is_some_and(|last| !last.is_empty() && !last.bytes().any(|byte| byte.is_ascii_digit()));
            if found.len() < THERE && is_plain && has_letters && seen.get(name) == Some(&1) {
                found.insert(name.to_owned());
            }
        }
    });
    anyhow::ensure!(!found.is_empty(), "no name stands in one event alone");
    Ok(found)
}

fn each_batch(capture: &[u8], home: &[IpNet], mut take: impl FnMut(&mut Vec<Record>)) {
    let options = CaptureOptions {
        home_networks: home.to_vec(),
        ..CaptureOptions::default()
    };
    let Ok(mut reader) = CaptureReader::new(capture, options) else {
        return;
    };
    let (mut records, mut batch) = (Vec::new(), Vec::with_capacity(BATCH));
    loop {
        let goes_on = reader.read(&mut records).unwrap_or(false);
        for record in records.drain(..) {
            batch.push(record);
            if BATCH <= batch.len() {
                take(&mut batch);
                batch.clear();
            }
        }
        if !goes_on {
            break;
        }
    }
    take(&mut batch);
}

/// A capture to bytes: how many events, and how many matches.
fn pass(capture: &[u8], home: &[IpNet], scan: &Scan) -> (u64, u64) {
    let mut disclosure = Disclosure::new(Zone::Administration, &[], &SiteKey::of(1, [7; 32]), home, &[]);
    let Some(context) = super::context() else {
        return (0, 0);
    };
    let clear = SourceIdentity {
        name: "bench".to_owned(),
        content: b"bench".to_vec(),
        path: None,
    };
    let source = disclosure.source(&clear);
    let around = Around {
        context: &context,
        source: &clear,
        now: Timestamp::EPOCH,
    };
    let (mut events, mut matches) = (0, 0);
    each_batch(capture, home, |batch| {
        let (_, found) = scan.look(&around, batch);
        let found = found.into_iter().chain(std::iter::repeat(None));
        for (record, found) in batch.drain(..).zip(found) {
            let Record::Event(mut draft) = record else {
                continue;
            };
            disclosure.apply(&mut draft);
            events += 1;
            let mut event = stamp(&context, &source, draft, events, Timestamp::EPOCH);
            if let Some(found) = found {
                matches += found.hits().len() as u64;
                event.fields.set(field::VARDE_MATCHED, found.value());
            }
            let mut value = Vec::with_capacity(512);
            encode(&event, &mut value);
            std::hint::black_box((publish::key(&event, home), value));
        }
        drop(disclosure.pseudonyms().made());
    });
    (events, matches)
}
