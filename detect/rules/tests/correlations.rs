//! Every type of Sigma correlation, its windows, its conditions, and correlations of correlations.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "test support outside `#[test]` functions"
)]

use detect_rules::{
    BaseOf, Checked, Correlation, CorrelationKind, Diagnostic, Expression, Operator, SourceText, WindowKind,
    check,
};

const BASES: &str = "title: A
id: 00000000-0000-4000-8000-00000000000a
name: a
logsource: { product: zeek, service: conn }
detection: { s: { id.orig_h|exists: true }, condition: s }
---
title: B
id: 00000000-0000-4000-8000-00000000000b
name: b
logsource: { category: network, service: connection }
detection: { s: { source.ip|exists: true }, condition: s }
---
title: C
id: 00000000-0000-4000-8000-00000000000c
name: c
logsource: { category: network, service: connection }
detection: { s: { source.ip|exists: true }, condition: s }
";

/// One document of a correlation; the number is the end of its id and its name `c…`.
fn document(number: u32, body: &str, more: &str) -> String {
    let body = body.replace('\n', "\n  ");
    format!(
        "---\ntitle: C {number}\nid: 10000000-0000-4000-8000-{number:012}\nname: c{number}\n{more}\ncorrelation:\n  {body}\n"
    )
}

fn check_all(documents: &[String]) -> Checked {
    check(&[SourceText {
        path: "r.yml".to_owned(),
        text: format!("{BASES}{}", documents.concat()),
    }])
}

fn said(found: &[Diagnostic]) -> Vec<String> {
    found
        .iter()
        .map(|found| {
            format!(
                "{} {}: {}; {}",
                found.code.as_str(),
                found.piece.trim(),
                found.detail,
                found.mend
            )
        })
        .collect()
}

fn one(body: &str) -> (Option<Correlation>, Vec<String>) {
    let checked = check_all(&[document(1, body, "")]);
    (
        checked.rules.correlations.into_iter().next(),
        said(&checked.diagnostics),
    )
}

#[test]
fn every_type_is_lowered() {
    use CorrelationKind::{
        EventCount, Temporal, TemporalOrdered, ValueAvg, ValueCount, ValueMedian, ValuePercentile, ValueSum,
    };
    use Operator::{GreaterOrEqual, Less};
    let field = "field: source.bytes";
    for (kind, condition, expected, conditions, values) in [
        (
            "event_count",
            "{ gte: 10, lt: 20 }",
            EventCount,
            vec![(Less, 20), (GreaterOrEqual, 10)],
            0,
        ),
        (
            "value_count",
            "{ gte: 3, field: [source.ip, destination.port] }",
            ValueCount,
            vec![(GreaterOrEqual, 3)],
            2,
        ),
        (
            "value_sum",
            &format!("{{ gte: 9, {field} }}"),
            ValueSum,
            vec![(GreaterOrEqual, 9)],
            1,
        ),
        (
            "value_avg",
            &format!("{{ gte: 9, {field} }}"),
            ValueAvg,
            vec![(GreaterOrEqual, 9)],
            1,
        ),
        (
            "value_median",
            &format!("{{ gte: 9, {field} }}"),
            ValueMedian,
            vec![(GreaterOrEqual, 9)],
            1,
        ),
        (
            "value_percentile",
            &format!("{{ gte: 9, {field} }}"),
            ValuePercentile(50),
            vec![(GreaterOrEqual, 9)],
            1,
        ),
        (
            "value_percentile",
            &format!("{{ gte: 9, percentile: 95, {field} }}"),
            ValuePercentile(95),
            vec![(GreaterOrEqual, 9)],
            1,
        ),
        ("temporal", "", Temporal, vec![], 0),
        ("temporal", "{ gte: 1 }", Temporal, vec![(GreaterOrEqual, 1)], 0),
        ("temporal_ordered", "", TemporalOrdered, vec![], 0),
    ] {
        let condition = if condition.is_empty() {
            String::new()
        } else {
            format!("condition: {condition}")
        };
        let body = format!("type: {kind}\nrules: [a, b]\ngroup-by: [source.ip]\ntimespan: 5m\n{condition}");
        let (found, said) = one(&body);
        assert_eq!(said, Vec::<String>::new(), "{body}");
        let found = found.expect(&body);
        assert_eq!(
            (
                found.kind,
                &found.conditions,
                found.bases[0].values.len(),
                found.expression
            ),
            (expected, &conditions, values, None),
            "{body}"
        );
        assert!(found.raises, "{body}");
        assert_eq!(found.timespan_ns, 300_000_000_000);
    }
}

