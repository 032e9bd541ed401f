//! Whether it counts right: what is there is found, and without rules it is missed.

#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use super::*;
use detect_rules::CheckedRules;
use label::Kind;
use verdict::Counts;

const SMALL: u64 = 50;

fn counts(record: &Record, rule: &str) -> Counts {
    let rules = record.rules.iter();
    rules
        .filter(|row| row.rule == rule)
        .map(|row| row.counts)
        .next()
        .unwrap_or_default()
}

fn of_cases(ruleset: &Arc<Ruleset>, shipped: &[watch::Shipped]) -> Record {
    let mut verdict = Verdict::new(shipped, &RIVALS);
    let mut notes = Vec::new();
    for recording in real::cases(ruleset).unwrap() {
        judge(&mut verdict, Source::Cases, &recording, &mut notes);
    }
    verdict.record(notes)
}

#[test]
fn attacks_of_cases_are_found_and_without_rules_they_are_missed() {
    let (ruleset, shipped) = watch::shipped(&watch::bundled()).unwrap();
    let record = of_cases(&ruleset, &shipped);
    let of = |kind| {
        let row = record.kinds.iter().find(|row| row.kind == kind).unwrap();
        (row.attacks, row.found)
    };
    let found = [Kind::Tunnel, Kind::Password, Kind::Scan].map(of);
    let theirs = [rivals::FAIL2BAN, rivals::ZEEK_PORT].map(|rule| counts(&record, rule).detections);
    assert_eq!(
        (found, theirs),
        ([(4, 4), (5, 5), (14, 14)], [3, 6]),
        "{}",
        record.tables()
    );
    let ordinary = record
        .notes
        .iter()
        .find(|note| note.contains("ordinary-traffic"))
        .unwrap();
    assert!(ordinary.contains(", 0 alerts"), "{ordinary}");

    let none = watch::compile(CheckedRules::default()).unwrap();
    let record = of_cases(&none, &shipped);
    let kinds: u64 = record.kinds.iter().map(|row| row.attacks).sum();
    assert_eq!(record.missed.len() as u64, kinds);
}

#[test]
fn a_seed_makes_one_day_with_attacks_that_are_found() {
    let (ruleset, shipped) = watch::shipped(&watch::bundled()).unwrap();
    let (attacks, watched) = generated(&ruleset, 1, SMALL, 1).unwrap();
    assert_eq!(watched.refused, 0);
    let mut verdict = Verdict::new(&shipped, &RIVALS);
    verdict.judge(Source::Generated, &attacks, &watched.ours, &watched.theirs);
    verdict.judge_benign(
        &attacks,
        &watched.ours,
        &watched.theirs,
        (SMALL as f64, 1.0),
        watched.events,
    );
    let record = verdict.record(Vec::new());
    let found: Vec<(Kind, u64, u64)> = record
        .kinds
        .iter()
        .map(|row| (row.kind, row.attacks, row.found))
        .collect();
    let expected = [
        (Kind::Tunnel, 5, 4),
        (Kind::GeneratedNames, 4, 4),
        (Kind::Password, 7, 7),
        (Kind::Scan, 8, 8),
        (Kind::Exfiltration, 6, 6),
        (Kind::Beacon, 16, 14),
    ];
    assert_eq!(found, expected, "{}", record.tables());
}

#[test]
fn a_seed_makes_one_day_in_order_and_another_seed_another() {
    let made = |seed| {
        let mut day = benign::Day::new(0);
        benign::fill(&mut day, seed, 0, 0..50);
        benign::fill_common(&mut day, seed, 0, 50);
        attacks::hide(&mut day, seed, 0, 50);
        let (happenings, next) = day.in_order();
        assert!(happenings.is_sorted_by_key(|happening| happening.told));
        let (left, _) = next.in_order();
        assert!(left.len() < happenings.len() / 100);
        format!("{happenings:?}")
    };
    assert_eq!(made(1), made(1));
    assert_ne!(made(1), made(2));
}

#[test]
fn an_alert_counts_for_its_own_kind_and_time_only() {
    let mut attack = real::always("a scan".to_owned(), Kind::Scan, &["203.0.113.9"]);
    attack.from = ingest_event::Timestamp::from_millis(10_000);
    attack.until = ingest_event::Timestamp::from_millis(20_000);
    let told = |kind, about: &str, millis| label::Told {
        rule: "rule".to_owned(),
        kind,
        about: vec![about.to_owned()],
        at: ingest_event::Timestamp::from_millis(millis),
        wakes: true,
    };
    let finds = |told: label::Told| (attack.is_found_by(&told), attack.concerns(&told));
    assert_eq!(finds(told(Kind::Scan, "203.0.113.9", 15_000)), (true, true));
    assert_eq!(finds(told(Kind::Beacon, "203.0.113.9", 15_000)), (false, true));
    assert_eq!(finds(told(Kind::Scan, "203.0.113.8", 15_000)), (false, false));
    assert_eq!(finds(told(Kind::Scan, "203.0.113.9", 9_000)), (false, false));
    assert_eq!(
        finds(told(Kind::Scan, "203.0.113.9", 20_000 + 3_601_000)),
        (false, false)
    );
}
