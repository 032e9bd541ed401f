//! What an entity takes, and how long a restart takes with a million of them.
//!
//! Each kind is measured in a process of its own: what an allocator was given back would be lost among the others'.
//! Memory is the process' own, by what it grew while the entities came.

use std::{net::Ipv6Addr, path::Path, process::Command, sync::Arc, time::Instant};

use anyhow::Context as _;
use detect::detector::{Detector, Findings};
use detect_engine::{Compiler, Correlator, Ruleset, Stage};
use detect_rules::SourceText;
use ingest_event::Timestamp;
use serde::{Deserialize, Serialize};

use super::{check, feed, organization};
use crate::measure::{Against, Bar, Contender, Row, anonymous_bytes};

/// Entities of a kind.
const ENTITIES: u64 = 1_000_000;

/// Entities that fit into a gigabyte, at least.
const A_GIGABYTE_HOLDS: f64 = 1_000_000.0;

/// A restart takes so long, at most.
const RESTORE_SECONDS: f64 = 5.0;

/// Says to a process which kind it measures and where it writes what it found.
const ASKED: &str = "VARDE_BENCH_ENTITIES";

const MONDAY: i64 = 1_772_409_600;

/// A kind of rule, and what its entities do.
struct Kind {
    name: &'static str,
    /// The rule's own lines.
    rule: &'static str,
    /// An entity is held from this event on.
    knocks: u64,
    /// So many entities are allowed of one rule.
    of_one_rule: u64,
    /// Events of an entity: few, as most have, and as many as make it as large as it can be.
    events: [u64; 2],
    /// Between them, in seconds.
    pause: i64,
}

const KINDS: [Kind; 7] = [
    Kind {
        name: "beacon",
        rule: "anomaly:\n  type: beacon\n  timespan: 24h\n  condition: { gte: 0.99, minimum: 1000, field: source.bytes }",
        knocks: 3,
        of_one_rule: 250_000,
        events: [4, 36],
        pause: 600,
    },
    Kind {
        name: "new_value",
        rule: "anomaly:\n  type: new_value\n  timespan: 60d\n  learning: 14d\n  condition: { field: user.name }",
        knocks: 1,
        of_one_rule: 250_000,
        events: [4, 65],
        pause: 600,
    },
    Kind {
        name: "distinct",
        rule: "anomaly:\n  type: distinct\n  timespan: 24h\n  condition: { field: user.name, gte: 100000 }",
        knocks: 1,
        of_one_rule: 250_000,
        events: [4, 108],
        pause: 800,
    },
    Kind {
        name: "volume",
        rule: "anomaly:\n  type: volume\n  timespan: 24h\n  condition: { field: [source.bytes, destination.bytes], gte: 1000000000000000, ratio: 5 }",
        knocks: 1,
        of_one_rule: 250_000,
        events: [2, 21],
        pause: 4_320,
    },
    Kind {
        name: "threshold_baseline",
        rule: "anomaly:\n  type: threshold_baseline\n  timespan: 14d\n  learning: 7d\n  interval: 1h\n  baseline: ewma\n  condition: { gte: 1000, minimum: 1000000 }",
        knocks: 1,
        of_one_rule: 250_000,
        events: [2, 10],
        pause: 3_600,
    },
    Kind {
        name: "event_count",
        rule: "correlation:\n  type: event_count\n  timespan: 24h\n  condition: { gte: 12 }",
        knocks: 1,
        of_one_rule: 50_000,
        events: [1, 11],
        pause: 600,
    },
    // Of what may soon be an alert, whole events are kept.
    Kind {
        name: "event_count_of_3",
        rule: "correlation:\n  type: event_count\n  timespan: 24h\n  condition: { gte: 3 }",
        knocks: 1,
        of_one_rule: 50_000,
        events: [1, 2],
        pause: 600,
    },
];

const BASE: &str = "title: Any connection outwards
id: 11111111-1111-4111-8111-111111111111
name: outbound
logsource: { category: network_connection }
detection:
  selection: { event.dataset: network.flow, network.direction: outbound }
  condition: selection