#[test]
fn windows_lie_as_they_are_told() {
    for (window, expected) in [
        ("", Ok(WindowKind::Sliding)),
        ("window: sliding", Ok(WindowKind::Sliding)),
        ("window: tumbling", Ok(WindowKind::Tumbling)),
        (
            "window: session\ngap: 1m",
            Ok(WindowKind::Session {
                gap_ns: 60_000_000_000,
            }),
        ),
        (
            "window: session\ngap: 6m",
            Err("R013 gap: 6m: a gap of 6m is out of bounds; use from 1s to the time span"),
        ),
        (
            "window: session\ngap: 0s",
            Err("R013 gap: 0s: a gap of 0s is out of bounds; use from 1s to the time span"),
        ),
    ] {
        let body = format!("type: event_count\nrules: [a]\ntimespan: 5m\n{window}\ncondition: {{ gte: 2 }}");
        let (found, said) = one(&body);
        let found = found.map(|found| found.window).ok_or_else(|| said.join("\n"));
        assert_eq!(found, expected.map_err(str::to_owned), "{body}");
    }
}

#[test]
fn temporal_conditions_are_over_the_bases() {
    for kind in ["temporal", "temporal_ordered"] {
        let body = format!("type: {kind}\nrules: [a, b, c]\ntimespan: 5m\ncondition: (a or b) and not c");
        let (found, said) = one(&body);
        assert_eq!(said, Vec::<String>::new());
        let found = found.expect("it loads");
        assert_eq!(found.conditions, []);
        let any = Expression::Any(vec![Expression::Base(0), Expression::Base(1)]);
        let expected = Expression::All(vec![any, Expression::Not(Box::new(Expression::Base(2)))]);
        assert_eq!(found.expression, Some(expected), "{kind}");
    }
}

/// What is said of a correlation that is refused, or loads with a warning.
fn check_said(body: &str, loads: bool, expected: &[&str]) {
    let (found, said) = one(body);
    assert_eq!(said, expected, "{body}");
    assert_eq!(found.is_some(), loads, "{body}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (body, expected) in [
        (
            "type: value_sum\nrules: [a]\ntimespan: 5m\ncondition: { gte: 9 }",
            "R013 condition: { gte: 9 }: `value_sum` does not say of which field; add `field:` to the condition",
        ),
        (
            "type: value_avg\nrules: [a]\ntimespan: 5m\ncondition: { gte: 9, field: [x, y] }",
            "R013 condition: { gte: 9, field: [x, y] }: `value_avg` is of one field, and there are 2; name one field; for another, write another correlation",
        ),
        (
            "type: value_percentile\nrules: [a]\ntimespan: 5m\ncondition: { gte: 9, field: x, percentile: 101 }",
            "R013 condition: { gte: 9, field: x, percentile: 101 }: `percentile` is no whole number from 0 to 100; write such as `percentile: 95`",
        ),
        (
            "type: event_count\nrules: [a]\ntimespan: 5m\ncondition: { gte: -5 }",
            "R013 condition: { gte: -5 }: `gte` is no whole number from 0 on; write such as `gte: 10`",
        ),
        (
            "type: event_count\nrules: [a]\ntimespan: 5m\ncondition: { lt: 1 }",
            "R013 condition: { lt: 1 }: no count can meet the condition; there is always one at least; correct the numbers",
        ),
        (
            "type: event_count\nrules: [a]\ntimespan: 5m\ncondition: { gte: 100001 }",
            "R013 condition: { gte: 100001 }: a count of 100001 is out of bounds: each event or value is kept in memory; use at most 100000, or an anomaly rule of type `distinct` or `volume`",
        ),
        (
            "type: value_count\nrules: [a]\ntimespan: 5m\ncondition: { gt: 5, lt: 6, field: x }",
            "R013 condition: { gt: 5, lt: 6, field: x }: no count can meet the condition; there is always one at least; correct the numbers",
        ),
        (
            "type: temporal\nrules: [a, b]\ntimespan: 5m\ncondition: { gte: 3 }",
            "R013 condition: { gte: 3 }: no count can meet the condition; the count is that of the rules that matched; leave the condition out to ask for all",
        ),
        (
            "type: temporal_ordered\nrules: [a, b]\ntimespan: 5m\ncondition: { lte: 2 }",
            "R013 condition: { lte: 2 }: no count can meet the condition; leave the condition out: all rules have to match, in their order",
        ),
        (
            "type: temporal\nrules: [a, b]\ntimespan: 5m\ncondition: a and d",
            "R013 condition: a and d: the condition names `d`, which is not in `rules`; use the names in `rules`: a, b",
        ),
        (
            "type: event_count\nrules: [a]\ntimespan: 5m\ncondition: a",
            "R013 condition: a: the condition is no threshold; write a threshold such as `gte: 10`",
        ),
        (
            "type: event_count\nrules: [a]\ngroup-by: [1, source.ip]\ntimespan: 5m\ncondition: { gte: 5 }",
            "R013 group-by: [1, source.ip]: `group-by` is no list of texts; write names, in quotes where they are numbers",
        ),
        (
            "type: event_count\nrules: [a]\naliases: { who: src_ip }\ntimespan: 5m\ncondition: { gte: 5 }",
            "R013 aliases: { who: src_ip }: `aliases` is no mapping of alias to a mapping of rule to field; write such as `aliases: { who: { rule_a: src_ip, rule_b: client_ip } }`",
        ),
        (
            "type: event_count\nrules: [indicators]\ntimespan: 5m\ncondition: { gte: 5 }",
            "R009 rules: [indicators]: nothing that is loaded has the id or name `indicators`; only an anomaly rule of type `national` takes the matches of indicators",
        ),
        (
            "type: event_count\nrules: []\ntimespan: 5m\ncondition: { gte: 5 }",
            "R013 rules: []: it names no rule; add `rules:` with the names or ids of 1 to 64 rules",
        ),
    ] {
        check_said(body, false, &[expected]);
    }
}

