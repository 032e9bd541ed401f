//! What is read, what is refused and how; that the schema and the document say the same is in `schema`.

mod callers;
mod schema;

use crate::{
    Anomaly, AnomalyKind, BaseOf, Baseline, Checked, SourceText,
    check::{anomaly::form::FORMS, check},
};

/// Rules that samples may take.
pub(super) const BASES: &str = "title: Flow
id: 00000000-0000-4000-8000-00000000000a
name: flow
logsource: { product: zeek, service: conn }
detection: { s: { id.orig_h|exists: true }, condition: s }
---
title: Question
id: 00000000-0000-4000-8000-00000000000b
name: question
logsource: { category: dns }
detection: { s: { query|exists: true }, condition: s }
";

const HOUR_NS: i64 = 3_600_000_000_000;

/// A document with this under `anomaly:`.
pub(super) fn document(body: &str) -> String {
    numbered(1, body, "")
}

fn numbered(number: u32, body: &str, more: &str) -> String {
    let body = body.replace('\n', "\n  ");
    format!(
        "title: N {number}\nid: 20000000-0000-4000-8000-{number:012}\nname: n{number}\n{more}anomaly:\n  {body}\n"
    )
}

pub(super) fn check_all(documents: &[String]) -> Checked {
    check(&[SourceText {
        path: "r.yml".to_owned(),
        text: format!("{BASES}---\n{}", documents.join("---\n")),
    }])
}