level: informational
";

/// What a process found.
#[derive(Debug, Serialize, Deserialize)]
struct Found {
    entities: u64,
    bytes: u64,
    snapshot_bytes: u64,
    snapshot_seconds: f64,
    restore_seconds: f64,
}

/// Whether this process was asked to measure one kind; then it has.
pub(super) fn was_asked() -> anyhow::Result<bool> {
    let Ok(asked) = std::env::var(ASKED) else {
        return Ok(false);
    };
    let [kind, events, path] = asked.split(',').collect::<Vec<_>>()[..] else {
        anyhow::bail!("{ASKED} is a kind, a number and a path")
    };
    let kind = KINDS
        .iter()
        .find(|known| known.name == kind)
        .with_context(|| format!("find the kind {kind}"))?;
    let found = measure(kind, events.parse()?)?;
    std::fs::write(path, serde_json::to_vec(&found)?).context("write what was found")?;
    Ok(true)
}

/// Two rows for each kind: with few events an entity, and with as many as it can hold.
pub(super) fn rows() -> anyhow::Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let mut rows = Vec::new();
    for kind in &KINDS {
        for events in kind.events {
            let path = folder.path().join(format!("{}-{events}", kind.name));
            let found = asked(kind, events, &path)?;
            rows.extend(told(kind, events, &found));
        }
    }
    Ok(rows)
}

fn asked(kind: &Kind, events: u64, path: &Path) -> anyhow::Result<Found> {
    let status = Command::new(std::env::current_exe()?)
        .arg("correlate-memory")
        .env(ASKED, format!("{},{events},{}", kind.name, path.display()))
        .status()
        .context("start the process of one kind")?;
    anyhow::ensure!(status.success(), "the process of {} failed", kind.name);
    serde_json::from_slice(&std::fs::read(path)?).context("read what the process found")
}

fn told(kind: &Kind, events: u64, found: &Found) -> [Row; 2] {
    let entities = found.entities as f64;
    let corpus = format!(
        "{}, {} entities of {events} events each",
        kind.name, found.entities
    );
    [
        Row {
            bench: "correlate-memory",
            work: "entities in a gigabyte",
            corpus: corpus.clone(),
            unit: "entities",
            ours: entities * 1e9 / found.bytes.max(1) as f64,
            floor: Some(Contender {
                name: "promised".to_owned(),
                figure: A_GIGABYTE_HOLDS,
            }),
            peer: None,
            bar: Some(Bar {
                against: Against::Floor,
                at_least: 1.0,
            }),
            checked: format!("{} bytes each", found.bytes / found.entities.max(1)),
        },
        Row {
            bench: "correlate-memory",
            work: "restore",
            corpus,
            unit: "restarts/s",
            ours: 1.0 / found.restore_seconds,
            floor: Some(Contender {
                name: "promised".to_owned(),
                figure: 1.0 / RESTORE_SECONDS,
            }),
            peer: None,
            bar: Some(Bar {
                against: Against::Floor,
                at_least: 1.0,
            }),
            checked: format!(
                "{:.2} s for {} MB, written in {:.2} s; what was restored writes the same bytes",
                found.restore_seconds,
                found.snapshot_bytes / 1_000_000,
                found.snapshot_seconds
            ),
        },
    ]
}

