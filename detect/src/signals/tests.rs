use std::sync::Arc;

use detect_engine::{Compiler, Correlator, Ruleset, Signal, Stage};
use detect_rules::{SourceText, check};
use ingest_bus::{Record, partition_of_key};
use ingest_event::{OrganizationNumber, Timestamp};

use super::{outbox::STEP_NS, *};
use crate::detector::{Detector, Findings, Origin};

const RULES: &str = "
title: Attempt
name: attempted
id: 5b2f6f0a-6f5e-4f6e-9a51-0d9c43d0a001
status: test
logsource: { category: network, service: connection }
detection: { selection: { varde.flow.state: attempted }, condition: selection }
level: informational
---
title: Many Ports
id: 5b2f6f0a-6f5e-4f6e-9a51-0d9c43d0a002
status: test
correlation:
  type: value_count
  rules: [attempted]
  group-by: [source.ip]
  timespan: 1m
  condition: { field: destination.port, gte: 10 }
level: high
";

pub(crate) fn ruleset() -> Arc<Ruleset> {
    let checked = check(&[SourceText {
        path: "rules.yml".into(),
        text: RULES.to_owned(),
    }]);
    Arc::new(Compiler::new().rules(checked.rules).compile().expect("compiled"))
}

pub(crate) fn organization() -> OrganizationNumber {
    OrganizationNumber::parse("958935420").expect("valid")
}

/// Signals of so many scanned events, each of a source of its own.
pub(crate) fn signals(sources: std::ops::Range<u32>) -> Vec<Signal> {
    let ruleset = ruleset();
    let mut correlator = Correlator::for_stage(Arc::clone(&ruleset), Stage::Scan);
    let mut detector = Detector::new(&ruleset);
    let mut findings = Findings::default();
    for number in sources {
        let event = format!(
            r#"{{"@timestamp":"2026-03-02T08:00:00Z","event.dataset":"network.flow","event.id":"e-{number}","source.ip":"2001:db8::{number:x}","destination.port":22,"varde.flow.state":"attempted"}}"#
        );
        let origin = Origin {
            organization: organization(),
            source: "varde.events.958935420",
            position: 0,
            observed: Timestamp::from_millis(1_772_438_400_000),
        };
        detector.scan(&mut correlator, event.as_bytes(), &origin, &mut findings);
    }
    detector.flush(&mut correlator, &mut findings);
    findings.signals
}

fn outbox(epoch: u64, durable: u64, lanes: u32) -> Outbox {
    let source = Source {
        group: "g".to_owned(),
        organization: organization(),
        partition: 3,
        partitions: 12,
    };
    Outbox::new(source, epoch, durable, lanes)
}

/// What each record came to: so many signals became valid, or why not.
fn received(inbox: &mut Inbox, records: &[Record]) -> Vec<Result<Option<usize>, Refused>> {
    let took = records.iter().map(|record| {
        let took = inbox.take("g", &record.value).expect("understood");
        took.map(|received| received.map(|received| received.signals.len()))
    });
    took.collect()
}

#[test]
fn a_round_counts_once_and_only_when_it_is_marked() {
    let (mut outbox, mut inbox) = (outbox(1, 0, 1), Inbox::default());
    outbox.put(signals(0..5));
    let parts = outbox.rest();
    outbox.end_round();
    let marks = outbox.marks(7);
    // The bus may bring each twice.
    assert_eq!(received(&mut inbox, &parts), [Ok(None)]);
    assert_eq!(received(&mut inbox, &parts), [Ok(None)]);
    assert_eq!(received(&mut inbox, &marks), [Ok(Some(5))]);
    assert_eq!(received(&mut inbox, &marks), [Ok(Some(0))]);
    assert_eq!(inbox.bytes(), 0);
    let mark = inbox.take("g", &marks[0].value).expect("understood");
    let stream = mark.expect("taken").expect("a mark").stream;
    assert_eq!((stream.number, stream.count, stream.watermark), (3, 12, 7));
    assert_eq!(stream.organization, organization());
}

#[test]
fn what_came_after_the_last_checkpoint_of_an_owner_before_is_dropped() {
    let mut inbox = Inbox::default();
    let mut before = outbox(1, 0, 1);
    before.put(signals(0..5));
    let mut records = before.rest();
    // Durable, but its mark never came.
    before.end_round();
    before.put(signals(5..8));
    records.extend(before.rest());
    received(&mut inbox, &records);

    let mut after = outbox(2, 1, 1);
    assert_eq!(received(&mut inbox, &after.marks(0)), [Ok(Some(5))]);
    assert_eq!(inbox.bytes(), 0);
    after.put(signals(5..9));
    let parts = after.rest();
    after.end_round();
    assert_eq!(received(&mut inbox, &parts), [Ok(None)]);
    assert_eq!(received(&mut inbox, &after.marks(0)), [Ok(Some(4))]);

    // One that lost the partition and does not know it.
    before.put(signals(8..20));
    before.end_round();
    let late: Vec<Record> = before.rest().into_iter().chain(before.marks(0)).collect();
    assert_eq!(
        received(&mut inbox, &late),
        [Err(Refused::Fenced), Err(Refused::Fenced)]
    );
}

