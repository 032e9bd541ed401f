//! Where the engine and `rsigma-eval` differ, each shown: the table in `docs/engine-differences.md`.
//!
//! When one is gone, this fails and its line goes. The generated rules leave these cases out for the oracle.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test support outside `#[test]` functions"
)]

#[path = "naive/naive.rs"]
mod naive;
#[path = "generated/peer.rs"]
mod peer;

use detect_engine::{Compiler, EventView, Match, MatchSink, Scanner};
use detect_rules::{RuleLogSource, SourceText, check};

#[derive(Default)]
struct Count(usize);

impl MatchSink for Count {
    fn matched(&mut self, _: &EventView<'_>, _: Match<'_>) {
        self.0 += 1;
    }
}

/// Selection, event, what we say; the oracle says the opposite.
const DIFFERENCES: [(&str, &str, bool); 26] = [
    ("f|startswith: 'a*c'", r#"{"f":"xabc"}"#, false),
    ("f|endswith: 'a*c'", r#"{"f":"abcx"}"#, false),
    ("f|endswith: '1?'", r#"{"f":"0x10"}"#, true),
    ("f: 'a*c'", r#"{"f":"a\nc"}"#, true),
    ("f|windash: '-*b'", r#"{"f":"/xb"}"#, true),
    (
        "f|contains|windash: ' /create '",
        r#"{"f":"schtasks.exe -create -tn x"}"#,
        true,
    ),
    ("f|windash: '-param-name'", r#"{"f":"-param/name"}"#, false),
    ("f|base64offset|contains: Varde", r#"{"f":"VmFyZGVoZWlt"}"#, true),
    ("f|wide|contains: ab", r#"{"f":"a\u0000b\u0000"}"#, true),
    ("f: null", r#"{"f":[null,"x"]}"#, true),
    ("f: [null, x]", r#"{"g":"x"}"#, true),
    ("f|cidr: 192.0.2.0/24", r#"{"f":"::ffff:192.0.2.7"}"#, true),
    ("f|minute: 1", r#"{"f":100}"#, false),
    ("f|year: 1601", r#"{"f":"1601-01-01T00:00:00Z"}"#, false),
    ("f|minute: 45", r#"{"f":"2027-01-03T23:45:06Z\n"}"#, true),
    ("f: 0", r#"{"f":1e-20}"#, false),
    ("f: '18446744073709551615'", r#"{"f":18446744073709551615}"#, true),
    ("f|fieldref: g", r#"{"f":null,"g":null}"#, false),
    ("f|fieldref: g", r#"{"f":"b","g":["a","b"]}"#, true),
    ("'|all': [a, b]", r#"{"f":"xa","g":"xb"}"#, true),
    ("'|cased': [A, B]", r#"{"f":"xA"}"#, true),
    ("f: ΟΔΟΣ", r#"{"f":"οδοσ"}"#, true),
    ("f: µs", r#"{"f":"μs"}"#, true),
    ("f: İ", r#"{"f":"i̇"}"#, false),
    ("f: 'ϐ*'", r#"{"f":"β"}"#, false),
    ("f: x", r#"{"f":"x","f":"y"}"#, true),
];

#[test]
fn each_difference_is_still_there() {
    for (selection, members, expected) in DIFFERENCES {
        let text = format!(
            "title: T\nid: 11111111-1111-4111-8111-111111111111\nlogsource: {{ category: test }}\ndetection:\n  s: {{ {selection} }}\n  condition: s\n"
        );
        let mut checked = check(&[SourceText {
            path: "r.yml".to_owned(),
            text: text.clone(),
        }])
        .rules;
        for rule in &mut checked.rules {
            rule.log_source = RuleLogSource::default();
        }
        let condition = checked.rules[0].condition.clone();
        let ruleset = Compiler::new().rules(checked).compile().expect(selection);
        let line = members.replacen('{', "{\"@timestamp\":\"2026-01-01T00:00:00Z\",", 1);
        let mut count = Count::default();
        Scanner::new(&ruleset)
            .scan(line.as_bytes(), &mut count)
            .expect(members);
        assert_eq!(count.0 == 1, expected, "ours: {selection} ~ {members}");

        let leaves = naive::flatten(line.as_bytes()).expect(members);
        assert_eq!(
            naive::holds(&condition, &leaves),
            expected,
            "naive: {selection} ~ {members}"
        );

        // As the oracle's own reader takes it.
        let event: serde_json::Value = serde_json::from_str(members).expect(members);
        let theirs = peer::compile(&text).expect(selection);
        assert_eq!(
            peer::matches(&theirs, &event),
            !expected,
            "theirs: {selection} ~ {members}"
        );
    }
}

#[test]
fn the_document_lists_them_all() {
    let rows: Vec<String> = include_str!("../../../docs/engine-differences.md")
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.replace("\\|", "|"))
        .collect();
    assert_eq!(rows.len(), DIFFERENCES.len());
    for ((selection, _, expected), row) in DIFFERENCES.iter().zip(&rows) {
        let answer = if *expected { "| yes | no |" } else { "| no | yes |" };
        assert!(
            row.starts_with(&format!("| `{selection}` |")),
            "{selection}: {row}"
        );
        assert!(row.contains(answer), "{selection}: {row}");
    }
}
