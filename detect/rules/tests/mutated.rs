//! Documents with something changed at random are read, lowered or refused: nothing panics, and what loads is whole.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test support outside `#[test]` functions"
)]

use std::{fs, path::Path};

use detect_rules::{Base, BaseOf, CheckedRules, Expression, SourceText, check};
use proptest::prelude::*;

/// The samples of correlations and anomaly rules, and rules for them to take.
fn documents() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).expect(path);
    let bases = ["outbound_connection", "dns_question", "a", "b"].into_iter().zip(1..).map(|(name, number)| {
        format!("title: {name}\nname: {name}\nid: 30000000-0000-4000-8000-{number:012}\nlogsource: {{ category: network }}\ndetection: {{ s: {{ a: b }}, condition: s }}\n")
    });
    let samples = read("../../docs/anomaly-rules.md");
    let samples = samples
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .zip(1..);
    let samples = samples.map(|(sample, number)| match sample.strip_prefix("anomaly:") {
        Some(_) => {
            format!("title: N {number}\nname: n{number}\nid: 40000000-0000-4000-8000-{number:012}\n{sample}")
        }
        None => sample.to_owned(),
    });
    let correlations = [
        "type: temporal\n  rules: [a, b]\n  group-by: [source.ip]\n  timespan: 5m\n  condition: a and not (b or 1 of a*)",
        "type: value_percentile\n  rules: [a, c1]\n  timespan: 5m\n  window: session\n  gap: 1m\n  group-by: [source.ip]\n  condition: { field: source.ip, gte: 5, percentile: 9 }",
        "type: temporal_ordered\n  rules: [c1, c2]\n  group-by: [who]\n  aliases: { who: { c1: source.ip, c2: source.ip } }\n  timespan: 1h",
    ];
    let correlations = correlations.into_iter().zip(1..).map(|(body, number)| {
        format!("title: C {number}\nname: c{number}\nid: 50000000-0000-4000-8000-{number:012}\ncorrelation:\n  {body}\n")
    });
    bases
        .chain(samples)
        .chain(correlations)
        .collect::<Vec<_>>()
        .join("---\n")
}

/// One change: at a place, so many characters are replaced.
fn change() -> impl Strategy<Value = (prop::sample::Index, usize, String)> {
    let pieces = [
        "",
        " ",
        "\n",
        "\n  ",
        ": ",
        "[",
        "]",
        "{",
        "}",
        "-",
        "~",
        "null",
        "-1",
        "0",
        "1.5",
        "1e400",
        ".nan",
        "9223372036854775808",
        "true",
        "\"",
        "'",
        "*",
        "&a",
        "|",
        "\u{e6}",
        "\u{1f600}",
        "anomaly:",
        "correlation:",
        "type: national\n",
        "indicators",
        "c1",
        "c3",
        "n1",
        "5m",
        "99999999999999999999d",
        "not ",
        " and ",
        "(((",
        "#",
    ];
    let piece = prop_oneof![
        prop::sample::select(pieces.to_vec()).prop_map(str::to_owned),
        "[a-z_]{1,8}",
        "\\PC{1,3}",
    ];
    (any::<prop::sample::Index>(), 0_usize..12, piece)
}

fn changed(text: &str, changes: &[(prop::sample::Index, usize, String)]) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for (place, count, piece) in changes {
        let from = place.index(letters.len());
        let to = letters.len().min(from + count);
        letters.splice(from..to, piece.chars());
    }
    letters.into_iter().collect()
}

fn check_whole(rules: &CheckedRules) {
    let bases_of = |bases: &[Base], group: usize| {
        assert!(!bases.is_empty());
        for base in bases {
            assert_eq!(base.group_by.len(), group);
            assert!(
                base.group_by
                    .iter()
                    .chain(&base.values)
                    .all(|names| !names.is_empty())
            );
            let (index, count) = match base.of {
                BaseOf::Rule(index) => (index, rules.rules.len()),
                BaseOf::Correlation(index) => (index, rules.correlations.len()),
                BaseOf::Anomaly(index) => (index, rules.anomalies.len()),
                BaseOf::Indicators => continue,
            };
            assert!(index < count, "{:?}", base.of);
        }
    };
    for one in &rules.correlations {
        bases_of(&one.bases, one.group_by.len());
        assert!(0 < one.timespan_ns);
        assert!(
            one.expression
                .as_ref()
                .is_none_or(|expression| is_whole(expression, one.bases.len()))
        );
    }
    for one in &rules.anomalies {
        bases_of(&one.bases, one.group_by.len());
        assert!(0 < one.timespan_ns && 0 <= one.learning_ns);
    }
}

fn is_whole(expression: &Expression, bases: usize) -> bool {
    match expression {
        Expression::Base(base) => *base < bases,
        Expression::All(parts) | Expression::Any(parts) => parts.iter().all(|part| is_whole(part, bases)),
        Expression::Not(part) => is_whole(part, bases),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_changed_at_random_is_lowered_or_refused(changes in prop::collection::vec(change(), 1..6)) {
        let text = changed(&documents(), &changes);
        let lines = text.lines().count();
        let checked = check(&[SourceText { path: "r.yml".to_owned(), text }]);
        check_whole(&checked.rules);
        for found in &checked.diagnostics {
            prop_assert!((1..=lines + 1).contains(&found.line), "{}", found);
        }
    }
}

#[test]
fn unchanged_nearly_all_of_them_load() {
    let checked = check(&[SourceText {
        path: "r.yml".to_owned(),
        text: documents(),
    }]);
    check_whole(&checked.rules);
    assert_eq!(checked.rules.correlations.len(), 3);
    assert!(6 <= checked.rules.anomalies.len(), "{:?}", checked.diagnostics);
}
