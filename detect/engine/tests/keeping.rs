//! Where the groups of a rule are kept, why, and what of it travels: one rule for every reason.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test support outside `#[test]` functions"
)]

use detect_alert::RuleId;
use detect_engine::{Compiler, Journey, Keeping, Place, Reason, Ruleset, Travels};
use detect_rules::{SourceText, check};

const HOUR_NS: i64 = 3_600_000_000_000;

const OUTBOUND: &str = "11111111-1111-4111-8111-111111111111";
const INBOUND: &str = "11111111-1111-4111-8111-111111111112";
const ANY: &str = "11111111-1111-4111-8111-111111111113";
const SWEEP: &str = "11111111-1111-4111-8111-111111111114";

const BASES: &str = "
title: Any connection outwards
id: 11111111-1111-4111-8111-111111111111
name: outbound
logsource: { category: network_connection }
detection:
  selection: { event.dataset: network.flow, network.direction: [outbound, internal] }
  condition: selection
---
title: Any connection inwards
id: 11111111-1111-4111-8111-111111111112
name: inbound
logsource: { category: network_connection }
detection:
  selection: { event.dataset: network.flow, network.direction: inbound }
  condition: selection
---
title: Any flow
id: 11111111-1111-4111-8111-111111111113
name: any_flow
logsource: { category: network_connection }
detection:
  selection: { event.dataset: network.flow }
  condition: selection
---
title: Sweep
id: 11111111-1111-4111-8111-111111111114
name: sweep
correlation:
  type: value_count
  rules: [outbound]
  group-by: [source.ip]
  timespan: 1h
  generate: true
  condition: { field: destination.ip, gte: 10 }
---
";

fn ruleset(rules: &str) -> Ruleset {
    let checked = check(&[SourceText {
        path: "r.yml".to_owned(),
        text: format!("{BASES}{rules}"),
    }]);
    assert!(checked.diagnostics.is_empty(), "{}", checked.diagnostics[0]);
    Compiler::new().rules(checked.rules).compile().expect("compiles")
}

fn rule(id: u32, rule: &str) -> String {
    format!(
        "title: Rule {id}\nid: 22222222-2222-4222-8222-22222222222{id}\nname: rule_{id}\n{rule}\nlevel: low\n---\n"
    )
}

/// How the rule with this number is kept.
fn keeping(ruleset: &Ruleset, id: u32) -> Keeping {
    let name = format!("Rule {id}");
    let mut all = ruleset.keeping();
    let found = all.find(|(producer, _)| producer.name == name);
    found.map(|(_, keeping)| keeping).expect("the rule")
}

/// How its observations travel.
fn journey(ruleset: &Ruleset, id: u32) -> Journey {
    keeping(ruleset, id).journey.expect("it travels")
}

fn id(text: &str) -> RuleId {
    RuleId(text.to_owned())
}

#[test]
fn each_place_has_its_reason() {
    let count = |rules: &str, group: &str| {
        format!(
            "correlation:\n  type: event_count\n  rules: [{rules}]\n{group}\n  timespan: 1h\n  condition: {{ gte: 10 }}"
        )
    };
    let lacks = |base: &str, endpoint: &'static str| Reason::LacksLocalEndpoint {
        base: id(base),
        endpoints: vec![endpoint],
    };
    let holds = |endpoints: &[&'static str]| Reason::HoldsLocalEndpoint {
        endpoints: endpoints.to_vec(),
    };
    let both = "  aliases: { us: { outbound: source.ip, inbound: destination.ip } }\n  group-by: [us]";
    let crossed = "  aliases: { them: { outbound: destination.ip, inbound: source.ip } }\n  group-by: [them]";
    for (written, reason) in [
        (count("outbound", "  group-by: [source.ip, destination.ip]"), holds(&["source.ip"])),
        (count("inbound", "  group-by: [destination.ip]"), holds(&["destination.ip"])),
        (count("outbound, inbound", both), holds(&["source.ip", "destination.ip"])),
        (count("outbound", "  group-by: [destination.ip]"), lacks(OUTBOUND, "source.ip")),
        (count("inbound", "  group-by: [source.ip]"), lacks(INBOUND, "destination.ip")),
        (count("outbound, inbound", crossed), lacks(OUTBOUND, "source.ip")),
        (count("outbound, inbound", "  group-by: [source.ip]"), lacks(INBOUND, "destination.ip")),
        (count("outbound", ""), lacks(OUTBOUND, "source.ip")),
        (
            count("any_flow", "  group-by: [source.ip, destination.ip]"),
            Reason::UnknownLocalEndpoint { base: id(ANY) },
        ),
        (
            count("sweep", "  group-by: [source.ip]"),
            Reason::TakesFindings { base: id(SWEEP) },
        ),
        (
            "anomaly:\n  type: national\n  rules: [outbound]\n  timespan: 1h\n  condition: { organizations: 3 }".to_owned(),
            Reason::CountsOrganizations,
        ),
        (
            "anomaly:\n  type: national\n  rules: [indicators]\n  timespan: 1h\n  condition: { organizations: 3 }".to_owned(),
            Reason::CountsOrganizations,
        ),
    ] {
        let keeping = keeping(&ruleset(&rule(1, &written)), 1);
        assert_eq!(keeping.reason, reason, "{written}");
        assert_eq!(keeping.place, reason.place(), "{written}");
        let is_scanned = matches!(reason, Reason::HoldsLocalEndpoint { .. });
        assert_eq!(keeping.place == Place::Scan, is_scanned, "{written}");
        assert_eq!(keeping.journey.is_none(), is_scanned, "{written}");
    }
}

