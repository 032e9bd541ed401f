//! One rule, made of a detection, on events that it should match and on events that it should not.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test support outside `#[test]` functions"
)]

use detect_engine::{Compiler, EventView, Match, MatchSink, Ruleset, Scanner};
use detect_rules::{SourceText, check};

#[derive(Default)]
struct Count(usize);

impl MatchSink for Count {
    fn matched(&mut self, _: &EventView<'_>, _: Match<'_>) {
        self.0 += 1;
    }
}

/// A rule file with this detection.
pub fn rule(detection: &str) -> SourceText {
    SourceText {
        path: "r.yml".to_owned(),
        text: format!(
            "title: T\nid: 11111111-1111-4111-8111-111111111111\nlogsource: {{ category: test }}\ndetection:\n{detection}\n"
        ),
    }
}

fn compile(detection: &str) -> Ruleset {
    let mut checked = check(&[rule(detection)]);
    assert!(
        checked.diagnostics.is_empty(),
        "{detection}: {}",
        checked.diagnostics[0]
    );
    for rule in &mut checked.rules.rules {
        rule.log_source = detect_rules::RuleLogSource::default();
    }
    Compiler::new().rules(checked.rules).compile().expect("compiles")
}

fn holds(ruleset: &Ruleset, members: &str) -> bool {
    let comma = if members.is_empty() { "" } else { "," };
    let event = format!("{{\"@timestamp\":\"2026-01-01T00:00:00Z\"{comma}{members}}}");
    let mut count = Count::default();
    Scanner::new(ruleset)
        .scan(event.as_bytes(), &mut count)
        .unwrap_or_else(|error| panic!("{event}: {error}"));
    count.0 == 1
}

/// One item of a rule, against events given as members of a JSON object.
pub fn check_item(item: &str, yes: &[&str], no: &[&str]) {
    check_detection(
        &format!("  selection: {{ {item} }}\n  condition: selection"),
        yes,
        no,
    );
}

/// A whole detection, against events given as members of a JSON object.
pub fn check_detection(detection: &str, yes: &[&str], no: &[&str]) {
    let ruleset = compile(detection);
    for members in yes {
        assert!(holds(&ruleset, members), "should match: {detection} ~ {members}");
    }
    for members in no {
        assert!(
            !holds(&ruleset, members),
            "should not match: {detection} ~ {members}"
        );
    }
}