#[test]
fn what_the_parser_refuses_is_said_at_its_line() {
    let mend = "a correlation has `type`, `rules`, `group-by`, `timespan` (such as 5m) and `condition` (such as `gte: 10`)";
    for (body, expected) in [
        (
            "type: value_cuont\nrules: [a]\ntimespan: 5m\ncondition: { gte: 5 }",
            "R013 type: value_cuont: Invalid correlation rule: Unknown correlation type: value_cuont; did you mean `value_count`?",
        ),
        (
            "type: event_count\nrules: [a]\ntimeframe: soon\ncondition: { gte: 5 }",
            &format!("R013 timeframe: soon: Invalid timespan 'soon'; {mend}"),
        ),
        (
            "type: event_count\nrules: [a]\ntimespan: 5m\nwindow: session\ncondition: { gte: 5 }",
            &format!(
                "R013 window: session: Invalid correlation rule: window: session requires a gap (gap: or rsigma.gap:, e.g. 5m); {mend}"
            ),
        ),
    ] {
        check_said(body, false, &[expected]);
    }
}

#[test]
fn what_does_nothing_is_a_warning() {
    for (body, expected) in [
        (
            "type: event_count\nrules: [a]\ngroup_by: [source.ip]\ntimespan: 5m\ncondition: { gte: 5 }",
            "R014 group_by: [source.ip]: `correlation` has `group_by`, which does nothing; did you mean `group-by`?",
        ),
        (
            "type: event_count\nrules: [a]\ntimespan: 5m\ncondition: { gte: 5, field: x }",
            "R014 condition: { gte: 5, field: x }: `field` does nothing for `event_count`; leave it out, or use `value_count`",
        ),
        (
            "type: temporal\nrules: [a, b, c]\ntimespan: 5m\ncondition: a and b",
            "R014 condition: a and b: the condition does not ask for `c`, so it does nothing; name it in the condition, or leave it out of `rules`",
        ),
        (
            "type: event_count\nrules: [a, a]\ntimespan: 5m\ncondition: { gte: 5 }",
            "R014 rules: [a, a]: `a` is named twice in `rules`; name it once",
        ),
        (
            "type: event_count\nrules: [a, b]\ngroup-by: [who]\naliases: { who: { a: id.orig_h } }\ntimespan: 5m\ncondition: { gte: 5 }",
            "R014 aliases: { who: { a: id.orig_h } }: the alias `who` has no field for `b`, so `who` itself is looked for there; give the alias one field for each of the `rules`, called as they are there",
        ),
    ] {
        check_said(body, true, &[expected]);
    }
}

fn counts(rules: &str, group_by: &str) -> String {
    format!("type: event_count\nrules: {rules}\ngroup-by: {group_by}\ntimespan: 5m\ncondition: {{ gte: 2 }}")
}