#[test]
fn amounts_travel_by_the_minute_and_all_else_by_itself() {
    let anomaly = |rest: &str| format!("anomaly:\n  rules: [any_flow]\n  group-by: [destination.ip]\n{rest}");
    let parts = Travels::Parts {
        length_ns: 60_000_000_000,
    };
    for (rest, travels) in [
        (
            "  type: distinct\n  timespan: 1h\n  condition: { field: source.ip, gte: 9 }",
            parts,
        ),
        (
            "  type: volume\n  timespan: 1h\n  condition: { field: source.bytes, gte: 9 }",
            parts,
        ),
        (
            "  type: threshold_baseline\n  timespan: 1d\n  learning: 1d\n  interval: 1h\n  condition: { gte: 6, minimum: 9 }",
            parts,
        ),
        ("  type: silence\n  timespan: 1h", parts),
        (
            "  type: beacon\n  timespan: 1h\n  condition: { gte: 0.8, minimum: 9 }",
            Travels::Each,
        ),
        (
            "  type: new_value\n  timespan: 1d\n  learning: 1d\n  condition: { field: source.ip }",
            Travels::Each,
        ),
    ] {
        let journey = journey(&ruleset(&rule(1, &anomaly(rest))), 1);
        assert_eq!(journey.travels, travels, "{rest}");
    }
}

#[test]
fn what_few_call_is_decided_where_callers_meet() {
    let beacon = |bases: &str, condition: &str| {
        let rest = format!(
            "anomaly:\n  type: beacon\n  rules: [{bases}]\n  group-by: [source.ip, destination.ip]\n  timespan: 24h\n  \
             condition: {{ gte: 0.8, minimum: 8{condition} }}\nvarde: {{ entity: source.ip }}"
        );
        keeping(&ruleset(&rule(1, &rest)), 1)
    };
    let few = ", at-most-callers: 5";
    let found = Travels::Found {
        again_ns: 6 * HOUR_NS,
    };
    for (bases, condition, place, decided, travels) in [
        ("outbound", "", Place::Scan, Place::Scan, None),
        ("outbound", few, Place::Scan, Place::Signals, Some(found)),
        (
            "any_flow",
            few,
            Place::Signals,
            Place::Signals,
            Some(Travels::Each),
        ),
    ] {
        let kept = beacon(bases, condition);
        assert_eq!(
            (kept.place, kept.decided()),
            (place, decided),
            "{bases} {condition}"
        );
        let meets_by = kept.journey.as_ref().map(|journey| journey.meets_by.clone());
        assert_eq!(
            kept.journey.map(|journey| journey.travels),
            travels,
            "{bases} {condition}"
        );
        if !condition.is_empty() {
            assert_eq!(meets_by.expect("a journey"), ["destination.ip"]);
        }
    }
}