pub(super) fn said(checked: &Checked) -> Vec<String> {
    let diagnostics = checked.diagnostics.iter();
    diagnostics
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

fn only(body: &str) -> Anomaly {
    let mut checked = check_all(&[document(body)]);
    assert_eq!(said(&checked), Vec::<String>::new(), "{body}");
    checked.rules.anomalies.pop().expect("it loads")
}

/// One of each type, with what it comes to.
pub(super) fn accepted() -> Vec<(&'static str, AnomalyKind)> {
    vec![
        (
            "type: new_value\nrules: [flow]\ngroup-by: [source.ip]\ntimespan: 30d\nlearning: 2w\ncondition: { field: destination.ip }",
            AnomalyKind::NewValue,
        ),
        (
            "type: rare\nrules: flow\ntimespan: 30d\ncondition: { field: destination.port, lte: 0.001, minimum: 1000 }",
            AnomalyKind::Rare {
                share: 0.001,
                minimum: 1000,
            },
        ),
        (
            "type: rare\nrules: flow\ntimespan: 30d\nlearning: 7d\ncondition: { field: destination.port, lte: 0.5, minimum: 10 }",
            AnomalyKind::Rare {
                share: 0.5,
                minimum: 10,
            },
        ),
        (
            "type: threshold_baseline\nrules: [flow]\ntimespan: 24h\nlearning: 10h\ninterval: 1h\ncondition: { gte: 4.5, minimum: 0 }",
            AnomalyKind::ThresholdBaseline {
                baseline: Baseline::Ewma,
                interval_ns: HOUR_NS,
                deviations: 4.5,
                minimum: 0.0,
            },
        ),
        (
            "type: threshold_baseline\nrules: [flow]\ntimespan: 28d\nlearning: 7d\ninterval: 30m\nbaseline: hour_of_week\ncondition: { field: source.bytes, gte: 6, minimum: 1.5 }",
            AnomalyKind::ThresholdBaseline {
                baseline: Baseline::HourOfWeek,
                interval_ns: HOUR_NS / 2,
                deviations: 6.0,
                minimum: 1.5,
            },
        ),
        (
            "type: beacon\nrules: [flow]\ngroup-by: [source.ip, destination.ip]\ntimespan: 24h\ncondition: { gte: 0.8, minimum: 20, field: source.bytes }",
            AnomalyKind::Beacon {
                score: 0.8,
                minimum: 20,
            },
        ),
        (
            "type: beacon\nrules: [flow]\ntimespan: 7d\ncondition: { gte: 1, minimum: 4 }",
            AnomalyKind::Beacon {
                score: 1.0,
                minimum: 4,
            },
        ),
        (
            "type: distinct\nrules: [flow]\ntimespan: 60s\ncondition: { gte: 2, field: [destination.port] }",
            AnomalyKind::Distinct { at_least: 2 },
        ),
        (
            "type: volume\nrules: [flow]\ntimespan: 24h\ncondition: { gte: 5000000000, field: source.bytes }",
            AnomalyKind::Volume {
                at_least: 5_000_000_000,
                ratio: 0.0,
            },
        ),
        (
            "type: volume\nrules: [flow]\ntimespan: 24h\ncondition: { gte: 1, field: [source.bytes, destination.bytes], ratio: 0.5 }",
            AnomalyKind::Volume {
                at_least: 1,
                ratio: 0.5,
            },
        ),
        (
            "type: dns_tunnel\nrules: [question]\ntimespan: 1h\ncondition: { field: query, names: 50, bytes: 4000, entropy: 3.5 }",
            AnomalyKind::DnsTunnel {
                names: 50,
                bytes: 4000,
                entropy: 3.5,
            },
        ),
        (
            "type: dga\nrules: [question]\ntimespan: 1h\ncondition: { field: query, score: 0.9, names: 5 }",
            AnomalyKind::Dga { score: 0.9, names: 5 },
        ),
        (
            "type: silence\nrules: [flow]\ngroup-by: observer.name\ntimespan: 30d",
            AnomalyKind::Silence { factor: 0.0 },
        ),
        (
            "type: silence\nrules: [flow]\ngroup-by: observer.name\ntimespan: 1h\nlearning: 7d\ncondition: { factor: 3 }",
            AnomalyKind::Silence { factor: 3.0 },
        ),
        (
            "type: national\nrules: [indicators]\ntimespan: 7d\ncondition: { organizations: 3 }",
            AnomalyKind::National { organizations: 3 },
        ),
        (
            "type: national\nrules: [flow]\ngroup-by: [destination.ip]\ntimespan: 7d\ncondition: { organizations: 2 }",
            AnomalyKind::National { organizations: 2 },
        ),
        (
            "type: flow\nrules: [flow]\ntimespan: 1h\ncondition: { score: 0.98, minimum: 1 }",
            AnomalyKind::Flow {
                score: 0.98,
                minimum: 1,
            },
        ),
    ]
}

#[test]
fn every_type_is_read() {
    let mut seen = Vec::new();
    for (body, kind) in accepted() {
        let found = only(body);
        assert_eq!(found.kind, kind, "{body}");
        assert!(found.raises, "{body}");
        seen.push(kind.as_str());
    }
    for form in &FORMS {
        assert!(seen.contains(&form.name), "{}", form.name);
    }
}

#[test]
fn time_spans_fields_and_entities_are_kept() {
    let found = only(
        "type: threshold_baseline\nrules: [flow, question]\ngroup-by: [who]\naliases: { who: { flow: id.orig_h, question: src_ip } }\ntimespan: 7d\nlearning: 24h\ninterval: 1h\ncondition: { field: orig_bytes, gte: 6, minimum: 1 }",
    );
    assert_eq!(
        (found.timespan_ns, found.learning_ns),
        (168 * HOUR_NS, 24 * HOUR_NS)
    );
    assert_eq!(
        (found.fields, found.group_by),
        (vec!["orig_bytes".to_owned()], vec!["who".to_owned()])
    );
    assert_eq!(found.entity, Some(0));
    assert_eq!(found.bases[0].group_by, [["source.ip", "id.orig_h"]]);
    assert_eq!(found.bases[0].values, [["source.bytes", "orig_bytes"]]);
    assert_eq!(found.bases[1].group_by, [["source.ip", "src_ip"]]);
    assert_eq!(
        (found.bases[0].of, found.bases[1].of),
        (BaseOf::Rule(0), BaseOf::Rule(1))
    );
}

#[test]
fn the_group_of_indicators_is_the_indicator() {
    let found = only("type: national\nrules: [indicators]\ntimespan: 7d\ncondition: { organizations: 3 }");
    assert_eq!(found.bases[0].of, BaseOf::Indicators);
    assert_eq!(found.bases[0].id.0, "indicators");
    assert_eq!(found.group_by, ["indicator.kind", "indicator.value"]);
    assert_eq!(found.entity, None);
}

/// What is wrong, what is said, and whether a schema can tell.
pub(super) const REFUSED: &[(&str, &[&str], bool)] = &[
    (
        "rules: [flow]\ntimespan: 1h",
        &[
            "R026 anomaly:: `type` is missing; add `type:`, one of new_value, rare, threshold_baseline, beacon, distinct, volume, dns_tunnel, dga, silence, national, flow",
        ],
        true,
    ),
    (
        "type: becaon\nrules: [flow]\ntimespan: 1h",
        &["R026 type: becaon: there is no type `becaon`; did you mean `beacon`?"],
        true,
    ),
    (
        "type: beacon\nrules: [flow]\ngroupby: [source.ip]\ntimespan: 1h\ncondition: { gte: 0.8, minimum: 20 }",
        &["R026 groupby: [source.ip]: `anomaly` has no `groupby`; did you mean `group-by`?"],
        true,
    ),
    (
        "type: beacon\nrules: [flow]\ntimespan: 1h\nlearning: 7d\ncondition: { gte: 0.8, minimum: 20 }",
        &[
            "R026 learning: 7d: nothing is learned without `at-most-callers`; leave `learning` out, or add `at-most-callers` to the condition",
        ],
        true,
    ),
    (
        "type: beacon\nrules: [flow]\ntimespan: 1h\ncondition: { gte: 0.8, minimum: 20, at-most-callers: 65 }",
        &[
            "R026 condition: { gte: 0.8, minimum: 20, at-most-callers: 65 }: `at-most-callers` is not a whole number from 1 to 64; correct the number",
        ],
        true,
    ),
    (
        "type: distinct\nrules: [flow]\ntimespan: 1h\nlearning: 7d\ncondition: { gte: 20, field: destination.ip }",
        &["R026 learning: 7d: `distinct` has no `learning`; leave it out"],
        true,
    ),
    (
        "type: beacon\nrules: [flow]\ncondition: { gte: 0, minimum: 3.5, feild: x }",
        &[
            "R026 anomaly:: `timespan` is missing; add it, such as `timespan: 1h`",
            "R026 condition: { gte: 0, minimum: 3.5, feild: x }: `gte` is not a number more than 0 and at most 1; correct the number",
            "R026 condition: { gte: 0, minimum: 3.5, feild: x }: `minimum` is not a whole number from 4 to 1000; correct the number",
            "R026 condition: { gte: 0, minimum: 3.5, feild: x }: the condition of `beacon` has no `feild`; did you mean `field`?",
        ],
        true,
    ),
    (
        "type: beacon\nrules: [flow]\ntimespan: 1h\ncondition: { gte: high, minimum: 20 }",
        &[
            "R026 condition: { gte: high, minimum: 20 }: `gte` is not a number more than 0 and at most 1; correct the number",
        ],
        true,
    ),
    (
        "type: beacon\nrules: [flow]\ntimespan: 1h\ncondition: { gte: 80, minimum: 20 }",
        &[
            "R026 condition: { gte: 80, minimum: 20 }: `gte` is not a number more than 0 and at most 1; did you mean `0.8`? Numbers are written without a unit",
        ],
        true,
    ),
    (
        "type: volume\nrules: [flow]\ntimespan: 1h\ncondition: { field: source.bytes, gte: 5 GB }",
        &[
            "R026 condition: { field: source.bytes, gte: 5 GB }: `gte` is not a whole number from 1 to 9007199254740992; did you mean `5000000000`? Numbers are written without a unit",
        ],
        true,
    ),
    (
        "type: rare\nrules: [flow]\ntimespan: 30d\ncondition: { field: source.ip, lte: 0.5%, minimum: 1000 }",
        &[
            "R026 condition: { field: source.ip, lte: 0.5%, minimum: 1000 }: `lte` is not a number more than 0 and at most 0.5; did you mean `0.005`? Numbers are written without a unit",
        ],
        true,
    ),
    (
        "type: national\nrules: indicators\ntimespan: 1h\ncondition: { organisations: 3 }",
        &[
            "R026 condition: { organisations: 3 }: the condition of `national` has no `organisations`; did you mean `organizations`?",
        ],
        true,
    ),
    (
        "type: baseline\nrules: [flow]\ntimespan: 1h",
        &["R026 type: baseline: there is no type `baseline`; did you mean `threshold_baseline`?"],
        true,
    ),
    (
        "type: beacon\nrules: [flow]\ntimespan: 8d\ncondition: { gte: 0.8, minimum: 20 }",
        &[
            "R026 timespan: 8d: `timespan` of 8d is out of bounds: what happens in it is kept in memory; use from 1m to 7d",
        ],
        false,
    ),
    (
        "type: beacon\nrules: [flow]\ntimespan: 300\ncondition: { gte: 0.8, minimum: 20 }",
        &["R026 timespan: 300: `timespan` is no time span; write a number and s, m, h, d or w, such as `5m`"],
        true,
    ),
    (
        "type: beacon\nrules: [flow]\ntimespan: 1M\ncondition: { gte: 0.8, minimum: 20 }",
        &["R026 timespan: 1M: `timespan` is no time span; write a number and s, m, h, d or w, such as `5m`"],
        true,
    ),
    (
        "type: beacon\nrules: [flow]\ntimespan: 1h",
        &[
            "R026 anomaly:: `condition` is missing; add `condition:` with field, gte, minimum, at-most-callers",
        ],
        true,
    ),
    (
        "type: beacon\nrules: [flow]\ntimespan: 1h\ncondition: 0.8",
        &[
            "R026 condition: 0.8: `condition` is no mapping; write such as `condition: { field: …, gte: …, minimum: …, at-most-callers: … }`",
        ],
        true,
    ),
    (
        "type: beacon\nrules: [1]\ntimespan: 1h\ncondition: { gte: 0.8, minimum: 20 }",
        &["R026 rules: [1]: `rules` is no list of texts; write such as `[one, another]`"],
        true,
    ),
    (
        "type: beacon\ntimespan: 1h\ncondition: { gte: 0.8, minimum: 20 }",
        &["R013 title: N 1: it names no rule; add `rules:` with the names or ids of 1 to 64 rules"],
        true,
    ),
    (
        "type: beacon\nrules: [flwo]\ntimespan: 1h\ncondition: { gte: 0.8, minimum: 20 }",
        &[
            "R009 rules: [flwo]: nothing that is loaded has the id or name `flwo`; correct the name, load the rule it means, or mend that if it was refused",
        ],
        false,
    ),
    (
        "type: beacon\nrules: [flow]\naliases: [who]\ntimespan: 1h\ncondition: { gte: 0.8, minimum: 20 }",
        &[
            "R026 aliases: [who]: `aliases` is no mapping of alias to a mapping of rule to field; write such as `aliases: { who: { rule_a: src_ip, rule_b: client_ip } }`",
        ],
        true,
    ),
    (
        "type: new_value\nrules: [flow]\ntimespan: 7d\ncondition: { field: x }",
        &[
            "R026 anomaly:: `new_value` has to learn what is usual, and does not say how long; add such as `learning: 7d`",
        ],
        true,
    ),
    (
        "type: new_value\nrules: [flow]\ntimespan: 7d\nlearning: 14d\ncondition: { field: x }",
        &[
            "R026 timespan: 7d: what is learned would be forgotten while it is learned; make `timespan` as long as `learning` or longer",
        ],
        false,
    ),
    (
        "type: new_value\nrules: [flow]\ntimespan: 7d\nlearning: 1d\ncondition: { }",
        &[
            "R026 condition: { }: `new_value` does not say of which field; write one, such as `field: destination.ip`",
        ],
        true,
    ),
    (
        "type: distinct\nrules: [flow]\ntimespan: 1h\ncondition: { field: [a, b], gte: 5 }",
        &[
            "R026 condition: { field: [a, b], gte: 5 }: `distinct` is of at most 1 fields, and there are 2; write one, such as `field: destination.ip`",
        ],
        true,
    ),
    (
        "type: volume\nrules: [flow]\ntimespan: 1h\ncondition: { field: [a, b], gte: 5 }",
        &[
            "R026 condition: { field: [a, b], gte: 5 }: two fields are compared by `ratio`, which is missing; add such as `ratio: 10`",
        ],
        true,
    ),
    (
        "type: volume\nrules: [flow]\ntimespan: 1h\ncondition: { field: a, gte: 5, ratio: 2 }",
        &[
            "R026 condition: { field: a, gte: 5, ratio: 2 }: `ratio` compares two fields, and there is one; write such as `field: [source.bytes, destination.bytes]`, or leave `ratio` out",
        ],
        true,
    ),
    (
        "type: threshold_baseline\nrules: [flow]\ntimespan: 7d\nlearning: 1d\ncondition: { gte: 5, minimum: 1 }",
        &["R026 anomaly:: `interval` is missing; add it, such as `interval: 1h`"],
        true,
    ),
    (
        "type: threshold_baseline\nrules: [flow]\ntimespan: 7d\nlearning: 9h\ninterval: 1h\ncondition: { gte: 5, minimum: 1 }",
        &[
            "R026 interval: 1h: fewer than ten intervals say little about what is usual; make `timespan` and `learning` ten times as long as `interval` or longer",
        ],
        false,
    ),
    (
        "type: threshold_baseline\nrules: [flow]\ntimespan: 30d\nlearning: 14d\ninterval: 2h\nbaseline: hour_of_week\ncondition: { gte: 5, minimum: 1 }",
        &[
            "R026 interval: 2h: an hour of the week has no interval of more than an hour; use at most `interval: 1h`, or `baseline: ewma`",
        ],
        false,
    ),
    (
        "type: threshold_baseline\nrules: [flow]\ntimespan: 30d\nlearning: 6d\ninterval: 1h\nbaseline: hour_of_week\ncondition: { gte: 5, minimum: 1 }",
        &[
            "R026 baseline: hour_of_week: each hour of the week has to be seen once at least; make `timespan` and `learning` 7d or longer, or use `baseline: ewma`",
        ],
        false,
    ),
    (
        "type: threshold_baseline\nrules: [flow]\ntimespan: 30d\nlearning: 14d\ninterval: 1h\nbaseline: hour_of_day\ncondition: { gte: 5, minimum: 1 }",
        &["R026 baseline: hour_of_day: `baseline` can't be `hour_of_day`; write one of ewma, hour_of_week"],
        true,
    ),
    (
        "type: silence\nrules: [flow]\ntimespan: 1h\ncondition: { factor: 3 }",
        &[
            "R026 anomaly:: `factor` is of what is usual, and it does not say how long to learn that; add such as `learning: 7d`",
        ],
        true,
    ),
    (
        "type: silence\nrules: [flow]\ntimespan: 1h\nlearning: 7d",
        &[
            "R026 learning: 7d: nothing is learned without `factor`; leave `learning` out, or add `condition: { factor: 3 }`",
        ],
        true,
    ),
    (
        "type: silence\nrules: [flow]\ntimespan: 1h\nlearning: 7d\ncondition: { factor: 3, field: x }",
        &["R026 condition: { factor: 3, field: x }: the condition of `silence` has no `field`; leave it out"],
        true,
    ),
    (
        "type: national\nrules: [flow]\ngroup-by: [organization.id]\ntimespan: 1h\ncondition: { organizations: 3 }",
        &[
            "R026 group-by: [organization.id]: `organization.id` is in the group, and no two organisations share one; leave it out: the organisations are what is counted",
        ],
        false,
    ),
    (
        "type: national\nrules: [indicators, flow]\ntimespan: 1h\ncondition: { organizations: 3 }",
        &[
            "R026 rules: [indicators, flow]: `indicators` stands alone: its group is the indicator, and that of rules is another; write one anomaly rule for indicators and one for rules",
        ],
        false,
    ),
    (
        "type: national\nrules: indicators\ngroup-by: [x]\ntimespan: 1h\ncondition: { organizations: 3 }",
        &["R026 group-by: [x]: the group of `indicators` is the indicator; leave `group-by` out"],
        false,
    ),
    (
        "type: flow\nrules: [indicators]\ntimespan: 1h\ncondition: { score: 0.9, minimum: 3 }",
        &[
            "R009 rules: [indicators]: nothing that is loaded has the id or name `indicators`; only an anomaly rule of type `national` takes the matches of indicators",
        ],
        false,
    ),
];

#[test]
fn what_is_wrong_is_said_with_its_place_and_its_mend() {
    for (body, expected, _) in REFUSED {
        let checked = check_all(&[document(body)]);
        assert_eq!(said(&checked), *expected, "{body}");
        assert!(checked.rules.anomalies.is_empty(), "{body}");
    }
}

#[test]
fn the_rest_of_the_document_is_read_as_strictly() {
    let body = "type: silence\nrules: [flow]\ntimespan: 1h";
    for (more, expected) in [
        (
            "levle: high\n",
            "R026 levle: high: an anomaly rule has no `levle`; did you mean `level`?",
        ),
        (
            "level: hihg\n",
            "R026 level: hihg: `level` can't be `hihg`; did you mean `high`?",
        ),
        (
            "author: [A, B]\n",
            "R026 author: [A, B]: `author` is no text; write one text, in quotes if it is a number",
        ),
        (
            "generate: yes\n",
            "R026 generate: yes: `generate` is neither true nor false; write `true` or `false`",
        ),
        (
            "tags: { a: b }\n",
            "R026 tags: { a: b }: `tags` is no list of texts; write such as `[one, another]`",
        ),
        (
            "varde: { confidence: sure }\n",
            "R015 varde: { confidence: sure }: read `sure` as a confidence: known are low, medium, high; `varde:` is a mapping: owner, legal_basis, purpose, review, confidence (low, medium, high), entity, incident (one word that several rules share), and summary and first_step with nb, nn and en",
        ),
        (
            "varde: { incident: port scan }\n",
            "R015 varde: { incident: port scan }: `incident` is no word of at most 64 letters a to z, digits and underscores; `varde:` is a mapping: owner, legal_basis, purpose, review, confidence (low, medium, high), entity, incident (one word that several rules share), and summary and first_step with nb, nn and en",
        ),
    ] {
        let checked = check_all(&[numbered(1, body, more)]);
        assert_eq!(said(&checked), [expected], "{more}");
        assert!(checked.rules.anomalies.is_empty(), "{more}");
    }
}

#[test]
fn anomalies_and_correlations_build_on_each_other() {
    let correlation = "title: C\nid: 10000000-0000-4000-8000-000000000001\nname: many\ncorrelation:\n  type: event_count\n  rules: [n2]\n  group-by: [source.ip]\n  timespan: 1h\n  condition: { gte: 2 }\n";
    let checked = check_all(&[
        numbered(
            1,
            "type: national\nrules: [many]\ngroup-by: [source.ip]\ntimespan: 7d\ncondition: { organizations: 3 }",
            "generate: true\n",
        ),
        correlation.to_owned(),
        numbered(
            2,
            "type: distinct\nrules: [flow]\ngroup-by: [id.orig_h]\ntimespan: 1h\ncondition: { field: id.resp_p, gte: 50 }",
            "",
        ),
    ]);
    assert_eq!(said(&checked), Vec::<String>::new());
    let (national, distinct) = (&checked.rules.anomalies[0], &checked.rules.anomalies[1]);
    let counted = &checked.rules.correlations[0];
    assert_eq!(national.bases[0].of, BaseOf::Correlation(0));
    assert_eq!(counted.bases[0].of, BaseOf::Anomaly(1));
    assert_eq!(distinct.bases[0].of, BaseOf::Rule(0));
    assert_eq!(
        (national.raises, counted.raises, distinct.raises),
        (true, true, false)
    );
    assert_eq!(
        checked
            .rules
            .rules
            .iter()
            .map(|rule| rule.raises)
            .collect::<Vec<_>>(),
        [false, true]
    );
}

#[test]
fn only_baselines_of_devices_and_persons_are_refused_in_schools() {
    let new_value = |group: &str, field: &str| {
        format!(
            "type: new_value\nrules: [flow]\ngroup-by: [{group}]\ntimespan: 30d\nlearning: 7d\ncondition: {{ field: {field} }}"
        )
    };
    let silence = |group: &str| format!("type: silence\nrules: [flow]\ngroup-by: [{group}]\ntimespan: 1h");
    let volume = "type: volume\nrules: [flow]\ngroup-by: [source.ip]\ntimespan: 1h\ncondition: { field: source.bytes, gte: 5 }";
    for (body, expected) in [
        (new_value("source.ip", "tls.client.ja4"), true),
        (new_value("id.orig_h", "tls.client.ja4"), true),
        (new_value("observer.name", "tls.client.ja4"), false),
        (new_value("observer.name", "user.name"), true),
        (new_value("observer.name", "destination.port"), false),
        (new_value("", "destination.geo.country_iso_code"), false),
        (silence("host.name"), true),
        (silence("source.mac"), true),
        (silence("observer.mac"), true),
        (silence("server.address"), true),
        (silence("client.ip"), true),
        (silence("user.name"), true),
        (silence("Computer"), true),
        (silence("observer.name, event.dataset"), false),
        (silence("source.as.number"), false),
        (volume.to_owned(), false),
    ] {
        assert_eq!(only(&body).is_per_device(), expected, "{body}");
    }
}