#[test]
fn a_correlation_is_the_base_of_another() {
    // The outer one has the lower id, so that places by id and the order of lowering differ.
    let documents = [
        document(
            1,
            &counts(
                "[c2, b]",
                "[who]\naliases: { who: { c2: machine, b: source.ip } }",
            ),
            "",
        ),
        document(
            2,
            &counts(
                "[a]",
                "[machine, id.resp_h]\naliases: { machine: { a: id.orig_h } }",
            ),
            "",
        ),
        document(
            3,
            &counts("[10000000-0000-4000-8000-000000000002]", "[id.resp_h]"),
            "generate: true",
        ),
    ];
    let checked = check_all(&documents);
    assert_eq!(said(&checked.diagnostics), Vec::<String>::new());
    let [outer, inner, other] = checked.rules.correlations.as_slice() else {
        panic!("{:?}", checked.rules.correlations);
    };
    assert_eq!(
        inner.group_by,
        ["source.ip", "destination.ip"],
        "one base: the names of ECS"
    );
    assert_eq!(outer.bases[0].of, BaseOf::Correlation(1));
    assert_eq!(outer.bases[0].group_by, [["source.ip"]]);
    assert_eq!(outer.bases[1].of, BaseOf::Rule(1));
    assert_eq!(outer.group_by, ["who"]);
    assert_eq!(other.bases[0].of, BaseOf::Correlation(1));
    assert_eq!(other.bases[0].group_by, [["destination.ip"]]);
    assert_eq!((outer.raises, inner.raises, other.raises), (true, false, true));
    let raises: Vec<bool> = checked.rules.rules.iter().map(|rule| rule.raises).collect();
    assert_eq!(raises, [false, false, true], "c is the base of none");
}

#[test]
fn with_generate_a_base_raises_too() {
    let documents = [
        document(1, &counts("[c2]", "[source.ip]"), "generate: true"),
        document(2, &counts("[a]", "[source.ip]"), ""),
    ];
    let checked = check_all(&documents);
    assert!(checked.rules.correlations.iter().all(|one| one.raises));
    assert!(!checked.rules.rules[0].raises);
}

#[test]
fn chains_that_can_not_be_are_refused() {
    let by = |rules: &str| counts(rules, "[source.ip]");
    let chain = |length: u32| -> Vec<String> {
        (1..=length)
            .map(|number| {
                let below = if number == 1 {
                    "[a]".to_owned()
                } else {
                    format!("[c{}]", number - 1)
                };
                document(number, &by(&below), "")
            })
            .collect()
    };
    let ring = "break the ring: one of these has to take the matches of a rule";
    let mend = "correct the name, load the rule it means, or mend that if it was refused";
    for (documents, loads, expected) in [
        (chain(8), 8, vec![]),
        (
            chain(9),
            8,
            vec!["R027 rules: [c8]: it stands on 8 others, one on the other, and no more than 8 may; take the matches of a rule further down".to_owned()],
        ),
        (
            vec![document(1, &by("[c1]"), "")],
            0,
            vec![format!("R027 rules: [c1]: it takes its own matches: c1 takes c1; {ring}")],
        ),
        (
            vec![
                document(1, &by("[c2]"), ""),
                document(2, &by("[c3]"), ""),
                document(3, &by("[c1, a]"), ""),
                document(4, &by("[c3]"), ""),
                document(5, &by("[b]"), ""),
            ],
            1,
            vec![
                format!("R027 rules: [c2]: it takes its own matches: c1 takes c2 takes c3 takes c1; {ring}"),
                format!("R027 rules: [c3]: it takes its own matches: c2 takes c3 takes c1 takes c2; {ring}"),
                format!("R027 rules: [c1, a]: it takes its own matches: c3 takes c1 takes c2 takes c3; {ring}"),
                format!("R009 rules: [c3]: `c3` is refused itself; {mend}"),
            ],
        ),
        (
            vec![document(1, &counts("[c2]", "[destination.port]"), ""), document(2, &by("[a]"), "")],
            1,
            vec!["R027 group-by: [destination.port]: `destination.port` is not in the `group-by` of `10000000-0000-4000-8000-000000000002`, and that is all its matches have; take one of source.ip, or add `destination.port` to its `group-by`".to_owned()],
        ),
        (
            vec![
                document(1, "type: value_count\nrules: [c2]\ntimespan: 5m\ncondition: { gte: 2, field: destination.ip }", ""),
                document(2, &counts("[a]", "[]"), ""),
            ],
            1,
            vec!["R027 condition: { gte: 2, field: destination.ip }: `destination.ip` is not in the `group-by` of `10000000-0000-4000-8000-000000000002`, and that is all its matches have; add `group-by: [destination.ip]` to it".to_owned()],
        ),
    ] {
        let checked = check_all(&documents);
        assert_eq!(said(&checked.diagnostics), expected);
        assert_eq!(checked.rules.correlations.len(), loads);
    }
}