#[test]
fn limits_are_those_of_the_groups() {
    let anomaly = |rest: &str| format!("anomaly:\n  rules: [outbound]\n  group-by: [source.ip]\n{rest}");
    for (rest, groups_max, retention_ns, (knocks, patience_ns), is_per_device) in [
        (
            "  type: distinct\n  timespan: 2h\n  condition: { field: destination.ip, gte: 9 }",
            250_000,
            Some(2 * HOUR_NS),
            (1, None),
            false,
        ),
        (
            "  type: beacon\n  timespan: 24h\n  condition: { gte: 0.8, minimum: 8 }",
            250_000,
            Some(24 * HOUR_NS),
            (3, Some(6 * HOUR_NS)),
            false,
        ),
        ("  type: silence\n  timespan: 1h", 50_000, None, (1, None), true),
        (
            "  type: new_value\n  timespan: 48h\n  learning: 24h\n  condition: { field: destination.ip }",
            250_000,
            Some(48 * HOUR_NS),
            (1, None),
            true,
        ),
    ] {
        let keeping = keeping(&ruleset(&rule(1, &anomaly(rest))), 1);
        let limits = keeping.limits;
        let told = (
            limits.groups_max,
            limits.retention_ns,
            (limits.knocks, limits.patience_ns),
            keeping.is_per_device,
        );
        assert_eq!(
            told,
            (groups_max, retention_ns, (knocks, patience_ns), is_per_device),
            "{rest}"
        );
    }
    let count =
        "correlation:\n  type: event_count\n  rules: [outbound]\n  timespan: 2h\n  condition: { gte: 10 }";
    let limits = keeping(&ruleset(&rule(1, count)), 1).limits;
    assert_eq!(
        (limits.groups_max, limits.retention_ns),
        (50_000, Some(2 * HOUR_NS))
    );
}

#[test]
fn rules_that_take_each_other_are_kept_together_by_what_they_share() {
    let count = |group: &str| {
        format!(
            "correlation:\n  type: event_count\n  rules: [any_flow]\n  group-by: [{group}]\n  timespan: 1h\n  condition: {{ gte: 10 }}"
        )
    };
    let chain =
        "correlation:\n  type: temporal\n  rules: [rule_1, rule_2]\n  group-by: [source.ip]\n  timespan: 1h";
    let national =
        "anomaly:\n  type: national\n  rules: [rule_3]\n  timespan: 1h\n  condition: { organizations: 3 }";
    let rules = [
        rule(1, &count("source.ip, destination.ip")),
        rule(2, &count("destination.port, source.ip")),
        rule(3, chain),
        rule(4, &count("source.ip")),
    ];
    let ruleset_of = |more: &str| ruleset(&format!("{}{more}", rules.concat()));
    let held = ruleset_of("");
    let numbers: Vec<String> = held
        .keeping()
        .map(|(producer, _)| producer.name.clone())
        .collect();
    for (number, family) in [
        (1, vec!["Rule 2", "Rule 3"]),
        (3, vec!["Rule 1", "Rule 2"]),
        (4, vec![]),
    ] {
        let journey = journey(&held, number);
        let names: Vec<&str> = journey.family.iter().map(|at| numbers[*at].as_str()).collect();
        assert_eq!(names, family, "{number}");
        assert_eq!(
            (journey.meets_by, journey.is_national),
            (vec!["source.ip".to_owned()], false)
        );
    }
    // One that counts organisations takes its whole family to where they meet, by what all of them have: nothing.
    let held = ruleset_of(&rule(5, national));
    for (number, is_national, shared) in [(1, true, 0), (3, true, 0), (4, false, 1)] {
        let journey = journey(&held, number);
        assert_eq!(
            (journey.is_national, journey.meets_by.len()),
            (is_national, shared),
            "{number}"
        );
    }
}

#[test]
fn a_rule_about_single_events_says_what_wakes_it() {
    let rules = "
title: Trap
id: 33333333-3333-4333-8333-333333333331
logsource: { category: dns }
detection:
  selection: { dns.question.name|endswith: .Trap.example }
  other: { dns.question.type: [TXT, 'NULL'] }
  condition: selection and other
---
title: Anything
id: 33333333-3333-4333-8333-333333333332
logsource: { category: dns }
detection:
  selection: { dns.question.name|exists: true }
  condition: selection
";
    let held = ruleset(rules);
    let names: Vec<String> = held
        .producers()
        .map(|(_, producer)| producer.name.clone())
        .collect();
    let told = |name: &str| {
        let mut all = held.waking();
        let found = all.find(|(rule, _)| names[rule.0 as usize] == name);
        found.map(|(_, waking)| waking.one_of).expect("the rule")
    };
    let trap = told("Trap");
    assert_eq!(trap[0][0].text, "*.trap.example");
    assert_eq!(trap[0][0].fields, ["dns.question.name"]);
    assert!(told("Anything").is_empty());
}
