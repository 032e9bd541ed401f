//! Filters, placeholders, authors and licences: what is added to a rule, and what its version says of it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "test support outside `#[test]` functions"
)]

#[path = "conditions/conditions.rs"]
mod conditions;

use detect_rules::{Checked, check};

use conditions::{rule, shown, source};

const DNS: &str = "{ category: dns }";
const ONE: &str = "  a: { x: bad }\n  condition: a";

fn with(more: &str) -> Checked {
    let checked = check(&[
        source("rules/r.yml", rule(DNS, ONE)),
        source("rules/filter.yml", more),
    ]);
    assert!(checked.diagnostics.is_empty(), "{:?}", checked.diagnostics);
    checked
}

fn filter(log_source: &str, rest: &str) -> String {
    format!("title: F\nlogsource: {log_source}\nfilter:\n{rest}\n")
}

#[test]
fn a_filter_is_joined_with_and() {
    let not_good = "  selection: { y|startswith: good }\n  condition: not selection";
    for (log_source, rest, expected) in [
        (
            DNS,
            format!("  rules: [a_rule]\n{not_good}"),
            "(x=bad & !y=good~)",
        ),
        (
            DNS,
            format!("  rules:\n    - 11111111-1111-4111-8111-111111111111 # why\n{not_good}"),
            "(x=bad & !y=good~)",
        ),
        (DNS, format!("  rules: any\n{not_good}"), "(x=bad & !y=good~)"),
        (DNS, format!("  rules: a_rule\n{not_good}"), "(x=bad & !y=good~)"),
        (
            DNS,
            "  rules: any\n  s_1: { y: p }\n  s_2: { y: q }\n  condition: not 1 of s_*".to_owned(),
            "(x=bad & !(y=p | y=q))",
        ),
        // A selection of the filter with the name of one of the rule is its own.
        (
            DNS,
            "  rules: any\n  a: { y: p }\n  condition: not a".to_owned(),
            "(x=bad & !y=p)",
        ),
        (
            DNS,
            "  rules: any\n  a: { y: p }\n  condition: a".to_owned(),
            "(x=bad & y=p)",
        ),
    ] {
        let checked = with(&filter(log_source, &rest));
        assert_eq!(shown(&checked.rules.rules[0].condition), expected, "{rest}");
    }
}

#[test]
fn a_filter_of_another_log_source_touches_nothing() {
    let other = "title: Other\nid: 33333333-3333-4333-8333-333333333333\nlogsource: { category: proxy }\ndetection: { a: { x: y }, condition: a }\n";
    let text = format!(
        "{other}---\n{}",
        filter(
            "{ category: proxy }",
            "  rules: any\n  s: { y: p }\n  condition: not s"
        )
    );
    let checked = with(&text);
    let shown: Vec<String> = checked
        .rules
        .rules
        .iter()
        .map(|rule| shown(&rule.condition))
        .collect();
    assert_eq!(shown, ["x=bad", "(x=y & !y=p)"]);
}

#[test]
fn the_version_and_the_digest_change_with_the_filter_and_with_the_list() {
    let version = |more: &str| {
        let checked = with(more);
        let rule = &checked.rules.rules[0];
        (rule.producer.version.clone(), rule.digest)
    };
    let filtered = |value: &str| {
        version(&filter(
            DNS,
            &format!("  rules: any\n  s: {{ y: {value} }}\n  condition: not s"),
        ))
    };
    let (bare, p, q) = (version(""), filtered("p"), filtered("q"));
    assert_eq!(bare.0, "2026-01-01");
    assert!(
        p.0.starts_with("2026-01-01+") && p.0.len() == "2026-01-01+12345678".len(),
        "{}",
        p.0
    );
    assert!(p != q && p != bare && p == filtered("p"));

    let listed = |list: &str| {
        let detection = "  a: { x|expand: '%names%' }\n  condition: a";
        let checked = check(&[
            source("r.yml", rule(DNS, detection)),
            source("placeholders.yml", format!("names: {list}\nothers: [x]\n")),
        ]);
        let rule = &checked.rules.rules[0];
        (rule.producer.version.clone(), rule.digest)
    };
    assert!(listed("[p]") != listed("[q]") && listed("[p]") == listed("[p]"));
}

#[test]
fn placeholders_are_filled_from_the_file_beside_the_rules() {
    let lists = "names: [p, 'q*']\nport: 53\nnone: []\n";
    for (detection, expected, warnings) in [
        ("  a: { x|expand: '%names%' }\n  condition: a", "x=p,q*", 0),
        (
            "  a: { x|contains|expand: '-%names%-' }\n  condition: a",
            "x=~-p-~,~-q*-~",
            0,
        ),
        ("  a: { x|expand: ['%names%', w] }\n  condition: a", "x=p,q*,w", 0),
        (
            "  a: { x|expand: '%names%:%port%' }\n  condition: a",
            "x=p:53,q*:53",
            0,
        ),
        (
            "  a: { x|re|expand: '^%names%$' }\n  condition: a",
            r"x=/^p$/,/^q\*$/",
            0,
        ),
        (
            "  a: { x|contains|all|expand: ['%names%', w] }\n  condition: a",
            "(x=~p~,~q*~ & x=~w~)",
            0,
        ),
        ("  a: { x|expand: '%none%' }\n  condition: a", "never", 0),
        ("  a: { x|expand: '%who%' }\n  condition: a", "never", 1),
        ("  a: { x|expand: ['%who%', w] }\n  condition: a", "x=w", 1),
        ("  a: { x|all|expand: ['%who%', w] }\n  condition: a", "never", 1),
        (
            "  a: { y: z }\n  f: { x|expand: '%who%' }\n  condition: a and not f",
            "(y=z & !never)",
            1,
        ),
        ("  a: { '|expand': '%names%' }\n  condition: a", "any=~p~,~q*~", 0),
    ] {
        let checked = check(&[
            source("r.yml", rule(DNS, detection)),
            source("placeholders.yml", lists),
        ]);
        assert_eq!(
            (
                shown(&checked.rules.rules[0].condition).as_str(),
                checked.diagnostics.len()
            ),
            (expected, warnings),
            "{detection}: {:?}",
            checked.diagnostics
        );
    }
    let broken = check(&[source("rules/placeholders.yml", "- not a mapping\n")]);
    assert_eq!(broken.diagnostics[0].code.as_str(), "R002");
}

#[test]
fn authors_and_licences_travel_as_they_are_written() {
    for (author, expected) in [
        ("One", vec!["One"]),
        ("One (Company), Two", vec!["One (Company)", "Two"]),
        (
            "E. M. (originally from A, B), community (split)",
            vec!["E. M. (originally from A, B)", "community (split)"],
        ),
        (
            "Ömer Günal, Ján Trenčanský (@handle)",
            vec!["Ömer Günal", "Ján Trenčanský (@handle)"],
        ),
        ("'@handle'", vec!["@handle"]),
        ("One, , Two,", vec!["One", "Two"]),
        ("Unclosed (A, B", vec!["Unclosed (A, B"]),
    ] {
        let text = rule(DNS, ONE).replace("date:", &format!("author: {author}\nlicense: DRL 1.1\ndate:"));
        let checked = check(&[source("r.yml", text)]);
        let producer = &checked.rules.rules[0].producer;
        assert_eq!(
            (producer.authors.clone(), producer.license.as_deref()),
            (
                expected.iter().map(ToString::to_string).collect(),
                Some("DRL 1.1")
            ),
            "{author}"
        );
    }
    assert_eq!(
        check(&[source("r.yml", rule(DNS, ONE))]).rules.rules[0]
            .producer
            .license,
        None
    );
}
