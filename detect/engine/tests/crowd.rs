//! Events that wake many rules at once: what they match is what each rule alone matches.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test support outside `#[test]` functions"
)]

use std::collections::BTreeSet;

use detect_engine::{Compiler, EventView, Match, MatchSink, Origin, Ruleset, Scanner};
use detect_rules::{SourceText, check};

/// More than the crowd that is looked for together, and texts of every kind: with escapes, in parts of others, beyond ASCII.
const RULES: usize = 160;

const WORDS: [&str; 16] = [
    r"\cmd.exe",
    "new",
    r#""quoted""#,
    "nick",
    r"\\server\share",
    "Ærlig",
    "tab",
    "\tx",
    "K",
    "0",
    "aa",
    "aaa",
    "/c ",
    "é",
    "b",
    r"\",
];

/// What events have instead of two of them: not the same texts, and nearly the same bytes.
const NEARLY: [(&str, &str); 2] = [("nick", "\nick"), ("tab", "\tab")];

const OPERATIONS: [&str; 4] = ["", "|contains", "|startswith", "|endswith"];

#[derive(Default)]
struct Matched(BTreeSet<String>);

impl MatchSink for Matched {
    fn matched(&mut self, _: &EventView<'_>, hit: Match<'_>) {
        if let Origin::Rule(_, producer) = hit.origin {
            self.0.insert(producer.name.clone());
        }
    }
}

/// A rule that asks for some words in one of two fields, one of them perhaps not.
fn rule(number: usize) -> SourceText {
    let word = |at: usize| {
        let (one, other) = (WORDS[at % 16], WORDS[(at / 16 + number) % 16]);
        serde_json::Value::from(if at.is_multiple_of(3) {
            one.to_owned()
        } else {
            format!("{one}{other}")
        })
        .to_string()
        .replace(r"\\", r"\\\\")
    };
    let operation = OPERATIONS[number % 4];
    let (field, other) = [("line", "list"), ("list", "line")][number / 4 % 2];
    let words: Vec<String> = (0..1 + number % 9).map(|at| word(number * 7 + at * 5)).collect();
    let excluded = if number.is_multiple_of(5) {
        "not e"
    } else {
        "(e or not e)"
    };
    SourceText {
        path: format!("{number}.yml"),
        text: format!(
            "title: R{number}\nid: {number:08}-1111-4111-8111-111111111111\nlogsource: {{ category: dns }}\n\
             detection:\n  s:\n    {field}{operation}: [{}]\n  e:\n    {other}|contains: {}\n  condition: s and {excluded}\n",
            words.join(", "),
            word(number * 3 + 1),
        ),
    }
}

fn compile(sources: &[SourceText]) -> Ruleset {
    let checked = check(sources);
    assert_eq!(
        checked.rules.rules.len(),
        sources.len(),
        "{:?}",
        checked.diagnostics
    );
    Compiler::new().rules(checked.rules).compile().expect("compiles")
}

fn matched(ruleset: &Ruleset, event: &str) -> BTreeSet<String> {
    let mut found = Matched::default();
    Scanner::new(ruleset)
        .scan(event.as_bytes(), &mut found)
        .expect("an event");
    found.0
}

#[test]
fn what_a_crowd_matches_is_what_each_of_its_rules_matches() {
    let sources: Vec<SourceText> = (0..RULES).map(rule).collect();
    let together = compile(&sources);
    let alone: Vec<Ruleset> = sources
        .iter()
        .map(|source| compile(std::slice::from_ref(source)))
        .collect();
    let mut total = 0;
    for seed in 0..14_usize {
        let text = |from: usize| -> String {
            (0..700)
                .map(|at| WORDS[(from + at * (1 + seed % 7) + at * at) % 16])
                .map(|word| {
                    NEARLY
                        .iter()
                        .find(|(of, _)| *of == word)
                        .map_or(word, |(_, nearly)| nearly)
                })
                .collect()
        };
        // Of the odd ones, most words are left out, so that rules differ.
        let line: String = text(seed)
            .chars()
            .filter(|letter| seed.is_multiple_of(2) || !"Kbé0".contains(*letter))
            .collect();
        let list: Vec<String> = (0..90)
            .map(|at| text(seed + at).chars().skip(at * 9).take(1 + at % 70).collect())
            .collect();
        let event = serde_json::json!({
            "@timestamp": "2026-01-01T00:00:00Z", "event.dataset": "network.dns", "line": line, "list": list,
        });
        for event in [event.to_string(), event.to_string().replace('/', "\\/")] {
            let expected: BTreeSet<String> = alone
                .iter()
                .flat_map(|ruleset| matched(ruleset, &event))
                .collect();
            total += expected.len();
            assert_eq!(matched(&together, &event), expected, "seed {seed}");
        }
    }
    assert!(
        RULES * 2 < total && total < RULES * 27,
        "{total} matches say nothing"
    );
}
