//! What it takes to write down the groups of one partition and to have them again.
//!
//! The long form (`VARDE_LONG=1`, release) has 1,000,000 groups; the figures are printed.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "what fails in a test's helper fails the test, and figures are printed"
)]

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc, time::Instant};

use detect::{
    checkpoint::{Checkpoint, Found, Lease, Written},
    detector::{Detector, Findings, Origin},
};
use detect_engine::{Compiler, Correlator, Ruleset, Stage};
use detect_rules::{SourceText, check};
use ingest_bus::{Record, Topic, TopicPartition};
use ingest_event::{OrganizationNumber, Timestamp};

/// Rules that each have a group for every machine.
const RULES: usize = 20;

fn ruleset() -> Arc<Ruleset> {
    let mut text = "
title: Outbound Attempt
name: attempted
id: 5b2f6f0a-6f5e-4f6e-9a51-0d9c43d0c000
status: test
logsource: { category: network, service: connection }
detection:
  selection: { network.direction: outbound, varde.flow.state: attempted }
  condition: selection
level: informational
"
    .to_owned();
    for number in 1..=RULES {
        write!(
            text,
            "---
title: Many Attempts {number}
id: 5b2f6f0a-6f5e-4f6e-9a51-0d9c43d0c{number:03}
status: test
correlation:
  type: event_count
  rules: [attempted]
  group-by: [source.ip]
  timespan: 1h
  condition: {{ gte: {} }}
level: high
",
            100 + number
        )
        .expect("written");
    }
    let checked = check(&[SourceText {
        path: "rules.yml".into(),
        text,
    }]);
    let errors: Vec<_> = checked.diagnostics.iter().filter(|one| one.is_error()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    Arc::new(Compiler::new().rules(checked.rules).compile().expect("compiled"))
}

fn fill(ruleset: &Arc<Ruleset>, machines: usize) -> Correlator {
    let mut correlator = Correlator::for_stage(Arc::clone(ruleset), Stage::Scan);
    let mut detector = Detector::new(ruleset);
    let mut findings = Findings::default();
    for number in 0..machines {
        let event = format!(
            r#"{{"@timestamp":"2026-03-02T08:00:00.{:03}Z","event.dataset":"network.flow","event.id":"e-{number}","source.ip":"2001:db8::{number:x}","source.port":40000,"destination.ip":"203.0.113.9","destination.port":22,"network.transport":"tcp","network.direction":"outbound","varde.flow.state":"attempted"}}"#,
            number % 1_000
        );
        let origin = Origin {
            organization: OrganizationNumber::parse("958935420").expect("valid"),
            source: "varde.events.958935420",
            position: number as u64,
            observed: Timestamp::from_millis(1_772_438_400_000),
        };
        detector.scan(&mut correlator, event.as_bytes(), &origin, &mut findings);
    }
    detector.flush(&mut correlator, &mut findings);
    correlator
}

#[test]
fn all_groups_are_there_again() {
    let machines = if std::env::var_os("VARDE_LONG").is_some() {
        1_000_000 / RULES
    } else {
        1_000
    };
    let ruleset = ruleset();
    let correlator = fill(&ruleset, machines);
    assert_eq!(correlator.group_count(), machines * RULES);
    let place = TopicPartition {
        topic: Topic::parse("varde.events.958935420").expect("valid"),
        partition: 0,
    };
    let (mut lease, _) = Lease::take(&BTreeMap::new(), "g", &place, 0, 1).expect("a lease");

    let begun = Instant::now();
    let state = correlator.snapshot();
    let (snapshot, bytes) = (begun.elapsed(), state.len());
    let checkpoint = Checkpoint {
        offset: machines as u64,
        state,
        ..Checkpoint::default()
    };
    let Written { chunks, manifest } = lease.write(&checkpoint).expect("written");
    let (write, records) = (begun.elapsed(), chunks.len());
    drop((correlator, checkpoint));

    let compressed: usize = chunks.iter().map(Record::bytes).sum();
    let all = chunks.into_iter().chain([manifest]);
    let newest: BTreeMap<Vec<u8>, Record> = all
        .map(|record| (record.key.clone().expect("a key"), record))
        .collect();
    let begun = Instant::now();
    let (_, found) = Lease::take(&newest, "g", &place, 0, 2).expect("a lease");
    let Found::Whole(checkpoint) = found else {
        panic!("{found:?}")
    };
    let read = begun.elapsed();
    let restored = Correlator::restore(ruleset, Stage::Scan, &checkpoint.state).expect("restored");
    let restore = begun.elapsed();
    println!(
        "{} groups: {} MB, {} MB compressed in {records} chunks; written in {write:.2?} (snapshot {snapshot:.2?}), there again in \
         {restore:.2?} (read {read:.2?})",
        machines * RULES,
        bytes / 1_000_000,
        compressed / 1_000_000
    );
    assert_eq!(restored.group_count(), machines * RULES);
    assert_eq!(restored.snapshot(), checkpoint.state);
}