fn measure(kind: &Kind, events: u64) -> anyhow::Result<Found> {
    let rules = ENTITIES.div_ceil(kind.of_one_rule);
    let ruleset = ruleset(kind, rules)?;
    let organization = organization()?;
    let mut detector = Detector::new(&ruleset);
    let mut correlator = Correlator::new(Arc::clone(&ruleset));
    let mut findings = Findings::default();
    // Something waits and goes before the clock starts: buffers are not what is measured.
    let first = burst(&[(0, u64::MAX, 0)]);
    feed(
        &mut detector,
        &mut correlator,
        organization,
        &first,
        0,
        &mut findings,
    );
    let before = anonymous_bytes().context("find the process' memory")?;
    for event in 0..events {
        let times = if event == 0 { kind.knocks } else { 1 };
        for entities in (0..kind.of_one_rule).collect::<Vec<_>>().chunks(1_000) {
            let made: Vec<(i64, u64, u64)> = entities
                .iter()
                .flat_map(|entity| (0..times).map(move |_| (*entity, event)))
                .map(|(entity, event)| (at(kind, entity, event), entity, event))
                .collect();
            let made = burst(&made);
            feed(
                &mut detector,
                &mut correlator,
                organization,
                &made,
                event,
                &mut findings,
            );
            anyhow::ensure!(findings.is_empty(), "{} found something", kind.name);
        }
    }
    detector.flush(&mut correlator, &mut findings);
    let after = anonymous_bytes().context("find the process' memory")?;
    let entities = correlator.group_count() as u64;
    anyhow::ensure!(
        entities * 10 >= ENTITIES * 9,
        "{entities} entities of {}, not {ENTITIES}",
        kind.name
    );
    let started = Instant::now();
    let snapshot = correlator.snapshot();
    let snapshot_seconds = started.elapsed().as_secs_f64();
    drop(correlator);
    let started = Instant::now();
    let restored = Correlator::restore(Arc::clone(&ruleset), Stage::Whole, &snapshot)?;
    let restore_seconds = started.elapsed().as_secs_f64();
    anyhow::ensure!(restored.snapshot() == snapshot, "what was restored differs");
    Ok(Found {
        entities,
        bytes: after.saturating_sub(before),
        snapshot_bytes: snapshot.len() as u64,
        snapshot_seconds,
        restore_seconds,
    })
}

/// As many rules of a kind as are needed for all the entities.
fn ruleset(kind: &Kind, rules: u64) -> anyhow::Result<Arc<Ruleset>> {
    let mut text = BASE.to_owned();
    for rule in 0..rules {
        let own = kind.rule.replacen(
            "\n  type:",
            "\n  rules: [outbound]\n  group-by: [source.ip, destination.ip]\n  type:",
            1,
        );
        text.push_str(&format!(
            "---\ntitle: Measured {rule}\nid: 22222222-2222-4222-8222-{rule:012}\n{own}\nlevel: low\n"
        ));
    }
    let rules = check(&[SourceText {
        path: "measured.yml".to_owned(),
        text,
    }])?;
    let compiled = Compiler::new().rules(rules).compile();
    compiled.map(Arc::new).context("compile the ruleset")
}

/// Everybody's first event, then everybody's second.
fn at(kind: &Kind, entity: u64, event: u64) -> i64 {
    let share = i64::try_from(entity).unwrap_or(0) * kind.pause * 1_000
        / i64::try_from(kind.of_one_rule).unwrap_or(1);
    i64::try_from(event).unwrap_or(0) * kind.pause * 1_000 + share
}

/// Events, at milliseconds after Monday, of entities with a number each.
fn burst(made: &[(i64, u64, u64)]) -> Vec<Vec<u8>> {
    let each = |(number, (at, entity, event)): (usize, &(i64, u64, u64))| {
        let time = Timestamp::from_millis(MONDAY * 1_000 + at);
        let machine = entity % 2_000;
        let server = Ipv6Addr::from(0x2001_0db8_00ff_0000_0000_0000_0000_0000_u128 | u128::from(*entity));
        format!(
            r#"{{"@timestamp":"{time}","event.id":"{entity:016x}{event:08x}{number:08x}","event.dataset":"network.flow","network.direction":"outbound","network.transport":"tcp","source.ip":"2001:db8:20::{machine:x}","source.port":{},"destination.ip":"{server}","destination.port":443,"source.bytes":{},"destination.bytes":{},"source.packets":12,"destination.packets":14,"event.duration":1200000000,"user.name":"{entity}-{event}","varde.flow.state":"closed"}}"#,
            32_768 + event,
            300 + event,
            4_000 + event
        )
        .into_bytes()
    };
    made.iter().enumerate().map(each).collect()
}