#[test]
fn a_mark_that_comes_again_after_a_later_one_is_passed_over() {
    let (mut outbox, mut inbox) = (outbox(1, 0, 1), Inbox::default());
    outbox.end_round();
    let quiet = outbox.marks(i64::MAX);
    outbox.end_round();
    let busy = outbox.marks(5);
    received(&mut inbox, &quiet);
    received(&mut inbox, &busy);
    assert_eq!(received(&mut inbox, &quiet), [Err(Refused::Repeated)]);
}

#[test]
fn a_group_of_detectors_does_not_count_what_another_sends() {
    let mut inbox = Inbox::default();
    let marks = outbox(1, 0, 1).marks(7);
    let took = inbox.take("other", &marks[0].value).expect("understood");
    assert_eq!(took.expect_err("of another"), Refused::OtherGroup);
    assert_eq!(inbox, Inbox::default());
}

#[test]
fn signals_lie_where_their_key_does_and_marks_everywhere() {
    for lanes in [1, 4, 7, 12] {
        let mut outbox = outbox(1, 0, lanes);
        let (signals, mut counts) = (signals(0..100), vec![0; lanes as usize]);
        for signal in &signals {
            counts[partition_of_key(&signal.key, lanes) as usize] += 1;
        }
        outbox.put(signals);
        let mut inboxes = vec![Inbox::default(); lanes as usize];
        let mut records = outbox.rest();
        outbox.end_round();
        records.extend(outbox.marks(0));
        let mut valid = vec![0; lanes as usize];
        for record in &records {
            let lane = partition_of_key(record.key.as_deref().expect("a key"), lanes) as usize;
            let took = received(&mut inboxes[lane], std::slice::from_ref(record));
            valid[lane] += took[0].expect("taken").unwrap_or(0);
        }
        assert_eq!(valid, counts, "{lanes}");
    }
}

#[test]
fn an_inbox_survives_a_checkpoint() {
    let (mut outbox, mut inbox) = (outbox(1, 0, 1), Inbox::default());
    outbox.put(signals(0..5));
    received(&mut inbox, &outbox.rest());
    let mut restored = Inbox::from_bytes(&inbox.to_bytes()).expect("read");
    assert_eq!(restored, inbox);
    outbox.end_round();
    assert_eq!(received(&mut restored, &outbox.marks(0)), [Ok(Some(5))]);
}

#[test]
fn damaged_and_newer_records_have_no_effect() {
    let mut outbox = outbox(1, 0, 1);
    outbox.put(signals(0..5));
    let whole = outbox.rest()[0].value.clone();
    let mut inbox = Inbox::default();
    let cut = &whole[..whole.len() - 1];
    assert!(matches!(inbox.take("g", cut), Err(SignalsError::Compressed(_))));
    let mut newer = whole.clone();
    newer[0] = SCHEMA + 1;
    assert!(matches!(
        inbox.take("g", &newer),
        Err(SignalsError::TooNew { schema: 2 })
    ));
    assert!(matches!(inbox.take("g", b""), Err(SignalsError::Unreadable(_))));
    assert_eq!(inbox, Inbox::default());
}

#[test]
fn a_full_part_leaves_before_the_round_ends() {
    let (mut outbox, mut inbox) = (outbox(1, 0, 1), Inbox::default());
    let signals = signals(0..5_000);
    let count = signals.len();
    // However many come at once, no part is larger than what is read.
    outbox.put(signals);
    let mut parts = outbox.full();
    assert!(1 < parts.len(), "{}", parts.len());
    assert!(outbox.full().is_empty() && !outbox.is_empty() && !outbox.is_heavy());
    parts.extend(outbox.rest());
    assert!(outbox.full().is_empty() && outbox.rest().is_empty());
    outbox.end_round();
    received(&mut inbox, &parts);
    assert_eq!(received(&mut inbox, &outbox.marks(0)), [Ok(Some(count))]);
}

#[test]
fn marks_are_sent_when_they_say_something_new() {
    let mut outbox = outbox(1, 0, 1);
    for (watermark, is_told) in [
        (7, true),
        (7, false),
        (STEP_NS, false),
        (7 + STEP_NS, true),
        (i64::MAX, true),
        (i64::MAX, false),
        (9 + STEP_NS, true),
    ] {
        outbox.end_round();
        assert_eq!(!outbox.marks(watermark).is_empty(), is_told, "{watermark}");
    }
    outbox.put(signals(0..1));
    assert!(outbox.marks(9 + STEP_NS).is_empty());
    outbox.end_round();
    assert!(!outbox.marks(9 + STEP_NS).is_empty());
}
